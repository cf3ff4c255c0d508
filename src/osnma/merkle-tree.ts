/**
 * The Merkle tree under which OSNMA public keys and alert messages are published: 16 leaves, depth 4, SHA-256
 * throughout (OSNMA SIS ICD 1.1, DSM-PKR, Merkle tree). Its root is the one thing a receiver must be given.
 */

import { createHash } from "node:crypto";

export const MERKLE_DEPTH = 4;
/** Bytes of a node, and of the root. */
export const MERKLE_NODE_BYTES = 32;

/** SHA-256 of the concatenation of `parts`. */
export function sha256(...parts: readonly Uint8Array[]): Uint8Array {
  const hash = createHash("sha256");
  for (const part of parts) {
    hash.update(part);
  }
  return new Uint8Array(hash.digest());
}

/** The leaf message `m = NPKT(4) | NPKID(4) | NPK`. */
export function merkleLeaf(npkt: number, npkid: number, npk: Uint8Array): Uint8Array {
  if (!(npk instanceof Uint8Array)) {
    throw new TypeError("npk must be a Uint8Array");
  }
  for (const value of [npkt, npkid]) {
    if (!Number.isInteger(value) || value < 0 || value > 15) {
      throw new RangeError(`NPKT and NPKID are 4 bits, not ${value}`);
    }
  }
  const leaf = new Uint8Array(1 + npk.length);
  leaf[0] = (npkt << 4) | npkid;
  leaf.set(npk, 1);
  return leaf;
}

/**
 * The root that follows from a leaf message, its index, and its sibling at each level from the leaves up. The
 * leaf belongs to a tree when this equals that tree's root.
 */
export function merkleRootFromProof(
  leaf: Uint8Array,
  leafIndex: number,
  siblings: readonly Uint8Array[],
): Uint8Array {
  if (!(leaf instanceof Uint8Array)) {
    throw new TypeError("leaf must be a Uint8Array");
  }
  if (!Number.isInteger(leafIndex) || leafIndex < 0 || leafIndex >= 1 << MERKLE_DEPTH) {
    throw new RangeError(`leafIndex must be 0 to ${(1 << MERKLE_DEPTH) - 1}, not ${leafIndex}`);
  }
  if (siblings.length !== MERKLE_DEPTH || siblings.some((node) => node.length !== MERKLE_NODE_BYTES)) {
    throw new RangeError(`a proof is ${MERKLE_DEPTH} nodes of ${MERKLE_NODE_BYTES} bytes`);
  }
  let node = sha256(leaf);
  let index = leafIndex;
  for (const sibling of siblings) {
    node = (index & 1) === 0 ? sha256(node, sibling) : sha256(sibling, node);
    index >>= 1;
  }
  return node;
}
