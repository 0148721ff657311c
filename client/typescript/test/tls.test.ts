import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { test } from "node:test";
import { pathToFileURL } from "node:url";
import { Client, type ClientOptions, UnavailableError } from "@tierwise/client";
import { FakeServer } from "@tierwise/client/testing";
import { generate } from "selfsigned";

/** Return a self-signed certificate of 127.0.0.1 and its key, in PEM. */
async function certified(): Promise<{ certificate: string; key: string }> {
  const { cert: certificate, private: key } = await generate(
    [{ name: "commonName", value: "test" }],
    {
      keyType: "ec",
      extensions: [
        { name: "basicConstraints", cA: true },
        { name: "subjectAltName", altNames: [{ type: 7, ip: "127.0.0.1" }] },
      ],
    },
  );
  return { certificate, key };
}

const own = await certified();
const stranger = await certified();
// It speaks to callers with a certificate that it trusts, and to nobody else.
const mutual = { ...own, clientAuthorities: own.certificate };

async function tierWith(server: FakeServer, options: ClientOptions): Promise<string> {
  await using client = new Client({ endpoint: server.endpoint, ...options });
  return (await client.route()).decision.tier;
}

test("certificates switch TLS on, as text, bytes or file", async () => {
  await using server = await FakeServer.start({ tls: mutual });
  const folder = mkdtempSync(`${tmpdir()}/tierwise-`);
  try {
    writeFileSync(`${folder}/own.pem`, own.certificate);
    const file = pathToFileURL(`${folder}/own.pem`);
    for (const root of [own.certificate, Buffer.from(own.certificate), file]) {
      const options = { rootCertificates: root, clientCertificate: file, clientKey: own.key };
      assert.equal(await tierWith(server, options), "efficient");
    }
    assert.equal(server.calls.length, 3);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("without the certificates that either side asks for, nothing is said", async () => {
  await using server = await FakeServer.start({ tls: mutual });
  const identity = { clientCertificate: own.certificate, clientKey: own.key };
  for (const [what, options] of Object.entries({
    "an authority not trusted": identity,
    "another authority": { ...identity, rootCertificates: stranger.certificate },
    "no certificate of the client": { rootCertificates: own.certificate },
    "a certificate of a stranger": {
      rootCertificates: own.certificate,
      clientCertificate: stranger.certificate,
      clientKey: stranger.key,
    },
    "in the clear": { tls: false },
  } satisfies Record<string, ClientOptions>)) {
    const refused = tierWith(server, { ...options, apiKey: "tw-1" });
    await assert.rejects(refused, UnavailableError, what);
  }
  assert.equal(server.calls.length, 0);
});

test("a name that the certificate does not have is refused", async () => {
  await using server = await FakeServer.start({ tls: own });
  const endpoint = server.endpoint.replace("127.0.0.1", "localhost");
  await assert.rejects(
    tierWith(server, { endpoint, rootCertificates: own.certificate }),
    UnavailableError,
  );
  assert.equal(server.calls.length, 0);
});

test("TLS is spoken to any host but loopback", async () => {
  const listener = createServer();
  listener.listen(0, "127.0.0.1");
  await once(listener, "listening");
  const { port } = listener.address() as AddressInfo;
  // An IPv4-mapped address leads here and yet is not loopback.
  for (const [host, first] of [
    ["[::ffff:127.0.0.1]", 0x16],
    ["127.0.0.1", "P".charCodeAt(0)],
  ] as const) {
    const accepted = once(listener, "connection");
    await using client = new Client({ endpoint: `${host}:${port}`, apiKey: "tw-1" });
    const call = client.route().catch((error: unknown) => error);
    const [socket] = (await accepted) as [Socket];
    const [data] = (await once(socket, "data")) as [Buffer];
    assert.equal(data[0], first, host);
    await client.close();
    await call;
    socket.destroy();
  }
  listener.close();
});
