/** Fields and header records of RINEX 3.04 (IGS/RTCM-SC104, 23 November 2018). */
import { calendarOf, twoDigits } from "./calendar.js";

export const RINEX_VERSION = "3.04";
const LABEL_COLUMN = 60;

/** A header record: 60 columns of content, then its label. */
export function headerLine(content: string, label: string): string {
  return content.slice(0, LABEL_COLUMN).padEnd(LABEL_COLUMN) + label;
}

/** `RINEX VERSION / TYPE` for Galileo alone. */
export function versionLine(kind: "OBSERVATION DATA" | "N: GNSS NAV DATA"): string {
  const version = `${RINEX_VERSION.padStart(9)}${" ".repeat(11)}`;
  return headerLine(`${version}${kind.padEnd(20)}E: GALILEO`, "RINEX VERSION / TYPE");
}

/** `PGM / RUN BY / DATE`. */
export function programLine(program: string, created: Date): string {
  const date = [created.getUTCFullYear(), created.getUTCMonth() + 1, created.getUTCDate()]
    .map(twoDigits)
    .join("");
  const time = [created.getUTCHours(), created.getUTCMinutes(), created.getUTCSeconds()]
    .map(twoDigits)
    .join("");
  return headerLine(`${program.slice(0, 20).padEnd(40)}${date} ${time} UTC`, "PGM / RUN BY / DATE");
}

/** `Fw.d`; what does not fit, or is no number, is left blank: RINEX has no other way to say so. */
export function fixed(value: number, width: number, decimals: number): string {
  const text = Number.isFinite(value) ? value.toFixed(decimals) : "";
  return text.length > width ? " ".repeat(width) : text.padStart(width);
}

/** `Dw.d` with an E: one digit before the point and a sign in front of an exponent of two digits. */
export function exponential(value: number, width: number, decimals: number): string {
  const [mantissa, exponent = "+0"] = value.toExponential(decimals).split("e");
  const digits = exponent.slice(1).padStart(2, "0");
  return `${mantissa}E${exponent.startsWith("-") ? "-" : "+"}${digits}`.padStart(width);
}

/** `2026 03 09 15 02 00`, as navigation records begin. */
export function recordTime(gst: number): string {
  const { year, month, day, hour, minute, second } = calendarOf(gst);
  return [String(year), ...[month, day, hour, minute, second].map(twoDigits)].join(" ");
}
