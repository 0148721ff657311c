package dev.tierwise.client;

/**
 * The deadline passed; what was spent is on the server's record only. Asking again is a new, paid
 * request.
 */
public final class DeadlineExceededException extends TierwiseException {
    private static final long serialVersionUID = 1L;

    DeadlineExceededException(Failure failure) {
        super(failure);
    }
}
