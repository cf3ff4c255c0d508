/** One test for each lie a station can tell: who catches it, and by what. */
import { describe, expect, it, onTestFinished } from "vitest";
import { parseCheckpoint, signerOf, type Checkpoint } from "../../src/station/checkpoint.js";
import { commitTo, openItem } from "../../src/station/openings.js";
import { cosign } from "../../src/station/cosignature.js";
import { follow, type History } from "../../src/station/history.js";
import { encodeTags, tagsItem } from "../../src/station/items.js";
import { decodeLeaf, type LeafContent } from "../../src/station/leaf.js";
import { bytesEqual, verifyConsistency } from "../../src/station/merkle.js";
import { formatNote } from "../../src/station/note.js";
import { originOf } from "../../src/station/origin.js";
import {
  tagTiming,
  type CommittedTag,
  type ProvenLeaf,
  type TimingPolicy,
} from "../../src/station/timing.js";
import { WitnessBook } from "../../src/witness/book.js";
import { testFolder } from "./folder.js";
import { ForgingStation } from "./forging-station.js";
import { logKey, testKey, witnessKey } from "./keys.js";
import { GST, startContent, stationKey, subframeContent } from "./leaves.js";
import { LEAP_SECONDS, unixOf } from "./sky.js";

const liar = (): ForgingStation =>
  new ForgingStation(stationKey).put(startContent()).put(subframeContent(GST));
const witness = testKey("honest witness");
const byWitness = witnessKey("honest.example/w", witness);

function bookFor(station: ForgingStation): WitnessBook {
  const book = new WitnessBook(testFolder(), [logKey(station.origin, station.key)]);
  onTestFinished(() => {
    book.close();
  });
  return book;
}

/** What a consumer who reads all leaves comes to: the number of leaves, or the violation it found. */
function consumed(station: ForgingStation): number | string {
  let history: History | null = null;
  for (const bytes of station.bodies) {
    const next: History | string = follow(history, decodeLeaf(bytes)!, bytes);
    if (typeof next === "string") return next;
    history = next;
  }
  return history?.size ?? 0;
}

const now = unixOf(GST + 100);

describe("a station that", () => {
  it("tells the truth is not accused", async () => {
    const station = liar().put(subframeContent(GST + 30));
    const book = bookFor(station);
    expect(book.add(await station.request(0), now).status).toBe(200);
    station.put(subframeContent(GST + 60));
    expect(book.add(await station.request(3), now).status).toBe(200);
    expect(book.evidence()).toEqual([]);
    expect(consumed(station)).toBe(4);
  });

  it("rewrites its history is refused by the witness, and by a consumer's consistency proof", async () => {
    const station = liar()
      .put(subframeContent(GST + 30))
      .put(subframeContent(GST + 60));
    const book = bookFor(station);
    book.add(await station.request(0), now);
    const rewritten = station
      .branch(2)
      .put(subframeContent(GST + 30, 99))
      .put(subframeContent(GST + 60));
    rewritten.put(subframeContent(GST + 90));
    expect(book.add(await rewritten.request(4), now).status).toBe(422);
    expect(book.evidence().map(({ kind }) => kind)).toEqual(["unproven"]);
    // The leaves alone look honest; that they are not those of before is what the proof is for.
    expect(consumed(rewritten)).toBe(5);
    const [before, after] = [await station.checkpoint(), await rewritten.checkpoint()];
    const { subtree } = rewritten;
    const { consistencyProof } = await import("../../src/station/merkle.js");
    const proof = consistencyProof(4, 5, subtree);
    expect(verifyConsistency(4, 5, before.root, after.root, proof)).toBe(false);
  });

  it("forks leaves two checkpoints of one size, which anybody can verify", async () => {
    const station = liar().put(subframeContent(GST + 30, 1));
    const other = station.branch(2).put(subframeContent(GST + 30, 2));
    const book = bookFor(station);
    expect(book.add(await station.request(0), now).status).toBe(200);
    expect(book.add(await other.request(0), now).status).toBe(409);
    const [{ kind, known, submitted }] = book.evidence();
    expect(kind).toBe("fork");
    const key = logKey(station.origin, station.key);
    const [a, b] = [known, submitted].map((note) => parseCheckpoint(note)!);
    expect([signerOf(a, [key]), signerOf(b, [key])]).toEqual([key, key]);
    expect(a.size === b.size && !bytesEqual(a.root, b.root)).toBe(true);
  });

  it("back-dates a leaf is caught by the order of the leaves", () => {
    expect(
      consumed(
        liar()
          .put(subframeContent(GST + 30))
          .put(subframeContent(GST - 30)),
      ),
    ).toBe("time-backwards");
    expect(consumed(liar().put(subframeContent(GST)))).toBe("time-backwards");
  });

  it("leaves subframes out is caught unless it says so", () => {
    expect(consumed(liar().put(subframeContent(GST + 300)))).toBe("unexplained-gap");
  });

  it("reuses an index is caught by the chain, and by the witness where two checkpoints show it", async () => {
    expect(consumed(liar().put(subframeContent(GST + 30), { index: 1 }))).toBe("index");
    const station = liar();
    const again = station.branch(1).put(subframeContent(GST, 7));
    const book = bookFor(station);
    book.add(await station.request(0), now);
    expect(book.add(await again.request(0), now).status).toBe(409);
    expect(book.evidence()).toHaveLength(1);
  });

  it("signs in the wrong mode is caught in its leaves, its log's name, and by the verifier", () => {
    expect(consumed(liar().put(subframeContent(GST + 30), { mode: "replay" }))).toBe("other-mode");
    const station = liar();
    expect(originOf(station.station, "replay")).not.toBe(station.origin);
    expect(originOf(station.station, "simulated")).not.toBe(station.origin);
  });

  it("breaks its chain, or speaks for another, is caught", () => {
    expect(consumed(liar().put(subframeContent(GST + 30), { previous: new Uint8Array(32) }))).toBe("chain");
    expect(consumed(liar().put(subframeContent(GST + 30), { station: new Uint8Array(32) }))).toBe(
      "other-station",
    );
  });
});

