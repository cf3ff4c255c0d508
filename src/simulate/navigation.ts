/**
 * Navigation data of a constellation, as a function of time alone, encoded into I/NAV words and pages, and the
 * satellites' motion that follows from it. Layouts: Galileo OS SIS ICD 2.1 section 4.3 (words, pages, subframe
 * layout) and 5.1; bits covered by OSNMA: OSNMA SIS ICD 1.1 section 6.5.
 */
import { crc24q } from "gnss-ubx";
import { SUBFRAME_SECONDS, towOf, wnOf } from "../inav/gst.js";
import { encodeParity } from "../inav/reed-solomon.js";
import { BitWriter } from "./bit-writer.js";
import {
  type Batch,
  BATCH_SECONDS,
  type Constellation,
  EARTH_ROTATION,
  ionosphereCoefficients,
  MU,
  PI,
  RELATIVISTIC,
  WalkerConstellation,
} from "./constellation.js";
import { LEAP_SECONDS } from "./leap-seconds.js";
import { seededBytes } from "./seeded.js";

export { CONSTELLATION_SIZE, IONOSPHERE_COEFFICIENTS, SPEED_OF_LIGHT } from "./constellation.js";

/** Semi-major axis and inclination that WT16 and the almanac add to. */
const NOMINAL_A = 29_600_000;
const NOMINAL_INCLINATION_SC = 56 / 180;
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

/** Earth-fixed position, metres. */
export type Ecef = readonly [x: number, y: number, z: number];

/** A satellite at one time. */
export interface SatelliteMotion {
  readonly position: Ecef;
  /** Earth-fixed, metres per second. */
  readonly velocity: Ecef;
  /** Clock offset, seconds: polynomial and relativistic term, as I/NAV gives it for the pair E1, E5b. */
  readonly clockSeconds: number;
  readonly clockRate: number;
}

/** Broadcast constants of WT6 and WT10, as integers on air. */
const UTC_A0 = -1;
/** Leap second at the end of 2016: WN 905, Saturday. */
const LEAP_WEEK = 905;
const LEAP_DAY = 7;
const GGTO_A0 = 31;
const GGTO_A1 = -10;

export class NavigationModel {
  readonly constellation: Constellation;
  /** Coefficients of WT5 in sfu, sfu/deg and sfu/deg^2. */
  readonly ionosphere: readonly [number, number, number];
  readonly #seed: string;
  readonly #events: readonly SatelliteEvent[];
  /** Words 1-4 and 17-20 of a batch, by SVID: the ones last asked for. */
  readonly #ced = new Map<number, CedWords>();
  readonly #covered = new Map<number, Map<number, Uint8Array>>();

  /** A Walker constellation whose `epochGst` fixes where the satellites are, unless another one is given. */
  constructor(
    seed: string,
    epochGst: number,
    events: readonly SatelliteEvent[] = [],
    constellation: Constellation = new WalkerConstellation(seed, epochGst),
  ) {
    this.#seed = seed;
    this.#events = events;
    this.constellation = constellation;
    this.ionosphere = ionosphereCoefficients(constellation.ionosphere);
  }

