/**
 * The time of pages: every page gets the GST it was sent at, or none, whatever the receiver's messages look like.
 * Simulated pages, and real ones (shared captures) under re-timed receiver messages.
 */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { Framer } from "gnss-ubx";
import { gstOf, towOf, wnOf } from "../../src/inav/gst.js";
import type { InavPage } from "../../src/inav/page.js";
import { PageClock } from "../../src/inav/page-clock.js";
import { ReceiverStream } from "../../src/inav/receiver-stream.js";
import { Simulation, parametrisedScenario } from "../../src/simulate/scenario.js";
import { seededFraction } from "../../src/simulate/seeded.js";
import { timedPages, type TimedPage } from "../support/osnma.js";
import { describeShared, sharedPath } from "../support/shared.js";

/** Satellites that the tests add; in none of the recordings. */
const STRANGERS = [35, 17];
const [STRANGER] = STRANGERS;

interface Outcome {
  readonly clock: PageClock<null>;
  readonly timed: number;
  /** Pages of all satellites but the strangers. */
  readonly timedHonest: number;
  /** Different pages with their own time. */
  readonly timedOnce: number;
  readonly timedOsnma: number;
  /** Pages that got another time than their own. */
  readonly wrong: {
    readonly gst: number;
    readonly given: number;
    readonly wordType: number;
    readonly svid: number;
  }[];
}

type Step =
  | { readonly kind: "page"; readonly entry: TimedPage }
  | { readonly kind: "epoch"; readonly tow: number; readonly wn: number | null }
  | { readonly kind: "boundary" };

function run(steps: Iterable<Step>): Outcome {
  const truth = new Map<InavPage, number>();
  const wrong: { gst: number; given: number; wordType: number; svid: number }[] = [];
  let timed = 0;
  let timedHonest = 0;
  let timedOsnma = 0;
  const right = new Set<string>();
  const clock = new PageClock<null>((page, given) => {
    timed++;
    if (page.hasOsnma) timedOsnma++;
    if (!STRANGERS.includes(page.svid)) timedHonest++;
    if (truth.get(page) === given) right.add(`${page.band} ${page.svid} ${given}`);
    const gst = truth.get(page)!;
    if (gst !== given) wrong.push({ gst, given, wordType: page.wordType, svid: page.svid });
  });
  for (const step of steps) {
    if (step.kind === "page") {
      truth.set(step.entry.page, step.entry.gst);
      clock.page(step.entry.page, null);
    } else if (step.kind === "epoch") clock.epoch(step.tow, step.wn);
    else clock.boundary();
  }
  clock.end();
  return { clock, timed, timedHonest, timedOnce: right.size, timedOsnma, wrong };
}

/** Pages as they come out `latency` after their end, between epochs every `period` seconds. */
function timeline(
  pages: readonly TimedPage[],
  period: number,
  options: {
    latency?: (entry: TimedPage) => number;
    offset?: number;
    week?: number | null;
    epochDelay?: number;
  } = {},
): Step[] {
  const { latency = () => 0.07, offset = 0, week, epochDelay = 0.05 } = options;
  const steps: { at: number; step: Step }[] = pages.map((entry) => ({
    at: entry.gst + 2 + latency(entry),
    step: { kind: "page", entry },
  }));
  const first = Math.ceil(pages[0].gst / period) * period;
  const last = pages[pages.length - 1].gst + 4;
  for (let i = 0; first + i * period <= last; i++) {
    const gst = first + i * period;
    const told = gst + offset;
    steps.push({
      at: gst + epochDelay,
      step: { kind: "epoch", tow: towOf(told), wn: week === undefined ? wnOf(told) : week },
    });
  }
  return steps.sort((a, b) => a.at - b.at).map(({ step }) => step);
}

const wordsOnly = (pages: readonly TimedPage[]): Step[] =>
  pages.map((entry): Step => ({ kind: "page", entry }));

function simulated(
  options: { startGst?: number; subframes?: number; e5b?: boolean; pageLoss?: number } = {},
): TimedPage[] {
  const scenario = parametrisedScenario({
    seed: "page clock",
    subframes: options.subframes ?? 6,
    satellites: [2, 5, 7, 11, 14, 20],
    ...(options.startGst === undefined ? {} : { startGst: options.startGst }),
  });
  return timedPages(
    new Simulation({
      ...scenario.options,
      ...(options.e5b === undefined ? {} : { e5b: options.e5b }),
      ...(options.pageLoss === undefined ? {} : { pageLoss: options.pageLoss }),
    }),
  );
}

