/**
 * What a witness remembers, and its decision about a checkpoint (c2sp.org/tlog-witness). The newest size of every log
 * is on disk before anything is signed for it; what contradicts is kept as evidence. Anybody may send what a station
 * published, so nothing is kept but what the station itself signed. Edge: SQLite.
 */
import type Database from "better-sqlite3";
import { OsnmadError } from "../errors.js";
import {
  MAX_REQUEST_BYTES,
  parseAddCheckpoint,
  SIZE_TYPE,
  type AddCheckpoint,
} from "../station/add-checkpoint.js";
import { parseCheckpoint, signerOf, type Checkpoint } from "../station/checkpoint.js";
import { bytesEqual, EMPTY_ROOT, verifyConsistency } from "../station/merkle.js";
import { ED25519, formatNote, isSignedBy, signaturesBy, type VerifierKey } from "../station/note.js";
import { asStoreError } from "../store/faults.js";
import {
  openWitnessDatabase,
  PUT_EVIDENCE,
  type ClockChange,
  type Evidence,
  type EvidenceKind,
  type Known,
} from "./database.js";

export type { ClockChange, Evidence, EvidenceKind } from "./database.js";

/** Signed sizes of a log that are remembered behind the newest: a week of a station's leaves. */
const KEPT_SIZES = 20_160;
/**
 * Evidence kept of a log and kind. Forks: the first ones; a station that lies more often is known by then. Unproven
 * growth, which others can cause with what the station signed honestly: the newest ones.
 */
const KEPT_EVIDENCE = 100;
/** What is signed of a checkpoint; a week of the longest is some 80 MB. */
const MAX_TEXT_BYTES = 4096;
/** A clock so much further than the last time signed is more likely wrong than right. */
const MAX_AHEAD_SECONDS = 30 * 86_400;

export type Decision =
  | { readonly status: 200; readonly text: string; readonly timestamp: number }
  | { readonly status: 400 | 403 | 404 | 409 | 422 | 503; readonly body: string; readonly type: string };

const PLAIN = "text/plain; charset=utf-8";

export class WitnessBook {
  readonly #database: Database.Database;
  /** By origin: the keys that count, that in force first, those that may follow it behind. */
  readonly #keys = new Map<string, readonly VerifierKey[]>();
  readonly #sql: ReturnType<typeof statements>;

