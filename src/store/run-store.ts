/** The runs: one row for each start of the pipeline over one source, the newest kept and older ones let go. */
import type { Statement } from "better-sqlite3";
import type { Mode, SummaryRecord, TimeAssurance } from "../pipeline/records.js";
import type { SqliteDatabase } from "./database.js";
import { parseBody } from "./faults.js";
import type { Page, PageOptions } from "./paging.js";
import { assertPageOptions, pageOfRows } from "./paging.js";

/** Rows deleted in one transaction when an old run goes: keeps the write-ahead log small, and requests answered. */
const DELETE_BATCH = 1000;

export interface NewRun {
  readonly mode: Mode;
  /** What was read, by its name: a capture's file name, never its folder. */
  readonly source: string;
  readonly timeAssurance: TimeAssurance;
  readonly softwareVersion: string;
  /** Milliseconds since 1970. */
  readonly startedAtMs: number;
}

export interface Run extends NewRun {
  readonly id: number;
  /** Null while it goes on, and for ever where it was cut off. */
  readonly finishedAtMs: number | null;
  readonly summary: SummaryRecord | null;
}

interface RunRow {
  id: number;
  mode: Mode;
  source: string;
  time_assurance: TimeAssurance;
  software_version: string;
  started_at_ms: number;
  finished_at_ms: number | null;
  summary: string | null;
}

export class RunStore {
  readonly #database: SqliteDatabase;
  readonly #keep: number;
  readonly #newest: Statement;
  readonly #get: Statement;

  /** Keeps the `keep` newest runs, at least 1. */
  constructor(database: SqliteDatabase, keep: number) {
    if (!Number.isInteger(keep)) throw new TypeError("keep: expected an integer");
    if (keep < 1) throw new RangeError("keep: at least 1");
    this.#database = database;
    this.#keep = keep;
    this.#newest = database.prepare("SELECT * FROM runs ORDER BY id DESC LIMIT 1");
    this.#get = database.prepare("SELECT * FROM runs WHERE id = ?");
  }

  /** Begins a run and returns its number. */
  begin(run: NewRun): number {
    const { lastInsertRowid } = this.#database
      .prepare(
        `INSERT INTO runs (mode, source, time_assurance, software_version, started_at_ms)
         VALUES (@mode, @source, @timeAssurance, @softwareVersion, @startedAtMs)`,
      )
      .run(run);
    return Number(lastInsertRowid);
  }

  /** Numbers of the runs beyond the bound. */
  expired(): number[] {
    const rows = this.#database
      .prepare("SELECT id FROM runs ORDER BY id DESC LIMIT -1 OFFSET ?")
      .all(this.#keep);
    return (rows as { id: number }[]).map(({ id }) => id);
  }

  finish(id: number, finishedAtMs: number, summary: SummaryRecord | null): void {
    this.#database
      .prepare("UPDATE runs SET finished_at_ms = ?, summary = ? WHERE id = ?")
      .run(finishedAtMs, summary === null ? null : JSON.stringify(summary), id);
  }

  get(id: number): Run | null {
    return runOf(this.#get.get(id));
  }

  newest(): Run | null {
    return runOf(this.#newest.get());
  }

  /** All runs, the newest first. */
  page(options: PageOptions): Page<Run> {
    assertPageOptions(options);
    const rows = this.#database
      .prepare("SELECT * FROM runs WHERE id < ? ORDER BY id DESC LIMIT ?")
      .all(options.beforeId ?? Number.MAX_SAFE_INTEGER, options.limit + 1) as RunRow[];
    return pageOfRows(rows, options.limit, (row) => runOf(row)!);
  }

  /** Deletes a run with all that belongs to it, a bounded number of rows a call; true while some are left. */
  removeSome(id: number): boolean {
    for (const table of ["fixes", "events", "authenticated"]) {
      const { changes } = this.#database
        .prepare(
          `DELETE FROM ${table} WHERE id IN (SELECT id FROM ${table} WHERE run_id = ? LIMIT ${DELETE_BATCH})`,
        )
        .run(id);
      if (changes === DELETE_BATCH) return true;
    }
    this.#database.prepare("DELETE FROM runs WHERE id = ?").run(id);
    return false;
  }
}

function runOf(found: unknown): Run | null {
  if (found === undefined) return null;
  const row = found as RunRow;
  return {
    id: row.id,
    mode: row.mode,
    source: row.source,
    timeAssurance: row.time_assurance,
    softwareVersion: row.software_version,
    startedAtMs: row.started_at_ms,
    finishedAtMs: row.finished_at_ms,
    summary: row.summary === null ? null : (parseBody(row.summary, `run ${row.id}`) as SummaryRecord),
  };
}