function suite(source: () => readonly TimedPage[]): void {
  const all = (steps: Step[], pages: readonly TimedPage[], least = 1): void => {
    const { timed, wrong, clock } = run(steps);
    expect(wrong.slice(0, 3)).toEqual([]);
    expect(timed / pages.length).toBeGreaterThanOrEqual(least);
    expect(clock.counts.timed).toBe(timed);
  };

  it("1 Hz, pages right after the navigation messages: all timed", () => {
    all(timeline(source(), 1), source());
  });

  it.each([0.5, 0.25, 0.2, 0.1])("navigation every %d s: right or none, and nearly all", (period) => {
    all(timeline(source(), period), source(), 0.9);
  });

  it.each([2, 5, 10])("navigation every %d s only: right or none", (period) => {
    all(timeline(source(), period), source(), 0.5);
  });

  it("pages up to 0.9 s late, before and between navigation messages: right or none", () => {
    const late = (entry: TimedPage): number =>
      0.05 + 0.9 * seededFraction("late", `${entry.page.svid} ${entry.gst}`);
    const order = timeline(source(), 1, { latency: late });
    const split = order.flatMap((step): Step[] =>
      step.kind === "page" ? [step, { kind: "boundary" }] : [step],
    );
    all(order, source(), 0.9);
    all(split, source(), 0.9);
  });

  it("navigation messages late, after their pages: right or none", () => {
    all(timeline(source(), 1, { epochDelay: 0.4 }), source(), 0.5);
  });

  it("no time messages at all: words alone", () => {
    all(wordsOnly(source()), source(), 0.6);
  });

  it("words alone, some pages lost: right or none", () => {
    const kept = source().filter(({ page, gst }) => seededFraction("loss", `${page.svid} ${gst}`) > 0.1);
    all(wordsOnly(kept), kept, 0.7);
  });

  it.each([0.005, 0.02, 0.05, 0.2])(
    "words alone, %d of the pages lost: right, and as many as without loss",
    (loss) => {
      const kept = source().filter(({ page, gst }) => seededFraction("rate", `${page.svid} ${gst}`) > loss);
      const without = run(wordsOnly(source())).timed / source().length;
      all(wordsOnly(kept), kept, without - 0.05);
    },
  );

  it.each([2, 5])("navigation every %d s, some pages lost: right or none", (period) => {
    const kept = source().filter(({ page, gst }) => seededFraction("loss", `${page.svid} ${gst}`) > 0.1);
    all(timeline(kept, period), kept, 0.4);
  });

  it("a second of pages lost at a time: right or none", () => {
    const kept = source().filter(({ gst }) => seededFraction("gap", String(gst >> 3)) > 0.3);
    for (const period of [1, 0.1]) all(timeline(kept, period), kept, 0.5);
  });

  it.each([60, -60, 30, 3600, -86_400, 7, 1, -1, 2, -2])(
    "receiver %d s wrong though it says valid, satellites agreeing: right or none",
    (offset) => {
      const { wrong } = run(timeline(source(), 1, { offset }));
      expect(wrong.slice(0, 3)).toEqual([]);
    },
  );

  it("receiver in another week: right or none", () => {
    const { wrong } = run(timeline(source(), 1, { offset: 604_800 }));
    expect(wrong.slice(0, 3)).toEqual([]);
  });

  it("one satellite an hour off in its own words: right or none, nearly all others timed", () => {
    const pages = source().map(({ page, gst }) => ({
      gst,
      page: page.svid === source()[0].page.svid ? shifted(page, 3600) : page,
    }));
    const { wrong, timed, clock } = run(timeline(pages, 1));
    expect(wrong).toEqual([]);
    expect(clock.counts.contradicting).toBeGreaterThan(0);
    expect(timed / pages.length).toBeGreaterThan(0.85);
  });

  it("the same, without a receiver's time", () => {
    const liar = source()[0].page.svid;
    const pages = source().map(({ page, gst }) => ({
      gst,
      page: page.svid === liar ? shifted(page, 3600) : page,
    }));
    const { wrong } = run(wordsOnly(pages));
    expect(wrong.slice(0, 3)).toEqual([]);
  });

  it.each([2, -2, 4, 30, 100, 3000])(
    "a stranger that says %d s more in every slot: the others keep their time, with a receiver and without",
    (offset) => {
      for (const place of ["first", "last"] as const) {
        const pages = withStranger(source(), (gst) => gst + offset, place);
        const honest = source().length;
        const told = run(timeline(pages, 1));
        expect(told.wrong.filter(({ svid }) => svid !== STRANGER)).toEqual([]);
        expect(told.timedHonest / honest).toBeGreaterThan(0.99);
        const words = run(wordsOnly(pages));
        expect(words.wrong.filter(({ svid }) => svid !== STRANGER)).toEqual([]);
        expect(words.timedHonest / honest).toBeGreaterThan(0.85);
      }
    },
  );

  it("a stranger from another week, first to speak: the week is the others'", () => {
    const pages = withStranger(source(), (gst) => gst + 604_800, "first");
    for (const steps of [timeline(pages, 1), timeline(pages, 1, { week: null }), wordsOnly(pages)]) {
      const { wrong, timedHonest } = run(steps);
      expect(wrong).toEqual([]);
      expect(timedHonest / source().length).toBeGreaterThan(0.6);
    }
  });

  it("two strangers from another week are first: the others overrule them within minutes, once", () => {
    const start = source()[0].gst;
    const forged = STRANGERS.flatMap((svid) =>
      [0, 2].map((after): TimedPage => ({
        gst: start - 4 + after,
        page: spareWord(start + 604_796 + after, svid),
      })),
    );
    for (const steps of [
      timeline([...forged, ...source()], 1),
      wordsOnly([...forged.toSorted(byGst), ...source()]),
    ]) {
      const { wrong, clock } = run(steps);
      const honest = wrong.filter(({ svid }) => !STRANGERS.includes(svid));
      expect(honest.length).toBeGreaterThan(0);
      expect(new Set(honest.map(({ gst, given }) => given - gst))).toEqual(new Set([604_800]));
      expect(Math.max(...honest.map(({ gst }) => gst)) - start).toBeLessThan(150);
      expect(clock.counts.jumps).toBe(1);
    }
  });

  it.each([1, 5, 11, 40, 120, 300])(
    "each page again %d pages later: no copy gets a time of its own",
    (lag) => {
      const steps = timeline(source(), 1);
      const pages = steps.filter((step) => step.kind === "page");
      let seen = 0;
      const merged = steps.flatMap((step): Step[] => {
        if (step.kind !== "page") return [step];
        const copy = pages[seen++ - lag];
        // An object of its own: a copy is known by what it says.
        return copy === undefined
          ? [step]
          : [step, { kind: "page", entry: { ...copy.entry, page: { ...copy.entry.page } } }];
      });
      const { timedOnce, timedOsnma, timed, clock } = run(merged);
      // Words without OSNMA bits may come again after a whole subframe: copies of just that age are not known.
      expect(timedOnce / source().length).toBeGreaterThan(0.9);
      const osnma = source().filter(({ page }) => page.hasOsnma).length;
      expect(timedOsnma).toBeLessThanOrEqual(osnma);
      expect(timedOsnma / osnma).toBeGreaterThan(0.99);
      expect((timed - timedOnce) / source().length).toBeLessThan(0.05);
      expect(clock.counts.repeated / (source().length - lag)).toBeGreaterThan(0.9);
    },
  );

  it("every page twice: once", () => {
    const twice = timeline(source(), 1).flatMap((step): Step[] =>
      step.kind === "page" ? [step, step] : [step],
    );
    const { wrong, timed, clock } = run(twice);
    expect(wrong).toEqual([]);
    expect(timed).toBe(source().length);
    expect(clock.counts.repeated).toBe(source().length);
  });

  it("two slots in one second (a stalled link): right or none", () => {
    const pages = source();
    const stalled = (entry: TimedPage): number =>
      (entry.gst >> 2) % 5 === 0 ? 2.05 - ((entry.gst >> 1) % 2) * 2 + 0.0 : 0.07;
    const { wrong } = run(timeline(pages, 1, { latency: stalled }));
    expect(wrong.slice(0, 3)).toEqual([]);
  });

  it("a recording after another, the second an earlier one: right or none", () => {
    const pages = source();
    const earlier = pages.map(({ page }) => ({ ...page }));
    const again: Step[] = [
      ...timeline(pages, 1),
      ...timeline(
        pages.map(({ gst }, i) => ({ gst, page: earlier[i] })),
        1,
      ),
    ];
    const { wrong, clock } = run(again);
    expect(wrong).toEqual([]);
    expect(clock.counts.jumps).toBeGreaterThan(0);
  });
}

