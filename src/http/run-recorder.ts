/**
 * Writes what a run puts out into the store, in batches: a committed transaction costs a sync of the disk, so
 * one a record would be slower than a replay. What is served comes from the store alone, hence never shows a
 * record that is not on disk. An edge: it has a clock.
 */
import type {
  Mode,
  OsnmaStatusRecord,
  OutputRecord,
  SatelliteRecord,
  SummaryRecord,
  TimeAssurance,
} from "../pipeline/records.js";
import type { Store } from "../store/store.js";
import type { StatusRecord } from "./schemas.js";

export interface RecorderOptions {
  readonly mode: Mode;
  /** Name of what is read, without its folder. */
  readonly source: string;
  readonly timeAssurance: TimeAssurance;
  readonly softwareVersion: string;
  /** Records in one transaction, 1 to 10000; also how many may wait when the disk refuses. */
  readonly batchRecords?: number;
  /** Milliseconds since 1970. */
  readonly now?: () => number;
}

/** 24 800 rows a second were measured with 100 a transaction, 316 with one. */
const DEFAULT_BATCH_RECORDS = 100;
const MAX_BATCH_RECORDS = 10_000;

export class RunRecorder {
  /** Number of the run in the store. */
  readonly runId: number;
  readonly #store: Store;
  readonly #options: RecorderOptions;
  readonly #batchRecords: number;
  readonly #now: () => number;
  readonly #startedAtMs: number;
  #pending: Exclude<OutputRecord, SummaryRecord>[] = [];
  #satellites: readonly SatelliteRecord[] | null = null;
  #osnma: OsnmaStatusRecord | null = null;
  #finished = false;
  #pruned = false;
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
  }

  /**
   * Takes a record; a full batch goes to disk first. A SummaryRecord finishes the run. Throws
   * OSN_STATE_UNWRITABLE where the batch cannot be written: it is kept and the record not taken, so the call can
   * be repeated.
   */
  push(record: OutputRecord): void {
    if (record.type === "summary") {
      this.finish(record);
      return;
    }
    this.#assertOpen();
    if (this.#pending.length >= this.#batchRecords) this.flush();
    this.#pending.push(record);
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
    if (this.#pending.length === 0 && this.#satellites === null && this.#osnma === null) return;
    this.#store.write(() => this.#writePending());
    this.#settle();
    this.#prune();
  }

  /** Writes the rest and the summary (null where the run was cut off). A later summary replaces it. */
  finish(summary: SummaryRecord | null): void {
    this.#store.write(() => {
      this.#writePending();
      this.#store.runs.finish(this.runId, this.#now(), summary);
    });
    this.#settle();
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
    this.#settle();
    this.#store.removeRun(this.runId);
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
      replay: mode === "live" ? null : { progress: this.#progress, finished: this.#finished },
      startedAt: new Date(this.#startedAtMs).toISOString(),
    };
  }

  /** Once, and not before the run brought something: a capture that cannot be read must not cost an old run. */
  #prune(): void {
    if (this.#pruned) return;
    this.#store.prune();
    this.#pruned = true;
  }

  #assertOpen(): void {
    if (this.#finished) throw new Error("The run is finished.");
  }

  #writePending(): void {
    for (const record of this.#pending) {
      switch (record.type) {
        case "fix":
          this.#store.fixes.append(this.runId, record);
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
    for (const record of this.#pending) {
      if (record.type === "fix") this.#counts.fixes[record.assurance] += 1;
      else if (record.type === "event") this.#counts.events += 1;
      else this.#counts.authenticated += 1;
    }
    this.#pending = [];
    this.#satellites = null;
    this.#osnma = null;
  }
}
