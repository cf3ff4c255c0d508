/** `osnmad replay`: a capture through the whole chain, as JSON lines or as text for people. */
import { Option, type Command } from "commander";
import { OsnmadError } from "../../errors.js";
import type { Policy } from "../../watch/policy.js";
import type { PipelineRecord } from "../../pipeline/pipeline.js";
import {
  addPositionOptions,
  positionOptions,
  refusePositionFlags,
  type PositionFlags,
} from "../position-options.js";
import { JsonLines } from "../json-lines.js";
import { runReplay, type Speed, type Timeline, type TimelineUsed } from "../replay-run.js";
import {
  addTrustOptions,
  policyOption,
  startMaterial,
  wholeNumber,
  type TrustFlags,
} from "../trust-options.js";
import { SOFTWARE_VERSION } from "../version.js";

interface ReplayFlags extends TrustFlags, PositionFlags {
  readonly json?: boolean;
  readonly speed: Speed;
  readonly startOffset: number;
  readonly fixes?: boolean;
  readonly policy: Policy;
  readonly tags?: boolean;
  readonly timeline: Timeline;
}

function speedOf(text: string): Speed {
  if (text === "max") return "max";
  const speed = Number(text);
  if (!(speed > 0) || !Number.isFinite(speed)) {
    throw new OsnmadError("OSN_USAGE", `--speed takes 1, another positive number or max, not "${text}".`);
  }
  return speed;
}

export function registerReplay(program: Command): void {
  const command = program
    .command("replay")
    .summary("replay a capture and authenticate its navigation data")
    .description(
      "Replays a capture of a u-blox receiver (UBX; NMEA and RTCM3 may be mixed in) through the stages " +
        "that live input takes too. The time condition runs on the capture's own timeline, or on the " +
        "trusted time that a recording kept, and every result says `timeAssurance: capture`.",
    )
    .argument("<capture>", "a UBX file or a recording, also gzipped, or - for standard input")
    .option("--json", "JSON lines: events, authenticated data, and last the summary")
    .option("--speed <x>", "1 for real time, N for N times that, max", speedOf, "max")
    .option(
      "--start-offset <seconds>",
      "skip this much of the beginning",
      wholeNumber("start-offset", 0, 1e9),
      0,
    )
    .option("--fixes", "also a line for every epoch's fix (it holds coordinates)")
    .addOption(policyOption())
    .option("--tags", "also a line for every decided tag")
    .addOption(
      new Option(
        "--timeline <which>",
        "decide by the trusted time that a recording kept (recorded), or by the capture's own timeline (capture), " +
          "as of a capture that kept none",
      )
        .choices(["recorded", "capture"])
        .default("recorded"),
    );
  addTrustOptions(addPositionOptions(command))
    .addHelpText(
      "after",
      `
Start: hot with --root-key or --state, warm with a public key, cold with
--merkle alone.
Examples:
  osnmad replay capture.ubx --json | tail -1
  osnmad replay captures/nominal.ubx --merkle captures/trust/TEST_OSNMA_MerkleTree_A.xml \\
    --public-key captures/trust/TEST_OSNMA_PublicKey_2.xml`,
    )
    .action(async (capture: string, flags: ReplayFlags) => {
      const material = startMaterial(flags);
      const mode = material.simulated ? "simulated" : "replay";
      if (flags.fixes !== true) refusePositionFlags(flags);
      const fixes =
        flags.fixes === true
          ? (await import("../../fix/fix-stage.js")).fixesWith({
              mode,
              softwareVersion: SOFTWARE_VERSION,
              policy: flags.policy,
              ...(await positionOptions(flags)),
            })
          : null;
      const options = {
        capture,
        material,
        speed: flags.speed,
        timeline: flags.timeline,
        stateDir: flags.state,
        pipeline: {
          mode,
          rule: flags.rule,
          minimumTagBits: flags.minTagBits,
          startOffsetSeconds: flags.startOffset,
          fixes,
          tags: flags.tags === true,
          softwareVersion: SOFTWARE_VERSION,
        },
      } as const;
      for (const warning of material.warnings) process.stderr.write(`osnmad: ${warning}\n`);
      if (flags.json === true) {
        const lines = new JsonLines(process.stdout);
        const summary = await runReplay(
          { ...options, onProgress: () => (flags.speed === "max" ? lines.drained() : lines.flush()) },
          (record: PipelineRecord) => {
            lines.write(record);
          },
        );
        lines.write(summary);
        await lines.end();
        return;
      }
      const { ReplayText } = await import("../replay-text.js");
      const text = new ReplayText(process.stdout, process.stderr);
      let timeline: TimelineUsed = "capture";
      const summary = await runReplay(
        {
          ...options,
          onTimeline: (used) => {
            timeline = used;
          },
          onProgress: (fraction, pipeline) => {
            text.progress(fraction, pipeline);
          },
        },
        (record) => {
          text.record(record);
        },
      );
      text.summary(summary, timeline);
    });
}
