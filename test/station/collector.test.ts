/** From what is heard to leaves: when they close, what they hold, and that the public part tells nothing of it. */
import Database from "better-sqlite3";
import { join } from "node:path";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import type { InavPage } from "../../src/inav/page.js";
import type { FixRecord } from "../../src/pipeline/records.js";
import { SubframeCollector, type ClosedGap, type ClosedSubframe } from "../../src/station/collector.js";
import { retentionDigest } from "../../src/station/audit.js";
import { verifyOpening } from "../../src/station/commitment.js";
import { follow, type History } from "../../src/station/history.js";
import { decodeFix, decodePages, decodeTags, epochSlot, pagesSlot } from "../../src/station/items.js";
import { decodeLeaf, rootIn, type SubframeLeaf } from "../../src/station/leaf.js";
import { sha256 } from "../../src/station/merkle.js";
import { openItem } from "../../src/station/openings.js";
import { checkLog } from "../../src/station/log-check.js";
import { Station } from "../../src/station/station.js";
import { testFolder } from "./folder.js";
import { GST } from "./leaves.js";
import { openStation, play, SATELLITES, subframeLeaves } from "./sky.js";

const page = (svid: number, mack = 0x01020304, band: InavPage["band"] = "E1-B"): InavPage => ({
  svid,
  band,
  wordType: 2,
  word: new Uint8Array(16).fill(svid),
  hasOsnma: mack !== 0,
  hkroot: 0x52,
  mack,
});
const independent = (gst: number) => ({ gst, boundSeconds: 0.05, assurance: "independent" }) as const;

function collector(nextGst: number | null = null) {
  const closed: (ClosedSubframe | ClosedGap)[] = [];
  return { closed, it: new SubframeCollector((each) => closed.push(each), nextGst) };
}

/** Pages of a satellite from a second of the subframe to another. */
function hear(it: SubframeCollector, gst: number, svids: readonly number[], from = 1, to = 29): void {
  for (let offset = from; offset <= to; offset += 2)
    for (const svid of svids) it.page(page(svid), gst + offset, null);
}

