/**
 * What outlives a restart, at the edge: the engine's trust state (keys in force, revocations, the alert latch,
 * the last verified TESLA key) and the user's own trust store, each one JSON file in one folder.
 *
 * A file is `{ format, savedAt, sha256, body }`. It is replaced whole: written beside, flushed, renamed over,
 * and the folder flushed, so a cut of power leaves the old file or the new one.
 *
 * The SHA-256 catches *damage* (a torn or edited file, a bad disk). It is no protection against somebody who
 * can write to the folder: they can compute it as well, or delete the file and with it a latched alert. The
 * folder's rights are that protection; it is made 0700, the files 0600.
 */
import { createHash, randomBytes } from "node:crypto";
import {
  closeSync,
  constants,
  openSync,
  readdirSync,
  readSync,
  renameSync,
  statSync,
  unlinkSync,
} from "node:fs";
import { homedir } from "node:os";
import { isAbsolute, join } from "node:path";
import { flushFolder, writeFlushed } from "./flushed-file.js";
import { makeFolder } from "./folder.js";
import { OsnmadError, reasonOf } from "../errors.js";
import { canonicalJson } from "../evidence/canonical-json.js";

export { canonicalJson };

/** The layout this program writes, and the newest it reads. */
export const STATE_FORMAT = 1;
export const ENGINE_STATE_FILE = "trust-state.json";
/** The engine's state is some kilobytes; this bounds what a damaged file can cost. */
export const MAX_STATE_BYTES = 8 << 20;
/** A temporary file this much older than the one just written belongs to a writer that died. */
const STALE_TEMPORARY_MILLISECONDS = 600_000;

/** `$XDG_STATE_HOME/osnmad`, or `~/.local/state/osnmad` (XDG Base Directory Specification 0.8). */
export function defaultStateDir(
  environment: Readonly<Record<string, string | undefined>> = process.env,
): string {
  const base = environment["XDG_STATE_HOME"];
  // The specification has relative paths ignored.
  if (base !== undefined && isAbsolute(base)) return join(base, "osnmad");
  return join(environment["HOME"] || homedir(), ".local", "state", "osnmad");
}

/**
 * Stores the engine's state, replacing the former one atomically.
 *
 * @param dir folder, made (0700) where it is missing
 * @param state any value JSON can carry without loss
 * @param savedAt when, as the caller's clock says (ISO 8601); recorded only
 * @throws OsnmadError OSN_STATE_UNWRITABLE; OSN_STATE_NEWER where that would overwrite a newer program's state
 */
export function saveState(dir: string, state: unknown, savedAt: string): void {
  saveChecked(dir, ENGINE_STATE_FILE, state, savedAt);
}

/**
 * The state stored last, or null where there is none.
 *
 * @throws OsnmadError OSN_STATE_CORRUPT, OSN_STATE_NEWER
 */
export function loadState(dir: string): unknown {
  return loadChecked(dir, ENGINE_STATE_FILE);
}

/** {@link saveState} for any file of the folder. */
export function saveChecked(dir: string, file: string, body: unknown, savedAt: string): void {
  if (typeof dir !== "string" || dir === "") throw new TypeError("dir must be a path");
  if (typeof savedAt !== "string" || Number.isNaN(Date.parse(savedAt))) {
    throw new TypeError("savedAt must be an ISO 8601 date and time");
  }
  const sum = checksum(STATE_FORMAT, savedAt, body);
  const text = `${JSON.stringify({ format: STATE_FORMAT, savedAt, sha256: sum, body }, null, 1)}\n`;
  if (Buffer.byteLength(text) > MAX_STATE_BYTES)
    throw new RangeError("the state is larger than can be read again");
  refuseToOverwriteNewer(dir, file);

  const path = join(dir, file);
  const temporary = join(dir, `.${file}.${randomBytes(6).toString("hex")}.tmp`);
  try {
    makeFolder(dir);
    writeFlushed(temporary, text);
    try {
      renameSync(temporary, path);
    } catch (error) {
      unlinkSync(temporary);
      throw error;
    }
    flushFolder(dir);
  } catch (cause) {
    throw new OsnmadError("OSN_STATE_UNWRITABLE", `cannot write ${path}: ${reasonOf(cause)}`, { cause });
  }
  removeStaleTemporaries(dir, file);
}

