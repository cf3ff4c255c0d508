/** `osnmad serve`, wired: the server's command with the replay that every command shares. */
import type { Command } from "commander";
import type { RunRecorder } from "../../http/run-recorder.js";
import type { Pipeline } from "../../pipeline/pipeline.js";
import type { SummaryRecord } from "../../pipeline/records.js";
import type { Policy } from "../../watch/policy.js";
import { assertCapture } from "../../source/capture-file.js";
import { addPositionOptions, positionOptions, type PositionFlags } from "../position-options.js";
import { runReplay } from "../replay-run.js";
import {
  addTrustOptions,
  policyOption,
  startMaterial,
  type StartMaterial,
  type TrustFlags,
} from "../trust-options.js";
import { SOFTWARE_VERSION } from "../version.js";
import { registerServe, type ServeOptions } from "./serve.js";

/** Small enough that requests are answered between two pieces while a replay runs. */
const CHUNK_BYTES = 32 * 1024;
const SNAPSHOT_MS = 500;

export function registerServeCommand(program: Command): void {
  let material: StartMaterial | null = null;
  const materialOf = (options: ServeOptions): StartMaterial => {
    material ??= startMaterial(options as unknown as TrustFlags);
    return material;
  };
  const command = registerServe(program, {
    version: SOFTWARE_VERSION,
    describeRun: (options) => {
      assertCapture(options.replay);
      return {
        mode: materialOf(options).simulated ? "simulated" : "replay",
        timeAssurance: "capture",
      };
    },
    startReplay: (capture, options, recorder, onProgress, signal) =>
      replayInto(capture, options, materialOf(options), recorder, onProgress, signal),
  });
  addTrustOptions(addPositionOptions(command)).addOption(policyOption());
}

async function replayInto(
  capture: string,
  options: ServeOptions,
  material: StartMaterial,
  recorder: RunRecorder,
  onProgress: (fraction: number) => void,
  signal: AbortSignal,
): Promise<SummaryRecord> {
  const flags = options as unknown as TrustFlags & PositionFlags & { readonly policy: Policy };
  const mode = material.simulated ? "simulated" : "replay";
  const { fixesWith } = await import("../../fix/fix-stage.js");
  const { fixEvidence } = await import("../fix-evidence.js");
  const position = await positionOptions(flags);
  for (const warning of material.warnings) process.stderr.write(`osnmad: ${warning}\n`);
  if (capture === "-") {
    signal.addEventListener("abort", () => {
      process.stdin.destroy();
    });
  }
  let latest: Pipeline | null = null;
  let snapshotAt = Number.NEGATIVE_INFINITY;
  const snapshot = (pipeline: Pipeline): void => {
    recorder.osnma(pipeline.engine.status());
    recorder.satellites(pipeline.satellites());
    const ttfaf = pipeline.ttfafSeconds;
    if (ttfaf !== null) recorder.ttfaf(ttfaf);
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
          evidence: fixEvidence((evidence) => {
            recorder.evidence(evidence);
          }),
        }),
        softwareVersion: SOFTWARE_VERSION,
      },
      onProgress: async (fraction, pipeline) => {
        latest = pipeline;
        if (fraction !== null) onProgress(fraction);
        if (performance.now() - snapshotAt > SNAPSHOT_MS) snapshot(pipeline);
        await new Promise((resolve) => setImmediate(resolve));
        // On a full disk the replay waits: nothing that was accepted is lost.
        await recorder.room(signal);
        signal.throwIfAborted();
      },
    },
    (record) => {
      if (record.type !== "tag") recorder.push(record);
    },
  );
  if (latest !== null) snapshot(latest);
  return summary;
}
