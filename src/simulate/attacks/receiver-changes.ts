/** What happens to the receiver itself in the middle of a run. */
import Type from "typebox";
import type { AttackKind } from "../attack.js";
import { OUTPUT_MESSAGES } from "../frames.js";
import type { TimedFrame } from "../timed-frame.js";

export const RECEIVER_CHANGES: readonly AttackKind[] = [
  {
    kind: "nothing",
    what: "Nothing is done: for what must come of the scenario itself, an alert that is genuine for one.",
    keys: {},
    make: () => ({}),
  },
  {
    kind: "restart",
    what: "The receiver is off for `off` seconds, begins without time, and knows it again `unknown` seconds later.",
    keys: {
      off: Type.Number({ minimum: 1, maximum: 3600 }),
      unknown: Type.Number({ minimum: 0, maximum: 600 }),
    },
    make: ({ off, unknown }, { fromGst }) => {
      const on = fromGst + (off as number);
      return {
        receiver: (state, { gst }) => {
          state.uptimeMilliseconds = Math.max(0, Math.round(1000 * (gst - on)));
          if (gst < on + (unknown as number)) {
            state.knows = "nothing";
            state.fixOk = false;
          }
        },
        frames: function* (frames: Iterable<TimedFrame>) {
          for (const frame of frames) if (frame.gst < fromGst || frame.gst >= on) yield frame;
        },
      };
    },
  },
  {
    kind: "reconfigured",
    what: "Somebody switches the named messages off.",
    keys: { messages: Type.Array(Type.Enum([...OUTPUT_MESSAGES]), { minItems: 1 }) },
    make: ({ messages }, { fromGst, toGst }) => ({
      frames: function* (frames: Iterable<TimedFrame>) {
        for (const frame of frames) {
          const isOff =
            frame.gst >= fromGst && frame.gst < toGst && (messages as string[]).includes(frame.name);
          if (!isOff) yield frame;
        }
      },
    }),
  },
];
