/**
 * Deterministic CBOR (RFC 8949 section 4.2.1) of the few kinds that are signed and hashed here: unsigned and
 * negative integers, byte strings, arrays, null, and maps with integer keys. No floats, no text, no tags.
 */
import { decode, encode, rfc8949EncodeOptions } from "cborg";

export type CborValue = number | Uint8Array | null | readonly CborValue[] | CborMap;
export type CborMap = ReadonlyMap<number, CborValue>;

/** Deeper than anything written here; bounds the recursion over hostile input. */
const MAX_DEPTH = 12;

/** Throws TypeError for what may not be signed: a float, text, an object. */
export function encodeCbor(value: CborValue): Uint8Array {
  check(value, 0);
  return encode(value, rfc8949EncodeOptions);
}

/** The value of bytes in deterministic form; null for all others, so that one value has one spelling. */
export function decodeCbor(bytes: Uint8Array): CborValue | null {
  let value: CborValue;
  try {
    value = decode(bytes, {
      strict: true,
      useMaps: true,
      rejectDuplicateMapKeys: true,
      allowIndefinite: false,
      allowUndefined: false,
      allowNaN: false,
      allowInfinity: false,
      allowBigInt: false,
    }) as CborValue;
    // Decoding does not check the order of map keys; writing again does, and refuses the kinds not in use.
    if (Buffer.compare(encodeCbor(value), bytes) !== 0) return null;
  } catch {
    return null;
  }
  return value;
}

function check(value: unknown, depth: number): void {
  if (depth > MAX_DEPTH) throw new TypeError(`nested deeper than ${MAX_DEPTH}`);
  if (value === null || value instanceof Uint8Array) return;
  if (typeof value === "number") {
    if (!Number.isSafeInteger(value) || Object.is(value, -0)) throw new TypeError(`${value} is no integer`);
    return;
  }
  if (Array.isArray(value)) {
    for (const item of value) check(item, depth + 1);
    return;
  }
  if (value instanceof Map) {
    for (const [key, item] of value) {
      if (!Number.isSafeInteger(key)) throw new TypeError("a key of a map is an integer");
      check(item, depth + 1);
    }
    return;
  }
  throw new TypeError(`${typeof value} is not signed here`);
}

export function isBytes(value: CborValue | undefined, length?: number): value is Uint8Array {
  return value instanceof Uint8Array && (length === undefined || value.length === length);
}

export function isInteger(value: CborValue | undefined, least: number, most: number): value is number {
  return typeof value === "number" && value >= least && value <= most;
}

export function isArray(value: CborValue | undefined, length?: number): value is readonly CborValue[] {
  return Array.isArray(value) && (length === undefined || value.length === length);
}
