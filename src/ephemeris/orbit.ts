/**
 * Satellite position, velocity and clock from broadcast data.
 * Source: Galileo OS SIS ICD 2.1 section 5.1.1 table 68 (position), 5.1.4 (clock, relativity), 5.1.5 (BGD).
 */

import { F_RELATIVITY, MU, OMEGA_EARTH } from "./constants.js";
import { wrapWeek } from "./ephemeris.js";
import type { OrbitAndClock } from "./ephemeris.js";

/** Antenna phase centre in the Earth-fixed frame (GTRF) of the time asked for, metres and m/s; clock in seconds. */
export interface SatelliteState {
  x: number;
  y: number;
  z: number;
  vx: number;
  vy: number;
  vz: number;
  /** Offset of the satellite clock from GST with relativity: the (E1, E5b) clock of I/NAV. */
  clockSeconds: number;
  /** The same for a user of E1 alone: less BGD(E1,E5b). */
  clockE1Seconds: number;
  /** Its relativistic part. */
  relativitySeconds: number;
}

/** Newton converges in four steps at e = 0.16 (E14, E18) and in eight at the largest e that 32 bits can say. */
const MAX_KEPLER_STEPS = 10;
const KEPLER_TOLERANCE_RADIANS = 1e-13;

/** Mean motion, radians a second. */
function meanMotion(eph: OrbitAndClock): number {
  const a = eph.sqrtA * eph.sqrtA;
  return Math.sqrt(MU / (a * a * a)) + eph.deltaN;
}

/** Kepler's equation, `tk` seconds after toe. */
function eccentricAnomaly(eph: OrbitAndClock, n: number, tk: number): number {
  const { eccentricity: e } = eph;
  const m = eph.m0 + n * tk;
  let anomaly = m;
  for (let step = 0; step < MAX_KEPLER_STEPS; step++) {
    const change = (anomaly - e * Math.sin(anomaly) - m) / (1 - e * Math.cos(anomaly));
    anomaly -= change;
    if (Math.abs(change) < KEPLER_TOLERANCE_RADIANS) break;
  }
  return anomaly;
}

function relativitySeconds(eph: OrbitAndClock, sinE: number): number {
  return F_RELATIVITY * eph.eccentricity * eph.sqrtA * sinE;
}

function clockSeconds(eph: OrbitAndClock, towSeconds: number, relativity: number): number {
  const dt = wrapWeek(towSeconds - eph.tocSeconds);
  return eph.af0Seconds + eph.af1SecondsPerSecond * dt + eph.af2SecondsPerSecond2 * dt * dt + relativity;
}

/** `clockSeconds` of `satelliteState`, without the rest of it. */
export function satelliteClock(eph: OrbitAndClock, towSeconds: number): number {
  if (!Number.isFinite(towSeconds)) throw new RangeError("towSeconds must be finite");
  const tk = wrapWeek(towSeconds - eph.toeSeconds);
  const sinE = Math.sin(eccentricAnomaly(eph, meanMotion(eph), tk));
  return clockSeconds(eph, towSeconds, relativitySeconds(eph, sinE));
}

/**
 * State at `towSeconds`, the GST time of week of *transmission*; any week offset is taken out, so that a toe on
 * the other side of the rollover is right. `out` is filled and returned where given, to save an allocation.
 */
export function satelliteState(eph: OrbitAndClock, towSeconds: number, out?: SatelliteState): SatelliteState {
  if (!Number.isFinite(towSeconds)) throw new RangeError("towSeconds must be finite");
  const { eccentricity: e } = eph;
  const a = eph.sqrtA * eph.sqrtA;
  const n = meanMotion(eph);
  const tk = wrapWeek(towSeconds - eph.toeSeconds);
  const anomaly = eccentricAnomaly(eph, n, tk);
  const sinE = Math.sin(anomaly);
  const cosE = Math.cos(anomaly);
  const rootOneMinusE2 = Math.sqrt(1 - e * e);
  const oneMinusECosE = 1 - e * cosE;

  const phi = Math.atan2(rootOneMinusE2 * sinE, cosE - e) + eph.omega;
  const sin2Phi = Math.sin(2 * phi);
  const cos2Phi = Math.cos(2 * phi);
  const u = phi + eph.cus * sin2Phi + eph.cuc * cos2Phi;
  const r = a * oneMinusECosE + eph.crsMeters * sin2Phi + eph.crcMeters * cos2Phi;
  const i = eph.i0 + eph.iDot * tk + eph.cis * sin2Phi + eph.cic * cos2Phi;
  const node = eph.omega0 + (eph.omegaDot - OMEGA_EARTH) * tk - OMEGA_EARTH * eph.toeSeconds;

  const sinU = Math.sin(u);
  const cosU = Math.cos(u);
  const sinI = Math.sin(i);
  const cosI = Math.cos(i);
  const sinNode = Math.sin(node);
  const cosNode = Math.cos(node);
  const xPlane = r * cosU;
  const yPlane = r * sinU;
  const x = xPlane * cosNode - yPlane * cosI * sinNode;
  const y = xPlane * sinNode + yPlane * cosI * cosNode;
  const z = yPlane * sinI;

  const anomalyRate = n / oneMinusECosE;
  const phiRate = (rootOneMinusE2 * anomalyRate) / oneMinusECosE;
  const uRate = phiRate * (1 + 2 * (eph.cus * cos2Phi - eph.cuc * sin2Phi));
  const rRate =
    a * e * sinE * anomalyRate + 2 * phiRate * (eph.crsMeters * cos2Phi - eph.crcMeters * sin2Phi);
  const iRate = eph.iDot + 2 * phiRate * (eph.cis * cos2Phi - eph.cic * sin2Phi);
  const nodeRate = eph.omegaDot - OMEGA_EARTH;
  const xPlaneRate = rRate * cosU - r * uRate * sinU;
  const yPlaneRate = rRate * sinU + r * uRate * cosU;

  const relativity = relativitySeconds(eph, sinE);
  const clock = clockSeconds(eph, towSeconds, relativity);

  const state = out ?? newSatelliteState();
  state.x = x;
  state.y = y;
  state.z = z;
  state.vx =
    xPlaneRate * cosNode - yPlaneRate * cosI * sinNode + yPlane * sinI * sinNode * iRate - nodeRate * y;
  state.vy =
    xPlaneRate * sinNode + yPlaneRate * cosI * cosNode - yPlane * sinI * cosNode * iRate + nodeRate * x;
  state.vz = yPlaneRate * sinI + yPlane * cosI * iRate;
  state.clockSeconds = clock;
  state.clockE1Seconds = clock - eph.bgdE1E5bSeconds;
  state.relativitySeconds = relativity;
  return state;
}

/** An empty state, for callers that reuse one. */
export function newSatelliteState(): SatelliteState {
  return { x: 0, y: 0, z: 0, vx: 0, vy: 0, vz: 0, clockSeconds: 0, clockE1Seconds: 0, relativitySeconds: 0 };
}
