/** Runs a capture through the pipeline: the one way that `replay` and `serve --replay` share. */
import { OsnmadError } from "../errors.js";
import { Pipeline, type PipelineOptions, type PipelineRecord } from "../pipeline/pipeline.js";
import type { SummaryRecord } from "../pipeline/records.js";
import { damageOf, openCapture } from "../source/capture-file.js";
import { LINE_BROKE, RECEIVER_CHANGED } from "../recorder/format.js";
import { saveState } from "../trust/state-store.js";
import type { StartMaterial, StoredState } from "./trust-options.js";

export type Timeline = "recorded" | "capture";

/** What the time condition of a replay ran on; `none` where the recorded run had no trusted time at any moment. */
export type TimelineUsed = Timeline | "none";

/** Capture time per wall time, or as fast as it goes. */
export type Speed = number | "max";

export interface ReplayRunOptions {
  readonly capture: string;
  readonly material: StartMaterial;
  readonly pipeline: Omit<PipelineOptions, "roots" | "keys" | "rootKey" | "snapshot">;
  readonly speed: Speed;
  readonly stateDir?: string | undefined;
  readonly chunkBytes?: number | undefined;
  /** Whose clock a recording is replayed on: the trusted time it kept (default), or its own timeline. */
  readonly timeline?: Timeline | undefined;
  /** Called at the end: what the time condition ran on. A plain capture has its own timeline only. */
  readonly onTimeline?: (timeline: TimelineUsed) => void;
  /** Called after each chunk with the fraction read (null for a pipe). */
  readonly onProgress?: (fraction: number | null, pipeline: Pipeline) => void | Promise<void>;
  /** Called when all was put out, before the state is kept. */
  readonly beforeState?: () => void | Promise<void>;
}

/** While paced, input goes in small pieces so that it arrives as it would live. */
const PACED_CHUNK_BYTES = 1024;

export function newPipeline(
  options: Pick<ReplayRunOptions, "material" | "pipeline">,
  emit: (record: PipelineRecord) => void,
): Pipeline {
  const { material } = options;
  const pipeline = new Pipeline(
    {
      ...options.pipeline,
      roots: material.roots,
      keys: material.keys,
      rootKey: material.rootKey,
      snapshot: material.snapshot,
    },
    emit,
  );
  if (pipeline.engine.rootKeyAccepted === false) {
    throw new OsnmadError(
      "OSN_TRUST_ROOT_KEY_UNVERIFIABLE",
      "The root key's signature does not verify with the public keys given.",
    );
  }
  return pipeline;
}

export async function runReplay(
  options: ReplayRunOptions,
  emit: (record: PipelineRecord) => void,
): Promise<SummaryRecord> {
  const chunkBytes = options.chunkBytes ?? (options.speed === "max" ? undefined : PACED_CHUNK_BYTES);
  const source = openCapture(options.capture, chunkBytes);
  const pipeline = newPipeline(options, emit);
  const pace = options.speed === "max" ? null : pacer(options.speed);
  const ownTimeline = options.timeline === "capture";
  let used: TimelineUsed = "capture";
  await source.read(
    (chunk, stamp) => {
      const trusted = ownTimeline ? undefined : stamp?.trusted;
      if (trusted !== undefined && used !== "recorded") used = trusted === null ? "none" : "recorded";
      pipeline.push(chunk, trusted);
      const shown = options.onProgress?.(
        source.size === null ? null : source.position / Math.max(1, source.size),
        pipeline,
      );
      if (pace === null) return shown;
      return Promise.resolve(shown).then(() => pace(pipeline.engine.now));
    },
    {
      note: ({ note }) => {
        // The run ended its unfinished frame here.
        if (note === LINE_BROKE) pipeline.lineBroke();
        else if (note === RECEIVER_CHANGED) pipeline.receiverChanged();
      },
    },
  );
  const damage = damageOf(source);
  if (damage !== null) process.stderr.write(`osnmad: ${options.capture} is damaged: ${damage}.\n`);
  const summary = pipeline.end();
  options.onTimeline?.(used);
  if (options.stateDir !== undefined) {
    await options.beforeState?.();
    saveEngineState(options.stateDir, options.material, pipeline);
  }
  checkContent(options.capture, summary, pipeline);
  return summary;
}

/** Keeps what the engine knows for the next start. Throws OSN_STATE_UNWRITABLE. */
export function saveEngineState(stateDir: string, material: StartMaterial, pipeline: Pipeline): void {
  const state: StoredState = { simulated: material.simulated, engine: pipeline.engine.snapshot() };
  saveState(stateDir, state, new Date().toISOString());
}

/** A capture that cannot give anything is an error with a name, not an empty result. */
function checkContent(capture: string, summary: SummaryRecord, pipeline: Pipeline): void {
  const skipped = (summary["skippedPages"] as number | undefined) ?? 0;
  if (summary.pages === 0 && skipped === 0) {
    throw new OsnmadError("OSN_CAPTURE_NO_GALILEO", `${capture}: no CRC-valid Galileo E1-B page was found.`);
  }
  if (pipeline.timedPages === 0) {
    throw new OsnmadError(
      "OSN_CAPTURE_NO_TIME",
      `${capture}: ${summary.pages} Galileo pages, but no Galileo System Time for any of them.`,
    );
  }
}

/** Waits until the wall clock has caught up with the capture's own time. */
function pacer(speed: number): (gst: number) => Promise<void> {
  let firstGst: number | null = null;
  let firstMs = 0;
  return async (gst) => {
    if (!Number.isFinite(gst)) return;
    if (firstGst === null) {
      firstGst = gst;
      firstMs = performance.now();
      return;
    }
    const ahead = ((gst - firstGst) / speed) * 1000 - (performance.now() - firstMs);
    if (ahead > 1) await new Promise((resolve) => setTimeout(resolve, Math.min(ahead, 60_000)));
  };
}
