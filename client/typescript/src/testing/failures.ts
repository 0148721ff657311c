/** A failed call as a tierwise server reports it. */

import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError } from "@connectrpc/connect";
import {
  BadRequestSchema,
  ErrorInfoSchema,
  QuotaFailureSchema,
  RequestInfoSchema,
  RetryInfoSchema,
} from "#proto/google/rpc/error_details_pb.js";
import { type GenerationSummary, GenerationSummarySchema } from "../proto.js";
import type { ErrorReason } from "../words.js";

const CODE_OF_REASON: Readonly<Record<Exclude<ErrorReason, "UNSPECIFIED">, Code>> = {
  INVALID_REQUEST: Code.InvalidArgument,
  UNKNOWN_TIER: Code.InvalidArgument,
  UNKNOWN_TASK_TYPE: Code.InvalidArgument,
  CONTEXT_TOO_LONG: Code.InvalidArgument,
  REQUEST_ID_REUSED: Code.InvalidArgument,
  MISSING_CREDENTIALS: Code.Unauthenticated,
  INVALID_CREDENTIALS: Code.Unauthenticated,
  TIER_NOT_ALLOWED: Code.PermissionDenied,
  TASK_TYPE_NOT_ALLOWED: Code.PermissionDenied,
  RATE_LIMITED: Code.ResourceExhausted,
  BUDGET_EXCEEDED: Code.ResourceExhausted,
  CLIENT_TOO_SLOW: Code.ResourceExhausted,
  UNPRICED_MODEL: Code.FailedPrecondition,
  UPSTREAM_SPEND_LIMIT: Code.FailedPrecondition,
  REQUEST_IN_FLIGHT: Code.Aborted,
  OVERLOADED: Code.Unavailable,
  SHUTTING_DOWN: Code.Unavailable,
  LEDGER_UNAVAILABLE: Code.Unavailable,
  UPSTREAM_RATE_LIMITED: Code.Unavailable,
  UPSTREAM_OVERLOADED: Code.Unavailable,
  UPSTREAM_UNAVAILABLE: Code.Unavailable,
  UPSTREAM_TIMEOUT: Code.Unavailable,
  UPSTREAM_INTERRUPTED: Code.Unavailable,
  UPSTREAM_PROTOCOL: Code.Unavailable,
  DEADLINE_EXCEEDED: Code.DeadlineExceeded,
  CANCELLED: Code.Canceled,
  UPSTREAM_AUTH: Code.Internal,
  UPSTREAM_MODEL_MISSING: Code.Internal,
  UPSTREAM_REJECTED: Code.Internal,
  INTERNAL: Code.Internal,
  UNIMPLEMENTED: Code.Unimplemented,
};

/** What goes with a failure. */
export interface FailureDetails {
  /** For people. */
  readonly message?: string;
  /** Default: the one that goes with the reason, else Unknown. */
  readonly code?: Code;
  readonly retryAfterMs?: number;
  /** Path -> what is wrong. */
  readonly fields?: Readonly<Record<string, string>>;
  /** Subject -> which limit. */
  readonly quotas?: Readonly<Record<string, string>>;
  readonly metadata?: Readonly<Record<string, string>>;
  readonly requestId?: string;
  /** What was spent. */
  readonly summary?: GenerationSummary;
  /** Tells gRPC when to retry; below zero: not at all; undefined: by its own policy. */
  readonly pushbackMs?: number;
}

/**
 * Return a failure as a tierwise server reports it.
 *
 * @param reason a name of `ErrorReason`; empty: a bare status, as a proxy or gRPC itself makes it.
 */
export function failed(reason = "", details: FailureDetails = {}): ConnectError {
  const { message = "it failed", retryAfterMs, fields, quotas, requestId, pushbackMs } = details;
  const known = (CODE_OF_REASON as Partial<Record<string, Code>>)[reason] ?? Code.Unknown;
  const headers = pushbackMs === undefined ? {} : { "grpc-retry-pushback-ms": `${pushbackMs}` };
  const outgoing: ConnectError["details"] = [];
  if (reason) {
    const value = { reason, domain: "tierwise", metadata: { ...details.metadata } };
    outgoing.push({ desc: ErrorInfoSchema, value });
  }
  if (retryAfterMs !== undefined) {
    outgoing.push({ desc: RetryInfoSchema, value: { retryDelay: durationFromMs(retryAfterMs) } });
  }
  if (fields) {
    const fieldViolations = pairs(fields).map(([field, description]) => ({ field, description }));
    outgoing.push({ desc: BadRequestSchema, value: { fieldViolations } });
  }
  if (quotas) {
    const violations = pairs(quotas).map(([subject, description]) => ({ subject, description }));
    outgoing.push({ desc: QuotaFailureSchema, value: { violations } });
  }
  if (requestId) outgoing.push({ desc: RequestInfoSchema, value: { requestId } });
  if (details.summary) {
    outgoing.push({ desc: GenerationSummarySchema, value: details.summary });
  }
  return new ConnectError(message, details.code ?? known, headers, outgoing as never);
}

function pairs(record: Readonly<Record<string, string>>): [string, string][] {
  return Object.entries(record);
}
