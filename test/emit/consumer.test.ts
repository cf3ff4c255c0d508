import { fastify } from "fastify";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { Consumer, type StationVerdict } from "../../src/emit/consumer.js";
import { ConsumerStore } from "../../src/emit/consumer-store.js";
import { Emission } from "../../src/emit/emission.js";
import { openEnvelope, sealEnvelope } from "../../src/emit/envelope.js";
import type { Follower, FollowOptions } from "../../src/emit/follower.js";
import { HttpSource } from "../../src/emit/http-source.js";
import { emissionRoutes } from "../../src/emit/routes.js";
import type { Speaker, Statement } from "../../src/emit/statement.js";
import { formatNote } from "../../src/station/note.js";
import type { StationLog } from "../../src/station/station-log.js";
import { stationRoutes } from "../../src/station/routes.js";
import type { Station } from "../../src/station/station.js";
import { testKey } from "../station/keys.js";
import { GST, receiver, subframeContent } from "../station/leaves.js";
import { testFolder } from "./folder.js";
import { Liar, lies, policy, unixOf } from "./liar.js";
import { addSubframes, openLog, START_GST, witnessAt, witnessName } from "./logs.js";

async function heard(liar: Liar, follower = liar.follower()): Promise<Follower> {
  for (let at = 0; at < liar.bodies.length; at++)
    expect(lies(follower.accept(await liar.leaf(at)))).toEqual([]);
  return follower;
}

