/**
 * A forger who has all keys and a perfect generator of skies, against a verifier of packages and a consumer of leaves.
 * What he makes is genuine to the last bit, for the generator signs as Galileo does: only time is against him.
 */
import { beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { Emission } from "../../src/emit/emission.js";
import { sealEnvelope } from "../../src/emit/envelope.js";
import { Follower, type Verdict } from "../../src/emit/follower.js";
import { idOfText, objectText } from "../../src/evidence/objects.js";
import { makeProof } from "../../src/proof/make.js";
import type { ConsistencyJson, LeafJson, OpeningJson, ProofParts } from "../../src/proof/package.js";
import { logSource } from "../../src/proof/source.js";
import { proofText } from "../../src/proof/package.js";
import { formatTlogProof } from "../../src/proof/tlog-proof.js";
import { parseCheckpoint, signCheckpoint, type Checkpoint } from "../../src/station/checkpoint.js";
import { cosign } from "../../src/station/cosignature.js";
import { decodeTags, encodeTags } from "../../src/station/items.js";
import {
  decodeLeaf,
  encodeLeaf,
  rotationStatement,
  type Leaf,
  type LeafContent,
  type SubframeLeaf,
} from "../../src/station/leaf.js";
import { consistencyProof, leafHash, rootOf } from "../../src/station/merkle.js";
import { formatNote } from "../../src/station/note.js";
import { commitTo, decodeItems, openItem } from "../../src/station/openings.js";
import { Station } from "../../src/station/station.js";
import type { VerifyProofOptions } from "../../src/proof/verify-proof.js";
import { WitnessBook } from "../../src/witness/book.js";
import { ForgingStation } from "../station/forging-station.js";
import { logKey, testKey, witnessKey } from "../station/keys.js";
import { startContent } from "../station/leaves.js";
import { unixOf } from "../station/test-witness.js";
import { failures, folder, judge, optionsFor, played, type Played } from "./played.js";
import { fixAfter, play, START_GST } from "./sky.js";

/** Every key of the sky was broadcast long before. */
const DAY = 86_400;
let inTime: Played;
let honest: ProofParts;
beforeAll(async () => {
  inTime = await played([() => 2, () => 2]);
  honest = makeProof(fixAfter(95), logSource(inTime.station.log));
}, 120_000);

/** What a federation node that follows the log comes to. */
async function consumed(run: Played): Promise<Verdict[]> {
  const { log } = run.station;
  const emission = new Emission({ log, directory: folder(), consumers: [], flush: false });
  await emission.taken();
  const { witnesses, needed, marginSeconds, leapSeconds } = optionsFor(run);
  const timing = { witnesses, needed, marginSeconds, leapSeconds };
  const follower = new Follower({ key: log.key, ...timing, keyOffsetSeconds: 22 });
  const verdicts = emission.outbox
    .after("federation", 0, 10_000)
    .flatMap(({ envelope }) => follower.accept(envelope));
  await emission.close();
  return verdicts;
}

const classesOf = (verdicts: readonly Verdict[]): string[] =>
  verdicts.flatMap((verdict) => (verdict.type === "class" ? [verdict.class] : []));
const liesOf = (verdicts: readonly Verdict[]): string[] =>
  verdicts.flatMap((verdict) => (verdict.type === "lie" ? [verdict.what] : []));

describe("a station that hears the sky while it is there", () => {
  it("has class A, by package and by leaf: so what follows can fail", async () => {
    expect(judge(honest, optionsFor(inTime))).toMatchObject({ genuine: true, timing: { class: "A" } });
    const classes = classesOf(await consumed(inTime));
    expect(classes.length).toBeGreaterThan(10);
    expect(new Set(classes)).toEqual(new Set(["A"]));
  }, 60_000);
});

describe("a forger who has all keys and a perfect sky generator", () => {
  it("gets genuine data of class C through honest code, by package and by leaf, never better", async () => {
    // The generator plays yesterday's sky, bit for bit, into a station whose witnesses live today.
    const late = await played([() => DAY, () => DAY]);
    for (const seconds of [95, 150, 200]) {
      const proof = makeProof(fixAfter(seconds), logSource(late.station.log));
      const verdict = judge(proof, optionsFor(late));
      expect(failures(verdict)).toEqual([]);
      expect(verdict).toMatchObject({
        genuine: true,
        timing: { class: "C", reason: "witnessed-after-disclosure" },
      });
      for (const each of verdict.timing!.satellites) expect(each.class).toBe("C");
      expect(judge(proof, optionsFor(late, { marginSeconds: 0, needed: 1 })).timing?.class).toBe("C");
    }
    const verdicts = await consumed(late);
    expect(liesOf(verdicts)).toEqual([]);
    expect(classesOf(verdicts).length).toBeGreaterThan(0);
    expect(new Set(classesOf(verdicts))).toEqual(new Set(["C"]));
  }, 60_000);

  it("gets no leaf at all from an honest station that lives today: its own clock is against him", async () => {
    const station = new Station({
      directory: folder(),
      mode: "live",
      flush: false,
      softwareVersion: "test",
      receiver: "sim",
    });
    const page = station.page.bind(station);
    let gst = START_GST + DAY;
    station.page = (content, at) => {
      page(content, at, {
        gst: (gst = Math.max(gst, at + DAY)),
        boundSeconds: 0.1,
        assurance: "independent",
      });
    };
    await play(station, () => Promise.resolve());
    const { log } = station;
    expect(station.counts.strayPages).toBeGreaterThan(1000);
    for (let index = 0; index < log.size; index++) {
      const openings = log.openings(index);
      const items = openings === null ? null : decodeItems(openings.items)!;
      expect(items?.pages.size ?? 0).toBe(0);
      expect(items?.tags.size ?? 0).toBe(0);
    }
    await station.close();
  }, 60_000);
});

describe("a forging station", () => {
  const key = testKey("forging station");
  const witness = testKey("honest witness");
  const by = witnessKey("honest.example/w", witness);
  const options = (station: ForgingStation) => ({
    ...optionsFor(inTime, { station: station.station, witnesses: [{ key: by, boundSeconds: 1 }], needed: 1 }),
  });

  /** An honest leaf of the run whose place in a log is open again. */
  const contentOf = (index: number, change: Partial<SubframeLeaf> = {}): LeafContent => {
    const leaf = decodeLeaf(inTime.station.log.leaves(index, index + 1)[0]) as SubframeLeaf;
    return { ...leaf, receiver: startContent().receiver, ...change };
  };
  const forging = (): ForgingStation =>
    new ForgingStation(key, "simulated").put({ ...startContent(), publicKey: key.publicKey } as LeafContent);

  /** The log as it stands, seen by an honest witness at GST `gst`; null where the witness refuses. */
  async function seen(
    station: ForgingStation,
    book: WitnessBook,
    from: number,
    gst: number,
  ): Promise<Checkpoint | null> {
    const unix = Math.floor(unixOf(gst));
    const decision = book.add(await station.request(from), unix);
    if (decision.status !== 200) return null;
    const { note } = await station.checkpoint();
    const line = await cosign(note.text, unix, by, witness.sign);
    return parseCheckpoint(formatNote({ ...note, signatures: [...note.signatures, line] }))!;
  }

  function bookFor(station: ForgingStation): WitnessBook {
    const book = new WitnessBook(folder(), [logKey(station.origin, station.key)]);
    onTestFinished(() => {
      book.close();
    });
    return book;
  }

  /** The honest proof with the leaves of this log in place of its own. */
  function proofOf(
    station: ForgingStation,
    leaves: readonly (Pick<LeafJson, "openings"> & {
      readonly index: number;
      readonly checkpoint: Checkpoint;
    })[],
    change: Partial<ProofParts> = {},
  ): ProofParts {
    const sizes = [...new Set(leaves.map(({ checkpoint }) => checkpoint.size))].sort((a, b) => a - b);
    return {
      ...honest,
      consistency: sizes.slice(1).map((to, at) => consistency(station, sizes[at], to)),
      station: Buffer.from(station.station).toString("hex"),
      key: Buffer.from(key.publicKey).toString("hex"),
      leaves: leaves.map(({ index, checkpoint, openings }) => {
        const { bytes, sightings } = station.proven(index, checkpoint);
        const [{ inclusion }] = sightings;
        return {
          leaf: Buffer.from(bytes).toString("hex"),
          proofs: [formatTlogProof({ index, inclusion, checkpoint })],
          openings,
        };
      }),
      ...change,
    };
  }

  const consistency = (station: ForgingStation, from: number, to: number): ConsistencyJson => ({
    from,
    to,
    path: consistencyProof(from, to, station.subtree).map((hash) => Buffer.from(hash).toString("hex")),
  });

  const follow = async (station: ForgingStation): Promise<Verdict[]> => {
    const follower = new Follower({
      key: logKey(station.origin, key),
      witnesses: [{ key: by, boundSeconds: 1 }],
      needed: 1,
      marginSeconds: 5,
      leapSeconds: 18,
      keyOffsetSeconds: 22,
    });
    const verdicts: Verdict[] = [];
    for (const [index, leaf] of station.bodies.entries()) {
      const speaker = { purpose: "federation", mode: "simulated", station: station.station } as const;
      const signer = { publicKey: key.publicKey, sign: key.sign };
      verdicts.push(...follower.accept(await sealEnvelope(speaker, { kind: "leaf", index, leaf }, signer)));
    }
    return verdicts;
  };

  it("that makes up a whole past in one go gets class C: the witness saw it today", async () => {
    const station = forging();
    for (let index = 1; index < 14; index++) station.put(contentOf(index));
    const book = bookFor(station);
    const checkpoint = (await seen(station, book, 0, START_GST + DAY))!;
    const openings = honest.leaves.map((leaf) => leaf.openings);
    const proof = proofOf(station, [
      { index: 4, checkpoint, openings: openings[0] },
      { index: 5, checkpoint, openings: openings[1] },
    ]);
    const verdict = judge(proof, options(station));
    expect(failures(verdict)).toEqual([]);
    expect(verdict).toMatchObject({
      genuine: true,
      timing: { class: "C", reason: "witnessed-after-disclosure" },
    });
    // With a witness that lived then, the same file is class A: nothing else stands between.
    const then = (await seen(station, bookFor(station), 0, START_GST + 215))!;
    const withThen = proofOf(station, [
      { index: 4, checkpoint: then, openings: openings[0] },
      { index: 5, checkpoint: then, openings: openings[1] },
    ]);
    expect(judge(withThen, options(station)).timing?.class).toBe("A");
  }, 60_000);

  it("that back-dates leaves behind honest ones gets class C, and is caught by who follows it", async () => {
    const station = forging();
    // It was there, and committed to something else in time.
    for (let index = 1; index < 8; index++) {
      const { commitments } = commitTo(
        { pages: new Map(), tags: new Map(), measurements: new Map(), fixes: new Map() },
        new Uint8Array(32).fill(index),
      );
      station.put(contentOf(index, { commitments }));
    }
    const book = bookFor(station);
    expect(await seen(station, book, 0, START_GST + 260)).not.toBeNull();
    const before = station.bodies.length;
    // A day later it puts the perfect sky's leaves behind them, with the GST of then.
    station.put(contentOf(4)).put(contentOf(5));
    const checkpoint = (await seen(station, book, before, START_GST + DAY))!;
    const openings = honest.leaves.map((leaf) => leaf.openings);
    const proof = proofOf(station, [
      { index: before, checkpoint, openings: openings[0] },
      { index: before + 1, checkpoint, openings: openings[1] },
    ]);
    expect(judge(proof, options(station))).toMatchObject({ genuine: true, timing: { class: "C" } });
    expect(liesOf(await follow(station))[0]).toBe("time-backwards");
    // In place of the old ones they are another history, which the witness refuses.
    const other = station.branch(4).put(contentOf(4)).put(contentOf(5)).put(contentOf(6)).put(contentOf(7));
    expect(book.add(await other.request(before), Math.floor(unixOf(START_GST + DAY))).status).not.toBe(200);
  }, 60_000);

  it("that gives yesterday's tags the time of today is not genuine", async () => {
    const gst = START_GST + DAY;
    const openings = inTime.station.log.openings(4)!;
    const items = decodeItems(openings.items)!;
    const tags = new Map(
      [...items.tags].map(([slot, item]) => [slot, encodeTags({ ...decodeTags(item)!, gst })] as const),
    );
    const committed = commitTo({ ...items, tags }, openings.secret);
    const station = forging().put(contentOf(4, { gst, commitments: committed.commitments }));
    const book = bookFor(station);
    const checkpoint = (await seen(station, book, 0, gst + 35))!;
    const opened = honest.leaves[0].openings.map(({ category, slot }): OpeningJson => {
      const { item, salt, path } = openItem(committed.openings, category, slot)!;
      const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
      return { category, slot, item: hex(item), salt: hex(salt), path: path.map(hex) };
    });
    // The tags say the time of today as well, and so do their keys.
    const objects: Record<string, unknown> = {};
    const put = (object: object): string => {
      const id = idOfText(objectText(object as never));
      objects[id] = object;
      return id;
    };
    for (const object of Object.values(honest.objects) as Record<string, unknown>[]) {
      if (object["kind"] !== "tag") continue;
      const teslaKey = honest.objects[object["key"] as string] as Record<string, unknown>;
      put({ ...object, gst, key: put({ ...teslaKey, gst: gst + 330 }) });
    }
    const lie = judge(
      proofOf(station, [{ index: 1, checkpoint, openings: opened }], { objects }),
      options(station),
    );
    expect(lie).toMatchObject({ genuine: false, timing: null });
    expect(failures(lie).join("\n")).toMatch(/tesla-key: .*does not hash into the chain/);
    // With the openings as they were, the items say of themselves that they are of another subframe.
    const plain = forging().put(contentOf(4, { gst }));
    const seenPlain = (await seen(plain, bookFor(plain), 0, gst + 35))!;
    const old = judge(
      proofOf(plain, [{ index: 1, checkpoint: seenPlain, openings: honest.leaves[0].openings }]),
      options(plain),
    );
    expect(failures(old)[0]).toMatch(/^opening: leaf 1, tags in slot \d+, item: is no item of this slot/);
  }, 60_000);

  it("that commits to a fix in time, and to its satellites' tags only later, gets class C", async () => {
    const station = forging();
    for (let index = 1; index < 4; index++) station.put(contentOf(index));
    // No tags in time: they were not there to be heard.
    const openings = inTime.station.log.openings(5)!;
    const without = commitTo({ ...decodeItems(openings.items)!, tags: new Map() }, openings.secret);
    const { commitments } = commitTo(
      { pages: new Map(), tags: new Map(), measurements: new Map(), fixes: new Map() },
      new Uint8Array(32).fill(1),
    );
    station.put(contentOf(4, { commitments })).put(contentOf(5, { commitments: without.commitments }));
    const checkpoint = (await seen(station, bookFor(station), 0, START_GST + 215))!;
    const proof = proofOf(station, [{ index: 5, checkpoint, openings: honest.leaves[1].openings }]);
    const verdict = judge(proof, options(station));
    expect(failures(verdict)).toEqual([]);
    expect(verdict).toMatchObject({ genuine: true, timing: { class: "C", reason: "no-tag" } });
  }, 60_000);

  describe("in two histories", () => {
    const first = testKey("witness of the first history");
    const second = testKey("witness of the second history");
    const witnesses = [
      { key: witnessKey("first.example/w", first), boundSeconds: 1 },
      { key: witnessKey("second.example/w", second), boundSeconds: 1 },
    ];
    const both = (station: ForgingStation, change: Partial<VerifyProofOptions> = {}) => ({
      ...optionsFor(inTime, { station: station.station, witnesses, needed: 1 }),
      ...change,
    });
    /** A history as it stands, signed by one of the witnesses in time. */
    async function signedBy(which: 0 | 1, station: ForgingStation): Promise<Checkpoint> {
      const { note } = await station.checkpoint();
      const { key: name } = witnesses[which];
      const at = Math.floor(unixOf(START_GST + 215));
      const line = await cosign(note.text, at, name, [first, second][which].sign);
      return parseCheckpoint(formatNote({ ...note, signatures: [...note.signatures, line] }))!;
    }
    const openingsOf = (at: number) => honest.leaves[at].openings;
    /** Leaves 0 to 4, and then honestly or not what the honest station's leaf 5 says. */
    const upToFour = (): ForgingStation => {
      const station = forging();
      for (let index = 1; index < 5; index++) station.put(contentOf(index));
      return station;
    };
    const nothing = (fill: number) =>
      commitTo(
        { pages: new Map(), tags: new Map(), measurements: new Map(), fixes: new Map() },
        new Uint8Array(32).fill(fill),
      ).commitments;
    const asVersion1 = (proof: ProofParts): string => {
      const document = JSON.parse(proofText(proof)) as Record<string, unknown>;
      for (const of of [document, document["digests"] as Record<string, unknown>]) delete of["consistency"];
      return JSON.stringify({ ...document, version: 1 });
    };

    it("of different sizes, each before a witness of its own, is not genuine; one that grew is", async () => {
      const honestly = upToFour();
      const smaller = await signedBy(0, honestly);
      honestly.put(contentOf(5)).put(contentOf(6));
      const larger = await signedBy(1, honestly);
      const shown = (checkpoint: Checkpoint) => [
        { index: 4, checkpoint, openings: openingsOf(0) },
        { index: 5, checkpoint: larger, openings: openingsOf(1) },
      ];
      const grown = proofOf(honestly, shown(smaller));
      expect(grown.consistency).toHaveLength(1);
      const verdict = judge(grown, both(honestly));
      expect(failures(verdict)).toEqual([]);
      expect(verdict).toMatchObject({ genuine: true, timing: { class: "A" } });

      // The first witness is shown a leaf 5 without the fix; the second one with it.
      const other = honestly.branch(5).put(contentOf(5, { commitments: nothing(5) }));
      const forked = { ...grown, leaves: proofOf(other, [shown(await signedBy(0, other))[0]]).leaves };
      const [, fixLeaf] = grown.leaves;
      const fork = (paths: readonly ConsistencyJson[]): ProofParts => ({
        ...forked,
        leaves: [...forked.leaves, fixLeaf],
        consistency: paths,
      });
      const proofs = [[], [consistency(honestly, 6, 7)], [consistency(honestly, 5, 7)], grown.consistency];
      for (const paths of proofs) {
        const lie = judge(fork(paths), both(honestly));
        expect(lie).toMatchObject({ genuine: false, timing: null });
        expect(failures(lie)[0]).toMatch(/^history: trees of 6 and 7 leaves, consistency\.0: /);
      }
    });

    it("cannot be told apart in a file of version 1: it is read, and has class C unless it shows one tree", async () => {
      const station = upToFour();
      const smaller = await signedBy(0, station);
      station.put(contentOf(5)).put(contentOf(6));
      const larger = await signedBy(1, station);
      const openings = [openingsOf(0), openingsOf(1)];
      const two = proofOf(station, [
        { index: 4, checkpoint: smaller, openings: openings[0] },
        { index: 5, checkpoint: larger, openings: openings[1] },
      ]);
      const verdict = judge(asVersion1(two), both(station));
      expect(failures(verdict)).toEqual([]);
      expect(verdict).toMatchObject({ genuine: true, timing: { class: "C", reason: "history-not-shown" } });
      for (const each of verdict.timing!.satellites) expect(each.class).toBe("C");
      expect(verdict.warnings.join()).toMatch(/VERSION 1/);
      const one = proofOf(station, [
        { index: 4, checkpoint: larger, openings: openings[0] },
        { index: 5, checkpoint: larger, openings: openings[1] },
      ]);
      const whole = judge(asVersion1(one), both(station));
      expect(failures(whole)).toEqual([]);
      expect(whole).toMatchObject({ genuine: true, timing: { class: "A" } });
      expect(whole.warnings.join()).not.toMatch(/VERSION 1/);
    });

    it("of one size is not genuine, though each leaf is in its tree and before a witness", async () => {
      const station = upToFour().put(contentOf(5));
      const other = station.branch(5).put(contentOf(5, { commitments: nothing(5) }));
      const [shownThere] = proofOf(other, [
        { index: 4, checkpoint: await signedBy(0, other), openings: openingsOf(0) },
      ]).leaves;
      const here = await signedBy(1, station);
      const proof = proofOf(station, [{ index: 5, checkpoint: here, openings: openingsOf(1) }]);
      const control = proofOf(station, [
        { index: 4, checkpoint: here, openings: openingsOf(0) },
        { index: 5, checkpoint: here, openings: openingsOf(1) },
      ]);
      expect(judge(control, both(station))).toMatchObject({ genuine: true, timing: { class: "A" } });
      for (const leaves of [
        [shownThere, ...proof.leaves],
        // The same where both stand at one leaf.
        [{ ...shownThere, proofs: [...shownThere.proofs, ...control.leaves[0].proofs] }, ...proof.leaves],
      ]) {
        const lie = judge({ ...proof, leaves }, both(station));
        expect(lie).toMatchObject({ genuine: false, timing: null });
        expect(failures(lie)[0]).toMatch(
          /^history: leaf \d, proofs\.\d: of 6 leaves the station signed two trees/,
        );
      }
    });

    it("is not genuine with a consistency proof between trees that it does not show", async () => {
      const station = upToFour().put(contentOf(5)).put(contentOf(6));
      const checkpoint = await signedBy(0, station);
      const proof = proofOf(station, [
        { index: 4, checkpoint, openings: openingsOf(0) },
        { index: 5, checkpoint, openings: openingsOf(1) },
      ]);
      const more = { ...proof, consistency: [consistency(station, 5, 7)] };
      expect(failures(judge(more, both(station)))[0]).toMatch(
        /^history: package, .*between trees that are not shown/,
      );
    });

    it("shows by neighbours that do not go together that no log has both", async () => {
      const receiver = new Uint8Array(32).fill(9);
      const late = (contentOf(5) as SubframeLeaf).gst + 30;
      const cases: readonly (readonly [Partial<SubframeLeaf>, RegExp])[] = [
        [{ receiver }, /^history: leaf 5, -: has another receiver than leaf 4/],
        [{ gst: late }, /^history: leaf 5, -: leaves out subframes after leaf 4/],
      ];
      for (const [change, expected] of cases) {
        const station = upToFour().put(contentOf(5, change));
        const checkpoint = await signedBy(0, station);
        const proof = proofOf(station, [
          { index: 4, checkpoint, openings: openingsOf(0) },
          { index: 5, checkpoint, openings: [] },
        ]);
        expect(failures(judge(proof, both(station)))[0]).toMatch(expected);
      }
    });

    it("shows by a rotation in the place of a leaf that no log has both", async () => {
      const next = testKey("next key of the forging station");
      const station = upToFour().put(contentOf(5)).put(contentOf(6));
      const rotationAt = async (index: number): Promise<string> => {
        const previous = leafHash(station.bodies[index - 1]);
        const [oldKey, newKey] = [key.publicKey, next.publicKey];
        const statement = rotationStatement(station.station, index, previous, oldKey, newKey);
        const common = {
          ...startContent(),
          station: station.station,
          index,
          previous,
          mode: "simulated",
        } as const;
        const signatures = {
          oldSignature: await key.sign(statement),
          newSignature: await next.sign(statement),
        };
        const leaf: Leaf = { ...common, kind: "rotation", oldKey, newKey, ...signatures };
        return Buffer.from(encodeLeaf(leaf)).toString("hex");
      };
      const head = { origin: station.origin, size: 7, root: rootOf(7, station.subtree), extensions: [] };
      const text = await signCheckpoint(head, [{ key: logKey(station.origin, next), sign: next.sign }]);
      const checkpoint = parseCheckpoint(text)!;
      const proof = proofOf(station, [
        { index: 4, checkpoint, openings: openingsOf(0) },
        { index: 5, checkpoint, openings: openingsOf(1) },
      ]);
      const cases = [
        [3, /^history: leaf 4, -: does not go on from leaf 3/],
        [5, /^history: leaf 5, -: is a rotation of keys as well/],
        [6, null],
      ] as const;
      for (const [index, expected] of cases) {
        const said = failures(judge({ ...proof, rotations: [await rotationAt(index)] }, both(station)));
        if (expected === null) expect(said).toEqual([]);
        else expect(said).toEqual([expect.stringMatching(expected)]);
      }
    });

    it("and live without a clock of its own is not genuine", async () => {
      const time = { assurance: "none", boundMs: null } as const;
      const station = new ForgingStation(key, "live").put({
        ...startContent(),
        publicKey: key.publicKey,
      } as LeafContent);
      for (const index of [1, 2])
        station.put(contentOf(index, index === 2 ? { time } : { time: startContent().time }));
      const checkpoint = await signedBy(0, station);
      const proof = proofOf(
        station,
        [1, 2].map((index) => ({ index, checkpoint, openings: [] })),
        { mode: "live" },
      );
      const said = failures(judge(proof, both(station)));
      expect(said.filter((line) => line.startsWith("leaf:"))).toEqual([
        expect.stringMatching(/^leaf: leaf 2, time: is none: live, only a clock/),
      ]);
    });
  });
});
