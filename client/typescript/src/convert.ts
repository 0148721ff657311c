/** Messages of the contract into the client's values. Pure, and total: what is unknown becomes UNSPECIFIED. */

import { create } from "@bufbuild/protobuf";
import { type Duration, type Timestamp, timestampDate } from "@bufbuild/protobuf/wkt";
import type { Event } from "./events.js";
import { usdOf } from "./money.js";
import * as pb from "./proto.js";
import type * as values from "./values.js";

/** Return the word that a number of an enumeration stands for. */
function word<Kind extends object>(kind: Kind, number: number): keyof Kind {
  return (kind as Record<number, keyof Kind>)[number] ?? ("UNSPECIFIED" as keyof Kind);
}

/** Return a duration in milliseconds. */
export function milliseconds(duration: Duration): number {
  return Number(duration.seconds) * 1e3 + duration.nanos / 1e6;
}

function timeOf(timestamp: Timestamp | undefined): Date | undefined {
  return timestamp && timestampDate(timestamp);
}

/** Keep the message within reach, but out of what a value prints and spreads. */
function with_<Value extends object, Message>(value: Value, proto: Message) {
  return Object.defineProperty(value, "proto", { value: proto }) as Value & { proto: Message };
}

function usageOf(usage: pb.Usage): values.Usage {
  return {
    inputTokens: Number(usage.inputTokens),
    cacheReadTokens: Number(usage.cacheReadTokens),
    cacheWriteTokens: Number(usage.cacheWriteTokens),
    cacheWrite1hTokens: Number(usage.cacheWrite1hTokens),
    outputTokens: Number(usage.outputTokens),
    reasoningTokens: Number(usage.reasoningTokens),
  };
}

function costOf(cost: pb.Cost): values.Cost {
  return {
    totalNanoUsd: cost.totalNanoUsd,
    inputNanoUsd: cost.inputNanoUsd,
    cacheReadNanoUsd: cost.cacheReadNanoUsd,
    cacheWriteNanoUsd: cost.cacheWriteNanoUsd,
    outputNanoUsd: cost.outputNanoUsd,
    priceBookVersion: cost.priceBookVersion,
    usd: usdOf(cost.totalNanoUsd),
  };
}

function callOf(call: pb.CallRecord = create(pb.CallRecordSchema)): values.CallRecord {
  return {
    attempt: call.attempt,
    kind: word(pb.CallKind, call.kind),
    status: word(pb.CallStatus, call.status),
    tier: call.tier,
    model: call.model,
    usage: call.usage && usageOf(call.usage),
    cost: call.cost && costOf(call.cost),
    usageEstimated: call.usageEstimated,
    superseded: call.superseded,
    finishReason: word(pb.FinishReason, call.finishReason),
    failureReason: word(pb.ErrorReason, call.failureReason),
    tries: call.tries,
    responseId: call.responseId,
    durationMs: call.duration ? milliseconds(call.duration) : 0,
  };
}

function counterfactualOf(other: pb.Counterfactual): values.Counterfactual {
  return {
    tier: other.tier,
    model: other.model,
    costNanoUsd: other.costNanoUsd,
    basis: word(pb.CounterfactualBasis, other.basis),
    usd: other.costNanoUsd === undefined ? undefined : usdOf(other.costNanoUsd),
  };
}

/** Return the account of a request. */
export function summaryOf(summary: pb.GenerationSummary): values.GenerationSummary {
  return with_(
    {
      finalAttempt: summary.finalAttempt,
      tier: summary.tier,
      model: summary.model,
      finishReason: word(pb.FinishReason, summary.finishReason),
      rawFinishReason: summary.rawFinishReason,
      escalated: summary.escalated,
      acceptance: word(pb.Acceptance, summary.acceptance),
      confidence: summary.confidence,
      usage: usageOf(summary.usage ?? create(pb.UsageSchema)),
      cost: summary.cost && costOf(summary.cost),
      calls: summary.calls.map(callOf),
      counterfactuals: summary.counterfactuals.map(counterfactualOf),
      tableVersion: summary.tableVersion,
      timeToFirstTextMs: summary.timeToFirstText && milliseconds(summary.timeToFirstText),
      durationMs: summary.duration ? milliseconds(summary.duration) : 0,
      requestId: summary.requestId,
    },
    summary,
  );
}

