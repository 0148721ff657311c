import assert from "node:assert/strict";
import { test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import * as tierwise from "@tierwise/client";
import { ErrorReason, GenerationSummarySchema } from "@tierwise/client/proto";
import { FakeServer, failed } from "@tierwise/client/testing";
import { RetryBudget } from "#internal/retry.js";

async function errorOf(failure: ConnectError): Promise<tierwise.TierwiseError> {
  await using server = await FakeServer.start();
  await using client = new tierwise.Client({ endpoint: server.endpoint });
  for (let tries = 0; tries < 3; tries += 1) server.play(failure);
  const error: unknown = await client.generate("Hi").catch((error: unknown) => error);
  assert(error instanceof tierwise.TierwiseError);
  return error;
}

test("every reason of the contract has a class of its own", async () => {
  for (const reason of Object.keys(ErrorReason).filter((key) => /^[A-Z]/.test(key))) {
    const error = await errorOf(failed(reason, { pushbackMs: 0 }));
    assert.equal(error.reason, reason);
    assert.equal(error.constructor === tierwise.TierwiseError, reason === "UNSPECIFIED");
  }
});

test("details of a failure are the error's fields", async () => {
  const summary = create(GenerationSummarySchema, { cost: { totalNanoUsd: 7n } });
  const error = await errorOf(
    failed("BUDGET_EXCEEDED", {
      message: "too dear",
      retryAfterMs: 1500,
      fields: { "routing.tier": "no such tier" },
      quotas: { "key:1": "1 USD a day" },
      metadata: { limit: "1" },
      requestId: "r1",
      summary,
    }),
  );
  assert(error instanceof tierwise.BudgetExceededError);
  assert.equal(error.status, "RESOURCE_EXHAUSTED");
  assert.equal(error.message, "too dear");
  assert.equal(error.retryAfterMs, 1500);
  assert.deepEqual(error.fieldViolations, [{ field: "routing.tier", description: "no such tier" }]);
  assert.deepEqual(error.quotaViolations, [{ subject: "key:1", description: "1 USD a day" }]);
  assert.deepEqual({ ...error.metadata }, { limit: "1" });
  assert.equal(error.requestId, "r1");
  assert.equal(error.summary?.cost?.usd, "0.000000007");
});

test("retries end with tries, tokens, pushback and other codes", () => {
  const down = (pushback?: string) =>
    new ConnectError(
      "",
      Code.Unavailable,
      pushback === undefined ? {} : { "grpc-retry-pushback-ms": pushback },
    );
  const budget = new RetryBudget();
  assert.equal(budget.waitMs(new ConnectError("", Code.ResourceExhausted), 1, 0.5), undefined);
  assert.equal(budget.waitMs(down(), 1, 0.5), 200);
  assert.equal(budget.waitMs(down(), 2, 0.5), 400);
  assert.equal(budget.waitMs(down(), 3, 0.5), undefined);
  assert.equal(new RetryBudget().waitMs(down(), 1, 0), 160);
  assert.equal(new RetryBudget().waitMs(down("7"), 1, 0), 7);
  assert.equal(new RetryBudget().waitMs(down("-1"), 1, 0), undefined);
  assert.equal(new RetryBudget().waitMs(down("soon"), 1, 0), undefined);
  const spent = new RetryBudget();
  const waits = [1, 1, 1, 1, 1, 1].map((tries) => spent.waitMs(down(), tries, 0.5));
  assert.deepEqual(waits, [200, 200, 200, 200, undefined, undefined]);
  for (let calls = 0; calls < 21; calls += 1) spent.succeeded();
  assert.equal(spent.waitMs(down(), 1, 0.5), 200);
});
