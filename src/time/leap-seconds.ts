/**
 * Leap seconds between UTC and GST: GST - UTC = dtLS, 18 s since 2017-01-01 (IERS Bulletin C 52; Galileo OS SIS
 * ICD 2.1, 5.1.7). A table ends somewhere; beyond, each half-year may have brought one more or one less, and that
 * is added to the bound instead of being guessed. Pure: time is data.
 */
import { GST_TO_UNIX, SECONDS_IN_WEEK } from "../inav/gst.js";
import type { LeapSecondWord } from "./types.js";

const DAY = 86_400;
/** Seconds from 1900 (NTP) to 1970. */
const NTP_TO_UNIX = 2_208_988_800;
/** TAI - GST. */
const TAI_MINUS_GST = 19;
/** Servers that smear a leap second spread it over up to a day around it. */
const SMEAR_SECONDS = DAY;
/** 2017-01-01: the leap second before which the built-in table says nothing. */
const SINCE_UNIX = 1_483_228_800;

export interface LeapSeconds {
  readonly dtLS: number;
  /** Unix seconds since when `dtLS` holds. */
  readonly sinceUnix: number;
  /** A leap second that is announced: from `atUnix` on it is `dtLS`. */
  readonly next: { readonly atUnix: number; readonly dtLS: number } | null;
  /** Up to here no other leap second comes. */
  readonly knownUntilUnix: number;
  readonly source: "built-in" | "system" | "authenticated";
}

/** As of IERS Bulletin C 71 (January 2026): none at the end of June 2026; the next could come at its December's. */
export const BUILT_IN_LEAP_SECONDS: LeapSeconds = {
  dtLS: 18,
  sinceUnix: SINCE_UNIX,
  next: null,
  // 2026-12-28, as that bulletin's table expires.
  knownUntilUnix: 1_798_416_000,
  source: "built-in",
};

export interface LeapState {
  readonly dtLS: number;
  /** How many seconds `dtLS` may be off. */
  readonly uncertaintySeconds: number;
}

/** What holds at `unix` (seconds). */
export function leapAt(table: LeapSeconds, unix: number): LeapState {
  let dtLS = table.dtLS;
  let uncertaintySeconds = 0;
  if (table.next !== null) {
    if (unix >= table.next.atUnix) dtLS = table.next.dtLS;
    if (Math.abs(unix - table.next.atUnix) <= SMEAR_SECONDS) uncertaintySeconds = 1;
  }
  return { dtLS, uncertaintySeconds: uncertaintySeconds + opportunities(table.knownUntilUnix, unix) };
}

/** Linear GST seconds of Unix seconds. */
export function gstOfUnix(unix: number, dtLS: number): number {
  return unix - GST_TO_UNIX + dtLS;
}

/** Ends of half-years after `from` that have come by `unix`, a day early because of smearing. */
function opportunities(from: number, unix: number): number {
  if (!(unix + SMEAR_SECONDS > from)) return 0;
  let count = 0;
  for (let half = halfOf(from) + 1; startOfHalf(half) - SMEAR_SECONDS <= unix; half++) {
    if (++count > 1000) break;
  }
  return count;
}

function halfOf(unix: number): number {
  const date = new Date(unix * 1000);
  return date.getUTCFullYear() * 2 + (date.getUTCMonth() >= 6 ? 1 : 0);
}

function startOfHalf(half: number): number {
  return Date.UTC(Math.floor(half / 2), half % 2 === 0 ? 0 : 6, 1) / 1000;
}

/** First second of the month after the one of `unix`: where an NTP server's leap flag takes effect. */
export function endOfMonth(unix: number): number {
  const date = new Date(unix * 1000);
  return Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1, 1) / 1000;
}

/**
 * Reads `leap-seconds.list` (IERS and NIST form; tzdata installs it). Null where it is not one, does not know the
 * 18 s of 2017, or is older than what is built in.
 */
export function parseLeapSecondsList(text: string): LeapSeconds | null {
  let expires: number | null = null;
  const rows: { readonly atUnix: number; readonly dtLS: number }[] = [];
  for (const line of text.slice(0, 65_536).split(/\r?\n/)) {
    const expiry = /^#@\s*(\d{9,11})\s*$/.exec(line);
    if (expiry !== null) expires = Number(expiry[1]) - NTP_TO_UNIX;
    const row = /^(\d{9,11})\s+(\d{1,3})(?:\s|$)/.exec(line);
    if (row !== null) {
      rows.push({ atUnix: Number(row[1]) - NTP_TO_UNIX, dtLS: Number(row[2]) - TAI_MINUS_GST });
    }
  }
  const known = rows.findIndex(
    ({ atUnix, dtLS }) => atUnix === SINCE_UNIX && dtLS === BUILT_IN_LEAP_SECONDS.dtLS,
  );
  if (expires === null || known < 0 || expires <= BUILT_IN_LEAP_SECONDS.knownUntilUnix) return null;
  // One step that the built-in table does not know is believed; a list with more needs a newer program.
  const later = rows.slice(known + 1);
  if (later.length > 1) return null;
  if (later.length === 1) {
    const [{ atUnix, dtLS }] = later;
    if (!(atUnix > SINCE_UNIX) || Math.abs(dtLS - BUILT_IN_LEAP_SECONDS.dtLS) !== 1) return null;
  }
  return {
    ...BUILT_IN_LEAP_SECONDS,
    next: later.length === 1 ? later[0] : null,
    knownUntilUnix: expires,
    source: "system",
  };
}

/**
 * The table after an authenticated word 6, heard at `unix`. Null where the word contradicts what is known: the
 * words it is judged by came in under that table, so it may fill in what was open and nothing else.
 */
export function withAuthenticated(
  table: LeapSeconds,
  word: LeapSecondWord,
  unix: number,
): LeapSeconds | null {
  const { dtLS, dtLSF, wnLSF, dn } = word;
  if (![dtLS, dtLSF, wnLSF, dn].every(Number.isInteger) || dn < 1 || dn > 7) return null;
  if (Math.abs(dtLSF - dtLS) > 1) return null;
  const gst = gstOfUnix(unix, table.dtLS);
  const week = Math.floor(gst / SECONDS_IN_WEEK);
  // The week nearest to now; the ICD keeps it within 127 weeks.
  const effective = week + ((((wnLSF - week) % 256) + 384) % 256) - 128;
  const atUnix = Math.round(effective * SECONDS_IN_WEEK + dn * DAY + GST_TO_UNIX);
  const before = unix < atUnix;
  const now = before ? dtLS : dtLSF;
  const known = leapAt(table, unix);
  if (Math.abs(now - known.dtLS) > known.uncertaintySeconds) return null;
  const next = before && dtLSF !== dtLS ? { atUnix, dtLS: dtLSF } : null;
  if (table.next !== null && unix < table.next.atUnix && table.knownUntilUnix > table.next.atUnix) {
    // The table announces one: the word may be silent yet, but must not say something else.
    if (next !== null && (next.atUnix !== table.next.atUnix || next.dtLS !== table.next.dtLS)) return null;
    return table;
  }
  if (next !== null && next.atUnix < table.knownUntilUnix) return null;
  return {
    dtLS: now,
    sinceUnix: now === table.dtLS ? table.sinceUnix : unix,
    next,
    knownUntilUnix: Math.max(table.knownUntilUnix, next === null ? unix : next.atUnix),
    source: "authenticated",
  };
}
