/**
 * The last checkpoint that was signed, in a file beside the database: where one of the two was set back, the other
 * shows it. Edge.
 *
 * Two places of 4 KiB, written in turn: a write that a cut of power tore leaves the other one whole. Each is a note,
 * its SHA-256 in hexadecimal, and blanks. One write and one flush, where a new file and a rename take three.
 */
import { createHash } from "node:crypto";
import {
  closeSync,
  constants,
  fchmodSync,
  fdatasyncSync,
  fsyncSync,
  openSync,
  readSync,
  writeSync,
} from "node:fs";
import { dirname } from "node:path";
import { flushFolder } from "../trust/flushed-file.js";
import { parseCheckpoint, type Checkpoint } from "./checkpoint.js";

const PLACE_BYTES = 4096;

export class CheckpointFile {
  readonly #descriptor: number;
  #isOpen = true;
  #next: number;
  /** The newest in the file; null in a new one, or where neither place is whole. */
  readonly newest: Checkpoint | null;
  /** Nothing was ever written whole: with none whole otherwise, the file was damaged. */
  readonly isNew: boolean;

  /** Makes the file where it is missing. Throws the system's error. */
  constructor(path: string) {
    this.#descriptor = openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, 0o600);
    try {
      fchmodSync(this.#descriptor, 0o600);
      const { places, length } = read(this.#descriptor);
      const [first, second] = places;
      this.newest = (first?.size ?? -1) >= (second?.size ?? -1) ? first : second;
      this.isNew = this.newest === null && length <= PLACE_BYTES;
      this.#next = this.newest !== null && this.newest === first ? 1 : 0;
      if (this.isNew) {
        fsyncSync(this.#descriptor);
        flushFolder(dirname(path));
      }
    } catch (error) {
      closeSync(this.#descriptor);
      throw error;
    }
  }

  /** On disk on return. Throws RangeError for a note that has no room, and the system's error. */
  write(note: string): void {
    const bytes = Buffer.alloc(PLACE_BYTES, " ");
    const text = Buffer.from(`${note}${digestOf(note)}\n`, "utf8");
    if (text.length > PLACE_BYTES) throw new RangeError("the note is too long for its place");
    bytes.set(text);
    writeSync(this.#descriptor, bytes, 0, PLACE_BYTES, this.#next * PLACE_BYTES);
    fdatasyncSync(this.#descriptor);
    this.#next = 1 - this.#next;
  }

  /** Once: the number may be another file's by the second time. */
  close(): void {
    if (this.#isOpen) closeSync(this.#descriptor);
    this.#isOpen = false;
  }
}

/** The newest checkpoint of a file, without making or locking anything; null where it has none. */
export function readCheckpointFile(path: string): Checkpoint | null {
  const descriptor = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  try {
    const [first, second] = read(descriptor).places;
    return (first?.size ?? -1) >= (second?.size ?? -1) ? first : second;
  } finally {
    closeSync(descriptor);
  }
}

function read(descriptor: number): { places: [Checkpoint | null, Checkpoint | null]; length: number } {
  const bytes = Buffer.alloc(2 * PLACE_BYTES);
  let length = 0;
  for (let got = -1; got !== 0 && length < bytes.length; length += got) {
    got = readSync(descriptor, bytes, length, bytes.length - length, length);
  }
  return { places: [checkpointIn(bytes, 0), checkpointIn(bytes, PLACE_BYTES)], length };
}

function checkpointIn(bytes: Buffer, from: number): Checkpoint | null {
  const text = bytes.toString("utf8", from, from + PLACE_BYTES).trimEnd();
  const end = text.lastIndexOf("\n") + 1;
  const note = text.slice(0, end);
  return digestOf(note) === text.slice(end) ? parseCheckpoint(note) : null;
}

const digestOf = (note: string): string => createHash("sha256").update(note, "utf8").digest("hex");
