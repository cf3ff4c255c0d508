/**
 * The messages that OSNMA's tags and MACSEQ are computed over, and the navigation bits in them (OSNMA SIS ICD
 * 1.1, tag and MACSEQ computation, ADKD; osnma.md sections 8 to 11).
 */

import { gst32Of } from "../inav/gst.js";
import { copyBits } from "./bits.js";

/** Navigation bits of ADKD 0 and 12: words 1 to 5. */
export const CED_BITS = 549;
/** Navigation bits of ADKD 4: words 6 and 10. */
export const TIMING_BITS = 141;
/** Longest tag message: PRN_D, PRN_A, GST_SF, CTR, then NMAS and CED in 551 bits. */
export const MAX_TAG_MESSAGE_BYTES = 76;
/** Longest MACSEQ message: PRN_A, GST_SF, and a Tag-Info for each slot of the longest look-up table. */
export const MAX_MACSEQ_MESSAGE_BYTES = 5 + 2 * 10;

const WORD_BYTES = 16;

/** Bits of words 1 to 5, [first, count] (osnma.md section 9): reserved tails are out, WT5 ends with the DVS. */
const CED_FIELDS = [
  [6, 120],
  [6, 120],
  [6, 122],
  [6, 120],
  [6, 67],
] as const;
/** WT6 without its TOW; of WT10 only the GGTO. */
const TIMING_FIELDS = [
  [6, 99],
  [86, 42],
] as const;

function concatenate(
  words: readonly Uint8Array[],
  fields: readonly (readonly [number, number])[],
  totalBits: number,
): Uint8Array {
  const bits = new Uint8Array((totalBits + 7) >>> 3);
  let at = 0;
  fields.forEach(([first, count], index) => {
    const word = words[index];
    if (!(word instanceof Uint8Array)) {
      throw new TypeError("a word must be a Uint8Array");
    }
    if (word.length !== WORD_BYTES) {
      throw new RangeError(`a word is ${WORD_BYTES} bytes, not ${word.length}`);
    }
    copyBits(word, first, bits, at, count);
    at += count;
  });
  if (at !== totalBits) {
    throw new RangeError(`navigation data is ${at} bits instead of ${totalBits}`);
  }
  return bits;
}

/** The 549 bits of ADKD 0 and 12, left-aligned in 69 bytes. That the words share an IODnav is the caller's care. */
export function cedNavBits(
  w1: Uint8Array,
  w2: Uint8Array,
  w3: Uint8Array,
  w4: Uint8Array,
  w5: Uint8Array,
): Uint8Array {
  return concatenate([w1, w2, w3, w4, w5], CED_FIELDS, CED_BITS);
}

/** The 141 bits of ADKD 4, left-aligned in 18 bytes. */
export function timingNavBits(w6: Uint8Array, w10: Uint8Array): Uint8Array {
  return concatenate([w6, w10], TIMING_FIELDS, TIMING_BITS);
}

function putGst(out: Uint8Array, at: number, gstSf: number): void {
  if (!Number.isInteger(gstSf)) {
    throw new RangeError(`gstSf must be whole seconds, not ${gstSf}`);
  }
  const gst32 = gst32Of(gstSf);
  out[at] = gst32 >>> 24;
  out[at + 1] = gst32 >>> 16;
  out[at + 2] = gst32 >>> 8;
  out[at + 3] = gst32;
}

function checkField(name: string, value: number, max: number): void {
  if (!Number.isInteger(value) || value < 0 || value > max) {
    throw new RangeError(`${name} must be 0 to ${max}, not ${value}`);
  }
}

/**
 * Writes the MAC input of a tag into `out` and returns its length: 75 bytes for Tag0 (no PRN_D), 76 for ADKD 0
 * and 12, 25 for ADKD 4. `gstSf`, `ctr` and `nmas` are those of the subframe that carries the tag. `navBits` null
 * is a dummy tag's input (COP 0): all navigation bits zero. `out` may be reused; every byte of the message is
 * written. An ADKD 4 tag with PRN_D 255 is computed with PRN_A instead: give that.
 */
