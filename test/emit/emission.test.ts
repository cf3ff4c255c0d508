import { createServer, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, expect, it, onTestFinished } from "vitest";
import { DEAD_AFTER_FAILURES, Delivery, type Transport } from "../../src/emit/delivery.js";
import { Emission } from "../../src/emit/emission.js";
import { isSealedBy, openEnvelope } from "../../src/emit/envelope.js";
import { Outbox, type OutboxMessage } from "../../src/emit/outbox.js";
import { webhook } from "../../src/emit/webhook.js";
import { emit, FEDERATION_KEYS, fill } from "./emitting.js";
import { testFolder } from "./folder.js";
import { addSubframes, witnessAt } from "./logs.js";

const message = (key: string) => ({ purpose: "federation", key, envelope: Buffer.from(key) }) as const;
const keys = (messages: readonly OutboxMessage[]) => messages.map(({ key }) => key);

function outboxIn(directory: string): Outbox {
  return new Outbox({ directory, flush: false });
}

/** Takes what it is given, or fails as often as told. */
class Consumer implements Transport {
  readonly got: string[] = [];
  readonly batches: number[] = [];
  failures = 0;
  async send(batch: readonly OutboxMessage[]): Promise<void> {
    await Promise.resolve();
    if (this.failures-- > 0) throw new Error("not now");
    this.batches.push(batch.length);
    this.got.push(...keys(batch));
  }
  close(): Promise<void> {
    return Promise.resolve();
  }
}

describe("outbox", () => {
  it("keeps order, numbers and cursors over a restart, and each key once", () => {
    const directory = testFolder();
    const before = outboxIn(directory);
    before.register("a", "federation");
    expect(before.put([message("1"), message("2"), message("1")], { log: 2 })).toBe(2);
    before.advance("a", 1);
    before.close();
    const after = outboxIn(directory);
    expect(after.put([message("2"), message("3")])).toBe(1);
    expect(after.taken("log")).toBe(2);
    expect(after.state("a")).toMatchObject({ seq: 1, backlog: 2 });
    expect(keys(after.after("federation", 1, 10))).toEqual(["2", "3"]);
    expect(after.after("prover", 0, 10)).toEqual([]);
    after.close();
  });

  it("moves no cursor back, and none beyond what was sent", () => {
    const outbox = outboxIn(testFolder());
    outbox.register("a", "federation");
    outbox.put([message("1"), message("2")]);
    outbox.advance("a", 2);
    outbox.advance("a", 1);
    expect(outbox.state("a")!.seq).toBe(2);
    expect(() => {
      outbox.advance("a", 3);
    }).toThrow("never sent");
    outbox.close();
  });

  it("lets go only of what all have taken, and gives no number twice after that", () => {
    const outbox = outboxIn(testFolder());
    outbox.register("fast", "federation");
    outbox.register("slow", "federation");
    outbox.put(["1", "2", "3"].map(message));
    outbox.advance("fast", 3);
    outbox.advance("slow", 1);
    expect(outbox.prune("federation", 0, ["fast", "slow"])).toBe(1);
    expect(outbox.firstSeq("federation")).toBe(2);
    expect(outbox.prune("federation", 0, [])).toBe(2);
    outbox.put([message("4")]);
    expect(outbox.after("federation", 0, 10)).toMatchObject([{ seq: 4, key: "4" }]);
    outbox.close();
  });
});

describe("delivery", () => {
  const start = (outbox: Outbox, transport: Transport) =>
    new Delivery({
      outbox,
      consumer: "c",
      purpose: "federation",
      transport,
      batchSize: 2,
      firstWaitMs: 60_000,
    });

  it("hands over everything once, in order, in bounded batches, though the consumer fails between", async () => {
    const outbox = outboxIn(testFolder());
    const consumer = new Consumer();
    consumer.failures = 2;
    outbox.put(["1", "2", "3"].map(message));
    const delivery = start(outbox, consumer);
    await delivery.settled();
    expect(delivery.status).toMatchObject({ state: "waiting", failures: 1, error: "not now", backlog: 3 });
    outbox.put([message("4"), message("5")]);
    await delivery.settled();
    expect(delivery.status.failures).toBe(1);
    delivery.wake();
    await delivery.settled();
    delivery.wake();
    await delivery.settled();
    expect(consumer.got).toEqual(["1", "2", "3", "4", "5"]);
    expect(consumer.batches).toEqual([2, 2, 1]);
    expect(delivery.status).toMatchObject({ state: "idle", failures: 0, error: null, backlog: 0 });
    await delivery.close();
    outbox.close();
  });

  it("shows a consumer that is dead", async () => {
    const outbox = outboxIn(testFolder());
    const consumer = new Consumer();
    consumer.failures = Number.POSITIVE_INFINITY;
    outbox.put([message("1")]);
    const delivery = start(outbox, consumer);
    for (let i = 1; i < DEAD_AFTER_FAILURES; i++) {
      await delivery.settled();
      expect(delivery.status.state).toBe("waiting");
      delivery.wake();
    }
    await delivery.settled();
    expect(delivery.status.state).toBe("dead");
    await delivery.close();
    outbox.close();
  });
});

