/** The pipeline as a whole: same bytes, same records; garbage changes nothing; the summary as documented. */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Pipeline, type PipelineOptions, type PipelineRecord } from "../../src/pipeline/pipeline.js";
import type { SummaryRecord } from "../../src/pipeline/records.js";
import { parametrisedScenario, Simulation } from "../../src/simulate/scenario.js";
import { damaged, sentence, ubxFrames } from "../../src/simulate/ubx-stream.js";
import { fixesWith } from "../../src/fix/fix-stage.js";
import { keyOfFile, rootKeyOfFile, rootOfTree, trustOf, Truth } from "../support/osnma.js";

const scenario = parametrisedScenario({ seed: "pipeline", subframes: 8, satellites: [2, 7, 11, 14, 20] });
const simulation = new Simulation(scenario.options);
const frames = [...ubxFrames(simulation, { rawx: true, nmea: true })];
const bytes = Buffer.concat(frames);
const base: PipelineOptions = {
  ...trustOf(scenario.authority, [1]),
  mode: "replay",
  fixes: fixesWith({ mode: "replay", softwareVersion: "test" }),
  tags: true,
  softwareVersion: "test",
};

function run(chunks: Iterable<Uint8Array>, options: Partial<PipelineOptions> = {}) {
  const records: PipelineRecord[] = [];
  const pipeline = new Pipeline({ ...base, ...options }, (record) => records.push(record));
  for (const chunk of chunks) pipeline.push(chunk);
  const summary = pipeline.end();
  return { records, summary, lines: [...records, summary].map((record) => JSON.stringify(record)) };
}

const whole = run([bytes]);
const authenticatedOf = (records: readonly PipelineRecord[]): string[] =>
  records.filter((record) => record.type === "authenticated").map((record) => JSON.stringify(record));

describe("same bytes in, same records out", () => {
  it("twice", () => {
    expect(run([bytes]).lines).toEqual(whole.lines);
    expect(authenticatedOf(whole.records).length).toBeGreaterThan(5);
  });

  it("one byte at a time", () => {
    const head = bytes.subarray(0, 60_000);
    const single = Array.from(head, (byte) => Uint8Array.of(byte));
    expect(run(single).lines).toEqual(run([head]).lines);
  });

  it("in chunks of any size", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 9000 }), { minLength: 1, maxLength: 50 }), (sizes) => {
        const chunks: Uint8Array[] = [];
        for (let at = 0, i = 0; at < bytes.length; i++) {
          const size = sizes[i % sizes.length];
          chunks.push(bytes.subarray(at, at + size));
          at += size;
        }
        if (chunks.length > 20_000) return;
        expect(run(chunks).lines).toEqual(whole.lines);
      }),
      { seed: 3, numRuns: 15 },
    );
  });

  it("in a buffer that is overwritten after each push", () => {
    const shared = new Uint8Array(4096);
    const records: PipelineRecord[] = [];
    const pipeline = new Pipeline(base, (record) => records.push(record));
    for (let at = 0; at < bytes.length; at += shared.length) {
      const part = bytes.subarray(at, at + shared.length);
      shared.set(part);
      pipeline.push(shared.subarray(0, part.length));
      shared.fill(0xa5);
    }
    pipeline.end();
    expect(records.map((record) => JSON.stringify(record))).toEqual(whole.lines.slice(0, -1));
  });
});

