/** A run on a clock, recorded, and the replay of its recording: the same records, but for what says which was which. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from "vitest";
import { runReplay, type Timeline } from "../../src/cli/replay-run.js";
import { fixesWith } from "../../src/fix/fix-stage.js";
import type { TrustedTime } from "../../src/osnma/time-gate.js";
import { Pipeline, type PipelineOptions, type PipelineRecord } from "../../src/pipeline/pipeline.js";
import { LINE_BROKE, RECEIVER_CHANGED } from "../../src/recorder/format.js";
import { Recorder } from "../../src/recorder/recorder.js";
import { seededRandom } from "./random.js";
import { parametrisedScenario, Simulation } from "../../src/simulate/scenario.js";
import { ubxFrames } from "../../src/simulate/ubx-stream.js";
import { trustOf } from "../support/osnma.js";

const scenario = parametrisedScenario({ seed: "recorded", subframes: 12, satellites: [2, 7, 11, 14, 20] });
const simulation = new Simulation(scenario.options);
const frames = [...ubxFrames(simulation, { rawx: true, nmea: true })];
const material = trustOf(scenario.authority, [1]);

function optionsFor(mode: "live" | "replay"): PipelineOptions {
  return {
    ...material,
    mode,
    fixes: fixesWith({ mode, softwareVersion: "test" }),
    tags: true,
    softwareVersion: "test",
  };
}

interface Chunk {
  readonly bytes: Uint8Array;
  readonly trusted: TrustedTime | null;
}

/** The stream as a port would give it: cut anywhere, and each piece with what a clock says then. */
function chunksOf(
  clock: (seconds: number) => (Omit<TrustedTime, "gst" | "assurance"> & { off?: number }) | null,
): Chunk[] {
  const random = seededRandom(7);
  const chunks: Chunk[] = [];
  let gst = simulation.startGst + 1;
  let pieces: Uint8Array[] = [];
  const give = (bytes: Uint8Array): void => {
    const said = clock(gst - simulation.startGst);
    chunks.push({
      bytes,
      trusted:
        said === null
          ? null
          : {
              gst: gst + 0.1 + random() * 0.3 + (said.off ?? 0),
              boundSeconds: said.boundSeconds + random() * 0.01,
              assurance: "independent",
            },
    });
  };
  for (const frame of frames) {
    pieces.push(frame);
    if (frame[2] === 0x01 && frame[3] === 0x25) {
      const bytes = Buffer.concat(pieces);
      pieces = [];
      for (let at = 0; at < bytes.length;) {
        const length = 1 + Math.floor(random() * 1500);
        give(bytes.subarray(at, at + length));
        at += length;
      }
      const tow = new DataView(frame.buffer, frame.byteOffset).getUint32(10, true);
      gst = simulation.startGst - (simulation.startGst % 604_800) + tow;
    }
  }
  give(Buffer.concat(pieces));
  return chunks;
}

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "osnmad-live-"));
});
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

async function liveRun(
  name: string,
  chunks: readonly Chunk[],
  { breakAt = -1, changeAt = -1 } = {},
): Promise<{ records: object[]; file: string }> {
  const records: PipelineRecord[] = [];
  const pipeline = new Pipeline(optionsFor("live"), (record) => records.push(record));
  const recorder = new Recorder({
    folder: join(folder, name),
    mode: "live",
    softwareVersion: "test",
    maxFileBytes: 64 * 1024,
    blockSeconds: 1000,
  });
  for (const [i, { bytes, trusted }] of chunks.entries()) {
    if (i === breakAt) {
      recorder.note({ note: LINE_BROKE });
      pipeline.lineBroke();
    }
    if (i === changeAt) {
      recorder.note({ note: RECEIVER_CHANGED });
      pipeline.receiverChanged();
    }
    recorder.write(bytes, { unixMs: 1.79e12 + i, monotonicMs: i, trusted });
    pipeline.push(bytes, trusted);
    if (i % 10 === 0) await recorder.flush();
  }
  const summary = pipeline.end();
  await recorder.close();
  const parts = readdirSync(join(folder, name)).sort();
  expect(parts.length).toBeGreaterThan(1);
  const file = join(folder, `${name}.osnr`);
  writeFileSync(file, Buffer.concat(parts.map((part) => readFileSync(join(folder, name, part)))));
  return { records: [...records, summary], file };
}

