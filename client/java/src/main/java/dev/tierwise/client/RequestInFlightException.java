package dev.tierwise.client;

/** A request with the same id is running. It cost nothing. */
public final class RequestInFlightException extends TierwiseException {
    private static final long serialVersionUID = 1L;

    RequestInFlightException(Failure failure) {
        super(failure);
    }
}
