/**
 * Signed notes (c2sp.org/signed-note): a text, an empty line, signature lines; and verifier keys, in the one-line
 * form `<name>+<key id>+<base64(type || key)>`. Ed25519 only. Pure: signing is handed in.
 */
import { createHash, createPublicKey, type KeyObject, verify } from "node:crypto";
import { isSmallOrder } from "./small-order.js";

/** Signature types of the document that are used here. */
export const ED25519 = 0x01;
/** Timestamped cosignature of c2sp.org/tlog-cosignature. */
export const COSIGNATURE_V1 = 0x04;
export type SignatureType = typeof ED25519 | typeof COSIGNATURE_V1;

export const ED25519_KEY_BYTES = 32;
export const ED25519_SIGNATURE_BYTES = 64;
/** The document asks for at least 16 to be taken. */
export const MAX_SIGNATURES = 64;
export const MAX_NOTE_BYTES = 65_536;
const KEY_ID_BYTES = 4;
const DASH = "\u2014";
/** DER of SubjectPublicKeyInfo for Ed25519 (RFC 8410) up to the key. */
const SPKI_PREFIX = Buffer.from("302a300506032b6570032100", "hex");

export interface NoteSignature {
  readonly name: string;
  /** First four bytes of a hash over name, type and key. */
  readonly keyId: number;
  /** What follows the key id. */
  readonly signature: Uint8Array;
}

export interface Note {
  /** Ends in a newline. */
  readonly text: string;
  readonly signatures: readonly NoteSignature[];
}

export interface VerifierKey {
  readonly name: string;
  readonly type: SignatureType;
  readonly keyId: number;
  /** 32 bytes of Ed25519. */
  readonly publicKey: Uint8Array;
}

/** Neither empty, nor with white space, plus or control characters. */
export function isKeyName(name: string): boolean {
  return name !== "" && name.length <= 256 && !/[\s+\u0000-\u001f\u007f-\u00a0]/u.test(name);
}

export function keyIdOf(name: string, type: SignatureType, publicKey: Uint8Array): number {
  const digest = createHash("sha256")
    .update(name)
    .update(Uint8Array.of(0x0a, type))
    .update(publicKey)
    .digest();
  return digest.readUInt32BE(0);
}

/** Throws RangeError for a name or key that cannot be one. */
export function verifierKey(name: string, type: SignatureType, publicKey: Uint8Array): VerifierKey {
  if (!isKeyName(name)) throw new RangeError(`"${name}" is no key name: no spaces, no plus`);
  if (publicKey.length !== ED25519_KEY_BYTES) throw new RangeError(`a key has ${ED25519_KEY_BYTES} bytes`);
  if (isSmallOrder(publicKey)) throw new RangeError("under a key of small order anything is signed");
  return { name, type, keyId: keyIdOf(name, type, publicKey), publicKey: Uint8Array.from(publicKey) };
}

export function formatVerifierKey({ name, type, keyId, publicKey }: VerifierKey): string {
  const material = Buffer.concat([Uint8Array.of(type), publicKey]).toString("base64");
  return `${name}+${keyId.toString(16).padStart(8, "0")}+${material}`;
}

/** The key of a line as `osnmad key export-public` prints it; null for anything else, a wrong key id included. */
export function parseVerifierKey(text: string): VerifierKey | null {
  const match = /^([^+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/]+=*)$/.exec(text);
  if (match === null || !isKeyName(match[1])) return null;
  const material = bytesOfBase64(match[3]);
  if (material?.length !== 1 + ED25519_KEY_BYTES) return null;
  const type = material[0];
  if ((type !== ED25519 && type !== COSIGNATURE_V1) || isSmallOrder(material.subarray(1))) return null;
  const key = verifierKey(match[1], type, material.subarray(1));
  return key.keyId === Number.parseInt(match[2], 16) ? key : null;
}

export function formatSignature({ name, keyId, signature }: NoteSignature): string {
  const bytes = Buffer.alloc(KEY_ID_BYTES + signature.length);
  bytes.writeUInt32BE(keyId);
  bytes.set(signature, KEY_ID_BYTES);
  return `${DASH} ${name} ${bytes.toString("base64")}\n`;
}

