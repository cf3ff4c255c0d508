/** The fixes of a run, in the order they came. */
import type { Statement } from "better-sqlite3";
import type { Assurance, FixRecord } from "../pipeline/records.js";
import type { SqliteDatabase } from "./database.js";
import type { FixEvidence } from "../evidence/bundle.js";
import type { EvidenceStore } from "./evidence-store.js";
import { corrupt, parseBody } from "./faults.js";
import type { Instant } from "./instant.js";
import { gstMsOf, parseUtcMs } from "./instant.js";
import type { Page, PageOptions } from "./paging.js";
import { assertPageOptions } from "./paging.js";
import type { ProvenanceStore } from "./provenance.js";

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
  /** UTF-8. */
  body: Buffer;
}

interface Interval {
  readonly fromId: number;
  readonly beforeId: number;
}

/** Ids of one block of fix_blocks (src/store/migrations.ts). */
const BLOCK_BITS = 10;
/** Text comes as the bytes it is stored as: to make a string of it costs more than all else on its way out. */
const COLUMNS = "fixes.id, run_id, CAST(body AS BLOB) AS body";
const [OPENING_BRACE, CLOSING_BRACE] = [0x7b, 0x7d];

export class FixStore {
  readonly #database: SqliteDatabase;
  readonly #provenance: ProvenanceStore;
  readonly #evidence: EvidenceStore;
  readonly #now: () => number;
  readonly #insert: Statement;
  readonly #lastId: Statement;
  readonly #byId: Statement;
  readonly #byIds: Statement;
  readonly #latest: Statement;
  readonly #counts: Statement;
  /** Statements of a search, by their text: what differs is which bounds are there. */
  readonly #searches = new Map<string, Statement>();

