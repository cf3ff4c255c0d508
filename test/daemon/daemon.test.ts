import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { LiveStatus, StatusRecord } from "../../src/http/schemas.js";
import type { EventRecord, FixRecord } from "../../src/pipeline/records.js";
import { feedOf } from "../../src/simulate/receiver/feed.js";
import { withVirtualReceiver } from "../../src/simulate/receiver/with-virtual-receiver.js";
import { newPipeline } from "../../src/cli/replay-run.js";
import { receiverSetup } from "../../src/cli/receiver-setup.js";
import { fixesWith } from "../../src/fix/fix-stage.js";
import { until } from "../source/compliance.js";
import { configOf, startBench, streaming, testMaterial, type Bench } from "./support.js";

const capture = readFileSync("captures/nominal.ubx");
const feed = (): ReturnType<typeof feedOf> => feedOf([capture]);
/** Epochs that a replay of the same bytes makes a fix of: live, none of them may be missing. */
function epochsOfReplay(): number[] {
  const epochs: number[] = [];
  const pipeline = newPipeline(
    {
      material: testMaterial(),
      pipeline: {
        mode: "simulated",
        softwareVersion: "test",
        fixes: fixesWith({ mode: "simulated", softwareVersion: "test" }),
      },
    },
    (record) => {
      if (record.type === "fix") epochs.push(record.gst);
    },
  );
  pipeline.push(capture);
  pipeline.end();
  return epochs;
}

/** Waits are short, so that a test does not take as long as life. */
const TIMES = { firstWaitMs: 20, longestWaitMs: 200, silenceMs: 1500, settleMs: 2000, healthyMs: 1000 };

const fixes = ({ records }: Bench): FixRecord[] =>
  records.filter((record): record is FixRecord => record.type === "fix");
const events = ({ records }: Bench): string[] =>
  records.filter((record): record is EventRecord => record.type === "event").map(({ name }) => name);
const status = async ({ daemon }: Bench): Promise<StatusRecord & { live: LiveStatus }> =>
  (await fetch(`${daemon.url}/v1/status`)).json() as Promise<StatusRecord & { live: LiveStatus }>;

