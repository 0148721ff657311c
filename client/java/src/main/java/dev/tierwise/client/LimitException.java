package dev.tierwise.client;

/** A limit was reached: one of the classes below this one, or a size limit on the way. */
public class LimitException extends TierwiseException {
    private static final long serialVersionUID = 1L;

    LimitException(Failure failure) {
        super(failure);
    }
}
