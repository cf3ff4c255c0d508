/** Folders for state and data, made with narrow rights. Edge: writes files. */
import { existsSync, mkdirSync, statSync } from "node:fs";
import { dirname, resolve } from "node:path";

/**
 * Makes a folder and the parents it lacks, each with rights for its owner alone. Throws the system's error. One
 * by one, because Node's recursive form never ends where a file system refuses (seen with a path below /proc).
 */
export function makeFolder(path: string): void {
  const missing: string[] = [];
  for (let folder = resolve(path); !existsSync(folder); folder = dirname(folder)) {
    missing.push(folder);
    if (dirname(folder) === folder) break;
  }
  for (const folder of missing.reverse()) mkdirSync(folder, { mode: 0o700 });
  if (!statSync(path).isDirectory())
    throw Object.assign(new Error(`${path} is no folder`), { code: "ENOTDIR", syscall: "stat" });
}
