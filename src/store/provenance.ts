/**
 * Why the data of a fix's satellites were believed: most of a fix's JSON, and the same for many fixes. It is stored
 * once a run; the body of a fix has the row's id where the record has the object, and the object is put back when
 * the body is read, so a record comes out as it went in.
 */
import type { Statement } from "better-sqlite3";
import type { EvidenceRecord, FixRecord } from "../pipeline/records.js";
import type { SqliteDatabase } from "./database.js";
import { corrupt } from "./faults.js";

/** A row may be named by so many fixes more before it is written again that it is. */
const NAMED_AHEAD = 1024;
/** Rows known to be stored: some hours' worth of the thousands that a day has; what is older is not named again. */
const MAX_KNOWN = 500;
/** JSON kept at hand for who reads. */
const MAX_JSON = 2000;
/** In JSON text a quote within a string has a backslash before it: this is a member's name and nothing else. */
const NAME = Buffer.from('"authenticatedBy":');
const [ZERO, NINE] = [0x30, 0x39];

interface Known {
  /** 0 before it is stored. */
  id: number;
  namedUntil: number;
}

export class ProvenanceStore {
  readonly #insert: Statement;
  readonly #extend: Statement;
  readonly #find: Statement;
  readonly #prune: Statement;
  #run = Number.NaN;
  /** Of the run that is written, by text, and by the object for as long as it is the same one. */
  readonly #byText = new Map<string, Known>();
  #byObject = new WeakMap<EvidenceRecord, Known>();
  readonly #json = new Map<number, Buffer>();

  constructor(database: SqliteDatabase) {
    this.#insert = database.prepare("INSERT INTO provenance (run_id, named_until, body) VALUES (?, ?, ?)");
    this.#extend = database.prepare("UPDATE provenance SET named_until = ? WHERE id = ?");
    this.#find = database.prepare("SELECT CAST(body AS BLOB) FROM provenance WHERE id = ?").pluck();
    this.#prune = database.prepare(
      `DELETE FROM provenance WHERE id IN (
         SELECT provenance.id FROM runs CROSS JOIN provenance ON run_id = runs.id
         WHERE named_until < coalesce((SELECT min(id) FROM fixes), 0) LIMIT ?)`,
    );
  }

  /** The body to store for the fix that gets the id `fixId`. Call it inside the transaction that stores the fix. */
  bodyOf(runId: number, fixId: number, fix: FixRecord): string {
    const { own } = fix;
    if (own === null) return JSON.stringify(fix);
    if (runId !== this.#run) {
      this.forget();
      this.#run = runId;
    }
    const satellites = own.satellites.map((satellite) => ({
      ...satellite,
      authenticatedBy: this.#idOf(runId, fixId, satellite.authenticatedBy),
    }));
    // A replaced member stands where the member stood.
    return JSON.stringify({ ...fix, own: { ...own, satellites } });
  }

  /**
   * Appends to `parts` the JSON of the record that a stored body stands for, in pieces of `body` and of what is kept
   * at hand: a page of a thousand fixes is then copied once, and never becomes a string. For such a page the server
   * takes 13 ms of CPU, where strings took 20 ms. Throws OSN_STATE_CORRUPT
   * where a row is not there.
   */
  expand(body: Buffer, parts: Buffer[]): void {
    let from = 0;
    for (let at = body.indexOf(NAME); at !== -1; at = body.indexOf(NAME, from)) {
      const start = at + NAME.length;
      let end = start;
      let id = 0;
      for (let code = body[end]; code >= ZERO && code <= NINE; code = body[++end])
        id = 10 * id + (code - ZERO);
      parts.push(body.subarray(from, start));
      if (end > start) parts.push(this.#jsonOf(id));
      from = end;
    }
    parts.push(body.subarray(from));
  }

  /** As `expand`, in one piece. */
  expanded(body: Buffer): Buffer {
    const parts: Buffer[] = [];
    this.expand(body, parts);
    return Buffer.concat(parts);
  }

  /** Forgets what is known to be stored: for a transaction that was undone. */
  forget(): void {
    this.#byText.clear();
    this.#byObject = new WeakMap();
    this.#json.clear();
  }

  /** Removes rows that no fix names any more; true while there may be more. Call it inside a transaction. */
  pruneSome(limit: number): boolean {
    // What is known of such a row needs no change: its bound has passed, so it is written before it is named again.
    return this.#prune.run(limit).changes === limit;
  }

  #idOf(runId: number, fixId: number, evidence: EvidenceRecord): number {
    let known = this.#byObject.get(evidence);
    if (known === undefined) {
      const text = JSON.stringify(evidence);
      known = this.#byText.get(text);
      if (known === undefined) {
        known = { id: 0, namedUntil: 0 };
        if (this.#byText.size >= MAX_KNOWN) this.#byText.clear();
        this.#byText.set(text, known);
      }
      this.#byObject.set(evidence, known);
    }
    if (known.namedUntil < fixId) {
      known.namedUntil = fixId + NAMED_AHEAD;
      // A row that went is stored again.
      const isThere = known.id !== 0 && this.#extend.run(known.namedUntil, known.id).changes === 1;
      if (!isThere) {
        const body = JSON.stringify(evidence);
        known.id = Number(this.#insert.run(runId, known.namedUntil, body).lastInsertRowid);
      }
    }
    return known.id;
  }

  #jsonOf(id: number): Buffer {
    let json = this.#json.get(id);
    if (json === undefined) {
      json = this.#find.get(id) as Buffer | undefined;
      if (json === undefined) throw corrupt(`provenance ${id}`);
      if (this.#json.size >= MAX_JSON) this.#json.clear();
      this.#json.set(id, json);
    }
    return json;
  }
}
