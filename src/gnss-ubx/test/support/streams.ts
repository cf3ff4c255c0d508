/** Byte streams for the framer's tests: makers of valid frames, and a plain scanner to compare with. */
import { crc24q, encodeFrame, Framer } from "../../src/index.js";
import type { FramerCounts, FramerOptions, FrameSink } from "../../src/index.js";

export interface Found {
  readonly kind: "ubx" | "nmea" | "rtcm3" | "skipped";
  readonly offset: number;
  readonly length: number;
  /** The whole frame in hexadecimal; empty for skipped bytes. */
  readonly hex: string;
}

export const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

export function collector(): { found: Found[]; sink: FrameSink } {
  const found: Found[] = [];
  const sink: FrameSink = {
    ubx(messageClass, messageId, payload, offset) {
      const frame = encodeFrame(messageClass, messageId, payload);
      found.push({ kind: "ubx", offset, length: frame.length, hex: hex(frame) });
    },
    nmea(line, offset) {
      found.push({ kind: "nmea", offset, length: line.length, hex: hex(line) });
    },
    rtcm3(frame, offset) {
      found.push({ kind: "rtcm3", offset, length: frame.length, hex: hex(frame) });
    },
    skipped(length, offset) {
      found.push({ kind: "skipped", offset, length, hex: "" });
    },
  };
  return { found, sink };
}

export interface Scan {
  readonly found: readonly Found[];
  readonly counts: FramerCounts;
}

/** Frames `bytes`, pushed in chunks that end at the given ascending offsets. */
export function frame(bytes: Uint8Array, cuts: readonly number[] = [], options: FramerOptions = {}): Scan {
  const framer = new Framer(options);
  const { found, sink } = collector();
  let from = 0;
  for (const cut of [...cuts, bytes.length]) {
    // A copy that is overwritten afterwards, as a driver reuses its buffer.
    const chunk = bytes.slice(from, cut);
    framer.push(chunk, sink);
    chunk.fill(0xee);
    from = cut;
  }
  framer.end(sink);
  return { found, counts: { ...framer.counts } };
}

export const framesOf = (scan: Scan): Found[] => scan.found.filter(({ kind }) => kind !== "skipped");

export function nmea(text: string): Uint8Array {
  const sum = [...text].reduce((x, c) => x ^ c.charCodeAt(0), 0);
  return Buffer.from(`$${text}*${sum.toString(16).toUpperCase().padStart(2, "0")}\r\n`, "latin1");
}

export function rtcm3(message: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(message.length + 6);
  bytes.set([0xd3, message.length >> 8, message.length & 0xff]);
  bytes.set(message, 3);
  const crc = crc24q(bytes, 0, message.length + 3);
  bytes.set([crc >> 16, (crc >> 8) & 0xff, crc & 0xff], message.length + 3);
  return bytes;
}

/** CRC-24Q bit by bit, not sharing a line with the one under test. */
function slowCrc24q(bytes: Uint8Array): number {
  let crc = 0;
  for (const byte of bytes) {
    for (let bit = 7; bit >= 0; bit--) {
      const carry = ((crc >> 23) & 1) ^ ((byte >> bit) & 1);
      crc = (crc << 1) & 0xffffff;
      if (carry) crc ^= 0x864cfb;
    }
  }
  return crc;
}

/** The framer's rules applied to a whole stream at once, without any thought of speed. */
export function plainScan(bytes: Uint8Array, maxUbxPayload = 8192, maxNmea = 2048): Found[] {
  const found: Found[] = [];
  let skipFrom = 0;
  let at = 0;
  while (at < bytes.length) {
    const rest = bytes.subarray(at);
    let kind: Found["kind"] = "skipped";
    let length = 0;
    if (rest[0] === 0xb5 && rest[1] === 0x62 && rest.length >= 8) {
      const n = rest[4] + 256 * rest[5];
      if (n <= maxUbxPayload && rest.length >= n + 8) {
        const whole = rest.subarray(0, n + 8);
        if (hex(whole) === hex(encodeFrame(whole[2], whole[3], whole.subarray(6, n + 6)))) {
          kind = "ubx";
          length = n + 8;
        }
      }
    } else if (rest[0] === 0xd3 && rest.length >= 6 && rest[1] < 4) {
      const n = rest[1] * 256 + rest[2];
      if (rest.length >= n + 6) {
        const crc = slowCrc24q(rest.subarray(0, n + 3))
          .toString(16)
          .padStart(6, "0");
        if (crc === hex(rest.subarray(n + 3, n + 6))) {
          kind = "rtcm3";
          length = n + 6;
        }
      }
    } else if (rest[0] === 0x24 || rest[0] === 0x21) {
      const text = Buffer.from(rest.subarray(0, maxNmea)).toString("latin1");
      const inside = rest[0] === 0x24 ? "[ -#%-~]" : '[ "#%-~]';
      const match = new RegExp(`^[$!](${inside}+)\\*([0-9A-Fa-f]{2})\\r?\\n`).exec(text);
      if (match) {
        const sum = [...match[1]].reduce((x, c) => x ^ c.charCodeAt(0), 0);
        if (sum === parseInt(match[2], 16)) {
          kind = "nmea";
          length = match[0].length;
        }
      }
    }
    if (length === 0) {
      at++;
      continue;
    }
    if (skipFrom < at) found.push({ kind: "skipped", offset: skipFrom, length: at - skipFrom, hex: "" });
    found.push({ kind, offset: at, length, hex: hex(rest.subarray(0, length)) });
    at += length;
    skipFrom = at;
  }
  if (skipFrom < at) found.push({ kind: "skipped", offset: skipFrom, length: at - skipFrom, hex: "" });
  return found;
}
