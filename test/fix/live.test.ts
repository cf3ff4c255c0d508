/** Fixes of a live run: what the clock of the station is worth at each epoch, and a receiver that is changed. */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { beforeAll, describe, expect, it } from "vitest";
import { fixesWith, type FixStageOptions } from "../../src/fix/fix-stage.js";
import type { TrustedTime } from "../../src/osnma/time-gate.js";
import { Pipeline, type PipelineRecord } from "../../src/pipeline/pipeline.js";
import type { EventRecord, FixRecord } from "../../src/pipeline/records.js";
import type { CaptureHeader } from "../../src/simulate/captures.js";
import { keyOfFile, rootKeyOfFile, rootOfTree } from "../support/osnma.js";

const file = (path: string): string => fileURLToPath(new URL(`../../captures/${path}`, import.meta.url));
const header = JSON.parse(readFileSync(file("nominal.json"), "utf8")) as CaptureHeader;
const bytes = readFileSync(file("nominal.ubx"));
const [root] = header.trust.merkleTree.map((path) => rootOfTree(file(path)));
const CHUNK = 400;

/** GST of the newest page at the end of each chunk: when the chunk arrived. */
const arrivals: number[] = [];

function newPipeline(mode: "live" | "simulated", stage: Partial<FixStageOptions>, records: PipelineRecord[]) {
  return new Pipeline(
    {
      roots: [{ root }],
      keys: header.trust.publicKeys.map((path) => keyOfFile(file(path), root)),
      rootKey: rootKeyOfFile(file(header.trust.rootKey!)),
      mode,
      fixes: fixesWith({ mode, softwareVersion: "test", ...stage }),
      softwareVersion: "test",
    },
    (record) => records.push(record),
  );
}

interface Run {
  readonly fixes: FixRecord[];
  readonly events: EventRecord[];
}

/** A live run with the clock that `clockOf` makes of the true time; `at` is told of each chunk before it comes. */
function live(
  clockOf: (gst: number) => TrustedTime | null,
  at: (gst: number, pipeline: Pipeline) => void = () => undefined,
): Run {
  const records: PipelineRecord[] = [];
  const pipeline = newPipeline("live", {}, records);
  arrivals.forEach((gst, i) => {
    at(gst, pipeline);
    pipeline.push(bytes.subarray(i * CHUNK, (i + 1) * CHUNK), clockOf(gst));
  });
  pipeline.end();
  return {
    fixes: records.filter((record) => record.type === "fix"),
    events: records.filter((record) => record.type === "event"),
  };
}

const good = (gst: number): TrustedTime => ({ gst, boundSeconds: 4, assurance: "independent" });

beforeAll(() => {
  const pipeline = newPipeline("simulated", {}, []);
  for (let from = 0; from < bytes.length; from += CHUNK) {
    pipeline.push(bytes.subarray(from, from + CHUNK));
    const { now } = pipeline.engine;
    arrivals.push(Number.isFinite(now) ? now + 2 : 0);
  }
  const first = arrivals.find((gst) => gst > 0)!;
  arrivals.forEach((gst, i) => {
    if (gst === 0) arrivals[i] = first;
  });
});

const graded = (fixes: readonly FixRecord[]): FixRecord[] =>
  fixes.filter(({ assurance }) => assurance !== "unverified");

describe("live fixes", () => {
  it("rest on the independent clock, and say so", () => {
    const { fixes } = live(good);
    expect(new Set(fixes.map(({ timeAssurance }) => timeAssurance))).toEqual(new Set(["independent"]));
    expect(new Set(fixes.map(({ mode }) => mode))).toEqual(new Set(["live"]));
    expect(graded(fixes).length).toBeGreaterThan(200);
  });

  it("are not graded while the clock says nothing, and are again when it does", () => {
    const middle = arrivals[Math.floor(arrivals.length * 0.7)];
    const { fixes } = live((gst) => (gst >= middle && gst < middle + 60 ? null : good(gst)));
    const without = fixes.filter(({ gst }) => gst > middle + 4 && gst < middle + 58);
    expect(without.length).toBeGreaterThan(40);
    for (const { assurance, reasons, timeAssurance } of without) {
      expect(assurance).toBe("unverified");
      expect(reasons).toContain("no-trusted-time");
      expect(timeAssurance).toBe("none");
    }
    expect(graded(fixes.filter(({ gst }) => gst > middle + 100)).length).toBeGreaterThan(20);
  });

  it.each<[string, (gst: number) => TrustedTime]>([
    ["clock-bound-too-wide", (gst) => ({ gst, boundSeconds: 20, assurance: "independent" })],
    ["time-contradiction", (gst) => ({ gst: gst + 60, boundSeconds: 4, assurance: "independent" })],
    ["signal-early", (gst) => ({ gst: gst - 600, boundSeconds: 4, assurance: "independent" })],
    ["signal-late", (gst) => ({ gst: gst + 600, boundSeconds: 4, assurance: "independent" })],
    ["no-trusted-time", (gst) => ({ gst, boundSeconds: 1, assurance: "capture" })],
    ["clock-bound-too-wide", (gst) => ({ gst, boundSeconds: Number.NaN, assurance: "independent" })],
  ])("are lowered with the reason: %s", (reason, clockOf) => {
    const middle = arrivals[Math.floor(arrivals.length * 0.7)];
    const { fixes } = live((gst) => (gst < middle ? good(gst) : clockOf(gst)));
    const after = fixes.filter(({ gst }) => gst > middle + 5);
    expect(after.length).toBeGreaterThan(50);
    for (const { assurance, reasons } of after) {
      expect(assurance).toBe("unverified");
      expect(reasons).toContain(reason);
    }
  });

  it("know a signal that was held back, though it looks whole by itself", () => {
    const middle = arrivals[Math.floor(arrivals.length * 0.6)];
    // From then on everything arrives ten seconds late: within the bound of the tags, beyond that of the clock.
    const { fixes, events } = live((gst) => good(gst < middle ? gst : gst + 10));
    expect(graded(fixes.filter(({ gst }) => gst > middle + 5))).toEqual([]);
    expect(events.filter(({ name }) => name === "time-jump")).not.toEqual([]);
  });
});

