/** What a follower does when keys are retired or stolen, trees branch, and stations leave things out. */
import { describe, expect, it } from "vitest";
import { Follower, type Verdict } from "../../src/emit/follower.js";
import { peelEnvelope } from "../../src/emit/envelope.js";
import { consistencyProof, rootOf } from "../../src/station/merkle.js";
import { formatNote } from "../../src/station/note.js";
import { logKey, testKey, witnessKey } from "../station/keys.js";
import { GST, startContent, stationKey, subframeContent } from "../station/leaves.js";
import { lies, Liar, policy } from "./liar.js";

const next = testKey("the station's next key");
const thief = testKey("another");
const types = (verdicts: readonly Verdict[]): string[] => verdicts.map(({ type }) => type);

/** Everything a follower holds, of a liar's whole history. */
const wholly = async (liar: Liar, from = 0) => ({
  from,
  leaves: liar.bodies.slice(from),
  checkpoint: await liar.checkpoint(),
});

describe("a key that was retired", () => {
  it("seals nothing any more, and what it seals puts nobody off", async () => {
    const liar = new Liar().subframes(0, 1);
    const follower = liar.follower();
    await liar.tell(follower);
    await liar.rotate(next);
    expect(lies(await liar.tell(follower))).toEqual([]);
    const stolen = liar.branch(3).subframes(1, 1, 99);
    liar.subframes(1, 2);
    expect(follower.accept(await stolen.leaf(3, stationKey))).toEqual([]);
    expect(follower.size).toBe(3);
    expect(lies(await liar.tell(follower))).toEqual([]);
    expect(types(follower.accept(await liar.signed()))).toEqual(["checkpoint"]);
    expect(follower.status).toMatchObject({ leaves: 5, proven: 5, lies: 0, strangers: 1 });
    // Nor does it sign a tree.
    expect(follower.accept(await stolen.signed(4, stationKey))).toEqual([]);
    expect(follower.compare(await stolen.checkpoint(4, stationKey))).toEqual([]);
  });

  it("proves no other history to who was given the key after it", async () => {
    const honest = await new Liar().subframes(0, 2).rotate(next);
    honest.subframes(2, 3);
    const other = new Liar().subframes(0, 5, 40);
    const follower = honest.follower({ key: honest.keyOf(next) });
    await other.tell(follower);
    expect(types(follower.accept(await other.signed()))).toEqual([]);
    expect(follower.fill(await wholly(other))).toEqual([]);
    expect(follower.status).toMatchObject({ leaves: 6, proven: 0, classA: 0, lies: 0 });
    // The honest tree takes the place of all that; that the old key signed both is told.
    const verdicts = follower.fill(await wholly(honest));
    expect(verdicts.filter(({ type }) => type === "leaf")).toHaveLength(6);
    expect(follower.status).toMatchObject({ leaves: 7, proven: 7 });
    expect(verdicts.filter(({ type }) => type === "lie")).toMatchObject([
      { what: "fork", notes: [formatNote((await other.checkpoint()).note), expect.any(String)] },
    ]);
  });

  it("leaves the honest history provable from the first key, and from the second", async () => {
    const honest = await new Liar().subframes(0, 2).rotate(next);
    honest.subframes(2, 3);
    for (const key of [stationKey, next]) {
      const follower = honest.follower({ key: honest.keyOf(key) });
      for (let at = 0; at < 7; at++) {
        const by = at < 3 ? stationKey : next;
        expect(lies(follower.accept(await honest.leaf(at, by)))).toEqual([]);
        expect(lies(follower.accept(await honest.signed(at + 1, by)))).toEqual([]);
      }
      expect(follower.status).toMatchObject({ leaves: 7, proven: 7, lies: 0 });
    }
  });
});

