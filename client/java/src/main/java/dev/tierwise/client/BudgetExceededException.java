package dev.tierwise.client;

/**
 * The request's cost cap or the caller's budget cannot pay for a call; {@link #summary()} says what
 * was spent before.
 */
public final class BudgetExceededException extends LimitException {
    private static final long serialVersionUID = 1L;

    BudgetExceededException(Failure failure) {
        super(failure);
    }
}
