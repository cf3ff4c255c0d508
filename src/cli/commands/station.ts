/** `osnmad station replay | prove | check`: a log from a capture, proofs of fixes, a log read again as a whole. */
import type { Command } from "commander";
import { resolve } from "node:path";
import { formatNote } from "../../station/note.js";
import type { Mode } from "../../pipeline/records.js";
import { runReplay } from "../replay-run.js";
import { addTrustOptions, policyOption, startMaterial, type TrustFlags } from "../trust-options.js";
import { registerProve } from "./prove.js";
import type { Policy } from "../../watch/policy.js";
import { SOFTWARE_VERSION } from "../version.js";

interface ReplayFlags extends TrustFlags {
  readonly log: string;
  readonly policy: Policy;
}

export function registerStation(program: Command): void {
  const station = program
    .command("station")
    .description("the log in which a station commits to what it heard (docs/station-log.md)");

  const replay = station
    .command("replay")
    .summary("make a log from a capture, to try followers and verifiers on")
    .description(
      "Makes a log from a capture, to try followers and verifiers on. It is of mode replay or simulated, has a key " +
        "of its own, and nobody who follows live logs takes it.",
    )
    .argument("<capture>", "a UBX file, or - for standard input")
    .requiredOption("--log <folder>", "where key and log are kept; not the folder of a live station")
    .addOption(policyOption())
    .addHelpText("after", "\nPrints a JSON line for each leaf, and last the signed checkpoint.\n");
  addTrustOptions(replay).action(async (capture: string, flags: ReplayFlags) => {
    const { Station } = await import("../../station/station.js");
    const { fixesWith } = await import("../../fix/fix-stage.js");
    const material = startMaterial(flags);
    const mode: Mode = material.simulated ? "simulated" : "replay";
    const { policy, log: folder, rule, minTagBits } = flags;
    const made = new Station({
      directory: resolve(folder),
      mode,
      flush: false,
      softwareVersion: SOFTWARE_VERSION,
      receiver: "capture",
      onLeaf: ({ leaf, hash }) => {
        const gst = "gst" in leaf ? leaf.gst : null;
        const line = { index: leaf.index, kind: leaf.kind, gst, hash: Buffer.from(hash).toString("hex") };
        process.stdout.write(`${JSON.stringify(line)}\n`);
      },
    });
    try {
      const options = { mode, softwareVersion: SOFTWARE_VERSION, policy };
      await runReplay(
        {
          capture,
          material,
          speed: "max",
          pipeline: {
            mode,
            rule,
            minimumTagBits: minTagBits,
            fixes: fixesWith(options),
            softwareVersion: SOFTWARE_VERSION,
            observer: made,
          },
        },
        (record) => {
          if (record.type === "fix") made.fix(record);
        },
      );
      await made.end();
      const checkpoint = made.log.checkpoint;
      if (checkpoint !== null) process.stdout.write(formatNote(checkpoint.note));
    } finally {
      await made.close();
    }
  });

  registerProve(station);

  station
    .command("check")
    .summary("read a whole log again: every leaf, hash, checkpoint and signature")
    .description(
      "Reads a whole log again: every leaf, hash, checkpoint and signature. It only reads, so a daemon may have the " +
        "log; what is looked at is a private copy, in $TMPDIR or, as there is room, /tmp or /var/tmp. Exit status 0 where " +
        "all is sound.",
    )
    .argument("<folder>", "folder of the log: DATA/station, or DATA/station-simulated")
    .action(async (folder: string) => {
      const { checkLog } = await import("../../station/log-check.js");
      const { mode, size, origin, checkpoints, signed } = checkLog(resolve(folder));
      process.stdout.write(
        origin === null
          ? `no leaves yet, mode ${mode}\n`
          : `${size} leaves, sound; ${checkpoints} checkpoints, the newest of ${signed} leaves; mode ${mode}\n${origin}\n`,
      );
    });
}
