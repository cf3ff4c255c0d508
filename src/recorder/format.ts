/**
 * The recording format, byte by byte (docs/recording.md): a file is a row of blocks, each of which can be read
 * without the others. All numbers are little-endian. Pure.
 *
 *   block header, 28 bytes                         entries of a data block, one after the other
 *   0   4  magic "OSNB"                            0  1  kind: 1 bytes of the receiver, 2 note
 *   4   1  format version, 1                       1  1  flags, bit 0: trusted time follows
 *   5   1  type: 1 head, 2 data, 3 end             2  4  length n of the content
 *   6   1  compression: 0 none, 1 raw deflate      6  8  system clock, Unix milliseconds, binary64
 *   7   1  zero                                    14 8  monotonic clock, milliseconds, binary64
 *   8   4  sequence number of the block            22 8  trusted GST, seconds, binary64     (with bit 0)
 *   12  4  length as stored                        30 8  its bound, seconds, binary64       (with bit 0)
 *   16  4  length unpacked                         .. n  content: bytes, or a note as JSON in UTF-8
 *   20  4  CRC-32 of the stored bytes
 *   24  4  CRC-32 of bytes 0 to 23
 */
import { deflateRawSync, inflateRawSync } from "node:zlib";
import type { Arrival } from "../time/types.js";
import { crc32 } from "./crc32.js";

export const BLOCK_MAGIC = Uint8Array.of(0x4f, 0x53, 0x4e, 0x42);
export const FORMAT_VERSION = 1;
export const BLOCK_HEADER_BYTES = 28;
/** Bounds for a reader: no block is larger, packed or unpacked. */
export const MAX_BLOCK_BYTES = 1 << 20;
/** Entries are made no longer than this; longer chunks become several. */
export const MAX_ENTRY_CONTENT = 64 * 1024;
const ENTRY_HEADER_BYTES = 22;
const TRUSTED_BYTES = 16;
const DEFLATE_LEVEL = 1;

export const BLOCK_TYPES = { head: 1, data: 2, end: 3 } as const;
export type BlockType = (typeof BLOCK_TYPES)[keyof typeof BLOCK_TYPES];

/** What a recording says of itself, in its first block. */
export interface RecordingHead {
  readonly format: "osnmad-recording";
  readonly version: 1;
  /** Same for all files of one run. */
  readonly session: string;
  /** 0 for the first file of the session. */
  readonly part: number;
  /** RFC 3339, UTC, by the system clock. */
  readonly startedAt: string;
  /** Mode of the run that was recorded. `live` runs kept trusted time with their bytes. */
  readonly mode: "live" | "replay" | "simulated";
  /** Whether the run had a clock that it asked with each chunk; else a replay runs on the capture's own timeline. */
  readonly trustedTime: boolean;
  readonly softwareVersion: string;
  readonly source: string | null;
  readonly receiverId: string | null;
}

/**
 * Note of a run that calls `Pipeline.lineBroke` here: a replay does the same. To be written whenever that is called,
 * before anything that came later.
 */
export const LINE_BROKE = "line-broke";

/** The same for `Pipeline.receiverChanged`: another receiver speaks from here on, or the same one that was restarted. */
export const RECEIVER_CHANGED = "receiver-changed";

/** Something that happened to the recording or the line, at its place among the bytes. */
export interface RecordingNote {
  /** `gap`: bytes that were received and are missing here; `line-broke`; `receiver-changed`; or what the run wants to remember. */
  readonly note: string;
  readonly [detail: string]: unknown;
}

export type RecordingEntry =
  | { readonly kind: "bytes"; readonly arrival: Arrival; readonly bytes: Uint8Array }
  | { readonly kind: "note"; readonly arrival: Arrival; readonly note: RecordingNote };

export interface BlockHeader {
  readonly type: BlockType;
  readonly compressed: boolean;
  readonly sequence: number;
  readonly storedBytes: number;
  readonly unpackedBytes: number;
  readonly crc: number;
}

/** A block, whole. `content` must not be longer than MAX_BLOCK_BYTES. */
export function encodeBlock(type: BlockType, sequence: number, content: Uint8Array): Uint8Array {
  if (content.length > MAX_BLOCK_BYTES) throw new RangeError("content must not exceed MAX_BLOCK_BYTES");
  const packed = deflateRawSync(content, { level: DEFLATE_LEVEL });
  const compressed = packed.length < content.length;
  const stored = compressed ? packed : content;
  const block = new Uint8Array(BLOCK_HEADER_BYTES + stored.length);
  const view = new DataView(block.buffer);
  block.set(BLOCK_MAGIC, 0);
  block[4] = FORMAT_VERSION;
  block[5] = type;
  block[6] = compressed ? 1 : 0;
  view.setUint32(8, sequence >>> 0, true);
  view.setUint32(12, stored.length, true);
  view.setUint32(16, content.length, true);
  view.setUint32(20, crc32(stored), true);
  view.setUint32(24, crc32(block.subarray(0, 24)), true);
  block.set(stored, BLOCK_HEADER_BYTES);
  return block;
}

