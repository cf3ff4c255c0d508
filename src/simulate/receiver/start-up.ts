/**
 * What a receiver says before it knows the time and its place. Offsets: u-blox F9 interface description. The
 * values are those seen of an F9 after a cold start: dates and weeks that are nonsense, then wrong ones with some
 * valid bits, RXM-RAWX with week 0 and seconds since the start.
 */
import { iTowOffset, RXM_RAWX, sealFrame } from "./feed.js";

export type StartKind = "hot" | "warm" | "cold";

/** How well the time is known. */
export type TimeKnowledge = "nothing" | "second" | "all";

interface Phases {
  /** No bit is sent. */
  readonly bootMs: number;
  /** No satellite's page yet. */
  readonly pagesAfterMs: number;
  /** No time; then the second is right and the week is wrong. All since the start. */
  readonly secondAfterMs: number;
  readonly allAfterMs: number;
}

const PHASES: Readonly<Record<StartKind, Phases>> = {
  hot: { bootMs: 500, pagesAfterMs: 1_500, secondAfterMs: 1_000, allAfterMs: 1_500 },
  warm: { bootMs: 500, pagesAfterMs: 4_000, secondAfterMs: 3_000, allAfterMs: 6_000 },
  cold: { bootMs: 500, pagesAfterMs: 8_000, secondAfterMs: 20_000, allAfterMs: 30_000 },
};

export function bootMs(kind: StartKind): number {
  return PHASES[kind].bootMs;
}

export function hearsPages(kind: StartKind, sinceStartMs: number): boolean {
  return sinceStartMs >= PHASES[kind].pagesAfterMs;
}

export function timeKnowledge(kind: StartKind, sinceStartMs: number): TimeKnowledge {
  const { secondAfterMs, allAfterMs } = PHASES[kind];
  return sinceStartMs >= allAfterMs ? "all" : sinceStartMs >= secondAfterMs ? "second" : "nothing";
}

const NAV_STATUS = 0x0103;
const NAV_PVT = 0x0107;
const NAV_TIMEUTC = 0x0121;
const NAV_TIMEGAL = 0x0125;
/** Shorter ones (poll requests in a recording) are passed as they are. */
const SHORTEST: Readonly<Record<number, number>> = {
  [RXM_RAWX]: 16,
  [NAV_STATUS]: 16,
  [NAV_PVT]: 84,
  [NAV_TIMEUTC]: 20,
  [NAV_TIMEGAL]: 20,
};
const UNKNOWN_WN = 2320;
const WRONG_WN = 1296;
const NO_ACCURACY = 0xffffffff;

/**
 * The frame as a receiver sends it that knows no more than this: the same frame where it tells neither time nor
 * place, null for a position message other than NAV-PVT, and a changed copy else.
 */
export function asKnown(
  message: number,
  frame: Uint8Array,
  knows: Exclude<TimeKnowledge, "all">,
  sinceStartMs: number,
): Uint8Array | null {
  const length = frame.length - 8;
  const isNav = message >> 8 === 0x01;
  if (!isNav && message !== RXM_RAWX) return frame;
  if (length < (SHORTEST[message] ?? 0)) return frame;
  const copy = frame.slice();
  const view = new DataView(copy.buffer, 6, length);
  const label = Math.round(sinceStartMs / 1000) * 1000;
  if (message === RXM_RAWX) {
    if (knows === "nothing") view.setFloat64(0, label / 1000, true);
    view.setUint16(8, 0, true);
    view.setUint8(12, view.getUint8(12) & ~1);
    sealFrame(copy);
    return copy;
  }
  const offset = iTowOffset(message, length);
  if (offset !== null && knows === "nothing") view.setUint32(offset, label, true);
  switch (message) {
    case NAV_STATUS:
      view.setUint8(4, 0);
      view.setUint8(5, knows === "nothing" ? 0 : 0x08);
      break;
    case NAV_PVT:
      withoutFix(view, knows);
      break;
    case NAV_TIMEGAL:
      if (knows === "nothing") view.setUint32(4, label / 1000, true);
      view.setInt16(12, knows === "nothing" ? UNKNOWN_WN : WRONG_WN, true);
      view.setUint8(15, knows === "nothing" ? 0 : 1);
      view.setUint32(16, NO_ACCURACY, true);
      break;
    case NAV_TIMEUTC:
      view.setUint32(4, NO_ACCURACY, true);
      view.setUint8(19, (view.getUint8(19) & 0xf0) | (knows === "nothing" ? 0 : 1));
      break;
    default:
      // What else bears a place or a clock is not sent; lists of satellites and the end of the epoch are.
      if (!STILL_SENT.has(message)) return null;
  }
  sealFrame(copy);
  return copy;
}

/** NAV-SAT, NAV-SIG, NAV-EOE. */
const STILL_SENT = new Set([0x0135, 0x0143, 0x0161]);

/** NAV-PVT without a fix: no valid bit but perhaps the time's, no place, no accuracy. */
function withoutFix(view: DataView, knows: Exclude<TimeKnowledge, "all">): void {
  view.setUint8(11, knows === "nothing" ? 0xf0 : 0xf2);
  view.setUint32(12, NO_ACCURACY, true);
  // fixType to the end of the velocities.
  for (let at = 20; at < 76; at++) view.setUint8(at, 0);
  view.setUint32(40, NO_ACCURACY, true);
  view.setUint32(44, NO_ACCURACY, true);
  view.setUint16(76, 9999, true);
  view.setUint16(78, 1, true);
}