describe("bytes that do not belong", () => {
  it("garbage between frames is counted, and the same is authenticated", () => {
    fc.assert(
      fc.property(
        // No sync bytes: a false frame may swallow what follows until its checksum fails.
        fc.array(fc.uint8Array({ minLength: 1, maxLength: 40 }), { minLength: 5, maxLength: 40 }),
        (garbage) => {
          const clean = garbage.map((part) =>
            part.map((byte) => (byte === 0xb5 || byte === 0xd3 || byte === 0x24 ? 0 : byte)),
          );
          const stream = frames.flatMap((frame, i) =>
            i % 7 === 0 ? [frame, clean[(i / 7) % clean.length]] : [frame],
          );
          const { records, summary } = run([Buffer.concat(stream)]);
          expect(authenticatedOf(records)).toEqual(authenticatedOf(whole.records));
          expect(summary.tags).toEqual(whole.summary.tags);
          expect(summary.badBytes).toBeGreaterThan(0);
        },
      ),
      { seed: 4, numRuns: 10 },
    );
  });

  it("a damaged link: fewer pages, no failed tag, nothing else authenticated", () => {
    for (const seed of ["one", "two", "three"]) {
      const { bytes: harmed } = damaged(frames, seed);
      const { summary, records } = run([harmed]);
      expect(summary.tags.failed).toEqual({ "0": 0, "4": 0, "12": 0 });
      const authenticated = records.filter((record) => record.type === "authenticated");
      expect(authenticated.length).toBeGreaterThan(0);
      expect(new Truth(simulation).forgeries(authenticated)).toEqual([]);
    }
  });

  it("any bytes: no throw, nothing found", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 4000 }), (any) => {
        const { records, summary } = run([any]);
        expect(records).toEqual([]);
        expect(summary.pages).toBe(0);
        expect(summary.state).toBe("warm");
      }),
      { seed: 5, numRuns: 100 },
    );
  });

  it("no bytes at all", () => {
    const { summary } = run([]);
    expect(summary).toMatchObject({
      pages: 0,
      badBytes: 0,
      ttfafSeconds: null,
      nmaStatus: null,
      cpks: null,
      chainId: null,
    });
  });

  it("NMEA alone is no bad byte", () => {
    const { summary } = run([sentence("GNRMC,,V,,,,,,,,,,N,V"), sentence("GNGGA,,,,,,0,00,99.99,,,,,,")]);
    expect(summary).toMatchObject({ badBytes: 0, pages: 0 });
  });
});

describe("the start offset", () => {
  it("leaves out the pages of the first seconds, and TTFAF counts from there", () => {
    const { summary } = run([bytes], { startOffsetSeconds: 60 });
    const start = simulation.startGst + 1 + 60;
    expect(summary["firstPageGst"]).toBe(start);
    expect(summary["skippedPages"]).toBe(30 * 5);
    expect(summary.pages).toBe(whole.summary.pages - 30 * 5);
    expect(summary.ttfafSeconds).not.toBeNull();
  });

  it("every second: TTFAF never negative, never above two minutes here", () => {
    const rootKey = simulation.schedule.at(simulation.startGst);
    for (let offset = 0; offset <= 60; offset += 3) {
      const { summary } = run([bytes], { startOffsetSeconds: offset, rootKey });
      expect(summary.ttfafSeconds!).toBeGreaterThanOrEqual(44);
      expect(summary.ttfafSeconds!).toBeLessThanOrEqual(120);
    }
  });
});

describe("the summary", () => {
  it("has the documented fields, with their kinds", () => {
    const { summary } = whole;
    const counts = { "0": expect.any(Number), "4": expect.any(Number), "12": expect.any(Number) } as unknown;
    expect(summary).toMatchObject({
      type: "summary",
      tags: { verified: counts, failed: counts, dummy: counts, authenticated: counts },
      macseq: { verified: expect.any(Number) as unknown, failed: 0 },
      keysVerified: 8,
      rootKeysVerified: 1,
      publicKeysVerified: [],
      alertVerified: false,
      nmaStatus: "operational",
      cpks: "nominal",
      chainId: 1,
      state: "authenticating",
      pages: 8 * 15 * 5,
      badBytes: 0,
    } satisfies Partial<Record<keyof SummaryRecord, unknown>>);
    expect(Object.keys(summary).slice(0, 15)).toEqual([
      "type",
      "tags",
      "macseq",
      "keysVerified",
      "rootKeysVerified",
      "publicKeysVerified",
      "alertVerified",
      "ttfafSeconds",
      "nmaStatus",
      "cpks",
      "chainId",
      "state",
      "pages",
      "badBytes",
      "rule",
    ]);
    expect(JSON.parse(JSON.stringify(summary))).toEqual(summary);
  });

  it("counts every tag once: verified and dummies apart, as the tag records say", () => {
    for (const adkd of [0, 4, 12] as const) {
      const tags = whole.records.filter((record) => record.type === "tag" && record.tag.adkd === adkd);
      const count = (outcome: string): number =>
        tags.filter((record) => record.type === "tag" && record.outcome === outcome).length;
      expect(whole.summary.tags.verified[adkd]).toBe(count("verified"));
      expect(whole.summary.tags.dummy[adkd]).toBe(count("dummy"));
    }
    const names = whole.records.flatMap((record) =>
      record.type === "tag" ? [JSON.stringify(record.tag)] : [],
    );
    expect(new Set(names).size).toBe(names.length);
  });

  it("events are lines with name, week and time of week", () => {
    const events = whole.records.filter((record) => record.type === "event");
    expect(events.length).toBeGreaterThan(0);
    for (const event of events) {
      expect(event.name).toMatch(/^[a-z][a-z0-9-]+$/);
      expect(event.wn).toBe(1400);
      expect(event.tow! % 30).toBe(0);
    }
  });
});

