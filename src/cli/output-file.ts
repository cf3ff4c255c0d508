/** A file that a command writes, or standard output. Never replaces a file unless told to. */
import { closeSync, openSync, unlinkSync, writeSync } from "node:fs";
import { OsnmadError } from "../errors.js";

export interface OutputFile {
  write(bytes: Uint8Array): void;
  /** Takes what was written as whole. */
  close(): void;
  /** Removes what was written so far. */
  discard(): void;
}

/** `-` is standard output. Throws OSN_OUTPUT_UNWRITABLE, and OSN_USAGE for binary data onto a terminal. */
export function openOutput(path: string, force: boolean): OutputFile {
  if (path === "-") {
    if (process.stdout.isTTY) {
      throw new OsnmadError("OSN_USAGE", "This would write binary data to the terminal; give -o <file>.");
    }
    return {
      write: (bytes) => {
        writeAll(1, bytes, "standard output");
      },
      close: () => undefined,
      discard: () => undefined,
    };
  }
  let descriptor: number;
  try {
    descriptor = openSync(path, force ? "w" : "wx", 0o600);
  } catch (cause) {
    const exists = (cause as NodeJS.ErrnoException).code === "EEXIST";
    throw new OsnmadError(
      "OSN_OUTPUT_UNWRITABLE",
      `${path}: ${exists ? "it is there already" : text(cause)}.`,
      {
        cause,
      },
    );
  }
  return {
    write: (bytes) => {
      writeAll(descriptor, bytes, path);
    },
    close: () => {
      closeSync(descriptor);
    },
    discard: () => {
      closeSync(descriptor);
      unlinkSync(path);
    },
  };
}

function writeAll(descriptor: number, bytes: Uint8Array, name: string): void {
  let at = 0;
  while (at < bytes.length) {
    try {
      at += writeSync(descriptor, bytes, at);
    } catch (cause) {
      const { code } = cause as NodeJS.ErrnoException;
      // A pipe whose reader is slow.
      if (code === "EAGAIN") {
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
        continue;
      }
      if (code === "EPIPE") process.exit(0);
      throw new OsnmadError("OSN_OUTPUT_UNWRITABLE", `${name}: ${text(cause)}.`, { cause });
    }
  }
}

function text(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}
