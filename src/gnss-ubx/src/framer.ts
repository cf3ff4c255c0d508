/**
 * Separates UBX frames, NMEA sentences and RTCM3 frames that share one byte stream.
 *
 *  - UBX: u-blox interface descriptions, "UBX frame structure" (B5 62, class, id, length, payload, checksum).
 *  - NMEA 0183: `$` or `!`, printable characters, `*hh`, line end (CR LF, or LF alone).
 *  - RTCM3: RTCM 10403, transport layer (D3, six zero bits, ten bits of length, message, CRC-24Q).
 *
 * A receiver whose transmit buffer overflows drops bytes inside a frame, so a header's length is a claim and
 * nothing more: no byte is passed over before the checksum held. Where a candidate fails, the scan goes on
 * one byte after its first, and finds frames inside the span that the failed one claimed.
 *
 * What is found depends on the bytes only, not on how they were cut into chunks. Memory is bounded by the
 * two size limits; the work per byte is bounded too, also for streams made to be slow (range-checks.ts).
 */
import { RangeChecks } from "./range-checks.js";

/** Receives what the framer finds, in stream order. A sink must not throw and must not call the framer. */
export interface FrameSink {
  /**
   * A UBX frame whose checksum held. `payload` is a view of the framer's or the caller's memory and is valid
   * during the call only: copy what is to be kept. `streamOffset` is that of the frame's first byte.
   */
  ubx(messageClass: number, messageId: number, payload: Uint8Array, streamOffset: number): void;
  /** An NMEA sentence from `$` or `!` to its line end, which is included. A view, as above. */
  nmea?(line: Uint8Array, streamOffset: number): void;
  /** A whole RTCM3 frame, from D3 to the CRC. A view, as above. */
  rtcm3?(frame: Uint8Array, streamOffset: number): void;
  /**
   * A longest run of bytes that belong to no frame; told when the frame after it was found, or at `end`.
   */
  skipped?(byteCount: number, streamOffset: number): void;
}

export interface FramerOptions {
  /**
   * Longest UBX payload taken for real, bytes; 0 to 65535. The default 8192 holds the longest message that
   * a receiver sends, RXM-RAWX with 255 measurements (16 + 32 * 255 = 8176). A larger bound makes the
   * framer wait longer after a damaged header.
   */
  readonly maxUbxPayload?: number;
  /** Longest NMEA sentence with its line end, bytes; 16 to 65535. Default 2048 (PUBX,03 exceeds 1 KB). */
  readonly maxNmea?: number;
}

/** Running totals since the framer was made. */
export interface FramerCounts {
  readonly ubxFrames: number;
  readonly nmeaSentences: number;
  readonly rtcm3Frames: number;
  readonly badUbxChecksums: number;
  readonly badNmeaChecksums: number;
  readonly badRtcm3Crcs: number;
  /** Bytes that belong to no frame. After `end`, these and the frames' bytes add up to `totalBytes`. */
  readonly skippedBytes: number;
  readonly totalBytes: number;
}

const UBX_SYNC_1 = 0xb5;
const UBX_SYNC_2 = 0x62;
const UBX_HEADER = 6;
const UBX_OVERHEAD = 8;
const RTCM3_PREAMBLE = 0xd3;
const RTCM3_OVERHEAD = 6;
const RTCM3_MAX_FRAME = RTCM3_OVERHEAD + 1023;
const DOLLAR = 0x24;
const BANG = 0x21;
const STAR = 0x2a;
const CR = 0x0d;
const LF = 0x0a;

/** Larger chunks are worked through in slices of this size, which bounds the running sums. */
const SLICE = 65_536;
/** At least this much of a new chunk is joined to a carried tail at a time. */
const MIN_JOIN = 256;

/** 1 for the bytes a frame can start with. */
const STARTS_FRAME = new Uint8Array(256);
for (const byte of [UBX_SYNC_1, DOLLAR, BANG, RTCM3_PREAMBLE]) STARTS_FRAME[byte] = 1;

type MutableCounts = { -readonly [K in keyof FramerCounts]: FramerCounts[K] };

export class Framer {
  readonly counts: FramerCounts;
  readonly #counts: MutableCounts;
  readonly #maxUbxPayload: number;
  readonly #maxNmea: number;
  readonly #maxFrame: number;
  readonly #checks: RangeChecks;

  /** Holds the unfinished candidate at the end of the last chunk: `#carry[#carryFrom..#carryTo)`. */
  readonly #carry: Uint8Array;
  #carryFrom = 0;
  #carryTo = 0;

  /** How many bytes the candidate at which the scan stopped needs before it can be decided further. */
  #need = 0;
  /** How many bytes of an unfinished NMEA candidate were found to be in order. */
  #nmeaSeen = 0;
  /** Length of the run of skipped bytes not yet told to the sink. */
  #skipRun = 0;

