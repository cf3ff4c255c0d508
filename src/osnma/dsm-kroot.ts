/**
 * The DSM-KROOT: a signed root key of a TESLA chain together with the chain's parameters (OSNMA SIS ICD 1.1,
 * DSM-KROOT; spec of the fields: osnma.md section 4).
 */

import { SECONDS_IN_WEEK } from "../inav/gst.js";
import { bitsEqual, readBits } from "./bits.js";
import { signatureBytesOf, verifySignature } from "./ecdsa.js";
import type { EcdsaPublicKey, KeyType } from "./ecdsa.js";
import { sha256 } from "./merkle-tree.js";

/** Bytes of one DSM block (HKROOT section, 104 bits). */
export const DSM_BLOCK_BYTES = 13;
/** Bytes before KROOT: NB_DK to alpha, 104 bits. */
const FIXED_BYTES = 13;
/** Byte 0 holds NB_DK and PKID, which the signature does not cover. */
const SIGNED_FROM_BYTE = 1;

/** HF: 1 and 3 are reserved. */
const HASH_FUNCTIONS = ["SHA-256", null, "SHA3-256", null] as const;
/** MF: 2 and 3 are reserved. */
const MAC_FUNCTIONS = ["HMAC-SHA-256", "CMAC-AES", null, null] as const;
/** KS 0 to 8 in bits; 9 to 15 are reserved. */
const KEY_BITS = [96, 104, 112, 120, 128, 160, 192, 224, 256] as const;
/** TS 5 to 9 in bits; others are reserved. */
const TAG_BITS = [null, null, null, null, null, 20, 24, 28, 32, 40] as const;

export interface ChainParameters {
  readonly hash: "SHA-256" | "SHA3-256";
  readonly mac: "HMAC-SHA-256" | "CMAC-AES";
  /** lK, a multiple of 8 from 96 to 256. */
  readonly keyBits: number;
  /** lt, from 20 to 40. */
  readonly tagBits: number;
  /** MAC look-up table, as received: a table this receiver does not know leaves keys and KROOT usable. */
  readonly maclt: number;
  /** 6 bytes. */
  readonly alpha: Uint8Array;
}

/** Why an authentic DSM-KROOT still describes no chain that could be used. */
export type UnusableReason =
  "reserved-hash" | "reserved-mac" | "reserved-tag-size" | "cmac-key-size" | "reserved-towh";

export interface DsmKroot {
  readonly blocks: number;
  readonly pkid: number;
  /** CIDKR, the chain the KROOT belongs to; not necessarily the one in force. */
  readonly cid: number;
  /** As received; part of the signed message, never required to have a value. */
  readonly reserved1: number;
  readonly reserved2: number;
  readonly hf: number;
  readonly mf: number;
  readonly ks: number;
  readonly ts: number;
  readonly keyBits: number;
  /** Null where a code is reserved; `unusableReason` says which. */
  readonly parameters: ChainParameters | null;
  readonly unusableReason: UnusableReason | null;
  readonly wn: number;
  readonly towh: number;
  /** Linear GST of the chain's K_1 as far as this KROOT is concerned; KROOT itself is at gst0 - 30. */
  readonly gst0: number;
  readonly kroot: Uint8Array;
  readonly signature: Uint8Array;
  readonly padding: Uint8Array;
  /** The whole message, a copy. */
  readonly bytes: Uint8Array;
}

/** Blocks of a DSM-KROOT by its first byte (NB_DK: 1 to 8 mean 7 to 14), null where reserved. */
export function numberOfKrootBlocks(firstByte: number): number | null {
  if (!Number.isInteger(firstByte) || firstByte < 0 || firstByte > 0xff) {
    throw new RangeError(`firstByte must be a byte, not ${firstByte}`);
  }
  const code = firstByte >> 4;
  return code >= 1 && code <= 8 ? code + 6 : null;
}

/**
 * Reads a DSM-KROOT of whole blocks. The signature's length follows from the type of the key with its PKID, not
 * from a field. Null where NB_DK or KS is reserved, or the length is not what `104 * ceil(1 + (lK + lDS)/104)`
 * says: NB_DK is not signed, so that formula is its only check.
 */
