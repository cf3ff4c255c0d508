/**
 * A proof package: one file from which anybody decides, offline, whether a fix is genuine, how it is graded, when it
 * was committed to, and who saw that. JSON with bytes in hexadecimal; the format is in docs/proof.md. Reading bounds
 * sizes and counts; whether any of it is true is verify-proof.ts's to say.
 */
import { canonicalJson } from "../evidence/canonical-json.js";
import { MAX_BUNDLE_BYTES } from "../evidence/bundle.js";
import * as is from "../evidence/schema.js";
import type { Check, Fault } from "../evidence/schema.js";
import type { Mode } from "../pipeline/records.js";
import { CATEGORIES, DEPTH, MAX_ITEM_BYTES, SALT_BYTES, type Category } from "../station/commitment.js";
import { HASH_BYTES, MAX_PROOF_NODES, sha256 } from "../station/merkle.js";
import { ED25519_KEY_BYTES, MAX_NOTE_BYTES } from "../station/note.js";
import { MAX_ENTRY_BYTES } from "../station/tiles.js";

export const PROOF_FORMAT = "osnmad-proof";
export const PROOF_VERSION = 2;
export const PROOF_EXTENSION = ".osnmad-proof.json";
/** As C2SP has no media type for such a file, one in the vendor tree (RFC 6838 section 3.2). */
export const PROOF_TYPE = "application/vnd.osnmad.proof+json";
/** A package takes some 150 kB; these bound what reading a hostile one costs. */
export const MAX_PROOF_BYTES = MAX_BUNDLE_BYTES + (4 << 20);
export const MAX_LEAVES = 64;
export const MAX_SIGHTINGS = 16;
/** Of all checkpoints together: each may be one to verify. */
export const MAX_SIGNATURES_SHOWN = 2048;
export const MAX_OPENINGS = 256;
export const MAX_ROTATIONS = 64;
/** Sizes of the trees that are shown, less one. */
export const MAX_CONSISTENCY_PROOFS = MAX_LEAVES * MAX_SIGHTINGS - 1;
const PART_DOMAIN = "osnmad-proof-part-1\n";

export interface OpeningJson {
  readonly category: Category;
  readonly slot: number;
  readonly item: string;
  readonly salt: string;
  readonly path: readonly string[];
}

export interface LeafJson {
  /** The public part of the leaf. */
  readonly leaf: string;
  /** Texts of c2sp.org/tlog-proof. */
  readonly proofs: readonly string[];
  readonly openings: readonly OpeningJson[];
}

/** RFC 6962 section 2.1.2: that the tree of `to` leaves goes on from that of `from`. */
export interface ConsistencyJson {
  readonly from: number;
  readonly to: number;
  readonly path: readonly string[];
}

export interface ProofParts {
  readonly mode: Mode;
  /** Station id. */
  readonly station: string;
  /** The station's first public key, of which the id is the SHA-256. */
  readonly key: string;
  /** Leaves in which one key handed over to the next, in order. */
  readonly rotations: readonly string[];
  /** Evidence bundle of the fix (docs/evidence.md). */
  readonly evidence: unknown;
  /** Tags and TESLA keys beside those of the bundle, by id, in the form of evidence objects. */
  readonly objects: Readonly<Record<string, unknown>>;
  /** Rising by index. */
  readonly leaves: readonly LeafJson[];
  /** From each size of which a tree is shown to the next larger: all of them are one history. */
  readonly consistency: readonly ConsistencyJson[];
}

/** SHA-256 of each part: says which was damaged. They protect from accidents; signatures protect from liars. */
export interface PartDigests {
  readonly station: string;
  readonly rotations: string;
  readonly evidence: string;
  readonly objects: string;
  readonly leaves: readonly string[];
  readonly consistency: string;
}

export interface ReadProof extends Omit<ProofParts, "consistency"> {
  readonly version: 1 | 2;
  /** Null in version 1, which had none. */
  readonly consistency: ProofParts["consistency"] | null;
  readonly digests: Omit<PartDigests, "consistency"> & Partial<Pick<PartDigests, "consistency">>;
}

export function digestsOf(parts: ProofParts | ReadProof): PartDigests {
  const { mode, station, key, rotations, evidence, objects, leaves, consistency } = parts;
  return {
    station: digestOf({ mode, station, key }),
    rotations: digestOf(rotations),
    evidence: digestOf(evidence),
    objects: digestOf(objects),
    leaves: leaves.map(digestOf),
    consistency: digestOf(consistency),
  };
}

