/**
 * Faults at random, one after the other, and what must hold after them: every one recovered, no fix lost that was
 * complete, none twice, no descriptor left; then many reconnections, and a long sky whose epochs are all accounted for. Short
 * here; `npm run soak -- --cycles 50 --reconnects 1000 --hours 24` makes it long.
 */
import { readdirSync, readFileSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { Framer } from "gnss-ubx";
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
import { startBench, streaming, testMaterial } from "./support.js";

const CYCLES = Number(process.env["OSNMAD_SOAK_CYCLES"] ?? 2);
const RECONNECTS = Number(process.env["OSNMAD_SOAK_RECONNECTS"] ?? 30);
const HOURS = Number(process.env["OSNMAD_SOAK_HOURS"] ?? 0);
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

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;
/** What lives on the heap and beside it, megabytes. */
function liveMegabytes(): number {
  collect();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return (heapUsed + arrayBuffers) / 1e6;
}

describe("a line that breaks again and again", () => {
  it(
    `leaves nothing behind in ${RECONNECTS} reconnections`,
    { timeout: 60_000 + RECONNECTS * 300 },
    async () => {
      const capture = readFileSync("captures/nominal.ubx");
      let connections = 0;
      let sent = 0;
      const server = createServer((socket) => {
        // Some hundred bytes more than a frame, and the end in the middle of one.
        const from = (connections * 1531) % (capture.length - 6000);
        connections++;
        sent += 6000;
        // Without reading it would not learn that the other side closed.
        socket.resume();
        socket.on("error", () => undefined).end(capture.subarray(from, from + 6000));
      });
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
      const { port } = server.address() as AddressInfo;
      const bench = await startBench({
        config: { "receiver.port": `tcp://127.0.0.1:${port}` },
        times: { ...TIMES, firstWaitMs: 2, longestWaitMs: 10, healthyMs: 0 },
      });
      const reached = (count: number): Promise<void> =>
        until(`${count} connections`, () => connections >= count, 60 + RECONNECTS * 0.2);
      await reached(10);
      bench.records.length = 0;
      const before = { descriptors: descriptors(), megabytes: liveMegabytes() };
      await reached(10 + RECONNECTS);
      bench.records.length = 0;
      const after = { descriptors: descriptors(), megabytes: liveMegabytes() };
      console.log(`${RECONNECTS} reconnections`, before, after);
      // A connection is open or closing when it is looked.
      expect(after.descriptors).toBeLessThanOrEqual(before.descriptors + 3);
      expect(after.megabytes - before.megabytes).toBeLessThan(8);
      const { line } = bench.daemon.status();
      expect(line.bytes).toBeLessThanOrEqual(sent);
      const { notNewer, beforeTime, refused } = line.epochsDropped;
      expect(line.epochs + notNewer + beforeTime + refused).toBe(line.epochsReceived);
      await bench.stop();
      server.close();
    },
  );
});

describe.skipIf(HOURS === 0)("a long sky through the pseudo-terminal", () => {
  it(`accounts for every byte and epoch of ${HOURS} h`, { timeout: 60_000 + HOURS * 600_000 }, async () => {
    const { options } = parametrisedScenario({ seed: SEED, subframes: Math.ceil(HOURS * 120) });
    const given = new Set<number>();
    const arrived = new Set<number>();
    const towOf = (payload: Uint8Array): number =>
      new DataView(payload.buffer, payload.byteOffset).getFloat64(0, true);
    const framer = new Framer();
    const recording = new Kept();
    recording.write = (chunk) => {
      framer.push(chunk, {
        ubx: (messageClass, id, payload) => {
          if (messageClass === 0x02 && id === 0x15) arrived.add(towOf(payload));
        },
      });
    };
    function* counted(): Generator<Uint8Array> {
      for (const frame of ubxFrames(new Simulation(options), { rawx: true })) {
        if (frame[2] === 0x02 && frame[3] === 0x15) {
          given.add(towOf(frame.subarray(6)));
        }
        yield frame;
      }
    }
    await withVirtualReceiver(
      {
        model: "F9T",
        feed: feedOf(counted()),
        flash: streaming(),
        over: "pty",
        speed: 1000,
        waitForHost: true,
        seed: SEED,
      },
      async (port, served) => {
        const bench = await startBench({
          config: { "receiver.port": port },
          times: TIMES,
          makeRecording: () => recording,
        });
        const { pipeline } = bench.daemon.live;
        const measured: number[] = [];
        const look = setInterval(() => {
          bench.records.length = 0;
          measured.push(liveMegabytes());
        }, 5_000);
        await until("the end of the sky", () => served.receiver.ended, 60 + HOURS * 540);
        let seen = -1;
        let epochsReceived: number;
        // What is still on its way.
        for (; (epochsReceived = bench.daemon.status().line.epochsReceived) !== seen; seen = epochsReceived) {
          await new Promise((resolve) => setTimeout(resolve, 2_000));
        }
        clearInterval(look);
        await bench.stop();
        const { line } = bench.daemon.status();
        const { totalBytes, skippedBytes } = pipeline.framer.counts;
        console.log(
          `${HOURS} h: ${given.size} epochs given`,
          JSON.stringify(line),
          "live MB",
          measured.map(Math.round).join(" "),
        );
        const missing = [...given].filter((tow) => !arrived.has(tow));
        // The first epoch is over when the host opens the port.
        expect(missing.filter((tow) => tow !== [...given][0])).toEqual([]);
        expect(line.epochsReceived).toBe(arrived.size);
        const { notNewer, beforeTime, refused } = line.epochsDropped;
        expect(line.epochs + notNewer + beforeTime + refused).toBe(arrived.size);
        expect({ totalBytes, skippedBytes }).toEqual({ totalBytes: line.bytes, skippedBytes: 0 });
        if (measured.length > 4) {
          expect(Math.min(...measured.slice(-2)) - Math.max(...measured.slice(0, 2))).toBeLessThan(15);
        }
      },
    );
  });
});
