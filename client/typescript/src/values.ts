/**
 * What calls give back: plain read-only objects with the contract's field names in camel case.
 *
 * Absent fields of the contract are undefined, money is a whole number of nano-USD (1 USD = 1,000,000,000) as bigint,
 * durations are milliseconds. `usd` is the same amount as an exact decimal text, such as "0.00011".
 */

import type * as pb from "./proto.js";
import type {
  Acceptance,
  CallKind,
  CallStatus,
  CounterfactualBasis,
  ErrorReason,
  FinishReason,
  RoutingAdjustment,
  RoutingRule,
} from "./words.js";

/** Tokens of one call, or of all calls added up. */
export interface Usage {
  /** All input: uncached, read from and written to the provider's prompt cache. */
  readonly inputTokens: number;
  /** Of `inputTokens`, those read from the cache. */
  readonly cacheReadTokens: number;
  /** Of `inputTokens`, those written to the cache for five minutes. */
  readonly cacheWriteTokens: number;
  /** Of `inputTokens`, those written to the cache for one hour. */
  readonly cacheWrite1hTokens: number;
  /** All output, thinking included. */
  readonly outputTokens: number;
  /** Of `outputTokens`, those spent on thinking. */
  readonly reasoningTokens: number;
}

/** Money in nano-USD. The four parts add up to the total exactly. */
export interface Cost {
  readonly totalNanoUsd: bigint;
  /** Uncached input. */
  readonly inputNanoUsd: bigint;
  readonly cacheReadNanoUsd: bigint;
  readonly cacheWriteNanoUsd: bigint;
  /** Output, thinking included. */
  readonly outputNanoUsd: bigint;
  /** The price book that priced it. */
  readonly priceBookVersion: string;
  /** The whole cost in USD, exactly. */
  readonly usd: string;
}

/** One paid or attempted call to a model: an attempt or a check. */
export interface CallRecord {
  /** The attempt it belongs to, from 1; a check carries the number of the draft it checked. */
  readonly attempt: number;
  readonly kind: CallKind;
  readonly status: CallStatus;
  readonly tier: string;
  readonly model: string;
  /** Undefined when nothing was billed. */
  readonly usage: Usage | undefined;
  /** Undefined when nothing was billed, or when the model has no price. */
  readonly cost: Cost | undefined;
  /** The provider reported no final usage, so tokens are counted from what was seen. */
  readonly usageEstimated: boolean;
  /** This attempt's text is void. */
  readonly superseded: boolean;
  /** Why the model stopped, when `status` is COMPLETED. */
  readonly finishReason: FinishReason;
  /** Why it failed, when `status` is FAILED. */
  readonly failureReason: ErrorReason;
  /** How often the provider was asked: 1 means no retry, 0 that it was down or had no place. */
  readonly tries: number;
  /** The provider's own id of the response; may be empty. */
  readonly responseId: string;
  /** From the first try until the end of the call. */
  readonly durationMs: number;
}

/** What the request would have cost at one tier alone. An estimate. */
export interface Counterfactual {
  readonly tier: string;
  readonly model: string;
  /** Undefined when the model has no price. */
  readonly costNanoUsd: bigint | undefined;
  readonly basis: CounterfactualBasis;
  /** The estimate in USD, exactly; undefined when the model has no price. */
  readonly usd: string | undefined;
}

/** Which tier a task gets, and why. The same table version and request always give the same one. */
export interface RouteDecision {
  /** The tier that is asked first. */
  readonly tier: string;
  readonly model: string;
  /** The tiers the task may climb, in order, starting with `tier`; one: nothing escalates. */
  readonly cascade: readonly string[];
  readonly rule: RoutingRule;
  /** What changed the row afterwards, in the order applied. */
  readonly adjustments: readonly RoutingAdjustment[];
  /** One English sentence for people; its wording is not part of the contract. */
  readonly why: string;
  /** How confidence is measured; empty when nothing is checked. */
  readonly confidenceMethod: string;
  /** The confidence, 0 to 1, that accepts a draft; undefined when nothing is checked. */
  readonly confidenceThreshold: number | undefined;
  /** Identifies the content of the routing table. */
  readonly tableVersion: string;
  readonly taskType: string;
}

