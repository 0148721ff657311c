package dev.tierwise.client;

/**
 * The model provider failed, after the server's own retries. Asking again is a new, paid request.
 */
public final class UpstreamException extends TierwiseException {
    private static final long serialVersionUID = 1L;

    UpstreamException(Failure failure) {
        super(failure);
    }
}
