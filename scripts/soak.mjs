// The long form of test/daemon/soak.test.ts: npm run soak -- --cycles 50 --reconnects 1000 --hours 24 [--seed WORD]
import { spawnSync } from "node:child_process";
import { parseArgs } from "node:util";

const { values } = parseArgs({
  options: {
    cycles: { type: "string", default: "50" },
    reconnects: { type: "string", default: "1000" },
    hours: { type: "string", default: "0" },
    seed: { type: "string", default: "soak" },
  },
});
const { status } = spawnSync("npx", ["vitest", "run", "test/daemon/soak.test.ts"], {
  stdio: "inherit",
  env: {
    ...process.env,
    OSNMAD_SOAK_CYCLES: values.cycles,
    OSNMAD_SOAK_RECONNECTS: values.reconnects,
    OSNMAD_SOAK_HOURS: values.hours,
    OSNMAD_SOAK_SEED: values.seed,
  },
});
process.exitCode = status ?? 1;
