/**
 * Builds the MACK section: tags, Tag-Info, MACSEQ and the TESLA key. OSNMA SIS ICD 1.1 section 3.2.3 (MACK),
 * annex C (MAC look-up table), section 6.6 and 6.7 (MACSEQ and tags).
 */
import { gst32Of, SUBFRAME_SECONDS } from "../inav/gst.js";
import { BitWriter } from "./bit-writer.js";
import { macOf, type ChainParameters, KS_CODE, type TeslaChain, TS_CODE } from "./tesla-chain.js";

/** Bits of the MACK section. */
export const MACK_BITS = 480;
const INFO_BITS = 16;
const MACSEQ_BITS = 12;
/** Subframes until the key of a Slow MAC tag (ADKD 12) is out, beside the usual one. */
const SLOW_MAC_DELAY_SUBFRAMES = 10;

/** One entry of the MAC look-up table. */
export interface SlotPlan {
  /** null for a flexible slot. */
  readonly adkd: number | null;
  /** true: PRN_D is the transmitting satellite; false: another; null: flexible. */
  readonly self: boolean | null;
}

/** The table as the ICD prints it: both sequences of each MACLT ID. */
const TABLE_TEXT: Readonly<Record<number, readonly [string, string]>> = {
  27: ["00S 00E 00E 00E 12S 00E", "00S 00E 00E 04S 12S 00E"],
  28: ["00S 00E 00E 00E 00S 00E 00E 12S 00E 00E", "00S 00E 00E 00S 00E 00E 04S 12S 00E 00E"],
  31: ["00S 00E 00E 12S 00E", "00S 00E 00E 12S 04S"],
  33: ["00S 00E 04S 00E 12S 00E", "00S 00E 00E 12S 00E 12E"],
  34: ["00S FLX 04S FLX 12S 00E", "00S FLX 00E 12S 00E 12E"],
  35: ["00S FLX 04S FLX 12S FLX", "00S FLX FLX 12S FLX FLX"],
  36: ["00S FLX 04S FLX 12S", "00S FLX 00E 12S 12E"],
  37: ["00S 00E 04S 00E 12S", "00S 00E 00E 12S 12E"],
  38: ["00S FLX 04S FLX 12S", "00S FLX FLX 12S FLX"],
  39: ["00S FLX 04S FLX", "00S FLX 00E 12S"],
  40: ["00S 00E 04S 12S", "00S 00E 00E 12E"],
  41: ["00S FLX 04S FLX", "00S FLX FLX 12S"],
};

function parseSlot(text: string): SlotPlan {
  if (text === "FLX") return { adkd: null, self: null };
  return { adkd: Number(text.slice(0, 2)), self: text.endsWith("S") };
}

/** Both tag sequences by MACLT ID. */
export const MACLT: ReadonlyMap<number, readonly [readonly SlotPlan[], readonly SlotPlan[]]> = new Map(
  Object.entries(TABLE_TEXT).map(([id, [first, second]]) => [
    Number(id),
    [first.split(" ").map(parseSlot), second.split(" ").map(parseSlot)] as const,
  ]),
);

/** Tags that fit: `nt = floor((480 - lK) / (lt + 16))`. */
export function tagCount(parameters: Pick<ChainParameters, "keyBits" | "tagBits">): number {
  return Math.floor((MACK_BITS - parameters.keyBits) / (parameters.tagBits + INFO_BITS));
}

/** Why no chain can have these parameters; null where it can. */
export function parameterMistake({ mac, keyBits, tagBits, maclt }: ChainParameters): string | null {
  if (KS_CODE[keyBits] === undefined) return `key_bits must be one of ${Object.keys(KS_CODE).join(", ")}`;
  if (TS_CODE[tagBits] === undefined) return `tag_bits must be one of ${Object.keys(TS_CODE).join(", ")}`;
  const sequences = MACLT.get(maclt);
  if (sequences === undefined) return `maclt must be one of ${[...MACLT.keys()].join(", ")}`;
  const [fit, wanted] = [tagCount({ keyBits, tagBits }), sequences[0].length];
  if (fit !== wanted) {
    const fitting = [...MACLT].filter(([, [first]]) => first.length === fit).map(([entry]) => entry);
    return (
      `maclt ${maclt} has ${wanted} tags, but keys of ${keyBits} and tags of ${tagBits} bits leave room for ${fit}` +
      (fitting.length === 0 ? ", which no entry has" : `, as ${fitting.join(", ")} have`)
    );
  }
  return mac === "CMAC-AES" && ![128, 192, 256].includes(keyBits)
    ? "CMAC-AES takes keys of 128, 192 or 256 bits"
    : null;
}

/** Every set of chain parameters the ICD allows and a MAC look-up table fits, for exhaustive tests. */
export function validChainParameters(): ChainParameters[] {
  const all: ChainParameters[] = [];
  for (const [maclt, [first]] of MACLT) {
    for (const keyBits of [96, 104, 112, 120, 128, 160, 192, 224, 256]) {
      for (const tagBits of [20, 24, 28, 32, 40]) {
        if (tagCount({ keyBits, tagBits }) !== first.length) continue;
        for (const hash of ["SHA-256", "SHA3-256"] as const) {
          all.push({ hash, mac: "HMAC-SHA-256", keyBits, tagBits, maclt });
          if (keyBits === 128 || keyBits === 192 || keyBits === 256) {
            all.push({ hash, mac: "CMAC-AES", keyBits, tagBits, maclt });
          }
        }
      }
    }
  }
  return all;
}

