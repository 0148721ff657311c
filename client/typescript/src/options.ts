/**
 * What a caller may ask of one call, and the requests made of it. Pure.
 *
 * The ranges of values are the server's to judge: this side refuses only what cannot be put into a message.
 */

import { create, type DescMessage, type MessageShape, toBinary } from "@bufbuild/protobuf";
import { nanoUsdOf } from "./money.js";
import { messagesOf, type Prompt, wellFormed } from "./prompt.js";
import * as pb from "./proto.js";
import type { DraftDelivery } from "./words.js";

/** Wishes about one call. All are optional; undefined is the same as absent: the server decides. */
export interface RouteOptions {
  /** What kind of task it is, e.g. "classify_intent"; the routing table gives it meaning. */
  readonly taskType?: string | undefined;
  /** The system prompt. */
  readonly system?: string | undefined;
  /** Pin the tier; nothing escalates unless `escalation` is true as well. */
  readonly tier?: string | undefined;
  /** The strongest tier that may be used, now or by escalation. */
  readonly maxTier?: string | undefined;
  /** True lets a cheaper tier draft first; false never checks and never escalates. */
  readonly escalation?: boolean | undefined;
  /** From 0 to 1; a draft below it is not accepted. "8 out of 10" is 0.8. */
  readonly confidenceThreshold?: number | undefined;
  /** The most the request may cost, every check and discarded draft included. */
  readonly maxCostUsd?: string | number | undefined;
  /** The same in whole nano-USD; give one of the two. */
  readonly maxCostNanoUsd?: bigint | undefined;
  /** The most output tokens of each answer call, thinking included. */
  readonly maxOutputTokens?: number | undefined;
  /** From 0 to 1; left out for models that reject it. */
  readonly temperature?: number | undefined;
  /** From 0 to 1; left out for models that reject it. */
  readonly topP?: number | undefined;
  /** Texts that end the answer when the model writes them. */
  readonly stopSequences?: readonly string[] | undefined;
  /**
   * Deadline of this call, of a stream to its last event; wins over the client's. Infinity for none; one of more than
   * 27 hours is cut to that.
   */
  readonly timeoutMs?: number | undefined;
  /** Gives the call up when it is aborted. */
  readonly signal?: AbortSignal | undefined;
}

/** Wishes about one call that runs a task. */
export interface GenerateOptions extends RouteOptions {
  /** The caller's own id of the request, printable ASCII, at most 128 characters. */
  readonly requestId?: string | undefined;
  /** Up to 16 labels for accounting; never sent to a model. */
  readonly labels?: Readonly<Record<string, string>> | undefined;
}

/** Wishes about one streamed call. */
export interface StreamOptions extends GenerateOptions {
  /** HELD (the default) or LIVE. */
  readonly draftDelivery?: DraftDelivery | undefined;
}

const ROUTING = ["tier", "maxTier", "escalation", "confidenceThreshold"] as const;
const GENERATION = ["maxOutputTokens", "temperature", "topP", "stopSequences"] as const;
const ROUTE: readonly string[] = [
  ...["taskType", "system", "maxCostUsd", "maxCostNanoUsd", "timeoutMs", "signal"],
  ...ROUTING,
  ...GENERATION,
];
const GENERATE = [...ROUTE, "requestId", "labels"];
const STREAM = [...GENERATE, "draftDelivery"];
const DELIVERIES = new Map<unknown, pb.DraftDelivery>([
  ["HELD", pb.DraftDelivery.HELD],
  ["LIVE", pb.DraftDelivery.LIVE],
]);

/** Return the message for Route. */
export function routeRequest(prompt: Prompt, options: RouteOptions): pb.RouteRequest {
  refuseUnknown(options, ROUTE);
  return sendable(pb.RouteRequestSchema, create(pb.RouteRequestSchema, task(prompt, options)));
}

/** Return the message for Generate, with HELD. */
export function generateRequest(prompt: Prompt, options: GenerateOptions): pb.GenerateRequest {
  refuseUnknown(options, GENERATE);
  return generating(prompt, options, pb.DraftDelivery.HELD);
}

/** Return the message for Generate, with the delivery asked for. */
export function streamRequest(prompt: Prompt, options: StreamOptions): pb.GenerateRequest {
  refuseUnknown(options, STREAM);
  const delivery = DELIVERIES.get(options.draftDelivery ?? "HELD");
  if (delivery === undefined) throw new TypeError('draftDelivery is "HELD" or "LIVE"');
  return generating(prompt, options, delivery);
}

/**
 * Return a time limit that makes sense.
 *
 * @throws TypeError it is not above zero.
 */
export function checkedTimeoutMs(timeoutMs: number): number {
  if (!(timeoutMs > 0)) {
    throw new TypeError(`timeoutMs must be above 0 (Infinity for no deadline), not ${timeoutMs}`);
  }
  return timeoutMs;
}

function generating(prompt: Prompt, options: GenerateOptions, draftDelivery: pb.DraftDelivery) {
  const { requestId = "", labels = {} } = options;
  const request = { ...task(prompt, options), requestId, labels: { ...labels }, draftDelivery };
  return sendable(pb.GenerateRequestSchema, create(pb.GenerateRequestSchema, request));
}

function refuseUnknown(options: object, known: readonly string[]): void {
  const unknown = Object.keys(options).find((name) => !known.includes(name));
  if (unknown !== undefined) {
    throw new TypeError(`unknown option ${unknown}; there are ${known.toSorted().join(", ")}`);
  }
}

/** Return the fields that both requests have. */
function task(prompt: Prompt, options: RouteOptions) {
  const { taskType = "", system = "" } = options;
  return {
    taskType,
    system: wellFormed(system, "system"),
    messages: messagesOf(prompt),
    routing: create(pb.RoutingOptionsSchema, {
      ...picked(options, ROUTING),
      ...costCap(options),
    }),
    generation: create(pb.GenerationOptionsSchema, picked(options, GENERATION)),
  };
}

function picked<Name extends keyof RouteOptions>(options: RouteOptions, names: readonly Name[]) {
  const given = names.filter((name) => options[name] !== undefined);
  return Object.fromEntries(given.map((name) => [name, options[name]]));
}

function costCap({ maxCostUsd, maxCostNanoUsd }: RouteOptions): { maxCostNanoUsd?: bigint } {
  if (maxCostUsd === undefined) return maxCostNanoUsd === undefined ? {} : { maxCostNanoUsd };
  if (maxCostNanoUsd !== undefined) {
    throw new TypeError("give maxCostUsd or maxCostNanoUsd, not both");
  }
  return { maxCostNanoUsd: nanoUsdOf(maxCostUsd) };
}

/**
 * Return the message, of which every field can be written.
 *
 * @throws TypeError an option has a value of another kind.
 */
function sendable<Desc extends DescMessage>(schema: Desc, message: MessageShape<Desc>) {
  try {
    toBinary(schema, message);
  } catch (error) {
    throw new TypeError(error instanceof Error ? error.message : String(error), { cause: error });
  }
  return message;
}
