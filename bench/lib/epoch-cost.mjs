/**
 * What one epoch costs the pipeline, from the measurements' frame to the fix with its evidence: RXM-RAWX of `signals`
 * signals, NAV-PVT, NAV-SAT and NAV-EOE framed, decoded, solved, watched, graded and hashed. Pages are not counted:
 * they come at their own rate, whatever that of the epochs.
 */
import { readFileSync } from "node:fs";
import { encodeFrame, Framer } from "gnss-ubx";
import { fixEvidence } from "../../dist/cli/fix-evidence.js";
import { fixesWith } from "../../dist/fix/fix-stage.js";
import { Pipeline } from "../../dist/pipeline/pipeline.js";

const RXM_SFRBX = 0x0213;
const RXM_RAWX = 0x0215;
const HEAD = 16;
const MEASUREMENT = 32;
/** What stands for the other constellations: GPS, BeiDou, GLONASS. */
const OTHERS = [0, 3, 6];

/** The same epoch with measurements of other constellations up to so many signals. @param {Uint8Array} payload @param {number} signals */
function filledUp(payload, signals) {
  const own = payload[11];
  if (own === 0) return payload;
  const count = Math.max(own, signals);
  const filled = new Uint8Array(HEAD + count * MEASUREMENT);
  filled.set(payload);
  filled[11] = count;
  for (let k = own; k < count; k++) {
    const from = HEAD + (k % own) * MEASUREMENT;
    const at = HEAD + k * MEASUREMENT;
    filled.set(payload.subarray(from, from + MEASUREMENT), at);
    filled[at + 20] = OTHERS[k % OTHERS.length];
  }
  return filled;
}

/**
 * Milliseconds of each epoch that became a fix with an own position, in order.
 * @param {string} path
 * @param {{ roots: readonly unknown[], keys: readonly unknown[], rootKey: unknown }} start
 * @param {number} signals
 */
export function epochCosts(path, start, signals) {
  /** @type {number[]} */
  const times = [];
  let spent = 0;
  const pipeline = new Pipeline(
    {
      ...start,
      mode: "replay",
      softwareVersion: "bench",
      fixes: fixesWith({ mode: "replay", softwareVersion: "bench", evidence: fixEvidence(() => {}) }),
    },
    (record) => {
      if (record.type === "fix" && record.own !== null) times.push(Number.NaN);
    },
  );
  /** @type {[number, Uint8Array][]} */
  const frames = [];
  const sink = {
    ubx: (messageClass, messageId, payload) => {
      const kind = (messageClass << 8) | messageId;
      const body = kind === RXM_RAWX ? filledUp(payload, signals) : payload;
      frames.push([kind, encodeFrame(messageClass, messageId, body)]);
    },
  };
  const framer = new Framer();
  framer.push(readFileSync(path), sink);
  framer.end(sink);
  for (const [kind, frame] of frames) {
    if (kind === RXM_SFRBX) {
      pipeline.push(frame);
      continue;
    }
    if (kind === RXM_RAWX) spent = 0;
    const begun = process.hrtime.bigint();
    pipeline.push(frame);
    spent += Number(process.hrtime.bigint() - begun) / 1e6;
    if (Number.isNaN(times.at(-1))) times[times.length - 1] = spent;
  }
  return times.filter((time) => !Number.isNaN(time));
}
