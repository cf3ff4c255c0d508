import { existsSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Command } from "commander";
import { describe, expect, it } from "vitest";
import { registerTrust } from "../../src/cli/commands/trust.js";
import { OsnmadError } from "../../src/errors.js";
import { hexOf } from "../../src/trust/hex.js";
import { KEY_1, KEY_2, TREE } from "./gsc-files.js";

const OPERATIONAL = "832e15ede55655eac6e399a539477b7c034cce24c3c93ffc904acd9bf842f04e";
const fixture = (name: string) => fileURLToPath(new URL(`./fixtures/${name}`, import.meta.url));
const TREE_FILE = fixture("OSNMA_MerkleTree_own.xml");
const KEY_FILE = fixture("OSNMA_PublicKey_1_own.xml");
const FRAGMENT = fixture("OSNMA_PublicKey_2_fragment_own.xml");
const base = mkdtempSync(join(tmpdir(), "osnmad-trust-cli-"));
const newDir = () => mkdtempSync(join(base, "state-"));

function run(...args: string[]): { out: string; err: string } {
  let out = "";
  let err = "";
  const program = new Command().exitOverride();
  registerTrust(program, {
    out: (text) => (out += text),
    err: (text) => (err += text),
    now: () => new Date("2026-11-23T00:00:00Z"),
  });
  program.parse(["trust", ...args], { from: "user" });
  return { out, err };
}

function codeOf(...args: string[]): string {
  try {
    run(...args);
    return "accepted";
  } catch (error) {
    if (error instanceof OsnmadError) return error.code;
    throw error;
  }
}

interface Row {
  kind: string;
  root: string;
  pkid?: number;
  point?: string;
  standing: string;
  trusted: boolean;
}
const rowsOf = (text: string) =>
  text
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Row);

describe("osnmad trust list", () => {
  it("shows the operational root and its keys as trusted, all others as known only", () => {
    const rows = rowsOf(run("list", "--json", "--state", newDir()).out);
    expect(rows.filter((row) => row.trusted).map((row) => [row.root, row.pkid])).toEqual([
      [OPERATIONAL, undefined],
      [OPERATIONAL, 1],
      [OPERATIONAL, 2],
    ]);
    expect(rows.some((row) => row.standing === "historic" && row.kind === "key")).toBe(true);
  });

  it("aligns its columns and tells to compare with GSC", () => {
    const { out, err } = run("list", "--state", newDir());
    const lines = out.split("\n");
    const column = lines[0].indexOf("STANDING");
    expect(lines[0].startsWith("ROOT")).toBe(true);
    expect(lines[1].slice(column)).toMatch(/^operational +yes/);
    expect(lines[2].slice(column)).toMatch(/^historic +no/);
    expect(out).toContain("832E15ED/2");
    expect(out).toContain("Compare");
    expect(lines.filter((line) => line.endsWith(" "))).toEqual([]);
    expect(err).toBe("");
  });

  it("does not write anything", () => {
    const dir = join(newDir(), "absent");
    run("list", "--state", dir);
    run("show", "2", "--state", dir);
    expect(existsSync(dir)).toBe(false);
  });

  it("tells a damaged store", () => {
    const dir = newDir();
    writeFileSync(join(dir, "trust.json"), "{");
    expect(codeOf("list", "--state", dir)).toBe("OSN_STATE_CORRUPT");
  });
});

describe("osnmad trust show", () => {
  it("shows a PKID under every root that has it", () => {
    const rows = rowsOf(run("show", "1", "--json", "--state", newDir()).out);
    expect(rows.length).toBeGreaterThan(1);
    expect(new Set(rows.map((row) => row.pkid))).toEqual(new Set([1]));
    expect(new Set(rows.map((row) => row.point)).size).toBe(rows.length);
  });

  it("shows a root with its keys by the first digits, and one key by both", () => {
    const dir = newDir();
    expect(rowsOf(run("show", "832E15ED", "--json", "--state", dir).out).map((row) => row.kind)).toEqual([
      "root",
      "key",
      "key",
    ]);
    expect(rowsOf(run("show", "832e15ed/2", "--json", "--state", dir).out).map((row) => row.pkid)).toEqual([
      2,
    ]);
    const text = run("show", `${OPERATIONAL}/2`, "--state", dir).out;
    expect(text).toContain("02219204B5CA6C46B623EEED6CDD2CDDB1F7D6A7532767E5B8DA0DE1EBD695FC99");
    expect(text).toMatch(/^trusted +yes$/m);
  });

  it("tells what it does not understand from what it does not know", () => {
    const dir = newDir();
    expect(codeOf("show", "xyz", "--state", dir)).toBe("OSN_USAGE");
    expect(codeOf("show", "832e", "--state", dir)).toBe("OSN_USAGE");
    expect(codeOf("show", "ffffff", "--state", dir)).toBe("OSN_USAGE");
    expect(codeOf("show", "15", "--state", dir)).toBe("OSN_USAGE");
  });
});

describe("osnmad trust import", () => {
  it("refuses a test tree without --test, and leaves the store alone", () => {
    const dir = newDir();
    expect(() => run("import", TREE_FILE, "--state", dir)).toThrow(/--test/);
    expect(existsSync(join(dir, "trust.json"))).toBe(false);
  });

  it("with --test lists the tree and its keys as test, not trusted, and says what that means", () => {
    const dir = newDir();
    const { out } = run("import", TREE_FILE, KEY_FILE, "--test", "--state", dir);
    expect(out).toMatch(/^root +[0-9A-F]{64} +test +added$/m);
    expect(out).toContain("--merkle");
    const rows = rowsOf(run("list", "--json", "--state", dir).out).filter(
      (row) => row.root === hexOf(TREE.root),
    );
    expect(rows.map((row) => [row.kind, row.pkid, row.point, row.standing, row.trusted])).toEqual([
      ["root", undefined, undefined, "test", false],
      ["key", 1, hexOf(KEY_1.point), "test", false],
      ["key", 2, hexOf(KEY_2.point), "test", false],
    ]);
    expect(run("list", "--state", dir).err).toMatch(/^warning: .*test root/);
  });

  it("a second time changes nothing, not even the file", () => {
    const dir = newDir();
    run("import", TREE_FILE, "--test", "--state", dir);
    const before = readFileSync(join(dir, "trust.json"));
    expect(run("import", TREE_FILE, "--state", dir).out).toContain("Nothing was changed.");
    expect(readFileSync(join(dir, "trust.json"))).toEqual(before);
  });

  it("takes a fragment that an imported tree proves, with a warning, and no other", () => {
    const dir = newDir();
    expect(codeOf("import", FRAGMENT, "--test", "--state", dir)).toBe("OSN_TRUST_KEY_INVALID");
    expect(run("import", TREE_FILE, FRAGMENT, "--test", "--state", dir).err).toContain("no root element");
  });

  it("is all or nothing", () => {
    const dir = newDir();
    expect(codeOf("import", TREE_FILE, join(dir, "absent.xml"), "--test", "--state", dir)).toBe(
      "OSN_TRUST_FILE_UNREADABLE",
    );
    expect(existsSync(join(dir, "trust.json"))).toBe(false);
  });
});
