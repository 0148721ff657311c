package dev.tierwise.client.testing;

import com.google.protobuf.Any;
import com.google.protobuf.Duration;
import com.google.protobuf.Message;
import com.google.rpc.BadRequest;
import com.google.rpc.ErrorInfo;
import com.google.rpc.QuotaFailure;
import com.google.rpc.RequestInfo;
import com.google.rpc.RetryInfo;

import dev.tierwise.v1.GenerationSummary;

import io.grpc.Metadata;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.protobuf.StatusProto;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** Ends a call as a tierwise server reports a failure. Each method adds to it and returns it. */
public final class FakeFailure implements Step {
    private static final Metadata.Key<String> PUSHBACK =
            Metadata.Key.of("grpc-retry-pushback-ms", Metadata.ASCII_STRING_MARSHALLER);

    private final List<Message> details = new ArrayList<>();
    private final Metadata trailers = new Metadata();
    private Status.Code status;
    private String message = "it failed";

    FakeFailure(String reason) {
        status = FakeStatuses.of(reason);
        if (!reason.isEmpty()) {
            details.add(info(reason, Map.of()));
        }
    }

    /** Returns a failure that no tierwise server named: a bare status, as a proxy makes it. */
    public static FakeFailure bare(Status.Code status) {
        return new FakeFailure("").status(status);
    }

    private static ErrorInfo info(String reason, Map<String, String> metadata) {
        return ErrorInfo.newBuilder()
                .setReason(reason)
                .setDomain("tierwise")
                .putAllMetadata(metadata)
                .build();
    }

    /** Sets the status. Default: the one that goes with the reason, else UNKNOWN. */
    public FakeFailure status(Status.Code status) {
        this.status = status;
        return this;
    }

    /** Sets the message for people. */
    public FakeFailure message(String message) {
        this.message = message;
        return this;
    }

    /** Adds ErrorInfo's metadata. */
    public FakeFailure metadata(Map<String, String> metadata) {
        details.replaceAll(
                detail ->
                        detail instanceof ErrorInfo given
                                ? info(given.getReason(), metadata)
                                : detail);
        return this;
    }

    /** Adds RetryInfo. */
    public FakeFailure retryAfter(java.time.Duration delay) {
        Duration duration =
                Duration.newBuilder()
                        .setSeconds(delay.getSeconds())
                        .setNanos(delay.getNano())
                        .build();
        return detail(RetryInfo.newBuilder().setRetryDelay(duration).build());
    }

    /** Adds a field's violation, as a BadRequest. */
    public FakeFailure field(String field, String description) {
        return detail(
                BadRequest.newBuilder()
                        .addFieldViolations(
                                BadRequest.FieldViolation.newBuilder()
                                        .setField(field)
                                        .setDescription(description))
                        .build());
    }

    /** Adds a limit's violation, as a QuotaFailure. */
    public FakeFailure quota(String subject, String description) {
        return detail(
                QuotaFailure.newBuilder()
                        .addViolations(
                                QuotaFailure.Violation.newBuilder()
                                        .setSubject(subject)
                                        .setDescription(description))
                        .build());
    }

    /** Adds RequestInfo. */
    public FakeFailure requestId(String id) {
        return detail(RequestInfo.newBuilder().setRequestId(id).build());
    }

    /** Adds what was spent. */
    public FakeFailure summary(GenerationSummary summary) {
        return detail(summary);
    }

    /** Adds any other detail. */
    public FakeFailure detail(Message detail) {
        details.add(detail);
        return this;
    }

    /** Adds trailing metadata. */
    public FakeFailure trailer(String name, String value) {
        trailers.put(Metadata.Key.of(name, Metadata.ASCII_STRING_MARSHALLER), value);
        return this;
    }

    /** Tells gRPC when to ask again; below 0: not at all. Default: by its own policy. */
    public FakeFailure pushbackMs(int milliseconds) {
        trailers.put(PUSHBACK, Integer.toString(milliseconds));
        return this;
    }

    StatusRuntimeException exception() {
        if (details.isEmpty()) {
            return Status.fromCode(status).withDescription(message).asRuntimeException(trailers);
        }
        com.google.rpc.Status.Builder proto =
                com.google.rpc.Status.newBuilder().setCode(status.value()).setMessage(message);
        details.forEach(detail -> proto.addDetails(Any.pack(detail)));
        return StatusProto.toStatusRuntimeException(proto.build(), trailers);
    }
}
