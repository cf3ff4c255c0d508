import { createHash, createHmac } from "node:crypto";
import { cmac } from "@noble/ciphers/aes.js";
import { hmac } from "@noble/hashes/hmac.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { sha3_256 } from "@noble/hashes/sha3.js";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { gst32Of } from "../../src/inav/gst.js";
import type { ChainParameters } from "../../src/osnma/dsm-kroot.js";
import { searchKeyTail } from "../../src/osnma/key-search.js";
import { createMac } from "../../src/osnma/mac.js";
import { previousKey, stepInput, walkBack } from "../../src/osnma/tesla.js";
import { CONFIGURATION_2, LIVE, LIVE_KEYS, TEST_PHASE, bytes, gst, hex } from "./worked-examples.js";

const KEY_BITS = [96, 104, 112, 120, 128, 160, 192, 224, 256] as const;

const anyChain = (hash: ChainParameters["hash"]): fc.Arbitrary<ChainParameters> =>
  fc.record({
    hash: fc.constant(hash),
    mac: fc.constant("HMAC-SHA-256" as const),
    keyBits: fc.constantFrom(...KEY_BITS),
    tagBits: fc.constant(40),
    maclt: fc.constant(34),
    alpha: fc.uint8Array({ minLength: 6, maxLength: 6 }),
  });
const anyGst = fc.integer({ min: 0, max: 4095 * 20_160 }).map((subframe) => subframe * 30);
const keyBytes = fc.uint8Array({ minLength: 32, maxLength: 32 });

/** One step as the formula has it, by the library. */
function referenceStep(chain: ChainParameters, key: Uint8Array, resultGst: number): Uint8Array {
  const time = Buffer.alloc(4);
  time.writeUInt32BE(gst32Of(resultGst));
  const input = Buffer.concat([key, time, chain.alpha]);
  const digest = chain.hash === "SHA-256" ? createHash("sha256").update(input).digest() : sha3_256(input);
  return Uint8Array.from(digest.subarray(0, chain.keyBits / 8));
}

describe("a chain step", () => {
  it("leads from the live chain's K1 to its KROOT", () => {
    const k1 = LIVE_KEYS[140_400];
    expect(hex(stepInput(LIVE, k1, gst(1385, 140_370)))).toBe(
      "9b343278ee2c40e9877162c306b8a50a56922452c5efe33668f2",
    );
    expect(hex(previousKey(LIVE, k1, gst(1385, 140_370)))).toBe("698599523f6b23cdef4cf7ed1716a64a");
  });

  it("leads through the official vector's keys", () => {
    const k2 = bytes("2dc3a3cdb117faadb83b5f0b6fea88eb");
    const k1 = previousKey(CONFIGURATION_2, k2, gst(1248, 345_600));
    expect(hex(k1)).toBe("eff999040e19b570835060bebd23ed92");
    expect(hex(previousKey(CONFIGURATION_2, k1, gst(1248, 345_570)))).toBe(
      "5bf8c9cbfcf70422081475fd445df0ff",
    );
  });

  it("crosses the edge of a week", () => {
    const k2 = bytes("4235ff797019e2efd3cb72780e861fed");
    const k1 = previousKey(TEST_PHASE, k2, gst(1145, 0));
    expect(hex(k1)).toBe("17b98fd42a4afd0ea36d1da2de406b93");
    expect(hex(previousKey(TEST_PHASE, k1, gst(1145, 0) - 30))).toBe("540a4830d139b710a4951d73c19da22d");
    expect(hex(walkBack(TEST_PHASE, k2, gst(1145, 30), gst(1144, 604_770), 2)!)).toBe(
      "540a4830d139b710a4951d73c19da22d",
    );
  });

  it("by SHA3-256 gives the example's key", () => {
    const key = previousKey({ ...LIVE, hash: "SHA3-256" }, LIVE_KEYS[140_400], gst(1385, 140_370));
    expect(hex(key)).toBe("6b0ce776b9e629623724f43adeade95b");
    // The library behind it, by its published value of the empty message.
    expect(createHash("sha3-256").digest("hex")).toBe(
      "a7ffc6f8bf1ed76651c14756a061d662f580ff4de43b49fa82d80a4b80f8434a",
    );
  });

  it("agrees with the library for every key size, hash, time and alpha", () => {
    for (const hash of ["SHA-256", "SHA3-256"] as const) {
      fc.assert(
        fc.property(anyChain(hash), keyBytes, anyGst, (chain, any, resultGst) => {
          const key = any.slice(0, chain.keyBits / 8);
          expect(hex(previousKey(chain, key, resultGst))).toBe(hex(referenceStep(chain, key, resultGst)));
        }),
      );
    }
  });

  it("leaves its arguments alone", () => {
    const key = Uint8Array.from(LIVE_KEYS[140_400]);
    previousKey(LIVE, key, 0);
    const same = walkBack(LIVE, key, 30, 30, 0)!;
    same.fill(0);
    expect(hex(key)).toBe(hex(LIVE_KEYS[140_400]));
  });
});

