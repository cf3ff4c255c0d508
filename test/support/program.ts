/** The whole program as JavaScript in a folder of its own, for tests that need `osnmad` as a process. */
import { spawn, type ChildProcess, type StdioOptions } from "node:child_process";
import { copyFileSync, readdirSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { compileInto } from "../store/compiled.js";

const repository = fileURLToPath(new URL("../../", import.meta.url));

/** Compiles src into `folder`; returns the script to run. */
export function programInto(folder: string): string {
  const parts = readdirSync(join(repository, "src")).filter((name) => name !== "gnss-ubx");
  const source = compileInto(folder, parts);
  copyFileSync(join(repository, "package.json"), join(folder, "package.json"));
  for (const name of ["firmware-config", "captures"]) symlinkSync(join(repository, name), join(folder, name));
  return join(source, "cli", "main.js");
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
    options: { readonly env?: NodeJS.ProcessEnv; readonly stdio?: StdioOptions } = {},
  ) {
    this.child = spawn(process.execPath, [script, ...args], {
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