describe("a subframe", () => {
  it("closes with the first page of the next, once the last of its own were delivered", () => {
    const { it, closed } = collector();
    hear(it, GST, [3, 5]);
    expect(closed).toEqual([]);
    hear(it, GST + 30, [3], 1, 1);
    expect(closed).toHaveLength(1);
    const [{ gst, items }] = closed as ClosedSubframe[];
    expect(gst).toBe(GST);
    expect([...items.pages.keys()]).toEqual([pagesSlot(3, "E1-B"), pagesSlot(5, "E1-B")]);
    expect(decodePages(items.pages.get(3)!)!.pages).toHaveLength(15);
    const tags = decodeTags(items.tags.get(5)!)!;
    expect(tags).toMatchObject({ svid: 5, gst: GST, pages: 0x7fff });
    expect([...tags.mack.subarray(56)]).toEqual([1, 2, 3, 4]);
  });

  it("takes in nothing that comes after it was closed", () => {
    const { it, closed } = collector();
    hear(it, GST, [3]);
    hear(it, GST + 30, [3], 1, 1);
    it.page(page(4), GST + 29, null);
    expect(it.counts.latePages).toBe(1);
    expect((closed[0] as ClosedSubframe).items.pages.size).toBe(1);
  });

  it("closes by the clock alone while nothing is heard, like any other", () => {
    const { it, closed } = collector();
    const time = { assurance: "independent", boundMs: 50 } as const;
    for (let gst = GST; gst < GST + 123; gst++) it.advance(gst, time);
    expect(closed.map(({ kind }) => kind)).toEqual(["subframe", "subframe", "subframe"]);
    expect((closed[2] as ClosedSubframe).time).toEqual(time);
  });

  it("closes at the same moment of the clock whether much was heard or nothing", () => {
    const closings = (svids: readonly number[]): number[] => {
      const { it, closed } = collector();
      const at: number[] = [];
      // Ticks come when they come; pages a little after each whole second, of the subframe after as well.
      for (let second = 0; second < 125; second++) {
        for (const svid of svids) {
          const gst = GST + second - 2;
          if (second % 2 === 1) it.page(page(svid), gst, independent(gst + 2.08));
        }
        while (at.length < closed.length) at.push(second);
        it.advance(GST + second + 0.6, { assurance: "independent", boundMs: 64 });
        while (at.length < closed.length) at.push(second + 0.6);
      }
      if (svids.length > 0) {
        const heard = closed.map((each) => (each as ClosedSubframe).items.pages.size);
        expect(heard).toEqual(closed.map(() => svids.length));
      }
      return at;
    };
    const open = closings([3, 5, 8, 11]);
    expect(open).toEqual([33.6, 63.6, 93.6, 123.6]);
    expect(closings([])).toEqual(open);
  });

  it("that the station did not live through is a gap", () => {
    const { it, closed } = collector(GST);
    const time = { assurance: "independent", boundMs: 50 } as const;
    it.timeLost();
    it.advance(GST + 3000, time);
    // The one that ended a moment ago may still have its last page to come.
    expect(closed).toMatchObject([{ kind: "gap", fromGst: GST, toGst: GST + 2970, reason: "no-time" }]);
    it.advance(GST + 6000, time);
    expect(closed.slice(1)).toMatchObject([
      { kind: "subframe", gst: GST + 2970 },
      { kind: "subframe", gst: GST + 3000 },
      { kind: "gap", fromGst: GST + 3030, toGst: GST + 5970, reason: "stopped" },
    ]);
  });

  it("takes no page that contradicts the independent clock", () => {
    const { it } = collector();
    it.page(page(3), GST + 1, independent(GST + 3));
    it.page(page(4), GST + 3601, independent(GST + 3));
    it.page(page(5), GST - 3599, independent(GST + 3));
    expect(it.counts.strayPages).toBe(2);
  });

  it("has one fix for an epoch, the first", () => {
    const { it, closed } = collector();
    hear(it, GST, [3], 1, 11);
    const fix = (gst: number, latitudeE7: number) =>
      ({
        gst,
        own: null,
        evidence: null,
        receiver: { assurance: "unverified", latitudeE7, longitudeE7: 0, heightMm: 0 },
      }) as unknown as FixRecord;
    it.fix(fix(GST + 10, 1));
    it.fix(fix(GST + 10, 2));
    it.fix(fix(GST - 400, 3));
    hear(it, GST + 30, [3], 1, 1);
    const { fixes } = (closed[0] as ClosedSubframe).items;
    expect(fixes.size).toBe(1);
    expect(decodeFix(fixes.get(epochSlot((GST + 10) * 1000, GST)!)!)!.receiver!.latitudeE7).toBe(1);
    expect(it.counts).toMatchObject({ repeatedEpochs: 1, lateFixes: 1 });
  });

  it("survives messages that are no measurements", () => {
    const { it } = collector();
    it.rawx(new Uint8Array(0));
    it.rawx(new Uint8Array(16));
    it.rawx(new Uint8Array(400).fill(0xff));
    expect(it.counts.lateEpochs).toBe(0);
  });
});