describe("a walk along the chain", () => {
  it("joins all keys of the live chain, in any distance", () => {
    const times = Object.keys(LIVE_KEYS).map(Number);
    for (const from of times) {
      for (const to of times) {
        const key = walkBack(LIVE, LIVE_KEYS[from], gst(1385, from), gst(1385, to), 100);
        expect(key && hex(key)).toBe(from < to ? null : hex(LIVE_KEYS[to]));
      }
    }
  });

  it("is as many single steps", () => {
    fc.assert(
      fc.property(
        anyChain("SHA-256"),
        keyBytes,
        anyGst,
        fc.integer({ min: 0, max: 20 }),
        (chain, any, at, steps) => {
          let key: Uint8Array = any.slice(0, chain.keyBits / 8);
          const walked = walkBack(chain, key, at + 30 * steps, at, steps)!;
          for (let step = steps; step > 0; step--) key = referenceStep(chain, key, at + 30 * (step - 1));
          expect(hex(walked)).toBe(hex(key));
        },
      ),
    );
  });

  it("is refused forwards, off the 30 s grid, and beyond its bound", () => {
    const key = LIVE_KEYS[140_400];
    const at = gst(1385, 140_400);
    expect(walkBack(LIVE, key, at, at + 30, 10)).toBeNull();
    expect(walkBack(LIVE, key, at, at - 31, 10)).toBeNull();
    expect(walkBack(LIVE, key, at, at - 330, 10)).toBeNull();
    expect(walkBack(LIVE, key, at, at - 300, 10)).not.toBeNull();
    expect(walkBack(LIVE, key, at, at - 30, Number.NaN)).toBeNull();
    expect(walkBack(LIVE, key, at, 0, 1e6)).toBeNull();
  });

  it("refuses keys that are not the chain's size", () => {
    expect(() => previousKey(LIVE, new Uint8Array(15), 0)).toThrow(RangeError);
    expect(() => walkBack(LIVE, new Uint8Array(32), 30, 0, 1)).toThrow(RangeError);
    expect(() => previousKey(LIVE, LIVE_KEYS[140_400], 0.5)).toThrow(RangeError);
  });
});

