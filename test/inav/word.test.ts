import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { FieldWord, FieldWordType } from "../../src/inav/word.js";
import {
  decodeRawAs,
  decodeWord,
  decodeWordAs,
  e1bHealthOf,
  encodeRawWord,
  encodeWord,
  ggtoOfWord10,
  iodNavOf,
  sisaIndexOf,
  svidOfWord4,
  towOfWord,
  wnOfWord,
  WORD_FIELDS,
  wordTypeOf,
} from "../../src/inav/word.js";

const bytes = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex, "hex"));
const hex = (data: Uint8Array): string => Buffer.from(data).toString("hex");

const FIELD_TYPES = Object.keys(WORD_FIELDS).map(Number) as FieldWordType[];
const arbitraryWord = fc.uint8Array({ minLength: 16, maxLength: 16 });
const ofType = (type: number) =>
  arbitraryWord.map((word) => {
    word[0] = (type << 2) | (word[0] & 3);
    return word;
  });

// E31, IODnav 107, WN 1385, TOW 141660.
const E31 = {
  1: bytes("046b249111aa9fd4003a4efaa813a723"),
  2: bytes("086b29aa129b272e8e870b4d32eafe4d"),
  3: bytes("0c6bffc4b9222908b3134812100af06b"),
  4: bytes("106b7c0004003c924ffbe8e6ffff3901"),
  5: bytes("1520ffdffd000581a02b4914abaaaaaa"),
  6: bytes("1bfffffffc0000004861a62789114a1a"),
};

/** A field read in the slowest, plainest way: a string of binary digits. */
function plainly(word: Uint8Array, start: number, count: number, sign: "u" | "s"): number {
  const digits = [...word].map((byte) => byte.toString(2).padStart(8, "0")).join("");
  const value = BigInt(`0b${digits.slice(start, start + count)}`);
  return Number(sign === "s" ? BigInt.asIntN(count, value) : value);
}

describe("the word tables", () => {
  it("have no overlapping fields, none in the type bits, none beyond bit 127", () => {
    for (const type of FIELD_TYPES) {
      let next = 6;
      for (const [name, [start, count]] of Object.entries(WORD_FIELDS[type])) {
        expect(start, `WT${type} ${name}`).toBeGreaterThanOrEqual(next);
        next = start + count;
      }
      expect(next, `WT${type}`).toBeLessThanOrEqual(128);
    }
  });

  it("end where the data under OSNMA's tags end: 549 bits of WT1-5, 141 of WT6 and WT10", () => {
    const lastBit = (type: FieldWordType, name: string): number => {
      const row = Object.entries<readonly [number, number, string, number]>(WORD_FIELDS[type]).find(
        ([field]) => field === name,
      )![1];
      return row[0] + row[1] - 1;
    };
    const ced =
      lastBit(1, "sqrtASqrtMeters") -
      5 +
      (lastBit(2, "iDotSemicirclesPerSecond") - 5) +
      (lastBit(3, "sisaIndex") - 5) +
      (lastBit(4, "af2SecondsPerSecond2") - 5) +
      (lastBit(5, "e1bDvs") - 5);
    expect(ced).toBe(549);
    expect(lastBit(6, "dtLsfSeconds") - 5 + (lastBit(10, "wn0gMod64") - 85)).toBe(141);
  });
});

