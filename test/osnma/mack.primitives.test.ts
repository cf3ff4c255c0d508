import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { bitsEqual, copyBits, readBits } from "../../src/osnma/bits.js";
import type { ChainParameters } from "../../src/osnma/dsm-kroot.js";
import { macLookup, messageIndexOf } from "../../src/osnma/mac-lookup-table.js";
import { createMac } from "../../src/osnma/mac.js";
import {
  adkdOfInfo,
  cop0Of,
  copOfInfo,
  infoStartBit,
  mackLayoutOf,
  macseqOf,
  pageOfBit,
  pagesOfBits,
  prnDOfInfo,
  tagInfoOf,
  tagStartBit,
} from "../../src/osnma/mack.js";
import {
  CED_BITS,
  MAX_MACSEQ_MESSAGE_BYTES,
  MAX_TAG_MESSAGE_BYTES,
  TIMING_BITS,
  buildMacseqMessage,
  buildTagMessage,
  cedNavBits,
  timingNavBits,
} from "../../src/osnma/tag-message.js";
import {
  E13_MACK,
  E13_WORDS,
  E23_WORDS,
  E31_MACK,
  E31_WORDS,
  LIVE,
  LIVE_KEYS,
  TEST_PHASE,
  bytes,
  flipBit,
  gst,
  hex,
} from "./worked-examples.js";

const LAYOUT = mackLayoutOf(LIVE);
const E31_CED = cedNavBits(E31_WORDS[1], E31_WORDS[2], E31_WORDS[3], E31_WORDS[4], E31_WORDS[5]);
const E31_TIMING = timingNavBits(E31_WORDS[6], E31_WORDS[10]);
const E31_GST = gst(1385, 141_660);
const E13_GST = gst(1385, 141_690);
const NMAS = 2;

function tagMessage(...args: Parameters<typeof buildTagMessage> extends [unknown, ...infer R] ? R : never) {
  // Not zeroed: every byte must be written.
  const out = new Uint8Array(MAX_TAG_MESSAGE_BYTES).fill(0xff);
  return out.slice(0, buildTagMessage(out, ...args));
}

function macseqMessage(
  ...args: Parameters<typeof buildMacseqMessage> extends [unknown, ...infer R] ? R : never
) {
  const out = new Uint8Array(MAX_MACSEQ_MESSAGE_BYTES).fill(0xff);
  return out.slice(0, buildMacseqMessage(out, ...args));
}

const macOf = (tow: number, message: Uint8Array): string =>
  hex(createMac(LIVE, LIVE_KEYS[tow]).digest(message));

/** A string of 0 and 1: the oracle of everything about bits. */
const bitString = (value: Uint8Array): string =>
  Array.from(value, (byte) => byte.toString(2).padStart(8, "0")).join("");

