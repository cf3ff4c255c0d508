import { describe, expect, it } from "vitest";
import type { FixRecord } from "../../src/pipeline/records.js";
import { openDatabase, type SqliteDatabase } from "../../src/store/database.js";
import { ASSURANCE_LEVELS } from "../../src/store/fix-store.js";
import { Store } from "../../src/store/store.js";
import { temporaryFolder } from "./folder.js";
import { ownFixAt } from "./records.js";

const newRun = {
  mode: "replay",
  source: "a.ubx",
  timeAssurance: "capture",
  softwareVersion: "0.1.0",
  startedAtMs: 1,
} as const;
const DAY = 86_400_000;

const rowsOf = (database: SqliteDatabase): number =>
  database.prepare("SELECT count(*) FROM provenance").pluck().get() as number;

/** A fix whose satellites' data were authenticated in the given hour. */
function fixOfHour(second: number, hour: number): FixRecord {
  const fix = ownFixAt(second);
  const satellites = fix.own!.satellites.map((satellite) => ({
    ...satellite,
    authenticatedBy: { ...satellite.authenticatedBy, tagBits: 40 + hour },
  }));
  return { ...fix, own: { ...fix.own!, satellites } };
}

describe("provenance", () => {
  it("is stored once a run, and each fix comes back as it was", () => {
    const database = openDatabase(temporaryFolder());
    const store = new Store(database);
    const runs = [store.beginRun(newRun), store.beginRun(newRun)];
    const fixes: FixRecord[] = [];
    store.write(() => {
      for (let n = 0; n < 60; n += 1) {
        fixes.push(fixOfHour(n, Math.floor(n / 10)));
        store.fixes.append(runs[Math.floor(n / 30)], fixes[n]);
      }
    });
    // Six hours, four satellites.
    expect(rowsOf(database)).toBe(6 * 4);
    fixes.forEach((fix, n) => {
      const run = runs[Math.floor(n / 30)];
      expect(store.fixes.get(n + 1)).toEqual({ ...fix, id: n + 1, run });
      expect(JSON.parse(store.fixes.json(n + 1)!.toString())).toEqual({ ...fix, id: n + 1, run });
    });
    const streamed = store.arrivals.after({ fix: 0, event: 0 }, ASSURANCE_LEVELS, false);
    expect(streamed.items.map(({ json }) => JSON.parse(json) as unknown)).toEqual(
      fixes.map((fix, n) => ({ ...fix, id: n + 1, run: runs[Math.floor(n / 30)] })),
    );
    store.removeRun(runs[0]);
    expect(rowsOf(database)).toBe(3 * 4);
  });

  it("stays as long as a fix names it, and goes some fixes later", () => {
    let now = 0;
    const database = openDatabase(temporaryFolder());
    const store = new Store(database, { keepDays: 1, now: () => now });
    const run = store.beginRun(newRun);
    const put = (hour: number, from: number, count: number): void => {
      store.write(() => {
        for (let n = from; n < from + count; n += 1) store.fixes.append(run, fixOfHour(n, hour));
      });
    };
    put(0, 0, 3000);
    now = 3 * DAY;
    put(1, 3000, 10);
    put(0, 3010, 1);
    store.prune();
    // All that is left names rows that are there.
    expect(store.fixes.page(run, { assurance: ASSURANCE_LEVELS }, { limit: 1000 }).items).toHaveLength(11);
    expect(store.fixes.get(3011)).toEqual({ ...fixOfHour(3010, 0), id: 3011, run });
    put(1, 3011, 2000);
    now = 6 * DAY;
    put(2, 5011, 2000);
    store.prune();
    // Those of the first hour are gone; those of the second may still be named by a fix, as far as their row says.
    expect(rowsOf(database)).toBe(2 * 4);
    now = 9 * DAY;
    put(2, 7011, 1);
    store.prune();
    expect(rowsOf(database)).toBe(4);
    put(1, 7012, 1);
    expect(store.fixes.get(7013)).toEqual({ ...fixOfHour(7012, 1), id: 7013, run });
  });

  it("that another process let go is stored again", () => {
    const folder = temporaryFolder();
    const database = openDatabase(folder);
    const store = new Store(database);
    const run = store.beginRun(newRun);
    store.write(() => {
      store.fixes.append(run, ownFixAt(1));
    });
    database.exec("DELETE FROM provenance; UPDATE sqlite_sequence SET seq = 5000 WHERE name = 'fixes'");
    store.write(() => {
      store.fixes.append(run, ownFixAt(2));
    });
    expect(new Store(openDatabase(folder)).fixes.get(5001)).toEqual({ ...ownFixAt(2), id: 5001, run });
  });
});
