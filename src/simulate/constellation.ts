/**
 * Where satellites are, as the integers they broadcast: batches of clock and ephemeris data over time. Either a
 * Walker 24/3/1 like Galileo's, made from a seed, or what a capture has recorded (`recorded-constellation.ts`).
 * Layout and scale factors: Galileo OS SIS ICD 2.1 sections 4.3.5 and 5.1.
 */
import { SECONDS_IN_WEEK, SUBFRAME_SECONDS, towOf } from "../inav/gst.js";
import { seededFraction } from "./seeded.js";

/** OS SIS ICD table of constants: pi, mu, Earth rotation, speed of light. */
export const PI = 3.1415926535898;
export const MU = 3.986004418e14;
export const EARTH_ROTATION = 7.2921151467e-5;
export const SPEED_OF_LIGHT = 299_792_458;
/** F = -2 sqrt(mu) / c^2. */
export const RELATIVISTIC = -4.442807309e-10;

/** A batch of clock and ephemeris data as the integers on air (scale factors: `navigation.ts`). */
export interface Batch {
  readonly iodNav: number;
  readonly svid: number;
  readonly referenceTow: number;
  readonly referenceGst: number;
  readonly m0: number;
  readonly e: number;
  readonly sqrtA: number;
  readonly omega0: number;
  readonly i0: number;
  readonly omega: number;
  readonly iDot: number;
  readonly omegaDot: number;
  readonly deltaN: number;
  readonly cuc: number;
  readonly cus: number;
  readonly crc: number;
  readonly crs: number;
  readonly cic: number;
  readonly cis: number;
  readonly af0: number;
  readonly af1: number;
  /** Zero for the made constellation. */
  readonly af2: number;
}

/** BGD(E1,E5a) and BGD(E1,E5b) as integers on air. */
export interface GroupDelays {
  readonly e5a: number;
  readonly e5b: number;
}

/** The coefficients of WT5 as integers on air. */
export interface Ionosphere {
  readonly ai0: number;
  readonly ai1: number;
  readonly ai2: number;
}

export interface Constellation {
  /** Satellites there are, ascending. */
  readonly svids: readonly number[];
  readonly ionosphere: Ionosphere;
  groupDelays(svid: number): GroupDelays;
  /** The batch that a satellite sends in the subframe that holds `gst`. */
  batch(svid: number, gst: number): Batch;
}

export const CONSTELLATION_SIZE = 24;
const PLANES = 3;
const SATELLITES_PER_PLANE = CONSTELLATION_SIZE / PLANES;
/** Orbit of the constellation: semi-major axis near the 29 600 km of the almanac and WT16. */
const SQRT_A = 5440.6;
const NOMINAL_INCLINATION_SC = 56 / 180;
export const BATCH_SECONDS = 600;
/** A new batch is on air so long after its reference time. */
const BATCH_SHIFT_SECONDS = 60;
/** IODnav counts modulo 128 on air. */
const IOD_MODULUS = 128;
const WALKER_IONOSPHERE: Ionosphere = { ai0: 577, ai1: -3, ai2: -12 };
/** Coefficients of the Walker constellation in sfu, sfu/deg and sfu/deg^2. */
export const IONOSPHERE_COEFFICIENTS = ionosphereCoefficients(WALKER_IONOSPHERE);

export function ionosphereCoefficients(on: Ionosphere): readonly [number, number, number] {
  return [on.ai0 / 4, on.ai1 / 256, on.ai2 / 32_768];
}

/** Integers that stay, and those that grow by a whole step from batch to batch. */
interface Orbit {
  readonly fixed: Pick<
    Batch,
    | "e"
    | "sqrtA"
    | "omega"
    | "iDot"
    | "omegaDot"
    | "deltaN"
    | "cuc"
    | "cus"
    | "crc"
    | "crs"
    | "cic"
    | "cis"
    | "af1"
    | "af2"
  >;
  readonly m0: number;
  readonly m0Step: number;
  readonly omega0: number;
  readonly omega0Step: number;
  readonly i0: number;
  readonly i0Step: number;
  readonly af0: number;
  readonly af0Step: number;
  readonly groupDelays: GroupDelays;
}

/**
 * A rate on air counts 2^-12 of its value's unit per second (2^-43 against 2^-31, 2^-46 against 2^-34), so that a
 * multiple of 512 moves the value by a whole number in ten minutes: then two batches of one satellite describe
 * exactly the same motion, and nobody sees a step when one replaces the other.
 */
const RATE_SCALE = 4096;
const WHOLE_RATE = 512;

/** How far the Earth turns in a week beyond whole turns, radians. */
const WEEK_TURN =
  EARTH_ROTATION * SECONDS_IN_WEEK - 2 * PI * Math.floor((EARTH_ROTATION * SECONDS_IN_WEEK) / (2 * PI));

function wholeStep(rate: number): number {
  return (rate * BATCH_SECONDS) / RATE_SCALE;
}

/** Walker 24/3/1: SVID 1-8, 9-16 and 17-24 in the three planes. A new batch every ten minutes, at GST mod 600 = 60. */
export class WalkerConstellation implements Constellation {
  readonly svids = Array.from({ length: CONSTELLATION_SIZE }, (_, i) => i + 1);
  readonly ionosphere = WALKER_IONOSPHERE;
  readonly #seed: string;
  readonly #epochGst: number;
  readonly #orbits = new Map<number, Orbit>();
  /** The batch last asked for, by SVID. */
  readonly #last: (Batch | undefined)[] = [];

  /** `epochGst` fixes where the satellites are; constellations of one week and seed agree at every time. */
  constructor(seed: string, epochGst: number) {
    this.#seed = seed;
    this.#epochGst = Math.floor(epochGst / SECONDS_IN_WEEK) * SECONDS_IN_WEEK;
  }

