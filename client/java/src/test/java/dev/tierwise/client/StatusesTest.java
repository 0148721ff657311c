package dev.tierwise.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.protobuf.Any;
import com.google.protobuf.ByteString;
import com.google.protobuf.Duration;
import com.google.protobuf.Message;
import com.google.rpc.BadRequest;
import com.google.rpc.ErrorInfo;
import com.google.rpc.QuotaFailure;
import com.google.rpc.RequestInfo;
import com.google.rpc.RetryInfo;

import dev.tierwise.v1.Cost;

import io.grpc.Metadata;
import io.grpc.Status;
import io.grpc.protobuf.StatusProto;

import org.junit.jupiter.api.Test;

import java.util.EnumSet;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;

class StatusesTest {
    private static final Pattern ROW =
            Pattern.compile("(?m)^\\| (\\w+)Error([^|]*)\\|([^|]*)\\|([^|]*)\\|[^|]*\\|$");

    private static ErrorInfo info(String reason) {
        return ErrorInfo.newBuilder()
                .setReason(reason)
                .setDomain("tierwise")
                .putMetadata("task_type", "x")
                .build();
    }

    private static TierwiseException exceptionOf(Status.Code code, Message... details) {
        com.google.rpc.Status.Builder status =
                com.google.rpc.Status.newBuilder().setCode(code.value()).setMessage("no");
        for (Message detail : details) {
            status.addDetails(detail instanceof Any any ? any : Any.pack(detail));
        }
        return Statuses.failureOf(StatusProto.toStatusRuntimeException(status.build())).exception();
    }

    private static String named(TierwiseException exception) {
        return exception.getClass().getSimpleName().replace("Exception", "");
    }

    private static List<String> words(String cell) {
        return Pattern.compile("[A-Z_]{4,}")
                .matcher(cell)
                .results()
                .map(MatchResult::group)
                .toList();
    }

    @Test
    void everyReasonAndStatusHasTheClassThatThePageSays() {
        List<MatchResult> rows = ROW.matcher(Pages.clients()).results().toList();
        assertTrue(rows.size() >= 18, "the table is gone");
        Map<String, String> reasons = new HashMap<>();
        Map<String, String> statuses = new HashMap<>();
        for (MatchResult row : rows) {
            words(row.group(3)).forEach(reason -> reasons.put(reason, row.group(1)));
            words(row.group(4)).forEach(status -> statuses.put(status, row.group(1)));
        }
        for (ErrorReason reason : EnumSet.complementOf(EnumSet.of(ErrorReason.UNSPECIFIED))) {
            String name = reason.name();
            assertEquals(reasons.remove(name), named(exceptionOf(Status.Code.UNKNOWN, info(name))));
        }
        assertEquals(Map.of(), reasons);
        for (Status.Code code : EnumSet.complementOf(EnumSet.of(Status.Code.OK))) {
            assertEquals(
                    statuses.getOrDefault(code.name(), "Tierwise"),
                    named(exceptionOf(code, info("NEWER_THAN_THIS"))),
                    code.name());
        }
    }

    @Test
    void classStandsBelowTheOneThatThePageSays() throws ClassNotFoundException {
        for (MatchResult row : ROW.matcher(Pages.clients()).results().toList()) {
            Class<?> type = Class.forName("dev.tierwise.client." + row.group(1) + "Exception");
            MatchResult parent =
                    Pattern.compile("\\(an? (\\w+)Error\\)")
                            .matcher(row.group(2))
                            .results()
                            .findFirst()
                            .orElse(null);
            String expected = parent == null ? "Tierwise" : parent.group(1);
            if (type != TierwiseException.class) {
                assertEquals(expected + "Exception", type.getSuperclass().getSimpleName());
            }
        }
    }

