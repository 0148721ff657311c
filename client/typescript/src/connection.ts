/** The port to a transport. transport_node.ts speaks gRPC, transport_browser.ts the Connect protocol. */

import type { ConnectError, Transport } from "@connectrpc/connect";

/** One connection: opened by the first call, and closed once. */
export interface Connection {
  readonly transport: Transport;
  /** Headers that only this transport may send. */
  readonly headers: Readonly<Record<string, string>>;
  /** Return the failure that an error of the transport stands for. */
  failureOf(error: unknown): ConnectError;
  close(): void;
}
