/**
 * Galileo System Time as one linear number of seconds, `wn * 604800 + tow`, so that week and day
 * rollover need no special case. GST (0, 0) is 1999-08-22 00:00:00 UTC minus 13 s.
 * Source: Galileo OS SIS ICD 2.1 section 5.1.2; OSNMA SIS ICD 1.1 (GST_SF).
 */

export const SECONDS_IN_WEEK = 604_800;
/** Where the 12-bit week number ends, in 2078: no linear GST of a record, a key or a search is at or beyond it. */
export const GST_END = 4096 * SECONDS_IN_WEEK;
/** Length of an I/NAV subframe, seconds. */
export const SUBFRAME_SECONDS = 30;
/** Unix time of GST 0 before leap seconds are taken off: unix = gst + GST_TO_UNIX - dtLS. */
export const GST_TO_UNIX = 935_280_000;
/** GPS week minus Galileo week number. */
export const GPS_WEEK_OFFSET = 1024;

/** Linear seconds of (WN, TOW). */
export function gstOf(wn: number, towSeconds: number): number {
  return wn * SECONDS_IN_WEEK + towSeconds;
}

/** Week number of a linear GST. */
export function wnOf(gst: number): number {
  return Math.floor(gst / SECONDS_IN_WEEK);
}

/** Time of week, seconds, of a linear GST. */
export function towOf(gst: number): number {
  return gst - Math.floor(gst / SECONDS_IN_WEEK) * SECONDS_IN_WEEK;
}

/** The 32-bit form `WN mod 4096 << 20 | TOW` (OSNMA SIS ICD 1.1, GST_SF). */
export function gst32Of(gst: number): number {
  return (((wnOf(gst) & 0xfff) << 20) | towOf(gst)) >>> 0;
}

/** Start of the E1-B subframe that holds a page whose even half starts at `pageGst`. */
export function subframeOfE1Page(pageGst: number): number {
  return Math.floor((pageGst - 1) / SUBFRAME_SECONDS) * SUBFRAME_SECONDS;
}

/** `WN 1385 TOW 140400`, for people. */
export function formatGst(gst: number): string {
  return `WN ${wnOf(gst)} TOW ${towOf(gst)}`;
}
