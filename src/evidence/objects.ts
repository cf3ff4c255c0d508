/**
 * The objects that evidence is made of. Each is a small JSON record of one kind, named by what it holds: SHA-256
 * over a domain prefix and its canonical JSON. Objects name each other by these ids, from the fix down to the
 * public key, so the id of the fix object fixes everything below it, and what two fixes share exists once.
 *
 * Numbers are integers; bytes are lower-case hexadecimal; a parameter that is no integer is the shortest decimal
 * text that reads back as the same double. The format is documented member by member in docs/evidence.md.
 */
import { createHash, hash } from "node:crypto";
import { GST_END } from "../inav/gst.js";
import type { DataRule } from "../pipeline/records.js";
import { canonicalJson } from "./canonical-json.js";
import * as is from "./schema.js";
import type { Check, Fault } from "./schema.js";

/** SHA-256 in hexadecimal. */
export type ObjectId = string;

/** Goes before the canonical JSON, so that an id of this kind is no hash of anything else. */
const DOMAIN = "osnmad-evidence-object-1\n";

export interface PublicKeyObject {
  readonly kind: "public-key";
  /** Merkle root it is published under. */
  readonly root: string;
  readonly pkid: number;
  readonly type: "P-256" | "P-521";
  /** Compressed SEC 1 point. */
  readonly point: string;
  /** Siblings from the leaves up; null where the station does not know them: then nothing is proven. */
  readonly proof: { readonly leafIndex: number; readonly siblings: readonly string[] } | null;
}

export interface RootKeyObject {
  readonly kind: "root-key";
  /** The whole DSM-KROOT, and the NMA header it was broadcast with, which is signed with it. */
  readonly dsmKroot: string;
  readonly nmaHeader: number;
  readonly publicKey: ObjectId;
}

export interface TeslaKeyObject {
  readonly kind: "tesla-key";
  /** GST of the subframe that disclosed it, linear seconds. */
  readonly gst: number;
  readonly key: string;
  readonly rootKey: ObjectId;
}

export interface TagObject {
  readonly kind: "tag";
  readonly prnA: number;
  readonly prnD: number;
  /** GST_SF of the subframe that carried it, linear seconds. */
  readonly gst: number;
  /** Slot from 1; 1 is Tag0. */
  readonly ctr: number;
  readonly adkd: 0 | 12;
  readonly cop: number;
  readonly nmas: number;
  /** Left-aligned. */
  readonly tag: string;
  /** For a tag in a flexible slot, MACSEQ and the Tag-Infos of all flexible slots. */
  readonly macseq: { readonly value: number; readonly infos: readonly number[] } | null;
  readonly key: ObjectId;
}

export interface WordsObject {
  readonly kind: "words";
  readonly svid: number;
  /** Words 1-5 with every bit that no tag signs set to zero, but for the word type. */
  readonly words: readonly string[];
  readonly tags: readonly ObjectId[];
  /** Which words the station lets a tag authenticate; its word. */
  readonly rule: DataRule;
}

export interface MeasurementsObject {
  readonly kind: "measurements";
  readonly message: "RXM-RAWX";
  /** The UBX payload as received. */
  readonly payload: string;
}

export const RECEIVER_MESSAGES = ["NAV-PVT", "NAV-SAT"] as const;

export interface ReceiverObject {
  readonly kind: "receiver";
  readonly message: (typeof RECEIVER_MESSAGES)[number];
  readonly payload: string;
}

/** What the solver was told beside words and measurements. `docs/evidence.md` says what each does. */
export interface PositionInputsObject {
  readonly kind: "position-inputs";
  readonly elevationMaskDeg: string;
  readonly minimumCnoDbHz: string;
  readonly minimumLockMilliseconds: string;
  readonly allowMarginal: boolean;
  readonly ionosphere: "ntcm-g" | "none";
  /** Satellite whose word 5 gives the coefficients; null where none is needed. */
  readonly ionosphereFrom: number | null;
  readonly troposphere: "niell" | "simple" | "none";
  readonly combination: "auto" | "e1";
  readonly leapSeconds: number;
  /** Null: no RAIM. */
  readonly raim: {
    readonly falseAlarm: string;
    readonly exclusionMargin: string;
    readonly varianceInflation: string;
  } | null;
  readonly errorModel: {
    readonly aPriori: string;
    readonly whiteMeters2: string;
    readonly lowElevationMeters2: string;
  };
}

