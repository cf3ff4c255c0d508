/**
 * The objects that fixes are judged again by (src/evidence), each stored once whatever number of fixes name it:
 * kept under their ids, linked to the objects they name, and let go when no fix reaches them any more.
 *
 * The record inside a fix object is that of the fix's own row, which is written in the same transaction; it is
 * left out here and put back when the object is read.
 */
import type { Statement } from "better-sqlite3";
import { referencesOf } from "../evidence/bundle.js";
import type { EvidenceObject, ObjectId } from "../evidence/objects.js";
import { encodeRecord } from "../evidence/objects.js";
import type { FixRecord, Mode } from "../pipeline/records.js";
import type { SqliteDatabase } from "./database.js";
import { parseBody } from "./faults.js";

/** What a fix is judged by: all that is reached from its root object, the root first. */
export interface StoredEvidence {
  readonly mode: Mode;
  readonly root: ObjectId;
  readonly objects: readonly (readonly [ObjectId, unknown])[];
}

/** More than any fix has: a bound for one answer. */
export const MAX_EVIDENCE_OBJECTS = 4096;
/** Ids known to be stored; a fix brings some hundred, most of them those of the fix before. */
const MAX_KNOWN = 10_000;

const HASH = /^[0-9a-f]{64}$/;

/** The bytes of an object's id. */
export function hashOf(id: string): Buffer {
  if (typeof id !== "string") throw new TypeError("id: expected a string");
  if (!HASH.test(id)) throw new RangeError("id: expected 64 hexadecimal digits");
  return Buffer.from(id, "hex");
}

interface ObjectRow {
  id: ObjectId;
  kind: string;
  body: string;
}

export class EvidenceStore {
  /** Rows of objects known to be stored. */
  readonly #known = new Map<ObjectId, number>();
  readonly #insert: Statement;
  readonly #find: Statement;
  readonly #link: Statement;
  readonly #fix: Statement;
  readonly #closure: Statement;
  readonly #loose: Statement;
  readonly #isNamed: Statement;
  readonly #children: Statement;
  readonly #unlink: Statement;
  readonly #remove: Statement;
  readonly #settle: Statement;
  readonly #addLoose: Statement;
  readonly #count: Statement;

  constructor(database: SqliteDatabase) {
    this.#insert = database.prepare(
      "INSERT INTO evidence (hash, kind, body) VALUES (?, ?, ?) ON CONFLICT (hash) DO NOTHING",
    );
    this.#find = database.prepare("SELECT id FROM evidence WHERE hash = ?").pluck();
    this.#link = database.prepare("INSERT OR IGNORE INTO evidence_links (parent, child) VALUES (?, ?)");
    this.#fix = database.prepare("SELECT evidence_id, body FROM fixes WHERE id = ?");
    this.#closure = database.prepare(
      `WITH RECURSIVE reached (id) AS (
         SELECT ? UNION SELECT child FROM evidence_links JOIN reached ON parent = reached.id
       )
       SELECT lower(hex(hash)) AS id, kind, body FROM reached JOIN evidence USING (id) LIMIT ${MAX_EVIDENCE_OBJECTS}`,
    );
    this.#loose = database.prepare("SELECT id FROM evidence_loose LIMIT ?").pluck();
    this.#isNamed = database
      .prepare(
        `SELECT EXISTS (SELECT 1 FROM fixes WHERE evidence_id = @id)
           OR EXISTS (SELECT 1 FROM evidence_links WHERE child = @id)`,
      )
      .pluck();
    this.#children = database.prepare("SELECT child FROM evidence_links WHERE parent = ?").pluck();
    this.#unlink = database.prepare("DELETE FROM evidence_links WHERE parent = ?");
    this.#remove = database.prepare("DELETE FROM evidence WHERE id = ?");
    this.#settle = database.prepare("DELETE FROM evidence_loose WHERE id = ?");
    this.#count = database.prepare("SELECT count(*) FROM evidence").pluck();
    this.#addLoose = database.prepare("INSERT OR IGNORE INTO evidence_loose (id) VALUES (?)");
  }

  /**
   * Stores the objects that are not there yet and links them to what they name, among these or stored before.
   * Call it inside a transaction (Store.write), the fixes that name them in the same one.
   */
  put(objects: Iterable<readonly [ObjectId, EvidenceObject]>): void {
    const added: (readonly [number, EvidenceObject])[] = [];
    for (const [id, object] of objects) {
      if (this.#known.has(id)) continue;
      const kept = object.kind === "fix" ? { ...object, record: undefined } : object;
      const { changes, lastInsertRowid } = this.#insert.run(hashOf(id), object.kind, JSON.stringify(kept));
      const row = changes > 0 ? Number(lastInsertRowid) : (this.#find.get(hashOf(id)) as number);
      if (changes > 0) added.push([row, object]);
      if (this.#known.size >= MAX_KNOWN) this.#known.clear();
      this.#known.set(id, row);
    }
    for (const [id, object] of added) {
      for (const reference of referencesOf(object)) {
        const child = this.#known.get(reference) ?? this.#find.get(hashOf(reference));
        if (child !== undefined) this.#link.run(id, child);
      }
    }
  }

  /** How many objects are stored. */
  count(): number {
    return this.#count.get() as number;
  }

  /** Forgets what is known to be stored: for a transaction that was undone. */
  forget(): void {
    this.#known.clear();
  }

  /** The evidence of a fix, null where it has none. */
  ofFix(fixId: number): StoredEvidence | null {
    const row = this.#fix.get(fixId) as { evidence_id: number | null; body: string } | undefined;
    if (row === undefined || row.evidence_id === null) return null;
    const { evidence: root, ...record } = parseBody(row.body, `fix ${fixId}`) as FixRecord;
    if (root === null) return null;
    const objects = (this.#closure.all(row.evidence_id) as ObjectRow[]).map(({ id, kind, body }) => {
      const object = parseBody(body, `evidence ${id}`) as object;
      return [id, kind === "fix" ? { ...object, record: encodeRecord(record) } : object] as const;
    });
    return { mode: record.mode, root, objects };
  }

  /**
   * Removes objects that nothing names since their fixes went, at most `limit`; true while some may be left.
   * Call it inside a transaction.
   */
  sweepSome(limit: number): boolean {
    const loose = this.#loose.all(limit) as number[];
    // An object that goes may come again.
    if (loose.length > 0) this.#known.clear();
    for (const id of loose) {
      this.#settle.run(id);
      if (this.#isNamed.get({ id }) === 1) continue;
      const children = this.#children.all(id) as number[];
      this.#unlink.run(id);
      this.#remove.run(id);
      for (const child of children) this.#addLoose.run(child);
    }
    return loose.length > 0;
  }
}
