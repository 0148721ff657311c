/**
 * The TypeScript client of tierwise: sends each LLM task to the cheapest model tier that does it well.
 *
 * `Client.route` says which tier a task gets, `Client.generate` runs it and returns the whole answer, `Client.stream`
 * gives it piece by piece. `@tierwise/client/testing` is a server for tests, `@tierwise/client/proto` the generated
 * code alone. client/README.md in the repository holds what the clients of all languages have in common.
 */

export { Client } from "./client.js";
export {
  AuthenticationError,
  BudgetExceededError,
  ClientTooSlowError,
  ContextTooLongError,
  DeadlineExceededError,
  type Failure,
  type FieldViolation,
  InvalidRequestError,
  LimitError,
  PermissionDeniedError,
  ProtocolError,
  type QuotaViolation,
  RateLimitedError,
  RequestCancelledError,
  RequestInFlightError,
  ServerError,
  ServerSetupError,
  TierwiseError,
  UnavailableError,
  UnimplementedError,
  UpstreamError,
} from "./errors.js";
export type * from "./events.js";
export type { GenerateOptions, RouteOptions, StreamOptions } from "./options.js";
export type { ContentLike, MessageLike, Prompt } from "./prompt.js";
export type { ClientOptions, ConnectionOptions, Pem, TracerProvider } from "./settings.js";
export { Stream } from "./stream.js";
export type * from "./values.js";
export { VERSION } from "./version.js";
export type * from "./words.js";
