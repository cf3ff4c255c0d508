import { createHash, createSign, generateKeyPairSync } from "node:crypto";
import type { KeyObject } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  krootSignedMessage,
  numberOfKrootBlocks,
  parseDsmKroot,
  verifyDsmKroot,
} from "../../src/osnma/dsm-kroot.js";
import { numberOfPkrBlocks, parseDsmPkr, pkrRoot, verifyDsmPkr } from "../../src/osnma/dsm-pkr.js";
import { importPublicKey, verifySignature } from "../../src/osnma/ecdsa.js";
import type { EcdsaPublicKey, KeyType } from "../../src/osnma/ecdsa.js";
import { merkleLeaf, merkleRootFromProof, sha256 } from "../../src/osnma/merkle-tree.js";
import {
  ALERT_PKR,
  CONFIGURATION_2_HEADER,
  CONFIGURATION_2_KROOT,
  CONFIGURATION_2_PKR,
  LIVE,
  LIVE_HEADER,
  LIVE_KEY,
  LIVE_KROOT,
  LIVE_PKR,
  P521_HEADER,
  P521_KROOT,
  P521_PKR,
  ROOT_A,
  ROOT_B,
  ROOT_LIVE,
  TEST_PHASE_KEY,
  TEST_PHASE_KROOT,
  bytes,
  flipBit,
  gst,
  hex,
} from "./worked-examples.js";

function keyOf(type: KeyType, point: Uint8Array): EcdsaPublicKey {
  const key = importPublicKey(type, point);
  if (key === null) throw new Error("not a point of the curve");
  return key;
}

describe("a public key", () => {
  it("decompresses to the published y", () => {
    // A signature verifies only under the right y; the JWK shows it as well.
    const key = keyOf("P-256", LIVE_KEY);
    const keyObject = Object.getOwnPropertySymbols(key)
      .map((symbol) => (key as unknown as Record<symbol, KeyObject>)[symbol])
      .at(0);
    const y = Buffer.from(keyObject?.export({ format: "jwk" }).y ?? "", "base64url");
    expect(y.toString("hex")).toBe("12540a1c917cd41ed9ff58aac53a5d98b3f6a8e969af94892a35a2f330ff1c1c");
  });

  it("is refused with a wrong length, a wrong prefix, x beyond the field, or an x without y", () => {
    expect(importPublicKey("P-256", LIVE_KEY.subarray(0, 32))).toBeNull();
    expect(importPublicKey("P-256", Uint8Array.of(...LIVE_KEY, 0))).toBeNull();
    expect(importPublicKey("P-521", LIVE_KEY)).toBeNull();
    for (const prefix of [0, 1, 4, 5, 6, 7, 0xff]) {
      expect(importPublicKey("P-256", Uint8Array.of(prefix, ...LIVE_KEY.subarray(1)))).toBeNull();
    }
    expect(importPublicKey("P-256", bytes(`02${"ff".repeat(32)}`))).toBeNull();
    // p itself, which would be x = 0 if it were reduced; x = 0 does lie on P-256.
    expect(
      importPublicKey("P-256", bytes("02ffffffff00000001000000000000000000000000ffffffffffffffffffffffff")),
    ).toBeNull();
    expect(importPublicKey("P-256", bytes(`02${"00".repeat(32)}`))).not.toBeNull();
    expect(importPublicKey("P-521", bytes(`02${"ff".repeat(66)}`))).toBeNull();
    const off = Array.from({ length: 40 }, (_, i) => Uint8Array.of(2, ...new Uint8Array(31), i + 1));
    const onCurve = off.filter((point) => importPublicKey("P-256", point) !== null).length;
    // About half of all x have a y.
    expect(onCurve).toBeGreaterThan(8);
    expect(onCurve).toBeLessThan(32);
  });

  it("keeps its own copy of the point", () => {
    const point = Uint8Array.from(LIVE_KEY);
    const key = keyOf("P-256", point);
    point.fill(0);
    expect(hex(key.point)).toBe(hex(LIVE_KEY));
  });

  it("accepts a high s as well as a low one, and no other s", () => {
    const n = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;
    const dsm = parseDsmKroot(LIVE_KROOT, "P-256")!;
    const message = krootSignedMessage(dsm, LIVE_HEADER);
    const s = BigInt(`0x${hex(dsm.signature.subarray(32))}`);
    const withS = (value: bigint): Uint8Array =>
      Uint8Array.of(...dsm.signature.subarray(0, 32), ...bytes(value.toString(16).padStart(64, "0")));
    const key = keyOf("P-256", LIVE_KEY);
    expect(verifySignature(key, message, withS(s))).toBe(true);
    expect(verifySignature(key, message, withS(n - s))).toBe(true);
    expect(verifySignature(key, message, withS(s + 1n))).toBe(false);
    expect(verifySignature(key, message, withS(0n))).toBe(false);
    expect(verifySignature(key, message, withS(n))).toBe(false);
  });

  it("never throws on any point or signature bytes", () => {
    const key = keyOf("P-256", LIVE_KEY);
    const key521 = keyOf("P-521", parseDsmPkr(P521_PKR)!.npk);
    fc.assert(
      fc.property(
        fc.constantFrom<KeyType>("P-256", "P-521"),
        fc.oneof(
          fc.uint8Array({ maxLength: 140 }),
          fc.uint8Array({ minLength: 33, maxLength: 33 }),
          fc.uint8Array({ minLength: 64, maxLength: 64 }),
          fc.uint8Array({ minLength: 132, maxLength: 132 }),
        ),
        (type, any) => {
          importPublicKey(type, any);
          expect(verifySignature(key, any, any)).toBe(false);
          expect(verifySignature(key521, any, any)).toBe(false);
        },
      ),
      { numRuns: 200 },
    );
  });
});

