/**
 * The clock, ephemeris and status data of one satellite in SI units, from WT1-5; and the reduced forms (WT16,
 * almanac) brought into the same orbit and clock model.
 * Source: Galileo OS SIS ICD 2.1 sections 5.1.1 (ephemeris), 5.1.3 (clock), 5.1.5 (BGD), 5.1.9 (health, SISA).
 */

import { gstOf, SECONDS_IN_WEEK, towOf } from "../inav/gst.js";
import { decodeWordAs, e1bHealthOf, sisaIndexOf } from "../inav/word.js";
import type { Almanac } from "../inav/almanac.js";
import { PI, WGS84_A } from "./constants.js";

/** What the orbit and clock algorithms need; angles in radians, times of week in seconds of GST. */
export interface OrbitAndClock {
  readonly toeSeconds: number;
  readonly sqrtA: number;
  readonly eccentricity: number;
  readonly m0: number;
  readonly deltaN: number;
  readonly omega0: number;
  readonly omegaDot: number;
  readonly i0: number;
  readonly iDot: number;
  readonly omega: number;
  readonly cuc: number;
  readonly cus: number;
  readonly crcMeters: number;
  readonly crsMeters: number;
  readonly cic: number;
  readonly cis: number;
  readonly tocSeconds: number;
  readonly af0Seconds: number;
  readonly af1SecondsPerSecond: number;
  readonly af2SecondsPerSecond2: number;
  readonly bgdE1E5bSeconds: number;
}

/** Broadcast ionosphere coefficients, sfu, sfu/deg, sfu/deg^2. */
export interface IonosphereCoefficients {
  readonly ai0Sfu: number;
  readonly ai1SfuPerDeg: number;
  readonly ai2SfuPerDeg2: number;
}

/** The fields that say whether E1-B of the satellite is to be used. */
export interface E1HealthFields {
  readonly e1bHs: number;
  readonly e1bDvs: number;
  readonly sisaIndex: number;
}

export interface Ephemeris extends OrbitAndClock, IonosphereCoefficients, E1HealthFields {
  readonly svid: number;
  readonly iodNav: number;
  /** toe as linear GST, in the week nearest to the time that WT5 carries. */
  readonly toeGst: number;
  readonly bgdE1E5aSeconds: number;
  readonly stormFlags: number;
  readonly e5bHs: number;
  readonly e5bDvs: number;
  /** WN and TOW of WT5: when it was transmitted, not when the orbit refers to. */
  readonly wn: number;
  readonly towSeconds: number;
}

/** WT1 to WT5 of one satellite. */
export type EphemerisWords = readonly [Uint8Array, Uint8Array, Uint8Array, Uint8Array, Uint8Array];

const SQRT_EARTH_RADIUS = Math.sqrt(WGS84_A);
const MAX_SVID = 36;

/** `seconds` brought into [-302400, 302400): differences of times of week across the rollover. */
export function wrapWeek(seconds: number): number {
  const half = SECONDS_IN_WEEK / 2;
  const shifted = seconds + half;
  return shifted - Math.floor(shifted / SECONDS_IN_WEEK) * SECONDS_IN_WEEK - half;
}

/**
 * Decodes WT1-5 of satellite `svid` (the tracked one, not what WT4 says). Null where a word is of another type, WT1-4
 * differ in IODnav, WT4 names another satellite, or a time or the semi-major axis cannot be: a time of week from
 * 604800 s on, an orbit below the ground. Says nothing about health: see health.ts.
 */
