/**
 * Cosignatures of witnesses (c2sp.org/tlog-cosignature, Ed25519): a witness states that at a time of its own clock
 * the largest consistent tree it had seen of a log was this one.
 */
import type { SignText } from "./checkpoint.js";
import {
  COSIGNATURE_V1,
  ED25519_SIGNATURE_BYTES,
  parseSignatureLine,
  signaturesBy,
  verifyEd25519,
  type Note,
  type NoteSignature,
  type VerifierKey,
} from "./note.js";

const TIMESTAMP_BYTES = 8;

export interface Cosignature {
  readonly witness: string;
  readonly keyId: number;
  /** Unix time of the witness's clock, whole seconds. */
  readonly timestamp: number;
}

/** The bytes that a witness signs: time and the text of the checkpoint, extension lines included. */
export function cosignedMessage(text: string, timestamp: number): Uint8Array {
  return Buffer.from(`cosignature/v1\ntime ${timestamp}\n${text}`, "utf8");
}

/** Cosigns the text of a checkpoint at `timestamp` (Unix seconds). */
export async function cosign(
  text: string,
  timestamp: number,
  key: VerifierKey,
  sign: SignText,
): Promise<NoteSignature> {
  if (key.type !== COSIGNATURE_V1) throw new RangeError("a witness signs with a cosignature key");
  if (!Number.isSafeInteger(timestamp) || timestamp < 0) throw new RangeError(`${timestamp} is no time`);
  const bytes = Buffer.alloc(TIMESTAMP_BYTES + ED25519_SIGNATURE_BYTES);
  bytes.writeBigUInt64BE(BigInt(timestamp));
  bytes.set(await sign(cosignedMessage(text, timestamp)), TIMESTAMP_BYTES);
  return { name: key.name, keyId: key.keyId, signature: bytes };
}

/** The time that a signature line claims; null where it is no cosignature. Nothing is verified. */
export function timestampOf({ signature }: NoteSignature): number | null {
  if (signature.length !== TIMESTAMP_BYTES + ED25519_SIGNATURE_BYTES) return null;
  const timestamp = Number(Buffer.from(signature).readBigUInt64BE(0));
  return Number.isSafeInteger(timestamp) ? timestamp : null;
}

/** What a witness said of the text, or null where the line is not by its key or does not hold. */
export function verifyCosignature(text: string, line: NoteSignature, key: VerifierKey): Cosignature | null {
  if (key.type !== COSIGNATURE_V1 || line.name !== key.name || line.keyId !== key.keyId) return null;
  const timestamp = timestampOf(line);
  if (timestamp === null) return null;
  const signature = line.signature.subarray(TIMESTAMP_BYTES);
  if (!verifyEd25519(key.publicKey, cosignedMessage(text, timestamp), signature)) return null;
  return { witness: key.name, keyId: key.keyId, timestamp };
}

/** The cosignatures of a note by known witnesses that hold: of each witness the earliest. */
export function cosignaturesOf(note: Note, witnesses: readonly VerifierKey[]): Cosignature[] {
  const found: Cosignature[] = [];
  for (const key of witnesses) {
    const good = signaturesBy(note, key)
      .map((line) => verifyCosignature(note.text, line, key))
      .filter((cosignature) => cosignature !== null)
      .sort((a, b) => a.timestamp - b.timestamp);
    if (good.length > 0) found.push(good[0]);
  }
  return found;
}

/** The lines of a witness's answer, or null where it is not one or more signature lines. */
export function parseCosignatureLines(text: string, maxLines = 16): NoteSignature[] | null {
  if (!text.endsWith("\n")) return null;
  const lines = text.slice(0, -1).split("\n");
  if (lines.length > maxLines) return null;
  const parsed = lines.map(parseSignatureLine);
  return parsed.every((line) => line !== null) ? parsed : null;
}
