/** Makes a recording out of chunks, for tools that rewrite captures; the daemon's `Recorder` is another thing. Pure. */
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

const BLOCK_BYTES = 64 * 1024;

export class RecordingWriter {
  readonly #write: (bytes: Uint8Array) => void;
  readonly #buffer = new Uint8Array(BLOCK_BYTES + 2 * MAX_ENTRY_CONTENT);
  #used = 0;
  #sequence: number | null = null;

  /** `write` is handed blocks in order. */
  constructor(write: (bytes: Uint8Array) => void) {
    this.#write = write;
  }

  /** Begins a part; the one before it is ended. */
  head(head: RecordingHead): void {
    this.end();
    this.#sequence = 0;
    this.#block(BLOCK_TYPES.head, encodeHead(head));
  }

  bytes(bytes: Uint8Array, arrival: Arrival): void {
    for (let at = 0; at < bytes.length; at += MAX_ENTRY_CONTENT) {
      this.#entry("bytes", arrival, bytes.subarray(at, at + MAX_ENTRY_CONTENT));
    }
  }

  note(note: RecordingNote, arrival: Arrival): void {
    this.#entry("note", arrival, Buffer.from(JSON.stringify(note), "utf8"));
  }

  end(): void {
    if (this.#sequence === null) return;
    this.#flush();
    this.#block(BLOCK_TYPES.end, new Uint8Array(0));
    this.#sequence = null;
  }

  #entry(kind: "bytes" | "note", arrival: Arrival, content: Uint8Array): void {
    if (this.#sequence === null) throw new Error("a recording begins with its head");
    if (this.#used > 0 && this.#used + entryBytes(arrival, content.length) > BLOCK_BYTES) this.#flush();
    this.#used = encodeEntry(this.#buffer, this.#used, kind, arrival, content);
  }

  #flush(): void {
    if (this.#used === 0) return;
    this.#block(BLOCK_TYPES.data, this.#buffer.subarray(0, this.#used));
    this.#used = 0;
  }

  #block(type: (typeof BLOCK_TYPES)[keyof typeof BLOCK_TYPES], content: Uint8Array): void {
    this.#write(encodeBlock(type, this.#sequence!, content));
    this.#sequence!++;
  }
}
