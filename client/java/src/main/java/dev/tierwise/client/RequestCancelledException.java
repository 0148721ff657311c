package dev.tierwise.client;

/**
 * The call was given up: by {@link GenerationStream#cancel()}, by closing the stream or the client,
 * by an interrupt, or by something on the way.
 */
public final class RequestCancelledException extends TierwiseException {
    private static final long serialVersionUID = 1L;

    RequestCancelledException(Failure failure) {
        super(failure);
    }
}
