/** A capture (file or standard input) as a link: bytes as fast as they are taken, then the end. Read only. */
import { createReadStream } from "node:fs";
import type { Readable } from "node:stream";
import { assertCapture } from "./capture-file.js";
import type { ByteLink } from "./byte-link.js";
import { linkLost, LinkListeners } from "./link-listeners.js";

const CHUNK_BYTES = 64 * 1024;

/** Opens a capture; `-` is standard input. Throws OSN_CAPTURE_NOT_FOUND. */
export function openCaptureLink(path: string): ByteLink {
  assertCapture(path);
  return path === "-"
    ? new CaptureLink("standard input", process.stdin)
    : new CaptureLink(path, createReadStream(path, { highWaterMark: CHUNK_BYTES }));
}

class CaptureLink implements ByteLink {
  readonly name: string;
  readonly #stream: Readable;
  readonly #listeners: LinkListeners;

  constructor(name: string, stream: Readable) {
    this.name = name;
    this.#stream = stream;
    this.#listeners = new LinkListeners(() => {
      stream.on("data", (chunk: Buffer) => {
        this.#listeners.data(chunk);
      });
    });
    stream.once("error", (error) => {
      this.#listeners.end(linkLost(name, error));
    });
    for (const event of ["end", "close"]) {
      stream.once(event, () => {
        this.#listeners.end(null);
      });
    }
  }

  write(): Promise<void> {
    return this.#listeners.closed ? Promise.reject(linkLost(this.name, "it is closed")) : Promise.resolve();
  }

  onData(listener: (chunk: Uint8Array) => void): void {
    this.#listeners.onData(listener);
  }

  onClose(listener: (why: Error | null) => void): void {
    this.#listeners.onClose(listener);
  }

  close(): Promise<void> {
    this.#listeners.end(null);
    return new Promise((resolve) => {
      if (this.#stream.closed) {
        resolve();
        return;
      }
      this.#stream.once("close", () => {
        resolve();
      });
      this.#stream.destroy();
    });
  }
}
