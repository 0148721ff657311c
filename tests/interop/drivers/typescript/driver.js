/** The TypeScript driver: makes one call with the client for each line it reads (tests/interop/README.md). */

import { createInterface } from "node:readline";
import { fromJson } from "@bufbuild/protobuf";
import { context, propagation, ROOT_CONTEXT } from "@opentelemetry/api";
import { AsyncLocalStorageContextManager } from "@opentelemetry/context-async-hooks";
import { W3CTraceContextPropagator } from "@opentelemetry/core";
import { Client, TierwiseError } from "@tierwise/client";
import { DraftDelivery, GenerateRequestSchema, RouteRequestSchema } from "@tierwise/client/proto";

const KEYS = new Set(
  "call read endpoint request api_key timeout_s traceparent cancel_after".split(" "),
);

context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
propagation.setGlobalPropagator(new W3CTraceContextPropagator());

function write(key, value) {
  process.stdout.write(`${JSON.stringify({ [key]: value }, plain)}\n`);
}

/** Whole numbers are JSON numbers, keys are in snake_case; an Error is what `described` makes of it. */
function plain(_key, value) {
  if (typeof value === "bigint") return JSON.rawJSON ? JSON.rawJSON(`${value}`) : Number(value);
  if (value === null || typeof value !== "object" || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [snake(name), item]));
}

function snake(name) {
  return name.replace(/(?<=[a-z])(?=[A-Z0-9])/g, "_").toLowerCase();
}

function optionsOf(message, call) {
  const { taskType, system, requestId, labels, draftDelivery } = message;
  const options = { taskType, system };
  for (const name of ["tier", "maxTier"]) {
    if (message.routing?.[name]) options[name] = message.routing[name];
  }
  for (const name of ["escalation", "confidenceThreshold", "maxCostNanoUsd"]) {
    options[name] = message.routing?.[name];
  }
  for (const name of ["maxOutputTokens", "temperature", "topP", "stopSequences"]) {
    options[name] = message.generation?.[name];
  }
  if (call.timeout_s !== undefined) options.timeoutMs = call.timeout_s * 1000;
  if (call.call === "Generate") {
    Object.assign(options, { requestId, labels });
    if (call.read !== "answer" && draftDelivery === DraftDelivery.LIVE) {
      options.draftDelivery = "LIVE";
    }
  }
  return options;
}

async function play(call, client) {
  const schema = call.call === "Route" ? RouteRequestSchema : GenerateRequestSchema;
  const message = fromJson(schema, call.request);
  const options = optionsOf(message, call);
  try {
    if (call.call === "Route") return { response: await client.route(message.messages, options) };
    if (call.read === "answer") {
      return { answer: await client.generate(message.messages, options) };
    }
    const stream = client.stream(message.messages, options);
    if (call.read === "text") for await (const text of stream.text) write("text", text);
    else await writeEvents(stream, call.cancel_after);
    return { answer: stream.answer() };
  } catch (error) {
    if (error instanceof TierwiseError) return { error: described(error) };
    if (error instanceof TypeError) return { refused: error.message };
    throw error;
  }
}

async function writeEvents(stream, cancelAfter) {
  let cancelled = false;
  for await (const { type, ...event } of stream.events) {
    const kind = snake(type);
    write("event", { [kind]: event });
    if (kind === cancelAfter && !cancelled) {
      cancelled = true;
      stream.cancel();
    }
  }
}

function described(error) {
  const { status, reason, message, requestId, started, partialText, summary } = error;
  return {
    class: error.constructor.name,
    status,
    reason,
    message,
    retry_after_s: error.retryAfterMs === undefined ? null : error.retryAfterMs / 1000,
    violations: error.fieldViolations.map(({ field }) => field),
    requestId,
    started,
    partialText,
    summary: summary ?? null,
  };
}

for await (const line of createInterface({ input: process.stdin })) {
  const call = JSON.parse(line);
  const unknown = Object.keys(call).find((key) => !KEYS.has(key));
  if (unknown) throw new Error(`this driver does not know ${unknown}`);
  const parent = propagation.extract(ROOT_CONTEXT, { traceparent: call.traceparent ?? "" });
  const client = new Client({ endpoint: call.endpoint, apiKey: call.api_key });
  write("end", await context.with(parent, () => play(call, client)));
  await client.close();
}
