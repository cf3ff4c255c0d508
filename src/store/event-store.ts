/** The events of a run, in the order they came. */
import type { Statement } from "better-sqlite3";
import type { EventRecord } from "../pipeline/records.js";
import type { SqliteDatabase } from "./database.js";
import { parseBody } from "./faults.js";
import { gstMsOf } from "./instant.js";
import type { Page, PageOptions } from "./paging.js";
import { assertPageOptions, pageOfRows } from "./paging.js";

export interface EventFilter {
  /** GST in ms. Events that have no time are always among them: an alarm must not get lost for want of one. */
  readonly sinceGstMs?: number | undefined;
  /** Only events of these names; all where it is left out. */
  readonly names?: readonly string[] | undefined;
}

export type StoredEvent = EventRecord & { readonly id: number; readonly run: number };

interface EventRow {
  id: number;
  run_id: number;
  body: string;
}

export class EventStore {
  readonly #now: () => number;
  readonly #insert: Statement;
  readonly #page: Statement;

  /** `now` gives milliseconds since 1970. */
  constructor(database: SqliteDatabase, now: () => number = Date.now) {
    this.#now = now;
    this.#insert = database.prepare(
      "INSERT INTO events (run_id, gst_ms, stored_ms, name, body) VALUES (?, ?, ?, ?, ?)",
    );
    this.#page = database.prepare(
      `SELECT id, run_id, body FROM events INDEXED BY events_of_run
       WHERE run_id = @runId AND id < @beforeId AND (gst_ms IS NULL OR gst_ms >= @sinceGstMs)
         AND (@names IS NULL OR name IN (SELECT value FROM json_each(@names)))
       ORDER BY id DESC LIMIT @rows`,
    );
  }

  /** Appends one event; call it inside a transaction (Store.write). */
  append(runId: number, event: EventRecord): void {
    const gstMs = event.at === null ? null : gstMsOf(event.at);
    this.#insert.run(runId, gstMs, this.#now(), event.name, JSON.stringify(event));
  }

  page(runId: number, filter: EventFilter, options: PageOptions): Page<StoredEvent> {
    assertPageOptions(options);
    const rows = this.#page.all({
      runId,
      beforeId: options.beforeId ?? Number.MAX_SAFE_INTEGER,
      sinceGstMs: filter.sinceGstMs ?? 0,
      names: filter.names === undefined ? null : JSON.stringify(filter.names),
      rows: options.limit + 1,
    }) as EventRow[];
    return pageOfRows(rows, options.limit, eventOf);
  }
}

function eventOf(row: EventRow): StoredEvent {
  return { ...(parseBody(row.body, `event ${row.id}`) as EventRecord), id: row.id, run: row.run_id };
}