  /** State of a satellite in the subframe that starts at `gst`. */
  state(svid: number, gst: number): SatelliteState {
    if (this.#events.length === 0) return HEALTHY;
    let state: SatelliteState = HEALTHY;
    for (const { svid: of, fromGst, untilGst, ...change } of this.#events) {
      if (of !== svid || gst < (fromGst ?? -Infinity) || gst >= (untilGst ?? Infinity)) continue;
      state = { ...state, ...change };
    }
    return state;
  }

  /** Word of any type of a satellite in the page that starts at `pageGst` of the subframe at `subframeGst`. */
  word(svid: number, type: number, subframeGst: number, pageGst: number): Uint8Array {
    if (type >= 1 && type <= 4) return this.#cedWords(svid, subframeGst).words[type - 1]!;
    if (type >= 17 && type <= 20) {
      const ced = this.#cedWords(svid, subframeGst);
      const [w1, w2, w3, w4] = ced.words as [Uint8Array, Uint8Array, Uint8Array, Uint8Array];
      return (ced.parity ??= encodeParity(w1, w2, w3, w4))[type - 17]!;
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
    const bitLength = kind === 4 ? 141 : 549;
    const slot = svid * 8 + kind;
    let known = this.#covered.get(slot);
    if (known === undefined) this.#covered.set(slot, (known = new Map()));
    let bits = known.get(gst);
    if (bits === undefined) {
      const word = (type: number): Uint8Array => this.word(svid, type, gst, gst + 1);
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
      // Neighbours are asked for up to half an hour back; older ones are made again if need be.
      if (known.size >= MAX_COVERED) known.clear();
      known.set(gst, bits);
    }
    return { bits, bitLength };
  }

  /** IODnav on air in the subframe at `gst`. */
  iodNav(svid: number, gst: number): number {
    return this.constellation.batch(svid, gst).iodNav;
  }

  /** Earth-fixed position at `gst` (any fraction) by the ephemeris on air then; user algorithm of the ICD. */
  position(svid: number, gst: number): Ecef {
    return this.motion(svid, gst).position;
  }

  /** Satellite clock for an E1 user at `gst`, seconds: polynomial, relativistic term and BGD(E1,E5b). */
  clockE1(svid: number, gst: number): number {
    return this.motion(svid, gst).clockSeconds - this.bgdE5bSeconds(svid);
  }

  bgdE5bSeconds(svid: number): number {
    return this.constellation.groupDelays(svid).e5b * 2 ** -32;
  }

  /** Position, velocity and clock at `gst` by the ephemeris on air then. */
  motion(svid: number, gst: number): SatelliteMotion {
    const b = this.constellation.batch(svid, gst);
    const sqrtA = b.sqrtA * 2 ** -19;
    const a = sqrtA * sqrtA;
    const e = b.e * 2 ** -33;
    const tk = gst - b.referenceGst;
    const n = Math.sqrt(MU / (a * a * a)) + b.deltaN * 2 ** -43 * PI;
    const m = b.m0 * 2 ** -31 * PI + n * tk;
    let eccentric = m;
    for (let i = 0; i < MAX_KEPLER_STEPS; i++) {
      const step = (eccentric - e * Math.sin(eccentric) - m) / (1 - e * Math.cos(eccentric));
      eccentric -= step;
      if (Math.abs(step) < 1e-9) break;
    }
    const sinE = Math.sin(eccentric);
    const cosE = Math.cos(eccentric);
    const root = Math.sqrt(1 - e * e);
    const eRate = n / (1 - e * cosE);
    const phi = Math.atan2(root * sinE, cosE - e) + b.omega * 2 ** -31 * PI;
    const phiRate = (root / (1 - e * cosE)) * eRate;
    const s2 = Math.sin(2 * phi);
    const c2 = Math.cos(2 * phi);
    const [cus, cuc] = [b.cus * 2 ** -29, b.cuc * 2 ** -29];
    const [crs, crc] = [b.crs * 2 ** -5, b.crc * 2 ** -5];
    const [cis, cic] = [b.cis * 2 ** -29, b.cic * 2 ** -29];
    const u = phi + cus * s2 + cuc * c2;
    const uRate = phiRate * (1 + 2 * (cus * c2 - cuc * s2));
    const r = a * (1 - e * cosE) + crs * s2 + crc * c2;
    const rRate = a * e * sinE * eRate + 2 * phiRate * (crs * c2 - crc * s2);
    const iDot = b.iDot * 2 ** -43 * PI;
    const i = b.i0 * 2 ** -31 * PI + iDot * tk + cis * s2 + cic * c2;
    const iRate = iDot + 2 * phiRate * (cis * c2 - cic * s2);
    const nodeRate = b.omegaDot * 2 ** -43 * PI - EARTH_ROTATION;
    const node = b.omega0 * 2 ** -31 * PI + nodeRate * tk - EARTH_ROTATION * b.referenceTow;
    const [sinU, cosU, sinI, cosI, sinN, cosN] = [
      Math.sin(u), Math.cos(u), Math.sin(i), Math.cos(i), Math.sin(node), Math.cos(node),
    ]; // prettier-ignore
    // In the orbital plane, then turned.
    const [x, y] = [r * cosU, r * sinU];
    const [xRate, yRate] = [rRate * cosU - y * uRate, rRate * sinU + x * uRate];
    const px = x * cosN - y * cosI * sinN;
    const py = x * sinN + y * cosI * cosN;
    const across = yRate * cosI - y * sinI * iRate;
    const relativistic = RELATIVISTIC * e * sqrtA;
    return {
      position: [px, py, y * sinI],
      velocity: [
        xRate * cosN - across * sinN - nodeRate * py,
        xRate * sinN + across * cosN + nodeRate * px,
        yRate * sinI + y * cosI * iRate,
      ],
      clockSeconds:
        b.af0 * 2 ** -34 + b.af1 * 2 ** -46 * tk + b.af2 * 2 ** -59 * tk * tk + relativistic * sinE,
      clockRate: b.af1 * 2 ** -46 + 2 * b.af2 * 2 ** -59 * tk + relativistic * cosE * eRate,
    };
  }

  /** Elements of the batch in force at `gst`, propagated to it; angles in [-pi, pi), the node referred to its week. */
  #elementsAt(svid: number, gst: number): { m: number; node: number; i: number; af0: number; batch: Batch } {
    const batch = this.constellation.batch(svid, gst);
    const dt = gst - batch.referenceGst;
    const sqrtA = batch.sqrtA * 2 ** -19;
    const a = sqrtA * sqrtA;
    const n = Math.sqrt(MU / (a * a * a)) + batch.deltaN * 2 ** -43 * PI;
    const omega0 = batch.omega0 * 2 ** -31 * PI;
    return {
      m: wrapped(batch.m0 * 2 ** -31 * PI + n * dt),
      node: wrapped(
        omega0 +
          batch.omegaDot * 2 ** -43 * PI * dt -
          EARTH_ROTATION * (dt + batch.referenceTow - towOf(gst)),
      ),
      i: batch.i0 * 2 ** -31 * PI + batch.iDot * 2 ** -43 * PI * dt,
      af0: batch.af0 * 2 ** -34 + batch.af1 * 2 ** -46 * dt,
      batch,
    };
  }

  #cedWords(svid: number, gst: number): CedWords {
    const batch = this.constellation.batch(svid, gst);
    const { sisa } = this.state(svid, gst);
    const known = this.#ced.get(svid);
    if (known !== undefined && known.batch === batch && known.sisa === sisa) return known;
    const made: CedWords = { batch, sisa, words: encodeCed(batch, sisa), parity: null };
    this.#ced.set(svid, made);
    return made;
  }

