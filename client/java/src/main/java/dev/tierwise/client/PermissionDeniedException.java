package dev.tierwise.client;

/** The caller may not use the tier, or may not send the task type. It cost nothing. */
public final class PermissionDeniedException extends TierwiseException {
    private static final long serialVersionUID = 1L;

    PermissionDeniedException(Failure failure) {
        super(failure);
    }
}
