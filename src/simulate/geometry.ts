/**
 * Where satellites stand in the sky of a place, and the ranges a receiver there would measure. WGS 84; ranges
 * with Earth rotation during the flight (Galileo OS SIS ICD 2.1 section 5.1.1).
 */
import { type Ecef, type NavigationModel, SPEED_OF_LIGHT } from "./navigation.js";

const EARTH_ROTATION = 7.2921151467e-5;
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
export function lookAngles(place: Place, satellite: Ecef): { azimuthDeg: number; elevationDeg: number } {
  const at = ecefOf(place);
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

/** The range a signal received at true time `gst` has flown, metres, and when it left, linear GST. */
export function flightOf(
  navigation: NavigationModel,
  svid: number,
  place: Place,
  gst: number,
): { rangeMeters: number; transmitGst: number } {
  const at = ecefOf(place);
  let flight = 0.08;
  for (let i = 0; i < 6; i++) {
    const [x, y, z] = navigation.position(svid, gst - flight);
    const turn = EARTH_ROTATION * flight;
    const rx = x * Math.cos(turn) + y * Math.sin(turn);
    const ry = y * Math.cos(turn) - x * Math.sin(turn);
    flight = Math.hypot(rx - at[0], ry - at[1], z - at[2]) / SPEED_OF_LIGHT;
  }
  return { rangeMeters: flight * SPEED_OF_LIGHT, transmitGst: gst - flight };
}

/**
 * E1 pseudorange at true time `gst` of a receiver whose clock is ahead by `clockSeconds`. Geometry, Earth
 * rotation, clocks and BGD; no atmosphere and no noise, so a solver must have its atmosphere models off.
 */
export function pseudorangeE1(
  navigation: NavigationModel,
  svid: number,
  place: Place,
  gst: number,
  clockSeconds: number,
): number {
  const { rangeMeters, transmitGst } = flightOf(navigation, svid, place, gst);
  return rangeMeters + SPEED_OF_LIGHT * (clockSeconds - navigation.clockE1(svid, transmitGst));
}
