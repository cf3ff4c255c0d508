/**
 * The MAC functions of OSNMA, HMAC-SHA-256 (FIPS 198-1) and AES-CMAC (NIST SP 800-38B, RFC 4493), keyed with a
 * chain key (OSNMA SIS ICD 1.1, MF).
 */

import { createCipheriv } from "node:crypto";
import type { ChainParameters } from "./dsm-kroot.js";
import {
  BLOCK_BYTES,
  BLOCK_WORDS,
  STATE_WORDS,
  bytesOfWords,
  compress,
  resetState,
  wordAt,
} from "./sha256-block.js";

/** One per TESLA key: a key serves every tag of a subframe, so what depends on it alone is computed once. */
export interface Mac {
  /** The whole MAC of the message's first `length` bytes (default: all): 32 bytes of HMAC, 16 of CMAC. */
  digest(message: Uint8Array, length?: number): Uint8Array;
}

export function createMac(parameters: ChainParameters, key: Uint8Array): Mac {
  if (!(key instanceof Uint8Array)) {
    throw new TypeError("key must be a Uint8Array");
  }
  if (key.length * 8 !== parameters.keyBits) {
    throw new RangeError(`the chain's keys are ${parameters.keyBits} bits, not ${key.length * 8}`);
  }
  return parameters.mac === "HMAC-SHA-256" ? new HmacSha256(key) : new CmacAes(key);
}

function checkedLength(message: Uint8Array, length: number): number {
  if (!(message instanceof Uint8Array)) {
    throw new TypeError("message must be a Uint8Array");
  }
  if (!Number.isInteger(length) || length < 0 || length > message.length) {
    throw new RangeError(`length must be 0 to ${message.length}, not ${length}`);
  }
  return length;
}

const DIGEST_BYTES = 32;
/** Padding of SHA-256: one bit, and the length in 8 bytes. */
const PADDING_BYTES = 9;

/** One for all MACs: stages are synchronous, and they are written before they are read. */
const block = new Int32Array(BLOCK_WORDS);
const state = new Int32Array(STATE_WORDS);

/**
 * HMAC that keeps the states after the key's blocks: a tag is three compressions, 1 µs, where node:crypto takes
 * 3 µs. (The first hundreds, before the compiler has got to it, cost as much as node:crypto's.)
 */
class HmacSha256 implements Mac {
  readonly #inner = new Int32Array(STATE_WORDS);
  readonly #outer = new Int32Array(STATE_WORDS);

  constructor(key: Uint8Array) {
    // Chain keys are 32 bytes at most, half a block.
    startWith(this.#inner, key, 0x36363636);
    startWith(this.#outer, key, 0x5c5c5c5c);
  }

  digest(message: Uint8Array, length = message.length): Uint8Array {
    checkedLength(message, length);
    state.set(this.#inner);
    let at = 0;
    for (; at + BLOCK_BYTES <= length; at += BLOCK_BYTES) {
      for (let i = 0; i < BLOCK_WORDS; i++) block[i] = wordAt(message, at + 4 * i);
      compress(state, block);
    }
    block.fill(0);
    let i = 0;
    for (; at + 4 <= length; at += 4) block[i++] = wordAt(message, at);
    let shift = 24;
    for (; at < length; at++, shift -= 8) block[i] |= message[at] << shift;
    block[i] |= 0x80 << shift;
    if ((length % BLOCK_BYTES) + PADDING_BYTES > BLOCK_BYTES) {
      compress(state, block);
      block.fill(0);
    }
    block[BLOCK_WORDS - 1] = (BLOCK_BYTES + length) * 8;
    compress(state, block);
    block.fill(0);
    block.set(state);
    block[STATE_WORDS] = 0x80000000;
    block[BLOCK_WORDS - 1] = (BLOCK_BYTES + DIGEST_BYTES) * 8;
    state.set(this.#outer);
    compress(state, block);
    return bytesOfWords(state, DIGEST_BYTES);
  }
}

/** The state after the block of the key, filled up with zeros, and the pad (FIPS 198-1, steps 4 and 7). */
function startWith(target: Int32Array, key: Uint8Array, pad: number): void {
  block.fill(pad);
  for (let i = 0; i < key.length; i++) block[i >>> 2] ^= key[i] << (24 - 8 * (i & 3));
  resetState(target);
  compress(target, block);
}

const AES_BLOCK_BYTES = 16;
/** The constant R_128 of SP 800-38B section 5.3. */
const R_128 = 0x87;
const CBC_NAMES: ReadonlyMap<number, string> = new Map([
  [16, "aes-128-cbc"],
  [24, "aes-192-cbc"],
  [32, "aes-256-cbc"],
]);

/**
 * CMAC is the last block of CBC over the message with its last block masked, so node:crypto's CBC does it.
 * @noble/ciphers would cost 12 ms at start, for a function that no chain on air uses.
 */
class CmacAes implements Mac {
  readonly #key: Uint8Array;
  readonly #cipher: string;
  readonly #whole: Uint8Array;
  readonly #padded: Uint8Array;

  constructor(key: Uint8Array) {
    const cipher = CBC_NAMES.get(key.length);
    if (cipher === undefined) {
      throw new RangeError(`AES has no key of ${key.length * 8} bits`);
    }
    this.#cipher = cipher;
    this.#key = Uint8Array.from(key);
    this.#whole = doubled(this.#lastBlock(new Uint8Array(AES_BLOCK_BYTES)));
    this.#padded = doubled(this.#whole);
  }

  #lastBlock(blocks: Uint8Array): Uint8Array {
    const cipher = createCipheriv(this.#cipher, this.#key, new Uint8Array(AES_BLOCK_BYTES));
    cipher.setAutoPadding(false);
    return new Uint8Array(cipher.update(blocks).subarray(-AES_BLOCK_BYTES));
  }

  digest(message: Uint8Array, length = message.length): Uint8Array {
    checkedLength(message, length);
    const count = Math.max(1, Math.ceil(length / AES_BLOCK_BYTES));
    const blocks = new Uint8Array(count * AES_BLOCK_BYTES);
    blocks.set(message.subarray(0, length));
    const whole = length === blocks.length;
    if (!whole) {
      blocks[length] = 0x80;
    }
    const mask = whole ? this.#whole : this.#padded;
    for (let i = 0; i < AES_BLOCK_BYTES; i++) {
      blocks[blocks.length - AES_BLOCK_BYTES + i] ^= mask[i];
    }
    return this.#lastBlock(blocks);
  }
}

/** Multiplication by x in GF(2^128), SP 800-38B section 6.1. */
function doubled(bytes: Uint8Array): Uint8Array {
  const result = new Uint8Array(bytes.length);
  for (let i = 0; i < bytes.length; i++) {
    result[i] = (bytes[i] << 1) | (i + 1 < bytes.length ? bytes[i + 1] >>> 7 : 0);
  }
  if (bytes[0] & 0x80) {
    result[result.length - 1] ^= R_128;
  }
  return result;
}