export function formatNote({ text, signatures }: Note): string {
  if (!text.endsWith("\n")) throw new RangeError("the text of a note ends in a newline");
  return `${text}\n${signatures.map(formatSignature).join("")}`;
}

const SIGNATURE_LINE = /^\u2014 (\S+) ([A-Za-z0-9+/]+=*)$/u;

export function parseSignatureLine(line: string): NoteSignature | null {
  const match = SIGNATURE_LINE.exec(line);
  if (match === null || !isKeyName(match[1])) return null;
  const bytes = bytesOfBase64(match[2]);
  if (bytes === null || bytes.length <= KEY_ID_BYTES) return null;
  const keyId = Buffer.from(bytes.buffer, bytes.byteOffset).readUInt32BE(0);
  return { name: match[1], keyId, signature: bytes.subarray(KEY_ID_BYTES) };
}

/** Takes a note apart without verifying anything; null where it is none. */
export function parseNote(input: string | Uint8Array): Note | null {
  const whole = typeof input === "string" ? input : textOf(input);
  if (whole === null || whole.length > MAX_NOTE_BYTES) return null;
  if (/[\u0000-\u0009\u000b-\u001f]/.test(whole)) return null;
  const split = whole.lastIndexOf("\n\n");
  if (split < 0 || !whole.endsWith("\n")) return null;
  const lines = whole.slice(split + 2).split("\n");
  lines.pop();
  if (lines.length === 0 || lines.length > MAX_SIGNATURES) return null;
  const signatures: NoteSignature[] = [];
  for (const line of lines) {
    const signature = parseSignatureLine(line);
    if (signature === null) return null;
    signatures.push(signature);
  }
  return { text: whole.slice(0, split + 1), signatures };
}

/** The signatures of a note that a key is named for; whether they hold is another question. */
export function signaturesBy(note: Note, key: VerifierKey): NoteSignature[] {
  return note.signatures.filter(({ name, keyId }) => name === key.name && keyId === key.keyId);
}

/** Whether the key signed the text. A signature in its name that does not hold makes the answer no. */
export function isSignedBy(note: Note, key: VerifierKey): boolean {
  if (key.type !== ED25519) return false;
  const signatures = signaturesBy(note, key);
  const text = Buffer.from(note.text, "utf8");
  return (
    signatures.length > 0 &&
    signatures.every(({ signature }) => verifyEd25519(key.publicKey, text, signature))
  );
}

/** RFC 8032, and never by a key of small order. Never throws on what was sent. */
export function verifyEd25519(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  if (publicKey.length !== ED25519_KEY_BYTES || signature.length !== ED25519_SIGNATURE_BYTES) return false;
  try {
    const key = keyObjectOf(publicKey);
    return key !== null && verify(null, message, key, signature);
  } catch {
    return false;
  }
}

/** Making the object costs as much as verifying; a follower of a log verifies with one key again and again. */
const keyObjects = new Map<string, KeyObject | null>();
const MAX_KEY_OBJECTS = 1024;

/** Null for what is no key to verify by. */
function keyObjectOf(publicKey: Uint8Array): KeyObject | null {
  const name = Buffer.from(publicKey).toString("base64");
  let key = keyObjects.get(name);
  if (key === undefined) {
    const spki = Buffer.concat([SPKI_PREFIX, publicKey]);
    key = isSmallOrder(publicKey) ? null : createPublicKey({ key: spki, format: "der", type: "spki" });
    if (keyObjects.size >= MAX_KEY_OBJECTS) keyObjects.clear();
    keyObjects.set(name, key);
  }
  return key;
}

/** Standard base64 with padding, and only its one canonical spelling. */
export function bytesOfBase64(text: string): Uint8Array | null {
  const bytes = Buffer.from(text, "base64");
  return bytes.toString("base64") === text ? bytes : null;
}

function textOf(bytes: Uint8Array): string | null {
  if (bytes.length > MAX_NOTE_BYTES) return null;
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return null;
  }
}
