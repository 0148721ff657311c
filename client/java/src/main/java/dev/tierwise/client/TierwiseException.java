package dev.tierwise.client;

import io.grpc.Status;

import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * A call failed. Bare for a status or a reason that no class below stands for:
 *
 * <pre>
 * TierwiseException
 *     InvalidRequestException        the request can never work
 *         ContextTooLongException    no allowed tier's model can hold the prompt
 *     AuthenticationException        no credentials, or wrong ones
 *     PermissionDeniedException      the caller may not use the tier or send the task type
 *     LimitException                 a limit was reached
 *         RateLimitedException       too many requests
 *         BudgetExceededException    the cost cap or the caller's budget cannot pay for a call
 *         ClientTooSlowException     this side stopped reading the stream
 *     RequestInFlightException       a request with the same id is running
 *     UnavailableException           the server cannot be reached, is draining, or sheds load
 *     UpstreamException              the model provider failed
 *     DeadlineExceededException      the deadline passed
 *     RequestCancelledException      this side, or something on the way, gave the call up
 *     ServerException                a fault of the server
 *         ServerSetupException       who runs the server must act
 *     UnimplementedException         the server does not have the method
 *     ProtocolException              the answer breaks the contract
 * </pre>
 *
 * <p>Wrong arguments are no failed calls: they are an {@link IllegalArgumentException}, thrown
 * before anything is sent.
 */
public class TierwiseException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    /** What is known; not kept by serialization. */
    final transient Failure failure;

    TierwiseException(Failure failure) {
        super(failure.description, failure.cause);
        this.failure = failure;
    }

    /** Returns the reason (or the status), what happened, and the request's id. */
    @Override
    public String getMessage() {
        if (failure == null) {
            return super.getMessage();
        }
        String name = failure.reason.isEmpty() ? failure.status.name() : failure.reason;
        String request = failure.requestId.isEmpty() ? "" : " (request " + failure.requestId + ")";
        return name + ": " + failure.description + request;
    }

    /** Returns what happened, for people. */
    public String description() {
        return failure.description;
    }

    /** Returns the gRPC status. */
    public Status.Code status() {
        return failure.status;
    }

    /**
     * Returns the machine-readable reason as the server wrote it, which may be newer than this
     * client; empty when no tierwise server named one (no connection, local deadline, cancel).
     */
    public String reason() {
        return failure.reason;
    }

    /** Returns the reason as a word that this client knows. */
    public ErrorReason errorReason() {
        return Words.named(ErrorReason.class, failure.reason);
    }

    /** Returns when the server wishes to be asked again; empty when it did not say. */
    public Optional<Duration> retryAfter() {
        return failure.retryAfter;
    }

    /** Returns what is wrong with which field of the request. */
    public List<FieldViolation> fieldViolations() {
        return failure.fieldViolations;
    }

    /** Returns which limits were reached. */
    public List<QuotaViolation> quotaViolations() {
        return failure.quotaViolations;
    }

    /** Returns more about the reason, e.g. the task type. */
    public Map<String, String> metadata() {
        return failure.metadata;
    }

    /** Returns the request's id, to be told to who runs the server; may be empty. */
    public String requestId() {
        return failure.requestId;
    }

    /**
     * Returns what the request did and cost before it failed; empty when nothing was spent or when
     * the server could not say (local deadline, cancel, lost connection).
     */
    public Optional<GenerationSummary> summary() {
        return failure.summary;
    }

    /** Returns whether the task had started: it may have cost money, and asking again may again. */
    public boolean started() {
        return failure.started;
    }

    /** Returns what was received of the unfinished attempt's text. It is not an answer. */
    public String partialText() {
        return failure.partialText;
    }
}