describe("decoding words", () => {
  it("reads E31's ephemeris as an independent decoder does", () => {
    const w1 = decodeWordAs(1, E31[1])!;
    expect(w1).toMatchObject({
      type: 1,
      iodNav: 107,
      toeSeconds: 140400,
      eccentricity: 1.1121458373963833e-4,
    });
    expect(w1.sqrtASqrtMeters).toBe(5440.614151000977);
    expect(decodeWordAs(3, E31[3])!.sisaIndex).toBe(107);
    const w4 = decodeWordAs(4, E31[4])!;
    expect(w4).toMatchObject({ svid: 31, tocSeconds: 140400, af0Seconds: -1.2482382589951158e-4 });
    expect(w4.af1SecondsPerSecond).toBe(-2.8279600883251987e-12);
    const w5 = decodeWordAs(5, E31[5])!;
    expect(w5).toMatchObject({ ai0Sfu: 144.25, ai1SfuPerDeg: -0.01171875, ai2SfuPerDeg2: -0.0003662109375 });
    expect(w5.bgdE1E5bSeconds).toBeCloseTo(3.0268e-9, 12);
    expect(w5).toMatchObject({ wn: 1385, e1bHs: 0, e1bDvs: 0, e5bHs: 0, e5bDvs: 0 });
  });

  it("reads UTC parameters and GGTO of the live examples", () => {
    const w6 = decodeWordAs(6, bytes("1bfffffffc0000004861a6278911276a"))!;
    expect(w6.a0Seconds).toBeCloseTo(-9.313e-10, 13);
    expect(w6).toMatchObject({
      a1SecondsPerSecond: 0,
      dtLsSeconds: 18,
      t0tSeconds: 86400,
      wn0tMod256: 105,
      wnLsfMod256: 137,
      dn: 7,
      dtLsfSeconds: 18,
      towSeconds: 140525,
    });
    const ggto = ggtoOfWord10(bytes("2a0a6aff8c663ff0cfff40007ffd8c29"))!;
    expect(ggto.a0gSeconds).toBeCloseTo(9.022e-10, 13);
    expect(ggto.a1gSecondsPerSecond).toBeCloseTo(-4.44e-15, 17);
    expect(ggto).toMatchObject({ t0gSeconds: 172800, wn0gMod64: 41 });
  });

  it("says that there is no GGTO when its 42 bits are ones, and only then", () => {
    const none = bytes("2a0a6aff8c663ff0cfff40007ffd8c29");
    none[10] |= 3;
    none.fill(0xff, 11);
    expect(ggtoOfWord10(none)).toBeNull();
    for (let bit = 86; bit < 128; bit++) {
      const word = none.slice();
      word[bit >> 3] ^= 0x80 >> (bit & 7);
      expect(ggtoOfWord10(word), `bit ${bit}`).not.toBeNull();
    }
  });

  it("reads every field as the plain bit string says", () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...FIELD_TYPES).chain((type) => ofType(type)),
        (word) => {
          const type = wordTypeOf(word) as FieldWordType;
          const raw = decodeRawAs(type, word) as unknown as Record<string, number>;
          for (const [name, [start, count, sign]] of Object.entries(WORD_FIELDS[type])) {
            expect(raw[name], `WT${type} ${name}`).toBe(plainly(word, start, count, sign));
          }
        },
      ),
    );
  });

  it("tells dummy, parity and unknown words apart", () => {
    expect(decodeWord(bytes("ff" + "5a".repeat(15)))).toEqual({ type: 63 });
    expect(decodeWord(bytes("58" + "5a".repeat(15)))).toEqual({ type: "unknown", wordType: 22 });
    const rs = decodeWord(bytes("473d72d8f4e735716864856dbd31aa6d"));
    expect(rs).toMatchObject({ type: 17, iodNavLsbs: 1 });
    expect("symbols" in rs && hex(rs.symbols)).toBe("cf72d8f4e735716864856dbd31aa6d");
    expect(decodeWordAs(1, E31[2])).toBeNull();
    expect(decodeRawAs(1, E31[2])).toBeNull();
  });

  it("never throws on 16 arbitrary bytes, and refuses other sizes", () => {
    fc.assert(
      fc.property(arbitraryWord, (word) => {
        const decoded = decodeWord(word);
        expect(decoded.type === "unknown" ? decoded.wordType : decoded.type).toBe(word[0] >> 2);
      }),
    );
    expect(() => decodeWord(new Uint8Array(15))).toThrow(RangeError);
    expect(() => decodeWord([] as unknown as Uint8Array)).toThrow(TypeError);
  });
});

