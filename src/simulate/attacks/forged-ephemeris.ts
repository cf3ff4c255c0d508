/** A forged ephemeris with everything an attacker can make fit: CRC and the parity words. The tags stay genuine. */
import Type from "typebox";
import { encodeParity } from "../../inav/reed-solomon.js";
import type { AttackKind } from "../attack.js";
import { flipBit } from "../scenario.js";

export const FORGED_EPHEMERIS: AttackKind = {
  kind: "forged-ephemeris",
  what: "Flips one bit (6 to 127) of word 1, 2, 3 or 4 of the named satellites and makes their parity words fit.",
  keys: {
    svids: Type.Array(Type.Integer({ minimum: 1, maximum: 36 }), { minItems: 1 }),
    word: Type.Integer({ minimum: 1, maximum: 4 }),
    bit: Type.Integer({ minimum: 6, maximum: 127 }),
  },
  make: ({ svids, word, bit }, { simulation }) => {
    const forged = (svid: number, gst: number): Uint8Array[] => {
      const words = [1, 2, 3, 4].map((type) => simulation.navigation.word(svid, type, gst, gst));
      const at = (word as number) - 1;
      words[at] = flipBit(words[at]!, bit as number);
      const [w1, w2, w3, w4] = words as [Uint8Array, Uint8Array, Uint8Array, Uint8Array];
      return [w1, w2, w3, w4, ...encodeParity(w1, w2, w3, w4)];
    };
    return {
      word: (bytes, { svid, type, subframeGst }) => {
        if (!(svids as number[]).includes(svid)) return bytes;
        const slot = type >= 1 && type <= 4 ? type - 1 : type >= 17 && type <= 20 ? type - 13 : -1;
        return slot < 0 ? bytes : forged(svid, subframeGst)[slot]!;
      },
    };
  },
};