  /** @throws TypeError, RangeError for options of the wrong kind or outside their range. */
  constructor(options: FramerOptions = {}) {
    this.#maxUbxPayload = checkedSize("maxUbxPayload", options.maxUbxPayload ?? 8192, 0);
    this.#maxNmea = checkedSize("maxNmea", options.maxNmea ?? 2048, 16);
    this.#maxFrame = Math.max(this.#maxUbxPayload + UBX_OVERHEAD, this.#maxNmea, RTCM3_MAX_FRAME);
    // A tail and its continuation take two frames; the rest makes moving the tail to the front rare.
    const capacity = 4 * this.#maxFrame + MIN_JOIN;
    this.#carry = new Uint8Array(capacity);
    this.#checks = new RangeChecks(Math.max(capacity, SLICE));
    this.#counts = {
      ubxFrames: 0,
      nmeaSentences: 0,
      rtcm3Frames: 0,
      badUbxChecksums: 0,
      badNmeaChecksums: 0,
      badRtcm3Crcs: 0,
      skippedBytes: 0,
      totalBytes: 0,
    };
    this.counts = this.#counts;
  }

  /**
   * Takes the next bytes of the stream, of any number, and hands every frame completed by them to `sink`.
   * The chunk is not kept.
   * @throws TypeError if `chunk` is not a Uint8Array.
   */
  push(chunk: Uint8Array, sink: FrameSink): void {
    if (!(chunk instanceof Uint8Array)) throw new TypeError("chunk must be a Uint8Array");
    for (let from = 0; from < chunk.length; from += SLICE) {
      this.#pushSlice(chunk, from, Math.min(from + SLICE, chunk.length), sink);
    }
  }

  /**
   * The stream ends or breaks here: an unfinished candidate is given up, and the bytes it held are searched
   * for whole frames. Offsets and counts go on if bytes are pushed afterwards.
   */
  end(sink: FrameSink): void {
    const base = this.#counts.totalBytes - this.#carryTo;
    this.#scan(this.#carry, this.#carryFrom, this.#carryTo, this.#carryTo, base, true, sink);
    this.#carryFrom = 0;
    this.#carryTo = 0;
    this.#checks.reset();
    this.#tellSkipped(this.#counts.totalBytes, sink);
  }

  #pushSlice(chunk: Uint8Array, from: number, to: number, sink: FrameSink): void {
    const sliceOffset = this.#counts.totalBytes;
    this.#counts.totalBytes += to - from;
    let next = from;
    if (this.#carryTo > this.#carryFrom) {
      if (this.#carryTo + this.#maxFrame + MIN_JOIN > this.#carry.length) {
        this.#carry.copyWithin(0, this.#carryFrom, this.#carryTo);
        this.#carryTo -= this.#carryFrom;
        this.#carryFrom = 0;
        this.#checks.reset();
      }
      // Bytes before `old` are known here only; from `old` on they are in the chunk as well.
      const old = this.#carryTo;
      for (;;) {
        this.#carryFrom = this.#scan(
          this.#carry,
          this.#carryFrom,
          old,
          this.#carryTo,
          sliceOffset - old,
          false,
          sink,
        );
        if (this.#carryFrom >= old) break;
        if (next === to) return;
        const missing = this.#need - (this.#carryTo - this.#carryFrom);
        const joined = Math.min(Math.max(missing, MIN_JOIN), to - next);
        this.#carry.set(chunk.subarray(next, next + joined), this.#carryTo);
        this.#carryTo += joined;
        next += joined;
      }
      next = from + (this.#carryFrom - old);
      this.#carryFrom = 0;
      this.#carryTo = 0;
    }
    this.#checks.reset();
    const stopped = this.#scan(chunk, next, to, to, sliceOffset - from, false, sink);
    if (stopped < to) {
      this.#carry.set(chunk.subarray(stopped, to), 0);
      this.#carryFrom = 0;
      this.#carryTo = to - stopped;
      this.#checks.reset();
    }
  }

  /**
   * Searches `bytes[from..to)` for frames that start before `limit`; `base` is the stream offset of index 0.
   * Returns the index it got to: `limit` or beyond, or where a candidate starts that needs more bytes than
   * there are. With `final` there is no such candidate: what is incomplete is refused.
   */
  #scan(
    bytes: Uint8Array,
    from: number,
    limit: number,
    to: number,
    base: number,
    final: boolean,
    sink: FrameSink,
  ): number {
    let at = from;
    while (at < limit) {
      const first = bytes[at];
      if (STARTS_FRAME[first] === 0) {
        const junk = at;
        do at++;
        while (at < limit && STARTS_FRAME[bytes[at]] === 0);
        this.#skip(at - junk);
        continue;
      }
      // Length of the frame that starts here; 0 if there is none; negative if that needs more bytes.
      let length: number;
      if (first === UBX_SYNC_1) length = this.#ubxLength(bytes, at, to);
      else if (first === RTCM3_PREAMBLE) length = this.#rtcm3Length(bytes, at, to);
      else length = this.#nmeaLength(bytes, at, to);

      if (length > 0) {
        const offset = base + at;
        this.#tellSkipped(offset, sink);
        const end = at + length;
        if (first === UBX_SYNC_1) {
          this.#counts.ubxFrames++;
          sink.ubx(bytes[at + 2], bytes[at + 3], bytes.subarray(at + UBX_HEADER, end - 2), offset);
        } else if (first === RTCM3_PREAMBLE) {
          this.#counts.rtcm3Frames++;
          sink.rtcm3?.(bytes.subarray(at, end), offset);
        } else {
          this.#counts.nmeaSentences++;
          sink.nmea?.(bytes.subarray(at, end), offset);
        }
        at = end;
      } else if (length < 0 && !final) {
        this.#need = -length;
        return at;
      } else {
        this.#nmeaSeen = 0;
        this.#skip(1);
        at++;
      }
    }
    return at;
  }

  #ubxLength(bytes: Uint8Array, at: number, to: number): number {
    if (to - at < 2) return -2;
    if (bytes[at + 1] !== UBX_SYNC_2) return 0;
    if (to - at < UBX_HEADER) return -UBX_HEADER;
    const payloadLength = bytes[at + 4] | (bytes[at + 5] << 8);
    if (payloadLength > this.#maxUbxPayload) return 0;
    const length = payloadLength + UBX_OVERHEAD;
    if (to - at < length) return -length;
    if (this.#checks.ubxChecksumHolds(bytes, at + 2, at + UBX_HEADER + payloadLength)) return length;
    this.#counts.badUbxChecksums++;
    return 0;
  }

  #rtcm3Length(bytes: Uint8Array, at: number, to: number): number {
    if (to - at < 2) return -2;
    if ((bytes[at + 1] & 0xfc) !== 0) return 0;
    if (to - at < 3) return -3;
    const length = ((bytes[at + 1] << 8) | bytes[at + 2]) + RTCM3_OVERHEAD;
    if (to - at < length) return -length;
    if (this.#checks.rtcm3CrcHolds(bytes, at, at + length - 3)) return length;
    this.#counts.badRtcm3Crcs++;
    return 0;
  }

  #nmeaLength(bytes: Uint8Array, at: number, to: number): number {
    const stop = Math.min(to, at + this.#maxNmea);
    // A long sentence that arrives byte by byte is not read from its start each time.
    let i = at + 1 + this.#nmeaSeen;
    this.#nmeaSeen = 0;
    for (; i < stop; i++) {
      const byte = bytes[i];
      if (byte >= 0x20 && byte <= 0x7e) {
        // A start character inside a sentence is reserved. Refusing it here also keeps `$$$...` linear.
        if (byte === DOLLAR || (byte === BANG && bytes[at] === BANG)) return 0;
        continue;
      }
      if (byte === LF) return this.#closedNmeaLength(bytes, at, i);
      if (byte !== CR || i - at + 1 >= this.#maxNmea) return 0;
      if (i + 1 === to) break;
      if (bytes[i + 1] !== LF) return 0;
    }
    if (i - at >= this.#maxNmea) return 0;
    this.#nmeaSeen = i - at - 1;
    return -(i - at + (i < to ? 2 : 1));
  }

  #closedNmeaLength(bytes: Uint8Array, at: number, lf: number): number {
    const textEnd = bytes[lf - 1] === CR ? lf - 1 : lf;
    const star = textEnd - 3;
    if (star < at + 2 || bytes[star] !== STAR) return 0;
    const high = hexDigit(bytes[star + 1]);
    const low = hexDigit(bytes[star + 2]);
    if (high < 0 || low < 0) return 0;
    let sum = 0;
    for (let i = at + 1; i < star; i++) sum ^= bytes[i];
    if (sum === ((high << 4) | low)) return lf + 1 - at;
    this.#counts.badNmeaChecksums++;
    return 0;
  }

  #skip(byteCount: number): void {
    this.#counts.skippedBytes += byteCount;
    this.#skipRun += byteCount;
  }

  #tellSkipped(runEnd: number, sink: FrameSink): void {
    if (this.#skipRun === 0) return;
    const byteCount = this.#skipRun;
    this.#skipRun = 0;
    sink.skipped?.(byteCount, runEnd - byteCount);
  }
}

function hexDigit(byte: number): number {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  const upper = byte & 0xdf;
  return upper >= 0x41 && upper <= 0x46 ? upper - 0x37 : -1;
}

function checkedSize(name: string, value: number, lowest: number): number {
  if (typeof value !== "number") throw new TypeError(`${name} must be a number`);
  if (!Number.isInteger(value) || value < lowest || value > 0xffff) {
    throw new RangeError(`${name} must be an integer from ${lowest} to 65535`);
  }
  return value;
}
