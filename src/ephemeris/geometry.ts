/**
 * Earth-fixed geometry: ECEF and WGS 84 geodetic coordinates, azimuth and elevation, Earth rotation.
 * Source: WGS 84 (NIMA TR8350.2); Earth rotation correction as in the RTCM and IS-GPS user algorithms.
 */

import { OMEGA_EARTH, SPEED_OF_LIGHT, WGS84_A, WGS84_F } from "./constants.js";

export interface Ecef {
  readonly x: number;
  readonly y: number;
  readonly z: number;
}

export interface Geodetic {
  readonly latitudeRad: number;
  readonly longitudeRad: number;
  /** Above the ellipsoid. */
  readonly heightMeters: number;
}

export interface AzimuthElevation {
  /** From north through east, 0 to 2 pi. */
  readonly azimuthRad: number;
  readonly elevationRad: number;
}

export interface Enu {
  readonly eastMeters: number;
  readonly northMeters: number;
  readonly upMeters: number;
}

export const DEG = Math.PI / 180;

const E2 = WGS84_F * (2 - WGS84_F);
const WGS84_B = WGS84_A * (1 - WGS84_F);
/** Each step gains about three digits near the ground; more only for points deep inside the Earth. */
const MAX_GEODETIC_STEPS = 12;

export function geodeticToEcef(point: Geodetic): Ecef {
  const sinLat = Math.sin(point.latitudeRad);
  const cosLat = Math.cos(point.latitudeRad);
  const n = WGS84_A / Math.sqrt(1 - E2 * sinLat * sinLat);
  const horizontal = (n + point.heightMeters) * cosLat;
  return {
    x: horizontal * Math.cos(point.longitudeRad),
    y: horizontal * Math.sin(point.longitudeRad),
    z: (n * (1 - E2) + point.heightMeters) * sinLat,
  };
}

/** Geodetic coordinates, good to well below a millimetre from 1000 km inside the ground to beyond the satellites. */
export function ecefToGeodetic(point: Ecef): Geodetic {
  const { x, y, z } = point;
  const p = Math.sqrt(x * x + y * y);
  if (p < 1e-9) {
    // On the axis the longitude is free; at the centre so is the latitude.
    const latitudeRad = z < 0 ? -Math.PI / 2 : Math.PI / 2;
    return { latitudeRad, longitudeRad: 0, heightMeters: Math.abs(z) - WGS84_B };
  }
  // Bowring's form through the reduced latitude: no cancellation anywhere, poles included.
  const ep2 = E2 / (1 - E2);
  let reduced = Math.atan2(z * WGS84_A, p * WGS84_B);
  let latitudeRad = 0;
  for (let step = 0; step < MAX_GEODETIC_STEPS; step++) {
    const s = Math.sin(reduced);
    const c = Math.cos(reduced);
    const previous = latitudeRad;
    latitudeRad = Math.atan2(z + ep2 * WGS84_B * s * s * s, p - E2 * WGS84_A * c * c * c);
    if (step > 0 && Math.abs(latitudeRad - previous) < 1e-15) break;
    reduced = Math.atan2((1 - WGS84_F) * Math.sin(latitudeRad), Math.cos(latitudeRad));
  }
  const sinLat = Math.sin(latitudeRad);
  const cosLat = Math.cos(latitudeRad);
  const n = WGS84_A / Math.sqrt(1 - E2 * sinLat * sinLat);
  return {
    latitudeRad,
    longitudeRad: Math.atan2(y, x),
    heightMeters: p * cosLat + z * sinLat - n * (1 - E2 * sinLat * sinLat),
  };
}

/** The vector `from` -> `to` in east, north, up at `from`. */
export function enuOf(from: Ecef, to: Ecef, at: Geodetic = ecefToGeodetic(from)): Enu {
  const dx = to.x - from.x;
  const dy = to.y - from.y;
  const dz = to.z - from.z;
  const sinLat = Math.sin(at.latitudeRad);
  const cosLat = Math.cos(at.latitudeRad);
  const sinLon = Math.sin(at.longitudeRad);
  const cosLon = Math.cos(at.longitudeRad);
  return {
    eastMeters: -sinLon * dx + cosLon * dy,
    northMeters: -sinLat * cosLon * dx - sinLat * sinLon * dy + cosLat * dz,
    upMeters: cosLat * cosLon * dx + cosLat * sinLon * dy + sinLat * dz,
  };
}

/** Azimuth and elevation of a satellite at the receiver; `at` saves the conversion where it is known. */
export function azimuthElevation(receiver: Ecef, satellite: Ecef, at?: Geodetic): AzimuthElevation {
  const { eastMeters, northMeters, upMeters } = enuOf(receiver, satellite, at);
  const azimuth = Math.atan2(eastMeters, northMeters);
  return {
    azimuthRad: azimuth < 0 ? azimuth + 2 * Math.PI : azimuth,
    elevationRad: Math.atan2(upMeters, Math.sqrt(eastMeters * eastMeters + northMeters * northMeters)),
  };
}

/** Straight distance, both points in one frame. */
export function distanceMeters(a: Ecef, b: Ecef): number {
  const dx = a.x - b.x;
  const dy = a.y - b.y;
  const dz = a.z - b.z;
  return Math.sqrt(dx * dx + dy * dy + dz * dz);
}

/**
 * Sagnac term to add to the distance between the satellite in the frame of transmission and the receiver in the frame
 * of reception. Use this or `rotateForTravel`, not both.
 */
export function sagnacMeters(receiver: Ecef, satellite: Ecef): number {
  return (OMEGA_EARTH / SPEED_OF_LIGHT) * (satellite.x * receiver.y - satellite.y * receiver.x);
}

/** A satellite position brought from the frame of transmission into that of reception `travelSeconds` later. */
export function rotateForTravel(satellite: Ecef, travelSeconds: number): Ecef {
  const angle = OMEGA_EARTH * travelSeconds;
  const sin = Math.sin(angle);
  const cos = Math.cos(angle);
  return {
    x: cos * satellite.x + sin * satellite.y,
    y: cos * satellite.y - sin * satellite.x,
    z: satellite.z,
  };
}