describe("a leaf that is sealed with a later key", () => {
  it("is no lie: the signed tree is asked, and both ways come to the same", async () => {
    const liar = new Liar().subframes(0, 2);
    const follower = liar.follower();
    await liar.tell(follower);
    // The process died between log and outbox, and the key was rotated before the next start.
    liar.subframes(2, 2);
    await liar.rotate(next);
    liar.subframes(4, 1);
    const sealed = peelEnvelope(await liar.leaf(3), 1 << 17)!;
    expect(follower.judge(sealed)).toEqual({ verdicts: [], standing: "stranger", isBehind: true });
    expect(follower.status.lies).toBe(0);
    const all = await Promise.all(
      [3, 4, 5, 6].map(async (index) => peelEnvelope(await liar.leaf(index), 1 << 17)!),
    );
    const twin = liar.follower();
    twin.fill({ from: 0, leaves: liar.bodies.slice(0, 3), checkpoint: await liar.checkpoint(3, stationKey) });
    const caught = twin.catchUp([...all, peelEnvelope(await liar.signed(), 1 << 17)!]);
    expect(types(caught!.verdicts)).toEqual(["leaf", "leaf", "leaf", "leaf", "checkpoint"]);
    expect(types(follower.fill(await wholly(liar)))).toEqual(["leaf", "leaf", "leaf", "leaf", "checkpoint"]);
    for (const each of [follower, twin]) {
      expect(each.status).toMatchObject({ leaves: 7, proven: 7, lies: 0 });
      expect(each.judge(sealed)).toMatchObject({ standing: "repeat" });
    }
  });

  it("is taken at once where the later key is the one that was given", async () => {
    const liar = new Liar().subframes(0, 2);
    await liar.rotate(next);
    const follower = liar.follower({ key: liar.keyOf(next) });
    expect(lies(await liar.tell(follower, next))).toEqual([]);
    follower.accept(await liar.signed());
    expect(follower.status).toMatchObject({ leaves: 4, proven: 4, lies: 0, strangers: 0 });
  });
});

describe("what stands in tiles only", () => {
  it("is a fork where the signed tree has other leaves than the proven ones: both notes are shown", async () => {
    const liar = new Liar().subframes(0, 9);
    const follower = liar.follower();
    await liar.tell(follower);
    follower.accept(await liar.signed());
    const other = liar.branch(5).subframes(4, 15, 70);
    const checkpoint = await other.checkpoint();
    expect(follower.fill(await wholly(other, 10))).toEqual([]);
    const notes = [await liar.checkpoint(), checkpoint].map(({ note }) => formatNote(note));
    const twin = new Follower({ ...policy, key: liar.keyOf(stationKey) });
    twin.fill(await wholly(liar));
    expect(twin.fill(await wholly(other))).toMatchObject([{ type: "lie", what: "fork", notes }]);
    const proof = consistencyProof(10, 20, other.subtree);
    expect(follower.compareRoots(checkpoint, rootOf(10, liar.subtree), proof)).toEqual([]);
    expect(follower.compareRoots(checkpoint, new Uint8Array(32), proof)).toEqual([]);
    const shown = follower.compareRoots(checkpoint, rootOf(10, other.subtree), proof);
    expect(shown).toMatchObject([{ type: "lie", what: "fork", notes }]);
    expect(follower.isBroken).toBe(true);
    expect(follower.status).toMatchObject({ leaves: 10, proven: 10, lies: 1 });
  });

  it("takes the place of leaves that were sealed only, and says that the index was used twice", async () => {
    const liar = new Liar().subframes(0, 3);
    const follower = liar.follower();
    await liar.tell(follower);
    follower.accept(await liar.signed());
    const other = liar.branch(4).subframes(3, 4, 70);
    liar.subframes(3, 2);
    await liar.tell(follower);
    expect(lies(follower.fill(await wholly(other, 4)))).toEqual(["index-reused"]);
    expect(follower.status).toMatchObject({ leaves: 8, proven: 8 });
    expect(Buffer.from(follower.root)).toEqual(Buffer.from(rootOf(8, other.subtree)));
  });

  it.each([
    ["unexplained-gap", subframeContent(GST + 900)],
    ["time-backwards", subframeContent(GST - 300)],
    ["second-first-leaf", startContent()],
  ] as const)("breaks the rules, and the station signed it: %s", async (what, content) => {
    const liar = new Liar().subframes(0, 3);
    const follower = liar.follower();
    liar.put(content);
    const verdicts = follower.fill(await wholly(liar));
    expect(lies(verdicts)).toEqual([what]);
    expect(follower.status).toMatchObject({ leaves: 4, proven: 4, lies: 1 });
    // Told once, and not by who does not have the key.
    expect(follower.fill(await wholly(liar, 4))).toEqual([]);
    const framed = liar.follower();
    const checkpoint = await liar.checkpoint(5, thief);
    expect(framed.fill({ from: 0, leaves: liar.bodies, checkpoint })).toEqual([]);
    expect(framed.status).toMatchObject({ leaves: 0, lies: 0 });
  });

  it("is taken in spans, each shown to be of the signed tree", async () => {
    const liar = new Liar().subframes(0, 20);
    const follower = liar.follower();
    const checkpoint = await liar.checkpoint();
    const span = (from: number, to: number, by = liar) => ({
      from,
      leaves: by.bodies.slice(from, to),
      checkpoint,
      proof: consistencyProof(to, 21, liar.subtree),
    });
    expect(follower.fill(span(0, 8, liar.branch(5).subframes(4, 9, 80)))).toEqual([]);
    expect(follower.fill(span(0, 8)).at(-1)).toMatchObject({ type: "checkpoint", size: 8, leaves: 8 });
    expect(follower.fill(span(8, 21)).at(-1)).toMatchObject({ type: "checkpoint", size: 21, leaves: 13 });
    expect(follower.status).toMatchObject({ leaves: 21, proven: 21, lies: 0 });
  });

  it("is not another station's, whatever the log is called", async () => {
    const other = testKey("another station");
    const liar = new Liar().subframes(0, 1);
    const follower = liar.follower();
    const stranger = new Liar(false);
    Object.assign(stranger, { station: new Uint8Array(32) });
    stranger.put({ ...startContent(), publicKey: other.publicKey } as never);
    const checkpoint = await stranger.checkpoint(1, other);
    expect(follower.fill({ from: 0, leaves: stranger.bodies, checkpoint })).toEqual([]);
    expect(follower.status).toMatchObject({ leaves: 0, proven: 0, lies: 0 });
  });
});

