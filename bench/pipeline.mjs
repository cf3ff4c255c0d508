/**
 * The full pipeline with RXM-RAWX: framing, pages, OSNMA, our own position, consistency watch, grades, evidence, and
 * every fix with its evidence on disk, as a multiple of real time. Whole process, start-up included; the replay and the
 * store have a thread each, so it wants two cores that nobody else uses.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { spawnSync } from "node:child_process";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { projectRoot, sharedPath } from "./lib/material.mjs";

const GOAL = 1500;
const RUNS = 3;

export function benchPipeline(print = console.log) {
  const capture = sharedPath("captures", "leuven-hybrid-rawx-atmo.ubx");
  if (capture === null) {
    print("Skipped: the hybrid capture is not on this machine.");
    return { ratios: [] };
  }
  /** Seconds that the capture spans. */
  const span = 4753;
  const multiples = [];
  for (let run = 0; run < RUNS; run++) {
    const data = mkdtempSync(join(tmpdir(), "osnmad-bench-"));
    const start = performance.now();
    const { status, stderr } = spawnSync(
      process.execPath,
      [
        join(projectRoot, "dist", "bin", "osnmad.js"),
        ...["serve", "--replay", capture, "--data-dir", data, "--port", "0"],
        ...["--exit-after-replay", "--log-level", "silent"],
      ],
      { encoding: "utf8" },
    );
    const seconds = (performance.now() - start) / 1000;
    rmSync(data, { recursive: true, force: true });
    if (status !== 0) throw new Error(`serve ended with ${status}: ${stderr}`);
    multiples.push(span / seconds);
    print(`run ${run + 1}: ${seconds.toFixed(2)} s, ${(span / seconds).toFixed(0)} times real time`);
  }
  multiples.sort((a, b) => a - b);
  const median = multiples[Math.floor(RUNS / 2)];
  return {
    ratios: [{ name: `${GOAL} times real time over ours, evidence stored`, ratio: GOAL / median, goal: 1 }],
  };
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) benchPipeline();
