/**
 * Whether a satellite's E1-B signal is to be used, from WT3 (SISA) and WT5 (HS, DVS).
 * Source: Galileo OS SIS ICD 2.1 section 5.1.9.3 (HS, DVS), 5.1.12 (SISA); classes as in the OS SDD.
 *
 * Authentic does not mean healthy: a tag over data that say "out of service" is perfectly valid.
 */

import type { E1HealthFields } from "./ephemeris.js";

export type HealthClass = "healthy" | "marginal" | "unhealthy";

/** Signal health status. */
export const HS_OK = 0;
export const HS_OUT_OF_SERVICE = 1;
export const HS_WILL_BE_OUT_OF_SERVICE = 2;
export const HS_IN_TEST = 3;
/** Data validity status 1: working without guarantee. */
export const DVS_VALID = 0;
/** SISA index: no accuracy prediction available. */
export const SISA_NAPA = 255;

/**
 * Signal in space accuracy in metres, steps of 1, 2, 4 and 16 cm up to 6 m; null for NAPA (255) and for the spare
 * indices 126 to 254, which promise nothing. RangeError where it is not an integer of 8 bits.
 */
export function sisaMeters(index: number): number | null {
  if (!(Number.isInteger(index) && index >= 0 && index <= 255)) {
    throw new RangeError("SISA index must be 0..255");
  }
  // Centimetres first: integers, so that 0.07 is 0.07.
  if (index < 50) return index / 100;
  if (index < 75) return (50 + 2 * (index - 50)) / 100;
  if (index < 100) return (100 + 4 * (index - 75)) / 100;
  if (index < 126) return (200 + 16 * (index - 100)) / 100;
  return null;
}

/**
 * Class of the satellite for E1-B: unhealthy when out of service or in test, healthy with HS 0, DVS 0 and an accuracy,
 * marginal in between. Its E5b flags do not matter here.
 */
export function e1Health(fields: E1HealthFields): HealthClass {
  const { e1bHs, e1bDvs, sisaIndex } = fields;
  if (e1bHs === HS_OUT_OF_SERVICE || e1bHs === HS_IN_TEST) return "unhealthy";
  if (e1bHs === HS_OK && e1bDvs === DVS_VALID && sisaMeters(sisaIndex) !== null) return "healthy";
  return "marginal";
}
