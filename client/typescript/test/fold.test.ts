import assert from "node:assert/strict";
import { test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { ProtocolError } from "@tierwise/client";
import { type GenerateResponse, GenerateResponseSchema } from "@tierwise/client/proto";
import { answered, escalated, type Script } from "@tierwise/client/testing";
import { fold } from "#internal/fold.js";

function messages(script: Script): GenerateResponse[] {
  return script.map((event, index) =>
    create(GenerateResponseSchema, { sequence: BigInt(index), event: event as never }),
  );
}

test("fold joins the text of the final attempt", () => {
  const answer = fold(messages(answered("Hello there")));
  assert.equal(answer.text, "Hello there");
  assert.equal(answer.cost?.totalNanoUsd, 110_000n);
  assert.equal(answer.cost?.usd, "0.00011");
  assert.equal(answer.decision.tier, "efficient");
});

test("fold drops the text of a superseded attempt", () => {
  const answer = fold(messages(escalated("No.", "Yes.", { live: true })), false);
  assert.equal(answer.text, "Yes.");
  assert.equal(answer.escalated, true);
  assert.equal(answer.usage.inputTokens, 30);
});

test("fold skips an event of an unknown kind, which counts in the sequence", () => {
  const story = answered("Hi");
  const unknown = { case: undefined } as never;
  const [first, ...rest] = story;
  assert(first);
  assert.equal(fold(messages([first, unknown, ...rest])).text, "Hi");
  assert.throws(() => fold(messages([unknown, ...story])), ProtocolError);
});

test("fold refuses a stream that breaks the contract", () => {
  const story = messages(answered("Hi"));
  const again = { ...(story[0] ?? assert.fail()), sequence: BigInt(story.length) };
  assert.throws(() => fold([]), ProtocolError);
  assert.throws(() => fold(story.slice(1)), ProtocolError);
  assert.throws(() => fold(story.slice(0, -1)), ProtocolError);
  assert.throws(() => fold([...story, again]), ProtocolError);
  assert.throws(() => fold(story.filter((_, index) => index !== 2)), ProtocolError);
  assert.throws(() => fold(messages(escalated("No.", "Yes.", { live: true }))), ProtocolError);
});
