/** Text files written line by line. Edge: writes files. */
import { closeSync, mkdirSync, openSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import { OsnmadError } from "../errors.js";

const BUFFER_CHARACTERS = 1 << 16;

export class OutputFile {
  readonly path: string;
  readonly #descriptor: number;
  #pending: string[] = [];
  #pendingCharacters = 0;

  /** Throws OSN_OUTPUT_UNWRITABLE where it cannot be made; an existing file is replaced with `force` only. */
  constructor(path: string, force: boolean) {
    this.path = path;
    this.#descriptor = attempt(path, () => {
      mkdirSync(dirname(path), { recursive: true });
      return openSync(path, force ? "w" : "wx");
    });
  }

  text(text: string): void {
    this.#pending.push(text);
    this.#pendingCharacters += text.length;
    if (this.#pendingCharacters >= BUFFER_CHARACTERS) this.#flush();
  }

  line(line: string): void {
    this.text(`${line}\n`);
  }

  close(): void {
    try {
      this.#flush();
    } finally {
      closeSync(this.#descriptor);
    }
  }

  #flush(): void {
    const bytes = Buffer.from(this.#pending.join(""), "latin1");
    this.#pending = [];
    this.#pendingCharacters = 0;
    attempt(this.path, () => {
      for (let at = 0; at < bytes.length;) at += writeSync(this.#descriptor, bytes, at);
    });
  }
}

function attempt<T>(path: string, action: () => T): T {
  try {
    return action();
  } catch (cause) {
    const code = (cause as { code?: unknown }).code;
    const why =
      code === "EEXIST"
        ? "it is there already; --force replaces it"
        : cause instanceof Error
          ? cause.message
          : String(cause);
    throw new OsnmadError("OSN_OUTPUT_UNWRITABLE", `${path}: ${why}.`, { cause });
  }
}
