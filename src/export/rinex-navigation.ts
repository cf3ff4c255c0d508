/** Galileo I/NAV ephemerides as a RINEX 3.04 navigation file (table A8: Galileo data records). */
import type { Ephemeris } from "../ephemeris/ephemeris.js";
import { sisaMeters } from "../ephemeris/health.js";
import { resolveNearest, type UtcParameters } from "../ephemeris/time.js";
import { GPS_WEEK_OFFSET, gstOf, SECONDS_IN_WEEK, towOf, wnOf } from "../inav/gst.js";
import type { GgtoParameters } from "../inav/word.js";
import type { BroadcastSet } from "./broadcast-ephemerides.js";
import { exponential, headerLine, programLine, recordTime, versionLine } from "./rinex-format.js";
import { twoDigits } from "./calendar.js";

/** Data source: I/NAV from E1-B (bit 0), clock for the pair E5b, E1 (bit 9). */
const SOURCE_E1B = 0x201;
/** The same and I/NAV from E5b-I (bit 2): words of one set are identical on both. */
const SOURCE_BOTH = 0x205;

export interface NavigationHeader {
  readonly program: string;
  readonly created: Date;
  /** Newest of the file: they change slowly, and the header has room for one. */
  readonly ionosphere: Pick<Ephemeris, "ai0Sfu" | "ai1SfuPerDeg" | "ai2SfuPerDeg2"> | null;
  readonly utc: UtcParameters | null;
  readonly ggto: GgtoParameters | null;
  /** Near which the week numbers of UTC and GGTO parameters are counted. */
  readonly nearGst: number;
}

export function* navigationHeader(header: NavigationHeader): Generator<string> {
  const { ionosphere, utc, ggto, nearGst } = header;
  yield versionLine("N: GNSS NAV DATA");
  yield programLine(header.program, header.created);
  yield headerLine("I/NAV as received; says nothing of authentication", "COMMENT");
  if (ionosphere !== null) {
    const values = [ionosphere.ai0Sfu, ionosphere.ai1SfuPerDeg, ionosphere.ai2SfuPerDeg2];
    yield headerLine(`GAL  ${values.map((value) => exponential(value, 12, 4)).join("")}`, "IONOSPHERIC CORR");
  }
  if (utc !== null) {
    const week = resolveNearest(utc.wn0tMod256, 256, wnOf(nearGst));
    yield timeCorrection("GAUT", utc.a0Seconds, utc.a1SecondsPerSecond, utc.t0tSeconds, week);
  }
  if (ggto !== null) {
    const week = resolveNearest(ggto.wn0gMod64, 64, wnOf(nearGst));
    yield timeCorrection("GAGP", ggto.a0gSeconds, ggto.a1gSecondsPerSecond, ggto.t0gSeconds, week);
  }
  if (utc !== null) yield headerLine(String(utc.dtLsSeconds).padStart(6), "LEAP SECONDS");
  yield headerLine("", "END OF HEADER");
}

function timeCorrection(name: string, a0: number, a1: number, seconds: number, week: number): string {
  const reference = `${String(seconds).padStart(7)}${String(week + GPS_WEEK_OFFSET).padStart(5)}`;
  return headerLine(
    `${name} ${exponential(a0, 17, 10)}${exponential(a1, 16, 9)}${reference}`,
    "TIME SYSTEM CORR",
  );
}

/** The eight lines of one set. `bothBands`: the capture has E5b-I pages too. */
export function* navigationRecord(
  { ephemeris: eph, pageGst }: BroadcastSet,
  bothBands: boolean,
): Generator<string> {
  const tocGst = nearest(eph.tocSeconds, eph.toeGst);
  const health = eph.e1bDvs | (eph.e1bHs << 1) | (bothBands ? (eph.e5bDvs << 6) | (eph.e5bHs << 7) : 0);
  const first = [eph.af0Seconds, eph.af1SecondsPerSecond, eph.af2SecondsPerSecond2];
  yield `E${twoDigits(eph.svid)} ${recordTime(tocGst)}${numbers(first)}`;
  const rows = [
    [eph.iodNav, eph.crsMeters, eph.deltaN, eph.m0],
    [eph.cuc, eph.eccentricity, eph.cus, eph.sqrtA],
    [eph.toeSeconds, eph.cic, eph.omega0, eph.cis],
    [eph.i0, eph.crcMeters, eph.omega, eph.omegaDot],
    [eph.iDot, bothBands ? SOURCE_BOTH : SOURCE_E1B, wnOf(eph.toeGst) + GPS_WEEK_OFFSET, 0],
    // -1: no accuracy prediction available.
    [sisaMeters(eph.sisaIndex) ?? -1, health, eph.bgdE1E5aSeconds, eph.bgdE1E5bSeconds],
    [transmission(pageGst, eph.toeGst), 0],
  ];
  for (const row of rows) yield `    ${numbers(row)}`;
}

/** Seconds of the week that toe is in: RINEX has one week number for both. */
function transmission(pageGst: number, toeGst: number): number {
  return pageGst - gstOf(wnOf(toeGst), 0);
}

/** The time of week as linear GST, nearest to `gst`. */
function nearest(towSeconds: number, gst: number): number {
  const half = SECONDS_IN_WEEK / 2;
  const apart = towSeconds - towOf(gst);
  return gst + apart - (apart > half ? SECONDS_IN_WEEK : apart <= -half ? -SECONDS_IN_WEEK : 0);
}

function numbers(values: readonly number[]): string {
  return values.map((value) => exponential(value, 19, 12)).join("");
}
