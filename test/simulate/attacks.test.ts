/** Every attack scenario gets the verdict that it names, within the time that it names (docs/attacks.md). */
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { checkScenario } from "../../src/cli/scenario-check.js";
import { ATTACK_KINDS } from "../../src/simulate/attacks/index.js";
import { Scenario } from "../../src/simulate/scenario-file.js";

const folder = fileURLToPath(new URL("../../captures/attacks/", import.meta.url));
const names = readdirSync(folder)
  .filter((name) => name.endsWith(".toml"))
  .map((name) => name.replace(".toml", ""));
const textOf = (name: string): string => readFileSync(`${folder}${name}.toml`, "utf8");
const docs = readFileSync(fileURLToPath(new URL("../../docs/attacks.md", import.meta.url)), "utf8");

describe("attack scenarios", () => {
  it.each(names)("%s", (name) => {
    const { attacks, forgeries, ok } = checkScenario(Scenario.parse(textOf(name), { path: name }));
    expect(forgeries).toEqual([]);
    expect(attacks.flatMap(({ failures }) => failures)).toEqual([]);
    expect(ok).toBe(true);
  });

  it("act on satellites that are heard, state a verdict, and are in the documentation", () => {
    for (const name of names) {
      const text = textOf(name);
      const { simulation, attacks } = Scenario.parse(text);
      expect(
        attacks.every((attack) => attack.expect !== null),
        name,
      ).toBe(true);
      for (const [, list] of text.matchAll(/(?:svids|rejected) = \[([^\]]*)\]/g)) {
        for (const svid of list.split(",")) expect(simulation.satellites, name).toContain(Number(svid));
      }
      expect(docs, name).toContain(name.startsWith("one-bit-") ? "`one-bit-*`" : `\`${name}\``);
    }
  });

  it("use every kind of attack there is, but flips of a word's bit, which mutations have", () => {
    const all = names.map(textOf).join("\n");
    for (const { kind } of ATTACK_KINDS) {
      if (kind !== "flip-word-bit") expect(all, kind).toContain(`kind = "${kind}"`);
    }
  });
});

describe("the judge of scenarios", () => {
  const outcome = (name: string, from: string, to: string) => {
    const text = textOf(name);
    expect(text).toContain(from);
    return checkScenario(Scenario.parse(text.replace(from, to)));
  };

  it("fails where no attack is made", () => {
    const { ok, attacks } = outcome(
      "replay",
      'kind = "replay"\nfrom = 150\ndelay = 60',
      'kind = "nothing"\nfrom = 150',
    );
    expect(ok).toBe(false);
    expect(attacks[0].failures[0]).toContain("none of time-contradiction came");
  });

  it("fails where the verdict comes too late, or a position is graded that must not be", () => {
    expect(outcome("old-root-key", "within = 40", "within = 20").ok).toBe(false);
    expect(outcome("position-pull-unnoticed", 'own = "nav-authenticated"', 'own = "unverified"').ok).toBe(
      false,
    );
    expect(outcome("position-pull-unnoticed", "within = 1", "within = 1\nmeters = 20").ok).toBe(false);
  });
});
