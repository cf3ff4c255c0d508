/** The whole program in a folder of its own, for tests that need `osnmad` as a process. */
import { spawn, type ChildProcess, type StdioOptions } from "node:child_process";
import { copyFileSync, readFileSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { rolldown } from "rolldown";

const repository = fileURLToPath(new URL("../../", import.meta.url));

const entries = JSON.parse(readFileSync(join(repository, "scripts/entries.json"), "utf8")) as Record<
  string,
  string
>;

/** Bundles src below `folder`, as scripts/bundle.mjs does with what was compiled; returns the script to run. */
export async function programInto(folder: string): Promise<string> {
  const bundle = await rolldown({
    input: Object.fromEntries(
      Object.entries(entries).map(([name, module]) => [name, join(repository, `src/${module}.ts`)]),
    ),
    platform: "node",
    external: (id) => !/^[./\0]/.test(id) && id !== "gnss-ubx",
    resolve: {
      alias: { "gnss-ubx": join(repository, "src/gnss-ubx/src/index.ts") },
      extensionAlias: { ".js": [".ts", ".js"] },
    },
  });
  await bundle.write({ dir: join(folder, "dist/bin"), format: "esm" });
  await bundle.close();
  copyFileSync(join(repository, "package.json"), join(folder, "package.json"));
  for (const name of ["firmware-config", "captures", "node_modules"]) {
    symlinkSync(join(repository, name), join(folder, name));
  }
  return join(folder, "dist/bin/osnmad.js");
}

export interface Ended {
  readonly code: number | null;
  readonly signal: string | null;
}

/** A run of the program, with all it said so far. */
export class Running {
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
  out = "";
  err = "";

  constructor(
    script: string,
    args: readonly string[],
    options: {
      readonly env?: NodeJS.ProcessEnv;
      readonly stdio?: StdioOptions;
      /** A command that is given the program and its arguments, to start it. */
      readonly through?: readonly string[];
    } = {},
  ) {
    const [file, ...rest] = [...(options.through ?? []), process.execPath, script, ...args];
    this.child = spawn(file, rest, {
      stdio: options.stdio ?? ["ignore", "pipe", "pipe"],
      env: { ...process.env, NO_COLOR: "1", ...options.env },
    });
    this.child.stdout?.on("data", (chunk: Buffer) => (this.out += chunk.toString()));
    this.child.stderr?.on("data", (chunk: Buffer) => (this.err += chunk.toString()));
    this.ended = new Promise((resolve) => {
      this.child.once("close", (code, signal) => {
        resolve({ code, signal });
      });
    });
  }

  /** The JSON lines of its log. */
  log(): Record<string, unknown>[] {
    return this.err
      .split("\n")
      .slice(0, -1)
      .filter((line) => line.startsWith("{"))
      .map((line) => JSON.parse(line) as Record<string, unknown>);
  }
}
