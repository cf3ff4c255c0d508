import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { describeShared } from "../../../test/support/shared.js";
import { crc24q, encodeFrame, Framer } from "../src/index.js";
import { captureNames, readCapture } from "./support/captures.js";
import type { Scan } from "./support/streams.js";
import { collector, frame, framesOf, nmea, plainScan, rtcm3 } from "./support/streams.js";

const concat = (...parts: readonly Uint8Array[]): Uint8Array => new Uint8Array(Buffer.concat(parts));
const ascii = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, "latin1"));

/** Every byte is in a frame or counted as skipped, the runs touch, and the counts agree with them. */
function expectEveryByteAccounted({ found, counts }: Scan, total: number): void {
  let at = 0;
  for (const { offset, length } of found) {
    if (offset !== at) throw new Error(`a gap or overlap at ${at}`);
    at += length;
  }
  const sum = (kind: string): number =>
    found.filter((f) => f.kind === kind).reduce((n, f) => n + f.length, 0);
  const number = (kind: string): number => found.filter((f) => f.kind === kind).length;
  if (
    at !== total ||
    counts.totalBytes !== total ||
    counts.skippedBytes !== sum("skipped") ||
    counts.ubxFrames !== number("ubx") ||
    counts.nmeaSentences !== number("nmea") ||
    counts.rtcm3Frames !== number("rtcm3")
  ) {
    throw new Error(`bytes not accounted for: ${JSON.stringify(counts)}, reached ${at} of ${total}`);
  }
}

const payload = fc.uint8Array({ maxLength: 40 });
const ubxFrame = fc.tuple(fc.nat(255), fc.nat(255), payload).map(([c, i, p]) => encodeFrame(c, i, p));
const nmeaSentence = fc
  .string({ unit: fc.constantFrom(..."GNTX,0.9 *!"), minLength: 1, maxLength: 30 })
  .map((text) => nmea(text));
const rtcm3Frame = payload.map((p) => rtcm3(p));
const good = fc.oneof(ubxFrame, nmeaSentence, rtcm3Frame);
/** A frame with its end missing: what a receiver's full transmit buffer leaves. */
const cutFrame = fc.tuple(good, fc.nat(40)).map(([f, n]) => f.subarray(0, Math.max(0, f.length - 1 - n)));
const damagedFrame = fc.tuple(good, fc.nat(), fc.integer({ min: 1, max: 255 })).map(([f, where, flip]) => {
  const copy = f.slice();
  copy[where % copy.length] ^= flip;
  return copy;
});
/** Bytes rich in everything a frame may start with, and in small lengths that come true soon. */
const noise = fc
  .array(fc.constantFrom(0xb5, 0x62, 0xd3, 0x24, 0x21, 0x2a, 0x0d, 0x0a, 0x30, 0, 1, 2, 9, 0xff), {
    maxLength: 60,
  })
  .map((bytes) => Uint8Array.from(bytes));
const anyStream = fc
  .array(fc.oneof(good, good, cutFrame, damagedFrame, noise), { maxLength: 12 })
  .map((parts) => concat(...parts));
const streamAndCuts = fc.tuple(anyStream, fc.array(fc.nat(), { maxLength: 8 })).map(([bytes, raw]) => ({
  bytes,
  cuts: raw.map((n) => n % (bytes.length + 1)).sort((a, b) => a - b),
}));

