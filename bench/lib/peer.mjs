/** The peer's figures that ours are held against (OSNMAlib; reference/ttfaf-leuven-peer-*.csv). */
import { readFileSync } from "node:fs";
import { sharedPath } from "./material.mjs";

/**
 * By start TOW: seconds with no optimisation, and at its best.
 * @param {"hot" | "warm"} mode
 * @returns {Map<number, { off: number, best: number }> | null}
 */
export function peerStarts(mode) {
  const path = sharedPath("reference", `ttfaf-leuven-peer-${mode}.csv`);
  if (path === null) return null;
  const starts = new Map();
  for (const line of readFileSync(path, "utf8").split("\n")) {
    if (!/^\d/.test(line)) continue;
    const [tow, off, best] = line.split(",").map(Number);
    starts.set(tow, { off, best });
  }
  return starts;
}
