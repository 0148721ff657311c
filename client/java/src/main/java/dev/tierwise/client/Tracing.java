package dev.tierwise.client;

import java.util.Map;

/**
 * A span around each call and its context sent to the server, where the program has OpenTelemetry's
 * API 1.57 or newer; nothing where it has not.
 */
public abstract sealed class Tracing permits Tracing.None, OpenTelemetryTracing {
    Tracing() {}

    /** Returns what makes no spans and sends no trace context. */
    public static Tracing none() {
        return new None();
    }

    /** Returns what uses the process's OpenTelemetry, if it has one. */
    static Tracing ofProcess() {
        try {
            return OpenTelemetryTracing.ofProcess();
        } catch (LinkageError missingOrTooOld) {
            return none();
        }
    }

    /** Starts the span of a call, as a child of the current one. */
    abstract Span start(Endpoint server, String method, String taskType);

    /** One call as a trace shows it. It ends once; what comes after the end is ignored. */
    interface Span {
        /** Returns what carries the trace to the server. */
        Map<String, String> headers();

        /** Ends it: the call went well. */
        void succeed();

        /** Ends it: the call went well, and this is what it did. */
        void succeed(GenerationSummary summary);

        /** Ends it: the call failed. */
        void fail(Failure failure);
    }

    static final class None extends Tracing implements Span {
        @Override
        Span start(Endpoint server, String method, String taskType) {
            return this;
        }

        @Override
        public Map<String, String> headers() {
            return Map.of();
        }

        @Override
        public void succeed() {}

        @Override
        public void succeed(GenerationSummary summary) {}

        @Override
        public void fail(Failure failure) {}
    }
}
