/**
 * From files, environment and options to one checked configuration. Later sources win: defaults, the TOML file,
 * OSNMAD_SECTION__KEY of the environment, options of the command line. What is unknown or of the wrong kind is
 * refused with its name and where it was said; nothing is guessed. Edge: reads the file.
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parse, TomlError } from "smol-toml";
import Value from "typebox/value";
import { OsnmadError } from "../errors.js";
import { ConfigSchema, optionRows, type Config, type OptionRow } from "./config.js";

export const SYSTEM_CONFIG = "/etc/osnmad/osnmad.toml";
const PREFIX = "OSNMAD_";
/** Variables with the prefix that are no options of the configuration. */
const OTHER_VARIABLES: ReadonlySet<string> = new Set([
  "OSNMAD_CONFIG",
  "OSNMAD_LOCK_DIR",
  "OSNMAD_SHARED",
  "OSNMAD_TEST_PORT",
]);

export interface ConfigInputs {
  /** Path as the user gave it; null for the usual places. */
  readonly file: string | null;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly home: string;
  /** By option name (`receiver.port`), as the command line said. */
  readonly flags: Readonly<Record<string, unknown>>;
}

export interface LoadedConfig {
  readonly config: Config;
  /** The file that was read, null where there is none. */
  readonly file: string | null;
  /** Where each option that is not at its default was said. */
  readonly said: ReadonlyMap<string, string>;
}

/** @throws OsnmadError OSN_CONFIG_INVALID, OSN_CONFIG_UNREADABLE */
export function loadConfig({ file, environment, home, flags }: ConfigInputs): LoadedConfig {
  const path = file ?? environment["OSNMAD_CONFIG"] ?? usualFile(environment, home);
  const said = new Map<string, string>();
  const tree = path === null ? {} : readToml(path);
  for (const name of namesIn(tree)) said.set(name, path ?? "");
  for (const [name, value, variable] of fromEnvironment(environment)) {
    set(tree, name, value);
    said.set(name, variable);
  }
  for (const [name, value] of Object.entries(flags)) {
    if (value === undefined) continue;
    set(tree, name, value);
    said.set(name, "the command line");
  }
  return { config: checked(tree, said, path), file: path, said };
}

/** Where a file is looked for without being named: /etc/osnmad, then the user's own configuration folder. */
function usualFile(environment: ConfigInputs["environment"], home: string): string | null {
  const base = environment["XDG_CONFIG_HOME"] || join(home, ".config");
  for (const path of [SYSTEM_CONFIG, join(base, "osnmad", "osnmad.toml")]) if (existsSync(path)) return path;
  return null;
}

function readToml(path: string): Record<string, unknown> {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new OsnmadError("OSN_CONFIG_UNREADABLE", `${path}: ${why}.`, { cause });
  }
  try {
    return parse(text) as Record<string, unknown>;
  } catch (cause) {
    const message = cause instanceof Error ? cause.message.split("\n")[0] : String(cause);
    const where = cause instanceof TomlError ? `, line ${cause.line}` : "";
    throw new OsnmadError("OSN_CONFIG_INVALID", `${path}${where}: ${message}.`, { cause });
  }
}

/** OSNMAD_RECEIVER__PORT is receiver.port; two underscores stand for the dot. */
function* fromEnvironment(
  environment: ConfigInputs["environment"],
): Generator<[name: string, value: unknown, variable: string]> {
  const rows = new Map(optionRows().map((row) => [variableOf(row.name), row]));
  for (const [variable, text] of Object.entries(environment)) {
    if (text === undefined || !variable.startsWith(PREFIX) || OTHER_VARIABLES.has(variable)) continue;
    const row = rows.get(variable);
    if (row !== undefined) yield [row.name, valueOf(text, row), variable];
    // A variable without a section's two underscores belongs to something else.
    else if (variable.includes("__")) throw invalid(variable, "there is no such option");
  }
}

/** Name of the environment variable of an option. */
export function variableOf(name: string): string {
  return PREFIX + name.replaceAll(".", "__").toUpperCase();
}

function valueOf(text: string, { schema }: OptionRow): unknown {
  const { type, anyOf } = schema as { type?: string; anyOf?: unknown };
  if (type === "array") return listOf(text);
  if (type === "boolean") return text === "true" ? true : text === "false" ? false : text;
  if ((type === "integer" || type === "number" || anyOf !== undefined) && /^-?\d+(\.\d+)?$/.test(text)) {
    return Number(text);
  }
  return text;
}

/** As paths are listed, or, for addresses with colons of their own, a JSON list. */
function listOf(text: string): unknown {
  if (!text.startsWith("[")) return text === "" ? [] : text.split(":");
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}

function set(tree: Record<string, unknown>, name: string, value: unknown): void {
  const keys = name.split(".");
  let at = tree;
  for (const key of keys.slice(0, -1)) {
    const next = at[key];
    if (typeof next !== "object" || next === null) at[key] = {};
    at = at[key] as Record<string, unknown>;
  }
  at[keys[keys.length - 1]] = value;
}

function namesIn(tree: Record<string, unknown>, prefix = ""): string[] {
  return Object.entries(tree).flatMap(([key, value]) =>
    typeof value === "object" && value !== null && !Array.isArray(value)
      ? namesIn(value as Record<string, unknown>, `${prefix}${key}.`)
      : [`${prefix}${key}`],
  );
}

function checked(
  tree: Record<string, unknown>,
  said: ReadonlyMap<string, string>,
  path: string | null,
): Config {
  const whole: unknown = Value.Default(ConfigSchema, structuredClone(tree));
  for (const { keyword, instancePath, message, params } of Value.Errors(ConfigSchema, whole)) {
    // An element of a list was said where the list was.
    const name = instancePath
      .slice(1)
      .replaceAll("/", ".")
      .replace(/\.\d+$/, "");
    // Told by the next error, with the name of the property.
    if (keyword === "additionalProperties") continue;
    const where = said.get(name) ?? path ?? "the configuration";
    if (keyword === "boolean") throw invalid(where, `there is no option "${name}"`);
    const allowed = (params as { allowedValues?: readonly string[] }).allowedValues;
    const row = optionRows().find((option) => option.name === name);
    const expected = row === undefined ? message : allowed === undefined ? `expected ${row.type}` : row.type;
    throw invalid(
      where,
      `${name}: ${expected}${row === undefined ? "" : `, not ${JSON.stringify(at(whole, name))}`}`,
    );
  }
  return whole as Config;
}

function at(tree: unknown, name: string): unknown {
  return name
    .split(".")
    .reduce<unknown>(
      (node, key) =>
        typeof node === "object" && node !== null ? (node as Record<string, unknown>)[key] : undefined,
      tree,
    );
}

function invalid(where: string, what: string): OsnmadError {
  return new OsnmadError("OSN_CONFIG_INVALID", `${where}: ${what}.`);
}
