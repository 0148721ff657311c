/** gRPC over HTTP/2, in Node. */

import { readFileSync } from "node:fs";
import { type ClientSessionOptions, constants, type SecureClientSessionOptions } from "node:http2";
import { connect as connectSocket } from "node:net";
import { Code, ConnectError } from "@connectrpc/connect";
import {
  createGrpcTransport,
  type GrpcTransportOptions,
  Http2SessionManager,
} from "@connectrpc/connect-node";
import type { Connection } from "./connection.js";
import type { Endpoint, Home, Pem, Settings } from "./settings.js";
import { VERSION } from "./version.js";

const MAX_MESSAGE_BYTES = 16 * 1024 * 1024;
// A connection without calls is not pinged but verified before its next call: a ping would keep the process alive.
const KEEPALIVE = { pingIntervalMs: 30_000, pingTimeoutMs: 10_000 };
const WHOLE_WINDOW_BYTES = 1024 * 1024;
// What connect reports as ABORTED or INTERNAL; gRPC's own clients call a connection that broke UNAVAILABLE.
const BROKEN = new Set([
  "ECONNRESET",
  "EPIPE",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "ENOENT",
  "EACCES",
  "ERR_HTTP2_ERROR",
  "ERR_HTTP2_GOAWAY_SESSION",
  "ERR_HTTP2_INVALID_SESSION",
  "ERR_HTTP2_PING_CANCEL",
  "ERR_HTTP2_SESSION_ERROR",
  "ERR_HTTP2_STREAM_CANCEL",
  "ERR_STREAM_PREMATURE_CLOSE",
]);

/** A process has no place of its own. */
export function home(): Home | undefined {
  return undefined;
}

/** Return a connection that is opened by its first call. */
export function connect(settings: Settings): Connection {
  const { pingIntervalMs, pingTimeoutMs, idleConnectionTimeoutMs, ...limits } = settings.connection;
  const manager = new Http2SessionManager(
    urlOf(settings),
    {
      pingIntervalMs: pingIntervalMs ?? KEEPALIVE.pingIntervalMs,
      pingTimeoutMs: pingTimeoutMs ?? KEEPALIVE.pingTimeoutMs,
      ...(idleConnectionTimeoutMs !== undefined && { idleConnectionTimeoutMs }),
    },
    sessionOptions(settings),
  );
  return {
    transport: createGrpcTransport({
      baseUrl: urlOf(settings),
      sessionManager: watched(manager),
      acceptCompression: [],
      readMaxBytes: limits.readMaxBytes ?? MAX_MESSAGE_BYTES,
      writeMaxBytes: limits.writeMaxBytes ?? MAX_MESSAGE_BYTES,
    }),
    headers: { "user-agent": `tierwise-typescript/${VERSION} connect-es` },
    failureOf,
    close: () => manager.abort(),
  };
}

/**
 * Hear what connect does not: that a stream fell with its connection, which looks as if the server had cancelled it,
 * and errors of a connection that it has given up, which would end the process.
 */
function watched(
  manager: Http2SessionManager,
): NonNullable<GrpcTransportOptions["sessionManager"]> {
  return {
    authority: manager.authority,
    notifyResponseByteRead: (stream) => manager.notifyResponseByteRead(stream),
    async request(method, path, headers, options) {
      const stream = await manager.request(method, path, headers, options);
      const { session } = stream;
      if (session?.listeners("error").includes(ignore) === false) session.on("error", ignore);
      stream.once("close", () => {
        if (stream.rstCode === constants.NGHTTP2_CANCEL && session?.destroyed) {
          stream.emit("error", new ConnectError("the connection was lost", Code.Unavailable));
        }
      });
      return stream;
    },
  };
}

function ignore(): void {}

function urlOf({ endpoint, tls }: Settings): string {
  const scheme = tls ? "https" : "http";
  return endpoint.port === undefined
    ? `${scheme}://localhost`
    : `${scheme}://${bracketed(endpoint)}:${endpoint.port}`;
}

function bracketed({ host }: Endpoint): string {
  return host.includes(":") ? `[${host}]` : host;
}

function sessionOptions(settings: Settings): ClientSessionOptions | SecureClientSessionOptions {
  const { endpoint, tls, certificates } = settings;
  const { ca, cert, key } = certificates;
  return {
    settings: { initialWindowSize: WHOLE_WINDOW_BYTES },
    ...(endpoint.port === undefined && { createConnection: () => connectSocket(endpoint.host) }),
    ...(tls && ca !== undefined && { ca: pemOf(ca) }),
    ...(tls && cert !== undefined && { cert: pemOf(cert) }),
    ...(tls && key !== undefined && { key: pemOf(key) }),
  };
}

function pemOf(pem: Pem): string | Buffer {
  if (pem instanceof URL) return readFileSync(pem);
  return typeof pem === "string" ? pem : Buffer.from(pem);
}

function failureOf(error: unknown): ConnectError {
  const failure = ConnectError.from(error);
  const codes = causes(failure).map((cause) => (cause as { code?: unknown }).code);
  const isTls = codes.some(
    (code) =>
      typeof code === "string" && /^(ERR_TLS|ERR_SSL|CERT_|DEPTH_|SELF_SIGNED|UNABLE_)/.test(code),
  );
  if (!isTls && !codes.some((code) => typeof code === "string" && BROKEN.has(code))) return failure;
  return new ConnectError(failure.rawMessage, Code.Unavailable, failure.metadata, [], failure);
}

/** Return what led to a failure; nothing for one that a server named. */
function causes(failure: ConnectError): unknown[] {
  const found: unknown[] = [];
  let cause: unknown = failure.cause;
  while (cause instanceof Error && !found.includes(cause)) {
    found.push(cause);
    cause = cause.cause;
  }
  return found;
}
