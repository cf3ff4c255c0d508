/**
 * What a replay costs: CPU of a whole process against a yardstick measured in the same minute, peak memory, and
 * whether memory stays flat over a stream ten times as long.
 *
 *   node bench/cost.mjs [--pairs 5] [--no-memory]
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { writeLongCapture } from "./lib/long-capture.mjs";
import { leuven, projectRoot, simulated } from "./lib/material.mjs";
import { cpuSeconds, jsonOf, peakMegabytes } from "./lib/processes.mjs";
import { median } from "./lib/statistics.mjs";

const yardstick = fileURLToPath(new URL("./lib/hash-yardstick.mjs", import.meta.url));
const liveHeap = fileURLToPath(new URL("./lib/live-heap.mjs", import.meta.url));
const main = join(projectRoot, "dist", "bin", "osnmad.js");
/** As long as the real capture, 79 minutes. */
const SUBFRAMES = 158;

const replayOf = ({ capture, merkle, publicKey }) => [
  main,
  "replay",
  capture,
  "--json",
  "--merkle",
  merkle,
  "--public-key",
  publicKey,
];

/**
 * CPU of a replay over CPU of the yardstick: the median of interleaved pairs, so that a busy machine slows both.
 * @param {import("./lib/material.mjs").Material} material
 * @param {number} pairs
 * @param {(line: string) => void} print
 */
export function benchCpu(material, pairs, print) {
  const ratios = [];
  for (let pair = 0; pair < pairs; pair++) {
    const replay = cpuSeconds(replayOf(material));
    const hashes = cpuSeconds([yardstick]);
    ratios.push(replay / hashes);
    print(
      `pair ${pair + 1}: replay ${replay.toFixed(3)} s, yardstick ${hashes.toFixed(3)} s, ratio ${(replay / hashes).toFixed(3)}`,
    );
  }
  return median(ratios);
}

/** Peak memory of a replay, MB: the largest of three. @param {import("./lib/material.mjs").Material} material */
export function benchPeak(material) {
  return Math.max(...[1, 2, 3].map(() => peakMegabytes(replayOf(material))));
}

/**
 * Memory over a simulated stream of 79 minutes and over one ten times as long, MB. The live heap is what is kept;
 * peak memory also holds what the collector had no reason to collect yet. A real capture repeated would not do:
 * its time jumps back, and its pages are refused.
 */
export function benchFlatness() {
  const folder = mkdtempSync(join(tmpdir(), "osnmad-bench-"));
  try {
    const [short, long] = [SUBFRAMES, 10 * SUBFRAMES].map((subframes) => {
      const capture = join(folder, `${subframes}.ubx`);
      writeLongCapture(capture, subframes);
      return { ...simulated(), capture };
    });
    const heap = jsonOf(["--expose-gc", liveHeap, long.capture, long.merkle, long.publicKey]);
    return {
      short: benchPeak(short),
      long: benchPeak(long),
      tenth: heap.tenth / 1e6,
      end: heap.end / 1e6,
      verified: heap.verified,
    };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** @param {{ pairs?: number, memory?: boolean, print?: (line: string) => void }} [options] */
export function benchCost({ pairs = 5, memory = true, print = console.log } = {}) {
  const real = leuven();
  const rows = [];
  if (real !== null) {
    print(`${real.name}, ${pairs} interleaved pairs`);
    rows.push({
      name: "CPU of a replay over 1,000,000 SHA-256",
      ratio: benchCpu(real, pairs, print),
      goal: 0.25,
    });
    if (memory)
      rows.push({ name: "peak memory of a replay over 120 MB", ratio: benchPeak(real) / 120, goal: 1 });
  }
  if (memory) {
    const { short, long, tenth, end, verified } = benchFlatness();
    print(
      `simulated stream of 790 min (${verified[0]} ADKD 0 tags verified): live heap ${tenth.toFixed(2)} MB after a tenth, ${end.toFixed(2)} MB at the end`,
    );
    print(`peak memory: ${short.toFixed(1)} MB over 79 min, ${long.toFixed(1)} MB over 790 min`);
    // Of 22 MB of input; compiled code and its feedback still grow a little, a kept page or tag would be many MB.
    rows.push({ name: "live heap gained from 79 to 790 min, MB (simulated)", ratio: end - tenth, goal: 1 });
    rows.push({ name: "peak memory of 790 min over 120 MB (simulated)", ratio: long / 120, goal: 1 });
  }
  return { ratios: rows };
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const { values } = parseArgs({
    options: { pairs: { type: "string", default: "5" }, "no-memory": { type: "boolean", default: false } },
  });
  const { ratios } = benchCost({ pairs: Number(values.pairs), memory: !values["no-memory"] });
  for (const { name, ratio, goal } of ratios) {
    console.log(`${name}: ${ratio.toFixed(3)}${goal === null ? "" : ` (goal ${goal})`}`);
  }
}
