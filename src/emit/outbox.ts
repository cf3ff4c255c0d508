/**
 * The outbox: envelopes on disk, in order, each once by its key, and one cursor per consumer. A message is in it
 * before anybody gets it, and a cursor moves only after its consumer has taken what is before it: at least once, in
 * order, over kill -9 on either side. Edge: SQLite.
 */
import type Database from "better-sqlite3";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { OsnmadError } from "../errors.js";
import { asStoreError } from "../store/faults.js";
import { claimDatabase, openPrivateFile } from "../store/private-database.js";
import type { Purpose } from "./statement.js";

export const OUTBOX_FILE = "outbox.sqlite";
/** "OSNO" (PRAGMA application_id). */
const APPLICATION_ID = 0x4f534e4f;
const FORMAT = 1;

const SCHEMA = `
  -- seq rises by one within a purpose, from 1, and is never given again.
  CREATE TABLE message (purpose INTEGER NOT NULL, seq INTEGER NOT NULL, key TEXT NOT NULL,
    envelope BLOB NOT NULL, PRIMARY KEY (purpose, seq)) STRICT, WITHOUT ROWID;
  CREATE UNIQUE INDEX message_key ON message (purpose, key);
  CREATE TABLE last (purpose INTEGER PRIMARY KEY, seq INTEGER NOT NULL) STRICT;
  -- How far the log has been taken into the outbox.
  CREATE TABLE taken (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
  CREATE TABLE cursor (consumer TEXT PRIMARY KEY, purpose INTEGER NOT NULL, seq INTEGER NOT NULL,
    failures INTEGER NOT NULL, error TEXT, taken_ms INTEGER, since_ms INTEGER NOT NULL) STRICT, WITHOUT ROWID;
`;

const NUMBER: Readonly<Record<Purpose, number>> = { federation: 1, prover: 2 };

export interface OutboxMessage {
  readonly seq: number;
  /** The same for the same statement, for ever: consumers may tell repeats by it. */
  readonly key: string;
  readonly envelope: Uint8Array;
}

export interface NewMessage {
  readonly purpose: Purpose;
  readonly key: string;
  readonly envelope: Uint8Array;
}

export interface ConsumerState {
  readonly consumer: string;
  readonly purpose: Purpose;
  /** All up to this one was taken. */
  readonly seq: number;
  readonly backlog: number;
  /** Since the last success. */
  readonly failures: number;
  readonly error: string | null;
  /** Unix milliseconds of the last success; null before the first. */
  readonly takenAt: number | null;
  /** Unix milliseconds since when it is known. */
  readonly since: number;
}

export interface OutboxOptions {
  readonly directory: string;
  /** False only in measurements. */
  readonly flush?: boolean;
  readonly now?: () => number;
}

export class Outbox {
  readonly #database: Database.Database;
  readonly #now: () => number;
  readonly #listeners = new Set<() => void>();
  readonly #sql: ReturnType<typeof statements>;

  /** Throws OSN_STATE_CORRUPT, OSN_STATE_NEWER, OSN_STATE_UNWRITABLE. */
  constructor({ directory, flush = true, now = Date.now }: OutboxOptions) {
    this.#database = openFile(join(directory, OUTBOX_FILE), flush);
    this.#now = now;
    this.#sql = statements(this.#database);
  }

