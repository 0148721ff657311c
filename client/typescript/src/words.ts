/**
 * The contract's closed lists of words, by the names they have on the wire without their prefix.
 *
 * "UNSPECIFIED" stands for what is not set and for what a newer server says and this client does not know yet; the
 * message that holds the raw number is one `.proto` away.
 */

import type * as pb from "./proto.js";

/** Who speaks a message. */
export type Role = "user" | "assistant";

/**
 * Whether a draft's text is sent before it is accepted. HELD: once it is accepted, never if it is superseded. LIVE: at
 * once, marked provisional; it is void if the draft is superseded.
 */
export type DraftDelivery = "HELD" | "LIVE";

/** Why a model stopped; LENGTH, CONTEXT_WINDOW and PAUSE say that the text is cut. */
export type FinishReason = keyof typeof pb.FinishReason;
/** On what ground an answer was accepted. */
export type Acceptance = keyof typeof pb.Acceptance;
/** What a call to a model was for. */
export type CallKind = keyof typeof pb.CallKind;
/** How a call to a model ended. */
export type CallStatus = keyof typeof pb.CallStatus;
/** What followed from a check. */
export type CheckOutcome = keyof typeof pb.CheckOutcome;
/** Why a stronger tier was asked. */
export type EscalationReason = keyof typeof pb.EscalationReason;
/** Where the token counts of a counterfactual come from. */
export type CounterfactualBasis = keyof typeof pb.CounterfactualBasis;
/** Which rule of the routing table chose the row. */
export type RoutingRule = keyof typeof pb.RoutingRule;
/** What changed a table row for one request. */
export type RoutingAdjustment = keyof typeof pb.RoutingAdjustment;
/** Why a request failed. */
export type ErrorReason = keyof typeof pb.ErrorReason;
/** The name of a gRPC status. */
export type StatusName =
  | "OK"
  | "CANCELLED"
  | "UNKNOWN"
  | "INVALID_ARGUMENT"
  | "DEADLINE_EXCEEDED"
  | "NOT_FOUND"
  | "ALREADY_EXISTS"
  | "PERMISSION_DENIED"
  | "RESOURCE_EXHAUSTED"
  | "FAILED_PRECONDITION"
  | "ABORTED"
  | "OUT_OF_RANGE"
  | "UNIMPLEMENTED"
  | "INTERNAL"
  | "UNAVAILABLE"
  | "DATA_LOSS"
  | "UNAUTHENTICATED";
