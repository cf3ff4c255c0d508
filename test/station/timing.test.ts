/** Timing classes end to end: a simulated sky, a real station and log, witnesses whose clocks are told. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import type { FixRecord } from "../../src/pipeline/records.js";
import type { Station } from "../../src/station/station.js";
import { encodeLeaf, decodeLeaf, type SubframeLeaf } from "../../src/station/leaf.js";
import { fixTiming, keyOffsetSeconds, tagTiming, witnessedGst } from "../../src/station/timing.js";
import { testKey, witnessKey } from "./keys.js";
import {
  KEY_OFFSET,
  openStation,
  play,
  policyFor,
  provenLeaf,
  SATELLITES,
  START_GST,
  subframeLeaves,
  tagsFor,
  TestWitness,
  timingInput,
} from "./sky.js";

interface Played {
  readonly station: Station;
  readonly witnesses: readonly TestWitness[];
  readonly fix: FixRecord;
}

/** Runs by their delays; several tests look at one. */
const runs = new Map<string, Promise<Played>>();
const folders: string[] = [];
const folder = (): string => {
  folders.push(mkdtempSync(join(tmpdir(), "osnmad-timing-")));
  return folders.at(-1)!;
};

afterAll(async () => {
  for (const run of runs.values()) {
    const { station, witnesses } = await run;
    await station.close();
    for (const { book } of witnesses) book.close();
  }
  for (const path of folders) rmSync(path, { recursive: true, force: true });
});

/** Plays the sky; each leaf is seen by each witness so many seconds after the stream came to it. */
function played(delays: readonly number[]): Promise<Played> {
  const name = delays.join();
  let run = runs.get(name);
  if (run === undefined) runs.set(name, (run = playOnce(delays)));
  return run;
}

async function playOnce(delays: readonly number[]): Promise<Played> {
  const station = openStation(folder());
  const witnesses = delays.map((_, at) => new TestWitness(`t${at}`, station, folder()));
  const { fixes } = await play(station, async (gst) => {
    for (const [at, witness] of witnesses.entries()) await witness.see(station, gst + delays[at]);
  });
  const graded = fixes.filter(({ own }) => own?.assurance === "nav-authenticated");
  expect(graded.length).toBeGreaterThan(40);
  return { station, witnesses, fix: graded[graded.length - 40] };
}

describe("a station that commits in time", () => {
  it("has fixes of class A by slow tags, of class B by fast tags alone, and says why", async () => {
    const { station, witnesses, fix } = await played([2]);
    const policy = policyFor(station, witnesses);
    const a = fixTiming(timingInput(station, fix), policy);
    expect(a).toMatchObject({ class: "A", reason: "in-time" });
    for (const satellite of a.satellites) {
      expect(satellite.by).toMatchObject({ adkd: 12, reason: "in-time" });
      expect(satellite.by!.slackSeconds).toBeGreaterThan(300);
    }
    const b = fixTiming(timingInput(station, fix, [0]), policy);
    expect(b).toMatchObject({ class: "B", reason: "in-time" });
    for (const { by } of b.satellites) {
      expect(by!.slackSeconds).toBeGreaterThan(10);
      expect(by!.slackSeconds).toBeLessThan(21);
    }
    // Where the layout is not known, the key counts as public from the start of its subframe.
    expect(fixTiming(timingInput(station, fix, [0]), { ...policy, keyOffsetSeconds: 0 }).class).toBe("C");
    expect(fixTiming(timingInput(station, fix), { ...policy, keyOffsetSeconds: 0 }).class).toBe("A");
  }, 60_000);

  it("gains nothing by tags whose keys were out before the fix was committed to: data can be searched for 40 bits", async () => {
    const { station, witnesses, fix } = await played([2]);
    const policy = policyFor(station, witnesses);
    const subframe = Math.floor(fix.gst / 30) * 30;
    const all = timingInput(station, fix, [0]);
    const earlier = all.satellites.map(({ svid, tags }) => ({
      svid,
      tags: tags.filter(({ gst }) => gst < subframe),
    }));
    expect(earlier.every(({ tags }) => tags.length > 0)).toBe(true);
    const timing = fixTiming({ ...all, satellites: earlier }, policy);
    expect(timing).toMatchObject({ class: "C", reason: "fix-witnessed-after-disclosure" });
    // Each of them was committed to in time by itself.
    for (const { by } of timing.satellites) expect(by!.slackSeconds).toBeGreaterThan(10);
  }, 60_000);

  it("is only as good as its worst satellite", async () => {
    const { station, witnesses, fix } = await played([2]);
    const policy = policyFor(station, witnesses);
    const input = timingInput(station, fix);
    const [first, ...rest] = input.satellites;
    const fast = { ...first, tags: tagsFor(station, first.svid, [0]) };
    expect(fixTiming({ ...input, satellites: [fast, ...rest] }, policy).class).toBe("B");
    const none = { ...first, tags: [] };
    expect(fixTiming({ ...input, satellites: [none, ...rest] }, policy)).toMatchObject({
      class: "C",
      reason: "no-tag",
    });
    // A tag for another satellite says nothing of this one.
    const borrowed = { ...first, tags: rest[0].tags };
    expect(fixTiming({ ...input, satellites: [borrowed, ...rest] }, policy).reason).toBe("no-tag");
    expect(fixTiming({ ...input, satellites: [] }, policy).class).toBe("C");
  }, 60_000);

  it("is believed with as many witnesses as are asked for, by their clocks and bounds", async () => {
    // The second witness sees everything 200 s late: in time for slow tags, too late for fast ones.
    const { station, witnesses, fix } = await played([2, 200]);
    expect(fixTiming(timingInput(station, fix, [0]), policyFor(station, witnesses, 1)).class).toBe("B");
    expect(fixTiming(timingInput(station, fix, [0]), policyFor(station, witnesses, 2)).class).toBe("C");
    expect(fixTiming(timingInput(station, fix), policyFor(station, witnesses, 2)).class).toBe("A");
    expect(fixTiming(timingInput(station, fix), policyFor(station, witnesses, 3)).reason).toBe(
      "too-few-witnesses",
    );
    // A clock bound and a margin are taken off what is left.
    const policy = policyFor(station, witnesses);
    const wide = { ...policy, witnesses: policy.witnesses.map((each) => ({ ...each, boundSeconds: 400 })) };
    expect(fixTiming(timingInput(station, fix), wide).class).toBe("C");
    expect(fixTiming(timingInput(station, fix), { ...policy, marginSeconds: 330 }).class).toBe("C");
    const strangers = [{ key: witnessKey("t0.example/w", testKey("stranger")), boundSeconds: 1 }];
    expect(fixTiming(timingInput(station, fix), { ...policy, witnesses: strangers }).class).toBe("C");
    expect(fixTiming(timingInput(station, fix), { ...policy, needed: 0 }).class).toBe("C");
  }, 60_000);
});

