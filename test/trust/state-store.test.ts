import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { OsnmadError } from "../../src/errors.js";
import type { ErrorCode } from "../../src/errors.js";
import {
  canonicalJson,
  defaultStateDir,
  ENGINE_STATE_FILE,
  loadState,
  MAX_STATE_BYTES,
  saveState,
} from "../../src/trust/state-store.js";

const base = mkdtempSync(join(tmpdir(), "osnmad-state-"));
let count = 0;
const newDir = () => join(base, `${++count}`, "deeper");
const AT = "2026-11-23T00:00:00.000Z";
const STATE = { roots: ["832e"], revoked: [1], alert: false, chain: { cid: 1, key: "9b34", gst: 837788430 } };

function codeOf(action: () => unknown): ErrorCode | "accepted" {
  try {
    action();
    return "accepted";
  } catch (error) {
    if (error instanceof OsnmadError) return error.code;
    throw error;
  }
}

describe("the state store", () => {
  it("has nothing before the first save", () => {
    expect(loadState(newDir())).toBeNull();
  });

  it("gives back what was saved, whatever JSON can carry", () => {
    const dir = newDir();
    fc.assert(
      fc.property(fc.jsonValue({ depthSize: "small" }), (value) => {
        saveState(dir, { value }, AT);
        // -0 has no form of its own in JSON.
        expect(loadState(dir)).toEqual(JSON.parse(JSON.stringify({ value })));
      }),
      { numRuns: 40 },
    );
  });

  it("refuses what JSON would drop or change instead of losing it silently", () => {
    const dir = newDir();
    for (const value of [undefined, NaN, 1n, new Uint8Array(2), new Map(), { a: undefined }, () => 0]) {
      expect(() => saveState(dir, value, AT)).toThrow(TypeError);
    }
    let deep: unknown = 0;
    for (let k = 0; k < 200; k++) deep = [deep];
    expect(() => saveState(dir, deep, AT)).toThrow(RangeError);
    expect(() => saveState(dir, STATE, "yesterday")).toThrow(TypeError);
    expect(() => saveState("", STATE, AT)).toThrow(TypeError);
    expect(existsSync(dir)).toBe(false);
  });

  it("lets only its owner in", () => {
    const dir = newDir();
    saveState(dir, STATE, AT);
    expect(statSync(dir).mode & 0o777).toBe(0o700);
    expect(statSync(join(dir, ENGINE_STATE_FILE)).mode & 0o777).toBe(0o600);
    expect(readdirSync(dir)).toEqual([ENGINE_STATE_FILE]);
  });

  it("is not disturbed by what a writer killed half-way left behind, and clears it up later", () => {
    const dir = newDir();
    saveState(dir, STATE, AT);
    const half = join(dir, `.${ENGINE_STATE_FILE}.0123456789ab.tmp`);
    writeFileSync(half, readFileSync(join(dir, ENGINE_STATE_FILE), "utf8").slice(0, 40));
    expect(loadState(dir)).toEqual(STATE);
    saveState(dir, { ...STATE, alert: true }, AT);
    expect(loadState(dir)).toEqual({ ...STATE, alert: true });
    // A young one may belong to a writer at work.
    expect(existsSync(half)).toBe(true);
    const hourAgo = Date.now() / 1000 - 3600;
    utimesSync(half, hourAgo, hourAgo);
    saveState(dir, STATE, AT);
    expect(readdirSync(dir)).toEqual([ENGINE_STATE_FILE]);
  });

  it("tells every damage: cut at any place, any byte changed", () => {
    const dir = newDir();
    saveState(dir, STATE, AT);
    const path = join(dir, ENGINE_STATE_FILE);
    const whole = readFileSync(path);
    // The last byte is the line end, which carries nothing.
    for (let end = 0; end < whole.length - 1; end++) {
      writeFileSync(path, whole.subarray(0, end));
      expect(
        codeOf(() => loadState(dir)),
        `cut at ${end}`,
      ).toBe("OSN_STATE_CORRUPT");
    }
    for (let at = 0; at < whole.length; at++) {
      const changed = Uint8Array.from(whole);
      changed[at] ^= 0x01;
      writeFileSync(path, changed);
      let loaded: unknown;
      const code = codeOf(() => (loaded = loadState(dir)));
      // A changed blank between members is no damage to what they say.
      if (code === "accepted") expect(loaded).toEqual(STATE);
      else expect(["OSN_STATE_CORRUPT", "OSN_STATE_NEWER"]).toContain(code);
    }
  });

  it.each([
    ["nothing", ""],
    ["no object", "[]"],
    ["no format", "{}"],
    ["a format that is none", '{"format":1.5}'],
    ["missing members", '{"format":1,"savedAt":"x"}'],
    ["bytes that are no UTF-8", Uint8Array.of(0x22, 0xff, 0x22)],
    [
      "a body nested too deep to be walked",
      `{"format":1,"savedAt":"x","sha256":"x","body":${"[".repeat(200_000)}${"]".repeat(200_000)}}`,
    ],
  ])("is corrupt with %s", (_, contents) => {
    const dir = newDir();
    mkdirSync(dir, { recursive: true });
    writeFileSync(join(dir, ENGINE_STATE_FILE), contents);
    expect(codeOf(() => loadState(dir))).toBe("OSN_STATE_CORRUPT");
  });

  it("is corrupt when huge, or no file", () => {
    const dir = newDir();
    mkdirSync(dir, { recursive: true });
    const path = join(dir, ENGINE_STATE_FILE);
    writeFileSync(path, Buffer.alloc(MAX_STATE_BYTES + 1, 0x20));
    expect(codeOf(() => loadState(dir))).toBe("OSN_STATE_CORRUPT");
    const other = newDir();
    mkdirSync(join(other, ENGINE_STATE_FILE), { recursive: true });
    expect(codeOf(() => loadState(other))).toBe("OSN_STATE_CORRUPT");
  });

  it("replaces a damaged state, but never a newer program's", () => {
    const dir = newDir();
    saveState(dir, STATE, AT);
    const path = join(dir, ENGINE_STATE_FILE);
    writeFileSync(path, "damaged");
    saveState(dir, STATE, AT);
    expect(loadState(dir)).toEqual(STATE);
    const newer = JSON.stringify({ format: 2, anything: true });
    writeFileSync(path, newer);
    expect(codeOf(() => loadState(dir))).toBe("OSN_STATE_NEWER");
    expect(codeOf(() => saveState(dir, STATE, AT))).toBe("OSN_STATE_NEWER");
    expect(readFileSync(path, "utf8")).toBe(newer);
  });

  it("says that it cannot be written: a file in the folder's place, a folder in the file's", () => {
    const file = join(base, "a-file");
    writeFileSync(file, "");
    expect(codeOf(() => saveState(join(file, "state"), STATE, AT))).toBe("OSN_STATE_UNWRITABLE");
    const dir = newDir();
    mkdirSync(join(dir, ENGINE_STATE_FILE, "full"), { recursive: true });
    expect(codeOf(() => saveState(dir, STATE, AT))).toBe("OSN_STATE_UNWRITABLE");
    expect(readdirSync(dir)).toEqual([ENGINE_STATE_FILE]);
  });

  it.skipIf(process.getuid?.() === 0)("says that it cannot be written: no right to", () => {
    const dir = newDir();
    mkdirSync(dir, { recursive: true });
    chmodSync(dir, 0o500);
    expect(codeOf(() => saveState(dir, STATE, AT))).toBe("OSN_STATE_UNWRITABLE");
  });

  it("replaces a link in its place instead of writing through it", () => {
    const dir = newDir();
    mkdirSync(dir, { recursive: true });
    const elsewhere = join(base, "elsewhere.json");
    writeFileSync(elsewhere, "untouched");
    symlinkSync(elsewhere, join(dir, ENGINE_STATE_FILE));
    saveState(dir, STATE, AT);
    expect(readFileSync(elsewhere, "utf8")).toBe("untouched");
    expect(loadState(dir)).toEqual(STATE);
  });
});

describe("canonical JSON", () => {
  it("does not depend on the order of members", () => {
    expect(canonicalJson({ b: [1, { d: null, c: "x" }], a: true })).toBe(
      '{"a":true,"b":[1,{"c":"x","d":null}]}',
    );
    expect(canonicalJson({ a: 1, b: 2 })).toBe(canonicalJson({ b: 2, a: 1 }));
  });
});

describe("the default folder", () => {
  it("follows the XDG specification", () => {
    expect(defaultStateDir({ XDG_STATE_HOME: "/s", HOME: "/h" })).toBe("/s/osnmad");
    expect(defaultStateDir({ HOME: "/h" })).toBe("/h/.local/state/osnmad");
    expect(defaultStateDir({ XDG_STATE_HOME: "relative", HOME: "/h" })).toBe("/h/.local/state/osnmad");
  });
});