describe("a checkpoint of what is proven", () => {
  it("says nothing new unless the station's key signed it", async () => {
    const liar = new Liar().subframes(0, 4);
    const follower = liar.follower();
    follower.fill(await wholly(liar));
    expect(follower.accept(await liar.signed(3, thief))).toEqual([]);
    expect(follower.accept(await liar.signed(3))).toEqual([]);
    const other = liar.branch(1).subframes(0, 2, 50);
    expect(follower.compare(await other.checkpoint(3, thief))).toEqual([]);
    expect(lies(follower.compare(await other.checkpoint(3)))).toEqual(["fork"]);
  });
});

describe("witnesses", () => {
  const keys = ["one", "two", "three"].map((name) => {
    const key = testKey(`witness ${name}`);
    return [witnessKey(`${name}.example/w`, key), key] as const;
  });
  const witnesses = keys.map(([key]) => ({ key, boundSeconds: 1 }));

  it("are each another key and another name, and as many as are needed", () => {
    const liar = new Liar();
    const [first] = witnesses;
    const renamed = { key: witnessKey("again.example/w", keys[0][1]), boundSeconds: 1 };
    const rekeyed = { key: witnessKey(first.key.name, keys[1][1]), boundSeconds: 1 };
    for (const bad of [
      [first, { ...first, boundSeconds: 2 }],
      [first, renamed],
      [first, rekeyed],
    ])
      expect(() => liar.follower({ witnesses: bad, needed: 2 })).toThrow(RangeError);
    expect(() => liar.follower({ witnesses, needed: 4 })).toThrow(RangeError);
    expect(() => liar.follower({ witnesses, needed: 3 })).not.toThrow();
  });

  it("count together where each saw another size that has the leaf, in any order", async () => {
    const liar = new Liar().subframes(0, 3);
    const messages = [await liar.seen(GST + 40, 2, keys[0]), await liar.seen(GST + 70, 3, keys[1])];
    for (const order of [messages, [...messages].reverse()]) {
      const follower = liar.follower({ witnesses, needed: 2 });
      follower.fill(await wholly(liar));
      const verdicts = order.flatMap((message) => follower.accept(message));
      expect(verdicts.filter(({ type }) => type === "class")).toMatchObject([{ index: 1, class: "A" }]);
      expect(follower.status).toMatchObject({ classA: 1, unwitnessed: 2 });
      follower.accept(await liar.seen(GST + 95, 4, keys[2]));
      follower.accept(await liar.seen(GST + 95, 4, keys[0]));
      expect(follower.status).toMatchObject({ classA: 3, unwitnessed: 0 });
    }
  });

  it("do not make good again what one of them saw before it was sent", async () => {
    const liar = new Liar().subframes(0, 2);
    const early = await liar.seen(GST + 10, 2);
    const late = await liar.seen(GST + 65, 3);
    for (const order of [
      [early, late],
      [late, early],
    ]) {
      const follower = liar.follower();
      follower.fill(await wholly(liar));
      for (const message of order) follower.accept(message);
      expect(follower.status.classA).toBe(1);
      expect(follower.accept(early)).toEqual([]);
    }
  });
});

