/**
 * Verifies a station's answer to a challenge (`GET /v1/challenges/<hex>`): the leaf that has it, and the leaves that the
 * challenge draws, each in the signed tree. Pure. Retention digests say something to a prover only (docs/station-log.md);
 * here they are counted.
 */
import { auditedLeaves, originDigest } from "../station/audit.js";
import { parseCheckpoint, type Checkpoint } from "../station/checkpoint.js";
import { decodeLeaf, type Leaf } from "../station/leaf.js";
import { bytesEqual, HASH_BYTES, leafHash, verifyInclusion } from "../station/merkle.js";
import { bytesOfBase64 } from "../station/note.js";

export interface AuditVerdict {
  readonly type: "audit";
  readonly challenge: string;
  /** `unknown`: the station says that it never got it. `waiting`: got it, and has no signed leaf with it yet. */
  readonly state: "verified" | "waiting" | "unknown" | "false";
  /** The leaf with the challenge. */
  readonly index: number | null;
  /** The leaves that the challenge drew. */
  readonly audited: readonly number[];
  /** Of those, subframes of which the station still says that it has all it committed to. */
  readonly retained: number;
  /** Subframes among them of which it no longer has it. */
  readonly pruned: number;
  readonly detail: string | null;
}

export interface AuditedStation {
  readonly station: Uint8Array;
  readonly origin: string;
  /** Whether a key of the station signed a checkpoint. */
  isSigner(checkpoint: Checkpoint): boolean;
}

/** What an answer is worth; null where the station says that it has no such challenge. Never throws. */
export function verifyAudit(answer: unknown, challenge: Uint8Array, station: AuditedStation): AuditVerdict {
  const name = Buffer.from(challenge).toString("hex");
  const nothing = {
    type: "audit",
    challenge: name,
    index: null,
    audited: [],
    retained: 0,
    pruned: 0,
    detail: null,
  } as const;
  if (answer === null) return { ...nothing, state: "unknown" };
  const whole = (answer as { answer?: unknown }).answer;
  if (whole === null) return { ...nothing, state: "waiting" };
  try {
    return { ...nothing, ...verified(whole, challenge, station), state: "verified" };
  } catch (error) {
    if (!(error instanceof AuditFault)) throw error;
    return { ...nothing, state: "false", detail: error.message };
  }
}

class AuditFault extends Error {}

function verified(whole: unknown, challenge: Uint8Array, station: AuditedStation) {
  const fields = objectOf(whole, "the answer");
  const note = fields["checkpoint"];
  const checkpoint = typeof note === "string" ? parseCheckpoint(note) : null;
  if (checkpoint?.origin !== station.origin || !station.isSigner(checkpoint))
    throw new AuditFault("no checkpoint that the station signed");
  const { leaf, index } = leafIn(fields, fields["leafIndex"], checkpoint, station);
  const held = leaf.challenges.find((each) => bytesEqual(each.challenge, challenge));
  if (held === undefined) throw new AuditFault(`leaf ${index} has another challenge`);
  if (!bytesEqual(held.origin, originDigest(bytesOf(fields["proof"], "proof"))))
    throw new AuditFault("the proof of origin is not the one in the leaf");
  const expected = auditedLeaves(challenge, index);
  const list: unknown = fields["audited"];
  if (!Array.isArray(list) || list.length !== expected.length)
    throw new AuditFault("not the leaves that the challenge draws");
  let retained = 0;
  let pruned = 0;
  for (const [at, entry] of (list as unknown[]).entries()) {
    const drawn = objectOf(entry, "a drawn leaf");
    const one = leafIn(drawn, drawn["index"], checkpoint, station);
    if (one.index !== expected[at]) throw new AuditFault("not the leaves that the challenge draws");
    if (one.leaf.kind !== "subframe") continue;
    if (drawn["retention"] === null) pruned++;
    else if (bytesOf(drawn["retention"], "retention").length === HASH_BYTES) retained++;
    else throw new AuditFault("a digest of retention has 32 bytes");
  }
  return { index, audited: expected, retained, pruned };
}

function leafIn(
  fields: Readonly<Record<string, unknown>>,
  index: unknown,
  { size, root }: Checkpoint,
  { station }: AuditedStation,
): { readonly leaf: Leaf; readonly index: number } {
  const bytes = bytesOf(fields["leaf"], "leaf");
  const leaf = decodeLeaf(bytes);
  if (leaf === null || leaf.index !== index || !bytesEqual(leaf.station, station))
    throw new AuditFault("a leaf is not the one that it is said to be");
  const proof: unknown = fields["inclusion"];
  if (!Array.isArray(proof) || proof.length > 64) throw new AuditFault("no inclusion proof");
  const path = (proof as unknown[]).map((each) => bytesOf(each, "inclusion"));
  if (!verifyInclusion(leaf.index, size, leafHash(bytes), path, root))
    throw new AuditFault(`leaf ${leaf.index} is not in the signed tree`);
  return { leaf, index: leaf.index };
}

function objectOf(value: unknown, what: string): Readonly<Record<string, unknown>> {
  if (typeof value !== "object" || value === null) throw new AuditFault(`${what} is no object`);
  return value as Readonly<Record<string, unknown>>;
}

function bytesOf(value: unknown, what: string): Uint8Array {
  const bytes = typeof value === "string" ? bytesOfBase64(value) : null;
  if (bytes === null) throw new AuditFault(`${what} is not in base64`);
  return bytes;
}
