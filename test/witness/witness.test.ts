/** The witness as c2sp.org/tlog-witness has it, what it keeps, and the station's side of it. */
import type { AddressInfo } from "node:net";
import { describe, expect, it, onTestFinished } from "vitest";
import { formatAddCheckpoint, parseAddCheckpoint } from "../../src/station/add-checkpoint.js";
import { parseCheckpoint, signCheckpoint } from "../../src/station/checkpoint.js";
import { parseCosignatureLines, verifyCosignature } from "../../src/station/cosignature.js";
import { receiverCommitment } from "../../src/station/leaf.js";
import { consistencyProof, leafHash, rootOf, storeLeaf, type SubtreeHash } from "../../src/station/merkle.js";
import { StationLog } from "../../src/station/station-log.js";
import { Witnesses } from "../../src/station/witness-client.js";
import { WitnessBook } from "../../src/witness/book.js";
import { witnessService } from "../../src/witness/service.js";
import { testFolder } from "../station/folder.js";
import { logKey, testKey, witnessKey } from "../station/keys.js";
import { GST, subframeContent } from "../station/leaves.js";

const ORIGIN = "example.org/log";
const station = testKey("log");
const stationKey = logKey(ORIGIN, station);
const NOW = 1_790_000_000;

/** A log in memory whose leaves are given by texts: two with other texts are a fork. */
function logOf(texts: readonly string[]) {
  const nodes = new Map<string, Uint8Array>();
  const subtree: SubtreeHash = (level, index) => nodes.get(`${level}/${index}`)!;
  texts.forEach((text, index) => {
    storeLeaf(index, leafHash(Buffer.from(text)), subtree, (level, at, hash) =>
      nodes.set(`${level}/${at}`, hash),
    );
  });
  const note = (size: number, key = station, origin = ORIGIN) =>
    signCheckpoint({ origin, size, root: rootOf(size, subtree), extensions: [] }, [
      { key: logKey(origin, key), sign: key.sign },
    ]);
  const request = async (from: number, to: number): Promise<string> =>
    formatAddCheckpoint(from, consistencyProof(from, to, subtree), await note(to));
  return { note, request, subtree };
}

const honest = logOf(Array.from({ length: 40 }, (_, at) => `leaf ${at}`));
const fork = logOf(Array.from({ length: 40 }, (_, at) => (at < 6 ? `leaf ${at}` : `other ${at}`)));

function book(folder = testFolder()): WitnessBook {
  const made = new WitnessBook(folder, [stationKey]);
  onTestFinished(() => {
    made.close();
  });
  return made;
}

describe("the witness's book", () => {
  it("takes the first checkpoint of a log, then what continues it", async () => {
    const it = book();
    expect(it.add(await honest.request(0, 5), NOW)).toMatchObject({ status: 200, timestamp: NOW });
    expect(it.add(await honest.request(5, 9), NOW + 1)).toMatchObject({ status: 200 });
    expect(it.add(await honest.request(9, 9), NOW + 2)).toMatchObject({ status: 200 });
    expect(it.logs()).toEqual([{ origin: ORIGIN, size: 9 }]);
    expect(it.evidence()).toEqual([]);
  });

  it("answers as the document says", async () => {
    const it = book();
    it.add(await honest.request(0, 5), NOW);
    const status = (body: string) => it.add(body, NOW + 1).status;
    expect(status("")).toBe(400);
    expect(status("old 05\n\n" + (await honest.note(7)))).toBe(400);
    expect(status((await honest.request(5, 7)).replace("old 5", "old 8"))).toBe(400);
    expect(status(formatAddCheckpoint(5, [], await honest.note(7, station, "example.org/unknown")))).toBe(
      404,
    );
    expect(status(formatAddCheckpoint(5, [], await honest.note(7, testKey("thief"))))).toBe(403);
    const unproven = await honest.request(5, 7);
    expect(status(unproven.replace(/\n[^\n]{43}=\n/, "\n"))).toBe(422);
    const stale = it.add(await honest.request(3, 7), NOW + 1);
    expect(stale).toMatchObject({ status: 409, body: "5\n", type: "text/x.tlog.size" });
    // Nothing of this changed what is remembered.
    expect(it.logs()).toEqual([{ origin: ORIGIN, size: 5 }]);
    expect(status(unproven)).toBe(200);
  });

  it("refuses a fork and keeps both checkpoints, whatever size it is told first", async () => {
    const it = book();
    it.add(await honest.request(0, 8), NOW);
    it.add(await honest.request(8, 10), NOW);
    // Another root of the newest size, of an older one, and of a growth.
    expect(it.add(await fork.request(10, 10), NOW).status).toBe(409);
    expect(it.add(await fork.request(6, 8), NOW).status).toBe(409);
    expect(it.add(await fork.request(10, 12), NOW).status).toBe(422);
    const kept = it.evidence();
    expect(kept.map(({ kind }) => kind)).toEqual(["fork", "fork", "unproven"]);
    const [known, submitted] = [kept[0].known, kept[0].submitted].map((note) => parseCheckpoint(note)!);
    expect(known.size).toBe(submitted.size);
    expect(Buffer.from(known.root).equals(submitted.root)).toBe(false);
    // The honest history goes on.
    expect(it.add(await honest.request(10, 12), NOW).status).toBe(200);
  });

  it("remembers across a restart, before it answers", async () => {
    const folder = testFolder();
    const first = new WitnessBook(folder, [stationKey]);
    first.add(await honest.request(0, 8), NOW);
    first.close();
    const second = book(folder);
    expect(second.add(await fork.request(0, 8), NOW).status).toBe(409);
    expect(second.evidence()).toHaveLength(1);
  });

  it("signs no time before one that it signed", async () => {
    const it = book();
    it.add(await honest.request(0, 5), NOW);
    expect(it.add(await honest.request(5, 6), NOW - 1).status).toBe(503);
    expect(it.add(await honest.request(5, 6), NOW).status).toBe(200);
  });

  it("survives any request", () => {
    const it = book();
    for (const body of ["old 0\n\n", "old 0\n", "\n\n", "old -1\n\nx", `old 0\n${"a\n".repeat(64)}\n`]) {
      expect(it.add(body, NOW).status).toBe(400);
      expect(parseAddCheckpoint(body)).toBeNull();
    }
  });
});