  /**
   * Puts messages behind the others, all or none, and notes how far their source was taken. What is there already by
   * its key is left out. On disk on return. Returns how many are new.
   */
  put(messages: readonly NewMessage[], taken: Readonly<Record<string, number>> = {}): number {
    let added = 0;
    this.#database
      .transaction(() => {
        for (const { purpose, key, envelope } of messages) {
          const number = NUMBER[purpose];
          if (this.#sql.known.get(number, key) !== undefined) continue;
          const seq = this.lastSeq(purpose) + 1;
          this.#sql.put.run(number, seq, key, envelope);
          this.#sql.setLast.run(number, seq);
          added++;
        }
        for (const [name, value] of Object.entries(taken)) this.#sql.setTaken.run(name, value);
      })
      .immediate();
    if (added > 0) for (const listener of [...this.#listeners]) listener();
    return added;
  }

  has(purpose: Purpose, key: string): boolean {
    return this.#sql.known.get(NUMBER[purpose], key) !== undefined;
  }

  /** How far a source was taken; 0 before the first. */
  taken(name: string): number {
    return this.#sql.taken.get(name) ?? 0;
  }

  /** Messages after `seq`, in order: up to `limit`, and no more bytes than `maxBytes` but always one. */
  after(purpose: Purpose, seq: number, limit: number, maxBytes = 1 << 22): OutboxMessage[] {
    const found: OutboxMessage[] = [];
    let bytes = 0;
    for (const message of this.#sql.after.iterate(NUMBER[purpose], seq, limit)) {
      bytes += message.envelope.length;
      if (found.length > 0 && bytes > maxBytes) break;
      found.push(message);
    }
    return found;
  }

  /** The newest number given; 0 before the first. */
  lastSeq(purpose: Purpose): number {
    return this.#sql.last.get(NUMBER[purpose]) ?? 0;
  }

  /** The oldest number kept; one more than `lastSeq` where none is. */
  firstSeq(purpose: Purpose): number {
    return this.#sql.first.get(NUMBER[purpose]) ?? this.lastSeq(purpose) + 1;
  }

  /** Makes a cursor at the beginning of what is kept; one that is there stays where it is. */
  register(consumer: string, purpose: Purpose): ConsumerState {
    const known = this.#sql.cursor.get(consumer);
    if (known === undefined) {
      this.#sql.newCursor.run(consumer, NUMBER[purpose], this.firstSeq(purpose) - 1, this.#now());
    } else if (known.purpose !== NUMBER[purpose]) {
      throw new OsnmadError(
        "OSN_USAGE",
        `The consumer ${consumer} had another purpose before; give the new one another name.`,
      );
    }
    return this.state(consumer)!;
  }

  /** Forgets a consumer and returns whether there was one; what only it had not taken may then be let go. */
  forget(consumer: string): boolean {
    return this.#sql.forget.run(consumer).changes > 0;
  }

  /** The consumer has taken all up to `seq`. A cursor never goes back, nor beyond what there is. */
  advance(consumer: string, seq: number): void {
    const state = this.state(consumer);
    if (state === null) throw new RangeError(`${consumer} is no consumer`);
    if (!Number.isSafeInteger(seq) || seq > this.lastSeq(state.purpose)) {
      throw new OsnmadError("OSN_USAGE", `${seq} was never sent.`);
    }
    this.#sql.advance.run(Math.max(seq, state.seq), this.#now(), consumer);
  }

  failed(consumer: string, error: string): void {
    this.#sql.fail.run(error.slice(0, 500), consumer);
  }

  state(consumer: string): ConsumerState | null {
    const row = this.#sql.cursor.get(consumer);
    return row === undefined ? null : this.#stateOf(row);
  }

  states(): ConsumerState[] {
    return this.#sql.cursors.all().map((row) => this.#stateOf(row));
  }

  /**
   * Lets go of messages before the newest `keep` that all these consumers have taken; without any, of all before those.
   * Returns how many.
   */
  prune(purpose: Purpose, keep: number, holders: readonly string[]): number {
    const taken = holders.map((consumer) => this.state(consumer)?.seq ?? 0);
    return this.#sql.prune.run(NUMBER[purpose], Math.min(this.lastSeq(purpose) - keep, ...taken)).changes;
  }

  /** Called after each `put` that added something; returns how to stop. */
  onPut(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  close(): void {
    this.#database.close();
  }

  #stateOf({
    consumer,
    purpose: number,
    seq,
    failures,
    error,
    taken_ms,
    since_ms,
  }: CursorRow): ConsumerState {
    const purpose: Purpose = number === NUMBER.prover ? "prover" : "federation";
    const backlog = this.lastSeq(purpose) - seq;
    return { consumer, purpose, seq, backlog, failures, error, takenAt: taken_ms, since: since_ms };
  }
}

/** Leaves of the log that were taken into the outbox of a folder, and so told to others; 0 where there is none. */
export function leavesTold(directory: string): number {
  if (!existsSync(join(directory, OUTBOX_FILE))) return 0;
  const outbox = new Outbox({ directory });
  try {
    return Math.max(outbox.taken("federation/leaf"), outbox.taken("prover/leaf"));
  } finally {
    outbox.close();
  }
}

interface CursorRow {
  readonly consumer: string;
  readonly purpose: number;
  readonly seq: number;
  readonly failures: number;
  readonly error: string | null;
  readonly taken_ms: number | null;
  readonly since_ms: number;
}

function statements(database: Database.Database) {
  return {
    known: database
      .prepare<[number, string], number>("SELECT seq FROM message WHERE purpose = ? AND key = ?")
      .pluck(),
    put: database.prepare<[number, number, string, Uint8Array]>("INSERT INTO message VALUES (?, ?, ?, ?)"),
    last: database.prepare<[number], number>("SELECT seq FROM last WHERE purpose = ?").pluck(),
    setLast: database.prepare<[number, number]>("INSERT OR REPLACE INTO last VALUES (?, ?)"),
    taken: database.prepare<[string], number>("SELECT value FROM taken WHERE name = ?").pluck(),
    setTaken: database.prepare<[string, number]>("INSERT OR REPLACE INTO taken VALUES (?, ?)"),
    first: database
      .prepare<[number], number>("SELECT seq FROM message WHERE purpose = ? ORDER BY seq LIMIT 1")
      .pluck(),
    after: database.prepare<[number, number, number], OutboxMessage>(
      "SELECT seq, key, envelope FROM message WHERE purpose = ? AND seq > ? ORDER BY seq LIMIT ?",
    ),
    cursor: database.prepare<[string], CursorRow>("SELECT * FROM cursor WHERE consumer = ?"),
    cursors: database.prepare<[], CursorRow>("SELECT * FROM cursor ORDER BY consumer"),
    newCursor: database.prepare<[string, number, number, number]>(
      "INSERT INTO cursor VALUES (?, ?, ?, 0, NULL, NULL, ?)",
    ),
    forget: database.prepare<[string]>("DELETE FROM cursor WHERE consumer = ?"),
    advance: database.prepare<[number, number, string]>(
      "UPDATE cursor SET seq = ?, failures = 0, error = NULL, taken_ms = ? WHERE consumer = ?",
    ),
    fail: database.prepare<[string, string]>(
      "UPDATE cursor SET failures = failures + 1, error = ? WHERE consumer = ?",
    ),
    prune: database.prepare<[number, number]>("DELETE FROM message WHERE purpose = ? AND seq <= ?"),
  };
}

function openFile(path: string, flush: boolean): Database.Database {
  let database: Database.Database | null = null;
  try {
    // It holds places and what opens commitments.
    database = openPrivateFile(path, 5000);
    database.pragma("journal_mode = WAL");
    // What is let go is not to be found in the file.
    database.pragma("secure_delete = ON");
    database.pragma(`synchronous = ${flush ? "FULL" : "OFF"}`);
    claimDatabase(database, path, {
      name: "outbox",
      applicationId: APPLICATION_ID,
      format: FORMAT,
      schema: SCHEMA,
    });
    return database;
  } catch (error) {
    database?.close();
    throw asStoreError(error, path);
  }
}
