/**
 * The public part of a leaf of a station's log: deterministic CBOR of integers and bytes, CDDL in
 * docs/station-log.md. Nothing in it depends on which satellites were heard, how many, or where the station is,
 * but through salted commitments.
 */
import { SUBFRAME_SECONDS } from "../inav/gst.js";
import type { Mode, TimeAssurance } from "../pipeline/records.js";
import { decodeCbor, encodeCbor, isArray, isBytes, isInteger, type CborMap, type CborValue } from "./cbor.js";
import { CATEGORIES, SHA_256, type Category } from "./commitment.js";
import { HASH_BYTES, sha256 } from "./merkle.js";
import { ED25519_KEY_BYTES, ED25519_SIGNATURE_BYTES } from "./note.js";
import { MAX_ENTRY_BYTES } from "./tiles.js";

export const LEAF_VERSION = 1;
export const CHALLENGE_BYTES = 32;
/** Several federations may ask in one subframe; more wait for the next leaf. */
export const MAX_CHALLENGES = 8;
const MAX_ALGORITHMS = 8;
const MAX_VERSION_BYTES = 64;
const MAX_GST = 2 ** 40;
const MAX_BOUND_MS = 2 ** 40;

/** Kinds of leaf, with their number on the wire. */
export const KINDS = { subframe: 1, start: 2, rotation: 3, receiver: 4, gap: 5 } as const;
export type LeafKind = keyof typeof KINDS;
const MODES: Readonly<Record<Mode, number>> = { live: 1, replay: 2, simulated: 3 };
const ASSURANCES: Readonly<Record<TimeAssurance, number>> = { none: 0, capture: 1, independent: 2 };
/** Why a gap is there. `lost`: the station cannot say. */
export const GAP_REASONS = { stopped: 1, "no-time": 2, lost: 3 } as const;
export type GapReason = keyof typeof GAP_REASONS;

export interface LeafChallenge {
  /** 32 bytes that nobody could know before they were sent. */
  readonly challenge: Uint8Array;
  /** SHA-256 of the proof of origin, which is passed on as it came. */
  readonly origin: Uint8Array;
}

/** Commitment roots under one hash algorithm. */
export interface Commitments {
  readonly algorithm: number;
  /** In the order of `CATEGORIES`. */
  readonly roots: readonly Uint8Array[];
}

interface LeafCommon {
  /** SHA-256 of the station's first public key. */
  readonly station: Uint8Array;
  /** Place in the log, from 0. */
  readonly index: number;
  /** RFC 6962 hash of the leaf before; 32 zeros for the first. */
  readonly previous: Uint8Array;
  readonly mode: Mode;
  readonly softwareVersion: string;
  /** What stands for the time at the station: how it is known, and its bound in milliseconds (null: none). */
  readonly time: { readonly assurance: TimeAssurance; readonly boundMs: number | null };
  /** Salted digest of what the receiver says of itself. */
  readonly receiver: Uint8Array;
  readonly challenges: readonly LeafChallenge[];
}

export interface SubframeLeaf extends LeafCommon {
  readonly kind: "subframe";
  /** GST_SF, linear seconds, a multiple of 30. */
  readonly gst: number;
  readonly commitments: readonly Commitments[];
}

/** The log begins (`first`), or the program was started again. */
export interface StartLeaf extends LeafCommon {
  readonly kind: "start";
  readonly first: boolean;
  readonly publicKey: Uint8Array;
}

export interface RotationLeaf extends LeafCommon {
  readonly kind: "rotation";
  readonly oldKey: Uint8Array;
  readonly newKey: Uint8Array;
  /** Both over `rotationStatement`. */
  readonly oldSignature: Uint8Array;
  readonly newSignature: Uint8Array;
}

/** From here on `receiver` is another. */
export interface ReceiverLeaf extends LeafCommon {
  readonly kind: "receiver";
  readonly before: Uint8Array;
}

/** No leaf was made for the subframes from `fromGst` up to, not including, `toGst`. */
export interface GapLeaf extends LeafCommon {
  readonly kind: "gap";
  readonly fromGst: number;
  readonly toGst: number;
  readonly reason: GapReason;
}

export type Leaf = SubframeLeaf | StartLeaf | RotationLeaf | ReceiverLeaf | GapLeaf;