describe("bits", () => {
  const run = fc
    .uint8Array({ minLength: 1, maxLength: 40 })
    .chain((value) => fc.record({ value: fc.constant(value), start: fc.nat({ max: value.length * 8 }) }));

  it("are read as an unsigned big-endian number", () => {
    fc.assert(
      fc.property(run, fc.nat({ max: 32 }), ({ value, start }, wanted) => {
        const count = Math.min(wanted, value.length * 8 - start);
        const text = bitString(value).slice(start, start + count);
        expect(readBits(value, start, count)).toBe(count === 0 ? 0 : Number.parseInt(text, 2));
      }),
    );
    expect(readBits(bytes("ffffffff"), 0, 32)).toBe(0xffffffff);
  });

  it("are copied to any place, and nothing else is touched", () => {
    fc.assert(
      fc.property(run, run, fc.nat({ max: 320 }), (from, to, wanted) => {
        const count = Math.min(wanted, from.value.length * 8 - from.start, to.value.length * 8 - to.start);
        const target = Uint8Array.from(to.value);
        copyBits(from.value, from.start, target, to.start, count);
        const before = bitString(to.value);
        const copied = bitString(from.value).slice(from.start, from.start + count);
        expect(bitString(target)).toBe(before.slice(0, to.start) + copied + before.slice(to.start + count));
        expect(bitsEqual(from.value, from.start, target, to.start, count)).toBe(true);
      }),
    );
  });

  it("are equal only when each one is", () => {
    const a = Uint8Array.from({ length: 12 }, (_, i) => i * 29);
    const b = new Uint8Array(13);
    copyBits(a, 3, b, 10, 85);
    expect(bitsEqual(a, 3, b, 10, 85)).toBe(true);
    for (let bit = 0; bit < 104; bit++) {
      expect(bitsEqual(a, 3, flipBit(b, bit), 10, 85)).toBe(bit < 10 || bit >= 95);
    }
  });

  it("outside of the bytes, or more than 32 at once, are an error of the caller", () => {
    const two = new Uint8Array(2);
    expect(() => readBits(two, 10, 7)).toThrow(RangeError);
    expect(() => readBits(two, -1, 1)).toThrow(RangeError);
    expect(() => readBits(two, 0.5, 1)).toThrow(RangeError);
    expect(() => readBits(new Uint8Array(9), 0, 33)).toThrow(RangeError);
    expect(() => copyBits(two, 0, two.slice(1), 0, 9)).toThrow(RangeError);
    expect(() => bitsEqual(two, 0, two, 9, 8)).toThrow(RangeError);
    expect(() => readBits("ab" as unknown as Uint8Array, 0, 1)).toThrow(TypeError);
  });
});

describe("the MAC look-up table", () => {
  const KNOWN = [27, 28, 31, 33, 34, 35, 36, 37, 38, 39, 40, 41];
  const text = (maclt: number, message: 0 | 1): string =>
    macLookup(maclt, message)!
      .map((slot) =>
        slot.flexible ? "FLX" : `${String(slot.adkd).padStart(2, "0")}${slot.self ? "S" : "E"}`,
      )
      .join(" ");

  it("knows the IDs of the ICD and no other", () => {
    for (let maclt = 0; maclt < 256; maclt++) {
      expect(macLookup(maclt, 0) !== null).toBe(KNOWN.includes(maclt));
      expect(macLookup(maclt, 1) !== null).toBe(KNOWN.includes(maclt));
    }
  });

  it("has the sequences of the table on air", () => {
    expect(text(34, 0)).toBe("00S FLX 04S FLX 12S 00E");
    expect(text(34, 1)).toBe("00S FLX 00E 12S 00E 12E");
    expect(text(28, 1)).toBe("00S 00E 00E 00S 00E 00E 04S 12S 00E 00E");
  });

  it("begins every sequence with Tag0, has both messages equally long, and ADKD 4 only for oneself", () => {
    for (const maclt of KNOWN) {
      const [first, second] = [macLookup(maclt, 0)!, macLookup(maclt, 1)!];
      expect(second.length).toBe(first.length);
      for (const sequence of [first, second]) {
        expect(sequence[0]).toEqual({ adkd: 0, self: true, flexible: false });
        expect(sequence.every((slot) => slot.adkd !== 4 || slot.self)).toBe(true);
      }
    }
  });

  it("takes the message from the subframe's time, over the edge of a week too", () => {
    expect([141_660, 141_690].map((tow) => messageIndexOf(gst(1385, tow)))).toEqual([0, 1]);
    expect(messageIndexOf(gst(1144, 604_770))).toBe(1);
    expect(messageIndexOf(gst(1145, 0))).toBe(0);
    expect(() => messageIndexOf(31)).toThrow(RangeError);
  });
});

