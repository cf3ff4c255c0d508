/** Searching by time and level gives what a look at every fix would give, however the times jump. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Assurance } from "../../src/pipeline/records.js";
import { ASSURANCE_LEVELS } from "../../src/store/fix-store.js";
import { temporaryStore } from "./folder.js";
import { fixAt, GST, ownFixAt } from "./records.js";

const newRun = {
  mode: "replay",
  source: "a.ubx",
  timeAssurance: "capture",
  softwareVersion: "0.1.0",
  startedAtMs: 1,
} as const;

describe("a search by time", () => {
  it("finds what a look at every fix finds, over blocks and through jumps of time", () => {
    const store = temporaryStore({ keepRuns: 100 });
    // Two runs share the blocks of 1024 ids; 5000 fixes whose time jumps back and forth.
    const [run, other] = [store.beginRun(newRun), store.beginRun(newRun)];
    const seconds: number[] = [];
    const levels: Assurance[] = [];
    let second = 0;
    store.write(() => {
      for (let n = 0; n < 5000; n += 1) {
        if (n % 700 === 0) second = (n * 7919) % 20_000;
        second += 1;
        const assurance = ASSURANCE_LEVELS[n % 41 === 0 ? 0 : n % 2 === 0 ? 1 : 2];
        store.fixes.append(n % 5 === 0 ? other : run, fixAt(second, { assurance }));
        seconds.push(n % 5 === 0 ? -1 : second);
        levels.push(assurance);
      }
    });
    fc.assert(
      fc.property(
        fc.subarray([...ASSURANCE_LEVELS], { minLength: 1 }),
        fc.option(fc.integer({ min: 0, max: 21_000 }), { nil: undefined }),
        fc.option(fc.integer({ min: 0, max: 21_000 }), { nil: undefined }),
        fc.constantFrom("gst" as const, "utc" as const),
        fc.integer({ min: 1, max: 1000 }),
        fc.option(fc.integer({ min: 1, max: 5001 }), { nil: undefined }),
        (assurance, from, to, scale, limit, beforeId) => {
          const zero = scale === "gst" ? GST * 1000 : Date.parse(fixAt(0).utc);
          const at = (bound: number | undefined) =>
            bound === undefined ? undefined : { scale, ms: zero + bound * 1000 };
          const expected = seconds
            .map((time, index) => ({ id: index + 1, time, level: levels[index] }))
            .filter(({ time, level }) => time >= 0 && assurance.includes(level))
            .filter(({ time }) => (from === undefined || time >= from) && (to === undefined || time < to))
            .filter(({ id }) => beforeId === undefined || id < beforeId)
            .reverse();
          const page = store.fixes.page(run, { assurance, from: at(from), to: at(to) }, { limit, beforeId });
          expect(page.items.map(({ id }) => id)).toEqual(expected.slice(0, limit).map(({ id }) => id));
          expect(page.nextBeforeId === null).toBe(expected.length <= limit);
        },
      ),
      { numRuns: 150 },
    );
  });

  it("counts levels as a look at every fix does, after some were let go as well", () => {
    const store = temporaryStore();
    const run = store.beginRun(newRun);
    store.write(() => {
      for (let n = 0; n < 3000; n += 1)
        store.fixes.append(run, fixAt(n, { assurance: ASSURANCE_LEVELS[n % 3] }));
    });
    expect(store.fixes.counts(run)).toEqual({
      "nav-authenticated": 1000,
      corroborated: 1000,
      unverified: 1000,
    });
    store.write(() => store.runs.removeSome(run));
    const left = ASSURANCE_LEVELS.map(
      (level) => store.fixes.page(run, { assurance: [level] }, { limit: 1000 }).items.length,
    );
    const counts = store.fixes.counts(run);
    expect(ASSURANCE_LEVELS.map((level) => counts[level])).toEqual(left);
    expect(left.reduce((sum, n) => sum + n)).toBe(2000);
  });

  it("gives the JSON of what page gives", () => {
    const store = temporaryStore();
    const run = store.beginRun(newRun);
    store.write(() => {
      for (let n = 0; n < 5; n += 1) {
        store.fixes.append(
          run,
          ownFixAt(n, { reasons: ["Besançon – 東", '"authenticatedBy":1', '\\"authenticatedBy'] }),
        );
      }
    });
    const filter = { assurance: ASSURANCE_LEVELS };
    const { items } = store.fixes.jsonPage(run, filter, { limit: 3 });
    expect(items.map((item) => JSON.parse(Buffer.concat(item).toString()) as unknown)).toEqual(
      store.fixes.page(run, filter, { limit: 3 }).items,
    );
    const stored = { ...store.fixes.page(run, filter, { limit: 1 }).items[0] } as Record<string, unknown>;
    delete stored["id"];
    delete stored["run"];
    const reasons = ["Besançon – 東", '"authenticatedBy":1', '\\"authenticatedBy'];
    expect(stored).toEqual(ownFixAt(4, { reasons }));
  });
});
