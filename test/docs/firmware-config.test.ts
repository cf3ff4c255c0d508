import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { parseProfile, settingsFor } from "../../src/receiver/profile.js";
import { ROOT } from "./markdown.js";

const FILES = readdirSync(`${ROOT}firmware-config`).filter((name) => name.endsWith(".toml"));

describe.each(FILES)("firmware-config/%s", (file) => {
  const text = readFileSync(`${ROOT}firmware-config/${file}`, "utf8");
  const profile = parseProfile(file.replace(".toml", ""), text);

  it("says why, behind every key", () => {
    const settings = text.split("\n").filter((line) => line.startsWith('"CFG-'));
    expect(settings.length).toBeGreaterThan(20);
    for (const line of settings) expect(line).toMatch(/^"CFG-[^"]+" = (true|false|\d+) +# \S.+$/);
  });

  it("requires the messages that pages and graded fixes are made of, and that they are let out", () => {
    for (const port of profile.ports) {
      const required = settingsFor(profile, port).required.map(({ key }) => key as string);
      const name = port.toUpperCase();
      for (const message of ["RXM_SFRBX", "NAV_PVT", "NAV_TIMEGAL", "NAV_SAT", "NAV_EOE"]) {
        expect(required).toContain(`CFG-MSGOUT-UBX_${message}_${name}`);
      }
      expect(required).toContain(`CFG-${name}OUTPROT-UBX`);
      expect(required).toContain("CFG-SIGNAL-GAL_E1_ENA");
    }
  });

  it("asks for ranges wherever the family has them", () => {
    const settings = settingsFor(profile, profile.ports[0]);
    const need = (list: typeof settings.required): boolean =>
      list.some(({ key }) => key.includes("RXM_RAWX"));
    const expected = { "neo-m9n": "none", generic: "optional" }[profile.name] ?? "required";
    expect(need(settings.required) ? "required" : need(settings.optional) ? "optional" : "none").toBe(
      expected,
    );
  });

  it("sets the same messages at every port", () => {
    const messages = profile.ports.map((port) => {
      const { required, optional } = settingsFor(profile, port);
      return [...required, ...optional]
        .filter(({ key }) => key.startsWith("CFG-MSGOUT"))
        .map(({ key, value }) => `${key.replace(`_${port.toUpperCase()}`, "")} ${value}`);
    });
    for (const each of messages) expect(each).toEqual(messages[0]);
  });
});
