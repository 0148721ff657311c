package dev.tierwise.client;

import java.util.function.Function;

/** Why a request failed, as {@code ErrorInfo} carries it. The exception's class groups them. */
public enum ErrorReason {
    /** Not set, or newer than this client. */
    UNSPECIFIED(null),
    /** A field is missing, malformed or out of range. */
    INVALID_REQUEST(InvalidRequestException::new),
    /** The request names a tier that is not configured. */
    UNKNOWN_TIER(InvalidRequestException::new),
    /** The task type has no row and the table has no default. */
    UNKNOWN_TASK_TYPE(InvalidRequestException::new),
    /** No allowed tier's model can hold the prompt. */
    CONTEXT_TOO_LONG(ContextTooLongException::new),
    /** The request id was used before with another body. */
    REQUEST_ID_REUSED(InvalidRequestException::new),
    /** No credentials were given. */
    MISSING_CREDENTIALS(AuthenticationException::new),
    /** The credentials are not valid. */
    INVALID_CREDENTIALS(AuthenticationException::new),
    /** The caller may not use the tier. */
    TIER_NOT_ALLOWED(PermissionDeniedException::new),
    /** The caller may not send the task type. */
    TASK_TYPE_NOT_ALLOWED(PermissionDeniedException::new),
    /** The caller's rate or concurrency limit. */
    RATE_LIMITED(RateLimitedException::new),
    /** The cost cap or the caller's budget cannot pay for a call. */
    BUDGET_EXCEEDED(BudgetExceededException::new),
    /** The caller stopped reading. */
    CLIENT_TOO_SLOW(ClientTooSlowException::new),
    /** A request with this id is in flight. */
    REQUEST_IN_FLIGHT(RequestInFlightException::new),
    /** The server sheds load. */
    OVERLOADED(UnavailableException::new),
    /** The server is draining. */
    SHUTTING_DOWN(UnavailableException::new),
    /** Spending could not be recorded, so nothing was spent. */
    LEDGER_UNAVAILABLE(UnavailableException::new),
    /** The provider's rate limit. */
    UPSTREAM_RATE_LIMITED(UpstreamException::new),
    /** The provider is overloaded. */
    UPSTREAM_OVERLOADED(UpstreamException::new),
    /** The provider failed or cannot be reached. */
    UPSTREAM_UNAVAILABLE(UpstreamException::new),
    /** The provider went silent before any text was sent. */
    UPSTREAM_TIMEOUT(UpstreamException::new),
    /** The provider broke off after text was sent. */
    UPSTREAM_INTERRUPTED(UpstreamException::new),
    /** The provider sent something that is not the protocol. */
    UPSTREAM_PROTOCOL(UpstreamException::new),
    /** The caller's deadline, or the server's limit, passed. */
    DEADLINE_EXCEEDED(DeadlineExceededException::new),
    /** The caller left. */
    CANCELLED(RequestCancelledException::new),
    /** A fault of the server itself. */
    INTERNAL(ServerException::new),
    /** The provider refused the server's own credentials. */
    UPSTREAM_AUTH(ServerSetupException::new),
    /** The provider does not know the configured model. */
    UPSTREAM_MODEL_MISSING(ServerSetupException::new),
    /** The provider rejected the call that the server made. */
    UPSTREAM_REJECTED(ServerSetupException::new),
    /** The provider's spend limit of the server's account is reached. */
    UPSTREAM_SPEND_LIMIT(ServerSetupException::new),
    /** A cost cap was set but the model has no price. */
    UNPRICED_MODEL(ServerSetupException::new),
    /** The server does not have the method. */
    UNIMPLEMENTED(UnimplementedException::new);

    /** Null where the status decides. */
    final Function<Failure, TierwiseException> exception;

    ErrorReason(Function<Failure, TierwiseException> exception) {
        this.exception = exception;
    }
}
