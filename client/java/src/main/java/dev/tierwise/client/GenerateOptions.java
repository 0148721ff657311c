package dev.tierwise.client;

import dev.tierwise.v1.GenerateRequest;

import java.time.Duration;

/** Wishes about one call for a whole answer. Immutable. */
public final class GenerateOptions extends RunOptions<GenerateOptions> {
    /** No wishes. */
    public static final GenerateOptions DEFAULT =
            new GenerateOptions(GenerateRequest.getDefaultInstance(), null);

    private GenerateOptions(GenerateRequest wishes, Duration timeout) {
        super(wishes, timeout);
    }

    @Override
    GenerateOptions with(GenerateRequest wishes, Duration timeout) {
        return new GenerateOptions(wishes, timeout);
    }
}
