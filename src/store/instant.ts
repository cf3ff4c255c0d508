/** The instants that are searched by, as integers of milliseconds, and their written forms (RFC 3339 section 5.6). */
import { GST_END } from "../inav/gst.js";

const RFC3339 = /^(\d{4}-\d{2}-\d{2})[Tt](\d{2}:\d{2}):(\d{2})(\.\d{1,9})?([Zz]|[+-]\d{2}:\d{2})$/;
const GST = /^\d{1,10}(\.\d{1,9})?$/;

/** The calendar date that was looked at last: one fix after another is of the same. */
let lastDate = "";

/** Date.parse takes 30 February for 2 March: a date must survive as it was written. */
function isInCalendar(date: string): boolean {
  if (date === lastDate) return true;
  const midnight = Date.parse(`${date}T00:00:00Z`);
  if (Number.isNaN(midnight) || new Date(midnight).toISOString().slice(0, 10) !== date) return false;
  lastDate = date;
  return true;
}

/** Milliseconds since 1970 of an RFC 3339 date-time, null where it is none. A leap second is the next second. */
export function parseUtcMs(text: string): number | null {
  const match = RFC3339.exec(text);
  if (match === null) return null;
  const [, date, hourMinute, second, fraction = "", zone] = match;
  const leap = second === "60";
  const base = Date.parse(`${date}T${hourMinute}:${leap ? "59" : second}${zone.toUpperCase()}`);
  if (Number.isNaN(base) || !isInCalendar(date)) return null;
  return base + (leap ? 1000 : 0) + Math.floor(Number(`0${fraction}`) * 1000);
}

/** Milliseconds of a linear GST in seconds. */
export function gstMsOf(gstSeconds: number): number {
  if (typeof gstSeconds !== "number") throw new TypeError("gst: expected a number");
  if (!(gstSeconds >= 0 && gstSeconds < GST_END)) throw new RangeError("gst: outside of 4096 weeks");
  return Math.round(gstSeconds * 1000);
}

export type Instant = { readonly scale: "gst" | "utc"; readonly ms: number };

/** An RFC 3339 date-time, or linear GST in seconds as a decimal number; null for anything else. */
export function parseInstant(text: string): Instant | null {
  if (GST.test(text)) {
    const seconds = Number(text);
    return seconds < GST_END ? { scale: "gst", ms: gstMsOf(seconds) } : null;
  }
  const ms = parseUtcMs(text);
  return ms === null ? null : { scale: "utc", ms };
}
