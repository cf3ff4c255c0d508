/**
 * SHA-256's compression of one block, on 32-bit words (FIPS 180-4, sections 4.1.2, 5.3.3 and 6.2.2).
 *
 * OSNMA hashes in tiny pieces: a chain step is one block, a tag three once its key is set up. Here the call into
 * a library costs more than the hash. Measured on Node 20: one block 0.31 µs here; 26 bytes by crypto.hash
 * 0.67 µs, by createHash 1.1 µs, by @noble/hashes 1.0 µs. (Unrolling all 64 rounds gives
 * 0.20 µs, but its first 2,000 calls take 29 ms against 3 ms, and a start needs hundreds.) Larger or rarer inputs use node:crypto.
 */

/** Words of the state, of the block. */
export const STATE_WORDS = 8;
export const BLOCK_WORDS = 16;
export const BLOCK_BYTES = 64;
const ROUNDS = 64;

/** Initial hash value H(0), FIPS 180-4 section 5.3.3. */
export const INITIAL_STATE: readonly number[] = [
  0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
].map((word) => word | 0);

/** Round constants, FIPS 180-4 section 4.2.2. */
// prettier-ignore
export const ROUND_CONSTANTS = new Int32Array([
  0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
  0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
  0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
  0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
  0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
  0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
  0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
  0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
]);

/** The message schedule. One for all calls: stages are synchronous, and it is written before it is read. */
const schedule = new Int32Array(ROUNDS);

/** Fills schedule[16 .. rounds) from its first 16 words. */
function expand(w: Int32Array, rounds: number): void {
  for (let t = BLOCK_WORDS; t < rounds; t++) {
    const x = w[t - 15];
    const y = w[t - 2];
    const sigma0 = ((x >>> 7) | (x << 25)) ^ ((x >>> 18) | (x << 14)) ^ (x >>> 3);
    const sigma1 = ((y >>> 17) | (y << 15)) ^ ((y >>> 19) | (y << 13)) ^ (y >>> 10);
    w[t] = (((sigma0 + w[t - 7]) | 0) + ((sigma1 + w[t - 16]) | 0)) | 0;
  }
}

/** Replaces the 8 words of `state` by their compression with the 16 words of `block`. */
export function compress(state: Int32Array, block: Int32Array): void {
  const w = schedule;
  for (let t = 0; t < BLOCK_WORDS; t++) {
    w[t] = block[t];
  }
  expand(w, ROUNDS);
  let a = state[0];
  let b = state[1];
  let c = state[2];
  let d = state[3];
  let e = state[4];
  let f = state[5];
  let g = state[6];
  let h = state[7];
  for (let t = 0; t < ROUNDS; t++) {
    const sum1 = ((e >>> 6) | (e << 26)) ^ ((e >>> 11) | (e << 21)) ^ ((e >>> 25) | (e << 7));
    const t1 = (((h + sum1) | 0) + (g ^ (e & (f ^ g))) + ((ROUND_CONSTANTS[t] + w[t]) | 0)) | 0;
    const sum0 = ((a >>> 2) | (a << 30)) ^ ((a >>> 13) | (a << 19)) ^ ((a >>> 22) | (a << 10));
    const t2 = (sum0 + ((a & b) | (c & (a | b)))) | 0;
    h = g;
    g = f;
    f = e;
    e = (d + t1) | 0;
    d = c;
    c = b;
    b = a;
    a = (t1 + t2) | 0;
  }
  state[0] = (state[0] + a) | 0;
  state[1] = (state[1] + b) | 0;
  state[2] = (state[2] + c) | 0;
  state[3] = (state[3] + d) | 0;
  state[4] = (state[4] + e) | 0;
  state[5] = (state[5] + f) | 0;
  state[6] = (state[6] + g) | 0;
  state[7] = (state[7] + h) | 0;
}

/** Sets a state to H(0). */
export function resetState(state: Int32Array): void {
  for (let i = 0; i < STATE_WORDS; i++) {
    state[i] = INITIAL_STATE[i];
  }
}

/** The word at a byte offset, big-endian. */
export function wordAt(bytes: Uint8Array, at: number): number {
  return (bytes[at] << 24) | (bytes[at + 1] << 16) | (bytes[at + 2] << 8) | bytes[at + 3];
}

