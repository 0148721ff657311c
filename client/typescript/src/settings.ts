/** Where the server is and how to reach it: arguments, environment and defaults, checked once. */

import { encodeBinaryHeader } from "@connectrpc/connect";
import { checkedTimeoutMs } from "./options.js";

export const DEFAULT_ENDPOINT = "127.0.0.1:50051";
export const DEFAULT_TIMEOUT_MS = 600_000;

/** PEM, or the URL of a file of it. */
export type Pem = string | Uint8Array | URL;

/** How the connection is kept; each replaces our own value. */
export interface ConnectionOptions {
  readonly readMaxBytes?: number;
  readonly writeMaxBytes?: number;
  readonly pingIntervalMs?: number;
  readonly pingTimeoutMs?: number;
  readonly idleConnectionTimeoutMs?: number;
}

/** A tracer provider of OpenTelemetry. */
export interface TracerProvider {
  getTracer(name: string, version?: string): unknown;
}

/** What a client is made of. All are optional. */
export interface ClientOptions {
  /**
   * `host:port`, or a gRPC target with one address (`dns:///router.internal:50051`, `unix:/run/tierwise.sock`).
   * Default: TIERWISE_ENDPOINT, else 127.0.0.1:50051; in a browser the page's own host.
   */
  readonly endpoint?: string | undefined;
  /** Sent as `authorization: Bearer`. Default: TIERWISE_API_KEY; empty: none is sent. */
  readonly apiKey?: string | undefined;
  /** Deadline of each call; a call's own wins; Infinity for none. Default: 600 s. */
  readonly timeoutMs?: number | undefined;
  /** Default: on, unless the host is loopback and no certificate is given; in a browser as the page's own. */
  readonly tls?: boolean | undefined;
  /** Whom to trust. Default: Node's own list. */
  readonly rootCertificates?: Pem | undefined;
  /** For mTLS, with `clientKey`. */
  readonly clientCertificate?: Pem | undefined;
  /** For mTLS, with `clientCertificate`. */
  readonly clientKey?: Pem | undefined;
  /** Sent with every call, e.g. for a proxy on the way; names in lower case, of bytes with `-bin` at the end. */
  readonly metadata?: Readonly<Record<string, string | Uint8Array>> | undefined;
  /** How the connection is kept. */
  readonly connection?: ConnectionOptions | undefined;
  /** Default: the process's. Nothing is traced where @opentelemetry/api is not installed. */
  readonly tracerProvider?: TracerProvider | undefined;
}

/** A gRPC target, read. */
export interface Endpoint {
  /** As it was given. */
  readonly target: string;
  /** The host's name or address, or a socket's path. */
  readonly host: string;
  /** Undefined for a socket. */
  readonly port: number | undefined;
  /** No packet to it leaves this machine. */
  readonly loopback: boolean;
}

/** All that a connection and its calls need. */
export interface Settings {
  readonly endpoint: Endpoint;
  readonly tls: boolean;
  readonly certificates: Readonly<Record<"ca" | "cert" | "key", Pem | undefined>>;
  readonly connection: ConnectionOptions;
  /** Holds the key. */
  readonly metadata: readonly (readonly [string, string])[];
  readonly timeoutMs: number;
}

/** What a runtime that has a place of its own, such as a page, puts in the place of our defaults. */
export interface Home {
  readonly endpoint: string;
  readonly tls: boolean;
}

/**
 * Return the settings that arguments, environment and defaults amount to, in this order.
 *
 * @throws TypeError an argument or a variable makes no sense; a key's text is never in the message.
 */
