/**
 * The outer Reed-Solomon code of the I/NAV clock and ephemeris data (FEC2): word types 17 to 20 carry 60
 * parity symbols over word types 1 to 4, so that any four of the eight words of one batch give the other four.
 * Source: Galileo OS SIS ICD 2.1 section 5.1.14 and annex on FEC2: shortened RS(118, 58) over GF(2^8),
 * field polynomial x^8+x^4+x^3+x^2+1, generator roots alpha^1..alpha^60.
 *
 * Erasures only. A page that passed its CRC is taken as right and a missing one as unknown; nothing is ever
 * "corrected", because with 57 to 60 erasures an error-correcting decoder would invent data.
 *
 * Method: a codeword with roots alpha^1..alpha^60 at the positions d is a generalised Reed-Solomon word,
 * v_d = u_d f(alpha^d) with one polynomial f of degree < 58. So 58 known symbols fix all others by Lagrange
 * interpolation, with coefficients in closed form; every further known symbol is an equation to check.
 */

/** Symbols of the shortened codeword: 60 parity (powers 0..59), then 58 data (powers 60..117). */
const CODEWORD_SYMBOLS = 118;
const PARITY_SYMBOLS = 60;
const DATA_SYMBOLS = CODEWORD_SYMBOLS - PARITY_SYMBOLS;
const FIELD_POLYNOMIAL = 0x11d;

const WORD_BYTES = 16;
/** WT1-4 give 14 symbols each after c_0 and c_1, which both hold IODnav; WT17-20 give 15 each. */
const DATA_SYMBOLS_PER_WORD = 14;
const PARITY_SYMBOLS_PER_WORD = 15;
const WORDS_NEEDED = 4;
/** c_0 = type 1 in six bits and the two LSBs of IODnav; c_1 = the eight MSBs of IODnav. */
const POSITION_C0 = PARITY_SYMBOLS;
const POSITION_C1 = PARITY_SYMBOLS + 1;

/** Word type in each of the eight slots. */
export const FEC2_WORD_TYPES = [1, 2, 3, 4, 17, 18, 19, 20] as const;

/** Slot of a word type in the argument of `rebuildWords`, or -1 where it takes no part in the code. */
export function fec2SlotOf(wordType: number): number {
  if (wordType >= 1 && wordType <= 4) return wordType - 1;
  if (wordType >= 17 && wordType <= 20) return wordType - 13;
  return -1;
}

export interface RebuiltWords {
  /** WT1 to WT4, complete and freshly allocated. */
  readonly words: readonly [Uint8Array, Uint8Array, Uint8Array, Uint8Array];
  readonly iodNav: number;
  /** Surplus symbols that were predicted from the others and agreed: 0 to 60, the only check there is. */
  readonly checkedSymbols: number;
}

// Field arithmetic: alpha^i by table, and all 65,536 products, so that a decode is table look-ups only.
const EXP = new Uint8Array(510);
const LOG = new Uint8Array(256);
for (let i = 0, x = 1; i < 255; i++) {
  EXP[i] = EXP[i + 255] = x;
  LOG[x] = i;
  x = x << 1 >= 256 ? (x << 1) ^ FIELD_POLYNOMIAL : x << 1;
}
const PRODUCT = new Uint8Array(65536);
for (let a = 1; a < 256; a++) {
  for (let b = 1; b < 256; b++) PRODUCT[(a << 8) | b] = EXP[LOG[a] + LOG[b]];
}

/** log u_d, where 1/u_d = x_d prod_{e != d} (x_d - x_e) and x_d = alpha^d (the dual of the parity check). */
const LOG_MULTIPLIER = new Uint8Array(CODEWORD_SYMBOLS);
for (let d = 0; d < CODEWORD_SYMBOLS; d++) {
  let log = d;
  for (let e = 0; e < CODEWORD_SYMBOLS; e++) if (e !== d) log += LOG[EXP[d] ^ EXP[e]];
  LOG_MULTIPLIER[d] = (255 - (log % 255)) % 255;
}

/** How one pattern of known symbols gives the other 60: `target = coefficients · basis`. */
interface Plan {
  readonly basis: Uint8Array;
  readonly targets: Uint8Array;
  readonly targetIsKnown: Uint8Array;
  /** 60 rows of 58 coefficients. */
  readonly coefficients: Uint8Array;
  readonly checkedSymbols: number;
}

