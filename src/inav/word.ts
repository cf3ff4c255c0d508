/**
 * I/NAV words: 128 bits as 16 bytes, bit 0 = first transmitted = MSB of byte 0, bits 0-5 = word type.
 * One table row per field gives decoding, encoding and the static types; values come in the units that the
 * name says, angles in semicircles as broadcast (multiply by `PI` of the ephemeris module for radians).
 * Source: Galileo OS SIS ICD 2.1 section 4.3.5 (words 0-10, 16, 63) and 5.1 (fields); FEC2 words 17-20.
 */

import { SECONDS_IN_WEEK } from "./gst.js";

export const WORD_BYTES = 16;
export const WORD_TYPE_SPARE = 0;
export const WORD_TYPE_DUMMY = 63;
/** WT0 carries WN and TOW only with this value of its two-bit Time field. */
const WT0_TIME_VALID = 2;

/** first bit, number of bits, unsigned or two's complement, scale factor (value = raw * scale). */
type Row = readonly [startBit: number, bits: number, sign: "u" | "s", scale: number];
type Rows = Readonly<Record<string, Row>>;

const P = (exponent: number): number => 2 ** exponent;

/** Each word type's fields, in the order of transmission. */
export const WORD_FIELDS = {
  0: {
    // wn and towSeconds mean nothing unless timeFlag is 2: use wnOfWord and towOfWord.
    timeFlag: [6, 2, "u", 1],
    wn: [96, 12, "u", 1],
    towSeconds: [108, 20, "u", 1],
  },
  1: {
    iodNav: [6, 10, "u", 1],
    toeSeconds: [16, 14, "u", 60],
    m0Semicircles: [30, 32, "s", P(-31)],
    eccentricity: [62, 32, "u", P(-33)],
    sqrtASqrtMeters: [94, 32, "u", P(-19)],
  },
  2: {
    iodNav: [6, 10, "u", 1],
    omega0Semicircles: [16, 32, "s", P(-31)],
    i0Semicircles: [48, 32, "s", P(-31)],
    omegaSemicircles: [80, 32, "s", P(-31)],
    iDotSemicirclesPerSecond: [112, 14, "s", P(-43)],
  },
  3: {
    iodNav: [6, 10, "u", 1],
    omegaDotSemicirclesPerSecond: [16, 24, "s", P(-43)],
    deltaNSemicirclesPerSecond: [40, 16, "s", P(-43)],
    cucRadians: [56, 16, "s", P(-29)],
    cusRadians: [72, 16, "s", P(-29)],
    crcMeters: [88, 16, "s", P(-5)],
    crsMeters: [104, 16, "s", P(-5)],
    sisaIndex: [120, 8, "u", 1],
  },
  4: {
    iodNav: [6, 10, "u", 1],
    svid: [16, 6, "u", 1],
    cicRadians: [22, 16, "s", P(-29)],
    cisRadians: [38, 16, "s", P(-29)],
    tocSeconds: [54, 14, "u", 60],
    af0Seconds: [68, 31, "s", P(-34)],
    af1SecondsPerSecond: [99, 21, "s", P(-46)],
    af2SecondsPerSecond2: [120, 6, "s", P(-59)],
  },
  5: {
    ai0Sfu: [6, 11, "u", P(-2)],
    ai1SfuPerDeg: [17, 11, "s", P(-8)],
    ai2SfuPerDeg2: [28, 14, "s", P(-15)],
    stormFlags: [42, 5, "u", 1],
    bgdE1E5aSeconds: [47, 10, "s", P(-32)],
    bgdE1E5bSeconds: [57, 10, "s", P(-32)],
    // E5b comes before E1-B, for HS and for DVS.
    e5bHs: [67, 2, "u", 1],
    e1bHs: [69, 2, "u", 1],
    e5bDvs: [71, 1, "u", 1],
    e1bDvs: [72, 1, "u", 1],
    wn: [73, 12, "u", 1],
    towSeconds: [85, 20, "u", 1],
  },
  6: {
    a0Seconds: [6, 32, "s", P(-30)],
    a1SecondsPerSecond: [38, 24, "s", P(-50)],
    dtLsSeconds: [62, 8, "s", 1],
    t0tSeconds: [70, 8, "u", 3600],
    wn0tMod256: [78, 8, "u", 1],
    wnLsfMod256: [86, 8, "u", 1],
    /** 1 = Sunday to 7 = Saturday. */
    dn: [94, 3, "u", 1],
    dtLsfSeconds: [97, 8, "s", 1],
    towSeconds: [105, 20, "u", 1],
  },
  // Almanac: WT7 and 8 satellite 1, WT8 and 9 satellite 2, WT9 and 10 satellite 3; see almanac.ts.
  7: {
    iodA: [6, 4, "u", 1],
    wnAMod4: [10, 2, "u", 1],
    t0aSeconds: [12, 10, "u", 600],
    svid1: [22, 6, "u", 1],
    deltaSqrtA1SqrtMeters: [28, 13, "s", P(-9)],
    eccentricity1: [41, 11, "u", P(-16)],
    omega1Semicircles: [52, 16, "s", P(-15)],
    deltaI1Semicircles: [68, 11, "s", P(-14)],
    omega01Semicircles: [79, 16, "s", P(-15)],
    omegaDot1SemicirclesPerSecond: [95, 11, "s", P(-33)],
    m01Semicircles: [106, 16, "s", P(-15)],
  },
  8: {
    iodA: [6, 4, "u", 1],
    af01Seconds: [10, 16, "s", P(-19)],
    af11SecondsPerSecond: [26, 13, "s", P(-38)],
    e5bHs1: [39, 2, "u", 1],
    e1bHs1: [41, 2, "u", 1],
    svid2: [43, 6, "u", 1],
    deltaSqrtA2SqrtMeters: [49, 13, "s", P(-9)],
    eccentricity2: [62, 11, "u", P(-16)],
    omega2Semicircles: [73, 16, "s", P(-15)],
    deltaI2Semicircles: [89, 11, "s", P(-14)],
    omega02Semicircles: [100, 16, "s", P(-15)],
    omegaDot2SemicirclesPerSecond: [116, 11, "s", P(-33)],
  },
  9: {
    iodA: [6, 4, "u", 1],
    wnAMod4: [10, 2, "u", 1],
    t0aSeconds: [12, 10, "u", 600],
    m02Semicircles: [22, 16, "s", P(-15)],
    af02Seconds: [38, 16, "s", P(-19)],
    af12SecondsPerSecond: [54, 13, "s", P(-38)],
    e5bHs2: [67, 2, "u", 1],
    e1bHs2: [69, 2, "u", 1],
    svid3: [71, 6, "u", 1],
    deltaSqrtA3SqrtMeters: [77, 13, "s", P(-9)],
    eccentricity3: [90, 11, "u", P(-16)],
    omega3Semicircles: [101, 16, "s", P(-15)],
    deltaI3Semicircles: [117, 11, "s", P(-14)],
  },
  10: {
    iodA: [6, 4, "u", 1],
    omega03Semicircles: [10, 16, "s", P(-15)],
    omegaDot3SemicirclesPerSecond: [26, 11, "s", P(-33)],
    m03Semicircles: [37, 16, "s", P(-15)],
    af03Seconds: [53, 16, "s", P(-19)],
    af13SecondsPerSecond: [69, 13, "s", P(-38)],
    e5bHs3: [82, 2, "u", 1],
    e1bHs3: [84, 2, "u", 1],
    // All 42 bits ones: no GGTO. Use ggtoOfWord10.
    a0gSeconds: [86, 16, "s", P(-35)],
    a1gSecondsPerSecond: [102, 12, "s", P(-51)],
    t0gSeconds: [114, 8, "u", 3600],
    wn0gMod64: [122, 6, "u", 1],
  },
  16: {
    deltaAMeters: [6, 5, "s", 256],
    ex: [11, 13, "s", P(-22)],
    ey: [24, 13, "s", P(-22)],
    deltaI0Semicircles: [37, 17, "s", P(-22)],
    omega0Semicircles: [54, 23, "s", P(-22)],
    lambda0Semicircles: [77, 23, "s", P(-22)],
    af0Seconds: [100, 22, "s", P(-26)],
    af1SecondsPerSecond: [122, 6, "s", P(-35)],
  },
} as const satisfies Readonly<Record<number, Rows>>;

