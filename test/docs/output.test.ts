import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { fixesWith } from "../../src/fix/fix-stage.js";
import { CaptureInspection } from "../../src/pipeline/inspection.js";
import { Pipeline } from "../../src/pipeline/pipeline.js";
import type { FixRecord } from "../../src/pipeline/records.js";
import { GRADE_REASONS } from "../../src/watch/policy.js";
import { SIGN_NAMES } from "../../src/watch/signs.js";
import { keyOfFile, rootOfTree } from "../support/osnma.js";
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

/** The fixes of a capture of this repository. */
function allFixes(): FixRecord[] {
  const fixes: FixRecord[] = [];
  const root = rootOfTree(`${ROOT}captures/trust/TEST_OSNMA_MerkleTree_A.xml`);
  const pipeline = new Pipeline(
    {
      mode: "simulated",
      roots: [{ root }],
      keys: [keyOfFile(`${ROOT}captures/trust/TEST_OSNMA_PublicKey_2.xml`, root)],
      softwareVersion: "test",
      fixes: fixesWith({ mode: "simulated", softwareVersion: "test" }),
    },
    (record) => {
      if (record.type === "fix") fixes.push(record);
    },
  );
  pipeline.push(readFileSync(`${ROOT}captures/nominal.ubx`));
  pipeline.end();
  return fixes;
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

  it("names the sign of every event that the consistency watch raises, and no other", () => {
    const documented = rowsAfter(OUTPUT, "### Events of signs").map(([name]) => plain(name));
    expect(documented).toEqual([...SIGN_NAMES]);
    // The engine's events and the signs' come in one stream: a name must not mean two things.
    for (const name of SIGN_NAMES) expect(eventsInSource().has(name), name).toBe(false);
  });

  it("names every reason that lowers a fix, and no other", () => {
    const corroboration = ["watch/corroboration.ts", "fix/fix-stage.ts"]
      .map((file) => readFileSync(`${ROOT}src/${file}`, "utf8"))
      .flatMap((source) => [...source.matchAll(/disagreements(?:: |\.push\()\[?"([a-z0-9-]+)"/g)])
      .map(([, reason]) => reason);
    expect(corroboration.length).toBeGreaterThan(4);
    const rows = rowsAfter(OUTPUT, "### Reasons");
    const names = (cell: string) => [...cell.matchAll(/`([a-z0-9-]+)`/g)].map(([, name]) => name);
    const bySign = rows.filter(([reason]) => reason === "a sign's name");
    expect(bySign.flatMap(([, , meaning]) => names(meaning))).toEqual([...SIGN_NAMES]);
    const documented = rows.flatMap(([reason]) => names(reason));
    expect(documented.sort()).toEqual([...new Set([...GRADE_REASONS, ...corroboration])].sort());
  });

  it("names every way in which there is no position of our own, and no other", () => {
    const read = (path: string) => readFileSync(`${ROOT}src/${path}`, "utf8");
    /** The literals of a union type in the source. */
    const union = (source: string, head: RegExp) =>
      [...(head.exec(source)?.[1] ?? "").matchAll(/"([a-z0-9-]+)"/g)].map(([, name]) => name);
    const ranging = union(read("position/ranging.ts"), /type RangingFailure = ([^;]+);/);
    const solver = union(read("position/solver.ts"), /type FailureReason = RangingFailure([^;]+);/);
    const refused = union(read("position/measurements.ts"), /readonly refused: ([^;]+);/);
    for (const some of [ranging, solver, refused]) expect(some.length).toBeGreaterThan(1);
    const documented = OUTPUT.slice(
      OUTPUT.indexOf("| `ownFailure` | meaning |"),
      OUTPUT.indexOf("### `receiver`"),
    )
      .split("\n")
      .slice(2)
      .flatMap((row) => [...(row.split("|")[1] ?? "").matchAll(/`([a-z-]+)`/g)].map(([, name]) => name));
    expect(documented.sort()).toEqual(
      ["no-measurements", ...refused.map((why) => `epoch-refused-${why}`), ...ranging, ...solver].sort(),
    );
  });

  it("names every member of a fix and of its positions", () => {
    const fixes = allFixes();
    const section = OUTPUT.slice(OUTPUT.indexOf("## `fix`"), OUTPUT.indexOf("## `event`"));
    const named = new Set([...section.matchAll(/`([A-Za-z0-9]+)`/g)].map(([, name]) => name));
    const members = new Set<string>();
    const walk = (value: unknown): void => {
      if (Array.isArray(value)) value.forEach(walk);
      else if (typeof value === "object" && value !== null) {
        for (const [name, member] of Object.entries(value)) {
          members.add(name);
          // Described where `authenticated` lines are.
          if (name !== "authenticatedBy") walk(member);
        }
      }
    };
    walk(fixes);
    members.delete("type");
    expect(members.size).toBeGreaterThan(50);
    for (const member of members) expect(named.has(member), member).toBe(true);
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
