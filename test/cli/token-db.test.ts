import { Command } from "commander";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { registerDb } from "../../src/cli/commands/db.js";
import { registerToken } from "../../src/cli/commands/token.js";
import { DATABASE_FILE, openDatabase } from "../../src/store/database.js";
import { MIGRATIONS } from "../../src/store/migrations.js";
import { openStore } from "../../src/store/store.js";
import { matchToken, readTokens } from "../../src/store/token-file.js";
import { temporaryFolder } from "../store/folder.js";

async function run(...words: string[]): Promise<{ out: string; err: string }> {
  let [out, err] = ["", ""];
  const program = new Command("osnmad").exitOverride();
  const io = {
    out: (text: string) => void (out += text),
    err: (text: string) => void (err += text),
    now: () => new Date("2026-01-02T03:04:05Z"),
  };
  registerToken(program, io);
  registerDb(program, io);
  await program.parseAsync(["node", "osnmad", ...words]);
  return { out, err };
}

describe("osnmad token", () => {
  it("prints a new token alone on standard output, and never again", async () => {
    const folder = temporaryFolder();
    const made = await run("token", "create", "dashboard", "--scope", "read:status", "--data-dir", folder);
    expect(made.out).toMatch(/^osn_[\w-]{43}\n$/);
    expect(matchToken(readTokens(folder), made.out.trim())).toMatchObject({
      name: "dashboard",
      scopes: ["read:status"],
    });
    const listed = await run("token", "list", "--data-dir", folder);
    expect(listed.out).toMatch(/^[0-9a-f]{8} {2}2026-01-02T03:04:05.000Z {2}read:status +dashboard\n$/);
    const json = JSON.parse((await run("token", "list", "--json", "--data-dir", folder)).out) as object;
    expect(Object.keys(json)).toEqual(["id", "name", "scopes", "createdAt"]);
    for (const text of [listed.out, listed.err, made.err, JSON.stringify(json)]) {
      expect(text).not.toContain(made.out.trim().slice(4, 20));
    }
    expect((await run("token", "revoke", "dashboard", "--data-dir", folder)).out).toMatch(/is revoked/);
    expect(readTokens(folder)).toEqual([]);
  });

  it("refuses scopes that there are not and tokens that there are not", async () => {
    const folder = temporaryFolder();
    const usage = { code: "OSN_USAGE" };
    await expect(run("token", "create", "a", "--scope", "write", "--data-dir", folder)).rejects.toMatchObject(
      usage,
    );
    await expect(run("token", "revoke", "a", "--data-dir", folder)).rejects.toMatchObject(usage);
    expect(existsSync(join(folder, "tokens.json"))).toBe(false);
  });
});

describe("osnmad db", () => {
  it("upgrades, checks and backs up", async () => {
    const folder = temporaryFolder();
    const newest = MIGRATIONS.length;
    expect(newest).toBeGreaterThan(1);
    openDatabase(folder, MIGRATIONS.slice(0, 1)).close();
    expect((await run("db", "check", "--data-dir", folder)).out).toMatch(
      new RegExp(`^schema 1 \\(upgrade to ${newest} is due\\)\n.*\nsound\n$`),
    );
    expect((await run("db", "upgrade", "--data-dir", folder)).out).toBe(
      `Upgraded from schema 1 to ${newest}.\n`,
    );
    expect((await run("db", "upgrade", "--data-dir", folder)).out).toBe(`Schema ${newest} is the newest.\n`);
    const copy = join(folder, "copy.sqlite");
    expect((await run("db", "backup", copy, "--data-dir", folder)).out).toBe(`Backed up to ${copy}.\n`);
    expect(existsSync(copy)).toBe(true);
    expect(JSON.parse((await run("db", "check", "--json", "--data-dir", folder)).out)).toMatchObject({
      faults: [],
    });
  });

  it("fails with OSN_STATE_CORRUPT where something is wrong, and with OSN_USAGE where nothing is there", async () => {
    const folder = temporaryFolder();
    const store = openStore(folder);
    store.close();
    const database = openDatabase(folder);
    database.exec("INSERT INTO runs VALUES (1, 'live', 'a', 'none', 'x', 0, NULL, NULL)");
    database.exec("INSERT INTO events VALUES (1, 1, NULL, 0, 'a', 'no JSON')");
    database.close();
    await expect(run("db", "check", "--data-dir", folder)).rejects.toMatchObject({
      code: "OSN_STATE_CORRUPT",
    });
    const empty = temporaryFolder();
    await expect(run("db", "check", "--data-dir", empty)).rejects.toMatchObject({ code: "OSN_USAGE" });
    expect(existsSync(join(empty, DATABASE_FILE))).toBe(false);
  });
});
