/** Captured bytes from a file or standard input, in chunks. Edge: reads files. */
import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { OsnmadError } from "../errors.js";

const CHUNK_BYTES = 256 * 1024;

/** Throws OSN_CAPTURE_NOT_FOUND where a capture cannot be opened, before anything else is begun. */
export function assertCapture(path: string): void {
  if (path !== "-") closeSync(openDescriptor(path).descriptor);
}

export interface CaptureSource {
  /** Size in bytes, or null where it is not known (a pipe). */
  readonly size: number | null;
  /** Calls `push` with chunks that are valid during the call only, until the end or `push` returns a promise that rejects. */
  read(push: (chunk: Uint8Array) => void | Promise<void>): Promise<void>;
}

/**
 * Opens a capture; `-` is standard input. `chunkBytes` bounds how much is handed over at once.
 * Throws OSN_CAPTURE_NOT_FOUND where it cannot be opened.
 */
export function openCapture(path: string, chunkBytes = CHUNK_BYTES): CaptureSource {
  if (path === "-") return { size: null, read: (push) => readStdin(push, chunkBytes) };
  const { descriptor, size } = openDescriptor(path);
  return {
    size,
    async read(push) {
      const buffer = new Uint8Array(chunkBytes);
      try {
        for (;;) {
          const length = readSync(descriptor, buffer, 0, chunkBytes, null);
          if (length === 0) break;
          const pending = push(buffer.subarray(0, length));
          if (pending !== undefined) await pending;
        }
      } finally {
        closeSync(descriptor);
      }
    },
  };
}

async function readStdin(
  push: (chunk: Uint8Array) => void | Promise<void>,
  chunkBytes: number,
): Promise<void> {
  for await (const chunk of process.stdin) {
    const bytes = chunk as Uint8Array;
    for (let at = 0; at < bytes.length; at += chunkBytes) {
      const pending = push(bytes.subarray(at, at + chunkBytes));
      if (pending !== undefined) await pending;
    }
  }
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
    throw new OsnmadError("OSN_CAPTURE_NOT_FOUND", `${path}: ${whyNot(cause)}.`, { cause });
  }
  return { descriptor, size };
}

/** A system error in words. */
function whyNot(cause: unknown): string {
  const code = (cause as { code?: unknown }).code;
  if (code === "ENOENT") return "there is no such file";
  if (code === "EACCES" || code === "EPERM") return "it may not be read";
  return cause instanceof Error ? cause.message : String(cause);
}
