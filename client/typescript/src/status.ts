/** The one place where a gRPC status becomes an error of the client. Pure. */

import { Code, type ConnectError } from "@connectrpc/connect";
import {
  BadRequestSchema,
  ErrorInfoSchema,
  QuotaFailureSchema,
  RequestInfoSchema,
  RetryInfoSchema,
} from "#proto/google/rpc/error_details_pb.js";
import { milliseconds, summaryOf } from "./convert.js";
import * as errors from "./errors.js";
import { GenerationSummarySchema } from "./proto.js";
import type { ErrorReason, StatusName } from "./words.js";

type ErrorClass = new (message: string, failure: errors.Failure) => errors.TierwiseError;

const DOMAIN = "tierwise";

const CLASS_OF_REASON: Readonly<Record<ErrorReason, ErrorClass>> = {
  UNSPECIFIED: errors.TierwiseError,
  INVALID_REQUEST: errors.InvalidRequestError,
  UNKNOWN_TIER: errors.InvalidRequestError,
  UNKNOWN_TASK_TYPE: errors.InvalidRequestError,
  REQUEST_ID_REUSED: errors.InvalidRequestError,
  CONTEXT_TOO_LONG: errors.ContextTooLongError,
  MISSING_CREDENTIALS: errors.AuthenticationError,
  INVALID_CREDENTIALS: errors.AuthenticationError,
  TIER_NOT_ALLOWED: errors.PermissionDeniedError,
  TASK_TYPE_NOT_ALLOWED: errors.PermissionDeniedError,
  RATE_LIMITED: errors.RateLimitedError,
  BUDGET_EXCEEDED: errors.BudgetExceededError,
  CLIENT_TOO_SLOW: errors.ClientTooSlowError,
  REQUEST_IN_FLIGHT: errors.RequestInFlightError,
  OVERLOADED: errors.UnavailableError,
  SHUTTING_DOWN: errors.UnavailableError,
  LEDGER_UNAVAILABLE: errors.UnavailableError,
  UPSTREAM_RATE_LIMITED: errors.UpstreamError,
  UPSTREAM_OVERLOADED: errors.UpstreamError,
  UPSTREAM_UNAVAILABLE: errors.UpstreamError,
  UPSTREAM_TIMEOUT: errors.UpstreamError,
  UPSTREAM_INTERRUPTED: errors.UpstreamError,
  UPSTREAM_PROTOCOL: errors.UpstreamError,
  DEADLINE_EXCEEDED: errors.DeadlineExceededError,
  CANCELLED: errors.RequestCancelledError,
  INTERNAL: errors.ServerError,
  UPSTREAM_AUTH: errors.ServerSetupError,
  UPSTREAM_MODEL_MISSING: errors.ServerSetupError,
  UPSTREAM_REJECTED: errors.ServerSetupError,
  UPSTREAM_SPEND_LIMIT: errors.ServerSetupError,
  UNPRICED_MODEL: errors.ServerSetupError,
  UNIMPLEMENTED: errors.UnimplementedError,
};

// For failures that no tierwise server named, and for reasons newer than this client.
const CLASS_OF_STATUS: Readonly<Partial<Record<StatusName, ErrorClass>>> = {
  INVALID_ARGUMENT: errors.InvalidRequestError,
  UNAUTHENTICATED: errors.AuthenticationError,
  PERMISSION_DENIED: errors.PermissionDeniedError,
  RESOURCE_EXHAUSTED: errors.LimitError,
  UNAVAILABLE: errors.UnavailableError,
  DEADLINE_EXCEEDED: errors.DeadlineExceededError,
  CANCELLED: errors.RequestCancelledError,
  INTERNAL: errors.ServerError,
  UNKNOWN: errors.ServerError,
  DATA_LOSS: errors.ServerError,
  UNIMPLEMENTED: errors.UnimplementedError,
};

const NAME_OF_CODE: Readonly<Record<Code, StatusName>> = {
  [Code.Canceled]: "CANCELLED",
  [Code.Unknown]: "UNKNOWN",
  [Code.InvalidArgument]: "INVALID_ARGUMENT",
  [Code.DeadlineExceeded]: "DEADLINE_EXCEEDED",
  [Code.NotFound]: "NOT_FOUND",
  [Code.AlreadyExists]: "ALREADY_EXISTS",
  [Code.PermissionDenied]: "PERMISSION_DENIED",
  [Code.ResourceExhausted]: "RESOURCE_EXHAUSTED",
  [Code.FailedPrecondition]: "FAILED_PRECONDITION",
  [Code.Aborted]: "ABORTED",
  [Code.OutOfRange]: "OUT_OF_RANGE",
  [Code.Unimplemented]: "UNIMPLEMENTED",
  [Code.Internal]: "INTERNAL",
  [Code.Unavailable]: "UNAVAILABLE",
  [Code.DataLoss]: "DATA_LOSS",
  [Code.Unauthenticated]: "UNAUTHENTICATED",
};

/** Return the typed error for a failed call. Never fails itself: details that cannot be read are left out. */
export function errorOf(failure: ConnectError): errors.TierwiseError {
  const status = NAME_OF_CODE[failure.code] ?? "UNKNOWN";
  // A proxy's own reasons are not ours, even where the words are the same.
  const info = failure.findDetails(ErrorInfoSchema).find(({ domain }) => domain === DOMAIN);
  const retryDelay = failure.findDetails(RetryInfoSchema)[0]?.retryDelay;
  const summary = failure.findDetails(GenerationSummarySchema)[0];
  const kind =
    (CLASS_OF_REASON as Partial<Record<string, ErrorClass>>)[info?.reason ?? ""] ??
    CLASS_OF_STATUS[status] ??
    errors.TierwiseError;
  return new kind(failure.rawMessage || "the server gave no message", {
    status,
    reason: info?.reason ?? "",
    retryAfterMs: retryDelay && milliseconds(retryDelay),
    fieldViolations: failure
      .findDetails(BadRequestSchema)
      .flatMap((bad) => bad.fieldViolations)
      .map(({ field, description }) => ({ field, description })),
    quotaViolations: failure
      .findDetails(QuotaFailureSchema)
      .flatMap((quota) => quota.violations)
      .map(({ subject, description }) => ({ subject, description })),
    metadata: { ...info?.metadata },
    requestId:
      failure.findDetails(RequestInfoSchema)[0]?.requestId ||
      info?.metadata.request_id ||
      (failure.metadata.get("x-request-id") ?? ""),
    summary: summary && summaryOf(summary),
    cause: failure,
  });
}
