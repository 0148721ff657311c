package dev.tierwise.client;

/**
 * The caller's rate or concurrency limit. It cost nothing; asking again after {@link #retryAfter()}
 * is safe.
 */
public final class RateLimitedException extends LimitException {
    private static final long serialVersionUID = 1L;

    RateLimitedException(Failure failure) {
        super(failure);
    }
}
