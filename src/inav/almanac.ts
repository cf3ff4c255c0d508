/**
 * Almanacs from WT7-10: two consecutive subframes of one satellite carry three almanacs (WT7 and 8, then WT9 and
 * 10) and the GST-GPS time offset (WT10).
 * Source: Galileo OS SIS ICD 2.1 section 5.1.10 (almanac), 5.1.8 (GGTO).
 *
 * IODa alone does not tell batches apart: it counts modulo 16, satellites broadcast batches of different age at the
 * same time, and two batches with one IODa were seen on air together. So a group is words of one transmitting
 * satellite, two consecutive subframes, one IODa and, where both halves carry them, one WNa and t0a.
 */

import { SECONDS_IN_WEEK, subframeOfE1Page, SUBFRAME_SECONDS, wnOf } from "./gst.js";
import { decodeWordAs, ggtoOfWord10, wordTypeOf } from "./word.js";
import type { FieldWord, GgtoParameters } from "./word.js";

export const MAX_SVID = 36;
/** Square root of the nominal semi-major axis (29 600 000 m), to which deltaSqrtA adds. */
const NOMINAL_SQRT_A = Math.sqrt(29_600_000);
/** The nominal inclination, 56 degrees, to which deltaI adds. */
const NOMINAL_INCLINATION_SEMICIRCLES = 56 / 180;
const WN_A_MODULUS = 4;

/** One satellite's almanac, in the units of the ICD with the nominal orbit added. */
export interface Almanac {
  readonly svid: number;
  /** Satellite that sent it, and GST of the page that completed it. */
  readonly transmittedBy: number;
  readonly receivedGst: number;
  readonly iodA: number;
  /** Reference time, linear GST, WNa resolved to the week nearest to reception. */
  readonly t0aGst: number;
  readonly t0aSeconds: number;
  readonly sqrtASqrtMeters: number;
  readonly eccentricity: number;
  readonly i0Semicircles: number;
  readonly omega0Semicircles: number;
  readonly omegaDotSemicirclesPerSecond: number;
  readonly omegaSemicircles: number;
  readonly m0Semicircles: number;
  readonly af0Seconds: number;
  readonly af1SecondsPerSecond: number;
  readonly e5bHs: number;
  readonly e1bHs: number;
}

export type AlmanacOutput =
  | { readonly kind: "almanac"; readonly almanac: Almanac }
  | {
      readonly kind: "ggto";
      readonly svid: number;
      readonly receivedGst: number;
      /** null where the satellite says that no GGTO is available. */
      readonly ggto: GgtoParameters | null;
    };

/** The words of one satellite's group so far, with the subframe of its first half. */
interface Group {
  subframeGst: number;
  word7: FieldWord<7> | null;
  word8: FieldWord<8> | null;
  word9: FieldWord<9> | null;
}

/** Assembles almanacs; one instance for all satellites. Memory is bounded by one group per satellite. */
export class AlmanacAssembler {
  readonly #groups: (Group | null)[] = new Array<Group | null>(MAX_SVID + 1).fill(null);

  /**
   * Takes a word of satellite `svid` whose page started at linear GST `gst`. Other word types are ignored. Returns
   * the three almanacs of a group when its WT10 completes it (empty slots, SVID 0, are left out), and the GGTO with
   * each WT10. RangeError for an SVID outside 1..36 or a GST that is not a number.
   */
  push(svid: number, word: Uint8Array, gst: number): AlmanacOutput[] {
    if (!(Number.isInteger(svid) && svid >= 1 && svid <= MAX_SVID)) {
      throw new RangeError(`svid must be 1..${MAX_SVID}`);
    }
    if (!Number.isFinite(gst)) throw new RangeError("gst must be finite");
    const type = wordTypeOf(word);
    if (type < 7 || type > 10) return [];
    const subframeGst = subframeOfE1Page(gst);

    if (type === 7 || type === 8) {
      let group = this.#groups[svid];
      if (group === null || group.subframeGst !== subframeGst) {
        group = { subframeGst, word7: null, word8: null, word9: null };
        this.#groups[svid] = group;
      }
      if (type === 7) group.word7 = decodeWordAs(7, word);
      else group.word8 = decodeWordAs(8, word);
      return [];
    }

    const group = this.#groups[svid];
    const follows = group !== null && subframeGst === group.subframeGst + SUBFRAME_SECONDS;
    if (type === 9) {
      if (follows) group.word9 = decodeWordAs(9, word);
      return [];
    }

    const outputs: AlmanacOutput[] = [];
    const word10 = decodeWordAs(10, word);
    if (follows && word10 !== null) {
      for (const almanac of almanacsOf(group, word10, svid, gst)) outputs.push({ kind: "almanac", almanac });
      this.#groups[svid] = null;
    }
    outputs.push({ kind: "ggto", svid, receivedGst: gst, ggto: ggtoOfWord10(word) });
    return outputs;
  }
}