export function buildTagMessage(
  out: Uint8Array,
  prnD: number | null,
  prnA: number,
  gstSf: number,
  ctr: number,
  nmas: number,
  navBits: Uint8Array | null,
  navBitCount: typeof CED_BITS | typeof TIMING_BITS,
): number {
  if (!(out instanceof Uint8Array) || (navBits !== null && !(navBits instanceof Uint8Array))) {
    throw new TypeError("out and navBits must be Uint8Arrays");
  }
  if (navBitCount !== CED_BITS && navBitCount !== TIMING_BITS) {
    throw new RangeError(`navBitCount must be ${CED_BITS} or ${TIMING_BITS}, not ${String(navBitCount)}`);
  }
  if (prnD === null && navBitCount !== CED_BITS) {
    throw new RangeError("Tag0 is always ADKD 0");
  }
  const navBytes = (navBitCount + 7) >>> 3;
  if (navBits !== null && navBits.length !== navBytes) {
    throw new RangeError(`navBits must be ${navBytes} bytes, not ${navBits.length}`);
  }
  if (prnD !== null) {
    checkField("prnD", prnD, 0xff);
  }
  checkField("prnA", prnA, 0xff);
  checkField("ctr", ctr, 0xff);
  checkField("nmas", nmas, 3);
  let at = 0;
  const bodyBytes = (2 + navBitCount + 7) >>> 3;
  const length = (prnD === null ? 6 : 7) + bodyBytes;
  if (out.length < length) {
    throw new RangeError(`out must hold ${length} bytes, not ${out.length}`);
  }
  if (prnD !== null) {
    out[at++] = prnD;
  }
  out[at++] = prnA;
  putGst(out, at, gstSf);
  at += 4;
  out[at++] = ctr;
  if (navBits === null) {
    out.fill(0, at, length);
    out[at] = nmas << 6;
    return length;
  }
  out.set(bodyOf(navBits), at);
  out[at] |= nmas << 6;
  return length;
}

/** Bodies by navigation bits: some ten tags are computed over each data set. */
const bodies = new WeakMap<Uint8Array, Uint8Array>();

/**
 * Navigation bits behind two zero bits, NMAS's place: every byte is split over two. Neither 549 + 2 nor 141 + 2 bits
 * need a byte more than the navigation bits alone: their last byte has zeros to shift out.
 */
function bodyOf(navBits: Uint8Array): Uint8Array {
  let body = bodies.get(navBits);
  if (body !== undefined) return body;
  body = new Uint8Array(navBits.length);
  let carried = 0;
  for (let index = 0; index < body.length; index++) {
    const byte = navBits[index];
    body[index] = (carried << 6) | (byte >>> 2);
    carried = byte & 3;
  }
  bodies.set(navBits, body);
  return body;
}

/**
 * Writes the MAC input of MACSEQ into `out` and returns its length: PRN_A, GST_SF, and the Tag-Infos (PRN_D 8,
 * ADKD 4, COP 4) of the FLX slots in slot order. With no FLX slot it is 5 bytes, and MACSEQ still holds.
 */
export function buildMacseqMessage(
  out: Uint8Array,
  prnA: number,
  gstSf: number,
  flexibleInfos: readonly number[],
): number {
  if (!(out instanceof Uint8Array)) {
    throw new TypeError("out must be a Uint8Array");
  }
  checkField("prnA", prnA, 0xff);
  const length = 5 + 2 * flexibleInfos.length;
  if (out.length < length) {
    throw new RangeError(`out must hold ${length} bytes, not ${out.length}`);
  }
  out[0] = prnA;
  putGst(out, 1, gstSf);
  let at = 5;
  for (const info of flexibleInfos) {
    checkField("Tag-Info", info, 0xffff);
    out[at++] = info >>> 8;
    out[at++] = info;
  }
  return length;
}
