/** A consumer among hostile stations, addresses and strangers, and with a disk that is full. */
import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { tokensFor } from "../../src/cli/source-tokens.js";
import { verifyAudit } from "../../src/emit/audit-answer.js";
import { Consumer, type FollowHttpOptions, type StationVerdict } from "../../src/emit/consumer.js";
import { ConsumerStore } from "../../src/emit/consumer-store.js";
import { sealEnvelope } from "../../src/emit/envelope.js";
import type { FollowOptions } from "../../src/emit/follower.js";
import { HttpSource } from "../../src/emit/http-source.js";
import { auditedLeaves, originDigest } from "../../src/station/audit.js";
import { parseCheckpoint, signCheckpoint, type Checkpoint } from "../../src/station/checkpoint.js";
import { inclusionProof } from "../../src/station/merkle.js";
import { formatNote } from "../../src/station/note.js";
import { auditJson } from "../../src/station/routes.js";
import { encodeEntries, parseTilePath, tileBytes } from "../../src/station/tiles.js";
import { logKey, testKey } from "../station/keys.js";
import { GST, stationKey, subframeContent } from "../station/leaves.js";
import { testFolder } from "./folder.js";
import { Liar, policy } from "./liar.js";

const thief = testKey("another");

interface Served {
  messages?: readonly Uint8Array[];
  checkpoint?: Checkpoint;
  tiles?: Liar;
  /** Numbers of the messages that are withheld. */
  answer?: (path: string) => Response | undefined;
}

/** An address that answers from a liar's log, and what was asked of it. */
function addressOf(served: Served, url = "http://127.0.0.1:1") {
  const asked: string[] = [];
  const answer = (path: string): Response => {
    const own = served.answer?.(path);
    if (own !== undefined) return own;
    const { messages = [], checkpoint, tiles } = served;
    if (path === "/checkpoint" && checkpoint !== undefined) return new Response(formatNote(checkpoint.note));
    if (path.startsWith("/v1/federation/messages")) {
      const query = new URLSearchParams(path.slice(path.indexOf("?")));
      const [after, limit] = [Number(query.get("after")), Number(query.get("limit"))];
      return Response.json({
        first: 1,
        last: messages.length,
        messages: messages.slice(after, after + limit).map((envelope, at) => ({
          seq: after + at + 1,
          envelope: Buffer.from(envelope).toString("base64"),
        })),
      });
    }
    const name = parseTilePath(path.slice(1));
    if (name === null || tiles === undefined) return new Response(null, { status: 404 });
    const bytes =
      name.level === "entries"
        ? encodeEntries(tiles.bodies.slice(name.index * 256, name.index * 256 + name.width))
        : tileBytes({ ...name, level: name.level }, tiles.subtree);
    return new Response(Buffer.from(bytes));
  };
  const source = new HttpSource({
    url,
    fetch: (input) => {
      const path = String(input as string).slice(url.length);
      asked.push(path);
      return Promise.resolve(answer(path));
    },
  });
  return { source, asked, served };
}

/** A store that fails when it is told to, and says how often it was written to. */
class FullStore extends ConsumerStore {
  failing = 0;
  written = 0;
  override write(...values: Parameters<ConsumerStore["write"]>): void {
    if (this.failing > 0) {
      this.failing--;
      throw new Error("disk is full");
    }
    this.written++;
    super.write(...values);
  }
}

function storeIn(folder: string): FullStore {
  const store = new FullStore(folder);
  onTestFinished(() => {
    store.close();
  });
  return store;
}

const followed = (liar: Liar): FollowOptions => ({ ...policy, key: liar.keyOf(liar.key) });

function consumerOf(liar: Liar, store: ConsumerStore | null = null) {
  const verdicts: StationVerdict[] = [];
  const consumer = new Consumer({
    stations: [followed(liar)],
    store,
    onVerdict: (verdict) => verdicts.push(verdict),
  });
  return { consumer, verdicts };
}

/** What a station sends: each leaf with the checkpoint that has it. */
async function everything(liar: Liar): Promise<Uint8Array[]> {
  const messages = [];
  for (let at = 0; at < liar.bodies.length; at++)
    messages.push(await liar.leaf(at), await liar.signed(at + 1));
  return messages;
}

