/**
 * A federation's challenge and the audit that follows from it. The leaves to answer for are drawn from the challenge,
 * so the station cannot choose them; what is shown is public already (leaf and proof) or says nothing without the
 * leaf's secret (the digest of retention). No item is opened: an opened page or tag names a satellite that was in
 * view, and so narrows the place.
 */
import { CHALLENGE_BYTES } from "./leaf.js";
import { sha256 } from "./merkle.js";

export const AUDIT_LEAVES = 4;
const AUDIT_DOMAIN = Buffer.from("osnmad-audit-1\n", "latin1");
const RETENTION_DOMAIN = Buffer.from("osnmad-retention-1\n", "latin1");

/** The leaves, of the first `size` of the log, that a challenge asks for: distinct, rising; all where few. */
export function auditedLeaves(challenge: Uint8Array, size: number): number[] {
  if (challenge.length !== CHALLENGE_BYTES) throw new RangeError(`a challenge has ${CHALLENGE_BYTES} bytes`);
  if (size <= AUDIT_LEAVES) return Array.from({ length: size }, (_, index) => index);
  const drawn = new Set<number>();
  for (let counter = 0; drawn.size < AUDIT_LEAVES; counter++) {
    const input = Buffer.alloc(AUDIT_DOMAIN.length + CHALLENGE_BYTES + 12);
    input.set(AUDIT_DOMAIN);
    input.set(challenge, AUDIT_DOMAIN.length);
    input.writeBigUInt64BE(BigInt(size), AUDIT_DOMAIN.length + CHALLENGE_BYTES);
    input.writeUInt32BE(counter, AUDIT_DOMAIN.length + CHALLENGE_BYTES + 8);
    // 64 bits of hash over at most 2^53 leaves: the bias of the remainder is below 2^-11 of a leaf's share.
    drawn.add(Number(Buffer.from(sha256(input)).readBigUInt64BE(0) % BigInt(size)));
  }
  return [...drawn].sort((a, b) => a - b);
}

/**
 * With the SHA-256 of the items, which is kept beside them: how long an answer takes says nothing of how many there are.
 *
 * Says that the station still has what it committed to in a leaf. Whoever is later shown secret and items (the
 * residency prover) can check it; nobody else learns anything from it.
 */
export function retentionDigest(
  challenge: Uint8Array,
  secret: Uint8Array,
  itemsDigest: Uint8Array,
): Uint8Array {
  return sha256(Buffer.concat([RETENTION_DOMAIN, challenge, secret, itemsDigest]));
}

/** What stands in a leaf for the proof of a challenge's origin, which is passed on as it came. */
export function originDigest(proof: Uint8Array): Uint8Array {
  return sha256(proof);
}
