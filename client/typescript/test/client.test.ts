import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type Socket } from "node:net";
import { test } from "node:test";
import {
  Client,
  DeadlineExceededError,
  RequestCancelledError,
  TierwiseError,
  UnavailableError,
  VERSION,
} from "@tierwise/client";
import { answered, escalated, FakeServer, failed, Hold, routed } from "@tierwise/client/testing";

const begun = [...answered("Hello").slice(0, 3), new Hold()];

async function serving(
  play: (client: Client, server: FakeServer) => Promise<void>,
  options = {},
): Promise<void> {
  await using server = await FakeServer.start();
  await using client = new Client({ endpoint: server.endpoint, ...options });
  await play(client, server);
}

test("route, generate and stream give what the server says", () =>
  serving(async (client, server) => {
    server.reply(routed({ tier: "frontier", model: "m", taskType: "x" }));
    const result = await client.route("Why?", { taskType: "x" });
    assert.equal(result.decision.tier, "frontier");
    assert.equal(result.tiers[0]?.usd, "0.00011");
    assert.equal(result.proto.decision?.model, "m");

    server.play(answered("Paris"));
    const answer = await client.generate("Capital of France?");
    assert.equal(answer.text, "Paris");
    assert.equal(answer.proto.requestId, "request-1");

    server.play(escalated());
    const stream = client.stream("Why?");
    assert.throws(() => stream.answer(), /before the stream/);
    const texts: string[] = [];
    for await (const text of stream) texts.push(text);
    assert.equal(texts.join(""), "Certainly, and this is why.");
    assert.equal(stream.answer().escalated, true);
    stream.cancel();
    assert.equal(stream.answer().text, texts.join(""));
  }));

test("key, metadata and user agent are sent with every call", () =>
  serving(
    async (client, server) => {
      await client.route();
      const { headers, timeoutMs } = server.calls[0] ?? assert.fail();
      assert.equal(headers.get("authorization"), "Bearer tw-1");
      assert.equal(headers.get("x-team"), "search");
      assert.equal(headers.get("x-blob-bin"), "AQI");
      assert.match(headers.get("user-agent") ?? "", new RegExp(`^tierwise-typescript/${VERSION}`));
      assert(timeoutMs && timeoutMs > 500_000 && timeoutMs <= 600_000);
    },
    { apiKey: "tw-1", metadata: { "x-team": "search", "x-blob-bin": Uint8Array.of(1, 2) } },
  ));

test("a call's own limit wins, and none is none", () =>
  serving(
    async (client, server) => {
      await client.route("", { timeoutMs: 3_600_000 });
      await client.route("", { timeoutMs: Infinity });
      assert((server.calls[0]?.timeoutMs ?? 0) > 600_000);
      assert.equal(server.calls[1]?.timeoutMs, undefined);
    },
    { timeoutMs: 1000 },
  ));

test("leaving a loop stops the server's work, in whatever way", () =>
  serving(async (client, server) => {
    const ways: ((signal: AbortSignal) => unknown)[] = [
      async () => {
        for await (const _ of client.stream("Hi").text) break;
      },
      async () => {
        for await (const _ of client.stream("Hi").events) throw new Error("mine");
      },
      async () => {
        await using stream = client.stream("Hi");
        await stream.text[Symbol.asyncIterator]().next();
      },
    ];
    for (const way of ways) {
      server.play(begun);
      await Promise.resolve(way(AbortSignal.abort())).catch((error) => {
        assert.equal(error.message, "mine");
      });
      const call = server.calls.at(-1) ?? assert.fail();
      await call.ended;
      assert(call.left.aborted);
    }
  }));

