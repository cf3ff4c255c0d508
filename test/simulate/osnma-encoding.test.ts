import { describe, expect, it } from "vitest";
import { gstOf } from "../../src/inav/gst.js";
import { BitWriter, fromHex, toHex } from "../../src/simulate/bit-writer.js";
import { encodeDsmKroot, encodeDsmPkr, encodeHkroot, nmaHeaderByte } from "../../src/simulate/dsm.js";
import {
  assembleMack,
  keyGstOf,
  MACLT,
  macseqMessage,
  tagCount,
  tagMessage,
  validChainParameters,
} from "../../src/simulate/mack.js";
import { cmacAes, macOf, OPERATIONAL_PARAMETERS, previousKey } from "../../src/simulate/tesla-chain.js";

const LIVE_ALPHA = fromHex("c5efe33668f2");
/** Published worked examples: OSNMA notes section 19, from live signals and the official vectors. */
const KROOT_LIVE =
  "22504922056927c5efe33668f2698599523f6b23cdef4cf7ed1716a64a4dd119c6008aa7b49b017d4187c0ec6f53c7f99c44f092" +
  "1b2c5247900167104824bd9567709570466393558ba8db13a506e0a3fc73caa7ac1b3f8555a1e0f5db926acc353664b181ff9dbd";
const KROOT_P521 =
  "7990492204ea9ab47bd0bc52c2afb0a45eb018c354d0b9cd7b7bc4cf38018f19c39220ec0668506488bc21da37d236c5a8e5ba5d" +
  "f89c446ed6248fae5d806c9ef4aaac2e140aeaba6631a094b453540def9b927870cbb7a804464005b67562018502867d84d16dc8" +
  "8dda0f287a453a6af8313672a3b78c55654905cea6d8b0a8e37635c1ebf814b315dd5b321864c2dfbf661d1c2c5bdc208140e810" +
  "ffba4d795c6ec2242cf955ed87";
const PKR_P521 =
  "a890938f4bc2c7967af526090094f30df44e10987422dd26d351df3c17dc63066a48910e560df48615dfba7ad8f20e953bee1584" +
  "4994182e215ddc9b628bb7c6da3ce12b1d83948031c682177ccc9ff5d929a7bed5bcef61c2e31e06d41f18c776601bcfc32e2cc7" +
  "daa0fce303988152a3d111accd8d7bbc8221b7ecaf1f19e5f93903004be2d894fca1c3585db7fc4d29eb695e41e366b1039cc463" +
  "7e6814216d34eae874ff6652c49be054ef2e9d229bdd03048039b40d230ffc7671e766b7420af22eeec86a8ffccbd2b3fcac7fcb";
const PKR_P256 =
  "717cbe05d9970cfc9e22d0a43a340ef557624453a2e821aadeac989c405d78ba06956380bab0d2c939ec6208151040ccffcf1fb7" +
  "156178fd1255ba0aecaaa253f7407b6c5dd4df059ff8789474061301e1c34881db7a367a913a3674300e21eab124ef508389b7d4" +
  "46c3e2ece8d459fbbd3239a794906f5b1f92469c640164fd87120303b2ce64bc207bdd8bc4df859187fcb686320d63ffa091410f" +
  "c158fbb77980eab8884c0d33d6";
const OAM =
  "7f00d7f425160535ca76eb2304fc55414d4773283d468f6ed0e20a6e64c2b16b9586d36f99eab4589a712a36989f3b58d6e91c94" +
  "4fed00cd1ebd3b8ba7a3f7f4a6b183522f796fda77e8fb2b84285e5c14689aafd150135329505caee3e5ac3fbe1b668c4b1580b9" +
  "5487b45f276c0e11c91f5355a44a32a28c40469c6e4d81eea04091901751c6a72b37b5683cb0a2d01bf6cba5b7358c0de04290ea" +
  "ba66711dadce7a30938dd4edb2";
const ROOT_A = "a10c440f3aa62453526db4af76df8d9410d35d8277397d7053c700d192702b0d";
const ROOT_B = "259b5243fea8338253c28a05d8bd5db04180c3f59a3027e391bf2b6e1ac3509b";

