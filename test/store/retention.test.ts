import { describe, expect, it } from "vitest";
import type { Store } from "../../src/store/store.js";
import { openStore } from "../../src/store/store.js";
import { temporaryFolder, temporaryStore } from "./folder.js";
import { authenticatedAt, eventAt, evidenceOf, fixAt, GST, ownFixAt } from "./records.js";

const DAY = 86_400_000;
const newRun = {
  mode: "live",
  source: "/dev/ttyACM0",
  timeAssurance: "independent",
  softwareVersion: "0.1.0",
  startedAtMs: 0,
} as const;

const secondsOf = (store: Store, run: number): number[] =>
  store.fixes
    .page(run, { assurance: ["corroborated"] }, { limit: 1000 })
    .items.map(({ gst }) => gst - GST)
    .reverse();

describe("retention", () => {
  it("lets rows go by when they were stored, whatever time they claim", () => {
    let now = 0;
    const store = temporaryStore({ keepDays: 2, now: () => now });
    const run = store.beginRun(newRun);
    for (let day = 0; day < 5; day += 1) {
      now = day * DAY;
      store.write(() => {
        // Their own time runs backwards.
        store.fixes.append(run, fixAt(1000 - day));
        store.events.append(run, eventAt(1000 - day));
        store.authenticated.append(run, authenticatedAt(1000 - day));
      });
    }
    store.prune();
    expect(secondsOf(store, run)).toEqual([998, 997, 996]);
    expect(store.events.page(run, {}, { limit: 10 }).items).toHaveLength(3);
    expect(store.authenticated.page(run, null, { limit: 10 }).items).toHaveLength(3);
    expect(store.fixes.counts(run).corroborated).toBe(3);
    now = 100 * DAY;
    store.prune();
    // The newest stays, so that there is an answer and what further fixes hang from.
    expect(secondsOf(store, run)).toEqual([996]);
  });

  it("takes runs of which nothing is left, but not the newest", () => {
    let now = 0;
    const store = temporaryStore({ keepDays: 1, now: () => now });
    const runs = [0, 1, 2].map((day) => {
      now = day * DAY;
      const run = store.beginRun({ ...newRun, startedAtMs: now });
      store.write(() => {
        store.fixes.append(run, fixAt(day));
      });
      return run;
    });
    now = 10 * DAY;
    store.prune();
    expect(runs.map((run) => store.runs.get(run) !== null)).toEqual([false, false, true]);
    expect(store.runs.newest()?.id).toBe(runs[2]);
  });

  it("keeps below a size by letting the oldest go, their evidence with them", () => {
    const store = temporaryStore({ keepMegabytes: 16 });
    const run = store.beginRun(newRun);
    let second = 0;
    const fill = (count: number): void => {
      store.write(() => {
        for (let n = 0; n < count; n += 1) {
          const fix = ownFixAt((second += 1));
          const evidence = evidenceOf(fix);
          store.fixes.append(run, { ...fix, assurance: "corroborated", evidence: evidence.root }, evidence);
        }
      });
    };
    fill(8000);
    const before = store.usedBytes;
    expect(before).toBeGreaterThan(16e6);
    store.prune();
    expect(store.usedBytes).toBeLessThanOrEqual(16e6);
    const kept = store.fixes.counts(run).corroborated;
    expect(kept).toBeGreaterThan(1000);
    expect(store.fixes.latest(run, ["corroborated"])?.gst).toBe(GST + 8000);
    expect(store.evidence.ofFix(8000)?.objects.length).toBeGreaterThan(5);
    expect(store.evidence.count()).toBe([...evidenceOf(ownFixAt(1)).shared].length);
  });

  it("does its work in steps of bounded size", () => {
    let now = 0;
    const store = temporaryStore({ keepDays: 1, now: () => now });
    const run = store.beginRun(newRun);
    store.write(() => {
      for (let second = 0; second < 2500; second += 1) store.fixes.append(run, fixAt(second));
    });
    now = 5 * DAY;
    const left: number[] = [];
    while (store.pruneSome()) left.push(store.fixes.counts(run).corroborated);
    expect(left).toEqual([1500, 500, 1]);
  });

  it("refuses bounds that would keep nothing", () => {
    for (const options of [{ keepDays: 0 }, { keepDays: Number.NaN }, { keepMegabytes: 15 }]) {
      expect(() => openStore(temporaryFolder(), options), JSON.stringify(options)).toThrow(RangeError);
    }
  });
});
