/**
 * Plausible navigation data of a whole constellation, as a function of time alone, encoded into I/NAV words and
 * pages. Layouts: Galileo OS SIS ICD 2.1 section 4.3 (words, pages, subframe layout) and 5.1; bits covered by
 * OSNMA: OSNMA SIS ICD 1.1 section 6.5.
 *
 * The constellation is a Walker 24/3/1 like Galileo's: SVID 1-8, 9-16 and 17-24 in the three planes. A new batch
 * with the next IODnav comes every ten minutes, at GST mod 600 = 60.
 */
import { crc24q } from "gnss-ubx";
import { SUBFRAME_SECONDS, SECONDS_IN_WEEK, towOf, wnOf } from "../inav/gst.js";
import { encodeParity } from "../inav/reed-solomon.js";
import { BitWriter } from "./bit-writer.js";
import { seededBytes, seededFraction } from "./seeded.js";

/** OS SIS ICD table of constants: pi, mu, Earth rotation, speed of light. */
const PI = 3.1415926535898;
const MU = 3.986004418e14;
const EARTH_ROTATION = 7.2921151467e-5;
export const SPEED_OF_LIGHT = 299_792_458;
/** F = -2 sqrt(mu) / c^2. */
const RELATIVISTIC = -4.442807309e-10;

export const CONSTELLATION_SIZE = 24;
const PLANES = 3;
const SATELLITES_PER_PLANE = CONSTELLATION_SIZE / PLANES;
/** Orbit of the constellation: semi-major axis near the 29 600 km of the almanac and WT16. */
const SQRT_A = 5440.6;
const NOMINAL_A = 29_600_000;
const NOMINAL_INCLINATION_SC = 56 / 180;
const BATCH_SECONDS = 600;
const BATCH_SHIFT_SECONDS = 60;
/** IODnav counts modulo 128 on air. */
const IOD_MODULUS = 128;
const ALMANAC_FRAME_SECONDS = 720;

/** What changes about one satellite, on top of a healthy one that sends OSNMA and FEC2. */
export interface SatelliteState {
  readonly e1bHs: number;
  readonly e1bDvs: number;
  readonly e5bHs: number;
  readonly e5bDvs: number;
  /** SISA(E1,E5b) index. */
  readonly sisa: number;
  /** false: the OSNMA field is all zero. */
  readonly osnma: boolean;
  /** true: tags over its data are dummies (COP 0). */
  readonly dummyTags: boolean;
  /** true: word type 63 with filler in place of every page. */
  readonly dummyPages: boolean;
  /** false: no WT16-20, no SSP. */
  readonly improved: boolean;
}

const HEALTHY: SatelliteState = {
  e1bHs: 0,
  e1bDvs: 0,
  e5bHs: 0,
  e5bDvs: 0,
  sisa: 107,
  osnma: true,
  dummyTags: false,
  dummyPages: false,
  improved: true,
};

/** A change of one satellite's state in a stretch of time. */
export interface SatelliteEvent extends Partial<SatelliteState> {
  readonly svid: number;
  readonly fromGst?: number;
  readonly untilGst?: number;
}

/** A batch of clock and ephemeris data as the integers on air (units: see `encodeCed`). */
interface Batch {
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
}

/** Elements of one satellite at the model's epoch, in real units (radians, seconds). */
interface Elements {
  readonly m0: number;
  readonly e: number;
  readonly raan: number;
  readonly i0: number;
  readonly omega: number;
  readonly iDot: number;
  readonly omegaDot: number;
  readonly deltaN: number;
  readonly harmonics: readonly number[];
  readonly af0: number;
  readonly af1: number;
  readonly bgdE5a: number;
  readonly bgdE5b: number;
}

/** Earth-fixed position, metres. */
export type Ecef = readonly [x: number, y: number, z: number];

/** Broadcast constants of WT5, WT6 and WT10, as integers on air. */
const IONOSPHERE = { ai0: 577, ai1: -3, ai2: -12 };
/** The same in sfu, sfu/deg and sfu/deg^2. */
export const IONOSPHERE_COEFFICIENTS = [
  IONOSPHERE.ai0 / 4,
  IONOSPHERE.ai1 / 256,
  IONOSPHERE.ai2 / 32_768,
] as const;
const UTC_A0 = -1;
const LEAP_SECONDS = 18;
/** Leap second at the end of 2016: WN 905, Saturday. */
const LEAP_WEEK = 905;
const LEAP_DAY = 7;
const GGTO_A0 = 31;
const GGTO_A1 = -10;