const slices = (hex: string, from: number, size: number, count: number): Uint8Array[] =>
  Array.from({ length: count }, (_, i) =>
    fromHex(hex.slice(2 * (from + i * size), 2 * (from + (i + 1) * size))),
  );

/** The 549 bits of words 1-5. */
function ced(words: string[]): { bits: Uint8Array; bitLength: number } {
  const [w1, w2, w3, w4, w5] = words.map(fromHex) as [
    Uint8Array,
    Uint8Array,
    Uint8Array,
    Uint8Array,
    Uint8Array,
  ];
  const out = new BitWriter(549)
    .bits(w1, 6, 120)
    .bits(w2, 6, 120)
    .bits(w3, 6, 122)
    .bits(w4, 6, 120)
    .bits(w5, 6, 67);
  return { bits: out.toBytes(), bitLength: 549 };
}

const E31 = ced([
  "046b249111aa9fd4003a4efaa813a723",
  "086b29aa129b272e8e870b4d32eafe4d",
  "0c6bffc4b9222908b3134812100af06b",
  "106b7c0004003c924ffbe8e6ffff3901",
  "1520ffdffd000581a02b4914abaaaaaa",
]);
const E23 = ced([
  "046924406ede541c00ae0bcea813c61b",
  "086929879fbb2742e0f74d494270fd6d",
  "0c69ffc4bb221f08c5136f12150b0e6b",
  "10695fffe80034910fff17a23fffa501",
  "1520ffdffd01ff00402b4914abaaaaaa",
]);

describe("NMA header", () => {
  it.each([
    [0x52, { nmas: 1, cid: 1, cpks: 1 }],
    [0x92, { nmas: 2, cid: 1, cpks: 1 }],
    [0xb4, { nmas: 2, cid: 3, cpks: 2 }],
    [0xc6, { nmas: 3, cid: 0, cpks: 3 }],
    [0x98, { nmas: 2, cid: 1, cpks: 4 }],
    [0xda, { nmas: 3, cid: 1, cpks: 5 }],
    [0xac, { nmas: 2, cid: 2, cpks: 6 }],
    [0xee, { nmas: 3, cid: 2, cpks: 7 }],
  ])("is %i for %o, as seen on air", (byte, header) => {
    expect(nmaHeaderByte(header)).toBe(byte);
  });
});

describe("DSM-KROOT", () => {
  it("of 2026-03-09 comes out again from its fields and signature, padding included", () => {
    const signed: string[] = [];
    const dsm = encodeDsmKroot({
      nmaHeader: 0x92,
      pkid: 2,
      cidkr: 1,
      parameters: OPERATIONAL_PARAMETERS,
      gst0: gstOf(1385, 39 * 3600),
      alpha: LIVE_ALPHA,
      kroot: fromHex("698599523f6b23cdef4cf7ed1716a64a"),
      sign: (message) => {
        signed.push(toHex(message));
        return fromHex(KROOT_LIVE.slice(58, 58 + 128));
      },
    });
    expect(signed).toEqual(["92504922056927c5efe33668f2698599523f6b23cdef4cf7ed1716a64a"]);
    expect(toHex(dsm)).toBe(KROOT_LIVE);
    expect(toHex(encodeHkroot(0x92, 2, dsm, 5))).toBe("9225709570466393558ba8db13a506");
  });

  it("of the P-521 vector pkrev_step1 comes out again, 13 blocks", () => {
    const dsm = encodeDsmKroot({
      nmaHeader: 0xda,
      pkid: 9,
      cidkr: 2,
      parameters: OPERATIONAL_PARAMETERS,
      gst0: gstOf(1258, 554_400),
      alpha: fromHex("b47bd0bc52c2"),
      kroot: fromHex("afb0a45eb018c354d0b9cd7b7bc4cf38"),
      sign: () => fromHex(KROOT_P521.slice(58, 58 + 264)),
    });
    expect(toHex(dsm)).toBe(KROOT_P521);
  });
});

