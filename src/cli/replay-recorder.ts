/**
 * A run's recorder as the sink of a replay: makes the evidence of each fix, and writes both. On the side of the store,
 * because that thread has the less to do (docs/hot-paths.md).
 */
import { EvidenceBuilder, type EvidenceParts } from "../evidence/bundle.js";
import type { RunRecorder } from "../http/run-recorder.js";
import type { OsnmaStatusRecord, SatelliteRecord } from "../pipeline/records.js";
import type { ReplayRecord, ReplaySink } from "./replay-into.js";

export class ReplayRecorder implements ReplaySink {
  readonly #recorder: RunRecorder;
  readonly #builder = new EvidenceBuilder();

  constructor(recorder: RunRecorder) {
    this.#recorder = recorder;
  }

  push(record: ReplayRecord, parts: EvidenceParts | null): void {
    if (record.type !== "fix" || parts === null) {
      this.#recorder.push(record);
      return;
    }
    const evidence = this.#builder.build(record, parts);
    this.#recorder.evidence(evidence);
    this.#recorder.push({ ...record, evidence: evidence.root });
  }

  satellites(satellites: readonly SatelliteRecord[]): void {
    this.#recorder.satellites(satellites);
  }

  osnma(status: OsnmaStatusRecord): void {
    this.#recorder.osnma(status);
  }

  ttfaf(seconds: number): void {
    this.#recorder.ttfaf(seconds);
  }

  progress(fraction: number): void {
    this.#recorder.progress(fraction);
  }

  room(signal: AbortSignal): Promise<void> {
    return this.#recorder.room(signal);
  }
}
