// Golden replays: every capture in captures/ through the real program, compared line by line with
// captures/golden/<name>.jsonl. `npm run goldens` compares, `npm run goldens -- --write` rebuilds them; read the
// diff before you commit it.
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { join } from "node:path";

const root = fileURLToPath(new URL("..", import.meta.url));
const captures = join(root, "captures");
const goldens = join(captures, "golden");
const write = process.argv.includes("--write");

/** Fields that differ between versions or machines without meaning. */
const VOLATILE = new Set(["softwareVersion"]);

function replay(name) {
  const { trust } = JSON.parse(readFileSync(join(captures, `${name}.json`), "utf8"));
  const flags = [
    ...trust.merkleTree.flatMap((file) => ["--merkle", join(captures, file)]),
    ...trust.publicKeys.flatMap((file) => ["--public-key", join(captures, file)]),
    ...(trust.rootKey ? ["--root-key", join(captures, trust.rootKey)] : []),
  ];
  const program = join(root, "dist", "bin", "osnmad.js");
  const output = execFileSync(
    process.execPath,
    [program, "replay", join(captures, `${name}.ubx`), "--json", ...flags],
    {
      maxBuffer: 256 * 1024 * 1024,
      stdio: ["ignore", "pipe", "ignore"],
    },
  );
  return output
    .toString("utf8")
    .trimEnd()
    .split("\n")
    .map((line) => JSON.stringify(JSON.parse(line, (key, value) => (VOLATILE.has(key) ? undefined : value))));
}

let passed = 0;
let failed = 0;
mkdirSync(goldens, { recursive: true });
for (const file of readdirSync(captures)
  .filter((entry) => entry.endsWith(".ubx"))
  .sort()) {
  const name = file.slice(0, -4);
  const golden = join(goldens, `${name}.jsonl`);
  const lines = replay(name);
  if (write) {
    writeFileSync(golden, `${lines.join("\n")}\n`);
    console.log(`written  ${name}: ${lines.length} lines`);
    continue;
  }
  const expected = existsSync(golden) ? readFileSync(golden, "utf8").trimEnd().split("\n") : [];
  const at = lines.findIndex((line, i) => line !== expected[i]);
  if (at < 0 && lines.length === expected.length) {
    passed++;
    console.log(`passed   ${name}: ${lines.length} lines`);
    continue;
  }
  failed++;
  const row = at < 0 ? lines.length : at;
  console.log(
    `FAILED   ${name}, line ${row + 1}\n  golden: ${expected[row] ?? "(none)"}\n  now:    ${lines[row] ?? "(none)"}`,
  );
}
if (!write) {
  console.log(`golden replays: ${passed} passed, ${failed} failed`);
  process.exitCode = failed > 0 || passed === 0 ? 1 : 0;
}