/** A leaf before its place in the log is known: what the makers of leaves hand to the log. */
type Unplaced<L> = L extends Leaf ? Omit<L, "station" | "index" | "previous" | "mode"> : never;
export type LeafContent = Unplaced<Leaf>;

export const NO_LEAF: Uint8Array = new Uint8Array(HASH_BYTES);

/** Throws RangeError or TypeError for a leaf that `decodeLeaf` would refuse. */
export function encodeLeaf(leaf: Leaf): Uint8Array {
  const fields = new Map<number, CborValue>([
    [1, LEAF_VERSION],
    [2, KINDS[leaf.kind]],
    [3, leaf.station],
    [4, leaf.index],
    [5, leaf.previous],
    [6, MODES[leaf.mode]],
    [7, Buffer.from(leaf.softwareVersion, "latin1")],
    [8, [ASSURANCES[leaf.time.assurance], leaf.time.boundMs]],
    [9, leaf.receiver],
    [10, leaf.challenges.map(({ challenge, origin }): CborValue => [challenge, origin])],
    [11, bodyOf(leaf)],
  ]);
  if (leafOf(fields) === null) throw new RangeError("a leaf with these values could not be read again");
  return encodeCbor(fields);
}

function bodyOf(leaf: Leaf): CborValue {
  switch (leaf.kind) {
    case "subframe":
      return [leaf.gst, leaf.commitments.map(({ algorithm, roots }): CborValue => [algorithm, roots])];
    case "start":
      return [leaf.first ? 1 : 0, leaf.publicKey];
    case "rotation":
      return [leaf.oldKey, leaf.newKey, leaf.oldSignature, leaf.newSignature];
    case "receiver":
      return [leaf.before];
    case "gap":
      return [leaf.fromGst, leaf.toGst, GAP_REASONS[leaf.reason]];
  }
}

const KEYS = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11];

/** The leaf of these bytes, or null where they are none in deterministic form. */
export function decodeLeaf(bytes: Uint8Array): Leaf | null {
  if (bytes.length > MAX_ENTRY_BYTES) return null;
  const fields = decodeCbor(bytes);
  return fields instanceof Map ? leafOf(fields as CborMap) : null;
}

function leafOf(fields: CborMap): Leaf | null {
  if (fields.size !== KEYS.length) return null;
  const value = (key: number): CborValue | undefined => fields.get(key);
  if (value(1) !== LEAF_VERSION) return null;
  const kind = nameOf(KINDS, value(2));
  const station = value(3);
  const index = value(4);
  const previous = value(5);
  const mode = nameOf(MODES, value(6));
  const version = value(7);
  const time = timeOf(value(8));
  const receiver = value(9);
  const challenges = challengesOf(value(10));
  if (kind === null || mode === null || time === null || challenges === null) return null;
  if (!isBytes(station, HASH_BYTES) || !isInteger(index, 0, Number.MAX_SAFE_INTEGER)) return null;
  if (!isBytes(previous, HASH_BYTES) || !isBytes(receiver, HASH_BYTES)) return null;
  if (!isBytes(version) || version.length > MAX_VERSION_BYTES) return null;
  if (version.some((byte) => byte < 0x21 || byte > 0x7e)) return null;
  const common: LeafCommon = {
    station,
    index,
    previous,
    mode,
    softwareVersion: Buffer.from(version).toString("latin1"),
    time,
    receiver,
    challenges,
  };
  return withBody(common, kind, value(11));
}

