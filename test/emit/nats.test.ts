import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { createServer } from "node:net";
import { rmSync } from "node:fs";
import { join } from "node:path";
import type { AddressInfo } from "node:net";
import { fastify } from "fastify";
import { beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { Consumer, type StationVerdict } from "../../src/emit/consumer.js";
import { ConsumerStore } from "../../src/emit/consumer-store.js";
import { Emission } from "../../src/emit/emission.js";
import { HttpSource } from "../../src/emit/http-source.js";
import { ensureStream, followNats, NatsTransport } from "../../src/emit/nats.js";
import { stationRoutes } from "../../src/station/routes.js";
import type { Station } from "../../src/station/station.js";
import { testFolder } from "./folder.js";
import { addSubframes, openLog } from "./logs.js";

const present = spawnSync("nats-server", ["--version"]).status === 0;
const needed = process.env["CI"] !== undefined;

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const { port } = server.address() as AddressInfo;
  await new Promise((done) => server.close(done));
  return port;
}

class Broker {
  readonly folder = testFolder();
  port = 0;
  #process: ChildProcess | null = null;

  get servers(): string {
    return `nats://127.0.0.1:${this.port}`;
  }

  async start(): Promise<void> {
    if (this.port === 0) this.port = await freePort();
    const child = spawn(
      "nats-server",
      ["-js", "-a", "127.0.0.1", "-p", String(this.port), "-sd", join(this.folder, "js")],
      { stdio: ["ignore", "ignore", "pipe"] },
    );
    this.#process = child;
    await new Promise<void>((ready, fail) => {
      let text = "";
      child.stderr.on("data", (chunk: Buffer) => {
        text += chunk.toString();
        if (text.includes("Server is ready")) ready();
      });
      child.once("exit", () => {
        fail(new Error(text));
      });
    });
  }

  async kill(): Promise<void> {
    const child = this.#process;
    this.#process = null;
    if (child === null || child.exitCode !== null) return;
    const gone = new Promise((done) => child.once("exit", done));
    child.kill("SIGKILL");
    await gone;
  }

  /** The disk of the broker is gone. */
  lose(): void {
    rmSync(join(this.folder, "js"), { recursive: true, force: true });
  }
}

describe.skipIf(!present && !needed)(
  "NATS JetStream (skipped where nats-server is missing, but not in CI)",
  () => {
    const broker = { current: null as Broker | null };

    beforeAll(() => {
      if (!present) throw new Error("nats-server is missing: apt-get install nats-server");
    });

    async function begin() {
      const server = new Broker();
      broker.current = server;
      await server.start();
      onTestFinished(() => server.kill());
      await ensureStream({ servers: server.servers });
      const directory = testFolder();
      const log = openLog(join(directory, "log"));
      const transport = new NatsTransport({ servers: server.servers, station: log.station });
      const emission = new Emission({
        log,
        directory,
        flush: false,
        consumers: [
          { name: "nats", purpose: "federation", transport, delivery: { firstWaitMs: 20, maxWaitMs: 50 } },
        ],
      });
      const app = fastify({ forceCloseConnections: true });
      stationRoutes(app, { station: { log } as Station });
      const url = await app.listen({ host: "127.0.0.1", port: 0 });
      onTestFinished(async () => {
        await app.close();
        await emission.close();
        log.close();
      });
      const grow = async (from: number, count: number): Promise<void> => {
        await addSubframes(log, from, count);
        emission.notify();
        await emission.taken();
      };
      const delivered = () =>
        expect.poll(() => emission.status().consumers[0].backlog, { timeout: 15_000 }).toBe(0);
      const folder = testFolder();
      const consume = async () => {
        const store = new ConsumerStore(folder);
        const verdicts: StationVerdict[] = [];
        const stations = [
          { key: log.key, witnesses: [], needed: 1, marginSeconds: 5, leapSeconds: 18, keyOffsetSeconds: 0 },
        ];
        const consumer = new Consumer({ stations, store, onVerdict: (verdict) => verdicts.push(verdict) });
        const { signal } = new AbortController();
        await followNats(consumer, {
          servers: server.servers,
          signal,
          once: true,
          sources: [new HttpSource({ url })],
        });
        store.close();
        return {
          verdicts,
          status: consumer.status()[0],
          root: Buffer.from([...consumer.followers.values()][0].root),
        };
      };
      return { server, log, emission, grow, delivered, consume };
    }

    it("brings every leaf once, also where the broker dies between", async () => {
      const { server, grow, delivered, consume, log } = await begin();
      await grow(0, 3);
      await delivered();
      expect((await consume()).status).toMatchObject({ leaves: 4, proven: 4, lies: 0, repeats: 0 });
      await server.kill();
      await grow(3, 3);
      await server.start();
      await delivered();
      const { status, root, verdicts } = await consume();
      expect(status).toMatchObject({ leaves: 7, proven: 7, lies: 0 });
      expect(verdicts.filter(({ type }) => type === "leaf")).toHaveLength(3);
      expect(root).toEqual(Buffer.from(log.checkpoint!.root));
    }, 60_000);

    it("loses nothing where the broker loses everything: what is missing comes from the tiles", async () => {
      const { server, grow, delivered, consume, log } = await begin();
      await grow(0, 3);
      await delivered();
      await consume();
      await grow(3, 3);
      await delivered();
      await server.kill();
      server.lose();
      await server.start();
      await ensureStream({ servers: server.servers });
      await grow(6, 3);
      await delivered();
      const { status, root } = await consume();
      expect(status).toMatchObject({ leaves: 10, proven: 10, lies: 0 });
      expect(root).toEqual(Buffer.from(log.checkpoint!.root));
    }, 60_000);

    it("stores what is sent twice once", async () => {
      const { server, emission, grow, delivered, consume } = await begin();
      await grow(0, 2);
      await delivered();
      const again = new NatsTransport({ servers: server.servers, station: emission.log.station });
      await again.send(emission.outbox.after("federation", 0, 100));
      await again.close();
      expect((await consume()).status).toMatchObject({ leaves: 3, repeats: 0, lies: 0 });
    }, 60_000);
  },
);
