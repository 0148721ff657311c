import assert from "node:assert/strict";
import { test } from "node:test";
import { inspect } from "node:util";
import { Client } from "@tierwise/client";
import { readEndpoint, settingsOf } from "#internal/settings.js";

test("loopback is what the contract says, and nothing else", () => {
  const loopback = ["localhost:1", "LOCALHOST.:1", "127.0.0.1:1", "127.9.8.7:1", "[::1]:1"];
  for (const text of [
    ...loopback,
    "unix:/run/x.sock",
    "dns:///localhost:1",
    "[0:0:0:0:0:0:0:1]:1",
  ]) {
    assert.equal(readEndpoint(text).loopback, true, text);
  }
  for (const text of ["0.0.0.0:1", "[::ffff:127.0.0.1]:1", "router.internal:1", "[::]:1"]) {
    assert.equal(readEndpoint(text).loopback, false, text);
  }
});

test("an endpoint that is none is refused", () => {
  for (const text of [
    "https://x:1",
    "x",
    "::1:5",
    "x:99999",
    "xds:///x",
    "ipv4:1.2.3.4:1,5.6.7.8:1",
  ]) {
    assert.throws(() => readEndpoint(text), TypeError, text);
  }
  assert.deepEqual(readEndpoint("dns://8.8.8.8/router.internal:50051"), {
    target: "dns://8.8.8.8/router.internal:50051",
    host: "router.internal",
    port: 50_051,
    loopback: false,
  });
});

test("TLS is on unless the host is loopback and no certificate is given", () => {
  const tls = (endpoint: string, more = {}) => settingsOf({ endpoint, ...more }, undefined).tls;
  assert.equal(tls("127.0.0.1:1"), false);
  assert.equal(tls("router.internal:1"), true);
  assert.equal(tls("router.internal:1", { tls: false }), false);
  assert.equal(tls("127.0.0.1:1", { rootCertificates: "PEM" }), true);
  assert.throws(() => tls("x:1", { tls: false, rootCertificates: "PEM" }), TypeError);
  assert.throws(() => tls("x:1", { clientKey: "PEM" }), TypeError);
});

test("an argument wins over the environment, which wins over the default", () => {
  const before = { ...process.env };
  try {
    process.env.TIERWISE_ENDPOINT = "";
    assert.equal(settingsOf({}, undefined).endpoint.target, "127.0.0.1:50051");
    process.env.TIERWISE_ENDPOINT = "a:1";
    process.env.TIERWISE_API_KEY = " tw-1\n";
    assert.equal(settingsOf({}, undefined).endpoint.target, "a:1");
    assert.equal(settingsOf({ endpoint: "b:2" }, undefined).endpoint.target, "b:2");
    assert.deepEqual(settingsOf({}, undefined).metadata, [["authorization", "Bearer tw-1"]]);
    assert.deepEqual(settingsOf({ apiKey: "" }, undefined).metadata, []);
  } finally {
    process.env = before;
  }
});

test("a key is in no printed form and no error", () => {
  const client = new Client({ endpoint: "localhost:1", apiKey: "tw-secret" });
  assert.doesNotMatch(inspect(client, { depth: 9, showHidden: true }) + client, /tw-secret/);
  const wrong = () => new Client({ apiKey: "tw-secret\u0007" });
  assert.throws(wrong, (error: Error) => !inspect(error).includes("tw-secret"));
  assert.throws(() => new Client({ apiKey: "k", metadata: { authorization: "x" } }), TypeError);
  assert.throws(() => new Client({ metadata: { "Upper-Case": "x" } }), TypeError);
  assert.throws(() => new Client({ timeoutMs: 0 }), TypeError);
});
