import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import { nkeys } from "@nats-io/transport-node";
import { Command } from "commander";
import { fastify } from "fastify";
import { beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { Consumer, type StationVerdict } from "../../src/emit/consumer.js";
import { ConsumerStore } from "../../src/emit/consumer-store.js";
import { Emission } from "../../src/emit/emission.js";
import { HttpSource } from "../../src/emit/http-source.js";
import { registerEmission } from "../../src/cli/commands/emission.js";
import { ensureStream, followNats, messageId, NatsTransport, STREAM } from "../../src/emit/nats.js";
import { challengeSubject, takeChallenges } from "../../src/emit/nats-challenges.js";
import { connectionOptions, connectTo } from "../../src/emit/nats-connection.js";
import { stationRoutes } from "../../src/station/routes.js";
import type { Station } from "../../src/station/station.js";
import { assertInstalled, Broker, isSkipped } from "./broker.js";
import { testFolder } from "./folder.js";
import { addSubframes, openLog } from "./logs.js";

/** What a node that reads needs, as docs/emission.md says. */
const NODE = `[
  "$JS.API.INFO", "$JS.API.STREAM.INFO.OSNMAD", "$JS.API.CONSUMER.CREATE.OSNMAD.>", "$JS.API.CONSUMER.INFO.OSNMAD.>",
  "$JS.API.CONSUMER.MSG.NEXT.OSNMAD.>", "$JS.API.CONSUMER.DELETE.OSNMAD.>"
]`;

/** And who makes the stream. */
const MAKER = '["$JS.API.INFO", "$JS.API.STREAM.NAMES", "$JS.API.STREAM.CREATE.OSNMAD"]';

describe.skipIf(isSkipped)("NATS JetStream (skipped where nats-server is missing, but not in CI)", () => {
  const broker = { current: null as Broker | null };

  beforeAll(assertInstalled);

  async function begin() {
    const server = new Broker();
    broker.current = server;
    await server.start();
    onTestFinished(() => server.kill());
    await ensureStream({ servers: server.servers });
    const directory = testFolder();
    const log = openLog(join(directory, "log"));
    const station = { log, answer: () => null } as unknown as Station;
    const transport = new NatsTransport({
      servers: server.servers,
      station: log.station,
      onConnected: (connection) => {
        takeChallenges(connection, station, () => 1_790_000_000_000);
      },
    });
    const emission = new Emission({
      log,
      directory,
      flush: false,
      consumers: [
        { name: "nats", purpose: "federation", transport, delivery: { firstWaitMs: 20, maxWaitMs: 50 } },
      ],
    });
    const app = fastify({ forceCloseConnections: true });
    stationRoutes(app, { station });
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
    const consume = async (sources = [new HttpSource({ url })]) => {
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
        sources,
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

  it("takes challenges as HTTP does, again after the broker was away", async () => {
    const { server, grow, delivered, log } = await begin();
    const ask = async (data: Uint8Array): Promise<Record<string, unknown>> => {
      const connection = await connectTo({ servers: server.servers });
      try {
        const subject = challengeSubject(Buffer.from(log.station).toString("hex"));
        return (await connection.request(subject, data, { timeout: 5000 })).json();
      } finally {
        await connection.close();
      }
    };
    await grow(0, 1);
    await delivered();
    const challenge = new Uint8Array(32).fill(7);
    const taken = {
      challenge: Buffer.from(challenge).toString("base64"),
      leafIndex: null,
      answer: null,
    };
    expect(await ask(Buffer.concat([challenge, Buffer.from("from a region")]))).toEqual(taken);
    expect(Buffer.from(log.findChallenge(challenge)!.proof).toString()).toBe("from a region");
    expect(await ask(challenge.subarray(1))).toMatchObject({ code: "OSN_USAGE" });
    expect(await ask(new Uint8Array(40_000))).toMatchObject({ code: "OSN_USAGE" });
    await server.kill();
    await server.start();
    await grow(1, 1);
    await delivered();
    expect(await ask(challenge)).toEqual({ ...taken, leafIndex: 2 });
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

  it("finds out a broker that keeps the last messages back, and is stopped by no address that never answers", async () => {
    const server = new Broker();
    onTestFinished(() => server.kill());
    await server.start();
    await ensureStream({ servers: server.servers });
    const directory = testFolder();
    const log = openLog(join(directory, "log"));
    const emission = new Emission({ log, directory, flush: false, consumers: [] });
    const app = fastify({ forceCloseConnections: true });
    stationRoutes(app, { station: { log } as Station });
    const url = await app.listen({ host: "127.0.0.1", port: 0 });
    onTestFinished(async () => {
      await app.close();
      await emission.close();
      log.close();
    });
    await addSubframes(log, 0, 22);
    emission.notify();
    await emission.taken();
    const transport = new NatsTransport({ servers: server.servers, station: log.station });
    await transport.send(emission.outbox.after("federation", 0, 3));
    await transport.close();
    const consumer = new Consumer({
      stations: [
        { key: log.key, witnesses: [], needed: 1, marginSeconds: 5, leapSeconds: 18, keyOffsetSeconds: 0 },
      ],
      store: null,
      onVerdict: () => undefined,
    });
    const never = new HttpSource({
      url: "http://127.0.0.1:9",
      fetch: (_, init) =>
        new Promise((_resolve, reject) => {
          init?.signal?.addEventListener("abort", () => {
            reject(new Error("given up"));
          });
        }),
    });
    const stop = new AbortController();
    const following = followNats(consumer, {
      servers: server.servers,
      signal: stop.signal,
      sources: [never, new HttpSource({ url })],
      compareMs: 200,
    });
    await expect.poll(() => consumer.status()[0].proven, { timeout: 30_000 }).toBe(23);
    stop.abort();
    await following;
    expect(consumer.status()).toMatchObject([{ leaves: 23, lies: 0 }]);
  }, 60_000);

  it("reads a new stream from its beginning, also where it is longer than the old one was", async () => {
    const { server, emission, grow, delivered, consume } = await begin();
    await grow(0, 2);
    await delivered();
    expect((await consume()).status).toMatchObject({ leaves: 3, proven: 3 });
    await server.kill();
    server.lose();
    await server.start();
    await ensureStream({ servers: server.servers });
    await grow(2, 3);
    await delivered();
    // What was in the old stream, sent again behind it: more than the position that was reached there.
    const again = new NatsTransport({ servers: server.servers, station: emission.log.station });
    await again.send(emission.outbox.after("federation", 0, 4));
    await again.close();
    const { status } = await consume([]);
    expect(status).toMatchObject({ leaves: 6, proven: 6, lies: 0 });
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

  it("finds what a broker keeps back to the last leaf, though no index is missing", async () => {
    const { server, grow, delivered, consume, log } = await begin();
    await grow(0, 3);
    await delivered();
    const connection = await connectTo({ servers: server.servers });
    const { streams } = await jetstreamManager(connection);
    const { state } = await streams.info(STREAM);
    // Leaf 0 is all that is left.
    for (let seq = 2; seq <= state.last_seq; seq++) await streams.deleteMessage(STREAM, seq);
    await connection.close();
    const { status, root } = await consume();
    expect(status).toMatchObject({ leaves: 4, proven: 4, lies: 0 });
    expect(root).toEqual(Buffer.from(log.checkpoint!.root));
  }, 60_000);

  it("reads a stream that was made anew from its beginning, however many messages it has by then", async () => {
    const { server, grow, delivered, consume, emission } = await begin();
    await grow(0, 3);
    await delivered();
    expect((await consume([])).status).toMatchObject({ leaves: 4 });
    const connection = await connectTo({ servers: server.servers });
    await (await jetstreamManager(connection)).streams.delete(STREAM);
    await connection.close();
    await ensureStream({ servers: server.servers });
    await grow(3, 6);
    await delivered();
    const later = emission.outbox.after("federation", 0, 100).filter(({ key }) => key.startsWith("leaf/"));
    expect(later.length).toBe(10);
    expect((await consume([])).status).toMatchObject({ leaves: 10, proven: 10, lies: 0 });
  }, 60_000);

  it("takes for a repeat of a station's message nothing that another could have sent before", async () => {
    const { server, emission, grow, consume, log } = await begin();
    await server.kill();
    await grow(0, 2);
    const messages = emission.outbox.after("federation", 0, 100);
    await emission.close();
    await server.start();
    const station = Buffer.from(log.station).toString("hex");
    const ids = messages.flatMap((message) => [
      `${station}:${message.key}`,
      messageId(station, message),
      messageId(station, message, Buffer.from("a guess")),
    ]);
    const connection = await connectTo({ servers: server.servers });
    const client = jetstream(connection);
    const transport = new NatsTransport({
      servers: server.servers,
      station: log.station,
      secret: Buffer.from("the station's own"),
    });
    for (const msgID of ids) await client.publish(`osnmad.${"00".repeat(32)}.leaf`, "squatted", { msgID });
    await transport.send(messages);
    await transport.send(messages);
    await transport.close();
    const info = await (await jetstreamManager(connection)).streams.info(STREAM);
    await connection.close();
    expect(info.state.messages).toBe(ids.length + messages.length);
    expect((await consume()).status).toMatchObject({ leaves: 3, lies: 0 });
  }, 60_000);

  it("is reached by any of its servers that is there, in whatever order they are written", async () => {
    const server = new Broker();
    onTestFinished(() => server.kill());
    await server.start();
    for (let attempt = 0; attempt < 6; attempt++) {
      const connection = await connectTo({
        servers: ["nats://127.0.0.1:1", server.servers, "nats://[::1]:1"],
      });
      expect(connection.getServer()).toContain(String(server.port));
      await connection.close();
    }
    await server.kill();
    await expect(connectTo({ servers: ["nats://127.0.0.1:1", server.servers] })).rejects.toThrow(/refused/i);
  });

  it("goes where a broker asks who comes: a station may publish its own and no more", async () => {
    const server = new Broker();
    onTestFinished(() => server.kill());
    const log = openLog(join(testFolder(), "log"));
    onTestFinished(() => {
      log.close();
    });
    const station = Buffer.from(log.station).toString("hex");
    const pair = nkeys.createUser();
    const rights = (id: string) => `{ publish: ["osnmad.${id}.*"], subscribe: ["_INBOX.>"] }`;
    server.configure(`authorization { users: [
        { user: keeper, password: "secret of the keeper", permissions: { publish: ${MAKER}, subscribe: ["_INBOX.>"] } }
        { user: station, password: "p:w/1", permissions: ${rights(station)} }
        { user: node, password: reads, permissions: { publish: ${NODE}, subscribe: ["_INBOX.>"] } }
        { nkey: ${pair.getPublicKey()}, permissions: ${rights("00".repeat(32))} }
      ] }`);
    await server.start();
    const { servers } = server;
    const file = (name: string, text: string | Uint8Array): string => {
      const path = join(server.folder, name);
      writeFileSync(path, text);
      return path;
    };
    const keeper = file("keeper", "keeper:secret of the keeper\n");
    await expect(ensureStream({ servers })).rejects.toThrow("Authorization Violation");
    const own = (credentialsFile: string | undefined, url = servers) =>
      new NatsTransport({
        servers: url,
        credentialsFile,
        station: log.station,
        // Not allowed here; what is delivered does not depend on it.
        onConnected: (connection) => {
          takeChallenges(connection, { log, answer: () => null } as unknown as Station);
        },
      });
    const send = async (transport: NatsTransport) => {
      try {
        await transport.send([{ seq: 1, key: "leaf/0", envelope: Uint8Array.of(1) }]);
      } finally {
        await transport.close();
      }
    };
    const inAddress = `nats://station:${encodeURIComponent("p:w/1")}@127.0.0.1:${server.port}`;
    await expect(send(own(undefined, inAddress))).rejects.toThrow("osnmad emission stream makes it");

    const program = new Command().exitOverride();
    let printed = "";
    registerEmission(program, {
      out: (text) => {
        printed += text;
      },
      err: () => undefined,
    });
    const make = ["emission", "stream", "--nats", servers, "--nats-credentials", keeper];
    await program.parseAsync(make, { from: "user" });
    await program.parseAsync(make, { from: "user" });
    expect(printed).toBe("OSNMAD is made.\nOSNMAD was there already, and stays as it is.\n");

    await send(own(undefined, inAddress));
    await send(own(file("station", "station:p:w/1")));
    await expect(send(own(file("nkey", pair.getSeed())))).rejects.toThrow(/permission/i);
    const read: number[] = [];
    await followNats(new Consumer({ stations: [], store: null, onVerdict: () => undefined }), {
      servers,
      credentialsFile: file("node", "node:reads"),
      signal: new AbortController().signal,
      once: true,
      onPosition: (seq) => read.push(seq),
    });
    expect(read).toEqual([1]);

    const wrong = await send(own(file("wrong", "station:another secret"))).catch((error: unknown) => error);
    expect(String(wrong)).toContain("Authorization Violation");
    expect(String(wrong)).not.toContain("another secret");
    // No TLS there: nothing is said in the clear instead.
    await expect(send(own(keeper, servers.replace("nats:", "tls:")))).rejects.toThrow("tls");
  }, 60_000);
});

describe("the address and the login of a broker", () => {
  it("are refused without a word of a secret", () => {
    const folder = testFolder();
    const empty = join(folder, "empty");
    writeFileSync(empty, "\n");
    const seed = join(folder, "seed");
    writeFileSync(seed, `SU${"A".repeat(56)}`);
    const refused = (options: Parameters<typeof connectionOptions>[0]): string => {
      try {
        connectionOptions(options);
      } catch (error) {
        expect(error).toMatchObject({ code: "OSN_USAGE" });
        return (error as Error).message;
      }
      return "taken";
    };
    for (const servers of [
      "",
      "hunter2",
      "http://u:hunter2@b",
      "nats://",
      "nats://u:hunter2%zz@a",
      "nats://hunter2%@a",
      ["nats://u:hunter2@a", "nats://b"],
    ]) {
      expect(refused({ servers })).not.toMatch(/taken|hunter2/);
    }
    const servers = "nats://u:hunter2@a";
    expect(refused({ servers, credentialsFile: empty })).toContain("not in both");
    for (const credentialsFile of [empty, seed, join(folder, "none")]) {
      expect(refused({ servers: "nats://a", credentialsFile })).toContain(credentialsFile);
    }
    expect(refused({ servers: "nats://a", caFile: join(folder, "none") })).toContain("cannot be read");
  });

  it("are what the client takes", () => {
    const given = (servers: string | string[]) => connectionOptions({ servers });
    expect(given("nats://u:p%40@a:1")).toMatchObject({ servers: ["a:1"], user: "u", pass: "p@" });
    expect(given("nats://t0ken@[::1]:5")).toMatchObject({ servers: ["[::1]:5"], token: "t0ken" });
    expect(given(["tls://a", "tls://b:5"])).toMatchObject({ servers: ["a:4222", "b:5"], tls: {} });
    expect(given("nats://a")).not.toHaveProperty("tls");
  });
});
