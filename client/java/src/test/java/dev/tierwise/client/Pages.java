package dev.tierwise.client;

import org.junit.jupiter.api.Assumptions;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** The pages that tests hold the client to. */
final class Pages {
    private Pages() {}

    /** Returns what is said of the clients of all languages. */
    static String clients() {
        Path page = Path.of("..", "README.md");
        Assumptions.assumeTrue(Files.exists(page), "the page is in the repository only");
        return text(page);
    }

    static String text(Path page) {
        try {
            return Files.readString(page);
        } catch (IOException cause) {
            throw new UncheckedIOException(cause);
        }
    }
}
