/** An alert message that Galileo never signed: Don't Use, CPKS alert, and a DSM-PKR of the attacker's own tree. */
import { SUBFRAME_SECONDS } from "../../inav/gst.js";
import type { AttackKind } from "../attack.js";
import { CPKS, encodeContent, encodeHkroot, NMAS, nmaHeaderByte } from "../dsm.js";

const ALERT_BLOCKS = 13;
const DSM_ID = 15;

export const FORGED_ALERT: AttackKind = {
  kind: "forged-alert",
  what: "An alert message of the attacker's own Merkle tree in the HKROOT of all satellites; MACK stays genuine.",
  keys: {},
  make: (_, { simulation, authority, fromGst }) => {
    const { cid } = simulation.chainAt(fromGst);
    const header = nmaHeaderByte({ nmas: NMAS.dontUse, cid, cpks: CPKS.alert });
    const dsm = encodeContent({ kind: "alert", authority: authority("attacker") }, header, 0);
    const order = simulation.satellites;
    // Each satellite its own block, the next ones in the next subframe: the message is complete in two.
    const blockOf = (svid: number, gst: number): number =>
      (order.indexOf(svid) + (order.length * (gst - fromGst)) / SUBFRAME_SECONDS) % ALERT_BLOCKS;
    return {
      osnma: (subframe) => ({
        ...subframe,
        hkroot: encodeHkroot(header, DSM_ID, dsm, blockOf(subframe.svid, subframe.gst)),
      }),
    };
  },
};