const once = (more: Partial<FollowHttpOptions> = {}): FollowHttpOptions => ({
  signal: new AbortController().signal,
  once: true,
  ...more,
});

/** Follows for some time, as a run without an end does. */
async function forMs(ms: number, consumer: Consumer, source: HttpSource): Promise<void> {
  await consumer.follow(source, { signal: AbortSignal.timeout(ms) });
}

describe("a store that fails", () => {
  it("loses nothing: the position moves with what was stored, and the verdicts are told once it is", async () => {
    const liar = new Liar().subframes(0, 6);
    const folder = testFolder();
    const store = storeIn(folder);
    const { consumer, verdicts } = consumerOf(liar, store);
    store.failing = 1;
    const { source } = addressOf({ messages: await everything(liar), checkpoint: await liar.checkpoint() });
    const faults: unknown[] = [];
    await consumer.follow(source, once({ onFault: (fault) => faults.push(fault) }));
    expect(faults).toMatchObject([{ message: "disk is full" }]);
    expect(consumer.status()).toMatchObject([{ leaves: 7, proven: 7, lies: 0 }]);
    expect(verdicts.filter(({ type }) => type === "leaf")).toHaveLength(7);
    const { consumer: again } = consumerOf(liar, storeIn(folder));
    expect(again.status()).toMatchObject([{ leaves: 7, proven: 7, lies: 0 }]);
    expect(again.positionOf(source.url)).toBe(14);
  });

  it("leaves no follower that knows more than the store", async () => {
    const liar = new Liar().subframes(0, 3);
    const store = storeIn(testFolder());
    const { consumer, verdicts } = consumerOf(liar, store);
    const messages = await everything(liar);
    consumer.take(messages.slice(0, 2), { source: "x", seq: 2 });
    store.failing = 1;
    expect(() => consumer.take(messages.slice(2), { source: "x", seq: 8 })).toThrow("disk is full");
    expect(consumer.positionOf("x")).toBe(2);
    consumer.take([], null);
    expect(consumer.status()).toMatchObject([{ leaves: 1, proven: 1 }]);
    consumer.take(messages.slice(2), { source: "x", seq: 8 });
    expect(consumer.status()).toMatchObject([{ leaves: 4, proven: 4 }]);
    expect(verdicts.filter(({ type }) => type === "leaf")).toHaveLength(4);
  });

  it("ends a run that was to end, with its error", async () => {
    const liar = new Liar();
    const store = storeIn(testFolder());
    const { consumer } = consumerOf(liar, store);
    store.failing = 99;
    const { source } = addressOf({ messages: await everything(liar), checkpoint: await liar.checkpoint() });
    await expect(consumer.follow(source, once())).rejects.toThrow("disk is full");
  }, 30_000);
});

describe("a start", () => {
  it("needs one signature for many stored leaves, and comes to the same", async () => {
    const liar = new Liar().subframes(0, 40);
    const folder = testFolder();
    const first = storeIn(folder);
    const { consumer } = consumerOf(liar, first);
    const messages = await everything(liar);
    for (const message of messages) consumer.take([message], null);
    expect(first.written).toBe(messages.length);
    const { consumer: again } = consumerOf(liar, storeIn(folder));
    expect(again.status()).toEqual(consumer.status().map((status) => ({ ...status, repeats: 41 })));
    // Of all stored seals only that of the last checkpoint is needed.
    const spoiled = storeIn(testFolder());
    const inputs = [...first.inputs()].map((input, at, all) => {
      if (at === all.length - 1) return input;
      const body = Uint8Array.from(input.body);
      body[body.length - 1] ^= 1;
      return { ...input, body };
    });
    spoiled.write(inputs, [], null);
    const { consumer: replayed } = consumerOf(liar, spoiled);
    expect(replayed.status()).toMatchObject([{ leaves: 41, proven: 41, lies: 0 }]);
  });

  it("judges spans from tiles, forks among them, again", async () => {
    const liar = new Liar().subframes(0, 4100);
    const folder = testFolder();
    const { consumer } = consumerOf(liar, storeIn(folder));
    const { source, served } = addressOf({ tiles: liar, checkpoint: await liar.checkpoint() });
    await consumer.backfill(source);
    const other = liar.branch(2).subframes(1, 4200, 9);
    served.tiles = other;
    served.checkpoint = await other.checkpoint();
    await consumer.backfill(source);
    expect(consumer.status()).toMatchObject([{ leaves: 4101, proven: 4101, lies: 1 }]);
    const { consumer: again } = consumerOf(liar, storeIn(folder));
    expect(again.status()).toMatchObject([{ leaves: 4101, proven: 4101, lies: 1 }]);
  }, 60_000);
});

