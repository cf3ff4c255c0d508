/**
 * What a follower of a station's log checks from leaf to leaf, beside the Merkle tree: the chain, the mode, that
 * time only goes forward and that no subframe is missing without a leaf that says so. Pure; the same code tells the
 * station what it may append.
 */
import { SUBFRAME_SECONDS } from "../inav/gst.js";
import type { Mode } from "../pipeline/records.js";
import { rotationStatement, NO_LEAF, type Leaf } from "./leaf.js";
import { bytesEqual, leafHash, sha256 } from "./merkle.js";
import { verifyEd25519 } from "./note.js";
import { isSmallOrder } from "./small-order.js";

/** What the leaves so far amount to. */
export interface History {
  readonly station: Uint8Array;
  readonly mode: Mode;
  /** Leaves so far. */
  readonly size: number;
  /** Hash of the last leaf. */
  readonly head: Uint8Array;
  /** In force after the last leaf. */
  readonly publicKey: Uint8Array;
  readonly receiver: Uint8Array;
  /** The subframe that the next leaf of a subframe must have at least; null before the first. */
  readonly nextGst: number | null;
  /** A start leaf was the last of weight: the next subframe may be any later one. */
  readonly mayJump: boolean;
}

/** A lie, or a defect that cannot be told from one. */
export type Violation =
  | "no-first-leaf"
  | "second-first-leaf"
  | "other-station"
  | "other-mode"
  | "index"
  | "chain"
  | "time-backwards"
  | "time-not-independent"
  | "unexplained-gap"
  | "gap-contradicts"
  | "key"
  | "receiver"
  | "rotation-signature";

export function stationIdOf(publicKey: Uint8Array): Uint8Array {
  return sha256(publicKey);
}

/**
 * The history with one leaf more, or what is wrong with it. `bytes` are those of the leaf, `history` is null before
 * the first.
 */
export function follow(history: History | null, leaf: Leaf, bytes: Uint8Array): History | Violation {
  const head = leafHash(bytes);
  if (history === null) {
    if (leaf.kind !== "start" || !leaf.first) return "no-first-leaf";
    if (leaf.index !== 0) return "index";
    if (!bytesEqual(leaf.previous, NO_LEAF)) return "chain";
    if (!bytesEqual(leaf.station, stationIdOf(leaf.publicKey))) return "other-station";
    if (isSmallOrder(leaf.publicKey)) return "key";
    const { station, mode, publicKey, receiver } = leaf;
    return { station, mode, size: 1, head, publicKey, receiver, nextGst: null, mayJump: true };
  }
  if (!bytesEqual(leaf.station, history.station)) return "other-station";
  if (leaf.mode !== history.mode) return "other-mode";
  if (leaf.index !== history.size) return "index";
  if (!bytesEqual(leaf.previous, history.head)) return "chain";
  if (leaf.kind === "receiver") {
    if (!bytesEqual(leaf.before, history.receiver)) return "receiver";
  } else if (!bytesEqual(leaf.receiver, history.receiver)) {
    return "receiver";
  }
  const next = { ...history, size: history.size + 1, head, receiver: leaf.receiver };
  const { nextGst, mayJump } = history;
  switch (leaf.kind) {
    case "subframe":
      // Live, a tag counts only where a clock independent of the signal says that its key was still secret.
      if (leaf.mode === "live" && leaf.time.assurance !== "independent") return "time-not-independent";
      if (nextGst !== null && leaf.gst < nextGst) return "time-backwards";
      if (nextGst !== null && leaf.gst > nextGst && !mayJump) return "unexplained-gap";
      return { ...next, nextGst: leaf.gst + SUBFRAME_SECONDS, mayJump: false };
    case "gap":
      if (nextGst !== null && leaf.fromGst < nextGst) return "time-backwards";
      if (nextGst !== null && leaf.fromGst !== nextGst && !mayJump) return "gap-contradicts";
      return { ...next, nextGst: leaf.toGst, mayJump: false };
    case "start":
      if (leaf.first) return "second-first-leaf";
      if (!bytesEqual(leaf.publicKey, history.publicKey)) return "key";
      return { ...next, mayJump: true };
    case "rotation": {
      if (!bytesEqual(leaf.oldKey, history.publicKey) || isSmallOrder(leaf.newKey)) return "key";
      const { station, index, previous, oldKey, newKey } = leaf;
      const statement = rotationStatement(station, index, previous, oldKey, newKey);
      if (!verifyEd25519(oldKey, statement, leaf.oldSignature)) return "rotation-signature";
      if (!verifyEd25519(newKey, statement, leaf.newSignature)) return "rotation-signature";
      return { ...next, publicKey: newKey };
    }
    case "receiver":
      return next;
  }
}
