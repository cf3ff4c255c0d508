/** NMEA 0183 sentences of the simulated receiver: RMC and GGA. */
import { type EpochLabel, GEOID_METERS, utcOf } from "./ubx-messages.js";
import type { ReceiverState } from "./receiver-state.js";

/** UBX class and IDs under which u-blox configures standard sentences. */
export const NMEA_CLASS = 0xf0;
export const NMEA_GGA = 0x00;
export const NMEA_RMC = 0x04;

const two = (value: number): string => String(value).padStart(2, "0");

export function rmc(label: EpochLabel, state: ReceiverState): Uint8Array {
  const { time, date } = dateAndTime(label);
  if (label.knows !== "all" || !state.fixOk) return sentence(`GNRMC,${time},V,,,,,,,,,,N,V`);
  const [north, east] = state.velocity;
  const knots = (Math.hypot(north, east) / 0.514_444).toFixed(3);
  return sentence(`GNRMC,${time},A,${position(state)},${knots},,${date},,,A,V`);
}

export function gga(label: EpochLabel, state: ReceiverState): Uint8Array {
  const { time } = dateAndTime(label);
  if (label.knows !== "all" || !state.fixOk) return sentence(`GNGGA,${time},,,,,0,00,99.99,,,,,,`);
  const { heightMeters } = state.place;
  const height = `${(heightMeters - GEOID_METERS).toFixed(1)},M,${GEOID_METERS.toFixed(1)},M`;
  const count = two(Math.min(12, state.used.length));
  return sentence(`GNGGA,${time},${position(state)},1,${count},0.95,${height},,`);
}

/** Empty where the receiver does not know them. */
function dateAndTime(label: EpochLabel): { time: string; date: string } {
  if (label.knows === "nothing") return { time: "", date: "" };
  const utc = utcOf(label);
  const hundredths = two(Math.floor(utc.getUTCMilliseconds() / 10));
  return {
    time: `${two(utc.getUTCHours())}${two(utc.getUTCMinutes())}${two(utc.getUTCSeconds())}.${hundredths}`,
    date: `${two(utc.getUTCDate())}${two(utc.getUTCMonth() + 1)}${two(utc.getUTCFullYear() % 100)}`,
  };
}

function position({ place: { latitudeDeg, longitudeDeg } }: ReceiverState): string {
  const lat = `${degreesAndMinutes(latitudeDeg, 2)},${latitudeDeg < 0 ? "S" : "N"}`;
  return `${lat},${degreesAndMinutes(longitudeDeg, 3)},${longitudeDeg < 0 ? "W" : "E"}`;
}

function degreesAndMinutes(degrees: number, digits: number): string {
  const minutes = Math.round(Math.abs(degrees) * 60 * 1e5);
  const whole = Math.floor(minutes / 6e6);
  return `${String(whole).padStart(digits, "0")}${((minutes - whole * 6e6) / 1e5).toFixed(5).padStart(8, "0")}`;
}

/** An NMEA 0183 sentence with its checksum. */
export function sentence(body: string): Uint8Array {
  let sum = 0;
  for (let i = 0; i < body.length; i++) sum ^= body.charCodeAt(i);
  return new Uint8Array(
    Buffer.from(`$${body}*${sum.toString(16).toUpperCase().padStart(2, "0")}\r\n`, "ascii"),
  );
}
