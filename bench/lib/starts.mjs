/** Time to first authenticated fix of the engine itself, from many starts in one capture. */
import { OsnmaEngine } from "../../dist/osnma/engine.js";

/** Starts end this long before the capture does (docs/ttfaf.md). */
export const TAIL_SECONDS = 150;
/** Bound on the clock, B. */
export const BOUND_SECONDS = 1;

const sink = { event: () => undefined, authenticated: () => undefined };

/**
 * TTFAF by start offset; null where no fix came before the capture's end.
 * @param {import("./pages.mjs").TimedPage[]} pages
 * @param {object} material what the engine starts with
 * @param {"guideline" | "aggressive"} rule
 * @param {number} stepSeconds
 * @returns {{ offset: number, seconds: number | null }[]}
 */
export function engineStarts(pages, material, rule, stepSeconds) {
  const firstGst = pages[0].gst;
  const lastGst = pages.reduce((latest, { gst }) => Math.max(latest, gst), firstGst);
  const results = [];
  let from = 0;
  for (let offset = 0; firstGst + offset <= lastGst - TAIL_SECONDS; offset += stepSeconds) {
    const start = firstGst + offset;
    // Pages stand in order of arrival; some seconds of disorder between satellites are possible.
    while (from < pages.length && pages[from].gst < start - 60) from++;
    results.push({ offset, seconds: firstFix(pages, from, start, material, rule) });
  }
  return results;
}

function firstFix(pages, from, start, material, rule) {
  const engine = new OsnmaEngine({ ...material, rule, timeAssurance: "capture" }, sink);
  for (let i = from; i < pages.length; i++) {
    const { page, gst } = pages[i];
    if (gst < start) continue;
    engine.push(page, gst, { gst: gst + 2, boundSeconds: BOUND_SECONDS, assurance: "capture" });
    if (engine.firstFixAt !== null) return engine.firstFixAt - start;
  }
  return null;
}
