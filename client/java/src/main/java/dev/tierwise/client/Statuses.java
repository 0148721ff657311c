package dev.tierwise.client;

import com.google.protobuf.Any;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.rpc.BadRequest;
import com.google.rpc.ErrorInfo;
import com.google.rpc.QuotaFailure;
import com.google.rpc.RequestInfo;
import com.google.rpc.RetryInfo;

import io.grpc.Metadata;
import io.grpc.Status;
import io.grpc.protobuf.StatusProto;

import java.util.List;
import java.util.Optional;

/** The one place where a gRPC status becomes an exception of the client. Pure. */
final class Statuses {
    private static final String DOMAIN = "tierwise";
    private static final Metadata.Key<String> REQUEST_ID =
            Metadata.Key.of("x-request-id", Metadata.ASCII_STRING_MARSHALLER);

    private Statuses() {}

    /** For failures that no tierwise server named, and for reasons newer than this client. */
    static TierwiseException exceptionOf(Failure failure) {
        return switch (failure.status) {
            case INVALID_ARGUMENT -> new InvalidRequestException(failure);
            case UNAUTHENTICATED -> new AuthenticationException(failure);
            case PERMISSION_DENIED -> new PermissionDeniedException(failure);
            case RESOURCE_EXHAUSTED -> new LimitException(failure);
            case UNAVAILABLE -> new UnavailableException(failure);
            case DEADLINE_EXCEEDED -> new DeadlineExceededException(failure);
            case CANCELLED -> new RequestCancelledException(failure);
            case INTERNAL, UNKNOWN, DATA_LOSS -> new ServerException(failure);
            case UNIMPLEMENTED -> new UnimplementedException(failure);
            default -> new TierwiseException(failure);
        };
    }

    /**
     * Returns what gRPC's exception says. It never fails itself: details that cannot be read are
     * left out.
     */
    static Failure failureOf(Throwable cause) {
        Failure failure = new Failure(Status.fromThrowable(cause), cause);
        Metadata trailers = Status.trailersFromThrowable(cause);
        if (trailers == null) {
            return failure;
        }
        for (Any detail : detailsOf(cause)) {
            try {
                read(detail, failure);
            } catch (InvalidProtocolBufferException unreadable) {
                // What the other details say still holds.
                continue;
            }
        }
        if (failure.requestId.isEmpty()) {
            failure.requestId = failure.metadata.getOrDefault("request_id", "");
        }
        String id = trailers.get(REQUEST_ID);
        if (failure.requestId.isEmpty() && id != null) {
            failure.requestId = id;
        }
        return failure;
    }

    /** Returns the failure of a stream that breaks the contract. */
    static ProtocolException broken(String description) {
        return new ProtocolException(
                new Failure(Status.INTERNAL.withDescription(description), null));
    }

    private static List<Any> detailsOf(Throwable cause) {
        try {
            com.google.rpc.Status status = StatusProto.fromThrowable(cause);
            return status == null ? List.of() : status.getDetailsList();
        } catch (IllegalArgumentException unreadable) {
            return List.of();
        }
    }

    private static void read(Any detail, Failure failure) throws InvalidProtocolBufferException {
        if (detail.is(ErrorInfo.class)) {
            ErrorInfo info = detail.unpack(ErrorInfo.class);
            // A proxy's own reasons are not ours, even where the words are the same.
            if (info.getDomain().equals(DOMAIN)) {
                failure.reason = info.getReason();
                failure.metadata = info.getMetadataMap();
            }
        } else if (detail.is(BadRequest.class)) {
            failure.fieldViolations =
                    detail.unpack(BadRequest.class).getFieldViolationsList().stream()
                            .map(
                                    fault ->
                                            new FieldViolation(
                                                    fault.getField(), fault.getDescription()))
                            .toList();
        } else if (detail.is(QuotaFailure.class)) {
            failure.quotaViolations =
                    detail.unpack(QuotaFailure.class).getViolationsList().stream()
                            .map(
                                    limit ->
                                            new QuotaViolation(
                                                    limit.getSubject(), limit.getDescription()))
                            .toList();
        } else if (detail.is(RetryInfo.class)) {
            RetryInfo retry = detail.unpack(RetryInfo.class);
            failure.retryAfter = Optional.of(Times.duration(retry.getRetryDelay()));
        } else if (detail.is(RequestInfo.class)) {
            failure.requestId = detail.unpack(RequestInfo.class).getRequestId();
        } else if (detail.is(dev.tierwise.v1.GenerationSummary.class)) {
            failure.summary =
                    Optional.of(
                            new GenerationSummary(
                                    detail.unpack(dev.tierwise.v1.GenerationSummary.class)));
        }
    }
}
