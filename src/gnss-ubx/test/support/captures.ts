/** Recorded streams of the shared reference material, and the package's README. */
import { readdirSync, readFileSync } from "node:fs";
import { sharedPath } from "../../../../test/support/shared.js";

/** Names of the files in a folder of the captures, in order; empty where they are not on this machine. */
export function captureNames(...folder: string[]): string[] {
  const path = sharedPath("captures", ...folder);
  return path === null ? [] : readdirSync(path).sort();
}

export function readCapture(...parts: string[]): Uint8Array {
  const path = sharedPath("captures", ...parts);
  if (path === null) throw new Error(`no capture ${parts.join("/")}`);
  return new Uint8Array(readFileSync(path));
}

export function readReadme(): string {
  return readFileSync(new URL("../../README.md", import.meta.url), "utf8");
}
