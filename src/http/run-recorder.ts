/**
 * Writes what a run puts out into the store, in batches: a committed transaction costs a sync of the disk, so
 * one a record would be slower than a replay. What is served comes from the store alone, hence never shows a
 * record that is not on disk. What the disk refuses waits in a queue of bounded length and is tried again; a
 * source that can wait does so (`room`), what comes beyond is refused and counted. An edge: it has a clock.
 */
import type { FixEvidence } from "../evidence/bundle.js";
import { OsnmadError } from "../errors.js";
import type {
  Mode,
  OsnmaStatusRecord,
  OutputRecord,
  SatelliteRecord,
  SummaryRecord,
  TimeAssurance,
} from "../pipeline/records.js";
import type { Store } from "../store/store.js";
import type { LiveStatus, StatusRecord } from "./schemas.js";

export interface RecorderOptions {
  readonly mode: Mode;
  /** Name of what is read, without its folder. */
  readonly source: string;
  readonly timeAssurance: TimeAssurance;
  readonly softwareVersion: string;
  /** Records in one transaction, 1 to 10000. */
  readonly batchRecords?: number;
  /** Records that may wait while the disk refuses; at least a batch. */
  readonly queueRecords?: number;
  /** A live run: what to say of receiver, clock and line. Left out for a replay. */
  readonly live?: () => LiveStatus;
  /** Told of records when they are on disk, in order, and not before. Must not throw and must not push. */
  readonly onCommitted?: (records: readonly CommittedRecord[]) => void;
  /** Told once when the store begins to refuse and once when it takes again (null). */
  readonly onFault?: (fault: string | null) => void;
  /** Milliseconds since 1970. */
  readonly now?: () => number;
}

/** 24 800 rows a second were measured with 100 a transaction, 316 with one. */
const DEFAULT_BATCH_RECORDS = 100;
const MAX_BATCH_RECORDS = 10_000;
/** Some ten minutes at a fix a second. */
const DEFAULT_QUEUE_RECORDS = 1000;
/** Between two attempts to write while the disk refuses, and between two looks for what to let go, ms. */
const RETRY_MS = 500;
const PRUNE_INTERVAL_MS = 10_000;

export type CommittedRecord = Exclude<OutputRecord, SummaryRecord>;

interface Queued {
  readonly record: CommittedRecord;
  /** Of a fix. */
  readonly evidence: FixEvidence | null;
}

