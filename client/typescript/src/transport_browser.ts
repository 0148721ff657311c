/** The Connect protocol over fetch, in browsers: towards a server's web port. */

import { ConnectError } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-web";
import type { Connection } from "./connection.js";
import type { Home, Settings } from "./settings.js";

/** A page's own host is where its server is, until told otherwise. */
export function home(): Home | undefined {
  const { host, port, protocol } = globalThis.location ?? { host: "" };
  if (!host) return undefined;
  const tls = protocol === "https:";
  return { endpoint: port ? host : `${host}:${tls ? 443 : 80}`, tls };
}

/** Return a connection; the browser opens and keeps what it needs. */
export function connect({ endpoint, tls, certificates, connection }: Settings): Connection {
  const isNode = Object.values(certificates).some((part) => part !== undefined);
  if (isNode || Object.keys(connection).length > 0 || endpoint.port === undefined) {
    throw new TypeError("a browser has its own certificates, sockets and connections");
  }
  const host = endpoint.host.includes(":") ? `[${endpoint.host}]` : endpoint.host;
  return {
    transport: createConnectTransport({
      baseUrl: `${tls ? "https" : "http"}://${host}:${endpoint.port}`,
      useBinaryFormat: true,
    }),
    headers: {},
    failureOf: (error) => ConnectError.from(error),
    close: () => undefined,
  };
}
