/**
 * What the virtual receiver hears and would say if everything were switched on: epochs of frames, from any UBX
 * stream (a capture, or the generator). The receiver then leaves out what is not asked for.
 */
import { Framer } from "gnss-ubx";

/** A frame or sentence as it goes over the line. */
export interface FeedFrame {
  readonly kind: "ubx" | "nmea" | "rtcm3";
  /** UBX: class and id as one number, class first; 0 for others. */
  readonly message: number;
  /** NMEA: the sentence's three letters; empty for others. */
  readonly sentence: string;
  readonly bytes: Uint8Array;
}

/** What one epoch brings. */
export interface FeedEpoch {
  /** Since the feed's first epoch. */
  readonly atMs: number;
  readonly frames: readonly FeedFrame[];
}

/** Time labels that differ by less belong to one epoch (rates go up to 20 Hz; clocks are milliseconds off). */
const SAME_EPOCH_MS = 25;
/** A step of the label that is longer, or backwards, is no time that passed: an epoch of the usual length is put. */
const LONGEST_STEP_MS = 10_000;
const USUAL_STEP_MS = 1_000;

export const RXM_SFRBX = 0x0213;
export const RXM_RAWX = 0x0215;
const NAV_CLASS = 0x01;
/** NAV messages whose time of week does not stand at the start of the payload. */
const ITOW_OFFSET: Readonly<Record<number, number>> = { 0x0114: 4, 0x0113: 4, 0x0164: 4 };

/** Where in a NAV payload its time of week is, or null where it is not known. */
export function iTowOffset(message: number, payloadLength: number): number | null {
  if (message >> 8 !== NAV_CLASS) return null;
  const offset = ITOW_OFFSET[message] ?? 0;
  return payloadLength >= offset + 4 ? offset : null;
}

/** The epochs of a UBX stream that comes in chunks. Bytes that belong to no frame are left out. */
export function* feedOf(chunks: Iterable<Uint8Array>): Generator<FeedEpoch> {
  const framer = new Framer();
  const found: FeedFrame[] = [];
  const sink = {
    ubx(messageClass: number, id: number, payload: Uint8Array): void {
      const bytes = new Uint8Array(payload.length + 8);
      // The framer gives a view of the payload; the frame around it is made anew by its checksum's rule.
      bytes.set([0xb5, 0x62, messageClass, id, payload.length & 0xff, payload.length >> 8]);
      bytes.set(payload, 6);
      sealFrame(bytes);
      found.push({ kind: "ubx", message: (messageClass << 8) | id, sentence: "", bytes });
    },
    nmea(line: Uint8Array): void {
      const sentence = String.fromCharCode(...line.subarray(3, 6));
      found.push({ kind: "nmea", message: 0, sentence, bytes: line.slice() });
    },
    rtcm3(frame: Uint8Array): void {
      found.push({ kind: "rtcm3", message: 0, sentence: "", bytes: frame.slice() });
    },
  };
  let atMs = 0;
  let label: number | null = null;
  let frames: FeedFrame[] = [];
  const taken = function* (): Generator<FeedEpoch> {
    for (const frame of found.splice(0)) {
      const next = labelOf(frame);
      if (next !== null && (label === null || Math.abs(next - label) >= SAME_EPOCH_MS)) {
        // What came before the first label belongs to its epoch.
        if (label !== null) {
          yield { atMs, frames };
          frames = [];
          const step: number = next - label;
          atMs += step > 0 && step <= LONGEST_STEP_MS ? Math.round(step / 10) * 10 : USUAL_STEP_MS;
        }
        label = next;
      }
      frames.push(frame);
    }
  };
  for (const chunk of chunks) {
    framer.push(chunk, sink);
    yield* taken();
  }
  framer.end(sink);
  yield* taken();
  if (frames.length > 0) yield { atMs, frames };
}

/** Milliseconds of the week that a frame bears, or null. */
function labelOf({ kind, message, bytes }: FeedFrame): number | null {
  if (kind !== "ubx") return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset + 6, bytes.length - 8);
  if (message === RXM_RAWX) return view.byteLength >= 16 ? view.getFloat64(0, true) * 1000 : null;
  const offset = iTowOffset(message, view.byteLength);
  return offset === null ? null : view.getUint32(offset, true);
}

/** Writes the checksum of a UBX frame whose payload was changed. */
export function sealFrame(frame: Uint8Array): void {
  let a = 0;
  let b = 0;
  for (let i = 2; i < frame.length - 2; i++) {
    a = (a + frame[i]) & 0xff;
    b = (b + a) & 0xff;
  }
  frame[frame.length - 2] = a;
  frame[frame.length - 1] = b;
}
