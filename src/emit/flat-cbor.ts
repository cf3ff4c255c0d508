/**
 * Reads deterministic CBOR (RFC 8949 section 4.2.1) whose shape is known beforehand, item by item. A stranger's bytes
 * cost as much as their first item that does not fit: nothing is built from what nobody signed.
 */
const NULL = 0xf6;

export class FlatCbor {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get isDone(): boolean {
    return this.#at === this.#bytes.length;
  }

  /** One byte that has to be there: the head of an array or map of known length. */
  is(head: number): boolean {
    if (this.#bytes[this.#at] !== head) return false;
    this.#at++;
    return true;
  }

  /** An unsigned integer up to 2^53 - 1 in its shortest form; null for anything else. */
  uint(): number | null {
    return this.#argument(0);
  }

  /** A byte string of `least` to `most` bytes; null for anything else. */
  bytes(least: number, most: number): Uint8Array | null {
    const length = this.#argument(2);
    if (length === null || length < least || length > most || length > this.#bytes.length - this.#at)
      return null;
    const { buffer, byteOffset } = this.#bytes;
    const found = new Uint8Array(buffer, byteOffset + this.#at, length);
    this.#at += length;
    return found;
  }

  null(): boolean {
    return this.is(NULL);
  }

  /** The argument of a head of this major type (section 3), null where it is another or not the shortest. */
  #argument(major: number): number | null {
    const head = this.#bytes[this.#at] as number | undefined;
    if (head === undefined || head >> 5 !== major) return null;
    const info = head & 31;
    if (info < 24) {
      this.#at++;
      return info;
    }
    if (info > 27) return null;
    const length = 1 << (info - 24);
    if (this.#at + 1 + length > this.#bytes.length) return null;
    let value = 0;
    for (let i = 1; i <= length; i++) value = value * 256 + this.#bytes[this.#at + i];
    const least = length === 1 ? 24 : 256 ** (length / 2);
    if (value < least || !Number.isSafeInteger(value)) return null;
    this.#at += 1 + length;
    return value;
  }
}
