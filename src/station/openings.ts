/**
 * From a closed subframe to what goes into a leaf and what stays at the station: the commitments, and the secret and
 * items that open them. Pure; the secret is handed in.
 */
import { decodeCbor, encodeCbor, isArray, isBytes, isInteger, type CborValue } from "./cbor.js";
import type { ClosedSubframe } from "./collector.js";
import {
  CATEGORIES,
  categoryNumber,
  CommittedTree,
  SHA_256,
  type Category,
  type Opening,
} from "./commitment.js";
import type { Commitments } from "./leaf.js";

/** What opens a leaf's commitments. Private. */
export interface LeafOpenings {
  readonly secret: Uint8Array;
  /** `encodeItems`: every item with its category and slot. */
  readonly items: Uint8Array;
}

export type Items = ClosedSubframe["items"];

export function commitTo(
  items: Items,
  secret: Uint8Array,
): { commitments: Commitments[]; openings: LeafOpenings } {
  const roots = CATEGORIES.map((category) => new CommittedTree(category, items[category], secret).root);
  return {
    commitments: [{ algorithm: SHA_256, roots }],
    openings: { secret, items: encodeItems(items) },
  };
}

/** Opens one item of a leaf; null where there is none in the slot. */
export function openItem({ secret, items }: LeafOpenings, category: Category, slot: number): Opening | null {
  const decoded = decodeItems(items);
  return decoded === null ? null : new CommittedTree(category, decoded[category], secret).open(slot);
}

export function encodeItems(items: Items): Uint8Array {
  const list: CborValue[] = [];
  for (const category of CATEGORIES) {
    for (const [slot, item] of [...items[category]].sort(([a], [b]) => a - b)) {
      list.push([categoryNumber(category), slot, item]);
    }
  }
  return encodeCbor(list);
}

export function decodeItems(bytes: Uint8Array): Items | null {
  const list = decodeCbor(bytes);
  if (!isArray(list)) return null;
  const items: Record<Category, Map<number, Uint8Array>> = {
    pages: new Map(),
    tags: new Map(),
    measurements: new Map(),
    fixes: new Map(),
  };
  for (const entry of list) {
    if (!isArray(entry, 3)) return null;
    const [category, slot, item] = entry;
    if (!isInteger(category, 1, CATEGORIES.length) || !isInteger(slot, 0, 0xffff) || !isBytes(item))
      return null;
    items[CATEGORIES[category - 1]].set(slot, item);
  }
  return items;
}
