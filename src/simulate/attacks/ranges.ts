/** Forged ranges under genuine data, and noise in place of signals. OSNMA signs neither. */
import Type from "typebox";
import type { AttackHooks, AttackKind } from "../attack.js";
import { shiftRange } from "../measurements.js";

const SVIDS = Type.Array(Type.Integer({ minimum: 1, maximum: 36 }), { minItems: 1 });
const AGC_COUNTS_PER_DB = 150;
const DEG = Math.PI / 180;
/** MON-RF jamming indicator under heavy noise, of 255. */
const JAMMED_INDICATOR = 200;

/** Stronger signals: more C/N0 and less gain. */
function stronger(db: number): Pick<AttackHooks, "measurement" | "receiver"> {
  return {
    measurement: (m) => {
      m.cn0DbHz += db;
      return true;
    },
    receiver: (state) => {
      for (const end of state.frontEnds) end.agcCount = Math.max(0, end.agcCount - AGC_COUNTS_PER_DB * db);
    },
  };
}

export const RANGE_ATTACKS: readonly AttackKind[] = [
  {
    kind: "position-pull",
    what: "A spoofer takes all signals over where they are, `power` dB stronger, and pulls the position east by `speed` m/s.",
    keys: {
      speed: Type.Number({ minimum: 0, maximum: 10_000 }),
      power: Type.Optional(Type.Number({ minimum: 0, maximum: 40 })),
      /** All signals at one level, as simple spoofers send them, dBHz. */
      level: Type.Optional(Type.Number({ minimum: 20, maximum: 60 })),
    },
    make: ({ speed, power, level }, { fromGst }) => {
      const capture = stronger((power as number | undefined) ?? 0);
      return {
        receiver: capture.receiver!,
        measurement: (m, epoch) => {
          capture.measurement!(m, epoch);
          if (level !== undefined) m.cn0DbHz = level as number;
          const longitude = epoch.motion.place.longitudeDeg * DEG;
          // East, as the Earth turns: the way to a satellite in the east gets shorter.
          const alongEast = -m.direction[0] * Math.sin(longitude) + m.direction[1] * Math.cos(longitude);
          const rate = speed as number;
          shiftRange(m, -alongEast * rate * (epoch.gst - fromGst), -alongEast * rate);
          return true;
        },
      };
    },
  },
  {
    kind: "range-fault",
    what: "Ranges of the named satellites are `meters` too long: satellites that contradict the others.",
    keys: { svids: SVIDS, meters: Type.Number({ minimum: -1e6, maximum: 1e6 }) },
    make: ({ svids, meters }) => ({
      measurement: (m) => {
        if ((svids as number[]).includes(m.svid)) shiftRange(m, meters as number);
        return true;
      },
    }),
  },
  {
    kind: "jamming",
    what: "Noise: C/N0 falls by `db`; what falls below 25 dBHz is lost, pages with it, and the receiver says so.",
    keys: { db: Type.Number({ minimum: 1, maximum: 60 }) },
    make: ({ db }) => {
      const lost = (db as number) >= 25;
      return {
        page: (page) => (lost ? null : page),
        measurement: (m) => {
          m.cn0DbHz -= db as number;
          return m.cn0DbHz >= 25;
        },
        receiver: (state) => {
          state.jammingState = 3;
          for (const end of state.frontEnds) {
            end.cwSuppression = JAMMED_INDICATOR;
            end.agcCount = Math.max(0, end.agcCount - AGC_COUNTS_PER_DB * (db as number));
          }
          if (lost) state.fixOk = false;
        },
      };
    },
  },
];
