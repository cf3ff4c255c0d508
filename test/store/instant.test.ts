import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { gstMsOf, parseInstant, parseUtcMs } from "../../src/store/instant.js";

describe("instants", () => {
  it("reads RFC 3339 with zone and fraction", () => {
    const expected = Date.UTC(2025, 3, 25, 10, 0, 0);
    for (const text of ["2025-04-25T10:00:00Z", "2025-04-25t10:00:00z", "2025-04-25T12:00:00+02:00"]) {
      expect(parseUtcMs(text)).toBe(expected);
    }
    expect(parseUtcMs("2025-04-25T10:00:00.250Z")).toBe(expected + 250);
  });

  it("takes a leap second for the second after it", () => {
    expect(parseUtcMs("2016-12-31T23:59:60Z")).toBe(Date.UTC(2017, 0, 1));
  });

  it("refuses what is no date-time", () => {
    for (const text of [
      "",
      "2025-04-25",
      "2025-04-25T10:00:00",
      "2025-02-30T10:00:00Z",
      "2025-04-25T25:00:00Z",
      "now",
    ]) {
      expect(parseInstant(text), text).toBeNull();
    }
  });

  it("reads back every millisecond that Date writes", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 4e12 }), (ms) => {
        expect(parseInstant(new Date(ms).toISOString())).toEqual({ scale: "utc", ms });
      }),
    );
  });

  it("reads GST in seconds and bounds it to 4096 weeks", () => {
    expect(parseInstant("810295218.5")).toEqual({ scale: "gst", ms: 810295218500 });
    expect(parseInstant(String(4096 * 604_800))).toBeNull();
    for (const text of ["-1", "1e9", "0x10", "NaN"]) expect(parseInstant(text), text).toBeNull();
    for (const value of [Number.NaN, -1, Infinity]) expect(() => gstMsOf(value)).toThrow(RangeError);
  });
});
