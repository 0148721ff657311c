/**
 * Every way in which a call can fail, as one tree of classes.
 *
 *     TierwiseError                     a call failed; bare for a status or a reason that no class below stands for
 *     ├── InvalidRequestError           the request can never work; `fieldViolations` says why
 *     │   └── ContextTooLongError       no allowed tier's model can hold the prompt
 *     ├── AuthenticationError           no credentials, or wrong ones
 *     ├── PermissionDeniedError         the caller may not use the tier or send the task type
 *     ├── LimitError                    a limit was reached
 *     │   ├── RateLimitedError          too many requests; come back after `retryAfterMs`
 *     │   ├── BudgetExceededError       the cost cap or the caller's budget cannot pay for a call
 *     │   └── ClientTooSlowError        this side stopped reading the stream
 *     ├── RequestInFlightError          a request with the same id is running
 *     ├── UnavailableError              the server cannot be reached, is draining, or sheds load
 *     ├── UpstreamError                 the model provider failed
 *     ├── DeadlineExceededError         the deadline passed
 *     ├── RequestCancelledError         this side, or something on the way, gave the call up
 *     ├── ServerError                   a fault of the server
 *     │   └── ServerSetupError          the operator must act: credentials, models, prices, spend limit
 *     ├── UnimplementedError            the server does not have the method
 *     └── ProtocolError                 the answer breaks the contract
 *
 * Wrong arguments are TypeErrors, thrown before anything is sent. status.ts says which reason and which status become
 * which class.
 */

import type { GenerationSummary } from "./values.js";
import type { StatusName } from "./words.js";

/** What is wrong with one field of the request; `field` is its path in the contract's words, e.g. "routing.tier". */
export interface FieldViolation {
  readonly field: string;
  readonly description: string;
}

/** Which limit was reached, and whose. */
export interface QuotaViolation {
  readonly subject: string;
  readonly description: string;
}

/** What is known of a failure. */
export interface Failure {
  readonly status: StatusName;
  readonly reason?: string;
  readonly retryAfterMs?: number | undefined;
  readonly fieldViolations?: readonly FieldViolation[];
  readonly quotaViolations?: readonly QuotaViolation[];
  readonly metadata?: Readonly<Record<string, string>>;
  readonly requestId?: string;
  readonly summary?: GenerationSummary | undefined;
  readonly cause?: unknown;
}

/** A call failed. */
export class TierwiseError extends Error {
  override name = "TierwiseError";
  /** The gRPC status. */
  readonly status: StatusName;
  /**
   * The machine-readable reason, an `ErrorReason` or one that is newer than this client; empty when no server named
   * the failure (no connection, local deadline, cancel).
   */
  readonly reason: string;
  /** When the server wishes to be asked again; undefined when it did not say. */
  readonly retryAfterMs: number | undefined;
  readonly fieldViolations: readonly FieldViolation[];
  readonly quotaViolations: readonly QuotaViolation[];
  /** More about the reason, e.g. the task type. */
  readonly metadata: Readonly<Record<string, string>>;
  /** To be told to who runs the server; may be empty. */
  requestId: string;
  /**
   * What the request did and cost before it failed; undefined when nothing was spent or when the server could not say
   * (local deadline, cancel, lost connection).
   */
  readonly summary: GenerationSummary | undefined;
  /** The task had started, so it may have cost money, and asking again may cost it again. */
  started = false;
  /** What was received of the unfinished attempt's text. It is not an answer. */
  partialText = "";

  constructor(message: string, failure: Failure) {
    super(message, "cause" in failure ? { cause: failure.cause } : undefined);
    this.status = failure.status;
    this.reason = failure.reason ?? "";
    this.retryAfterMs = failure.retryAfterMs;
    this.fieldViolations = failure.fieldViolations ?? [];
    this.quotaViolations = failure.quotaViolations ?? [];
    this.metadata = failure.metadata ?? {};
    this.requestId = failure.requestId ?? "";
    this.summary = failure.summary;
  }
}

/** The request can never work as it is; `fieldViolations` names what is wrong. Cost nothing. */
export class InvalidRequestError extends TierwiseError {
  override name = "InvalidRequestError";
}
/** No allowed tier's model can hold the prompt. */
export class ContextTooLongError extends InvalidRequestError {
  override name = "ContextTooLongError";
}
/** No credentials were given, or they are not valid. Cost nothing. */
export class AuthenticationError extends TierwiseError {
  override name = "AuthenticationError";
}
/** The caller may not use the tier, or may not send the task type. Cost nothing. */
export class PermissionDeniedError extends TierwiseError {
  override name = "PermissionDeniedError";
}
/** A limit was reached: one of the classes below, or a size limit on the way. */
export class LimitError extends TierwiseError {
  override name = "LimitError";
}
/** The caller's rate or concurrency limit. Cost nothing; asking again after `retryAfterMs` is safe. */
export class RateLimitedError extends LimitError {
  override name = "RateLimitedError";
}
/** The request's cost cap or the caller's budget cannot pay for a call; `summary` says what was spent before. */
export class BudgetExceededError extends LimitError {
  override name = "BudgetExceededError";
}
/** This side stopped reading the stream, and the server gave up; `summary` says what was spent. */
export class ClientTooSlowError extends LimitError {
  override name = "ClientTooSlowError";
}
/** A request with the same `requestId` is running. Cost nothing. */
export class RequestInFlightError extends TierwiseError {
  override name = "RequestInFlightError";
}
/** The server cannot be reached, is draining, or sheds load. Unless `started`, it cost nothing. */
export class UnavailableError extends TierwiseError {
  override name = "UnavailableError";
}
/** The model provider failed, after the server's own retries. Asking again is a new, paid request. */
export class UpstreamError extends TierwiseError {
  override name = "UpstreamError";
}
/** The deadline passed; what was spent is on the server's record only. Asking again is a new, paid request. */
export class DeadlineExceededError extends TierwiseError {
  override name = "DeadlineExceededError";
}
/** The call was given up: by `cancel()`, an AbortSignal, closing the client, or something on the way. */
export class RequestCancelledError extends TierwiseError {
  override name = "RequestCancelledError";
}
/** A fault of the server; tell who runs it the `requestId`. */
export class ServerError extends TierwiseError {
  override name = "ServerError";
}
/** Who runs the server must act: provider credentials, models, prices or spend limit. Retrying cannot help. */
export class ServerSetupError extends ServerError {
  override name = "ServerSetupError";
}
/** The server does not have the method: it is older than this client, or no tierwise server. */
export class UnimplementedError extends TierwiseError {
  override name = "UnimplementedError";
}
/** The answer breaks the contract, so no part of it can be relied on. A fault of the server or on the way. */
export class ProtocolError extends TierwiseError {
  override name = "ProtocolError";

  constructor(message: string) {
    super(message, { status: "INTERNAL" });
  }
}
