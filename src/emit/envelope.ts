/**
 * Envelopes: one statement of a station, signed for one purpose in one mode. COSE_Sign1 (RFC 9052 section 4.2) with
 * Ed25519 over deterministic CBOR (RFC 8949 section 4.2.1), and as a second form a compact JWS (RFC 7515, RFC 8037).
 * Pure; signing is handed in. Formats and vectors: docs/envelope.md.
 *
 * Purpose, mode and station are in the protected header and again in external_aad, so an envelope of one purpose or
 * mode does not verify as one of another, whatever a reader leaves out.
 */
import { canonicalJson } from "../evidence/canonical-json.js";
import type { Mode } from "../pipeline/records.js";
import { encodeCbor, type CborValue } from "../station/cbor.js";
import { bytesEqual, HASH_BYTES, sha256 } from "../station/merkle.js";
import { ED25519_SIGNATURE_BYTES, verifyEd25519 } from "../station/note.js";
import type { Signer } from "../station/signer.js";
import { FlatCbor } from "./flat-cbor.js";
import {
  decodeStatement,
  encodeStatement,
  MAX_EVIDENCE_BYTES,
  MODES,
  objectionTo,
  partsOf,
  parseStatementJson,
  PURPOSES,
  statementJson,
  type Purpose,
  type Speaker,
  type Statement,
  type StatementParts,
} from "./statement.js";

/** Evidence and record, with room. */
export const MAX_ENVELOPE_BYTES = MAX_EVIDENCE_BYTES + (1 << 19);
/** A leaf or a note of 64 KiB at most, with room: longer ones are for provers or for nobody. */
export const MAX_FEDERATION_ENVELOPE_BYTES = 1 << 17;
/** Base64 of it, twice over in a JWS. */
const MAX_JWS_CHARACTERS = 2 * MAX_ENVELOPE_BYTES;

/** COSE header labels: RFC 9052 section 3.1, and private ones below -65536. */
const Label = { alg: 1, crit: 2, kid: 4, purpose: -65537, mode: -65538, station: -65539 } as const;
/** RFC 9053 section 2.2. */
const EDDSA = -8;
/** Tag 18, COSE_Sign1. */
const COSE_SIGN1_TAG = 0xd2;
const ARRAY_OF_4 = 0x84;
const EMPTY_MAP = 0xa0;
/** CBOR text "Signature1" (RFC 9052 section 4.4), the first of the four members of Sig_structure. */
const SIG_STRUCTURE = Buffer.concat([Uint8Array.of(0x84, 0x6a), Buffer.from("Signature1", "latin1")]);
const AAD = Buffer.from("osnmad-envelope-1", "latin1");

export interface Envelope extends Speaker {
  /** SHA-256 of the Ed25519 public key that signed. */
  readonly keyId: Uint8Array;
  readonly statement: Statement;
  /** The bytes that were signed, and the signature: not yet verified. */
  readonly signed: Uint8Array;
  readonly signature: Uint8Array;
}

export function keyIdOf(publicKey: Uint8Array): Uint8Array {
  return sha256(publicKey);
}

/** Throws RangeError for a statement that the speaker may not make. */
export async function sealEnvelope(
  speaker: Speaker,
  statement: Statement,
  signer: Signer,
): Promise<Uint8Array> {
  assertAllowed(speaker, statement);
  const header = encodeCbor(headerOf(speaker, keyIdOf(signer.publicKey)));
  const payload = encodeStatement(statement);
  const signature = await signer.sign(sigStructure(header, speaker, payload));
  return Buffer.concat([Uint8Array.of(COSE_SIGN1_TAG), encodeCbor([header, new Map(), payload, signature])]);
}

/** What is within the statement as well, read once. */
export type OpenedEnvelope = Envelope & StatementParts;

/** The envelope of these bytes, or null for anything not in its one form. **Not verified**: see `isSealedBy`. */
export function openEnvelope(bytes: Uint8Array): OpenedEnvelope | null {
  const envelope = peelEnvelope(bytes, MAX_ENVELOPE_BYTES);
  return envelope === null ? null : openPeeled(envelope);
}

