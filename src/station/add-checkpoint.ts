/** The request of C2SP tlog-witness (c2sp.org/tlog-witness): older size, consistency proof, checkpoint. Pure. */
import { parseCheckpoint, parseSize, type Checkpoint } from "./checkpoint.js";
import { HASH_BYTES } from "./merkle.js";
import { bytesOfBase64, MAX_NOTE_BYTES } from "./note.js";

/** The document's bound. */
export const MAX_PROOF_LINES = 63;
export const MAX_REQUEST_BYTES = MAX_NOTE_BYTES;
/** Content type of the size that comes with status 409. */
export const SIZE_TYPE = "text/x.tlog.size";

export interface AddCheckpoint {
  readonly oldSize: number;
  readonly proof: readonly Uint8Array[];
  readonly checkpoint: Checkpoint;
  /** The checkpoint as it came. */
  readonly note: string;
}

export function formatAddCheckpoint(oldSize: number, proof: readonly Uint8Array[], note: string): string {
  const lines = proof.map((hash) => `${Buffer.from(hash).toString("base64")}\n`);
  return `old ${oldSize}\n${lines.join("")}\n${note}`;
}

/** Null for anything that is no request; nothing is verified. */
export function parseAddCheckpoint(body: string): AddCheckpoint | null {
  if (body.length > MAX_REQUEST_BYTES) return null;
  const split = body.indexOf("\n\n");
  if (split < 0) return null;
  const [first, ...lines] = body.slice(0, split).split("\n");
  const oldSize = first.startsWith("old ") ? parseSize(first.slice(4)) : null;
  if (oldSize === null || lines.length > MAX_PROOF_LINES) return null;
  const proof: Uint8Array[] = [];
  for (const line of lines) {
    const hash = bytesOfBase64(line);
    if (hash?.length !== HASH_BYTES) return null;
    proof.push(hash);
  }
  const note = body.slice(split + 2);
  const checkpoint = parseCheckpoint(note);
  return checkpoint === null ? null : { oldSize, proof, checkpoint, note };
}
