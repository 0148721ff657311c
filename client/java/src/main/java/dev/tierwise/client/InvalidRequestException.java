package dev.tierwise.client;

/** The request can never work as it is; {@link #fieldViolations()} says why. It cost nothing. */
public class InvalidRequestException extends TierwiseException {
    private static final long serialVersionUID = 1L;

    InvalidRequestException(Failure failure) {
        super(failure);
    }
}
