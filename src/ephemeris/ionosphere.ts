/**
 * Ionospheric delay by NTCM-G, the closed-form companion of NeQuick-G that takes the same broadcast coefficients.
 * Source: European Commission, "NTCM-G Ionospheric Model Description" 1.0 (2022).
 */

import { E1_HZ } from "./constants.js";
import type { IonosphereCoefficients } from "./ephemeris.js";
import type { AzimuthElevation, Geodetic } from "./geometry.js";

const DEG = Math.PI / 180;
/** Mean Earth radius and height of the single layer, km. */
const EARTH_RADIUS_KM = 6371;
const LAYER_HEIGHT_KM = 450;
const LAYER_RATIO = EARTH_RADIUS_KM / (EARTH_RADIUS_KM + LAYER_HEIGHT_KM);
/** Latitude and longitude of the geomagnetic pole. */
const MAGNETIC_POLE_LATITUDE = 79.74 * DEG;
const MAGNETIC_POLE_LONGITUDE = -71.78 * DEG;
/** Metres of delay per electron/m^2 at 1 Hz, and electrons/m^2 of one TEC unit. */
const DELAY_CONSTANT = 40.3;
const TECU = 1e16;
/** Effective ionisation level where the broadcast coefficients are all zero, solar flux units (ICD 5.1.6). */
const DEFAULT_AZ_SFU = 63.7;

export const DEFAULT_IONOSPHERE: IonosphereCoefficients = {
  ai0Sfu: DEFAULT_AZ_SFU,
  ai1SfuPerDeg: 0,
  ai2SfuPerDeg2: 0,
};

/** Time of the model: day of year (1 = January 1, may carry a fraction) and UT in hours. */
export interface ModelTime {
  readonly dayOfYear: number;
  readonly utHours: number;
}

/**
 * Azpar, the scalar that stands for solar activity, solar flux units: the mean of the square of
 * ai0 + ai1 mu + ai2 mu^2 over modified dip latitudes of -70 to 70 degrees.
 */
export function azpar(coefficients: IonosphereCoefficients): number {
  const { ai0Sfu, ai1SfuPerDeg, ai2SfuPerDeg2 } = coefficients;
  if (ai0Sfu === 0 && ai1SfuPerDeg === 0 && ai2SfuPerDeg2 === 0) return DEFAULT_AZ_SFU;
  const square =
    ai0Sfu * ai0Sfu +
    1633.33 * ai1SfuPerDeg * ai1SfuPerDeg +
    4_802_000 * ai2SfuPerDeg2 * ai2SfuPerDeg2 +
    3266.67 * ai0Sfu * ai2SfuPerDeg2;
  // A form that is a mean of squares cannot be negative; the rounded coefficients can make it so by a little.
  return Math.sqrt(Math.max(square, 0));
}

/** Slant total electron content, TEC units, of the ray seen under `direction` at `receiver`. */
export function ntcmSlantTecu(
  coefficients: IonosphereCoefficients,
  receiver: Geodetic,
  direction: AzimuthElevation,
  time: ModelTime,
): number {
  const { azimuthRad, elevationRad } = direction;
  const { dayOfYear, utHours } = time;
  // Pierce point of the ray with the layer.
  const psi = Math.PI / 2 - elevationRad - Math.asin(LAYER_RATIO * Math.cos(elevationRad));
  const sinPierce =
    Math.sin(receiver.latitudeRad) * Math.cos(psi) +
    Math.cos(receiver.latitudeRad) * Math.sin(psi) * Math.cos(azimuthRad);
  const latitude = Math.asin(clampUnit(sinPierce));
  const longitude =
    receiver.longitudeRad + Math.asin(clampUnit((Math.sin(psi) * Math.sin(azimuthRad)) / Math.cos(latitude)));
  const localHours = utHours + longitude / DEG / 15;

  // F1: dependence on local time, through the solar zenith angle and three harmonics of the day.
  const declination = 23.44 * DEG * Math.sin(0.9856 * DEG * (dayOfYear - 80.7));
  const cosZenith = Math.cos(latitude - declination);
  const cosZenith2 = cosZenith - (2 / Math.PI) * latitude * Math.sin(declination);
  const cosZenith3 = cosZenith + 0.4;
  const v1 = (2 * Math.PI * (localHours - 14)) / 24;
  const v2 = (2 * Math.PI * localHours) / 12;
  const v3 = (2 * Math.PI * localHours) / 8;
  const f1 =
    cosZenith3 +
    cosZenith2 *
      (0.92519 * Math.cos(v1) +
        0.16951 * Math.cos(v2) +
        0.00443 * Math.sin(v2) +
        0.06626 * Math.cos(v3) +
        0.00899 * Math.sin(v3));

  // F2: annual and semi-annual dependence.
  const year = (2 * Math.PI) / 365.25;
  const f2 = 1 + 0.21289 * Math.cos(year * (dayOfYear - 18)) - 0.15414 * Math.cos(2 * year * (dayOfYear - 6));

  // F3, F4: dependence on geomagnetic latitude, with the two crests of the equatorial anomaly.
  const magnetic = Math.asin(
    clampUnit(
      Math.sin(latitude) * Math.sin(MAGNETIC_POLE_LATITUDE) +
        Math.cos(latitude) * Math.cos(MAGNETIC_POLE_LATITUDE) * Math.cos(longitude - MAGNETIC_POLE_LONGITUDE),
    ),
  );
  const f3 = 1 - 0.38439 * Math.cos(magnetic);
  const north = magnetic / DEG - 16;
  const south = magnetic / DEG + 10;
  const f4 =
    1 +
    1.14023 * Math.exp(-(north * north) / (2 * 12 * 12)) +
    1.20556 * Math.exp(-(south * south) / (2 * 13 * 13));

  // F5: dependence on solar activity.
  const f5 = 1.41808 + 0.13985 * azpar(coefficients);

  const s = LAYER_RATIO * Math.sin(0.9782 * (Math.PI / 2 - elevationRad));
  return (f1 * f2 * f3 * f4 * f5) / Math.sqrt(1 - s * s);
}

/** Group delay in metres of `tecu` TEC units at a carrier frequency, E1 unless told otherwise. */
export function ionosphereDelayMeters(tecu: number, frequencyHz: number = E1_HZ): number {
  return (DELAY_CONSTANT * TECU * tecu) / (frequencyHz * frequencyHz);
}

/** An argument of asin that rounding may push past 1 near the poles. */
function clampUnit(value: number): number {
  return Math.min(1, Math.max(-1, value));
}
