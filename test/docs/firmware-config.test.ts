import { readFileSync } from "node:fs";
import { CONFIG_KEYS, configItem, type ConfigKeyName } from "gnss-ubx";
import { describe, expect, it } from "vitest";
import { ROOT } from "./markdown.js";

const TOML = readFileSync(`${ROOT}firmware-config/generic.toml`, "utf8");

interface Setting {
  readonly table: string;
  readonly name: string;
  readonly value: boolean | number;
}

/** The settings of the file; every line must be of a form that this reads. */
function settings(): Setting[] {
  const found: Setting[] = [];
  let table = "";
  for (const line of TOML.split("\n")) {
    if (line === "" || line.startsWith("#")) continue;
    const heading = /^\[([a-z0-9.]+)\]$/.exec(line);
    if (heading !== null) {
      table = heading[1];
      continue;
    }
    if (table === "receiver") continue;
    const setting = /^"(CFG-[A-Z0-9_-]+)" = (true|false|\d+)\s*(#.*)?$/.exec(line);
    if (setting === null) throw new Error(`not of a known form: ${line}`);
    const [, name, value] = setting;
    found.push({ table, name, value: /^\d/.test(value) ? Number(value) : value === "true" });
  }
  return found;
}

describe("firmware-config/generic.toml", () => {
  it("names only keys that gnss-ubx knows, with values of their types", () => {
    expect(settings().length).toBeGreaterThan(40);
    for (const { name, value } of settings()) {
      expect(Object.keys(CONFIG_KEYS), name).toContain(name);
      expect(() => configItem(name as ConfigKeyName, value as never), name).not.toThrow();
    }
  });

  it("names no key twice, and asks of UART1 what it asks of USB", () => {
    const all = settings();
    expect(new Set(all.map(({ name }) => name)).size).toBe(all.length);
    const messages = (port: string) =>
      all
        .filter(({ table, name }) => table.endsWith(port.toLowerCase()) && name.startsWith("CFG-MSGOUT"))
        .map(({ table, name, value }) => `${table.split(".")[0]} ${name.replace(`_${port}`, "")} ${value}`);
    expect(messages("UART1")).toEqual(messages("USB"));
  });

  it("requires the messages that pages and graded fixes are made of", () => {
    const required = settings()
      .filter(({ table }) => table === "required.usb")
      .map(({ name }) => name);
    for (const message of ["RXM_SFRBX", "NAV_PVT", "NAV_TIMEGAL", "NAV_SAT", "NAV_EOE"]) {
      expect(required).toContain(`CFG-MSGOUT-UBX_${message}_USB`);
    }
  });
});