/** Return the whole answer. */
export function answerOf(
  text: string,
  decision: values.RouteDecision,
  summary: values.GenerationSummary,
): values.Answer {
  return with_({ text, decision, ...summary }, summary.proto);
}

function decisionOf(
  decision: pb.RouteDecision = create(pb.RouteDecisionSchema),
): values.RouteDecision {
  return {
    tier: decision.tier,
    model: decision.model,
    cascade: decision.cascade,
    rule: word(pb.RoutingRule, decision.rule),
    adjustments: decision.adjustments.map((number) => word(pb.RoutingAdjustment, number)),
    why: decision.why,
    confidenceMethod: decision.confidenceMethod,
    confidenceThreshold: decision.confidenceThreshold,
    tableVersion: decision.tableVersion,
    taskType: decision.taskType,
  };
}

function tierOf(tier: pb.TierEstimate): values.TierEstimate {
  const nanoUsd = tier.estimatedCostNanoUsd;
  return {
    tier: tier.tier,
    model: tier.model,
    estimatedInputTokens: Number(tier.estimatedInputTokens),
    assumedOutputTokens: Number(tier.assumedOutputTokens),
    estimatedCostNanoUsd: nanoUsd,
    maxCostNanoUsd: tier.maxCostNanoUsd,
    fitsContext: tier.fitsContext,
    priceBookVersion: tier.priceBookVersion,
    usd: nanoUsd === undefined ? undefined : usdOf(nanoUsd),
  };
}

function evidenceOf(evidence: pb.Evidence): values.Evidence {
  return {
    sampleSize: evidence.sampleSize,
    quality: evidence.quality,
    qualityLow: evidence.qualityLow,
    qualityHigh: evidence.qualityHigh,
    meanCostNanoUsd: evidence.meanCostNanoUsd,
    judge: evidence.judge,
    datasetHash: evidence.datasetHash,
    priceBookVersion: evidence.priceBookVersion,
    measureTime: timeOf(evidence.measureTime),
    expireTime: timeOf(evidence.expireTime),
    escalationRate: evidence.escalationRate,
    tolerance: evidence.tolerance,
    confidence: evidence.confidence,
    lossBound: evidence.lossBound,
  };
}

/** Return the answer to Route. */
export function routeResultOf(response: pb.RouteResponse): values.RouteResult {
  return with_(
    {
      decision: decisionOf(response.decision),
      tiers: response.tiers.map(tierOf),
      evidence: response.evidence && evidenceOf(response.evidence),
    },
    response,
  );
}

/** Return the event of a message; undefined for a kind that this client does not know. */
export function eventOf({ event }: pb.GenerateResponse): Event | undefined {
  switch (event.case) {
    case "textDelta": {
      const { attempt, text, provisional } = event.value;
      return { type: event.case, attempt, text, provisional };
    }
    case "started": {
      const { requestId, decision, startTime } = event.value;
      return {
        type: event.case,
        requestId,
        decision: decisionOf(decision),
        startTime: timeOf(startTime),
      };
    }
    case "attemptStarted": {
      const { attempt, kind, tier, model, ignoredOptions } = event.value;
      return {
        type: event.case,
        attempt,
        kind: word(pb.CallKind, kind),
        tier,
        model,
        ignoredOptions,
      };
    }
    case "attemptFinished":
      return { type: event.case, call: callOf(event.value.call) };
    case "confidenceChecked": {
      const { attempt, method, confidence, score, threshold } = event.value;
      const outcome = word(pb.CheckOutcome, event.value.outcome);
      const call = callOf(event.value.call);
      return { type: event.case, attempt, method, confidence, score, threshold, outcome, call };
    }
    case "attemptSuperseded": {
      const { attempt, replacementAttempt } = event.value;
      const reason = word(pb.EscalationReason, event.value.reason);
      return { type: event.case, attempt, replacementAttempt, reason };
    }
    case "heartbeat":
      return { type: event.case };
    case "finished":
      return {
        type: event.case,
        summary: summaryOf(event.value.summary ?? create(pb.GenerationSummarySchema)),
      };
    default:
      return undefined;
  }
}