describe("encoding words", () => {
  it("gives back any word from its raw fields and its spare bits", () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...FIELD_TYPES).chain((type) => ofType(type)),
        (word) => {
          const type = wordTypeOf(word) as FieldWordType;
          const raw = decodeRawAs(type, word)!;
          expect(hex(encodeRawWord(raw, word))).toBe(hex(word));
          expect(decodeRawAs(type, encodeRawWord(raw))).toEqual(raw);
        },
      ),
    );
  });

  it("gives back any word from its physical values", () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...FIELD_TYPES).chain((type) => ofType(type)),
        (word) => {
          const values = decodeWord(word) as FieldWord<FieldWordType>;
          expect(hex(encodeWord(values, word))).toBe(hex(word));
        },
      ),
    );
  });

  it("gives back parity words", () => {
    fc.assert(
      fc.property(fc.constantFrom(17, 18, 19, 20).chain(ofType), (word) => {
        const decoded = decodeWord(word);
        if (typeof decoded.type !== "number" || !("symbols" in decoded)) throw new Error("not a parity word");
        expect(hex(encodeWord(decoded))).toBe(hex(word));
      }),
    );
  });

  it("leaves spare bits zero without a pattern", () => {
    const w5 = decodeWordAs(5, E31[5])!;
    expect(hex(encodeWord(w5))).toBe("1520ffdffd000581a02b4914ab800000");
  });

  it("rounds to the field's step and refuses what does not fit", () => {
    const w4 = decodeWordAs(4, E31[4])!;
    const step = 2 ** -34;
    const again = decodeWordAs(4, encodeWord({ ...w4, af0Seconds: w4.af0Seconds + 0.4 * step }))!;
    expect(again.af0Seconds).toBe(w4.af0Seconds);
    expect(() => encodeWord({ ...w4, svid: 64 })).toThrow(/svid: 64 does not fit 6 bits/);
    expect(() => encodeWord({ ...w4, af0Seconds: 1 })).toThrow(RangeError);
    expect(() => encodeWord({ ...w4, iodNav: -1 })).toThrow(RangeError);
    expect(() => encodeRawWord({ ...w4, af0Seconds: 0.5 })).toThrow(RangeError);
    expect(() => encodeWord({ ...w4, svid: undefined } as unknown as FieldWord<4>)).toThrow(TypeError);
    expect(() => encodeWord({ type: 22 } as unknown as FieldWord<4>)).toThrow(RangeError);
  });
});

describe("accessors without full decoding", () => {
  it("agree with the decoded word on any bytes", () => {
    fc.assert(
      fc.property(ofType(4), ofType(3), ofType(5), (word4, word3, word5) => {
        const w4 = decodeWordAs(4, word4)!;
        const w5 = decodeWordAs(5, word5)!;
        expect(iodNavOf(word4)).toBe(w4.iodNav);
        expect(svidOfWord4(word4)).toBe(w4.svid);
        expect(sisaIndexOf(word3)).toBe(decodeWordAs(3, word3)!.sisaIndex);
        expect(e1bHealthOf(word5)).toEqual({ hs: w5.e1bHs, dvs: w5.e1bDvs });
        expect(wnOfWord(word5)).toBe(w5.wn);
        expect(towOfWord(word5)).toBe(w5.towSeconds < 604800 ? w5.towSeconds : null);
      }),
    );
  });

  it("do not take E5b's health for E1-B's", () => {
    const w5 = decodeWordAs(5, E31[5])!;
    const onlyE5b = encodeWord({ ...w5, e5bHs: 3, e5bDvs: 1 });
    expect(e1bHealthOf(onlyE5b)).toEqual({ hs: 0, dvs: 0 });
    expect(e1bHealthOf(encodeWord({ ...w5, e1bHs: 3, e1bDvs: 1 }))).toEqual({ hs: 3, dvs: 1 });
  });

  it("read time from WT5, WT6, and WT0 only where its Time field is 2", () => {
    expect(towOfWord(E31[5])).toBe(141655);
    expect(wnOfWord(E31[5])).toBe(1385);
    expect(towOfWord(E31[6])).toBe(141635);
    expect(wnOfWord(E31[6])).toBeNull();
    for (const timeFlag of [0, 1, 2, 3]) {
      const word = encodeWord({ type: 0, timeFlag, wn: 1385, towSeconds: 141677 });
      expect(towOfWord(word)).toBe(timeFlag === 2 ? 141677 : null);
      expect(wnOfWord(word)).toBe(timeFlag === 2 ? 1385 : null);
    }
    for (const type of [1, 2, 3, 4] as const) {
      expect(towOfWord(E31[type])).toBeNull();
      expect(wnOfWord(E31[type])).toBeNull();
    }
  });

  it("refuse a TOW that is none", () => {
    expect(towOfWord(encodeWord({ type: 0, timeFlag: 2, wn: 1, towSeconds: 604799 }))).toBe(604799);
    expect(towOfWord(encodeWord({ type: 0, timeFlag: 2, wn: 1, towSeconds: 604800 }))).toBeNull();
    expect(towOfWord(encodeWord({ ...decodeWordAs(5, E31[5])!, towSeconds: 604800 }))).toBeNull();
    expect(towOfWord(encodeWord({ ...decodeWordAs(6, E31[6])!, towSeconds: 1048575 }))).toBeNull();
  });
});
