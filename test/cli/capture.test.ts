import { Command } from "commander";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { Framer } from "gnss-ubx";
import { captureInfo, placeOf, registerCapture } from "../../src/cli/commands/capture.js";
import { runReplay } from "../../src/cli/replay-run.js";
import { epochGstOf } from "../../src/recorder/epoch-time.js";
import { PlaceEstimate } from "../../src/recorder/place.js";
import { RecordingWriter } from "../../src/recorder/writer.js";
import { parametrisedScenario, Simulation } from "../../src/simulate/scenario.js";
import { ubxFrames } from "../../src/simulate/ubx-stream.js";
import { openCapture } from "../../src/source/capture-file.js";
import { trustOf } from "../support/osnma.js";

const scenario = parametrisedScenario({ seed: "capture", subframes: 8, satellites: [2, 7, 11, 14, 20] });
const simulation = new Simulation(scenario.options);
const frames = [...ubxFrames(simulation, { rawx: true, nmea: true })];
const plain = Buffer.concat(frames);

let folder: string;
let plainFile: string;
let recordingFile: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "osnmad-capture-"));
  plainFile = join(folder, "a.ubx");
  writeFileSync(plainFile, plain);
  recordingFile = join(folder, "a.osnr");
  const blocks: Uint8Array[] = [];
  const writer = new RecordingWriter((bytes) => blocks.push(bytes));
  writer.head({
    format: "osnmad-recording",
    version: 1,
    session: "0123456789",
    part: 0,
    startedAt: "2026-11-26T10:00:00.000Z",
    mode: "live",
    trustedTime: true,
    softwareVersion: "test",
    source: "ttyACM0",
    receiverId: "serial-4711",
  });
  for (let at = 0, i = 0; at < plain.length; at += 700, i++) {
    const silence = i > 100 ? 60_000 : 0;
    writer.bytes(plain.subarray(at, at + 700), {
      unixMs: 1.79e12 + i * 100 + silence,
      monotonicMs: i * 100 + silence,
      trusted: i < 50 ? null : { gst: i, boundSeconds: i < 80 ? 100 : 0.25, assurance: "independent" },
    });
    if (i === 10)
      writer.note({ note: "clock-step", seconds: 3 }, { unixMs: 1.79e12, monotonicMs: 0, trusted: null });
  }
  writer.end();
  writeFileSync(recordingFile, Buffer.concat(blocks));
});
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

async function run(...words: string[]): Promise<string> {
  let said = "";
  const spy = vi.spyOn(process.stderr, "write").mockImplementation((text) => {
    said += String(text);
    return true;
  });
  try {
    const program = new Command("osnmad").exitOverride();
    registerCapture(program);
    await program.parseAsync(["node", "osnmad", "capture", ...words]);
  } finally {
    spy.mockRestore();
  }
  return said;
}

async function bytesOf(file: string): Promise<Buffer> {
  const parts: Buffer[] = [];
  await openCapture(file).read((chunk) => void parts.push(Buffer.from(chunk)));
  return Buffer.concat(parts);
}

/** Frames by class and id, and the bytes that belong to none. */
function contents(bytes: Uint8Array): {
  kinds: Set<number>;
  skipped: number;
  nmea: number;
  times: number[];
  satellites: Set<number>;
} {
  const framer = new Framer();
  const found = {
    kinds: new Set<number>(),
    skipped: 0,
    nmea: 0,
    times: [] as number[],
    satellites: new Set<number>(),
  };
  const sink = {
    ubx: (messageClass: number, messageId: number, payload: Uint8Array): void => {
      found.kinds.add((messageClass << 8) | messageId);
      const gst = epochGstOf(messageClass, messageId, payload);
      if (gst !== null) found.times.push(gst);
      if (messageClass === 2 && messageId === 0x13) found.satellites.add(payload[1]);
    },
    nmea: (): void => {
      found.nmea++;
    },
  };
  framer.push(bytes, sink);
  framer.end(sink);
  found.skipped = framer.counts.skippedBytes;
  return found;
}

