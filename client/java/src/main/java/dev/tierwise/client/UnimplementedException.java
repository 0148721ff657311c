package dev.tierwise.client;

/** The server does not have the method: it is older than this client, or no tierwise server. */
public final class UnimplementedException extends TierwiseException {
    private static final long serialVersionUID = 1L;

    UnimplementedException(Failure failure) {
        super(failure);
    }
}
