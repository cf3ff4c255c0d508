import fc from "fast-check";
import { readFileSync } from "node:fs";
import { Framer } from "gnss-ubx";
import { expect, it, describe } from "vitest";
import { NmeaLines } from "../../src/source/nmea-lines.js";
import { meaningOf, parseNmea } from "../../src/source/nmea-sentences.js";
import { describeShared, sharedPath } from "../support/shared.js";

function sentence(body: string): string {
  let sum = 0;
  for (const character of body) sum ^= character.charCodeAt(0);
  return `$${body}*${sum.toString(16).toUpperCase().padStart(2, "0")}\r\n`;
}

describe("NMEA sentences", () => {
  it("GGA: place, quality, height", () => {
    // The example of the u-blox interface descriptions, with its published checksum.
    const gga = parseNmea("$GPGGA,092725.00,4717.11399,N,00833.91590,E,1,08,1.01,499.6,M,48.0,M,,*5B\r\n");
    expect(gga).toMatchObject({
      type: "GGA",
      talker: "GP",
      quality: 1,
      satellites: 8,
      hdop: 1.01,
      altitudeMeters: 499.6,
      geoidSeparationMeters: 48,
      secondsOfDay: 9 * 3600 + 27 * 60 + 25,
    });
    expect(gga?.type === "GGA" && gga.position?.latitudeDeg).toBeCloseTo(47.2852332, 6);
    expect(gga?.type === "GGA" && gga.position?.longitudeDeg).toBeCloseTo(8.565265, 6);
  });

  it("south and west are negative", () => {
    const rmc = parseNmea(sentence("GNRMC,010203.50,A,3345.00000,S,07039.00000,W,1.5,,260726,,,A,V"));
    expect(rmc).toMatchObject({
      valid: true,
      position: { latitudeDeg: -33.75, longitudeDeg: -70.65 },
      speedKnots: 1.5,
      unix: Date.UTC(2026, 6, 26, 1, 2, 3) / 1000 + 0.5,
    });
  });

  it("without a fix there is no position, whatever stands in the fields", () => {
    expect(parseNmea(sentence("GNGGA,,4717.11399,N,00833.91590,E,0,00,99.99,,,,,,"))).toMatchObject({
      position: null,
      secondsOfDay: null,
    });
    expect(parseNmea(sentence("GNRMC,,V,4717.1,N,00833.9,E,,,,,,N,V"))).toMatchObject({
      valid: false,
      position: null,
      unix: null,
    });
  });

  it("ZDA and TXT", () => {
    expect(parseNmea(sentence("GPZDA,082710.00,16,09,2025,00,00"))).toMatchObject({
      unix: Date.UTC(2025, 8, 16, 8, 27, 10) / 1000,
    });
    expect(parseNmea(sentence("GPZDA,082710.00,31,02,2025,00,00"))).toMatchObject({ unix: null });
    expect(parseNmea(sentence("GNTXT,01,01,01,txbuf alloc, again"))).toEqual({
      type: "TXT",
      talker: "GN",
      severity: "warning",
      text: "txbuf alloc, again",
    });
  });

  it.each([
    ["a wrong checksum", "$GPGGA,092725.00,4717.11399,N,00833.91590,E,1,08,1.01,499.6,M,48.0,M,,*5C"],
    ["no checksum", "$GPGGA,092725.00,4717.11399,N,00833.91590,E,1,08,1.01,499.6,M,48.0,M,,"],
    ["too few fields", sentence("GPGGA,092725.00,4717.11399")],
    ["another type", sentence("GPGSV,1,1,00")],
    ["no sentence", "hello"],
    ["an endless line", `$GPTXT,01,01,02,${"x".repeat(5000)}*00`],
  ])("are not read: %s", (_name, line) => {
    expect(parseNmea(line)).toBeNull();
  });

  it("any fields are survived, and a position is on the Earth (property)", () => {
    const field = fc.oneof(
      fc.string({ maxLength: 12 }),
      fc.constantFrom("4717.1", "N", "00833.9", "E", "1", "A", ""),
    );
    fc.assert(
      fc.property(
        fc.constantFrom("GGA", "RMC", "ZDA", "TXT"),
        fc.array(field, { maxLength: 20 }),
        (type, fields) => {
          const parsed = parseNmea(sentence(`GN${type},${fields.join(",")}`));
          if (parsed === null || !("position" in parsed) || parsed.position === null) return;
          expect(Math.abs(parsed.position.latitudeDeg)).toBeLessThanOrEqual(90);
          expect(Math.abs(parsed.position.longitudeDeg)).toBeLessThanOrEqual(180);
        },
      ),
      { numRuns: 500 },
    );
  });

  it("texts that matter are known", () => {
    expect(meaningOf("txbuf alloc")).toBe("transmit-buffer-full");
    expect(meaningOf("ANTSTATUS=OPEN")).toBe("antenna-open");
    expect(meaningOf("ANTSTATUS=SHORT")).toBe("antenna-short");
    expect(meaningOf("ANTSTATUS=OK")).toBe("antenna-ok");
    expect(meaningOf("u-blox AG - www.u-blox.com")).toBe("receiver-started");
    expect(meaningOf("PMTK inv format")).toBeNull();
  });

  it("behind the framer give the receiver's last word on its place", async () => {
    const lines = new NmeaLines();
    const write = (text: string): void => {
      lines.write(Buffer.from(text, "latin1"));
    };
    write(sentence("GPZDA,082710.00,16,09,2025,00,00"));
    await lines.settled();
    expect(lines.fix).toBeNull();
    write("$GPGGA,092725.00,4717.11399,N,00833.91590,E,1,08,1.01,499.6,M,48.0,M,,*5B\r\n");
    write(sentence("GPGGA,092726.00,,,,,0,00,99.99,,,,,,"));
    await lines.settled();
    expect(lines.fix).toMatchObject({ from: "GGA", altitudeMeters: 499.6, utc: "2025-09-16T08:27:10.000Z" });
  });
});

describeShared("NMEA in a real mixed stream", () => {
  it("is read between UBX and RTCM3 frames", () => {
    const found: string[] = [];
    const framer = new Framer();
    const sink = {
      ubx: (): void => undefined,
      nmea: (line: Uint8Array): void => {
        found.push(parseNmea(Buffer.from(line).toString("latin1"))?.type ?? "other");
      },
    };
    framer.push(readFileSync(sharedPath("captures", "mixed", "pygpsdata-MIXED-RTCM3BADCRC.log")!), sink);
    framer.push(readFileSync(sharedPath("captures", "mixed", "ublox-lea-m8f.log")!), sink);
    expect(found.sort()).toEqual(["RMC", "TXT", "other"]);
  });
});