describe("framer", () => {
  const pvtPoll = encodeFrame(0x01, 0x07, new Uint8Array(0));
  const timeGal = encodeFrame(0x01, 0x25, new Uint8Array(20).fill(7));

  it("separates UBX, NMEA and RTCM3 in one stream and tells where each starts", () => {
    const txt = nmea("GNTXT,01,01,00,txbuf alloc");
    expect(Buffer.from(txt).toString("latin1")).toBe("$GNTXT,01,01,00,txbuf alloc*61\r\n");
    const station = rtcm3(ascii("1005 message"));
    const { found, counts } = frame(concat(timeGal, txt, station, pvtPoll));
    expect(found.map(({ kind, offset }) => [kind, offset])).toEqual([
      ["ubx", 0],
      ["nmea", 28],
      ["rtcm3", 28 + txt.length],
      ["ubx", 28 + txt.length + station.length],
    ]);
    expect(counts).toMatchObject({ ubxFrames: 2, nmeaSentences: 1, rtcm3Frames: 1, skippedBytes: 0 });
  });

  it("accepts frames of no payload at all", () => {
    expect(framesOf(frame(concat(pvtPoll, rtcm3(new Uint8Array(0)), pvtPoll)))).toHaveLength(3);
  });

  it("knows the CRC-24Q check value", () => {
    expect(crc24q(ascii("123456789"))).toBe(0xcde703);
  });

  it("finds the frames inside the span that a cut frame claimed", () => {
    const cut = encodeFrame(0x02, 0x15, new Uint8Array(400)).subarray(0, 128);
    const stream = concat(cut, nmea("GNTXT,01,01,00,txbuf alloc"), timeGal, timeGal, new Uint8Array(400));
    const { found, counts } = frame(stream);
    expect(framesOf({ found, counts }).map(({ kind }) => kind)).toEqual(["nmea", "ubx", "ubx"]);
    expect(counts.badUbxChecksums).toBe(1);
  });

  it("finds the frames in the tail when the stream ends before a claimed length is there", () => {
    const cut = encodeFrame(0x02, 0x15, new Uint8Array(400)).subarray(0, 128);
    const { found, counts } = frame(concat(cut, timeGal));
    expect(found.map(({ kind, offset }) => [kind, offset])).toEqual([
      ["skipped", 0],
      ["ubx", 128],
    ]);
    // The cut frame was never whole, so its checksum was never compared.
    expect(counts.badUbxChecksums).toBe(0);
  });

  it("goes on with offsets and counts after an end", () => {
    const framer = new Framer();
    const { found, sink } = collector();
    framer.push(timeGal.subarray(0, 20), sink);
    framer.end(sink);
    framer.push(timeGal, sink);
    framer.end(sink);
    expect(found.map(({ kind, offset, length }) => [kind, offset, length])).toEqual([
      ["skipped", 0, 20],
      ["ubx", 20, 28],
    ]);
    expect(framer.counts.totalBytes).toBe(48);
  });

  it("refuses a header beyond the bound at once instead of waiting for it", () => {
    const framer = new Framer({ maxUbxPayload: 100 });
    const { found, sink } = collector();
    framer.push(concat(Uint8Array.of(0xb5, 0x62, 1, 7, 101, 0), timeGal), sink);
    expect(found.map(({ kind }) => kind)).toEqual(["skipped", "ubx"]);
  });

  it("holds the longest RXM-RAWX by default", () => {
    expect(frame(encodeFrame(0x02, 0x15, new Uint8Array(16 + 32 * 255))).counts.ubxFrames).toBe(1);
  });

  it("takes a line end of LF alone, small hexadecimal digits, and a start with `!`", () => {
    // Checksums by hand: A is 41; J (4A) and A (41) make 0b; A, I, V make 41 ^ 49 ^ 56 = 5E.
    const { counts } = frame(ascii("$A*41\n$JA*0b\r\n!AIV*5E\r\n"));
    expect(counts).toMatchObject({ nmeaSentences: 3, badNmeaChecksums: 0, skippedBytes: 0 });
  });

  it("counts an NMEA sentence with a wrong checksum, and its bytes as skipped", () => {
    const { counts } = frame(ascii("$GNTXT,01*00\r\n"));
    expect(counts).toMatchObject({ nmeaSentences: 0, badNmeaChecksums: 1, skippedBytes: 14 });
  });

  it("takes an NMEA sentence of just the bound, and none longer", () => {
    const line = nmea("x".repeat(60));
    expect(frame(line, [], { maxNmea: line.length }).counts.nmeaSentences).toBe(1);
    expect(frame(line, [], { maxNmea: line.length - 1 }).counts.nmeaSentences).toBe(0);
  });

  it("refuses arguments of the wrong kind or range", () => {
    expect(() => new Framer({ maxUbxPayload: 65536 })).toThrow(RangeError);
    expect(() => new Framer({ maxUbxPayload: -1 })).toThrow(RangeError);
    expect(() => new Framer({ maxNmea: 15 })).toThrow(RangeError);
    expect(() => new Framer({ maxNmea: "80" as unknown as number })).toThrow(TypeError);
    expect(() => new Framer().push("B5 62" as unknown as Uint8Array, collector().sink)).toThrow(TypeError);
  });

  it("property: agrees with a plain scan of the whole stream, and accounts for every byte", () => {
    fc.assert(
      fc.property(anyStream, (bytes) => {
        const scan = frame(bytes);
        expectEveryByteAccounted(scan, bytes.length);
        expect(scan.found).toEqual(plainScan(bytes));
      }),
      { numRuns: 1000 },
    );
  });

  it("property: agrees with a plain scan under small bounds", () => {
    fc.assert(
      fc.property(anyStream, (bytes) => {
        expect(frame(bytes, [], { maxUbxPayload: 12, maxNmea: 16 }).found).toEqual(plainScan(bytes, 12, 16));
      }),
      { numRuns: 300 },
    );
  });

  it("property: finds the same however the stream is cut into chunks", () => {
    fc.assert(
      fc.property(streamAndCuts, ({ bytes, cuts }) => {
        const whole = frame(bytes);
        expect(frame(bytes, cuts)).toEqual(whole);
        const everywhere = Array.from(bytes.keys());
        expect(frame(bytes, everywhere)).toEqual(whole);
      }),
      { numRuns: 500 },
    );
  });

  it("finds every frame where overlapping claims of all lengths surround it", () => {
    // Headers every 7 bytes that claim up to 200 bytes: the running sums answer nearly all of them.
    const parts: Uint8Array[] = [];
    for (let i = 0; i < 2000; i++) {
      parts.push(Uint8Array.of(0xb5, 0x62, i & 0xff, 1, (i * 37) % 200, 0, i >> 8));
      parts.push(Uint8Array.of(0xd3, 0, (i * 53) % 200));
      if (i % 5 === 0) parts.push(timeGal);
      if (i % 7 === 0) parts.push(rtcm3(Uint8Array.of(i & 0xff, 2, 3)));
    }
    const bytes = concat(...parts);
    const scan = frame(bytes);
    expect(scan.found).toEqual(plainScan(bytes));
    expect(scan.counts.ubxFrames).toBe(400);
    expect(scan.counts.rtcm3Frames).toBe(286);
    expect(frame(bytes, [1000, 1001, 9000])).toEqual(scan);
  });

  it("frames a chunk longer than its working slice as it frames small ones", () => {
    const bytes = concat(...Array.from({ length: 9000 }, (_, i) => (i % 3 === 0 ? pvtPoll : timeGal)));
    expect(bytes.length).toBeGreaterThan(2 * 65_536);
    const whole = frame(bytes);
    expect(whole.counts).toMatchObject({ ubxFrames: 9000, skippedBytes: 0 });
    expect(frame(bytes, [70_000, 140_000])).toEqual(whole);
  });

  describe("under streams made to be slow", () => {
    const patterns: readonly (readonly [string, readonly number[]])[] = [
      ["headers that claim 65535 bytes", [0xb5, 0x62, 1, 7, 0xff, 0xff]],
      ["headers that claim the longest payload taken", [0xb5, 0x62, 1, 7, 0x00, 0x20]],
      ["RTCM3 headers that claim 1023 bytes", [0xd3, 0x03, 0xff]],
      ["nothing but dollar signs", [0x24]],
      ["nothing but exclamation marks", [0x21]],
      ["alternating starts of sentences", [0x24, 0x41, 0x21, 0x41]],
    ];
    it.each(patterns)("%s: memory stays bounded and the time linear", (_, pattern) => {
      const megabytes = pattern.length === 6 ? 100 : 20;
      const chunk = new Uint8Array(60_000).map((_byte, i) => pattern[i % pattern.length]);
      const framer = new Framer();
      const sink = { ubx: (): void => undefined };
      framer.push(chunk, sink);
      const before = process.memoryUsage().arrayBuffers;
      const start = process.hrtime.bigint();
      while (framer.counts.totalBytes < megabytes * 1e6) framer.push(chunk, sink);
      const seconds = Number(process.hrtime.bigint() - start) / 1e9;
      framer.end(sink);
      expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(1e6);
      expect(framer.counts.skippedBytes).toBe(framer.counts.totalBytes);
      // Summing each claim anew would take minutes. The bound leaves room for a busy machine.
      expect(seconds).toBeLessThan(40);
    });
  });
});

