import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import { docPages, docText, ROOT } from "./markdown.js";

const PAGES = [
  "README.md",
  "CHANGELOG.md",
  "firmware-config/README.md",
  ...docPages().map((name) => `docs/${name}`),
];

describe("the documentation", () => {
  it("links only to files that are there", () => {
    let links = 0;
    for (const page of PAGES) {
      const text = readFileSync(ROOT + page, "utf8");
      for (const [, target] of text.matchAll(/\]\(([^)#\s]+)(?:#[^)]*)?\)/g)) {
        if (/^[a-z]+:/.test(target)) continue;
        links++;
        expect(existsSync(join(ROOT, dirname(page), target)), `${page} links to ${target}`).toBe(true);
      }
    }
    expect(links).toBeGreaterThan(30);
  });

  it("names only files of the project that are there", () => {
    let names = 0;
    for (const page of PAGES) {
      const text = readFileSync(ROOT + page, "utf8");
      for (const [path] of text.matchAll(/\b(?:src|test|captures|bench)\/[\w./-]*\w/g)) {
        names++;
        expect(existsSync(ROOT + path), `${page} names ${path}`).toBe(true);
      }
    }
    expect(names).toBeGreaterThan(50);
  });

  it("has every page in its index", () => {
    const index = docText("README.md");
    for (const page of docPages()) {
      if (page !== "README.md") expect(index, page).toContain(`](${page})`);
    }
  });

  it("has every page that a comment in the source sends its reader to", () => {
    const sources = readdirSync(`${ROOT}src`, { recursive: true, encoding: "utf8" }).filter(
      (name) => name.endsWith(".ts") && !name.includes("node_modules") && !name.includes("dist"),
    );
    const named = new Set<string>();
    for (const name of sources) {
      for (const [path] of readFileSync(`${ROOT}src/${name}`, "utf8").matchAll(/\bdocs\/[a-z-]+\.md\b/g))
        named.add(path);
    }
    expect(named.size).toBeGreaterThan(5);
    for (const path of named) expect(existsSync(ROOT + path), path).toBe(true);
  });
});