test("cancel, an aborted signal and closing the client cancel what runs", () =>
  serving(async (client, server) => {
    const controller = new AbortController();
    const ways: [() => unknown, { signal?: AbortSignal }][] = [
      [() => stream.cancel(), {}],
      [() => controller.abort("enough"), { signal: controller.signal }],
      [() => client.close(), {}],
    ];
    let stream = client.stream("never read");
    for (const [cancel, options] of ways) {
      server.play(begun);
      stream = client.stream("Hi", options);
      const read = async () => {
        for await (const _ of stream.text) setTimeout(cancel, 10);
      };
      await assert.rejects(read, (error) => {
        assert(error instanceof RequestCancelledError, String(error));
        assert.deepEqual(
          [error.status, error.started, error.partialText, error.requestId],
          ["CANCELLED", true, "Hell", "request-1"],
        );
        return true;
      });
      await (server.calls.at(-1) ?? assert.fail()).ended;
    }
    await assert.rejects(client.generate("Hi"), /the client is closed/);
  }));

test("cancelling between two pieces is seen at the next", () =>
  serving(async (client, server) => {
    server.play(begun);
    const stream = client.stream("Hi");
    const read = async () => {
      for await (const _ of stream.text) {
        stream.cancel();
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    };
    await assert.rejects(read, RequestCancelledError);
    assert.throws(() => stream.answer(), RequestCancelledError);
  }));

test("a signal that was aborted before sends nothing", () =>
  serving(async (client, server) => {
    const signal = AbortSignal.abort();
    await assert.rejects(client.generate("Hi", { signal }), RequestCancelledError);
    const stream = client.stream("Hi");
    stream.cancel();
    await assert.rejects(stream.text[Symbol.asyncIterator]().next(), RequestCancelledError);
    assert.equal(server.calls.length, 0);
  }));

test("a deadline covers waiting to ask again", () =>
  serving(async (client, server) => {
    server.play(failed("OVERLOADED", { pushbackMs: 60_000 }));
    await assert.rejects(client.generate("Hi", { timeoutMs: 500 }), DeadlineExceededError);
    assert.equal(server.calls.length, 1);
  }));

test("a deadline that passes says how far the answer was", () =>
  serving(async (client, server) => {
    server.play(begun);
    await assert.rejects(client.generate("Hi", { timeoutMs: 1000 }), (error) => {
      assert(error instanceof DeadlineExceededError, String(error));
      assert.deepEqual([error.started, error.partialText], [true, "Hell"]);
      return true;
    });
  }));

test("what is asked again was free; after started nothing is asked again", () =>
  serving(async (client, server) => {
    server.play(failed("OVERLOADED", { pushbackMs: 0 }));
    await client.generate("Hi");
    assert.equal(server.calls.length, 2);
    server.play([...begun.slice(0, 3), failed("OVERLOADED", { pushbackMs: 0 })]);
    await assert.rejects(client.generate("Hi"), (error) => {
      return error instanceof UnavailableError && error.started;
    });
    assert.equal(server.calls.length, 3);
  }));

test("a server that dies mid-stream is unavailable, however its connection ends", async () => {
  await serving(async (client, server) => {
    server.play(begun);
    const read = async () => {
      for await (const _ of client.stream("Hi").text) await server.close();
    };
    await assert.rejects(read, (error) => error instanceof UnavailableError && error.started);
  });
  for (const end of [(s: Socket) => s.resetAndDestroy(), (s: Socket) => s.end("not HTTP/2")]) {
    const listener = createServer((socket) => socket.once("data", () => end(socket)));
    listener.listen(0, "127.0.0.1");
    await once(listener, "listening");
    const { port } = listener.address() as { port: number };
    await using client = new Client({ endpoint: `127.0.0.1:${port}` });
    await assert.rejects(client.route(), (error) => {
      assert(error instanceof TierwiseError);
      assert.equal(error.status, "UNAVAILABLE", error.message);
      return true;
    });
    listener.close();
  }
});

test("text over LIVE is refused", () =>
  serving(async (client) => {
    assert.throws(() => client.stream("Hi", { draftDelivery: "LIVE" }).text, TypeError);
  }));