describe("the search of a key's lost tail", () => {
  const prefixOf = (key: Uint8Array, bits: number): Uint8Array => {
    const value = BigInt(`0x${hex(key)}`);
    return bytes(((value >> BigInt(bits)) << BigInt(bits)).toString(16).padStart(key.length * 2, "0"));
  };

  it("finds the last page's 16 bits of live keys", () => {
    for (const tow of [140_400, 140_430, 140_460, 141_690, 141_720]) {
      const key = LIVE_KEYS[tow];
      const previous = walkBack(LIVE, key, gst(1385, tow), gst(1385, tow - 30), 1)!;
      const found = searchKeyTail(LIVE, prefixOf(key, 16), 16, gst(1385, tow), previous);
      expect(found && hex(found)).toBe(hex(key));
    }
  });

  it("finds the tail of every key size, also where it spans two words of the block", () => {
    fc.assert(
      fc.property(
        anyChain("SHA-256"),
        keyBytes,
        anyGst,
        fc.integer({ min: 0, max: 16 }),
        (chain, any, at, bits) => {
          const key = any.slice(0, chain.keyBits / 8);
          const previous = referenceStep(chain, key, at);
          const found = searchKeyTail(chain, prefixOf(key, bits), bits, at + 30, previous);
          expect(found && hex(found)).toBe(hex(key));
        },
      ),
      { numRuns: 60 },
    );
  });

  it("finds the first and the last candidate", () => {
    for (const tail of ["0000", "0001", "ffff"]) {
      const key = bytes(`9b343278ee2c40e9877162c306b8${tail}`);
      const found = searchKeyTail(LIVE, prefixOf(key, 16), 16, 60, previousKey(LIVE, key, 30));
      expect(found && hex(found)).toBe(hex(key));
    }
  });

  it("finds it by SHA3-256 too", () => {
    const chain: ChainParameters = { ...LIVE, hash: "SHA3-256" };
    const key = LIVE_KEYS[140_400];
    const previous = previousKey(chain, key, 30);
    expect(hex(searchKeyTail(chain, prefixOf(key, 8), 8, 60, previous)!)).toBe(hex(key));
    expect(searchKeyTail(chain, prefixOf(key, 8), 8, 90, previous)).toBeNull();
  });

  it("finds nothing where prefix, time or the expected key is not the chain's", () => {
    const key = LIVE_KEYS[140_400];
    const at = gst(1385, 140_400);
    const previous = LIVE_KEYS[140_370];
    expect(searchKeyTail(LIVE, prefixOf(key, 16), 16, at + 30, previous)).toBeNull();
    // The compared word alone is right here: every other bit of the expected key counts as well.
    const wrong = Uint8Array.from(previous);
    wrong[0] ^= 1;
    expect(searchKeyTail(LIVE, prefixOf(key, 16), 16, at, wrong)).toBeNull();
    const otherPrefix = prefixOf(key, 16);
    otherPrefix[13] ^= 1;
    expect(searchKeyTail(LIVE, otherPrefix, 16, at, previous)).toBeNull();
  });

  it("without a lost bit is a check of the key", () => {
    const at = gst(1385, 140_400);
    expect(searchKeyTail(LIVE, LIVE_KEYS[140_400], 0, at, LIVE_KEYS[140_370])).not.toBeNull();
    expect(searchKeyTail(LIVE, LIVE_KEYS[140_430], 0, at, LIVE_KEYS[140_370])).toBeNull();
  });

  it("refuses a prefix with its tail set, more than 16 bits, and keys of another size", () => {
    const key = LIVE_KEYS[140_400];
    expect(() => searchKeyTail(LIVE, key, 16, 30, key)).toThrow(RangeError);
    expect(() => searchKeyTail(LIVE, prefixOf(key, 17), 17, 30, key)).toThrow(RangeError);
    expect(() => searchKeyTail(LIVE, key.slice(1), 0, 30, key)).toThrow(RangeError);
  });
});