describe("a receiver that is changed", () => {
  it("leaves its last epoch whole, raises no sign, and the fixes go on", () => {
    const middle = arrivals[Math.floor(arrivals.length * 0.6)];
    let changed = false;
    const { fixes, events } = live(good, (gst, pipeline) => {
      if (gst >= middle && !changed) {
        changed = true;
        pipeline.receiverChanged();
      }
    });
    expect(changed).toBe(true);
    const all = live(good);
    expect(fixes.length).toBeGreaterThanOrEqual(all.fixes.length);
    expect(graded(fixes).length).toBeGreaterThan(graded(all.fixes).length - 3);
    expect(events.filter(({ name }) => name.includes("jump") || name.includes("step"))).toEqual([]);
    const times = fixes.map(({ gst }) => gst);
    expect(times).toEqual([...times].sort((a, b) => a - b));
    expect(new Set(times).size).toBe(times.length);
  });

  it("that ran ahead does not silence the next one", () => {
    const middle = arrivals[Math.floor(arrivals.length * 0.6)];
    let changed = false;
    const { fixes } = live(good, (gst, pipeline) => {
      if (gst < middle || changed) return;
      changed = true;
      // A NAV-PVT two hours ahead, whole but for what it says.
      const pvt = Buffer.alloc(92);
      pvt.writeUInt32LE(((Math.round(gst) % 604_800) + 7200) * 1000, 0);
      pvt[11] = 3;
      pvt[20] = 3;
      pipeline.push(frameOf(0x01, 0x07, pvt), good(gst));
      pipeline.push(frameOf(0x01, 0x61, Buffer.alloc(4)), good(gst));
      pipeline.receiverChanged();
    });
    expect(fixes.some(({ gst }) => gst > middle + 7000)).toBe(true);
    const after = fixes.filter(({ gst, own }) => own !== null && gst > middle + 10 && gst < middle + 1000);
    expect(after.length).toBeGreaterThan(20);
    // The step of time is a sign that stands for a while; nothing else is held against the new receiver.
    for (const { reasons } of after) expect(reasons).toEqual(["time-jump"]);
  });
});

function frameOf(messageClass: number, messageId: number, payload: Uint8Array): Uint8Array {
  const frame = Buffer.alloc(payload.length + 8);
  frame.set([0xb5, 0x62, messageClass, messageId]);
  frame.writeUInt16LE(payload.length, 4);
  frame.set(payload, 6);
  let [a, b] = [0, 0];
  for (const byte of frame.subarray(2, -2)) b = (b + (a = (a + byte) & 0xff)) & 0xff;
  frame[frame.length - 2] = a;
  frame[frame.length - 1] = b;
  return frame;
}

describe("options of the own position", () => {
  const run = (stage: Partial<FixStageOptions>): FixRecord[] => {
    const records: PipelineRecord[] = [];
    const pipeline = newPipeline("simulated", stage, records);
    pipeline.push(bytes);
    pipeline.end();
    return records.filter((record) => record.type === "fix");
  };

  it("a mask keeps satellites out", () => {
    const satellites = (fixes: readonly FixRecord[]) => fixes.flatMap(({ own }) => own?.satellites ?? []);
    const plain = satellites(run({}));
    const elevations = plain.map(({ elevationCdeg }) => elevationCdeg);
    const mask = Math.ceil(Math.min(...elevations) / 100) + 1;
    const masked = satellites(run({ solver: { elevationMaskDeg: mask } }));
    expect(masked.length).toBeGreaterThan(50);
    expect(masked.length).toBeLessThan(plain.length);
    expect(Math.min(...masked.map(({ elevationCdeg }) => elevationCdeg))).toBeGreaterThanOrEqual(100 * mask);
    const cno = Math.min(...plain.map(({ cnoDbHz }) => cnoDbHz)) + 1;
    const strong = satellites(run({ measurements: { minimumCnoDbHz: cno } }));
    expect(strong.length).toBeGreaterThan(50);
    expect(strong.length).toBeLessThan(plain.length);
    expect(Math.min(...strong.map(({ cnoDbHz }) => cnoDbHz))).toBeGreaterThanOrEqual(cno);
  });

  it("smoothed positions are told apart, and have no evidence, for an epoch alone does not give them", () => {
    let asked = 0;
    const evidence = (): string => {
      asked += 1;
      return "ab".repeat(32);
    };
    const plain = run({ evidence });
    expect(plain.filter((fix) => fix.own !== null && fix.evidence !== null).length).toBeGreaterThan(200);
    asked = 0;
    const smoothed = run({ evidence, carrierSmoothing: true });
    const own = smoothed.filter((fix) => fix.own !== null);
    expect(own.length).toBeGreaterThan(200);
    for (const { own: position, evidence: id } of own) {
      expect(position!.notes).toContain("carrier-smoothed");
      expect(id).toBeNull();
    }
    expect(asked).toBe(smoothed.filter((fix) => fix.evidence !== null).length);
  });
});
