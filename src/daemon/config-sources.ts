/**
 * From files, environment and options to one checked configuration. Later sources win: defaults, the TOML file,
 * OSNMAD_SECTION__KEY of the environment, options of the command line. What is unknown or of the wrong kind is
 * refused with its name and where it was said; nothing is guessed. Edge: reads the file.
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parse, TomlError } from "smol-toml";
import Value from "typebox/value";
import { OsnmadError, reasonOf } from "../errors.js";
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

/** What a pattern of the schema stands for. */
const FORMS: Readonly<Record<string, string>> = {
  "receiver.unique_id": "10 to 12 hexadecimal digits",
  "station.witnesses": '"<url> <key>"',
  "emit.prover_push": '"<url>" or "<url> <token>", the URL with unix:/, http:// or https://',
  "emit.prover_pull": "a name of letters, digits, dots, dashes and underscores, at most 64",
  "emit.federation_push": '"<url>" or "<url> <token>", the URL with unix:/, http:// or https://',
  "emit.nats": "nats://host:port or tls://host:port",
};

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
  const faults: string[] = [];
  for (const [name, value, variable] of fromEnvironment(environment, faults)) {
    set(tree, name, value);
    said.set(name, variable);
  }
  for (const [name, value] of Object.entries(flags)) {
    if (value === undefined) continue;
    set(tree, name, value);
    said.set(name, "the command line");
  }
  return { config: checked(tree, said, path, faults), file: path, said };
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
    throw new OsnmadError("OSN_CONFIG_UNREADABLE", `${path}: ${reasonOf(cause)}.`, { cause });
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
  faults: string[],
): Generator<[name: string, value: unknown, variable: string]> {
  const rows = new Map(optionRows().map((row) => [variableOf(row.name), row]));
  for (const [variable, text] of Object.entries(environment)) {
    if (text === undefined || !variable.startsWith(PREFIX) || OTHER_VARIABLES.has(variable)) continue;
    const row = rows.get(variable);
    if (row !== undefined) yield [row.name, valueOf(text, row), variable];
    // A variable without a section's two underscores belongs to something else.
    else if (variable.includes("__")) {
      faults.push(`${variable}: there is no such option${suggestion(variable, [...rows.keys()])}`);
    }
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
  file: string | null,
  faults: string[],
): Config {
  const rows = new Map(optionRows().map((row) => [row.name, row]));
  const names = [
    ...new Set([...rows.keys()].flatMap((name) => [name, name.slice(0, name.lastIndexOf("."))])),
  ];
  const told = new Set<string>();
  const whole: unknown = Value.Default(ConfigSchema, structuredClone(tree));
  for (const { keyword, instancePath, message, params } of Value.Errors(ConfigSchema, whole)) {
    const path = instancePath.slice(1).replaceAll("/", ".");
    const isItem = /\.\d+$/.test(path) && rows.has(path.replace(/\.\d+$/, ""));
    const name = isItem ? path.slice(0, path.lastIndexOf(".")) : path;
    // Told by the next error, with the name of the property.
    if (keyword === "additionalProperties") continue;
    // The first of a name says it; the others are of the same value.
    if (told.has(path)) continue;
    told.add(path);
    const where = said.get(name) ?? file ?? "the configuration";
    if (keyword === "boolean") {
      faults.push(`${where}: there is no option "${name}"${suggestion(name, names)}`);
      continue;
    }
    const row = rows.get(name);
    const allowed = (params as { allowedValues?: readonly string[] }).allowedValues;
    const words = keyword === "pattern" ? FORMS[name] : allowed === undefined ? row?.type : undefined;
    const expected = words === undefined ? (row?.type ?? message) : `expected ${words}`;
    faults.push(
      `${where}: ${name}: ${expected}${row === undefined ? "" : `, not ${shown(at(whole, path), name)}`}.`,
    );
  }
  if (faults.length === 1) throw new OsnmadError("OSN_CONFIG_INVALID", faults[0]);
  if (faults.length > 1) {
    const lines = faults.map((fault) => `\n  ${fault}`).join("");
    throw new OsnmadError("OSN_CONFIG_INVALID", `The configuration has ${faults.length} faults:${lines}`);
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

/** A value as it was said, without a token behind an address. */
function shown(value: unknown, name: string): string {
  const isAddress = typeof value === "string" && name.startsWith("emit.");
  return JSON.stringify(isAddress ? value.replace(/ .*$/, " ...") : value);
}

/** The end of a sentence about an unknown name: the known one that is nearest, where one is near. */
function suggestion(name: string, known: readonly string[]): string {
  const nearest = known
    .map((candidate) => ({ candidate, distance: editDistance(name, candidate) }))
    .sort((a, b) => a.distance - b.distance)[0];
  return nearest.distance <= Math.max(2, name.length / 5) ? `; did you mean "${nearest.candidate}"?` : ".";
}

/** Letters put in, left out or replaced. */
function editDistance(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, at) => at);
  for (let i = 1; i <= from.length; i++) {
    const next = [i];
    for (let j = 1; j <= to.length; j++) {
      const replaced = row[j - 1] + (from[i - 1] === to[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, row[j] + 1, next[j - 1] + 1));
    }
    row = next;
  }
  return row[to.length];
}