async function served(name: string, options: { keys?: (typeof stationKey)[]; now?: () => number } = {}) {
  const key = testKey(name);
  const folder = testFolder();
  const made = new WitnessBook(folder, options.keys ?? [stationKey]);
  const app = witnessService({
    book: made,
    name: `${name}.example/w`,
    signer: key,
    clock: { boundSeconds: 1, source: "test" },
    now: options.now ?? (() => NOW * 1000),
    perSecond: 0,
  });
  await app.listen({ host: "127.0.0.1", port: 0 });
  onTestFinished(async () => {
    await app.close();
    made.close();
  });
  const url = `http://127.0.0.1:${(app.server.address() as AddressInfo).port}`;
  return { app, book: made, url, key: witnessKey(`${name}.example/w`, key) };
}

describe("the service", () => {
  it("answers with a cosignature that holds, at its own clock's time", async () => {
    const { url, key } = await served("w1");
    const response = await fetch(`${url}/add-checkpoint`, {
      method: "POST",
      body: await honest.request(0, 5),
    });
    expect(response.status).toBe(200);
    const [line] = parseCosignatureLines(await response.text())!;
    const { text } = parseCheckpoint(await honest.note(5))!.note;
    expect(verifyCosignature(text, line, key)).toMatchObject({ timestamp: NOW });
    const conflict = await fetch(`${url}/add-checkpoint`, {
      method: "POST",
      body: await honest.request(0, 5),
    });
    expect(conflict.status).toBe(409);
    expect(conflict.headers.get("content-type")).toBe("text/x.tlog.size");
    expect(await conflict.text()).toBe("5\n");
  });

  it("says who it is, how good its clock is, and what it caught", async () => {
    const { url } = await served("w2");
    for (const body of [await honest.request(0, 8), await fork.request(8, 8)]) {
      await fetch(`${url}/add-checkpoint`, { method: "POST", body });
    }
    expect(await (await fetch(`${url}/v1/witness`)).json()).toMatchObject({
      name: "w2.example/w",
      clock: { boundSeconds: 1, source: "test" },
      logs: [{ origin: ORIGIN, size: 8 }],
    });
    const { evidence } = (await (await fetch(`${url}/v1/evidence`)).json()) as {
      evidence: { kind: string }[];
    };
    expect(evidence.map(({ kind }) => kind)).toEqual(["fork"]);
    expect(await (await fetch(`${url}/v1/checkpoint?origin=${ORIGIN}`)).text()).toBe(await honest.note(8));
  });

  it("bounds what it reads", async () => {
    const { url } = await served("w3");
    const response = await fetch(`${url}/add-checkpoint`, { method: "POST", body: "x".repeat(1 << 20) });
    expect(response.status).toBe(413);
  });

  it("lets no address ask without end", async () => {
    const folder = testFolder();
    const made = new WitnessBook(folder, [stationKey]);
    const clock = { boundSeconds: 1, source: "test" };
    const app = witnessService({ book: made, name: "w", signer: testKey("w"), clock, perSecond: 1 });
    const statuses = [];
    for (let at = 0; at < 8; at++) statuses.push((await app.inject("/v1/witness")).statusCode);
    expect(statuses).toContain(200);
    expect(statuses).toContain(429);
    await app.close();
    made.close();
  });
});