  /** `now` gives milliseconds since 1970. */
  constructor(
    database: SqliteDatabase,
    provenance: ProvenanceStore,
    evidence: EvidenceStore,
    now: () => number = Date.now,
  ) {
    this.#database = database;
    this.#provenance = provenance;
    this.#evidence = evidence;
    this.#now = now;
    this.#insert = database.prepare(
      `INSERT INTO fixes (id, run_id, gst_ms, utc_ms, stored_ms, assurance, body) VALUES (?, ?, ?, ?, ?, ?, ?)`,
    );
    this.#lastId = database.prepare("SELECT seq FROM sqlite_sequence WHERE name = 'fixes'").pluck();
    this.#byId = database.prepare(`SELECT ${COLUMNS} FROM fixes WHERE id = ?`);
    this.#byIds = database.prepare(
      `SELECT ${COLUMNS} FROM json_each(?) AS wanted CROSS JOIN fixes ON fixes.id = wanted.value`,
    );
    this.#latest = database
      .prepare("SELECT max(id) FROM fixes INDEXED BY fixes_of_run WHERE run_id = ? AND assurance = ?")
      .pluck();
    this.#counts = database.prepare(
      `SELECT coalesce(sum(nav_authenticated), 0) AS "nav-authenticated",
         coalesce(sum(corroborated), 0) AS corroborated, coalesce(sum(unverified), 0) AS unverified
       FROM fix_blocks WHERE run_id = ?`,
    );
  }

  /**
   * Appends one fix with its evidence (null where there is none: the way to it is not stored then); call it inside a
   * transaction (Store.write).
   */
  append(runId: number, fix: FixRecord, evidence: FixEvidence | null = null): void {
    const utcMs = parseUtcMs(fix.utc);
    if (utcMs === null) throw new RangeError("utc: expected an RFC 3339 date-time");
    const gstMs = gstMsOf(fix.gst);
    // Inside a write transaction nobody else takes this number.
    const id = ((this.#lastId.get() as number | undefined) ?? 0) + 1;
    const body = this.#provenance.bodyOf(runId, id, fix);
    this.#insert.run(id, runId, gstMs, utcMs, this.#now(), fix.assurance, body);
    if (evidence !== null) this.#evidence.put(id, evidence);
  }

  page(runId: number, filter: FixFilter, options: PageOptions): Page<StoredFix> {
    return this.#page(runId, filter, options, (row) => this.#fixOf(row));
  }

  /** As `page`, each fix as the JSON of a StoredFix in pieces: to be handed on without being parsed and written again. */
  jsonPage(runId: number, filter: FixFilter, options: PageOptions): Page<readonly Buffer[]> {
    return this.#page(runId, filter, options, (row) => this.#jsonOf(row));
  }

  /** One fix, null where there is none (any more). */
  get(id: number): StoredFix | null {
    const row = this.#byId.get(id) as FixRow | undefined;
    return row === undefined ? null : this.#fixOf(row);
  }

  /** As `get`, as JSON. */
  json(id: number): Buffer | null {
    const row = this.#byId.get(id) as FixRow | undefined;
    return row === undefined ? null : Buffer.concat(this.#jsonOf(row));
  }

  /** The fix that came last, of the given levels. */
  latest(runId: number, assurance: readonly Assurance[]): StoredFix | null {
    const id = this.#latestId(runId, assurance);
    return id === null ? null : this.get(id);
  }

  /** As `latest`, as JSON. */
  latestJson(runId: number, assurance: readonly Assurance[]): Buffer | null {
    const id = this.#latestId(runId, assurance);
    return id === null ? null : this.json(id);
  }

  counts(runId: number): FixCounts {
    return this.#counts.get(runId) as FixCounts;
  }

  #latestId(runId: number, assurance: readonly Assurance[]): number | null {
    let newest: number | null = null;
    for (const level of assurance) {
      const id = this.#latest.get(runId, level) as number | null;
      if (id !== null && (newest === null || id > newest)) newest = id;
    }
    return newest;
  }

  #page<Item>(
    runId: number,
    filter: FixFilter,
    options: PageOptions,
    item: (row: FixRow) => Item,
  ): Page<Item> {
    const ids = this.#search(runId, filter, options);
    const given = ids.slice(0, options.limit);
    // Read forward, as the file lies: a disk and the system's read-ahead are several times slower backwards.
    const rows = this.#byIds.all(JSON.stringify([...given].reverse())) as FixRow[];
    return {
      items: rows.reverse().map(item),
      nextBeforeId: ids.length > options.limit ? given[options.limit - 1] : null,
    };
  }

  /** Ids that pass, newest arrival first, one more than the page holds. */
  #search(runId: number, filter: FixFilter, options: PageOptions): number[] {
    assertPageOptions(options);
    const wanted = options.limit + 1;
    const found: number[] = [];
    for (const interval of this.#intervals(runId, filter, options.beforeId ?? Number.MAX_SAFE_INTEGER)) {
      // Each level is a range of the index by itself; the newest of all levels are among the newest of each.
      const ids = filter.assurance.flatMap((level) =>
        this.#searchLevel(runId, level, filter, interval, wanted - found.length),
      );
      ids.sort((left, right) => right - left);
      found.push(...ids.slice(0, wanted - found.length));
      if (found.length === wanted) break;
    }
    return found;
  }

  /** Where fixes of the time asked for may be, newest first: neighbouring blocks together. */
  #intervals(runId: number, filter: FixFilter, beforeId: number): readonly Interval[] {
    const { from, to } = filter;
    if (from === undefined && to === undefined) return [{ fromId: 0, beforeId }];
    const terms = ["run_id = ?", "block <= ?"];
    const values = [runId, Math.floor(beforeId / 2 ** BLOCK_BITS)];
    if (from !== undefined) {
      terms.push(`max_${from.scale}_ms >= ?`);
      values.push(from.ms);
    }
    if (to !== undefined) {
      terms.push(`min_${to.scale}_ms < ?`);
      values.push(to.ms);
    }
    const blocks = this.#prepared(
      `SELECT block FROM fix_blocks WHERE ${terms.join(" AND ")} ORDER BY block DESC`,
    ).all(...values) as number[];
    const intervals: { fromId: number; beforeId: number }[] = [];
    for (const block of blocks) {
      const fromId = block * 2 ** BLOCK_BITS;
      const last = intervals.at(-1);
      if (last !== undefined && last.fromId === fromId + 2 ** BLOCK_BITS) last.fromId = fromId;
      else intervals.push({ fromId, beforeId: Math.min(fromId + 2 ** BLOCK_BITS, beforeId) });
    }
    return intervals;
  }

  #searchLevel(
    runId: number,
    level: Assurance,
    { from, to }: FixFilter,
    { fromId, beforeId }: Interval,
    limit: number,
  ): number[] {
    const terms = ["run_id = ?", "assurance = ?", "id >= ?", "id < ?"];
    const values: (number | string)[] = [runId, level, fromId, beforeId];
    if (from !== undefined) {
      terms.push(`${from.scale}_ms >= ?`);
      values.push(from.ms);
    }
    if (to !== undefined) {
      terms.push(`${to.scale}_ms < ?`);
      values.push(to.ms);
    }
    return this.#prepared(
      `SELECT id FROM fixes INDEXED BY fixes_of_run WHERE ${terms.join(" AND ")} ORDER BY id DESC LIMIT ?`,
    ).all(...values, limit) as number[];
  }

  #prepared(sql: string): Statement {
    let statement = this.#searches.get(sql);
    if (statement === undefined) {
      statement = this.#database.prepare(sql).pluck();
      this.#searches.set(sql, statement);
    }
    return statement;
  }

  #fixOf({ id, run_id, body }: FixRow): StoredFix {
    const record = parseBody(this.#provenance.expanded(body).toString(), `fix ${id}`) as FixRecord;
    return { ...record, id, run: run_id };
  }

  /** Puts id and run into the object. Only its ends are looked at: a page would take as long to parse as to send. */
  #jsonOf({ id, run_id, body }: FixRow): Buffer[] {
    if (body[0] !== OPENING_BRACE || body.at(-1) !== CLOSING_BRACE) throw corrupt(`fix ${id}`);
    const parts = [Buffer.from(`{"id":${id},"run":${run_id},`)];
    this.#provenance.expand(body.subarray(1), parts);
    return parts;
  }
}
