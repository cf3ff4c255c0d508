/** What serial links and full buffers do to a stream. */
import { concatBytes } from "./bit-writer.js";
import { sentence } from "./nmea.js";
import { seededBytes, seededFraction } from "./seeded.js";
import type { TimedFrame } from "./timed-frame.js";
import { rtcmFrame, ubxFrame } from "./ubx-messages.js";

/** What was done to a stream. */
export interface DamageReport {
  overflows: number;
  badChecksums: number;
  garbage: number;
  emptyFrames: number;
  rtcmFrames: number;
  repeated: number;
}

/** Chance of each kind of damage, per frame; 0 for none. */
export interface DamageChances {
  readonly overflow: number;
  readonly badChecksum: number;
  readonly garbage: number;
  readonly emptyFrame: number;
  readonly rtcm: number;
  readonly repeat: number;
  /** The stream ends in the middle of a frame. */
  readonly cutEnd: boolean;
}

export const DEFAULT_DAMAGE: DamageChances = {
  overflow: 0.004,
  badChecksum: 0.004,
  garbage: 0.004,
  emptyFrame: 0.004,
  rtcm: 0.004,
  repeat: 0.004,
  cutEnd: true,
};

export function emptyReport(): DamageReport {
  return { overflows: 0, badChecksums: 0, garbage: 0, emptyFrames: 0, rtcmFrames: 0, repeated: 0 };
}

/** Buffer of an F9 in whole blocks; an overflow loses multiples of it. */
const OVERFLOW_BLOCK_BYTES = 128;
/** Bytes left of the last frame. */
const TAIL_BYTES = 6;

/**
 * Harms a stream: bytes lost inside a frame in multiples of 128 (and the receiver's own word of it once there is room
 * again), flipped bits, garbage with false sync bytes, poll requests without payload, RTCM in between, frames sent
 * twice, and an end in the middle of a frame. What was done is counted in `report`.
 */
export function* damagedFrames(
  frames: Iterable<TimedFrame>,
  seed: string,
  chances: DamageChances,
  report: DamageReport,
): Generator<TimedFrame> {
  let lost = 0;
  let owed = false;
  let index = 0;
  let last: TimedFrame | null = null;
  const harmed = (of: TimedFrame, bytes: Uint8Array): TimedFrame => ({
    ...of,
    name: "damage",
    messageClass: -1,
    messageId: -1,
    bytes,
  });
  function* put(frame: TimedFrame): Generator<TimedFrame> {
    const skip = Math.min(lost, frame.bytes.length);
    lost -= skip;
    if (skip === 0) yield frame;
    else if (skip < frame.bytes.length) yield harmed(frame, frame.bytes.subarray(skip));
  }
  for (const frame of frames) {
    const { bytes } = frame;
    let roll = seededFraction(seed, `damage ${index}`);
    const hits = (chance: number): boolean => {
      if (roll < 0) return false;
      roll -= chance;
      return roll < 0;
    };
    const extra = seededBytes(seed, `damage bytes ${index}`, 40);
    index++;
    last = frame;
    if (hits(chances.overflow)) {
      report.overflows++;
      yield harmed(frame, bytes.subarray(0, 10));
      lost = OVERFLOW_BLOCK_BYTES * (1 + (extra[0]! & 3));
      owed = true;
      yield* put(harmed(frame, bytes.subarray(10)));
    } else if (hits(chances.badChecksum)) {
      report.badChecksums++;
      const copy = bytes.slice();
      copy[2 + (extra[0]! % (copy.length - 2))]! ^= 1 << (extra[1]! & 7);
      yield* put(harmed(frame, copy));
    } else {
      if (hits(chances.garbage)) {
        report.garbage++;
        extra.set([0xb5, 0x62, 0x02, 0x13, 0xff, 0xff], 20);
        yield* put(harmed(frame, extra));
      } else if (hits(chances.emptyFrame)) {
        report.emptyFrames++;
        yield* put(harmed(frame, ubxFrame(0x01, 0x25, new Uint8Array(0))));
      } else if (hits(chances.rtcm)) {
        report.rtcmFrames++;
        const body = concatBytes(Uint8Array.of(0x3e, 0xd0), extra.subarray(0, 17));
        yield* put(harmed(frame, rtcmFrame(body)));
      } else if (hits(chances.repeat)) {
        report.repeated++;
        yield* put(frame);
      }
      yield* put(frame);
    }
    if (owed && lost === 0) {
      yield harmed(frame, sentence("GNTXT,01,01,00,txbuf alloc"));
      owed = false;
    }
  }
  if (chances.cutEnd && last !== null) yield harmed(last, last.bytes.subarray(0, TAIL_BYTES));
}
