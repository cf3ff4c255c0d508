/** The leap seconds of every scenario, whatever its date: those since 2017. */
import { GST_TO_UNIX } from "../inav/gst.js";

/** GST minus UTC, seconds. */
export const LEAP_SECONDS = 18;

/** Linear GST of a moment of UTC. */
export function gstOfUnix(unixSeconds: number): number {
  return unixSeconds - GST_TO_UNIX + LEAP_SECONDS;
}

/** Unix time of a linear GST, seconds. */
export function unixOfGst(gst: number): number {
  return gst + GST_TO_UNIX - LEAP_SECONDS;
}