describe("the MACK layout", () => {
  const chain = (keyBits: number, tagBits: number, maclt: number): ChainParameters => ({
    ...LIVE,
    keyBits,
    tagBits,
    maclt,
  });

  it("has the slots of the chain on air and of older ones", () => {
    expect(LAYOUT).toMatchObject({ slots: 6, slotBits: 56, keyStartBit: 336, keyBits: 128, usable: true });
    expect([0, 1, 2, 3, 4, 5].map((slot) => tagStartBit(LAYOUT, slot))).toEqual([0, 56, 112, 168, 224, 280]);
    expect(infoStartBit(LAYOUT, 5)).toBe(320);
    expect(mackLayoutOf(chain(120, 20, 28))).toMatchObject({ slots: 10, keyStartBit: 360, usable: true });
    expect(mackLayoutOf(chain(192, 40, 31))).toMatchObject({ slots: 5, keyStartBit: 280, usable: true });
  });

  it("allows tags only under a known table of the right length", () => {
    expect(mackLayoutOf(chain(128, 40, 36)).usable).toBe(false);
    expect(mackLayoutOf(chain(128, 32, 34)).usable).toBe(false);
    expect(mackLayoutOf(chain(128, 40, 200)).usable).toBe(false);
  });

  it("fits in the section for every key and tag size", () => {
    for (const keyBits of [96, 104, 112, 120, 128, 160, 192, 224, 256]) {
      for (const tagBits of [20, 24, 28, 32, 40]) {
        const layout = mackLayoutOf(chain(keyBits, tagBits, 34));
        const spare = 480 - layout.keyStartBit - layout.keyBits;
        expect(spare).toBeGreaterThanOrEqual(0);
        expect(spare).toBeLessThan(layout.slotBits);
        const all = layout.slotPages.reduce((mask, pages) => mask | pages, layout.keyPages);
        expect(all).toBe(pagesOfBits(0, layout.keyStartBit + keyBits));
      }
    }
  });

  it("names the pages that each part needs", () => {
    const pages = (mask: number): number[] =>
      Array.from({ length: 32 }, (_, i) => i).filter((i) => (mask >> i) & 1);
    expect(LAYOUT.slotPages.map(pages)).toEqual([
      [0, 1],
      [1, 2, 3],
      [3, 4, 5],
      [5, 6],
      [7, 8],
      [8, 9, 10],
    ]);
    expect(pages(LAYOUT.keyPages)).toEqual([10, 11, 12, 13, 14]);
    expect(pages(LAYOUT.infoPages[0])).toEqual([1]);
    expect(LAYOUT.infoPages.slice(1).map(pages)).toEqual([[3], [4, 5], [6], [8], [10]]);
    expect(pages(pagesOfBits(0, 480))).toHaveLength(15);
    expect(pagesOfBits(32, 0)).toBe(0);
    expect([31, 32, 479].map(pageOfBit)).toEqual([0, 1, 14]);
    expect(() => pagesOfBits(470, 11)).toThrow(RangeError);
  });

  it("reads the section of E31", () => {
    expect(macseqOf(E31_MACK, LAYOUT)).toBe(0x78d);
    expect(cop0Of(E31_MACK, LAYOUT)).toBe(15);
    const infos = [1, 2, 3, 4, 5].map((slot) => tagInfoOf(E31_MACK, LAYOUT, slot));
    expect(infos).toEqual([0x170f, 0x1f4f, 0x1a0f, 0x1fcf, 0x0c0f]);
    expect(infos.map(prnDOfInfo)).toEqual([23, 31, 26, 31, 12]);
    expect(infos.map(adkdOfInfo)).toEqual([0, 4, 0, 12, 0]);
    expect(infos.map(copOfInfo)).toEqual([15, 15, 15, 15, 15]);
    expect(() => tagInfoOf(E31_MACK, LAYOUT, 0)).toThrow(RangeError);
    expect(() => tagInfoOf(E31_MACK, LAYOUT, 6)).toThrow(RangeError);
    expect(() => macseqOf(E31_MACK.subarray(1), LAYOUT)).toThrow(RangeError);
  });

  it("reads fields that are not byte aligned", () => {
    const layout = mackLayoutOf(chain(120, 20, 28));
    const mack = new Uint8Array(60);
    for (let slot = 0; slot < layout.slots; slot++) {
      copyBits(bytes(`a${slot}b${slot}c${slot}d${slot}e0`), 0, mack, slot * 36, 36);
    }
    expect(readBits(mack, tagStartBit(layout, 7), 20)).toBe(0xa7b7c);
    expect(tagInfoOf(mack, layout, 7)).toBe(0x7d7e);
    expect(macseqOf(mack, layout)).toBe(0x0d0);
    expect(cop0Of(mack, layout)).toBe(0xe);
  });
});