export class NavigationModel {
  readonly #seed: string;
  readonly #epochGst: number;
  readonly #events: readonly SatelliteEvent[];
  readonly #elements = new Map<number, Elements>();
  readonly #batches = new Map<string, Batch>();
  readonly #ced = new Map<string, readonly Uint8Array[]>();
  readonly #covered = new Map<string, Uint8Array>();

  /** `epochGst` fixes where the satellites are; models of one epoch and seed agree at every time. */
  constructor(seed: string, epochGst: number, events: readonly SatelliteEvent[] = []) {
    this.#seed = seed;
    this.#epochGst = Math.floor(epochGst / SECONDS_IN_WEEK) * SECONDS_IN_WEEK;
    this.#events = events;
  }

  /** State of a satellite in the subframe that starts at `gst`. */
  state(svid: number, gst: number): SatelliteState {
    let state: SatelliteState = HEALTHY;
    for (const { svid: of, fromGst, untilGst, ...change } of this.#events) {
      if (of !== svid || gst < (fromGst ?? -Infinity) || gst >= (untilGst ?? Infinity)) continue;
      state = { ...state, ...change };
    }
    return state;
  }

  /** Word of any type of a satellite in the page that starts at `pageGst` of the subframe at `subframeGst`. */
  word(svid: number, type: number, subframeGst: number, pageGst: number): Uint8Array {
    if (type >= 1 && type <= 4) return this.#cedWords(svid, subframeGst)[type - 1]!;
    if (type >= 17 && type <= 20) {
      const [w1, w2, w3, w4] = this.#cedWords(svid, subframeGst);
      return encodeParity(w1!, w2!, w3!, w4!)[type - 17]!;
    }
    switch (type) {
      case 0:
        return spareWord(pageGst);
      case 5:
        return this.#healthWord(svid, subframeGst, pageGst);
      case 6:
        return utcWord(pageGst);
      case 16:
        return this.#reducedCed(svid, subframeGst);
      case 63:
        return new BitWriter(128)
          .unsigned(63, 6)
          .bits(seededBytes(this.#seed, `dummy ${svid} ${pageGst}`, 16), 0, 122)
          .toBytes();
      default:
        if (type >= 7 && type <= 10) return this.#almanacWord(type, subframeGst);
        throw new RangeError(`no word type ${type}`);
    }
  }

  /** The 549 bits under ADKD 0 and 12, or the 141 under ADKD 4, as sent in the subframe at `gst`. */
  covered(svid: number, adkd: number, gst: number): { bits: Uint8Array; bitLength: number } {
    const kind = adkd === 4 ? 4 : 0;
    const name = `${svid} ${kind} ${gst}`;
    let bits = this.#covered.get(name);
    const word = (type: number): Uint8Array => this.word(svid, type, gst, gst + 1);
    const bitLength = kind === 4 ? 141 : 549;
    if (bits === undefined) {
      const out = new BitWriter(bitLength);
      if (kind === 4) {
        // WT10 is sent in every second subframe: the latest one counts.
        const sent = gst % 60 === 30 ? gst : gst - SUBFRAME_SECONDS;
        out.bits(word(6), 6, 99).bits(this.word(svid, 10, sent, sent + 1), 86, 42);
      } else {
        out.bits(word(1), 6, 120).bits(word(2), 6, 120).bits(word(3), 6, 122).bits(word(4), 6, 120);
        out.bits(word(5), 6, 67);
      }
      bits = out.toBytes();
      this.#covered.set(name, bits);
    }
    return { bits, bitLength };
  }

  /** IODnav on air in the subframe at `gst`. */
  iodNav(svid: number, gst: number): number {
    return this.#batch(svid, gst).iodNav;
  }

  /** Earth-fixed position at `gst` (any fraction) by the ephemeris on air then; user algorithm of the ICD. */
  position(svid: number, gst: number): Ecef {
    return this.#orbit(svid, gst).position;
  }

  /** Satellite clock for an E1 user at `gst`, seconds: polynomial, relativistic term and BGD(E1,E5b). */
  clockE1(svid: number, gst: number): number {
    const batch = this.#batch(svid, gst);
    const dt = gst - batch.referenceGst;
    const { sinE } = this.#orbit(svid, gst);
    const e = batch.e * 2 ** -33;
    const sqrtA = batch.sqrtA * 2 ** -19;
    const clock = batch.af0 * 2 ** -34 + batch.af1 * 2 ** -46 * dt + RELATIVISTIC * e * sqrtA * sinE;
    return clock - this.#element(svid).bgdE5b * 2 ** -32;
  }

  #orbit(svid: number, gst: number): { position: Ecef; sinE: number } {
    const b = this.#batch(svid, gst);
    const sqrtA = b.sqrtA * 2 ** -19;
    const a = sqrtA * sqrtA;
    const e = b.e * 2 ** -33;
    const tk = gst - b.referenceGst;
    const n = Math.sqrt(MU / (a * a * a)) + b.deltaN * 2 ** -43 * PI;
    const m = b.m0 * 2 ** -31 * PI + n * tk;
    let eccentric = m;
    for (let i = 0; i < 8; i++) {
      eccentric -= (eccentric - e * Math.sin(eccentric) - m) / (1 - e * Math.cos(eccentric));
    }
    const sinE = Math.sin(eccentric);
    const nu = Math.atan2(Math.sqrt(1 - e * e) * sinE, Math.cos(eccentric) - e);
    const phi = nu + b.omega * 2 ** -31 * PI;
    const s2 = Math.sin(2 * phi);
    const c2 = Math.cos(2 * phi);
    const u = phi + b.cus * 2 ** -29 * s2 + b.cuc * 2 ** -29 * c2;
    const r = a * (1 - e * Math.cos(eccentric)) + b.crs * 2 ** -5 * s2 + b.crc * 2 ** -5 * c2;
    const i =
      b.i0 * 2 ** -31 * PI + b.iDot * 2 ** -43 * PI * tk + b.cis * 2 ** -29 * s2 + b.cic * 2 ** -29 * c2;
    const node =
      b.omega0 * 2 ** -31 * PI +
      (b.omegaDot * 2 ** -43 * PI - EARTH_ROTATION) * tk -
      EARTH_ROTATION * b.referenceTow;
    const x = r * Math.cos(u);
    const y = r * Math.sin(u);
    return {
      position: [
        x * Math.cos(node) - y * Math.cos(i) * Math.sin(node),
        x * Math.sin(node) + y * Math.cos(i) * Math.cos(node),
        y * Math.sin(i),
      ],
      sinE,
    };
  }

  #element(svid: number): Elements {
    let found = this.#elements.get(svid);
    if (found === undefined) {
      const random = (what: string): number => seededFraction(this.#seed, `orbit ${svid} ${what}`);
      const plane = Math.floor((svid - 1) / SATELLITES_PER_PLANE);
      const inPlane = (svid - 1) % SATELLITES_PER_PLANE;
      const omega = (random("omega") * 2 - 1) * PI;
      // Walker 24/3/1: planes 120 degrees apart, satellites 45, neighbours in the next plane 15 ahead.
      const latitudeArgument =
        (inPlane * 2 * PI) / SATELLITES_PER_PLANE + (plane * 2 * PI) / CONSTELLATION_SIZE;
      found = {
        m0: latitudeArgument - omega,
        e: 1e-4 + 3e-4 * random("e"),
        raan: (plane * 2 * PI) / PLANES + 0.3,
        i0: NOMINAL_INCLINATION_SC * PI + (random("i0") - 0.5) * 0.01,
        omega,
        iDot: (random("iDot") - 0.5) * 4e-11,
        omegaDot: -5.4e-9 + (random("omegaDot") - 0.5) * 1e-10,
        deltaN: 2.8e-9 + random("deltaN") * 4e-10,
        harmonics: Array.from({ length: 6 }, (_, k) => random(`harmonic ${k}`) * 2 - 1),
        af0: (random("af0") - 0.5) * 1e-3,
        af1: (random("af1") - 0.5) * 1e-11,
        bgdE5a: Math.round((random("bgdE5a") - 0.5) * 60),
        bgdE5b: Math.round((random("bgdE5b") - 0.5) * 60),
      };
      this.#elements.set(svid, found);
    }
    return found;
  }

  /** Elements propagated to a reference time, as angles wrapped to [-pi, pi). */
  #elementsAt(svid: number, gst: number): { m: number; node: number; i: number; af0: number } {
    const el = this.#element(svid);
    const dt = gst - this.#epochGst;
    const a = SQRT_A * SQRT_A;
    const n = Math.sqrt(MU / (a * a * a)) + el.deltaN;
    return {
      m: wrapped(el.m0 + n * dt),
      // Node as broadcast: its Earth-fixed longitude at the reference time plus the rotation since the week began.
      node: wrapped(el.raan + el.omegaDot * dt - EARTH_ROTATION * dt + EARTH_ROTATION * towOf(gst)),
      i: el.i0 + el.iDot * dt,
      af0: el.af0 + el.af1 * dt,
    };
  }

