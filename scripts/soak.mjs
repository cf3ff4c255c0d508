// The long runs of test/daemon/soak, one part after the other:
// npm run soak -- [--part faults|reconnections|sky] [--cycles 50] [--reconnects 1000] [--hours 24] [--seed WORD]
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, existsSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";

const PARTS = { faults: "faults", reconnections: "reconnections", sky: "long-sky" };
const { values } = parseArgs({
  options: {
    part: { type: "string", multiple: true, default: Object.keys(PARTS) },
    cycles: { type: "string", default: "50" },
    reconnects: { type: "string", default: "1000" },
    hours: { type: "string", default: "24" },
    seed: { type: "string", default: "soak" },
  },
});
const unknown = values.part.find((part) => !Object.hasOwn(PARTS, part));
if (unknown !== undefined) {
  process.stderr.write(`--part takes one of ${Object.keys(PARTS).join(", ")}, not "${unknown}".\n`);
  process.exit(2);
}
const folder = mkdtempSync(join(tmpdir(), "osnmad-soak-"));
const report = join(folder, "report.jsonl");
for (const part of values.part) {
  const { status } = spawnSync("npx", ["vitest", "run", `test/daemon/soak/${PARTS[part]}.test.ts`], {
    stdio: "inherit",
    env: {
      ...process.env,
      OSNMAD_SOAK_CYCLES: values.cycles,
      OSNMAD_SOAK_RECONNECTS: values.reconnects,
      OSNMAD_SOAK_HOURS: values.hours,
      OSNMAD_SOAK_SEED: values.seed,
      OSNMAD_SOAK_REPORT: report,
    },
  });
  if (status !== 0) process.exitCode = 1;
}
if (existsSync(report)) process.stdout.write(readFileSync(report));
rmSync(folder, { recursive: true });