/** Word types whose fields are in the table. */
export type FieldWordType = keyof typeof WORD_FIELDS;
/** The fields of a word type, each a number. */
export type WordValues<T extends FieldWordType> = { readonly [K in keyof (typeof WORD_FIELDS)[T]]: number };
/** A decoded word with its fields. */
export type FieldWord<T extends FieldWordType> = T extends FieldWordType
  ? { readonly type: T } & WordValues<T>
  : never;

export type RsWordType = 17 | 18 | 19 | 20;

/** Parity word of the Reed-Solomon code: symbols g_15k .. g_15k+14 for word type 17 + k. */
export interface RsWord {
  readonly type: RsWordType;
  readonly iodNavLsbs: number;
  readonly symbols: Uint8Array;
}

export interface DummyWord {
  readonly type: typeof WORD_TYPE_DUMMY;
}

/** A word type that this decoder has no layout for; not an error, and not a dummy. */
export interface UnknownWord {
  readonly type: "unknown";
  readonly wordType: number;
}

export type InavWord = FieldWord<FieldWordType> | RsWord | DummyWord | UnknownWord;

function assertWord(word: Uint8Array): void {
  if (!(word instanceof Uint8Array)) throw new TypeError("word must be a Uint8Array");
  if (word.length !== WORD_BYTES) throw new RangeError(`word must be ${WORD_BYTES} bytes`);
}