export function decodeEphemeris(words: EphemerisWords, svid: number): Ephemeris | null {
  if (!Array.isArray(words) || words.length !== 5) throw new TypeError("words must be WT1 to WT5");
  if (!(Number.isInteger(svid) && svid >= 1 && svid <= MAX_SVID)) {
    throw new RangeError(`svid must be 1..${MAX_SVID}`);
  }
  const w1 = decodeWordAs(1, words[0]);
  const w2 = decodeWordAs(2, words[1]);
  const w3 = decodeWordAs(3, words[2]);
  const w4 = decodeWordAs(4, words[3]);
  const w5 = decodeWordAs(5, words[4]);
  if (!w1 || !w2 || !w3 || !w4 || !w5) return null;
  const { iodNav } = w1;
  if (w2.iodNav !== iodNav || w3.iodNav !== iodNav || w4.iodNav !== iodNav) return null;
  if (w4.svid !== svid) return null;
  for (const tow of [w1.toeSeconds, w4.tocSeconds, w5.towSeconds]) if (tow >= SECONDS_IN_WEEK) return null;
  if (w1.sqrtASqrtMeters < SQRT_EARTH_RADIUS) return null;
  const transmitted = gstOf(w5.wn, w5.towSeconds);
  return {
    svid,
    iodNav,
    toeSeconds: w1.toeSeconds,
    toeGst: transmitted + wrapWeek(w1.toeSeconds - w5.towSeconds),
    sqrtA: w1.sqrtASqrtMeters,
    eccentricity: w1.eccentricity,
    m0: w1.m0Semicircles * PI,
    deltaN: w3.deltaNSemicirclesPerSecond * PI,
    omega0: w2.omega0Semicircles * PI,
    omegaDot: w3.omegaDotSemicirclesPerSecond * PI,
    i0: w2.i0Semicircles * PI,
    iDot: w2.iDotSemicirclesPerSecond * PI,
    omega: w2.omegaSemicircles * PI,
    cuc: w3.cucRadians,
    cus: w3.cusRadians,
    crcMeters: w3.crcMeters,
    crsMeters: w3.crsMeters,
    cic: w4.cicRadians,
    cis: w4.cisRadians,
    tocSeconds: w4.tocSeconds,
    af0Seconds: w4.af0Seconds,
    af1SecondsPerSecond: w4.af1SecondsPerSecond,
    af2SecondsPerSecond2: w4.af2SecondsPerSecond2,
    bgdE1E5aSeconds: w5.bgdE1E5aSeconds,
    bgdE1E5bSeconds: w5.bgdE1E5bSeconds,
    ai0Sfu: w5.ai0Sfu,
    ai1SfuPerDeg: w5.ai1SfuPerDeg,
    ai2SfuPerDeg2: w5.ai2SfuPerDeg2,
    stormFlags: w5.stormFlags,
    sisaIndex: sisaIndexOf(words[2]),
    e1bHs: e1bHealthOf(words[4]).hs,
    e1bDvs: e1bHealthOf(words[4]).dvs,
    e5bHs: w5.e5bHs,
    e5bDvs: w5.e5bDvs,
    wn: w5.wn,
    towSeconds: w5.towSeconds,
  };
}

const NO_PERTURBATION = {
  deltaN: 0,
  omegaDot: 0,
  iDot: 0,
  cuc: 0,
  cus: 0,
  crcMeters: 0,
  crsMeters: 0,
  cic: 0,
  cis: 0,
  af2SecondsPerSecond2: 0,
  bgdE1E5bSeconds: 0,
} as const;

/** An almanac in the form of an ephemeris: kilometres, not metres. */
export function orbitOfAlmanac(almanac: Almanac): OrbitAndClock {
  return {
    ...NO_PERTURBATION,
    toeSeconds: almanac.t0aSeconds,
    tocSeconds: almanac.t0aSeconds,
    sqrtA: almanac.sqrtASqrtMeters,
    eccentricity: almanac.eccentricity,
    m0: almanac.m0Semicircles * PI,
    omega0: almanac.omega0Semicircles * PI,
    omegaDot: almanac.omegaDotSemicirclesPerSecond * PI,
    i0: almanac.i0Semicircles * PI,
    omega: almanac.omegaSemicircles * PI,
    af0Seconds: almanac.af0Seconds,
    af1SecondsPerSecond: almanac.af1SecondsPerSecond,
  };
}

/** Semi-major axis and inclination to which WT16 adds. */
const REDUCED_CED_A_METERS = 29_600_000;
const REDUCED_CED_I_SEMICIRCLES = 56 / 180;

/**
 * Reduced clock and ephemeris data (WT16) in the form of an ephemeris; null where the word is not of type 16. The
 * reference time is one second into the subframe that carries it, `subframeGst` + 1 s. Orbit and clock were fitted
 * together: never combine one with another source's other. OSNMA does not cover WT16: never in an authenticated fix.
 */
export function orbitOfReducedCed(word16: Uint8Array, subframeGst: number): OrbitAndClock | null {
  if (!Number.isFinite(subframeGst)) throw new RangeError("subframeGst must be finite");
  const w = decodeWordAs(16, word16);
  if (!w) return null;
  const reference = towOf(subframeGst + 1);
  const omega = Math.atan2(w.ey, w.ex);
  return {
    ...NO_PERTURBATION,
    toeSeconds: reference,
    tocSeconds: reference,
    sqrtA: Math.sqrt(REDUCED_CED_A_METERS + w.deltaAMeters),
    eccentricity: Math.sqrt(w.ex * w.ex + w.ey * w.ey),
    m0: w.lambda0Semicircles * PI - omega,
    omega0: w.omega0Semicircles * PI,
    i0: (REDUCED_CED_I_SEMICIRCLES + w.deltaI0Semicircles) * PI,
    omega,
    af0Seconds: w.af0Seconds,
    af1SecondsPerSecond: w.af1SecondsPerSecond,
  };
}
