/**
 * Faults at random, one after the other, and what must hold after them: every one recovered, no fix lost that was
 * complete, none twice, no descriptor left. Short here; OSNMAD_SOAK_CYCLES=50 makes it long.
 */
import { readdirSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { newPipeline } from "../../src/cli/replay-run.js";
import type { ByteRecorder } from "../../src/daemon/ports.js";
import { fixesWith } from "../../src/fix/fix-stage.js";
import type { TrustedTime } from "../../src/osnma/time-gate.js";
import type { FixRecord } from "../../src/pipeline/records.js";
import { LINE_BROKE, RECEIVER_CHANGED } from "../../src/recorder/format.js";
import type { Fault } from "../../src/simulate/receiver/faults.js";
import { feedOf } from "../../src/simulate/receiver/feed.js";
import { withVirtualReceiver } from "../../src/simulate/receiver/with-virtual-receiver.js";
import { parametrisedScenario, Simulation } from "../../src/simulate/scenario.js";
import { ubxFrames } from "../../src/simulate/ubx-stream.js";
import { receiverSetup } from "../../src/cli/receiver-setup.js";
import { until } from "../source/compliance.js";
import { startBench, testMaterial } from "./support.js";

const CYCLES = Number(process.env["OSNMAD_SOAK_CYCLES"] ?? 2);
const SEED = process.env["OSNMAD_SOAK_SEED"] ?? "soak";
const TIMES = { firstWaitMs: 20, longestWaitMs: 200, silenceMs: 1000, settleMs: 3000, healthyMs: 500 };

/** All that was received, to be replayed afterwards. */
class Kept implements ByteRecorder {
  readonly entries: (
    | { readonly bytes: Uint8Array; readonly trusted: TrustedTime | null }
    | typeof LINE_BROKE
    | typeof RECEIVER_CHANGED
  )[] = [];
  bytes = 0;
  write(chunk: Uint8Array, { trusted }: { trusted: TrustedTime | null }): void {
    this.bytes += chunk.length;
    this.entries.push({ bytes: Uint8Array.from(chunk), trusted });
  }
  note({ note }: { note: string }): void {
    if (note === LINE_BROKE || note === RECEIVER_CHANGED) this.entries.push(note);
  }
  status() {
    return { recording: true, fault: null, bytesRecorded: this.bytes, bytesLost: 0 };
  }
  close(): Promise<void> {
    return Promise.resolve();
  }
}

function randomOf(seed: string): () => number {
  let state = [...seed].reduce((sum, letter) => (Math.imul(sum, 31) + letter.charCodeAt(0)) >>> 0, 7);
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

function faultOf(random: () => number): Fault {
  const seconds = 2 + Math.floor(random() * 40);
  switch (Math.floor(random() * 4)) {
    case 0:
      return { do: "unplug", seconds };
    case 1:
      return { do: "stall", seconds };
    case 2:
      return { do: "garble", seconds, chance: 0.02 };
    default:
      return { do: "restart", start: "hot" };
  }
}

const descriptors = (): number => readdirSync("/proc/self/fd").length;

describe("a daemon whose receiver is unplugged, stalled, garbled and restarted at random", () => {
  it(
    `recovers ${CYCLES} times, with every complete fix once`,
    { timeout: 60_000 + CYCLES * 30_000 },
    async () => {
      const random = randomOf(SEED);
      const { options } = parametrisedScenario({ seed: SEED, subframes: 40 + CYCLES * 12 });
      const kept = new Kept();
      await withVirtualReceiver(
        {
          model: "F9P",
          feed: feedOf(ubxFrames(new Simulation(options), { rawx: true })),
          over: "pty",
          speed: 40,
          waitForHost: true,
          seed: SEED,
        },
        async (port, served) => {
          const bench = await startBench({
            config: { "receiver.port": port },
            times: TIMES,
            setup: receiverSetup({ profile: "auto", fixedRate: false }),
            makeRecording: () => kept,
          });
          const given = (): FixRecord[] =>
            bench.records.filter((record): record is FixRecord => record.type === "fix");
          await until("the first fixes", () => given().length > 10, 30);
          const open = descriptors();
          for (let cycle = 0; cycle < CYCLES; cycle++) {
            const fault = faultOf(random);
            served.fault(fault);
            await new Promise((resolve) => setTimeout(resolve, 300 + random() * 700));
            const before = given().length;
            await until(`fixes after ${JSON.stringify(fault)}`, () => given().length > before + 20, 30);
          }
          const { line } = bench.daemon.status();
          expect(descriptors()).toBeLessThanOrEqual(open + 3);
          await bench.stop();

          const live = given().map(({ gst }) => gst);
          const replayed: number[] = [];
          const pipeline = newPipeline(
            {
              material: testMaterial(),
              pipeline: {
                mode: "simulated",
                timeAssurance: "independent",
                softwareVersion: "test",
                fixes: fixesWith({ mode: "simulated", softwareVersion: "test" }),
              },
            },
            (record) => {
              if (record.type === "fix") replayed.push(record.gst);
            },
          );
          for (const entry of kept.entries) {
            if (entry === LINE_BROKE) pipeline.lineBroke();
            else if (entry === RECEIVER_CHANGED) pipeline.receiverChanged();
            else pipeline.push(entry.bytes, entry.trusted);
          }
          pipeline.end();
          expect(live).toEqual(replayed);
          expect(new Set(live).size).toBe(live.length);
          // Received is what is framed and what is skipped; nothing else.
          expect(pipeline.framer.counts.totalBytes).toBe(kept.bytes);
          expect(line.bytes).toBeLessThanOrEqual(kept.bytes);
        },
      );
    },
  );
});