  #batch(svid: number, gst: number): Batch {
    const index = Math.floor(
      (Math.floor(gst / SUBFRAME_SECONDS) * SUBFRAME_SECONDS - BATCH_SHIFT_SECONDS) / BATCH_SECONDS,
    );
    const name = `${svid} ${index}`;
    let batch = this.#batches.get(name);
    if (batch === undefined) {
      const referenceGst = index * BATCH_SECONDS;
      const el = this.#element(svid);
      const at = this.#elementsAt(svid, referenceGst);
      const semicircles = (radians: number, power: number): number => Math.round(radians / PI / 2 ** power);
      const angle = (radians: number): number => {
        const value = semicircles(radians, -31);
        return value === 2 ** 31 ? -(2 ** 31) : value;
      };
      const [cuc, cus, crc, crs, cic, cis] = el.harmonics as [number, number, number, number, number, number];
      batch = {
        iodNav: index % IOD_MODULUS,
        svid,
        referenceTow: towOf(referenceGst),
        referenceGst,
        m0: angle(at.m),
        e: Math.round(el.e * 2 ** 33),
        sqrtA: Math.round(SQRT_A * 2 ** 19),
        omega0: angle(at.node),
        i0: angle(at.i),
        omega: angle(el.omega),
        iDot: semicircles(el.iDot, -43),
        omegaDot: semicircles(el.omegaDot, -43),
        deltaN: semicircles(el.deltaN, -43),
        cuc: Math.round(cuc * 4000),
        cus: Math.round(cus * 4000),
        crc: Math.round(crc * 6000),
        crs: Math.round(crs * 6000),
        cic: Math.round(cic * 40),
        cis: Math.round(cis * 40),
        af0: Math.round(at.af0 * 2 ** 34),
        af1: Math.round(el.af1 * 2 ** 46),
      };
      this.#batches.set(name, batch);
    }
    return batch;
  }

  #cedWords(svid: number, gst: number): readonly Uint8Array[] {
    const batch = this.#batch(svid, gst);
    const { sisa } = this.state(svid, gst);
    const name = `${svid} ${batch.referenceGst} ${sisa}`;
    let words = this.#ced.get(name);
    if (words === undefined) {
      words = encodeCed(batch, sisa);
      this.#ced.set(name, words);
    }
    return words;
  }

  #healthWord(svid: number, gst: number, pageGst: number): Uint8Array {
    const state = this.state(svid, gst);
    const el = this.#element(svid);
    return new BitWriter(128)
      .unsigned(5, 6)
      .unsigned(IONOSPHERE.ai0, 11)
      .signed(IONOSPHERE.ai1, 11)
      .signed(IONOSPHERE.ai2, 14)
      .zeros(5)
      .signed(el.bgdE5a, 10)
      .signed(el.bgdE5b, 10)
      .unsigned(state.e5bHs, 2)
      .unsigned(state.e1bHs, 2)
      .unsigned(state.e5bDvs, 1)
      .unsigned(state.e1bDvs, 1)
      .unsigned(wnOf(pageGst) % 4096, 12)
      .unsigned(towOf(pageGst), 20)
      .filler(23)
      .toBytes();
  }

  /** WT16, referred to one second after the start of the subframe. */
  #reducedCed(svid: number, subframeGst: number): Uint8Array {
    const reference = subframeGst + 1;
    const el = this.#element(svid);
    const at = this.#elementsAt(svid, reference);
    const semicircles = (radians: number, bits: number): number => {
      const value = Math.round(wrapped(radians) / PI / 2 ** -22);
      return value === 2 ** (bits - 1) ? -value : value;
    };
    return new BitWriter(128)
      .unsigned(16, 6)
      .signed(Math.round((SQRT_A * SQRT_A - NOMINAL_A) / 256), 5)
      .signed(Math.round(el.e * Math.cos(el.omega) * 2 ** 22), 13)
      .signed(Math.round(el.e * Math.sin(el.omega) * 2 ** 22), 13)
      .signed(Math.round((at.i / PI - NOMINAL_INCLINATION_SC) * 2 ** 22), 17)
      .signed(semicircles(at.node, 23), 23)
      .signed(semicircles(at.m + el.omega, 23), 23)
      .signed(Math.round(at.af0 * 2 ** 26), 22)
      .signed(Math.round(el.af1 * 2 ** 35), 6)
      .toBytes();
  }

  /** WT7-10: three satellites of the almanac over two subframes, the whole of it over a frame; GGTO in WT10. */
  #almanacWord(type: number, subframeGst: number): Uint8Array {
    const pair = Math.floor(subframeGst / 60);
    const t0a = Math.floor((pair * 60) / BATCH_SECONDS) * BATCH_SECONDS;
    const iodA = (t0a / BATCH_SECONDS) % 16;
    const triple = pair % (ALMANAC_FRAME_SECONDS / 60);
    const satellite = (k: number): AlmanacFields => this.#almanacOf(triple * 3 + k + 1, t0a);
    const out = new BitWriter(128).unsigned(type, 6).unsigned(iodA, 4);
    const time = (): BitWriter => out.unsigned(wnOf(t0a) % 4, 2).unsigned(towOf(t0a) / 600, 10);
    const [a, b, c] = [satellite(0), satellite(1), satellite(2)];
    switch (type) {
      case 7:
        time()
          .unsigned(a.svid, 6)
          .signed(a.dSqrtA, 13)
          .unsigned(a.e, 11)
          .signed(a.omega, 16)
          .signed(a.di, 11);
        return out.signed(a.omega0, 16).signed(a.omegaDot, 11).signed(a.m0, 16).zeros(6).toBytes();
      case 8:
        out
          .signed(a.af0, 16)
          .signed(a.af1, 13)
          .zeros(4)
          .unsigned(b.svid, 6)
          .signed(b.dSqrtA, 13)
          .unsigned(b.e, 11);
        return out
          .signed(b.omega, 16)
          .signed(b.di, 11)
          .signed(b.omega0, 16)
          .signed(b.omegaDot, 11)
          .zeros(1)
          .toBytes();
      case 9:
        time().signed(b.m0, 16).signed(b.af0, 16).signed(b.af1, 13).zeros(4).unsigned(c.svid, 6);
        return out.signed(c.dSqrtA, 13).unsigned(c.e, 11).signed(c.omega, 16).signed(c.di, 11).toBytes();
      default: {
        const day = Math.floor(subframeGst / 86_400) * 86_400;
        out
          .signed(c.omega0, 16)
          .signed(c.omegaDot, 11)
          .signed(c.m0, 16)
          .signed(c.af0, 16)
          .signed(c.af1, 13)
          .zeros(4);
        out
          .signed(GGTO_A0, 16)
          .signed(GGTO_A1, 12)
          .unsigned(towOf(day) / 3600, 8)
          .unsigned(wnOf(day) % 64, 6);
        return out.toBytes();
      }
    }
  }

  #almanacOf(svid: number, t0a: number): AlmanacFields {
    // Slots beyond the constellation are empty: SVID 0, all zero.
    if (svid > CONSTELLATION_SIZE) {
      return { svid: 0, dSqrtA: 0, e: 0, omega: 0, di: 0, omega0: 0, omegaDot: 0, m0: 0, af0: 0, af1: 0 };
    }
    const el = this.#element(svid);
    const at = this.#elementsAt(svid, t0a);
    const angle = (radians: number): number => {
      const value = Math.round(wrapped(radians) / PI / 2 ** -15);
      return value === 2 ** 15 ? -value : value;
    };
    return {
      svid,
      dSqrtA: Math.round((SQRT_A - Math.sqrt(NOMINAL_A)) * 2 ** 9),
      e: Math.round(el.e * 2 ** 16),
      omega: angle(el.omega),
      di: Math.round((at.i / PI - NOMINAL_INCLINATION_SC) * 2 ** 14),
      omega0: angle(at.node),
      omegaDot: Math.round((el.omegaDot / PI) * 2 ** 33),
      m0: angle(at.m),
      af0: Math.round(at.af0 * 2 ** 19),
      af1: Math.round(el.af1 * 2 ** 38),
    };
  }
}

