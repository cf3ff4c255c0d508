/** UTC text of a Galileo time, without a clock: civil date arithmetic only (RFC 3339). */
import { marchDateOf } from "../ephemeris/calendar.js";
import { GST_TO_UNIX } from "../inav/gst.js";

/** RFC 3339 in UTC with milliseconds, of linear GST seconds and the leap seconds between GST and UTC. */
export function utcOfGst(gst: number, leapSeconds: number): string {
  const unixMs = Math.round((gst + GST_TO_UNIX - leapSeconds) * 1000);
  const days = Math.floor(unixMs / 86_400_000);
  const ms = unixMs - days * 86_400_000;
  const march = marchDateOf(days);
  const monthPrime = Math.floor((5 * march.day + 2) / 153);
  const day = march.day - Math.floor((153 * monthPrime + 2) / 5) + 1;
  const month = monthPrime < 10 ? monthPrime + 3 : monthPrime - 9;
  const year = march.year + (month <= 2 ? 1 : 0);
  const two = (value: number): string => String(value).padStart(2, "0");
  const seconds = Math.floor(ms / 1000);
  const clock = `${two(Math.floor(seconds / 3600))}:${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}`;
  return `${String(year).padStart(4, "0")}-${two(month)}-${two(day)}T${clock}.${String(ms % 1000).padStart(3, "0")}Z`;
}