describe("emission", () => {
  it("takes leaves, checkpoints and cosignatures of the log, in order, for a federation without what opens them", async () => {
    const { log, emission } = emit(testFolder());
    await fill(emission);
    const messages = emission.outbox.after("federation", 0, 100);
    expect(keys(messages)).toEqual(FEDERATION_KEYS);
    for (const { envelope } of messages) {
      const opened = openEnvelope(envelope)!;
      expect(opened).toMatchObject({ purpose: "federation", mode: "live" });
      expect(isSealedBy(opened, log.key.publicKey)).toBe(true);
    }
    expect(emission.outbox.after("prover", 0, 100)).toEqual([]);
  });

  it("takes what is missing after a death between log and outbox, and doubles nothing", async () => {
    const directory = testFolder();
    const { log, emission } = emit(directory);
    await fill(emission);
    await emission.close();
    await addSubframes(log, 3, 2);
    await witnessAt(log, 1_790_000_060);
    const again = new Emission({ log, directory, consumers: [], flush: false });
    await again.taken();
    const names = keys(again.outbox.after("federation", 0, 100));
    expect(names).toEqual([
      ...FEDERATION_KEYS,
      "leaf/4",
      "leaf/5",
      "checkpoint/6",
      "cosignature/6/witness.example/w",
    ]);
    await again.close();
  });

  it("hears what it is told between its last look and its end", async () => {
    const { emission } = emit(testFolder());
    await emission.taken();
    const { outbox } = emission;
    const prune = outbox.prune.bind(outbox);
    let looks = 0;
    // The last that a look does; what is queued here runs after it, and before the look has ended for others.
    outbox.prune = (purpose, ...rest) => {
      if (purpose === "prover" && ++looks === 1) {
        queueMicrotask(() => {
          emission.notify();
        });
      }
      return prune(purpose, ...rest);
    };
    emission.notify();
    await emission.taken();
    expect(looks).toBe(2);
  });

  it("gives a prover what opens the leaves as well", async () => {
    const { emission, log } = emit(testFolder(), {
      consumers: [{ name: "p", purpose: "prover", transport: null }],
    });
    await fill(emission);
    const messages = emission.outbox.after("prover", 0, 100);
    expect(keys(messages)).toContain("openings/1");
    const opened = openEnvelope(messages.find(({ key }) => key === "openings/1")!.envelope)!;
    expect(opened.statement).toMatchObject({ kind: "openings", index: 1 });
    expect(Buffer.from((opened.statement as { secret: Uint8Array }).secret)).toEqual(
      Buffer.from(log.openings(1)!.secret),
    );
  });
});

async function listen(server: Server): Promise<string> {
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  onTestFinished(
    () =>
      new Promise<void>((done) => {
        server.closeAllConnections();
        server.close(() => {
          done();
        });
      }),
  );
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

describe("webhook", () => {
  it("posts envelopes as they are, and takes 2xx alone as taken", async () => {
    const seen: { body: Buffer; headers: NodeJS.Dict<string | string[]> }[] = [];
    let status = 503;
    const url = await listen(
      createServer((request, response) => {
        const chunks: Buffer[] = [];
        request.on("data", (chunk: Buffer) => chunks.push(chunk));
        request.on("end", () => {
          seen.push({ body: Buffer.concat(chunks), headers: request.headers });
          response.writeHead(status).end();
        });
      }),
    );
    const transport = webhook({ url: `${url}/in`, purpose: "federation", token: "secret" });
    const batch = [
      { seq: 4, key: "a", envelope: Uint8Array.of(1, 2) },
      { seq: 5, key: "b", envelope: Uint8Array.of(3) },
    ];
    const { signal } = new AbortController();
    await expect(transport.send(batch, signal)).rejects.toThrow("503");
    status = 204;
    await transport.send(batch, signal);
    expect(seen[1].body).toEqual(Buffer.of(1, 2, 3));
    expect(seen[1].headers).toMatchObject({
      "content-type": "application/cbor-seq",
      authorization: "Bearer secret",
      "osnmad-first": "4",
      "osnmad-last": "5",
    });
  });

  it("goes by the status line, whatever drips behind it, and waits no longer than it says for one", async () => {
    let drip = (response: ServerResponse): void => void response.writeHead(200).write("a");
    const server = createServer((request, response) => {
      request.resume();
      drip(response);
    });
    const url = await listen(server);
    const transport = webhook({ url, purpose: "federation", timeoutMs: 300 });
    const batch = [{ seq: 1, key: "a", envelope: Uint8Array.of(1) }];
    const { signal } = new AbortController();
    await transport.send(batch, signal);
    drip = (response) => void response.writeHead(500).write("a");
    await expect(transport.send(batch, signal)).rejects.toThrow("500");
    drip = ({ socket }) => {
      socket!.write("HTTP/1.1 2");
      const more = setInterval(() => socket!.write("0"), 50);
      socket!.once("close", () => {
        clearInterval(more);
      });
    };
    await expect(transport.send(batch, signal)).rejects.toThrow();
    drip = ({ socket }) => {
      socket!.write("HTTP/1.1 200 OK\r\nx: ");
      const more = setInterval(() => socket!.write("y"), 50);
      socket!.once("close", () => {
        clearInterval(more);
      });
    };
    await expect(transport.send(batch, signal)).rejects.toThrow("in time");
  });

  it("takes places nowhere but to a socket, to this machine, or over TLS with a token", () => {
    const to = (url: string, token?: string) => () => webhook({ url, purpose: "prover", token });
    for (const url of ["unix:/run/p.sock", "unix:/run/p.sock:/in", "http://127.0.0.1:1", "http://[::1]:1"]) {
      expect(to(url)).not.toThrow();
    }
    expect(to("https://prover.example/in", "t")).not.toThrow();
    for (const url of [
      "http://prover.example/",
      "http://10.0.0.1/",
      "https://prover.example/",
      "http://127.0.0.1.example/",
      "ftp://127.0.0.1/",
      "no address",
    ]) {
      expect(to(url), url).toThrow();
    }
    expect(to("http://prover.example/", "t")).toThrow("coordinates");
  });
});