describe("the daemon on a pseudo-terminal, with the real serial binding", () => {
  let folder: string;
  let bench: Bench | null = null;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "osnmad-e2e-"));
  });
  afterEach(async () => {
    await bench?.stop();
    bench = null;
    rmSync(folder, { recursive: true });
  });

  it("makes authenticated fixes, keeps each once, streams them, and says that it is a simulation", async () => {
    const link = join(folder, "gnss");
    await withVirtualReceiver(
      { model: "F9T", feed: feed(), flash: streaming(), over: "pty", link, speed: 100, waitForHost: true },
      async (port) => {
        bench = await startBench({ config: { "receiver.port": port }, times: TIMES });
        const expected = epochsOfReplay();
        const streamed = fetch(`${bench.daemon.url}/v1/stream?types=fix`).then(async (answer) => {
          const reader = answer.body!.getReader();
          for (;;) {
            const { value, done } = await reader.read();
            const text = Buffer.from(value ?? []).toString();
            if (!done && !text.includes('"assurance":"nav-authenticated"')) continue;
            await reader.cancel();
            return !done;
          }
        });
        await until("a fix for every epoch", () => fixes(bench!).length >= expected.length, 40);
        expect(await streamed).toBe(true);
        const given = fixes(bench);
        expect(given.map(({ gst }) => gst)).toEqual(expected);
        expect(given.filter(({ assurance }) => assurance === "nav-authenticated").length).toBeGreaterThan(50);
        for (const { mode, timeAssurance } of given) {
          expect({ mode, timeAssurance }).toEqual({ mode: "simulated", timeAssurance: "independent" });
        }
        expect(events(bench)).toContain("receiver-connected");
        const { live, mode, replay } = await status(bench);
        expect({ mode, replay, why: live.why }).toEqual({ mode: "simulated", replay: null, why: null });
        expect(live.receiver).toMatchObject({ state: "alive", port, connections: 1 });
        expect(live.line).toMatchObject({ skippedBytes: 0, badChecksums: 0, epochs: given.length });
      },
    );
  });

  it("authenticates nothing without trusted time, test keys or not, and says why", async () => {
    await withVirtualReceiver(
      { model: "F9T", feed: feed(), flash: streaming(), over: "pty", speed: 150, waitForHost: true },
      async (port, served) => {
        bench = await startBench({ config: { "receiver.port": port }, times: TIMES });
        bench.clock.trusted = false;
        await until("the end of the sky", () => served.receiver.ended, 60);
        await until("what is on its way", () => fixes(bench!).length > 100, 30);
        const given = fixes(bench);
        expect(given.length).toBeGreaterThan(100);
        expect(new Set(given.map(({ assurance }) => assurance))).toEqual(new Set(["unverified"]));
        expect(given.at(-1)?.reasons).toContain("no-trusted-time");
        const { live, counts } = await status(bench);
        expect(counts.authenticated).toBe(0);
        expect(live.why).toBe("No trusted time: The test says so.");
      },
    );
  });

  it("goes on after the cable was pulled and put back, though the device has another name behind its link", async () => {
    const link = join(folder, "gnss");
    await withVirtualReceiver(
      { model: "F9T", feed: feed(), flash: streaming(), over: "pty", link, speed: 50, waitForHost: true },
      async (port, served) => {
        bench = await startBench({ config: { "receiver.port": port }, times: TIMES });
        await until("fixes", () => fixes(bench!).length > 30, 30);
        served.fault({ do: "unplug", seconds: 10 });
        await until("the loss", () => events(bench!).includes("receiver-lost"));
        const before = fixes(bench).length;
        await until("fixes again", () => fixes(bench!).length > before + 30, 30);
        expect(events(bench).filter((name) => name === "receiver-connected")).toHaveLength(2);
        const times = fixes(bench).map(({ gst }) => gst);
        expect(times).toEqual([...new Set(times)].sort((a, b) => a - b));
      },
    );
  });

  it("configures a receiver fresh from the factory that says nothing by itself, and again after a restart", async () => {
    const link = join(folder, "gnss");
    await withVirtualReceiver(
      { model: "F9P", feed: feed(), over: "pty", link, speed: 20, waitForHost: true },
      async (port, served) => {
        const notes: string[] = [];
        bench = await startBench({
          config: { "receiver.port": port },
          times: TIMES,
          setup: receiverSetup({ profile: "auto", fixedRate: false }),
          makeRecording: () => ({
            write: () => undefined,
            note: ({ note }) => notes.push(note),
            status: () => ({ recording: true, fault: null, bytesRecorded: 0, bytesLost: 0 }),
            close: () => Promise.resolve(),
          }),
        });
        await until("fixes", () => fixes(bench!).length > 20, 40);
        expect(notes).not.toContain("receiver-changed");
        expect(bench.daemon.status().receiver).toMatchObject({ model: "ZED-F9P", configuration: "applied" });
        const before = fixes(bench).length;
        served.fault({ do: "restart", start: "hot" });
        await until("fixes again", () => fixes(bench!).length > before + 20, 40);
        expect(events(bench).filter((name) => name === "receiver-configured").length).toBeGreaterThan(1);
        expect(events(bench)).toContain("receiver-lost");
        served.fault({ do: "replace", uniqueId: "0badc0ffee" });
        await until("the other receiver", () => events(bench!).includes("receiver-replaced"), 40);
        // A replay forgets the old one's clock at the same place.
        expect(notes).toContain("receiver-changed");
      },
    );
  });

  it("uses nothing of another receiver than the one asked for, and says so", async () => {
    await withVirtualReceiver(
      { model: "F9P", feed: feed(), over: "pty", speed: 20, waitForHost: true },
      async (port) => {
        bench = await startBench({
          config: { "receiver.port": port, "receiver.unique_id": "00deadbeef" },
          times: TIMES,
          setup: receiverSetup({ profile: "auto", fixedRate: false }),
        });
        await until("the refusal", () => events(bench!).includes("receiver-refused"), 40);
        await new Promise((resolve) => setTimeout(resolve, 500));
        expect(fixes(bench)).toEqual([]);
        const { line, why } = bench.daemon.status();
        expect(line.bytes).toBe(0);
        expect(why).toContain("unique_id");
      },
    );
  });

  it("takes over what can be taken over while it runs, and names what needs a restart", async () => {
    bench = await startBench({ config: { "receiver.port": "/dev/osnmad-none" }, times: TIMES });
    const changed = { "receiver.port": "/dev/osnmad-none", "http.port": 0, "recording.enabled": false };
    expect(
      bench.daemon.reload(
        configOf({
          ...changed,
          "fix.policy": "strict",
          "fix.thresholds": { cn0StepDb: 9 },
          "store.keep_days": 3,
        }),
      ),
    ).toEqual({ taken: ["fix.policy", "store.keep_days"], left: ["fix.thresholds"] });
    bench.daemon.tryReload(() => configOf({ "http.port": 70_000 }));
    // What could not be read changed nothing: only the thresholds still wait for a restart.
    expect(
      bench.daemon.reload(configOf({ ...changed, "fix.policy": "strict", "store.keep_days": 3 })),
    ).toEqual({ taken: [], left: [] });
  });

  it("lets no second daemon at the same data folder or port", async () => {
    await withVirtualReceiver(
      { model: "F9T", feed: feed(), flash: streaming(), over: "pty", speed: 1 },
      async (port) => {
        bench = await startBench({ config: { "receiver.port": port }, times: TIMES });
        await expect(startBench({ dataDirectory: bench.dataDirectory })).rejects.toMatchObject({
          code: "OSN_ALREADY_RUNNING",
        });
        await until("the connection", () => bench!.daemon.connection.phase === "alive");
        const other = await startBench({ config: { "receiver.port": port }, times: TIMES });
        await until("the refusal", () => other.daemon.status().receiver.reason !== null);
        expect(other.daemon.status().receiver.reason).toContain(String(process.pid));
        await other.stop();
      },
    );
  });
});
