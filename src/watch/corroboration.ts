/**
 * How far the receiver's own solution agrees with authenticated satellites: those that it says it used must
 * stand where their authenticated ephemeris puts them, seen from where it says it is (docs/threat-model.md).
 */
import type { Ephemeris } from "../ephemeris/ephemeris.js";
import { azimuthElevation, type Ecef } from "../ephemeris/geometry.js";
import { newSatelliteState, satelliteState } from "../ephemeris/orbit.js";
import { towOf } from "../inav/gst.js";
import type { MessageOf } from "gnss-ubx";

const GALILEO = 2;
/** NAV-SAT gives whole degrees; half a degree of rounding each way, receiver filter lag on top. */
export const DIRECTION_TOLERANCE_DEG = 2;
const SATELLITES_FOR_FIX = 4;
const DEG = Math.PI / 180;

export interface Corroboration {
  readonly agreeing: readonly number[];
  /** Reasons against, empty where the solution is corroborated. */
  readonly disagreements: readonly string[];
}

export interface HealthySatellite {
  readonly svid: number;
  readonly ephemeris: Ephemeris;
}

const state = newSatelliteState();

/** `satellites`: healthy ones with authenticated data in force; `sat`: the NAV-SAT of the same epoch, or null. */
export function corroborate(
  receiver: Ecef,
  gst: number,
  satellites: readonly HealthySatellite[],
  sat: MessageOf<"NAV-SAT"> | null,
): Corroboration {
  if (satellites.length < SATELLITES_FOR_FIX) return { agreeing: [], disagreements: [] };
  if (sat === null) return { agreeing: [], disagreements: ["no-satellite-report"] };
  const agreeing: number[] = [];
  let disagreeing = 0;
  for (const { svid, ephemeris } of satellites) {
    const report = sat.svs.find((entry) => entry.gnssId === GALILEO && entry.svId === svid);
    if (report === undefined || !report.flags.svUsed) continue;
    const { azimuthRad, elevationRad } = azimuthElevation(
      receiver,
      satelliteState(ephemeris, towOf(gst), state),
    );
    const elevationError = Math.abs(elevationRad / DEG - report.elev);
    const azimuthError =
      Math.abs(((azimuthRad / DEG - report.azim + 540) % 360) - 180) * Math.cos(elevationRad);
    // Written so that NaN disagrees.
    if (elevationError <= DIRECTION_TOLERANCE_DEG && azimuthError <= DIRECTION_TOLERANCE_DEG)
      agreeing.push(svid);
    else disagreeing++;
  }
  const disagreements: string[] = [];
  if (agreeing.length < SATELLITES_FOR_FIX) disagreements.push("fewer-than-4-satellites-agree");
  if (disagreeing > 0) disagreements.push("satellite-direction-disagrees");
  return { agreeing, disagreements };
}
