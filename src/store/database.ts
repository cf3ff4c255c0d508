/**
 * Opens the SQLite file of the data folder: rights, durability, schema. Positions are in it, so folder and
 * file are the owner's alone. SQLite documents the pragmas at sqlite.org/pragma.html.
 */
import { chmodSync, closeSync, existsSync, openSync } from "node:fs";
import { join } from "node:path";
import Database from "better-sqlite3";
import { makeFolder } from "../trust/folder.js";
import { OsnmadError } from "../errors.js";
import { asStoreError } from "./faults.js";
import type { Migration } from "./migrations.js";
import { MIGRATIONS } from "./migrations.js";

export type SqliteDatabase = Database.Database;

export const DATABASE_FILE = "osnmad.sqlite";
/** "OSNM": marks the file as ours (PRAGMA application_id), so that no other program's data is migrated. */
export const APPLICATION_ID = 0x4f534e4d;
/** How long a writer waits for another process's transaction, ms. */
export const BUSY_TIMEOUT_MS = 5000;

/**
 * Opens (and where needed creates and migrates) the database in `directory`. Throws OSN_STATE_UNWRITABLE,
 * OSN_STATE_NEWER (the file is left as it was) or OSN_STATE_CORRUPT.
 */
export function openDatabase(
  directory: string,
  migrations: readonly Migration[] = MIGRATIONS,
): SqliteDatabase {
  if (typeof directory !== "string") throw new TypeError("directory: expected a path");
  if (directory === "") throw new RangeError("directory: the path is empty");
  const path = join(directory, DATABASE_FILE);
  let database: SqliteDatabase | null = null;
  try {
    makeFolder(directory);
    // SQLite would create the file by the umask; its -wal and -shm files take over the rights set here.
    closeSync(openSync(path, "a", 0o600));
    chmodSync(path, 0o600);
    database = new Database(path, { timeout: BUSY_TIMEOUT_MS });
    // The schema is judged before anything is written: WAL mode alone would already change the file.
    assertOurs(database, path);
    assertNotNewer(database, path, migrations.length);
    database.pragma("journal_mode = WAL");
    // FULL: what was committed, and so may have been served, survives a power cut.
    database.pragma("synchronous = FULL");
    // 16 MB of log instead of 4: a page that is written again and again goes to the file a quarter as often.
    database.pragma("wal_autocheckpoint = 4000");
    database.pragma("foreign_keys = ON");
    migrate(database, path, migrations);
    return database;
  } catch (error) {
    database?.close();
    throw asStoreError(error, path);
  }
}

/**
 * Opens the database of `directory` for reading, as it is: nothing is created and no step taken. Throws
 * OSN_USAGE where there is none, OSN_STATE_NEWER, OSN_STATE_CORRUPT or OSN_STATE_UNWRITABLE.
 */
export function openExisting(
  directory: string,
  migrations: readonly Migration[] = MIGRATIONS,
): SqliteDatabase {
  if (typeof directory !== "string") throw new TypeError("directory: expected a path");
  const path = join(directory, DATABASE_FILE);
  if (!existsSync(path)) throw new OsnmadError("OSN_USAGE", `There is no database in ${directory}.`);
  let database: SqliteDatabase | null = null;
  try {
    database = new Database(path, { timeout: BUSY_TIMEOUT_MS, readonly: true, fileMustExist: true });
    assertOurs(database, path);
    assertNotNewer(database, path, migrations.length);
    return database;
  } catch (error) {
    database?.close();
    throw asStoreError(error, path);
  }
}

export function schemaVersion(database: SqliteDatabase): number {
  return database.pragma("user_version", { simple: true }) as number;
}

function assertOurs(database: SqliteDatabase, path: string): void {
  const id = database.pragma("application_id", { simple: true });
  if (id === APPLICATION_ID) return;
  const { objects } = database.prepare("SELECT count(*) AS objects FROM sqlite_schema").get() as {
    objects: number;
  };
  if (id !== 0 || objects !== 0 || schemaVersion(database) !== 0) {
    throw new OsnmadError("OSN_STATE_CORRUPT", `${path} is a database, but not one of osnmad.`);
  }
}

function assertNotNewer(database: SqliteDatabase, path: string, known: number): void {
  const version = schemaVersion(database);
  if (version > known) {
    throw new OsnmadError(
      "OSN_STATE_NEWER",
      `${path} has schema ${version}; this version knows up to ${known}.`,
    );
  }
}

function migrate(database: SqliteDatabase, path: string, migrations: readonly Migration[]): void {
  if (schemaVersion(database) === migrations.length) return;
  // One transaction for all steps: a crash or a failing step leaves the old schema. IMMEDIATE, and the version
  // is read again inside, because another process may migrate at the same moment.
  database
    .transaction(() => {
      assertNotNewer(database, path, migrations.length);
      for (const migration of migrations.slice(schemaVersion(database))) database.exec(migration.sql);
      database.pragma(`application_id = ${APPLICATION_ID}`);
      database.pragma(`user_version = ${migrations.length}`);
    })
    .immediate();
}
