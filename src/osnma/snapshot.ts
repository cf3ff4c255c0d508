/**
 * The sound parts of a stored engine state. What is stored can be spoiled: whatever is not of its form is left
 * out, so that restoring neither throws nor does unbounded work. What it is worth is decided by signatures and
 * hashes when it is restored.
 */
import { GST_END, SUBFRAME_SECONDS } from "../inav/gst.js";
import type { OsnmaSnapshot } from "./engine.js";
import type { KeyRingSnapshot } from "./key-ring.js";

/** Lists longer than any real state are cut. */
const MAX_ENTRIES = 256;
/** A DSM-KROOT has 14 blocks of 13 bytes at most, a key 32 bytes, a point 67. */
const MAX_DSM_BYTES = 182;
const MAX_KEY_BYTES = 32;
const MAX_POINT_BYTES = 67;

type Kept = OsnmaSnapshot["chains"][number];
type KeptKey = KeyRingSnapshot["keys"][number];

export function soundSnapshot(stored: OsnmaSnapshot): OsnmaSnapshot {
  const ring: unknown = stored.keyRing;
  return {
    format: 1,
    alert: (stored.alert as unknown) === true,
    keyRing: {
      keys: isRecord(ring) ? list(ring["keys"]).filter(isKey).map(withSoundProof) : [],
      renewedRoots: isRecord(ring) ? list(ring["renewedRoots"]).filter(isText) : [],
    },
    revokedChains: list(stored.revokedChains).filter(isText),
    chains: list(stored.chains).filter(isChain),
    status: isStatus(stored.status) ? stored.status : null,
  };
}

function list(value: unknown): unknown[] {
  return Array.isArray(value) ? value.slice(0, MAX_ENTRIES) : [];
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}

function isText(value: unknown): value is string {
  return typeof value === "string";
}

function isHex(value: unknown, maxBytes: number): value is string {
  return isText(value) && value.length <= 2 * maxBytes && /^(?:[0-9a-f]{2})+$/.test(value);
}

function isKey(value: unknown): value is KeptKey {
  return (
    isRecord(value) &&
    isText(value["root"]) &&
    Number.isInteger(value["pkid"]) &&
    (value["type"] === "P-256" || value["type"] === "P-521") &&
    isHex(value["point"], MAX_POINT_BYTES) &&
    (value["origin"] === "given" || value["origin"] === "dsm-pkr") &&
    ["known", "in-force", "superseded", "revoked"].includes(value["status"] as string)
  );
}

const MERKLE_DEPTH = 4;

/** A proof that is not of its form is no proof; the key stays, since its root or its giver vouches for it. */
function withSoundProof(key: KeptKey): KeptKey {
  const proof: unknown = key.proof;
  const sound =
    isRecord(proof) &&
    Number.isInteger(proof["leafIndex"]) &&
    Array.isArray(proof["siblings"]) &&
    proof["siblings"].length === MERKLE_DEPTH &&
    proof["siblings"].every((node) => isHex(node, 32));
  return sound ? key : { ...key, proof: null };
}

function isStatus(value: unknown): value is NonNullable<OsnmaSnapshot["status"]> {
  return (
    isRecord(value) &&
    Number.isInteger(value["header"]) &&
    (value["header"] as number) >= 0 &&
    (value["header"] as number) <= 255 &&
    Number.isInteger(value["effectiveGst"]) &&
    Math.abs(value["effectiveGst"] as number) < GST_END
  );
}

function isChain(value: unknown): value is Kept {
  if (!isRecord(value)) return false;
  const { role, dsm, nmaHeader, signedBy, newestGst, newestKey } = value;
  return (
    (role === "current" || role === "next") &&
    isHex(dsm, MAX_DSM_BYTES) &&
    Number.isInteger(nmaHeader) &&
    (nmaHeader as number) >= 0 &&
    (nmaHeader as number) <= 255 &&
    isRecord(signedBy) &&
    isText(signedBy["root"]) &&
    Number.isInteger(signedBy["pkid"]) &&
    Number.isInteger(newestGst) &&
    (newestGst as number) % SUBFRAME_SECONDS === 0 &&
    (newestGst as number) >= -SUBFRAME_SECONDS &&
    (newestGst as number) < GST_END &&
    isHex(newestKey, MAX_KEY_BYTES)
  );
}
