/**
 * Where a log's hashes and entries are published: C2SP tlog-tiles (c2sp.org/tlog-tiles). A tile is 256 hashes of one
 * level, an entry bundle is the 256 entries below a tile of level 0. Pure.
 */
import { HASH_BYTES, type SubtreeHash } from "./merkle.js";

export const TILE_WIDTH = 256;
const TILE_HEIGHT = 8;
const MAX_LEVEL = 63;
/** Entries carry their length in 16 bits. */
export const MAX_ENTRY_BYTES = 0xffff;

export interface TileName {
  /** 0 for hashes of leaves; `entries` for the leaves themselves. */
  readonly level: number | "entries";
  readonly index: number;
  /** Hashes in the tile, 1-256; less than 256 is a partial tile. */
  readonly width: number;
}

/** `tile/<L>/<N>[.p/<W>]`, N in zero-padded groups of three, all but the last with an `x`. */
export function tilePath({ level, index, width }: TileName): string {
  const groups: string[] = [];
  let rest = index;
  do {
    groups.unshift(String(rest % 1000).padStart(3, "0"));
    rest = Math.floor(rest / 1000);
  } while (rest > 0);
  const path = groups.map((group, at) => (at === groups.length - 1 ? group : `x${group}`)).join("/");
  return `tile/${level}/${path}${width === TILE_WIDTH ? "" : `.p/${width}`}`;
}

const PATH = /^tile\/(entries|0|[1-9][0-9]?)\/((?:x[0-9]{3}\/){0,4}[0-9]{3})(?:\.p\/([1-9][0-9]{0,2}))?$/;

/** The tile that a path names, or null where it names none or not in the one way that the document allows. */
export function parseTilePath(path: string): TileName | null {
  const match = PATH.exec(path);
  if (match === null) return null;
  const level: TileName["level"] = match[1] === "entries" ? "entries" : Number(match[1]);
  if (level !== "entries" && level > MAX_LEVEL) return null;
  const index = Number(match[2].replaceAll(/[x/]/g, ""));
  const width = (match[3] as string | undefined) === undefined ? TILE_WIDTH : Number(match[3]);
  const name = { level, index, width };
  // One name per tile: no leading groups of zeros, no width of 256 spelled out.
  return Number.isSafeInteger(index) && width <= TILE_WIDTH && tilePath(name) === path ? name : null;
}

/** How many hashes of a level a tree of `size` leaves has: floor(size / 256^level). */
function hashesAt(level: number, size: number): number {
  return Math.floor(size / TILE_WIDTH ** level);
}

/** Every tile and entry bundle that a tree of `size` leaves is published as. */
export function tilesOf(size: number): TileName[] {
  const names: TileName[] = [];
  for (let level = 0; hashesAt(level, size) > 0; level++) {
    const count = hashesAt(level, size);
    for (let index = 0; index * TILE_WIDTH < count; index++) {
      const width = Math.min(TILE_WIDTH, count - index * TILE_WIDTH);
      names.push({ level, index, width });
      if (level === 0) names.push({ level: "entries", index, width });
    }
  }
  return names;
}

/** Whether a tree of `size` leaves has all hashes (or entries) of the tile. */
export function tileIsIn(name: TileName, size: number): boolean {
  const level = name.level === "entries" ? 0 : name.level;
  return name.index * TILE_WIDTH + name.width <= hashesAt(level, size);
}

/** The bytes of a hash tile. */
export function tileBytes(name: TileName & { readonly level: number }, subtree: SubtreeHash): Uint8Array {
  const bytes = new Uint8Array(name.width * HASH_BYTES);
  for (let i = 0; i < name.width; i++) {
    bytes.set(subtree(name.level * TILE_HEIGHT, name.index * TILE_WIDTH + i), i * HASH_BYTES);
  }
  return bytes;
}

/** An entry bundle: each entry after its length, 16 bits, most significant byte first. */
export function encodeEntries(entries: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(entries.reduce((sum, entry) => sum + 2 + entry.length, 0));
  let at = 0;
  for (const entry of entries) {
    if (entry.length > MAX_ENTRY_BYTES) throw new RangeError(`an entry has at most ${MAX_ENTRY_BYTES} bytes`);
    bytes[at] = entry.length >> 8;
    bytes[at + 1] = entry.length & 0xff;
    bytes.set(entry, at + 2);
    at += 2 + entry.length;
  }
  return bytes;
}

/** The entries of a bundle, or null where it is cut or holds more than a tile does. */
export function decodeEntries(bytes: Uint8Array): Uint8Array[] | null {
  const entries: Uint8Array[] = [];
  for (let at = 0; at < bytes.length;) {
    if (at + 2 > bytes.length || entries.length === TILE_WIDTH) return null;
    const length = (bytes[at] << 8) | bytes[at + 1];
    at += 2;
    if (at + length > bytes.length) return null;
    entries.push(bytes.subarray(at, at + length));
    at += length;
  }
  return entries;
}

/**
 * Answers `SubtreeHash` from tiles, as a follower of a log does: the hashes between the levels of tiles are made
 * from those below. `tile` gives the bytes of a tile that has at least `width` hashes.
 */
export function subtreeFromTiles(
  tile: (level: number, index: number, width: number) => Uint8Array,
  combine: (left: Uint8Array, right: Uint8Array) => Uint8Array,
): SubtreeHash {
  const hash = (level: number, index: number): Uint8Array => {
    const within = level % TILE_HEIGHT;
    if (within !== 0) return combine(hash(level - 1, index * 2), hash(level - 1, index * 2 + 1));
    const at = index % TILE_WIDTH;
    const bytes = tile(level / TILE_HEIGHT, Math.floor(index / TILE_WIDTH), at + 1);
    return bytes.subarray(at * HASH_BYTES, (at + 1) * HASH_BYTES);
  };
  return hash;
}
