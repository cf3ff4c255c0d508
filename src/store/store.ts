/**
 * The store as the rest of the program sees it: what runs found, on disk before anyone is told of it. SQLite
 * in WAL mode, one connection, synchronous: between two turns of the event loop no transaction is open, so a
 * reader sees committed rows only.
 */
import type { Statement } from "better-sqlite3";
import { existsSync } from "node:fs";
import { OsnmadError } from "../errors.js";
import { ArrivalStore } from "./arrivals.js";
import { AuthenticatedStore } from "./authenticated-store.js";
import type { SqliteDatabase } from "./database.js";
import { BUSY_TIMEOUT_MS, openDatabase } from "./database.js";
import { EventStore } from "./event-store.js";
import { EvidenceStore } from "./evidence-store.js";
import { asStoreError } from "./faults.js";
import { FixStore } from "./fix-store.js";
import { ProvenanceStore } from "./provenance.js";
import type { RetentionOptions } from "./retention.js";
import { Retention } from "./retention.js";
import type { NewRun } from "./run-store.js";
import { RunStore } from "./run-store.js";
import { StateStore } from "./state-store.js";

export const DEFAULT_KEPT_RUNS = 10;
/** How long a readiness probe waits for another process's transaction, ms: it must not hold up requests. */
const PROBE_TIMEOUT_MS = 50;

export interface StoreOptions extends RetentionOptions {
  /** How many of the newest runs are kept, the running one included. */
  readonly keepRuns?: number;
  /** Milliseconds since 1970. */
  readonly now?: () => number;
}

export type StoreReadiness = { readonly ready: true } | { readonly ready: false; readonly reason: string };

/** Opens the store in a folder; throws what openDatabase throws. */
export function openStore(directory: string, options: StoreOptions = {}): Store {
  const database = openDatabase(directory);
  try {
    return new Store(database, options);
  } catch (error) {
    database.close();
    throw error;
  }
}

export class Store {
  readonly runs: RunStore;
  /** The run that this process records and serves; null where it only serves. */
  servedRun: number | null = null;
  readonly fixes: FixStore;
  readonly events: EventStore;
  readonly authenticated: AuthenticatedStore;
  readonly state: StateStore;
  readonly evidence: EvidenceStore;
  readonly arrivals: ArrivalStore;
  readonly #provenance: ProvenanceStore;
  #retention: Retention;
  readonly #now: () => number;
  readonly #database: SqliteDatabase;
  readonly #dataVersion: Statement;
  readonly #listeners = new Set<() => void>();
  #commits = 0;
  /** Message of the last write that failed, null after one that succeeded. */
  #fault: string | null = null;

  constructor(database: SqliteDatabase, options: StoreOptions = {}) {
    this.#database = database;
    this.runs = new RunStore(database, options.keepRuns ?? DEFAULT_KEPT_RUNS);
    const now = options.now ?? Date.now;
    this.#now = now;
    const provenance = new ProvenanceStore(database);
    this.#provenance = provenance;
    this.evidence = new EvidenceStore(database, provenance);
    this.fixes = new FixStore(database, provenance, this.evidence, now);
    this.events = new EventStore(database, now);
    this.authenticated = new AuthenticatedStore(database, now);
    this.state = new StateStore(database);
    this.arrivals = new ArrivalStore(database, provenance);
    this.#retention = new Retention(database, this.runs, this.evidence, provenance, options, now);
    this.#dataVersion = database.prepare("PRAGMA data_version").pluck();
  }

  /** Path of the database file. */
  get path(): string {
    return this.#database.name;
  }

  /** Bytes of the database that hold something. */
  get usedBytes(): number {
    return this.#retention.usedBytes();
  }

  /** Message of the last write, where it failed and none succeeded since. */
  get fault(): string | null {
    return this.#fault;
  }

  /** Changes with every commit, of this connection or any other: what was made of the store may be kept till then. */
  get version(): string {
    // SQLite's own number does not count what this connection did (sqlite.org/pragma.html#pragma_data_version).
    return `${this.#commits}.${this.#dataVersion.get() as number}`;
  }

  /** Calls `listener` after every commit of this connection, until the function that is returned is called. */
  onCommit(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  }

  /**
   * Runs `work` in one transaction: all of it is on disk when this returns, and nothing of it when it throws.
   * Faults of disk and database come out as OsnmadError.
   */
  write<Result>(work: () => Result): Result {
    const result = this.#commit(work);
    this.#commits += 1;
    for (const listener of this.#listeners) listener();
    return result;
  }

  #commit<Result>(work: () => Result): Result {
    try {
      const result = this.#database.transaction(work).immediate();
      this.#fault = null;
      return result;
    } catch (error) {
      this.evidence.forget();
      this.#provenance.forget();
      const fault = asStoreError(error, this.path);
      if (fault instanceof OsnmadError) this.#fault = fault.message;
      throw fault;
    }
  }

  /** Begins a run and returns its number. */
  beginRun(run: NewRun): number {
    return this.write(() => this.runs.begin(run));
  }

  /** Other bounds of age and size from now on. @throws RangeError as the constructor does; the old ones stay then. */
  retain(options: RetentionOptions): void {
    this.#retention = new Retention(
      this.#database,
      this.runs,
      this.evidence,
      this.#provenance,
      options,
      this.#now,
    );
  }

  /** Lets go what is beyond the bounds of runs, age and size, one step of bounded size; true while there is more. */
  pruneSome(): boolean {
    return this.write(() => this.#retention.step());
  }

  /** All steps of pruneSome at once. */
  prune(): void {
    while (this.pruneSome());
  }

  /** Deletes a run with all that belongs to it, in transactions of bounded size. */
  removeRun(id: number): void {
    while (this.write(() => this.runs.removeSome(id)));
  }

  /** Whether a write would be accepted now. */
  readiness(): StoreReadiness {
    if (!this.#database.open) return { ready: false, reason: "The store is closed." };
    // SQLite would go on writing into a file that has no name any more.
    if (!existsSync(this.path)) return { ready: false, reason: `${this.path} is gone.` };
    const faultBefore = this.#fault;
    try {
      this.#database.pragma(`busy_timeout = ${PROBE_TIMEOUT_MS}`);
      this.#commit(() => {
        // Taking the write lock finds a held lock and a read-only file. A full disk shows only in a write, which
        // costs a sync: it is tried while the last one failed, so that a recovered disk is noticed.
        if (faultBefore !== null) this.#database.exec("CREATE TABLE probe (x); DROP TABLE probe;");
      });
      return { ready: true };
    } catch (error) {
      return { ready: false, reason: error instanceof Error ? error.message : "unknown" };
    } finally {
      this.#database.pragma(`busy_timeout = ${BUSY_TIMEOUT_MS}`);
    }
  }

  /** Moves the write-ahead log into the database file and closes it. Closing twice does nothing. */
  close(): void {
    if (!this.#database.open) return;
    try {
      this.#database.pragma("wal_checkpoint(TRUNCATE)");
    } catch (error) {
      // A disk that takes nothing: the log stays, and is read at the next start.
      if (!(asStoreError(error, this.path) instanceof OsnmadError)) throw error;
    } finally {
      this.#database.close();
    }
  }
}