describe("the MAC function", () => {
  const chainOf = (mac: ChainParameters["mac"], keyBits: number): ChainParameters => ({
    ...LIVE,
    mac,
    keyBits,
  });

  it("HMAC-SHA-256 agrees with the library for every key size and message length over the block edges", () => {
    const message = Uint8Array.from({ length: 200 }, (_, i) => (i * 37 + 11) & 0xff);
    for (const keyBits of KEY_BITS) {
      const key = Uint8Array.from({ length: keyBits / 8 }, (_, i) => 255 - i * 7);
      const mac = createMac(chainOf("HMAC-SHA-256", keyBits), key);
      for (let length = 0; length <= message.length; length++) {
        const expected = createHmac("sha256", key).update(message.subarray(0, length)).digest("hex");
        expect(hex(mac.digest(message, length)), `${length} bytes`).toBe(expected);
      }
    }
  });

  it("HMAC-SHA-256 agrees with two libraries for any key and content, keys used in turn", () => {
    const message = fc.uint8Array({ maxLength: 300 });
    fc.assert(
      fc.property(
        fc.constantFrom(...KEY_BITS),
        keyBytes,
        keyBytes,
        message,
        message,
        (keyBits, a, b, m, n) => {
          const keys = [a.slice(0, keyBits / 8), b.slice(0, keyBits / 8)];
          const macs = keys.map((key) => createMac(chainOf("HMAC-SHA-256", keyBits), key));
          for (const [i, of] of [
            [0, m],
            [1, n],
            [0, n],
            [1, m],
          ] as const) {
            const digest = hex(macs[i].digest(of));
            expect(digest).toBe(createHmac("sha256", keys[i]).update(of).digest("hex"));
            expect(digest).toBe(hex(hmac(sha256, keys[i], of)));
          }
        },
      ),
    );
  });

  it("AES-CMAC gives the published values of RFC 4493 and SP 800-38B", () => {
    const message = bytes(
      "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e5130c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710",
    );
    const published = [
      [
        "2b7e151628aed2a6abf7158809cf4f3c",
        "bb1d6929e95937287fa37d129b756746",
        "070a16b46b4d4144f79bdd9dd04a287c",
        "dfa66747de9ae63030ca32611497c827",
        "51f0bebf7e3b9d92fc49741779363cfe",
      ],
      [
        "8e73b0f7da0e6452c810f32b809079e562f8ead2522c6b7b",
        "d17ddf46adaacde531cac483de7a9367",
        "9e99a7bf31e710900662f65e617c5184",
        "8a1de5be2eb31aad089a82e6ee908b0e",
        "a1d5df0eed790f794d77589659f39a11",
      ],
      [
        "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4",
        "028962f61b7bf89efc6b551f4667d983",
        "28a7023f452e8f82bd4bf28d8c37c35c",
        "aaf3d8f1de5640c232f5b169b9c911e6",
        "e1992190549f6ed5696a2c056c315410",
      ],
    ] as const;
    for (const [key, ...values] of published) {
      const mac = createMac(chainOf("CMAC-AES", key.length * 4), bytes(key));
      expect([0, 16, 40, 64].map((length) => hex(mac.digest(message, length)))).toEqual(values);
    }
  });

  it("AES-CMAC agrees with another implementation", () => {
    fc.assert(
      fc.property(
        fc.constantFrom(16, 24, 32),
        keyBytes,
        fc.uint8Array({ maxLength: 80 }),
        (n, any, message) => {
          const key = any.slice(0, n);
          const mac = createMac(chainOf("CMAC-AES", n * 8), key);
          expect(hex(mac.digest(message))).toBe(hex(cmac(message, key)));
        },
      ),
    );
  });

  it("hands out results that do not change with the next call, whatever keys are in use", () => {
    const first = createMac(LIVE, LIVE_KEYS[140_400]);
    const message = bytes("0102");
    const digest = first.digest(message);
    const before = hex(digest);
    createMac(LIVE, LIVE_KEYS[140_430]).digest(bytes("03"));
    expect(hex(digest)).toBe(before);
    expect(hex(first.digest(message))).toBe(before);
  });

  it("refuses keys of another size, and AES keys of no AES size", () => {
    expect(() => createMac(LIVE, new Uint8Array(15))).toThrow(RangeError);
    expect(() => createMac(chainOf("CMAC-AES", 160), new Uint8Array(20))).toThrow(RangeError);
    expect(() => createMac(LIVE, LIVE_KEYS[140_400]).digest(new Uint8Array(4), 5)).toThrow(RangeError);
  });
});
