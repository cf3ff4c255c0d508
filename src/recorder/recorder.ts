/**
 * Records every received byte with its arrival time into rotating, compressed files (docs/recording.md). Writing
 * happens behind the caller's back and never throws at it: a disk that refuses stops the recording, which says so
 * once, counts what it cannot keep, and goes on with a new file when there is room again. Edge.
 */
import { randomUUID } from "node:crypto";
import { mkdir, open, readdir, stat, unlink, type FileHandle } from "node:fs/promises";
import { join } from "node:path";
import type { Arrival } from "../time/types.js";
import {
  BLOCK_TYPES,
  encodeBlock,
  encodeEntry,
  encodeHead,
  entryBytes,
  MAX_ENTRY_CONTENT,
  type RecordingHead,
  type RecordingNote,
} from "./format.js";

export const RECORDING_SUFFIX = ".osnr";

export interface RecorderOptions {
  readonly folder: string;
  readonly mode: RecordingHead["mode"];
  /**
   * Whether the run asks a clock with each chunk (a `TimeSource`), as a daemon does in every mode: the default. Without
   * one, a replay runs on the capture's own timeline.
   */
  readonly trustedTime?: boolean;
  readonly softwareVersion: string;
  /** What is read, without its folder; null where it has no name. */
  readonly source?: string | null;
  readonly receiverId?: string | null;
  /** A file is closed at this size or age, and the next begun. */
  readonly maxFileBytes?: number;
  readonly maxFileSeconds?: number;
  /** The oldest recordings of the folder go when all together exceed this. */
  readonly maxTotalBytes?: number;
  /** A block is written at this size or age: what a crash can cost. */
  readonly blockBytes?: number;
  readonly blockSeconds?: number;
  /** When written blocks are forced onto the disk: never, after each, or at most so many seconds later. */
  readonly fsync?: "never" | "block" | number;
  /** Told once when recording stops and once when it goes on (null). */
  readonly onFault?: (fault: string | null) => void;
  readonly files?: RecorderFiles;
  readonly now?: () => number;
}

/** The part of the file system that is used; replaced in tests. */
export interface RecorderFiles {
  readonly open: (path: string) => Promise<RecorderFile>;
  readonly makeFolder: (path: string) => Promise<void>;
  /** Recordings of a folder, oldest first by name. */
  readonly list: (path: string) => Promise<readonly { readonly name: string; readonly bytes: number }[]>;
  readonly remove: (path: string) => Promise<void>;
}

export interface RecorderFile {
  append(bytes: Uint8Array): Promise<void>;
  sync(): Promise<void>;
  close(): Promise<void>;
}

export interface RecorderStatus {
  readonly recording: boolean;
  readonly fault: string | null;
  readonly file: string | null;
  readonly session: string;
  readonly bytesReceived: number;
  /** Received bytes that are in a file. */
  readonly bytesRecorded: number;
  /** Received bytes that could not be kept. */
  readonly bytesLost: number;
  readonly bytesWaiting: number;
}

export const RECORDER_DEFAULTS = {
  maxFileBytes: 64 * 1024 * 1024,
  maxFileSeconds: 3600,
  maxTotalBytes: 4 * 1024 * 1024 * 1024,
  blockBytes: 32 * 1024,
  blockSeconds: 1,
  fsync: 10,
} as const;
/** What may wait for a slow disk, bytes of entries. */
const MAX_WAITING_BYTES = 8 * 1024 * 1024;
/** Between attempts while the disk refuses. */
const RETRY_MS = 5000;

interface Waiting {
  readonly content: Uint8Array;
  readonly receivedBytes: number;
  /** Of its first entry, Unix milliseconds. */
  readonly startMs: number;
}

