/**
 * ECDSA public keys and signatures of OSNMA: P-256 with SHA-256 and P-521 with SHA-512; keys are compressed
 * SEC1 points, signatures raw r || s (OSNMA SIS ICD 1.1, DSM-KROOT field DS and DSM-PKR field NPK).
 */

import { createPublicKey, ECDH, verify } from "node:crypto";
import type { KeyObject } from "node:crypto";

export type KeyType = "P-256" | "P-521";

/** Sizes and names of the two curves; `fieldBytes` is the length of x, y, r and s (FIPS 186-5). */
const CURVES = {
  "P-256": { fieldBytes: 32, openssl: "prime256v1", jwk: "P-256", hash: "sha256" },
  "P-521": { fieldBytes: 66, openssl: "secp521r1", jwk: "P-521", hash: "sha512" },
} as const satisfies Record<KeyType, unknown>;

const imported = Symbol("imported ECDSA public key");

/** A public key whose point was found to lie on its curve. Only `importPublicKey` makes one. */
export interface EcdsaPublicKey {
  readonly type: KeyType;
  /** The compressed SEC1 point, 33 or 67 bytes. */
  readonly point: Uint8Array;
  readonly [imported]: KeyObject;
}

function curveOf(type: KeyType): (typeof CURVES)[KeyType] {
  if (!Object.hasOwn(CURVES, type)) {
    throw new RangeError(`key type must be P-256 or P-521, not ${String(type)}`);
  }
  return CURVES[type];
}

/** Bytes of a compressed point: 33 for P-256, 67 for P-521. */
export function pointBytesOf(type: KeyType): number {
  return curveOf(type).fieldBytes + 1;
}

/** Bytes of a signature r || s: 64 for P-256, 132 for P-521. */
export function signatureBytesOf(type: KeyType): number {
  return curveOf(type).fieldBytes * 2;
}

/** The key of a compressed point, or null where the bytes are not one of a point on the curve. */
export function importPublicKey(type: KeyType, compressedPoint: Uint8Array): EcdsaPublicKey | null {
  const curve = curveOf(type);
  if (!(compressedPoint instanceof Uint8Array)) {
    throw new TypeError("compressedPoint must be a Uint8Array");
  }
  if (compressedPoint.length !== curve.fieldBytes + 1) {
    return null;
  }
  // convertKey reads uncompressed and hybrid forms as well; only the compressed one is OSNMA's.
  if (compressedPoint[0] !== 0x02 && compressedPoint[0] !== 0x03) {
    return null;
  }
  const point = Uint8Array.from(compressedPoint);
  try {
    const uncompressed = ECDH.convertKey(
      point,
      curve.openssl,
      undefined,
      undefined,
      "uncompressed",
    ) as Buffer;
    const key = createPublicKey({
      format: "jwk",
      key: {
        kty: "EC",
        crv: curve.jwk,
        x: uncompressed.subarray(1, 1 + curve.fieldBytes).toString("base64url"),
        y: uncompressed.subarray(1 + curve.fieldBytes).toString("base64url"),
      },
    });
    return { type, point, [imported]: key };
  } catch {
    // OpenSSL throws for x ≥ p and for an x that has no y.
    return null;
  }
}

/**
 * Whether `rs` (r || s) is a signature of `message` by `key`. A high s is as good as a low one: OSNMA does not
 * normalise it, and about half of the valid root keys carry one. Any other bytes are simply not a signature.
 */
export function verifySignature(key: EcdsaPublicKey, message: Uint8Array, rs: Uint8Array): boolean {
  const curve = curveOf(key.type);
  if (!(message instanceof Uint8Array) || !(rs instanceof Uint8Array)) {
    throw new TypeError("message and rs must be Uint8Arrays");
  }
  if (rs.length !== curve.fieldBytes * 2) {
    return false;
  }
  try {
    // node:crypto takes 0.1 ms for P-256 where a JavaScript implementation takes 2.5 ms.
    return verify(curve.hash, message, { key: key[imported], dsaEncoding: "ieee-p1363" }, rs);
  } catch {
    return false;
  }
}
