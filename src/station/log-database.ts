/**
 * The SQLite file of a station's log. Edge. One process has it at a time: two writers of one log would make two
 * histories, so the lock is taken for good when it is opened.
 */
import Database from "better-sqlite3";
import { constants, copyFileSync, existsSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { OsnmadError } from "../errors.js";
import { asStoreError } from "../store/faults.js";
import { folderWithRoom } from "./copy-room.js";
import { assertKind, claimDatabase, openPrivateFile, type DatabaseKind } from "../store/private-database.js";

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
 * Private: what answers for a leaf in an audit, SHA-256 of its items among it. Apart from them, since reading them takes
 * the longer the more was heard. Logs from before have it not yet.
 */
const RETENTION = `
  CREATE TABLE IF NOT EXISTS retention (idx INTEGER PRIMARY KEY, secret BLOB NOT NULL, digest BLOB NOT NULL) STRICT;
`;

const KIND: DatabaseKind = {
  name: "log of a station",
  applicationId: APPLICATION_ID,
  format: FORMAT,
  schema: SCHEMA,
};

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
    database = openPrivateFile(path, 1000);
    database.pragma("locking_mode = EXCLUSIVE");
    database.pragma("journal_mode = WAL");
    database.pragma(`synchronous = ${flush ? "FULL" : "OFF"}`);
    // Takes the lock now, and keeps it.
    database.exec("BEGIN IMMEDIATE; COMMIT");
    claimDatabase(database, path, KIND);
    database.exec(RETENTION);
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

/** How often a copy is begun anew because the log's file changed under it. */
const COPIES_AT_MOST = 10;

/**
 * The log as it stands, in a private copy that goes with `close`, or with the process. There is no way without one:
 * SQLite reads a log that a daemon has not at all, and any other only while it makes files beside it, locks it against a
 * daemon that starts, and carries over what a killed one left.
 *
 * Throws OSN_USAGE where the folder holds no log, OSN_NO_ROOM, OSN_STATION_LOG_IN_USE, OSN_STATE_NEWER,
 * OSN_STATE_CORRUPT, OSN_STATE_UNWRITABLE.
 */
export function openLogSnapshot(directory: string): {
  readonly database: LogDatabase;
  readonly close: () => void;
} {
  const path = join(directory, LOG_DATABASE_FILE);
  if (!existsSync(path)) {
    throw new OsnmadError(
      "OSN_USAGE",
      `${directory} holds no station log; a station's is DATA/station or DATA/station-simulated.`,
    );
  }
  const copy = mkdtempSync(join(folderWithRoom(bytesOf(path), path), "osnmad-log-"));
  let database: LogDatabase | null = null;
  const close = (): void => {
    database?.close();
    rmSync(copy, { recursive: true, force: true });
  };
  try {
    copyLog(path, join(copy, LOG_DATABASE_FILE));
    database = new Database(join(copy, LOG_DATABASE_FILE));
    // Without a file for its index, so that all it has is open after the first look.
    database.pragma("locking_mode = EXCLUSIVE");
    assertKind(database, path, KIND);
    // An open file needs no name: nothing is left where the process is killed.
    if (process.platform !== "win32") rmSync(copy, { recursive: true, force: true });
    return { database, close };
  } catch (error) {
    close();
    throw asStoreError(error, path);
  }
}

function bytesOf(path: string): number {
  return ["", "-wal"]
    .map((suffix) => statSync(`${path}${suffix}`, { throwIfNoEntry: false })?.size ?? 0)
    .reduce((sum, bytes) => sum + bytes, 0);
}

/**
 * The write-ahead log only grows until it is carried over into the database file. While that file has not changed, the
 * two copies belong together: a commit that was half copied is one that has not happened.
 */
function copyLog(path: string, to: string): void {
  const stateOf = (): string => {
    const { mtimeNs, size } = statSync(path, { bigint: true });
    return `${mtimeNs} ${size}`;
  };
  for (let attempt = 0; attempt < COPIES_AT_MOST; attempt++) {
    const before = stateOf();
    for (const suffix of ["", "-wal"]) {
      rmSync(`${to}${suffix}`, { force: true });
      if (existsSync(`${path}${suffix}`)) {
        copyFileSync(`${path}${suffix}`, `${to}${suffix}`, constants.COPYFILE_FICLONE);
      }
    }
    if (stateOf() === before) return;
  }
  throw new OsnmadError("OSN_STATION_LOG_IN_USE", `${path} changes faster than it can be copied.`);
}
