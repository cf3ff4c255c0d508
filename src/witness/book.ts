/**
 * What a witness remembers, and its decision about a checkpoint (c2sp.org/tlog-witness). The newest size of every log
 * is on disk before anything is signed for it; what contradicts is kept as evidence. Edge: SQLite.
 */
import Database from "better-sqlite3";
import { chmodSync, closeSync, openSync } from "node:fs";
import { join } from "node:path";
import { OsnmadError } from "../errors.js";
import {
  MAX_REQUEST_BYTES,
  parseAddCheckpoint,
  SIZE_TYPE,
  type AddCheckpoint,
} from "../station/add-checkpoint.js";
import { signerOf } from "../station/checkpoint.js";
import { bytesEqual, verifyConsistency } from "../station/merkle.js";
import { ED25519, type VerifierKey } from "../station/note.js";
import { asStoreError } from "../store/faults.js";
import { makeFolder } from "../trust/folder.js";

export const WITNESS_DATABASE_FILE = "witness.sqlite";
/** "OSNW" (PRAGMA application_id). */
const APPLICATION_ID = 0x4f534e57;
const FORMAT = 1;
/** Signed sizes of a log that are remembered behind the newest: a week of a station's leaves. */
const KEPT_SIZES = 20_160;
/** Evidence kept of a log; a station that lies more often is known by then. */
const KEPT_EVIDENCE = 100;

const SCHEMA = `
  CREATE TABLE log (origin TEXT PRIMARY KEY, size INTEGER NOT NULL, root BLOB NOT NULL, note TEXT NOT NULL)
    STRICT, WITHOUT ROWID;
  CREATE TABLE seen (origin TEXT NOT NULL, size INTEGER NOT NULL, root BLOB NOT NULL, note TEXT NOT NULL,
    timestamp INTEGER NOT NULL, PRIMARY KEY (origin, size)) STRICT, WITHOUT ROWID;
  CREATE TABLE clock (one INTEGER PRIMARY KEY CHECK (one = 1), newest INTEGER NOT NULL) STRICT;
  CREATE TABLE evidence (seq INTEGER PRIMARY KEY, origin TEXT NOT NULL, kind TEXT NOT NULL, timestamp INTEGER NOT NULL,
    known TEXT NOT NULL, submitted TEXT NOT NULL, UNIQUE (known, submitted)) STRICT;
`;

/** `fork`: two roots of one size under one key. `unproven`: a growth that the sent proof does not bear out. */
export type EvidenceKind = "fork" | "unproven";

export interface Evidence {
  readonly origin: string;
  readonly kind: EvidenceKind;
  /** Unix seconds of the witness's clock. */
  readonly timestamp: number;
  /** Both notes, with the station's signatures. */
  readonly known: string;
  readonly submitted: string;
}

export type Decision =
  | { readonly status: 200; readonly text: string; readonly timestamp: number }
  | { readonly status: 400 | 403 | 404 | 409 | 422 | 503; readonly body: string; readonly type: string };

const PLAIN = "text/plain; charset=utf-8";

export class WitnessBook {
  readonly #database: Database.Database;
  readonly #keys: ReadonlyMap<string, readonly VerifierKey[]>;
  readonly #sql: ReturnType<typeof statements>;

  /** `keys` are those of the logs to witness; several of one name are a log that rotates its key. */
  constructor(directory: string, keys: readonly VerifierKey[]) {
    const byOrigin = new Map<string, VerifierKey[]>();
    for (const key of keys) {
      if (key.type !== ED25519) {
        throw new OsnmadError("OSN_USAGE", `The key of ${key.name} is not one that a log signs with.`);
      }
      byOrigin.set(key.name, [...(byOrigin.get(key.name) ?? []), key]);
    }
    this.#keys = byOrigin;
    this.#database = open(directory);
    this.#sql = statements(this.#database);
  }

  /** Judges a request at `now`, Unix seconds. On 200 the new size is on disk, and the text is to be cosigned. */
  add(body: string, now: number): Decision {
    const request = parseAddCheckpoint(body);
    if (request === null) return refusal(400, "no add-checkpoint request");
    const { origin } = request.checkpoint;
    const keys = this.#keys.get(origin);
    if (keys === undefined) return refusal(404, "unknown log");
    if (signerOf(request.checkpoint, keys) === null) return refusal(403, "no signature by a key of this log");
    if (request.oldSize > request.checkpoint.size)
      return refusal(400, "the old size is above the checkpoint's");
    try {
      // Looking and writing are one transaction, so that two requests at once cannot both be the next.
      return this.#database.transaction(() => this.#decide(request, now)).immediate();
    } catch (error) {
      throw asStoreError(error, "the witness's database");
    }
  }

