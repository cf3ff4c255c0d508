/** The events of a run, in the order they came. */
import type { EventRecord } from "../pipeline/records.js";
import type { Statement } from "better-sqlite3";
import type { SqliteDatabase } from "./database.js";
import { parseBody } from "./faults.js";
import { gstMsOf } from "./instant.js";
import type { Page, PageOptions } from "./paging.js";
import { assertPageOptions, pageOf } from "./paging.js";

export interface EventFilter {
  /** GST in ms. Events that have no time are always among them: an alarm must not get lost for want of one. */
  readonly sinceGstMs?: number | undefined;
}

export type StoredEvent = EventRecord & { readonly id: number; readonly run: number };

interface EventRow {
  id: number;
  run_id: number;
  body: string;
}

export class EventStore {
  readonly #database: SqliteDatabase;
  readonly #insert: Statement;

  constructor(database: SqliteDatabase) {
    this.#database = database;
    this.#insert = database.prepare("INSERT INTO events (run_id, gst_ms, body) VALUES (?, ?, ?)");
  }

  /** Appends one event; call it inside a transaction (Store.write). */
  append(runId: number, event: EventRecord): void {
    this.#insert.run(runId, event.at === null ? null : gstMsOf(event.at), JSON.stringify(event));
  }

  page(runId: number, filter: EventFilter, options: PageOptions): Page<StoredEvent> {
    assertPageOptions(options);
    const rows = this.#database
      .prepare(
        `SELECT id, run_id, body FROM events INDEXED BY events_of_run
         WHERE run_id = @runId AND id < @beforeId AND (gst_ms IS NULL OR gst_ms >= @sinceGstMs)
         ORDER BY id DESC LIMIT @rows`,
      )
      .all({
        runId,
        beforeId: options.beforeId ?? Number.MAX_SAFE_INTEGER,
        sinceGstMs: filter.sinceGstMs ?? 0,
        rows: options.limit + 1,
      }) as EventRow[];
    return pageOf(rows, options.limit, eventOf);
  }
}

function eventOf(row: EventRow): StoredEvent {
  return { ...(parseBody(row.body, `event ${row.id}`) as EventRecord), id: row.id, run: row.run_id };
}
