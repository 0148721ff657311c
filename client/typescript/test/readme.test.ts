import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { FakeServer } from "@tierwise/client/testing";

const root = fileURLToPath(new URL("../../", import.meta.url));
const page = readFileSync(`${root}README.md`, "utf8");
const blocks = [...page.matchAll(/^```ts\n(.*?)^```$/gms)].map((match) => match[1] ?? "");

const run = promisify(execFile);

async function compiled(folder: string, source: string): Promise<void> {
  writeFileSync(`${folder}/block.ts`, source);
  const strict = ["--ignoreConfig", "--strict", "--module", "NodeNext", "--target", "ES2022"];
  const places = ["--rootDir", folder, "--outDir", `${folder}/out`, `${folder}/block.ts`];
  const tsc = `${root}node_modules/.bin/tsc`;
  await run(tsc, [...strict, "--types", "node", "--skipLibCheck", ...places]).catch((error) => {
    assert.fail(error.stdout);
  });
}

async function withFolder(use: (folder: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(`${root}.readme-`);
  try {
    await use(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

test("the page has its blocks", () => assert.equal(blocks.length, 3));

for (const [index, block] of blocks.entries()) {
  test(`block ${index} of the page compiles and runs`, () =>
    withFolder(async (folder) => {
      await using server = await FakeServer.start();
      await compiled(folder, block);
      const env = { ...process.env, TIERWISE_ENDPOINT: server.endpoint, TIERWISE_API_KEY: "" };
      const { stderr } = await run(process.execPath, [`${folder}/out/block.js`], { env });
      assert.equal(stderr, "");
    }));
}

test("the parity table names what there is", () =>
  withFolder(async (folder) => {
    const contract = readFileSync(`${root}../README.md`, "utf8");
    const rows = (contract.split("## Parity")[1] ?? "").split("\n## ")[0]?.match(/^\|.*$/gm) ?? [];
    const column = rows[0]?.split("|").findIndex((cell) => cell.trim() === "TypeScript") ?? 0;
    const names = rows.flatMap((row) => row.split("|")[column]?.match(/[\w.]+(?=`)/g) ?? []);
    assert(names.length > 30);
    const uses = names.map((name, index) => {
      const [from = "", member] = name.split(".");
      if (from === "testing")
        return `import { ${member} as name${index} } from "@tierwise/client/testing";`;
      const used = member ? `type use${index} = name${index}[${JSON.stringify(member)}];` : "";
      return `import { type ${from} as name${index} } from "@tierwise/client"; ${used}`;
    });
    await compiled(folder, uses.join("\n"));
  }));
