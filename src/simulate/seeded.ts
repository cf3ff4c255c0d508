/**
 * Everything random in a simulation comes from its seed: SHA-256 over seed, label and a counter. The same
 * seed gives the same bytes on every machine. These are test values, never key material to be trusted.
 */
import { createHash } from "node:crypto";

/** `length` bytes that depend on nothing but `seed` and `label`. */
export function seededBytes(seed: string, label: string, length: number): Uint8Array {
  const out = new Uint8Array(length);
  for (let at = 0, counter = 0; at < length; counter++) {
    const block = createHash("sha256").update(`osnmad-simulate|${seed}|${label}|${counter}`).digest();
    out.set(block.subarray(0, Math.min(block.length, length - at)), at);
    at += block.length;
  }
  return out;
}

/** A number in [0, 1) that depends on nothing but `seed` and `label`. */
export function seededFraction(seed: string, label: string): number {
  const [a, b, c, d] = seededBytes(seed, label, 4) as unknown as [number, number, number, number];
  return (((a * 256 + b) * 256 + c) * 256 + d) / 2 ** 32;
}
