import { describe, expect, it } from "vitest";
import {
  BUILT_IN_LEAP_SECONDS,
  endOfMonth,
  gstOfUnix,
  leapAt,
  parseLeapSecondsList,
  withAuthenticated,
} from "../../src/time/leap-seconds.js";

const NTP = 2_208_988_800;
const NOW = Date.UTC(2026, 10, 26) / 1000;

function list(expires: number, rows: readonly (readonly [number, number])[]): string {
  return [
    "#\tATOMIC TIME",
    "#$\t 3960835200",
    `#@\t${expires + NTP}`,
    ...rows.map(([unix, tai]) => `${unix + NTP}\t${tai}\t# somewhen`),
    "#h\t49db2447 571e5e1b",
  ].join("\n");
}
const KNOWN = [
  [Date.UTC(2015, 6, 1) / 1000, 36],
  [Date.UTC(2017, 0, 1) / 1000, 37],
] as const;

describe("GST of Unix time", () => {
  it("follows the specification: unix = gst + 935280000 - 18", () => {
    // OSNMA worked example: WN 1385, TOW 140435 is 2026-03-09.
    const gst = 1385 * 604_800 + 140_435;
    const unix = gst + 935_280_000 - 18;
    expect(gstOfUnix(unix, 18)).toBe(gst);
    expect(new Date(unix * 1000).toISOString()).toBe("2026-03-09T15:00:17.000Z");
  });
});

describe("leap-seconds.list", () => {
  it("prolongs what is built in", () => {
    const expires = Date.UTC(2027, 5, 28) / 1000;
    const table = parseLeapSecondsList(list(expires, KNOWN));
    expect(table).toMatchObject({ dtLS: 18, next: null, knownUntilUnix: expires, source: "system" });
    expect(leapAt(table!, Date.UTC(2027, 3, 1) / 1000)).toEqual({ dtLS: 18, uncertaintySeconds: 0 });
  });

  it("announces a leap second, also a negative one", () => {
    const at = Date.UTC(2027, 6, 1) / 1000;
    const expires = Date.UTC(2027, 11, 28) / 1000;
    expect(parseLeapSecondsList(list(expires, [...KNOWN, [at, 38]]))?.next).toEqual({ atUnix: at, dtLS: 19 });
    const less = parseLeapSecondsList(list(expires, [...KNOWN, [at, 36]]))!;
    expect(leapAt(less, at + 3 * 86_400)).toEqual({ dtLS: 17, uncertaintySeconds: 0 });
    expect(leapAt(less, at - 3600)).toEqual({ dtLS: 18, uncertaintySeconds: 1 });
  });

  it.each([
    ["older than what is built in", list(Date.UTC(2025, 11, 28) / 1000, KNOWN)],
    ["without an expiry", list(Date.UTC(2027, 5, 28) / 1000, KNOWN).replace("#@", "##")],
    ["without the second of 2017", list(Date.UTC(2027, 5, 28) / 1000, KNOWN.slice(0, 1))],
    ["with another number for 2017", list(Date.UTC(2027, 5, 28) / 1000, [[KNOWN[1][0], 57]])],
    ["with a jump of more than a second", list(Date.UTC(2028, 5, 28) / 1000, [...KNOWN, [NOW, 47]])],
    ["empty", ""],
  ])("is refused: %s", (_name, text) => {
    expect(parseLeapSecondsList(text)).toBeNull();
  });
});

describe("an authenticated word 6", () => {
  /** The live word of the specification's example: no leap second ahead. */
  const quiet = { dtLS: 18, dtLSF: 18, wnLSF: 137, dn: 7 };

  it("confirms what is known, and prolongs it up to now", () => {
    const later = BUILT_IN_LEAP_SECONDS.knownUntilUnix + 30 * 86_400;
    expect(leapAt(BUILT_IN_LEAP_SECONDS, later).uncertaintySeconds).toBe(1);
    const table = withAuthenticated(BUILT_IN_LEAP_SECONDS, quiet, later)!;
    expect(leapAt(table, later).uncertaintySeconds).toBe(0);
    expect(leapAt(table, later + 365 * 86_400).uncertaintySeconds).toBe(2);
  });

  it("fills in a leap second that the table could not know", () => {
    const later = BUILT_IN_LEAP_SECONDS.knownUntilUnix + 30 * 86_400;
    expect(withAuthenticated(BUILT_IN_LEAP_SECONDS, { ...quiet, dtLS: 19, dtLSF: 19 }, later)?.dtLS).toBe(19);
  });

  it("announces one after the table's end", () => {
    // End of Wednesday 2027-06-30: week 1453 of GST, day 4.
    const at = Date.UTC(2027, 6, 1) / 1000;
    const table = withAuthenticated(
      BUILT_IN_LEAP_SECONDS,
      { dtLS: 18, dtLSF: 19, wnLSF: 1453 % 256, dn: 4 },
      at - 60 * 86_400,
    );
    expect(table?.next).toEqual({ atUnix: at, dtLS: 19 });
  });

  it.each([
    ["another number while the table is good", { ...quiet, dtLS: 17, dtLSF: 17 }, NOW],
    ["two at once", { ...quiet, dtLS: 18, dtLSF: 20 }, NOW],
    [
      "a leap second where the table says there is none",
      { dtLS: 18, dtLSF: 19, wnLSF: 1423 % 256, dn: 1 },
      NOW,
    ],
    [
      "more than was open",
      { ...quiet, dtLS: 25, dtLSF: 25 },
      BUILT_IN_LEAP_SECONDS.knownUntilUnix + 30 * 86_400,
    ],
    ["no day", { ...quiet, dn: 0 }, NOW],
    ["no number", { ...quiet, dtLS: Number.NaN }, NOW],
  ])("is refused: %s", (_name, word, unix) => {
    expect(withAuthenticated(BUILT_IN_LEAP_SECONDS, word, unix)).toBeNull();
  });
});

describe("the end of a month", () => {
  it("is where a leap flag takes effect", () => {
    expect(endOfMonth(Date.UTC(2026, 11, 5) / 1000)).toBe(Date.UTC(2027, 0, 1) / 1000);
  });
});