export class Recorder {
  readonly #options: RecorderOptions;
  readonly #files: RecorderFiles;
  readonly #now: () => number;
  readonly #limits: {
    readonly maxFileBytes: number;
    readonly maxFileSeconds: number;
    readonly maxTotalBytes: number;
    readonly blockBytes: number;
    readonly blockSeconds: number;
    readonly fsync: "never" | "block" | number;
  };
  readonly #session = randomUUID();
  #part = 0;
  #sequence = 0;
  #buffer: Uint8Array;
  #used = 0;
  #bufferReceived = 0;
  #bufferStartMs = 0;
  /** Content of closed blocks that are not in a file yet, in order. */
  #waiting: Waiting[] = [];
  #waitingBytes = 0;
  #timer: NodeJS.Timeout | null = null;
  #file: RecorderFile | null = null;
  #fileName: string | null = null;
  #fileBytes = 0;
  /** Whole blocks of data in the file. */
  #fileBlocks = 0;
  #fileStartedMs = 0;
  #syncedMs = 0;
  #needsSync = false;
  #draining: Promise<void> | null = null;
  #fault: string | null = null;
  #triedMs = Number.NEGATIVE_INFINITY;
  #closed = false;
  #received = 0;
  #recorded = 0;
  #lost = 0;
  /** Lost since the last note that says so. */
  #gapBytes = 0;
  #last: Arrival = { unixMs: 0, monotonicMs: 0, trusted: null };

  /** @throws RangeError for limits outside their range. Nothing is written before the first bytes. */
  constructor(options: RecorderOptions) {
    this.#options = options;
    this.#files = options.files ?? systemFiles;
    this.#now = options.now ?? (() => performance.now());
    this.#limits = {
      maxFileBytes: atLeast("maxFileBytes", options.maxFileBytes, RECORDER_DEFAULTS.maxFileBytes, 64 * 1024),
      maxFileSeconds: atLeast("maxFileSeconds", options.maxFileSeconds, RECORDER_DEFAULTS.maxFileSeconds, 1),
      maxTotalBytes: atLeast(
        "maxTotalBytes",
        options.maxTotalBytes,
        RECORDER_DEFAULTS.maxTotalBytes,
        64 * 1024,
      ),
      blockBytes: Math.min(
        atLeast("blockBytes", options.blockBytes, RECORDER_DEFAULTS.blockBytes, 1024),
        512 * 1024,
      ),
      blockSeconds: atLeast("blockSeconds", options.blockSeconds, RECORDER_DEFAULTS.blockSeconds, 0.01),
      fsync: options.fsync ?? RECORDER_DEFAULTS.fsync,
    };
    this.#buffer = new Uint8Array(this.#limits.blockBytes + 2 * MAX_ENTRY_CONTENT);
  }

  /** Takes in bytes as they came; they are copied. Never throws and never waits. */
  write(chunk: Uint8Array, arrival: Arrival): void {
    if (this.#closed) return;
    this.#last = arrival;
    for (let at = 0; at < chunk.length; at += MAX_ENTRY_CONTENT) {
      const piece = chunk.subarray(at, at + MAX_ENTRY_CONTENT);
      this.#received += piece.length;
      if (this.#waitingBytes + this.#used > MAX_WAITING_BYTES) {
        this.#lost += piece.length;
        this.#gapBytes += piece.length;
        continue;
      }
      this.#tellGap(arrival);
      this.#entry("bytes", arrival, piece, piece.length);
    }
    this.#kick();
  }

  /** Puts a note at this place among the bytes. */
  note(note: RecordingNote, arrival: Arrival = this.#last): void {
    if (this.#closed || this.#waitingBytes + this.#used > MAX_WAITING_BYTES) return;
    const content = Buffer.from(JSON.stringify(note), "utf8");
    if (content.length > MAX_ENTRY_CONTENT) throw new RangeError("a note must be shorter than 64 KiB");
    this.#entry("note", arrival, content, 0);
    this.#kick();
  }

  /** Resolves when everything written so far is in a file, or the disk refuses. */
  async flush(): Promise<void> {
    this.#closeBlock();
    this.#kick(true);
    await this.#draining;
  }

  /** Writes what waits, ends the file, and resolves. Never rejects. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closeBlock();
    this.#closed = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    await this.#draining;
    this.#draining = null;
    await this.#drain(true);
    for (const { receivedBytes } of this.#waiting) this.#lost += receivedBytes;
    this.#waiting = [];
    await this.#endFile();
  }

  status(): RecorderStatus {
    return {
      recording: this.#fault === null && !this.#closed,
      fault: this.#fault,
      file: this.#fileName,
      session: this.#session,
      bytesReceived: this.#received,
      bytesRecorded: this.#recorded,
      bytesLost: this.#lost,
      bytesWaiting: this.#received - this.#recorded - this.#lost,
    };
  }

  #entry(kind: "bytes" | "note", arrival: Arrival, content: Uint8Array, receivedBytes: number): void {
    if (this.#used > 0 && this.#used + entryBytes(arrival, content.length) > this.#limits.blockBytes) {
      this.#closeBlock();
    }
    if (this.#used === 0) this.#bufferStartMs = arrival.unixMs;
    this.#used = encodeEntry(this.#buffer, this.#used, kind, arrival, content);
    this.#bufferReceived += receivedBytes;
  }

  #tellGap(arrival: Arrival): void {
    if (this.#gapBytes === 0) return;
    const bytes = this.#gapBytes;
    this.#gapBytes = 0;
    this.#entry("note", arrival, Buffer.from(JSON.stringify({ note: "gap", bytes })), 0);
  }

  #closeBlock(): void {
    if (this.#used === 0) return;
    this.#waiting.push({
      content: this.#buffer.slice(0, this.#used),
      receivedBytes: this.#bufferReceived,
      startMs: this.#bufferStartMs,
    });
    this.#waitingBytes += this.#used;
    this.#used = 0;
    this.#bufferReceived = 0;
  }

  /** Starts writing what waits, and the clock of the block that is being filled. */
  #kick(force = false): void {
    if (this.#waiting.length > 0 && this.#draining === null && (force || this.#mayTry())) {
      this.#draining = this.#drain(force).finally(() => {
        this.#draining = null;
      });
    }
    if (this.#timer !== null || this.#closed) return;
    this.#timer = setTimeout(
      () => {
        this.#timer = null;
        this.#closeBlock();
        if (this.#waiting.length > 0 || this.#fault !== null) this.#kick();
        else this.#syncInBackground();
      },
      Math.max(10, this.#limits.blockSeconds * 1000),
    );
    this.#timer.unref();
  }

  #mayTry(): boolean {
    return this.#fault === null || this.#now() - this.#triedMs >= RETRY_MS;
  }

  async #drain(force: boolean): Promise<void> {
    while (this.#waiting.length > 0) {
      if (!force && !this.#mayTry()) return;
      const { content, receivedBytes, startMs } = this.#waiting[0];
      this.#triedMs = this.#now();
      try {
        const file = await this.#currentFile(startMs);
        const block = encodeBlock(BLOCK_TYPES.data, this.#sequence, content);
        await file.append(block);
        this.#sequence++;
        this.#fileBytes += block.length;
        this.#fileBlocks++;
        this.#needsSync = true;
        if (this.#limits.fsync === "block") await this.#sync();
        else await this.#syncIfDue();
      } catch (error) {
        await this.#failed(error);
        return;
      }
      this.#waiting.shift();
      this.#waitingBytes -= content.length;
      this.#recorded += receivedBytes;
      this.#setFault(null);
      if (
        this.#fileBytes >= this.#limits.maxFileBytes ||
        this.#now() - this.#fileStartedMs >= this.#limits.maxFileSeconds * 1000
      ) {
        await this.#endFile();
      }
    }
  }

  async #currentFile(startMs: number): Promise<RecorderFile> {
    if (this.#file !== null) return this.#file;
    const { folder, mode, softwareVersion, source = null, receiverId = null } = this.#options;
    await this.#files.makeFolder(folder);
    await this.#retain();
    const startedAt = new Date(inDates(startMs)).toISOString();
    const head: RecordingHead = {
      format: "osnmad-recording",
      version: 1,
      session: this.#session,
      part: this.#part,
      startedAt,
      mode,
      trustedTime: this.#options.trustedTime ?? true,
      softwareVersion,
      source,
      receiverId,
    };
    const name =
      `${startedAt.replace(/[-:]/g, "").replace(/\.\d+Z$/, "Z")}-${this.#session.slice(0, 8)}` +
      `-${String(this.#part).padStart(4, "0")}${RECORDING_SUFFIX}`;
    const file = await this.#files.open(join(folder, name));
    this.#part++;
    this.#file = file;
    this.#fileName = name;
    this.#fileStartedMs = this.#now();
    this.#syncedMs = this.#fileStartedMs;
    this.#sequence = 0;
    this.#fileBytes = 0;
    this.#fileBlocks = 0;
    const block = encodeBlock(BLOCK_TYPES.head, this.#sequence, encodeHead(head));
    await file.append(block);
    this.#sequence++;
    this.#fileBytes += block.length;
    return file;
  }

  /** Lets the oldest recordings of the folder go, so that the next file has room under the limit. */
  async #retain(): Promise<void> {
    const { maxTotalBytes, maxFileBytes } = this.#limits;
    const files = await this.#files.list(this.#options.folder);
    let total = files.reduce((sum, { bytes }) => sum + bytes, 0);
    for (const { name, bytes } of files) {
      if (total + Math.min(maxFileBytes, maxTotalBytes) <= maxTotalBytes) return;
      await this.#files.remove(join(this.#options.folder, name));
      total -= bytes;
    }
  }

  async #endFile(): Promise<void> {
    const file = this.#file;
    if (file === null) return;
    try {
      await file.append(encodeBlock(BLOCK_TYPES.end, this.#sequence, new Uint8Array(0)));
      if (this.#limits.fsync !== "never") await file.sync();
    } catch {
      // The blocks before are whole; an end that is missing says that the file was cut.
    }
    await this.#abandonFile();
  }

  async #abandonFile(): Promise<void> {
    const file = this.#file;
    this.#file = null;
    this.#fileName = null;
    this.#needsSync = false;
    try {
      await file?.close();
    } catch {
      // Nothing is to be had from it any more.
    }
  }

  /** A block that was not taken may be there in part: the next one goes into a new file. */
  async #failed(error: unknown): Promise<void> {
    const empty = this.#file !== null && this.#fileBlocks === 0 ? this.#fileName : null;
    await this.#abandonFile();
    if (empty !== null) await this.#files.remove(join(this.#options.folder, empty)).catch(() => undefined);
    this.#setFault(error instanceof Error ? error.message : String(error));
  }

  async #syncIfDue(): Promise<void> {
    const { fsync } = this.#limits;
    if (typeof fsync !== "number" || !this.#needsSync || this.#now() - this.#syncedMs < fsync * 1000) return;
    await this.#sync();
  }

  #syncInBackground(): void {
    if (this.#draining !== null) return;
    this.#draining = this.#syncIfDue()
      .catch((error: unknown) => this.#failed(error))
      .finally(() => {
        this.#draining = null;
      });
  }

  async #sync(): Promise<void> {
    this.#needsSync = false;
    this.#syncedMs = this.#now();
    await this.#file?.sync();
  }

  #setFault(fault: string | null): void {
    const changed = (fault === null) !== (this.#fault === null);
    this.#fault = fault;
    if (changed) this.#options.onFault?.(fault);
  }
}

/** A clock may be set to anything; a file needs a name. */
function inDates(unixMs: number): number {
  return Number.isFinite(unixMs) ? Math.min(Math.max(unixMs, 0), 2 ** 48 / 2) : 0;
}

function atLeast(name: string, value: number | undefined, byDefault: number, lowest: number): number {
  if (value === undefined) return byDefault;
  if (!(value >= lowest) || !Number.isFinite(value))
    throw new RangeError(`${name} must be at least ${lowest}`);
  return value;
}

/** Appends; a write that the disk takes in part only is an error of the block. */
class AppendedFile implements RecorderFile {
  readonly #handle: FileHandle;
  constructor(handle: FileHandle) {
    this.#handle = handle;
  }
  async append(bytes: Uint8Array): Promise<void> {
    let at = 0;
    while (at < bytes.length) {
      const { bytesWritten } = await this.#handle.write(bytes, at, bytes.length - at);
      if (bytesWritten === 0) throw new Error("nothing could be written");
      at += bytesWritten;
    }
  }
  sync(): Promise<void> {
    return this.#handle.datasync();
  }
  close(): Promise<void> {
    return this.#handle.close();
  }
}

/** Positions are in there: nobody else may read. */
export const systemFiles: RecorderFiles = {
  async open(path) {
    return new AppendedFile(await open(path, "wx", 0o600));
  },
  async makeFolder(path) {
    await mkdir(path, { recursive: true, mode: 0o700 });
  },
  async list(path) {
    const names = (await readdir(path)).filter((name) => name.endsWith(RECORDING_SUFFIX)).sort();
    const files = [];
    for (const name of names) {
      const bytes = await stat(join(path, name)).then(
        ({ size }) => size,
        () => 0,
      );
      files.push({ name, bytes });
    }
    return files;
  },
  remove: (path) => unlink(path),
};
