import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { GRADE_REASONS } from "../../src/watch/policy.js";
import { SIGN_NAMES } from "../../src/watch/signs.js";
import { DEFAULT_THRESHOLDS, THRESHOLD_RANGES } from "../../src/watch/thresholds.js";

const page = readFileSync(new URL("../../docs/consistency-watch.md", import.meta.url), "utf8");
const section = (title: string): string => page.split(`## ${title}\n`)[1].split("\n## ")[0];

describe("docs/consistency-watch.md", () => {
  it("lists every threshold with its default, range and unit, and no other", () => {
    const rows = [
      ...section("Thresholds").matchAll(/^\| `(\w+)` \| ([^ ]+) \| ([^ ]+) to ([^ ]+) \| ([^|]*)\|/gm),
    ].map(([, name, value, from, to, unit]) => [name, Number(value), Number(from), Number(to), unit.trim()]);
    const names = Object.keys(DEFAULT_THRESHOLDS) as (keyof typeof DEFAULT_THRESHOLDS)[];
    expect(rows).toEqual(names.map((name) => [name, DEFAULT_THRESHOLDS[name], ...THRESHOLD_RANGES[name]]));
  });

  it("lists every sign and no other", () => {
    const rows = [...section("Signs").matchAll(/^\| `([\w-]+)` \|/gm)].map(([, name]) => name);
    expect(rows).toEqual([...SIGN_NAMES]);
  });

  it("lists every reason of a grade", () => {
    for (const reason of GRADE_REASONS) expect(section("Grades")).toContain(`\`${reason}\``);
  });
});
