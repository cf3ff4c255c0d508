/**
 * What the program's databases beside the store have in common: a file that only its owner reads, and a name and format
 * inside it by which another one is refused. Edge: SQLite.
 */
import Database from "better-sqlite3";
import { chmodSync, closeSync, openSync } from "node:fs";
import { dirname } from "node:path";
import { OsnmadError } from "../errors.js";
import { makeFolder } from "../trust/folder.js";

export interface DatabaseKind {
  /** As in "<path> is no outbox." */
  readonly name: string;
  readonly applicationId: number;
  readonly format: number;
  readonly schema: string;
}

/** Opens or makes the file, mode 0600, and its folder. `busyMs`: how long another process's lock is waited for. */
export function openPrivateFile(path: string, busyMs: number): Database.Database {
  makeFolder(dirname(path));
  closeSync(openSync(path, "a", 0o600));
  chmodSync(path, 0o600);
  return new Database(path, { timeout: busyMs });
}

/** Makes the tables of a new file, or holds one that is there to its kind. Throws OSN_STATE_CORRUPT, OSN_STATE_NEWER. */
export function claimDatabase(database: Database.Database, path: string, kind: DatabaseKind): void {
  if (database.prepare("SELECT count(*) FROM sqlite_master").pluck().get() === 0) {
    database.exec(
      `BEGIN IMMEDIATE; ${kind.schema} PRAGMA application_id = ${kind.applicationId};
       PRAGMA user_version = ${kind.format}; COMMIT`,
    );
  } else assertKind(database, path, kind);
}

/** Throws OSN_STATE_CORRUPT, OSN_STATE_NEWER. */
export function assertKind(
  database: Database.Database,
  path: string,
  { name, applicationId, format: expected }: Omit<DatabaseKind, "schema">,
): void {
  const format = database.pragma("user_version", { simple: true }) as number;
  if (database.pragma("application_id", { simple: true }) !== applicationId) {
    throw new OsnmadError("OSN_STATE_CORRUPT", `${path} is no ${name}.`);
  }
  if (format !== expected) {
    throw new OsnmadError("OSN_STATE_NEWER", `${path} has format ${format}; this program reads ${expected}.`);
  }
}
