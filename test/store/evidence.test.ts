import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { bundleText, readBundle } from "../../src/evidence/bundle.js";
import { idOfText, objectText, type EvidenceObject } from "../../src/evidence/objects.js";
import type { FixRecord } from "../../src/pipeline/records.js";
import type { Store } from "../../src/store/store.js";
import { temporaryStore } from "./folder.js";
import { evidenceOf, fixAt, ownFixAt } from "./records.js";

const newRun = {
  mode: "replay",
  source: "a.ubx",
  timeAssurance: "capture",
  softwareVersion: "0.1.0",
  startedAtMs: 1,
} as const;

/** Stores a fix with its evidence and returns the evidence. */
function put(store: Store, run: number, fix: FixRecord): ReturnType<typeof evidenceOf> {
  const evidence = evidenceOf(fix);
  store.write(() => {
    store.fixes.append(run, { ...fix, evidence: evidence.root }, evidence);
  });
  return evidence;
}

/** Ids of what other fixes may name too. */
function sharedOf({ shared }: ReturnType<typeof evidenceOf>): string[] {
  return [...shared].map(([id]) => id);
}

describe("evidence", () => {
  it("comes back object for object, every id that of what it says, the root first", () => {
    const store = temporaryStore();
    const run = store.beginRun(newRun);
    const evidence = put(store, run, ownFixAt(1, { gst: ownFixAt(1).gst + 0.25 }));
    const stored = store.evidence.ofFix(1)!;
    expect(stored.objects[0][0]).toBe(evidence.root);
    expect(new Map(stored.objects)).toEqual(new Map(evidence.objects));
    for (const [id, object] of stored.objects) {
      expect(idOfText(objectText(object as EvidenceObject))).toBe(id);
    }
    const read = readBundle(bundleText(stored.mode, stored.root, stored.objects));
    if (typeof read === "string") throw new Error(read);
    expect([...read.entries.values()].filter(({ fault }) => fault !== null)).toEqual([]);
  });

  it("is stored once however many fixes share it", () => {
    const store = temporaryStore();
    const run = store.beginRun(newRun);
    const shared = sharedOf(put(store, run, ownFixAt(0))).length;
    for (let second = 1; second < 50; second += 1) put(store, run, ownFixAt(second));
    expect(shared).toBeGreaterThan(4);
    expect(store.evidence.count()).toBe(shared);
  });

  it("is none for a fix without, and for no fix", () => {
    const store = temporaryStore();
    const run = store.beginRun(newRun);
    store.write(() => {
      store.fixes.append(run, fixAt(1));
    });
    expect(store.evidence.ofFix(1)).toBeNull();
    expect(store.evidence.ofFix(2)).toBeNull();
  });

  it("goes after the last fix that needs it, and only then, in whatever order runs go", () => {
    fc.assert(
      fc.property(
        fc.array(fc.array(fc.integer({ min: 0, max: 5 }), { maxLength: 6 }), { minLength: 1, maxLength: 4 }),
        fc.array(fc.integer({ min: 0, max: 3 }), { maxLength: 4 }),
        (runs, removed) => {
          const store = temporaryStore({ keepRuns: 100 });
          const fixes: { run: number; id: number; evidence: ReturnType<typeof evidenceOf> }[] = [];
          const ids = runs.map((seconds) => {
            const run = store.beginRun(newRun);
            for (const second of seconds) {
              fixes.push({ run, id: fixes.length + 1, evidence: put(store, run, ownFixAt(second)) });
            }
            return run;
          });
          const gone = new Set(removed.map((index) => ids[index % ids.length]));
          for (const run of gone) store.removeRun(run);
          store.prune();
          const kept = fixes.filter(({ run }) => !gone.has(run));
          const needed = new Set(kept.flatMap(({ evidence }) => sharedOf(evidence)));
          expect(store.evidence.count()).toBe(needed.size);
          for (const { id, evidence } of kept) {
            expect(new Map(store.evidence.ofFix(id)!.objects)).toEqual(new Map(evidence.objects));
          }
          // What went may come again.
          if (gone.size > 0 && kept.length === 0) {
            const run = store.beginRun(newRun);
            const again = put(store, run, ownFixAt(0));
            expect(store.evidence.count()).toBe(sharedOf(again).length);
          }
        },
      ),
      { numRuns: 25 },
    );
  });

  it("that a transaction did not keep is stored when it comes again", () => {
    const store = temporaryStore();
    const run = store.beginRun(newRun);
    const evidence = evidenceOf(ownFixAt(1));
    expect(() =>
      store.write(() => {
        store.fixes.append(run, { ...ownFixAt(1), evidence: evidence.root }, evidence);
        throw new Error("in between");
      }),
    ).toThrow("in between");
    put(store, run, ownFixAt(1));
    expect(store.evidence.count()).toBe(sharedOf(evidence).length);
    expect(new Map(store.evidence.ofFix(1)!.objects)).toEqual(new Map(evidence.objects));
    expect(store.fixes.get(1)?.own).toEqual(ownFixAt(1).own);
  });
});