/** Linear GST of (WNa, t0a), in the week nearest to `gst`. */
function referenceGst(wnAMod4: number, t0aSeconds: number, gst: number): number {
  const wn = wnOf(gst);
  const ahead = (((wnAMod4 - wn) % WN_A_MODULUS) + WN_A_MODULUS) % WN_A_MODULUS;
  const candidate = (wn + ahead) * SECONDS_IN_WEEK + t0aSeconds;
  const earlier = candidate - WN_A_MODULUS * SECONDS_IN_WEEK;
  return Math.abs(candidate - gst) < Math.abs(earlier - gst) ? candidate : earlier;
}

function almanacsOf(group: Group, word10: FieldWord<10>, transmittedBy: number, gst: number): Almanac[] {
  const { word7, word8, word9 } = group;
  if (word7 === null || word8 === null || word9 === null) return [];
  const { iodA, wnAMod4, t0aSeconds } = word7;
  if (word8.iodA !== iodA || word9.iodA !== iodA || word10.iodA !== iodA) return [];
  if (word9.wnAMod4 !== wnAMod4 || word9.t0aSeconds !== t0aSeconds) return [];
  if (t0aSeconds >= SECONDS_IN_WEEK) return [];
  const common = {
    transmittedBy,
    receivedGst: gst,
    iodA,
    t0aGst: referenceGst(wnAMod4, t0aSeconds, gst),
    t0aSeconds,
  };
  const almanacs: Almanac[] = [
    {
      ...common,
      svid: word7.svid1,
      sqrtASqrtMeters: NOMINAL_SQRT_A + word7.deltaSqrtA1SqrtMeters,
      eccentricity: word7.eccentricity1,
      i0Semicircles: NOMINAL_INCLINATION_SEMICIRCLES + word7.deltaI1Semicircles,
      omega0Semicircles: word7.omega01Semicircles,
      omegaDotSemicirclesPerSecond: word7.omegaDot1SemicirclesPerSecond,
      omegaSemicircles: word7.omega1Semicircles,
      m0Semicircles: word7.m01Semicircles,
      af0Seconds: word8.af01Seconds,
      af1SecondsPerSecond: word8.af11SecondsPerSecond,
      e5bHs: word8.e5bHs1,
      e1bHs: word8.e1bHs1,
    },
    {
      ...common,
      svid: word8.svid2,
      sqrtASqrtMeters: NOMINAL_SQRT_A + word8.deltaSqrtA2SqrtMeters,
      eccentricity: word8.eccentricity2,
      i0Semicircles: NOMINAL_INCLINATION_SEMICIRCLES + word8.deltaI2Semicircles,
      omega0Semicircles: word8.omega02Semicircles,
      omegaDotSemicirclesPerSecond: word8.omegaDot2SemicirclesPerSecond,
      omegaSemicircles: word8.omega2Semicircles,
      m0Semicircles: word9.m02Semicircles,
      af0Seconds: word9.af02Seconds,
      af1SecondsPerSecond: word9.af12SecondsPerSecond,
      e5bHs: word9.e5bHs2,
      e1bHs: word9.e1bHs2,
    },
    {
      ...common,
      svid: word9.svid3,
      sqrtASqrtMeters: NOMINAL_SQRT_A + word9.deltaSqrtA3SqrtMeters,
      eccentricity: word9.eccentricity3,
      i0Semicircles: NOMINAL_INCLINATION_SEMICIRCLES + word9.deltaI3Semicircles,
      omega0Semicircles: word10.omega03Semicircles,
      omegaDotSemicirclesPerSecond: word10.omegaDot3SemicirclesPerSecond,
      omegaSemicircles: word9.omega3Semicircles,
      m0Semicircles: word10.m03Semicircles,
      af0Seconds: word10.af03Seconds,
      af1SecondsPerSecond: word10.af13SecondsPerSecond,
      e5bHs: word10.e5bHs3,
      e1bHs: word10.e1bHs3,
    },
  ];
  return almanacs.filter(({ svid }) => svid >= 1 && svid <= MAX_SVID);
}
