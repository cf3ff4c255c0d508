/** Secrets and state that must be on disk before anything else is done: a new file of mode 0600, and its folder. Edge. */
import { closeSync, fchmodSync, fsyncSync, openSync, writeFileSync } from "node:fs";

/** Writes a file that is not there yet, and flushes it. Throws the system's error. */
export function writeFlushed(path: string, content: string | Uint8Array): void {
  // wx: never through a link somebody put there.
  const descriptor = openSync(path, "wx", 0o600);
  try {
    fchmodSync(descriptor, 0o600);
    writeFileSync(descriptor, content);
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

/** Flushes a folder, so that what was renamed into it stays. Throws the system's error. */
export function flushFolder(path: string): void {
  if (process.platform === "win32") return; // Windows cannot open a folder.
  const descriptor = openSync(path, "r");
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}