function planOf(known: Uint8Array): Plan {
  const basis = new Uint8Array(DATA_SYMBOLS);
  const targets = new Uint8Array(PARITY_SYMBOLS);
  const targetIsKnown = new Uint8Array(PARITY_SYMBOLS);
  let taken = 0;
  let left = 0;
  let checkedSymbols = 0;
  for (let d = 0; d < CODEWORD_SYMBOLS; d++) {
    if (known[d] === 1 && taken < DATA_SYMBOLS) {
      basis[taken++] = d;
      continue;
    }
    targets[left] = d;
    targetIsKnown[left++] = known[d];
    checkedSymbols += known[d];
  }
  // Coefficient of basis symbol s for target t: (u_t / u_s) L(x_t) / ((x_t - x_s) L'(x_s)), with
  // L(x) = prod over the basis of (x - x_s).
  const logBasis = Array.from(basis, (s) => {
    let log = LOG_MULTIPLIER[s];
    for (const other of basis) if (other !== s) log += LOG[EXP[s] ^ EXP[other]];
    return log % 255;
  });
  const coefficients = new Uint8Array(PARITY_SYMBOLS * DATA_SYMBOLS);
  for (let row = 0; row < PARITY_SYMBOLS; row++) {
    const t = targets[row];
    let logTarget = LOG_MULTIPLIER[t];
    for (const s of basis) logTarget += LOG[EXP[t] ^ EXP[s]];
    for (let column = 0; column < DATA_SYMBOLS; column++) {
      const logDivisor = logBasis[column] + LOG[EXP[t] ^ EXP[basis[column]]];
      coefficients[row * DATA_SYMBOLS + column] = EXP[(logTarget + 510 - (logDivisor % 510)) % 255];
    }
  }
  return { basis, targets, targetIsKnown, coefficients, checkedSymbols };
}

// One plan per set of known words (8 bits) and whether c_1 is known: at most 326 of 3.7 kB each.
const plans = new Map<number, Plan>();

function cachedPlan(wordMask: number, known: Uint8Array): Plan {
  const key = (wordMask << 1) | known[POSITION_C1];
  let plan = plans.get(key);
  if (plan === undefined) {
    plan = planOf(known);
    plans.set(key, plan);
  }
  return plan;
}

/** Fills the unknown symbols in place; false where a surplus symbol disagrees with its prediction. */
function solve(plan: Plan, symbols: Uint8Array): boolean {
  const { basis, targets, targetIsKnown, coefficients } = plan;
  for (let row = 0; row < PARITY_SYMBOLS; row++) {
    let value = 0;
    const from = row * DATA_SYMBOLS;
    for (let column = 0; column < DATA_SYMBOLS; column++) {
      value ^= PRODUCT[(coefficients[from + column] << 8) | symbols[basis[column]]];
    }
    if (targetIsKnown[row] === 0) symbols[targets[row]] = value;
    else if (symbols[targets[row]] !== value) return false;
  }
  return true;
}

function checkWord(word: Uint8Array, what: string): void {
  if (!(word instanceof Uint8Array)) throw new TypeError(`${what} must be a Uint8Array`);
  if (word.length !== WORD_BYTES) throw new RangeError(`${what} must be ${WORD_BYTES} bytes`);
}

function writeDataSymbols(symbols: Uint8Array, slot: number, word: Uint8Array): void {
  symbols.set(word.subarray(2), PARITY_SYMBOLS + 2 + slot * DATA_SYMBOLS_PER_WORD);
}

function c0Of(iodNav: number): number {
  return (1 << 2) | (iodNav & 3);
}

/** A word of type 1-4 from its slot, IODnav and symbols. */
function dataWord(symbols: Uint8Array, slot: number, iodNav: number): Uint8Array {
  const word = new Uint8Array(WORD_BYTES);
  word[0] = ((slot + 1) << 2) | (iodNav >> 8);
  word[1] = iodNav & 0xff;
  const from = PARITY_SYMBOLS + 2 + slot * DATA_SYMBOLS_PER_WORD;
  word.set(symbols.subarray(from, from + DATA_SYMBOLS_PER_WORD), 2);
  return word;
}

/**
 * Rebuilds WT1-4 from any four or more of the eight words of one batch.
 *
 * `known`: eight slots in the order of `FEC2_WORD_TYPES`, null where the word is missing. `iodNav`: the issue of
 * the batch where the caller knows it, else null; it is then taken from a word of type 1-4, and where there is none
 * it is recovered from c_1 and the two bits that WT17-20 carry.
 *
 * Returns null with fewer than four words, where a word's type or IODnav (or its two LSBs) does not fit, or where
 * a surplus symbol contradicts the rest. The surplus is only 1, 2, 3 or 3 symbols for 3+1, 2+2, 1+3, 0+4 words
 * (one more in the last case when `iodNav` is given): a word of another batch passes a 3+1 decode once in about
 * 256. The caller must keep to one batch window, and only a MAC over the result makes it authentic.
 */