interface AlmanacFields {
  readonly svid: number;
  readonly dSqrtA: number;
  readonly e: number;
  readonly omega: number;
  readonly di: number;
  readonly omega0: number;
  readonly omegaDot: number;
  readonly m0: number;
  readonly af0: number;
  readonly af1: number;
}

/** WT1-4 of a batch. */
function encodeCed(b: Batch, sisa: number): Uint8Array[] {
  const start = (type: number): BitWriter => new BitWriter(128).unsigned(type, 6).unsigned(b.iodNav, 10);
  const minutes = b.referenceTow / 60;
  return [
    start(1)
      .unsigned(minutes, 14)
      .signed(b.m0, 32)
      .unsigned(b.e, 32)
      .unsigned(b.sqrtA, 32)
      .filler(2)
      .toBytes(),
    start(2).signed(b.omega0, 32).signed(b.i0, 32).signed(b.omega, 32).signed(b.iDot, 14).filler(2).toBytes(),
    start(3)
      .signed(b.omegaDot, 24)
      .signed(b.deltaN, 16)
      .signed(b.cuc, 16)
      .signed(b.cus, 16)
      .signed(b.crc, 16)
      .signed(b.crs, 16)
      .unsigned(sisa, 8)
      .toBytes(),
    start(4)
      .unsigned(b.svid, 6)
      .signed(b.cic, 16)
      .signed(b.cis, 16)
      .unsigned(minutes, 14)
      .signed(b.af0, 31)
      .signed(b.af1, 21)
      .zeros(6)
      .filler(2)
      .toBytes(),
  ];
}

