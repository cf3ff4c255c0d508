/**
 * Leaves from a signed tree as a consumer stores them: the leaves, where they begin with the proof that the tree has
 * them, and the checkpoint; and judged again when it starts.
 */
import { parseCheckpoint, type Checkpoint } from "../station/checkpoint.js";
import { HASH_BYTES } from "../station/merkle.js";
import { formatNote, formatSignature, parseSignatureLine, type NoteSignature } from "../station/note.js";
import { INPUT, type Input } from "./consumer-store.js";
import type { Follower, Span } from "./follower.js";

type Station = Pick<Follower, "station">;

export function spanInputs({ station }: Station, { from, leaves, checkpoint, proof = [] }: Span): Input[] {
  const begin = Buffer.alloc(8);
  begin.writeBigUInt64BE(BigInt(from));
  return [
    ...leaves.map((body) => ({ station, kind: INPUT.leaf, body })),
    { station, kind: INPUT.span, body: Buffer.concat([begin, ...proof]) },
    checkpointInput({ station }, checkpoint),
  ];
}

/** `Follower.compareRoots`. */
export function forkInputs(
  { station }: Station,
  checkpoint: Checkpoint,
  root: Uint8Array,
  proof: readonly Uint8Array[],
): Input[] {
  return [
    { station, kind: INPUT.fork, body: Buffer.concat([root, ...proof]) },
    checkpointInput({ station }, checkpoint),
  ];
}

export function checkpointInput({ station }: Station, { note }: Checkpoint): Input {
  return { station, kind: INPUT.checkpoint, body: Buffer.from(formatNote(note), "utf8") };
}

/** `Follower.cosigned`. */
export function cosignatureInput({ station }: Station, size: number, line: NoteSignature): Input {
  const head = Buffer.alloc(8);
  head.writeBigUInt64BE(BigInt(size));
  return {
    station,
    kind: INPUT.cosignature,
    body: Buffer.concat([head, Buffer.from(formatSignature(line).trimEnd(), "utf8")]),
  };
}

/** Judges such inputs again, one by one. */
export class StoredSpans {
  #leaves: Uint8Array[] = [];
  #span: Uint8Array | null = null;
  #fork: Uint8Array | null = null;

  take(follower: Follower | undefined, { kind, body }: Input): void {
    if (kind === INPUT.leaf) this.#leaves.push(body);
    else if (kind === INPUT.span) this.#span = body;
    else if (kind === INPUT.fork) this.#fork = body;
    else if (kind === INPUT.cosignature) {
      const stored = Buffer.from(body);
      const line = parseSignatureLine(stored.toString("utf8", 8));
      if (line !== null) follower?.cosigned(Number(stored.readBigUInt64BE(0)), line);
    } else if (kind === INPUT.checkpoint) {
      const checkpoint = parseCheckpoint(body);
      if (checkpoint !== null && follower !== undefined) this.#judge(follower, checkpoint);
      this.#leaves = [];
      this.#span = null;
      this.#fork = null;
    }
  }

  #judge(follower: Follower, checkpoint: Checkpoint): void {
    if (this.#fork !== null) {
      const [root, ...proof] = hashesOf(this.#fork, 0);
      follower.compareRoots(checkpoint, root, proof);
    } else if (this.#leaves.length === 0) follower.compare(checkpoint);
    else {
      const from =
        this.#span === null
          ? checkpoint.size - this.#leaves.length
          : Number(Buffer.from(this.#span).readBigUInt64BE(0));
      const proof = this.#span === null ? [] : hashesOf(this.#span, 8);
      follower.fill({ from, leaves: this.#leaves, checkpoint, proof });
    }
  }
}

function hashesOf(bytes: Uint8Array, from: number): Uint8Array[] {
  const hashes: Uint8Array[] = [];
  for (let at = from; at + HASH_BYTES <= bytes.length; at += HASH_BYTES)
    hashes.push(bytes.subarray(at, at + HASH_BYTES));
  return hashes;
}
