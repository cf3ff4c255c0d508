/**
 * Deterministic CBOR (RFC 8949 section 4.2.1) of the few kinds that are signed and hashed here: unsigned and
 * negative integers, byte strings, arrays, null, and maps with integer keys. No floats, no text, no tags.
 */
export type CborValue = number | Uint8Array | null | readonly CborValue[] | CborMap;
export type CborMap = ReadonlyMap<number, CborValue>;

/** Deeper than anything written here; bounds the recursion over hostile input. */
const MAX_DEPTH = 12;

/**
 * Throws TypeError for what may not be signed: a float, text, an object. Written out, because cborg makes an object of
 * every integer: that was most of what a leaf cost. A test holds this against cborg.
 */
export function encodeCbor(value: CborValue): Uint8Array {
  writer.begin();
  writer.value(value, 0);
  return writer.bytes();
}

/** Major types of RFC 8949 section 3.1. */
const Major = { unsigned: 0, negative: 1, bytes: 2, array: 4, map: 5 } as const;
const NULL = 0xf6;
/** Hashes, keys and signatures, which are kept long after what they came in. */
const COPIED_BYTES = 64;
/** Room that is kept for the next value. */
const MAX_KEPT_BYTES = 1 << 16;

class Writer {
  #buffer = Buffer.allocUnsafe(1024);
  #at = 0;

  begin(): void {
    this.#at = 0;
    if (this.#buffer.length > MAX_KEPT_BYTES) this.#buffer = Buffer.allocUnsafe(1024);
  }

  bytes(): Uint8Array {
    return new Uint8Array(this.#buffer.subarray(0, this.#at));
  }

  value(value: unknown, depth: number): void {
    if (depth > MAX_DEPTH) throw new TypeError(`nested deeper than ${MAX_DEPTH}`);
    if (typeof value === "number") {
      if (!Number.isSafeInteger(value) || Object.is(value, -0)) throw new TypeError(`${value} is no integer`);
      if (value >= 0) this.#head(Major.unsigned, value);
      else this.#head(Major.negative, -1 - value);
    } else if (value instanceof Uint8Array) {
      this.#head(Major.bytes, value.length);
      this.#room(value.length);
      this.#buffer.set(value, this.#at);
      this.#at += value.length;
    } else if (value === null) {
      this.#room(1);
      this.#buffer[this.#at++] = NULL;
    } else if (Array.isArray(value)) {
      this.#head(Major.array, value.length);
      for (const item of value) this.value(item, depth + 1);
    } else if (value instanceof Map) {
      this.#map(value as ReadonlyMap<unknown, unknown>, depth);
    } else {
      throw new TypeError(`${typeof value} is not signed here`);
    }
  }

  /** Keys in the order of their encodings: unsigned ones by value, then negative ones by distance from zero. */
  #map(map: ReadonlyMap<unknown, unknown>, depth: number): void {
    const keys = [...map.keys()];
    if (!keys.every((key): key is number => typeof key === "number"))
      throw new TypeError("a key is an integer");
    keys.sort((a, b) => (isBefore(a, b) ? -1 : 1));
    this.#head(Major.map, keys.length);
    for (const key of keys) {
      this.value(key, depth + 1);
      this.value(map.get(key), depth + 1);
    }
  }

  #head(major: number, count: number): void {
    this.#room(9);
    const type = major << 5;
    if (count < 24) {
      this.#buffer[this.#at++] = type | count;
    } else if (count < 0x100) {
      this.#buffer[this.#at++] = type | 24;
      this.#buffer[this.#at++] = count;
    } else if (count < 0x10000) {
      this.#buffer[this.#at++] = type | 25;
      this.#at = this.#buffer.writeUInt16BE(count, this.#at);
    } else if (count < 0x1_0000_0000) {
      this.#buffer[this.#at++] = type | 26;
      this.#at = this.#buffer.writeUInt32BE(count, this.#at);
    } else {
      this.#buffer[this.#at++] = type | 27;
      this.#at = this.#buffer.writeUInt32BE(Math.floor(count / 0x1_0000_0000), this.#at);
      this.#at = this.#buffer.writeUInt32BE(count % 0x1_0000_0000, this.#at);
    }
  }