export class RunRecorder {
  /** Number of the run in the store. */
  readonly runId: number;
  readonly #store: Store;
  readonly #options: RecorderOptions;
  readonly #batchRecords: number;
  readonly #queueRecords: number;
  readonly #now: () => number;
  readonly #startedAtMs: number;
  #pending: Queued[] = [];
  /** Of the fix that comes next. */
  #evidence: FixEvidence | null = null;
  #satellites: readonly SatelliteRecord[] | null = null;
  #osnma: OsnmaStatusRecord | null = null;
  #finished = false;
  #prunedAtMs = Number.NEGATIVE_INFINITY;
  #fault: string | null = null;
  #triedAtMs = Number.NEGATIVE_INFINITY;
  #refused = 0;
  #progress = 0;
  #state: StatusRecord["state"] = "cold";
  #ttfafSeconds: number | null = null;
  readonly #counts = {
    fixes: { "nav-authenticated": 0, corroborated: 0, unverified: 0 },
    events: 0,
    authenticated: 0,
  };

  /** Begins a run in the store. Throws OSN_STATE_UNWRITABLE. */
  constructor(store: Store, options: RecorderOptions) {
    const batchRecords = options.batchRecords ?? DEFAULT_BATCH_RECORDS;
    if (!Number.isInteger(batchRecords)) throw new TypeError("batchRecords: expected an integer");
    if (batchRecords < 1 || batchRecords > MAX_BATCH_RECORDS) {
      throw new RangeError(`batchRecords: 1 to ${MAX_BATCH_RECORDS}`);
    }
    const queueRecords = options.queueRecords ?? Math.max(DEFAULT_QUEUE_RECORDS, batchRecords);
    if (!Number.isInteger(queueRecords)) throw new TypeError("queueRecords: expected an integer");
    if (queueRecords < batchRecords) throw new RangeError("queueRecords: at least a batch");
    this.#queueRecords = queueRecords;
    this.#store = store;
    this.#options = options;
    this.#batchRecords = batchRecords;
    this.#now = options.now ?? Date.now;
    this.#startedAtMs = this.#now();
    this.runId = store.beginRun({
      mode: options.mode,
      source: options.source,
      timeAssurance: options.timeAssurance,
      softwareVersion: options.softwareVersion,
      startedAtMs: this.#startedAtMs,
    });
    store.servedRun = this.runId;
  }

  /**
   * Takes a record; a full batch goes to disk first. A SummaryRecord finishes the run. False where the record was
   * refused, the queue being full because the disk takes nothing: it is counted and lost to the store.
   */
  push(record: OutputRecord): boolean {
    if (record.type === "summary") {
      this.finish(record);
      return true;
    }
    this.#assertOpen();
    if (this.#pending.length >= this.#batchRecords) this.#attempt();
    if (this.#pending.length >= this.#queueRecords) {
      this.#refused += 1;
      if (record.type === "fix") this.#evidence = null;
      return false;
    }
    const evidence = record.type === "fix" ? this.#evidence : null;
    if (record.type === "fix") this.#evidence = null;
    this.#pending.push({ record, evidence });
    return true;
  }

  /** Takes the evidence of the fix that is pushed next; it goes to disk with it. */
  evidence(evidence: FixEvidence): void {
    this.#assertOpen();
    this.#evidence = evidence;
  }

  /** Whether more than a batch waits because the disk refuses: a source that can wait should. */
  get isBehind(): boolean {
    return this.#pending.length >= this.#batchRecords && this.#fault !== null;
  }

  /** Resolves when there is room for what comes, at once where there is; rejects when `signal` aborts. */
  async room(signal: AbortSignal): Promise<void> {
    while (this.isBehind) {
      signal.throwIfAborted();
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS / 5));
      this.#attempt();
    }
  }

  /** Takes the newest state of all satellites; written at the next flush. */
  satellites(satellites: readonly SatelliteRecord[]): void {
    this.#assertOpen();
    this.#satellites = [...satellites];
  }

  /** Takes the newest OSNMA status; written at the next flush. */
  osnma(status: OsnmaStatusRecord): void {
    this.#assertOpen();
    this.#osnma = status;
    this.#state = status.state;
  }

  /** Takes the time to first authenticated fix as soon as it is known. */
  ttfaf(seconds: number): void {
    if (!(seconds >= 0)) throw new RangeError("seconds: at least 0");
    this.#ttfafSeconds = seconds;
  }

  /** Takes how much of the replay is done, 0 to 1. */
  progress(fraction: number): void {
    if (typeof fraction !== "number") throw new TypeError("fraction: expected a number");
    if (!(fraction >= 0 && fraction <= 1)) throw new RangeError("fraction: 0 to 1");
    this.#progress = fraction;
  }

  /** Puts all that waits on disk. Throws OSN_STATE_UNWRITABLE, and then still holds it. */
  flush(): void {
    if (this.#pending.length > 0 || this.#satellites !== null || this.#osnma !== null) {
      this.#commit(() => {
        this.#writePending();
      });
    }
    this.#prune();
  }

  /** As `flush`, but a disk that refuses is told to `onFault` instead of thrown; true where all is on disk. */
  tryFlush(): boolean {
    try {
      this.flush();
      return true;
    } catch (error) {
      if (error instanceof OsnmadError && error.code === "OSN_STATE_UNWRITABLE") return false;
      throw error;
    }
  }

  /** Writes the rest and the summary (null where the run was cut off). A later summary replaces it. */
  finish(summary: SummaryRecord | null): void {
    this.#commit(() => {
      this.#writePending();
      this.#store.runs.finish(this.runId, this.#now(), summary);
    });
    this.#prune();
    this.#finished = true;
    if (summary === null) return;
    this.#progress = 1;
    this.#state = summary.state;
    this.#ttfafSeconds = summary.ttfafSeconds;
  }

  /** Takes the run out of the store again: for one that failed before it brought anything. */
  discard(): void {
    this.#finished = true;
    this.#pending = [];
    this.#settle();
    this.#store.removeRun(this.runId);
    this.#store.servedRun = null;
  }

  /** Whether anything was recorded. */
  get isEmpty(): boolean {
    const { fixes, events, authenticated } = this.#counts;
    const written =
      fixes["nav-authenticated"] + fixes.corroborated + fixes.unverified + events + authenticated;
    return written + this.#pending.length === 0;
  }

  /** The run as `/v1/status` shows it; counts are of what is on disk. */
  status(): StatusRecord {
    const { mode, source, timeAssurance, softwareVersion } = this.#options;
    return {
      software: "osnmad",
      version: softwareVersion,
      mode,
      run: this.runId,
      source,
      timeAssurance,
      state: this.#state,
      ttfafSeconds: this.#ttfafSeconds,
      counts: { ...this.#counts, fixes: { ...this.#counts.fixes } },
      queue: { waiting: this.#pending.length, refused: this.#refused },
      replay:
        this.#options.live !== undefined ? null : { progress: this.#progress, finished: this.#finished },
      live: this.#options.live?.() ?? null,
      startedAt: new Date(this.#startedAtMs).toISOString(),
    };
  }

  /** A flush, unless one failed just now: a disk that refuses is not asked with every record. */
  #attempt(): void {
    if (this.#fault !== null && performance.now() - this.#triedAtMs < RETRY_MS) return;
    this.tryFlush();
  }

  /** One transaction, after which nothing waits. */
  #commit(work: () => void): void {
    this.#triedAtMs = performance.now();
    try {
      this.#store.write(work);
    } catch (error) {
      if (error instanceof OsnmadError) this.#setFault(error.message);
      throw error;
    }
    this.#setFault(null);
    this.#settle();
  }

  #setFault(fault: string | null): void {
    const changed = (fault === null) !== (this.#fault === null);
    this.#fault = fault;
    if (changed) this.#options.onFault?.(fault);
  }

  /**
   * One step of retention, and the next ones with the next flushes while there is more. Not before the run brought
   * something: a capture that cannot be read must not cost an old run.
   */
  #prune(): void {
    if (this.isEmpty || performance.now() - this.#prunedAtMs < PRUNE_INTERVAL_MS) return;
    try {
      if (!this.#store.pruneSome()) this.#prunedAtMs = performance.now();
    } catch (error) {
      // What is to be written next says so as well, and is what counts.
      if (!(error instanceof OsnmadError)) throw error;
    }
  }

  #assertOpen(): void {
    if (this.#finished) throw new Error("The run is finished.");
  }

  #writePending(): void {
    for (const { record, evidence } of this.#pending) {
      switch (record.type) {
        case "fix":
          this.#store.fixes.append(this.runId, record, evidence);
          break;
        case "event":
          this.#store.events.append(this.runId, record);
          break;
        case "authenticated":
          this.#store.authenticated.append(this.runId, record);
          break;
      }
    }
    if (this.#satellites !== null) this.#store.state.putSatellites(this.runId, this.#satellites);
    if (this.#osnma !== null) this.#store.state.putOsnma(this.runId, this.#osnma);
  }

  #settle(): void {
    for (const { record } of this.#pending) {
      if (record.type === "fix") this.#counts.fixes[record.assurance] += 1;
      else if (record.type === "event") this.#counts.events += 1;
      else this.#counts.authenticated += 1;
    }
    const committed = this.#pending;
    this.#pending = [];
    this.#satellites = null;
    this.#osnma = null;
    const { onCommitted } = this.#options;
    if (committed.length > 0) onCommitted?.(committed.map(({ record }) => record));
  }
}
