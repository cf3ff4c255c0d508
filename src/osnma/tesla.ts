/**
 * The TESLA chain: `K_I = trunc(lK, H(K_{I+1} | GST32(I) | alpha))`, GST32(I) being the time of the subframe
 * that broadcasts K_I, the result (OSNMA SIS ICD 1.1, TESLA chain; osnma.md section 12).
 */

import { createHash } from "node:crypto";
import { SUBFRAME_SECONDS, gst32Of } from "../inav/gst.js";
import type { ChainParameters } from "./dsm-kroot.js";
import { BLOCK_WORDS, STATE_WORDS, bytesOfWords, compress, resetState } from "./sha256-block.js";

const ALPHA_BYTES = 6;
const GST_BYTES = 4;

/** What one step hashes when the hash is SHA-256: at most 32 + 10 bytes, always one block. */
const block = new Int32Array(BLOCK_WORDS);
const state = new Int32Array(STATE_WORDS);

function checkKey(parameters: ChainParameters, key: Uint8Array): void {
  if (!(key instanceof Uint8Array)) {
    throw new TypeError("key must be a Uint8Array");
  }
  const { keyBits, alpha } = parameters;
  if (!Number.isInteger(keyBits) || keyBits % 8 !== 0 || keyBits < 8 || keyBits > 256) {
    throw new RangeError(`keyBits must be a multiple of 8 up to 256, not ${keyBits}`);
  }
  if (key.length * 8 !== keyBits) {
    throw new RangeError(`the chain's keys are ${keyBits} bits, not ${key.length * 8}`);
  }
  if (alpha.length !== ALPHA_BYTES) {
    throw new RangeError(`alpha is ${ALPHA_BYTES} bytes, not ${alpha.length}`);
  }
}

function checkGst(name: string, gst: number): void {
  if (!Number.isInteger(gst)) {
    throw new RangeError(`${name} must be whole seconds, not ${gst}`);
  }
}

/** The bytes hashed for one step; `gst` is the time of the resulting key. */
export function stepInput(parameters: ChainParameters, key: Uint8Array, gst: number): Uint8Array {
  checkKey(parameters, key);
  checkGst("gst", gst);
  const input = new Uint8Array(key.length + GST_BYTES + ALPHA_BYTES);
  input.set(key, 0);
  const gst32 = gst32Of(gst);
  for (let i = 0; i < GST_BYTES; i++) {
    input[key.length + i] = gst32 >>> (24 - 8 * i);
  }
  input.set(parameters.alpha, key.length + GST_BYTES);
  return input;
}

/** The key one subframe before `key`, broadcast at `gst` (linear seconds of the result, not of `key`). */
export function previousKey(parameters: ChainParameters, key: Uint8Array, gst: number): Uint8Array {
  return stepBack(parameters, key, gst + SUBFRAME_SECONDS, 1);
}

/**
 * The key at `anchorGst` by hashing `key` of `keyGst` back. Null where there is no such way: the anchor is later,
 * not a whole number of subframes before, or more than `maxSteps` away. With no step it is the key itself. The
 * bound is the caller's, from its own clock: a signal that claims a time far ahead must not buy work.
 */
export function walkBack(
  parameters: ChainParameters,
  key: Uint8Array,
  keyGst: number,
  anchorGst: number,
  maxSteps: number,
): Uint8Array | null {
  checkKey(parameters, key);
  checkGst("keyGst", keyGst);
  checkGst("anchorGst", anchorGst);
  const steps = (keyGst - anchorGst) / SUBFRAME_SECONDS;
  if (steps < 0 || !Number.isInteger(steps) || !(steps <= maxSteps)) {
    return null;
  }
  return stepBack(parameters, key, keyGst, steps);
}

function stepBack(parameters: ChainParameters, key: Uint8Array, keyGst: number, steps: number): Uint8Array {
  checkKey(parameters, key);
  checkGst("keyGst", keyGst);
  if (parameters.hash === "SHA-256") {
    return stepBackSha256(parameters, key, keyGst, steps);
  }
  // No chain on air uses SHA3-256; node:crypto has it (2 µs a step), and loads nothing for it.
  let current = Uint8Array.from(key);
  for (let step = 1; step <= steps; step++) {
    const digest = createHash("sha3-256")
      .update(stepInput(parameters, current, keyGst - step * SUBFRAME_SECONDS))
      .digest();
    current = new Uint8Array(digest.subarray(0, key.length));
  }
  return current;
}

/**
 * Steps by SHA-256 on the words of one block, so that a long walk makes no array: the digest's first words are
 * the next block's, and of the rest only GST changes. 0.43 µs a step, where crypto.hash takes 0.7 µs and a week
 * of steps is 20,160.
 */
function stepBackSha256(
  parameters: ChainParameters,
  key: Uint8Array,
  keyGst: number,
  steps: number,
): Uint8Array {
  // Bytes 0 to lK/8 of a block of zero GST; SHA-256's padding stands behind them.
  putStepBlock(block, parameters, key);
  const keyWords = key.length >>> 2;
  // The bits of a last key word that is only partly key, 0 to 24.
  const restBits = (key.length & 3) * 8;
  const restMask = restBits === 0 ? 0 : -1 << (32 - restBits);
  // What follows GST in the word that GST ends in.
  const afterGst = restBits === 0 ? 0 : block[keyWords + 1] & (-1 >>> restBits);
  for (let step = 1; step <= steps; step++) {
    const gst32 = gst32Of(keyGst - step * SUBFRAME_SECONDS);
    if (restBits === 0) {
      block[keyWords] = gst32;
    } else {
      block[keyWords] = (block[keyWords] & restMask) | (gst32 >>> restBits);
      block[keyWords + 1] = (gst32 << (32 - restBits)) | afterGst;
    }
    resetState(state);
    compress(state, block);
    for (let i = 0; i < keyWords; i++) {
      block[i] = state[i];
    }
    if (restBits !== 0) {
      block[keyWords] = state[keyWords] & restMask;
    }
  }
  return bytesOfWords(block, key.length);
}

/** The padded block of a step with `gst` 0 (FIPS 180-4 section 5.1.1). */
export function putStepBlock(
  target: Int32Array,
  parameters: ChainParameters,
  key: Uint8Array,
  gst32 = 0,
): void {
  target.fill(0);
  let at = 0;
  const put = (byte: number): void => {
    target[at >>> 2] |= byte << (24 - 8 * (at & 3));
    at++;
  };
  for (const byte of key) {
    put(byte);
  }
  for (let i = 0; i < GST_BYTES; i++) {
    put((gst32 >>> (24 - 8 * i)) & 0xff);
  }
  for (const byte of parameters.alpha) {
    put(byte);
  }
  target[BLOCK_WORDS - 1] = at * 8;
  put(0x80);
}
