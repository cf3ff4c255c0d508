/** The fixes of a store as a prover is sent them. */
import { describe, expect, it } from "vitest";
import { storedFixes } from "../../src/emit/store-fixes.js";
import { readBundle } from "../../src/evidence/bundle.js";
import type { FixRecord } from "../../src/pipeline/records.js";
import { commitsTo, fixItemOf } from "../../src/station/fix-item.js";
import { decodeFix, encodeFix } from "../../src/station/items.js";
import { temporaryStore } from "../store/folder.js";
import { evidenceOf, fixAt, GST, ownFixAt } from "../store/records.js";

const newRun = {
  mode: "replay",
  source: "a.ubx",
  timeAssurance: "capture",
  softwareVersion: "0.1.0",
  startedAtMs: 1,
} as const;

function stored() {
  const store = temporaryStore();
  const begin = (fixes: readonly FixRecord[]): number => {
    const run = store.beginRun(newRun);
    store.write(() => {
      for (const fix of fixes) {
        const evidence = fix.own === null ? null : evidenceOf(fix);
        store.fixes.append(run, fix, evidence);
      }
    });
    return run;
  };
  return { store, begin };
}

const withEvidence = (fix: FixRecord): FixRecord => ({ ...fix, evidence: evidenceOf(fix).root });
const between = (source: ReturnType<typeof storedFixes>, from: number, to: number) => [
  ...source.fixes((GST + from) * 1000, (GST + to) * 1000),
];

describe("fixes of a store", () => {
  it("are those that a leaf commits to, byte for byte, with a whole bundle where there is evidence", () => {
    const { store, begin } = stored();
    const fixes = [
      fixAt(1),
      withEvidence(ownFixAt(2)),
      withEvidence(ownFixAt(3, { gst: GST + 3.25, mode: "replay" })),
    ];
    const run = begin(fixes);
    const found = between(
      storedFixes(store, () => [run]),
      0,
      30,
    );
    expect(found).toHaveLength(3);
    const byGst = new Map(found.map((each) => [each.record.gst, each]));
    for (const fix of fixes) {
      const { record, evidence } = byGst.get(fix.gst)!;
      expect(record).toEqual(fix);
      expect(commitsTo(decodeFix(encodeFix(fixItemOf(fix)))!, record)).toBe(true);
      if (fix.evidence === null) expect(evidence).toBeNull();
      else expect(readBundle(Buffer.from(evidence!).toString())).toMatchObject({ root: fix.evidence });
    }
  });

  it("are of the time asked for, its end left out, from no more than the newest runs", () => {
    const { store, begin } = stored();
    const runs = Array.from({ length: 6 }, (_, at) => begin([fixAt(at), fixAt(30 + at)])).reverse();
    const source = storedFixes(store, () => runs);
    const seconds = (from: number, to: number): number[] =>
      between(source, from, to)
        .map(({ record }) => record.gst - GST)
        .sort((a, b) => a - b);
    expect(seconds(0, 30)).toEqual([2, 3, 4, 5]);
    expect(seconds(30, 34)).toEqual([32, 33]);
    expect(seconds(35, 36)).toEqual([35]);
    expect(seconds(60, 90)).toEqual([]);
    expect(
      between(
        storedFixes(store, () => []),
        0,
        60,
      ),
    ).toEqual([]);
  });
});
