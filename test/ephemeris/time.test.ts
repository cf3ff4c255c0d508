import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  ggtoSeconds,
  gstToUnix,
  gstToUtc,
  leapSecondsAt,
  resolveNearest,
  unixToGst,
} from "../../src/ephemeris/time.js";
import type { UtcParameters } from "../../src/ephemeris/time.js";

const WEEK = 604800;
/** Parameters with no leap second pending. */
const QUIET: UtcParameters = {
  a0Seconds: 0,
  a1SecondsPerSecond: 0,
  dtLsSeconds: 18,
  t0tSeconds: 86400,
  wn0tMod256: 105,
  wnLsfMod256: 137,
  dn: 7,
  dtLsfSeconds: 18,
};
/** The leap second at the end of 2016-12-31: end of Saturday of WN 905. */
const END_OF_2016: UtcParameters = {
  ...QUIET,
  wn0tMod256: 905 % 256,
  t0tSeconds: 0,
  dtLsSeconds: 17,
  wnLsfMod256: 905 % 256,
  dtLsfSeconds: 18,
};
/** Linear GST of 2017-01-01 00:00:00 UTC. */
const NEW_YEAR_GST = 906 * WEEK + 18;
const NEW_YEAR_UNIX = Date.UTC(2017, 0, 1) / 1000;

describe("GST and Unix time", () => {
  it("agree on the GST epoch and on a live day", () => {
    expect(gstToUnix(0, 13)).toBe(Date.UTC(1999, 7, 21, 23, 59, 47) / 1000);
    // The Leuven capture: WN 1385 began on Sunday 2026-03-08.
    expect(gstToUnix(1385 * WEEK + 18, 18)).toBe(Date.UTC(2026, 2, 8) / 1000);
  });

  it("are inverse", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 4095 * WEEK }), fc.integer({ min: 10, max: 40 }), (gst, leap) => {
        expect(unixToGst(gstToUnix(gst, leap), leap)).toBe(gst);
      }),
    );
  });

  it("refuse what is no number", () => {
    expect(() => gstToUnix(NaN, 18)).toThrow(RangeError);
    expect(() => gstToUnix(0, 18.5)).toThrow(RangeError);
    expect(() => unixToGst(Infinity, 18)).toThrow(RangeError);
  });
});

describe("GST to UTC", () => {
  it("needs no case where no leap second is pending, though an old WN_LSF resolves into the future", () => {
    const utc = gstToUtc(QUIET, 1385 * WEEK + 140525);
    expect(utc).toEqual({
      secondsOfDay: (140525 - 18) % 86400,
      isLeapSecond: false,
      unixSeconds: Date.UTC(2026, 2, 8) / 1000 + 140525 - 18,
      leapSeconds: 18,
      leapCase: "a",
    });
  });

  it("applies A0 and A1 from the reference time, WN0t taken in the nearest cycle", () => {
    const drifting = { ...QUIET, a0Seconds: 2 ** -10, a1SecondsPerSecond: 2 ** -40, wn0tMod256: 255 };
    const gst = 1280 * WEEK + 86400; // one week after t0t of WN 1279 = 255 mod 256
    const utc = gstToUtc(drifting, gst);
    expect(utc.unixSeconds).toBeCloseTo(gstToUnix(gst, 18) - 2 ** -10 - WEEK * 2 ** -40, 6);
    expect(utc.secondsOfDay).toBeCloseTo(86400 - 18 - 2 ** -10 - WEEK * 2 ** -40, 6);
  });

  it("counts through 23:59:60 of 2016-12-31", () => {
    const seen = [-2, -1, -0.5, 0, 1].map((from) => gstToUtc(END_OF_2016, NEW_YEAR_GST + from));
    expect(seen.map((utc) => utc.secondsOfDay)).toEqual([86399, 86400, 86400.5, 0, 1]);
    expect(seen.map((utc) => utc.isLeapSecond)).toEqual([false, true, true, false, false]);
    expect(seen.map((utc) => utc.leapSeconds)).toEqual([17, 17, 17, 18, 18]);
    expect(seen.map((utc) => utc.unixSeconds - NEW_YEAR_UNIX)).toEqual([-1, 0, 0.5, 0, 1]);
    expect(seen.every((utc) => utc.leapCase === "b")).toBe(true);
  });

  it("passes a leap second taken away: 23:59:58 is followed by 00:00:00", () => {
    const negative = { ...END_OF_2016, dtLsfSeconds: 16 };
    const midnight = 906 * WEEK + 16;
    const seen = [-1, 0, 1].map((from) => gstToUtc(negative, midnight + from));
    expect(seen.map((utc) => utc.secondsOfDay)).toEqual([86398, 0, 1]);
    expect(seen.map((utc) => utc.unixSeconds - NEW_YEAR_UNIX)).toEqual([-2, 0, 1]);
    expect(seen.some((utc) => utc.isLeapSecond)).toBe(false);
  });

  it("changes case six hours before and after, without a step in the seconds of the day", () => {
    const dayEnd = 906 * WEEK;
    const cases = [-21601, -21600, 21600, 21601].map((from) => gstToUtc(END_OF_2016, dayEnd + from));
    expect(cases.map((utc) => utc.leapCase)).toEqual(["a", "b", "b", "c"]);
    expect(cases[1].secondsOfDay - cases[0].secondsOfDay).toBe(1);
    expect(cases[3].secondsOfDay - cases[2].secondsOfDay).toBe(1);
    expect(cases.map((utc) => utc.leapSeconds)).toEqual([17, 17, 18, 18]);
  });

  it("agrees with its own Unix time outside a leap second, for weeks on both sides of it", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 800 * WEEK, max: 1000 * WEEK }),
        fc.constantFrom(16, 17, 18),
        (gst, dtLsfSeconds) => {
          const utc = gstToUtc({ ...END_OF_2016, dtLsfSeconds }, gst);
          if (!utc.isLeapSecond) expect(utc.secondsOfDay).toBe(utc.unixSeconds % 86400);
          expect(utc.leapSeconds).toBe(leapSecondsAt({ ...END_OF_2016, dtLsfSeconds }, gst));
        },
      ),
    );
  });
});

describe("GGTO", () => {
  const parameters = {
    a0gSeconds: 2 ** -30,
    a1gSecondsPerSecond: 2 ** -50,
    t0gSeconds: 172800,
    wn0gMod64: 41,
  };

  it("refers to the week nearest to now", () => {
    // 1385 = 41 mod 64.
    expect(ggtoSeconds(parameters, 1385 * WEEK + 172800)).toBe(2 ** -30);
    expect(ggtoSeconds(parameters, 1386 * WEEK + 172800)).toBe(2 ** -30 + WEEK * 2 ** -50);
    expect(ggtoSeconds({ ...parameters, wn0gMod64: 63 }, 1408 * WEEK)).toBe(
      2 ** -30 + (WEEK - 172800) * 2 ** -50,
    );
  });

  it("is null, not zero, where there is none", () => {
    expect(ggtoSeconds(null, 1385 * WEEK)).toBeNull();
  });
});

describe("resolveNearest", () => {
  it("gives a congruent number at most half the modulus away", () => {
    fc.assert(
      fc.property(fc.constantFrom(4, 64, 256), fc.nat(4095), fc.nat(255), (modulus, near, value) => {
        const resolved = resolveNearest(value % modulus, modulus, near);
        expect((((resolved - value) % modulus) + modulus) % modulus).toBe(0);
        expect(resolved - near).toBeGreaterThanOrEqual(-modulus / 2);
        expect(resolved - near).toBeLessThan(modulus / 2);
      }),
    );
  });
});
