/**
 * Salted commitments to what a station heard and computed in a subframe, such that each item can be opened alone and
 * nothing else is told: neither which items there are nor how many. docs/station-log.md has the argument.
 *
 * Items of a category sit in the slots of a complete binary tree of fixed depth. What stands in a slot follows from
 * the item (its satellite, its epoch), so that a leaf cannot hold two answers to one question. Where no item is, the
 * tree ends in a random-looking value, at the highest place below which all is empty; it cannot be told from a hash.
 * Salts and these values come from one secret of the leaf, which never leaves the station.
 */
import { createCipheriv } from "node:crypto";
import { bytesEqual, HASH_BYTES, pairHash, sha256Latin1 } from "./merkle.js";

/** Hash algorithms of commitments; numbers are never reused. */
export const SHA_256 = 1;
/** Kept free for Poseidon over the Pasta fields; nothing here makes or verifies it. */
export const POSEIDON_PASTA = 2;

/** What is committed to, in the order in which a leaf lists the roots. */
export const CATEGORIES = ["pages", "tags", "measurements", "fixes"] as const;
export type Category = (typeof CATEGORIES)[number];

/** Depth of each category's tree: 2^depth slots. */
export const DEPTH: Readonly<Record<Category, number>> = { pages: 7, tags: 6, measurements: 10, fixes: 10 };

export const SECRET_BYTES = 32;
export const SALT_BYTES = 32;
/** Larger than any item: the pages of a satellite take some 800 bytes. */
export const MAX_ITEM_BYTES = 4096;

const DOMAIN = { item: 0x10, node: 0x11, filler: 0x12, salt: 0x13 } as const;
const BLOCK_BYTES = 16;

/** Shown to open one item: with the item itself enough to come to the category's root in the leaf. */
export interface Opening {
  readonly category: Category;
  readonly slot: number;
  readonly item: Uint8Array;
  readonly salt: Uint8Array;
  /** Siblings from the slot up, as many as the tree is deep. */
  readonly path: readonly Uint8Array[];
}

/** The items of one category by slot. */
export type Slots = ReadonlyMap<number, Uint8Array>;

/** Where a value that comes from the secret goes: the salt of a slot, or what stands where nothing is below a node. */
interface Place {
  readonly domain: typeof DOMAIN.filler | typeof DOMAIN.salt;
  readonly height: number;
  readonly index: number;
  /** Offset in the nodes of the tree; -1 for a salt. */
  readonly at: number;
}

/** Two siblings behind the byte that goes before them: what the node above them is the hash of. */
const PAIR_BYTES = 1 + 2 * HASH_BYTES;

export class CommittedTree {
  readonly category: Category;
  readonly root: Uint8Array;
  readonly #secret: Uint8Array;
  readonly #slots: Slots;
  /** By height, in rising order: the nodes above that have something below them. */
  readonly #parents: (readonly number[])[] = [];
  /** Their two children each, from the slots up, in the same order. */
  readonly #pairs: Buffer;

