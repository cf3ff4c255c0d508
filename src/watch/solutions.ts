/**
 * What the consistency watch needs to know of a solution, our own or the receiver's: its minimal input, so
 * that it depends on no solver. Everything SI; angles in radians.
 */
import { type Ecef, type Enu, type Geodetic, geodeticToEcef } from "../ephemeris/geometry.js";
import { SECONDS_IN_WEEK, towOf } from "../inav/gst.js";
import type { MessageOf } from "gnss-ubx";

/** Covariance of a position in east, north, up at that position, square metres. */
export interface EnuCovariance {
  readonly ee: number;
  readonly nn: number;
  readonly uu: number;
  readonly en: number;
  readonly eu: number;
  readonly nu: number;
}

export type RaimVerdict = "passed" | "detected" | "unavailable";

/** Velocity, m/s, with one standard deviation that holds for each axis. */
export interface Velocity {
  readonly east: number;
  readonly north: number;
  readonly up: number;
  readonly sigma: number;
}

export interface OwnSolution {
  /** Linear GST of the measurements. */
  readonly gst: number;
  readonly position: Ecef;
  readonly covariance: EnuCovariance;
  /** Receiver clock label minus GST, seconds. Only its value modulo one millisecond is used. */
  readonly clockBiasSeconds: number;
  readonly clockBiasSigmaSeconds: number;
  /** Its rate, seconds per second, with its standard deviation; null without Doppler. */
  readonly clockDrift: number | null;
  readonly clockDriftSigma: number | null;
  readonly velocity: Velocity | null;
  readonly raim: RaimVerdict;
}

export interface ReceiverSolution {
  readonly gst: number;
  readonly position: Ecef;
  /** One standard deviation, for each horizontal axis and for the vertical. */
  readonly horizontalSigmaMeters: number;
  readonly verticalSigmaMeters: number;
  readonly velocity: Velocity | null;
}

/** The linear GST nearest to `gst` whose time of week is `towSeconds`. GPS and Galileo weeks begin together. */
export function gstNear(towSeconds: number, gst: number): number {
  const base = gst - towOf(gst) + towSeconds;
  return base + Math.round((gst - base) / SECONDS_IN_WEEK) * SECONDS_IN_WEEK;
}

/** The receiver's solution in NAV-PVT, near linear GST `gst`; null where it claims none. */
export function receiverSolutionOf(pvt: MessageOf<"NAV-PVT">, gst: number): ReceiverSolution | null {
  if (!Number.isFinite(gst)) throw new RangeError("gst must be finite");
  // fixType 2 and 3: 2D and 3D; 4: with dead reckoning. 5 is time only, and has no position.
  if (!pvt.flags.gnssFixOk || pvt.flags3.invalidLlh || pvt.fixType < 2 || pvt.fixType > 4) return null;
  // The bytes may say anything: a place that is none is no solution.
  if (Math.abs(pvt.lat) > 90e7 || Math.abs(pvt.lon) > 180e7) return null;
  const point: Geodetic = {
    latitudeRad: pvt.lat * 1e-7 * (Math.PI / 180),
    longitudeRad: pvt.lon * 1e-7 * (Math.PI / 180),
    heightMeters: pvt.height / 1000,
  };
  return {
    gst: gstNear(pvt.iTOW / 1000, gst),
    position: geodeticToEcef(point),
    horizontalSigmaMeters: pvt.hAcc / 1000,
    verticalSigmaMeters: pvt.vAcc / 1000,
    velocity: {
      east: pvt.velE / 1000,
      north: pvt.velN / 1000,
      up: -pvt.velD / 1000,
      sigma: pvt.sAcc / 1000,
    },
  };
}

/** Horizontal length. */
export function horizontal(enu: Enu): number {
  return Math.hypot(enu.eastMeters, enu.northMeters);
}
