/**
 * Captured bytes from a file or standard input, in chunks: a receiver's bytes as they are, a recording
 * (docs/recording.md), or either behind gzip. Which it is, the first bytes say. Edge: reads files.
 */
import { closeSync, fstatSync, openSync, readSync, statSync } from "node:fs";
import { OsnmadError, reasonOf } from "../errors.js";
import type { TrustedTime } from "../osnma/time-gate.js";
import type { RecordingHead, RecordingNote } from "../recorder/format.js";
import { isRecording, RecordingReader, type RecordingCounts } from "../recorder/reader.js";
import type { Arrival } from "../time/types.js";

const CHUNK_BYTES = 256 * 1024;
const MAGIC_BYTES = 4;

/** Throws OSN_CAPTURE_NOT_FOUND where a capture cannot be opened, before anything else is begun. */
export function assertCapture(path: string): void {
  // A pipe is opened once: its writer would lose what it wrote for the first look.
  if (path === "-" || isPipe(path)) return;
  closeSync(openDescriptor(path).descriptor);
}

function isPipe(path: string): boolean {
  try {
    return statSync(path).isFIFO();
  } catch {
    // Who opens it says why.
    return false;
  }
}

/** What a recording keeps beside the bytes. */
export interface CaptureStamp {
  readonly arrival: Arrival;
  /** Trusted time as recorded; null where the run had none, undefined where it did not ask. */
  readonly trusted: TrustedTime | null | undefined;
}

/** `stamp` is undefined for a capture that is no recording. Chunks are valid during the call only. */
export type CapturePush = (chunk: Uint8Array, stamp: CaptureStamp | undefined) => void | Promise<void>;

export interface CaptureListeners {
  readonly head?: (head: RecordingHead) => void;
  readonly note?: (note: RecordingNote, arrival: Arrival) => void;
}

export interface CaptureSource {
  /** Size in bytes, or null where it is not known (a pipe). */
  readonly size: number | null;
  /** How many of them were read. */
  readonly position: number;
  /** What it turned out to be; null before the first bytes. */
  readonly kind: "plain" | "recording" | null;
  readonly gzip: boolean;
  /** Of a recording, else null. */
  readonly recording: RecordingCounts | null;
  /** Why reading ended before the end (a damaged gzip file), else null. */
  readonly cut: string | null;
  /** Calls `push` with chunks that are valid during the call only, until the end or `push` returns a promise that rejects. */
  read(push: CapturePush, listeners?: CaptureListeners): Promise<void>;
}

/**
 * Opens a capture; `-` is standard input. `chunkBytes` bounds how much is handed over at once; a recording's
 * chunks stay as they were recorded. Throws OSN_CAPTURE_NOT_FOUND where it cannot be opened.
 */
export function openCapture(path: string, chunkBytes = CHUNK_BYTES): CaptureSource {
  return new Capture(path === "-" ? null : openDescriptor(path), chunkBytes);
}

/** What is wrong with a capture that was read, for people; null where nothing is. */
export function damageOf({ recording, cut }: CaptureSource): string | null {
  const found = cut === null ? [] : [cut];
  if (recording !== null) {
    const { files, endedFiles, badBlocks, missingBlocks, skippedBytes } = recording;
    if (endedFiles < files) found.push(`${files - endedFiles} part(s) end without their end block`);
    if (badBlocks > 0) found.push(`${badBlocks} block(s) do not hold`);
    if (missingBlocks > 0) found.push(`${missingBlocks} block(s) are missing`);
    if (skippedBytes > 0) found.push(`${skippedBytes} bytes were passed over`);
  }
  return found.length === 0 ? null : found.join(", ");
}

class Capture implements CaptureSource {
  readonly size: number | null;
  readonly #descriptor: number | null;
  readonly #chunkBytes: number;
  #position = 0;
  #kind: CaptureSource["kind"] = null;
  #gzip = false;
  #reader: RecordingReader | null = null;
  #cut: string | null = null;
  #head: RecordingHead | null = null;

  constructor(
    opened: { readonly descriptor: number; readonly size: number | null } | null,
    chunkBytes: number,
  ) {
    this.#descriptor = opened?.descriptor ?? null;
    this.size = opened?.size ?? null;
    this.#chunkBytes = chunkBytes;
  }

  get position(): number {
    return this.#position;
  }
  get kind(): CaptureSource["kind"] {
    return this.#kind;
  }
  get gzip(): boolean {
    return this.#gzip;
  }
  get recording(): RecordingCounts | null {
    return this.#reader?.counts ?? null;
  }
  get cut(): string | null {
    return this.#cut;
  }

