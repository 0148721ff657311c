/**
 * The CLIENT span of a call, where @opentelemetry/api is installed; nothing where it is not. Sets nothing global.
 *
 * Attribute names: rpc.* and server.* of the semantic conventions 1.44, and tierwise.* as the server's spans have them.
 * A span is started and ended by hand and never made current, since a stream is read in pieces, between which the
 * caller's own spans come and go. No text of prompts or answers is ever on it.
 */

import type * as api from "@opentelemetry/api";
import { TierwiseError } from "./errors.js";
import { RouterService } from "./proto.js";
import type { Endpoint, TracerProvider } from "./settings.js";
import type { GenerationSummary } from "./values.js";
import { VERSION } from "./version.js";

/** One call as a trace shows it. Ends once; what comes after the end is ignored. */
export interface Span {
  /** What carries the trace to the server. */
  readonly headers: Readonly<Record<string, string>>;
  /** End: the call went well. */
  succeed(summary?: GenerationSummary): void;
  /** End: the call failed, or (undefined) was given up before its end. */
  fail(error: unknown): void;
}

/** Starts the span of a call, as a child of the current one. */
export type StartSpan = (method: "Route" | "Generate", taskType: string) => Span;

const NO_SPAN: Span = { headers: {}, succeed: () => undefined, fail: () => undefined };

/** Return what starts spans: of `provider`, else of the process, else of nobody. */
export async function tracing(
  endpoint: Endpoint,
  provider: TracerProvider | undefined,
): Promise<StartSpan> {
  const otel = await import("@opentelemetry/api").catch(() => undefined);
  if (!otel) return () => NO_SPAN;
  const chosen = (provider ?? otel.trace) as api.TracerProvider;
  const server: api.Attributes = {
    "rpc.system.name": "grpc",
    "server.address": endpoint.host,
    ...(endpoint.port !== undefined && { "server.port": endpoint.port }),
  };
  return (method, taskType) => {
    const name = `${RouterService.typeName}/${method}`;
    const attributes: api.Attributes = { ...server, "rpc.method": name };
    if (taskType) attributes["tierwise.task_type"] = taskType;
    const tracer = chosen.getTracer("@tierwise/client", VERSION);
    return started(otel, tracer.startSpan(name, { kind: otel.SpanKind.CLIENT, attributes }));
  };
}

function started(otel: typeof api, span: api.Span): Span {
  const headers = carried(otel, span);
  const end = (status: string, errorType = "") => {
    // A span that has ended ignores what follows, and warns.
    if (!span.isRecording()) return;
    span.setAttribute("rpc.response.status_code", status);
    if (errorType) {
      span.setAttribute("error.type", errorType);
      span.setStatus({ code: otel.SpanStatusCode.ERROR });
    }
    span.end();
  };
  return {
    headers,
    succeed(summary) {
      if (summary) describe(span, summary);
      end("OK");
    },
    fail(error) {
      if (!(error instanceof TierwiseError)) {
        return end("CANCELLED", error instanceof Error ? error.name : "CANCELLED");
      }
      if (error.summary) describe(span, error.summary);
      if (error.reason) span.setAttribute("tierwise.reason", error.reason);
      return end(error.status, error.status);
    },
  };
}

/** Return what carries a span to the server: as the process's propagator says, else as W3C does. */
function carried(otel: typeof api, span: api.Span): Record<string, string> {
  const context = otel.trace.setSpan(otel.context.active(), span);
  const headers: Record<string, string> = {};
  if (otel.propagation.fields().length > 0) {
    otel.propagation.inject(context, headers);
    return headers;
  }
  const { traceId, spanId, traceFlags, traceState } = span.spanContext();
  if (!otel.isSpanContextValid(span.spanContext())) return headers;
  const flags = traceFlags.toString(16).padStart(2, "0");
  headers.traceparent = `00-${traceId}-${spanId}-${flags}`;
  const state = traceState?.serialize();
  if (state) headers.tracestate = state;
  const baggage = otel.propagation.getBaggage(context)?.getAllEntries() ?? [];
  const entries = baggage.map(([name, { value }]) => `${name}=${encodeURIComponent(value)}`);
  if (entries.length > 0) headers.baggage = entries.join(",");
  return headers;
}

function describe(span: api.Span, summary: GenerationSummary): void {
  span.setAttributes({
    "tierwise.request.id": summary.requestId,
    "tierwise.tier": summary.tier,
    "tierwise.model": summary.model,
    "tierwise.escalated": summary.escalated,
  });
  if (!summary.cost) return;
  span.setAttributes({
    "tierwise.total_cost.nano_usd": Number(summary.cost.totalNanoUsd),
    "tierwise.total_cost.usd": Number(summary.cost.usd),
  });
}
