/** Tags that Galileo did not make: without its key, or with it once the key is public. */
import Type from "typebox";
import { SUBFRAME_SECONDS } from "../../inav/gst.js";
import type { AttackKind } from "../attack.js";
import type { CoveredData } from "../mack.js";
import { flipBit, Simulation, type OsnmaSubframe } from "../scenario.js";
import { seededBytes } from "../seeded.js";

const SVIDS = Type.Array(Type.Integer({ minimum: 1, maximum: 36 }), { minItems: 1 });
/** Where the covered bits of words 1 to 4 begin: 120, 120, 122 and 120 bits, each after the word's first six. */
const COVERED_FROM = [0, 120, 240, 362];
const WORD_HEAD_BITS = 6;
const TAG_INFO_BITS = 16;

/** A sky in which one bit of some satellites' words was always another, and all tags say so. */
class OtherSky extends Simulation {
  readonly #svids: readonly number[];
  readonly #bit: number;

  constructor(honest: Simulation, svids: readonly number[], word: number, bit: number) {
    super({ ...honest.options, satellites: honest.satellites });
    this.#svids = svids;
    this.#bit = COVERED_FROM[word - 1]! + bit - WORD_HEAD_BITS;
  }

  override coveredData(prnD: number, adkd: number, gst: number): CoveredData {
    const data = super.coveredData(prnD, adkd, gst);
    return adkd === 4 || !this.#svids.includes(prnD)
      ? data
      : { ...data, bits: flipBit(data.bits, this.#bit) };
  }
}

export const TAG_ATTACKS: readonly AttackKind[] = [
  {
    kind: "forged-tags",
    what: "Tags made without the key: random bits in place of every tag of the named satellites. MACSEQ and key stay.",
    keys: { svids: SVIDS },
    make: ({ svids }, { simulation, seed }) => ({
      osnma: (subframe) => {
        if (!(svids as number[]).includes(subframe.svid)) return subframe;
        const { keyBits, tagBits } = simulation.chainAt(subframe.gst - SUBFRAME_SECONDS).parameters;
        const mack = subframe.mack.slice();
        const random = seededBytes(seed, `tags ${subframe.svid} ${subframe.gst}`, mack.length);
        const tags = Math.floor((480 - keyBits) / (tagBits + TAG_INFO_BITS));
        for (let i = 0; i < tags; i++) {
          // Tag 0 is followed by MACSEQ, the others by their Tag-Info.
          const from = i * (tagBits + TAG_INFO_BITS);
          for (let bit = from; bit < from + tagBits; bit++) {
            const mask = 0x80 >> (bit & 7);
            mack[bit >> 3] = (mack[bit >> 3]! & ~mask) | (random[bit >> 3]! & mask);
          }
        }
        return { ...subframe, mack };
      },
    }),
  },
  {
    kind: "late-forgery",
    what: "The whole sky comes so late that its keys are public, with one bit of a word forged and every tag made to fit it.",
    keys: {
      svids: SVIDS,
      word: Type.Integer({ minimum: 1, maximum: 4 }),
      bit: Type.Integer({ minimum: 16, maximum: 125 }),
      delay: Type.Number({ minimum: 0, maximum: 604_800 }),
    },
    make: ({ svids, word, bit, delay }, { simulation }) => {
      const sky = new OtherSky(simulation, svids as number[], word as number, bit as number);
      return {
        delaySeconds: () => delay as number,
        word: (bytes, { svid, type }) =>
          type === word && (svids as number[]).includes(svid) ? flipBit(bytes, bit as number) : bytes,
        osnma: (subframe: OsnmaSubframe) => ({
          ...subframe,
          mack: sky.osnmaSubframe(subframe.svid, subframe.gst).mack,
        }),
      };
    },
  },
];