  groupDelays(svid: number): GroupDelays {
    return this.#orbit(svid).groupDelays;
  }

  batch(svid: number, gst: number): Batch {
    const subframe = Math.floor(gst / SUBFRAME_SECONDS) * SUBFRAME_SECONDS;
    const index = Math.floor((subframe - BATCH_SHIFT_SECONDS) / BATCH_SECONDS);
    const referenceGst = index * BATCH_SECONDS;
    const last = this.#last[svid];
    if (last?.referenceGst === referenceGst) return last;
    const orbit = this.#orbit(svid);
    const steps = (referenceGst - this.#epochGst) / BATCH_SECONDS;
    const weeks = Math.floor((referenceGst - this.#epochGst) / SECONDS_IN_WEEK);
    const batch: Batch = {
      ...orbit.fixed,
      iodNav: index % IOD_MODULUS,
      svid,
      referenceTow: towOf(referenceGst),
      referenceGst,
      m0: wrapped32(orbit.m0 + orbit.m0Step * steps),
      // The node is referred to the start of the week that holds the reference time: it moves where the week turns.
      omega0: wrapped32(
        orbit.omega0 + orbit.omega0Step * steps - Math.round(((weeks * WEEK_TURN) / PI) * 2 ** 31),
      ),
      i0: orbit.i0 + orbit.i0Step * steps,
      af0: orbit.af0 + orbit.af0Step * steps,
    };
    this.#last[svid] = batch;
    return batch;
  }

  #orbit(svid: number): Orbit {
    let found = this.#orbits.get(svid);
    if (found === undefined) this.#orbits.set(svid, (found = this.#makeOrbit(svid)));
    return found;
  }

  #makeOrbit(svid: number): Orbit {
    const random = (what: string): number => seededFraction(this.#seed, `orbit ${svid} ${what}`);
    const plane = Math.floor((svid - 1) / SATELLITES_PER_PLANE);
    const inPlane = (svid - 1) % SATELLITES_PER_PLANE;
    const omega = (random("omega") * 2 - 1) * PI;
    // Planes 120 degrees apart, satellites 45, neighbours in the next plane 15 ahead.
    const latitudeArgument =
      (inPlane * 2 * PI) / SATELLITES_PER_PLANE + (plane * 2 * PI) / CONSTELLATION_SIZE;
    const semicircles = (radians: number): number => Math.round((radians / PI) * 2 ** 31);
    const wholeRate = (value: number): number => Math.round(value / WHOLE_RATE) * WHOLE_RATE;
    const [cuc, cus, crc, crs, cic, cis] = Array.from(
      { length: 6 },
      (_, k) => random(`harmonic ${k}`) * 2 - 1,
    );
    const sqrtA = Math.round(SQRT_A * 2 ** 19);
    const { deltaN, m0Step } = wholeMotion(
      sqrtA,
      Math.round(((2.8e-9 + random("deltaN") * 4e-10) / PI) * 2 ** 43),
    );
    const omegaDot = wholeRate(((-5.4e-9 + (random("omegaDot") - 0.5) * 4e-10) / PI) * 2 ** 43);
    const iDot = wholeRate((random("iDot") - 0.5) * 3 * WHOLE_RATE);
    const af1 = wholeRate((random("af1") - 0.5) * 5 * WHOLE_RATE);
    return {
      fixed: {
        e: Math.round((1e-4 + 3e-4 * random("e")) * 2 ** 33),
        sqrtA,
        omega: wrapped32(semicircles(omega)),
        iDot,
        omegaDot,
        deltaN,
        cuc: Math.round(cuc! * 4000),
        cus: Math.round(cus! * 4000),
        crc: Math.round(crc! * 6000),
        crs: Math.round(crs! * 6000),
        cic: Math.round(cic! * 40),
        cis: Math.round(cis! * 40),
        af1,
        af2: 0,
      },
      m0: semicircles(latitudeArgument - omega),
      m0Step,
      omega0: semicircles((plane * 2 * PI) / PLANES + 0.3),
      omega0Step: wholeStep(omegaDot),
      i0: semicircles(NOMINAL_INCLINATION_SC * PI + (random("i0") - 0.5) * 0.01),
      i0Step: wholeStep(iDot),
      af0: Math.round((random("af0") - 0.5) * 1e-3 * 2 ** 34),
      af0Step: wholeStep(af1),
      groupDelays: {
        e5a: Math.round((random("bgdE5a") - 0.5) * 60),
        e5b: Math.round((random("bgdE5b") - 0.5) * 60),
      },
    };
  }
}

/** The deltaN near `about` with which ten minutes of mean motion are a whole number of steps of M0, within 1/1000. */
function wholeMotion(sqrtA: number, about: number): { deltaN: number; m0Step: number } {
  const a = sqrtA * 2 ** -19 * (sqrtA * 2 ** -19);
  const keplerian = ((Math.sqrt(MU / (a * a * a)) * BATCH_SECONDS) / PI) * 2 ** 31;
  let best = { deltaN: about, m0Step: 0, miss: Infinity };
  for (let deltaN = about; deltaN < about + WHOLE_RATE; deltaN++) {
    const step = keplerian + wholeStep(deltaN);
    const miss = Math.abs(step - Math.round(step));
    if (miss < best.miss) best = { deltaN, m0Step: Math.round(step), miss };
  }
  return best;
}

/** An angle in 2^-31 semicircles brought into 32 signed bits. */
function wrapped32(value: number): number {
  return value - 2 ** 32 * Math.floor((value + 2 ** 31) / 2 ** 32);
}