describe("DSM-PKR", () => {
  it.each([
    ["P-521, vector pkrev_step1", PKR_P521, ROOT_A, { mid: 8, npkt: 3, npkid: 9 }, 67],
    ["P-256, vector configuration_2", PKR_P256, ROOT_A, { mid: 1, npkt: 1, npkid: 2 }, 33],
    ["alert, vector oam_step1", OAM, ROOT_B, { mid: 15, npkt: 4, npkid: 0 }, 39],
  ])("%s comes out again from its fields, padding included", (_, published, root, fields, npkBytes) => {
    const dsm = encodeDsmPkr({
      ...fields,
      itn: slices(published, 1, 32, 4),
      npk: slices(published, 130, npkBytes, 1)[0],
      root: fromHex(root),
    });
    expect(toHex(dsm)).toBe(published);
  });
});

describe("TESLA chain step", () => {
  const step = (key: string, wn: number, tow: number, alpha: string, hash: "SHA-256" | "SHA3-256"): string =>
    toHex(previousKey(fromHex(key), gstOf(wn, tow), fromHex(alpha), { hash, keyBits: key.length * 4 }));

  it.each([
    [
      "live",
      "9b343278ee2c40e9877162c306b8a50a",
      1385,
      140_370,
      "c5efe33668f2",
      "698599523f6b23cdef4cf7ed1716a64a",
    ],
    [
      "vector",
      "2dc3a3cdb117faadb83b5f0b6fea88eb",
      1248,
      345_600,
      "610bdf26d77b",
      "eff999040e19b570835060bebd23ed92",
    ],
    [
      "vector",
      "eff999040e19b570835060bebd23ed92",
      1248,
      345_570,
      "610bdf26d77b",
      "5bf8c9cbfcf70422081475fd445df0ff",
    ],
    [
      "week edge",
      "4235ff797019e2efd3cb72780e861fed",
      1145,
      0,
      "25d3964da3a2",
      "17b98fd42a4afd0ea36d1da2de406b93",
    ],
    [
      "week edge",
      "17b98fd42a4afd0ea36d1da2de406b93",
      1144,
      604_770,
      "25d3964da3a2",
      "540a4830d139b710a4951d73c19da22d",
    ],
  ])("%s: %s", (_, key, wn, tow, alpha, expected) => {
    expect(step(key, wn, tow, alpha, "SHA-256")).toBe(expected);
  });

  it("with SHA3-256", () => {
    expect(step("9b343278ee2c40e9877162c306b8a50a", 1385, 140_370, "c5efe33668f2", "SHA3-256")).toBe(
      "6b0ce776b9e629623724f43adeade95b",
    );
  });
});

describe("AES-CMAC", () => {
  it("gives the values of NIST SP 800-38B for 128, 192 and 256 bits", () => {
    const message = fromHex(
      "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e5130c81c46a35ce411",
    );
    const key128 = fromHex("2b7e151628aed2a6abf7158809cf4f3c");
    const key192 = fromHex("8e73b0f7da0e6452c810f32b809079e562f8ead2522c6b7b");
    const key256 = fromHex("603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4");
    expect(toHex(cmacAes(key128, new Uint8Array(0)))).toBe("bb1d6929e95937287fa37d129b756746");
    expect(toHex(cmacAes(key128, message.subarray(0, 16)))).toBe("070a16b46b4d4144f79bdd9dd04a287c");
    expect(toHex(cmacAes(key128, message))).toBe("dfa66747de9ae63030ca32611497c827");
    expect(toHex(cmacAes(key192, message))).toBe("8a1de5be2eb31aad089a82e6ee908b0e");
    expect(toHex(cmacAes(key256, message))).toBe("aaf3d8f1de5640c232f5b169b9c911e6");
  });
});