/** A word 0 that says this time and week. */
function spareWord(gst: number, svid: number): InavPage {
  const word = new Uint8Array(16);
  word[0] = 2;
  new DataView(word.buffer).setUint32(12, (((wnOf(gst) & 0xfff) << 20) | towOf(gst)) >>> 0);
  return { svid, band: "E1-B", wordType: 0, word, hasOsnma: false, hkroot: 0, mack: 0 };
}

const byGst = (a: TimedPage, b: TimedPage): number => a.gst - b.gst;

/** One more satellite in each slot, whose word 0 says what `told` makes of the slot's time. */
function withStranger(
  pages: readonly TimedPage[],
  told: (gst: number) => number,
  place: "first" | "last",
): TimedPage[] {
  const slots = [...new Set(pages.map(({ gst }) => gst))];
  const strangers = slots.map((gst): TimedPage => ({ gst, page: spareWord(told(gst), STRANGER) }));
  return (place === "first" ? [...strangers, ...pages] : [...pages, ...strangers]).sort(byGst);
}

/** The page with another time of week in its word 0, 5 or 6. */
function shifted(page: InavPage, seconds: number): InavPage {
  const at: Record<number, number> = { 0: 108, 5: 85, 6: 105 };
  if (!(page.wordType in at) || (page.wordType === 0 && page.word[0] >> 0 !== 2)) return page;
  const bit = at[page.wordType];
  let bits = BigInt(`0x${Buffer.from(page.word).toString("hex")}`);
  const shift = BigInt(128 - bit - 20);
  const mask = 0xfffffn << shift;
  const tow = Number((bits & mask) >> shift);
  bits = (bits & ~mask) | (BigInt((tow + seconds) % 604_800) << shift);
  return { ...page, word: Uint8Array.from(Buffer.from(bits.toString(16).padStart(32, "0"), "hex")) };
}

