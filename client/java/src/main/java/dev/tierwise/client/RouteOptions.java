package dev.tierwise.client;

import dev.tierwise.v1.GenerateRequest;

import java.time.Duration;

/** Wishes about one call that asks for a decision. Immutable. */
public final class RouteOptions extends TaskOptions<RouteOptions> {
    /** No wishes. */
    public static final RouteOptions DEFAULT =
            new RouteOptions(GenerateRequest.getDefaultInstance(), null);

    private RouteOptions(GenerateRequest wishes, Duration timeout) {
        super(wishes, timeout);
    }

    @Override
    RouteOptions with(GenerateRequest wishes, Duration timeout) {
        return new RouteOptions(wishes, timeout);
    }
}