describe("follower", () => {
  it("finds every leaf proven and class A where a witness saw it while slow keys were secret", async () => {
    const liar = new Liar();
    liar.put(subframeContent(GST)).put(subframeContent(GST + 30, 2));
    const follower = await heard(liar);
    expect(follower.accept(await liar.signed())).toMatchObject([{ type: "checkpoint", size: 3, leaves: 3 }]);
    const verdicts = follower.accept(await liar.seen(GST + 62));
    expect(verdicts).toMatchObject([
      { type: "cosignature", witness: witnessName.name },
      { type: "class", index: 1, class: "A", fast: false },
      { type: "class", index: 2, class: "A", fast: true },
    ]);
    expect(follower.status).toMatchObject({
      leaves: 3,
      proven: 3,
      classA: 2,
      lies: 0,
      unwitnessed: 0,
    });
  });

  it("says the same however often and in whatever order checkpoint and cosignature come", async () => {
    const liar = new Liar();
    liar.put(subframeContent(GST));
    const follower = liar.follower();
    const messages = [await liar.seen(GST + 40), await liar.signed(), await liar.leaf(0), await liar.leaf(1)];
    const verdicts = messages.flatMap((message) => follower.accept(message));
    expect(verdicts.filter(({ type }) => type !== "gap").map(({ type }) => type)).toEqual([
      "leaf",
      "leaf",
      "checkpoint",
      "cosignature",
      "class",
    ]);
    for (const message of messages) expect(follower.accept(message)).toEqual([]);
  });

  it.each([
    ["after the slow keys were out", GST + 400],
    ["before the subframe was over", GST + 10],
  ])("gives class C to what was witnessed %s", async (_, seen) => {
    const liar = new Liar();
    liar.put(subframeContent(GST));
    const follower = await heard(liar);
    follower.accept(await liar.signed());
    expect(follower.accept(await liar.seen(seen))).toMatchObject([
      {},
      { type: "class", index: 1, class: "C" },
    ]);
    expect(follower.status.classA).toBe(0);
  });

  it("catches an index that is used twice", async () => {
    const liar = new Liar();
    const other = liar.branch(1);
    liar.put(subframeContent(GST));
    other.put(subframeContent(GST, 9));
    const follower = await heard(liar);
    const again = await liar.say({
      kind: "leaf",
      index: 1,
      leaf: other.bodies[1],
    });
    expect(lies(follower.accept(again))).toEqual(["index-reused"]);
  });

  it("catches a fork, and rewritten history, by the roots", async () => {
    const liar = new Liar();
    const other = liar.branch(1);
    liar.put(subframeContent(GST)).put(subframeContent(GST + 30));
    other.put(subframeContent(GST, 9)).put(subframeContent(GST + 30));
    const follower = await heard(liar);
    follower.accept(await liar.signed());
    const { note } = await other.checkpoint();
    const fork = await liar.say({
      kind: "checkpoint",
      size: 3,
      note: Buffer.from(formatNote(note)),
    });
    expect(lies(follower.accept(fork))).toEqual(["fork"]);
  });

  it.each([
    ["time-backwards", subframeContent(GST - 30), {}],
    ["unexplained-gap", subframeContent(GST + 90), {}],
    ["chain", subframeContent(GST + 30), { previous: new Uint8Array(32) }],
    ["receiver", subframeContent(GST + 30), { receiver: new Uint8Array(32) }],
  ] as const)("catches a leaf that does not follow: %s", async (what, content, lie) => {
    const liar = new Liar();
    liar.put(subframeContent(GST));
    const follower = await heard(liar);
    liar.put(content, lie);
    expect(lies(follower.accept(await liar.leaf(2)))).toEqual([what]);
    expect(follower.size).toBe(2);
  });

  it("catches the wrong mode, a prover's envelope, and keys that are not the station's", async () => {
    const liar = new Liar();
    const follower = await heard(liar);
    const cosignature: Statement = {
      kind: "cosignature",
      size: 1,
      line: Buffer.from("— a AAAAAAA="),
    };
    for (const [what, speaker] of [
      ["wrong-mode", { mode: "simulated" }],
      ["wrong-mode", { mode: "replay" }],
      ["wrong-purpose", { purpose: "prover" }],
    ] as const) {
      expect(lies(follower.accept(await liar.say(cosignature, speaker)))).toEqual([what]);
    }
    const honest: Speaker = {
      purpose: "federation",
      mode: "live",
      station: liar.station,
    };
    liar.put(subframeContent(GST));
    const stranger = await sealEnvelope(
      honest,
      { kind: "leaf", index: 1, leaf: liar.bodies[1] },
      testKey("stranger"),
    );
    // Anybody can say that: it says nothing of the station.
    const elsewhere = await liar.say(cosignature, { station: new Uint8Array(32) });
    expect([...follower.accept(stranger), ...follower.accept(elsewhere)]).toEqual([]);
    expect(follower.size).toBe(1);
    expect(follower.status).toMatchObject({ lies: 3, strangers: 2 });
  });

  it("takes no leaves from tiles that the signed checkpoint does not prove", async () => {
    const liar = new Liar();
    liar.put(subframeContent(GST)).put(subframeContent(GST + 30));
    const other = liar
      .branch(1)
      .put(subframeContent(GST, 9))
      .put(subframeContent(GST + 30));
    const follower = liar.follower();
    follower.accept(await liar.leaf(0));
    const checkpoint = await liar.checkpoint();
    expect(follower.fill({ from: 1, leaves: other.bodies.slice(1), checkpoint })).toEqual([]);
    expect(follower.status).toMatchObject({ leaves: 1, lies: 0 });
    expect(follower.fill({ from: 1, leaves: liar.bodies.slice(1), checkpoint }).at(-1)).toMatchObject({
      type: "checkpoint",
      leaves: 3,
    });
  });

  it("catches up by one signature for many leaves, and is not fooled by a leaf among them", async () => {
    const honest = new Liar();
    for (let at = 0; at < 5; at++) honest.put(subframeContent(GST + 30 * at, at));
    const opened = async (index: number) => openEnvelope(await honest.leaf(index))!;
    const leaves = await Promise.all(honest.bodies.map((_, index) => opened(index)));
    const checkpoint = openEnvelope(await honest.signed())!;
    const follower = honest.follower();
    const { verdicts } = follower.catchUp([...leaves, checkpoint])!;
    expect(verdicts.map(({ type }) => type)).toEqual([...leaves.map(() => "leaf"), "checkpoint"]);
    for (const envelope of [...leaves, checkpoint]) expect(follower.judge(envelope).verdicts).toEqual([]);

    const other = honest.branch(3).put(subframeContent(GST + 60, 99));
    const statement: Statement = {
      kind: "leaf",
      index: 3,
      leaf: other.bodies[3],
    };
    const forged = openEnvelope(await honest.say(statement))!;
    const fooled = honest.follower();
    expect(fooled.catchUp([...leaves.slice(0, 3), forged, ...leaves.slice(4), checkpoint])).toBeNull();
    expect(fooled.status).toMatchObject({ leaves: 0, lies: 0 });
    expect(lies(follower.judge(forged).verdicts)).toEqual(["index-reused"]);
    // Signed by somebody else, a checkpoint proves nothing.
    const { note } = await honest.checkpoint();
    const text = formatNote({
      ...note,
      signatures: [{ ...note.signatures[0], signature: new Uint8Array(64) }],
    });
    const unsigned = openEnvelope(
      await honest.say({
        kind: "checkpoint",
        size: 6,
        note: Buffer.from(text),
      }),
    )!;
    expect(fooled.catchUp([...leaves, unsigned])).toBeNull();
  });

  it("survives any bytes, and accuses nobody of them", () => {
    const follower = new Liar().follower();
    for (const bytes of [new Uint8Array(0), Uint8Array.of(0xd2), Buffer.alloc(1000, 0xff)]) {
      expect(follower.accept(bytes)).toEqual([]);
    }
    expect(follower.status).toMatchObject({ lies: 0, strangers: 3 });
  });
});

interface Served {
  readonly log: StationLog;
  readonly emission: Emission;
  readonly url: string;
}

