/**
 * What a daemon recorded while its receiver was pulled, restarted and replaced by another replays as what it made then:
 * the same records in the same order, byte for byte.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { receiverSetup } from "../../src/cli/receiver-setup.js";
import { runReplay } from "../../src/cli/replay-run.js";
import { SOFTWARE_VERSION } from "../../src/cli/version.js";
import { fixesWith } from "../../src/fix/fix-stage.js";
import type { PipelineRecord } from "../../src/pipeline/pipeline.js";
import { LINE_BROKE, RECEIVER_CHANGED } from "../../src/recorder/format.js";
import { Recorder } from "../../src/recorder/recorder.js";
import type { Fault } from "../../src/simulate/receiver/faults.js";
import { feedOf } from "../../src/simulate/receiver/feed.js";
import { withVirtualReceiver } from "../../src/simulate/receiver/with-virtual-receiver.js";
import { until } from "../source/compliance.js";
import { startBench, testMaterial } from "./support.js";

const TIMES = { firstWaitMs: 20, longestWaitMs: 200, silenceMs: 1500, settleMs: 2000, healthyMs: 1000 };
/** Of the line and of the daemon; a replay does not make them. */
const OF_THE_LINE =
  /^receiver-(connected|missing|lost|identified|configured|restarted|replaced|overflow|configuration-lost)$/;

/** What tells a replay from the run is put back. */
const asSimulated = (record: object): string =>
  JSON.stringify(record)
    .replaceAll('"mode":"replay"', '"mode":"simulated"')
    .replaceAll('"timeAssurance":"capture"', '"timeAssurance":"independent"');

it("a recording across a replaced receiver replays as the run", async () => {
  const folder = mkdtempSync(join(tmpdir(), "osnmad-recorded-"));
  onTestFinished(() => {
    rmSync(folder, { recursive: true });
  });
  const recordings = join(folder, "recordings");
  const capture = readFileSync("captures/nominal.ubx");
  const notes: string[] = [];
  const live = await withVirtualReceiver(
    {
      model: "F9P",
      feed: feedOf([capture]),
      over: "pty",
      link: join(folder, "gnss"),
      speed: 20,
      waitForHost: true,
    },
    async (port, served) => {
      const bench = await startBench({
        config: { "receiver.port": port },
        times: TIMES,
        setup: receiverSetup({ profile: "auto", fixedRate: false }),
        makeRecording: (source, mode) => {
          const recorder = new Recorder({
            folder: recordings,
            mode,
            softwareVersion: SOFTWARE_VERSION,
            source,
            // Small, so that there are several files.
            maxFileBytes: 64 * 1024,
          });
          const note = recorder.note.bind(recorder);
          recorder.note = (entry) => {
            notes.push(entry.note);
            note(entry);
          };
          return recorder;
        },
      });
      const made = (what: string): number =>
        bench.records.filter((record) => record.type === what || ("name" in record && record.name === what))
          .length;
      const fixesAfter = async (fault: Fault | null): Promise<void> => {
        if (fault !== null) served.fault(fault);
        if (fault?.do === "replace") {
          await until("the other receiver", () => made("receiver-replaced") > 0, 60);
        }
        const before = made("fix");
        await until(`fixes after ${JSON.stringify(fault)}`, () => made("fix") > before + 40, 60);
      };
      await fixesAfter(null);
      await fixesAfter({ do: "garble", seconds: 4, chance: 0.001 });
      await fixesAfter({ do: "unplug", seconds: 5 });
      await fixesAfter({ do: "replace", uniqueId: "0badc0ffee", seconds: 2 });
      await fixesAfter({ do: "restart", start: "hot" });
      await bench.stop();
      expect(made("authenticated")).toBeGreaterThan(0);
      return bench.records.filter((record) => record.type !== "event" || !OF_THE_LINE.test(record.name));
    },
  );
  expect(notes.filter((note) => note === RECEIVER_CHANGED).length).toBeGreaterThanOrEqual(2);
  expect(notes.filter((note) => note === LINE_BROKE).length).toBeGreaterThanOrEqual(3);

  const parts = readdirSync(recordings).sort();
  expect(parts.length).toBeGreaterThan(1);
  const file = join(folder, "whole.osnr");
  writeFileSync(file, Buffer.concat(parts.map((part) => readFileSync(join(recordings, part)))));
  const replayed: PipelineRecord[] = [];
  await runReplay(
    {
      capture: file,
      material: testMaterial(),
      pipeline: {
        mode: "replay",
        softwareVersion: SOFTWARE_VERSION,
        fixes: fixesWith({ mode: "replay", softwareVersion: SOFTWARE_VERSION }),
      },
      speed: "max",
      timeline: "recorded",
    },
    (record) => {
      if (record.type !== "tag" && record.type !== "summary") replayed.push(record);
    },
  );
  expect(replayed.map(asSimulated)).toEqual(live.map((record) => JSON.stringify(record)));
});
