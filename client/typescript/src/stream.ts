/// <reference lib="esnext.disposable" preserve="true" />

/** One running task: its pieces while it runs, its whole answer at the end. */

import type { RunningGenerate } from "./call.js";
import { TierwiseError } from "./errors.js";
import type { Event } from "./events.js";
import { Fold } from "./fold.js";
import type { Span } from "./tracing.js";
import type { Answer } from "./values.js";

/** A call that was made, and its span. */
export interface Running {
  readonly call: RunningGenerate;
  readonly span: Span;
}

/**
 * A task that runs from the first reading until its end, or until it is left. Made by `Client.stream`.
 *
 * Leaving a loop over `text` or `events` early, by `break`, `return` or an exception, stops the server's work at once;
 * so do `close()` and the end of an `await using`. Text and events read one stream, and one reader reads at a time;
 * `cancel()` may be called beside it.
 *
 * @example
 * const stream = client.stream("Write a haiku about routers.");
 * for await (const text of stream) process.stdout.write(text);
 * console.log(stream.answer().tier);
 */
export class Stream implements AsyncIterable<string>, AsyncDisposable {
  readonly #start: () => Promise<Running>;
  readonly #live: boolean;
  readonly #fold: Fold;
  #running: Promise<Running> | undefined;
  #left = false;
  #answer: Answer | undefined;
  #error: TierwiseError | undefined;

  /** @internal */
  constructor(start: () => Promise<Running>, live: boolean) {
    this.#start = start;
    this.#live = live;
    this.#fold = new Fold(!live);
  }

  /**
   * The answer's text in pieces, as they come; joined they are exactly `answer().text`.
   *
   * A draft's text comes when the draft is accepted, so the first piece may take two calls.
   *
   * @throws TypeError the stream was asked for with LIVE, where text may be withdrawn: read `events`.
   * @throws TierwiseError on reading: there is no answer; what came so far is in `partialText`.
   */
  get text(): AsyncIterable<string> {
    if (this.#live) {
      throw new TypeError("with LIVE, text may be withdrawn: read events instead of text");
    }
    return this.#pieces((event) => (event.type === "textDelta" && event.text) || undefined);
  }

  /**
   * Everything that happens, as it happens; kinds newer than this client are left out.
   *
   * @throws TierwiseError on reading: there is no answer; what came so far is in `partialText`.
   */
  get events(): AsyncIterable<Event> {
    return this.#pieces((event) => event);
  }

  /** The same as `text`. */
  [Symbol.asyncIterator](): AsyncIterator<string> {
    return this.text[Symbol.asyncIterator]();
  }

  /**
   * Return the whole answer, once the stream has been read to its end; the same that `generate` returns.
   *
   * @throws TierwiseError the stream failed.
   * @throws Error the stream was not read to its end.
   */
  answer(): Answer {
    if (this.#error) throw this.#error;
    if (!this.#answer) {
      throw new Error("there is no answer before the stream has been read to its end");
    }
    return this.#answer;
  }

  /** Stop the server's work now; who reads gets RequestCancelledError. After the end: nothing. */
  cancel(): void {
    this.#left = true;
    this.#running?.then(({ call }) => call.cancel()).catch(() => undefined);
  }

  /** Leave the stream: stop what still runs. A second time does nothing. */
  async close(): Promise<void> {
    this.cancel();
    const running = await this.#running?.catch(() => undefined);
    running?.span.fail(undefined);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #pieces<Piece>(pieceOf: (event: Event) => Piece | undefined): AsyncIterable<Piece> {
    const next = async (): Promise<IteratorResult<Piece>> => {
      for (let event = await this.#next(); event; event = await this.#next()) {
        const value = pieceOf(event);
        if (value !== undefined) return { done: false, value };
      }
      return { done: true, value: undefined };
    };
    const leave = async (): Promise<IteratorResult<Piece>> => {
      await this.close();
      return { done: true, value: undefined };
    };
    return { [Symbol.asyncIterator]: () => ({ next, return: leave }) };
  }

  /** Return the next event, or undefined at the end. */
  async #next(): Promise<Event | undefined> {
    if (this.#error) throw this.#error;
    if (this.#answer) return undefined;
    this.#running ??= this.#start();
    const running = await this.#running;
    if (this.#left) running.call.cancel();
    try {
      return await this.#read(running);
    } catch (error) {
      running.call.cancel();
      if (error instanceof TierwiseError) {
        this.#fold.noteProgress(error);
        this.#error = error;
      }
      running.span.fail(error);
      throw error;
    }
  }

  /** Return the next event that this client knows; with the last one, have seen the good end. */
  async #read(running: Running): Promise<Event | undefined> {
    for (;;) {
      const message = await running.call.read();
      if (!message) break;
      const event = this.#fold.push(message);
      if (event?.type === "finished") await this.#read(running);
      if (event) return event;
    }
    this.#answer = this.#fold.answer();
    running.call.cancel();
    running.span.succeed(this.#answer);
    return undefined;
  }
}
