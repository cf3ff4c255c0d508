/**
 * Bytes of a live receiver through recorder, pipeline and store: what an epoch brought is on disk, and so in the
 * streams, before the next bytes are looked at. The same pipeline as in replay; what is live about it is the trusted
 * time handed in with the bytes. Edge.
 */
import type { CommittedRecord, RunRecorder } from "../http/run-recorder.js";
import type { LiveStatus } from "../http/schemas.js";
import { wnOf, towOf } from "../inav/gst.js";
import type { Pipeline, PipelineRecord } from "../pipeline/pipeline.js";
import type { EventRecord, Mode, SummaryRecord } from "../pipeline/records.js";
import { LINE_BROKE, RECEIVER_CHANGED } from "../recorder/format.js";
import { leapSecondWordOf } from "../time/leap-second-word.js";
import type { Arrival, ByteRecorder, TrustedClock } from "./ports.js";

export interface LiveRunOptions {
  readonly mode: Mode;
  readonly makePipeline: (emit: (record: PipelineRecord) => void) => Pipeline;
  readonly recorder: RunRecorder;
  readonly recording: ByteRecorder | null;
  readonly clock: Pick<TrustedClock, "arrival" | "authenticatedLeapSeconds">;
  readonly saveState: (pipeline: Pipeline) => void;
  /** Every record, as it is made. */
  readonly onRecord: (record: CommittedRecord) => void;
  /** Saving the state failed; told each time. */
  readonly onStateFault: (error: unknown) => void;
}

type LineCounts = LiveStatus["line"];

/** Satellites and OSNMA status are stored no more often than this. */
const SNAPSHOT_MS = 1_000;

export class LiveRun {
  readonly #options: LiveRunOptions;
  readonly #pipeline: Pipeline;
  #dirty = false;
  #snapshotAt = Number.NEGATIVE_INFINITY;
  #bytes = 0;
  #epochs = 0;
  #alert = false;
  #ended = false;

  constructor(options: LiveRunOptions) {
    this.#options = options;
    this.#pipeline = options.makePipeline(this.#emit);
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

  /** Another receiver, or one that was started anew: what was known of its clock and ranges is forgotten; keys hold. */
  receiverChanged(): void {
    if (this.#ended) return;
    this.#pipeline.receiverChanged();
    this.#options.recording?.note({ note: RECEIVER_CHANGED });
    if (this.#dirty) this.#commit();
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
  counts(): LineCounts {
    const { framer, epochs } = this.#pipeline;
    const { counts } = framer;
    return {
      bytes: this.#bytes,
      frames: counts.ubxFrames + counts.nmeaSentences + counts.rtcm3Frames,
      skippedBytes: counts.skippedBytes,
      badChecksums: counts.badUbxChecksums + counts.badNmeaChecksums + counts.badRtcm3Crcs,
      pages: this.#pipeline.pages,
      epochs: this.#epochs,
      epochsReceived: epochs?.received ?? 0,
      epochsDropped: epochs?.dropped ?? { beforeTime: 0, notNewer: 0, refused: 0 },
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