describe("an address", () => {
  it("that names a huge tree which the station did not sign is asked for no leaf", async () => {
    const liar = new Liar().subframes(0, 3);
    const head = { origin: liar.origin, size: 2 ** 52, root: new Uint8Array(32), extensions: [] };
    const key = logKey(liar.origin, thief);
    const checkpoint = parseCheckpoint(await signCheckpoint(head, [{ key, sign: thief.sign }]))!;
    const { source, asked } = addressOf({ checkpoint, tiles: liar });
    const { consumer } = consumerOf(liar);
    await expect(consumer.backfill(source)).rejects.toThrow("no key in force");
    expect(asked).toEqual(["/checkpoint"]);
  });

  it("of a station that signed a huge tree is asked for one span at a time", async () => {
    const liar = new Liar().subframes(0, 300);
    const head = { origin: liar.origin, size: 2 ** 52, root: new Uint8Array(32), extensions: [] };
    const key = logKey(liar.origin, stationKey);
    const checkpoint = parseCheckpoint(await signCheckpoint(head, [{ key, sign: stationKey.sign }]))!;
    const entries = encodeEntries(liar.bodies.slice(0, 256));
    const { source, asked } = addressOf({
      checkpoint,
      answer: (path) =>
        path.startsWith("/tile/entries")
          ? new Response(Buffer.from(entries))
          : path.startsWith("/tile/")
            ? new Response(new Uint8Array(32 * Number(/\.p\/(\d+)$/.exec(path)?.[1] ?? 256)))
            : undefined,
    });
    const { consumer } = consumerOf(liar);
    await expect(consumer.backfill(source)).rejects.toThrow("the tiles are not those");
    expect(asked.filter((path) => path.startsWith("/tile/entries"))).toHaveLength(16);
    expect(asked.length).toBeLessThan(50);
    expect(consumer.status()).toMatchObject([{ leaves: 0, lies: 0 }]);
  });

  it("that gives endless tiles is left at a bound", async () => {
    const liar = new Liar().subframes(0, 3);
    let given = 0;
    const { source } = addressOf({
      checkpoint: await liar.checkpoint(),
      answer: (path) =>
        path === "/checkpoint"
          ? undefined
          : new Response(
              new ReadableStream({
                pull(controller) {
                  given += 1 << 16;
                  controller.enqueue(new Uint8Array(1 << 16));
                },
              }),
            ),
    });
    const { consumer } = consumerOf(liar);
    await expect(consumer.backfill(source)).rejects.toThrow("more than");
    expect(given).toBeLessThan(1 << 24);
  });

  it("that keeps the last messages back is found out by what the station signed", async () => {
    const liar = new Liar().subframes(0, 22);
    const messages = await everything(liar);
    const { source } = addressOf({
      messages: messages.slice(0, 6),
      checkpoint: await liar.checkpoint(),
      tiles: liar,
    });
    const { consumer } = consumerOf(liar);
    await consumer.follow(source, once());
    expect(consumer.status()).toMatchObject([{ leaves: 23, proven: 23, lies: 0 }]);
    // And in a run that does not end, at each comparison.
    const { consumer: running } = consumerOf(liar);
    const stop = new AbortController();
    const following = running.follow(source, { signal: stop.signal, compareMs: 1 });
    await expect.poll(() => running.status()[0].proven, { timeout: 10_000 }).toBe(23);
    stop.abort();
    await following;
  });

  it("of a station that forked shows the fork in its tiles", async () => {
    const liar = new Liar().subframes(0, 9);
    const { consumer, verdicts } = consumerOf(liar, storeIn(testFolder()));
    consumer.take(await everything(liar), null);
    const other = liar.branch(5).subframes(4, 15, 70);
    const { source } = addressOf({ checkpoint: await other.checkpoint(), tiles: other });
    await consumer.backfill(source);
    const notes = [await liar.checkpoint(), await other.checkpoint()].map(({ note }) => formatNote(note));
    expect(verdicts.filter(({ type }) => type === "lie")).toMatchObject([{ what: "fork", notes }]);
    await consumer.backfill(source);
    expect(consumer.status()).toMatchObject([{ leaves: 10, proven: 10, lies: 1 }]);
  });

  it("that answers a long poll at once with nothing is asked less and less, and nothing is written", async () => {
    const liar = new Liar();
    const store = storeIn(testFolder());
    const { consumer } = consumerOf(liar, store);
    const { source, asked } = addressOf({ messages: [], checkpoint: await liar.checkpoint(), tiles: liar });
    await forMs(1500, consumer, source);
    expect(asked.length).toBeGreaterThan(0);
    expect(asked.length).toBeLessThan(6);
    expect(store.written).toBe(0);
  });

  it("that asks to be left alone is", async () => {
    const liar = new Liar();
    const { source, asked } = addressOf({
      answer: () => new Response(null, { status: 503, headers: { "retry-after": "30" } }),
    });
    await forMs(1500, consumerOf(liar).consumer, source);
    expect(asked).toHaveLength(1);
  });

  it("whose pages are too long is asked for shorter ones", async () => {
    const liar = new Liar().subframes(0, 3);
    const messages = await everything(liar);
    const { source, served, asked } = addressOf({ messages, checkpoint: await liar.checkpoint() });
    served.answer = (path) =>
      Number(/limit=(\d+)/.exec(path)?.[1] ?? 0) > 4 ? new Response(Buffer.alloc(1 << 25)) : undefined;
    const { consumer } = consumerOf(liar);
    await consumer.follow(source, once());
    expect(consumer.status()).toMatchObject([{ leaves: 4, proven: 4 }]);
    expect(asked.some((path) => path.includes("limit=1&"))).toBe(true);
  });
});