export interface FixObject {
  readonly kind: "fix";
  /** The fix record, but for `evidence`; a number that is no integer is `{"decimal": "<text>"}`. */
  readonly record: Readonly<Record<string, unknown>>;
  readonly words: readonly ObjectId[];
  readonly measurements: ObjectId | null;
  readonly inputs: ObjectId | null;
  readonly receiver: readonly ObjectId[];
}

export type EvidenceObject =
  | PublicKeyObject
  | RootKeyObject
  | TeslaKeyObject
  | TagObject
  | WordsObject
  | MeasurementsObject
  | ReceiverObject
  | PositionInputsObject
  | FixObject;
export type ObjectKind = EvidenceObject["kind"];
export type ObjectOf<K extends ObjectKind> = Extract<EvidenceObject, { readonly kind: K }>;

/** Satellites of a fix, tags over one data set: far more than there are. */
const MAX_SATELLITES = 36;
const MAX_TAGS = 64;
/** RXM-RAWX with 255 measurements of 32 bytes; NAV-SAT has 12 bytes a satellite, NAV-PVT 92. */
const MAX_PAYLOAD_BYTES = 16 + 255 * 32;
const MAX_RECORD_DEPTH = 8;
const MAX_RECORD_TEXT = 4096;
/** A record of 36 satellites, each with 64 tags, has some 16,000. */
const MAX_RECORD_VALUES = 20_000;

const svid = is.integer(1, 36);
/** MACSEQ and walks need no more of it than that it is whole seconds. */
const gst = is.integer(0, GST_END - 1);

const SCHEMAS: Readonly<Record<ObjectKind, Check>> = {
  "public-key": is.members({
    kind: is.oneOf("public-key"),
    root: is.hex(32),
    pkid: is.integer(0, 15),
    type: is.oneOf("P-256", "P-521"),
    point: is.hex(33, 67),
    proof: is.nullable(is.members({ leafIndex: is.integer(0, 15), siblings: is.list(is.hex(32), 4, 4) })),
  }),
  "root-key": is.members({
    kind: is.oneOf("root-key"),
    // 7 to 14 blocks of 13 bytes.
    dsmKroot: is.hex(91, 182),
    nmaHeader: is.integer(0, 255),
    publicKey: is.id,
  }),
  "tesla-key": is.members({ kind: is.oneOf("tesla-key"), gst, key: is.hex(12, 32), rootKey: is.id }),
  tag: is.members({
    kind: is.oneOf("tag"),
    prnA: svid,
    prnD: svid,
    gst,
    ctr: is.integer(1, 16),
    adkd: (value, field) =>
      value === 0 || value === 12 ? null : { field, why: "is neither 0 nor 12: no tag over words 1-5" },
    cop: is.integer(0, 15),
    nmas: is.integer(0, 3),
    tag: is.hex(3, 5),
    macseq: is.nullable(
      is.members({ value: is.integer(0, 0xfff), infos: is.list(is.integer(0, 0xffff), 0, 10) }),
    ),
    key: is.id,
  }),
  words: is.members({
    kind: is.oneOf("words"),
    svid,
    words: is.list(is.hex(16), 5, 5),
    tags: is.list(is.id, 1, MAX_TAGS),
    rule: is.oneOf("guideline", "aggressive"),
  }),
  measurements: is.members({
    kind: is.oneOf("measurements"),
    message: is.oneOf("RXM-RAWX"),
    payload: is.hex(16, MAX_PAYLOAD_BYTES),
  }),
  receiver: is.members({
    kind: is.oneOf("receiver"),
    message: is.oneOf(...RECEIVER_MESSAGES),
    payload: is.hex(8, MAX_PAYLOAD_BYTES),
  }),
  "position-inputs": is.members({
    kind: is.oneOf("position-inputs"),
    elevationMaskDeg: is.decimal(1, 60),
    minimumCnoDbHz: is.decimal(0, 99),
    minimumLockMilliseconds: is.decimal(0, 64_500),
    allowMarginal: is.boolean,
    ionosphere: is.oneOf("ntcm-g", "none"),
    ionosphereFrom: is.nullable(svid),
    troposphere: is.oneOf("niell", "simple", "none"),
    combination: is.oneOf("auto", "e1"),
    leapSeconds: is.integer(0, 127),
    raim: is.nullable(
      is.members({
        falseAlarm: is.oneOf("0.001", "0.0001", "0.00001"),
        exclusionMargin: is.decimal(0, 1000),
        varianceInflation: is.decimal(1, 9),
      }),
    ),
    errorModel: is.members({
      aPriori: is.decimal(0, 1e6),
      whiteMeters2: is.decimal(0, 1e6),
      lowElevationMeters2: is.decimal(0, 1e6),
    }),
  }),
  fix: is.members({
    kind: is.oneOf("fix"),
    record: is.plainJson(MAX_RECORD_DEPTH, MAX_RECORD_TEXT, MAX_RECORD_VALUES),
    words: is.list(is.id, 0, MAX_SATELLITES),
    measurements: is.nullable(is.id),
    inputs: is.nullable(is.id),
    receiver: is.list(is.id, 0, RECEIVER_MESSAGES.length),
  }),
};

