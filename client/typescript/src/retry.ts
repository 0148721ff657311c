/**
 * When a call is asked again: the rule of gRPC's service config that client/README.md gives, which connect does not
 * know. Pure but for the budget that it keeps.
 */

import { Code, type ConnectError } from "@connectrpc/connect";

const MAX_TRIES = 3;
const FIRST_MS = 200;
const LONGEST_MS = 2_000;
const JITTER = 0.2;
// gRFC A6: no retries once half of these tokens are spent; a success gives a tenth back.
const MAX_TOKENS = 10;
const TOKENS_PER_SUCCESS = 0.1;
const PUSHBACK = "grpc-retry-pushback-ms";

/** Whether a client may still ask again; shared by its calls. */
export class RetryBudget {
  #tokens = MAX_TOKENS;

  /** Note a call that went well. */
  succeeded(): void {
    this.#tokens = Math.min(MAX_TOKENS, this.#tokens + TOKENS_PER_SUCCESS);
  }

  /**
   * Return how long to wait before asking again; undefined for not at all.
   *
   * @param tries how often it was asked.
   * @param random from 0 to 1.
   */
  waitMs(failure: ConnectError, tries: number, random: number): number | undefined {
    if (failure.code !== Code.Unavailable) return undefined;
    this.#tokens = Math.max(0, this.#tokens - 1);
    if (tries >= MAX_TRIES || this.#tokens <= MAX_TOKENS / 2) return undefined;
    const pushback = failure.metadata.get(PUSHBACK);
    // gRFC A6: what is below zero, or no number, means not at all.
    if (pushback !== null) return /^\d+$/.test(pushback) ? Number(pushback) : undefined;
    const backoffMs = Math.min(LONGEST_MS, FIRST_MS * 2 ** (tries - 1));
    return backoffMs * (1 - JITTER + 2 * JITTER * random);
  }
}
