/**
 * Faults at random, one after the other, and what must hold after them: every one recovered, no fix lost that was
 * complete, none twice, no descriptor left. Short here; `npm run soak` makes it long.
 */
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import type { DaemonOptions } from "../../../src/cli/daemon.js";
import { newPipeline } from "../../../src/cli/replay-run.js";
import { receiverSetup } from "../../../src/cli/receiver-setup.js";
import type { ByteRecorder } from "../../../src/daemon/ports.js";
import { fixesWith } from "../../../src/fix/fix-stage.js";
import type { TrustedTime } from "../../../src/osnma/time-gate.js";
import type { FixRecord } from "../../../src/pipeline/records.js";
import { LINE_BROKE, RECEIVER_CHANGED } from "../../../src/recorder/format.js";
import type { Fault } from "../../../src/simulate/receiver/faults.js";
import { feedOf } from "../../../src/simulate/receiver/feed.js";
import { withVirtualReceiver } from "../../../src/simulate/receiver/with-virtual-receiver.js";
import { Simulation } from "../../../src/simulate/scenario.js";
import { ubxFrames } from "../../../src/simulate/ubx-stream.js";
import { until } from "../../source/compliance.js";
import { startBench } from "../support.js";
import { CYCLES, report, SEED, TIMES } from "./numbers.js";
import { skyOf } from "./sky.js";

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
  const seconds = 2 + Math.floor(random() * 30);
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

const isAuthenticated = ({ assurance }: FixRecord): boolean => assurance === "nav-authenticated";
const descriptors = (): number => readdirSync("/proc/self/fd").length;

/** GST of the fixes that a replay of what was received makes. */
function replayed(entries: Kept["entries"], material: DaemonOptions["material"]): number[] {
  const fixes: number[] = [];
  const pipeline = newPipeline(
    {
      material,
      pipeline: {
        mode: "simulated",
        timeAssurance: "independent",
        softwareVersion: "test",
        fixes: fixesWith({ mode: "simulated", softwareVersion: "test" }),
      },
    },
    (record) => {
      if (record.type === "fix") fixes.push(record.gst);
    },
  );
  for (const entry of entries) {
    if (entry === LINE_BROKE) pipeline.lineBroke();
    else if (entry === RECEIVER_CHANGED) pipeline.receiverChanged();
    else pipeline.push(entry.bytes, entry.trusted);
  }
  pipeline.end();
  // Received is what is framed and what is skipped; nothing else.
  const received = entries.reduce(
    (sum, entry) => sum + (typeof entry === "string" ? 0 : entry.bytes.length),
    0,
  );
  expect(pipeline.framer.counts.totalBytes).toBe(received);
  return fixes;
}

it(
  `a daemon whose receiver is unplugged, stalled, garbled and restarted recovers ${CYCLES} times, with every complete fix once`,
  { timeout: 60_000 + CYCLES * 30_000 },
  async () => {
    const random = randomOf(SEED);
    const { sky, material } = skyOf(40 + CYCLES * 25);
    const folder = mkdtempSync(join(tmpdir(), "osnmad-soak-"));
    const kept = new Kept();
    const faults: Record<string, number> = {};
    await withVirtualReceiver(
      {
        model: "F9P",
        feed: feedOf(ubxFrames(new Simulation(sky), { rawx: true })),
        over: "pty",
        link: join(folder, "gnss"),
        speed: 40,
        waitForHost: true,
        seed: SEED,
      },
      async (port, served) => {
        const bench = await startBench({
          // Of a sky that passes forty times as fast, what comes late comes forty times as late.
          config: { "receiver.port": port, "fix.thresholds": { arrivalJitterSeconds: 60 } },
          times: TIMES,
          setup: receiverSetup({ profile: "auto", fixedRate: false }),
          makeRecording: () => kept,
          material,
        });
        // Time goes on while the line is broken.
        bench.clock.boundSeconds = 12;
        bench.clock.follow = () => sky.startGst + served.receiver.now / 1000;
        const given = (): FixRecord[] =>
          bench.records.filter((record): record is FixRecord => record.type === "fix");
        await until("the first fixes", () => given().filter(isAuthenticated).length > 10, 60);
        const open = descriptors();
        let longestMs = 0;
        for (let cycle = 0; cycle < CYCLES; cycle++) {
          const fault = faultOf(random);
          faults[fault.do] = (faults[fault.do] ?? 0) + 1;
          served.fault(fault);
          await new Promise((resolve) => setTimeout(resolve, 300 + random() * 700));
          const before = given().length;
          const since = performance.now();
          await until(
            `authenticated fixes after fault ${cycle}, ${JSON.stringify(fault)}`,
            () => given().slice(before).filter(isAuthenticated).length > 20,
            60,
          );
          longestMs = Math.max(longestMs, performance.now() - since);
        }
        const left = descriptors();
        await bench.stop();
        const live = given().map(({ gst }) => gst);
        report("faults", {
          cycles: CYCLES,
          faults,
          recovered: CYCLES,
          longestSeconds: Math.round(longestMs / 100) / 10,
          bytes: kept.bytes,
          fixes: live.length,
          authenticated: given().filter(isAuthenticated).length,
          twice: live.length - new Set(live).size,
          descriptors: [open, left],
        });
        expect(left).toBeLessThanOrEqual(open + 3);
        expect(live).toEqual(replayed(kept.entries, material));
        expect(new Set(live).size).toBe(live.length);
      },
    );
    rmSync(folder, { recursive: true });
  },
);
