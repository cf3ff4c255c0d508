/** `osnmad serve`, wired: the server's command with the replay that every command shares. */
import type { Command } from "commander";
import { assertCapture } from "../../source/capture-file.js";
import { addPositionOptions } from "../position-options.js";
import type { ReplayInput } from "../replay-into.js";
import { ReplayThread } from "../replay-thread.js";
import { addTrustOptions, policyOption, startMaterial, type TrustFlags } from "../trust-options.js";
import { compileAsUsual } from "../v8-flags.js";
import { SOFTWARE_VERSION } from "../version.js";
import { registerServe, type Replay, type ServeOptions } from "./serve.js";

export function registerServeCommand(program: Command): void {
  const command = registerServe(program, { version: SOFTWARE_VERSION, prepareReplay });
  addTrustOptions(addPositionOptions(command)).addOption(policyOption());
}

function prepareReplay(options: ServeOptions): Replay {
  const capture = options.replay;
  const flags = options as unknown as TrustFlags & ReplayInput["flags"];
  // Standard input belongs to the process: it is replayed where it is read.
  const thread = capture === "-" ? null : new ReplayThread();
  const started = attempt(() => {
    assertCapture(capture);
    const material = startMaterial(flags);
    thread?.begin({ capture, material, flags });
    return material;
  });
  return {
    describe: () => ({ mode: started().simulated ? "simulated" : "replay", timeAssurance: "capture" }),
    async into(recorder, signal) {
      const material = started();
      for (const warning of material.warnings) process.stderr.write(`osnmad: ${warning}\n`);
      try {
        const { ReplayRecorder } = await import("../replay-recorder.js");
        const sink = new ReplayRecorder(recorder);
        if (thread !== null) return await thread.into(sink, signal);
        const { replayInto } = await import("../replay-into.js");
        return await replayInto({ capture, material, flags }, sink, signal);
      } finally {
        compileAsUsual();
      }
    },
    async close() {
      await thread?.close();
    },
  };
}

/** Does it now; what comes of it, or is thrown, is had when it is asked for. */
function attempt<T>(work: () => T): () => T {
  try {
    const result = work();
    return () => result;
  } catch (error) {
    return () => {
      throw error;
    };
  }
}