describe("navigation bits", () => {
  it("are 549 of words 1 to 5 and 141 of words 6 and 10, each bit of its range and no other", () => {
    const words = Array.from({ length: 5 }, () => new Uint8Array(16));
    const ranges = [
      [6, 125],
      [6, 125],
      [6, 127],
      [6, 125],
      [6, 72],
    ];
    let at = 0;
    ranges.forEach(([first, last], index) => {
      for (let bit = 0; bit < 128; bit++) {
        const changed = words.map((word, i) => (i === index ? flipBit(word, bit) : word));
        const [w1, w2, w3, w4, w5] = changed;
        const expected = new Uint8Array(69);
        if (bit >= first && bit <= last) expected[at >> 3] |= 0x80 >> (at++ & 7);
        expect(hex(cedNavBits(w1, w2, w3, w4, w5)), `word ${index + 1} bit ${bit}`).toBe(hex(expected));
      }
    });
    expect(at).toBe(CED_BITS);
    at = 0;
    [
      [6, 104],
      [86, 127],
    ].forEach(([first, last], index) => {
      for (let bit = 0; bit < 128; bit++) {
        const [w6, w10] = [0, 1].map((i) => (i === index ? flipBit(words[0], bit) : words[0]));
        const expected = new Uint8Array(18);
        if (bit >= first && bit <= last) expected[at >> 3] |= 0x80 >> (at++ & 7);
        expect(hex(timingNavBits(w6, w10))).toBe(hex(expected));
      }
    });
    expect(at).toBe(TIMING_BITS);
  });

  it("come from words of 16 bytes", () => {
    expect(() => timingNavBits(E31_WORDS[6].subarray(1), E31_WORDS[10])).toThrow(RangeError);
  });
});

