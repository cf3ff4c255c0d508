/** Reads the clocks of this machine. Edge. */
import { uptime } from "node:os";
import type { ClockReading } from "./types.js";

export type ReadClocks = () => ClockReading;

/** Two clocks are read one after the other; where that took longer than this, once more. */
const MAX_WINDOW_MS = 2;
const ATTEMPTS = 4;
/** On Linux, uptime goes on while the machine sleeps and is not set; elsewhere it may follow the system clock. */
const UPTIME_IS_A_CLOCK = process.platform === "linux";

export function readSystemClocks(): ClockReading {
  let best: ClockReading | null = null;
  let bestWindow = Number.POSITIVE_INFINITY;
  for (let i = 0; i < ATTEMPTS && bestWindow > MAX_WINDOW_MS; i++) {
    const before = performance.now();
    const unixMs = Date.now();
    const bootMs = UPTIME_IS_A_CLOCK ? uptime() * 1000 : null;
    const after = performance.now();
    if (after - before >= bestWindow) continue;
    bestWindow = after - before;
    best = { unixMs, monotonicMs: after, bootMs };
  }
  return best!;
}
