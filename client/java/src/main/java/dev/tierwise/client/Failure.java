package dev.tierwise.client;

import io.grpc.Status;

import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** What is known about a failed call; complete before an exception with it is thrown. */
final class Failure {
    final Status.Code status;
    final String description;
    final Throwable cause;
    String reason = "";
    Optional<Duration> retryAfter = Optional.empty();
    List<FieldViolation> fieldViolations = List.of();
    List<QuotaViolation> quotaViolations = List.of();
    Map<String, String> metadata = Map.of();
    String requestId = "";
    Optional<GenerationSummary> summary = Optional.empty();
    boolean started;
    String partialText = "";

    Failure(Status status, Throwable cause) {
        String said = status.getDescription();
        this.status = status.getCode();
        this.description = said == null || said.isEmpty() ? "the server gave no message" : said;
        this.cause = cause;
    }

    /** Returns the failure as the class that its reason, else its status, stands for. */
    TierwiseException exception() {
        ErrorReason known = Words.named(ErrorReason.class, reason);
        return known.exception == null ? Statuses.exceptionOf(this) : known.exception.apply(this);
    }
}