describe("a tag message", () => {
  const TAG0 =
    "1f5692295c0186b249111aa9fd4003a4efaa813a7206b29aa129b272e8e870b4d32eafe4c6bffc4b9222908b3134812100af06b1adf0001000f2493fefa39bfffce40483ff7ff400160680";

  it("of E31's Tag0 is the example's, and its MAC begins with the tag", () => {
    const message = tagMessage(null, 31, E31_GST, 1, NMAS, E31_CED, CED_BITS);
    expect(hex(message)).toBe(TAG0);
    expect(message.length).toBe(75);
    expect(macOf(141_690, message)).toBe("107f5e36aad2187632bc85e50c3f57294099c0d72c6e79308ae9f1166e06a25f");
    expect(bitsEqual(createMac(LIVE, LIVE_KEYS[141_690]).digest(message), 0, E31_MACK, 0, 40)).toBe(true);
  });

  it("of E31's ADKD 4 tag is 25 bytes", () => {
    const message = tagMessage(31, 31, E31_GST, 3, NMAS, E31_TIMING, TIMING_BITS);
    expect(hex(message)).toBe("1f1f5692295c03bfffffffc0000004861a62789000fffb1852");
    expect(macOf(141_690, message)).toMatch(/^87757399444a62cc/);
  });

  it("of E31's slow MAC tag is 76 bytes, keyed ten subframes later", () => {
    const message = tagMessage(31, 31, E31_GST, 5, NMAS, E31_CED, CED_BITS);
    expect(hex(message)).toBe(`1f1f5692295c05${TAG0.slice(12)}`);
    expect(macOf(141_990, message)).toBe("065effc8750497110724dd488e65c219a462d552d61c236a3a8da080ea1e55c5");
  });

  it("of E31's flexible tag authenticates E23", () => {
    const message = tagMessage(23, 31, E31_GST, 2, NMAS, cedNavBits(...E23_WORDS), CED_BITS);
    expect(hex(message)).toBe(
      "171f5692295c0286924406ede541c00ae0bcea813c6186929879fbb2742e0f74d494270fd6c69ffc4bb221f08c5136f12150b0e6b1a57fffa000d2443ffc5e88fffe940483ff7ff407fc0100",
    );
    expect(macOf(141_690, message)).toMatch(/^51ed188fcaabe29b/);
  });

  it("of E13's Tag0 in message 2 with COP 1 is the example's", () => {
    const message = tagMessage(null, 13, E13_GST, 1, NMAS, cedNavBits(...E13_WORDS), CED_BITS);
    expect(hex(message)).toBe(
      "0d5692297a0186c24b9adc7453000c43f1aa8139a546c7f2d310a28b084fbf0c51e5cf1ec6cffc4431b8afa1308372291f90f6b1b0d001b001324bbff973d8ffff300483ff7ff400240980",
    );
    expect(macOf(141_720, message)).toMatch(/^02925cbc69/);
    expect(hex(E13_MACK)).toMatch(/^02925cbc69/);
    expect(cop0Of(E13_MACK, LAYOUT)).toBe(1);
  });

  it("of E14's dummy tag is all zeros behind the NMAS", () => {
    const message = tagMessage(null, 14, gst(1385, 141_810), 1, NMAS, null, CED_BITS);
    expect(hex(message)).toBe(`0e569229f20180${"00".repeat(68)}`);
    const key = bytes("7df95ba9a409d68a8cf0e4c17565f25e");
    expect(hex(createMac(LIVE, key).digest(message))).toMatch(/^42c6f2a15e/);
    expect(hex(tagMessage(1, 2, 0, 3, 3, null, TIMING_BITS))).toBe(`01020000000003c0${"00".repeat(17)}`);
  });

  it("of the test phase verifies by its own key", () => {
    const message = bytes(
      "01479000000146E9D33856B2C6C006F6E4AA8135AB06EE927D0BF27CFF946B91683BAFC886EFFC32E209709DB0BEE1C470C436B1B810008002B9D33F67B1067FF718021A0F80CF00020080",
    );
    const mac = createMac(TEST_PHASE, bytes("4235FF797019E2EFD3CB72780E861FED"));
    expect(hex(mac.digest(message))).toMatch(/^e094b3fba5/);
    expect(hex(mac.digest(macseqMessage(1, gst(1145, 0), [])))).toMatch(/^33a/);
  });

  it("changes its tag with any bit of it, and any bit of the key", () => {
    const message = tagMessage(null, 31, E31_GST, 1, NMAS, E31_CED, CED_BITS);
    const key = LIVE_KEYS[141_690];
    const matches = (m: Uint8Array, k: Uint8Array): boolean =>
      bitsEqual(createMac(LIVE, k).digest(m), 0, E31_MACK, 0, 40);
    expect(matches(message, key)).toBe(true);
    for (let bit = 0; bit < message.length * 8; bit++)
      expect(matches(flipBit(message, bit), key)).toBe(false);
    for (let bit = 0; bit < 128; bit++) expect(matches(message, flipBit(key, bit))).toBe(false);
    // The next keys and the 76-byte form are as wrong.
    expect(matches(message, LIVE_KEYS[141_720])).toBe(false);
    expect(matches(tagMessage(31, 31, E31_GST, 1, NMAS, E31_CED, CED_BITS), key)).toBe(false);
    expect(matches(tagMessage(null, 31, E31_GST, 1, 3, E31_CED, CED_BITS), key)).toBe(false);
    expect(matches(tagMessage(null, 31, E31_GST, 1, NMAS, null, CED_BITS), key)).toBe(false);
  });

  it("is header bits, then navigation bits, then zeros, for any content", () => {
    const byte = fc.integer({ min: 0, max: 255 });
    fc.assert(
      fc.property(
        fc.option(byte),
        byte,
        byte,
        fc.integer({ min: 0, max: 3 }),
        fc.integer({ min: 0, max: 4095 * 604_800 }),
        fc.uint8Array({ minLength: 69, maxLength: 69 }),
        fc.boolean(),
        (prnD, prnA, ctr, nmas, at, random, timing) => {
          const count = timing && prnD !== null ? TIMING_BITS : CED_BITS;
          const nav = new Uint8Array((count + 7) >> 3);
          copyBits(random, 0, nav, 0, count);
          const message = tagMessage(prnD, prnA, at, ctr, nmas, nav, count);
          expect(message.length).toBe(prnD === null ? 75 : count === CED_BITS ? 76 : 25);
          let bit = 0;
          const next = (width: number): number => readBits(message, (bit += width) - width, width);
          if (prnD !== null) expect(next(8)).toBe(prnD);
          expect(next(8)).toBe(prnA);
          expect(next(12)).toBe(Math.floor(at / 604_800));
          expect(next(20)).toBe(at % 604_800);
          expect(next(8)).toBe(ctr);
          expect(next(2)).toBe(nmas);
          expect(bitsEqual(message, bit, nav, 0, count)).toBe(true);
          bit += count;
          expect(next(message.length * 8 - bit)).toBe(0);
        },
      ),
    );
  });

  it("is refused where the parts do not go together", () => {
    expect(() => tagMessage(null, 31, E31_GST, 1, NMAS, E31_TIMING, TIMING_BITS)).toThrow(RangeError);
    expect(() => tagMessage(31, 31, E31_GST, 2, NMAS, E31_TIMING, CED_BITS)).toThrow(RangeError);
    expect(() => tagMessage(31, 31, E31_GST, 2, 4, E31_CED, CED_BITS)).toThrow(RangeError);
    expect(() => tagMessage(256, 31, E31_GST, 2, 1, E31_CED, CED_BITS)).toThrow(RangeError);
    expect(() => buildTagMessage(new Uint8Array(75), 1, 31, E31_GST, 2, NMAS, E31_CED, CED_BITS)).toThrow(
      RangeError,
    );
  });
});

