/** What an operator does to a database as a whole: copy it while it is in use, check it, bring it up to date. */
import Database from "better-sqlite3";
import { chmodSync, closeSync, existsSync, fsyncSync, linkSync, openSync, rmSync } from "node:fs";
import { join } from "node:path";
import { OsnmadError } from "../errors.js";
import { DATABASE_FILE, openDatabase, openExisting, schemaVersion } from "./database.js";
import { asStoreError } from "./faults.js";
import { MIGRATIONS } from "./migrations.js";

export interface CheckReport {
  readonly path: string;
  readonly schema: number;
  /** The schema that this program writes. */
  readonly newestSchema: number;
  readonly runs: number;
  readonly fixes: number;
  readonly events: number;
  /** What is wrong, empty where nothing is. */
  readonly faults: readonly string[];
}

/** Faults of one kind that are told. */
const MAX_FAULTS = 20;
/** Pages copied at a time: between two pieces a daemon may write. */
const BACKUP_PAGES = 1000;

/**
 * Copies the database of `directory` to the file `target`, also while a daemon writes it (SQLite's online
 * backup), as it stood at one instant. The copy is checked before it gets its name. Throws OSN_USAGE where the
 * target is there already, OSN_STATE_UNWRITABLE where it cannot be written, OSN_STATE_CORRUPT.
 */
export async function backupDatabase(directory: string, target: string): Promise<void> {
  if (typeof target !== "string") throw new TypeError("target: expected a path");
  if (existsSync(target)) throw new OsnmadError("OSN_USAGE", `${target} is there already; name a new file.`);
  const database = openExisting(directory);
  const part = `${target}.part`;
  try {
    rmSync(part, { force: true });
    closeSync(openSync(part, "wx", 0o600));
    await database.backup(part, { progress: () => BACKUP_PAGES });
    sealCopy(part);
    // A link and not a rename: it does not replace a file that came to be there meanwhile.
    linkSync(part, target);
  } catch (error) {
    throw asStoreError(error, target);
  } finally {
    for (const suffix of ["", "-wal", "-shm", "-journal"]) rmSync(part + suffix, { force: true });
    database.close();
  }
}

/** Makes one whole file of a copy, and reads it through. */
function sealCopy(path: string): void {
  const copy = new Database(path, { fileMustExist: true });
  try {
    copy.pragma("journal_mode = DELETE");
    const result = copy.pragma("quick_check(1)", { simple: true });
    if (result !== "ok") throw new OsnmadError("OSN_STATE_CORRUPT", `The copy is damaged: ${String(result)}`);
  } finally {
    copy.close();
  }
  chmodSync(path, 0o600);
  const descriptor = openSync(path, "r");
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

/** Reads the whole database and says what is wrong with it. Throws what openExisting throws. */
export function checkDatabase(directory: string): CheckReport {
  const database = openExisting(directory);
  const path = join(directory, DATABASE_FILE);
  try {
    const schema = schemaVersion(database);
    const faults = (database.pragma(`integrity_check(${MAX_FAULTS})`) as { integrity_check: string }[])
      .map((row) => row.integrity_check)
      .filter((text) => text !== "ok");
    const orphans = database.pragma("foreign_key_check") as { table: string; rowid: number }[];
    for (const { table, rowid } of orphans.slice(0, MAX_FAULTS)) {
      faults.push(`${table} ${rowid} belongs to a run that is not there`);
    }
    const count = (table: string): number =>
      database.prepare(`SELECT count(*) FROM ${table}`).pluck().get() as number;
    for (const table of ["fixes", "events", "authenticated"]) {
      const broken = database
        .prepare(`SELECT id FROM ${table} WHERE NOT json_valid(body) LIMIT ${MAX_FAULTS}`)
        .pluck()
        .all() as number[];
      for (const id of broken) faults.push(`the record of ${table} ${id} cannot be parsed`);
    }
    if (schema === MIGRATIONS.length) {
      const lost = database
        .prepare(
          `SELECT id FROM fixes WHERE evidence_id IS NOT NULL AND evidence_id NOT IN (SELECT id FROM evidence)
           UNION ALL SELECT fix_id FROM fix_evidence WHERE basis_id NOT IN (SELECT id FROM evidence)
           LIMIT ${MAX_FAULTS}`,
        )
        .pluck()
        .all() as number[];
      for (const id of lost) faults.push(`the evidence of fix ${id} is not there`);
      const unexplained = database
        .prepare(
          `SELECT DISTINCT fixes.id FROM fixes, json_each(fixes.body, '$.own.satellites') AS satellite
           WHERE json_valid(fixes.body) AND json_type(satellite.value, '$.authenticatedBy') = 'integer'
             AND json_extract(satellite.value, '$.authenticatedBy') NOT IN (SELECT id FROM provenance)
           LIMIT ${MAX_FAULTS}`,
        )
        .pluck()
        .all() as number[];
      for (const id of unexplained) faults.push(`the provenance of fix ${id} is not there`);
      const cut = database
        .prepare(
          `SELECT lower(hex(hash)) FROM evidence_links JOIN evidence ON evidence.id = parent
           WHERE child NOT IN (SELECT id FROM evidence) LIMIT ${MAX_FAULTS}`,
        )
        .pluck()
        .all() as string[];
      for (const id of cut) faults.push(`what evidence ${id} names is not there`);
    }
    return {
      path,
      schema,
      newestSchema: MIGRATIONS.length,
      runs: count("runs"),
      fixes: count("fixes"),
      events: count("events"),
      faults,
    };
  } catch (error) {
    throw asStoreError(error, path);
  } finally {
    database.close();
  }
}

/** Takes the database through the steps it lacks. Throws what openExisting and openDatabase throw. */
export function upgradeDatabase(directory: string): { readonly from: number; readonly to: number } {
  const before = openExisting(directory);
  const from = schemaVersion(before);
  before.close();
  openDatabase(directory).close();
  return { from, to: MIGRATIONS.length };
}