describe("DSM-KROOT", () => {
  it("reads the fields of the one broadcast in WN 1385", () => {
    const dsm = parseDsmKroot(LIVE_KROOT, "P-256")!;
    expect(dsm).toMatchObject({
      blocks: 8,
      pkid: 2,
      cid: 1,
      reserved1: 1,
      reserved2: 0,
      hf: 0,
      mf: 0,
      ks: 4,
      ts: 9,
      wn: 1385,
      towh: 39,
      gst0: gst(1385, 140_400),
      parameters: LIVE,
      unusableReason: null,
    });
    expect(hex(dsm.kroot)).toBe("698599523f6b23cdef4cf7ed1716a64a");
    expect(hex(dsm.padding)).toBe("926acc353664b181ff9dbd");
    expect(hex(dsm.signature)).toBe(
      "4dd119c6008aa7b49b017d4187c0ec6f53c7f99c44f0921b2c52479001671048" +
        "24bd9567709570466393558ba8db13a506e0a3fc73caa7ac1b3f8555a1e0f5db",
    );
    const message = krootSignedMessage(dsm, LIVE_HEADER);
    expect(hex(message)).toBe("92504922056927c5efe33668f2698599523f6b23cdef4cf7ed1716a64a");
    expect(hex(sha256(message))).toBe("2bd34ab9249ec088b66c8666d9e2b2a363b4617431bc61907f9f44c2379feb67");
    expect(hex(sha256(message, dsm.signature))).toBe(
      "926acc353664b181ff9dbdfb76e5d87c9636fd1ef3ce9f74606eb926cdec80d2",
    );
  });

  it("is verified by the public key it names: live, official vectors, P-521, test phase", () => {
    const configuration2Key = keyOf("P-256", parseDsmPkr(CONFIGURATION_2_PKR)!.npk);
    const p521Key = keyOf("P-521", parseDsmPkr(P521_PKR)!.npk);
    const cases = [
      [LIVE_KROOT, LIVE_HEADER, keyOf("P-256", LIVE_KEY)],
      [CONFIGURATION_2_KROOT, CONFIGURATION_2_HEADER, configuration2Key],
      [P521_KROOT, P521_HEADER, p521Key],
      [TEST_PHASE_KROOT, 0x52, keyOf("P-256", TEST_PHASE_KEY)],
    ] as const;
    for (const [message, header, key] of cases) {
      const dsm = parseDsmKroot(message, key.type)!;
      expect(verifyDsmKroot(dsm, header, key)).toBe(true);
      for (const [, , other] of cases) {
        if (other !== key) expect(verifyDsmKroot(dsm, header, other)).toBe(false);
      }
    }
    expect(hex(krootSignedMessage(parseDsmKroot(P521_KROOT, "P-521")!, P521_HEADER))).toBe(
      "da90492204ea9ab47bd0bc52c2afb0a45eb018c354d0b9cd7b7bc4cf38",
    );
  });

  it("fails under any other header byte", () => {
    const key = keyOf("P-256", LIVE_KEY);
    const dsm = parseDsmKroot(LIVE_KROOT, "P-256")!;
    for (let header = 0; header < 256; header++) {
      expect(verifyDsmKroot(dsm, header, key)).toBe(header === LIVE_HEADER);
    }
  });

  it("fails with any bit flipped, except NB_DK (refused by its length) and PKID (not signed)", () => {
    const key = keyOf("P-256", LIVE_KEY);
    for (let bit = 0; bit < LIVE_KROOT.length * 8; bit++) {
      const dsm = parseDsmKroot(flipBit(LIVE_KROOT, bit), "P-256");
      if (bit < 4) {
        expect(dsm, `bit ${bit}`).toBeNull();
      } else if (bit < 8) {
        expect(dsm!.pkid).not.toBe(2);
        expect(verifyDsmKroot(dsm!, LIVE_HEADER, key), `bit ${bit}`).toBe(true);
      } else {
        expect(dsm !== null && verifyDsmKroot(dsm, LIVE_HEADER, key), `bit ${bit}`).toBe(false);
      }
    }
  });

  it("fails with any bit of a P-521 message flipped", () => {
    const key = keyOf("P-521", parseDsmPkr(P521_PKR)!.npk);
    for (let bit = 8; bit < P521_KROOT.length * 8; bit++) {
      const dsm = parseDsmKroot(flipBit(P521_KROOT, bit), "P-521");
      expect(dsm !== null && verifyDsmKroot(dsm, P521_HEADER, key), `bit ${bit}`).toBe(false);
    }
  });

  it("has a signature that covers every bit of the signed message, and is itself covered", () => {
    // By itself: above, the padding alone would find nearly every flip.
    const key = keyOf("P-256", LIVE_KEY);
    const dsm = parseDsmKroot(LIVE_KROOT, "P-256")!;
    const message = krootSignedMessage(dsm, LIVE_HEADER);
    for (let bit = 0; bit < message.length * 8; bit++) {
      expect(verifySignature(key, flipBit(message, bit), dsm.signature), `message bit ${bit}`).toBe(false);
    }
    for (let bit = 0; bit < 512; bit++) {
      expect(verifySignature(key, message, flipBit(dsm.signature, bit)), `signature bit ${bit}`).toBe(false);
    }
    expect(verifySignature(key, message, dsm.signature)).toBe(true);
  });

  it("needs the signature as well as the padding", () => {
    const dsm = parseDsmKroot(LIVE_KROOT, "P-256")!;
    const signature = flipBit(dsm.signature, 300);
    const padding = sha256(krootSignedMessage(dsm, LIVE_HEADER), signature).slice(0, dsm.padding.length);
    expect(verifyDsmKroot({ ...dsm, signature, padding }, LIVE_HEADER, keyOf("P-256", LIVE_KEY))).toBe(false);
  });

  it("is refused where the length does not follow from key size and key type", () => {
    expect(parseDsmKroot(LIVE_KROOT, "P-521")).toBeNull();
    expect(parseDsmKroot(P521_KROOT, "P-256")).toBeNull();
    expect(parseDsmKroot(LIVE_KROOT.subarray(0, 91), "P-256")).toBeNull();
    expect(parseDsmKroot(Uint8Array.of(...LIVE_KROOT, ...new Uint8Array(13)), "P-256")).toBeNull();
    expect(parseDsmKroot(new Uint8Array(0), "P-256")).toBeNull();
  });

  it("knows its number of blocks from the first byte", () => {
    const counts = Array.from({ length: 16 }, (_, code) => numberOfKrootBlocks((code << 4) | 0xf));
    const none = null;
    expect(counts).toEqual([none, 7, 8, 9, 10, 11, 12, 13, 14, none, none, none, none, none, none, none]);
  });

  it("still verifies with reserved codes, and says which it is", () => {
    const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "prime256v1" });
    const jwk = publicKey.export({ format: "jwk" });
    const [x, y] = [jwk.x, jwk.y].map((part) => Buffer.from(part ?? "", "base64url"));
    const key = keyOf("P-256", Uint8Array.of(2 + (y[31] & 1), ...x));
    /** A KROOT of the given codes, signed. */
    const make = (hf: number, mf: number, ks: number, ts: number, maclt: number, towh: number) => {
      const keyBytes = [12, 13, 14, 15, 16, 20, 24, 28, 32][ks];
      const blocks = Math.ceil(1 + (keyBytes + 64) / 13);
      const message = new Uint8Array(blocks * 13);
      message.set([((blocks - 6) << 4) | 5, 0xd0 | (hf << 2) | mf, (ks << 4) | ts, maclt, 5, 0x69, towh]);
      message.fill(0xa5, 7, 13 + keyBytes);
      const signed = Uint8Array.of(0x82, ...message.subarray(1, 13 + keyBytes));
      const signature = createSign("sha256")
        .update(signed)
        .sign({ key: privateKey, dsaEncoding: "ieee-p1363" });
      message.set(signature, 13 + keyBytes);
      const digest = createHash("sha256").update(signed).update(signature).digest();
      message.set(digest.subarray(0, message.length - 13 - keyBytes - 64), 13 + keyBytes + 64);
      return parseDsmKroot(message, "P-256");
    };
    const reasonOf = (dsm: ReturnType<typeof make>): string | null => {
      expect(dsm !== null && verifyDsmKroot(dsm, 0x82, key)).toBe(true);
      expect(dsm!.parameters === null).toBe(dsm!.unusableReason !== null);
      return dsm!.unusableReason;
    };
    expect(reasonOf(make(1, 0, 4, 9, 34, 0))).toBe("reserved-hash");
    expect(reasonOf(make(3, 0, 4, 9, 34, 0))).toBe("reserved-hash");
    expect(reasonOf(make(0, 2, 4, 9, 34, 0))).toBe("reserved-mac");
    expect(reasonOf(make(0, 3, 4, 9, 34, 0))).toBe("reserved-mac");
    for (const ts of [0, 1, 2, 3, 4, 10, 15])
      expect(reasonOf(make(0, 0, 4, ts, 34, 0))).toBe("reserved-tag-size");
    expect(reasonOf(make(0, 0, 4, 9, 34, 168))).toBe("reserved-towh");
    // An unknown look-up table leaves keys and KROOT usable.
    expect(reasonOf(make(0, 0, 4, 9, 200, 0))).toBeNull();
    const keyBits = [96, 104, 112, 120, 128, 160, 192, 224, 256];
    keyBits.forEach((bits, ks) => {
      const dsm = make(2, 0, ks, 5, 34, 167);
      expect(reasonOf(dsm)).toBeNull();
      expect(dsm!.parameters).toMatchObject({
        hash: "SHA3-256",
        mac: "HMAC-SHA-256",
        keyBits: bits,
        tagBits: 20,
      });
      expect(dsm!.kroot.length * 8).toBe(bits);
      expect(reasonOf(make(0, 1, ks, 9, 34, 0))).toBe(
        [128, 192, 256].includes(bits) ? null : "cmac-key-size",
      );
    });
    expect([5, 6, 7, 8, 9].map((ts) => make(0, 0, 4, ts, 34, 0)!.parameters!.tagBits)).toEqual([
      20, 24, 28, 32, 40,
    ]);
  });

  it("keeps copies: a reused buffer does not change it", () => {
    const buffer = Uint8Array.from(LIVE_KROOT);
    const dsm = parseDsmKroot(buffer, "P-256")!;
    buffer.fill(0);
    expect(verifyDsmKroot(dsm, LIVE_HEADER, keyOf("P-256", LIVE_KEY))).toBe(true);
    expect(hex(dsm.parameters!.alpha)).toBe("c5efe33668f2");
  });

  it("never throws on any bytes, and what it accepts has the length of its own fields", () => {
    const key = keyOf("P-256", LIVE_KEY);
    fc.assert(
      fc.property(
        fc.oneof(fc.integer({ min: 0, max: 14 }), fc.constant(8)),
        fc.uint8Array({ minLength: 182, maxLength: 182 }),
        fc.integer({ min: 0, max: 8 }),
        fc.constantFrom<KeyType>("P-256", "P-521"),
        (blocks, any, ks, type) => {
          const message = any.slice(0, blocks * 13);
          if (blocks > 6) message[0] = ((blocks - 6) << 4) | (message[0] & 0xf);
          if (blocks > 0) message[2] = (ks << 4) | (message[2] & 0xf);
          const dsm = parseDsmKroot(message, type);
          if (dsm === null) return;
          expect(13 + dsm.kroot.length + dsm.signature.length + dsm.padding.length).toBe(message.length);
          expect(dsm.padding.length).toBeLessThan(13);
          expect(verifyDsmKroot(dsm, 0x92, key)).toBe(false);
        },
      ),
      { numRuns: 300 },
    );
  });
});