describe("MACK of E31 at WN 1385 TOW 141660, from its parts", () => {
  const gst = gstOf(1385, 141_660);
  const key = fromHex("6719a4cf8a38dcd5fcbf67d4c9162d6c");
  const slowKey = fromHex("1d42e64cb1beb9361204b831ac7b735e");
  const tag = (prnD: number, ctr: number, data: { bits: Uint8Array; bitLength: number }, of = key): string =>
    toHex(macOf("HMAC-SHA-256", of, tagMessage(prnD, 31, gst, ctr, 2, data), 40));

  it("Tag0 covers 75 bytes without PRN_D", () => {
    expect(tagMessage(31, 31, gst, 1, 2, E31)).toHaveLength(75);
    expect(tag(31, 1, E31)).toBe("107f5e36aa");
  });

  it("a flexible tag, a timing tag and a Slow MAC tag", () => {
    const timing = new BitWriter(141)
      .bits(fromHex("1bfffffffc0000004861a62789114a1a"), 6, 99)
      .bits(fromHex("2ab50aff8c7677fc700000007ffd8c29"), 86, 42);
    expect(tag(23, 2, E23)).toBe("51ed188fca");
    expect(tag(31, 3, { bits: timing.toBytes(), bitLength: 141 })).toBe("8775739944");
    expect(tag(31, 5, E31, slowKey)).toBe("065effc875");
    expect(keyGstOf(0, gst) - gst).toBe(30);
    expect(keyGstOf(12, gst) - gst).toBe(330);
  });

  it("MACSEQ covers the flexible Tag-Infos, and the section packs to the bits on air", () => {
    const info = (prnD: number, adkd: number): { prnD: number; adkd: number; cop: number } => ({
      prnD,
      adkd,
      cop: 15,
    });
    const infos = [info(31, 0), info(23, 0), info(31, 4), info(26, 0), info(31, 12), info(12, 0)];
    const message = macseqMessage(31, gst, [infos[1], infos[3]]);
    expect(toHex(message)).toBe("1f5692295c170f1a0f");
    const macseq = macOf("HMAC-SHA-256", key, message, 12);
    const tags = ["107f5e36aa", "51ed188fca", "8775739944", "380468208e", "065effc875", "ab6907d91b"].map(
      fromHex,
    );
    const own = fromHex("39dc0ebc851d0e2ee84ba5732a62885c");
    expect(toHex(assembleMack(OPERATIONAL_PARAMETERS, tags, macseq, infos, own))).toBe(
      "107f5e36aa78df51ed188fca170f87757399441f4f380468208e1a0f065effc8751fcfab6907d91b0c0f" +
        "39dc0ebc851d0e2ee84ba5732a62885c0000",
    );
  });
});

describe("other published tags", () => {
  it("MACSEQ without flexible slots is over five bytes (test-phase annex)", () => {
    const message = macseqMessage(1, gstOf(1145, 0), []);
    expect(toHex(message)).toBe("0147900000");
    expect(toHex(macOf("HMAC-SHA-256", fromHex("4235FF797019E2EFD3CB72780E861FED"), message, 12))).toBe(
      "33a0",
    );
  });

  it("a dummy tag covers zeros (E14 at TOW 141810)", () => {
    const data = { bits: new Uint8Array(69), bitLength: 549 };
    const message = tagMessage(14, 14, gstOf(1385, 141_810), 1, 2, data);
    expect(toHex(macOf("HMAC-SHA-256", fromHex("7df95ba9a409d68a8cf0e4c17565f25e"), message, 40))).toBe(
      "42c6f2a15e",
    );
  });
});

describe("MAC look-up table", () => {
  it("has as many slots in both messages as tags fit, for every parameter set it offers", () => {
    const sets = validChainParameters();
    for (const parameters of sets) {
      for (const sequence of MACLT.get(parameters.maclt)!)
        expect(sequence).toHaveLength(tagCount(parameters));
    }
    expect(new Set(sets.map(({ maclt }) => maclt))).toEqual(new Set(MACLT.keys()));
    expect(new Set(sets.map(({ tagBits }) => tagBits))).toEqual(new Set([20, 24, 28, 32, 40]));
    expect(sets.filter(({ mac, keyBits }) => mac === "CMAC-AES" && keyBits % 64 !== 0)).toEqual([]);
  });
});
