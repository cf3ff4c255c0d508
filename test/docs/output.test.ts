import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { CaptureInspection } from "../../src/pipeline/inspection.js";
import { Pipeline } from "../../src/pipeline/pipeline.js";
import { docText, ROOT, rowsAfter } from "./markdown.js";

const OUTPUT = docText("output.md");
const SEVERITIES = ["info", "notice", "warning", "alarm"];

/** Names of the events that the engine's source raises, with the severities it gives them. */
function eventsInSource(): Map<string, Set<string>> {
  const source = readFileSync(`${ROOT}src/osnma/engine.ts`, "utf8");
  const events = new Map<string, Set<string>>();
  const calls = [...source.matchAll(/#event\(\s*"([a-z0-9-]+)",\s*([^,]+),/g)];
  // Every call but the method's own definition is of the form that is read here.
  expect(calls.length).toBe([...source.matchAll(/#event\(/g)].length - 1);
  for (const [, name, severity] of calls) {
    const known = events.get(name) ?? new Set<string>();
    for (const word of SEVERITIES) if (severity.includes(`"${word}"`)) known.add(word);
    events.set(name, known);
  }
  return events;
}

const plain = (cell: string): string => cell.replaceAll("`", "");

describe("docs/output.md", () => {
  it("names every event that the engine raises, with its severities, and no other", () => {
    const documented = new Map(
      rowsAfter(OUTPUT, "## `event`").map(([name, severity]) => [plain(name), new Set(severity.split(", "))]),
    );
    const raised = eventsInSource();
    expect(raised.size).toBeGreaterThan(20);
    expect([...documented.keys()].sort()).toEqual([...raised.keys()].sort());
    for (const [name, severities] of raised) expect(documented.get(name), name).toEqual(severities);
  });

  it("names every reason that lowers a fix, and no other", () => {
    const source = readFileSync(`${ROOT}src/fix/receiver-fix.ts`, "utf8");
    const raised = [...source.matchAll(/reasons\.push\("([a-z0-9-]+)"\)/g)].map(([, reason]) => reason);
    const from = OUTPUT.indexOf("| reason | meaning |");
    const documented = [
      ...OUTPUT.slice(from, OUTPUT.indexOf("## `event`")).matchAll(/^\| `([a-z0-9-]+)` \|/gm),
    ];
    expect(documented.map(([, reason]) => reason).sort()).toEqual([...new Set(raised)].sort());
  });

  it("names every member of the summary", () => {
    const pipeline = new Pipeline(
      { mode: "replay", roots: [], keys: [], softwareVersion: "test" },
      () => undefined,
    );
    const cells = rowsAfter(OUTPUT, "## `summary`").map(([member]) => plain(member));
    const documented = new Set(cells.flatMap((cell) => cell.split(", ").map((name) => name.split(".")[0])));
    const members = Object.keys(pipeline.end()).filter((name) => name !== "type");
    expect([...documented].sort()).toEqual(members.sort());
  });

  it("names every member of an inspection", () => {
    const cells = rowsAfter(OUTPUT, "## `inspection`").map(([member]) => plain(member));
    const report = new CaptureInspection().end();
    // The command adds what the file's name and the NMEA line parser say.
    const members = [...Object.keys(report), "capture", "nmea", "nmeaTexts"].filter(
      (name) => name !== "type",
    );
    expect(cells.flatMap((cell) => cell.split(", ")).sort()).toEqual(members.sort());
  });
});
