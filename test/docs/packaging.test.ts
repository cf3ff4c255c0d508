/** The files of packaging/ name what the program really has: paths, options, exit statuses, variables. */
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Command } from "commander";
import { describe, expect, it, onTestFinished } from "vitest";
import { dataDirectoryOf, registerRun } from "../../src/cli/commands/run.js";
import { optionRows } from "../../src/daemon/config.js";
import { loadConfig, SYSTEM_CONFIG, variableOf } from "../../src/daemon/config-sources.js";
import { ERRORS } from "../../src/errors.js";
import { lockFolder } from "../../src/source/port-lock.js";
import { UBLOX_VENDOR_ID } from "../../src/source/serial-discovery.js";

const textOf = (name: string): string => readFileSync(`packaging/${name}`, "utf8");
const unit = textOf("osnmad.service");
/** All values of a setting of the unit, in order. */
const settings = (key: string): string[] =>
  [...unit.matchAll(new RegExp(`^${key}=(.*)$`, "gm"))].map(([, value]) => value);
const setting = (key: string): string => {
  const [value, ...others] = settings(key);
  expect(others, key).toEqual([]);
  return value;
};

describe("the systemd unit", () => {
  it("starts a command with options that it has", () => {
    const [path, command, ...args] = setting("ExecStart").split(" ");
    expect(path).toBe("/usr/bin/osnmad");
    const program = new Command();
    registerRun(program);
    const run = program.commands.find((known) => known.name() === command);
    expect(run).toBeDefined();
    const known = run!.options.map(({ long }) => long);
    for (const option of args.filter((arg) => arg.startsWith("--"))) expect(known).toContain(option);
  });

  it("keeps data, configuration and locks where the program looks for them", () => {
    const state = `/var/lib/${setting("StateDirectory")}`;
    const before = process.env["STATE_DIRECTORY"];
    process.env["STATE_DIRECTORY"] = state;
    onTestFinished(() => {
      if (before === undefined) delete process.env["STATE_DIRECTORY"];
      else process.env["STATE_DIRECTORY"] = before;
    });
    const loaded = loadConfig({ file: "/dev/null", environment: {}, home: "/nonexistent", flags: {} });
    expect(dataDirectoryOf(loaded)).toBe(state);
    expect(SYSTEM_CONFIG.startsWith(`/etc/${setting("ConfigurationDirectory")}/`)).toBe(true);
    const [, locks] = /^OSNMAD_LOCK_DIR=(.*)$/.exec(setting("Environment"))!;
    expect(settings("ReadWritePaths").flatMap((paths) => paths.split(" "))).toContain(locks);
    const folder = mkdtempSync(join(tmpdir(), "osnmad-locks-"));
    expect(lockFolder({ OSNMAD_LOCK_DIR: folder })).toBe(folder);
    rmSync(folder, { recursive: true });
  });

  it("does not start again what starting again does not heal", () => {
    const statuses = setting("RestartPreventExitStatus").split(" ").map(Number);
    for (const code of ["OSN_ALERT_LATCHED", "OSN_CONFIG_INVALID", "OSN_CONFIG_UNREADABLE"] as const) {
      expect(statuses).toContain(ERRORS[code].exit);
    }
    for (const code of ["OSN_PORT_BUSY", "OSN_STATE_UNWRITABLE", "OSN_LINK_LOST"] as const) {
      expect(statuses).not.toContain(ERRORS[code].exit);
    }
    expect(setting("ExecReload")).toContain("-HUP");
  });

  it("lets it at every kind of serial device that receivers have", () => {
    expect(settings("DeviceAllow")).toEqual(
      expect.arrayContaining(["char-ttyACM rw", "char-ttyUSB rw", "char-ttyS rw", "char-ttyAMA rw"]),
    );
    expect(setting("DevicePolicy")).toBe("closed");
  });

  const analyze = spawnSync("systemd-analyze", ["--version"]);
  it.skipIf(analyze.error !== undefined)("is in order by systemd's own check, and exposes little", () => {
    const folder = mkdtempSync(join(tmpdir(), "osnmad-unit-"));
    onTestFinished(() => {
      rmSync(folder, { recursive: true });
    });
    const path = join(folder, "osnmad.service");
    // The program is not installed here; nothing else may be complained of.
    writeFileSync(path, unit.replace("/usr/bin/osnmad", "/bin/true"));
    const verified = spawnSync("systemd-analyze", ["verify", path], { encoding: "utf8" });
    expect({ said: verified.stderr + verified.stdout, status: verified.status }).toEqual({
      said: "",
      status: 0,
    });
    // Exposure of at most 2.0 of 10.
    execFileSync("systemd-analyze", ["security", "--offline=true", "--threshold=20", path], {
      stdio: "ignore",
    });
  });
});

describe("the other files", () => {
  it("name one user and one group", () => {
    const user = setting("User");
    expect(setting("Group")).toBe(user);
    expect(textOf("osnmad.sysusers")).toMatch(
      new RegExp(`^u ${user} - ".*" /var/lib/${setting("StateDirectory")}$`, "m"),
    );
    expect(textOf("61-osnmad.rules")).toContain(`GROUP="${user}"`);
  });

  it("give u-blox receivers to that group, by rules that udev understands", () => {
    const rules = textOf("61-osnmad.rules")
      .split("\n")
      .filter((line) => line !== "" && !line.startsWith("#"));
    for (const rule of rules) {
      expect(rule).toContain(`ATTRS{idVendor}=="${UBLOX_VENDOR_ID}"`);
      for (const part of rule.split(", ")) {
        expect(part).toMatch(
          /^(SUBSYSTEM|ATTRS\{idVendor\}|ENV\{[A-Z_]+\}|GROUP|MODE|SYMLINK)(==|=|\+=)"[^"]+"$/,
        );
      }
    }
  });

  it("begin with a configuration that is right and changes nothing", () => {
    const { config, said } = loadConfig({
      file: "packaging/osnmad.toml",
      environment: {},
      home: "/nonexistent",
      flags: {},
    });
    expect(said.size).toBeGreaterThan(5);
    expect(config).toEqual(
      loadConfig({ file: "/dev/null", environment: {}, home: "/nonexistent", flags: {} }).config,
    );
  });

  it("make a container of what npm packs, with variables and a port that exist", () => {
    const container = textOf("Containerfile");
    const variables = optionRows().map(({ name }) => variableOf(name));
    const named = [...container.matchAll(/OSNMAD_[A-Z]+__[A-Z_]+/g)].map(([name]) => name);
    expect(named.length).toBeGreaterThan(2);
    for (const name of named) expect(variables).toContain(name);
    const port = optionRows().find(({ name }) => name === "http.port")?.default;
    expect(container).toContain(`EXPOSE ${port}`);
    expect(container).toMatch(/^ENV STATE_DIRECTORY=(\S+)\nVOLUME \1$/m);
    expect(container).toMatch(/^USER osnmad$/m);
    // The Node of the image is one that the package takes.
    const { engines } = JSON.parse(readFileSync("package.json", "utf8")) as { engines: { node: string } };
    for (const [, major] of container.matchAll(/^FROM node:(\d+)/gm))
      expect(engines.node).toContain(`^${major}.`);
  });
});
