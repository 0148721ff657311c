import assert from "node:assert/strict";
import { test } from "node:test";
import { nanoUsdOf, usdOf } from "#internal/money.js";
import { generateRequest, routeRequest, streamRequest } from "#internal/options.js";
import { messagesOf } from "#internal/prompt.js";

test("money goes both ways exactly, and a cap is rounded down", () => {
  assert.equal(usdOf(110_000n), "0.00011");
  assert.equal(usdOf(2_000_000_000n), "2");
  assert.equal(usdOf(-1_500_000_001n), "-1.500000001");
  const nano = { "0.1": 100_000_000n, "1e-9": 1n, "0.0000000019": 1n, "2": 2_000_000_000n };
  for (const [usd, wanted] of Object.entries(nano)) assert.equal(nanoUsdOf(usd), wanted);
  assert.equal(nanoUsdOf(0.1), 100_000_000n);
  assert.equal(nanoUsdOf("-1e-10"), -1n);
  for (const wrong of ["", "ten", "1,5", "."]) assert.throws(() => nanoUsdOf(wrong), TypeError);
  assert.throws(() => nanoUsdOf(Number.NaN), TypeError);
});

test("an option that is not given is absent in the message", () => {
  const { routing, generation } = routeRequest("", {});
  assert.equal(routing?.escalation, undefined);
  assert.equal(routing?.maxCostNanoUsd, undefined);
  assert.equal(generation?.temperature, undefined);
  const zero = routeRequest("", { escalation: false, confidenceThreshold: 0, temperature: 0 });
  assert.deepEqual(
    [zero.routing?.escalation, zero.routing?.confidenceThreshold, zero.generation?.temperature],
    [false, 0, 0],
  );
});

test("options that cannot be sent are refused", () => {
  const wrong: [string, () => unknown][] = [
    ["unknown", () => generateRequest("Hi", { taskTyp: "x" } as never)],
    ["not of this call", () => generateRequest("Hi", { draftDelivery: "LIVE" } as never)],
    ["delivery", () => streamRequest("Hi", { draftDelivery: "SOON" as never })],
    ["both caps", () => routeRequest("", { maxCostUsd: 1, maxCostNanoUsd: 1n })],
    ["kind", () => routeRequest("", { maxOutputTokens: "five" as never })],
    ["half a character", () => routeRequest("", { system: "\ud83d" })],
  ];
  for (const [what, request] of wrong) assert.throws(request, TypeError, what);
});

test("a prompt is a text, pairs, objects or messages", () => {
  const forms = [
    "Hi",
    [["user", "Hi"]],
    [{ role: "user", content: "Hi" }],
    [{ role: "user", content: [{ type: "text", text: "Hi" }] }],
    messagesOf("Hi"),
  ] as const;
  for (const form of forms) assert.deepEqual(messagesOf(form), messagesOf("Hi"));
  assert.deepEqual(messagesOf(""), []);
  const wrong = [
    [["system", "Hi"]],
    [["user", "Hi", "more"]],
    [["user", 5]],
    [{ role: "user", content: "Hi", name: "x" }],
    [{ role: "user", content: [{ type: "image" }] }],
    [["user", "\udc69"]],
    [null],
    5,
  ];
  for (const prompt of wrong) {
    assert.throws(() => messagesOf(prompt as never), TypeError, JSON.stringify(prompt));
  }
});
