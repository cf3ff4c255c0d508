import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { encodeParity, fec2SlotOf, FEC2_WORD_TYPES, rebuildWords } from "../../src/inav/reed-solomon.js";
import { describeShared, sharedPath } from "../support/shared.js";

const bytes = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex, "hex"));
const hex = (data: Uint8Array): string => Buffer.from(data).toString("hex");

// E18, WN 1372, TOW 480131: an encoder that was checked against the ICD annex gives these parity symbols.
const E18 = {
  data: [
    "04257cdb4dff6c9951d320ae952ae722",
    "082591db2a6122e961897a69da6241dd",
    "0c25ff9b4c4620f9d5041a2152fada6b",
    "10254805f3ec5df36048a1f1c00bb401",
  ].map(bytes),
  parity: [
    "cf72d8f4e735716864856dbd31aa6d",
    "9aac748c88a5c4f3c9b89ba79e9812",
    "0b4ff9b779f87fcf3e60d27d17ee47",
    "f1a6fbac5aace26fd6da4f05ba8ad0",
  ],
  wt17: "473d72d8f4e735716864856dbd31aa6d",
};
const BATCH = [...E18.data, ...encodeParity(E18.data[0], E18.data[1], E18.data[2], E18.data[3])];

/** The batch with only the slots of `mask` present. */
const pick = (batch: readonly Uint8Array[], mask: number): (Uint8Array | null)[] =>
  batch.map((word, slot) => (mask & (1 << slot) ? word : null));

const bitCount = (mask: number): number => [...mask.toString(2)].filter((bit) => bit === "1").length;
const masks = (words: number): number[] =>
  Array.from({ length: 256 }, (_, mask) => mask).filter((mask) => bitCount(mask) === words);

const arbitraryBatch = fc
  .record({
    iodNav: fc.nat(1023),
    data: fc.tuple(...[1, 2, 3, 4].map(() => fc.uint8Array({ minLength: 14, maxLength: 14 }))),
  })
  .map(({ iodNav, data }) => {
    const words = data.map((symbols, slot) =>
      Uint8Array.from([((slot + 1) << 2) | (iodNav >> 8), iodNav & 0xff, ...symbols]),
    );
    return { iodNav, words: [...words, ...encodeParity(words[0], words[1], words[2], words[3])] };
  });

describe("Reed-Solomon parity words", () => {
  it("encode the reference batch as published", () => {
    const parity = BATCH.slice(4);
    expect(hex(parity[0])).toBe(E18.wt17);
    const symbols = parity.map((word) => {
      const first = ((word[0] & 3) << 6) | (word[1] >> 2);
      return hex(Uint8Array.from([first, ...word.subarray(2)]));
    });
    expect(symbols).toEqual(E18.parity);
    expect(parity.map((word) => word[0] >> 2)).toEqual([17, 18, 19, 20]);
    expect(parity.map((word) => word[1] & 3)).toEqual([1, 1, 1, 1]);
  });

  it("have the roots alpha^1 to alpha^60, and no others beside them", () => {
    const multiply = (a: number, b: number): number => {
      let product = 0;
      for (let bit = 0; bit < 8; bit++) {
        if (b & (1 << bit)) product ^= a << bit;
      }
      for (let bit = 15; bit >= 8; bit--) if (product & (1 << bit)) product ^= 0x11d << (bit - 8);
      return product;
    };
    const codeword = [
      ...Buffer.from(E18.parity.join(""), "hex"),
      (1 << 2) | (0x25 & 3),
      0x25 >> 2,
      ...E18.data.flatMap((word) => [...word.subarray(2)]),
    ];
    const valueAt = (x: number): number =>
      codeword.reduceRight((sum, coefficient) => multiply(sum, x) ^ coefficient, 0);
    let root = 1;
    const values = [valueAt(root)];
    for (let k = 1; k <= 61; k++) {
      root = multiply(root, 2);
      values.push(valueAt(root));
    }
    expect(values.slice(1, 61)).toEqual(new Array(60).fill(0));
    expect(values[0]).not.toBe(0);
    expect(values[61]).not.toBe(0);
  });
});