describe("strangers", () => {
  it("are counted: they accuse nobody, and fill no disk", async () => {
    const liar = new Liar().subframes(0, 1);
    const store = storeIn(testFolder());
    const { consumer, verdicts } = consumerOf(liar, store);
    const speaker = { purpose: "federation", mode: "live", station: liar.station } as const;
    const cosignature = { kind: "cosignature", size: 1, line: Buffer.from("— a AAAAAAA=") } as const;
    const junk = [
      await sealEnvelope(speaker, { kind: "leaf", index: 1, leaf: liar.bodies[1] }, thief),
      await sealEnvelope(speaker, cosignature, thief),
      await sealEnvelope({ ...speaker, station: new Uint8Array(32) }, cosignature, thief),
      await sealEnvelope(
        { ...speaker, purpose: "prover" },
        { kind: "fix", index: 0, slot: 0, record: new Uint8Array(2), evidence: new Uint8Array(1 << 20) },
        stationKey,
      ),
      new Uint8Array(100),
    ];
    consumer.take(junk, { source: "x", seq: 5 });
    expect(verdicts).toEqual([]);
    expect([...store.inputs()]).toEqual([]);
    expect(consumer.strangers).toBe(3);
    expect(consumer.status()).toMatchObject([{ leaves: 0, lies: 0, strangers: 2 }]);
  });

  it("gain nothing by saying again what the station said", async () => {
    const liar = new Liar().subframes(0, 1);
    const store = storeIn(testFolder());
    const { consumer } = consumerOf(liar, store);
    const messages = [...(await everything(liar)), await liar.seen(GST + 40)];
    const late = await liar.leaf(1);
    consumer.take(messages, null);
    const stored = [...store.inputs()].length;
    for (let i = 0; i < 5; i++) consumer.take([...messages, late], null);
    expect([...store.inputs()]).toHaveLength(stored);
  });
});

