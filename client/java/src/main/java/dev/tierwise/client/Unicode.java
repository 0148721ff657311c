package dev.tierwise.client;

import java.nio.charset.StandardCharsets;

/** What can be sent as text. */
final class Unicode {
    private Unicode() {}

    /** Returns the text; refuses half characters, for which Protobuf would send a question mark. */
    static String checked(String text, String what) {
        if (!StandardCharsets.UTF_8.newEncoder().canEncode(text)) {
            throw new IllegalArgumentException(what + " holds half of a surrogate pair");
        }
        return text;
    }
}
