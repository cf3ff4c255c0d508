/**
 * What is done to a stream of frames: harm as links do it, and changes by one who knows the formats, whose checksums
 * and CRCs then fit again. Every mutation takes frames and gives frames; the last ones cut across frames.
 */
import { crc24q } from "gnss-ubx";
import { decodeMessage, encodeMessage, encodeFrame, type MessageOf } from "gnss-ubx";
import type { Random } from "./random.js";

type Frames = readonly Uint8Array[];
type Mutation = (frames: Uint8Array[], random: Random, other: Frames) => void;

const HEADER = 6;
const SFRBX_WORDS = HEADER + 8;
const PAGE_BYTES = 30;
const ODD_HALF_BIT = 120;
/** Bits of the 240 that the CRC covers and the CRC itself: all of the even half but its tail, 106 of the odd, 24. */
const EVEN_BITS = 114;
const ODD_CRC_COVERED = 82;

const isFrame = (frame: Uint8Array, messageClass: number, messageId: number): boolean =>
  frame.length >= HEADER + 2 && frame[0] === 0xb5 && frame[2] === messageClass && frame[3] === messageId;
export const isPageFrame = (frame: Uint8Array): boolean =>
  isFrame(frame, 0x02, 0x13) && frame.length === SFRBX_WORDS + 32 + 2 && frame[HEADER] === 2;
const isRawx = (frame: Uint8Array): boolean => isFrame(frame, 0x02, 0x15);
const isNavigation = (frame: Uint8Array): boolean => frame.length > HEADER + 2 && frame[2] === 0x01;

/** The 240 bits of a page in a frame of RXM-SFRBX. */
export function bitsOfPage(frame: Uint8Array): Uint8Array {
  const bits = new Uint8Array(PAGE_BYTES);
  for (let half = 0; half < 2; half++) {
    for (let i = 0; i < 15; i++)
      bits[15 * half + i] = frame[SFRBX_WORDS + 16 * half + (i & ~3) + 3 - (i & 3)];
  }
  return bits;
}

/** The frame with other bits in it, the CRC made to fit where asked. */
function withBits(frame: Uint8Array, bits: Uint8Array, fitCrc: boolean): Uint8Array {
  if (fitCrc) setCrc(bits);
  const payload = frame.slice(HEADER, -2);
  for (let half = 0; half < 2; half++) {
    for (let i = 0; i < 15; i++) payload[8 + 16 * half + (i & ~3) + 3 - (i & 3)] = bits[15 * half + i];
  }
  return encodeFrame(0x02, 0x13, payload);
}

/** CRC-24Q over 114 bits of the even half and 82 of the odd, right-aligned in 25 bytes (OS SIS ICD 2.1, 5.1.9.4). */
function setCrc(bits: Uint8Array): void {
  const covered = new Uint8Array(25);
  let at = 8 * 25 - EVEN_BITS - ODD_CRC_COVERED;
  const put = (from: number, count: number): void => {
    for (let i = 0; i < count; i++, at++) if (bitOf(bits, from + i)) covered[at >> 3] |= 0x80 >> (at & 7);
  };
  put(0, EVEN_BITS);
  put(ODD_HALF_BIT, ODD_CRC_COVERED);
  const crc = crc24q(covered);
  for (let i = 0; i < 24; i++) setBit(bits, ODD_HALF_BIT + ODD_CRC_COVERED + i, (crc >>> (23 - i)) & 1);
}

function bitOf(bits: Uint8Array, at: number): number {
  return (bits[at >> 3] >> (7 - (at & 7))) & 1;
}

function setBit(bits: Uint8Array, at: number, value: number): void {
  const mask = 0x80 >> (at & 7);
  if (value === 0) bits[at >> 3] &= ~mask;
  else bits[at >> 3] |= mask;
}

/** A frame with a payload changed in place, and its checksum made to fit. */
function changed(frame: Uint8Array, change: (payload: Uint8Array) => void): Uint8Array {
  const payload = frame.slice(HEADER, -2);
  change(payload);
  return encodeFrame(frame[2], frame[3], payload);
}