/** Every place in a short file; in the two long ones, which would take a minute, every 7th or 29th. */
const strideFor = (bytes: Uint8Array): number => (bytes.length > 50_000 ? 29 : bytes.length > 15_000 ? 7 : 1);

describeShared("framer over recorded mixed streams", () => {
  for (const file of captureNames("mixed")) {
    const bytes = readCapture("mixed", file);
    const whole = frame(bytes);

    it(`${file}: agrees with a plain scan and accounts for every byte`, () => {
      expectEveryByteAccounted(whole, bytes.length);
      expect(whole.found).toEqual(plainScan(bytes));
      expect(whole.counts.ubxFrames).toBeGreaterThan(0);
    });

    // A cut at every place at once, and one cut at a time.
    it(`${file}: is framed the same wherever it is cut`, () => {
      expect(frame(bytes, Array.from(bytes.keys()))).toEqual(whole);
      const wanted = JSON.stringify(whole);
      const step = strideFor(bytes);
      for (let cut = 0; cut <= bytes.length; cut += step) {
        if (JSON.stringify(frame(bytes, [cut])) !== wanted) throw new Error(`differs with a cut at ${cut}`);
      }
    });

    it(`${file}: loses no whole frame wherever the stream ends`, () => {
      const step = strideFor(bytes);
      const frames = framesOf(whole);
      for (let end = 0; end <= bytes.length; end += step) {
        const cut = frame(bytes.subarray(0, end));
        expectEveryByteAccounted(cut, end);
        const offsets = new Set(framesOf(cut).map(({ offset }) => offset));
        const lost = frames.find((f) => f.offset + f.length <= end && !offsets.has(f.offset));
        if (lost) throw new Error(`frame at ${lost.offset} lost when the stream ends at ${end}`);
      }
    });

    if (bytes.length >= 15_000) continue;
    it(`${file}: a flipped byte, whichever, costs only the frame it is in`, () => {
      const frames = framesOf(whole);
      for (let at = 0; at < bytes.length; at++) {
        const flipped = bytes.slice();
        flipped[at] ^= 0xff;
        const scan = frame(flipped);
        expectEveryByteAccounted(scan, bytes.length);
        const left = new Map(framesOf(scan).map((f) => [f.offset, f.hex]));
        for (const { offset, length, hex } of frames) {
          if (at >= offset && at < offset + length) continue;
          if (left.get(offset) !== hex) throw new Error(`byte ${at} flipped: frame at ${offset} is lost`);
        }
      }
    });
  }
});
