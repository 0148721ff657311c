#!/usr/bin/env bash
# Check and test what there is in TypeScript: format, lint, types, tests, and that a user can install it.
set -euo pipefail
cd "$(dirname "$0")/.."
source tools/toolchain.sh
need_toolchain TypeScript npm "Node.js 20 or newer (Debian: nodejs, npm)"
root=$PWD

tools/npm_install.sh client/typescript
cd client/typescript
npm run --silent lint
npm run --silent build
npm run --silent test

# As a user has it: the package, without this repository around it, and without OpenTelemetry.
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
npm pack --silent --pack-destination "$scratch" >/dev/null
cd "$scratch"
cat >package.json <<'JSON'
{ "private": true, "type": "module" }
JSON
npm install --ignore-scripts --no-audit --no-fund --omit=optional --loglevel=error ./tierwise-client-*.tgz
cat >main.ts <<'TS'
import { Client, VERSION } from "@tierwise/client";
import { GenerateRequestSchema } from "@tierwise/client/proto";
import { answered, FakeServer } from "@tierwise/client/testing";

const server = await FakeServer.start();
const client = new Client({ endpoint: server.endpoint });
server.play(answered("Paris"));
const text: string = (await client.generate("Capital of France?")).text;
if (text !== "Paris") throw new Error(text);
console.log(`TypeScript: @tierwise/client ${VERSION} of ${GenerateRequestSchema.file.name} installs and answers`);
await client.close();
await server.close();
TS
"$root/client/typescript/node_modules/.bin/tsc" --strict --module NodeNext --target ES2022 --types '' main.ts
node main.js