  #healthWord(svid: number, gst: number, pageGst: number): Uint8Array {
    const state = this.state(svid, gst);
    const { e5a, e5b } = this.constellation.groupDelays(svid);
    const { ai0, ai1, ai2 } = this.constellation.ionosphere;
    return new BitWriter(128)
      .unsigned(5, 6)
      .unsigned(ai0, 11)
      .signed(ai1, 11)
      .signed(ai2, 14)
      .zeros(5)
      .signed(e5a, 10)
      .signed(e5b, 10)
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
    const at = this.#elementsAt(svid, reference);
    const { batch } = at;
    const e = batch.e * 2 ** -33;
    const omega = batch.omega * 2 ** -31 * PI;
    const semicircles = (radians: number, bits: number): number => {
      const value = Math.round(wrapped(radians) / PI / 2 ** -22);
      return value === 2 ** (bits - 1) ? -value : value;
    };
    const sqrtA = batch.sqrtA * 2 ** -19;
    return new BitWriter(128)
      .unsigned(16, 6)
      .signed(Math.round((sqrtA * sqrtA - NOMINAL_A) / 256), 5)
      .signed(Math.round(e * Math.cos(omega) * 2 ** 22), 13)
      .signed(Math.round(e * Math.sin(omega) * 2 ** 22), 13)
      .signed(Math.round((at.i / PI - NOMINAL_INCLINATION_SC) * 2 ** 22), 17)
      .signed(semicircles(at.node, 23), 23)
      .signed(semicircles(at.m + omega, 23), 23)
      .signed(Math.round(at.af0 * 2 ** 26), 22)
      .signed(Math.round(batch.af1 * 2 ** (35 - 46)), 6)
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
    const empty = {
      svid: 0,
      dSqrtA: 0,
      e: 0,
      omega: 0,
      di: 0,
      omega0: 0,
      omegaDot: 0,
      m0: 0,
      af0: 0,
      af1: 0,
    };
    // Slots of satellites that are not there are empty: SVID 0, all zero.
    if (!this.constellation.svids.includes(svid)) return empty;
    const at = this.#elementsAt(svid, t0a);
    const { batch } = at;
    const angle = (radians: number): number => {
      const value = Math.round(wrapped(radians) / PI / 2 ** -15);
      return value === 2 ** 15 ? -value : value;
    };
    const fields = {
      svid,
      dSqrtA: Math.round((batch.sqrtA * 2 ** -19 - Math.sqrt(NOMINAL_A)) * 2 ** 9),
      e: Math.round(batch.e * 2 ** (16 - 33)),
      omega: angle(batch.omega * 2 ** -31 * PI),
      di: Math.round((at.i / PI - NOMINAL_INCLINATION_SC) * 2 ** 14),
      omega0: angle(at.node),
      omegaDot: Math.round(batch.omegaDot * 2 ** (33 - 43)),
      m0: angle(at.m),
      af0: Math.round(at.af0 * 2 ** 19),
      af1: Math.round(batch.af1 * 2 ** (38 - 46)),
    };
    // An orbit that the almanac cannot express (E14, E18) is not in it.
    return Math.abs(fields.dSqrtA) < 2 ** 12 && fields.e < 2 ** 11 ? fields : empty;
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

/** Newton steps of Kepler's equation; the eccentric orbits of E14 and E18 take six. */
const MAX_KEPLER_STEPS = 12;
/** Subframes of covered bits kept per satellite. */
const MAX_COVERED = 80;

interface CedWords {
  readonly batch: Batch;
  readonly sisa: number;
  readonly words: readonly Uint8Array[];
  parity: readonly Uint8Array[] | null;
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
      .signed(b.af2, 6)
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

/** By improved (0, 1) and parity of the subframe within a minute. */
const E1B_WORD_TYPES = [false, true].map((improved) =>
  [true, false].map((first) => {
    const fec = improved ? (first ? [17, 19, 16] : [18, 20, 16]) : [0, 0, 0];
    return [2, 4, 6, ...(first ? [7, 8] : [9, 10]), ...fec, 0, 0, 1, 3, 5, 0, improved ? 16 : 0];
  }),
);
const E5B_WORD_TYPES = [true, false].map((first) => [
  1, 3, 5, ...(first ? [7, 8] : [9, 10]), 0, 0, 0, 0, 0, 2, 4, 6, 0, 0,
]); // prettier-ignore

/** Word types of the 15 pages of an E1-B subframe; 0 stands in for what a satellite does not send. */
export function e1bWordTypes(subframeGst: number, improved: boolean): readonly number[] {
  return E1B_WORD_TYPES[improved ? 1 : 0]![subframeGst % 60 === 0 ? 0 : 1]!;
}

/** Word types of the 15 pages of an E5b subframe. */
export function e5bWordTypes(subframeGst: number): readonly number[] {
  return E5B_WORD_TYPES[subframeGst % 60 === 0 ? 0 : 1]!;
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
