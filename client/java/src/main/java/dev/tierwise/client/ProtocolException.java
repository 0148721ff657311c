package dev.tierwise.client;

/**
 * The answer breaks the contract, so that no part of it can be relied on. A fault of the server or
 * on the way.
 */
public final class ProtocolException extends TierwiseException {
    private static final long serialVersionUID = 1L;

    ProtocolException(Failure failure) {
        super(failure);
    }
}
