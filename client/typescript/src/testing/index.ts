/**
 * A tierwise server for tests: plays what it is told on a loopback port, and remembers what it was asked. It needs no
 * key and no model. Node only.
 *
 * @example
 * await using server = await FakeServer.start();
 * await using client = new Client({ endpoint: server.endpoint });
 * server.play(answered("Paris"));
 * assert.equal((await client.generate("Capital of France?")).text, "Paris");
 */

export { type FailureDetails, failed } from "./failures.js";
export { answered, escalated, Hold, routed, type Script, type Step } from "./scripts.js";
export { FakeServer, type ReceivedCall, type ServerTls } from "./server.js";
