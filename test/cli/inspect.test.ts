/** `osnmad inspect`: what it says of captures of our own, of defective input and of real recordings. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Writable } from "node:stream";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { encodeFrame, encodeMessage } from "gnss-ubx";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { inspectCapture, printInspection, type CaptureReport } from "../../src/cli/commands/inspect.js";
import { OsnmadError } from "../../src/errors.js";
import { gstOf } from "../../src/inav/gst.js";
import { CaptureInspection } from "../../src/pipeline/inspection.js";
import type { CaptureHeader } from "../../src/simulate/capture-header.js";
import { NmeaLines } from "../../src/source/nmea-lines.js";
import { describeShared, sharedPath } from "../support/shared.js";

const capture = (name: string): string =>
  fileURLToPath(new URL(`../../captures/${name}.ubx`, import.meta.url));
const ascii = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, "latin1"));
const sentence = (body: string): string => {
  let sum = 0;
  for (const byte of ascii(body)) sum ^= byte;
  return `$${body}*${sum.toString(16).toUpperCase().padStart(2, "0")}\r\n`;
};

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "osnmad-inspect-"));
});
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

function file(name: string, ...parts: Uint8Array[]): string {
  const path = join(folder, name);
  writeFileSync(path, Buffer.concat(parts));
  return path;
}

function print(report: CaptureReport): string {
  let text = "";
  printInspection(
    report,
    new Writable({
      write(chunk: Buffer, _encoding, done) {
        text += chunk.toString();
        done();
      },
    }),
  );
  return text;
}

const messageOf = (report: CaptureReport, name: string): number =>
  report.messages.find((message) => message.name === name)?.count ?? 0;

describe("inspect on our own captures", () => {
  it("counts messages with their rate, satellites, and pages with and without OSNMA", async () => {
    const report = await inspectCapture(capture("nominal"));
    expect(report.bytes).toBe(readFileSync(capture("nominal")).length);
    expect(report.bad).toEqual({ bytes: 0, runs: 0, first: [] });
    const rate = report.messages.find(({ name }) => name === "NAV-PVT")!.perSecond!;
    expect(rate).toBeCloseTo(1, 2);
    expect(report.satellites.map(({ svid }) => svid)).toEqual([5, 6, 7, 11, 12, 13, 14, 18, 19, 20]);
    expect(report.satellites.filter(({ transmitsOsnma }) => !transmitsOsnma).map(({ svid }) => svid)).toEqual(
      [6],
    );
    expect(report.signals).toMatchObject([{ gnss: "Galileo", signal: "E1-B" }]);
    const subframes = report.signals[0].satellites.reduce((sum, { subframes: count }) => sum + count, 0);
    expect(subframes).toBe(messageOf(report, "RXM-SFRBX"));
    expect(subframes).toBe(report.pages.pages["E1-B"]);
  });

  it("tells the OSNMA configuration as heard, and that it is not verified", async () => {
    const { osnma } = await inspectCapture(capture("nominal"));
    const header = capture("nominal").replace(/ubx$/, "json");
    const { chain } = JSON.parse(readFileSync(header, "utf8")) as CaptureHeader;
    expect(osnma.verified).toBe(false);
    expect(osnma.headers).toMatchObject([
      { header: "92", nmaStatus: "operational", cpks: "nominal", chainId: 1 },
    ]);
    expect(osnma.dsms[0]).toMatchObject({
      kind: "kroot",
      blocks: 8,
      blocksComplete: 8,
      kroot: {
        pkid: 2,
        chainId: 1,
        hash: "SHA-256",
        mac: "HMAC-SHA-256",
        keyBits: 128,
        tagBits: 40,
        maclt: 34,
        alpha: chain.alpha,
      },
    });
  });

  it("shows a public key, a P-521 root key and an alert as what they claim to be", async () => {
    const pkrev = (await inspectCapture(capture("pkrev-p521"))).osnma;
    expect(pkrev.dsms.map(({ pkr }) => pkr?.type)).toContain("P-521");
    expect(pkrev.headers.map(({ cpks }) => cpks)).toContain("pkrev");
    const alert = await inspectCapture(capture("alert"));
    expect(alert.osnma.dsms.map(({ pkr }) => pkr?.type)).toContain("alert");
    expect(print(alert)).toContain("as heard (not verified)");
  });

  it("finds NMEA, RTCM3 and bad bytes between the frames, with the first offsets", async () => {
    const report = await inspectCapture(capture("damaged"));
    expect(report.nmea.reduce((sum, { count }) => sum + count, 0)).toBe(report.frames.nmeaSentences);
    expect(report.frames.nmeaSentences).toBeGreaterThan(100);
    expect(report.rtcm3).toEqual([{ type: 1005, count: report.frames.rtcm3Frames }]);
    expect(report.nmeaTexts[0].text).toBe("txbuf alloc");
    expect(report.bad.runs).toBeGreaterThan(10);
    expect(report.bad.first).toHaveLength(10);
    expect(report.bad.bytes).toBe(report.frames.skippedBytes);
    expect(report.satellites[0].missingPages).toBeGreaterThan(0);
  });

  it("says the same whatever pieces the bytes come in", async () => {
    const whole = await inspectCapture(capture("damaged"));
    expect(await inspectCapture(capture("damaged"), { chunkBytes: 97 })).toEqual(whole);
  });

  it("lists outages of all satellites", async () => {
    const bytes = readFileSync(capture("nominal"));
    const cut = file("cut.ubx", bytes.subarray(0, 100_000), bytes.subarray(150_000));
    const { outages } = await inspectCapture(cut);
    expect(outages.count).toBe(1);
    expect(outages.seconds).toBeGreaterThan(20);
    expect(outages.first[0].toGst - outages.first[0].fromGst).toBe(outages.seconds);
    expect((await inspectCapture(capture("nominal"))).outages.count).toBe(0);
  });
});

describe("what inspect keeps to itself", () => {
  const pvt = (lat: number): Uint8Array => {
    const payload = new Uint8Array(92);
    const view = new DataView(payload.buffer);
    view.setUint16(4, 2026, true);
    payload.set([6, 22, 15, 20, 1, 7], 6);
    payload[20] = 3;
    payload[21] = 1;
    view.setInt32(24, 47_300_000, true);
    view.setInt32(28, lat, true);
    return encodeFrame(0x01, 0x07, payload);
  };

  it("prints coordinates only when asked", async () => {
    const path = file("place.ubx", pvt(508_486_440));
    const report = await inspectCapture(path);
    expect(report.position).toBeNull();
    expect(`${print(report)}${JSON.stringify(report)}`).not.toMatch(/50\.?848644/);
    const asked = await inspectCapture(path, { position: true });
    expect(asked.position).toMatchObject({ latitudeE7: 508_486_440, utc: "2026-06-22T15:20:01Z" });
    expect(print(asked)).toContain("50.8486440");
  });

  it("never puts control characters of the capture on a terminal", async () => {
    const inf = encodeFrame(0x04, 0x02, ascii("antenna \u001b[2J ok"));
    const report = await inspectCapture(file("inf.ubx", inf));
    expect(report.texts).toEqual([{ message: "INF-NOTICE", text: "antenna ?[2J ok", count: 1 }]);
    const name = encodeFrame(0x0a, 0x04, ascii("\u001b]0;evil\u0007".padEnd(40, "\0")));
    expect(print(await inspectCapture(file("ver.ubx", name)))).not.toContain("\u001b");
  });
});

describe("inspect on other input", () => {
  const code = async (path: string): Promise<string> => {
    try {
      await inspectCapture(path);
    } catch (error) {
      if (error instanceof OsnmadError) return error.code;
      throw error;
    }
    return "read";
  };

  it("refuses only what cannot be read", async () => {
    expect(await code(join(folder, "absent.ubx"))).toBe("OSN_CAPTURE_NOT_FOUND");
    expect(await code(folder)).toBe("OSN_CAPTURE_NOT_FOUND");
    expect(await code(file("empty.ubx"))).toBe("read");
  });

  it("says that a file is empty, or holds no frame at all", async () => {
    expect(print(await inspectCapture(file("empty.ubx")))).toContain("The file is empty.");
    const picture = file(
      "picture.jpg",
      Uint8Array.of(0xff, 0xd8, 0xff, 0xe0),
      new Uint8Array(5000).fill(0x41),
    );
    const report = await inspectCapture(picture);
    expect(report.bad).toMatchObject({ bytes: 5004, runs: 1, first: [{ offset: 0, bytes: 5004 }] });
    expect(print(report)).toContain("No UBX, NMEA or RTCM3 frame");
  });

  it("says that nothing can be authenticated without Galileo pages", async () => {
    const report = await inspectCapture(file("nmea.log", ascii(sentence("GPGGA,1,2,3").repeat(5))));
    expect(report.nmea).toEqual([{ name: "GPGGA", count: 5 }]);
    expect(print(report)).toContain("No Galileo I/NAV page");
  });

  it("shows the receiver's own warnings only when it raises some", async () => {
    const status = (spoofDetState: number): Uint8Array => {
      const payload = new Uint8Array(16);
      payload[7] = spoofDetState << 3;
      return encodeFrame(0x01, 0x03, payload);
    };
    const calm = await inspectCapture(file("calm.ubx", status(0), status(1)));
    expect(calm.receiverFlags).toEqual([]);
    const raised = await inspectCapture(file("raised.ubx", status(1), status(2), status(3)));
    expect(raised.receiverFlags).toEqual([
      {
        message: "NAV-STATUS",
        what: "spoofing",
        raised: 2,
        of: 3,
        worst: 3,
        firstOffset: 24,
        firstGst: null,
      },
    ]);
  });

  it("survives any bytes, and accounts for all of them", () => {
    const frame = fc
      .record({
        messageClass: fc.constantFrom(0x01, 0x02, 0x04, 0x0a, 0x27),
        messageId: fc.constantFrom(0x02, 0x03, 0x04, 0x07, 0x09, 0x13, 0x36, 0x38),
        payload: fc.uint8Array({ maxLength: 120 }),
      })
      .map(({ messageClass, messageId, payload }) => encodeFrame(messageClass, messageId, payload));
    fc.assert(
      fc.property(fc.array(fc.oneof(frame, fc.uint8Array({ maxLength: 60 })), { maxLength: 20 }), (parts) => {
        const inspection = new CaptureInspection({ position: true });
        for (const part of parts) inspection.push(part);
        const report = inspection.end();
        const runs = report.bad.first.reduce((sum, { bytes }) => sum + bytes, 0);
        expect(report.bytes).toBe(parts.reduce((sum, part) => sum + part.length, 0));
        expect(report.messages.reduce((sum, { count }) => sum + count, 0)).toBe(report.frames.ubxFrames);
        if (report.bad.runs <= 10) expect(runs).toBe(report.bad.bytes);
      }),
      { numRuns: 300 },
    );
  });
});

describe("NMEA lines behind the framer", () => {
  it("counts by talker and type, proprietary sentences by their number", async () => {
    const lines = new NmeaLines();
    for (const body of ["GNGGA,1", "GPGSV,3", "GPGSV,4", "PUBX,00,5", "PUBX,04,5"])
      lines.write(ascii(sentence(body)));
    await lines.settled();
    expect(lines.sentences).toBe(5);
    expect(lines.counts()).toEqual([
      { name: "GPGSV", count: 2 },
      { name: "GNGGA", count: 1 },
      { name: "PUBX,00", count: 1 },
      { name: "PUBX,04", count: 1 },
    ]);
  });

  it("keeps sentences apart that end with LF alone", async () => {
    const lines = new NmeaLines();
    lines.write(ascii(sentence("GNGGA,1").replace("\r", "")));
    lines.write(ascii(sentence("GNRMC,1")));
    await lines.settled();
    expect(lines.counts().map(({ name }) => name)).toEqual(["GNGGA", "GNRMC"]);
  });

  it("collects the texts of TXT sentences and bounds how many", async () => {
    const lines = new NmeaLines();
    lines.write(ascii(sentence("GNTXT,01,01,00,txbuf alloc")));
    lines.write(ascii(sentence("GNTXT,01,01,00,txbuf alloc")));
    for (let i = 0; i < 500; i++) lines.write(ascii(sentence(`GNTXT,01,01,02,number ${i}`)));
    await lines.settled();
    expect(lines.texts().length).toBeLessThanOrEqual(33);
    expect(lines.texts()).toContainEqual({ text: "txbuf alloc", count: 2 });
    expect(lines.texts().reduce((sum, { count }) => sum + count, 0)).toBe(502);
  });

  it("bounds the kinds it tells apart", async () => {
    const lines = new NmeaLines();
    for (let i = 0; i < 2000; i++) lines.write(ascii(sentence(`P${i},1`)));
    await lines.settled();
    expect(lines.counts().length).toBeLessThanOrEqual(257);
    expect(lines.counts().reduce((sum, { count }) => sum + count, 0)).toBe(2000);
  });

  it("has nothing to wait for while nothing was written", () => {
    expect(new NmeaLines().settled()).toBeUndefined();
  });
});

describeShared("inspect on real recordings", () => {
  it("describes the Leuven capture", async () => {
    const report = await inspectCapture(sharedPath("captures", "f9t-2026-03-09-leuven.ubx")!);
    expect(report.receiver?.extensions).toContain("MOD=ZED-F9T-20B");
    expect(report.pages.pages["E1-B"]).toBe(28_085);
    expect(report.pageTimes.timed).toBe(28_085);
    expect(report.time.firstPageGst).toBe(gstOf(1385, 140_503));
    expect(report.outages.count).toBe(0);
    expect(report.satellites.filter(({ transmitsOsnma }) => !transmitsOsnma).map(({ svid }) => svid)).toEqual(
      [32],
    );
    expect(report.osnma.headers).toMatchObject([{ header: "92", chainId: 1 }]);
    const hours = report.osnma.dsms.map(({ kroot }) => [kroot?.pkid, kroot?.wnK, kroot?.towhK]);
    expect(hours).toEqual([
      [2, 1385, 39],
      [2, 1385, 40],
    ]);
  });

  it("repeats what the receiver of the Besançon capture claims of jamming and spoofing", async () => {
    const report = await inspectCapture(sharedPath("captures", "f9-2025-04-25-besancon-rawx.ubx")!);
    const raised = report.receiverFlags.map(({ message, what }) => `${message} ${what}`);
    expect(raised).toEqual(["SEC-SIG jamming", "SEC-SIG spoofing", "NAV-STATUS spoofing"]);
    expect(report.osnma.headers).toMatchObject([{ header: "72", nmaStatus: "test", chainId: 3 }]);
  });

  it("names signals of several systems and reads mixed logs to their end", async () => {
    const x20 = await inspectCapture(sharedPath("captures", "mixed", "ublox-x20p.log")!);
    expect(x20.signals.map(({ gnss, signal }) => `${gnss} ${signal}`)).toEqual(
      expect.arrayContaining(["Galileo E1-B", "Galileo E5a-I", "Galileo E6-B", "GPS L5I"]),
    );
    const mixed = await inspectCapture(sharedPath("captures", "mixed", "pygpsdata-MIXED-RTCM3BADCRC.log")!);
    expect(mixed.frames).toMatchObject({ nmeaSentences: 2, rtcm3Frames: 6, badRtcm3Crcs: 1 });
    expect(mixed.bad.first).toEqual([{ offset: 52, bytes: 25 }]);
  });
});

describe("a whole MON-VER", () => {
  it("names software, hardware and extensions", async () => {
    const frame = encodeMessage("MON-VER", {
      swVersion: "EXT CORE 1.00",
      hwVersion: "00190000",
      extension: ["MOD=ZED-F9P"],
    });
    const report = await inspectCapture(file("monver.ubx", frame));
    expect(report.receiver).toEqual({
      software: "EXT CORE 1.00",
      hardware: "00190000",
      extensions: ["MOD=ZED-F9P"],
    });
  });
});