describe("the Merkle proof", () => {
  it("leads from public key 2 over the published nodes to the operational root", () => {
    const dsm = parseDsmPkr(LIVE_PKR)!;
    const leaf = merkleLeaf(1, 2, LIVE_KEY);
    expect(hex(leaf)).toBe("1202219204b5ca6c46b623eeed6cdd2cddb1f7d6a7532767e5b8da0de1ebd695fc99");
    const x01 = sha256(leaf);
    expect(hex(x01)).toBe("941bd34ea7df668b6fc5be75c1d93464d109bc615cb52c8124847fafb09cbb2b");
    const x10 = sha256(dsm.itn[0], x01);
    expect(hex(x10)).toBe("e88fedf723386c1fd1d5070d2d71d11bd783456052278aa388407612168dad2b");
    const x20 = sha256(x10, dsm.itn[1]);
    expect(hex(x20)).toBe("089c0ba3f4b4ed67d5eda3b65bf17fee62f51215350e0e1681abe4bfc6377e50");
    const x30 = sha256(x20, dsm.itn[2]);
    expect(hex(x30)).toBe("890a926e1bfe6fed024dad35ce98514fe70a59e3797dd62d2ef392abc1ec6bcd");
    expect(hex(merkleRootFromProof(leaf, 1, dsm.itn))).toBe(hex(ROOT_LIVE));
    expect(hex(dsm.padding)).toBe("f9a1f1c2c57e");
    expect(verifyDsmPkr(dsm, ROOT_LIVE)).toBe(true);
  });

  it("of every leaf of a tree leads to its root, and to no other with a wrong index", () => {
    const leaves = Array.from({ length: 16 }, (_, i) => Uint8Array.of(0x10 | i, 2, i));
    const levels = [leaves.map((leaf) => sha256(leaf))];
    while (levels.at(-1)!.length > 1) {
      const below = levels.at(-1)!;
      levels.push(Array.from({ length: below.length / 2 }, (_, i) => sha256(below[2 * i], below[2 * i + 1])));
    }
    const root = hex(levels[4][0]);
    leaves.forEach((leaf, index) => {
      const siblings = [0, 1, 2, 3].map((level) => levels[level][(index >> level) ^ 1]);
      for (let claimed = 0; claimed < 16; claimed++) {
        expect(hex(merkleRootFromProof(leaf, claimed, siblings)) === root).toBe(claimed === index);
      }
    });
  });

  it("refuses calls that are no proof", () => {
    const nodes = [1, 2, 3, 4].map(() => new Uint8Array(32));
    expect(() => merkleRootFromProof(LIVE_KEY, 16, nodes)).toThrow(RangeError);
    expect(() => merkleRootFromProof(LIVE_KEY, 0, nodes.slice(1))).toThrow(RangeError);
    expect(() => merkleRootFromProof(LIVE_KEY, 0, [...nodes.slice(1), new Uint8Array(31)])).toThrow(
      RangeError,
    );
    expect(() => merkleLeaf(16, 0, LIVE_KEY)).toThrow(RangeError);
  });
});

