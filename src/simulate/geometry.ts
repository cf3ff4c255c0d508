/**
 * Where satellites stand in the sky of a place, and the ranges a receiver there would measure. WGS 84; ranges
 * with Earth rotation during the flight (Galileo OS SIS ICD 2.1 section 5.1.1).
 */
import { GST_TO_UNIX } from "../inav/gst.js";
import { ionosphereMeters, ntcmTecu, troposphereMeters } from "./atmosphere.js";
import { type Ecef, IONOSPHERE_COEFFICIENTS, type NavigationModel, SPEED_OF_LIGHT } from "./navigation.js";

const EARTH_ROTATION = 7.2921151467e-5;
const LEAP_SECONDS = 18;
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
 * E1 pseudorange at true time `gst` of a receiver whose clock is ahead by `clockSeconds`: geometry, Earth
 * rotation, satellite clock with BGD, ionosphere and troposphere. No noise.
 */
export function pseudorangeE1(
  navigation: NavigationModel,
  svid: number,
  place: Place,
  gst: number,
  clockSeconds: number,
): number {
  const { rangeMeters, transmitGst } = flightOf(navigation, svid, place, gst);
  const { azimuthDeg, elevationDeg } = lookAngles(place, navigation.position(svid, transmitGst));
  const utc = new Date((gst + GST_TO_UNIX - LEAP_SECONDS) * 1000);
  const newYear = Date.UTC(utc.getUTCFullYear(), 0, 1);
  const dayOfYear = 1 + Math.floor((utc.getTime() - newYear) / 86_400_000);
  const utHours = (utc.getTime() % 86_400_000) / 3_600_000;
  const tecu = ntcmTecu(IONOSPHERE_COEFFICIENTS, place, azimuthDeg, elevationDeg, dayOfYear, utHours);
  return (
    rangeMeters +
    SPEED_OF_LIGHT * (clockSeconds - navigation.clockE1(svid, transmitGst)) +
    ionosphereMeters(tecu) +
    troposphereMeters(place, elevationDeg)
  );
}
