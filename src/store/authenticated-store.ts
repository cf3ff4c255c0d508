/** The navigation data that a run authenticated, with the evidence, in the order it came. */
import type { Statement } from "better-sqlite3";
import type { AuthenticatedRecord } from "../pipeline/records.js";
import type { SqliteDatabase } from "./database.js";
import { parseBody } from "./faults.js";
import { gstMsOf } from "./instant.js";
import type { Page, PageOptions } from "./paging.js";
import { assertPageOptions, pageOfRows } from "./paging.js";

export type StoredAuthenticated = AuthenticatedRecord & { readonly id: number; readonly run: number };

interface AuthenticatedRow {
  id: number;
  run_id: number;
  body: string;
}

export class AuthenticatedStore {
  readonly #now: () => number;
  readonly #insert: Statement;
  readonly #ofRun: Statement;
  readonly #ofSatellite: Statement;

  /** `now` gives milliseconds since 1970. */
  constructor(database: SqliteDatabase, now: () => number = Date.now) {
    this.#now = now;
    this.#insert = database.prepare(
      "INSERT INTO authenticated (run_id, svid, iod_nav, gst_ms, stored_ms, body) VALUES (?, ?, ?, ?, ?, ?)",
    );
    const select = (where: string): Statement =>
      database.prepare(
        `SELECT id, run_id, body FROM authenticated WHERE run_id = @runId${where} AND id < @beforeId
         ORDER BY id DESC LIMIT @rows`,
      );
    this.#ofRun = select("");
    this.#ofSatellite = select(" AND svid = @svid");
  }

  /** Appends one record; call it inside a transaction (Store.write). */
  append(runId: number, record: AuthenticatedRecord): void {
    const { svid, iodNav, at } = record;
    this.#insert.run(runId, svid, iodNav, gstMsOf(at), this.#now(), JSON.stringify(record));
  }

  /** What was authenticated, for one satellite or (null) for all. */
  page(runId: number, svid: number | null, options: PageOptions): Page<StoredAuthenticated> {
    assertPageOptions(options);
    const bounds = {
      runId,
      beforeId: options.beforeId ?? Number.MAX_SAFE_INTEGER,
      rows: options.limit + 1,
    };
    const rows = svid === null ? this.#ofRun.all(bounds) : this.#ofSatellite.all({ ...bounds, svid });
    return pageOfRows(rows as AuthenticatedRow[], options.limit, (row) => ({
      ...(parseBody(row.body, `authenticated ${row.id}`) as AuthenticatedRecord),
      id: row.id,
      run: row.run_id,
    }));
  }
}
