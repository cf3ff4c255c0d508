/**
 * A stored log read again as a whole, by somebody who only reads: nothing is made, locked or changed where it lies,
 * and a daemon may go on writing it. Edge.
 */
import { join } from "node:path";
import { OsnmadError } from "../errors.js";
import type { Mode } from "../pipeline/records.js";
import { parseCheckpoint, signerOf } from "./checkpoint.js";
import { readCheckpointFile } from "./checkpoint-file.js";
import { follow, type History } from "./history.js";
import { decodeLeaf } from "./leaf.js";
import { openLogSnapshot, type LogDatabase } from "./log-database.js";
import { bytesEqual, HASH_BYTES, rootOf, storeLeaf, type SubtreeHash } from "./merkle.js";
import { ED25519, verifierKey } from "./note.js";
import { originOf } from "./origin.js";
import { CHECKPOINT_FILE } from "./station-log.js";
import { TILE_WIDTH } from "./tiles.js";

export interface CheckedLog {
  readonly mode: Mode;
  /** Leaves read; 0 for a log in which no run has begun. */
  readonly size: number;
  /** Null while there is no leaf. */
  readonly origin: string | null;
  readonly checkpoints: number;
  /** Leaves that the newest checkpoint signs; 0 while nothing is signed. */
  readonly signed: number;
}

/**
 * Every body against its hash, every hash against the tree, each leaf against the one before, every checkpoint against
 * its root and the key that was in force, and that nothing was set back.
 *
 * Throws OSN_STATION_LOG_CONTRADICTS; OSN_USAGE where the folder holds no log; OSN_STATE_*.
 */
export function checkLog(directory: string): CheckedLog {
  // Before the copy: what is signed while it is made may be newer than the copy.
  const inFile = checkpointIn(directory);
  const { database, close } = openLogSnapshot(directory);
  try {
    return checkDatabase(database, inFile);
  } finally {
    close();
  }
}

function checkDatabase(database: LogDatabase, inFile: ReturnType<typeof checkpointIn>): CheckedLog {
  const meta = database.prepare<[string], Buffer>("SELECT value FROM meta WHERE name = ?").pluck();
  const mode = meta.get("mode")?.toString("latin1") as Mode | undefined;
  const refusal = meta.get("refusal");
  if (refusal !== undefined) throw unsound(`it is not signed any more (${refusal.toString("utf8")})`);
  const range = database.prepare<[number, number], { idx: number; nodes: Uint8Array; body: Uint8Array }>(
    "SELECT idx, nodes, body FROM leaf WHERE idx >= ? AND idx < ? ORDER BY idx",
  );
  const last = database.prepare<[], number>("SELECT coalesce(max(idx) + 1, 0) FROM leaf").pluck();
  const stored = last.get() ?? 0;

  const hashes = new Map<string, Uint8Array>();
  const subtree: SubtreeHash = (level, index) => hashes.get(`${level}/${index}`)!;
  const keys: { readonly from: number; readonly publicKey: Uint8Array }[] = [];
  let history: History | null = null;
  for (let from = 0; from < stored; from += TILE_WIDTH) {
    for (const { idx, nodes, body } of range.all(from, from + TILE_WIDTH)) {
      const leaf = decodeLeaf(body);
      const next: History | string = leaf === null ? "no leaf" : follow(history, leaf, body);
      if (typeof next === "string") throw unsound(`leaf ${idx}: ${next}`);
      let at = 0;
      storeLeaf(next.size - 1, next.head, subtree, (level, index, hash) => {
        hashes.set(`${level}/${index}`, hash);
        const kept = nodes.subarray(at, (at += HASH_BYTES));
        if (!bytesEqual(kept, hash)) throw unsound(`node ${level}/${index} is wrong`);
      });
      if (history === null || !bytesEqual(next.publicKey, history.publicKey)) {
        keys.push({ from: next.size, publicKey: next.publicKey });
      }
      history = next;
    }
  }
  const size = history?.size ?? 0;
  if (size !== stored) throw unsound("leaves are missing");
  if (mode === undefined || (history !== null && history.mode !== mode)) {
    throw unsound(`its leaves are of mode ${history?.mode ?? "none"}, the log says ${mode ?? "none"}`);
  }
  const origin = history === null ? null : originOf(history.station, mode);

  const notes = database
    .prepare<[], { size: number; root: Uint8Array; note: string }>(
      "SELECT size, root, note FROM checkpoint ORDER BY size",
    )
    .all();
  for (const { size: at, root, note } of notes) {
    const checkpoint = parseCheckpoint(note);
    const isOfTree =
      at >= 1 && at <= size && bytesEqual(root, rootOf(at, subtree)) && checkpoint?.origin === origin;
    if (!isOfTree || checkpoint?.size !== at || !bytesEqual(checkpoint.root, root)) {
      throw unsound(`the checkpoint of size ${at} is not of this tree`);
    }
    const inForce = keys.findLast(({ from }) => from <= at)!;
    if (signerOf(checkpoint, [verifierKey(checkpoint.origin, ED25519, inForce.publicKey)]) === null) {
      throw unsound(`the checkpoint of size ${at} is not signed by the key that was in force`);
    }
  }
  const signed = notes.at(-1)?.size ?? 0;
  if (inFile !== null && inFile.size > signed)
    throw unsound("the database lacks a checkpoint that was signed");
  if (inFile !== null && !bytesEqual(inFile.root, rootOf(inFile.size, subtree))) {
    throw unsound(`the stored tree of ${inFile.size} leaves is not the one that was signed`);
  }
  return { mode, size, origin, checkpoints: notes.length, signed };
}

function checkpointIn(directory: string): ReturnType<typeof readCheckpointFile> {
  try {
    return readCheckpointFile(join(directory, CHECKPOINT_FILE));
  } catch {
    // Whether there is a log at all is told by its database.
    return null;
  }
}

function unsound(why: string): OsnmadError {
  return new OsnmadError("OSN_STATION_LOG_CONTRADICTS", `The log is not sound: ${why}.`);
}