describe("capture cut", () => {
  it.each(["plain", "recording"])(
    "by time, of a %s, keeps whole frames of that time and nothing else",
    async (kind) => {
      const from = simulation.startGst + 60;
      const [week, tow] = [Math.floor(from / 604_800), from % 604_800];
      const out = join(folder, `cut-${kind}`);
      await run(
        "cut",
        kind === "plain" ? plainFile : recordingFile,
        "--from",
        `${week}:${tow}`,
        "--to",
        `${week}:${tow + 30}`,
        "-o",
        out,
      );
      const bytes = await bytesOf(out);
      expect(plain.includes(bytes)).toBe(true);
      const { times, skipped } = contents(bytes);
      expect(skipped).toBe(0);
      expect(Math.min(...times)).toBeGreaterThanOrEqual(from);
      expect(Math.max(...times)).toBeLessThan(from + 30);
      expect(new Set(times.map(Math.round)).size).toBeGreaterThanOrEqual(28);
    },
  );

  it("by bytes, at frame boundaries", async () => {
    const out = join(folder, "cut-bytes");
    await run("cut", plainFile, "--from-byte", "1001", "--to-byte", "20001", "-o", out);
    const bytes = await bytesOf(out);
    const at = plain.indexOf(bytes);
    expect(at).toBeGreaterThanOrEqual(1001);
    expect(at + bytes.length).toBeLessThanOrEqual(20_001);
    expect(contents(bytes).skipped).toBe(0);
    expect(bytes.length).toBeGreaterThan(17_000);
  });

  it("pieces joined again are the whole, with their stamps", async () => {
    for (const source of [plainFile, recordingFile]) {
      const [a, b, whole] = ["p1", "p2", "whole"].map((name) => join(folder, name));
      await run("cut", source, "--to", "+77", "-o", a, "--force");
      await run("cut", source, "--from", "+77", "-o", b, "--force");
      await run("cat", a, b, "-o", whole, "--force");
      expect((await bytesOf(whole)).equals(plain)).toBe(true);
    }
    const stamps: unknown[] = [];
    await openCapture(join(folder, "whole")).read((_chunk, stamp) => void stamps.push(stamp?.trusted));
    expect(stamps[0]).toBeNull();
    expect(stamps.at(-1)).toMatchObject({ boundSeconds: 0.25 });
  });

  it("says what is wrong: nothing there, a file that is there, places that are none", async () => {
    await expect(run("cut", plainFile, "--from", "+99999", "-o", join(folder, "x"))).rejects.toThrow(
      /Nothing lies/,
    );
    await expect(run("cut", plainFile, "--from", "+1", "-o", plainFile)).rejects.toMatchObject({
      code: "OSN_OUTPUT_UNWRITABLE",
    });
    expect(readFileSync(plainFile).equals(plain)).toBe(true);
    for (const text of ["yesterday", "1385:604800", "+", "2026-03-09"])
      expect(() => placeOf(text)).toThrow(/A time is/);
    expect(placeOf("2026-03-09T15:00:17Z")).toEqual({ kind: "gst", gst: 1385 * 604_800 + 140_435 });
  });
});

describe("capture cat", () => {
  it("does not mix what has arrival times with what has none, unless told to drop them", async () => {
    const out = join(folder, "mixed");
    await expect(run("cat", recordingFile, plainFile, "-o", out)).rejects.toMatchObject({
      code: "OSN_USAGE",
    });
    await run("cat", recordingFile, plainFile, "-o", out, "--format", "ubx");
    expect((await bytesOf(out)).equals(Buffer.concat([plain, plain]))).toBe(true);
  });
});

describe("capture info", () => {
  it("tells parts, times, trust, silence and notes of a recording", async () => {
    const info = await captureInfo(recordingFile);
    expect(info).toMatchObject({ kind: "recording", gzip: false, bytes: plain.length, damage: null });
    expect(info.recording).toMatchObject({
      counts: { files: 1, endedFiles: 1, badBlocks: 0, skippedBytes: 0 },
      trusted: { none: 50, slow: 30, unknown: 0 },
      worstBoundSeconds: 100,
      gaps: [{ seconds: 60.1 }],
      notes: [{ note: "clock-step", seconds: 3 }],
    });
    expect(info.time.firstGst! - simulation.startGst).toBeLessThan(5);
  });

  it("tells damage", async () => {
    const bytes = readFileSync(recordingFile);
    bytes[bytes.length >> 1] ^= 1;
    const file = join(folder, "damaged.osnr");
    writeFileSync(file, bytes.subarray(0, bytes.length - 10));
    expect((await captureInfo(file)).damage).toMatch(
      /^1 part\(s\) end without their end block, 1 block\(s\) do not hold, 1 block\(s\) are missing, \d+ bytes were passed over$/,
    );
  });

  it("tells a plain capture's time and size", async () => {
    expect(await captureInfo(plainFile)).toMatchObject({
      kind: "plain",
      bytes: plain.length,
      recording: null,
    });
  });
});

