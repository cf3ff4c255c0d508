/** One-bit changes in what satellites send. */
import Type from "typebox";
import type { AttackKind } from "../attack.js";
import { flipBit } from "../scenario.js";

const SVIDS = Type.Array(Type.Integer({ minimum: 1, maximum: 36 }), { minItems: 1 });

function isOneOf(svids: unknown, svid: number): boolean {
  return (svids as number[]).includes(svid);
}

export const BIT_ATTACKS: readonly AttackKind[] = [
  {
    kind: "flip-osnma-bit",
    what: "Flips one bit of HKROOT (0 to 119) or MACK (0 to 479) of the named satellites, in every subframe.",
    keys: {
      svids: SVIDS,
      section: Type.Enum(["hkroot", "mack"]),
      bit: Type.Integer({ minimum: 0, maximum: 479 }),
    },
    make: ({ svids, section, bit }) => ({
      osnma: (subframe) => {
        if (!isOneOf(svids, subframe.svid)) return subframe;
        const at = bit as number;
        return section === "mack"
          ? { ...subframe, mack: flipBit(subframe.mack, at) }
          : { ...subframe, hkroot: flipBit(subframe.hkroot, at) };
      },
    }),
  },
  {
    kind: "flip-word-bit",
    what: "Flips one bit (0 to 127) of every word of one type of the named satellites; the page's CRC is made to fit.",
    keys: {
      svids: SVIDS,
      word: Type.Integer({ minimum: 0, maximum: 63 }),
      bit: Type.Integer({ minimum: 6, maximum: 127 }),
    },
    make: ({ svids, word, bit }) => ({
      word: (bytes, { svid, type }) =>
        type === word && isOneOf(svids, svid) ? flipBit(bytes, bit as number) : bytes,
    }),
  },
];
