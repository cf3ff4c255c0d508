import Database from "better-sqlite3";
import fc from "fast-check";
import { spawn } from "node:child_process";
import { renameSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { DATABASE_FILE, openDatabase } from "../../src/store/database.js";
import { ASSURANCE_LEVELS, AUTHENTICATED_LEVELS } from "../../src/store/fix-store.js";
import { openStore, Store } from "../../src/store/store.js";
import { compileInto } from "./compiled.js";
import { temporaryFolder, temporaryStore } from "./folder.js";
import {
  authenticatedAt,
  authenticatingOsnma,
  coldOsnma,
  eventAt,
  fixAt,
  GST,
  satellite,
  summary,
  unverifiedFixAt,
} from "./records.js";

const newRun = {
  mode: "replay",
  source: "a.ubx",
  timeAssurance: "capture",
  softwareVersion: "0.1.0",
  startedAtMs: 1,
} as const;

describe("runs", () => {
  it("keeps what two replays of one capture brought apart", () => {
    const store = temporaryStore();
    const [first, second] = [store.beginRun(newRun), store.beginRun(newRun)];
    store.write(() => {
      store.fixes.append(first, fixAt(1));
      store.fixes.append(second, fixAt(1));
      store.fixes.append(second, fixAt(2));
      store.state.putSatellites(first, [satellite(3)]);
      store.state.putSatellites(second, [satellite(5)]);
    });
    expect(store.fixes.counts(first).corroborated).toBe(1);
    expect(store.fixes.counts(second).corroborated).toBe(2);
    expect(store.state.satellites(first)).toEqual([satellite(3)]);
    expect(store.runs.newest()?.id).toBe(second);
  });

  it("keep their end and summary", () => {
    const store = temporaryStore();
    const id = store.beginRun(newRun);
    expect(store.runs.get(id)).toMatchObject({ finishedAtMs: null, summary: null, source: "a.ubx" });
    store.runs.finish(id, 99, summary);
    expect(store.runs.get(id)).toMatchObject({ finishedAtMs: 99, summary });
  });

  it("are let go beyond the bound with all that belongs to them, and their numbers do not come again", () => {
    const folder = temporaryFolder();
    const store = temporaryStore({ keepRuns: 2 }, folder);
    const ids = [0, 1, 2].map(() => {
      const id = store.beginRun(newRun);
      store.write(() => {
        for (let second = 0; second < 3; second += 1) store.fixes.append(id, fixAt(second));
        store.events.append(id, eventAt(0));
        store.authenticated.append(id, authenticatedAt(0));
        store.state.putSatellites(id, [satellite(1)]);
        store.state.putOsnma(id, coldOsnma);
      });
      return id;
    });
    store.prune();
    expect(ids.map((id) => store.runs.get(id)?.id ?? null)).toEqual([null, ids[1], ids[2]]);
    const database = new Database(join(folder, DATABASE_FILE), { readonly: true });
    for (const table of ["fixes", "events", "authenticated", "satellites", "osnma"]) {
      expect(
        database.prepare(`SELECT DISTINCT run_id FROM ${table} ORDER BY run_id`).pluck().all(),
        table,
      ).toEqual(ids.slice(1));
    }
    database.close();
    store.removeRun(ids[2]);
    expect(store.beginRun(newRun)).toBe(ids[2] + 1);
  });

  it("that hold more rows than one transaction deletes go completely", () => {
    const store = temporaryStore({ keepRuns: 1 });
    const id = store.beginRun(newRun);
    store.write(() => {
      for (let second = 0; second < 10_001; second += 1) store.fixes.append(id, fixAt(second));
    });
    store.beginRun(newRun);
    store.prune();
    expect(store.runs.get(id)).toBeNull();
    expect(store.fixes.counts(id).corroborated).toBe(0);
  });

  it("cannot be kept less than once", () => {
    expect(() => openStore(temporaryFolder(), { keepRuns: 0 })).toThrow(RangeError);
    expect(() => openStore(temporaryFolder(), { keepRuns: 1.5 })).toThrow(TypeError);
  });
});

describe("fixes", () => {
  it("come back as they were given, newest arrival first", () => {
    const store = temporaryStore();
    const run = store.beginRun(newRun);
    store.write(() => {
      // Time that jumped ahead and came back must not cover what follows.
      for (const second of [1, 9999, 2]) store.fixes.append(run, fixAt(second));
    });
    const { items } = store.fixes.page(run, { assurance: AUTHENTICATED_LEVELS }, { limit: 10 });
    expect(items).toEqual([fixAt(2), fixAt(9999), fixAt(1)].map((fix, at) => ({ ...fix, id: 3 - at, run })));
    expect(store.fixes.latest(run, AUTHENTICATED_LEVELS)?.gst).toBe(GST + 2);
  });

  it("are filtered by level and by either time scale, from inclusive, to exclusive", () => {
    const store = temporaryStore();
    const run = store.beginRun(newRun);
    store.write(() => {
      for (let second = 0; second < 10; second += 1) {
        store.fixes.append(run, second % 2 === 0 ? fixAt(second) : unverifiedFixAt(second));
      }
    });
    const seconds = (filter: Parameters<Store["fixes"]["page"]>[1]): number[] =>
      store.fixes.page(run, filter, { limit: 100 }).items.map((fix) => fix.gst - GST);
    expect(seconds({ assurance: ["unverified"] })).toEqual([9, 7, 5, 3, 1]);
    const utcMs = Date.parse(fixAt(0).utc);
    for (const [scale, zero] of [
      ["gst", GST * 1000],
      ["utc", utcMs],
    ] as const) {
      const at = (second: number) => ({ scale, ms: zero + second * 1000 });
      expect(seconds({ assurance: ASSURANCE_LEVELS, from: at(3), to: at(6) })).toEqual([5, 4, 3]);
    }
  });

  it("are walked page by page without skip or repeat while others arrive, whatever the sizes", () => {
    const store = temporaryStore();
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 40 }),
        fc.array(
          fc.record({ limit: fc.integer({ min: 1, max: 9 }), arriving: fc.integer({ min: 0, max: 5 }) }),
          {
            minLength: 1,
          },
        ),
        (existing, steps) => {
          const run = store.beginRun(newRun);
          let second = 0;
          const arrive = (count: number): void => {
            store.write(() => {
              for (let n = 0; n < count; n += 1) store.fixes.append(run, fixAt((second += 1)));
            });
          };
          arrive(existing);
          const seen: number[] = [];
          let beforeId: number | undefined;
          for (let step = 0; ; step += 1) {
            const { limit, arriving } = steps[step % steps.length];
            const page = store.fixes.page(run, { assurance: ASSURANCE_LEVELS }, { limit, beforeId });
            seen.push(...page.items.map((fix) => fix.gst - GST));
            arrive(arriving);
            if (page.nextBeforeId === null) break;
            beforeId = page.nextBeforeId;
          }
          expect(seen).toEqual(Array.from({ length: existing }, (_, n) => existing - n));
        },
      ),
      { numRuns: 30 },
    );
  });

  it("are refused where they have no time that can be searched by", () => {
    const store = temporaryStore();
    const run = store.beginRun(newRun);
    expect(() => store.write(() => store.fixes.append(run, fixAt(0, { gst: Number.NaN })))).toThrow(
      RangeError,
    );
    expect(() => store.write(() => store.fixes.append(run, fixAt(0, { utc: "soon" })))).toThrow(RangeError);
    expect(() => store.fixes.page(run, { assurance: ["unverified"] }, { limit: 0 })).toThrow(RangeError);
    expect(() => store.fixes.page(run, { assurance: ["unverified"] }, { limit: 1001 })).toThrow(RangeError);
  });

  it("that cannot be parsed any more are named by number, without their text", () => {
    const folder = temporaryFolder();
    const store = temporaryStore({}, folder);
    const run = store.beginRun(newRun);
    store.write(() => store.fixes.append(run, fixAt(0)));
    const other = new Database(join(folder, DATABASE_FILE));
    other.exec("UPDATE fixes SET body = '472468135 is broken'");
    other.close();
    const broken = (): unknown => store.fixes.latest(run, ASSURANCE_LEVELS);
    expect(broken).toThrow(expect.objectContaining({ code: "OSN_STATE_CORRUPT" }));
    expect(broken).not.toThrow(/4724/);
  });
});