/** Navigation data as a tag covers it. */
export interface CoveredData {
  /** 549 bits (ADKD 0 and 12) or 141 bits (ADKD 4); all zero for a dummy tag. */
  readonly bits: Uint8Array;
  readonly bitLength: number;
  /** Cut-off point, 0 for a dummy tag. */
  readonly cop: number;
}

/** Tag-Info. */
export interface TagInfo {
  readonly prnD: number;
  readonly adkd: number;
  readonly cop: number;
}

/** What the builder asks the rest of the simulation. */
export interface MackContext {
  readonly nmas: number;
  /** The chain in force in a subframe. */
  readonly chainAt: (gst: number) => TeslaChain;
  /** The data that a tag sent by `prnA` in subframe `gst` covers. */
  readonly data: (prnD: number, adkd: number, gst: number) => CoveredData;
  /** The other satellite that slot `ctr` authenticates. */
  readonly cross: (prnA: number, gst: number, ctr: number) => number;
  /** What a flexible slot carries. */
  readonly flexible: (prnA: number, gst: number, ctr: number) => { prnD: number; adkd: number };
}

/** The message under a tag's MAC; Tag0 (CTR 1) has no PRN_D of its own. */
export function tagMessage(
  prnD: number,
  prnA: number,
  gst: number,
  ctr: number,
  nmas: number,
  data: Pick<CoveredData, "bits" | "bitLength">,
): Uint8Array {
  const out = new BitWriter((ctr === 1 ? 0 : 8) + 8 + 32 + 8 + 2 + data.bitLength);
  if (ctr !== 1) out.unsigned(prnD, 8);
  out.unsigned(prnA, 8).unsigned(gst32Of(gst), 32).unsigned(ctr, 8).unsigned(nmas, 2);
  return out.bits(data.bits, 0, data.bitLength).toBytes();
}

/** The message under MACSEQ: PRN_A, GST_SF and the Tag-Info of the flexible slots in order. */
export function macseqMessage(prnA: number, gst: number, flexible: readonly TagInfo[]): Uint8Array {
  const out = new BitWriter(40 + INFO_BITS * flexible.length).unsigned(prnA, 8).unsigned(gst32Of(gst), 32);
  for (const info of flexible) writeInfo(out, info);
  return out.toBytes();
}

/** Subframe whose key opens a tag sent in subframe `gst`. */
export function keyGstOf(adkd: number, gst: number): number {
  return gst + SUBFRAME_SECONDS * (adkd === 12 ? 1 + SLOW_MAC_DELAY_SUBFRAMES : 1);
}

/** The MACK section, 60 bytes, of one satellite in one subframe. */
export function buildMack(prnA: number, gst: number, context: MackContext): Uint8Array {
  const chain = context.chainAt(gst);
  const { parameters } = chain;
  const sequences = MACLT.get(parameters.maclt);
  if (sequences === undefined) throw new RangeError(`no MAC look-up table ${parameters.maclt}`);
  const plan = sequences[gst % 60 === 0 ? 0 : 1];
  if (tagCount(parameters) !== plan.length) {
    throw new RangeError(`MACLT ${parameters.maclt} does not fit these key and tag sizes`);
  }
  // The layout and the functions are of the chain in force now; the key is of the chain that discloses it.
  const keyFor = (adkd: number): Uint8Array => {
    const keyGst = keyGstOf(adkd, gst);
    return context.chainAt(keyGst).keyAt(keyGst);
  };
  const infos: TagInfo[] = [];
  const flexible: TagInfo[] = [];
  const tags: Uint8Array[] = [];
  plan.forEach((slot, index) => {
    const ctr = index + 1;
    const choice =
      slot.adkd === null
        ? context.flexible(prnA, gst, ctr)
        : { adkd: slot.adkd, prnD: slot.self === true ? prnA : context.cross(prnA, gst, ctr) };
    const data = context.data(choice.prnD, choice.adkd, gst);
    const info: TagInfo = { ...choice, cop: data.cop };
    infos.push(info);
    if (slot.adkd === null) flexible.push(info);
    const message = tagMessage(info.prnD, prnA, gst, ctr, context.nmas, data);
    tags.push(macOf(parameters.mac, keyFor(info.adkd), message, parameters.tagBits));
  });
  const macseq = macOf(parameters.mac, keyFor(0), macseqMessage(prnA, gst, flexible), MACSEQ_BITS);
  return assembleMack(parameters, tags, macseq, infos, chain.keyAt(gst));
}

/** Packs the parts of a MACK section. */
export function assembleMack(
  parameters: Pick<ChainParameters, "keyBits" | "tagBits">,
  tags: readonly Uint8Array[],
  macseq: Uint8Array,
  infos: readonly TagInfo[],
  key: Uint8Array,
): Uint8Array {
  const out = new BitWriter(MACK_BITS);
  tags.forEach((tag, index) => {
    out.bits(tag, 0, parameters.tagBits);
    const info = infos[index]!;
    if (index === 0) out.bits(macseq, 0, MACSEQ_BITS).unsigned(info.cop, 4);
    else writeInfo(out, info);
  });
  return out.bits(key, 0, parameters.keyBits).toBytes();
}

function writeInfo(out: BitWriter, info: TagInfo): void {
  out.unsigned(info.prnD, 8).unsigned(info.adkd, 4).unsigned(info.cop, 4);
}