  /**
   * `keys` are those of the logs to witness; several of one name are a log that rotates its key, in the order in which
   * they came or will come into force.
   */
  constructor(directory: string, keys: readonly VerifierKey[]) {
    const wrong = keys.find(({ type }) => type !== ED25519);
    if (wrong !== undefined)
      throw new OsnmadError("OSN_USAGE", `The key of ${wrong.name} is not one that a log signs with.`);
    this.#database = openWitnessDatabase(directory);
    this.#sql = statements(this.#database);
    for (const { name } of keys) {
      this.#keys.set(
        name,
        this.#inOrder(
          name,
          keys.filter((key) => key.name === name),
        ),
      );
    }
  }

  /** Judges a request at `now`, Unix seconds. On 200 the new size is on disk, and the text is to be cosigned. */
  add(body: string, now: number): Decision {
    const request = parseAddCheckpoint(body);
    if (request === null) return refusal(400, "no add-checkpoint request");
    const { checkpoint, oldSize } = request;
    const keys = this.#keys.get(checkpoint.origin);
    if (keys === undefined) return refusal(404, "unknown log");
    if (signerOf(checkpoint, keys) === null)
      return refusal(403, "no signature by a key of this log that is in force");
    if (Buffer.byteLength(checkpoint.note.text) > MAX_TEXT_BYTES)
      return refusal(400, `the text of a checkpoint has at most ${MAX_TEXT_BYTES} bytes`);
    if (oldSize > checkpoint.size) return refusal(400, "the old size is above the checkpoint's");
    try {
      // Looking and writing are one transaction, so that two requests at once cannot both be the next.
      const decision = this.#database.transaction(() => this.#decide(request, keys, now)).immediate();
      if (decision.status === 200) this.#keys.set(checkpoint.origin, this.#inOrder(checkpoint.origin, keys));
      return decision;
    } catch (error) {
      throw asStoreError(error, "the witness's database");
    }
  }

  #decide(
    { checkpoint, oldSize, proof }: AddCheckpoint,
    keys: readonly VerifierKey[],
    now: number,
  ): Decision {
    const { origin, size, root } = checkpoint;
    const signers = keys.filter((key) => isSignedBy(checkpoint.note, key));
    const note = ownNote(checkpoint, signers);
    const newest = this.#sql.log.get(origin);
    const known = this.#sql.seen.get(origin, size) ?? (newest?.size === size ? newest : undefined);
    if (known !== undefined && !bytesEqual(known.root, root)) {
      this.#keep("fork", checkpoint, now, known.note, note);
      // Of one size the document asks for 409 too; the size says that there is nothing to gain by asking again.
      return conflict(newest!.size);
    }
    if (size === 0 && !bytesEqual(root, EMPTY_ROOT)) return refusal(422, "an empty tree has another root");
    if (oldSize !== (newest?.size ?? 0)) return conflict(newest?.size ?? 0);
    if (newest !== undefined && !verifyConsistency(newest.size, size, newest.root, root, proof)) {
      // The checkpoint of the newest size with a wrong proof says nothing of the station.
      if (size > newest.size) this.#keep("unproven", checkpoint, now, newest.note, note);
      return refusal(422, "the consistency proof does not hold");
    }
    if (newest === undefined && proof.length > 0) return refusal(422, "from size 0 the proof is empty");
    const wrong = this.#clockFault(now);
    if (wrong !== null) return refusal(503, wrong);
    this.#sql.putTime.run(now);
    const latest = keys.lastIndexOf(signers.at(-1)!);
    for (const { publicKey } of keys.slice(0, latest)) this.#sql.retire.run(origin, publicKey);
    // Also where only the key is later: the note tells which one is in force.
    this.#sql.putLog.run(origin, size, root, note);
    this.#sql.putSeen.run(origin, size, root, note, now);
    this.#sql.forget.run(origin, size - KEPT_SIZES);
    this.#settleUnproven(checkpoint, now, note);
    return { status: 200, text: checkpoint.note.text, timestamp: now };
  }

  /** Why this time cannot be signed; null where it can. */
  #clockFault(now: number): string | null {
    const before = this.#sql.newestTime.get();
    if (before === undefined) return null;
    // A clock that went back would stamp a time that was over: better none.
    if (now < before) return "this witness's clock is behind a time that it signed; try again later";
    // And one that went ahead would leave none to stamp until then.
    if (now - before > MAX_AHEAD_SECONDS)
      return "this witness's clock is far ahead of the last time that it signed; its operator has to look";
    return null;
  }

  /** Why nothing can be signed at `now` until the operator accepts the clock; null where it can. */
  clockFault(now: number): string | null {
    return this.#clockFault(now);
  }

  /** The operator says that this machine's clock is right, whatever was signed before. It is kept, and published. */
  acceptClock(now: number): void {
    const before = this.#sql.newestTime.get();
    if (before === undefined || this.#clockFault(now) === null) return;
    this.#database
      .transaction(() => {
        this.#sql.putClockChange.run(before, now);
        this.#sql.putTime.run(now);
      })
      .immediate();
  }

  clockChanges(): ClockChange[] {
    return this.#sql.clockChanges.all();
  }

  /** The newest checkpoint that was cosigned of a log, with its own signatures; null where there is none. */
  newest(origin: string): string | null {
    return this.#sql.log.get(origin)?.note ?? null;
  }

  /** What was cosigned of a size, and when first; null where that is not known (any more). */
  cosigned(origin: string, size: number): { readonly text: string; readonly timestamp: number } | null {
    const seen = this.#sql.seen.get(origin, size);
    const checkpoint = seen === undefined ? null : parseCheckpoint(seen.note);
    return checkpoint === null ? null : { text: checkpoint.note.text, timestamp: seen!.timestamp };
  }

  logs(): { readonly origin: string; readonly size: number }[] {
    return this.#sql.logs.all();
  }

  /** Whether a key no longer counts, since a later one of its log was cosigned. */
  isRetired({ name, publicKey }: VerifierKey): boolean {
    return this.#sql.retired.all(name).some((retired) => bytesEqual(retired, publicKey));
  }

  evidence(): Evidence[] {
    return this.#sql.evidence.all();
  }

  close(): void {
    this.#database.close();
  }

  /** Without the retired ones; that which signed the newest checkpoint goes before all that did not. */
  #inOrder(origin: string, keys: readonly VerifierKey[]): readonly VerifierKey[] {
    const left = keys.filter((key) => !this.isRetired(key));
    const stored = this.#sql.log.get(origin)?.note;
    const newest = stored === undefined ? null : parseCheckpoint(stored);
    const signed = left.filter((key) => newest !== null && isSignedBy(newest.note, key));
    return [...signed, ...left.filter((key) => !signed.includes(key))];
  }

  #keep(
    kind: EvidenceKind,
    { origin, size, root }: Checkpoint,
    now: number,
    known: string,
    note: string,
  ): void {
    const before = this.#sql.evidenceCount.get(origin, kind)!;
    if (before >= KEPT_EVIDENCE && kind === "fork") return;
    const { changes } = this.#sql.putEvidence.run(origin, kind, size, root, now, known, note);
    if (changes > 0 && before >= KEPT_EVIDENCE) this.#sql.forgetOldestEvidence.run(origin, kind);
  }

  /** A proven checkpoint clears itself, and shows another root of its size to be a fork. */
  #settleUnproven(checkpoint: Checkpoint, now: number, note: string): void {
    const { origin, size, root } = checkpoint;
    for (const unproven of this.#sql.unproven.all(origin, size)) {
      if (bytesEqual(unproven.root, root)) continue;
      this.#keep("fork", { ...checkpoint, root: unproven.root }, now, note, unproven.submitted);
    }
    this.#sql.dropUnproven.run(origin, size);
  }
}