/**
 * `count` (1 to 32) bits from bit `start` as an unsigned integer. Arithmetic in doubles, because 32 bits that begin
 * inside a byte span 40, and bitwise operators have only 32, signed.
 */
function unsignedBits(word: Uint8Array, start: number, count: number): number {
  const last = start + count - 1;
  let value = word[start >> 3] & (0xff >> (start & 7));
  for (let at = (start >> 3) + 1; at <= last >> 3; at++) value = value * 256 + word[at];
  return Math.floor(value / (1 << (7 - (last & 7))));
}

function rawOf(word: Uint8Array, row: Row): number {
  const value = unsignedBits(word, row[0], row[1]);
  return row[2] === "s" && value >= P(row[1] - 1) ? value - P(row[1]) : value;
}

function putBits(word: Uint8Array, start: number, count: number, value: number): void {
  let rest = value < 0 ? value + P(count) : value;
  for (let bit = start + count - 1; bit >= start; bit--) {
    const mask = 0x80 >> (bit & 7);
    if (rest % 2 === 1) word[bit >> 3] |= mask;
    else word[bit >> 3] &= ~mask;
    rest = Math.floor(rest / 2);
  }
}

function isFieldWordType(type: number): type is FieldWordType {
  return Object.hasOwn(WORD_FIELDS, type);
}

function isRsWordType(type: number): type is RsWordType {
  return type >= 17 && type <= 20;
}

function rowsOf(type: FieldWordType): [string, Row][] {
  return Object.entries<Row>(WORD_FIELDS[type]);
}

/** Rows of all types, made once: decoding must not walk the table's objects anew for each word. */
const ROWS = new Map(
  Object.keys(WORD_FIELDS).map((key) => {
    const type = Number(key) as FieldWordType;
    return [type, rowsOf(type)] as const;
  }),
);

/** Word type, 0 to 63. */
export function wordTypeOf(word: Uint8Array): number {
  return word[0] >> 2;
}

/** Decodes any word. Never throws on content; RangeError where it is not 16 bytes. */
export function decodeWord(word: Uint8Array): InavWord {
  assertWord(word);
  const type = wordTypeOf(word);
  if (isFieldWordType(type)) return decodeFields(type, word, true);
  if (isRsWordType(type)) {
    const symbols = new Uint8Array(15);
    symbols[0] = unsignedBits(word, 6, 8);
    symbols.set(word.subarray(2), 1);
    return { type, iodNavLsbs: word[1] & 3, symbols };
  }
  if (type === WORD_TYPE_DUMMY) return { type };
  return { type: "unknown", wordType: type };
}

/** Decodes a word that must be of the given type; null where it is of another. */
export function decodeWordAs<T extends FieldWordType>(type: T, word: Uint8Array): FieldWord<T> | null {
  assertWord(word);
  return wordTypeOf(word) === type ? decodeFields(type, word, true) : null;
}

/** The fields as integers, before scaling; null where the word is of another type. */
export function decodeRawAs<T extends FieldWordType>(type: T, word: Uint8Array): FieldWord<T> | null {
  assertWord(word);
  return wordTypeOf(word) === type ? decodeFields(type, word, false) : null;
}

function decodeFields<T extends FieldWordType>(type: T, word: Uint8Array, scaled: boolean): FieldWord<T> {
  const decoded: Record<string, number> = { type };
  for (const [name, row] of ROWS.get(type) ?? []) {
    const raw = rawOf(word, row);
    decoded[name] = scaled ? raw * row[3] : raw;
  }
  // The rows of `type` are its fields: the table and the type come from the same declaration.
  return decoded as FieldWord<T>;
}

/**
 * Encodes a word from physical values, each rounded to its field's step. Spare and reserved bits are those of
 * `spare` (another 16-byte word), or zero. RangeError where a value does not fit its field.
 */
export function encodeWord(word: FieldWord<FieldWordType> | RsWord, spare?: Uint8Array): Uint8Array {
  return encodeAny(word, true, spare);
}

/** As `encodeWord`, from the integers as they stand in the word. */
export function encodeRawWord(word: FieldWord<FieldWordType> | RsWord, spare?: Uint8Array): Uint8Array {
  return encodeAny(word, false, spare);
}

