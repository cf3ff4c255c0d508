/**
 * What the atmosphere adds to a simulated E1 range. Ionosphere: NTCM-G (European Commission, NTCM-G Ionospheric
 * Model Description 1.0) with the coefficients on air; troposphere: Saastamoinen in a standard atmosphere. Both
 * written apart from the models of the solver, so that each side checks the other.
 */
import type { Place } from "./geometry.js";

const DEG = Math.PI / 180;
const EARTH_RADIUS_KM = 6371;
const SHELL_HEIGHT_KM = 450;
const E1_HZ = 1_575_420_000;
/** Metres per TECU: 40.3e16 / f^2. */
const METERS_PER_TECU = 40.3e16 / (E1_HZ * E1_HZ);

/** Slant delay of the ionosphere, TECU. Day of year and UT may be fractional. */
export function ntcmTecu(
  ai: readonly [number, number, number],
  place: Place,
  azimuthDeg: number,
  elevationDeg: number,
  dayOfYear: number,
  utHours: number,
): number {
  const [ai0, ai1, ai2] = ai;
  const phi = place.latitudeDeg * DEG;
  const elevation = elevationDeg * DEG;
  const azimuth = azimuthDeg * DEG;
  const ratio = EARTH_RADIUS_KM / (EARTH_RADIUS_KM + SHELL_HEIGHT_KM);
  const psi = Math.PI / 2 - elevation - Math.asin(ratio * Math.cos(elevation));
  const lat = Math.asin(Math.sin(phi) * Math.cos(psi) + Math.cos(phi) * Math.sin(psi) * Math.cos(azimuth));
  const lon = place.longitudeDeg * DEG + Math.asin((Math.sin(psi) * Math.sin(azimuth)) / Math.cos(lat));
  const lt = utHours + lon / DEG / 15;
  const sun = 23.44 * DEG * Math.sin(0.9856 * DEG * (dayOfYear - 80.7));
  const c3 = Math.cos(lat - sun) + 0.4;
  const c2 = Math.cos(lat - sun) - (2 / Math.PI) * lat * Math.sin(sun);
  const v1 = (2 * Math.PI * (lt - 14)) / 24;
  const v2 = (2 * Math.PI * lt) / 12;
  const v3 = (2 * Math.PI * lt) / 8;
  const daily =
    c3 +
    c2 *
      (0.92519 * Math.cos(v1) +
        0.16951 * Math.cos(v2) +
        0.00443 * Math.sin(v2) +
        0.06626 * Math.cos(v3) +
        0.00899 * Math.sin(v3));
  const annual =
    1 +
    0.21289 * Math.cos((2 * Math.PI * (dayOfYear - 18)) / 365.25) -
    0.15414 * Math.cos((4 * Math.PI * (dayOfYear - 6)) / 365.25);
  const magnetic = Math.asin(
    Math.sin(lat) * Math.sin(79.74 * DEG) +
      Math.cos(lat) * Math.cos(79.74 * DEG) * Math.cos(lon + 71.78 * DEG),
  );
  const bell = (centre: number, width: number): number => {
    const x = (magnetic - centre * DEG) / (width * DEG);
    return Math.exp((-x * x) / 2);
  };
  const crests = 1 + 1.14023 * bell(16, 12) + 1.20556 * bell(-10, 13);
  const activity = Math.sqrt(ai0 * ai0 + 1633.33 * ai1 * ai1 + 4_802_000 * ai2 * ai2 + 3266.67 * ai0 * ai2);
  const vertical =
    daily * annual * (1 - 0.38439 * Math.cos(magnetic)) * crests * (1.41808 + 0.13985 * activity);
  const s = ratio * Math.sin(0.9782 * (Math.PI / 2 - elevation));
  return vertical / Math.sqrt(1 - s * s);
}

/** Delay of the ionosphere on E1, metres. */
export function ionosphereMeters(tecu: number): number {
  return METERS_PER_TECU * tecu;
}

/** Delay of the troposphere, metres: Saastamoinen at 70 % humidity over the sine of the elevation. */
export function troposphereMeters(place: Place, elevationDeg: number): number {
  const h = Math.min(10_000, Math.max(0, place.heightMeters));
  const pressure = 1013.25 * Math.exp(5.2568 * Math.log(1 - 2.2557e-5 * h));
  const kelvin = 288.16 - 6.5e-3 * h;
  const vapour = 6.108 * 0.7 * Math.exp((17.15 * kelvin - 4684) / (kelvin - 38.45));
  const dry =
    (0.0022768 * pressure) / (1 - 0.00266 * Math.cos(2 * place.latitudeDeg * DEG) - (0.00028 * h) / 1000);
  const wet = 0.002277 * (1255 / kelvin + 0.05) * vapour;
  return (dry + wet) / Math.sin(elevationDeg * DEG);
}
