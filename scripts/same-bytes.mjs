// The same scenarios on several versions of Node: hashes of what `osnmad simulate` writes must agree.
// `npm run simulate:nodes` takes Node 22 and 24 from npm (npx) beside the one that runs; needs a built dist/.
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const program = join(root, "dist", "bin", "osnmad.js");
const versions = process.argv.length > 2 ? process.argv.slice(2) : ["20", "22", "24"];
const names = readdirSync(join(root, "captures")).filter((name) => name.endsWith(".toml"));

function hashesOn(version) {
  const [command, before] =
    version === process.versions.node.split(".")[0]
      ? [process.execPath, []]
      : ["npx", ["-y", `node@${version}`]];
  const hashes = new Map();
  for (const name of names) {
    const bytes = execFileSync(
      command,
      [...before, program, "simulate", join(root, "captures", name), "-o", "-"],
      {
        maxBuffer: 1 << 28,
        stdio: ["ignore", "pipe", "inherit"],
      },
    );
    hashes.set(name, createHash("sha256").update(bytes).digest("hex"));
  }
  return hashes;
}

const [first, ...others] = versions.map((version) => ({ version, hashes: hashesOn(version) }));
let differ = 0;
for (const { version, hashes } of others) {
  for (const [name, hash] of hashes) {
    if (hash === first.hashes.get(name)) continue;
    differ++;
    console.log(`${name}: Node ${version} differs from Node ${first.version}`);
  }
}
console.log(`${names.length} scenarios on Node ${versions.join(", ")}: ${differ} differ`);
process.exitCode = differ === 0 ? 0 : 1;
