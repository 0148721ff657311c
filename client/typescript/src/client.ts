/// <reference lib="esnext.disposable" preserve="true" />

/** The client: where the server is, and the three ways to ask it. */

import { connect, home } from "#transport";
import { Caller } from "./call.js";
import type { Connection } from "./connection.js";
import { routeResultOf } from "./convert.js";
import type { GenerateOptions, RouteOptions, StreamOptions } from "./options.js";
import * as options_ from "./options.js";
import type { Prompt } from "./prompt.js";
import { DraftDelivery, type GenerateRequest } from "./proto.js";
import { type ClientOptions, type Settings, settingsOf } from "./settings.js";
import { type Running, Stream } from "./stream.js";
import { type StartSpan, tracing } from "./tracing.js";
import type { Answer, RouteResult } from "./values.js";

/**
 * A connection to a tierwise server, for many calls at once.
 *
 * It connects at the first call. `close()` or `await using` closes it; closing cancels what runs.
 *
 * @throws TypeError an argument or a variable makes no sense.
 *
 * @example
 * const client = new Client();
 * const answer = await client.generate("Is this mail spam? ...", { taskType: "classify_intent" });
 * console.log(answer.text, answer.tier, answer.cost?.usd);
 * await client.close();
 */
export class Client implements AsyncDisposable {
  readonly #settings: Settings;
  readonly #connection: Connection;
  readonly #caller: Caller;
  readonly #startSpan: Promise<StartSpan>;

  constructor(options: ClientOptions = {}) {
    this.#settings = settingsOf(options, home());
    this.#connection = connect(this.#settings);
    this.#caller = new Caller(this.#connection);
    this.#startSpan = tracing(this.#settings.endpoint, options.tracerProvider);
  }

  /**
   * Return which tier a task would get, why, and what it would cost at each tier.
   *
   * Calls no model and costs nothing; safe to repeat, and repeated while the server is unavailable. The prompt serves
   * to estimate tokens only, and may be left out.
   *
   * @throws TierwiseError the call failed.
   * @throws TypeError an argument cannot be sent.
   */
  async route(prompt: Prompt = "", options: RouteOptions = {}): Promise<RouteResult> {
    const request = options_.routeRequest(prompt, options);
    const timeoutMs = this.#timeoutMs(options);
    const span = (await this.#startSpan)("Route", request.taskType);
    try {
      const headers = this.#headers(span.headers);
      const response = await this.#caller.route(request, {
        headers,
        timeoutMs,
        signal: options.signal,
      });
      span.succeed();
      return routeResultOf(response);
    } catch (error) {
      span.fail(error);
      throw error;
    }
  }

  /**
   * Run a task and return the whole answer. Calls models and costs money.
   *
   * It is repeated while the server is unavailable, and never once the task has started: nothing is paid twice
   * unnoticed. An aborted signal or a deadline that passes stops the server's work.
   *
   * @throws TierwiseError there is no answer; `summary` says what it cost, as far as known, and `started` whether
   *   asking again may cost again.
   * @throws TypeError an argument cannot be sent.
   */
  async generate(prompt: Prompt, options: GenerateOptions = {}): Promise<Answer> {
    const stream = this.#run(options_.generateRequest(prompt, options), options);
    for await (const _ of stream.events);
    return stream.answer();
  }

  /**
   * Return a task to be run piece by piece.
   *
   * Nothing is sent until it is read. Then it costs money as `generate` does; leaving it, in whatever way, stops the
   * server's work.
   *
   * @throws TypeError an argument cannot be sent.
   */
  stream(prompt: Prompt, options: StreamOptions = {}): Stream {
    return this.#run(options_.streamRequest(prompt, options), options);
  }

  /** Cancel what runs and close the connection; a second time does nothing. */
  async close(): Promise<void> {
    this.#caller.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  toString(): string {
    return `Client(${this.#settings.endpoint.target})`;
  }

  #run(request: GenerateRequest, options: RouteOptions): Stream {
    const timeoutMs = this.#timeoutMs(options);
    const start = async (): Promise<Running> => {
      const span = (await this.#startSpan)("Generate", request.taskType);
      try {
        const headers = this.#headers(span.headers);
        const { signal } = options;
        return { call: this.#caller.generate(request, { headers, timeoutMs, signal }), span };
      } catch (error) {
        span.fail(error);
        throw error;
      }
    };
    return new Stream(start, request.draftDelivery === DraftDelivery.LIVE);
  }

  #headers(ofSpan: Readonly<Record<string, string>>): [string, string][] {
    const ours = Object.entries({ ...this.#connection.headers, ...ofSpan });
    return [
      ...this.#settings.metadata.map(([name, value]): [string, string] => [name, value]),
      ...ours,
    ];
  }

  #timeoutMs(options: RouteOptions): number {
    return options_.checkedTimeoutMs(options.timeoutMs ?? this.#settings.timeoutMs);
  }
}
