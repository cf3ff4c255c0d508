/**
 * The objects that fixes are judged again by (src/evidence). What several fixes name is stored once: kept under its
 * id, linked to the objects it names, and let go when no fix reaches it any more. What is one fix's own (its
 * measurements, the receiver's messages) is kept as bytes beside it, and the fix object is not kept at all: it is
 * made again of the fix's record and these when the evidence is read.
 */
import type { Statement } from "better-sqlite3";
import { hash } from "node:crypto";
import { ownObjects, referencesOf, type FixEvidence, type FixParts } from "../evidence/bundle.js";
import type { EvidenceObject, ObjectId } from "../evidence/objects.js";
import { encodeRecord } from "../evidence/objects.js";
import type { FixRecord, Mode } from "../pipeline/records.js";
import type { SqliteDatabase } from "./database.js";
import { parseBody } from "./faults.js";
import type { ProvenanceStore } from "./provenance.js";

/** What a fix is judged by: all that is reached from its root object, the root first. */
export interface StoredEvidence {
  readonly mode: Mode;
  readonly root: ObjectId;
  readonly objects: readonly (readonly [ObjectId, unknown])[];
}

/** More than any fix has: a bound for one answer. */
export const MAX_EVIDENCE_OBJECTS = 4096;
/** Ids known to be stored: some hours' worth. What a run has used once and no more is not kept for days. */
const MAX_KNOWN = 2_000;

const HASH = /^[0-9a-f]{64}$/;

/** The bytes of an object's id. */
export function hashOf(id: string): Buffer {
  if (typeof id !== "string") throw new TypeError("id: expected a string");
  if (!HASH.test(id)) throw new RangeError("id: expected 64 hexadecimal digits");
  return Buffer.from(id, "hex");
}

/** The shared objects that a fix names: stored as a row among them, which no bundle shows. */
interface Basis {
  readonly words: readonly ObjectId[];
  readonly inputs: ObjectId | null;
}
const BASIS = "basis";
const BASIS_DOMAIN = "osnmad-evidence-basis-1\n";

interface FixRow {
  /** UTF-8. */
  readonly body: Buffer;
  /** Of a fix stored before there were bases. */
  readonly evidence_id: number | null;
  readonly basis_id: number | null;
  readonly measurements: Buffer | null;
  readonly nav_pvt: Buffer | null;
  readonly nav_sat: Buffer | null;
}

interface ObjectRow {
  id: ObjectId;
  kind: string;
  body: string;
}

export class EvidenceStore {
  readonly #provenance: ProvenanceStore;
  /** Rows of objects known to be stored. */
  readonly #known = new Map<ObjectId, number>();
  /** Row of a basis that is stored, by the list of its objects, which is the same one for many fixes. */
  #bases = new WeakMap<FixEvidence["shared"], number>();
  readonly #insertFix: Statement;
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