    @Test
    void exceptionHasEverythingThatTheServerSaid() {
        TierwiseException error =
                exceptionOf(
                        Status.Code.RESOURCE_EXHAUSTED,
                        info("BUDGET_EXCEEDED"),
                        BadRequest.newBuilder()
                                .addFieldViolations(
                                        BadRequest.FieldViolation.newBuilder()
                                                .setField("f")
                                                .setDescription("d"))
                                .build(),
                        QuotaFailure.newBuilder()
                                .addViolations(
                                        QuotaFailure.Violation.newBuilder()
                                                .setSubject("s")
                                                .setDescription("d"))
                                .build(),
                        RetryInfo.newBuilder()
                                .setRetryDelay(
                                        Duration.newBuilder().setSeconds(1).setNanos(500_000_000))
                                .build(),
                        RequestInfo.newBuilder().setRequestId("r1").build(),
                        dev.tierwise.v1.GenerationSummary.newBuilder()
                                .setCost(Cost.newBuilder().setTotalNanoUsd(5))
                                .build());
        assertInstanceOf(LimitException.class, error);
        assertInstanceOf(BudgetExceededException.class, error);
        assertEquals("BUDGET_EXCEEDED: no (request r1)", error.getMessage());
        assertEquals("no", error.description());
        assertEquals(Status.Code.RESOURCE_EXHAUSTED, error.status());
        assertEquals(ErrorReason.BUDGET_EXCEEDED, error.errorReason());
        assertEquals(Map.of("task_type", "x"), error.metadata());
        assertEquals(List.of(new FieldViolation("f", "d")), error.fieldViolations());
        assertEquals(List.of(new QuotaViolation("s", "d")), error.quotaViolations());
        assertEquals(java.time.Duration.ofMillis(1500), error.retryAfter().orElseThrow());
        assertEquals(5, error.summary().orElseThrow().cost().orElseThrow().totalNanoUsd());
        assertEquals(Status.Code.RESOURCE_EXHAUSTED, Status.fromThrowable(error).getCode());
    }

    @Test
    void reasonOfAnotherDomainIsNone() {
        ErrorInfo proxy =
                ErrorInfo.newBuilder().setReason("RATE_LIMITED").setDomain("proxy.example").build();
        TierwiseException error = exceptionOf(Status.Code.UNAVAILABLE, proxy);
        assertEquals("", error.reason());
        assertEquals(UnavailableException.class, error.getClass());
    }

    @Test
    void reasonFromTheFutureIsKeptAsItIs() {
        TierwiseException error = exceptionOf(Status.Code.RESOURCE_EXHAUSTED, info("OUT_OF_LUCK"));
        assertEquals("OUT_OF_LUCK", error.reason());
        assertEquals(ErrorReason.UNSPECIFIED, error.errorReason());
        assertEquals(LimitException.class, error.getClass());
    }

    @Test
    void requestIdIsFoundInTheTrailersToo() {
        Metadata trailers = new Metadata();
        trailers.put(Settings.name("x-request-id"), "r2");
        Failure failure = Statuses.failureOf(Status.UNAVAILABLE.asRuntimeException(trailers));
        assertEquals(
                "UNAVAILABLE: the server gave no message (request r2)",
                failure.exception().getMessage());
    }

    @Test
    void detailsThatCannotBeReadAreLeftOut() {
        Any torn =
                Any.newBuilder()
                        .setTypeUrl("type.googleapis.com/google.rpc.ErrorInfo")
                        .setValue(ByteString.copyFrom(new byte[] {(byte) 0xff}))
                        .build();
        Any future = Any.newBuilder().setTypeUrl("type.googleapis.com/of.the.Future").build();
        RequestInfo whole = RequestInfo.newBuilder().setRequestId("r3").build();
        TierwiseException error = exceptionOf(Status.Code.INTERNAL, torn, future, whole);
        assertEquals(ServerException.class, error.getClass());
        assertEquals("", error.reason());
        assertEquals("r3", error.requestId());
    }

    @Test
    void trailersThatAreNoStatusAreLeftOut() {
        Metadata trailers = new Metadata();
        trailers.put(
                Metadata.Key.of("grpc-status-details-bin", Metadata.BINARY_BYTE_MARSHALLER),
                new byte[] {(byte) 0xff});
        Failure failure = Statuses.failureOf(Status.INTERNAL.asRuntimeException(trailers));
        assertEquals(ServerException.class, failure.exception().getClass());
        assertFalse(failure.started);
        assertEquals(Set.of(), failure.metadata.keySet());
    }
}
