/**
 * What an envelope says: one statement, in deterministic CBOR of integers and byte strings, and as JSON for people.
 * CDDL in docs/envelope.md. Pure.
 *
 * A purpose allows only its own kinds, so that nothing private can be put in an envelope for a federation node.
 */
import { canonicalJson } from "../evidence/canonical-json.js";
import type { Mode } from "../pipeline/records.js";
import { encodeCbor, type CborValue } from "../station/cbor.js";
import { parseCheckpoint, type Checkpoint } from "../station/checkpoint.js";
import { decodeLeaf, type Leaf } from "../station/leaf.js";
import { bytesEqual } from "../station/merkle.js";
import { MAX_NOTE_BYTES, parseSignatureLine } from "../station/note.js";
import { originOf } from "../station/origin.js";
import { MAX_ENTRY_BYTES } from "../station/tiles.js";
import { FlatCbor } from "./flat-cbor.js";

/** Whom an envelope is for. */
export const PURPOSES = { federation: 1, prover: 2 } as const;
export type Purpose = keyof typeof PURPOSES;

export const MODES: Readonly<Record<Mode, number>> = { live: 1, replay: 2, simulated: 3 };

export const KINDS = { leaf: 1, checkpoint: 2, cosignature: 3, openings: 4, fix: 5 } as const;
export type StatementKind = keyof typeof KINDS;

const KINDS_OF: Readonly<Record<Purpose, readonly StatementKind[]>> = {
  federation: ["leaf", "checkpoint", "cosignature"],
  prover: ["leaf", "checkpoint", "cosignature", "openings", "fix"],
};

/** The public part of a leaf. */
export interface LeafStatement {
  readonly kind: "leaf";
  readonly index: number;
  readonly leaf: Uint8Array;
}

/** A signed note without cosignatures. */
export interface CheckpointStatement {
  readonly kind: "checkpoint";
  readonly size: number;
  readonly note: Uint8Array;
}

/** One signature line of a witness over the checkpoint of a size, without the newline. */
export interface CosignatureStatement {
  readonly kind: "cosignature";
  readonly size: number;
  readonly line: Uint8Array;
}

/** What opens all commitments of a leaf. Private. */
export interface OpeningsStatement {
  readonly kind: "openings";
  readonly index: number;
  /** S of docs/station-log.md, 32 bytes. */
  readonly secret: Uint8Array;
  /** Every item of the leaf with its category and slot (`decodeItems`). */
  readonly items: Uint8Array;
}

/** A fix with its evidence. Private. */
export interface FixStatement {
  readonly kind: "fix";
  /** Leaf that commits to it. */
  readonly index: number;
  readonly slot: number;
  /** Canonical JSON of the fix record; the opened item commits to it (src/station/fix-item.ts). */
  readonly record: Uint8Array;
  /** Evidence bundle, null where the fix has none. */
  readonly evidence: Uint8Array | null;
}

export type Statement =
  LeafStatement | CheckpointStatement | CosignatureStatement | OpeningsStatement | FixStatement;

const MAX_LINE_BYTES = 1024;
const MAX_ITEMS_BYTES = 1 << 20;
const MAX_RECORD_BYTES = 1 << 18;
export const MAX_EVIDENCE_BYTES = 1 << 23;
const MAX_SLOT = 0xffff;
const SECRET_BYTES = 32;
/** Major type of an array (RFC 8949 section 3.1), to which its length is added. */
const ARRAY = 0x80;

/** Who speaks: what is in the protected header and has to agree with the statement. */
export interface Speaker {
  readonly purpose: Purpose;
  readonly mode: Mode;
  /** Station id, 32 bytes. */
  readonly station: Uint8Array;
}

export function encodeStatement(statement: Statement): Uint8Array {
  const kind = KINDS[statement.kind];
  switch (statement.kind) {
    case "leaf":
      return encodeCbor([kind, statement.index, statement.leaf]);
    case "checkpoint":
      return encodeCbor([kind, statement.size, statement.note]);
    case "cosignature":
      return encodeCbor([kind, statement.size, statement.line]);
    case "openings":
      return encodeCbor([kind, statement.index, statement.secret, statement.items]);
    case "fix":
      return encodeCbor([kind, statement.index, statement.slot, statement.record, statement.evidence]);
  }
}

/** The statement of these bytes, or null where they are none in deterministic form. */
export function decodeStatement(bytes: Uint8Array): Statement | null {
  const cbor = new FlatCbor(bytes);
  const statement = readStatement(cbor);
  return cbor.isDone ? statement : null;
}

