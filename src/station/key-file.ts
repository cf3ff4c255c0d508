/**
 * An Ed25519 key in a file: PKCS#8 in PEM, mode 0600 in a folder of mode 0700, written once and flushed before it is
 * used. Edge: reads and writes files.
 */
import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  randomBytes,
  sign,
  type KeyObject,
} from "node:crypto";
import { closeSync, constants, fstatSync, linkSync, openSync, renameSync, rmSync, unlinkSync } from "node:fs";
import { dirname } from "node:path";
import { OsnmadError, reasonOf } from "../errors.js";
import { flushFolder, writeFlushed } from "../trust/flushed-file.js";
import { makeFolder } from "../trust/folder.js";
import { readUpTo } from "../trust/state-store.js";
import type { Signer } from "./signer.js";

const MAX_KEY_BYTES = 4096;
const RAW_KEY_BYTES = 32;

/** The key of the file, or null where there is none. Throws OSN_STATION_KEY_UNUSABLE. */
export function readKey(path: string): Signer | null {
  let descriptor: number;
  try {
    // Never through a link that somebody put there.
    descriptor = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw unusable(path, reasonOf(cause), cause);
  }
  try {
    if (process.platform !== "win32" && (fstatSync(descriptor).mode & 0o077) !== 0) {
      throw unusable(path, "others may read it; a key that others could read is no identity");
    }
    const bytes = readUpTo(descriptor, MAX_KEY_BYTES);
    if (bytes === null) throw unusable(path, "too large for a key");
    let key: KeyObject;
    try {
      key = createPrivateKey(Buffer.from(bytes));
    } catch (cause) {
      throw unusable(path, "no private key in PEM", cause);
    }
    if (key.asymmetricKeyType !== "ed25519") throw unusable(path, "not an Ed25519 key");
    return signerOf(key);
  } finally {
    closeSync(descriptor);
  }
}

/** The key of the file, made where there is none. Two processes at once come to the same key. */
export function readOrMakeKey(path: string): Signer {
  return readKey(path) ?? makeKey(path);
}

/** Makes a key in a new file; where there is one already, that one is kept and returned. */
export function makeKey(path: string): Signer {
  const { privateKey } = generateKeyPairSync("ed25519");
  const temporary = `${path}.${randomBytes(6).toString("hex")}.tmp`;
  try {
    makeFolder(dirname(path));
    writeFlushed(temporary, privateKey.export({ format: "pem", type: "pkcs8" }));
    try {
      // A link, unlike a rename, never replaces a key that is there.
      linkSync(temporary, path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    } finally {
      unlinkSync(temporary);
    }
    flushFolder(dirname(path));
  } catch (cause) {
    throw new OsnmadError("OSN_STATE_UNWRITABLE", `cannot write ${path}: ${reasonOf(cause)}`, { cause });
  }
  const made = readKey(path);
  if (made === null) throw unusable(path, "it was removed while it was made");
  return made;
}

/** Puts the key of `from` in place of that of `path`, at once or not at all. */
export function replaceKey(from: string, path: string): void {
  renameSync(from, path);
  flushFolder(dirname(path));
}

export function removeKey(path: string): void {
  rmSync(path, { force: true });
  flushFolder(dirname(path));
}

function signerOf(key: KeyObject): Signer {
  const spki = createPublicKey(key).export({ format: "der", type: "spki" });
  return {
    publicKey: Uint8Array.from(spki.subarray(spki.length - RAW_KEY_BYTES)),
    // An error of signing is a rejection, as it would be of a key in hardware.
    sign: async (message) => Uint8Array.from(sign(null, message, key)),
  };
}

function unusable(path: string, why: string, cause?: unknown): OsnmadError {
  return new OsnmadError("OSN_STATION_KEY_UNUSABLE", `${path}: ${why}`, { cause });
}