describe("a station that submits after disclosure", () => {
  /** A tag of ADKD 12 in slot 4 of satellite 9, committed to in the leaf of GST, seen by the witness at `seenGst`. */
  async function seen(seenGst: number): Promise<{ tag: CommittedTag; policy: TimingPolicy }> {
    const mackOfPage = Array.from({ length: 15 }, () => 0x09c10909);
    const item = tagsItem(9, GST, mackOfPage)!;
    const view = item.mack;
    const [ctr, tagBits] = [4, 40];
    const start = ((ctr - 1) * (tagBits + 16)) / 8;
    view.set([1, 2, 3, 4, 5, 9, 12 << 4], start);
    const items = {
      pages: new Map(),
      tags: new Map([[9, encodeTags(item)]]),
      measurements: new Map(),
      fixes: new Map(),
    };
    const { commitments, openings } = commitTo(items, new Uint8Array(32).fill(8));
    const content = { ...subframeContent(GST), commitments } as LeafContent;
    const station = new ForgingStation(stationKey).put(startContent()).put(content);
    const book = bookFor(station);
    expect(book.add(await station.request(0), Math.floor(unixOf(seenGst))).status).toBe(200);
    const bare = await station.checkpoint();
    const line = await cosign(bare.note.text, Math.floor(unixOf(seenGst)), byWitness, witness.sign);
    const signatures = [...bare.note.signatures, line];
    const checkpoint = parseCheckpoint(formatNote({ ...bare.note, signatures }))!;
    return {
      tag: {
        prnA: 9,
        prnD: 9,
        gst: GST,
        ctr,
        adkd: 12,
        cop: 0,
        tag: Uint8Array.of(1, 2, 3, 4, 5),
        tagBits,
        opening: openItem(openings, "tags", 9)!,
        leaf: station.proven(1, checkpoint),
      },
      policy: {
        station: station.station,
        origin: station.origin,
        mode: "live",
        witnesses: [{ key: byWitness, boundSeconds: 2 }],
        needed: 1,
        marginSeconds: 10,
        leapSeconds: LEAP_SECONDS,
        keyOffsetSeconds: 0,
      },
    };
  }

  it("gets class C from the second on at which bound and margin no longer fit before the key", async () => {
    // Key from GST + 330; a stamp of whole seconds, 2 s of bound, 10 s of margin: 317 s is the first too late.
    for (const [at, expected] of [
      [33, "A"],
      [316, "A"],
      [317, "C"],
      [330, "C"],
      [3600, "C"],
    ] as const) {
      const { tag, policy } = await seen(GST + at);
      expect(tagTiming(tag, policy).class, `${at} s`).toBe(expected);
    }
    const { tag, policy } = await seen(GST + 3600);
    expect(tagTiming(tag, policy).reason).toBe("witnessed-after-disclosure");
  });

  it("cannot give itself a cosignature, nor use one over another checkpoint", async () => {
    const late = await seen(GST + 3600);
    const early = await seen(GST + 40);
    const [{ checkpoint }] = late.tag.leaf.sightings;
    const forged = await cosign(
      checkpoint.note.text,
      Math.floor(unixOf(GST + 40)),
      byWitness,
      stationKey.sign,
    );
    const own = { ...checkpoint.note, signatures: [checkpoint.note.signatures[0], forged] };
    const showing = (leaf: ProvenLeaf, shown: Checkpoint): ProvenLeaf => ({
      ...leaf,
      sightings: [{ ...leaf.sightings[0], checkpoint: shown }],
    });
    const withForged = showing(late.tag.leaf, parseCheckpoint(formatNote(own))!);
    expect(tagTiming({ ...late.tag, leaf: withForged }, late.policy).reason).toBe("too-few-witnesses");
    const other = { ...early.tag.leaf.sightings[0].checkpoint, root: new Uint8Array(32) };
    expect(tagTiming({ ...early.tag, leaf: showing(early.tag.leaf, other) }, early.policy).class).toBe("C");
  });
});
