/**
 * The captures of this repository: a scenario file each (`captures/<name>.toml`), with test keys and a test Merkle
 * tree. The same file gives the same bytes everywhere.
 */
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { concatBytes } from "./bit-writer.js";
import type { CaptureHeader } from "./capture-header.js";
import { Scenario, type ScenarioOptions } from "./scenario-file.js";
import { TestAuthority } from "./test-authority.js";

export { type CaptureHeader, GENERATOR_VERSION } from "./capture-header.js";

/** One capture, built. */
export interface Capture {
  readonly header: CaptureHeader;
  readonly headerJson: string;
  readonly ubx: Uint8Array;
  /** Trust files by path beside the capture. */
  readonly trustFiles: ReadonlyMap<string, string>;
}

let cachedAuthority: TestAuthority | undefined;

/** Test tree A, behind most captures. PKID 9 is P-521, as in the official vectors. */
export function captureAuthority(): TestAuthority {
  cachedAuthority ??= new TestAuthority("osnmad captures, tree A", { curves: { 9: "P-521" } });
  return cachedAuthority;
}

/** Names of all scenarios of a folder. */
export function captureNames(folder: string): string[] {
  return readdirSync(folder)
    .filter((name) => name.endsWith(".toml"))
    .map((name) => name.slice(0, -".toml".length))
    .sort();
}

/** Reads a scenario file; paths in it are relative to its folder. */
export function readScenario(path: string, options: ScenarioOptions = {}): Scenario {
  return Scenario.parse(readFileSync(path, "utf8"), {
    path,
    readFile: (name) => readFileSync(join(dirname(path), name)),
    ...options,
  });
}

/** Builds one capture in memory. */
export function buildCapture(folder: string, name: string): Capture {
  return captureOf(readScenario(join(folder, `${name}.toml`)));
}

export function captureOf(scenario: Scenario): Capture {
  const frames: Uint8Array[] = [];
  for (const { bytes } of scenario.frames()) frames.push(bytes);
  return {
    header: scenario.header(),
    headerJson: scenario.headerJson(),
    ubx: concatBytes(...frames),
    trustFiles: scenario.trustFiles,
  };
}

/** The files of a capture by path in its folder. */
export function captureFiles(capture: Capture): Map<string, Uint8Array> {
  const text = (value: string): Uint8Array => new Uint8Array(Buffer.from(value, "utf8"));
  const files = new Map<string, Uint8Array>();
  files.set(`${capture.header.name}.ubx`, capture.ubx);
  files.set(`${capture.header.name}.json`, text(capture.headerJson));
  for (const [path, content] of capture.trustFiles) files.set(path, text(content));
  return files;
}
