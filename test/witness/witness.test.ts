/** The witness as c2sp.org/tlog-witness has it, what it keeps, and the station's side of it. */
import Database from "better-sqlite3";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
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
import { logKey, testKey, witnessKey, type TestKey } from "../station/keys.js";
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
  const signed = (size: number, keys: readonly TestKey[], origin = ORIGIN, extensions: string[] = []) =>
    signCheckpoint(
      { origin, size, root: rootOf(size, subtree), extensions },
      keys.map((key) => ({ key: logKey(origin, key), sign: key.sign })),
    );
  const note = (size: number, key = station, origin = ORIGIN) => signed(size, [key], origin);
  const request = async (from: number, to: number, keys: readonly TestKey[] = [station]): Promise<string> =>
    formatAddCheckpoint(from, consistencyProof(from, to, subtree), await signed(to, keys));
  return { note, signed, request, subtree };
}

const honest = logOf(Array.from({ length: 40 }, (_, at) => `leaf ${at}`));
const fork = logOf(Array.from({ length: 40 }, (_, at) => (at < 6 ? `leaf ${at}` : `other ${at}`)));

function book({ folder = testFolder(), keys = [stationKey] } = {}): WitnessBook {
  const made = new WitnessBook(folder, keys);
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
    const second = book({ folder });
    expect(second.add(await fork.request(0, 8), NOW).status).toBe(409);
    expect(second.evidence()).toHaveLength(1);
  });

  it("signs no time before one that it signed", async () => {
    const it = book();
    it.add(await honest.request(0, 5), NOW);
    expect(it.add(await honest.request(5, 6), NOW - 1).status).toBe(503);
    expect(it.add(await honest.request(5, 6), NOW).status).toBe(200);
  });

  describe("of a log that rotates its key", () => {
    const next = testKey("log, next");
    const both = [stationKey, logKey(ORIGIN, next)];

    it("takes nothing by the old key once the new one was cosigned, also after a restart", async () => {
      const folder = testFolder();
      const first = new WitnessBook(folder, both);
      expect(first.add(await honest.request(0, 3), NOW).status).toBe(200);
      // The checkpoint that has the rotation is signed by both.
      expect(first.add(await honest.request(3, 5, [station, next]), NOW).status).toBe(200);
      expect(first.isRetired(stationKey)).toBe(true);
      expect(first.add(await fork.request(5, 7), NOW).status).toBe(403);
      first.close();
      const second = book({ folder, keys: both });
      expect(second.add(await fork.request(5, 7), NOW).status).toBe(403);
      expect(second.add(await fork.request(5, 5), NOW).status).toBe(403);
      expect(second.add(await honest.request(5, 7, [next]), NOW).status).toBe(200);
      expect(second.evidence()).toEqual([]);
    });

    it("has the key that it knows before the one that is new to it, however they are given", async () => {
      const folder = testFolder();
      const first = new WitnessBook(folder, [stationKey]);
      first.add(await honest.request(0, 3), NOW);
      first.close();
      const second = book({ folder, keys: [...both].reverse() });
      expect(second.add(await honest.request(3, 5, [station, next]), NOW).status).toBe(200);
      expect(second.isRetired(stationKey)).toBe(true);
      expect(second.isRetired(both[1])).toBe(false);
    });

    it("leaves a thief of the old key nothing, where the new line was there from the start", async () => {
      const it = book({ keys: both });
      expect(it.add(await honest.request(0, 3, [next]), NOW).status).toBe(200);
      expect(it.add(await fork.request(3, 4), NOW).status).toBe(403);
      expect(it.add(await honest.request(3, 5, [next]), NOW).status).toBe(200);
    });
  });

  const junkProof = (request: string): string => {
    const old = request.slice(0, request.indexOf("\n"));
    return `${old}\n${Buffer.alloc(32, 9).toString("base64")}${request.slice(request.indexOf("\n\n"))}`;
  };
  /** Lines that anybody can put behind a note. */
  const junkLines = (note: string, from: number, count: number): string =>
    note +
    Array.from({ length: count }, (_, at) => {
      const bytes = Buffer.alloc(600, (from + at) % 251);
      return `\u2014 any${from + at} ${bytes.toString("base64")}\n`;
    }).join("");

  it("keeps no evidence of what others can send in the name of an honest station", async () => {
    const it = book();
    it.add(await honest.request(0, 8), NOW);
    const published = await honest.request(8, 8);
    for (let at = 0; at < 120; at++) {
      expect(it.add(junkLines(junkProof(published), at, 1), NOW).status).toBe(422);
    }
    expect(it.evidence()).toEqual([]);
    // The next checkpoint, before the station's own request: kept once, and gone with the proof.
    const ahead = await honest.request(8, 12);
    for (let at = 0; at < 5; at++) expect(it.add(junkLines(junkProof(ahead), at, 1), NOW).status).toBe(422);
    expect(it.evidence()).toHaveLength(1);
    expect(it.add(ahead, NOW).status).toBe(200);
    expect(it.evidence()).toEqual([]);
    // A real rewriting afterwards finds its room.
    expect(it.add(await fork.request(12, 14), NOW).status).toBe(422);
    expect(it.evidence().map(({ kind }) => kind)).toEqual(["unproven"]);
  });

  it("has room for a fork, and for the newest growth that is unproven, whatever came before", async () => {
    const texts = Array.from({ length: 140 }, (_, at) => `leaf ${at}`);
    const long = logOf(texts);
    const rewritten = logOf(texts.map((text, at) => (at < 2 ? text : `other ${text}`)));
    const it = book();
    it.add(await long.request(0, 5), NOW);
    for (let size = 6; size <= 110; size++) it.add(junkProof(await long.request(5, size)), NOW);
    expect(it.evidence()).toHaveLength(100);
    it.add(await rewritten.request(5, 139), NOW);
    expect(parseCheckpoint(it.evidence().at(-1)!.submitted)!.size).toBe(139);
    it.add(await rewritten.request(5, 5), NOW);
    expect(it.evidence().map(({ kind }) => kind)).toContain("fork");
    // What was unproven is a fork as soon as its size is known.
    expect(it.add(await long.request(5, 139), NOW).status).toBe(200);
    const forks = it.evidence().filter(({ kind }) => kind === "fork");
    expect(forks.map(({ submitted }) => parseCheckpoint(submitted)!.size)).toEqual([5, 139]);
  });

  it("stores the station's signature and nobody else's", async () => {
    const it = book();
    it.add(junkLines(await honest.request(0, 8), 0, 40), NOW);
    expect(it.newest(ORIGIN)).toBe(await honest.note(8));
    it.add(junkLines(await honest.request(8, 8), 0, 40), NOW);
    expect(it.newest(ORIGIN)).toBe(await honest.note(8));
    it.add(junkLines(await fork.request(8, 8), 0, 40), NOW);
    expect(it.evidence()[0].submitted).toBe(await fork.note(8));
    const long = formatAddCheckpoint(8, [], await honest.signed(8, [station], ORIGIN, ["x".repeat(5000)]));
    expect(it.add(long, NOW).status).toBe(400);
  });

  it("cosigns the empty tree with its one root, and what grows from it", async () => {
    const it = book();
    const empty = { origin: ORIGIN, size: 0, root: new Uint8Array(32), extensions: [] };
    const signed = await signCheckpoint(empty, [{ key: stationKey, sign: station.sign }]);
    expect(it.add(formatAddCheckpoint(0, [], signed), NOW).status).toBe(422);
    expect(it.logs()).toEqual([]);
    expect(it.add(await honest.request(0, 0), NOW).status).toBe(200);
    expect(it.add(await honest.request(0, 5), NOW).status).toBe(200);
  });

  it("does not sign a time far ahead of the last one, and goes on when its operator says so", async () => {
    const folder = testFolder();
    const first = new WitnessBook(folder, [stationKey]);
    first.add(await honest.request(0, 5), NOW);
    expect(first.add(await honest.request(5, 6), NOW + 3e8).status).toBe(503);
    expect(first.add(await honest.request(5, 6), NOW + 30).status).toBe(200);
    expect(first.clockFault(NOW + 60)).toBeNull();
    // The very first time can be wrong; and so can what an operator says.
    first.acceptClock(NOW + 3e8);
    expect(first.add(await honest.request(6, 7), NOW + 3e8).status).toBe(200);
    expect(first.add(await honest.request(7, 8), NOW + 90).status).toBe(503);
    first.close();
    const second = book({ folder });
    expect(second.clockFault(NOW + 90)).toMatch(/behind/);
    second.acceptClock(NOW + 90);
    expect(second.add(await honest.request(7, 8), NOW + 90).status).toBe(200);
    expect(second.clockChanges()).toEqual([
      { before: NOW + 30, after: NOW + 3e8 },
      { before: NOW + 3e8, after: NOW + 90 },
    ]);
  });

  it("carries over the memory of the first format", async () => {
    const folder = testFolder();
    const database = new Database(join(folder, "witness.sqlite"));
    database.exec(`
      CREATE TABLE log (origin TEXT PRIMARY KEY, size INTEGER NOT NULL, root BLOB NOT NULL, note TEXT NOT NULL)
        STRICT, WITHOUT ROWID;
      CREATE TABLE seen (origin TEXT NOT NULL, size INTEGER NOT NULL, root BLOB NOT NULL, note TEXT NOT NULL,
        timestamp INTEGER NOT NULL, PRIMARY KEY (origin, size)) STRICT, WITHOUT ROWID;
      CREATE TABLE clock (one INTEGER PRIMARY KEY CHECK (one = 1), newest INTEGER NOT NULL) STRICT;
      CREATE TABLE evidence (seq INTEGER PRIMARY KEY, origin TEXT NOT NULL, kind TEXT NOT NULL, timestamp INTEGER NOT NULL,
        known TEXT NOT NULL, submitted TEXT NOT NULL, UNIQUE (known, submitted)) STRICT;
      PRAGMA application_id = ${0x4f534e57}; PRAGMA user_version = 1;`);
    const [known, other] = [await honest.note(8), await fork.note(8)];
    const { root } = parseCheckpoint(known)!;
    database.prepare("INSERT INTO log VALUES (?, 8, ?, ?)").run(ORIGIN, root, known);
    database.prepare("INSERT INTO seen VALUES (?, 8, ?, ?, ?)").run(ORIGIN, root, known, NOW);
    database.prepare("INSERT INTO clock VALUES (1, ?)").run(NOW);
    const put = database.prepare("INSERT INTO evidence VALUES (NULL, ?, ?, ?, ?, ?)");
    put.run(ORIGIN, "fork", NOW, known, other);
    put.run(ORIGIN, "unproven", NOW, known, junkLines(known, 0, 1));
    database.close();
    const it = book({ folder });
    expect(it.evidence()).toEqual([
      { origin: ORIGIN, kind: "fork", timestamp: NOW, known, submitted: other },
    ]);
    expect(it.add(await honest.request(8, 9), NOW - 1).status).toBe(503);
    expect(it.add(await honest.request(8, 9), NOW).status).toBe(200);
  });

  it("survives any request", () => {
    const it = book();
    for (const body of ["old 0\n\n", "old 0\n", "\n\n", "old -1\n\nx", `old 0\n${"a\n".repeat(64)}\n`]) {
      expect(it.add(body, NOW).status).toBe(400);
      expect(parseAddCheckpoint(body)).toBeNull();
    }
  });
});

