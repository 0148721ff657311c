package dev.tierwise.client;

/** A fault of the server; tell who runs it the {@link #requestId()}. */
public class ServerException extends TierwiseException {
    private static final long serialVersionUID = 1L;

    ServerException(Failure failure) {
        super(failure);
    }
}
