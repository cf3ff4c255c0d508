/**
 * GST to UTC and to GPS time.
 * Source: Galileo OS SIS ICD 2.1 section 5.1.7 (GST-UTC, cases a, b, c) and 5.1.8 (GGTO).
 */

import { GST_TO_UNIX, SECONDS_IN_WEEK, wnOf } from "../inav/gst.js";
import type { FieldWord, GgtoParameters } from "../inav/word.js";

export const SECONDS_IN_DAY = 86_400;
/** Within this of the leap second the seconds of the day are reckoned so that a 60th second can be said. */
const LEAP_SECOND_MARGIN_SECONDS = 6 * 3600;

/** The UTC parameters of WT6. */
export type UtcParameters = Pick<
  FieldWord<6>,
  | "a0Seconds"
  | "a1SecondsPerSecond"
  | "dtLsSeconds"
  | "t0tSeconds"
  | "wn0tMod256"
  | "wnLsfMod256"
  | "dn"
  | "dtLsfSeconds"
>;

export interface UtcTime {
  /** Seconds of the UTC day, 0 to below 86400, or below 86401 in a day with a leap second inserted. */
  readonly secondsOfDay: number;
  /** True in a 60th second. */
  readonly isLeapSecond: boolean;
  /** Unix time with its fraction. POSIX has no name for a leap second: it shows as the first second of the next day. */
  readonly unixSeconds: number;
  /** Leap seconds in force, GPS time (and GST) minus UTC. */
  readonly leapSeconds: number;
  /** Which of the ICD's three cases applied. */
  readonly leapCase: "a" | "b" | "c";
}

/** The full number congruent to `value` that is nearest to `near`: -m/2 .. m/2-1 away. */
export function resolveNearest(value: number, modulus: number, near: number): number {
  const half = modulus / 2;
  const ahead = value - near + half;
  return near + ahead - Math.floor(ahead / modulus) * modulus - half;
}

/** End of day DN of week WN_LSF, linear GST without leap seconds. */
function leapDayEnd(utc: UtcParameters, gst: number): number {
  return resolveNearest(utc.wnLsfMod256, 256, wnOf(gst)) * SECONDS_IN_WEEK + utc.dn * SECONDS_IN_DAY;
}

/** Leap seconds in force at `gst`: dtLS before the leap second has been taken, dtLSF after. */
export function leapSecondsAt(utc: UtcParameters, gst: number): number {
  if (utc.dtLsSeconds === utc.dtLsfSeconds) return utc.dtLsSeconds;
  // The new day begins when UTC, by the new count, is at the day's end.
  return gst >= leapDayEnd(utc, gst) + utc.dtLsfSeconds ? utc.dtLsfSeconds : utc.dtLsSeconds;
}

/** UTC of a linear GST. With fractions: A0 and A1 are applied, nanoseconds as a rule. */
export function gstToUtc(utc: UtcParameters, gst: number): UtcTime {
  if (!Number.isFinite(gst)) throw new RangeError("gst must be finite");
  const referenceGst = resolveNearest(utc.wn0tMod256, 256, wnOf(gst)) * SECONDS_IN_WEEK + utc.t0tSeconds;
  const drift = utc.a0Seconds + utc.a1SecondsPerSecond * (gst - referenceGst);
  const leapSeconds = leapSecondsAt(utc, gst - drift);
  const unixSeconds = gst + GST_TO_UNIX - leapSeconds - drift;
  const modulo = (value: number, modulus: number): number => value - Math.floor(value / modulus) * modulus;

  if (utc.dtLsSeconds === utc.dtLsfSeconds) {
    const secondsOfDay = modulo(gst - utc.dtLsSeconds - drift, SECONDS_IN_DAY);
    return { secondsOfDay, isLeapSecond: false, unixSeconds, leapSeconds, leapCase: "a" };
  }
  const dayEnd = leapDayEnd(utc, gst);
  if (Math.abs(gst - dayEnd) <= LEAP_SECOND_MARGIN_SECONDS) {
    const half = SECONDS_IN_DAY / 2;
    const w = modulo(gst - utc.dtLsSeconds - drift - half, SECONDS_IN_DAY) + half;
    const secondsOfDay = modulo(w, SECONDS_IN_DAY + utc.dtLsfSeconds - utc.dtLsSeconds);
    return {
      secondsOfDay,
      isLeapSecond: secondsOfDay >= SECONDS_IN_DAY,
      unixSeconds,
      leapSeconds,
      leapCase: "b",
    };
  }
  const secondsOfDay = modulo(gst - leapSeconds - drift, SECONDS_IN_DAY);
  return { secondsOfDay, isLeapSecond: false, unixSeconds, leapSeconds, leapCase: gst < dayEnd ? "a" : "c" };
}

/** Unix time of a linear GST with a known number of leap seconds (18 since 2017), without A0 and A1. */
export function gstToUnix(gst: number, leapSeconds: number): number {
  if (!Number.isFinite(gst)) throw new RangeError("gst must be finite");
  if (!Number.isInteger(leapSeconds)) throw new RangeError("leapSeconds must be an integer");
  return gst + GST_TO_UNIX - leapSeconds;
}

/** Linear GST of a Unix time; the inverse of `gstToUnix`. */
export function unixToGst(unixSeconds: number, leapSeconds: number): number {
  if (!Number.isFinite(unixSeconds)) throw new RangeError("unixSeconds must be finite");
  if (!Number.isInteger(leapSeconds)) throw new RangeError("leapSeconds must be an integer");
  return unixSeconds - GST_TO_UNIX + leapSeconds;
}

/**
 * GGTO = Galileo minus GPS time in seconds at a linear GST, so that tGPS = tGST - GGTO; null where the satellite
 * says that there is none, which is not the same as zero.
 */
export function ggtoSeconds(parameters: GgtoParameters | null, gst: number): number | null {
  if (!Number.isFinite(gst)) throw new RangeError("gst must be finite");
  if (parameters === null) return null;
  const week = resolveNearest(parameters.wn0gMod64, 64, wnOf(gst));
  return (
    parameters.a0gSeconds +
    parameters.a1gSecondsPerSecond * (gst - (week * SECONDS_IN_WEEK + parameters.t0gSeconds))
  );
}
