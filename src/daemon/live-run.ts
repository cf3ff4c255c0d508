/**
 * Bytes of a live receiver through recorder, pipeline and store: what an epoch brought is on disk, and so in the
 * streams, before the next bytes are looked at. The same pipeline as in replay; what is live about it is the trusted
 * time handed in with the bytes. Edge.
 */
import type { CommittedRecord, RunRecorder } from "../http/run-recorder.js";
import { wnOf, towOf } from "../inav/gst.js";
import type { Pipeline, PipelineRecord } from "../pipeline/pipeline.js";
import type { EventRecord, Mode, SummaryRecord } from "../pipeline/records.js";
import { LINE_BROKE } from "../recorder/format.js";
import { leapSecondWordOf } from "../time/leap-second-word.js";
import type { Arrival, ByteRecorder, TrustedClock } from "./ports.js";

export interface LiveRunOptions {
  readonly mode: Mode;
  /** Makes the pipeline; given the engine's state of the one before where another receiver takes over. */
  readonly makePipeline: (
    emit: (record: PipelineRecord) => void,
    snapshot: ReturnType<Pipeline["engine"]["snapshot"]> | null,
  ) => Pipeline;
  readonly recorder: RunRecorder;
  readonly recording: ByteRecorder | null;
  readonly clock: Pick<TrustedClock, "arrival" | "authenticatedLeapSeconds">;
  readonly saveState: (pipeline: Pipeline) => void;
  /** Every record, as it is made. */
  readonly onRecord: (record: CommittedRecord) => void;
  /** Saving the state failed; told each time. */
  readonly onStateFault: (error: unknown) => void;
}

/** Satellites and OSNMA status are stored no more often than this. */
const SNAPSHOT_MS = 1_000;

/** Bytes that no pipeline of this run counts any more. */
interface PastCounts {
  frames: number;
  skippedBytes: number;
  badChecksums: number;
  pages: number;
}

export class LiveRun {
  readonly #options: LiveRunOptions;
  #pipeline: Pipeline;
  #dirty = false;
  #snapshotAt = Number.NEGATIVE_INFINITY;
  #bytes = 0;
  #epochs = 0;
  #alert = false;
  #ended = false;
  readonly #past: PastCounts = { frames: 0, skippedBytes: 0, badChecksums: 0, pages: 0 };

  constructor(options: LiveRunOptions) {
    this.#options = options;
    this.#pipeline = options.makePipeline(this.#emit, null);
    this.#alert = this.#pipeline.engine.alertVerified;
  }

  get pipeline(): Pipeline {
    return this.#pipeline;
  }

  /** Takes in bytes as they came. */
  push(chunk: Uint8Array): void {
    if (this.#ended) return;
    const { clock, recording } = this.#options;
    const arrival: Arrival = clock.arrival();
    recording?.write(chunk, arrival);
    this.#bytes += chunk.length;
    this.#pipeline.push(chunk, arrival.trusted);
    if (this.#dirty) this.#commit();
    if (!this.#alert && this.#pipeline.engine.alertVerified) {
      this.#alert = true;
      this.saveState();
    }
  }

  /** The line broke. */
  lineBroke(): void {
    if (this.#ended) return;
    this.#pipeline.lineBroke();
    // A replay of the recording ends its unfinished frame here as well.
    this.#options.recording?.note({ note: LINE_BROKE });
    if (this.#dirty) this.#commit();
  }

  /** An event of the line, the clock or the daemon itself. `gst` as the trusted clock says, if it does. */
  event(event: Omit<EventRecord, "type" | "wn" | "tow" | "at">): void {
    if (this.#ended) return;
    const gst = this.#options.clock.arrival().trusted?.gst ?? null;
    const at = gst === null ? null : Math.round(gst * 1000) / 1000;
    this.#emit({
      type: "event",
      wn: at === null ? null : wnOf(at),
      tow: at === null ? null : Math.floor(towOf(at)),
      at,
      ...event,
    } as EventRecord);
    this.#commit();
  }

  /** Another receiver: what was learnt of the old one's clock and ranges says nothing about it; keys still hold. */
  newReceiver(): void {
    if (this.#ended) return;
    const old = this.#pipeline;
    old.end();
    const { frames, skippedBytes, badChecksums, pages } = countsOf(old);
    this.#past.frames += frames;
    this.#past.skippedBytes += skippedBytes;
    this.#past.badChecksums += badChecksums;
    this.#past.pages += pages;
    this.#pipeline = this.#options.makePipeline(this.#emit, old.engine.snapshot());
    this.#commit();
  }

  /** Commits what waits, without bytes: for a timer. */
  idle(): void {
    if (!this.#ended) this.#commit();
  }

  saveState(): void {
    try {
      this.#options.saveState(this.#pipeline);
    } catch (error) {
      this.#options.onStateFault(error);
    }
  }

  /** Ends the run: what waits is decided, stored and saved. */
  end(): SummaryRecord {
    const summary = this.#pipeline.end();
    this.#snapshot();
    this.#ended = true;
    this.saveState();
    return summary;
  }

  /** What arrived; every byte is of a frame or skipped, but for an unfinished frame. */
  counts(): PastCounts & { readonly bytes: number; readonly epochs: number } {
    const now = countsOf(this.#pipeline);
    return {
      bytes: this.#bytes,
      frames: this.#past.frames + now.frames,
      skippedBytes: this.#past.skippedBytes + now.skippedBytes,
      badChecksums: this.#past.badChecksums + now.badChecksums,
      pages: this.#past.pages + now.pages,
      epochs: this.#epochs,
    };
  }

  readonly #emit = (record: PipelineRecord): void => {
    if (record.type === "tag" || record.type === "summary") return;
    if (record.type === "fix") this.#epochs++;
    this.#dirty = true;
    this.#options.recorder.push(record);
    this.#options.onRecord(record);
    // A simulation's sky says nothing about the world's leap seconds.
    const word = this.#options.mode === "live" ? leapSecondWordOf(record) : null;
    if (word !== null) this.#options.clock.authenticatedLeapSeconds(word);
  };

  #commit(): void {
    this.#dirty = false;
    if (performance.now() - this.#snapshotAt > SNAPSHOT_MS) this.#snapshot();
    this.#options.recorder.tryFlush();
  }

  #snapshot(): void {
    const { recorder } = this.#options;
    const { engine } = this.#pipeline;
    recorder.osnma(engine.status());
    recorder.satellites(this.#pipeline.satellites());
    const ttfaf = this.#pipeline.ttfafSeconds;
    if (ttfaf !== null) recorder.ttfaf(ttfaf);
    this.#snapshotAt = performance.now();
  }
}

function countsOf(pipeline: Pipeline): PastCounts {
  const { counts } = pipeline.framer;
  return {
    frames: counts.ubxFrames + counts.nmeaSentences + counts.rtcm3Frames,
    skippedBytes: counts.skippedBytes,
    badChecksums: counts.badUbxChecksums + counts.badNmeaChecksums + counts.badRtcm3Crcs,
    pages: pipeline.pages,
  };
}