/** Index of a frame of some kind near a place chosen at random, or -1. */
function find(frames: Frames, random: Random, kind: (frame: Uint8Array) => boolean): number {
  const from = random.below(frames.length);
  for (let i = 0; i < Math.min(frames.length, 400); i++) {
    const at = (from + i) % frames.length;
    if (kind(frames[at])) return at;
  }
  return -1;
}

function onPage(
  change: (frame: Uint8Array, random: Random, frames: Uint8Array[], at: number) => Uint8Array,
): Mutation {
  return (frames, random) => {
    const at = find(frames, random, isPageFrame);
    if (at >= 0) frames[at] = change(frames[at], random, frames, at);
  };
}

/** Bits of a page that mean something: word type, word, OSNMA field. */
function anyBit(random: Random): number {
  const roll = random.below(10);
  if (roll < 4) return random.between(2, EVEN_BITS - 1);
  if (roll < 5) return random.between(ODD_HALF_BIT + 2, ODD_HALF_BIT + 17);
  if (roll < 9) return random.between(ODD_HALF_BIT + 18, ODD_HALF_BIT + 57);
  return random.below(240);
}

const ODD_NUMBERS = [0, -0, 1, -1, NaN, Infinity, -Infinity, 1e308, 5e-324, -1e9, 604_799.999, 604_800, 3e7];