describe("events, authenticated data and states", () => {
  it("give events since a time, and always those that have none", () => {
    const store = temporaryStore();
    const run = store.beginRun(newRun);
    store.write(() => {
      for (const at of [1, null, 5, 9]) store.events.append(run, eventAt(at));
    });
    const since = (second: number): (number | null)[] =>
      store.events.page(run, { sinceGstMs: (GST + second) * 1000 }, { limit: 10 }).items.map(({ at }) => at);
    expect(since(5)).toEqual([GST + 9, GST + 5, null]);
    expect(store.events.page(run, {}, { limit: 10 }).items.at(-1)).toEqual({ ...eventAt(1), id: 1, run });
  });

  it("give authenticated data of one satellite with its evidence", () => {
    const store = temporaryStore();
    const run = store.beginRun(newRun);
    store.write(() => {
      for (const svid of [11, 2, 11]) store.authenticated.append(run, authenticatedAt(0, svid));
    });
    const { items } = store.authenticated.page(run, 11, { limit: 10 });
    expect(items).toEqual([3, 1].map((id) => ({ ...authenticatedAt(0, 11), id, run })));
    expect(store.authenticated.page(run, null, { limit: 10 }).items.map(({ svid }) => svid)).toEqual([
      11, 2, 11,
    ]);
  });

  it("replace satellites and OSNMA status by newer ones", () => {
    const store = temporaryStore();
    const run = store.beginRun(newRun);
    expect(store.state.osnma(run)).toBeNull();
    store.write(() => {
      store.state.putSatellites(run, [satellite(30), satellite(4)]);
      store.state.putOsnma(run, coldOsnma);
    });
    store.write(() => {
      store.state.putSatellites(run, [satellite(12), satellite(4, { pages: 7 })]);
      store.state.putOsnma(run, authenticatingOsnma);
    });
    expect(store.state.satellites(run)).toEqual([satellite(4, { pages: 7 }), satellite(12)]);
    expect(store.state.osnma(run)).toEqual(authenticatingOsnma);
  });
});