  async read(push: CapturePush, listeners: CaptureListeners = {}): Promise<void> {
    const start = await this.#start();
    try {
      if (start.length >= 3 && start[0] === 0x1f && start[1] === 0x8b && start[2] === 0x08) {
        this.#gzip = true;
        await this.#readGzip(start, push, listeners);
      } else {
        this.#kind = isRecording(start) ? "recording" : "plain";
        await this.#each(start, (chunk) => this.#take(chunk, push, listeners));
        await this.#end(push, listeners);
      }
    } finally {
      if (this.#descriptor !== null) closeSync(this.#descriptor);
      else await stdin().return?.();
    }
  }

  /** The first bytes, enough to know what it is (fewer where there are no more). */
  async #start(): Promise<Uint8Array> {
    if (this.#descriptor !== null) {
      const start = new Uint8Array(MAGIC_BYTES);
      let length = 0;
      for (;;) {
        const read = readSync(this.#descriptor, start, length, MAGIC_BYTES - length, null);
        length += read;
        if (read === 0 || length === MAGIC_BYTES) break;
      }
      this.#position = length;
      return start.subarray(0, length);
    }
    const parts: Uint8Array[] = [];
    let length = 0;
    const input = stdin();
    while (length < MAGIC_BYTES) {
      const { value, done } = await input.next();
      if (done === true) break;
      parts.push(value);
      length += value.length;
    }
    this.#position = length;
    return Buffer.concat(parts);
  }

  /** `start`, and everything after it, as it comes. */
  async #each(start: Uint8Array, take: (chunk: Uint8Array) => void | Promise<void>): Promise<void> {
    if (this.#descriptor === null) {
      if (start.length > 0) await take(start);
      for (const input = stdin(); ;) {
        const { value, done } = await input.next();
        if (done === true) return;
        this.#position += value.length;
        const pending = take(value);
        if (pending !== undefined) await pending;
      }
    }
    const buffer = new Uint8Array(Math.max(this.#chunkBytes, MAGIC_BYTES));
    buffer.set(start, 0);
    let filled = start.length;
    for (;;) {
      const length = readSync(this.#descriptor, buffer, filled, buffer.length - filled, null);
      this.#position += length;
      if (length + filled === 0) return;
      const pending = take(buffer.subarray(0, length + filled));
      if (pending !== undefined) await pending;
      if (length === 0) return;
      filled = 0;
    }
  }

  async #readGzip(start: Uint8Array, push: CapturePush, listeners: CaptureListeners): Promise<void> {
    // A file that was cut gives what is there.
    // Loaded when it is needed: a plain capture's replay is short enough to notice.
    const { constants, createGunzip } = await import("node:zlib");
    const gunzip = createGunzip({ finishFlush: constants.Z_SYNC_FLUSH });
    const feeding = this.#each(start, async (chunk) => {
      if (gunzip.destroyed) return;
      if (!gunzip.write(Buffer.from(chunk))) await drained(gunzip);
    }).then(
      () => gunzip.end(),
      (error: unknown) => gunzip.destroy(error instanceof Error ? error : new Error(String(error))),
    );
    let head: Uint8Array = new Uint8Array(0);
    try {
      for await (const chunk of gunzip as AsyncIterable<Uint8Array>) {
        let bytes = chunk;
        if (this.#kind === null) {
          head = Buffer.concat([head, chunk]);
          if (head.length < MAGIC_BYTES) continue;
          this.#kind = isRecording(head) ? "recording" : "plain";
          bytes = head;
        }
        await this.#take(bytes, push, listeners);
      }
    } catch (error) {
      if (!isZlibError(error)) throw error;
      this.#cut = `the gzip data is damaged (${error.message})`;
    } finally {
      gunzip.destroy();
      await feeding;
    }
    if (this.#kind === null) {
      this.#kind = "plain";
      await this.#take(head, push, listeners);
    }
    await this.#end(push, listeners);
  }

  #take(bytes: Uint8Array, push: CapturePush, listeners: CaptureListeners): void | Promise<void> {
    if (this.#kind === "recording") return this.#takeRecording(bytes, push, listeners);
    if (bytes.length <= this.#chunkBytes) return push(bytes, undefined);
    return this.#takeSlices(bytes, push);
  }

  async #takeSlices(bytes: Uint8Array, push: CapturePush): Promise<void> {
    for (let at = 0; at < bytes.length; at += this.#chunkBytes) {
      const pending = push(bytes.subarray(at, at + this.#chunkBytes), undefined);
      if (pending !== undefined) await pending;
    }
  }

  async #takeRecording(
    bytes: Uint8Array | null,
    push: CapturePush,
    listeners: CaptureListeners,
  ): Promise<void> {
    this.#reader ??= new RecordingReader();
    for (const item of bytes === null ? this.#reader.end() : this.#reader.push(bytes)) {
      if (item.kind === "head") {
        this.#head = item.head;
        listeners.head?.(item.head);
      } else if (item.kind === "note") listeners.note?.(item.note, item.arrival);
      else {
        const { arrival } = item;
        // A head that is lost is taken for one of a run with a clock: the weaker truth.
        const trusted = this.#head?.trustedTime === false ? undefined : arrival.trusted;
        const pending = push(item.bytes, { arrival, trusted });
        if (pending !== undefined) await pending;
      }
    }
  }

  async #end(push: CapturePush, listeners: CaptureListeners): Promise<void> {
    if (this.#kind === "recording") await this.#takeRecording(null, push, listeners);
  }
}

/** One iterator for all of standard input: it is read in two places. */
let stdinIterator: AsyncIterator<Uint8Array> | null = null;
function stdin(): AsyncIterator<Uint8Array> {
  stdinIterator ??= process.stdin[Symbol.asyncIterator]() as AsyncIterator<Uint8Array>;
  return stdinIterator;
}

function drained(stream: NodeJS.WritableStream): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      stream.removeListener("drain", done);
      stream.removeListener("close", done);
      resolve();
    };
    stream.once("drain", done);
    stream.once("close", done);
  });
}

function isZlibError(error: unknown): error is Error {
  const code = (error as { code?: unknown } | null)?.code;
  return error instanceof Error && typeof code === "string" && code.startsWith("Z_");
}
function openDescriptor(path: string): { readonly descriptor: number; readonly size: number | null } {
  let descriptor: number;
  let size: number | null;
  try {
    descriptor = openSync(path, "r");
    const stat = fstatSync(descriptor);
    if (stat.isDirectory()) {
      closeSync(descriptor);
      throw new Error("it is a folder");
    }
    size = stat.isFile() ? stat.size : null;
  } catch (cause) {
    throw new OsnmadError("OSN_CAPTURE_NOT_FOUND", `${path}: ${reasonOf(cause)}.`, { cause });
  }
  return { descriptor, size };
}
