package dev.tierwise.client;

/** No credentials were given, or they are not valid. It cost nothing. */
public final class AuthenticationException extends TierwiseException {
    private static final long serialVersionUID = 1L;

    AuthenticationException(Failure failure) {
        super(failure);
    }
}
