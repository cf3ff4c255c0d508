/** What a replay says at its end of the clock that it went by. */
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Writable } from "node:stream";
import { afterAll, beforeAll, expect, it } from "vitest";
import { runReplay, type Timeline, type TimelineUsed } from "../../src/cli/replay-run.js";
import { ReplayText } from "../../src/cli/replay-text.js";
import type { TrustedTime } from "../../src/osnma/time-gate.js";
import { Recorder } from "../../src/recorder/recorder.js";
import { parametrisedScenario, Simulation } from "../../src/simulate/scenario.js";
import { ubxFrames } from "../../src/simulate/ubx-stream.js";
import { trustOf } from "../support/osnma.js";

const scenario = parametrisedScenario({ seed: "said", subframes: 6, satellites: [2, 7, 11, 14, 20] });
const simulation = new Simulation(scenario.options);
const frames = [...ubxFrames(simulation)];
const SECONDS = 180;

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "osnmad-replay-text-"));
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

/** Second by second, with what a clock said then. */
async function recorded(name: string, clock: (gst: number) => TrustedTime | null): Promise<string> {
  const recorder = new Recorder({ folder: join(folder, name), mode: "live", softwareVersion: "test" });
  const each = Math.ceil(frames.length / SECONDS);
  for (let at = 0; at < frames.length; at += each) {
    const gst = simulation.startGst + (at / frames.length) * SECONDS + 1;
    const arrival = { unixMs: 1.79e12 + at, monotonicMs: at, trusted: clock(gst) };
    recorder.write(Buffer.concat(frames.slice(at, at + each)), arrival);
  }
  await recorder.close();
  return join(folder, name, readdirSync(join(folder, name))[0]);
}

/** The summary that a person is shown. */
async function shown(capture: string, timeline?: Timeline): Promise<string> {
  let text = "";
  const out = new Writable({
    write: (chunk, _encoding, done) => {
      text += String(chunk);
      done();
    },
  });
  let used: TimelineUsed | null = null;
  const summary = await runReplay(
    {
      capture,
      material: {
        ...trustOf(scenario.authority, [1]),
        rootKey: null,
        snapshot: null,
        warnings: [],
        simulated: false,
      },
      speed: "max",
      timeline,
      pipeline: { mode: "replay", softwareVersion: "test" },
      onTimeline: (by) => {
        used = by;
      },
    },
    () => undefined,
  );
  new ReplayText(out, out).summary(summary, used!);
  return text;
}

it("a plain capture ran on its own timeline", async () => {
  const path = join(folder, "plain.ubx");
  writeFileSync(path, Buffer.concat(frames));
  expect(await shown(path)).toMatch(/time assurance +capture \(its own timeline, no independent clock\)/);
});

it("a recording ran on the trusted time that it kept, unless its own timeline was asked for", async () => {
  const path = await recorded("kept", (gst) => ({ gst, boundSeconds: 0.5, assurance: "independent" }));
  expect(await shown(path)).toMatch(/time assurance +capture \(the trusted time that the recording kept\)/);
  expect(await shown(path, "capture")).toMatch(/time assurance +capture \(its own timeline/);
});

it("a recording of a run without trusted time says that this is why there is nothing, and how to see more", async () => {
  const path = await recorded("none", () => null);
  const text = await shown(path);
  expect(text).toMatch(/time assurance +capture \(the recording kept none/);
  expect(text).toMatch(/Nothing was authenticated: the run .* had no trusted time.*--timeline capture/s);
  expect(await shown(path, "capture")).not.toContain("Nothing was authenticated");
});