/** What a request would cost at one tier, estimated from its length before any call. */
export interface TierEstimate {
  readonly tier: string;
  readonly model: string;
  readonly estimatedInputTokens: number;
  /** Measured for the task type where the table has it, else configured. */
  readonly assumedOutputTokens: number;
  /** Undefined when the model has no price. */
  readonly estimatedCostNanoUsd: bigint | undefined;
  /** The same input with all allowed output; undefined when the model has no price. */
  readonly maxCostNanoUsd: bigint | undefined;
  /** Whether the model can hold input and requested output. */
  readonly fitsContext: boolean;
  readonly priceBookVersion: string;
  /** The estimated cost in USD, exactly; undefined when the model has no price. */
  readonly usd: string | undefined;
}

/** The measurement behind a row of the routing table. */
export interface Evidence {
  readonly sampleSize: number;
  /** Mean quality of the row's policy, 0 to 1, and its interval. */
  readonly quality: number;
  readonly qualityLow: number;
  readonly qualityHigh: number;
  /** Mean cost of a task, checks and discarded drafts included. */
  readonly meanCostNanoUsd: bigint;
  /** "check", "human", or a judge model with its prompt version. */
  readonly judge: string;
  readonly datasetHash: string;
  readonly priceBookVersion: string;
  readonly measureTime: Date | undefined;
  /** When it stops counting. */
  readonly expireTime: Date | undefined;
  /** The share of tasks that the row is expected to send up; undefined when it was not measured. */
  readonly escalationRate: number | undefined;
  /** The most that the row was allowed to lose in quality against the strongest tier; undefined when nothing was asked. */
  readonly tolerance: number | undefined;
  /** How sure one was to be that it loses no more; undefined when nothing was asked. */
  readonly confidence: number | undefined;
  /** What it loses at most at that confidence, negative for a gain; undefined when nothing could be certified. */
  readonly lossBound: number | undefined;
}

/** The decision about a task, which cost nothing. */
export interface RouteResult {
  readonly decision: RouteDecision;
  /** What the task would cost at every tier, in configured order. */
  readonly tiers: readonly TierEstimate[];
  /** Undefined when the row was not measured. */
  readonly evidence: Evidence | undefined;
  /** The message it was read from. */
  readonly proto: pb.RouteResponse;
}

/** Everything a request did and cost, with an answer or (on an error) without. */
export interface GenerationSummary {
  /** The attempt whose text is the answer, from 1; 0 when there is no answer. */
  readonly finalAttempt: number;
  readonly tier: string;
  readonly model: string;
  readonly finishReason: FinishReason;
  /** The provider's own word for it, when `finishReason` is OTHER. */
  readonly rawFinishReason: string;
  /** More than one attempt was made. */
  readonly escalated: boolean;
  readonly acceptance: Acceptance;
  /** Of the last check, 0 to 1; undefined when none was readable. */
  readonly confidence: number | undefined;
  /** All calls' tokens added up. */
  readonly usage: Usage;
  /** All calls' costs added up; undefined when the model of any billed call has no price. */
  readonly cost: Cost | undefined;
  /**
   * Every attempt and every check, each once, in the order started; empty in an error that they would not fit into,
   * whose totals still hold.
   */
  readonly calls: readonly CallRecord[];
  /** What the answer would have cost at each tier alone. */
  readonly counterfactuals: readonly Counterfactual[];
  readonly tableVersion: string;
  /** From the start of the request to the first text sent; undefined without text. */
  readonly timeToFirstTextMs: number | undefined;
  readonly durationMs: number;
  readonly requestId: string;
  /** The message it was read from. */
  readonly proto: pb.GenerationSummary;
}

/** The whole answer: its text, the decision that led to it, and everything it did and cost. */
export interface Answer extends GenerationSummary {
  /** The final attempt's text, whole unless `finishReason` says that it is cut; may be empty. */
  readonly text: string;
  /** Which tier was to be asked first, and why. */
  readonly decision: RouteDecision;
}
