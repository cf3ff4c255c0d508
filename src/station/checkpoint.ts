/**
 * Checkpoints (c2sp.org/tlog-checkpoint): the signed note that names a log, the size of its tree and the root. This
 * project's logs write no extension lines, but read and keep those of others.
 */
import { HASH_BYTES } from "./merkle.js";
import {
  bytesOfBase64,
  ED25519,
  formatNote,
  isSignedBy,
  parseNote,
  type Note,
  type VerifierKey,
} from "./note.js";

export interface TreeHead {
  /** First line: names the log. */
  readonly origin: string;
  /** Leaves. */
  readonly size: number;
  readonly root: Uint8Array;
  readonly extensions: readonly string[];
}

export interface Checkpoint extends TreeHead {
  readonly note: Note;
}

export function checkpointText({ origin, size, root, extensions }: TreeHead): string {
  if (origin === "" || origin.includes("\n")) throw new RangeError("an origin is one line");
  if (!Number.isSafeInteger(size) || size < 0) throw new RangeError(`${size} is no size of a tree`);
  if (root.length !== HASH_BYTES) throw new RangeError(`a root has ${HASH_BYTES} bytes`);
  const lines = [origin, String(size), Buffer.from(root).toString("base64"), ...extensions];
  return `${lines.join("\n")}\n`;
}

/** What a note says as a checkpoint, or null where it is none. Nothing is verified. */
export function parseCheckpoint(input: string | Uint8Array): Checkpoint | null {
  const note = parseNote(input);
  if (note === null) return null;
  const lines = note.text.slice(0, -1).split("\n");
  if (lines.length < 3 || lines.includes("")) return null;
  const [origin, sizeText, rootText, ...extensions] = lines;
  const size = parseSize(sizeText);
  const root = bytesOfBase64(rootText);
  if (size === null || root?.length !== HASH_BYTES) return null;
  return { origin, size, root, extensions, note };
}

/** A decimal without leading zeros, up to 2^53 - 1; null for anything else. */
export function parseSize(text: string): number | null {
  if (!/^(?:0|[1-9][0-9]{0,15})$/.test(text)) return null;
  const size = Number(text);
  return Number.isSafeInteger(size) ? size : null;
}

/** Whether any of the keys signed the checkpoint, and the log's name is that key's. */
export function signerOf(checkpoint: Checkpoint, keys: readonly VerifierKey[]): VerifierKey | null {
  return keys.find((key) => key.name === checkpoint.origin && isSignedBy(checkpoint.note, key)) ?? null;
}

export type SignText = (text: Uint8Array) => Promise<Uint8Array>;

/** Signs a tree head by each key in turn; during a rotation there are two. */
export async function signCheckpoint(
  head: TreeHead,
  signers: readonly { readonly key: VerifierKey; readonly sign: SignText }[],
): Promise<string> {
  const text = checkpointText(head);
  const bytes = Buffer.from(text, "utf8");
  const signatures = [];
  for (const { key, sign } of signers) {
    if (key.type !== ED25519) throw new RangeError("a log signs with Ed25519 notes");
    signatures.push({ name: key.name, keyId: key.keyId, signature: await sign(bytes) });
  }
  return formatNote({ text, signatures });
}
