package dev.tierwise.client;

/**
 * The server cannot be reached, is draining, or sheds load. Unless {@link #started()}, it cost
 * nothing.
 */
public final class UnavailableException extends TierwiseException {
    private static final long serialVersionUID = 1L;

    UnavailableException(Failure failure) {
        super(failure);
    }
}