export function rebuildWords(
  known: readonly (Uint8Array | null)[],
  iodNav: number | null = null,
): RebuiltWords | null {
  if (!Array.isArray(known)) throw new TypeError("known must be an array of eight slots");
  if (known.length !== FEC2_WORD_TYPES.length) throw new RangeError("known must have eight slots");
  if (iodNav !== null && !(Number.isInteger(iodNav) && iodNav >= 0 && iodNav < 1024)) {
    throw new RangeError("iodNav must be an integer of 10 bits or null");
  }

  const symbols = new Uint8Array(CODEWORD_SYMBOLS);
  const isKnown = new Uint8Array(CODEWORD_SYMBOLS);
  let mask = 0;
  let count = 0;
  let issue = iodNav;
  let issueLsbs = iodNav === null ? null : iodNav & 3;
  for (let slot = 0; slot < FEC2_WORD_TYPES.length; slot++) {
    const word = known[slot];
    if (word === null) continue;
    checkWord(word, `WT${FEC2_WORD_TYPES[slot]}`);
    if (word[0] >> 2 !== FEC2_WORD_TYPES[slot]) return null;
    mask |= 1 << slot;
    count++;
    if (slot < 4) {
      const wordIssue = ((word[0] & 3) << 8) | word[1];
      if (issue !== null && issue !== wordIssue) return null;
      issue = wordIssue;
      writeDataSymbols(symbols, slot, word);
      const from = PARITY_SYMBOLS + 2 + slot * DATA_SYMBOLS_PER_WORD;
      isKnown.fill(1, from, from + DATA_SYMBOLS_PER_WORD);
    } else {
      // The first parity symbol straddles bytes 0 and 1; the two LSBs of IODnav follow it.
      if (issueLsbs !== null && issueLsbs !== (word[1] & 3)) return null;
      issueLsbs = word[1] & 3;
      const from = (slot - 4) * PARITY_SYMBOLS_PER_WORD;
      symbols[from] = ((word[0] & 3) << 6) | (word[1] >> 2);
      symbols.set(word.subarray(2), from + 1);
      isKnown.fill(1, from, from + PARITY_SYMBOLS_PER_WORD);
    }
  }
  if (count < WORDS_NEEDED) return null;
  if (issue !== null && issueLsbs !== null && (issue & 3) !== issueLsbs) return null;

  isKnown[POSITION_C0] = 1;
  symbols[POSITION_C0] = c0Of(issue ?? issueLsbs ?? 0);
  if (issue !== null) {
    isKnown[POSITION_C1] = 1;
    symbols[POSITION_C1] = issue >> 2;
  }
  const plan = cachedPlan(mask, isKnown);
  if (!solve(plan, symbols)) return null;
  const solved = issue ?? (symbols[POSITION_C1] << 2) | (symbols[POSITION_C0] & 3);
  return {
    words: [
      dataWord(symbols, 0, solved),
      dataWord(symbols, 1, solved),
      dataWord(symbols, 2, solved),
      dataWord(symbols, 3, solved),
    ],
    iodNav: solved,
    checkedSymbols: plan.checkedSymbols,
  };
}

/**
 * WT17 to WT20 of the batch `w1..w4`, for a simulator or to compare with what was received. RangeError where a word
 * is not of its type or the four do not share one IODnav.
 */
export function encodeParity(
  w1: Uint8Array,
  w2: Uint8Array,
  w3: Uint8Array,
  w4: Uint8Array,
): [Uint8Array, Uint8Array, Uint8Array, Uint8Array] {
  const symbols = new Uint8Array(CODEWORD_SYMBOLS);
  const isKnown = new Uint8Array(CODEWORD_SYMBOLS).fill(1, PARITY_SYMBOLS);
  const data = [w1, w2, w3, w4];
  data.forEach((word, slot) => checkWord(word, `w${slot + 1}`));
  const iodNav = ((w1[0] & 3) << 8) | w1[1];
  data.forEach((word, slot) => {
    if (word[0] >> 2 !== slot + 1) throw new RangeError(`w${slot + 1} is not of word type ${slot + 1}`);
    if ((((word[0] & 3) << 8) | word[1]) !== iodNav) throw new RangeError("w1..w4 differ in IODnav");
    writeDataSymbols(symbols, slot, word);
  });
  symbols[POSITION_C0] = c0Of(iodNav);
  symbols[POSITION_C1] = iodNav >> 2;
  solve(cachedPlan(0b1111, isKnown), symbols);
  const parityWord = (k: number): Uint8Array => {
    const word = new Uint8Array(WORD_BYTES);
    const from = k * PARITY_SYMBOLS_PER_WORD;
    word[0] = ((17 + k) << 2) | (symbols[from] >> 6);
    word[1] = ((symbols[from] << 2) & 0xff) | (iodNav & 3);
    word.set(symbols.subarray(from + 1, from + PARITY_SYMBOLS_PER_WORD), 2);
    return word;
  };
  return [parityWord(0), parityWord(1), parityWord(2), parityWord(3)];
}
