import { describe, expect, it } from "vitest";
import fc from "fast-check";
import { crc24q } from "gnss-ubx";
import { parsePage, wordsOf240Bits } from "../../src/inav/page.js";

const bytes = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex, "hex"));

/** The page of the ICD's worked example (galileo-inav facts section 1.3). */
const PAGE = bytes("021BBA49F42FC9F3FE51AE45A0EE80" + "BF2254A3C97EE1AAAAAA6861E3BF40");

function parse(page: Uint8Array, band: "E1-B" | "E5b" = "E1-B") {
  const words = new Uint32Array(8);
  wordsOf240Bits(page, 0, words);
  return parsePage(words, 1, band);
}

describe("I/NAV page", () => {
  it("has the catalogue's CRC-24Q check value", () => {
    expect(crc24q(new TextEncoder().encode("123456789"))).toBe(0xcde703);
  });

  it("yields word and OSNMA bits of the published page", () => {
    const page = parse(PAGE);
    expect(page).toMatchObject({ wordType: 2, hasOsnma: true, hkroot: 0x52, mack: 0x8f25fb86 });
    expect(typeof page === "object" && Buffer.from(page.word).toString("hex")).toBe(
      "086ee927d0bf27cff946b91683bafc89",
    );
  });

  it("never takes OSNMA bits from E5b", () => {
    expect(parse(PAGE, "E5b")).toMatchObject({ hasOsnma: false });
  });

  it("refuses the page after any change of a bit that the CRC covers, and of the flags", () => {
    for (let bit = 0; bit < 240; bit++) {
      const odd = bit - 120;
      // Tail bits and SSP stand outside the CRC (galileo-inav facts section 1.3).
      if ((bit >= 114 && bit < 120) || odd >= 106) continue;
      const changed = PAGE.slice();
      changed[bit >> 3] ^= 0x80 >> (bit & 7);
      expect(typeof parse(changed), `bit ${bit}`).toBe("string");
    }
  });

  it("names halves in the wrong order and alert pages", () => {
    const swapped = new Uint8Array(30);
    swapped.set(PAGE.subarray(15), 0);
    swapped.set(PAGE.subarray(0, 15), 15);
    expect(parse(swapped)).toBe("halves");
    const alert = PAGE.slice();
    alert[0] |= 0x40;
    expect(parse(alert)).toBe("alert-page");
    expect(parse(new Uint8Array(30))).toBe("halves");
  });

  it("survives any 240 bits", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 30, maxLength: 30 }), (page) => {
        expect(parse(page)).toBeDefined();
      }),
    );
  });
});
