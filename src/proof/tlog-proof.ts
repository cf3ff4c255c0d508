/**
 * Transparency log proofs (c2sp.org/tlog-proof): an index, the hashes that lead to the root, and the checkpoint with its
 * signatures, as one text. Pure; nothing is verified here.
 */
import { parseCheckpoint, parseSize, type Checkpoint } from "../station/checkpoint.js";
import { HASH_BYTES, MAX_PROOF_NODES } from "../station/merkle.js";
import { bytesOfBase64, formatNote } from "../station/note.js";

const FIRST_LINE = "c2sp.org/tlog-proof@v1";

export interface TlogProof {
  readonly index: number;
  /** From the leaf's sibling up. */
  readonly inclusion: readonly Uint8Array[];
  readonly checkpoint: Checkpoint;
}

export function formatTlogProof({ index, inclusion, checkpoint }: TlogProof): string {
  const hashes = inclusion.map((hash) => `${Buffer.from(hash).toString("base64")}\n`).join("");
  return `${FIRST_LINE}\nindex ${index}\n${hashes}\n${formatNote(checkpoint.note)}`;
}

/** Null where the text is none. A line `extra`, which no proof of a station has, is refused: nothing signs it. */
export function parseTlogProof(text: string): TlogProof | null {
  const split = text.indexOf("\n\n");
  if (split < 0) return null;
  const [first, indexLine, ...hashLines] = text.slice(0, split).split("\n");
  if (first !== FIRST_LINE || hashLines.length > MAX_PROOF_NODES) return null;
  const match = /^index (\d+)$/.exec(indexLine);
  const index = match === null ? null : parseSize(match[1]);
  const checkpoint = parseCheckpoint(text.slice(split + 2));
  if (index === null || checkpoint === null) return null;
  const inclusion: Uint8Array[] = [];
  for (const line of hashLines) {
    const hash = bytesOfBase64(line);
    if (hash?.length !== HASH_BYTES) return null;
    inclusion.push(hash);
  }
  return { index, inclusion, checkpoint };
}
