/** Streams of a simulation without a scenario file: a noiseless receiver at rest, for tests and benchmarks. */
import { concatBytes } from "./bit-writer.js";
import { type ColdStart, type OutputRates, receiverFrames } from "./frames.js";
import { DEFAULT_DAMAGE, damagedFrames, type DamageReport, emptyReport } from "./link.js";
import type { Simulation } from "./scenario.js";
import type { TimedFrame } from "./timed-frame.js";

export { sentence } from "./nmea.js";
export { rtcmFrame, sfrbxFrame, ubxFrame } from "./ubx-messages.js";
export type { ColdStart } from "./frames.js";
export type { DamageReport } from "./link.js";

export interface UbxStreamOptions {
  /** Also RXM-RAWX every second. */
  readonly rawx?: boolean;
  /** Also $GNRMC and $GNGGA every second. */
  readonly nmea?: boolean;
  /** NAV-PVT, NAV-SAT and NAV-TIMEUTC every so many seconds; NAV-TIMEGAL and NAV-EOE come every second. */
  readonly positionEverySeconds?: number;
  readonly coldStart?: ColdStart;
}

/** All frames and sentences, one by one. */
export function* ubxFrames(simulation: Simulation, options: UbxStreamOptions = {}): Generator<Uint8Array> {
  const every = options.positionEverySeconds ?? 1;
  const output: OutputRates = {
    ...(options.nmea === true ? { "NMEA-RMC": 1, "NMEA-GGA": 1 } : {}),
    ...(options.rawx === true ? { "RXM-RAWX": 1 } : {}),
    "NAV-PVT": every,
    "NAV-SAT": every,
    "NAV-TIMEUTC": every,
    "NAV-TIMEGAL": 1,
    "NAV-EOE": 1,
    "RXM-SFRBX": 1,
  };
  for (const { bytes } of receiverFrames(simulation, { output, coldStart: options.coldStart })) yield bytes;
}

/** The whole stream. */
export function ubxStream(simulation: Simulation, options: UbxStreamOptions = {}): Uint8Array {
  return concatBytes(...ubxFrames(simulation, options));
}

/** Harms frames in every way of `link.ts`. */
export function damaged(
  frames: Iterable<Uint8Array>,
  seed: string,
): { bytes: Uint8Array; report: DamageReport } {
  const report = emptyReport();
  function* timed(): Generator<TimedFrame> {
    for (const bytes of frames) yield { gst: 0, name: "", messageClass: 0, messageId: 0, epoch: 0, bytes };
  }
  const out = [...damagedFrames(timed(), seed, DEFAULT_DAMAGE, report)].map(({ bytes }) => bytes);
  return { bytes: concatBytes(...out), report };
}
