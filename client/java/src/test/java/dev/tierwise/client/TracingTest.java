package dev.tierwise.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.tierwise.client.testing.Step;
import dev.tierwise.client.testing.Stories;

import io.opentelemetry.api.GlobalOpenTelemetry;
import io.opentelemetry.api.trace.Span;
import io.opentelemetry.api.trace.SpanContext;
import io.opentelemetry.api.trace.SpanKind;
import io.opentelemetry.api.trace.StatusCode;
import io.opentelemetry.api.trace.TraceFlags;
import io.opentelemetry.api.trace.TraceState;
import io.opentelemetry.context.Context;
import io.opentelemetry.sdk.OpenTelemetrySdk;
import io.opentelemetry.sdk.testing.exporter.InMemorySpanExporter;
import io.opentelemetry.sdk.trace.SdkTracerProvider;
import io.opentelemetry.sdk.trace.data.SpanData;
import io.opentelemetry.sdk.trace.export.SimpleSpanProcessor;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

import java.util.Map;
import java.util.TreeMap;

@Timeout(30)
class TracingTest extends Connected {
    private final InMemorySpanExporter spans = InMemorySpanExporter.create();
    private final OpenTelemetrySdk telemetry =
            OpenTelemetrySdk.builder()
                    .setTracerProvider(
                            SdkTracerProvider.builder()
                                    .addSpanProcessor(SimpleSpanProcessor.create(spans))
                                    .build())
                    .build();

    private Client traced;

    private Client traced() {
        traced = builder().tracing(OpenTelemetryTracing.of(telemetry)).build();
        return traced;
    }

    @AfterEach
    void closeTraced() {
        if (traced != null) {
            traced.close();
        }
        telemetry.close();
    }

    private SpanData span() {
        assertEquals(1, spans.getFinishedSpanItems().size());
        return spans.getFinishedSpanItems().get(0);
    }

    private static Map<String, String> attributes(SpanData span) {
        Map<String, String> attributes = new TreeMap<>();
        span.getAttributes().forEach((key, value) -> attributes.put(key.getKey(), "" + value));
        return attributes;
    }

    @Test
    void eachCallIsOneSpanThatTheServerHangsUnder() {
        server.play(Stories.escalated("No.", "A secret.", false));
        traced().generate("Hi", GenerateOptions.DEFAULT.withTaskType("x"));
        SpanData span = span();
        String name = "tierwise.v1.RouterService/Generate";
        assertEquals(name, span.getName());
        assertEquals(SpanKind.CLIENT, span.getKind());
        assertEquals(StatusCode.UNSET, span.getStatus().getStatusCode());
        Map<String, String> expected =
                Map.ofEntries(
                        Map.entry("rpc.system.name", "grpc"),
                        Map.entry("rpc.method", name),
                        Map.entry("server.address", "127.0.0.1"),
                        Map.entry("server.port", server.endpoint().split(":")[1]),
                        Map.entry("rpc.response.status_code", "OK"),
                        Map.entry("tierwise.task_type", "x"),
                        Map.entry("tierwise.request.id", "request-1"),
                        Map.entry("tierwise.tier", "frontier"),
                        Map.entry("tierwise.model", "claude-sonnet-4-6"),
                        Map.entry("tierwise.escalated", "true"),
                        Map.entry("tierwise.total_cost.nano_usd", "530000"),
                        Map.entry("tierwise.total_cost.usd", "5.3E-4"));
        assertEquals(new TreeMap<>(expected), attributes(span));
        assertFalse(GlobalOpenTelemetry.isSet());
        String sent = server.calls().get(0).header("traceparent").orElseThrow();
        String flags = span.getSpanContext().getTraceFlags().asHex();
        assertEquals("00-" + span.getTraceId() + "-" + span.getSpanId() + "-" + flags, sent);
    }

    @Test
    void failureIsOnTheSpan() {
        server.reply(Step.failure("UNKNOWN_TIER"));
        assertThrows(TierwiseException.class, () -> traced().route(RouteOptions.DEFAULT));
        SpanData span = span();
        Map<String, String> attributes = attributes(span);
        assertEquals("INVALID_ARGUMENT", attributes.get("rpc.response.status_code"));
        assertEquals("INVALID_ARGUMENT", attributes.get("error.type"));
        assertEquals("UNKNOWN_TIER", attributes.get("tierwise.reason"));
        assertEquals(StatusCode.ERROR, span.getStatus().getStatusCode());
        assertEquals("tierwise.v1.RouterService/Route", span.getName());
    }

    @Test
    void streamThatIsLeftEndsItsSpan() {
        server.play(Step.hold());
        GenerationStream stream = traced().stream("Hi");
        assertFalse(Span.current().getSpanContext().isValid());
        stream.close();
        stream.close();
        assertEquals("CANCELLED", attributes(span()).get("rpc.response.status_code"));
    }

    @Test
    void failureToConnectEndsTheSpan() {
        server.close();
        assertThrows(UnavailableException.class, () -> traced().generate("Hi"));
        assertEquals("UNAVAILABLE", attributes(span()).get("error.type"));
    }

    @Test
    void contextOfTheCallerIsPassedOnWithoutAnyProvider() throws Exception {
        SpanContext remote =
                SpanContext.createFromRemoteParent(
                        "01".repeat(16),
                        "02".repeat(8),
                        TraceFlags.getSampled(),
                        TraceState.builder().put("vendor", "v").build());
        Context.current().with(Span.wrap(remote)).wrap(() -> client.generate("Hi")).call();
        assertEquals(
                "00-" + "01".repeat(16) + "-" + "02".repeat(8) + "-01",
                server.calls().get(0).header("traceparent").orElseThrow());
        assertEquals("vendor=v", server.calls().get(0).header("tracestate").orElseThrow());
        assertFalse(GlobalOpenTelemetry.isSet());
    }

    @Test
    void nothingIsSentWithoutATrace() {
        client.generate("Hi");
        assertTrue(server.calls().get(0).header("traceparent").isEmpty());
        assertTrue(spans.getFinishedSpanItems().isEmpty());
    }

    @Test
    void tracingCanBeSwitchedOff() throws Exception {
        SpanContext remote =
                SpanContext.createFromRemoteParent(
                        "01".repeat(16),
                        "02".repeat(8),
                        TraceFlags.getSampled(),
                        TraceState.getDefault());
        try (Client silent = builder().tracing(Tracing.none()).build()) {
            Context.current().with(Span.wrap(remote)).wrap(() -> silent.generate("Hi")).call();
        }
        assertTrue(server.calls().get(0).header("traceparent").isEmpty());
    }
}