  constructor(database: SqliteDatabase, provenance: ProvenanceStore) {
    this.#provenance = provenance;
    this.#insertFix = database.prepare("INSERT INTO fix_evidence VALUES (?, ?, ?, ?, ?)");
    this.#insert = database.prepare(
      "INSERT INTO evidence (hash, kind, body) VALUES (?, ?, ?) ON CONFLICT (hash) DO NOTHING",
    );
    this.#find = database.prepare("SELECT id FROM evidence WHERE hash = ?").pluck();
    this.#link = database.prepare("INSERT OR IGNORE INTO evidence_links (parent, child) VALUES (?, ?)");
    this.#fix = database.prepare(
      `SELECT CAST(body AS BLOB) AS body, evidence_id, basis_id, measurements, nav_pvt, nav_sat
       FROM fixes LEFT JOIN fix_evidence ON fix_id = fixes.id WHERE fixes.id = ?`,
    );
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
           OR EXISTS (SELECT 1 FROM fix_evidence WHERE basis_id = @id)
           OR EXISTS (SELECT 1 FROM evidence_links WHERE child = @id)`,
      )
      .pluck();
    this.#children = database.prepare("SELECT child FROM evidence_links WHERE parent = ?").pluck();
    this.#unlink = database.prepare("DELETE FROM evidence_links WHERE parent = ?");
    this.#remove = database.prepare("DELETE FROM evidence WHERE id = ?");
    this.#settle = database.prepare("DELETE FROM evidence_loose WHERE id = ?");
    this.#count = database.prepare(`SELECT count(*) FROM evidence WHERE kind <> '${BASIS}'`).pluck();
    this.#addLoose = database.prepare("INSERT OR IGNORE INTO evidence_loose (id) VALUES (?)");
  }

  /**
   * Stores the evidence of the fix with the id `fixId`: of the shared objects those that are not there yet. Call it
   * inside the transaction (Store.write) that stores the fix, after it.
   */
  put(fixId: number, evidence: FixEvidence): void {
    const payloadOf = (name: string): Uint8Array | null =>
      evidence.receiver.find(({ message }) => message === name)?.payload ?? null;
    this.#insertFix.run(
      fixId,
      this.#basisOf(evidence),
      evidence.measurements,
      payloadOf("NAV-PVT"),
      payloadOf("NAV-SAT"),
    );
  }

  #basisOf({ words, inputs, shared }: FixEvidence): number {
    const known = this.#bases.get(shared);
    if (known !== undefined) return known;
    this.#putObjects(shared);
    const body = JSON.stringify({ words, inputs } satisfies Basis);
    const id = hash("sha256", BASIS_DOMAIN + body, "hex");
    const { row, isNew } = this.#store(id, BASIS, body);
    if (isNew) for (const named of inputs === null ? words : [...words, inputs]) this.#linkTo(row, named);
    this.#bases.set(shared, row);
    return row;
  }

  #putObjects(objects: Iterable<readonly [ObjectId, EvidenceObject]>): void {
    const added: (readonly [number, EvidenceObject])[] = [];
    for (const [id, object] of objects) {
      if (this.#known.has(id)) continue;
      const { row, isNew } = this.#store(id, object.kind, JSON.stringify(object));
      if (isNew) added.push([row, object]);
    }
    for (const [row, object] of added) {
      for (const named of referencesOf(object)) this.#linkTo(row, named);
    }
  }

  #store(id: ObjectId, kind: string, body: string): { readonly row: number; readonly isNew: boolean } {
    const { changes, lastInsertRowid } = this.#insert.run(hashOf(id), kind, body);
    const row = changes > 0 ? Number(lastInsertRowid) : (this.#find.get(hashOf(id)) as number);
    if (this.#known.size >= MAX_KNOWN) this.#known.clear();
    this.#known.set(id, row);
    return { row, isNew: changes > 0 };
  }

  #linkTo(parent: number, named: ObjectId): void {
    const child = this.#known.get(named) ?? this.#find.get(hashOf(named));
    if (child !== undefined) this.#link.run(parent, child);
  }

  /** How many shared objects are stored. */
  count(): number {
    return this.#count.get() as number;
  }

  /** Forgets what is known to be stored: for a transaction that was undone. */
  forget(): void {
    this.#known.clear();
    this.#bases = new WeakMap();
  }

  /** The evidence of a fix, null where it has none. */
  ofFix(fixId: number): StoredEvidence | null {
    const row = this.#fix.get(fixId) as FixRow | undefined;
    const from = row?.basis_id ?? row?.evidence_id ?? null;
    if (row === undefined || from === null) return null;
    const json = this.#provenance.expanded(row.body).toString();
    const { evidence: root, ...record } = parseBody(json, `fix ${fixId}`) as FixRecord;
    if (root === null) return null;
    const objects: (readonly [ObjectId, unknown])[] = [];
    for (const { id, kind, body } of this.#closure.all(from) as ObjectRow[]) {
      const object = parseBody(body, `evidence ${id}`) as object;
      if (kind === BASIS) objects.push(...ownObjects(record, partsOf(object as Basis, row)));
      else objects.push([id, kind === "fix" ? { ...object, record: encodeRecord(record) } : object]);
    }
    return { mode: record.mode, root, objects };
  }

  /**
   * Removes objects that nothing names since their fixes went, at most `limit`; true while some may be left.
   * Call it inside a transaction.
   */
  sweepSome(limit: number): boolean {
    const loose = this.#loose.all(limit) as number[];
    // An object that goes may come again.
    if (loose.length > 0) this.forget();
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

function partsOf({ words, inputs }: Basis, { measurements, nav_pvt, nav_sat }: FixRow): FixParts {
  return {
    words,
    inputs,
    measurements,
    receiver: [
      ...(nav_pvt === null ? [] : [{ message: "NAV-PVT", payload: nav_pvt } as const]),
      ...(nav_sat === null ? [] : [{ message: "NAV-SAT", payload: nav_sat } as const]),
    ],
  };
}