/** The object, or what is wrong with it. Never throws for anything that came out of JSON. */
export function readObject(value: unknown): EvidenceObject | Fault {
  if (!is.isObject(value)) return { field: "", why: "is no object" };
  const { kind } = value;
  if (typeof kind !== "string" || !Object.hasOwn(SCHEMAS, kind))
    return { field: "kind", why: "is no kind of evidence object" };
  const found = SCHEMAS[kind as ObjectKind](value, "");
  if (found !== null) return found;
  if (kind === "fix" && !is.isObject(value["record"])) return { field: "record", why: "is no object" };
  return value as unknown as EvidenceObject;
}

export function isFault(read: EvidenceObject | Fault): read is Fault {
  return !("kind" in read);
}

/** The id of an object by its canonical text. */
export function idOfText(text: string): ObjectId {
  return hash("sha256", DOMAIN + text, "hex");
}

/** A hash to which the object's canonical text is still to be added. */
export function beginId(): ReturnType<typeof createHash> {
  return createHash("sha256").update(DOMAIN);
}

export function objectText(object: EvidenceObject): string {
  return canonicalJson(object);
}

/** Bytes of checked hexadecimal. */
export function bytesOf(hex: string): Uint8Array {
  return Uint8Array.from(Buffer.from(hex, "hex"));
}

export function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("hex");
}

/** Signed bits of words 1-5, counted from the word's first bit, type included (OSNMA SIS ICD 1.1, ADKD 0). */
const SIGNED_BITS = [126, 126, 128, 126, 73] as const;

/** Word `type` (1-5) with the bits that no tag signs set to zero. */
export function signedPart(word: Uint8Array, type: number): Uint8Array {
  const bits = SIGNED_BITS[type - 1];
  const part = new Uint8Array(16);
  const whole = bits >> 3;
  part.set(word.subarray(0, whole));
  if ((bits & 7) !== 0) part[whole] = word[whole] & (0xff << (8 - (bits & 7)));
  return part;
}

/**
 * A record with every number that is no integer as `{"decimal": text}`; `decodeRecord` undoes it. What needs no
 * change is not copied.
 */
export function encodeRecord(value: unknown): unknown {
  if (typeof value === "number") {
    if (!Number.isFinite(value)) throw new TypeError("a record cannot hold a number that is not finite");
    return Number.isSafeInteger(value) ? value + 0 : { decimal: String(value) };
  }
  if (Array.isArray(value)) {
    const members = value.map(encodeRecord);
    return members.every((member, i) => Object.is(member, value[i])) ? value : members;
  }
  if (typeof value !== "object" || value === null) return value;
  let isSame = true;
  const members: [string, unknown][] = [];
  for (const [name, member] of Object.entries(value)) {
    const encoded = encodeRecord(member);
    if (!Object.is(encoded, member) || member === undefined) isSame = false;
    if (member !== undefined) members.push([name, encoded]);
  }
  return isSame ? value : Object.fromEntries(members);
}

export function decodeRecord(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(decodeRecord);
  if (!is.isObject(value)) return value;
  const names = Object.keys(value);
  if (names.length === 1 && names[0] === "decimal" && is.decimal(-1e15, 1e15)(value["decimal"], "") === null)
    return Number(value["decimal"]);
  return Object.fromEntries(names.map((name) => [name, decodeRecord(value[name])]));
}