describe("writing", () => {
  it("leaves nothing of a transaction that fails", () => {
    const store = temporaryStore();
    const run = store.beginRun(newRun);
    expect(() =>
      store.write(() => {
        store.fixes.append(run, fixAt(1));
        throw new Error("in between");
      }),
    ).toThrow("in between");
    expect(store.fixes.counts(run).corroborated).toBe(0);
    expect(store.readiness()).toEqual({ ready: true });
  });

  it("says OSN_STATE_UNWRITABLE on a full disk, is not ready then, and is again when there is room", () => {
    const database = openDatabase(temporaryFolder());
    const store = new Store(database);
    const run = store.beginRun(newRun);
    const pages = database.pragma("page_count", { simple: true }) as number;
    database.pragma(`max_page_count = ${pages}`);
    const much = (): void =>
      store.write(() => {
        for (let second = 0; second < 1000; second += 1) store.fixes.append(run, fixAt(second));
      });
    expect(much).toThrow(expect.objectContaining({ code: "OSN_STATE_UNWRITABLE" }));
    expect(store.readiness()).toMatchObject({
      ready: false,
      reason: expect.stringMatching(/full/) as string,
    });
    expect(store.fixes.counts(run).corroborated).toBe(0);
    database.pragma(`max_page_count = ${pages + 10_000}`);
    expect(store.readiness()).toEqual({ ready: true });
    much();
    expect(store.fixes.counts(run).corroborated).toBe(1000);
    store.close();
  });

  it("is not ready while another process holds the write lock, without waiting long for it", () => {
    const folder = temporaryFolder();
    const store = temporaryStore({}, folder);
    const other = new Database(join(folder, DATABASE_FILE));
    other.exec("BEGIN IMMEDIATE");
    const start = performance.now();
    expect(store.readiness()).toMatchObject({ ready: false });
    expect(performance.now() - start).toBeLessThan(2000);
    other.exec("COMMIT");
    other.close();
    expect(store.readiness()).toEqual({ ready: true });
  });

  it("is not ready when its file is gone or it is closed", () => {
    const folder = temporaryFolder();
    const store = temporaryStore({}, folder);
    const path = join(folder, DATABASE_FILE);
    renameSync(path, `${path}.away`);
    expect(store.readiness()).toMatchObject({ ready: false, reason: `${path} is gone.` });
    renameSync(`${path}.away`, path);
    store.close();
    store.close();
    expect(store.readiness()).toEqual({ ready: false, reason: "The store is closed." });
  });

  it("moves the log into the file when it closes", () => {
    const folder = temporaryFolder();
    const store = openStore(folder);
    const run = store.beginRun(newRun);
    store.write(() => {
      store.fixes.append(run, fixAt(1));
    });
    expect(statSync(join(folder, `${DATABASE_FILE}-wal`)).size).toBeGreaterThan(0);
    store.close();
    expect(() => statSync(join(folder, `${DATABASE_FILE}-wal`))).toThrow(/ENOENT/);
  });

  it("keeps every transaction that was reported, whole ones only, when the process is killed", async () => {
    const folder = temporaryFolder();
    const source = compileInto(folder, ["src/store/store.ts"]);
    const script = join(folder, "writer.js");
    const data = join(folder, "data");
    writeFileSync(
      script,
      `import { openStore } from ${JSON.stringify(join(source, "store/store.js"))};
       import { writeSync } from "node:fs";
       const store = openStore(${JSON.stringify(data)});
       const run = store.beginRun(${JSON.stringify(newRun)});
       const fix = ${JSON.stringify(fixAt(0))};
       for (let batch = 1; ; batch += 1) {
         store.write(() => { for (let n = 0; n < 7; n += 1) store.fixes.append(run, fix); });
         writeSync(1, batch + "\\n");
       }`,
    );
    const child = spawn(process.execPath, [script], { stdio: ["ignore", "pipe", "inherit"] });
    let output = "";
    await new Promise<void>((resolve) => {
      child.once("close", () => {
        resolve();
      });
      child.stdout.on("data", (chunk: Buffer) => {
        output += chunk.toString();
        if (output.split("\n").length > 40) child.kill("SIGKILL");
      });
    });
    expect(child.signalCode).toBe("SIGKILL");
    const reported = Number(output.slice(0, output.lastIndexOf("\n")).split("\n").at(-1));
    expect(reported).toBeGreaterThanOrEqual(40);
    const store = temporaryStore({}, data);
    const found = store.fixes.counts(1).corroborated;
    expect(found % 7).toBe(0);
    expect(found / 7).toBeGreaterThanOrEqual(reported);
    expect(found / 7).toBeLessThanOrEqual(reported + 1);
    const database = new Database(join(data, DATABASE_FILE));
    expect(database.pragma("integrity_check", { simple: true })).toBe("ok");
    database.close();
    expect(store.beginRun(newRun)).toBe(2);
  });
});