/** The first `count` bytes of words, big-endian. */
export function bytesOfWords(words: Int32Array, count: number): Uint8Array {
  const bytes = new Uint8Array(count);
  const whole = count >>> 2;
  let at = 0;
  for (let i = 0; i < whole; i++, at += 4) {
    const word = words[i];
    bytes[at] = word >>> 24;
    bytes[at + 1] = word >>> 16;
    bytes[at + 2] = word >>> 8;
    bytes[at + 3] = word;
  }
  for (; at < count; at++) {
    bytes[at] = words[whole] >>> (24 - 8 * (at & 3));
  }
  return bytes;
}

/**
 * Searches the values of up to 16 bits inside of one block: the first value from `firstValue` on for which output
 * word `outputWord` (0 to 3) of SHA-256 of this one block equals `expectedWord`, or -1. The value's last bit
 * stands just before bit `tailEndBit` of the block, where the block has zeros.
 *
 * Two savings against `compress`: the rounds before the changed words are done once, and output word k ≤ 3 is
 * known k rounds before the end, where it is still in `a`.
 */
export function searchBlock(
  block: Int32Array,
  tailBits: number,
  tailEndBit: number,
  outputWord: number,
  expectedWord: number,
  firstValue: number,
): number {
  const w = schedule;
  for (let t = 0; t < BLOCK_WORDS; t++) {
    w[t] = block[t];
  }
  // The tail's last bit is in word `low`; a tail across a word boundary begins in the word before it.
  const low = (tailEndBit - 1) >>> 5;
  const shift = 32 * (low + 1) - tailEndBit;
  const high = (tailEndBit - tailBits) >>> 5;
  const rounds = ROUNDS - outputWord;
  const target = (expectedWord - INITIAL_STATE[outputWord]) | 0;
  let a0 = INITIAL_STATE[0];
  let b0 = INITIAL_STATE[1];
  let c0 = INITIAL_STATE[2];
  let d0 = INITIAL_STATE[3];
  let e0 = INITIAL_STATE[4];
  let f0 = INITIAL_STATE[5];
  let g0 = INITIAL_STATE[6];
  let h0 = INITIAL_STATE[7];
  for (let t = 0; t < high; t++) {
    const sum1 = ((e0 >>> 6) | (e0 << 26)) ^ ((e0 >>> 11) | (e0 << 21)) ^ ((e0 >>> 25) | (e0 << 7));
    const t1 = (((h0 + sum1) | 0) + (g0 ^ (e0 & (f0 ^ g0))) + ((ROUND_CONSTANTS[t] + w[t]) | 0)) | 0;
    const sum0 = ((a0 >>> 2) | (a0 << 30)) ^ ((a0 >>> 13) | (a0 << 19)) ^ ((a0 >>> 22) | (a0 << 10));
    const t2 = (sum0 + ((a0 & b0) | (c0 & (a0 | b0)))) | 0;
    h0 = g0;
    g0 = f0;
    f0 = e0;
    e0 = (d0 + t1) | 0;
    d0 = c0;
    c0 = b0;
    b0 = a0;
    a0 = (t1 + t2) | 0;
  }
  const lowWord = block[low];
  const highWord = block[high];
  const values = 2 ** tailBits;
  for (let value = firstValue; value < values; value++) {
    if (high !== low) {
      w[high] = highWord | (value >>> (32 - shift));
    }
    w[low] = lowWord | (value << shift);
    expand(w, rounds);
    let a = a0;
    let b = b0;
    let c = c0;
    let d = d0;
    let e = e0;
    let f = f0;
    let g = g0;
    let h = h0;
    for (let t = high; t < rounds; t++) {
      const sum1 = ((e >>> 6) | (e << 26)) ^ ((e >>> 11) | (e << 21)) ^ ((e >>> 25) | (e << 7));
      const t1 = (((h + sum1) | 0) + (g ^ (e & (f ^ g))) + ((ROUND_CONSTANTS[t] + w[t]) | 0)) | 0;
      const sum0 = ((a >>> 2) | (a << 30)) ^ ((a >>> 13) | (a << 19)) ^ ((a >>> 22) | (a << 10));
      const t2 = (sum0 + ((a & b) | (c & (a | b)))) | 0;
      h = g;
      g = f;
      f = e;
      e = (d + t1) | 0;
      d = c;
      c = b;
      b = a;
      a = (t1 + t2) | 0;
    }
    if (a === target) {
      return value;
    }
  }
  return -1;
}