describe("what a station leaves out", () => {
  it("is summed up, also where it began anew before every subframe", async () => {
    const liar = new Liar().subframes(0, 1);
    for (let at = 1; at < 4; at++) liar.put(startContent(false)).subframes(101 * at, 1);
    const { time, softwareVersion, receiver } = startContent();
    const [fromGst, toGst] = [GST + 30 * 304, GST + 30 * 403];
    liar.put({
      kind: "gap",
      fromGst,
      toGst,
      reason: "no-time",
      time,
      softwareVersion,
      receiver,
      challenges: [],
    });
    const follower = liar.follower();
    await liar.tell(follower);
    const verdicts = follower.accept(await liar.signed());
    expect(verdicts.filter(({ type }) => type === "missing")).toMatchObject([
      { fromGst: GST + 30, toGst: GST + 30 * 101, reason: "restart" },
      { reason: "restart" },
      { reason: "restart" },
      { fromGst, toGst, reason: "no-time" },
    ]);
    expect(follower.status.missing).toEqual({ subframes: 399, restart: 300, "no-time": 99 });
  });

  it("shows of a challenge: answered, in which leaf and when; missed; or not due yet", async () => {
    const [asked, ignored, unknown] = [1, 2, 3].map((fill) => new Uint8Array(32).fill(fill));
    const challenges = [
      { challenge: asked, sentGst: GST + 40 },
      { challenge: ignored, sentGst: GST + 40 },
      { challenge: unknown, sentGst: null },
    ];
    const liar = new Liar().subframes(0, 2);
    const follower = liar.follower({ challenges });
    follower.fill(await wholly(liar));
    expect(follower.status.challenges.map(({ state }) => state)).toEqual(["waiting", "waiting", "waiting"]);
    const origin = new Uint8Array(32);
    liar
      .put({ ...subframeContent(GST + 60), challenges: [{ challenge: asked, origin }] } as never)
      .subframes(3, 1);
    const verdicts = follower.fill(await wholly(liar, 3));
    expect(verdicts.filter(({ type }) => type === "challenge")).toMatchObject([
      { state: "answered", index: 3, afterSeconds: 50 },
      { state: "missed", index: 4 },
    ]);
    expect(follower.status.challenges.map(({ state }) => state)).toEqual(["answered", "missed", "waiting"]);
  });
});

it("a live subframe needs a clock of its own", async () => {
  for (const assurance of ["capture", "none"] as const) {
    const liar = new Liar().subframes(0, 1);
    const follower = liar.follower();
    await liar.tell(follower);
    liar.put({ ...subframeContent(GST + 30), time: { assurance, boundMs: 40 } });
    expect(lies(follower.accept(await liar.leaf(2)))).toEqual(["time-not-independent"]);
  }
});

it("lies without end are told up to a bound, and counted", async () => {
  const liar = new Liar();
  const follower = liar.follower();
  await liar.tell(follower);
  let told = 0;
  for (let at = 0; at < 300; at++) {
    const line = Buffer.from("— a AAAAAAA=");
    told += follower.accept(
      await liar.say({ kind: "cosignature", size: at, line }, { mode: "replay" }),
    ).length;
  }
  expect(told).toBe(256);
  expect(follower.status.lies).toBe(300);
  expect(logKey(liar.origin, stationKey).name).toBe(follower.origin);
});
