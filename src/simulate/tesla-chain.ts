/**
 * A TESLA chain made from its far end, as Galileo makes it: every key is the truncated hash of the next one,
 * its own time and alpha. OSNMA SIS ICD 1.1 sections 3.2.3.2 to 3.2.3.6 (parameters) and 6.4 (chain).
 */
import { createCipheriv, createHash, createHmac } from "node:crypto";
import { gst32Of, SUBFRAME_SECONDS } from "../inav/gst.js";
import { BitWriter, concatBytes, truncateBits } from "./bit-writer.js";
import { seededBytes } from "./seeded.js";

export type ChainHash = "SHA-256" | "SHA3-256";
export type ChainMac = "HMAC-SHA-256" | "CMAC-AES";

/** Codes of HF, MF, KS and TS in a DSM-KROOT. */
export const HF_CODE: Record<ChainHash, number> = { "SHA-256": 0, "SHA3-256": 2 };
export const MF_CODE: Record<ChainMac, number> = { "HMAC-SHA-256": 0, "CMAC-AES": 1 };
export const KS_CODE: Readonly<Record<number, number>> = {
  96: 0, 104: 1, 112: 2, 120: 3, 128: 4, 160: 5, 192: 6, 224: 7, 256: 8,
}; // prettier-ignore
export const TS_CODE: Readonly<Record<number, number>> = { 20: 5, 24: 6, 28: 7, 32: 8, 40: 9 };

export interface ChainParameters {
  readonly hash: ChainHash;
  readonly mac: ChainMac;
  readonly keyBits: number;
  readonly tagBits: number;
  /** MAC look-up table ID. */
  readonly maclt: number;
}

/** What every chain on air since 2023 has used. */
export const OPERATIONAL_PARAMETERS: ChainParameters = {
  hash: "SHA-256",
  mac: "HMAC-SHA-256",
  keyBits: 128,
  tagBits: 40,
  maclt: 34,
};

export interface TeslaChainOptions {
  readonly seed: string;
  /** CID, 0..3. */
  readonly cid: number;
  readonly parameters?: ChainParameters;
  /** Linear GST of the first subframe of the chain, a full hour: GST0 of its first KROOT. */
  readonly startGst: number;
  /** Linear GST of the last key. */
  readonly endGst: number;
}

/** One TESLA chain, addressed by time. */
export class TeslaChain {
  readonly cid: number;
  readonly parameters: ChainParameters;
  readonly alpha: Uint8Array;
  readonly startGst: number;
  readonly endGst: number;
  readonly #keys: readonly Uint8Array[];

  constructor(options: TeslaChainOptions) {
    const { seed, cid, startGst, endGst } = options;
    const parameters = options.parameters ?? OPERATIONAL_PARAMETERS;
    if (!Number.isInteger(cid) || cid < 0 || cid > 3) throw new RangeError("cid must be 0..3");
    if (startGst % 3600 !== 0) throw new RangeError("startGst must be a full hour (TOWH_K)");
    if (endGst < startGst || endGst % SUBFRAME_SECONDS !== 0) throw new RangeError("endGst out of range");
    if (KS_CODE[parameters.keyBits] === undefined) throw new RangeError(`no key size ${parameters.keyBits}`);
    if (TS_CODE[parameters.tagBits] === undefined) throw new RangeError(`no tag size ${parameters.tagBits}`);
    this.cid = cid;
    this.parameters = parameters;
    this.alpha = seededBytes(seed, `chain ${cid} alpha`, 6);
    this.startGst = startGst;
    this.endGst = endGst;
    const count = (endGst - startGst) / SUBFRAME_SECONDS + 2;
    const keys = new Array<Uint8Array>(count);
    let key = seededBytes(seed, `chain ${cid} last key`, parameters.keyBits / 8);
    for (let i = count - 1; i >= 0; i--) {
      if (i < count - 1) key = previousKey(key, this.#gstOfIndex(i), this.alpha, parameters);
      keys[i] = key;
    }
    this.#keys = keys;
  }

  /** The key broadcast in the subframe that starts at `gst`; `startGst - 30` gives the first KROOT. */
  keyAt(gst: number): Uint8Array {
    const index = (gst - this.startGst) / SUBFRAME_SECONDS + 1;
    const key = this.#keys[index];
    if (key === undefined) throw new RangeError(`the chain has no key at ${gst}`);
    return key;
  }

  /** Start of the hour whose KROOT stands for this chain at `gst`: the first hour before the chain begins. */
  rootHourAt(gst: number): number {
    return Math.max(this.startGst, Math.floor(gst / 3600) * 3600);
  }

  #gstOfIndex(index: number): number {
    return this.startGst + (index - 1) * SUBFRAME_SECONDS;
  }
}

/** `K_I = trunc(lK, H(K_{I+1} || GST32(I) || alpha))`; `gst` is the time of the result. */
export function previousKey(
  next: Uint8Array,
  gst: number,
  alpha: Uint8Array,
  parameters: Pick<ChainParameters, "hash" | "keyBits">,
): Uint8Array {
  const input = concatBytes(next, new BitWriter(32).unsigned(gst32Of(gst), 32).toBytes(), alpha);
  const digest = createHash(parameters.hash === "SHA-256" ? "sha256" : "sha3-256")
    .update(input)
    .digest();
  return truncateBits(digest, parameters.keyBits);
}

/** The MAC of a message, cut to `bits` bits. */
export function macOf(mac: ChainMac, key: Uint8Array, message: Uint8Array, bits: number): Uint8Array {
  const full =
    mac === "CMAC-AES" ? cmacAes(key, message) : createHmac("sha256", key).update(message).digest();
  return truncateBits(full, bits);
}

/** AES-CMAC (NIST SP 800-38B) for keys of 128, 192 and 256 bits, over node's AES-CBC. */
export function cmacAes(key: Uint8Array, message: Uint8Array): Uint8Array {
  if (![16, 24, 32].includes(key.length))
    throw new RangeError("CMAC-AES needs a key of 128, 192 or 256 bits");
  const encrypt = (blocks: Uint8Array): Uint8Array => {
    const cipher = createCipheriv(`aes-${key.length * 8}-cbc`, key, new Uint8Array(16));
    cipher.setAutoPadding(false);
    return new Uint8Array(Buffer.concat([cipher.update(blocks), cipher.final()]));
  };
  const k1 = doubled(encrypt(new Uint8Array(16)));
  const blocks = Math.max(1, Math.ceil(message.length / 16));
  const complete = message.length === blocks * 16;
  const padded = new Uint8Array(blocks * 16);
  padded.set(message);
  if (!complete) padded[message.length] = 0x80;
  const tweak = complete ? k1 : doubled(k1);
  for (let i = 0; i < 16; i++) padded[padded.length - 16 + i]! ^= tweak[i]!;
  return encrypt(padded).slice(-16);
}

/** Multiplication by x in GF(2^128) (SP 800-38B section 6.1). */
function doubled(block: Uint8Array): Uint8Array {
  const out = new Uint8Array(16);
  for (let i = 0; i < 16; i++) out[i] = ((block[i]! << 1) | ((block[i + 1] ?? 0) >> 7)) & 0xff;
  if (block[0]! >= 0x80) out[15]! ^= 0x87;
  return out;
}
