/**
 * Compile into dist/: the generated code, src/, and with `--test` test/ as well.
 *
 * It is compiled in a folder of its own, and what came of it replaces, file by file, what differs: programs that run
 * from dist/ meanwhile, and builds beside this one, always find a whole package there.
 */

import { spawnSync } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
} from "node:fs";
import { dirname, join, sep } from "node:path";
import { fileURLToPath } from "node:url";

const HERE = fileURLToPath(new URL(".", import.meta.url));
const withTests = process.argv.includes("--test");

/** Compile in a folder; return whether that went well. */
function compile(folder) {
  for (const name of ["package.json", "tsconfig.json", "src", ...(withTests ? ["test"] : [])]) {
    cpSync(join(HERE, name), join(folder, name), { recursive: true });
  }
  cpSync(join(HERE, "../../generated/typescript"), join(folder, "dist/proto"), { recursive: true });
  return [".", ...(withTests ? ["test"] : [])].every((project) => {
    const tsc = join(HERE, "node_modules/.bin/tsc");
    return spawnSync(tsc, ["-p", project], { cwd: folder, stdio: "inherit" }).status === 0;
  });
}

function filesOf(folder) {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true }).filter((name) =>
    statSync(join(folder, name), { throwIfNoEntry: false })?.isFile(),
  );
}

function isSame(one, other) {
  return existsSync(other) && readFileSync(one).equals(readFileSync(other));
}

/** Make `to` hold what `from` holds; a file is replaced as a whole. */
function put(from, to) {
  const wanted = filesOf(from);
  for (const name of wanted) {
    const target = join(to, name);
    if (isSame(join(from, name), target)) continue;
    mkdirSync(dirname(target), { recursive: true });
    renameSync(join(from, name), target);
  }
  for (const name of filesOf(to)) {
    const isOfTests = name.startsWith(`test${sep}`);
    if (!wanted.includes(name) && (withTests || !isOfTests))
      rmSync(join(to, name), { force: true });
  }
}

const folder = mkdtempSync(join(HERE, ".build-"));
try {
  if (compile(folder)) put(join(folder, "dist"), join(HERE, "dist"));
  else process.exitCode = 1;
} finally {
  rmSync(folder, { recursive: true });
}