describe("simulated pages", () => {
  const pages = simulated();
  suite(() => pages);

  it("E5b bursts on the even seconds: both bands right", () => {
    const both = simulated({ e5b: true }).sort((a, b) => a.gst - b.gst);
    const { wrong, timed } = run(timeline(both, 1));
    expect(wrong).toEqual([]);
    expect(timed).toBe(both.length);
  });

  it.each([
    ["a day", gstOf(1400, 2 * 86_400 - 90)],
    ["a week", gstOf(1401, -90)],
  ])("%s turns: all right, with and without the receiver's time", (_, startGst) => {
    const turning = simulated({ startGst });
    for (const steps of [
      timeline(turning, 1),
      timeline(turning, 0.2),
      timeline(turning, 1, { week: null }),
    ]) {
      const { wrong, timed } = run(steps);
      expect(wrong).toEqual([]);
      expect(timed / turning.length).toBeGreaterThan(0.9);
    }
    const { wrong, timed } = run(wordsOnly(turning));
    expect(wrong).toEqual([]);
    expect(timed / turning.length).toBeGreaterThan(0.8);
  });

  it("one satellite only", () => {
    const one = pages.filter(({ page }) => page.svid === 7);
    expect(run(timeline(one, 1))).toMatchObject({ wrong: [], timed: one.length });
    expect(run(wordsOnly(one)).wrong).toEqual([]);
  });

  it("nothing but words without a time: no time", () => {
    const timeless = pages.filter(({ page }) => ![0, 5, 6].includes(page.wordType));
    const { timed, clock } = run(wordsOnly(timeless));
    expect(timed).toBe(0);
    expect(clock.counts.untimed).toBe(timeless.length);
  });

  it("epochs that are no times of week are ignored", () => {
    const clock = new PageClock<null>(() => undefined);
    for (const tow of [Number.NaN, -1, Number.POSITIVE_INFINITY, 700_000]) clock.epoch(tow, 1400);
    expect(clock.newest).toBeNull();
  });
});

describeShared("real pages, re-timed", () => {
  const load = (name: string): TimedPage[] => {
    const pages: TimedPage[] = [];
    const stream = new ReceiverStream<null>((page, gst) => pages.push({ page, gst }));
    new Framer().push(readFileSync(sharedPath("captures", name)!).subarray(0, 3_000_000), {
      ubx: (messageClass, id, payload) => stream.message(messageClass, id, payload, null),
    });
    return pages.slice(0, 3000);
  };
  let leuven: TimedPage[] | null = null;
  let besancon: TimedPage[] | null = null;
  describe("Leuven", () => {
    suite(() => (leuven ??= load("f9t-2026-03-09-leuven.ubx")));
  });
  describe("Besançon", () => {
    suite(() => (besancon ??= load("f9-2025-04-25-besancon-rawx.ubx")));
  });
});