describe("a forger who has all keys and a perfect sky generator", () => {
  it("gets class C for every fix and tag, never better", async () => {
    // All that was ever on the air is generated an hour later and committed to, leaf by leaf, honestly witnessed.
    const { station, witnesses, fix } = await played([3600]);
    const policy = policyFor(station, witnesses);
    expect(fixTiming(timingInput(station, fix), policy)).toMatchObject({
      class: "C",
      reason: "witnessed-after-disclosure",
    });
    for (const svid of SATELLITES) {
      const tags = tagsFor(station, svid, [0, 12]);
      expect(tags.length).toBeGreaterThan(5);
      for (const tag of tags) expect(tagTiming(tag, policy).class).toBe("C");
    }
  }, 60_000);

  it("gains nothing by a leaf made before its subframe", async () => {
    const { station, witnesses, fix } = await played([-120]);
    expect(fixTiming(timingInput(station, fix), policyFor(station, witnesses))).toMatchObject({
      class: "C",
      reason: "witnessed-before-it-was-sent",
    });
  }, 60_000);

  it("gains nothing by showing other tags, leaves, modes or logs than were witnessed", async () => {
    const { station, witnesses } = await played([2]);
    const policy = policyFor(station, witnesses);
    const [tag] = tagsFor(station, SATELLITES[0], [12]);
    const judge = (change: object, of = policy) => tagTiming({ ...tag, ...change }, of).reason;
    expect(judge({})).toBe("in-time");
    const forged = Uint8Array.from(tag.tag);
    forged[4] ^= 1;
    expect(judge({ tag: forged })).toBe("tag-not-in-opening");
    expect(judge({ cop: tag.cop ^ 1 })).toBe("tag-not-in-opening");
    expect(judge({ prnA: SATELLITES[1] })).toBe("tag-not-in-opening");
    expect(judge({ ctr: 0 })).toBe("tag-not-in-opening");
    expect(judge({ ctr: 99 })).toBe("tag-not-in-opening");
    expect(judge({ tagBits: 8 })).toBe("tag-not-in-opening");
    expect(judge({ gst: tag.gst + 30 })).toBe("leaf-of-another-subframe");
    const item = Uint8Array.from(tag.opening.item);
    item[item.length - 1] ^= 1;
    expect(judge({ opening: { ...tag.opening, item } })).toBe("opening-does-not-hold");
    const leaf = decodeLeaf(tag.leaf.bytes) as SubframeLeaf;
    const altered = encodeLeaf({ ...leaf, softwareVersion: "other" });
    expect(judge({ leaf: { ...tag.leaf, bytes: altered } })).toBe("leaf-not-in-checkpoint");
    const live = encodeLeaf({ ...leaf, mode: "live" });
    expect(judge({ leaf: { ...tag.leaf, bytes: live } })).toBe("leaf-of-another-mode");
    expect(judge({}, { ...policy, mode: "live" })).toBe("leaf-of-another-mode");
    expect(judge({}, { ...policy, station: new Uint8Array(32) })).toBe("leaf-of-another-station");
    expect(judge({}, { ...policy, origin: "osnmad-station/other" })).toBe("leaf-of-another-station");
    expect(judge({ leaf: { ...tag.leaf, bytes: new Uint8Array(3) } })).toBe("leaf-unreadable");
  }, 60_000);
});

it("a key begins 22 s into its subframe where six tags of 40 bits come first", () => {
  expect(KEY_OFFSET).toBe(22);
  expect(keyOffsetSeconds(0)).toBe(2);
});

it("a checkpoint without known witnesses was seen by nobody", async () => {
  const { station, witnesses } = await played([2]);
  const policy = policyFor(station, witnesses);
  const [{ checkpoint }] = provenLeaf(station, subframeLeaves(station).get(START_GST + 30)!).sightings;
  expect(witnessedGst([checkpoint], policy)).toBeGreaterThan(START_GST + 60);
  expect(witnessedGst([checkpoint], { ...policy, witnesses: [] })).toBeNull();
}, 60_000);
