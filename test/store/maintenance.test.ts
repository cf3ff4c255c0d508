import Database from "better-sqlite3";
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { DATABASE_FILE, openDatabase } from "../../src/store/database.js";
import { backupDatabase, checkDatabase, upgradeDatabase } from "../../src/store/maintenance.js";
import { referencesOf } from "../../src/evidence/bundle.js";
import { MIGRATIONS } from "../../src/store/migrations.js";
import { openStore } from "../../src/store/store.js";
import { temporaryFolder, temporaryStore } from "./folder.js";
import { evidenceOf, eventAt, fixAt, ownFixAt, summary } from "./records.js";

const newRun = {
  mode: "replay",
  source: "a.ubx",
  timeAssurance: "capture",
  softwareVersion: "0.1.0",
  startedAtMs: 7,
} as const;

describe("a backup", () => {
  it("is one whole private file of what was committed, made while a transaction is written", async () => {
    const folder = temporaryFolder();
    const store = temporaryStore({}, folder);
    const run = store.beginRun(newRun);
    store.write(() => {
      for (let second = 0; second < 500; second += 1) store.fixes.append(run, fixAt(second));
    });
    const target = join(folder, "copies.sqlite");
    const copying = backupDatabase(folder, target);
    store.write(() => {
      store.fixes.append(run, fixAt(500));
    });
    await copying;
    expect(statSync(target).mode & 0o777).toBe(0o600);
    expect(readdirSync(folder).filter((name) => name.startsWith("copies"))).toEqual(["copies.sqlite"]);
    const copy = new Database(target, { readonly: true });
    expect(copy.pragma("integrity_check", { simple: true })).toBe("ok");
    expect(copy.prepare("SELECT count(*) FROM fixes").pluck().get()).toBeGreaterThanOrEqual(500);
    copy.close();
    // Put back, it is a store again.
    const restored = temporaryFolder();
    writeFileSync(join(restored, DATABASE_FILE), readFileSync(target));
    const again = temporaryStore({}, restored);
    expect(again.fixes.latest(run, ["corroborated"])?.run).toBe(run);
  });

  it("replaces no file, and needs a database", async () => {
    const folder = temporaryFolder();
    openStore(folder).close();
    const target = join(folder, "there");
    writeFileSync(target, "mine");
    await expect(backupDatabase(folder, target)).rejects.toMatchObject({ code: "OSN_USAGE" });
    expect(readFileSync(target, "utf8")).toBe("mine");
    const empty = temporaryFolder();
    await expect(backupDatabase(empty, join(empty, "b"))).rejects.toMatchObject({ code: "OSN_USAGE" });
    expect(readdirSync(empty)).toEqual([]);
    await expect(backupDatabase(folder, join(folder, "no", "where"))).rejects.toMatchObject({
      code: "OSN_STATE_UNWRITABLE",
    });
  });
});

describe("a check", () => {
  it("finds a sound database sound, while it is in use", () => {
    const folder = temporaryFolder();
    const store = temporaryStore({}, folder);
    const run = store.beginRun(newRun);
    const fix = ownFixAt(1);
    const evidence = evidenceOf(fix);
    store.write(() => {
      store.fixes.append(run, { ...fix, evidence: evidence.root }, evidence);
      store.events.append(run, eventAt(1));
    });
    expect(checkDatabase(folder)).toEqual({
      path: join(folder, DATABASE_FILE),
      schema: MIGRATIONS.length,
      newestSchema: MIGRATIONS.length,
      runs: 1,
      fixes: 1,
      events: 1,
      faults: [],
    });
  });

  it("names what is wrong", () => {
    const folder = temporaryFolder();
    const store = openStore(folder);
    const run = store.beginRun(newRun);
    for (const second of [1, 2]) {
      const fix = ownFixAt(second);
      const evidence = evidenceOf(fix);
      store.write(() => {
        store.fixes.append(run, { ...fix, evidence: evidence.root }, evidence);
      });
    }
    store.close();
    const breaks: [string, RegExp][] = [
      ["UPDATE fixes SET body = '{' WHERE id = 1", /record of fixes 1 cannot be parsed/],
      ["DELETE FROM evidence WHERE kind = 'words'", /what evidence [0-9a-f]{64} names is not there/],
      ["DELETE FROM evidence WHERE kind = 'basis'", /evidence of fix 1 is not there/],
      ["DELETE FROM provenance", /the provenance of fix 2 is not there/],
      ["PRAGMA foreign_keys = OFF; DELETE FROM runs", /fixes 1 belongs to a run that is not there/],
    ];
    for (const [sql, fault] of breaks) {
      const copy = temporaryFolder();
      writeFileSync(join(copy, DATABASE_FILE), readFileSync(join(folder, DATABASE_FILE)));
      const database = new Database(join(copy, DATABASE_FILE));
      database.exec(sql);
      database.close();
      expect(checkDatabase(copy).faults.join("\n"), sql).toMatch(fault);
    }
  });

  it("finds a page that was overwritten", () => {
    const folder = temporaryFolder();
    const store = openStore(folder);
    const run = store.beginRun(newRun);
    store.write(() => {
      for (let second = 0; second < 2000; second += 1) store.fixes.append(run, fixAt(second));
    });
    store.close();
    const path = join(folder, DATABASE_FILE);
    const bytes = readFileSync(path);
    bytes.fill(0xff, bytes.length - 40 * 4096, bytes.length - 38 * 4096);
    writeFileSync(path, bytes);
    let told = "";
    try {
      told = checkDatabase(folder).faults.join("\n");
    } catch (error) {
      told = (error as { code: string }).code;
    }
    expect(told).toMatch(/./);
  });
});