  #decide(request: AddCheckpoint, now: number): Decision {
    const { checkpoint, note, oldSize, proof } = request;
    const { origin, size, root } = checkpoint;
    const newest = this.#sql.log.get(origin);
    const known = this.#sql.seen.get(origin, size) ?? (newest?.size === size ? newest : undefined);
    if (known !== undefined && !bytesEqual(known.root, root)) {
      this.#keep(origin, "fork", now, known.note, note);
      // Of one size the document asks for 409 too; the size says that there is nothing to gain by asking again.
      return conflict(newest!.size);
    }
    if (oldSize !== (newest?.size ?? 0)) return conflict(newest?.size ?? 0);
    if (newest !== undefined) {
      if (!verifyConsistency(newest.size, size, newest.root, root, proof)) {
        this.#keep(origin, "unproven", now, newest.note, note);
        return refusal(422, "the consistency proof does not hold");
      }
    } else if (proof.length > 0) {
      return refusal(422, "from size 0 the proof is empty");
    }
    const before = this.#sql.newestTime.get() ?? 0;
    // A clock that went back would stamp a time that was over: better none.
    if (now < before) return refusal(503, "this witness's clock is wrong; try again later");
    this.#sql.putTime.run(now);
    this.#sql.putLog.run(origin, size, root, note);
    this.#sql.putSeen.run(origin, size, root, note, now);
    this.#sql.forget.run(origin, size - KEPT_SIZES);
    return { status: 200, text: checkpoint.note.text, timestamp: now };
  }

  /** The newest checkpoint that was cosigned of a log, as it was sent; null where there is none. */
  newest(origin: string): string | null {
    return this.#sql.log.get(origin)?.note ?? null;
  }

  logs(): { readonly origin: string; readonly size: number }[] {
    return this.#sql.logs.all();
  }

  evidence(): Evidence[] {
    return this.#sql.evidence.all();
  }

  close(): void {
    this.#database.close();
  }

  #keep(origin: string, kind: EvidenceKind, now: number, known: string, submitted: string): void {
    // A growth that is merely badly proven must not take the room of a fork.
    if (this.#sql.evidenceCount.get(origin, kind)! >= KEPT_EVIDENCE) return;
    this.#sql.putEvidence.run(origin, kind, now, known, submitted);
  }
}

export const MAX_BODY_BYTES = MAX_REQUEST_BYTES;

function refusal(status: 400 | 403 | 404 | 422 | 503, why: string): Decision {
  return { status, body: `${why}\n`, type: PLAIN };
}

function conflict(size: number): Decision {
  return { status: 409, body: `${size}\n`, type: SIZE_TYPE };
}

function open(directory: string): Database.Database {
  const path = join(directory, WITNESS_DATABASE_FILE);
  let database: Database.Database | null = null;
  try {
    makeFolder(directory);
    closeSync(openSync(path, "a", 0o600));
    chmodSync(path, 0o600);
    database = new Database(path, { timeout: 1000 });
    // Two witnesses on one database would each trust its own memory.
    database.pragma("locking_mode = EXCLUSIVE");
    database.pragma("journal_mode = WAL");
    database.pragma("synchronous = FULL");
    database.exec("BEGIN IMMEDIATE; COMMIT");
    if (database.prepare("SELECT count(*) FROM sqlite_master").pluck().get() === 0) {
      database.exec(
        `BEGIN IMMEDIATE; ${SCHEMA} PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = ${FORMAT}; COMMIT`,
      );
    }
    const id = database.pragma("application_id", { simple: true });
    const format = database.pragma("user_version", { simple: true }) as number;
    if (id !== APPLICATION_ID)
      throw new OsnmadError("OSN_STATE_CORRUPT", `${path} is no witness's database.`);
    if (format !== FORMAT) {
      throw new OsnmadError("OSN_STATE_NEWER", `${path} has format ${format}; this program reads ${FORMAT}.`);
    }
    return database;
  } catch (error) {
    database?.close();
    throw asStoreError(error, path);
  }
}

interface Known {
  readonly size: number;
  readonly root: Uint8Array;
  readonly note: string;
}

function statements(database: Database.Database) {
  return {
    log: database.prepare<[string], Known>("SELECT size, root, note FROM log WHERE origin = ?"),
    logs: database.prepare<[], { origin: string; size: number }>(
      "SELECT origin, size FROM log ORDER BY origin",
    ),
    putLog: database.prepare("INSERT OR REPLACE INTO log (origin, size, root, note) VALUES (?, ?, ?, ?)"),
    seen: database.prepare<[string, number], Known>(
      "SELECT size, root, note FROM seen WHERE origin = ? AND size = ?",
    ),
    putSeen: database.prepare(
      "INSERT OR REPLACE INTO seen (origin, size, root, note, timestamp) VALUES (?, ?, ?, ?, ?)",
    ),
    forget: database.prepare("DELETE FROM seen WHERE origin = ? AND size < ?"),
    newestTime: database.prepare<[], number>("SELECT newest FROM clock").pluck() as {
      get(): number | undefined;
    },
    putTime: database.prepare("INSERT OR REPLACE INTO clock (one, newest) VALUES (1, ?)"),
    evidence: database.prepare<[], Evidence>(
      "SELECT origin, kind, timestamp, known, submitted FROM evidence ORDER BY seq",
    ),
    evidenceCount: database
      .prepare<[string, string], number>("SELECT count(*) FROM evidence WHERE origin = ? AND kind = ?")
      .pluck() as { get(origin: string, kind: string): number | undefined },
    putEvidence: database.prepare(
      "INSERT OR IGNORE INTO evidence (origin, kind, timestamp, known, submitted) VALUES (?, ?, ?, ?, ?)",
    ),
  };
}