describe("rebuilding words", () => {
  it("gives the batch back from each of the 70 choices of four words", () => {
    const choices = masks(4);
    expect(choices).toHaveLength(70);
    for (const mask of choices) {
      const rebuilt = rebuildWords(pick(BATCH, mask), null);
      expect(rebuilt?.words.map(hex), mask.toString(2)).toEqual(E18.data.map(hex));
      expect(rebuilt?.iodNav).toBe(0x25);
    }
  });

  it("gives any batch back from any four or more words, IODnav given or not", () => {
    fc.assert(
      fc.property(
        arbitraryBatch,
        fc.constantFrom(...[4, 5, 6, 7, 8].flatMap(masks)),
        fc.boolean(),
        (b, mask, told) => {
          const rebuilt = rebuildWords(pick(b.words, mask), told ? b.iodNav : null);
          expect(rebuilt?.words.map(hex)).toEqual(b.words.slice(0, 4).map(hex));
          expect(rebuilt?.iodNav).toBe(b.iodNav);
        },
      ),
    );
  });

  it("has one surplus symbol for 3+1 words, two for 2+2, three for 1+3 and 0+4, four for 0+4 with IODnav", () => {
    const surplus = (mask: number, iodNav: number | null = null): number | undefined =>
      rebuildWords(pick(BATCH, mask), iodNav)?.checkedSymbols;
    expect(surplus(0b00010111)).toBe(1);
    expect(surplus(0b00110011)).toBe(2);
    expect(surplus(0b01110001)).toBe(3);
    expect(surplus(0b11110000)).toBe(3);
    expect(surplus(0b11110000, 0x25)).toBe(4);
    expect(surplus(0b11111111)).toBe(60);
  });

  it("answers null with fewer than four words", () => {
    for (const mask of [0, 1, 2, 3].flatMap(masks)) expect(rebuildWords(pick(BATCH, mask), 0x25)).toBeNull();
  });

  it("answers null where any single bit of eight words is wrong", () => {
    for (let slot = 0; slot < 8; slot++) {
      for (let bit = 0; bit < 128; bit++) {
        const words = BATCH.map((word) => word.slice());
        words[slot][bit >> 3] ^= 0x80 >> (bit & 7);
        expect(rebuildWords(words, null), `slot ${slot} bit ${bit}`).toBeNull();
      }
    }
  });

  it("answers null where IODnav, its two LSBs or a type do not fit", () => {
    expect(rebuildWords(pick(BATCH, 0b00010111), 0x26)).toBeNull();
    expect(rebuildWords(pick(BATCH, 0b11110000), 0x29)).toBeNull(); // same two LSBs: caught by c_1
    const otherLsbs = BATCH.map((word) => word.slice());
    otherLsbs[4][1] ^= 1;
    expect(rebuildWords(pick(otherLsbs, 0b11110000), null)).toBeNull();
    const swapped = BATCH.slice();
    [swapped[6], swapped[7]] = [swapped[7], swapped[6]];
    expect(rebuildWords(pick(swapped, 0b11000011), null)).toBeNull();
  });

  it("lets a stale parity word with the same two IOD bits pass a 3+1 decode about once in 256, never a 2+2", () => {
    // A fixed generator, so that the counts are the same on every run.
    let state = 12345;
    const random = (): number => {
      state = (Math.imul(state, 1103515245) + 12345) >>> 0;
      return (state >>> 16) & 0xff;
    };
    const batchOf = (iodNav: number): Uint8Array[] => {
      const words = [0, 1, 2, 3].map((slot) =>
        Uint8Array.from([
          ((slot + 1) << 2) | (iodNav >> 8),
          iodNav & 0xff,
          ...Array.from({ length: 14 }, random),
        ]),
      );
      return [...words, ...encodeParity(words[0], words[1], words[2], words[3])];
    };
    let passed = 0;
    let wrongAndPassed = 0;
    const tries = 2048;
    for (let i = 0; i < tries; i++) {
      const now = batchOf(41);
      const stale = batchOf(37);
      const mixed = pick(now, 0b00000111);
      mixed[4 + (i & 3)] = stale[4 + (i & 3)];
      const rebuilt = rebuildWords(mixed, null);
      if (rebuilt !== null) {
        passed++;
        if (hex(rebuilt.words[3]) !== hex(now[3])) wrongAndPassed++;
      }
      const twoAndTwo = pick(now, 0b00000011);
      twoAndTwo[7] = stale[7];
      twoAndTwo[6] = stale[6];
      expect(rebuildWords(twoAndTwo, null)).toBeNull();
    }
    expect(passed).toBe(wrongAndPassed);
    expect(passed).toBeGreaterThan(0);
    expect(passed).toBeLessThan(24);
  });

  it("never throws on arbitrary words", () => {
    const slot = fc.option(fc.uint8Array({ minLength: 16, maxLength: 16 }));
    fc.assert(
      fc.property(fc.array(slot, { minLength: 8, maxLength: 8 }), fc.boolean(), (words, rightTypes) => {
        const typed = words.map((word, i) => {
          if (word && rightTypes) word[0] = (FEC2_WORD_TYPES[i] << 2) | (word[0] & 3);
          return word;
        });
        const rebuilt = rebuildWords(typed, null);
        if (rebuilt) expect(rebuilt.words.map((word) => word[0] >> 2)).toEqual([1, 2, 3, 4]);
      }),
    );
  });

  it("does not hand out the caller's buffers", () => {
    const words = BATCH.map((word) => word.slice());
    const rebuilt = rebuildWords(words, null);
    words[0].fill(0);
    expect(hex(rebuilt!.words[0])).toBe(hex(E18.data[0]));
  });

  it("refuses arguments of the wrong kind or range", () => {
    expect(() => rebuildWords(BATCH.slice(0, 7), null)).toThrow(RangeError);
    expect(() => rebuildWords(BATCH, 1024)).toThrow(RangeError);
    expect(() => rebuildWords([...BATCH.slice(0, 7), new Uint8Array(15)], null)).toThrow(RangeError);
    expect(() => encodeParity(E18.data[1], E18.data[0], E18.data[2], E18.data[3])).toThrow(RangeError);
  });

  it("knows the slot of each word type", () => {
    expect(FEC2_WORD_TYPES.map(fec2SlotOf)).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    expect([0, 5, 16, 21, 63].map(fec2SlotOf)).toEqual([-1, -1, -1, -1, -1]);
  });
});