export function settingsOf(options: ClientOptions, home: Home | undefined): Settings {
  const named = options.endpoint || variable("TIERWISE_ENDPOINT");
  const endpoint = readEndpoint(named || home?.endpoint || DEFAULT_ENDPOINT);
  const certificates = {
    ca: options.rootCertificates,
    cert: options.clientCertificate,
    key: options.clientKey,
  };
  const certified = Object.values(certificates).some((part) => part !== undefined);
  if (certified && options.tls === false) {
    throw new TypeError("certificates were given although tls is false");
  }
  if ((certificates.cert === undefined) !== (certificates.key === undefined)) {
    throw new TypeError("clientCertificate and clientKey are given together or not at all");
  }
  const asHome = named ? undefined : home?.tls;
  return {
    endpoint,
    tls: options.tls ?? asHome ?? (certified || !endpoint.loopback),
    certificates,
    connection: options.connection ?? {},
    metadata: metadataOf(options.apiKey ?? variable("TIERWISE_API_KEY"), options.metadata ?? {}),
    timeoutMs: checkedTimeoutMs(options.timeoutMs ?? DEFAULT_TIMEOUT_MS),
  };
}

function variable(name: string): string {
  return (typeof process === "undefined" ? undefined : process.env?.[name]) ?? "";
}

// gRPC's own target schemes (its naming document); what follows a scheme's colon is not a port.
const SCHEME = /^(dns|ipv4|ipv6|unix|unix-abstract|vsock|xds|passthrough):/i;
const HOST_AND_PORT = /^(?:\[([^\]]+)\]|([^:[\]/]+))(?::(\d{1,5}))?$/;

/**
 * Return the endpoint that `host:port` or a gRPC target means.
 *
 * @throws TypeError it is neither, or of a kind that this client cannot dial.
 */
export function readEndpoint(target: string): Endpoint {
  const scheme = SCHEME.exec(target)?.[1]?.toLowerCase();
  if (scheme === undefined) {
    if (target.includes("://")) {
      throw new TypeError(`endpoint ${target} is a URL; write host:port (TLS is an option: tls)`);
    }
    return dialled(target, target);
  }
  const address = target.slice(scheme.length + 1);
  if (scheme === "unix") {
    const host = address.replace(/^\/\//, "");
    return { target, host, port: undefined, loopback: true };
  }
  if (!["dns", "ipv4", "ipv6", "passthrough"].includes(scheme) || address.includes(",")) {
    throw new TypeError(
      `endpoint ${target}: this client dials one address of dns, ipv4, ipv6 or unix`,
    );
  }
  // dns://resolver/host:port: what is dialled comes last.
  return dialled(target, address.slice(address.lastIndexOf("/") + 1));
}

function dialled(target: string, address: string): Endpoint {
  const [, v6, name, digits] = HOST_AND_PORT.exec(address) ?? [];
  const host = v6 ?? name;
  if (host === undefined) {
    throw new TypeError(`endpoint ${target} is not host:port; an IPv6 address stands in brackets`);
  }
  const port = Number(digits);
  if (digits === undefined || port > 65_535) {
    throw new TypeError(`endpoint ${target} has no port; write host:port`);
  }
  return { target, host, port, loopback: isLoopback(host) };
}

function isLoopback(host: string): boolean {
  if (host.toLowerCase().replace(/\.$/, "") === "localhost") return true;
  return /^127(\.\d{1,3}){3}$/.test(host) || /^(0{0,4}:){2,7}0{0,3}1$/.test(host);
}

function metadataOf(apiKey: string, given: Readonly<Record<string, string | Uint8Array>>) {
  const metadata = Object.entries(given).map(([name, value]): [string, string] => {
    if (name !== name.toLowerCase() || name.startsWith("grpc-")) {
      throw new TypeError(`metadata name ${name} must be in lower case and not begin with "grpc-"`);
    }
    return [name, typeof value === "string" ? value : encodeBinaryHeader(value)];
  });
  const key = apiKey.trim();
  if (!key) return metadata;
  if ("authorization" in given) {
    throw new TypeError("give apiKey or an authorization entry in metadata, not both");
  }
  if (!/^[\x20-\x7e]+$/.test(key)) {
    throw new TypeError("apiKey has characters that cannot be sent in a header");
  }
  return [...metadata, ["authorization", `Bearer ${key}`] as const];
}