async function serve(keep?: number): Promise<Served> {
  const directory = testFolder();
  const log = openLog(join(directory, "log"));
  const emission = new Emission({
    log,
    directory,
    consumers: [],
    flush: false,
    ...(keep === undefined ? {} : { keep }),
  });
  const app = fastify({ forceCloseConnections: true });
  emissionRoutes(app, { emission });
  stationRoutes(app, { station: { log } as Station });
  const url = await app.listen({ host: "127.0.0.1", port: 0 });
  onTestFinished(async () => {
    await app.close();
    await emission.close();
    log.close();
  });
  return { log, emission, url };
}

const followed = ({ log }: Served, key = log.key): FollowOptions => ({
  ...policy,
  key,
});

async function consumeAll(
  stations: readonly FollowOptions[],
  url: string,
  store: ConsumerStore | null = null,
) {
  const verdicts: StationVerdict[] = [];
  const consumer = new Consumer({
    stations,
    store,
    onVerdict: (verdict) => verdicts.push(verdict),
  });
  await consumer.follow(new HttpSource({ url }), {
    signal: new AbortController().signal,
    once: true,
  });
  return { consumer, verdicts };
}

async function grow(served: Served, from: number, count: number): Promise<void> {
  await addSubframes(served.log, from, count);
  await witnessAt(served.log, Math.floor(unixOf(START_GST + 30 * (from + count) + 5)));
  served.emission.notify();
  await served.emission.taken();
}

it("judges again at its next start what one signature proved, not the signatures that nobody looked at", async () => {
  const honest = new Liar();
  for (let at = 0; at < 9; at++) honest.put(subframeContent(GST + 30 * at, at));
  const messages = await Promise.all(honest.bodies.map((_, index) => honest.leaf(index)));
  // A broker that spoils them: the signature of an envelope is its end.
  for (const message of messages) message[message.length - 1] ^= 1;
  messages.push(await honest.signed());
  const folder = testFolder();
  const stations = [{ ...policy, key: honest.keyOf(honest.key) }];
  const told: StationVerdict[] = [];
  for (const fresh of [true, false]) {
    const store = new ConsumerStore(folder);
    const consumer = new Consumer({ stations, store, onVerdict: (verdict) => told.push(verdict) });
    if (fresh) expect(consumer.take(messages, { source: "s", seq: messages.length })).toEqual([]);
    expect(consumer.status()).toMatchObject([{ leaves: 10, proven: 10, lies: 0 }]);
    expect(consumer.positionOf("s")).toBe(messages.length);
    store.close();
  }
  expect(told.map(({ type }) => type)).toEqual([...honest.bodies.map(() => "leaf"), "checkpoint"]);
});

describe("consumer over HTTP", () => {
  it("verifies a station's whole history, over a rotation of its key", async () => {
    const served = await serve();
    await grow(served, 0, 3);
    const first = served.log.key;
    await served.log.rotate({
      softwareVersion: "0.0.0-test",
      time: { assurance: "none", boundMs: null },
      receiver,
    });
    await grow(served, 3, 2);
    for (const key of [first, served.log.key]) {
      const { consumer, verdicts } = await consumeAll([followed(served, key)], served.url);
      expect(lies(verdicts)).toEqual([]);
      expect(consumer.status()).toMatchObject([{ leaves: 7, proven: 7, classA: 5, unwitnessed: 0, lies: 0 }]);
    }
  });

  it("goes on from its store, to the same history as one that saw all at once", async () => {
    const served = await serve();
    const folder = testFolder();
    for (let at = 0; at < 3; at++) {
      await grow(served, 2 * at, 2);
      const store = new ConsumerStore(folder);
      const { consumer, verdicts } = await consumeAll([followed(served)], served.url, store);
      expect(verdicts.filter(({ type }) => type === "leaf")).toHaveLength(at === 0 ? 3 : 2);
      expect(consumer.status()).toMatchObject([{ leaves: 3 + 2 * at, classA: 2 + 2 * at, lies: 0 }]);
      store.close();
    }
    const { consumer } = await consumeAll([followed(served)], served.url);
    expect(consumer.status()).toMatchObject([{ leaves: 7, proven: 7, lies: 0 }]);
  });

  it("fetches from the tiles what the station no longer has to send, and again after a restart", async () => {
    const served = await serve(3);
    await grow(served, 0, 300);
    expect(served.emission.outbox.firstSeq("federation")).toBeGreaterThan(100);
    const folder = testFolder();
    const store = new ConsumerStore(folder);
    const { consumer, verdicts } = await consumeAll([followed(served)], served.url, store);
    expect(lies(verdicts)).toEqual([]);
    expect(consumer.status()).toMatchObject([{ leaves: 301, proven: 301, lies: 0 }]);
    store.close();
    const again = new ConsumerStore(folder);
    const { consumer: restarted } = await consumeAll([followed(served)], served.url, again);
    expect(restarted.status()).toMatchObject([{ leaves: 301, proven: 301, lies: 0 }]);
    again.close();
  });
});
