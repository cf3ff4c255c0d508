/** A capture through the whole pipeline into a recorder: what `serve --replay` does, on a thread of its own or not. */
import type { EvidenceParts } from "../evidence/bundle.js";
import { fixesWith } from "../fix/fix-stage.js";
import type { Pipeline } from "../pipeline/pipeline.js";
import type { OsnmaStatusRecord, OutputRecord, SatelliteRecord, SummaryRecord } from "../pipeline/records.js";
import type { Policy } from "../watch/policy.js";
import { evidencePartsOf } from "./evidence-parts.js";
import { positionOptions, type PositionFlags } from "./position-options.js";
import { runReplay } from "./replay-run.js";
import type { StartMaterial, TrustFlags } from "./trust-options.js";
import { SOFTWARE_VERSION } from "./version.js";

/** Small enough that a request is answered, or an end is heard of, between two pieces. */
const CHUNK_BYTES = 32 * 1024;
const SNAPSHOT_MS = 500;

export type ReplayRecord = Exclude<OutputRecord, SummaryRecord>;

/** What a replay writes into. */
export interface ReplaySink {
  /** `parts`: what the evidence of a fix is made of, null where it has none; the sink makes it, and gives the fix its id. */
  push(record: ReplayRecord, parts: EvidenceParts | null): void;
  satellites(satellites: readonly SatelliteRecord[]): void;
  osnma(status: OsnmaStatusRecord): void;
  ttfaf(seconds: number): void;
  /** How much of the capture is read, 0 to 1. */
  progress(fraction: number): void;
  /** Resolves when there is room for what comes; rejects when `signal` aborts. */
  room(signal: AbortSignal): Promise<void>;
  /** Resolves when all of it was taken, where that is somebody else's to say. */
  settled?(): Promise<void>;
}

export interface ReplayInput {
  readonly capture: string;
  readonly material: StartMaterial;
  readonly flags: Pick<TrustFlags, "state" | "rule" | "minTagBits"> &
    PositionFlags & { readonly policy: Policy };
}

/**
 * Reads the capture to its end. Rejects with an OsnmadError for a capture or an option it cannot use, and soon after
 * `signal` aborted.
 */
export async function replayInto(
  { capture, material, flags }: ReplayInput,
  sink: ReplaySink,
  signal: AbortSignal,
): Promise<SummaryRecord> {
  const mode = material.simulated ? "simulated" : "replay";
  const position = await positionOptions(flags);
  signal.throwIfAborted();
  if (capture === "-") {
    signal.addEventListener("abort", () => {
      process.stdin.destroy();
    });
  }
  /** Of the fix that comes next. */
  let parts: EvidenceParts | null = null;
  let latest: Pipeline | null = null;
  let snapshotAt = Number.NEGATIVE_INFINITY;
  const snapshot = (pipeline: Pipeline): void => {
    sink.osnma(pipeline.engine.status());
    sink.satellites(pipeline.satellites());
    const ttfaf = pipeline.ttfafSeconds;
    if (ttfaf !== null) sink.ttfaf(ttfaf);
    snapshotAt = performance.now();
  };
  const summary = await runReplay(
    {
      capture,
      material,
      speed: "max",
      stateDir: flags.state,
      chunkBytes: CHUNK_BYTES,
      pipeline: {
        mode,
        rule: flags.rule,
        minimumTagBits: flags.minTagBits,
        fixes: fixesWith({
          mode,
          softwareVersion: SOFTWARE_VERSION,
          policy: flags.policy,
          ...position,
          evidence: (_, inputs) => {
            parts = evidencePartsOf(inputs);
            return null;
          },
        }),
        softwareVersion: SOFTWARE_VERSION,
      },
      onProgress: async (fraction, pipeline) => {
        latest = pipeline;
        if (fraction !== null) sink.progress(fraction);
        if (performance.now() - snapshotAt > SNAPSHOT_MS) snapshot(pipeline);
        await new Promise((resolve) => setImmediate(resolve));
        // On a full disk the replay waits: nothing that was accepted is lost.
        await sink.room(signal);
        signal.throwIfAborted();
      },
      beforeState: () => sink.settled?.(),
    },
    (record) => {
      if (record.type === "tag" || record.type === "summary") return;
      sink.push(record, record.type === "fix" ? parts : null);
      if (record.type === "fix") parts = null;
    },
  );
  if (latest !== null) snapshot(latest);
  return summary;
}
