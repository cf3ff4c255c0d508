/**
 * What is let go: runs beyond a number, rows beyond an age, the oldest fixes beyond a size; then the evidence
 * that no fix names any more. In steps of bounded size, each a transaction of its own, so that a daemon goes on
 * answering between them and a kill leaves a whole database.
 */
import type { Statement } from "better-sqlite3";
import type { SqliteDatabase } from "./database.js";
import type { EvidenceStore } from "./evidence-store.js";
import type { ProvenanceStore } from "./provenance.js";
import type { RunStore } from "./run-store.js";

export interface RetentionOptions {
  /** Rows that were stored longer ago than this are let go; kept without an end where it is left out. */
  readonly keepDays?: number | undefined;
  /**
   * Above this size of what is stored (10^6 bytes) the oldest rows are let go. The file keeps the room it once
   * took and fills it again.
   */
  readonly keepMegabytes?: number | undefined;
}

/** Below this a fix would be let go while the data it rests on is still in use. */
export const MIN_KEPT_MEGABYTES = 16;
const STEP_ROWS = 1000;
const DAY_MS = 86_400_000;
const ARRIVING = ["fixes", "events", "authenticated"] as const;

export class Retention {
  readonly #runs: RunStore;
  readonly #evidence: EvidenceStore;
  readonly #provenance: ProvenanceStore;
  readonly #keepMs: number | null;
  readonly #keepBytes: number | null;
  readonly #now: () => number;
  readonly #removeAged: readonly Statement[];
  readonly #removeOldest: readonly Statement[];
  readonly #removeEmptyRuns: Statement;
  readonly #usedBytes: Statement;

  constructor(
    database: SqliteDatabase,
    runs: RunStore,
    evidence: EvidenceStore,
    provenance: ProvenanceStore,
    options: RetentionOptions,
    now: () => number,
  ) {
    const { keepDays, keepMegabytes } = options;
    if (keepDays !== undefined && !(keepDays > 0)) throw new RangeError("keepDays: more than 0");
    if (keepMegabytes !== undefined && !(keepMegabytes >= MIN_KEPT_MEGABYTES)) {
      throw new RangeError(`keepMegabytes: at least ${MIN_KEPT_MEGABYTES}`);
    }
    this.#runs = runs;
    this.#evidence = evidence;
    this.#provenance = provenance;
    this.#keepMs = keepDays === undefined ? null : keepDays * DAY_MS;
    this.#keepBytes = keepMegabytes === undefined ? null : keepMegabytes * 1e6;
    this.#now = now;
    // Ids are in the order of storing, so the aged rows are the first ones. The newest row always stays: with it
    // stays the evidence that later fixes hang from as well (root key, public key).
    const oldest = (table: string): string =>
      `SELECT id FROM ${table} WHERE id < (SELECT max(id) FROM ${table}) ORDER BY id LIMIT ${STEP_ROWS}`;
    this.#removeAged = ARRIVING.map((table) =>
      database.prepare(`DELETE FROM ${table} WHERE id IN (${oldest(table)}) AND stored_ms < ?`),
    );
    this.#removeOldest = ARRIVING.map((table) =>
      database.prepare(`DELETE FROM ${table} WHERE id IN (${oldest(table)})`),
    );
    this.#removeEmptyRuns = database.prepare(
      `DELETE FROM runs WHERE started_at_ms < ? AND id <> (SELECT max(id) FROM runs)
       ${ARRIVING.map((table) => `AND NOT EXISTS (SELECT 1 FROM ${table} WHERE run_id = runs.id)`).join(" ")}`,
    );
    this.#usedBytes = database
      .prepare(
        `SELECT (page_count - freelist_count) * page_size
         FROM pragma_page_count, pragma_freelist_count, pragma_page_size`,
      )
      .pluck();
  }

  /** Bytes of the database that hold something. */
  usedBytes(): number {
    return this.#usedBytes.get() as number;
  }

  /** One step; call it inside a transaction (Store.write). True while there is more to do. */
  step(): boolean {
    const [expired] = this.#runs.expired();
    if (expired !== undefined) {
      this.#runs.removeSome(expired);
      return true;
    }
    return (
      this.#stepByAge() ||
      this.#stepBySize() ||
      this.#evidence.sweepSome(STEP_ROWS) ||
      this.#provenance.pruneSome(STEP_ROWS)
    );
  }

  #stepByAge(): boolean {
    if (this.#keepMs === null) return false;
    const before = this.#now() - this.#keepMs;
    for (const statement of this.#removeAged) {
      if (statement.run(before).changes > 0) return true;
    }
    return this.#removeEmptyRuns.run(before).changes > 0;
  }

  #stepBySize(): boolean {
    if (this.#keepBytes === null || this.usedBytes() <= this.#keepBytes) return false;
    // What a fix leaves behind goes first: it may be the larger part.
    if (this.#evidence.sweepSome(STEP_ROWS)) return true;
    for (const statement of this.#removeOldest) {
      if (statement.run().changes > 0) return true;
    }
    return false;
  }
}