/** By name, so that a failing run can say what it did. */
export const MUTATIONS: Readonly<Record<string, Mutation>> = {
  "flip a bit, checksum unfit": (frames, random) => {
    const at = random.below(frames.length);
    const frame = new Uint8Array(frames[at]);
    frame[random.below(frame.length)] ^= 1 << random.below(8);
    frames[at] = frame;
  },
  "lose bytes inside a frame": (frames, random) => {
    const at = random.below(frames.length);
    const from = random.below(frames[at].length);
    const count = random.between(1, 128);
    frames[at] = Buffer.concat([frames[at].subarray(0, from), frames[at].subarray(from + count)]);
  },
  "insert garbage": (frames, random) => {
    const garbage = random.bytes(random.between(1, 60));
    if (random.chance(2)) garbage.set([0xb5, 0x62, 0x02, 0x13].slice(0, garbage.length));
    frames.splice(random.below(frames.length + 1), 0, garbage);
  },
  "lose frames": (frames, random) => {
    frames.splice(random.below(frames.length), random.between(1, 40));
  },
  "repeat frames": (frames, random) => {
    const from = random.below(frames.length);
    const copy = frames.slice(from, from + random.between(1, 60));
    frames.splice(random.below(frames.length + 1), 0, ...copy);
  },
  "swap two frames": (frames, random) => {
    const [a, b] = [random.below(frames.length), random.below(frames.length)];
    [frames[a], frames[b]] = [frames[b], frames[a]];
  },
  "turn a stretch round": (frames, random) => {
    const from = random.below(frames.length);
    const stretch = frames.slice(from, from + random.between(2, 80)).reverse();
    frames.splice(from, stretch.length, ...stretch);
  },
  "splice in another stream": (frames, random, other) => {
    const from = random.below(other.length);
    const count = random.between(1, 300);
    const replace = random.chance(2) ? count : 0;
    frames.splice(random.below(frames.length), replace, ...other.slice(from, from + count));
  },
  "give a page of one satellite to another": onPage((frame, random) =>
    changed(frame, (payload) => {
      payload[1] = random.chance(8) ? random.below(256) : random.between(1, 36);
    }),
  ),
  "give all pages of one satellite to another": (frames, random) => {
    const at = find(frames, random, isPageFrame);
    if (at < 0) return;
    const [from, to] = [frames[at][HEADER + 1], random.between(1, 36)];
    const start = random.below(frames.length);
    for (let i = start; i < frames.length; i++) {
      if (!isPageFrame(frames[i]) || frames[i][HEADER + 1] !== from) continue;
      frames[i] = changed(frames[i], (payload) => {
        payload[1] = to;
      });
    }
  },
  "another band": onPage((frame, random) =>
    changed(frame, (payload) => {
      payload[2] = random.pick([0, 1, 3, 5, 8, 255]);
    }),
  ),
  "flip bits of a page, CRC fits": onPage((frame, random) => {
    const bits = bitsOfPage(frame);
    for (let i = random.between(1, 3); i > 0; i--) {
      const at = anyBit(random);
      setBit(bits, at, 1 - bitOf(bits, at));
    }
    return withBits(frame, bits, !random.chance(10));
  }),
  "one bit of a satellite's words, from here on": (frames, random) => {
    const at = find(frames, random, isPageFrame);
    if (at < 0) return;
    const svid = frames[at][HEADER + 1];
    const type = bitsOfPage(frames[at])[0] & 0x3f;
    const bit = random.between(8, EVEN_BITS - 1);
    for (let i = at; i < frames.length; i++) {
      if (!isPageFrame(frames[i]) || frames[i][HEADER + 1] !== svid) continue;
      const bits = bitsOfPage(frames[i]);
      if ((bits[0] & 0x3f) !== type) continue;
      setBit(bits, bit, 1 - bitOf(bits, bit));
      frames[i] = withBits(frames[i], bits, true);
    }
  },
  "OSNMA field of another page": onPage((frame, random, frames) => {
    const other = find(frames, random, isPageFrame);
    const [bits, source] = [bitsOfPage(frame), bitsOfPage(frames[other])];
    const from = ODD_HALF_BIT + 18 + (random.chance(3) ? 8 : 0);
    const to = ODD_HALF_BIT + 18 + (random.chance(3) ? 8 : 40);
    for (let i = from; i < to; i++) setBit(bits, i, bitOf(source, i));
    return withBits(frame, bits, true);
  }),
  "word of another page": onPage((frame, random, frames) => {
    const other = find(frames, random, isPageFrame);
    const [bits, source] = [bitsOfPage(frame), bitsOfPage(frames[other])];
    for (let i = 2; i < EVEN_BITS; i++) setBit(bits, i, bitOf(source, i));
    for (let i = ODD_HALF_BIT + 2; i < ODD_HALF_BIT + 18; i++) setBit(bits, i, bitOf(source, i));
    return withBits(frame, bits, true);
  }),
  "NMA header or DSM header of everybody": (frames, random) => {
    // The first page of a subframe carries the NMA header, the second DSM id and block.
    const value = random.u32() & 0xff;
    const from = random.below(frames.length);
    const mask = random.pick([0x80, 0xc0, 0x30, 0x0e, 0xff]);
    for (let i = from; i < Math.min(frames.length, from + 600); i++) {
      if (!isPageFrame(frames[i])) continue;
      const bits = bitsOfPage(frames[i]);
      if ((bits[0] & 0x3f) !== random.pick([2, 4])) continue;
      for (let bit = 0; bit < 8; bit++) {
        if (((mask >> (7 - bit)) & 1) === 1) setBit(bits, ODD_HALF_BIT + 18 + bit, (value >> (7 - bit)) & 1);
      }
      frames[i] = withBits(frames[i], bits, true);
    }
  },
  "a page comes late": (frames, random) => {
    const at = find(frames, random, isPageFrame);
    if (at < 0) return;
    const [page] = frames.splice(at, 1);
    frames.splice(Math.min(frames.length, at + random.between(1, 1500)), 0, page);
  },
  "a page from before, once more": (frames, random) => {
    const at = find(frames, random, isPageFrame);
    if (at >= 0) frames.splice(Math.min(frames.length, at + random.between(1, 3000)), 0, frames[at]);
  },
  "other measurements": (frames, random) => {
    const at = find(frames, random, isRawx);
    if (at < 0) return;
    const message = decodeMessage(0x02, 0x15, frames[at].subarray(HEADER, -2));
    if (message.name !== "RXM-RAWX") return;
    frames[at] = encodeMessage("RXM-RAWX", otherMeasurements(message, random));
  },
  "a range of one satellite, from here on": (frames, random) => {
    const at = find(frames, random, isRawx);
    if (at < 0) return;
    const measured = decodeMessage(0x02, 0x15, frames[at].subarray(HEADER, -2));
    if (measured.name !== "RXM-RAWX" || measured.meas.length === 0) return;
    const svid = random.pick(measured.meas).svId;
    const shift = random.pick([1, 30, 300, 3000, -50]);
    for (let i = at; i < frames.length; i++) {
      if (!isRawx(frames[i])) continue;
      const message = decodeMessage(0x02, 0x15, frames[i].subarray(HEADER, -2));
      if (message.name !== "RXM-RAWX") continue;
      const meas = message.meas.map((one) =>
        one.svId === svid ? { ...one, prMes: one.prMes + shift } : one,
      );
      frames[i] = encodeMessage("RXM-RAWX", { ...message, meas });
    }
  },
  "any byte of a navigation message, checksum fits": (frames, random) => {
    const at = find(frames, random, isNavigation);
    if (at < 0) return;
    frames[at] = changed(frames[at], (payload) => {
      for (let i = random.between(1, 4); i > 0; i--)
        payload[random.below(payload.length)] = random.u32() & 0xff;
    });
  },
  "the receiver's time elsewhere, from here on": (frames, random) => {
    const shift = random.pick([-604_800_000, -30_000, -2000, -1000, 1000, 2000, 30_000, 604_800_000]);
    const until = random.chance(2) ? frames.length : 400;
    const from = random.below(frames.length);
    for (let i = from; i < Math.min(frames.length, from + until); i++) {
      if (!isNavigation(frames[i]) || frames[i].length < HEADER + 2 + 4) continue;
      frames[i] = changed(frames[i], (payload) => {
        const view = new DataView(payload.buffer, payload.byteOffset);
        view.setUint32(0, view.getUint32(0, true) + shift, true);
        // NAV-TIMEGAL has whole seconds as well.
        if (payload.length === 20 && frames[i][3] === 0x25) {
          view.setUint32(4, view.getUint32(4, true) + shift / 1000, true);
        }
      });
    }
  },
  "any message of any length": (frames, random) => {
    const known: readonly (readonly [number, number])[] = [
      [0x02, 0x13],
      [0x02, 0x15],
      [0x01, 0x07],
      [0x01, 0x25],
      [0x01, 0x35],
      [0x01, 0x61],
      [0x0a, 0x36],
      [0x0a, 0x38],
      [0x27, 0x09],
      [0x27, 0x0a],
    ];
    const [messageClass, messageId] = random.chance(4)
      ? [random.below(256), random.below(256)]
      : random.pick(known);
    const payload = random.bytes(random.below(random.chance(8) ? 2000 : 120));
    frames.splice(random.below(frames.length + 1), 0, encodeFrame(messageClass, messageId, payload));
  },
};

