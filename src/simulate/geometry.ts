/**
 * Where satellites stand in the sky of a place, and the ranges a receiver there would measure. WGS 84; ranges
 * with Earth rotation during the flight (Galileo OS SIS ICD 2.1 section 5.1.1).
 */
import { unixOfGst } from "./leap-seconds.js";
import { ionosphereMeters, ntcmTecu, troposphereMeters } from "./atmosphere.js";
import { EARTH_ROTATION, SPEED_OF_LIGHT } from "./constellation.js";
import type { Ecef, NavigationModel, SatelliteMotion } from "./navigation.js";

const WGS84_A = 6_378_137;
const WGS84_E2 = 6.69437999014e-3;

export interface Place {
  readonly latitudeDeg: number;
  readonly longitudeDeg: number;
  /** Above the ellipsoid. */
  readonly heightMeters: number;
}

/** Earth-fixed position of a place. */
export function ecefOf(place: Place): Ecef {
  const phi = (place.latitudeDeg * Math.PI) / 180;
  const lambda = (place.longitudeDeg * Math.PI) / 180;
  const n = WGS84_A / Math.sqrt(1 - WGS84_E2 * Math.sin(phi) * Math.sin(phi));
  const across = (n + place.heightMeters) * Math.cos(phi);
  return [
    across * Math.cos(lambda),
    across * Math.sin(lambda),
    (n * (1 - WGS84_E2) + place.heightMeters) * Math.sin(phi),
  ];
}

/** Azimuth and elevation of an Earth-fixed position, degrees. */
export function lookAngles(
  place: Place,
  satellite: Ecef,
  at: Ecef = ecefOf(place),
): { azimuthDeg: number; elevationDeg: number } {
  const phi = (place.latitudeDeg * Math.PI) / 180;
  const lambda = (place.longitudeDeg * Math.PI) / 180;
  const [dx, dy, dz] = [satellite[0] - at[0], satellite[1] - at[1], satellite[2] - at[2]];
  const east = -Math.sin(lambda) * dx + Math.cos(lambda) * dy;
  const radial = Math.cos(lambda) * dx + Math.sin(lambda) * dy;
  const north = -Math.sin(phi) * radial + Math.cos(phi) * dz;
  const up = Math.cos(phi) * radial + Math.sin(phi) * dz;
  const azimuth = (Math.atan2(east, north) * 180) / Math.PI;
  return {
    azimuthDeg: azimuth < 0 ? azimuth + 360 : azimuth,
    elevationDeg: (Math.atan2(up, Math.hypot(east, north)) * 180) / Math.PI,
  };
}

/** The way of a signal that is received at true time `gst` at a place. */
export interface SignalPath {
  readonly svid: number;
  readonly satellite: SatelliteMotion;
  /** Geometric, Earth rotation during the flight included. */
  readonly rangeMeters: number;
  /** Rate of change of the range for a receiver that moves with `velocity`, metres per second. */
  readonly rangeRate: number;
  /** When the signal left, linear GST. */
  readonly transmitGst: number;
  /** Unit vector from the receiver to the satellite, Earth-fixed at reception. */
  readonly direction: Ecef;
  readonly azimuthDeg: number;
  readonly elevationDeg: number;
}

/** First guess of the time of flight, seconds; the range follows it with its own rate, so three passes settle it. */
const TYPICAL_FLIGHT_SECONDS = 0.08;
const FLIGHT_PASSES = 3;

export function signalPath(
  navigation: NavigationModel,
  svid: number,
  place: Place,
  at: Ecef,
  velocity: Ecef,
  gst: number,
): SignalPath {
  let flight = TYPICAL_FLIGHT_SECONDS;
  for (let pass = 1; ; pass++) {
    const satellite = navigation.motion(svid, gst - flight);
    const turn = EARTH_ROTATION * flight;
    const [c, s] = [Math.cos(turn), Math.sin(turn)];
    const { position: p, velocity: v } = satellite;
    const [dx, dy, dz] = [p[0] * c + p[1] * s - at[0], p[1] * c - p[0] * s - at[1], p[2] - at[2]];
    const rangeMeters = Math.hypot(dx, dy, dz);
    const transmitGst = gst - flight;
    flight = rangeMeters / SPEED_OF_LIGHT;
    if (pass < FLIGHT_PASSES) continue;
    const [ex, ey, ez] = [dx / rangeMeters, dy / rangeMeters, dz / rangeMeters];
    // The satellite moves on for (1 - rate / c) of the receiver's second, and its frame turns for rate / c of it.
    const own = ex * velocity[0] + ey * velocity[1] + ez * velocity[2];
    const approach = ex * (v[0] * c + v[1] * s) + ey * (v[1] * c - v[0] * s) + ez * v[2];
    const turning = (EARTH_ROTATION / SPEED_OF_LIGHT) * (ex * (dy + at[1]) - ey * (dx + at[0]));
    const rangeRate = (approach - own) / (1 + approach / SPEED_OF_LIGHT - turning);
    return {
      svid,
      satellite,
      rangeMeters,
      rangeRate,
      transmitGst,
      direction: [ex, ey, ez],
      ...lookAngles(place, p, at),
    };
  }
}

/** The range a signal received at true time `gst` has flown, metres, and when it left, linear GST. */
export function flightOf(
  navigation: NavigationModel,
  svid: number,
  place: Place,
  gst: number,
): { rangeMeters: number; transmitGst: number } {
  return signalPath(navigation, svid, place, ecefOf(place), [0, 0, 0], gst);
}

/** Day of the year (from 1, whole) and hours of the day in UTC, as NTCM-G takes them. */
export function dayAndHours(gst: number): { dayOfYear: number; utHours: number } {
  const utc = new Date(unixOfGst(gst) * 1000);
  const newYear = Date.UTC(utc.getUTCFullYear(), 0, 1);
  return {
    dayOfYear: 1 + Math.floor((utc.getTime() - newYear) / 86_400_000),
    utHours: (utc.getTime() % 86_400_000) / 3_600_000,
  };
}

/**
 * E1 pseudorange at true time `gst` of a receiver at rest whose clock is ahead by `clockSeconds`: geometry, Earth
 * rotation, satellite clock with BGD, ionosphere and troposphere. No noise.
 */
export function pseudorangeE1(
  navigation: NavigationModel,
  svid: number,
  place: Place,
  gst: number,
  clockSeconds: number,
): number {
  const path = signalPath(navigation, svid, place, ecefOf(place), [0, 0, 0], gst);
  const { azimuthDeg, elevationDeg } = path;
  const { dayOfYear, utHours } = dayAndHours(gst);
  const tecu = ntcmTecu(navigation.ionosphere, place, azimuthDeg, elevationDeg, dayOfYear, utHours);
  return (
    path.rangeMeters +
    SPEED_OF_LIGHT * (clockSeconds - path.satellite.clockSeconds + navigation.bgdE5bSeconds(svid)) +
    ionosphereMeters(tecu) +
    troposphereMeters(place, elevationDeg)
  );
}