function withBody(common: LeafCommon, kind: LeafKind, body: CborValue | undefined): Leaf | null {
  switch (kind) {
    case "subframe": {
      if (!isArray(body, 2)) return null;
      const [gst, list] = body;
      const commitments = commitmentsOf(list);
      if (!isGst(gst) || commitments === null) return null;
      return { ...common, kind, gst, commitments };
    }
    case "start": {
      if (!isArray(body, 2)) return null;
      const [first, publicKey] = body;
      if (!isInteger(first, 0, 1) || !isBytes(publicKey, ED25519_KEY_BYTES)) return null;
      return { ...common, kind, first: first === 1, publicKey };
    }
    case "rotation": {
      if (!isArray(body, 4)) return null;
      const [oldKey, newKey, oldSignature, newSignature] = body;
      if (!isBytes(oldKey, ED25519_KEY_BYTES) || !isBytes(newKey, ED25519_KEY_BYTES)) return null;
      if (!isBytes(oldSignature, ED25519_SIGNATURE_BYTES)) return null;
      if (!isBytes(newSignature, ED25519_SIGNATURE_BYTES)) return null;
      return { ...common, kind, oldKey, newKey, oldSignature, newSignature };
    }
    case "receiver": {
      if (!isArray(body, 1) || !isBytes(body[0], HASH_BYTES)) return null;
      return { ...common, kind, before: body[0] };
    }
    case "gap": {
      if (!isArray(body, 3)) return null;
      const [fromGst, toGst, reasonNumber] = body;
      const reason = nameOf(GAP_REASONS, reasonNumber);
      if (!isGst(fromGst) || !isGst(toGst) || fromGst >= toGst || reason === null) return null;
      return { ...common, kind, fromGst, toGst, reason };
    }
  }
}

/** Root of a category under SHA-256; null where the leaf has none. */
export function rootIn(leaf: SubframeLeaf, category: Category): Uint8Array | null {
  const commitments = leaf.commitments.find(({ algorithm }) => algorithm === SHA_256);
  return commitments?.roots[CATEGORIES.indexOf(category)] ?? null;
}

/** What old and new key sign when one takes over from the other. */
export function rotationStatement(
  station: Uint8Array,
  index: number,
  previous: Uint8Array,
  oldKey: Uint8Array,
  newKey: Uint8Array,
): Uint8Array {
  return encodeCbor([Buffer.from("osnmad-rotation-1", "latin1"), station, index, previous, oldKey, newKey]);
}

/** Salted digest of a text that says which receiver this is; stays the same while receiver and salt do. */
export function receiverCommitment(salt: Uint8Array, description: string): Uint8Array {
  if (salt.length !== 32) throw new RangeError("the salt of a receiver has 32 bytes");
  return sha256(Buffer.concat([Uint8Array.of(0x14), salt, Buffer.from(description, "utf8")]));
}

function commitmentsOf(value: CborValue): Commitments[] | null {
  if (!isArray(value) || value.length === 0 || value.length > MAX_ALGORITHMS) return null;
  const all: Commitments[] = [];
  for (const entry of value) {
    if (!isArray(entry, 2)) return null;
    const [algorithm, roots] = entry;
    // In rising order, so that none is there twice. Lengths of what is not known here are not judged.
    if (!isInteger(algorithm, (all.at(-1)?.algorithm ?? 0) + 1, 255)) return null;
    if (!isArray(roots, CATEGORIES.length)) return null;
    if (!roots.every((root) => isBytes(root, algorithm === SHA_256 ? HASH_BYTES : undefined))) return null;
    all.push({ algorithm, roots: roots as readonly Uint8Array[] });
  }
  return all[0].algorithm === SHA_256 ? all : null;
}

function challengesOf(value: CborValue | undefined): LeafChallenge[] | null {
  if (!isArray(value) || value.length > MAX_CHALLENGES) return null;
  const all: LeafChallenge[] = [];
  for (const entry of value) {
    if (!isArray(entry, 2)) return null;
    const [challenge, origin] = entry;
    if (!isBytes(challenge, CHALLENGE_BYTES) || !isBytes(origin, HASH_BYTES)) return null;
    all.push({ challenge, origin });
  }
  return all;
}

function timeOf(value: CborValue | undefined): LeafCommon["time"] | null {
  if (!isArray(value, 2)) return null;
  const assurance = nameOf(ASSURANCES, value[0]);
  const boundMs = value[1];
  if (assurance === null || (boundMs !== null && !isInteger(boundMs, 0, MAX_BOUND_MS))) return null;
  return { assurance, boundMs };
}

function isGst(value: CborValue | undefined): value is number {
  return isInteger(value, 0, MAX_GST) && value % SUBFRAME_SECONDS === 0;
}

function nameOf<K extends string>(
  table: Readonly<Record<K, number>>,
  value: CborValue | undefined,
): K | null {
  return (Object.keys(table) as K[]).find((name) => table[name] === value) ?? null;
}