function otherMeasurements(message: MessageOf<"RXM-RAWX">, random: Random): MessageOf<"RXM-RAWX"> {
  const meas = message.meas.map((one) => ({ ...one }));
  let { rcvTow, week } = message;
  for (let i = random.between(1, 4); i > 0; i--) {
    const one = meas.length === 0 ? undefined : random.pick(meas);
    const roll = random.below(9);
    if (roll === 0) rcvTow = random.pick(ODD_NUMBERS);
    else if (roll === 1) week = random.pick([0, 1, 1023, 1024, 2424, 65_535]);
    else if (one === undefined) continue;
    else if (roll === 2) one.prMes = random.pick(ODD_NUMBERS);
    else if (roll === 3) one.prMes += random.pick([0.1, 10, 1e3, 1e6, -1e6]);
    else if (roll === 4) one.doMes = random.pick([0, NaN, Infinity, 1e30, -5000]);
    else if (roll === 5) one.svId = random.below(256);
    else if (roll === 6) one.sigId = random.below(10);
    else if (roll === 7) one.cno = random.below(256);
    else if (meas.length < 200) meas.push({ ...one });
  }
  return { ...message, rcvTow, week, meas, numMeas: meas.length };
}

/** A mutated stream, and what was done to it. */
export interface Mutated {
  readonly bytes: Uint8Array;
  readonly steps: readonly string[];
}

/** Applies one to `maximum` mutations. `other` is another stream to splice from. */
export function mutate(frames: Frames, random: Random, other: Frames, maximum: number): Mutated {
  const out = frames.slice();
  const names = Object.keys(MUTATIONS);
  const steps: string[] = [];
  for (let i = random.between(1, maximum); i > 0; i--) {
    if (out.length === 0) break;
    const name = random.pick(names);
    MUTATIONS[name](out, random, other);
    steps.push(name);
  }
  let bytes: Uint8Array = Buffer.concat(out);
  if (random.chance(10)) {
    steps.push("cut the end");
    bytes = bytes.subarray(0, random.below(bytes.length));
  }
  return { bytes, steps };
}
