/**
 * Encodes DSM-KROOT and DSM-PKR and puts their blocks on air as Galileo does. OSNMA SIS ICD 1.1 sections 3.1
 * (HKROOT), 3.2.3 (DSM-KROOT), 3.2.2 (DSM-PKR); rhythm as observed in the official vectors.
 */
import { SUBFRAME_SECONDS, towOf, wnOf } from "../inav/gst.js";
import { BitWriter, concatBytes } from "./bit-writer.js";
import { leafMessage, sha256, type TestAuthority } from "./test-authority.js";
import { HF_CODE, KS_CODE, MF_CODE, type TeslaChain, TS_CODE } from "./tesla-chain.js";
import type { ChainParameters } from "./tesla-chain.js";

/** NMAS values (OSNMA SIS ICD 1.1, NMA header). */
export const NMAS = { test: 1, operational: 2, dontUse: 3 } as const;
/** CPKS values. */
export const CPKS = { nominal: 1, eoc: 2, crev: 3, npk: 4, pkrev: 5, nmt: 6, alert: 7 } as const;
/** Bits of a DSM block. */
export const BLOCK_BITS = 104;
const BLOCK_BYTES = BLOCK_BITS / 8;
/** The bits of a DSM-KROOT before KROOT, and of a DSM-PKR before NPK. */
const KROOT_FIXED_BITS = 104;
const PKR_FIXED_BITS = 1040;
/** Reserved 1 of a DSM-KROOT is 01 on air. */
const RESERVED_1 = 1;

export interface NmaHeader {
  readonly nmas: number;
  readonly cid: number;
  readonly cpks: number;
}

/** The NMA header byte: NMAS(2) CID(2) CPKS(3) reserved(1). */
export function nmaHeaderByte(header: NmaHeader): number {
  return new BitWriter(8)
    .unsigned(header.nmas, 2)
    .unsigned(header.cid, 2)
    .unsigned(header.cpks, 3)
    .zeros(1)
    .toBytes()[0]!;
}

export interface DsmKrootFields {
  readonly nmaHeader: number;
  readonly pkid: number;
  readonly cidkr: number;
  readonly parameters: ChainParameters;
  /** Linear GST of the first key after KROOT, a full hour. */
  readonly gst0: number;
  readonly alpha: Uint8Array;
  readonly kroot: Uint8Array;
  /** Gives `r || s` over the signed message. */
  readonly sign: (message: Uint8Array) => Uint8Array;
}

/** A DSM-KROOT, padded to whole blocks. */
export function encodeDsmKroot(fields: DsmKrootFields): Uint8Array {
  const { parameters, kroot } = fields;
  const body = new BitWriter(KROOT_FIXED_BITS - 8 + parameters.keyBits)
    .unsigned(fields.cidkr, 2)
    .unsigned(RESERVED_1, 2)
    .unsigned(HF_CODE[parameters.hash], 2)
    .unsigned(MF_CODE[parameters.mac], 2)
    .unsigned(KS_CODE[parameters.keyBits]!, 4)
    .unsigned(TS_CODE[parameters.tagBits]!, 4)
    .unsigned(parameters.maclt, 8)
    .zeros(4)
    .unsigned(wnOf(fields.gst0) % 4096, 12)
    .unsigned(towOf(fields.gst0) / 3600, 8)
    .bits(fields.alpha, 0, 48)
    .bits(kroot, 0, parameters.keyBits)
    .toBytes();
  const message = concatBytes(Uint8Array.of(fields.nmaHeader), body);
  const signature = fields.sign(message);
  const blocks = Math.ceil(1 + (parameters.keyBits + signature.length * 8) / BLOCK_BITS);
  const out = new BitWriter(blocks * BLOCK_BITS);
  // NB_DK: code v stands for v + 6 blocks, 1..8.
  out
    .unsigned(blocks - 6, 4)
    .unsigned(fields.pkid, 4)
    .bits(body)
    .bits(signature);
  out.bits(sha256(message, signature), 0, blocks * BLOCK_BITS - out.bitLength);
  return out.toBytes();
}

export interface DsmPkrFields {
  readonly mid: number;
  /** The four siblings of the leaf, level 0 first. */
  readonly itn: readonly Uint8Array[];
  readonly npkt: number;
  readonly npkid: number;
  readonly npk: Uint8Array;
  /** Root x_{4,0}, which the padding covers. */
  readonly root: Uint8Array;
}

