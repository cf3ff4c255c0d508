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

const block = new Int32Array(BLOCK_WORDS);
const state = new Int32Array(STATE_WORDS);

/** Loops, because a call of `set` or `fill` costs more than so few words. */
function copyState(from: Int32Array): void {
  for (let i = 0; i < STATE_WORDS; i++) {
    state[i] = from[i];
  }
}

function clearFrom(word: number): void {
  for (let i = word; i < BLOCK_WORDS; i++) {
    block[i] = 0;
  }
}

/** FIPS 198-1: the bytes that the padded key is combined with. */
const IPAD = 0x36363636;
const OPAD = 0x5c5c5c5c;

/**
 * Keeps SHA-256's state after the inner and after the outer key block. A tag message of 75 or 76 bytes is then
 * three blocks, 1.4 µs; createHmac takes 2.1 µs and @noble/hashes 6 µs, most of it not in the hash.
 */
class HmacSha256 implements Mac {
  readonly #inner = new Int32Array(STATE_WORDS);
  readonly #outer = new Int32Array(STATE_WORDS);

  constructor(key: Uint8Array) {
    if (key.length > BLOCK_BYTES) {
      throw new RangeError(`a key longer than ${BLOCK_BYTES} bytes would have to be hashed first`);
    }
    const padded = new Uint8Array(BLOCK_BYTES);
    padded.set(key);
    for (const [words, pad] of [
      [this.#inner, IPAD],
      [this.#outer, OPAD],
    ] as const) {
      for (let i = 0; i < BLOCK_WORDS; i++) {
        block[i] = wordAt(padded, 4 * i) ^ pad;
      }
      resetState(words);
      compress(words, block);
    }
  }

  digest(message: Uint8Array, length = message.length): Uint8Array {
    checkedLength(message, length);
    copyState(this.#inner);
    let at = 0;
    for (; length - at >= BLOCK_BYTES; at += BLOCK_BYTES) {
      for (let i = 0; i < BLOCK_WORDS; i++) {
        block[i] = wordAt(message, at + 4 * i);
      }
      compress(state, block);
    }
    let word = 0;
    for (; length - at >= 4; at += 4) {
      block[word++] = wordAt(message, at);
    }
    let last = 0x80;
    let lastBytes = 1;
    for (let i = length - 1; i >= at; i--) {
      last |= message[i] << (8 * lastBytes);
      lastBytes++;
    }
    block[word] = last << (8 * (4 - lastBytes));
    clearFrom(word + 1);
    // FIPS 180-4 section 5.1.1: the length takes the last two words, in a block of its own if need be.
    if (word >= BLOCK_WORDS - 2) {
      compress(state, block);
      clearFrom(0);
    }
    // Inputs here are far below 2^29 bytes, so the upper half of the 64-bit length stays zero.
    block[BLOCK_WORDS - 1] = (BLOCK_BYTES + length) * 8;
    compress(state, block);
    for (let i = 0; i < STATE_WORDS; i++) {
      block[i] = state[i];
    }
    block[STATE_WORDS] = 0x80000000 | 0;
    clearFrom(STATE_WORDS + 1);
    block[BLOCK_WORDS - 1] = (BLOCK_BYTES + 4 * STATE_WORDS) * 8;
    copyState(this.#outer);
    compress(state, block);
    return bytesOfWords(state, 4 * STATE_WORDS);
  }
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