function spareWord(pageGst: number): Uint8Array {
  return new BitWriter(128)
    .unsigned(0, 6)
    .unsigned(2, 2)
    .filler(88)
    .unsigned(wnOf(pageGst) % 4096, 12)
    .unsigned(towOf(pageGst), 20)
    .toBytes();
}

function utcWord(pageGst: number): Uint8Array {
  const day = Math.floor((pageGst - 1) / 86_400) * 86_400;
  return new BitWriter(128)
    .unsigned(6, 6)
    .signed(UTC_A0, 32)
    .signed(0, 24)
    .signed(LEAP_SECONDS, 8)
    .unsigned(towOf(day) / 3600, 8)
    .unsigned(wnOf(day) % 256, 8)
    .unsigned(LEAP_WEEK % 256, 8)
    .unsigned(LEAP_DAY, 3)
    .signed(LEAP_SECONDS, 8)
    .unsigned(towOf(pageGst), 20)
    .filler(3)
    .toBytes();
}

function wrapped(radians: number): number {
  return radians - 2 * PI * Math.floor((radians + PI) / (2 * PI));
}

/** Word types of the 15 pages of an E1-B subframe; 0 stands in for what a satellite does not send. */
export function e1bWordTypes(subframeGst: number, improved: boolean): number[] {
  const first = subframeGst % 60 === 0;
  const fec = improved ? (first ? [17, 19, 16] : [18, 20, 16]) : [0, 0, 0];
  return [2, 4, 6, ...(first ? [7, 8] : [9, 10]), ...fec, 0, 0, 1, 3, 5, 0, improved ? 16 : 0];
}