/** Null for a statement that its speaker may not make. */
export function openPeeled(envelope: Envelope): OpenedEnvelope | null {
  const parts = partsOf(envelope.statement);
  return objectionTo(envelope.statement, envelope, parts) === null ? Object.assign(envelope, parts) : null;
}

/**
 * As `openEnvelope`, without a look into the leaf or note within (`objectionTo`): what a reader does first who does not
 * know yet whether anybody he follows signed it.
 */
export function peelEnvelope(bytes: Uint8Array, most: number): Envelope | null {
  if (bytes.length > most) return null;
  const cose = new FlatCbor(bytes);
  if (!cose.is(COSE_SIGN1_TAG) || !cose.is(ARRAY_OF_4)) return null;
  const header = cose.bytes(HEADER.length, HEADER.length);
  if (header === null || !cose.is(EMPTY_MAP)) return null;
  const payload = cose.bytes(0, bytes.length);
  const signature = cose.bytes(ED25519_SIGNATURE_BYTES, ED25519_SIGNATURE_BYTES);
  if (payload === null || signature === null || !cose.isDone) return null;
  const parsed = parseHeader(header);
  const statement = parsed === null ? null : decodeStatement(payload);
  if (parsed === null || statement === null) return null;
  return {
    ...parsed,
    statement,
    // Most are never asked for: one signed checkpoint proves many leaves.
    get signed() {
      return sigStructure(header, parsed, payload);
    },
    signature,
  };
}

/** Whether the key signed it. */
export function isSealedBy({ keyId, signed, signature }: Envelope, publicKey: Uint8Array): boolean {
  return bytesEqual(keyId, keyIdOf(publicKey)) && verifyEd25519(publicKey, signed, signature);
}

/** The envelope as JSON for people: nothing in it is verified by being shown. */
export function envelopeJson({
  purpose,
  mode,
  station,
  keyId,
  statement,
}: Envelope): Record<string, unknown> {
  return {
    purpose,
    mode,
    station: hex(station),
    key: hex(keyId),
    statement: statementJson(statement),
  };
}

/** The second form, for HTTP consumers. Throws RangeError for a statement that the speaker may not make. */
export async function sealJws(speaker: Speaker, statement: Statement, signer: Signer): Promise<string> {
  assertAllowed(speaker, statement);
  const header = jwsHeader(speaker, keyIdOf(signer.publicKey));
  const input = `${base64url(header)}.${base64url(canonicalJson(statementJson(statement)))}`;
  const signature = await signer.sign(Buffer.from(input, "latin1"));
  return `${input}.${Buffer.from(signature).toString("base64url")}`;
}

/** As `openEnvelope`, of a compact JWS. **Not verified**. */
export function openJws(text: string): Envelope | null {
  if (text.length > MAX_JWS_CHARACTERS) return null;
  const parts = text.split(".");
  if (parts.length !== 3) return null;
  const [header, payload, signature] = parts.map(bytesOfBase64url);
  if (header === null || payload === null || signature?.length !== ED25519_SIGNATURE_BYTES) return null;
  const parsed = parseJwsHeader(header.toString("utf8"));
  const statement = parseStatementJson(payload.toString("utf8"));
  if (parsed === null || statement === null || objectionTo(statement, parsed) !== null) return null;
  return { ...parsed, statement, signed: Buffer.from(`${parts[0]}.${parts[1]}`, "latin1"), signature };
}

function assertAllowed(speaker: Speaker, statement: Statement): void {
  const objection = objectionTo(statement, speaker);
  if (objection !== null) throw new RangeError(objection);
  if (speaker.station.length !== HASH_BYTES) throw new RangeError(`a station id has ${HASH_BYTES} bytes`);
}

function headerOf({ purpose, mode, station }: Speaker, keyId: Uint8Array): Map<number, CborValue> {
  return new Map<number, CborValue>([
    [Label.alg, EDDSA],
    [Label.crit, [Label.purpose, Label.mode, Label.station]],
    [Label.kid, keyId],
    [Label.purpose, PURPOSES[purpose]],
    [Label.mode, MODES[mode]],
    [Label.station, station],
  ]);
}

