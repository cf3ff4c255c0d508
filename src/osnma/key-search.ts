/**
 * Finding the last bits of a TESLA key of which a page was lost: the verified key before it says which of the
 * candidates is the one (`previousKey(candidate) = expected`). That costs no security: it accepts exactly what a
 * received key would have to pass. For keys of 128 bits in the current MACK layout the last page carries 16.
 */

import { SUBFRAME_SECONDS, gst32Of } from "../inav/gst.js";
import { bitsEqual } from "./bits.js";
import type { ChainParameters } from "./dsm-kroot.js";
import { BLOCK_WORDS, searchBlock, wordAt } from "./sha256-block.js";
import { previousKey, putStepBlock } from "./tesla.js";

/** 65,536 candidates are the most that are tried. */
export const MAX_UNKNOWN_BITS = 16;

const block = new Int32Array(BLOCK_WORDS);

/**
 * The key of `keyGst` whose first bits are those of `keyPrefix` (as long as a key, its last `unknownBits` zero)
 * and whose previous key is `expectedPrevious`; null where there is none. `expectedPrevious` must be verified.
 *
 * For SHA-256 all 65,536 candidates take 23 ms, the first two searches of a process 50 to 60 ms; only a candidate
 * with one right word is looked at closer.
 */
export function searchKeyTail(
  parameters: ChainParameters,
  keyPrefix: Uint8Array,
  unknownBits: number,
  keyGst: number,
  expectedPrevious: Uint8Array,
): Uint8Array | null {
  if (!(keyPrefix instanceof Uint8Array) || !(expectedPrevious instanceof Uint8Array)) {
    throw new TypeError("keyPrefix and expectedPrevious must be Uint8Arrays");
  }
  const { keyBits } = parameters;
  if (keyPrefix.length * 8 !== keyBits || expectedPrevious.length * 8 !== keyBits) {
    throw new RangeError(`the chain's keys are ${keyBits} bits`);
  }
  if (!Number.isInteger(unknownBits) || unknownBits < 0 || unknownBits > MAX_UNKNOWN_BITS) {
    throw new RangeError(`unknownBits must be 0 to ${MAX_UNKNOWN_BITS}, not ${unknownBits}`);
  }
  if (!Number.isInteger(keyGst)) {
    throw new RangeError(`keyGst must be whole seconds, not ${keyGst}`);
  }
  const key = withTail(keyPrefix, unknownBits, 0);
  if (bitsEqual(key, 0, keyPrefix, 0, keyBits) === false) {
    throw new RangeError(`the last ${unknownBits} bits of keyPrefix must be zero`);
  }
  const previousGst = keyGst - SUBFRAME_SECONDS;
  const fits = (candidate: Uint8Array): boolean =>
    bitsEqual(previousKey(parameters, candidate, previousGst), 0, expectedPrevious, 0, keyBits);
  if (parameters.hash !== "SHA-256" || unknownBits === 0) {
    for (let value = 0; value < 2 ** unknownBits; value++) {
      const candidate = withTail(key, unknownBits, value);
      if (fits(candidate)) {
        return candidate;
      }
    }
    return null;
  }
  putStepBlock(block, parameters, key, gst32Of(previousGst));
  // The later the word, up to the fourth, the fewer rounds it takes to know it.
  const outputWord = Math.min(3, (keyBits >>> 5) - 1);
  const expectedWord = wordAt(expectedPrevious, 4 * outputWord);
  for (let value = 0; ; value++) {
    value = searchBlock(block, unknownBits, keyBits, outputWord, expectedWord, value);
    if (value < 0) {
      return null;
    }
    const candidate = withTail(key, unknownBits, value);
    if (fits(candidate)) {
      return candidate;
    }
  }
}

/** A copy of `key` with its last `bits` ≤ 16 bits replaced by `value`. */
function withTail(key: Uint8Array, bits: number, value: number): Uint8Array {
  const result = Uint8Array.from(key);
  const last = result.length - 1;
  const mask = 2 ** bits - 1;
  result[last] = (result[last] & ~mask) | (value & mask);
  if (bits > 8) {
    result[last - 1] = (result[last - 1] & ~(mask >>> 8)) | ((value & mask) >>> 8);
  }
  return result;
}
