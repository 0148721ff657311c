/**
 * A stream of messages into one answer. Pure: no I/O, no clock.
 *
 * Enforces what the contract promises of a stream (proto/tierwise/v1/router.proto), so that an answer is whole or is
 * not an answer: `started` first, sequence without gaps, text only of open attempts, `finished` last and always.
 */

import { answerOf, eventOf } from "./convert.js";
import { ProtocolError, type TierwiseError } from "./errors.js";
import type { Event, Started } from "./events.js";
import type { GenerateResponse } from "./proto.js";
import type { Answer, GenerationSummary } from "./values.js";

/**
 * Return the answer that a whole stream amounts to.
 *
 * @param held the stream was asked for with HELD: text that is sent is never withdrawn.
 * @throws ProtocolError the messages are not a whole stream.
 */
export function fold(messages: Iterable<GenerateResponse>, held = true): Answer {
  const state = new Fold(held);
  for (const message of messages) state.push(message);
  return state.answer();
}

/** What has been received of one stream. */
export class Fold {
  readonly #held: boolean;
  readonly #texts = new Map<number, string[]>();
  #nextSequence = 0n;
  #started: Started | undefined;
  #summary: GenerationSummary | undefined;

  constructor(held: boolean) {
    this.#held = held;
  }

  /** Write on the error how far the stream had come. */
  noteProgress(error: TierwiseError): void {
    const last = this.#texts.get(Math.max(...this.#texts.keys()));
    error.started = this.#started !== undefined;
    error.partialText = last?.join("") ?? "";
    error.requestId ||= this.#started?.requestId ?? "";
  }

  /**
   * Take the next message; return its event, or undefined for a kind that is newer than this client.
   *
   * @throws ProtocolError the message cannot come here.
   */
  push(message: GenerateResponse): Event | undefined {
    if (this.#summary) throw new ProtocolError("the stream went on after its finished event");
    if (message.sequence !== this.#nextSequence) {
      throw new ProtocolError(
        `event ${this.#nextSequence} is missing: event ${message.sequence} came instead`,
      );
    }
    this.#nextSequence += 1n;
    const event = eventOf(message);
    if ((event?.type === "started") !== (message.sequence === 0n)) {
      throw new ProtocolError("the started event must come first, and once");
    }
    if (event) this.#take(event);
    return event;
  }

  /**
   * Return the whole answer, at the end of the stream.
   *
   * @throws ProtocolError the stream ended before `finished`, or `finished` names no open attempt.
   */
  answer(): Answer {
    if (!this.#started || !this.#summary) {
      throw new ProtocolError("the stream ended well but without its finished event");
    }
    const final = this.#summary.finalAttempt;
    const text = this.#texts.get(final);
    if (!text) {
      throw new ProtocolError(`the final attempt, ${final}, was never started or is void`);
    }
    for (const [attempt, pieces] of this.#texts) {
      if (this.#held && attempt !== final && pieces.length > 0) {
        throw new ProtocolError("text came of an attempt that is not the answer");
      }
    }
    return answerOf(text.join(""), this.#started.decision, this.#summary);
  }

  #take(event: Event): void {
    switch (event.type) {
      case "started":
        this.#started = event;
        break;
      case "attemptStarted":
        if (this.#texts.has(event.attempt)) {
          throw new ProtocolError(`attempt ${event.attempt} was started twice`);
        }
        this.#texts.set(event.attempt, []);
        break;
      case "textDelta":
        this.#open(event.attempt).push(event.text);
        break;
      case "attemptSuperseded":
        if (this.#open(event.attempt).length > 0 && this.#held) {
          throw new ProtocolError(
            `the text of attempt ${event.attempt} was withdrawn after it was sent`,
          );
        }
        this.#texts.delete(event.attempt);
        break;
      case "finished":
        this.#summary = event.summary;
    }
  }

  #open(attempt: number): string[] {
    const text = this.#texts.get(attempt);
    if (!text) {
      throw new ProtocolError(
        `an event names attempt ${attempt}, which was not started or is void`,
      );
    }
    return text;
  }
}
