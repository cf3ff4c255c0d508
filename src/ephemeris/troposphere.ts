/**
 * Tropospheric delay: Saastamoinen's zenith delays in a standard atmosphere, mapped to the elevation by 1/sin(el) or by
 * Niell's mapping functions.
 * Source: Saastamoinen (1972); Niell, J. Geophys. Res. 101 (1996), tables 3 and 4; DO-229 for the standard atmosphere.
 */

import type { Geodetic } from "./geometry.js";

const DEG = Math.PI / 180;
/** Heights outside are taken at the nearer end: the standard atmosphere makes no sense beyond. */
const MAX_HEIGHT_METERS = 10_000;
export const STANDARD_HUMIDITY = 0.7;

export interface ZenithDelays {
  readonly hydrostaticMeters: number;
  readonly wetMeters: number;
}

/** Zenith delays at a place, for a relative humidity of 0 to 1. */
export function zenithDelays(at: Geodetic, humidity: number = STANDARD_HUMIDITY): ZenithDelays {
  const height = clampHeight(at.heightMeters);
  // (1 - 2.2557e-5 h)^5.2568 as exp(log): a power with a fraction in the exponent is not the same in every engine.
  const pressureHpa = 1013.25 * Math.exp(5.2568 * Math.log(1 - 2.2557e-5 * height));
  const kelvin = 288.16 - 6.5e-3 * height;
  const vapourHpa = 6.108 * humidity * Math.exp((17.15 * kelvin - 4684) / (kelvin - 38.45));
  return {
    hydrostaticMeters:
      (0.0022768 * pressureHpa) / (1 - 0.00266 * Math.cos(2 * at.latitudeRad) - (0.00028 * height) / 1000),
    wetMeters: 0.002277 * (1255 / kelvin + 0.05) * vapourHpa,
  };
}

/**
 * Slant delay in metres with 1/sin(el), as most single-frequency solvers have it: good above about 10 degrees.
 * Infinite or negative at and below the horizon, so the caller masks.
 */
export function troposphereSimpleMeters(at: Geodetic, elevationRad: number, humidity?: number): number {
  const { hydrostaticMeters, wetMeters } = zenithDelays(at, humidity);
  return (hydrostaticMeters + wetMeters) / Math.sin(elevationRad);
}

/** Slant delay in metres with Niell's mapping functions, good down to about 3 degrees. */
export function troposphereNiellMeters(
  at: Geodetic,
  elevationRad: number,
  dayOfYear: number,
  humidity?: number,
): number {
  const { hydrostaticMeters, wetMeters } = zenithDelays(at, humidity);
  const { hydrostatic, wet } = niellMapping(at, elevationRad, dayOfYear);
  return hydrostaticMeters * hydrostatic + wetMeters * wet;
}

/** Coefficients at |latitude| 15, 30, 45, 60 and 75 degrees. */
type Grid = readonly [number, number, number, number, number];
const GRID_STEP_DEG = 15;
const HYDROSTATIC_MEAN: readonly [Grid, Grid, Grid] = [
  [1.2769934e-3, 1.268323e-3, 1.2465397e-3, 1.2196049e-3, 1.2045996e-3],
  [2.9153695e-3, 2.9152299e-3, 2.9288445e-3, 2.9022565e-3, 2.9024912e-3],
  [62.610505e-3, 62.837393e-3, 63.721774e-3, 63.824265e-3, 64.258455e-3],
];
const HYDROSTATIC_AMPLITUDE: readonly [Grid, Grid, Grid] = [
  [0, 1.2709626e-5, 2.6523662e-5, 3.4000452e-5, 4.1202191e-5],
  [0, 2.1414979e-5, 3.0160779e-5, 7.2562722e-5, 11.723375e-5],
  [0, 9.01284e-5, 4.3497037e-5, 84.795348e-5, 170.37206e-5],
];
const WET: readonly [Grid, Grid, Grid] = [
  [5.8021897e-4, 5.6794847e-4, 5.8118019e-4, 5.9727542e-4, 6.1641693e-4],
  [1.4275268e-3, 1.5138625e-3, 1.4572752e-3, 1.5007428e-3, 1.7599082e-3],
  [4.3472961e-2, 4.672951e-2, 4.3908931e-2, 4.4626982e-2, 5.4736038e-2],
];
/** Height correction, per km. */
const HEIGHT = [2.53e-5, 5.49e-3, 1.14e-3] as const;
/** Day of the coldest winter in the north; half a year later in the south. */
const PHASE_DAY = 28;
const DAYS_IN_YEAR = 365.25;

export interface NiellMapping {
  readonly hydrostatic: number;
  readonly wet: number;
}

/** Niell's mapping functions: slant over zenith delay, 1 at the zenith. */
export function niellMapping(at: Geodetic, elevationRad: number, dayOfYear: number): NiellMapping {
  const latitudeDeg = Math.abs(at.latitudeRad) / DEG;
  const day = dayOfYear - PHASE_DAY + (at.latitudeRad < 0 ? DAYS_IN_YEAR / 2 : 0);
  const season = Math.cos((2 * Math.PI * day) / DAYS_IN_YEAR);
  const sinElevation = Math.sin(elevationRad);
  const seasonal = (k: 0 | 1 | 2): number =>
    interpolate(HYDROSTATIC_MEAN[k], latitudeDeg) -
    interpolate(HYDROSTATIC_AMPLITUDE[k], latitudeDeg) * season;
  const correction = 1 / sinElevation - continuedFraction(sinElevation, HEIGHT[0], HEIGHT[1], HEIGHT[2]);
  return {
    hydrostatic:
      continuedFraction(sinElevation, seasonal(0), seasonal(1), seasonal(2)) +
      (correction * clampHeight(at.heightMeters)) / 1000,
    wet: continuedFraction(
      sinElevation,
      interpolate(WET[0], latitudeDeg),
      interpolate(WET[1], latitudeDeg),
      interpolate(WET[2], latitudeDeg),
    ),
  };
}

/** Marini's continued fraction, normalised to 1 at the zenith. */
function continuedFraction(sinElevation: number, a: number, b: number, c: number): number {
  return (1 + a / (1 + b / (1 + c))) / (sinElevation + a / (sinElevation + b / (sinElevation + c)));
}

/** Linear between the grid's latitudes, constant beyond 15 and 75 degrees. */
function interpolate(grid: Grid, latitudeDeg: number): number {
  const at = Math.min(Math.max(latitudeDeg / GRID_STEP_DEG - 1, 0), grid.length - 1);
  const low = Math.min(Math.floor(at), grid.length - 2);
  return grid[low] + (grid[low + 1] - grid[low]) * (at - low);
}

function clampHeight(heightMeters: number): number {
  return Math.min(Math.max(heightMeters, 0), MAX_HEIGHT_METERS);
}