/** All headers are this one but for four values: what is compared is not decoded. */
const HEADER = Buffer.from(
  encodeCbor(
    headerOf(
      { purpose: "federation", mode: "live", station: new Uint8Array(HASH_BYTES).fill(0xbb) },
      new Uint8Array(HASH_BYTES).fill(0xaa),
    ),
  ),
);
const KEY_AT = HEADER.indexOf(Buffer.alloc(HASH_BYTES, 0xaa));
const STATION_AT = HEADER.indexOf(Buffer.alloc(HASH_BYTES, 0xbb));
const PURPOSE_AT = HEADER.indexOf(encodeCbor(Label.purpose), KEY_AT) + encodeCbor(Label.purpose).length;
const MODE_AT = HEADER.indexOf(encodeCbor(Label.mode), KEY_AT) + encodeCbor(Label.mode).length;

function parseHeader(bytes: Uint8Array): (Speaker & { readonly keyId: Uint8Array }) | null {
  const purpose = nameOf(PURPOSES, bytes[PURPOSE_AT]);
  const mode = nameOf(MODES, bytes[MODE_AT]);
  if (purpose === null || mode === null) return null;
  const station = Uint8Array.from(bytes.subarray(STATION_AT, STATION_AT + HASH_BYTES));
  const keyId = Uint8Array.from(bytes.subarray(KEY_AT, KEY_AT + HASH_BYTES));
  const expected = Buffer.from(HEADER);
  expected.set(keyId, KEY_AT);
  expected.set(station, STATION_AT);
  expected[PURPOSE_AT] = PURPOSES[purpose];
  expected[MODE_AT] = MODES[mode];
  return bytesEqual(bytes, expected) ? { purpose, mode, station, keyId } : null;
}

function sigStructure(
  header: Uint8Array,
  { purpose, mode, station }: Speaker,
  payload: Uint8Array,
): Uint8Array {
  const aad = encodeCbor([AAD, PURPOSES[purpose], MODES[mode], station]);
  return Buffer.concat([SIG_STRUCTURE, encodeCbor(header), encodeCbor(aad), encodeCbor(payload)]);
}

/** Members of a JWS header; `crit` makes readers that do not know them refuse (RFC 7515 section 4.1.11). */
const JWS_CRITICAL = ["osnmad_mode", "osnmad_purpose", "osnmad_station"];

function jwsHeader({ purpose, mode, station }: Speaker, keyId: Uint8Array): string {
  return canonicalJson({
    alg: "EdDSA",
    crit: JWS_CRITICAL,
    kid: hex(keyId),
    osnmad_mode: mode,
    osnmad_purpose: purpose,
    osnmad_station: hex(station),
    typ: "osnmad-envelope-1",
  });
}

function parseJwsHeader(text: string): (Speaker & { readonly keyId: Uint8Array }) | null {
  let header: Readonly<Record<string, unknown>> | null;
  try {
    header = JSON.parse(text) as typeof header;
  } catch {
    return null;
  }
  if (typeof header !== "object" || header === null) return null;
  const purpose = (Object.keys(PURPOSES) as Purpose[]).find((name) => name === header["osnmad_purpose"]);
  const mode = (Object.keys(MODES) as Mode[]).find((name) => name === header["osnmad_mode"]);
  const station = bytesOfHex(header["osnmad_station"]);
  const keyId = bytesOfHex(header["kid"]);
  if (purpose === undefined || mode === undefined || station === null || keyId === null) return null;
  const speaker: Speaker = { purpose, mode, station };
  return jwsHeader(speaker, keyId) === text ? { ...speaker, keyId } : null;
}

function nameOf<K extends string>(table: Readonly<Record<K, number>>, value: number | undefined): K | null {
  return (Object.keys(table) as K[]).find((name) => table[name] === value) ?? null;
}

function bytesOfHex(value: unknown): Uint8Array | null {
  if (typeof value !== "string" || !/^[0-9a-f]{64}$/.test(value)) return null;
  return Uint8Array.from(Buffer.from(value, "hex"));
}

/** Only the one canonical spelling. */
function bytesOfBase64url(text: string): Buffer | null {
  const bytes = Buffer.from(text, "base64url");
  return bytes.toString("base64url") === text ? bytes : null;
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
const base64url = (text: string): string => Buffer.from(text, "utf8").toString("base64url");