/** A DSM-PKR (a key or the alert message), padded to whole blocks. */
export function encodeDsmPkr(fields: DsmPkrFields): Uint8Array {
  const blocks = Math.ceil((PKR_FIXED_BITS + fields.npk.length * 8) / BLOCK_BITS);
  const out = new BitWriter(blocks * BLOCK_BITS).unsigned(blocks - 6, 4).unsigned(fields.mid, 4);
  for (const node of fields.itn) out.bits(node, 0, 256);
  out.unsigned(fields.npkt, 4).unsigned(fields.npkid, 4).bits(fields.npk);
  out.bits(sha256(fields.root, leafMessage(fields)), 0, blocks * BLOCK_BITS - out.bitLength);
  return out.toBytes();
}

/** The HKROOT section of one subframe: NMA header, DSM header, one block. 15 bytes. */
export function encodeHkroot(nmaHeader: number, dsmId: number, dsm: Uint8Array, blockId: number): Uint8Array {
  const block = dsm.subarray(blockId * BLOCK_BYTES, (blockId + 1) * BLOCK_BYTES);
  if (block.length !== BLOCK_BYTES) throw new RangeError(`the DSM has no block ${blockId}`);
  return concatBytes(Uint8Array.of(nmaHeader, (dsmId << 4) | blockId), block);
}

/** Something Galileo sends in the DSM slot. */
export type DsmContent =
  | {
      readonly kind: "kroot";
      readonly chain: TeslaChain;
      readonly authority: TestAuthority;
      readonly pkid: number;
    }
  | { readonly kind: "pkr"; readonly authority: TestAuthority; readonly pkid: number }
  | { readonly kind: "alert"; readonly authority: TestAuthority };

/** A stretch of time with one NMA header. */
export interface Phase {
  /** Linear GST of its first subframe; it lasts until the next phase. */
  readonly fromGst: number;
  readonly nmas: number;
  readonly cpks: number;
  /** The chain in force: its CID is in the header, and it lays out and keys the MACK. */
  readonly chain: TeslaChain;
  /** What alternates, each as long as it has blocks. */
  readonly onAir: readonly DsmContent[];
  /** The DSM-PKR that joins for three bursts after 00, 06, 12 and 18 h GST. */
  readonly windowPkr?: DsmContent;
}

/** The DSM on air in one subframe. */
export interface ScheduledDsm {
  readonly nmaHeader: number;
  readonly dsmId: number;
  readonly dsm: Uint8Array;
}

const PKR_WINDOW_SECONDS = 21_600;
const PKR_WINDOW_BURSTS = 3;
/** First DSM IDs handed out; any would do. */
const FIRST_KROOT_ID = 2;
const KROOT_IDS = 12;
const FIRST_PKR_ID = 12;
const PKR_IDS = 4;

/** The phase in force in a subframe; the first one before it begins. */
export function phaseAt(phases: readonly Phase[], gst: number): Phase {
  let found = phases[0];
  for (const phase of phases) if (phase.fromGst <= gst) found = phase;
  if (found === undefined) throw new RangeError("a timeline needs a phase");
  return found;
}

/** Decides which DSM is on air in each subframe, and gives new contents the next DSM ID of their group. */
export class DsmSchedule {
  /** First subframe it knows. */
  readonly fromGst: number;
  readonly #phases: readonly Phase[];
  readonly #bySubframe = new Map<number, ScheduledDsm>();

  constructor(phases: readonly Phase[], fromGst: number, untilGst: number) {
    this.fromGst = fromGst;
    this.#phases = phases;
    const known = new Map<string, ScheduledDsm>();
    const given = { kroot: 0, pkr: 0 };
    for (let gst = fromGst; gst < untilGst; gst += SUBFRAME_SECONDS) {
      const phase = phaseAt(phases, gst);
      const nmaHeader = nmaHeaderByte({ nmas: phase.nmas, cpks: phase.cpks, cid: phase.chain.cid });
      const { content, burstStart } = contentAt(phase, gst);
      const rootGst = content.kind === "kroot" ? content.chain.rootHourAt(burstStart) : 0;
      const identity =
        content.kind === "kroot"
          ? `kroot ${toName(content.chain)} ${content.authority.seed} ${content.pkid} ${rootGst}`
          : `pkr ${content.authority.seed} ${content.kind === "pkr" ? content.pkid : "alert"}`;
      const name = `${nmaHeader} ${identity}`;
      let scheduled = known.get(name);
      if (scheduled === undefined) {
        const dsmId =
          content.kind === "kroot"
            ? (FIRST_KROOT_ID + given.kroot++) % KROOT_IDS
            : FIRST_PKR_ID + (given.pkr++ % PKR_IDS);
        scheduled = { nmaHeader, dsmId, dsm: encodeContent(content, nmaHeader, rootGst) };
        known.set(name, scheduled);
      }
      this.#bySubframe.set(gst, scheduled);
    }
  }

