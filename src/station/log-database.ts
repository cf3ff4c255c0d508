/**
 * The SQLite file of a station's log. Edge. One process has it at a time: two writers of one log would make two
 * histories, so the lock is taken for good when it is opened.
 */
import Database from "better-sqlite3";
import { chmodSync, closeSync, openSync } from "node:fs";
import { join } from "node:path";
import { OsnmadError } from "../errors.js";
import { asStoreError } from "../store/faults.js";
import { makeFolder } from "../trust/folder.js";

export type LogDatabase = Database.Database;

export const LOG_DATABASE_FILE = "station.sqlite";
/** "OSNS" (PRAGMA application_id). */
const APPLICATION_ID = 0x4f534e53;
const FORMAT = 1;

const SCHEMA = `
  CREATE TABLE meta (name TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID;
  -- nodes: hashes of the complete subtrees that end with this leaf, 32 bytes each, from the leaf's own upwards.
  CREATE TABLE leaf (idx INTEGER PRIMARY KEY, nodes BLOB NOT NULL, body BLOB NOT NULL) STRICT;
  -- Private: what opens the commitments of a leaf.
  CREATE TABLE opening (idx INTEGER PRIMARY KEY, secret BLOB NOT NULL, items BLOB NOT NULL) STRICT;
  CREATE TABLE checkpoint (size INTEGER PRIMARY KEY, root BLOB NOT NULL, note TEXT NOT NULL) STRICT;
  CREATE TABLE cosignature (size INTEGER NOT NULL, witness TEXT NOT NULL, timestamp INTEGER NOT NULL,
    line TEXT NOT NULL, PRIMARY KEY (size, witness)) STRICT, WITHOUT ROWID;
  CREATE TABLE challenge (seq INTEGER PRIMARY KEY, challenge BLOB NOT NULL UNIQUE, proof BLOB NOT NULL,
    received INTEGER NOT NULL, idx INTEGER) STRICT;
`;

/**
 * Opens or makes the log's database. `flush` false leaves it to the system when data comes to the disk: for replays
 * and measurements, never for a log that others believe.
 *
 * Throws OSN_STATION_LOG_IN_USE, OSN_STATE_NEWER, OSN_STATE_CORRUPT, OSN_STATE_UNWRITABLE.
 */
export function openLogDatabase(directory: string, flush: boolean): LogDatabase {
  const path = join(directory, LOG_DATABASE_FILE);
  let database: LogDatabase | null = null;
  try {
    makeFolder(directory);
    closeSync(openSync(path, "a", 0o600));
    chmodSync(path, 0o600);
    database = new Database(path, { timeout: 1000 });
    database.pragma("locking_mode = EXCLUSIVE");
    database.pragma("journal_mode = WAL");
    database.pragma(`synchronous = ${flush ? "FULL" : "OFF"}`);
    // Takes the lock now, and keeps it.
    database.exec("BEGIN IMMEDIATE; COMMIT");
    const id = database.pragma("application_id", { simple: true });
    const format = database.pragma("user_version", { simple: true }) as number;
    const tables = database.prepare("SELECT count(*) FROM sqlite_master").pluck().get();
    if (tables === 0) {
      database.exec(
        `BEGIN IMMEDIATE; ${SCHEMA} PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = ${FORMAT}; COMMIT`,
      );
    } else if (id !== APPLICATION_ID) {
      throw new OsnmadError("OSN_STATE_CORRUPT", `${path} is no log of a station.`);
    } else if (format !== FORMAT) {
      throw new OsnmadError("OSN_STATE_NEWER", `${path} has format ${format}; this program reads ${FORMAT}.`);
    }
    return database;
  } catch (error) {
    database?.close();
    const code = (error as { code?: unknown }).code;
    if (typeof code === "string" && /^SQLITE_(?:BUSY|LOCKED)/.test(code)) {
      throw new OsnmadError("OSN_STATION_LOG_IN_USE", `${path} is open in another process.`, {
        cause: error,
      });
    }
    throw asStoreError(error, path);
  }
}