describe("tokens", () => {
  const file = (content: object, mode = 0o600): string => {
    const path = join(testFolder(), "tokens.json");
    writeFileSync(path, JSON.stringify(content));
    chmodSync(path, mode);
    return path;
  };

  it("go to their own address only, and not as plain text", () => {
    const [a, b, local] = ["https://a.example/x", "https://b.example", "http://127.0.0.1:4747"];
    const tokens = tokensFor([a, b, local], undefined, file({ "https://a.example": "s1", [local]: "s3" }));
    expect([a, b, local].map(tokens)).toEqual(["s1", undefined, "s3"]);
    expect(tokensFor([a], "s", undefined)(a)).toBe("s");
    expect(() => tokensFor([a, b], "s", undefined)).toThrow("--token is for one");
    for (const url of [
      "http://a.example",
      "http://127.0.0.1.evil.example",
      "http://127.0.0.1@evil.example",
    ]) {
      expect(() => tokensFor([url], "s", undefined)).toThrow("plain text");
      expect(() => new HttpSource({ url, token: "s" })).toThrow("plain text");
    }
    expect(() => tokensFor([a], undefined, file({ "https://c.example": "s" }))).toThrow("no --from");
    expect(() => tokensFor([a], undefined, file({ "https://a.example": "s" }, 0o644))).toThrow("chmod 600");
  });
});

describe("the answer to a challenge", () => {
  const challenge = new Uint8Array(32).fill(7);
  const proof = Buffer.from("where it comes from");

  async function answered() {
    const liar = new Liar().subframes(0, 30);
    const origin = originDigest(proof);
    liar
      .put({ ...subframeContent(GST + 900), challenges: [{ challenge, origin }] } as never)
      .subframes(31, 2);
    const checkpoint = await liar.checkpoint();
    const follower = liar.follower();
    follower.fill({ from: 0, leaves: liar.bodies, checkpoint });
    const leafAt = (index: number) => ({
      leaf: liar.bodies[index],
      inclusion: inclusionProof(index, checkpoint.size, liar.subtree),
    });
    const audited = auditedLeaves(challenge, 31).map((index, at) => ({
      index,
      ...leafAt(index),
      retention: at === 1 ? null : new Uint8Array(32),
    }));
    const answer = auditJson({ challenge, proof, leafIndex: 31, checkpoint, ...leafAt(31), audited });
    return { liar, follower, answer };
  }

  it("is verified leaf by leaf", async () => {
    const { follower, answer } = await answered();
    expect(verifyAudit({ answer }, challenge, follower)).toMatchObject({
      state: "verified",
      index: 31,
      audited: auditedLeaves(challenge, 31),
      // Leaf 0, where the log begins, commits to nothing.
      retained: 2,
      pruned: 1,
    });
    expect(verifyAudit({ answer: null }, challenge, follower).state).toBe("waiting");
    expect(verifyAudit(null, challenge, follower).state).toBe("unknown");
  });

  it("is false with anything changed", async () => {
    const { liar, follower, answer } = await answered();
    const audited = answer["audited"] as {
      index: number;
      leaf: string;
      inclusion: string[];
      retention: string;
    }[];
    const notes = formatNote((await liar.checkpoint(liar.bodies.length, thief)).note);
    const other = liar.bodies.map((bytes) => Buffer.from(bytes).toString("base64"));
    for (const change of [
      { checkpoint: notes },
      { checkpoint: formatNote((await liar.checkpoint(32)).note) },
      { proof: Buffer.from("elsewhere").toString("base64") },
      { leafIndex: 30 },
      { leafIndex: 30, leaf: other[30] },
      { inclusion: [] },
      { audited: audited.slice(1) },
      { audited: [...audited].reverse() },
      { audited: audited.map((each) => ({ ...each, leaf: other[3] })) },
      { audited: audited.map((each) => ({ ...each, retention: "AAAA" })) },
      { audited: [null, 1, "x", {}] },
      { audited: null },
    ]) {
      expect(
        verifyAudit({ answer: { ...answer, ...change } }, challenge, follower),
        JSON.stringify(change),
      ).toMatchObject({ state: "false", detail: expect.any(String) as string });
    }
    for (const nonsense of [{}, { answer: 7 }, { answer: [] }, 7])
      expect(verifyAudit(nonsense, challenge, follower).state).toBe("false");
  });
});
