/**
 * Fixes and events of all runs in the order they were stored, from a position on: what a stream is fed from. The
 * ids of each table only grow and are given inside write transactions, so behind a position nothing appears.
 */
import type { Statement } from "better-sqlite3";
import type { Assurance } from "../pipeline/records.js";
import type { SqliteDatabase } from "./database.js";
import { corrupt } from "./faults.js";
import type { ProvenanceStore } from "./provenance.js";

/** The last rows that were given. */
export interface Position {
  readonly fix: number;
  readonly event: number;
}

export interface Arrival {
  readonly kind: "fix" | "event";
  readonly json: string;
  /** The position after this row. */
  readonly position: Position;
}

export interface Arrivals {
  readonly items: readonly Arrival[];
  /** Behind all that was looked at, given or not. */
  readonly position: Position;
  /** Whether there was nothing more when this was read. */
  readonly atEnd: boolean;
}

/** Rows looked at in one step: bounds what one reader holds in memory and how long it holds up the others. */
const STEP_ROWS = 100;

interface Row {
  id: number;
  run_id: number;
  assurance?: Assurance;
  body: string;
  valid: number;
}

export class ArrivalStore {
  /** Another database than this has another one; a position is worth nothing there. */
  readonly identity: string;
  readonly #provenance: ProvenanceStore;
  readonly #fixes: Statement;
  readonly #events: Statement;
  readonly #bounds: Statement;

  constructor(database: SqliteDatabase, provenance: ProvenanceStore) {
    this.#provenance = provenance;
    this.identity = database.prepare("SELECT value FROM identity").pluck().get() as string;
    this.#fixes = database.prepare(
      `SELECT id, run_id, assurance, body, json_valid(body) AS valid FROM fixes WHERE id > ? ORDER BY id LIMIT ${STEP_ROWS}`,
    );
    this.#events = database.prepare(
      `SELECT id, run_id, body, json_valid(body) AS valid FROM events WHERE id > ? ORDER BY id LIMIT ${STEP_ROWS}`,
    );
    this.#bounds = database.prepare(
      `SELECT (SELECT seq FROM sqlite_sequence WHERE name = @table) AS last,
         (SELECT min(id) FROM fixes) AS firstFix, (SELECT min(id) FROM events) AS firstEvent`,
    );
  }

  /** The position behind all that is stored. */
  end(): Position {
    const last = (table: string): number =>
      (this.#bounds.get({ table }) as { last: number | null }).last ?? 0;
    return { fix: last("fixes"), event: last("events") };
  }

  /** Whether rows behind `position` were let go (retention), so that a reader that goes on there misses them. */
  isPruned(position: Position): boolean {
    const { firstFix, firstEvent } = this.#bounds.get({ table: "fixes" }) as Record<string, number | null>;
    const end = this.end();
    return (firstFix ?? end.fix + 1) > position.fix + 1 || (firstEvent ?? end.event + 1) > position.event + 1;
  }

  /** One step on from a position, events first. `levels` are the fixes asked for; empty for none. */
  after(position: Position, levels: readonly Assurance[], withEvents: boolean): Arrivals {
    const items: Arrival[] = [];
    let { fix, event } = position;
    const events = withEvents ? (this.#events.all(event) as Row[]) : [];
    for (const row of events) {
      event = row.id;
      items.push({ kind: "event", json: jsonOf(row, "event"), position: { fix, event } });
    }
    const fixes = levels.length > 0 ? (this.#fixes.all(fix) as Row[]) : [];
    for (const row of fixes) {
      fix = row.id;
      if (row.assurance === undefined || !levels.includes(row.assurance)) continue;
      items.push({
        kind: "fix",
        json: this.#provenance.expanded(Buffer.from(jsonOf(row, "fix"))).toString(),
        position: { fix, event },
      });
    }
    return {
      items,
      position: { fix, event },
      atEnd: events.length < STEP_ROWS && fixes.length < STEP_ROWS,
    };
  }
}

function jsonOf({ id, run_id, body, valid }: Row, what: string): string {
  if (valid !== 1 || !body.startsWith("{")) throw corrupt(`${what} ${id}`);
  return `{"id":${id},"run":${run_id},${body.slice(1)}`;
}
