/** The fixes of a run, in the order they came. */
import type { Assurance, FixRecord } from "../pipeline/records.js";
import type { Statement } from "better-sqlite3";
import type { SqliteDatabase } from "./database.js";
import { parseBody } from "./faults.js";
import type { Instant } from "./instant.js";
import { gstMsOf, parseUtcMs } from "./instant.js";
import type { Page, PageOptions } from "./paging.js";
import { assertPageOptions, pageOf } from "./paging.js";

/** The levels of docs' threat model, the strongest first. */
export const ASSURANCE_LEVELS: readonly Assurance[] = ["nav-authenticated", "corroborated", "unverified"];
/** What may be handed out as an authenticated fix; `unverified` never is. */
export const AUTHENTICATED_LEVELS: readonly Assurance[] = ["nav-authenticated", "corroborated"];

export interface FixFilter {
  readonly assurance: readonly Assurance[];
  /** From this instant on. */
  readonly from?: Instant | undefined;
  /** Until before this instant. */
  readonly to?: Instant | undefined;
}

export type StoredFix = FixRecord & { readonly id: number; readonly run: number };
export type FixCounts = Record<Assurance, number>;

interface FixRow {
  id: number;
  run_id: number;
  body: string;
}

export class FixStore {
  readonly #database: SqliteDatabase;
  readonly #insert: Statement;

  constructor(database: SqliteDatabase) {
    this.#database = database;
    this.#insert = database.prepare(
      "INSERT INTO fixes (run_id, gst_ms, utc_ms, assurance, body) VALUES (?, ?, ?, ?, ?)",
    );
  }

  /** Appends one fix; call it inside a transaction (Store.write). */
  append(runId: number, fix: FixRecord): void {
    const utcMs = parseUtcMs(fix.utc);
    if (utcMs === null) throw new RangeError("utc: expected an RFC 3339 date-time");
    this.#insert.run(runId, gstMsOf(fix.gst), utcMs, fix.assurance, JSON.stringify(fix));
  }

  page(runId: number, filter: FixFilter, options: PageOptions): Page<StoredFix> {
    assertPageOptions(options);
    const terms = ["run_id = ?", `assurance IN (${filter.assurance.map(() => "?").join(", ")})`];
    const values: (number | string)[] = [runId, ...filter.assurance];
    if (options.beforeId !== undefined) {
      terms.push("id < ?");
      values.push(options.beforeId);
    }
    if (filter.from !== undefined) {
      terms.push(`${filter.from.scale}_ms >= ?`);
      values.push(filter.from.ms);
    }
    if (filter.to !== undefined) {
      terms.push(`${filter.to.scale}_ms < ?`);
      values.push(filter.to.ms);
    }
    const rows = this.#database
      .prepare(
        `SELECT id, run_id, body FROM fixes INDEXED BY fixes_of_run WHERE ${terms.join(" AND ")} ORDER BY id DESC LIMIT ?`,
      )
      .all(...values, options.limit + 1) as FixRow[];
    return pageOf(rows, options.limit, fixOf);
  }

  /** The fix that came last, of the given levels. */
  latest(runId: number, assurance: readonly Assurance[]): StoredFix | null {
    return this.page(runId, { assurance }, { limit: 1 }).items[0] ?? null;
  }

  counts(runId: number): FixCounts {
    const rows = this.#database
      .prepare("SELECT assurance, count(*) AS fixes FROM fixes WHERE run_id = ? GROUP BY assurance")
      .all(runId) as { assurance: Assurance; fixes: number }[];
    const counts: FixCounts = { "nav-authenticated": 0, corroborated: 0, unverified: 0 };
    for (const { assurance, fixes } of rows) counts[assurance] = fixes;
    return counts;
  }
}

function fixOf(row: FixRow): StoredFix {
  return { ...(parseBody(row.body, `fix ${row.id}`) as FixRecord), id: row.id, run: row.run_id };
}
