/** The SQLite file of a witness: opened, and brought to the present format. Edge. */
import type Database from "better-sqlite3";
import { join } from "node:path";
import { parseCheckpoint } from "../station/checkpoint.js";
import { asStoreError } from "../store/faults.js";
import { claimDatabase, openPrivateFile } from "../store/private-database.js";

export const WITNESS_DATABASE_FILE = "witness.sqlite";
/** "OSNW" (PRAGMA application_id). */
const APPLICATION_ID = 0x4f534e57;
const FORMAT = 2;

/** Notes are kept with the log's own signatures only. `seen`: sizes that were cosigned, and when first. */
const BOTH_FORMATS = `
  CREATE TABLE log (origin TEXT PRIMARY KEY, size INTEGER NOT NULL, root BLOB NOT NULL, note TEXT NOT NULL)
    STRICT, WITHOUT ROWID;
  CREATE TABLE seen (origin TEXT NOT NULL, size INTEGER NOT NULL, root BLOB NOT NULL, note TEXT NOT NULL,
    timestamp INTEGER NOT NULL, PRIMARY KEY (origin, size)) STRICT, WITHOUT ROWID;
  CREATE TABLE clock (one INTEGER PRIMARY KEY CHECK (one = 1), newest INTEGER NOT NULL) STRICT;
`;
const SECOND_FORMAT = `
  -- Keys of a log behind which a later one was cosigned.
  CREATE TABLE retired (origin TEXT NOT NULL, key BLOB NOT NULL, PRIMARY KEY (origin, key)) STRICT, WITHOUT ROWID;
  CREATE TABLE evidence (seq INTEGER PRIMARY KEY, origin TEXT NOT NULL, kind TEXT NOT NULL, size INTEGER NOT NULL,
    root BLOB NOT NULL, timestamp INTEGER NOT NULL, known TEXT NOT NULL, submitted TEXT NOT NULL,
    UNIQUE (origin, kind, size, root)) STRICT;
  -- The operator said that the newest time signed was wrong.
  CREATE TABLE clock_change (seq INTEGER PRIMARY KEY, before INTEGER NOT NULL, after INTEGER NOT NULL) STRICT;
`;

/** `fork`: two roots of one size under one key. `unproven`: a growth that the sent proof does not bear out. */
export type EvidenceKind = "fork" | "unproven";

export interface Evidence {
  readonly origin: string;
  readonly kind: EvidenceKind;
  /** Unix seconds of the witness's clock. */
  readonly timestamp: number;
  /** Both notes, with the station's signatures. */
  readonly known: string;
  readonly submitted: string;
}

export interface Known {
  readonly size: number;
  readonly root: Uint8Array;
  readonly note: string;
}

/** Times in Unix seconds: the newest one signed when the operator set it aside, and that of the clock then. */
export interface ClockChange {
  readonly before: number;
  readonly after: number;
}

/** Throws OSN_STATE_CORRUPT, OSN_STATE_NEWER, OSN_STATE_UNWRITABLE. */
export function openWitnessDatabase(directory: string): Database.Database {
  const path = join(directory, WITNESS_DATABASE_FILE);
  let database: Database.Database | null = null;
  try {
    database = openPrivateFile(path, 1000);
    // Two witnesses on one database would each trust its own memory.
    database.pragma("locking_mode = EXCLUSIVE");
    database.pragma("journal_mode = WAL");
    database.pragma("synchronous = FULL");
    database.exec("BEGIN IMMEDIATE; COMMIT");
    const id = database.pragma("application_id", { simple: true });
    if (id === APPLICATION_ID && database.pragma("user_version", { simple: true }) === 1)
      fromFirstFormat(database);
    claimDatabase(database, path, {
      name: "witness's database",
      applicationId: APPLICATION_ID,
      format: FORMAT,
      schema: `${BOTH_FORMATS} ${SECOND_FORMAT}`,
    });
    return database;
  } catch (error) {
    database?.close();
    throw asStoreError(error, path);
  }
}

/** A witness cannot begin anew without giving up its key, so its memory is carried over. */
function fromFirstFormat(database: Database.Database): void {
  database
    .transaction(() => {
      const old = database
        .prepare<[], Evidence>("SELECT origin, kind, timestamp, known, submitted FROM evidence ORDER BY seq")
        .all();
      database.exec(`DROP TABLE evidence; ${SECOND_FORMAT}`);
      const put = database.prepare(PUT_EVIDENCE);
      for (const { origin, kind, timestamp, known, submitted } of old) {
        const checkpoint = parseCheckpoint(submitted);
        // What contradicts nothing, a known checkpoint sent again with a wrong proof, was no evidence.
        if (checkpoint === null || parseCheckpoint(known)?.note.text === checkpoint.note.text) continue;
        put.run(origin, kind, checkpoint.size, checkpoint.root, timestamp, known, submitted);
      }
      database.pragma(`user_version = ${FORMAT}`);
    })
    .immediate();
}

export const PUT_EVIDENCE =
  "INSERT OR IGNORE INTO evidence (origin, kind, size, root, timestamp, known, submitted) VALUES (?, ?, ?, ?, ?, ?, ?)";
