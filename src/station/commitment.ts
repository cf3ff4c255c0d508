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
import { bytesEqual, HASH_BYTES, pairHash, sha256 } from "./merkle.js";

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

/** A value that comes from the secret: the salt of a slot, or what stands where a node has nothing below it. */
interface Place {
  readonly domain: typeof DOMAIN.filler | typeof DOMAIN.salt;
  readonly height: number;
  readonly index: number;
}

export class CommittedTree {
  readonly category: Category;
  readonly #secret: Uint8Array;
  readonly #slots: Slots;
  /** Hashes of nodes with an item below them, and the fillers beside those, by level (0 is a slot) and index. */
  readonly #levels: Map<number, Uint8Array>[];

  /** `secret` is random, of this leaf alone, and kept for as long as anything is to be opened. */
  constructor(category: Category, slots: Slots, secret: Uint8Array) {
    if (secret.length !== SECRET_BYTES)
      throw new RangeError(`the secret of a leaf has ${SECRET_BYTES} bytes`);
    this.category = category;
    this.#secret = secret;
    this.#slots = slots;
    const depth = DEPTH[category];
    for (const slot of slots.keys()) checkSlot(category, slot);
    const occupied = [new Set(slots.keys())];
    for (let height = 0; height < depth; height++) {
      const above = new Set<number>();
      for (const index of occupied[height]) above.add(index >>> 1);
      occupied.push(above);
    }
    const places: Place[] = [];
    for (const slot of slots.keys()) places.push({ domain: DOMAIN.salt, height: 0, index: slot });
    for (const [height, level] of occupied.entries()) {
      // The root has no sibling; it is a filler itself where there is nothing at all.
      if (height === depth && level.size === 0) places.push({ domain: DOMAIN.filler, height, index: 0 });
      if (height === depth) continue;
      for (const index of level) {
        if (!level.has(index ^ 1)) places.push({ domain: DOMAIN.filler, height, index: index ^ 1 });
      }
    }
    const values = derive(secret, category, places);
    this.#levels = occupied.map(() => new Map<number, Uint8Array>());
    places.forEach(({ domain, height, index }, at) => {
      if (domain === DOMAIN.filler) this.#levels[height].set(index, values[at]);
    });
    let at = 0;
    for (const [slot, item] of slots) this.#levels[0].set(slot, itemHash(category, slot, values[at++], item));
    for (let height = 0; height < depth; height++) {
      const level = this.#levels[height];
      for (const index of occupied[height + 1]) {
        this.#levels[height + 1].set(index, nodeHash(level.get(index * 2)!, level.get(index * 2 + 1)!));
      }
    }
  }

  get root(): Uint8Array {
    return this.#levels[DEPTH[this.category]].get(0)!;
  }

  /** Null where there is nothing in the slot. */
  open(slot: number): Opening | null {
    const item = this.#slots.get(slot);
    if (item === undefined) return null;
    const path: Uint8Array[] = [];
    for (let height = 0, index = slot; height < DEPTH[this.category]; height++, index >>>= 1) {
      path.push(this.#levels[height].get(index ^ 1)!);
    }
    const [salt] = derive(this.#secret, this.category, [{ domain: DOMAIN.salt, height: 0, index: slot }]);
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
  if (item.length > MAX_ITEM_BYTES) throw new RangeError(`an item has at most ${MAX_ITEM_BYTES} bytes`);
  const input = Buffer.allocUnsafe(8 + SALT_BYTES + item.length);
  input[0] = DOMAIN.item;
  input[1] = categoryNumber(category);
  input.writeUInt16BE(slot, 2);
  input.set(salt, 4);
  input.writeUInt32BE(item.length, 4 + SALT_BYTES);
  input.set(item, 8 + SALT_BYTES);
  return sha256(input);
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
 * below 2^64 of them. One call for all places of a tree, which is what it costs least as.
 */
function derive(secret: Uint8Array, category: Category, places: readonly Place[]): Uint8Array[] {
  const input = Buffer.alloc(places.length * 2 * BLOCK_BYTES);
  places.forEach(({ domain, height, index }, at) => {
    for (let half = 0; half < 2; half++) {
      const start = (2 * at + half) * BLOCK_BYTES;
      input[start] = domain;
      input[start + 1] = categoryNumber(category);
      input[start + 2] = height;
      input[start + 3] = half;
      input.writeUInt16BE(index, start + 4);
    }
  });
  // Single blocks of a counter of our own, never data: the mode without chaining is the function itself.
  const output = createCipheriv("aes-256-ecb", secret, null).setAutoPadding(false).update(input);
  const { buffer, byteOffset } = output;
  return places.map((_, at) => new Uint8Array(buffer, byteOffset + at * HASH_BYTES, HASH_BYTES));
}

function checkSlot(category: Category, slot: number): void {
  if (!Number.isInteger(slot) || slot < 0 || slot >= 2 ** DEPTH[category]) {
    throw new RangeError(`${category} have no slot ${slot}`);
  }
}