  #room(more: number): void {
    if (this.#at + more <= this.#buffer.length) return;
    const larger = Buffer.allocUnsafe(2 * (this.#at + more));
    this.#buffer.copy(larger, 0, 0, this.#at);
    this.#buffer = larger;
  }
}

/** One for all: it is done with each value before the next. */
const writer = new Writer();

/**
 * The value of bytes in deterministic form; null for all others, so that one value has one spelling. Written out as
 * well: reading by cborg and writing again to compare was a third of what following a station costs. The same test
 * holds it against cborg. Byte strings of more than 64 bytes are views of what was read.
 */
export function decodeCbor(bytes: Uint8Array): CborValue | null {
  const reader = new Reader(bytes);
  const value = reader.value(0);
  return value === undefined || !reader.isAtEnd ? null : value;
}

/** `undefined` is what is not in the one form. */
class Reader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    // Buffers give buffers, which are not equal to arrays of the same bytes.
    this.#bytes = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  get isAtEnd(): boolean {
    return this.#at === this.#bytes.length;
  }

  value(depth: number): CborValue | undefined {
    if (depth > MAX_DEPTH || this.isAtEnd) return undefined;
    const head = this.#bytes[this.#at++];
    if (head === NULL) return null;
    const count = this.#count(head & 0x1f);
    if (count === undefined) return undefined;
    switch (head >> 5) {
      case Major.unsigned:
        return count;
      case Major.negative:
        return count < Number.MAX_SAFE_INTEGER ? -1 - count : undefined;
      case Major.bytes: {
        if (count > this.#bytes.length - this.#at) return undefined;
        const from = this.#at;
        this.#at += count;
        return count > COPIED_BYTES
          ? this.#bytes.subarray(from, this.#at)
          : this.#bytes.slice(from, this.#at);
      }
      case Major.array:
        return this.#array(count, depth);
      case Major.map:
        return this.#map(count, depth);
      default:
        return undefined;
    }
  }

  /** In the shortest form, and no more than 2^53 - 1. */
  #count(info: number): number | undefined {
    if (info < 24) return info;
    if (info > 27) return undefined;
    const length = 1 << (info - 24);
    if (length > this.#bytes.length - this.#at) return undefined;
    let count = 0;
    for (let i = 0; i < length; i++) count = count * 256 + this.#bytes[this.#at++];
    const least = length === 1 ? 24 : 2 ** (4 * length);
    return count < least || count > Number.MAX_SAFE_INTEGER ? undefined : count;
  }

  #array(count: number, depth: number): CborValue | undefined {
    // An item takes a byte at least.
    if (count > this.#bytes.length - this.#at) return undefined;
    const items: CborValue[] = [];
    for (let i = 0; i < count; i++) {
      const item = this.value(depth + 1);
      if (item === undefined) return undefined;
      items.push(item);
    }
    return items;
  }

  #map(count: number, depth: number): CborValue | undefined {
    if (count > this.#bytes.length - this.#at) return undefined;
    const map = new Map<number, CborValue>();
    let last: number | null = null;
    for (let i = 0; i < count; i++) {
      const key = this.value(depth + 1);
      if (typeof key !== "number" || (last !== null && !isBefore(last, key))) return undefined;
      const value = this.value(depth + 1);
      if (value === undefined) return undefined;
      map.set(key, value);
      last = key;
    }
    return map;
  }
}

/** By their encodings: unsigned ones by value, then negative ones by distance from zero. */
function isBefore(a: number, b: number): boolean {
  return a >= 0 === b >= 0 ? Math.abs(a) < Math.abs(b) : a >= 0;
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