describe("live", () => {
  it("without a trusted time authenticates nothing; with one, the same as the replay", () => {
    const none = run([bytes], { mode: "live" });
    expect(authenticatedOf(none.records)).toEqual([]);
    expect(none.summary.tags.verified).toEqual({ "0": 0, "4": 0, "12": 0 });

    const records: PipelineRecord[] = [];
    const pipeline = new Pipeline({ ...base, mode: "live" }, (record) => records.push(record));
    let gst = simulation.startGst + 1;
    for (const frame of frames) {
      // NAV-EOE ends an epoch; the pages after it come within 0.1 s.
      pipeline.push(frame, { gst: gst + 0.1, boundSeconds: 0.5, assurance: "independent" });
      if (frame[2] === 0x01 && frame[3] === 0x25) gst = simulation.startGst + 1 + epochOf(frame);
    }
    const summary = pipeline.end();
    expect(summary.tags.verified).toEqual(whole.summary.tags.verified);
    expect(summary.timeAssurance).toBe("independent");
  });

  const firstTow = simulation.startGst % 604_800;
  function epochOf(frame: Uint8Array): number {
    return new DataView(frame.buffer, frame.byteOffset).getUint32(6 + 4, true) - firstTow - 1;
  }
});

describe("a capture of this repository", () => {
  it("authenticates nothing with another root key, key or tree than its own", () => {
    const file = (path: string): string => fileURLToPath(new URL(`../../captures/${path}`, import.meta.url));
    const root = rootOfTree(file("trust/TEST_OSNMA_MerkleTree_B.xml"));
    const { summary } = run([readFileSync(file("nominal.ubx"))], {
      roots: [{ root }],
      keys: [keyOfFile(file("trust/TEST_OSNMA_PublicKey_8.xml"), root)],
      rootKey: rootKeyOfFile(file("trust/TEST_root-key_nominal.txt")),
    });
    expect(summary.tags.verified).toEqual({ "0": 0, "4": 0, "12": 0 });
    expect(summary.keysVerified).toBe(0);
  });
});

describe("a first page whose time is far ahead", () => {
  it("hides nothing of what comes after it", () => {
    const start = simulation.startGst;
    const other = parametrisedScenario({ seed: "ahead", startGst: start + 7200, subframes: 1 });
    const ahead = new Simulation(other.options);
    const records: PipelineRecord[] = [];
    const pipeline = new Pipeline({ ...base, mode: "live" }, (record) => records.push(record));
    const trusted = (gst: number) => ({ gst, boundSeconds: 5, assurance: "independent" as const });
    for (const frame of ubxFrames(ahead)) pipeline.push(frame, trusted(start));
    let at = start;
    for (const frame of frames) {
      // NAV-EOE ends an epoch of one second.
      if (frame[2] === 1 && frame[3] === 0x61) at++;
      pipeline.push(frame, trusted(at));
    }
    expect(authenticatedOf(records).length).toBeGreaterThan(5);
    expect(pipeline.end()["skippedPages"]).toBe(0);
  });
});
