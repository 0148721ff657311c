/**
 * What happens while a task runs, as values in the order it happens; `type` tells the kinds apart.
 *
 * `Started` comes first; `Finished` comes last, if and only if there is an answer. An attempt's text lies between its
 * `AttemptStarted` and whichever comes first of its `AttemptSuperseded` and `Finished`.
 */

import type { CallRecord, GenerationSummary, RouteDecision } from "./values.js";
import type { CallKind, CheckOutcome, EscalationReason } from "./words.js";

/** The task was routed and the first call is about to be made: from here on it may cost money. */
export interface Started {
  readonly type: "started";
  readonly requestId: string;
  readonly decision: RouteDecision;
  /** When the server took up the request. */
  readonly startTime: Date | undefined;
}

/** A model is asked for an answer. */
export interface AttemptStarted {
  readonly type: "attemptStarted";
  /** Numbers the attempts of a request from 1. */
  readonly attempt: number;
  /** DIRECT or DRAFT. */
  readonly kind: CallKind;
  readonly tier: string;
  readonly model: string;
  /** Options of the request that this model does not take and that were left out. */
  readonly ignoredOptions: readonly string[];
}

/** A piece of text; append it to the attempt's text. */
export interface TextDelta {
  readonly type: "textDelta";
  readonly attempt: number;
  readonly text: string;
  /** The attempt is a draft that is not accepted yet; only with LIVE. */
  readonly provisional: boolean;
}

/** A model finished an answer, or failed. */
export interface AttemptFinished {
  readonly type: "attemptFinished";
  readonly call: CallRecord;
}

/** A draft was checked. */
export interface ConfidenceChecked {
  readonly type: "confidenceChecked";
  /** The draft that was checked. */
  readonly attempt: number;
  /** How, e.g. "self_report". */
  readonly method: string;
  /** 0 to 1; undefined when the check failed or its answer was unreadable. */
  readonly confidence: number | undefined;
  /** The model's own number from 1 to 10, when the method asks for one and it was readable. */
  readonly score: number | undefined;
  /** The confidence, 0 to 1, that accepts a draft. */
  readonly threshold: number;
  readonly outcome: CheckOutcome;
  /** The check's call, with its tokens and cost. */
  readonly call: CallRecord;
}

/** An attempt's text is void: drop what was received of it. */
export interface AttemptSuperseded {
  readonly type: "attemptSuperseded";
  readonly attempt: number;
  readonly replacementAttempt: number;
  readonly reason: EscalationReason;
}

/** Nothing happened for a while; the task is still running. */
export interface Heartbeat {
  readonly type: "heartbeat";
}

/** The task is done. */
export interface Finished {
  readonly type: "finished";
  readonly summary: GenerationSummary;
}

export type Event =
  | Started
  | AttemptStarted
  | TextDelta
  | AttemptFinished
  | ConfidenceChecked
  | AttemptSuperseded
  | Heartbeat
  | Finished;