interface ServedOptions {
  readonly keys?: (typeof stationKey)[];
  readonly now?: () => number;
  readonly monotonic?: () => number;
}

async function served(name: string, options: ServedOptions = {}) {
  const key = testKey(name);
  const folder = testFolder();
  const made = new WitnessBook(folder, options.keys ?? [stationKey]);
  const app = witnessService({
    book: made,
    name: `${name}.example/w`,
    signer: key,
    clock: { boundSeconds: 1, source: "test" },
    now: options.now ?? (() => NOW * 1000),
    monotonic: options.monotonic ?? (() => 0),
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

  it("signs nothing while its clock is set, and goes on when it is right again", async () => {
    let [wall, steady] = [NOW * 1000, 0];
    const { url } = await served("w4", { now: () => wall, monotonic: () => steady });
    const status = async (from: number, to: number): Promise<number> => {
      const body = await honest.request(from, to);
      return (await fetch(`${url}/add-checkpoint`, { method: "POST", body })).status;
    };
    // Before the first signature already.
    wall += 3e11;
    expect(await status(0, 5)).toBe(503);
    [wall, steady] = [NOW * 1000 + 60_000, 60_000];
    expect(await status(0, 5)).toBe(200);
    wall -= 20_000;
    expect(await status(5, 6)).toBe(503);
    [wall, steady] = [NOW * 1000 + 90_500, 90_000];
    expect(await status(5, 6)).toBe(200);
  });

  it("gives a cosignature again, as it was", async () => {
    let wall = NOW * 1000;
    const { url } = await served("w5", { now: () => wall, monotonic: () => wall });
    const post = async (from: number, to: number): Promise<string> => {
      const body = await honest.request(from, to);
      return (await fetch(`${url}/add-checkpoint`, { method: "POST", body })).text();
    };
    const given = await post(0, 5);
    wall += 30_000;
    expect(await post(5, 5)).not.toBe(given);
    await post(5, 9);
    const again = (size: string): Promise<Response> =>
      fetch(`${url}/v1/cosignature?origin=${ORIGIN}&size=${size}`);
    expect(await (await again("5")).text()).toBe(given);
    for (const size of ["4", "x", ""]) expect((await again(size)).status).toBe(404);
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
    const twice = (second: typeof a) => () => new Witnesses(log, { peers: [a, second], needed: 1 });
    expect(twice({ ...a, key: b.key })).not.toThrow();
    expect(twice(a)).toThrow(/Two witnesses have the name a.example/);
    expect(twice({ ...b, key: witnessKey("a.example/w", testKey("b")) })).toThrow(/the name/);
    expect(twice({ ...b, key: witnessKey("b.example/w", testKey("a")) })).toThrow(/the key/);
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

  it("stops signing on no word alone", async () => {
    const shorter = stationLog(2);
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
  });
});
