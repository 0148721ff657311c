package dev.tierwise.client;

import io.opentelemetry.api.GlobalOpenTelemetry;
import io.opentelemetry.api.OpenTelemetry;
import io.opentelemetry.api.baggage.propagation.W3CBaggagePropagator;
import io.opentelemetry.api.trace.SpanBuilder;
import io.opentelemetry.api.trace.SpanKind;
import io.opentelemetry.api.trace.StatusCode;
import io.opentelemetry.api.trace.propagation.W3CTraceContextPropagator;
import io.opentelemetry.context.Context;
import io.opentelemetry.context.propagation.TextMapPropagator;

import java.util.HashMap;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Supplier;

/**
 * The CLIENT span of a call. The only class that needs OpenTelemetry; it sets nothing global.
 *
 * <p>Attribute names: rpc.* and server.* of the semantic conventions 1.44, and tierwise.* as the
 * server's spans have them. A span is never made current, since a stream is read in pieces, between
 * which the caller's own spans come and go. No text of prompts or answers is ever on it.
 */
public final class OpenTelemetryTracing extends Tracing {
    private static final TextMapPropagator W3C =
            TextMapPropagator.composite(
                    W3CTraceContextPropagator.getInstance(), W3CBaggagePropagator.getInstance());

    /** Asked at each call: a program may set the process's after it made the client. */
    private final Supplier<OpenTelemetry> telemetry;

    private OpenTelemetryTracing(Supplier<OpenTelemetry> telemetry) {
        this.telemetry = telemetry;
    }

    /** Returns what makes spans with this OpenTelemetry instead of the process's. */
    public static Tracing of(OpenTelemetry telemetry) {
        return new OpenTelemetryTracing(() -> telemetry);
    }

    static Tracing ofProcess() {
        // Fails here rather than at a call, where the API is missing or too old.
        GlobalOpenTelemetry.isSet();
        return new OpenTelemetryTracing(OpenTelemetryTracing::process);
    }

    private static OpenTelemetry process() {
        // To ask for what is not set would set it.
        return GlobalOpenTelemetry.isSet() ? GlobalOpenTelemetry.get() : OpenTelemetry.noop();
    }

    @Override
    Span start(Endpoint server, String method, String taskType) {
        OpenTelemetry current = telemetry.get();
        String name = Settings.SERVICE + "/" + method;
        SpanBuilder builder =
                current.tracerBuilder("dev.tierwise.client")
                        .setInstrumentationVersion(Client.VERSION)
                        .build()
                        .spanBuilder(name)
                        .setSpanKind(SpanKind.CLIENT)
                        .setAttribute("rpc.system.name", "grpc")
                        .setAttribute("rpc.method", name)
                        .setAttribute("server.address", server.host());
        if (server.port() != 0) {
            builder.setAttribute("server.port", server.port());
        }
        if (!taskType.isEmpty()) {
            builder.setAttribute("tierwise.task_type", taskType);
        }
        io.opentelemetry.api.trace.Span span = builder.startSpan();
        return new CallSpan(span, carried(current, Context.current().with(span)));
    }

    private static Map<String, String> carried(OpenTelemetry telemetry, Context context) {
        TextMapPropagator propagator = telemetry.getPropagators().getTextMapPropagator();
        Map<String, String> headers = new HashMap<>();
        (propagator.fields().isEmpty() ? W3C : propagator)
                .inject(
                        context,
                        headers,
                        (map, name, value) -> map.put(name.toLowerCase(Locale.ROOT), value));
        return headers;
    }

    private static final class CallSpan implements Span {
        private final io.opentelemetry.api.trace.Span span;
        private final Map<String, String> headers;
        private final AtomicBoolean ended = new AtomicBoolean();

        CallSpan(io.opentelemetry.api.trace.Span span, Map<String, String> headers) {
            this.span = span;
            this.headers = headers;
        }

        @Override
        public Map<String, String> headers() {
            return headers;
        }

        @Override
        public void succeed() {
            if (ended.compareAndSet(false, true)) {
                end("OK");
            }
        }

        @Override
        public void succeed(GenerationSummary summary) {
            if (ended.compareAndSet(false, true)) {
                describe(summary);
                end("OK");
            }
        }

        @Override
        public void fail(Failure failure) {
            if (!ended.compareAndSet(false, true)) {
                return;
            }
            failure.summary.ifPresent(this::describe);
            if (!failure.reason.isEmpty()) {
                span.setAttribute("tierwise.reason", failure.reason);
            }
            span.setAttribute("error.type", failure.status.name());
            span.setStatus(StatusCode.ERROR);
            end(failure.status.name());
        }

        private void describe(GenerationSummary summary) {
            span.setAttribute("tierwise.request.id", summary.requestId());
            span.setAttribute("tierwise.tier", summary.tier());
            span.setAttribute("tierwise.model", summary.model());
            span.setAttribute("tierwise.escalated", summary.escalated());
            summary.cost().ifPresent(this::describe);
        }

        private void describe(Cost cost) {
            span.setAttribute("tierwise.total_cost.nano_usd", cost.totalNanoUsd());
            span.setAttribute("tierwise.total_cost.usd", cost.usd().doubleValue());
        }

        private void end(String status) {
            span.setAttribute("rpc.response.status_code", status);
            span.end();
        }
    }
}
