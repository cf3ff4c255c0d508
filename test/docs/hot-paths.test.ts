import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { docText, ROOT } from "./markdown.js";

/** All sources and build scripts as one text, comments without their line breaks. */
function sources(): string {
  return ["src", "scripts"]
    .flatMap((folder) =>
      readdirSync(`${ROOT}${folder}`, { recursive: true, encoding: "utf8" }).map(
        (name) => `${folder}/${name}`,
      ),
    )
    .filter((name) => /\.(ts|mjs)$/.test(name) && !/node_modules|dist/.test(name))
    .map((name) => readFileSync(`${ROOT}${name}`, "utf8"))
    .join("\n")
    .replace(/\s*\n\s*(?:\*|\/\/)?\s*/g, " ");
}

describe("docs/hot-paths.md", () => {
  it("gives no time that the comment beside the code does not give", () => {
    const text = sources();
    const figures = [...docText("hot-paths.md").matchAll(/(?<![\d.])\d+(?:\.\d+)? (?:µs|ms)(?!\w)/g)].map(
      ([all]) => all,
    );
    expect(figures.length).toBeGreaterThan(10);
    for (const figure of figures) {
      const [number, unit] = figure.split(" ");
      const stated = new RegExp(
        String.raw`(?<![\d.])${number.replace(".", "\\.")}(?: to \d+)? ${unit}(?!\w)`,
      );
      expect(stated.test(text), figure).toBe(true);
    }
  });
});
