/** The newest state of a run: its satellites and its OSNMA status. A newer one replaces the older. */
import type { OsnmaStatusRecord, SatelliteRecord } from "../pipeline/records.js";
import type { SqliteDatabase } from "./database.js";
import { parseBody } from "./faults.js";

export class StateStore {
  readonly #database: SqliteDatabase;

  constructor(database: SqliteDatabase) {
    this.#database = database;
  }

  /** Call it inside a transaction (Store.write). */
  putSatellites(runId: number, satellites: readonly SatelliteRecord[]): void {
    this.#database.prepare("DELETE FROM satellites WHERE run_id = ?").run(runId);
    const insert = this.#database.prepare("INSERT INTO satellites (run_id, svid, body) VALUES (?, ?, ?)");
    for (const satellite of satellites) insert.run(runId, satellite.svid, JSON.stringify(satellite));
  }

  /** By SVID. */
  satellites(runId: number): SatelliteRecord[] {
    const rows = this.#database
      .prepare("SELECT svid, body FROM satellites WHERE run_id = ? ORDER BY svid")
      .all(runId);
    return (rows as { svid: number; body: string }[]).map(
      ({ svid, body }) => parseBody(body, `satellite ${svid}`) as SatelliteRecord,
    );
  }

  putOsnma(runId: number, status: OsnmaStatusRecord): void {
    this.#database
      .prepare(
        "INSERT INTO osnma (run_id, body) VALUES (?, ?) ON CONFLICT (run_id) DO UPDATE SET body = excluded.body",
      )
      .run(runId, JSON.stringify(status));
  }

  /** Null where the run has recorded none yet. */
  osnma(runId: number): OsnmaStatusRecord | null {
    const row = this.#database.prepare("SELECT body FROM osnma WHERE run_id = ?").get(runId);
    return row === undefined
      ? null
      : (parseBody((row as { body: string }).body, "OSNMA status") as OsnmaStatusRecord);
  }
}