/** Word types of the 15 pages of an E5b subframe. */
export function e5bWordTypes(subframeGst: number): number[] {
  return [1, 3, 5, ...(subframeGst % 60 === 0 ? [7, 8] : [9, 10]), 0, 0, 0, 0, 0, 2, 4, 6, 0, 0];
}

export interface PageFields {
  readonly word: Uint8Array;
  /** E1-B: the 40 bits of OSNMA. Left out on E5b. */
  readonly osnma?: Uint8Array;
  /** SSP on E1-B, reserved 2 on E5b. */
  readonly ssp: number;
}

/** Both halves of a nominal page, 120 bits each. */
export function encodePage(fields: PageFields): { even: Uint8Array; odd: Uint8Array } {
  const even = new BitWriter(120).zeros(2).bits(fields.word, 0, 112).zeros(6).toBytes();
  const body = new BitWriter(82).unsigned(2, 2).bits(fields.word, 112, 16);
  // 64 bits: OSNMA (or reserved), search and rescue (no message: filler), spare.
  if (fields.osnma === undefined) body.filler(64);
  else body.bits(fields.osnma, 0, 40).filler(22).zeros(2);
  const covered = new BitWriter(200).zeros(4).bits(even, 0, 114).bits(body.toBytes(), 0, 82).toBytes();
  const odd = new BitWriter(120)
    .bits(body.toBytes(), 0, 82)
    .unsigned(crc24q(covered), 24)
    .unsigned(fields.ssp, 8)
    .zeros(6)
    .toBytes();
  return { even, odd };
}

/** SSP of the page that starts at `pageGst`: 04, 2B, 2F in turn, FD without the improvement. */
export function sspAt(pageGst: number, improved: boolean): number {
  return improved ? [0x04, 0x2b, 0x2f][(towOf(pageGst) % 6) >> 1]! : 0xfd;
}
