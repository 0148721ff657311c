/// <reference lib="esnext.disposable" preserve="true" />

/** The fake server: a real gRPC server on a loopback port. */

import {
  createSecureServer,
  createServer,
  type Http2Server,
  type ServerHttp2Session,
} from "node:http2";
import type { AddressInfo } from "node:net";
import { create, isMessage } from "@bufbuild/protobuf";
import { ConnectError, type ConnectRouter, type HandlerContext } from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import * as pb from "../proto.js";
import { answered, Hold, routed, type Script, type Step } from "./scripts.js";

/** One call that the server received. A client's own retries are calls of their own. */
export interface ReceivedCall {
  /** What was asked. */
  readonly request: pb.RouteRequest | pb.GenerateRequest;
  readonly headers: Headers;
  /** The time that the caller gave it; undefined without a deadline. */
  readonly timeoutMs: number | undefined;
  /** Settles when the call is over. */
  readonly ended: Promise<void>;
  /** Aborted when the caller left, or its deadline passed, before the script was played. */
  readonly left: AbortSignal;
}

/** How a server speaks TLS; all in PEM. */
export interface ServerTls {
  readonly certificate: string;
  readonly key: string;
  /** Only callers with a certificate of these authorities are let in. Default: all. */
  readonly clientAuthorities?: string;
}

/** A tierwise server that plays scripts, in the order given; with none left, a short answer. */
export class FakeServer implements AsyncDisposable {
  /** Every call received, in order. */
  readonly calls: ReceivedCall[] = [];
  readonly #scripts: Script[] = [];
  readonly #replies: (pb.RouteResponse | ConnectError)[] = [];
  readonly #sessions = new Set<ServerHttp2Session>();
  readonly #server: Http2Server;

  private constructor(tls: ServerTls | undefined) {
    const handler = connectNodeAdapter({
      routes: (router) => this.#routes(router),
      grpcWeb: false,
    });
    this.#server = tls ? createSecureServer(optionsOf(tls), handler) : createServer(handler);
    this.#server.on("session", (session) => {
      this.#sessions.add(session);
      session.once("close", () => this.#sessions.delete(session));
    });
  }

  /**
   * Return a server that serves; who starts it closes it.
   *
   * @param options.tls Default: in the clear.
   */
  static async start(options: { readonly tls?: ServerTls } = {}): Promise<FakeServer> {
    const started = new FakeServer(options.tls);
    await new Promise<void>((resolve) => started.#server.listen(0, "127.0.0.1", resolve));
    return started;
  }

  /** Where it listens: `127.0.0.1:port`. */
  get endpoint(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Play this at the next call of Generate for which nothing is planned yet. */
  play(script: Script | Step): void {
    this.#scripts.push(Array.isArray(script) ? script : [script as Step]);
  }

  /** Reply so to the next call of Route for which nothing is planned yet. */
  reply(reply: pb.RouteResponse | ConnectError): void {
    this.#replies.push(reply);
  }

  /** End everything at once, as a killed process would; a second time does nothing. */
  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const session of this.#sessions) session.destroy();
    await closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #routes(router: ConnectRouter): void {
    router.service(pb.RouterService, {
      route: (request, context) => {
        this.#received(request, context).done();
        const reply = this.#replies.shift() ?? routed();
        if (reply instanceof ConnectError) throw reply;
        return reply;
      },
      generate: (request, context) => this.#generate(request, context),
    });
  }

  async *#generate(request: pb.GenerateRequest, context: HandlerContext) {
    const { left, done } = this.#received(request, context);
    try {
      let sequence = 0n;
      for (const step of this.#scripts.shift() ?? answered()) {
        if (step instanceof ConnectError) throw step;
        if (step instanceof Hold) await heldThrough(step, left);
        else yield isWhole(step) ? step : numbered(step, sequence);
        if (left.aborted) return;
        if (!(step instanceof Hold)) sequence += 1n;
      }
    } finally {
      done();
    }
  }

  #received(request: pb.RouteRequest | pb.GenerateRequest, context: HandlerContext) {
    let done = () => {};
    const ended = new Promise<void>((resolve) => {
      done = resolve;
    });
    const timeoutMs = context.timeoutMs();
    const left = context.signal;
    this.calls.push({ request, headers: context.requestHeader, timeoutMs, ended, left });
    return { left, done };
  }
}

function optionsOf({ certificate: cert, key, clientAuthorities: ca }: ServerTls) {
  return ca === undefined
    ? { cert, key }
    : { cert, key, ca, requestCert: true, rejectUnauthorized: true };
}

function isWhole(step: Step): step is pb.GenerateResponse {
  return isMessage(step, pb.GenerateResponseSchema);
}

function numbered(event: Exclude<Step, Hold | ConnectError>, sequence: bigint) {
  return create(pb.GenerateResponseSchema, { sequence, event: event as never });
}

/** Wait until the step is over, or the caller left. */
async function heldThrough(step: Hold, left: AbortSignal): Promise<void> {
  const gone = new Promise<void>((resolve) => {
    if (left.aborted) resolve();
    left.addEventListener("abort", () => resolve(), { once: true });
  });
  await (step.until ? Promise.race([step.until, gone]) : gone);
}
