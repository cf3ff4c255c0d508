/** Live words of five satellites, WN 1385 about TOW 141660, as broadcast (WT1 to WT5). */
import type { EphemerisWords } from "../../src/ephemeris/ephemeris.js";

const words = (...hex: string[]): EphemerisWords => {
  const [w1, w2, w3, w4, w5] = hex.map((word) => Uint8Array.from(Buffer.from(word, "hex")));
  return [w1, w2, w3, w4, w5];
};

export const E31_WORDS = words(
  "046b249111aa9fd4003a4efaa813a723",
  "086b29aa129b272e8e870b4d32eafe4d",
  "0c6bffc4b9222908b3134812100af06b",
  "106b7c0004003c924ffbe8e6ffff3901",
  "1520ffdffd000581a02b4914abaaaaaa",
);
export const E26_WORDS = words(
  "046523a11133a9e4009a2416a8138697",
  "08657f0f7d84286a831ce2c421cdf541",
  "0c65ffc4171c1efaf1091620aef96f6b",
  "106568000000108e8007edb500030101",
  "1520ffdffd01f4fcc02b4914abaaaaaa",
);
export const E12_WORDS = words(
  "046b2493c92723000112936ea81354f7",
  "086b7f2afda828904e24067f28b1f1f5",
  "0c6bffc3e91cc5f958084e2142f7b46b",
  "106b33ffdbffd4924ffefc935fff2f01",
  "1520ffdffd01e5f9402b4914abaaaaaa",
);
export const E13_WORDS = words(
  "046c24b9adc7453000c43f1aa8139a57",
  "086c7f2d310a28b084fbf0c51e5cf1ed",
  "0c6cffc4431b8afa1308372291f90f6b",
  "106c34006c004c92effe5cf63fffcc01",
  "1520ffdffd000902602b4914baaaaaaa",
);
