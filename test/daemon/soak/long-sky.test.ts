/**
 * A long simulated sky through a pseudo-terminal, faster than life; every byte and epoch of it is accounted for, and
 * memory does not grow. Satellites rise and set as they would.
 */
import { Framer } from "gnss-ubx";
import { describe, expect, it } from "vitest";
import type { ByteRecorder } from "../../../src/daemon/ports.js";
import type { StatusRecord } from "../../../src/http/schemas.js";
import { feedOf } from "../../../src/simulate/receiver/feed.js";
import { withVirtualReceiver } from "../../../src/simulate/receiver/with-virtual-receiver.js";
import { Simulation } from "../../../src/simulate/scenario.js";
import { ubxFrames } from "../../../src/simulate/ubx-stream.js";
import { until } from "../../source/compliance.js";
import { startBench, streaming } from "../support.js";
import { drift, sample, type Sample } from "./drift.js";
import { HOURS, report, SEED, TIMES } from "./numbers.js";
import { skyOf } from "./sky.js";

const RXM_CLASS = 0x02;
const RXM_RAWX_ID = 0x15;
/** Between two samples, hours of sky. */
const STEP_HOURS = 0.25;
/** By then most satellites of the constellation have been heard once, and something is kept of each. */
const SETTLING_HOURS = 12;

/** Which epochs of a stretch of time were seen, a byte each. */
class Epochs {
  readonly #seen: Uint8Array;
  readonly #from: number;
  count = 0;
  constructor(fromGst: number, seconds: number) {
    this.#from = fromGst;
    this.#seen = new Uint8Array(seconds);
  }
  /** Payload of an RXM-RAWX: rcvTow at 0, week at 8 (GPS, 1024 more than GST's). */
  add(payload: Uint8Array): void {
    const view = new DataView(payload.buffer, payload.byteOffset);
    const at = (view.getUint16(8, true) - 1024) * 604_800 + Math.round(view.getFloat64(0, true)) - this.#from;
    if (this.#seen[at] === 0) this.count++;
    this.#seen[at] = 1;
  }
  has(index: number): boolean {
    return this.#seen[index] === 1;
  }
}

describe.skipIf(HOURS === 0)("a long sky through the pseudo-terminal", () => {
  it(
    `accounts for every byte and epoch of ${HOURS} h, and does not grow`,
    { timeout: 120_000 + HOURS * 600_000 },
    async () => {
      const began = performance.now();
      const { sky, material } = skyOf(Math.ceil(HOURS * 120));
      const seconds = sky.subframes * 30 + 60;
      const given = new Epochs(sky.startGst, seconds);
      const arrived = new Epochs(sky.startGst, seconds);
      const framer = new Framer();
      const arriving = {
        ubx: (messageClass: number, id: number, payload: Uint8Array) => {
          if (messageClass === RXM_CLASS && id === RXM_RAWX_ID) arrived.add(payload);
        },
      };
      const recording: ByteRecorder = {
        write: (chunk) => {
          framer.push(chunk, arriving);
        },
        note: () => undefined,
        status: () => ({ recording: true, fault: null, bytesRecorded: 0, bytesLost: 0 }),
        close: () => Promise.resolve(),
      };
      function* counted(): Generator<Uint8Array> {
        for (const frame of ubxFrames(new Simulation(sky), { rawx: true })) {
          if (frame[2] === RXM_CLASS && frame[3] === RXM_RAWX_ID) given.add(frame.subarray(6));
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
            material,
          });
          const { pipeline } = bench.daemon.live;
          const hours = (): number => arrived.count / 3600;
          const samples: Sample[] = [];
          await until(
            "the end of the sky",
            () => {
              bench.records.length = 0;
              if (hours() >= samples.length * STEP_HOURS) samples.push(sample(hours()));
              return served.receiver.ended;
            },
            60 + HOURS * 540,
          );
          // What is still on its way.
          for (let seen = -1; bench.daemon.status().line.epochsReceived !== seen;) {
            seen = bench.daemon.status().line.epochsReceived;
            await new Promise((resolve) => setTimeout(resolve, 2_000));
          }
          const { counts } = (await (await fetch(`${bench.daemon.url}/v1/status`)).json()) as StatusRecord;
          await bench.stop();
          const { line } = bench.daemon.status();
          const { totalBytes, skippedBytes, ubxFrames: frames } = pipeline.framer.counts;
          const memory = drift(samples, SETTLING_HOURS / STEP_HOURS);
          report("sky", {
            hours: HOURS,
            wallSeconds: Math.round((performance.now() - began) / 1000),
            bytes: line.bytes,
            frames,
            pages: line.pages,
            given: given.count,
            arrived: arrived.count,
            received: line.epochsReceived,
            fixes: line.epochs,
            dropped: line.epochsDropped,
            stored: counts,
            memory,
            live: samples.map(({ liveMegabytes }) => Math.round(liveMegabytes * 10) / 10),
            rss: samples.map(({ rssMegabytes }) => Math.round(rssMegabytes)),
          });
          const missing = Array.from({ length: seconds }, (_, index) => index).filter(
            (index) => given.has(index) && !arrived.has(index),
          );
          // The first epoch is over when the host opens the port.
          expect(missing.length).toBeLessThanOrEqual(1);
          expect(missing.every((index) => !given.has(index - 1))).toBe(true);
          expect(line.epochsReceived).toBe(arrived.count);
          const { notNewer, beforeTime, refused } = line.epochsDropped;
          expect(line.epochs + notNewer + beforeTime + refused).toBe(arrived.count);
          expect(Object.values(counts.fixes).reduce((sum, count) => sum + count, 0)).toBe(line.epochs);
          expect({ totalBytes, skippedBytes }).toEqual({ totalBytes: line.bytes, skippedBytes: 0 });
          // Samples of less than this are too few to tell a trend from caches that fill up.
          if (HOURS < 1.5 * SETTLING_HOURS) return;
          expect(memory.descriptors[1] - memory.descriptors[0]).toBeLessThanOrEqual(3);
          expect(memory.live.perUnit * 24).toBeLessThan(MEGABYTES_A_DAY);
        },
      );
    },
  );
});

/** The least that could be left behind by each epoch: an object of two words. */
const MEGABYTES_A_DAY = (86_400 * 16) / 1e6;
