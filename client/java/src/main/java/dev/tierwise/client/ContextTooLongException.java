package dev.tierwise.client;

/** No allowed tier's model can hold the prompt. */
public final class ContextTooLongException extends InvalidRequestException {
    private static final long serialVersionUID = 1L;

    ContextTooLongException(Failure failure) {
        super(failure);
    }
}
