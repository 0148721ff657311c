/** One call, with its deadline, its retries before the first message, and its cancellation. */

import { type Client, Code, ConnectError, createClient } from "@connectrpc/connect";
import type { Connection } from "./connection.js";
import { RequestCancelledError, type TierwiseError } from "./errors.js";
import {
  type GenerateRequest,
  type GenerateResponse,
  type RouteRequest,
  type RouteResponse,
  RouterService,
} from "./proto.js";
import { RetryBudget } from "./retry.js";
import { errorOf } from "./status.js";

// gRPC's header for it holds eight digits.
const LONGEST_TIMEOUT_MS = 99_999_999;

/** How a call is made. */
export interface CallOptions {
  readonly headers: HeadersInit;
  /** Infinity for none. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal | undefined;
}

/** Makes calls over one connection. */
export class Caller {
  readonly #connection: Connection;
  readonly #client: Client<typeof RouterService>;
  readonly #budget = new RetryBudget();
  readonly #running = new Set<Call>();
  #closed = false;

  constructor(connection: Connection) {
    this.#connection = connection;
    this.#client = createClient(RouterService, connection.transport);
  }

  /** Call Route. */
  async route(request: RouteRequest, options: CallOptions): Promise<RouteResponse> {
    const call = this.#call(options);
    try {
      return await call.run((tryOptions) => this.#client.route(request, tryOptions));
    } finally {
      call.cancel();
    }
  }

  /** Call Generate; the caller cancels what it does not read to the end. */
  generate(request: GenerateRequest, options: CallOptions): RunningGenerate {
    const call = this.#call(options);
    return new RunningGenerate(call, (tryOptions) => this.#client.generate(request, tryOptions));
  }

  /** Cancel what runs and close the connection; a second time does nothing. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const call of this.#running) call.cancel();
    this.#connection.close();
  }

  #call(options: CallOptions): Call {
    if (this.#closed) throw new Error("the client is closed");
    const call = new Call(options, this.#connection, this.#budget, () =>
      this.#running.delete(call),
    );
    this.#running.add(call);
    return call;
  }
}

interface TryOptions {
  readonly headers: HeadersInit;
  readonly signal: AbortSignal;
  readonly timeoutMs?: number;
}

/** What the tries of one call have in common. */
class Call {
  readonly #headers: HeadersInit;
  readonly #connection: Connection;
  readonly #budget: RetryBudget;
  readonly #whenOver: () => void;
  readonly #controller = new AbortController();
  readonly #signal: AbortSignal | undefined;
  readonly #onAbort = () => this.cancel();
  readonly #deadlineMs: number;
  #tries = 0;

  constructor(
    options: CallOptions,
    connection: Connection,
    budget: RetryBudget,
    whenOver: () => void,
  ) {
    this.#headers = options.headers;
    this.#connection = connection;
    this.#budget = budget;
    this.#whenOver = whenOver;
    this.#signal = options.signal;
    this.#deadlineMs = performance.now() + options.timeoutMs;
    if (options.signal?.aborted) this.#controller.abort();
    options.signal?.addEventListener("abort", this.#onAbort);
  }

  /** Give the call up; after its end this does nothing but forget it. */
  cancel(): void {
    this.#controller.abort();
    this.#signal?.removeEventListener("abort", this.#onAbort);
    this.#whenOver();
  }

  /** Throw when it was given up. */
  throwIfCancelled(): void {
    if (this.#controller.signal.aborted) throw this.errorOf(undefined);
  }

  /** Try until it is answered, or failed for good. */
  async run<Result>(attempt: (options: TryOptions) => Promise<Result>): Promise<Result> {
    for (;;) {
      try {
        const result = await attempt(this.tryOptions());
        this.succeeded();
        return result;
      } catch (error) {
        await this.waitToAskAgain(error);
      }
    }
  }

  /** Return how the next try is made. */
  tryOptions(): TryOptions {
    this.#tries += 1;
    const leftMs = Math.min(this.#leftMs(), LONGEST_TIMEOUT_MS);
    const options = { headers: this.#headers, signal: this.#controller.signal };
    // Zero means no limit to connect.
    return this.#deadlineMs === Infinity
      ? options
      : { ...options, timeoutMs: Math.max(1, Math.ceil(leftMs)) };
  }

  /** Note that it went well. */
  succeeded(): void {
    this.#budget.succeeded();
  }

  /** Wait until a call that failed before its first message may be asked again; throw when it may not. */
  async waitToAskAgain(error: unknown): Promise<void> {
    if (this.#controller.signal.aborted) throw this.errorOf(error);
    const failure = this.#connection.failureOf(error);
    const waitMs = this.#budget.waitMs(failure, this.#tries, Math.random());
    if (waitMs === undefined) throw errorOf(failure);
    const leftMs = this.#leftMs();
    // A timer of more than 24 days would end at once.
    await this.#sleep(Math.min(waitMs, leftMs, LONGEST_TIMEOUT_MS));
    if (this.#controller.signal.aborted) throw this.errorOf(error);
    // A timer may end a little early.
    if (waitMs >= leftMs || this.#leftMs() <= 0) {
      const late = "the deadline passed while waiting to ask again";
      throw errorOf(new ConnectError(late, Code.DeadlineExceeded, undefined, [], failure));
    }
  }

  /** Return the typed error for what the transport threw. */
  errorOf(error: unknown): TierwiseError {
    if (!this.#controller.signal.aborted) return errorOf(this.#connection.failureOf(error));
    return new RequestCancelledError("the call was cancelled on this side", {
      status: "CANCELLED",
      cause: this.#signal?.reason ?? error,
    });
  }

  #leftMs(): number {
    return this.#deadlineMs - performance.now();
  }

  async #sleep(ms: number): Promise<void> {
    const { signal } = this.#controller;
    await new Promise<void>((resolve) => {
      const done = () => {
        clearTimeout(timer);
        signal.removeEventListener("abort", done);
        resolve();
      };
      const timer = setTimeout(done, ms);
      signal.addEventListener("abort", done);
    });
  }
}

/** One running Generate. */
export class RunningGenerate {
  readonly #call: Call;
  readonly #attempt: (options: TryOptions) => AsyncIterable<GenerateResponse>;
  #messages: AsyncIterator<GenerateResponse> | undefined;
  #received = false;

  constructor(call: Call, attempt: (options: TryOptions) => AsyncIterable<GenerateResponse>) {
    this.#call = call;
    this.#attempt = attempt;
  }

  /** Return the next message, or undefined at a good end. */
  async read(): Promise<GenerateResponse | undefined> {
    for (;;) {
      this.#call.throwIfCancelled();
      try {
        this.#messages ??= this.#attempt(this.#call.tryOptions())[Symbol.asyncIterator]();
        const { done, value } = await this.#messages.next();
        if (done) this.#call.succeeded();
        this.#received = true;
        return done ? undefined : value;
      } catch (error) {
        // After the first message, `started`, nothing is asked again: it may have cost money.
        if (this.#received) throw this.#call.errorOf(error);
        await this.#call.waitToAskAgain(error);
        this.#messages = undefined;
      }
    }
  }

  /** Give the call up; after its end this does nothing. */
  cancel(): void {
    this.#call.cancel();
    // connect stops its deadline's timer, which keeps a process alive, only when it is read.
    this.#messages?.next().catch(() => undefined);
  }
}
