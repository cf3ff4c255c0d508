/**
 * Writes bit fields in transmission order, most significant bit first, as the Galileo OS SIS ICD and the
 * OSNMA SIS ICD number them. The encoding side of this project has its own writer so that a mistake in the
 * decoders' bit reader cannot cancel out.
 */

export class BitWriter {
  #bytes: Uint8Array;
  #bitLength = 0;

  constructor(capacityBits: number) {
    if (!Number.isInteger(capacityBits) || capacityBits < 0)
      throw new RangeError("capacityBits must be >= 0");
    this.#bytes = new Uint8Array(Math.ceil(capacityBits / 8));
  }

  /** Number of bits written so far. */
  get bitLength(): number {
    return this.#bitLength;
  }

  /** Appends `width` (0..53) bits of a non-negative integer. */
  unsigned(value: number, width: number): this {
    if (!Number.isInteger(value) || value < 0 || value >= 2 ** width) {
      throw new RangeError(`${value} does not fit ${width} bits`);
    }
    if (width > 32) {
      this.#put(Math.floor(value / 2 ** 32), width - 32);
      return this.#put(value % 2 ** 32, 32);
    }
    return this.#put(value, width);
  }

  /** Appends a two's complement integer of `width` (1..53) bits. */
  signed(value: number, width: number): this {
    const half = 2 ** (width - 1);
    if (!Number.isInteger(value) || value < -half || value >= half) {
      throw new RangeError(`${value} does not fit ${width} signed bits`);
    }
    return this.unsigned(value < 0 ? value + 2 * half : value, width);
  }

  /** Appends `count` bits of `source` from bit `from`; the whole of it by default. */
  bits(source: Uint8Array, from = 0, count: number = source.length * 8 - from): this {
    if (from < 0 || count < 0 || from + count > source.length * 8) throw new RangeError("bits out of range");
    for (let at = from, left = count; left > 0; at += 8, left -= 8) {
      const take = Math.min(8, left);
      const pair = (source[at >> 3]! << 8) | (source[(at >> 3) + 1] ?? 0);
      this.#put((pair >> (16 - (at & 7) - take)) & ((1 << take) - 1), take);
    }
    return this;
  }

  /** Appends `count` bits of the pattern 0101.. or, from an odd position, 1010.., the filler seen on air. */
  filler(count: number): this {
    for (let left = count; left > 0; left -= 8) {
      const take = Math.min(8, left);
      this.#put((this.#bitLength % 2 === 0 ? 0xaa : 0x55) >> (8 - take), take);
    }
    return this;
  }

  /** Appends `count` zero bits. */
  zeros(count: number): this {
    for (let left = count; left > 0; left -= 32) this.#put(0, Math.min(32, left));
    return this;
  }

  /** The bits written, with zeros up to the end of the capacity. */
  toBytes(): Uint8Array {
    return this.#bytes.slice();
  }

  /** Up to 32 bits, a byte at a time: all that the simulator sends passes here. */
  #put(value: number, width: number): this {
    if (this.#bitLength + width > this.#bytes.length * 8) {
      throw new RangeError("more bits than the capacity given");
    }
    for (let left = width; left > 0;) {
      const free = 8 - (this.#bitLength & 7);
      const take = Math.min(free, left);
      left -= take;
      const part = (value >>> left) & ((1 << take) - 1);
      this.#bytes[this.#bitLength >> 3]! |= part << (free - take);
      this.#bitLength += take;
    }
    return this;
  }
}

/** The first `bitCount` bits of `bytes`; bits after them in the last byte are zero ("trunc" of the ICD). */
export function truncateBits(bytes: Uint8Array, bitCount: number): Uint8Array {
  return new BitWriter(bitCount).bits(bytes, 0, bitCount).toBytes();
}

/** Joins byte arrays. */
export function concatBytes(...parts: Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

/** Lower-case hex of bytes. */
export function toHex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}

/** Bytes of a hex string. */
export function fromHex(hex: string): Uint8Array {
  if (!/^([0-9a-fA-F]{2})*$/.test(hex)) throw new TypeError("not hex");
  return new Uint8Array(Buffer.from(hex, "hex"));
}
