/** Genuine signals at another time, or by another way, than they were sent. */
import Type from "typebox";
import type { AttackKind } from "../attack.js";
import { shiftRange } from "../measurements.js";

const FOREVER = 604_800;

export const LATE_SIGNALS: readonly AttackKind[] = [
  {
    kind: "replay",
    what: "The whole sky, recorded and played again `delay` seconds later; everything in it is genuine.",
    keys: { delay: Type.Number({ minimum: 0, maximum: FOREVER }) },
    make: ({ delay }) => ({ delaySeconds: () => delay as number }),
  },
  {
    kind: "replay-satellite",
    what: "Pages of the named satellites come again `delay` seconds (a multiple of 30) later, in place of their own.",
    keys: {
      svids: Type.Array(Type.Integer({ minimum: 1, maximum: 36 }), { minItems: 1 }),
      delay: Type.Integer({ minimum: 30, maximum: 3600, multipleOf: 30 }),
    },
    make: ({ svids, delay }, { simulation }) => ({
      page: (page) =>
        (svids as number[]).includes(page.svid)
          ? { ...simulation.honestPage(page.svid, page.band, page.gst - (delay as number)), gst: page.gst }
          : page,
    }),
  },
  {
    kind: "meaconing",
    what: "The sky of an antenna elsewhere, re-broadcast: all signals `meters` of cable and path later, live and genuine.",
    keys: { meters: Type.Number({ minimum: 0, maximum: 300_000 }) },
    // Up to a millisecond: what that does to the time of pages is nothing against a receiver's latency.
    make: ({ meters }) => ({
      measurement: (m) => {
        shiftRange(m, meters as number);
        return true;
      },
    }),
  },
  {
    kind: "time-pull",
    what: "The time of the whole sky falls behind by `rate` seconds each second, with everything in it genuine.",
    keys: { rate: Type.Number({ minimum: 0, maximum: 0.4 }) },
    make: ({ rate }, { fromGst }) => ({
      delaySeconds: (gst) => (rate as number) * Math.max(0, gst - fromGst),
    }),
  },
];
