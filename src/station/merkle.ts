/**
 * The Merkle tree of RFC 6962 section 2.1 (the same as RFC 9162 section 2.1) over SHA-256: hashes, roots, inclusion
 * and consistency proofs, and their verification (RFC 9162 sections 2.1.3.2 and 2.1.4.2). Pure; where the hashes
 * are kept is the caller's matter.
 *
 * Sizes and indices are integers up to 2^53 - 1 and are divided, never shifted: JavaScript shifts 32 bits.
 */
import { hash as digest } from "node:crypto";

export const HASH_BYTES = 32;
/** A path has no more nodes than a tree of 2^53 leaves is high. */
export const MAX_PROOF_NODES = 54;
/** RFC 6962: the hash of an empty list is that of an empty string. */
export const EMPTY_ROOT: Uint8Array = sha256(new Uint8Array(0));

const LEAF = 0x00;
const NODE = 0x01;

/** Hash of the complete subtree of 2^level leaves that starts at leaf `index * 2^level`. */
export type SubtreeHash = (level: number, index: number) => Uint8Array;

export function leafHash(body: Uint8Array): Uint8Array {
  const input = Buffer.allocUnsafe(1 + body.length);
  input[0] = LEAF;
  input.set(body, 1);
  return sha256(input);
}

export function nodeHash(left: Uint8Array, right: Uint8Array): Uint8Array {
  return pairHash(NODE, left, right);
}

const pair = Buffer.alloc(1 + 2 * HASH_BYTES);

/** SHA-256(prefix || left || right). */
export function pairHash(prefix: number, left: Uint8Array, right: Uint8Array): Uint8Array {
  pair[0] = prefix;
  pair.set(left, 1);
  pair.set(right, 1 + HASH_BYTES);
  return sha256(pair);
}

/** In one call and by way of a string: objects and buffers of Node's own for 65 bytes cost more than the hash. Text
 * is hashed as UTF-8. */
export function sha256(input: Uint8Array | string): Uint8Array {
  const { buffer, byteOffset, length } = Buffer.from(sha256Latin1(input), "latin1");
  return new Uint8Array(buffer, byteOffset, length);
}

/** The 32 bytes as characters of Latin-1, for who writes them where they belong and needs no array. */
export function sha256Latin1(input: Uint8Array | string): string {
  return digest("sha256", input, "binary");
}

/**
 * Calls `store` for each complete subtree that a leaf finishes, from the leaf itself (level 0) upwards: what has to
 * be kept so that `SubtreeHash` can be answered for every complete subtree.
 */
export function storeLeaf(
  index: number,
  hash: Uint8Array,
  subtree: SubtreeHash,
  store: (level: number, index: number, hash: Uint8Array) => void,
): void {
  let node = hash;
  let at = index;
  store(0, at, node);
  for (let level = 0; at % 2 === 1; level++) {
    node = nodeHash(subtree(level, at - 1), node);
    at = (at - 1) / 2;
    store(level + 1, at, node);
  }
}

/** MTH(D[0:size]). */
export function rootOf(size: number, subtree: SubtreeHash): Uint8Array {
  checkSize(size, 0);
  return size === 0 ? EMPTY_ROOT : rangeHash(0, size, subtree);
}

/** PATH(index, D[0:size]), from the leaf up. */
export function inclusionProof(index: number, size: number, subtree: SubtreeHash): Uint8Array[] {
  checkSize(size, 1);
  if (!Number.isSafeInteger(index) || index < 0 || index >= size) {
    throw new RangeError(`index must be 0 to ${size - 1}, not ${index}`);
  }
  const path: Uint8Array[] = [];
  let start = 0;
  let length = size;
  while (length > 1) {
    const split = splitOf(length);
    if (index - start < split) {
      path.push(rangeHash(start + split, length - split, subtree));
      length = split;
    } else {
      path.push(rangeHash(start, split, subtree));
      start += split;
      length -= split;
    }
  }
  return path.reverse();
}