describe("capture anonymise", () => {
  it("keeps nothing that holds a place, and what is kept authenticates as before", async () => {
    const out = join(folder, "anonymous");
    const said = await run("anonymise", plainFile, "-o", out);
    const { kinds, nmea, skipped } = contents(await bytesOf(out));
    for (const gone of [0x0107, 0x0215, 0x0135, 0x0143, 0x0114, 0x2703, 0x0a04])
      expect(kinds.has(gone)).toBe(false);
    expect([nmea, skipped]).toEqual([0, 0]);
    expect(said).toContain("RXM-RAWX");
    expect(said).toContain("cannot be shifted");

    const authenticated = async (capture: string): Promise<string[]> => {
      const lines: string[] = [];
      await runReplay(
        {
          capture,
          material: {
            ...trustOf(scenario.authority, [1]),
            rootKey: null,
            snapshot: null,
            warnings: [],
            simulated: true,
          },
          pipeline: { mode: "simulated", softwareVersion: "test" },
          speed: "max",
        },
        (record) => {
          if (record.type === "authenticated") lines.push(JSON.stringify(record));
        },
      );
      return lines;
    };
    const before = await authenticated(plainFile);
    expect(before.length).toBeGreaterThan(5);
    expect(await authenticated(out)).toEqual(before);
  });

  it("of a recording forgets who and where it was, and keeps when", async () => {
    const out = join(folder, "anonymous.osnr");
    await run("anonymise", recordingFile, "-o", out);
    const raw = readFileSync(out);
    const info = await captureInfo(out);
    expect(info.recording?.heads).toMatchObject([
      { source: null, receiverId: null, startedAt: "2026-11-26T10:00:00.000Z" },
    ]);
    expect(info.recording?.heads[0].session).not.toBe("0123456789");
    expect(info.recording?.notes).toEqual([]);
    expect(raw.includes("serial-4711")).toBe(false);
    expect(info.recording?.trusted.slow).toBeGreaterThan(10);
  });

  it("keeps pages alone, or of some satellites alone, where asked", async () => {
    const out = join(folder, "pages");
    await run("anonymise", plainFile, "-o", out, "--pages-only", "--satellites", "7,14");
    const { kinds, satellites } = contents(await bytesOf(out));
    expect([...kinds].sort()).toEqual([0x0125, 0x0213]);
    expect([...satellites].sort((a, b) => a - b)).toEqual([7, 14]);
  });

  it("leaves bytes between frames behind: half a position is one, too", async () => {
    const pvt = frames.find((frame) => frame[2] === 0x01 && frame[3] === 0x07)!;
    const broken = Buffer.from(pvt);
    broken[broken.length - 1] ^= 1;
    const file = join(folder, "broken.ubx");
    writeFileSync(file, Buffer.concat([broken, plain.subarray(0, 30_000), pvt.subarray(0, 60)]));
    await run("anonymise", file, "-o", join(folder, "whole-frames"));
    const kept = await bytesOf(join(folder, "whole-frames"));
    expect(contents(kept).skipped).toBe(0);
    expect(kept.includes(Buffer.from(pvt.subarray(24, 50)))).toBe(false);
  });

  it("measures what the satellites heard tell of the place: more satellites, less room", () => {
    const estimate = (satellites: ReadonlySet<number>): number => {
      const place = new PlaceEstimate();
      for (const frame of frames) {
        if (frame[2] !== 0x02 || frame[3] !== 0x13 || satellites.has(frame[7])) place.push(frame);
      }
      return place.end().share!;
    };
    const few = estimate(new Set([2, 7]));
    const all = estimate(new Set([2, 7, 11, 14, 20]));
    expect(few).toBeLessThan(0.5);
    expect(all).toBeLessThan(few);
    expect(new PlaceEstimate().end()).toMatchObject({ satellites: 0, share: null });
  });
});
