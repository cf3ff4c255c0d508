/** The navigation data that a run authenticated, with the evidence, in the order it came. */
import type { AuthenticatedRecord } from "../pipeline/records.js";
import type { Statement } from "better-sqlite3";
import type { SqliteDatabase } from "./database.js";
import { parseBody } from "./faults.js";
import { gstMsOf } from "./instant.js";
import type { Page, PageOptions } from "./paging.js";
import { assertPageOptions, pageOf } from "./paging.js";

export type StoredAuthenticated = AuthenticatedRecord & { readonly id: number };

interface AuthenticatedRow {
  id: number;
  body: string;
}

export class AuthenticatedStore {
  readonly #database: SqliteDatabase;
  readonly #insert: Statement;

  constructor(database: SqliteDatabase) {
    this.#database = database;
    this.#insert = database.prepare(
      "INSERT INTO authenticated (run_id, svid, iod_nav, gst_ms, body) VALUES (?, ?, ?, ?, ?)",
    );
  }

  /** Appends one record; call it inside a transaction (Store.write). */
  append(runId: number, record: AuthenticatedRecord): void {
    this.#insert.run(runId, record.svid, record.iodNav, gstMsOf(record.at), JSON.stringify(record));
  }

  /** What was authenticated for one satellite. */
  page(runId: number, svid: number, options: PageOptions): Page<StoredAuthenticated> {
    assertPageOptions(options);
    const rows = this.#database
      .prepare(
        "SELECT id, body FROM authenticated WHERE run_id = ? AND svid = ? AND id < ? ORDER BY id DESC LIMIT ?",
      )
      .all(runId, svid, options.beforeId ?? Number.MAX_SAFE_INTEGER, options.limit + 1) as AuthenticatedRow[];
    return pageOf(rows, options.limit, (row) => ({
      ...(parseBody(row.body, `authenticated ${row.id}`) as AuthenticatedRecord),
      id: row.id,
    }));
  }
}
