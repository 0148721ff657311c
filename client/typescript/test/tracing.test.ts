import assert from "node:assert/strict";
import { test } from "node:test";
import {
  context,
  createTraceState,
  propagation,
  SpanKind,
  SpanStatusCode,
  trace,
} from "@opentelemetry/api";
import { AsyncLocalStorageContextManager } from "@opentelemetry/context-async-hooks";
import { W3CTraceContextPropagator } from "@opentelemetry/core";
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  SimpleSpanProcessor,
} from "@opentelemetry/sdk-trace-base";
import { Client, TierwiseError } from "@tierwise/client";
import { answered, FakeServer, failed, Hold } from "@tierwise/client/testing";

context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
propagation.setGlobalPropagator(new W3CTraceContextPropagator());
const exporter = new InMemorySpanExporter();
const tracerProvider = new BasicTracerProvider({
  spanProcessors: [new SimpleSpanProcessor(exporter)],
});

test("each call is one CLIENT span, whose context goes to the server", async () => {
  await using server = await FakeServer.start();
  await using client = new Client({ endpoint: server.endpoint, tracerProvider });
  const parent = tracerProvider.getTracer("test").startSpan("parent");
  await context.with(trace.setSpan(context.active(), parent), async () => {
    await client.generate("Hi", { taskType: "answer_faq" });
    server.play(failed("RATE_LIMITED"));
    await assert.rejects(client.generate("Hi"), TierwiseError);
    server.play([...answered("Hello").slice(0, 3), new Hold()]);
    for await (const _ of client.stream("Hi")) break;
  });
  const [good, refused, left] = exporter.getFinishedSpans();
  assert(good && refused && left && exporter.getFinishedSpans().length === 3);
  assert.equal(good.name, "tierwise.v1.RouterService/Generate");
  assert.equal(good.kind, SpanKind.CLIENT);
  assert.equal(good.spanContext().traceId, parent.spanContext().traceId);
  assert.equal(good.parentSpanContext?.spanId, parent.spanContext().spanId);
  const { traceId, spanId } = good.spanContext();
  assert.equal(server.calls[0]?.headers.get("traceparent"), `00-${traceId}-${spanId}-01`);
  const [address, port] = server.endpoint.split(":");
  assert.deepEqual(good.attributes, {
    "rpc.system.name": "grpc",
    "rpc.method": "tierwise.v1.RouterService/Generate",
    "server.address": address,
    "server.port": Number(port),
    "tierwise.task_type": "answer_faq",
    "tierwise.request.id": "request-1",
    "tierwise.tier": "efficient",
    "tierwise.model": "claude-haiku-4-5-20251001",
    "tierwise.escalated": false,
    "tierwise.total_cost.nano_usd": 110_000,
    "tierwise.total_cost.usd": 0.00011,
    "rpc.response.status_code": "OK",
  });
  assert.equal(refused.status.code, SpanStatusCode.ERROR);
  assert.equal(refused.attributes["error.type"], "RESOURCE_EXHAUSTED");
  assert.equal(refused.attributes["tierwise.reason"], "RATE_LIMITED");
  assert.equal(left.attributes["rpc.response.status_code"], "CANCELLED");
});

test("W3C context goes to the server also where the process has set no propagator", async () => {
  await using server = await FakeServer.start();
  await using client = new Client({ endpoint: server.endpoint });
  const [traceId, spanId] = ["0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"];
  const remote = { traceId, spanId, traceFlags: 1, traceState: createTraceState("a=1") };
  const baggage = propagation.createBaggage({ team: { value: "search & find" } });
  const parent = propagation.setBaggage(trace.setSpanContext(context.active(), remote), baggage);
  propagation.disable();
  try {
    await context.with(parent, () => client.route());
    await client.route();
  } finally {
    propagation.setGlobalPropagator(new W3CTraceContextPropagator());
  }
  const [within, without] = server.calls.map((call) => call.headers);
  // Without a provider, too, a call is part of its caller's trace.
  assert.equal(within?.get("traceparent"), `00-${traceId}-${spanId}-01`);
  assert.equal(within?.get("tracestate"), "a=1");
  assert.equal(within?.get("baggage"), "team=search%20%26%20find");
  assert.equal(without?.get("traceparent"), null);
});
