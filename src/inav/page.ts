/**
 * The nominal I/NAV page: an even and an odd half of 120 bits each, as a receiver delivers them.
 * Source: Galileo OS SIS ICD 2.1 section 4.3.2 (page layout), OSNMA SIS ICD 1.1 section 2 (the 40 OSNMA bits).
 */
import { crc24qOfPage } from "./crc24q.js";

/** The bands that carry I/NAV. OSNMA is in E1-B only; E5b-I supplies navigation words. */
export type Band = "E1-B" | "E5b";

export const MAX_SVID = 36;
export const DUMMY_WORD_TYPE = 63;

export interface InavPage {
  /** Space vehicle id of the tracked signal, 1-36; never taken from decoded data. */
  readonly svid: number;
  readonly band: Band;
  /** Word type, bits 0-5 of the word. */
  readonly wordType: number;
  /** The 128-bit word, first transmitted bit is the most significant bit of byte 0. */
  readonly word: Uint8Array;
  /** Whether the 40 OSNMA bits are there: E1-B and not all zero (OSNMA SIS ICD 1.1 section 2). */
  readonly hasOsnma: boolean;
  /** HKROOT bits of this page, 0-255. */
  readonly hkroot: number;
  /** MACK bits of this page, unsigned 32-bit. */
  readonly mack: number;
}

/** Why a page is not used. Alert pages are counted apart: their content is unpublished. */
export type PageDefect = "svid" | "halves" | "alert-page" | "crc" | "dummy-word";

/**
 * Checks and takes apart a page given as eight words of 32 bits: words 0-3 hold the even half's 120 bits,
 * words 4-7 the odd half's, each left-aligned (the layout of RXM-SFRBX). Returns the defect where there is one.
 */
export function parsePage(words: Uint32Array, svid: number, band: Band): InavPage | PageDefect {
  if (!(svid >= 1 && svid <= MAX_SVID)) return "svid";
  const w0 = words[0];
  const w4 = words[4];
  if (w0 >>> 31 !== 0 || w4 >>> 31 !== 1) return "halves";
  if (((w0 | w4) & 0x40000000) !== 0) return "alert-page";
  const w6 = words[6];
  const w7 = words[7];
  if (crc24qOfPage(words) !== (((w6 & 0x3fff) << 10) | (w7 >>> 22))) return "crc";
  const wordType = (w0 >>> 24) & 0x3f;
  if (wordType === DUMMY_WORD_TYPE) return "dummy-word";
  const w1 = words[1];
  const w2 = words[2];
  const w3 = words[3];
  const w5 = words[5];
  const word = new Uint8Array(16);
  // Written out: a call for each of the four words costs more than the words.
  const a = (w0 << 2) | (w1 >>> 30);
  const b = (w1 << 2) | (w2 >>> 30);
  const c = (w2 << 2) | (w3 >>> 30);
  const d = (((w3 >>> 14) & 0xffff) << 16) | ((w4 >>> 14) & 0xffff);
  word[0] = a >>> 24;
  word[1] = a >>> 16;
  word[2] = a >>> 8;
  word[3] = a;
  word[4] = b >>> 24;
  word[5] = b >>> 16;
  word[6] = b >>> 8;
  word[7] = b;
  word[8] = c >>> 24;
  word[9] = c >>> 16;
  word[10] = c >>> 8;
  word[11] = c;
  word[12] = d >>> 24;
  word[13] = d >>> 16;
  word[14] = d >>> 8;
  word[15] = d;
  const hkroot = (w4 >>> 6) & 0xff;
  const mack = ((w4 << 26) | (w5 >>> 6)) >>> 0;
  const hasOsnma = band === "E1-B" && (hkroot | mack) !== 0;
  return { svid, band, wordType, word, hasOsnma, hkroot, mack };
}

/** Reads the 240-bit form (two halves of 15 bytes) into the eight words that `parsePage` takes. */
export function wordsOf240Bits(bytes: Uint8Array, offset: number, words: Uint32Array): void {
  for (let half = 0; half < 2; half++) {
    const at = offset + half * 15;
    for (let i = 0; i < 3; i++) words[half * 4 + i] = bigEndian32(bytes, at + 4 * i);
    words[half * 4 + 3] = (bytes[at + 12] << 24) | (bytes[at + 13] << 16) | (bytes[at + 14] << 8);
  }
}

function bigEndian32(bytes: Uint8Array, at: number): number {
  return ((bytes[at] << 24) | (bytes[at + 1] << 16) | (bytes[at + 2] << 8) | bytes[at + 3]) >>> 0;
}