function readStatement(cbor: FlatCbor): Statement | null {
  const three = cbor.is(ARRAY | 3);
  const four = !three && cbor.is(ARRAY | 4);
  if (!three && !four && !cbor.is(ARRAY | 5)) return null;
  const kind = cbor.uint();
  const number = cbor.uint();
  if (number === null) return null;
  if (three && kind === KINDS.leaf) {
    const leaf = cbor.bytes(0, MAX_ENTRY_BYTES);
    return leaf === null ? null : { kind: "leaf", index: number, leaf };
  }
  if (three && kind === KINDS.checkpoint) {
    const note = cbor.bytes(0, MAX_NOTE_BYTES);
    return note === null ? null : { kind: "checkpoint", size: number, note };
  }
  if (three && kind === KINDS.cosignature) {
    const line = cbor.bytes(0, MAX_LINE_BYTES);
    return line === null ? null : { kind: "cosignature", size: number, line };
  }
  if (four && kind === KINDS.openings) {
    const secret = cbor.bytes(SECRET_BYTES, SECRET_BYTES);
    const items = secret === null ? null : cbor.bytes(0, MAX_ITEMS_BYTES);
    return secret === null || items === null ? null : { kind: "openings", index: number, secret, items };
  }
  if (three || four || kind !== KINDS.fix) return null;
  const slot = cbor.uint();
  const record = cbor.bytes(0, MAX_RECORD_BYTES);
  if (slot === null || slot > MAX_SLOT || record === null) return null;
  if (cbor.null()) return { kind: "fix", index: number, slot, record, evidence: null };
  const evidence = cbor.bytes(0, MAX_EVIDENCE_BYTES);
  return evidence === null ? null : { kind: "fix", index: number, slot, record, evidence };
}

/** What is within a statement, read; null where the statement has none such, or it is none. */
export interface StatementParts {
  readonly leaf: Leaf | null;
  readonly checkpoint: Checkpoint | null;
}

export function partsOf(statement: Statement): StatementParts {
  return {
    leaf: statement.kind === "leaf" ? decodeLeaf(statement.leaf) : null,
    checkpoint: statement.kind === "checkpoint" ? parseCheckpoint(statement.note) : null,
  };
}

/** Why a statement may not be made by this speaker; null where it may. Signatures within it are not looked at. */
export function objectionTo(
  statement: Statement,
  { purpose, mode, station }: Speaker,
  { leaf, checkpoint } = partsOf(statement),
): string | null {
  if (!KINDS_OF[purpose].includes(statement.kind)) return `${statement.kind} is not for a ${purpose}`;
  switch (statement.kind) {
    case "leaf": {
      if (leaf === null) return "the leaf is none";
      if (leaf.mode !== mode) return `the leaf is of mode ${leaf.mode}`;
      if (!bytesEqual(leaf.station, station)) return "the leaf is of another station";
      return leaf.index === statement.index ? null : `the leaf has index ${leaf.index}`;
    }
    case "checkpoint": {
      if (checkpoint === null) return "the checkpoint is none";
      if (checkpoint.extensions.length > 0) return "the checkpoint has extension lines";
      if (checkpoint.origin !== originOf(station, mode)) return `the checkpoint is of ${checkpoint.origin}`;
      return checkpoint.size === statement.size ? null : `the checkpoint has size ${checkpoint.size}`;
    }
    case "cosignature": {
      const line = lineText(statement.line);
      return line !== null && parseSignatureLine(line) !== null
        ? null
        : "the cosignature is no signature line";
    }
    case "openings":
    case "fix":
      return null;
  }
}

/** Text of a signature line: UTF-8 (it begins with a dash), one line. */
export function lineText(bytes: Uint8Array): string | null {
  const text = Buffer.from(bytes).toString("utf8");
  return Buffer.from(text, "utf8").equals(bytes) && !text.includes("\n") ? text : null;
}

type Json = Readonly<Record<string, string | number | null>>;

const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString("base64url");

/** The same statement as JSON: integers, and bytes in base64url without padding (RFC 7515). */
export function statementJson(statement: Statement): Json {
  const { kind } = statement;
  switch (kind) {
    case "leaf":
      return { kind, index: statement.index, leaf: base64(statement.leaf) };
    case "checkpoint":
      return { kind, size: statement.size, note: base64(statement.note) };
    case "cosignature":
      return { kind, size: statement.size, line: base64(statement.line) };
    case "openings":
      return {
        kind,
        index: statement.index,
        secret: base64(statement.secret),
        items: base64(statement.items),
      };
    case "fix":
      return {
        kind,
        index: statement.index,
        slot: statement.slot,
        record: base64(statement.record),
        evidence: statement.evidence === null ? null : base64(statement.evidence),
      };
  }
}

const FIELDS: Readonly<Record<StatementKind, readonly string[]>> = {
  leaf: ["index", "leaf"],
  checkpoint: ["size", "note"],
  cosignature: ["size", "line"],
  openings: ["index", "secret", "items"],
  fix: ["index", "slot", "record", "evidence"],
};

/** The statement of a JSON text in the one spelling that `statementJson` gives; null for any other. */
export function parseStatementJson(text: string): Statement | null {
  let object: Readonly<Record<string, unknown>>;
  try {
    object = JSON.parse(text) as typeof object;
  } catch {
    return null;
  }
  if (typeof object !== "object" || (object as unknown) === null) return null;
  const kind = (Object.keys(KINDS) as StatementKind[]).find((name) => name === object["kind"]);
  if (kind === undefined) return null;
  const values: CborValue[] = [KINDS[kind]];
  for (const field of FIELDS[kind]) {
    const value = object[field];
    if (value === null || typeof value === "number") values.push(value);
    else if (typeof value === "string") values.push(Uint8Array.from(Buffer.from(value, "base64url")));
    else return null;
  }
  let statement: Statement | null;
  try {
    statement = decodeStatement(encodeCbor(values));
  } catch {
    return null;
  }
  return statement !== null && canonicalJson(statementJson(statement)) === text ? statement : null;
}
