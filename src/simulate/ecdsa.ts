/**
 * Deterministic ECDSA (RFC 6979) over P-256/SHA-256 and P-521/SHA-512, the two signatures of OSNMA SIS ICD
 * 1.1 section 6.1. node:crypto signs with a random nonce, which would make every rebuilt capture differ; so
 * the nonce comes from RFC 6979 section 3.2, its point from node's ECDH, and s from BigInt arithmetic.
 * For test keys only: nothing here is constant-time.
 */
import { createECDH, createHash, createHmac } from "node:crypto";

export type Curve = "P-256" | "P-521";

interface CurveFacts {
  readonly ecdhName: string;
  readonly hash: string;
  /** Bits of the group order. */
  readonly orderBits: number;
  /** Bytes of a scalar or coordinate (66 for P-521: leading zero bits are kept). */
  readonly scalarBytes: number;
  /** Group order (FIPS 186-4 appendix D.1.2). */
  readonly order: bigint;
}

const CURVES: Record<Curve, CurveFacts> = {
  "P-256": {
    ecdhName: "prime256v1",
    hash: "sha256",
    orderBits: 256,
    scalarBytes: 32,
    order: 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n,
  },
  "P-521": {
    ecdhName: "secp521r1",
    hash: "sha512",
    orderBits: 521,
    scalarBytes: 66,
    order:
      0x01fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffa51868783bf2f966b7fcc0148f709a5d03bb5c9b8899c47aebb6fb71e91386409n,
  },
};

/** Length of the signature field DS, bits: 512 for P-256, 1056 for P-521. */
export function signatureBits(curve: Curve): number {
  return CURVES[curve].scalarBytes * 16;
}

/** A private scalar from at least 80 seed bytes; reducing that many leaves no bias worth a thought. */
export function scalarFromSeed(curve: Curve, seed: Uint8Array): bigint {
  if (seed.length < 80) throw new RangeError("a scalar seed needs at least 80 bytes");
  return (toBigInt(seed) % (CURVES[curve].order - 1n)) + 1n;
}

/** The public point in SEC 1 compressed form: 33 bytes for P-256, 67 for P-521. */
export function publicPoint(curve: Curve, scalar: bigint): Uint8Array {
  return new Uint8Array(pointOf(curve, scalar, "compressed"));
}

/** The signature `r || s` over the hash of `message`. */
export function signDeterministic(curve: Curve, scalar: bigint, message: Uint8Array): Uint8Array {
  const { order, orderBits, scalarBytes, hash } = CURVES[curve];
  const digest = createHash(hash).update(message).digest();
  const e = leftmost(digest, orderBits) % order;
  for (const k of nonces(curve, scalar, digest)) {
    const x = toBigInt(pointOf(curve, k, "uncompressed").subarray(1, 1 + scalarBytes));
    const r = x % order;
    const s = (inverse(k, order) * (e + r * scalar)) % order;
    if (r !== 0n && s !== 0n) {
      const out = new Uint8Array(2 * scalarBytes);
      out.set(toBytes(r, scalarBytes), 0);
      out.set(toBytes(s, scalarBytes), scalarBytes);
      return out;
    }
  }
  throw new Error("unreachable: the nonces do not end");
}

/** RFC 6979 section 3.2, steps b to h. */
function* nonces(curve: Curve, scalar: bigint, digest: Uint8Array): Generator<bigint> {
  const { order, orderBits, scalarBytes, hash } = CURVES[curve];
  const mac = (key: Uint8Array, ...parts: Uint8Array[]): Uint8Array => {
    const hmac = createHmac(hash, key);
    for (const part of parts) hmac.update(part);
    return new Uint8Array(hmac.digest());
  };
  const x = toBytes(scalar, scalarBytes);
  const h1 = toBytes(leftmost(digest, orderBits) % order, scalarBytes);
  let v: Uint8Array = new Uint8Array(digest.length).fill(1);
  let k: Uint8Array = new Uint8Array(digest.length);
  k = mac(k, v, Uint8Array.of(0), x, h1);
  v = mac(k, v);
  k = mac(k, v, Uint8Array.of(1), x, h1);
  v = mac(k, v);
  for (;;) {
    const t: Uint8Array[] = [];
    let bits = 0;
    while (bits < orderBits) {
      v = mac(k, v);
      t.push(v);
      bits += v.length * 8;
    }
    const candidate = leftmost(Buffer.concat(t), orderBits);
    if (candidate >= 1n && candidate < order) yield candidate;
    k = mac(k, v, Uint8Array.of(0));
    v = mac(k, v);
  }
}

function pointOf(curve: Curve, scalar: bigint, format: "compressed" | "uncompressed"): Buffer {
  const ecdh = createECDH(CURVES[curve].ecdhName);
  ecdh.setPrivateKey(toBytes(scalar, CURVES[curve].scalarBytes));
  return Buffer.from(ecdh.getPublicKey("hex", format), "hex");
}

/** RFC 6979 section 2.3.2 (bits2int): the first `bits` bits as an integer. */
function leftmost(bytes: Uint8Array, bits: number): bigint {
  const excess = bytes.length * 8 - bits;
  const value = toBigInt(bytes);
  return excess > 0 ? value >> BigInt(excess) : value;
}

function toBigInt(bytes: Uint8Array): bigint {
  return BigInt(`0x${Buffer.from(bytes).toString("hex")}`);
}

function toBytes(value: bigint, length: number): Uint8Array {
  return new Uint8Array(Buffer.from(value.toString(16).padStart(2 * length, "0"), "hex"));
}

/** Modular inverse by the extended Euclidean algorithm. */
function inverse(value: bigint, modulus: bigint): bigint {
  let [a, b, x, y] = [((value % modulus) + modulus) % modulus, modulus, 1n, 0n];
  while (b !== 0n) {
    const q = a / b;
    [a, b] = [b, a - q * b];
    [x, y] = [y, x - q * y];
  }
  return ((x % modulus) + modulus) % modulus;
}