  /** `secret` is random, of this leaf alone, and kept for as long as anything is to be opened. */
  constructor(category: Category, slots: Slots, secret: Uint8Array) {
    if (secret.length !== SECRET_BYTES)
      throw new RangeError(`the secret of a leaf has ${SECRET_BYTES} bytes`);
    this.category = category;
    this.#secret = secret;
    this.#slots = slots;
    const depth = DEPTH[category];
    const occupied = [...slots.keys()].sort((a, b) => a - b);
    for (const slot of occupied) checkSlot(category, slot);
    const places = occupied.map((index): Place => ({ domain: DOMAIN.salt, height: 0, index, at: -1 }));
    let length = 0;
    for (let height = 0, level = occupied; height < depth; height++) {
      const above: number[] = [];
      for (let i = 0; i < level.length; i++) {
        const index = level[i];
        const at = length + PAIR_BYTES * above.length + 1;
        above.push(index >>> 1);
        if (level[i + 1] === (index ^ 1)) i++;
        else {
          const empty = index ^ 1;
          places.push({ domain: DOMAIN.filler, height, index: empty, at: at + HASH_BYTES * (empty & 1) });
        }
      }
      this.#parents.push(above);
      length += PAIR_BYTES * above.length;
      level = above;
    }
    // The root has no sibling; it is a filler itself where there is nothing at all.
    if (slots.size === 0) places.push({ domain: DOMAIN.filler, height: depth, index: 0, at: 0 });
    const values = derive(secret, category, places);
    const value = (at: number): Buffer => values.subarray(at * HASH_BYTES, (at + 1) * HASH_BYTES);
    this.#pairs = Buffer.alloc(length);
    if (slots.size === 0) {
      this.root = Uint8Array.from(values);
      return;
    }
    for (let i = occupied.length; i < places.length; i++) this.#pairs.set(value(i), places[i].at);
    let parent = -1;
    for (let i = 0, pair = -PAIR_BYTES; i < occupied.length; i++) {
      const slot = occupied[i];
      if (slot >>> 1 !== parent) pair += PAIR_BYTES;
      parent = slot >>> 1;
      const digest = itemDigest(category, slot, value(i), slots.get(slot)!);
      this.#pairs.write(digest, pair + 1 + HASH_BYTES * (slot & 1), "latin1");
    }
    this.root = Uint8Array.from(Buffer.from(this.#climb(), "latin1"));
  }

  /** Hashes level by level, each pair where it stands; the digest of the last one. */
  #climb(): string {
    let from = 0;
    let digest = "";
    for (const [height, parents] of this.#parents.entries()) {
      let to = from + PAIR_BYTES * parents.length - PAIR_BYTES;
      let grandparent = -1;
      for (const index of parents) {
        this.#pairs[from] = DOMAIN.node;
        digest = sha256Latin1(this.#pairs.subarray(from, from + PAIR_BYTES));
        from += PAIR_BYTES;
        if (index >>> 1 !== grandparent) to += PAIR_BYTES;
        grandparent = index >>> 1;
        if (height + 1 < this.#parents.length)
          this.#pairs.write(digest, to + 1 + HASH_BYTES * (index & 1), "latin1");
      }
    }
    return digest;
  }

  /** Null where there is nothing in the slot. */
  open(slot: number): Opening | null {
    const item = this.#slots.get(slot);
    if (item === undefined) return null;
    const path: Uint8Array[] = [];
    let from = 0;
    for (const [height, parents] of this.#parents.entries()) {
      const index = slot >>> height;
      const at = from + PAIR_BYTES * parents.indexOf(index >>> 1) + 1 + HASH_BYTES * ((index & 1) ^ 1);
      path.push(Uint8Array.from(this.#pairs.subarray(at, at + HASH_BYTES)));
      from += PAIR_BYTES * parents.length;
    }
    const place: Place = { domain: DOMAIN.salt, height: 0, index: slot, at: -1 };
    const salt = Uint8Array.from(derive(this.#secret, this.category, [place]));
    return { category: this.category, slot, item, salt, path };
  }
}

/** Whether an opening leads to the root. Never throws on what was sent. */
export function verifyOpening(opening: Opening, root: Uint8Array): boolean {
  const { category, slot, item, salt, path } = opening;
  if (!CATEGORIES.includes(category) || path.length !== DEPTH[category]) return false;
  if (!Number.isInteger(slot) || slot < 0 || slot >= 2 ** DEPTH[category]) return false;
  if (salt.length !== SALT_BYTES || item.length > MAX_ITEM_BYTES) return false;
  if (path.some((sibling) => sibling.length !== HASH_BYTES)) return false;
  let node = itemHash(category, slot, salt, item);
  path.forEach((sibling, height) => {
    node = (slot >>> height) % 2 === 1 ? nodeHash(sibling, node) : nodeHash(node, sibling);
  });
  return bytesEqual(node, root);
}

/** SHA-256(0x10 || category || slot, 16 bits || salt || length, 32 bits || item). */
export function itemHash(category: Category, slot: number, salt: Uint8Array, item: Uint8Array): Uint8Array {
  return Uint8Array.from(Buffer.from(itemDigest(category, slot, salt, item), "latin1"));
}

const itemInput = Buffer.alloc(8 + SALT_BYTES + MAX_ITEM_BYTES);

function itemDigest(category: Category, slot: number, salt: Uint8Array, item: Uint8Array): string {
  if (item.length > MAX_ITEM_BYTES) throw new RangeError(`an item has at most ${MAX_ITEM_BYTES} bytes`);
  itemInput[0] = DOMAIN.item;
  itemInput[1] = categoryNumber(category);
  itemInput.writeUInt16BE(slot, 2);
  itemInput.set(salt, 4);
  itemInput.writeUInt32BE(item.length, 4 + SALT_BYTES);
  itemInput.set(item, 8 + SALT_BYTES);
  return sha256Latin1(itemInput.subarray(0, 8 + SALT_BYTES + item.length));
}

/** As it stands in items and secrets: 1 for pages and so on. */
export function categoryNumber(category: Category): number {
  return CATEGORIES.indexOf(category) + 1;
}

function nodeHash(left: Uint8Array, right: Uint8Array): Uint8Array {
  return pairHash(DOMAIN.node, left, right);
}

/**
 * AES-256 under the secret is a pseudo-random function of the place: two blocks for each value, no input twice, far
 * below 2^64 of them. One call for all places of a tree, which is what it costs least as. 32 bytes for each place.
 */
function derive(secret: Uint8Array, category: Category, places: readonly Place[]): Buffer {
  const input = Buffer.alloc(places.length * 2 * BLOCK_BYTES);
  const number = categoryNumber(category);
  let start = 0;
  for (const { domain, height, index } of places) {
    for (let half = 0; half < 2; half++) {
      input[start] = domain;
      input[start + 1] = number;
      input[start + 2] = height;
      input[start + 3] = half;
      input[start + 4] = index >>> 8;
      input[start + 5] = index & 0xff;
      start += BLOCK_BYTES;
    }
  }
  // Single blocks of a counter of our own, never data: the mode without chaining is the function itself.
  return createCipheriv("aes-256-ecb", secret, null).setAutoPadding(false).update(input);
}

function checkSlot(category: Category, slot: number): void {
  if (!Number.isInteger(slot) || slot < 0 || slot >= 2 ** DEPTH[category]) {
    throw new RangeError(`${category} have no slot ${slot}`);
  }
}
