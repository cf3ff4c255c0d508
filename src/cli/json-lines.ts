/** JSON lines to a stream, written in large pieces and no faster than the reader takes them. */
import type { Writable } from "node:stream";

const FLUSH_CHARACTERS = 64 * 1024;

export class JsonLines {
  readonly #out: Writable;
  #text = "";
  #full = false;

  constructor(out: Writable) {
    this.#out = out;
  }

  write(record: object): void {
    this.#text += `${JSON.stringify(record)}\n`;
    if (this.#text.length >= FLUSH_CHARACTERS) this.#flush();
  }

  #flush(): void {
    if (this.#text === "") return;
    this.#full = !this.#out.write(this.#text);
    this.#text = "";
  }

  /** A promise while the reader is behind, else nothing. */
  drained(): Promise<void> | undefined {
    if (!this.#full) return undefined;
    this.#full = false;
    return new Promise((resolve) => {
      this.#out.once("drain", resolve);
    });
  }

  /** Hands over what there is: output that is paced must not wait for a full piece. */
  flush(): Promise<void> | undefined {
    this.#flush();
    return this.drained();
  }

  /** Hands over what is left. */
  async end(): Promise<void> {
    this.#flush();
    await this.drained();
  }
}