function encodeAny(word: FieldWord<FieldWordType> | RsWord, scaled: boolean, spare?: Uint8Array): Uint8Array {
  const { type } = word;
  const encoded = new Uint8Array(WORD_BYTES);
  if (spare !== undefined) {
    assertWord(spare);
    encoded.set(spare);
  }
  putBits(encoded, 0, 6, type);
  if (isRsWord(word)) {
    if (word.symbols.length !== 15) throw new RangeError("symbols must be 15 bytes");
    putBits(encoded, 6, 8, word.symbols[0]);
    putInteger(encoded, "iodNavLsbs", [14, 2, "u", 1], word.iodNavLsbs);
    encoded.set(word.symbols.subarray(1), 2);
    return encoded;
  }
  if (!isFieldWordType(type)) throw new RangeError(`word type ${String(type)} cannot be encoded`);
  const values = word as unknown as Readonly<Record<string, number>>;
  for (const [name, row] of ROWS.get(type) ?? []) {
    const value = values[name];
    if (typeof value !== "number") throw new TypeError(`${name} must be a number`);
    putInteger(encoded, name, row, scaled ? Math.round(value / row[3]) : value);
  }
  return encoded;
}

function isRsWord(word: FieldWord<FieldWordType> | RsWord): word is RsWord {
  return isRsWordType(word.type);
}

function putInteger(word: Uint8Array, name: string, row: Row, raw: number): void {
  const [start, count, sign] = row;
  const least = sign === "s" ? -P(count - 1) : 0;
  const most = sign === "s" ? P(count - 1) - 1 : P(count) - 1;
  if (!Number.isInteger(raw) || raw < least || raw > most) {
    throw new RangeError(`${name}: ${raw} does not fit ${count} bits`);
  }
  putBits(word, start, count, raw);
}

// Accessors for hot paths: no object is made. They read the field without looking at the word type, except where
// their name has none.

/** IODnav of WT1-4. */
export function iodNavOf(word: Uint8Array): number {
  return ((word[0] & 3) << 8) | word[1];
}

function towOrNull(towSeconds: number): number | null {
  return towSeconds < SECONDS_IN_WEEK ? towSeconds : null;
}

/** TOW of WT5, of WT6, and of WT0 where its Time field says so; null in all other words and from 604800 on. */
export function towOfWord(word: Uint8Array): number | null {
  switch (wordTypeOf(word)) {
    case 5:
      return towOrNull(unsignedBits(word, 85, 20));
    case 6:
      return towOrNull(unsignedBits(word, 105, 20));
    case WORD_TYPE_SPARE:
      return (word[0] & 3) === WT0_TIME_VALID ? towOrNull(unsignedBits(word, 108, 20)) : null;
    default:
      return null;
  }
}

/** WN (12 bits) of WT5 and of WT0 where its Time field says so; null in all other words (WT6 has none). */
export function wnOfWord(word: Uint8Array): number | null {
  switch (wordTypeOf(word)) {
    case 5:
      return unsignedBits(word, 73, 12);
    case WORD_TYPE_SPARE:
      return (word[0] & 3) === WT0_TIME_VALID ? unsignedBits(word, 96, 12) : null;
    default:
      return null;
  }
}

/** SVID of WT4: what the sender says it is, to be held against the tracked satellite. */
export function svidOfWord4(word4: Uint8Array): number {
  return word4[2] >> 2;
}

/** SISA(E1,E5b) index of WT3. */
export function sisaIndexOf(word3: Uint8Array): number {
  return word3[15];
}

/** Signal health status (0-3) and data validity status (0-1) of E1-B in WT5. */
export function e1bHealthOf(word5: Uint8Array): { hs: number; dvs: number } {
  return { hs: (word5[8] >> 1) & 3, dvs: (word5[9] >> 7) & 1 };
}

/** GGTO parameters of WT10; null where all 42 bits are ones (not available). */
export interface GgtoParameters {
  readonly a0gSeconds: number;
  readonly a1gSecondsPerSecond: number;
  readonly t0gSeconds: number;
  readonly wn0gMod64: number;
}

export function ggtoOfWord10(word10: Uint8Array): GgtoParameters | null {
  assertWord(word10);
  if (unsignedBits(word10, 86, 21) === 0x1fffff && unsignedBits(word10, 107, 21) === 0x1fffff) return null;
  const { a0gSeconds, a1gSecondsPerSecond, t0gSeconds, wn0gMod64 } = WORD_FIELDS[10];
  return {
    a0gSeconds: rawOf(word10, a0gSeconds) * a0gSeconds[3],
    a1gSecondsPerSecond: rawOf(word10, a1gSecondsPerSecond) * a1gSecondsPerSecond[3],
    t0gSeconds: rawOf(word10, t0gSeconds) * t0gSeconds[3],
    wn0gMod64: rawOf(word10, wn0gMod64),
  };
}