async function replayOf(file: string, timeline: Timeline = "recorded"): Promise<object[]> {
  const records: PipelineRecord[] = [];
  const { roots, keys, rootKey, snapshot, ...pipeline } = {
    rootKey: null,
    snapshot: null,
    ...optionsFor("replay"),
  };
  const summary = await runReplay(
    {
      capture: file,
      material: { roots: [...roots], keys: [...keys], rootKey, snapshot, warnings: [], simulated: false },
      pipeline,
      speed: "max",
      timeline,
    },
    (record) => records.push(record),
  );
  return [...records, summary];
}

/** The two fields that tell a replay from the run, put back: everything else is compared byte for byte. */
function asLive(records: readonly object[]): string[] {
  return records.map((record) =>
    JSON.stringify(record)
      .replaceAll('"mode":"replay"', '"mode":"live"')
      .replaceAll('"timeAssurance":"capture"', '"timeAssurance":"independent"'),
  );
}

const count = (records: readonly object[], type: string): number =>
  records.filter((record) => (record as { type: string }).type === type).length;

describe("the replay of a recording", () => {
  it("gives the run's records, byte for byte", async () => {
    const { records, file } = await liveRun(
      "good",
      chunksOf(() => ({ boundSeconds: 0.5 })),
    );
    expect(count(records, "authenticated")).toBeGreaterThan(5);
    expect(count(records, "fix")).toBeGreaterThan(100);
    const replayed = await replayOf(file);
    expect(asLive(replayed)).toEqual(records.map((record) => JSON.stringify(record)));
    // And says that it is one.
    for (const record of replayed) {
      const { mode, timeAssurance } = record as { mode?: string; timeAssurance?: string };
      expect(mode ?? "replay").toBe("replay");
      expect(timeAssurance ?? "capture").toBe("capture");
    }
  });

  it("decides as the clock of then did: none, wide, late, and good again", async () => {
    const clock = (seconds: number): { boundSeconds: number; off?: number } | null =>
      seconds < 60
        ? null
        : seconds < 120
          ? { boundSeconds: 100 }
          : seconds < 180
            ? { boundSeconds: 0.5, off: 40 }
            : { boundSeconds: 0.5 };
    const { records, file } = await liveRun("mixed", chunksOf(clock));
    const replayed = await replayOf(file);
    expect(asLive(replayed)).toEqual(records.map((record) => JSON.stringify(record)));
    const own = await replayOf(file, "capture");
    expect(count(own, "tag")).toBeGreaterThan(count(replayed, "tag"));
  });

  it("of a run without a clock authenticates nothing, as the run did; on its own timeline it does", async () => {
    const { records, file } = await liveRun(
      "none",
      chunksOf(() => null),
    );
    expect(count(records, "authenticated")).toBe(0);
    const replayed = await replayOf(file);
    expect(asLive(replayed)).toEqual(records.map((record) => JSON.stringify(record)));
    expect(count(await replayOf(file, "capture"), "authenticated")).toBeGreaterThan(5);
  });

  it("breaks the line where the run did", async () => {
    const chunks = chunksOf(() => ({ boundSeconds: 0.5 }));
    // A frame that is cut off, and a connection that begins anew with whole ones.
    const at = chunks.findIndex(({ bytes }, i) => i > 40 && bytes.length > 300);
    chunks[at] = { ...chunks[at], bytes: chunks[at].bytes.subarray(0, 150) };
    const { records, file } = await liveRun("broken", chunks, { breakAt: at + 1 });
    expect(asLive(await replayOf(file))).toEqual(records.map((record) => JSON.stringify(record)));
  });

  it("forgets the receiver where the run did", async () => {
    const chunks = chunksOf(() => ({ boundSeconds: 0.5 }));
    const { records, file } = await liveRun("changed", chunks, { changeAt: chunks.length >> 1 });
    const changed = vi.spyOn(Pipeline.prototype, "receiverChanged");
    onTestFinished(() => {
      changed.mockRestore();
    });
    expect(asLive(await replayOf(file))).toEqual(records.map((record) => JSON.stringify(record)));
    expect(changed).toHaveBeenCalledTimes(1);
  });
});
