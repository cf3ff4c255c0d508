/**
 * Reads a recording from chunks cut anywhere (docs/recording.md). Survives any bytes: a block that does not hold is
 * passed over to the next that does, and everything left out is counted. Memory is bounded by two blocks. Pure.
 */
import {
  BLOCK_HEADER_BYTES,
  BLOCK_MAGIC,
  BLOCK_TYPES,
  decodeBlockContent,
  decodeBlockHeader,
  decodeEntries,
  decodeHead,
  type RecordingEntry,
  type RecordingHead,
} from "./format.js";

/** A head, or what a block holds; contents are views that are valid until the next item is asked for. */
export type RecordingItem = { readonly kind: "head"; readonly head: RecordingHead } | RecordingEntry;

export interface RecordingCounts {
  /** Blocks that hold, of all types. */
  readonly blocks: number;
  /** Files: heads that were read. */
  readonly files: number;
  /** Files whose end block is there. */
  readonly endedFiles: number;
  /** Blocks whose header holds and whose content does not. */
  readonly badBlocks: number;
  /** By sequence numbers, within files. */
  readonly missingBlocks: number;
  /** Bytes of no block, an incomplete one at the end included. */
  readonly skippedBytes: number;
  readonly totalBytes: number;
}

/** Work on blocks that do not hold, in bytes for each byte of input: a file made to be slow costs no more. */
const WASTE_PER_BYTE = 8;
const WASTE_FREE = 16 * 1024 * 1024;

type Mutable = { -readonly [K in keyof RecordingCounts]: RecordingCounts[K] };

export class RecordingReader {
  readonly counts: RecordingCounts;
  readonly #counts: Mutable = {
    blocks: 0,
    files: 0,
    endedFiles: 0,
    badBlocks: 0,
    missingBlocks: 0,
    skippedBytes: 0,
    totalBytes: 0,
  };
  #rest: Uint8Array = new Uint8Array(0);
  #wasted = 0;
  /** Sequence number that the next block should have; null before the first. */
  #expected: number | null = null;

  constructor() {
    this.counts = this.#counts;
  }

  /**
   * Takes the next bytes of the file and gives what they complete, block by block as it is asked for. To be read to
   * its end before the next call. The chunk is not kept.
   */
  *push(chunk: Uint8Array): Generator<RecordingItem, void> {
    this.#counts.totalBytes += chunk.length;
    let bytes = chunk;
    if (this.#rest.length > 0) {
      bytes = new Uint8Array(this.#rest.length + chunk.length);
      bytes.set(this.#rest, 0);
      bytes.set(chunk, this.#rest.length);
    }
    const at = yield* this.#scan(bytes, false);
    this.#rest = bytes.slice(at);
  }

  /** The file ends here. */
  *end(): Generator<RecordingItem, void> {
    const at = yield* this.#scan(this.#rest, true);
    this.#counts.skippedBytes += this.#rest.length - at;
    this.#rest = new Uint8Array(0);
  }

  /** Returns up to where the bytes are done with. */
  *#scan(bytes: Uint8Array, final: boolean): Generator<RecordingItem, number> {
    let at = 0;
    for (;;) {
      const start = findMagic(bytes, at);
      this.#counts.skippedBytes += start - at;
      at = start;
      if (bytes.length - at < BLOCK_HEADER_BYTES) {
        if (!final || at === bytes.length) return at;
        this.#skip(1);
        at++;
        continue;
      }
      const header = decodeBlockHeader(bytes, at);
      if (header === null) {
        this.#skip(1);
        at++;
        continue;
      }
      const end = at + BLOCK_HEADER_BYTES + header.storedBytes;
      if (end > bytes.length) {
        if (!final) return at;
        this.#skip(1);
        at++;
        continue;
      }
      const content = decodeBlockContent(header, bytes.subarray(at + BLOCK_HEADER_BYTES, end));
      if (content === null) {
        this.#counts.badBlocks++;
        this.#wasted += header.storedBytes;
        // What a torn write left may hold the next block already; not searched where the file is made to be slow.
        const enough = this.#wasted > WASTE_FREE + WASTE_PER_BYTE * this.#counts.totalBytes;
        const skipped = enough ? end - at : 1;
        this.#skip(skipped);
        at += skipped;
        continue;
      }
      at = end;
      yield* this.#block(header.type, header.sequence, content);
    }
  }

  #block(type: number, sequence: number, content: Uint8Array): RecordingItem[] {
    this.#counts.blocks++;
    if (type === BLOCK_TYPES.head) {
      this.#expected = sequence + 1;
      const head = decodeHead(content);
      if (head === null) {
        this.#counts.badBlocks++;
        return [];
      }
      this.#counts.files++;
      return [{ kind: "head", head }];
    }
    if (this.#expected !== null && sequence > this.#expected) {
      this.#counts.missingBlocks += sequence - this.#expected;
    }
    this.#expected = sequence + 1;
    if (type === BLOCK_TYPES.end) {
      this.#counts.endedFiles++;
      this.#expected = null;
      return [];
    }
    const entries: RecordingItem[] = [];
    const whole = decodeEntries(content, (entry) => {
      entries.push(entry);
    });
    if (!whole) this.#counts.badBlocks++;
    return entries;
  }

  #skip(bytes: number): void {
    this.#counts.skippedBytes += bytes;
  }
}

/** Where a magic, or the beginning of one at the end, starts; the length where there is none. */
function findMagic(bytes: Uint8Array, from: number): number {
  for (let at = bytes.indexOf(BLOCK_MAGIC[0], from); at >= 0; at = bytes.indexOf(BLOCK_MAGIC[0], at + 1)) {
    let i = 1;
    while (i < BLOCK_MAGIC.length && at + i < bytes.length && bytes[at + i] === BLOCK_MAGIC[i]) i++;
    if (i === BLOCK_MAGIC.length || at + i === bytes.length) return at;
  }
  return bytes.length;
}

/** Whether bytes begin as a recording does. */
export function isRecording(bytes: Uint8Array): boolean {
  return bytes.length >= BLOCK_MAGIC.length && BLOCK_MAGIC.every((byte, i) => bytes[i] === byte);
}