describe("a station's leaves", () => {
  it("hold what was heard: pages, tags, measurements and fixes open to their roots", async () => {
    const station = openStation(testFolder());
    onTestFinished(() => station.close());
    await play(station, () => Promise.resolve());
    expect(checkLog(station.log.directory).size).toBeGreaterThan(8);
    const leaves = subframeLeaves(station);
    const [gst, index] = [...leaves][3];
    const leaf = decodeLeaf(station.log.leaves(index, index + 1)[0]) as SubframeLeaf;
    const openings = station.log.openings(index)!;
    const slots = { pages: SATELLITES[0], tags: SATELLITES[0] };
    const epoch = epochSlot((gst + 10) * 1000, gst)!;
    for (const [category, slot] of [...Object.entries(slots), ["fixes", epoch]] as const) {
      const name = category as "pages" | "tags" | "fixes";
      const opening = openItem(openings, name, slot as number);
      expect(opening, name).not.toBeNull();
      expect(verifyOpening(opening!, rootIn(leaf, name)!)).toBe(true);
    }
  }, 60_000);

  it("are the same public bytes in form for a full sky, another place, and none at all", () => {
    const leavesOf = (svids: readonly number[]): Uint8Array[] => {
      const bytes: Uint8Array[] = [];
      const station = new Station({
        directory: testFolder(),
        mode: "replay",
        flush: false,
        softwareVersion: "t",
        receiver: "r",
        onLeaf: (leaf) => bytes.push(leaf.bytes),
      });
      onTestFinished(() => station.close());
      station.page(page(1, 0), GST + 1, null);
      for (let at = 0; at < 3; at++) {
        for (const svid of svids) {
          for (let offset = 1; offset < 30; offset += 2)
            station.page(page(svid), GST + 30 * at + offset, null);
        }
        station.page(page(1, 0), GST + 30 * at + 31, null);
      }
      return bytes;
    };
    const [full, other, empty] = [leavesOf([2, 3, 4, 5, 6, 7, 8, 9]), leavesOf([11, 30]), leavesOf([])];
    expect(full.length).toBeGreaterThan(3);
    const lengths = (leaves: readonly Uint8Array[]) => leaves.map(({ length }) => length);
    expect(lengths(other)).toEqual(lengths(full));
    expect(lengths(empty)).toEqual(lengths(full));
    // All that differs is identity, chain and roots, each of 32 bytes that a fresh secret makes.
    const shape = (bytes: Uint8Array) => {
      const { kind, index, mode, softwareVersion, time, challenges, gst, commitments } = decodeLeaf(
        bytes,
      ) as SubframeLeaf;
      const roots = commitments.map((each) => each.roots.map(({ length }) => length));
      return { kind, index, mode, softwareVersion, time, challenges, gst, roots };
    };
    expect(other.slice(1).map(shape)).toEqual(full.slice(1).map(shape));
    expect(empty.slice(1).map(shape)).toEqual(full.slice(1).map(shape));
    // The same sky twice shares no root: nobody can compute one for a sky they guess.
    const roots = [...leavesOf([2, 3]), ...leavesOf([2, 3])].flatMap((bytes) => {
      const leaf = decodeLeaf(bytes)!;
      return leaf.kind === "subframe"
        ? leaf.commitments[0].roots.map((root) => Buffer.from(root).toString("hex"))
        : [];
    });
    expect(new Set(roots).size).toBe(roots.length);
  });

  it("answer a challenge with public parts alone", async () => {
    const station = openStation(testFolder());
    onTestFinished(() => station.close());
    const challenge = new Uint8Array(32).fill(0xee);
    let sent = 0;
    await play(station, () => {
      if (++sent === 5) station.log.challenge(challenge, Buffer.from("origin"), 0);
      return Promise.resolve();
    });
    const answer = station.answer(challenge)!;
    const leaf = decodeLeaf(answer.leaf)!;
    expect(leaf.challenges).toHaveLength(1);
    expect(Buffer.from(leaf.challenges[0].challenge)).toEqual(Buffer.from(challenge));
    expect(answer.audited).toHaveLength(4);
    // What takes the longer the more was heard is not done at an answer, but once when the leaf is made.
    const opened = vi.spyOn(station.log, "openings");
    expect(station.answer(challenge)).toEqual(answer);
    // But for leaves that have none: their kind is public.
    expect(opened.mock.results.filter(({ value }) => value !== null)).toEqual([]);
    opened.mockRestore();
    for (const { index, retention } of answer.audited) {
      const openings = station.log.openings(index);
      const wanted =
        openings === null ? null : retentionDigest(challenge, openings.secret, sha256(openings.items));
      expect(retention).toEqual(wanted);
    }
    expect(answer.audited.some(({ retention }) => retention !== null)).toBe(true);
    const { auditJson } = await import("../../src/station/routes.js");
    const text = JSON.stringify(auditJson(answer));
    for (const { index } of answer.audited) {
      const openings = station.log.openings(index);
      if (openings === null) continue;
      expect(text).not.toContain(Buffer.from(openings.secret).toString("base64").slice(0, 20));
    }
  }, 60_000);

  it("of a log from before audits were prepared answer the same, and nothing once they are pruned", async () => {
    const folder = testFolder();
    const station = openStation(folder);
    await play(station, () => Promise.resolve());
    const index = station.log.size - 1;
    const kept = station.log.retained(index)!;
    await station.close();
    const database = new Database(join(folder, "station.sqlite"));
    database.exec("DROP TABLE retention");
    database.close();
    const again = openStation(folder);
    onTestFinished(() => again.close());
    const { secret, digest } = again.log.retained(index)!;
    expect(Buffer.from(secret)).toEqual(Buffer.from(kept.secret));
    expect(Buffer.from(digest)).toEqual(Buffer.from(kept.digest));
    again.log.pruneOpenings(index + 1);
    expect(again.log.retained(index)).toBeNull();
  }, 60_000);

  it("make one history that a follower takes", async () => {
    const station = openStation(testFolder());
    onTestFinished(() => station.close());
    await play(station, () => Promise.resolve());
    let history: History | null = null;
    for (const bytes of station.log.leaves(0, station.log.size)) {
      const next: History | string = follow(history, decodeLeaf(bytes)!, bytes);
      if (typeof next === "string") throw new Error(next);
      history = next;
    }
    expect(history?.size).toBe(station.log.size);
  }, 60_000);
});
