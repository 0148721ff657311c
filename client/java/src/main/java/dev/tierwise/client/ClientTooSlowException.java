package dev.tierwise.client;

/**
 * This side stopped reading the stream, and the server gave up; {@link #summary()} says what was
 * spent.
 */
public final class ClientTooSlowException extends LimitException {
    private static final long serialVersionUID = 1L;

    ClientTooSlowException(Failure failure) {
        super(failure);
    }
}
