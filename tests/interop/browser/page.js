/** What the browser's page runs: each call of the test is a function here, and its result is plain. */

import { createClient } from "@connectrpc/connect";
import { createGrpcWebTransport } from "@connectrpc/connect-web";
import { Client, TierwiseError } from "@tierwise/client";
import { RouterService } from "@tierwise/client/proto";

function described(error) {
  if (!(error instanceof TierwiseError)) throw error;
  const { name, status, reason, started, partialText, fieldViolations } = error;
  return { name, status, reason, started, partialText, fieldViolations };
}

const calls = {
  async route(options) {
    const result = await new Client(options).route("", { taskType: "debug_complex_error" });
    return { tier: result.decision.tier, tiers: result.tiers.length };
  },

  async generate(options, text, wishes) {
    const answer = await new Client(options).generate(text, wishes);
    return { text: answer.text, tier: answer.tier, usd: answer.cost.usd, id: answer.requestId };
  },

  async stream(options, text, wishes) {
    const stream = new Client(options).stream(text, wishes);
    const pieces = [];
    for await (const piece of stream) pieces.push([piece, performance.now()]);
    const [first, last] = [pieces[0], pieces.at(-1)];
    const texts = pieces.map(([piece]) => piece);
    return { texts, answer: stream.answer().text, tookMs: last[1] - first[1] };
  },

  async leave(options, text, wishes) {
    const kinds = [];
    for await (const { type } of new Client(options).stream(text, wishes).events) {
      kinds.push(type);
      if (type === "textDelta") break;
    }
    return { kinds };
  },

  /** gRPC-Web, with generated code alone. */
  async naive({ endpoint }, text) {
    const transport = createGrpcWebTransport({ baseUrl: `http://${endpoint}` });
    const content = [{ block: { case: "text", value: { text } } }];
    let joined = "";
    for await (const { event } of createClient(RouterService, transport).generate({
      messages: [{ role: 1, content }],
    })) {
      if (event.case === "textDelta") joined += event.value.text;
    }
    return { text: joined };
  },
};

globalThis.play = (name, ...words) =>
  calls[name](...words).catch((error) => ({ error: described(error) }));