describe("an upgrade", () => {
  it("keeps what the first schema held, with names, counts and numbers that go on", () => {
    const folder = temporaryFolder();
    const old = openDatabase(folder, MIGRATIONS.slice(0, 1));
    old.exec("INSERT INTO runs VALUES (4, 'replay', 'a.ubx', 'capture', '0.1.0', 77, 88, NULL)");
    old.prepare("UPDATE runs SET summary = ?").run(JSON.stringify(summary));
    const insert = old.prepare("INSERT INTO fixes VALUES (?, 4, ?, ?, ?, ?)");
    for (const id of [3, 2000, 9000]) {
      const fix = fixAt(id);
      insert.run(id, fix.gst * 1000, Date.parse(fix.utc), fix.assurance, JSON.stringify(fix));
    }
    old.exec("DELETE FROM fixes WHERE id = 9000");
    old.prepare("INSERT INTO events VALUES (5, 4, NULL, ?)").run(JSON.stringify(eventAt(null)));
    old.close();
    expect(checkDatabase(folder)).toMatchObject({ schema: 1, faults: [] });
    expect(upgradeDatabase(folder)).toEqual({ from: 1, to: MIGRATIONS.length });
    expect(upgradeDatabase(folder)).toEqual({ from: MIGRATIONS.length, to: MIGRATIONS.length });
    expect(checkDatabase(folder)).toMatchObject({ schema: MIGRATIONS.length, faults: [], fixes: 2 });
    const store = temporaryStore({}, folder);
    expect(store.fixes.counts(4)).toEqual({ "nav-authenticated": 0, corroborated: 2, unverified: 0 });
    const from = { scale: "gst", ms: fixAt(2000).gst * 1000 } as const;
    expect(store.fixes.page(4, { assurance: ["corroborated"], from }, { limit: 9 }).items).toMatchObject([
      { id: 2000 },
    ]);
    expect(store.events.page(4, { names: [eventAt(null).name] }, { limit: 9 }).items).toHaveLength(1);
    store.write(() => {
      store.fixes.append(4, fixAt(1));
    });
    // 9000 was given before and does not come to mean another fix.
    expect(store.fixes.latest(4, ["corroborated"])?.id).toBe(9001);
  });

  it("keeps the evidence of the second schema, and lets it go with its fix", () => {
    const folder = temporaryFolder();
    const old = openDatabase(folder, MIGRATIONS.slice(0, 2));
    old.exec("INSERT INTO runs VALUES (1, 'replay', 'a.ubx', 'capture', '0.1.0', 77, 88, NULL)");
    const fix = ownFixAt(1);
    const evidence = evidenceOf(fix);
    const rows = new Map<string, number>();
    for (const [id, object] of evidence.objects) {
      const kept = object.kind === "fix" ? { ...object, record: undefined } : object;
      const { lastInsertRowid } = old
        .prepare("INSERT INTO evidence (hash, kind, body) VALUES (?, ?, ?)")
        .run(Buffer.from(id, "hex"), object.kind, JSON.stringify(kept));
      rows.set(id, Number(lastInsertRowid));
    }
    for (const [id, object] of evidence.objects) {
      for (const named of referencesOf(object)) {
        old.prepare("INSERT INTO evidence_links VALUES (?, ?)").run(rows.get(id), rows.get(named));
      }
    }
    const record = { ...fix, evidence: evidence.root };
    old
      .prepare("INSERT INTO fixes VALUES (1, 1, ?, ?, 0, ?, ?, ?)")
      .run(
        fix.gst * 1000,
        Date.parse(fix.utc),
        rows.get(evidence.root),
        fix.assurance,
        JSON.stringify(record),
      );
    old.close();
    upgradeDatabase(folder);
    expect(checkDatabase(folder)).toMatchObject({ schema: MIGRATIONS.length, faults: [], fixes: 1 });
    const store = temporaryStore({}, folder);
    expect(store.fixes.get(1)).toEqual({ ...record, id: 1, run: 1 });
    const stored = store.evidence.ofFix(1)!;
    expect(stored.objects[0][0]).toBe(evidence.root);
    expect(new Map(stored.objects)).toEqual(new Map(evidence.objects));
    // A fix of now shares what was stored then.
    const before = store.evidence.count();
    const run = store.beginRun(newRun);
    const next = evidenceOf(ownFixAt(2));
    store.write(() => {
      store.fixes.append(run, { ...ownFixAt(2), evidence: next.root }, next);
    });
    expect(store.evidence.count()).toBe(before);
    store.removeRun(1);
    store.prune();
    expect(store.evidence.count()).toBe([...next.shared].length);
    expect(new Map(store.evidence.ofFix(2)!.objects)).toEqual(new Map(next.objects));
  });

  it("is refused for a newer database, by every command, which stays as it is", async () => {
    const folder = temporaryFolder();
    const database = openDatabase(folder);
    database.pragma(`user_version = ${MIGRATIONS.length + 1}`);
    database.pragma("journal_mode = DELETE");
    database.close();
    const path = join(folder, DATABASE_FILE);
    const before = readFileSync(path);
    const newer = expect.objectContaining({ code: "OSN_STATE_NEWER" }) as Error;
    expect(() => upgradeDatabase(folder)).toThrow(newer);
    expect(() => checkDatabase(folder)).toThrow(newer);
    await expect(backupDatabase(folder, join(folder, "b"))).rejects.toMatchObject({
      code: "OSN_STATE_NEWER",
    });
    expect(existsSync(join(folder, "b"))).toBe(false);
    expect(readFileSync(path).equals(before)).toBe(true);
  });
});
