/** A scenario as the virtual receiver hears it: every message at every epoch, for the receiver to choose from. */
import { ALL_OUTPUT } from "./frames.js";
import type { FeedEpoch, FeedFrame } from "./receiver/feed.js";
import type { Scenario } from "./scenario-file.js";
import type { TimedFrame } from "./timed-frame.js";

/** Time counts from `fromGst`, the scenario's start where it is left out; epochs before it are left out. */
export function* scenarioFeed(scenario: Scenario, fromGst = scenario.startGst): Generator<FeedEpoch> {
  for (const epoch of epochs(scenario, fromGst)) if (epoch.atMs >= 0) yield epoch;
}

function* epochs(scenario: Scenario, fromGst: number): Generator<FeedEpoch> {
  let current: { epoch: number; atMs: number; frames: FeedFrame[] } | null = null;
  for (const frame of scenario.frames({ output: ALL_OUTPUT })) {
    if (current !== null && current.epoch !== frame.epoch) {
      yield { atMs: current.atMs, frames: current.frames };
      current = null;
    }
    current ??= { epoch: frame.epoch, atMs: Math.round(1000 * (frame.gst - fromGst)), frames: [] };
    current.frames.push(feedFrame(frame));
  }
  if (current !== null) yield { atMs: current.atMs, frames: current.frames };
}

function feedFrame({ name, messageClass, messageId, bytes }: TimedFrame): FeedFrame {
  if (name === "NMEA") {
    return { kind: "nmea", message: 0, sentence: String.fromCharCode(...bytes.subarray(3, 6)), bytes };
  }
  return { kind: "ubx", message: (messageClass << 8) | messageId, sentence: "", bytes };
}
