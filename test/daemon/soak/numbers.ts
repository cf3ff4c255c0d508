/** How long the long runs are: short in the gate; `npm run soak` sets the variables (scripts/soak.mjs). */
import { appendFileSync } from "node:fs";

export const CYCLES = Number(process.env["OSNMAD_SOAK_CYCLES"] ?? 2);
export const RECONNECTS = Number(process.env["OSNMAD_SOAK_RECONNECTS"] ?? 30);
/** Hours of sky; none in the gate. */
export const HOURS = Number(process.env["OSNMAD_SOAK_HOURS"] ?? 0);
export const SEED = process.env["OSNMAD_SOAK_SEED"] ?? "soak";

/** Waits are short, so that a test does not take as long as life. */
export const TIMES = {
  firstWaitMs: 20,
  longestWaitMs: 200,
  silenceMs: 1000,
  settleMs: 3000,
  healthyMs: 500,
};

/** A line of what was found, for `npm run soak` to print. */
export function report(part: string, found: Readonly<Record<string, unknown>>): void {
  const file = process.env["OSNMAD_SOAK_REPORT"];
  if (file !== undefined) appendFileSync(file, `${JSON.stringify({ part, ...found })}\n`);
}
