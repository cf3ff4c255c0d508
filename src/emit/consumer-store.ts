/**
 * What a reference consumer remembers: everything it took, in order, so that a new start judges it all again and
 * believes no summary; how far each source was read; and the verdicts. Edge: SQLite.
 */
import Database from "better-sqlite3";
import { join } from "node:path";
import { asStoreError } from "../store/faults.js";
import { makeFolder } from "../trust/folder.js";

export const CONSUMER_FILE = "consumer.sqlite";

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS input (id INTEGER PRIMARY KEY, station BLOB NOT NULL, kind INTEGER NOT NULL,
    body BLOB NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS position (source TEXT PRIMARY KEY, seq INTEGER NOT NULL) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS verdict (id INTEGER PRIMARY KEY, station BLOB NOT NULL, type TEXT NOT NULL,
    body TEXT NOT NULL) STRICT;
`;

/**
 * An envelope; a leaf from tiles; the checkpoint that proves the leaves from tiles before it. Before the checkpoint there
 * may be where those leaves begin and the proof that its tree has them, or the root and proof of another history. A
 * cosignature as the station's server gave it: its size, then the line.
 */
export const INPUT = { envelope: 1, leaf: 2, checkpoint: 3, span: 4, fork: 5, cosignature: 6 } as const;

export interface Input {
  readonly station: Uint8Array;
  readonly kind: number;
  readonly body: Uint8Array;
}

export class ConsumerStore {
  readonly #database: Database.Database;
  readonly #path: string;
  readonly #write: (...of: Parameters<ConsumerStore["write"]>) => void;

  /** Throws OSN_STATE_*. */
  constructor(directory: string) {
    const path = join(directory, CONSUMER_FILE);
    this.#path = path;
    try {
      makeFolder(directory);
      this.#database = new Database(path, { timeout: 5000 });
      this.#database.pragma("journal_mode = WAL");
      this.#database.pragma("synchronous = FULL");
      this.#database.exec(SCHEMA);
      this.#write = writerOf(this.#database);
    } catch (error) {
      throw asStoreError(error, path);
    }
  }

  inputs(): IterableIterator<Input> {
    return this.#database.prepare<[], Input>("SELECT station, kind, body FROM input ORDER BY id").iterate();
  }

  position(source: string): number {
    return (
      this.#database
        .prepare<[string], number>("SELECT seq FROM position WHERE source = ?")
        .pluck()
        .get(source) ?? 0
    );
  }

  /** All or none, on disk on return. Throws OSN_STATE_*. */
  write(
    inputs: readonly Input[],
    verdicts: readonly { readonly station: Uint8Array; readonly type: string; readonly body: string }[],
    position: { readonly source: string; readonly seq: number } | null,
  ): void {
    try {
      this.#write(inputs, verdicts, position);
    } catch (error) {
      throw asStoreError(error, this.#path);
    }
  }

  close(): void {
    this.#database.close();
  }
}

function writerOf(database: Database.Database): (...of: Parameters<ConsumerStore["write"]>) => void {
  const input = database.prepare("INSERT INTO input (station, kind, body) VALUES (?, ?, ?)");
  const verdict = database.prepare("INSERT INTO verdict (station, type, body) VALUES (?, ?, ?)");
  const move = database.prepare("INSERT OR REPLACE INTO position VALUES (?, ?)");
  return database.transaction<ConsumerStore["write"]>((inputs, verdicts, position) => {
    for (const { station, kind, body } of inputs) input.run(station, kind, body);
    for (const { station, type, body } of verdicts) verdict.run(station, type, body);
    if (position !== null) move.run(position.source, position.seq);
  }).immediate;
}
