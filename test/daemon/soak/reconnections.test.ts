/** A line that breaks again and again, in the middle of a frame, and what must not be left behind by it. */
import { readFileSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { expect, it } from "vitest";
import { until } from "../../source/compliance.js";
import { startBench } from "../support.js";
import { drift, sample, type Sample } from "./drift.js";
import { RECONNECTS, report, TIMES } from "./numbers.js";

/** Connections before the first sample, and between two. */
const SETTLING = 10;
const STEP = Math.max(5, Math.round(RECONNECTS / 40));

it(
  `nothing is left behind in ${RECONNECTS} reconnections`,
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
    const samples: Sample[] = [];
    for (let goal = SETTLING; goal <= SETTLING + RECONNECTS; goal += STEP) {
      await until(`${goal} connections`, () => connections >= goal, 60 + RECONNECTS * 0.2);
      bench.records.length = 0;
      samples.push(sample(connections));
    }
    const { line } = bench.daemon.status();
    await bench.stop();
    server.close();
    const found = drift(samples, Math.floor(samples.length / 5));
    report("reconnections", { connections, ...found });

    // A connection is open or closing when it is looked.
    expect(samples.at(-1)!.descriptors).toBeLessThanOrEqual(samples[0].descriptors + 3);
    expect(line.bytes).toBeLessThanOrEqual(sent);
    const { notNewer, beforeTime, refused } = line.epochsDropped;
    expect(line.epochs + notNewer + beforeTime + refused).toBe(line.epochsReceived);
    // In a short run code that was just compiled weighs more than what could be left behind.
    if (RECONNECTS < 200) return;
    expect(found.live.perUnit * 1000).toBeLessThan(KILOBYTES);
  },
);

/** A link that is kept alive costs more than ten of these: the buffer of its frame reader alone has 33 kB. */
const KILOBYTES = 3;
