/** What the fake server may be told to play, and the usual stories ready-made. */

import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import type { ConnectError } from "@connectrpc/connect";
import * as pb from "../proto.js";

/** Send nothing until `until` settles; without it, until the caller leaves or its deadline passes. */
export class Hold {
  readonly until: Promise<unknown> | undefined;

  constructor(until?: Promise<unknown>) {
    this.until = until;
  }
}

type EventInit = NonNullable<MessageInitShape<typeof pb.GenerateResponseSchema>["event"]>;
/**
 * An event (numbered by the server), a whole message (sent as it is, so that it may break the contract), a failure that
 * ends the call, or a pause.
 */
export type Step = EventInit | pb.GenerateResponse | ConnectError | Hold;
export type Script = readonly Step[];

const EFFICIENT = { tier: "efficient", model: "claude-haiku-4-5-20251001" };
const FRONTIER = { tier: "frontier", model: "claude-sonnet-4-6" };
const THRESHOLD = 0.8;

/** Return a reply to Route: one tier, no evidence. */
export function routed({ tier, model, taskType = "" } = { ...EFFICIENT, taskType: "" }) {
  const estimate = {
    tier,
    model,
    estimatedInputTokens: 10n,
    assumedOutputTokens: 20n,
    estimatedCostNanoUsd: 110_000n,
    fitsContext: true,
    priceBookVersion: "test",
  };
  return create(pb.RouteResponseSchema, {
    decision: { ...decision([tier], model), taskType },
    tiers: [estimate],
  });
}

/** Return the story of a task that one tier answers, unchecked, in pieces of a few letters. */
export function answered(
  text = "Hello from the fake server.",
  given: { tier?: string; model?: string; requestId?: string; costNanoUsd?: bigint } = {},
): Script {
  const { tier, model, requestId, costNanoUsd } = {
    ...{ ...EFFICIENT, requestId: "request-1", costNanoUsd: 110_000n },
    ...given,
  };
  const call = callOf(1, pb.CallKind.DIRECT, { tier, model }, costNanoUsd);
  return [
    { case: "started", value: { requestId, decision: decision([tier], model) } },
    attempt(call),
    ...deltas(1, text, false),
    { case: "attemptFinished", value: { call } },
    { case: "finished", value: { summary: summary([call], requestId) } },
  ];
}

/**
 * Return the story of a draft that its check finds wanting and that frontier's answer supersedes; its text is sent only
 * with `live`.
 */
export function escalated(
  draft = "Perhaps.",
  text = "Certainly, and this is why.",
  { live = false, requestId = "request-1" } = {},
): Script {
  const first = callOf(1, pb.CallKind.DRAFT, EFFICIENT, 60_000n);
  const check = callOf(1, pb.CallKind.CHECK, EFFICIENT, 20_000n);
  const second = callOf(2, pb.CallKind.DIRECT, FRONTIER, 450_000n);
  const calls = [create(pb.CallRecordSchema, { ...first, superseded: true }), check, second];
  return [
    {
      case: "started",
      value: { requestId, decision: decision(["efficient", "frontier"], EFFICIENT.model) },
    },
    attempt(first),
    ...(live ? deltas(1, draft, true) : [{ case: "heartbeat", value: {} } as const]),
    { case: "attemptFinished", value: { call: first } },
    {
      case: "confidenceChecked",
      value: {
        attempt: 1,
        method: "self_report",
        confidence: 0.4,
        score: 4,
        threshold: THRESHOLD,
        outcome: pb.CheckOutcome.ESCALATED,
        call: check,
      },
    },
    {
      case: "attemptSuperseded",
      value: { attempt: 1, replacementAttempt: 2, reason: pb.EscalationReason.LOW_CONFIDENCE },
    },
    attempt(second),
    ...deltas(2, text, false),
    { case: "attemptFinished", value: { call: second } },
    { case: "finished", value: { summary: { ...summary(calls, requestId), confidence: 0.4 } } },
  ];
}

function attempt({ attempt, kind, tier, model }: pb.CallRecord): EventInit {
  return { case: "attemptStarted", value: { attempt, kind, tier, model } };
}

function deltas(attempt: number, text: string, provisional: boolean): EventInit[] {
  const pieces = text.match(/.{1,4}/gsu) ?? [];
  return pieces.map((piece) => ({
    case: "textDelta",
    value: { attempt, text: piece, provisional },
  }));
}

function decision(cascade: string[], model: string) {
  return {
    tier: cascade[0] ?? "",
    model,
    cascade,
    rule: pb.RoutingRule.TASK_TYPE,
    why: "the test says so",
    tableVersion: "test",
    ...(cascade.length > 1 && { confidenceMethod: "self_report", confidenceThreshold: THRESHOLD }),
  };
}

/** Return a completed call that cost so much; a tenth of it is for input. */
function callOf(
  attempt: number,
  kind: pb.CallKind,
  { tier, model }: { tier: string; model: string },
  totalNanoUsd: bigint,
): pb.CallRecord {
  const inputNanoUsd = totalNanoUsd / 10n;
  const outputNanoUsd = totalNanoUsd - inputNanoUsd;
  return create(pb.CallRecordSchema, {
    attempt,
    kind,
    status: pb.CallStatus.COMPLETED,
    tier,
    model,
    usage: { inputTokens: 10n, outputTokens: 20n },
    cost: { totalNanoUsd, inputNanoUsd, outputNanoUsd, priceBookVersion: "test" },
    finishReason: pb.FinishReason.STOP,
    tries: 1,
    duration: durationFromMs(100),
  });
}

/** Return the account of these calls, of which the last gave the answer. */
function summary(calls: pb.CallRecord[], requestId: string) {
  const final = calls[calls.length - 1] ?? create(pb.CallRecordSchema);
  const sum = (part: (call: pb.CallRecord) => bigint | undefined) =>
    calls.reduce((total, call) => total + (part(call) ?? 0n), 0n);
  return {
    finalAttempt: final.attempt,
    tier: final.tier,
    model: final.model,
    finishReason: final.finishReason,
    escalated: final.attempt > 1,
    acceptance: pb.Acceptance.UNCHECKED,
    usage: {
      inputTokens: sum(({ usage }) => usage?.inputTokens),
      outputTokens: sum(({ usage }) => usage?.outputTokens),
    },
    cost: {
      totalNanoUsd: sum(({ cost }) => cost?.totalNanoUsd),
      inputNanoUsd: sum(({ cost }) => cost?.inputNanoUsd),
      outputNanoUsd: sum(({ cost }) => cost?.outputNanoUsd),
      priceBookVersion: "test",
    },
    calls,
    counterfactuals: [
      { ...FRONTIER, costNanoUsd: 450_000n, basis: pb.CounterfactualBasis.SAME_TOKENS },
    ],
    tableVersion: "test",
    requestId,
    duration: durationFromMs(100 * calls.length),
    timeToFirstText: durationFromMs(50),
  };
}