describeShared("live Reed-Solomon words (captures/f9t-2026-03-09-leuven.ubx)", () => {
  it("equal the parity of WT1-4 of the same satellite and batch", () => {
    const data = readFileSync(sharedPath("captures", "f9t-2026-03-09-leuven.ubx")!);
    // Batch of a satellite: WT1-4 with one IODnav. Parity words wait for the batch to be complete, and are dropped
    // when a new issue starts, since they carry only two bits of it.
    const batches = new Map<number, { iodNav: number; words: (Uint8Array | null)[] }>();
    let compared = 0;
    const unequal: string[] = [];
    const flush = (svid: number): void => {
      const batch = batches.get(svid);
      if (!batch) return;
      const [w1, w2, w3, w4] = batch.words;
      if (w1 && w2 && w3 && w4) {
        const parity = encodeParity(w1, w2, w3, w4);
        for (let k = 0; k < 4; k++) {
          const received = batch.words[4 + k];
          if (!received) continue;
          compared++;
          if (hex(received) !== hex(parity[k])) unequal.push(`E${svid} ${hex(received)}`);
        }
      }
      batches.delete(svid);
    };
    for (const { svid, word } of e1Words(data)) {
      const slot = fec2SlotOf(word[0] >> 2);
      if (slot < 0) continue;
      const batch = batches.get(svid);
      if (slot < 4) {
        const iodNav = ((word[0] & 3) << 8) | word[1];
        if (batch?.iodNav === iodNav) {
          batch.words[slot] = word;
          continue;
        }
        flush(svid);
        const fresh: (Uint8Array | null)[] = new Array<Uint8Array | null>(8).fill(null);
        fresh[slot] = word;
        batches.set(svid, { iodNav, words: fresh });
      } else if (batch && batch.words.slice(0, 4).every((known) => known !== null)) {
        // The batch changes at a subframe start, where WT2 comes first: a parity word after it is of that batch.
        if ((word[1] & 3) === (batch.iodNav & 3)) batch.words[slot] = word;
      }
    }
    for (const svid of [...batches.keys()]) flush(svid);
    expect(unequal).toEqual([]);
    expect(compared).toBe(236);
  });
});

/** E1-B I/NAV words of a UBX capture (RXM-SFRBX, gnssId 2, sigId 1), without time. */
function* e1Words(data: Uint8Array): Generator<{ svid: number; word: Uint8Array }> {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  for (let at = 0; at + 8 <= data.length; at++) {
    if (data[at] !== 0xb5 || data[at + 1] !== 0x62 || data[at + 2] !== 0x02 || data[at + 3] !== 0x13)
      continue;
    const length = view.getUint16(at + 4, true);
    if (length < 40 || at + 8 + length > data.length) continue;
    const payload = at + 6;
    if (data[payload] !== 2 || data[payload + 2] !== 1) continue;
    const page = new Uint8Array(32);
    for (let i = 0; i < 8; i++) {
      new DataView(page.buffer).setUint32(4 * i, view.getUint32(payload + 8 + 4 * i, true));
    }
    if (page[0] >> 6 !== 0 || page[16] >> 6 !== 2) continue;
    // Even bits 2-113 are the first 112 bits of the word, odd bits 2-17 the last 16.
    const word = new Uint8Array(16);
    for (let i = 0; i < 14; i++) word[i] = (page[i] << 2) | (page[i + 1] >> 6);
    word[14] = (page[16] << 2) | (page[17] >> 6);
    word[15] = (page[17] << 2) | (page[18] >> 6);
    yield { svid: data[payload + 1], word };
    at += length + 7;
  }
}