describe("the MACSEQ message", () => {
  it("holds the infos of the flexible slots, and MACSEQ is its MAC", () => {
    const flexibleInfos = (mack: Uint8Array, message: 0 | 1): number[] =>
      macLookup(34, message)!.flatMap((slot, i) => (slot.flexible ? [tagInfoOf(mack, LAYOUT, i)] : []));
    const e31 = macseqMessage(31, E31_GST, flexibleInfos(E31_MACK, 0));
    expect(hex(e31)).toBe("1f5692295c170f1a0f");
    expect(macOf(141_690, e31)).toBe("78d9aa889230e7458d5ea8e453de1a8de1a3f7d389ae1760665a3e514c60b92e");
    expect(macseqOf(E31_MACK, LAYOUT)).toBe(0x78d);
    const e13 = macseqMessage(13, E13_GST, flexibleInfos(E13_MACK, 1));
    expect(hex(e13)).toBe("0d5692297a170f");
    expect(macOf(141_720, e13)).toMatch(/^7caeaf75/);
    expect(macseqOf(E13_MACK, LAYOUT)).toBe(0x7ca);
  });

  it("is 5 bytes without a flexible slot", () => {
    expect(hex(macseqMessage(1, gst(1145, 0), []))).toBe("0147900000");
  });

  it("is refused for infos of more than 16 bits or too little room", () => {
    expect(() => macseqMessage(1, 0, [0x10000])).toThrow(RangeError);
    expect(() => buildMacseqMessage(new Uint8Array(6), 1, 0, [1])).toThrow(RangeError);
  });
});