/** The header at `at`, or null where there is none that holds. Needs BLOCK_HEADER_BYTES bytes. */
export function decodeBlockHeader(bytes: Uint8Array, at: number): BlockHeader | null {
  for (let i = 0; i < BLOCK_MAGIC.length; i++) if (bytes[at + i] !== BLOCK_MAGIC[i]) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset + at, BLOCK_HEADER_BYTES);
  if (crc32(bytes.subarray(at, at + 24)) !== view.getUint32(24, true)) return null;
  const type = bytes[at + 5];
  const compression = bytes[at + 6];
  if (bytes[at + 4] !== FORMAT_VERSION || bytes[at + 7] !== 0 || compression > 1) return null;
  if (type !== BLOCK_TYPES.head && type !== BLOCK_TYPES.data && type !== BLOCK_TYPES.end) return null;
  const storedBytes = view.getUint32(12, true);
  const unpackedBytes = view.getUint32(16, true);
  if (storedBytes > MAX_BLOCK_BYTES || unpackedBytes > MAX_BLOCK_BYTES) return null;
  if (compression === 0 && storedBytes !== unpackedBytes) return null;
  return {
    type,
    compressed: compression === 1,
    sequence: view.getUint32(8, true),
    storedBytes,
    unpackedBytes,
    crc: view.getUint32(20, true),
  };
}

/** The content of a block; null where it does not hold. The result may be a view of `stored`. */
export function decodeBlockContent(header: BlockHeader, stored: Uint8Array): Uint8Array | null {
  if (stored.length !== header.storedBytes || crc32(stored) !== header.crc) return null;
  if (!header.compressed) return stored;
  try {
    const content = inflateRawSync(stored, { maxOutputLength: Math.max(1, header.unpackedBytes) });
    return content.length === header.unpackedBytes ? content : null;
  } catch {
    return null;
  }
}

export function entryBytes(arrival: Arrival, contentLength: number): number {
  return ENTRY_HEADER_BYTES + (arrival.trusted === null ? 0 : TRUSTED_BYTES) + contentLength;
}

/** Writes an entry at `at` of `target`; returns where it ends. */
export function encodeEntry(
  target: Uint8Array,
  at: number,
  kind: "bytes" | "note",
  arrival: Arrival,
  content: Uint8Array,
): number {
  const { trusted } = arrival;
  const view = new DataView(target.buffer, target.byteOffset);
  target[at] = kind === "bytes" ? 1 : 2;
  target[at + 1] = trusted === null ? 0 : 1;
  view.setUint32(at + 2, content.length, true);
  view.setFloat64(at + 6, arrival.unixMs, true);
  view.setFloat64(at + 14, arrival.monotonicMs, true);
  let next = at + ENTRY_HEADER_BYTES;
  if (trusted !== null) {
    view.setFloat64(next, trusted.gst, true);
    view.setFloat64(next + 8, trusted.boundSeconds, true);
    next += TRUSTED_BYTES;
  }
  target.set(content, next);
  return next + content.length;
}

/**
 * The entries of a data block. Entries of an unknown kind are passed over; what does not fit ends the walk and is
 * told by `false`. Contents are views.
 */
export function decodeEntries(content: Uint8Array, each: (entry: RecordingEntry) => void): boolean {
  const view = new DataView(content.buffer, content.byteOffset, content.length);
  let at = 0;
  while (at < content.length) {
    if (content.length - at < ENTRY_HEADER_BYTES) return false;
    const kind = content[at];
    const flags = content[at + 1];
    const length = view.getUint32(at + 2, true);
    const unixMs = view.getFloat64(at + 6, true);
    const monotonicMs = view.getFloat64(at + 14, true);
    at += ENTRY_HEADER_BYTES;
    let trusted: Arrival["trusted"] = null;
    if ((flags & 1) !== 0) {
      if (content.length - at < TRUSTED_BYTES) return false;
      const gst = view.getFloat64(at, true);
      const boundSeconds = view.getFloat64(at + 8, true);
      trusted = { gst, boundSeconds, assurance: "independent" };
      at += TRUSTED_BYTES;
    }
    if (length > content.length - at) return false;
    const body = content.subarray(at, at + length);
    at += length;
    const arrival: Arrival = { unixMs, monotonicMs, trusted };
    if (kind === 1) each({ kind: "bytes", arrival, bytes: body });
    else if (kind === 2) {
      const note = parseNote(body);
      if (note === null) return false;
      each({ kind: "note", arrival, note });
    }
  }
  return true;
}

export function encodeHead(head: RecordingHead): Uint8Array {
  return Buffer.from(JSON.stringify(head), "utf8");
}

/** Null where the bytes are no head that this version understands. */
export function decodeHead(content: Uint8Array): RecordingHead | null {
  const value = parseJson(content);
  if (value === null || value["format"] !== "osnmad-recording" || value["version"] !== 1) return null;
  const text = (name: string): string | null =>
    typeof value[name] === "string" ? value[name].slice(0, 256) : null;
  const mode = value["mode"];
  const part = value["part"];
  if (mode !== "live" && mode !== "replay" && mode !== "simulated") return null;
  return {
    format: "osnmad-recording",
    version: 1,
    session: text("session") ?? "",
    part: typeof part === "number" && Number.isInteger(part) && part >= 0 ? part : 0,
    startedAt: text("startedAt") ?? "",
    mode,
    // What is not said is taken for a run with a clock: where nothing was known, nothing is authenticated.
    trustedTime: value["trustedTime"] !== false,
    softwareVersion: text("softwareVersion") ?? "",
    source: text("source"),
    receiverId: text("receiverId"),
  };
}

function parseNote(content: Uint8Array): RecordingNote | null {
  const value = parseJson(content);
  return value !== null && typeof value["note"] === "string" ? (value as RecordingNote) : null;
}

function parseJson(content: Uint8Array): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(Buffer.from(content).toString("utf8"));
    return typeof value === "object" && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : null;
  } catch {
    return null;
  }
}
