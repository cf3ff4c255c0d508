/**
 * Which faults of SQLite and the file system are the user's to repair, and under which code of src/errors.ts.
 * Result codes: sqlite.org/rescode.html.
 */
import { OsnmadError } from "../errors.js";

const UNWRITABLE = [
  "SQLITE_FULL",
  "SQLITE_READONLY",
  "SQLITE_IOERR",
  "SQLITE_CANTOPEN",
  "SQLITE_BUSY",
  "SQLITE_LOCKED",
  "SQLITE_PERM",
];
const CORRUPT = ["SQLITE_CORRUPT", "SQLITE_NOTADB"];

/** What was thrown, as an OsnmadError where the table has a code for it; anything else comes back as it is. */
export function asStoreError(error: unknown, path: string): unknown {
  if (error instanceof OsnmadError || !(error instanceof Error)) return error;
  const code = "code" in error && typeof error.code === "string" ? error.code : "";
  // Extended codes continue the primary one: SQLITE_IOERR_WRITE.
  const is = (primary: string): boolean => code === primary || code.startsWith(`${primary}_`);
  if (UNWRITABLE.some(is) || ("syscall" in error && code !== "")) {
    return new OsnmadError("OSN_STATE_UNWRITABLE", `${path} cannot be written: ${error.message}`, {
      cause: error,
    });
  }
  if (CORRUPT.some(is)) {
    return new OsnmadError("OSN_STATE_CORRUPT", `${path} is damaged: ${error.message}`, { cause: error });
  }
  return error;
}

/**
 * A stored JSON text. The parser's own message quotes the text, which may hold a position, and messages are
 * logged; so it is not kept.
 */
export function parseBody(text: string, what: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    throw corrupt(what);
  }
}

export function corrupt(what: string): OsnmadError {
  return new OsnmadError("OSN_STATE_CORRUPT", `The stored record of ${what} cannot be parsed.`);
}