  /** The DSM in the subframe that starts at `gst`. */
  at(gst: number): ScheduledDsm {
    const scheduled = this.#bySubframe.get(gst);
    if (scheduled === undefined) throw new RangeError(`nothing scheduled at ${gst}`);
    return scheduled;
  }

  /** The NMA header of a subframe, and the PKID of the key that signs its first root on air. */
  headerAt(gst: number): { nmaHeader: number; pkid: number } {
    const root = phaseAt(this.#phases, gst).onAir.find(({ kind }) => kind === "kroot");
    return { nmaHeader: this.at(gst).nmaHeader, pkid: root?.kind === "kroot" ? root.pkid : 0 };
  }

  /** The HKROOT section of one satellite: `BID = (SVID + t/30 + c) mod NB`. */
  hkroot(svid: number, gst: number): Uint8Array {
    const { nmaHeader, dsmId, dsm } = this.at(gst);
    const blocks = dsm.length / BLOCK_BYTES;
    return encodeHkroot(nmaHeader, dsmId, dsm, (svid + gst / SUBFRAME_SECONDS) % blocks);
  }
}

/** The DSM-KROOT or DSM-PKR of a content under an NMA header. */
export function encodeContent(content: DsmContent, nmaHeader: number, rootGst: number): Uint8Array {
  const { authority } = content;
  if (content.kind === "kroot") {
    const { chain, pkid } = content;
    return encodeDsmKroot({
      nmaHeader,
      pkid,
      cidkr: chain.cid,
      parameters: chain.parameters,
      gst0: rootGst,
      alpha: chain.alpha,
      kroot: chain.keyAt(rootGst - SUBFRAME_SECONDS),
      sign: (message) => authority.sign(pkid, message),
    });
  }
  const leaf = content.kind === "pkr" ? authority.key(content.pkid) : authority.alert;
  return encodeDsmPkr({
    mid: leaf.index,
    itn: authority.proof(leaf.index),
    npkt: leaf.npkt,
    npkid: leaf.npkid,
    npk: leaf.npk,
    root: authority.root,
  });
}

/** Blocks of a content, without encoding it. */
function blockCount(content: DsmContent): number {
  if (content.kind !== "kroot") {
    const npk =
      content.kind === "pkr" ? content.authority.key(content.pkid).npk : content.authority.alert.npk;
    return Math.ceil((PKR_FIXED_BITS + npk.length * 8) / BLOCK_BITS);
  }
  const signatureBits = content.authority.key(content.pkid).curve === "P-256" ? 512 : 1056;
  return Math.ceil(1 + (content.chain.parameters.keyBits + signatureBits) / BLOCK_BITS);
}

function contentAt(phase: Phase, gst: number): { content: DsmContent; burstStart: number } {
  const windowStart = Math.floor(gst / PKR_WINDOW_SECONDS) * PKR_WINDOW_SECONDS;
  const windowed = phase.windowPkr === undefined ? phase.onAir : [phase.windowPkr, ...phase.onAir];
  const cycle = (contents: readonly DsmContent[]): number =>
    contents.reduce((sum, content) => sum + blockCount(content) * SUBFRAME_SECONDS, 0);
  const inWindow = phase.windowPkr !== undefined && gst - windowStart < PKR_WINDOW_BURSTS * cycle(windowed);
  const contents = inWindow ? windowed : phase.onAir;
  const anchor = Math.max(phase.fromGst, inWindow ? windowStart : phase.fromGst);
  if (contents.length === 1) return { content: contents[0]!, burstStart: gst };
  let into = (gst - anchor) % cycle(contents);
  for (const content of contents) {
    const length = blockCount(content) * SUBFRAME_SECONDS;
    if (into < length) return { content, burstStart: gst - into };
    into -= length;
  }
  throw new RangeError("a phase needs something on air");
}

function toName(chain: TeslaChain): string {
  return `${chain.cid} ${Buffer.from(chain.alpha).toString("hex")}`;
}