/** PROOF(first, D[0:second]); empty where `first` is 0 (C2SP tlog-witness) or equals `second`. */
export function consistencyProof(first: number, second: number, subtree: SubtreeHash): Uint8Array[] {
  checkSize(second, 0);
  if (!Number.isSafeInteger(first) || first < 0 || first > second) {
    throw new RangeError(`the older size must be 0 to ${second}, not ${first}`);
  }
  if (first === 0) return [];
  const path: Uint8Array[] = [];
  let start = 0;
  let length = second;
  let older = first;
  let whole = true;
  while (older !== length) {
    const split = splitOf(length);
    if (older <= split) {
      path.push(rangeHash(start + split, length - split, subtree));
      length = split;
    } else {
      path.push(rangeHash(start, split, subtree));
      start += split;
      length -= split;
      older -= split;
      whole = false;
    }
  }
  if (!whole) path.push(rangeHash(start, length, subtree));
  return path.reverse();
}

/** Whether `hash` is the leaf `index` of the tree of `size` leaves with `root`. Never throws on what was sent. */
export function verifyInclusion(
  index: number,
  size: number,
  hash: Uint8Array,
  proof: readonly Uint8Array[],
  root: Uint8Array,
): boolean {
  if (!isSize(index) || !isSize(size) || index >= size) return false;
  if (!isHash(hash) || !isHash(root) || !isProof(proof)) return false;
  let at = index;
  let last = size - 1;
  let node = hash;
  for (const sibling of proof) {
    if (last === 0) return false;
    if (at % 2 === 1 || at === last) {
      node = nodeHash(sibling, node);
      while (at % 2 === 0 && at !== 0) {
        at /= 2;
        last = Math.floor(last / 2);
      }
    } else {
      node = nodeHash(node, sibling);
    }
    at = Math.floor(at / 2);
    last = Math.floor(last / 2);
  }
  return last === 0 && bytesEqual(node, root);
}

/**
 * Whether the tree of `second` leaves continues that of `first`. From an empty tree everything continues, and the
 * proof is empty. Never throws on what was sent.
 */
export function verifyConsistency(
  first: number,
  second: number,
  firstRoot: Uint8Array,
  secondRoot: Uint8Array,
  proof: readonly Uint8Array[],
): boolean {
  if (!isSize(first) || !isSize(second) || first > second) return false;
  if (!isHash(firstRoot) || !isHash(secondRoot) || !isProof(proof)) return false;
  if (first === second) return proof.length === 0 && bytesEqual(firstRoot, secondRoot);
  if (first === 0) return proof.length === 0 && bytesEqual(firstRoot, EMPTY_ROOT);
  if (proof.length === 0) return false;
  const path = isPowerOfTwo(first) ? [firstRoot, ...proof] : proof;
  let at = first - 1;
  let last = second - 1;
  while (at % 2 === 1) {
    at = Math.floor(at / 2);
    last = Math.floor(last / 2);
  }
  let older = path[0];
  let newer = path[0];
  for (const sibling of path.slice(1)) {
    if (last === 0) return false;
    if (at % 2 === 1 || at === last) {
      older = nodeHash(sibling, older);
      newer = nodeHash(sibling, newer);
      while (at % 2 === 0 && at !== 0) {
        at /= 2;
        last = Math.floor(last / 2);
      }
    } else {
      newer = nodeHash(newer, sibling);
    }
    at = Math.floor(at / 2);
    last = Math.floor(last / 2);
  }
  return last === 0 && bytesEqual(older, firstRoot) && bytesEqual(newer, secondRoot);
}

/** Equality of public values; secrets are compared elsewhere. */
export function bytesEqual(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}

/** MTH(D[start:start+length]); `start` is a multiple of the largest power of two in `length` or above. */
function rangeHash(start: number, length: number, subtree: SubtreeHash): Uint8Array {
  const split = splitOf(length);
  if (length === 1 || split * 2 === length) return subtree(Math.log2(length), start / length);
  return nodeHash(rangeHash(start, split, subtree), rangeHash(start + split, length - split, subtree));
}

/** The largest power of two smaller than `length`; 0 for 1. */
function splitOf(length: number): number {
  if (length === 1) return 0;
  let split = 1;
  while (split * 2 < length) split *= 2;
  return split;
}

function isPowerOfTwo(value: number): boolean {
  return value === 1 || splitOf(value) * 2 === value;
}

function isSize(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}

function isHash(value: Uint8Array): boolean {
  return value instanceof Uint8Array && value.length === HASH_BYTES;
}

function isProof(proof: readonly Uint8Array[]): boolean {
  return proof.length <= MAX_PROOF_NODES && proof.every(isHash);
}

function checkSize(size: number, least: number): void {
  if (!Number.isSafeInteger(size) || size < least) {
    throw new RangeError(`size must be an integer of at least ${least}, not ${size}`);
  }
}