describe("DSM-PKR", () => {
  it("carries a P-256 key in 13 blocks", () => {
    const dsm = parseDsmPkr(CONFIGURATION_2_PKR)!;
    expect(dsm).toMatchObject({ blocks: 13, mid: 1, npkt: 1, npkid: 2, kind: "P-256" });
    expect(hex(dsm.leaf)).toBe("120303b2ce64bc207bdd8bc4df859187fcb686320d63ffa091410fc158fbb77980ea");
    expect(hex(dsm.padding)).toBe("b8884c0d33d6");
    expect(verifyDsmPkr(dsm, ROOT_A)).toBe(true);
    expect(hex(pkrRoot(dsm))).toBe(hex(ROOT_A));
    expect(verifyDsmPkr(dsm, ROOT_B)).toBe(false);
  });

  it("carries a P-521 key in 16 blocks", () => {
    const dsm = parseDsmPkr(P521_PKR)!;
    expect(dsm).toMatchObject({ blocks: 16, mid: 8, npkt: 3, npkid: 9, kind: "P-521" });
    expect(dsm.npk.length).toBe(67);
    expect(hex(dsm.padding)).toBe("c86a8ffccbd2b3fcac7fcb");
    expect(verifyDsmPkr(dsm, ROOT_A)).toBe(true);
    expect(importPublicKey("P-521", dsm.npk)).not.toBeNull();
  });

  it("carries an alert, whose payload fills the message", () => {
    const dsm = parseDsmPkr(ALERT_PKR)!;
    expect(dsm).toMatchObject({ blocks: 13, mid: 15, npkt: 4, npkid: 0, kind: "alert" });
    expect(hex(dsm.npk)).toBe(
      "91901751c6a72b37b5683cb0a2d01bf6cba5b7358c0de04290eaba66711dadce7a30938dd4edb2",
    );
    expect(dsm.padding.length).toBe(0);
    expect(verifyDsmPkr(dsm, ROOT_B)).toBe(true);
    expect(verifyDsmPkr(dsm, ROOT_A)).toBe(false);
  });

  it("fails with any bit flipped", () => {
    for (const [message, root] of [
      [LIVE_PKR, ROOT_LIVE],
      [P521_PKR, ROOT_A],
      [ALERT_PKR, ROOT_B],
    ] as const) {
      for (let bit = 0; bit < message.length * 8; bit++) {
        const dsm = parseDsmPkr(flipBit(message, bit));
        expect(dsm !== null && verifyDsmPkr(dsm, root), `bit ${bit}`).toBe(false);
      }
    }
  });

  it("is refused where key type and number of blocks do not go together", () => {
    const retyped = (message: Uint8Array, npkt: number): Uint8Array => {
      const copy = Uint8Array.from(message);
      copy[129] = (npkt << 4) | (copy[129] & 0xf);
      return copy;
    };
    expect(parseDsmPkr(retyped(LIVE_PKR, 3))).toBeNull();
    expect(parseDsmPkr(retyped(P521_PKR, 1))).toBeNull();
    for (const reserved of [0, 2, 5, 15]) expect(parseDsmPkr(retyped(LIVE_PKR, reserved))).toBeNull();
    const longer = Uint8Array.of(...LIVE_PKR, ...new Uint8Array(13));
    expect(parseDsmPkr(longer)).toBeNull();
    longer[0] = 0x81;
    expect(parseDsmPkr(longer)).toBeNull();
    expect(parseDsmPkr(LIVE_PKR.subarray(0, 168))).toBeNull();
  });

  it("knows its number of blocks from the first byte", () => {
    expect([7, 8, 9, 10].map((code) => numberOfPkrBlocks(code << 4))).toEqual([13, 14, 15, 16]);
    // The alert of a vector of 2021 came in 11 blocks.
    expect(numberOfPkrBlocks(0x5f)).toBe(11);
    for (const code of [0, 1, 2, 3, 4, 11, 12, 13, 14, 15]) expect(numberOfPkrBlocks(code << 4)).toBeNull();
  });

  it("never throws on any bytes, and never proves them", () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 208, maxLength: 208 }),
        fc.integer({ min: 0, max: 16 }),
        fc.constantFrom(1, 3, 4, 7),
        (any, blocks, npkt) => {
          const message = any.slice(0, blocks * 13);
          if (blocks > 6) message[0] = ((blocks - 6) << 4) | (message[0] & 0xf);
          if (message.length > 129) message[129] = (npkt << 4) | (message[129] & 0xf);
          const dsm = parseDsmPkr(message);
          if (dsm === null) return;
          expect(130 + dsm.npk.length + dsm.padding.length).toBe(message.length);
          expect(verifyDsmPkr(dsm, ROOT_LIVE)).toBe(false);
        },
      ),
      { numRuns: 300 },
    );
  });
});
