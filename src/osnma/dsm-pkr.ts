/**
 * The DSM-PKR: a new public key, or an alert message, with its proof against the Merkle root (OSNMA SIS ICD 1.1,
 * DSM-PKR; spec of the fields: osnma.md section 5).
 */

import { bitsEqual } from "./bits.js";
import { DSM_BLOCK_BYTES } from "./dsm-kroot.js";
import { pointBytesOf } from "./ecdsa.js";
import { MERKLE_DEPTH, MERKLE_NODE_BYTES, merkleLeaf, merkleRootFromProof, sha256 } from "./merkle-tree.js";

/** Bytes before NPK: NB_DP, MID, ITN, NPKT, NPKID, 1040 bits. */
const FIXED_BYTES = 130;
/** The byte of NPKT and NPKID. */
const TYPE_BYTE = 129;
/** The fewest blocks that hold an NPK at all. The ICD's 13 to 16 lie above; a 2021 alert vector uses 11. */
const MIN_BLOCKS = 11;
const MAX_BLOCKS = 16;

/** NPKT; others are reserved. */
const NPKT_P256 = 1;
const NPKT_P521 = 3;
const NPKT_ALERT = 4;

export interface DsmPkr {
  readonly blocks: number;
  /** Leaf index, 0 to 15. */
  readonly mid: number;
  /** The four siblings from the leaves up, 32 bytes each. */
  readonly itn: readonly Uint8Array[];
  readonly npkt: number;
  readonly npkid: number;
  readonly kind: "P-256" | "P-521" | "alert";
  /** The compressed point, or the alert's payload, which fills the message. */
  readonly npk: Uint8Array;
  readonly padding: Uint8Array;
  /** The leaf message NPKT | NPKID | NPK. */
  readonly leaf: Uint8Array;
  /** The whole message, a copy. */
  readonly bytes: Uint8Array;
}

/** Blocks of a DSM-PKR by its first byte (NB_DP: 7 to 10 mean 13 to 16), null where reserved or too few. */
export function numberOfPkrBlocks(firstByte: number): number | null {
  if (!Number.isInteger(firstByte) || firstByte < 0 || firstByte > 0xff) {
    throw new RangeError(`firstByte must be a byte, not ${firstByte}`);
  }
  const blocks = (firstByte >> 4) + 6;
  return blocks >= MIN_BLOCKS && blocks <= MAX_BLOCKS ? blocks : null;
}

/** Reads a DSM-PKR of whole blocks; null where NB_DP or NPKT is reserved or they do not go together. */
export function parseDsmPkr(bytes: Uint8Array): DsmPkr | null {
  if (!(bytes instanceof Uint8Array)) {
    throw new TypeError("bytes must be a Uint8Array");
  }
  if (bytes.length < MIN_BLOCKS * DSM_BLOCK_BYTES) {
    return null;
  }
  const blocks = numberOfPkrBlocks(bytes[0]);
  if (blocks === null || bytes.length !== blocks * DSM_BLOCK_BYTES) {
    return null;
  }
  const npkt = bytes[TYPE_BYTE] >> 4;
  const npkid = bytes[TYPE_BYTE] & 0xf;
  let kind: DsmPkr["kind"];
  let npkBytes: number;
  if (npkt === NPKT_P256 || npkt === NPKT_P521) {
    kind = npkt === NPKT_P256 ? "P-256" : "P-521";
    npkBytes = pointBytesOf(kind);
    // lDP = 104 * ceil((1040 + lNPK)/104): 13 blocks for P-256, 16 for P-521.
    if (blocks !== Math.ceil((FIXED_BYTES + npkBytes) / DSM_BLOCK_BYTES)) {
      return null;
    }
  } else if (npkt === NPKT_ALERT) {
    kind = "alert";
    npkBytes = bytes.length - FIXED_BYTES;
  } else {
    return null;
  }
  const own = Uint8Array.from(bytes);
  const npk = own.slice(FIXED_BYTES, FIXED_BYTES + npkBytes);
  const itn: Uint8Array[] = [];
  for (let level = 0; level < MERKLE_DEPTH; level++) {
    itn.push(own.slice(1 + level * MERKLE_NODE_BYTES, 1 + (level + 1) * MERKLE_NODE_BYTES));
  }
  return {
    blocks,
    mid: own[0] & 0xf,
    itn,
    npkt,
    npkid,
    kind,
    npk,
    padding: own.slice(FIXED_BYTES + npkBytes),
    leaf: merkleLeaf(npkt, npkid, npk),
    bytes: own,
  };
}

/** The root under which this message's leaf would stand; compare it with the stored one. */
export function pkrRoot(dsm: DsmPkr): Uint8Array {
  return merkleRootFromProof(dsm.leaf, dsm.mid, dsm.itn);
}

/** Whether the leaf stands under `root`, and the padding, where there is any, is P_DP of that root. */
export function verifyDsmPkr(dsm: DsmPkr, root: Uint8Array): boolean {
  if (!(root instanceof Uint8Array)) {
    throw new TypeError("root must be a Uint8Array");
  }
  if (root.length !== MERKLE_NODE_BYTES) {
    throw new RangeError(`a Merkle root is ${MERKLE_NODE_BYTES} bytes, not ${root.length}`);
  }
  if (!bitsEqual(pkrRoot(dsm), 0, root, 0, MERKLE_NODE_BYTES * 8)) {
    return false;
  }
  const digest = sha256(root, dsm.leaf);
  return dsm.padding.length <= digest.length && bitsEqual(digest, 0, dsm.padding, 0, dsm.padding.length * 8);
}