function digestOf(part: unknown): string {
  let text: string;
  try {
    text = canonicalJson(part);
  } catch {
    // Nested deeper than canonical JSON goes: no digest is that of it.
    return "";
  }
  return Buffer.from(sha256(Buffer.from(PART_DOMAIN + text, "utf8"))).toString("hex");
}

/** A package as text: one JSON document, a part a line. */
export function proofText(parts: ProofParts): string {
  const { mode, station, key, rotations, evidence, objects, leaves, consistency } = parts;
  const head = { format: PROOF_FORMAT, version: PROOF_VERSION, mode, station, key, rotations };
  const lines = [
    JSON.stringify(head).slice(0, -1),
    `"evidence":${JSON.stringify(evidence)}`,
    `"objects":${JSON.stringify(objects)}`,
    `"leaves":[\n${leaves.map((leaf) => JSON.stringify(leaf)).join(",\n")}\n]`,
    `"consistency":${JSON.stringify(consistency)}`,
    `"digests":${JSON.stringify(digestsOf(parts))}`,
  ];
  return `${lines.join(",\n")}}\n`;
}

/** A text of printable characters and line ends. */
function text(most: number): Check {
  return (value, field) =>
    typeof value === "string" && value.length <= most
      ? null
      : { field, why: `is no text of at most ${most} characters` };
}

const anyObject: Check = (value, field) => (is.isObject(value) ? null : { field, why: "is no object" });

const opening: Check = (value, field) => {
  const fault = is.members({
    category: is.oneOf(...CATEGORIES),
    slot: is.integer(0, 0xffff),
    item: is.hex(1, MAX_ITEM_BYTES),
    salt: is.hex(SALT_BYTES),
    path: is.list(is.hex(HASH_BYTES), 0, Math.max(...Object.values(DEPTH))),
  })(value, field);
  return fault;
};

const version1 = {
  format: is.oneOf(PROOF_FORMAT),
  version: is.integer(1, PROOF_VERSION),
  mode: is.oneOf("live", "replay", "simulated"),
  station: is.hex(HASH_BYTES),
  key: is.hex(ED25519_KEY_BYTES),
  rotations: is.list(is.hex(1, MAX_ENTRY_BYTES), 0, MAX_ROTATIONS),
  evidence: anyObject,
  objects: anyObject,
  leaves: is.list(
    is.members({
      leaf: is.hex(1, MAX_ENTRY_BYTES),
      proofs: is.list(text(MAX_NOTE_BYTES), 1, MAX_SIGHTINGS),
      openings: is.list(opening, 0, MAX_OPENINGS),
    }),
    1,
    MAX_LEAVES,
  ),
};
const digests1 = {
  station: is.hex(HASH_BYTES),
  rotations: is.hex(HASH_BYTES),
  evidence: is.hex(HASH_BYTES),
  objects: is.hex(HASH_BYTES),
  leaves: is.list(is.hex(HASH_BYTES), 0, MAX_LEAVES),
};
const size = is.integer(1, Number.MAX_SAFE_INTEGER);
const VERSION_1 = is.members({ ...version1, digests: is.members(digests1) });
const VERSION_2 = is.members({
  ...version1,
  consistency: is.list(
    is.members({ from: size, to: size, path: is.list(is.hex(HASH_BYTES), 1, MAX_PROOF_NODES) }),
    0,
    MAX_CONSISTENCY_PROOFS,
  ),
  digests: is.members({ ...digests1, consistency: is.hex(HASH_BYTES) }),
});

/** Whether bytes say of themselves that they are a package and no bundle; neither is judged. */
export function isProof(bytes: Uint8Array): boolean {
  const document = documentOf(bytes);
  return is.isObject(document) && document["format"] === PROOF_FORMAT;
}

/** The package, or what is wrong with it and where. Never throws for what a file may hold. */
export function readProof(input: Uint8Array | string): ReadProof | Fault {
  if (input.length > MAX_PROOF_BYTES) return { field: "", why: `is larger than ${MAX_PROOF_BYTES} bytes` };
  const document = documentOf(input);
  if (document === null) return { field: "", why: "is no JSON object in UTF-8" };
  const isFirst = document["version"] === 1;
  const fault = (isFirst ? VERSION_1 : VERSION_2)(document, "");
  return fault ?? ({ ...document, ...(isFirst ? { consistency: null } : {}) } as unknown as ReadProof);
}

function documentOf(input: Uint8Array | string): Record<string, unknown> | null {
  try {
    const whole = typeof input === "string" ? input : new TextDecoder("utf-8", { fatal: true }).decode(input);
    const document: unknown = JSON.parse(whole);
    return is.isObject(document) ? document : null;
  } catch {
    return null;
  }
}