export function parseDsmKroot(bytes: Uint8Array, keyType: KeyType): DsmKroot | null {
  if (!(bytes instanceof Uint8Array)) {
    throw new TypeError("bytes must be a Uint8Array");
  }
  const signatureBytes = signatureBytesOf(keyType);
  if (bytes.length < FIXED_BYTES) {
    return null;
  }
  const blocks = numberOfKrootBlocks(bytes[0]);
  const ks = readBits(bytes, 16, 4);
  if (blocks === null || ks >= KEY_BITS.length) {
    return null;
  }
  const keyBits = KEY_BITS[ks];
  const keyBytes = keyBits / 8;
  const expected = DSM_BLOCK_BYTES * Math.ceil(1 + (keyBytes + signatureBytes) / DSM_BLOCK_BYTES);
  if (expected !== bytes.length || blocks * DSM_BLOCK_BYTES !== bytes.length) {
    return null;
  }
  // A copy: the caller's buffer may be reused for the next message.
  const own = Uint8Array.from(bytes);
  const hf = readBits(own, 12, 2);
  const mf = readBits(own, 14, 2);
  const ts = readBits(own, 20, 4);
  const wn = readBits(own, 36, 12);
  const towh = own[6];
  const signatureFrom = FIXED_BYTES + keyBytes;
  const paddingFrom = signatureFrom + signatureBytes;
  const hash = HASH_FUNCTIONS[hf];
  const mac = MAC_FUNCTIONS[mf];
  const tagBits = TAG_BITS[ts] ?? null;
  let parameters: ChainParameters | null = null;
  let unusableReason: UnusableReason | null = null;
  if (hash === null) {
    unusableReason = "reserved-hash";
  } else if (mac === null) {
    unusableReason = "reserved-mac";
  } else if (tagBits === null) {
    unusableReason = "reserved-tag-size";
  } else if (mac === "CMAC-AES" && keyBits !== 128 && keyBits !== 192 && keyBits !== 256) {
    // The chain key is the AES key.
    unusableReason = "cmac-key-size";
  } else if (towh > 167) {
    unusableReason = "reserved-towh";
  } else {
    parameters = { hash, mac, keyBits, tagBits, maclt: own[3], alpha: own.slice(7, 13) };
  }
  return {
    blocks,
    pkid: own[0] & 0xf,
    cid: readBits(own, 8, 2),
    reserved1: readBits(own, 10, 2),
    reserved2: readBits(own, 32, 4),
    hf,
    mf,
    ks,
    ts,
    keyBits,
    parameters,
    unusableReason,
    wn,
    towh,
    gst0: wn * SECONDS_IN_WEEK + towh * 3600,
    kroot: own.slice(FIXED_BYTES, signatureFrom),
    signature: own.slice(signatureFrom, paddingFrom),
    padding: own.slice(paddingFrom),
    bytes: own,
  };
}

/**
 * A whole DSM-KROOT from one whose padding is missing: `known` says which bytes are there. Null where more is missing,
 * or the length is not that of a signature of this type. P_DK is a hash over the signed message and the signature.
 */
export function completeDsmKroot(
  bytes: Uint8Array,
  known: readonly boolean[],
  nmaHeader: number,
  keyType: KeyType,
): Uint8Array | null {
  const blocks = known[0] && known[2] ? numberOfKrootBlocks(bytes[0]) : null;
  if (blocks === null || blocks * DSM_BLOCK_BYTES > bytes.length) return null;
  const dsm = parseDsmKroot(bytes.subarray(0, blocks * DSM_BLOCK_BYTES), keyType);
  if (dsm === null) return null;
  const paddingFrom = dsm.bytes.length - dsm.padding.length;
  for (let i = 0; i < paddingFrom; i++) if (!known[i]) return null;
  const digest = sha256(krootSignedMessage(dsm, nmaHeader), dsm.signature);
  if (dsm.padding.length > digest.length) return null;
  dsm.bytes.set(digest.subarray(0, dsm.padding.length), paddingFrom);
  return dsm.bytes;
}

/** What is signed: the NMA header byte the message was broadcast with, then CIDKR through KROOT. */
export function krootSignedMessage(dsm: DsmKroot, nmaHeader: number): Uint8Array {
  if (!Number.isInteger(nmaHeader) || nmaHeader < 0 || nmaHeader > 0xff) {
    throw new RangeError(`nmaHeader must be a byte, not ${nmaHeader}`);
  }
  // Byte 0 is replaced by the header byte, so both forms are equally long.
  const message = dsm.bytes.slice(0, FIXED_BYTES + dsm.kroot.length);
  message[SIGNED_FROM_BYTE - 1] = nmaHeader;
  return message;
}

/**
 * Whether `key` signed this message as broadcast under `nmaHeader`, and the padding is P_DK. The padding adds no
 * security; a wrong one means corruption that the signature cannot see.
 */
export function verifyDsmKroot(dsm: DsmKroot, nmaHeader: number, key: EcdsaPublicKey): boolean {
  const message = krootSignedMessage(dsm, nmaHeader);
  if (dsm.signature.length !== signatureBytesOf(key.type)) {
    return false;
  }
  // The padding first: it costs a microsecond, the signature a hundred.
  const digest = sha256(message, dsm.signature);
  return (
    dsm.padding.length <= digest.length &&
    bitsEqual(digest, 0, dsm.padding, 0, dsm.padding.length * 8) &&
    verifySignature(key, message, dsm.signature)
  );
}
