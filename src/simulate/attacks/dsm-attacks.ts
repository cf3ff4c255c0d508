/** Digital signature messages that are genuine but old, or put together from two. */
import Type from "typebox";
import { SUBFRAME_SECONDS } from "../../inav/gst.js";
import type { AttackKind } from "../attack.js";
import { BLOCK_BITS, encodeContent, encodeHkroot, NMAS, nmaHeaderByte } from "../dsm.js";
import { TeslaChain } from "../tesla-chain.js";

const HOUR = 3600;
const OTHER_DSM_ID = 11;

export const DSM_ATTACKS: readonly AttackKind[] = [
  {
    kind: "old-root-key",
    what: "HKROOT of all satellites carries a root key that Galileo signed `hours` ago, of a chain that is over.",
    keys: { hours: Type.Integer({ minimum: 4, maximum: 200 }) },
    make: ({ hours }, { simulation, authority, fromGst, seed }) => {
      const inForce = simulation.chainAt(fromGst);
      const begin = Math.floor(fromGst / HOUR) * HOUR - (hours as number) * HOUR;
      const cid = (inForce.cid + 1) % 4;
      const { parameters } = inForce;
      const chain = new TeslaChain({
        seed: `${seed} old`,
        cid,
        parameters,
        startGst: begin,
        endGst: begin + HOUR,
      });
      const header = nmaHeaderByte({ nmas: NMAS.operational, cid, cpks: 1 });
      const content = { kind: "kroot", chain, authority: authority("A"), pkid: 2 } as const;
      const dsm = encodeContent(content, header, begin);
      const order = simulation.satellites;
      const placeOf = (svid: number): number => order.indexOf(svid);
      return {
        osnma: (subframe) => ({
          ...subframe,
          hkroot: hkrootOf(header, dsm, placeOf(subframe.svid), subframe.gst),
        }),
      };
    },
  },
  {
    kind: "mixed-dsm",
    what: "Every second block of the DSM on air is replaced by a block of the attacker's own, on the named satellites.",
    keys: { svids: Type.Array(Type.Integer({ minimum: 1, maximum: 36 }), { minItems: 1 }) },
    make: ({ svids }, { simulation, authority, fromGst }) => {
      const chain = simulation.chainAt(fromGst);
      const header = nmaHeaderByte({ nmas: NMAS.operational, cid: chain.cid, cpks: 1 });
      const content = { kind: "kroot", chain, authority: authority("attacker"), pkid: 2 } as const;
      const dsm = encodeContent(content, header, chain.rootHourAt(fromGst));
      return {
        osnma: (subframe) => {
          const block = subframe.hkroot[1]! & 0x0f;
          if (block % 2 === 0 || !(svids as number[]).includes(subframe.svid)) return subframe;
          const bytes = BLOCK_BITS / 8;
          const hkroot = subframe.hkroot.slice();
          hkroot.set(dsm.subarray(block * bytes, (block + 1) * bytes), 2);
          return { ...subframe, hkroot };
        },
      };
    },
  },
];

/** Each satellite another block, and the next one in the next subframe. */
function hkrootOf(header: number, dsm: Uint8Array, place: number, gst: number): Uint8Array {
  const blocks = (dsm.length * 8) / BLOCK_BITS;
  return encodeHkroot(header, OTHER_DSM_ID, dsm, (Math.max(0, place) + gst / SUBFRAME_SECONDS) % blocks);
}
