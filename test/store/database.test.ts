import Database from "better-sqlite3";
import { chmodSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { DATABASE_FILE, openDatabase } from "../../src/store/database.js";
import { MIGRATIONS } from "../../src/store/migrations.js";
import { temporaryFolder } from "./folder.js";

const modeOf = (path: string): number => statSync(path).mode & 0o777;

describe("opening the database", () => {
  it("creates folders and file for the owner alone, whatever the umask, the log included", () => {
    const old = process.umask(0);
    try {
      const folder = join(temporaryFolder(), "state", "osnmad");
      const database = openDatabase(folder);
      try {
        expect(modeOf(folder)).toBe(0o700);
        expect(modeOf(join(folder, ".."))).toBe(0o700);
        for (const suffix of ["", "-wal", "-shm"])
          expect(modeOf(join(folder, DATABASE_FILE + suffix))).toBe(0o600);
      } finally {
        database.close();
      }
    } finally {
      process.umask(old);
    }
  });

  it("takes rights from a file that was readable by others", () => {
    const folder = temporaryFolder();
    openDatabase(folder).close();
    chmodSync(join(folder, DATABASE_FILE), 0o644);
    openDatabase(folder).close();
    expect(modeOf(join(folder, DATABASE_FILE))).toBe(0o600);
  });

  it("writes ahead and syncs every commit", () => {
    const database = openDatabase(temporaryFolder());
    expect(database.pragma("journal_mode", { simple: true })).toBe("wal");
    expect(database.pragma("synchronous", { simple: true })).toBe(2);
    expect(database.pragma("foreign_keys", { simple: true })).toBe(1);
    database.close();
  });

  it("brings an empty file to the newest schema and leaves it when opened again", () => {
    const folder = temporaryFolder();
    const first = openDatabase(folder);
    expect(first.pragma("user_version", { simple: true })).toBe(MIGRATIONS.length);
    first.exec("INSERT INTO runs VALUES (1, 'replay', 'a.ubx', 'capture', '0.1.0', 0, NULL, NULL)");
    first.close();
    const second = openDatabase(folder);
    expect(second.prepare("SELECT source FROM runs").all()).toEqual([{ source: "a.ubx" }]);
    second.close();
  });

  it("takes an older schema through the missing steps only", () => {
    const folder = temporaryFolder();
    openDatabase(folder).close();
    const step = { name: "a note for each run", sql: "ALTER TABLE runs ADD COLUMN note TEXT;" };
    const database = openDatabase(folder, [...MIGRATIONS, step]);
    expect(database.pragma("user_version", { simple: true })).toBe(MIGRATIONS.length + 1);
    expect(database.prepare("SELECT note FROM runs").all()).toEqual([]);
    database.close();
  });

  it("undoes all steps when one fails", () => {
    const folder = temporaryFolder();
    openDatabase(folder).close();
    const good = { name: "good", sql: "CREATE TABLE extra (x);" };
    const bad = { name: "bad", sql: "CREATE TABLE runs (x);" };
    expect(() => openDatabase(folder, [...MIGRATIONS, good, bad])).toThrow(/already exists/);
    const database = openDatabase(folder);
    expect(database.pragma("user_version", { simple: true })).toBe(MIGRATIONS.length);
    expect(() => database.prepare("SELECT * FROM extra")).toThrow(/no such table/);
    database.close();
  });

  it("refuses a newer schema and does not change one byte of it", () => {
    const folder = temporaryFolder();
    const path = join(folder, DATABASE_FILE);
    const newer = openDatabase(folder);
    newer.pragma(`user_version = ${MIGRATIONS.length + 1}`);
    newer.pragma("journal_mode = DELETE");
    newer.close();
    const before = readFileSync(path);
    expect(() => openDatabase(folder)).toThrow(expect.objectContaining({ code: "OSN_STATE_NEWER" }));
    expect(readFileSync(path).equals(before)).toBe(true);
  });

  it("refuses another program's database and does not change one byte of it", () => {
    const folder = temporaryFolder();
    const path = join(folder, DATABASE_FILE);
    const other = new Database(path);
    other.exec("CREATE TABLE theirs (x)");
    other.close();
    const before = readFileSync(path);
    expect(() => openDatabase(folder)).toThrow(expect.objectContaining({ code: "OSN_STATE_CORRUPT" }));
    expect(readFileSync(path).equals(before)).toBe(true);
  });

  it("refuses a file that is no database", () => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, DATABASE_FILE), "not a database ".repeat(100));
    expect(() => openDatabase(folder)).toThrow(expect.objectContaining({ code: "OSN_STATE_CORRUPT" }));
  });

  it("says OSN_STATE_UNWRITABLE where no folder can be", () => {
    const file = join(temporaryFolder(), "file");
    writeFileSync(file, "");
    for (const path of [file, join(file, "below")]) {
      expect(() => openDatabase(path)).toThrow(expect.objectContaining({ code: "OSN_STATE_UNWRITABLE" }));
    }
  });

  it("checks its argument", () => {
    expect(() => openDatabase("")).toThrow(RangeError);
    expect(() => openDatabase(7 as unknown as string)).toThrow(TypeError);
  });
});