export const MAX_BODY_BYTES = MAX_REQUEST_BYTES;

/** The text with one signature of each of the log's keys, and nobody else's. */
function ownNote({ note }: Checkpoint, signers: readonly VerifierKey[]): string {
  return formatNote({ text: note.text, signatures: signers.map((key) => signaturesBy(note, key)[0]) });
}

function refusal(status: 400 | 403 | 404 | 422 | 503, why: string): Decision {
  return { status, body: `${why}\n`, type: PLAIN };
}

function conflict(size: number): Decision {
  return { status: 409, body: `${size}\n`, type: SIZE_TYPE };
}

function statements(database: Database.Database) {
  const plucked = <R, P extends unknown[]>(sql: string) =>
    database.prepare<P, R>(sql).pluck() as {
      get(...parameters: P): R | undefined;
      all(...parameters: P): R[];
    };
  return {
    log: database.prepare<[string], Known>("SELECT size, root, note FROM log WHERE origin = ?"),
    logs: database.prepare<[], { origin: string; size: number }>(
      "SELECT origin, size FROM log ORDER BY origin",
    ),
    putLog: database.prepare("INSERT OR REPLACE INTO log (origin, size, root, note) VALUES (?, ?, ?, ?)"),
    seen: database.prepare<[string, number], Known & { readonly timestamp: number }>(
      "SELECT size, root, note, timestamp FROM seen WHERE origin = ? AND size = ?",
    ),
    // The first time that a size was cosigned stays.
    putSeen: database.prepare(
      "INSERT OR IGNORE INTO seen (origin, size, root, note, timestamp) VALUES (?, ?, ?, ?, ?)",
    ),
    forget: database.prepare("DELETE FROM seen WHERE origin = ? AND size < ?"),
    retired: plucked<Uint8Array, [string]>("SELECT key FROM retired WHERE origin = ?"),
    retire: database.prepare("INSERT OR IGNORE INTO retired (origin, key) VALUES (?, ?)"),
    newestTime: plucked<number, []>("SELECT newest FROM clock"),
    putTime: database.prepare("INSERT OR REPLACE INTO clock (one, newest) VALUES (1, ?)"),
    clockChanges: database.prepare<[], ClockChange>("SELECT before, after FROM clock_change ORDER BY seq"),
    putClockChange: database.prepare("INSERT INTO clock_change (before, after) VALUES (?, ?)"),
    evidence: database.prepare<[], Evidence>(
      "SELECT origin, kind, timestamp, known, submitted FROM evidence ORDER BY seq",
    ),
    evidenceCount: plucked<number, [string, string]>(
      "SELECT count(*) FROM evidence WHERE origin = ? AND kind = ?",
    ),
    putEvidence: database.prepare(PUT_EVIDENCE),
    forgetOldestEvidence: database.prepare(
      "DELETE FROM evidence WHERE seq = (SELECT min(seq) FROM evidence WHERE origin = ? AND kind = ?)",
    ),
    unproven: database.prepare<[string, number], { root: Uint8Array; submitted: string }>(
      "SELECT root, submitted FROM evidence WHERE origin = ? AND kind = 'unproven' AND size = ?",
    ),
    dropUnproven: database.prepare(
      "DELETE FROM evidence WHERE origin = ? AND kind = 'unproven' AND size = ?",
    ),
  };
}
