import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { docPages, ROOT } from "./markdown.js";

const PAGES = ["README.md", "firmware-config/README.md", ...docPages().map((name) => `docs/${name}`)];

/** What `osnmad` is called with in the pages: in blocks of shell, and in `code`. */
function calls(): { readonly page: string; readonly call: string }[] {
  return PAGES.flatMap((page) => {
    const text = readFileSync(ROOT + page, "utf8");
    const lines = [...text.matchAll(/```sh\n([\s\S]*?)```/g)].flatMap(([, block]) => block.split("\n"));
    const inline = [...text.replace(/```[\s\S]*?```/g, "").matchAll(/`([^`]+)`/g)].map(([, code]) => code);
    return [...lines, ...inline]
      .map((line) => /(?:^|&& |npx )osnmad ([^#|<]*)/.exec(line.trim())?.[1]?.trim())
      .filter((call) => call !== undefined)
      .map((call) => ({ page, call }));
  });
}

describe("commands shown in the documentation", () => {
  const cli = readdirSync(`${ROOT}src/cli`, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".ts"))
    .map((name) => readFileSync(`${ROOT}src/cli/${name}`, "utf8"))
    .join("\n");

  it("are commands that exist, with options that exist", () => {
    expect(calls().length).toBeGreaterThan(20);
    for (const { page, call } of calls()) {
      const [command] = call.split(" ");
      if (!["help", "--version", "--help"].includes(command)) {
        expect(cli, `${page}: ${call}`).toContain(`.command("${command}")`);
      }
      for (const [option] of call.matchAll(/(?<= )--[a-z][a-z-]*/g)) {
        if (option === "--help") continue;
        expect(cli.includes(`"${option} `) || cli.includes(`"${option}"`), `${page}: ${call}`).toBe(true);
      }
    }
  });

  it("name files of this repository that are there", () => {
    const files = calls().flatMap(({ call }) => [...call.matchAll(/\bcaptures\/\S+/g)].map(([file]) => file));
    expect(files.length).toBeGreaterThan(5);
    for (const file of files) expect(() => readFileSync(ROOT + file), file).not.toThrow();
  });
});