describe("a station and its witnesses", () => {
  function stationLog(leaves: number, folder = testFolder()): StationLog {
    const log = StationLog.open({ directory: folder, mode: "live", flush: false });
    onTestFinished(() => {
      log.close();
    });
    const receiver = receiverCommitment(log.receiverSalt, "r");
    if (log.size === 0) {
      log.begin({ softwareVersion: "t", time: { assurance: "none", boundMs: null }, receiver });
    }
    extend(log, leaves);
    return log;
  }
  function extend(log: StationLog, count: number): void {
    const from = log.history?.nextGst ?? GST;
    const { receiver } = log.history!;
    log.append(
      Array.from({ length: count }, (_, at) => ({
        content: { ...subframeContent(from + 30 * at), receiver },
      })),
    );
  }

  it("needs w of n: dead ones are seen and hold nobody up", async () => {
    const log = stationLog(3);
    const a = await served("a", { keys: [log.key] });
    const b = await served("b", { keys: [log.key] });
    const dead = { url: "http://127.0.0.1:9", key: witnessKey("dead.example/w", testKey("dead")) };
    const enough: boolean[] = [];
    const witnesses = new Witnesses(log, {
      peers: [a, dead, b],
      needed: 2,
      onCosigned: (_checkpoint, _cosignature, done) => enough.push(done),
    });
    witnesses.announce(await log.sign());
    await witnesses.settled();
    expect(enough).toEqual([false, true]);
    expect(log.cosignatures(log.size).map(({ witness }) => witness)).toEqual(["a.example/w", "b.example/w"]);
    extend(log, 4);
    witnesses.announce(await log.sign());
    await witnesses.settled();
    expect(log.cosignatures(log.size)).toHaveLength(2);
    const [first, second] = witnesses.status();
    expect(first).toMatchObject({ state: "idle", size: log.size, failures: 0 });
    expect(second).toMatchObject({ state: "waiting", size: null });
    expect(second.failures).toBeGreaterThan(0);
    await witnesses.close();
    expect(() => new Witnesses(log, { peers: [a], needed: 2 })).toThrow(/needed/);
    expect(() => new Witnesses(log, { peers: [a, a], needed: 1 })).toThrow(/same key/);
  });

  it("finds its place again with a witness that knows more than it remembers", async () => {
    const log = stationLog(3);
    const a = await served("a", { keys: [log.key] });
    const before = new Witnesses(log, { peers: [a], needed: 1 });
    before.announce(await log.sign());
    await before.settled();
    await before.close();
    extend(log, 2);
    const after = new Witnesses(log, { peers: [a], needed: 1 });
    after.announce(await log.sign());
    await after.settled();
    expect(after.status()[0]).toMatchObject({ state: "idle", size: log.size });
    await after.close();
  });

  it("that was set back stops signing when shown its own signature over more, but not on a word", async () => {
    const longer = stationLog(9);
    const folder = testFolder();
    // The same key with a shorter history: what a restored backup amounts to.
    const { copyFileSync } = await import("node:fs");
    copyFileSync(`${longer.directory}/station.key`, `${folder}/station.key`);
    const shorter = stationLog(2, folder);
    expect(shorter.origin).toBe(longer.origin);
    const liar = { url: "http://liar.invalid", key: witnessKey("liar", testKey("liar")) };
    const says = new Witnesses(shorter, {
      peers: [liar],
      needed: 1,
      fetch: (input) =>
        Promise.resolve(
          String(input).includes("/v1/checkpoint")
            ? new Response("never mind", { status: 200 })
            : new Response("1000000\n", { status: 409, headers: { "content-type": "text/x.tlog.size" } }),
        ),
    });
    says.announce(await shorter.sign());
    await says.settled();
    expect(says.status()[0].state).toBe("contradicts");
    expect(shorter.refusal).toBeNull();
    await says.close();

    const a = await served("a", { keys: [longer.key] });
    const honestly = new Witnesses(longer, { peers: [a], needed: 1 });
    honestly.announce(await longer.sign());
    await honestly.settled();
    await honestly.close();
    const shown = new Witnesses(shorter, { peers: [a], needed: 1 });
    shown.announce(await shorter.sign());
    await shown.settled();
    expect(shorter.refusal).toMatch(/holds a checkpoint/);
    await shown.close();
    await expect(shorter.sign()).rejects.toThrow(/holds a checkpoint/);
  });
});