/** {@link loadState} for any file of the folder. */
export function loadChecked(dir: string, file: string): unknown {
  if (typeof dir !== "string" || dir === "") throw new TypeError("dir must be a path");
  const path = join(dir, file);
  const text = readBounded(path);
  if (text === null) return null;
  const corrupt = (why: string, cause?: unknown) =>
    new OsnmadError("OSN_STATE_CORRUPT", `${path}: ${why}`, { cause });
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch (cause) {
    throw corrupt("not JSON", cause);
  }
  if (!isRecord(document)) throw corrupt("not an object");
  const { format, savedAt, sha256, body } = document;
  if (typeof format !== "number" || !Number.isInteger(format) || format < 1)
    throw corrupt("no format number");
  // Before the checksum: a later layout may well compute it in another way.
  if (format > STATE_FORMAT) {
    throw new OsnmadError(
      "OSN_STATE_NEWER",
      `${path} has format ${format}; this program reads ${STATE_FORMAT}`,
    );
  }
  if (typeof savedAt !== "string" || typeof sha256 !== "string" || body === undefined) {
    throw corrupt("a member is missing");
  }
  let sum: string;
  try {
    sum = checksum(format, savedAt, body);
  } catch (cause) {
    throw corrupt("the contents are no state", cause);
  }
  if (sum !== sha256) throw corrupt("the checksum does not match the contents");
  return body;
}

function checksum(format: number, savedAt: string, body: unknown): string {
  return createHash("sha256").update(canonicalJson({ format, savedAt, body })).digest("hex");
}

function refuseToOverwriteNewer(dir: string, file: string): void {
  try {
    loadChecked(dir, file);
  } catch (error) {
    // Damage is no reason to keep the damaged file; its reader was told when it loaded.
    if (error instanceof OsnmadError && error.code === "OSN_STATE_NEWER") throw error;
  }
}

function removeStaleTemporaries(dir: string, file: string): void {
  try {
    const newest = statSync(join(dir, file)).mtimeMs;
    for (const name of readdirSync(dir)) {
      if (!name.startsWith(`.${file}.`) || !name.endsWith(".tmp")) continue;
      const path = join(dir, name);
      if (newest - statSync(path).mtimeMs > STALE_TEMPORARY_MILLISECONDS) unlinkSync(path);
    }
  } catch {
    // Litter is no reason to fail: the state itself is stored.
  }
}

function readBounded(path: string): string | null {
  let descriptor: number;
  try {
    descriptor = openSync(path, constants.O_RDONLY);
  } catch (cause) {
    if (isRecord(cause) && cause["code"] === "ENOENT") return null;
    throw new OsnmadError("OSN_STATE_CORRUPT", `cannot read ${path}: ${reasonOf(cause)}`, { cause });
  }
  try {
    const bytes = readUpTo(descriptor, MAX_STATE_BYTES);
    if (bytes === null) throw new OsnmadError("OSN_STATE_CORRUPT", `${path} is larger than any state`);
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    if (cause instanceof OsnmadError) throw cause;
    throw new OsnmadError("OSN_STATE_CORRUPT", `cannot read ${path}: ${reasonOf(cause)}`, { cause });
  } finally {
    closeSync(descriptor);
  }
}

/** All bytes of an open file, or null where there are more than `maxBytes`. */
export function readUpTo(descriptor: number, maxBytes: number): Uint8Array | null {
  const chunks: Buffer[] = [];
  let total = 0;
  for (;;) {
    const chunk = Buffer.alloc(Math.min(65_536, maxBytes + 1 - total));
    const read = readSync(descriptor, chunk, 0, chunk.length, null);
    if (read === 0) return Uint8Array.from(Buffer.concat(chunks));
    chunks.push(chunk.subarray(0, read));
    total += read;
    if (total > maxBytes) return null;
  }
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
