/** What `osnmad doctor` looks at on the machine itself: Node, folders, space, the database library, the HTTP port. Edge. */
import { accessSync, constants, existsSync, statfsSync, statSync } from "node:fs";
import { createServer } from "node:net";
import { dirname, resolve } from "node:path";
import { ERRORS, OsnmadError } from "../../errors.js";
import { lockHolder } from "../../source/port-lock.js";
import { assertMayListen, type ListenOptions } from "../serving.js";
import type { TokenWatch } from "../../store/token-file.js";
import { ok, problem, warning, type Check } from "./check.js";

/** As package.json's `engines`. */
const NODE_LINES: Readonly<Record<number, number>> = { 20: 19, 22: 12, 24: 0 };
/** A week of events and fixes, and recordings on top. */
const SPACE_WARNING_BYTES = 2e9;
const SPACE_PROBLEM_BYTES = 100e6;

export function checkNode(version = process.versions.node): Check {
  const [major, minor] = version.split(".").map(Number);
  const lowest = NODE_LINES[major] as number | undefined;
  if (lowest !== undefined && minor >= lowest) return ok("node", `Node ${version}`);
  return problem(
    "node",
    `Node ${version} is not supported.`,
    "Install Node 20.19 or later of that line, 22.12 or later, or 24.",
  );
}

/** Whether this user can write below `folder`, has the room for `wantedBytes`, and keeps it from others. */
export function checkFolder(name: string, folder: string, option: string, wantedBytes = 0): Check {
  const path = resolve(folder);
  let existing = path;
  while (!existsSync(existing) && dirname(existing) !== existing) existing = dirname(existing);
  const stats = statSync(existing);
  if (!stats.isDirectory()) return problem(name, `${existing} is no folder.`, `Name another with ${option}.`);
  try {
    accessSync(existing, constants.W_OK | constants.X_OK);
  } catch {
    return problem(
      name,
      `${path} cannot be written by this user.`,
      `Give this user the folder (sudo install -d -o "$USER" -m 700 ${path}), or name another with ${option}.`,
    );
  }
  const { bavail, bsize } = statfsSync(existing);
  const free = bavail * bsize;
  const found = `${path}${existing === path ? "" : " (will be made)"}, ${gigabytes(free)} free`;
  if (free < SPACE_PROBLEM_BYTES) {
    return problem(name, found, "Free some space: fixes are kept on disk before they are served.");
  }
  if (free < Math.max(SPACE_WARNING_BYTES, wantedBytes)) {
    return warning(
      name,
      `${found}; it may grow to ${gigabytes(Math.max(SPACE_WARNING_BYTES, wantedBytes))}`,
      "Free some space, or bound what is kept (store.keep_megabytes, recording.max_total_megabytes).",
    );
  }
  if (existing === path && (stats.mode & 0o077) !== 0) {
    return warning(
      name,
      `${found}; others can look into it, and it holds coordinates and keys`,
      `chmod 700 ${path}`,
    );
  }
  return ok(name, found);
}

function gigabytes(bytes: number): string {
  return `${(bytes / 1e9).toFixed(1)} GB`;
}

/** Number of the osnmad that runs with this data folder, or null. */
export function runningIn(dataDirectory: string): number | null {
  return lockHolder(resolve(dataDirectory, "osnmad.lock"));
}

/** The database library has native code and is optional: npm goes on without it where it cannot be built. */
export async function checkStoreLibrary(
  load: () => Promise<unknown> = () => import("better-sqlite3"),
): Promise<Check> {
  try {
    await load();
    return ok("store-library", "better-sqlite3 can be loaded");
  } catch {
    const { cause, remedy } = ERRORS.OSN_STORE_UNAVAILABLE;
    return problem("store-library", cause, remedy);
  }
}

/** Whether the configured address may be listened on: beyond loopback only where allowed, and with a token. */
export async function checkHttpAccess(options: ListenOptions, tokens: TokenWatch): Promise<Check> {
  try {
    await assertMayListen(options, tokens);
    return ok("http-access", `${options.host}${options.allowRemote ? ", with a token" : ""}`);
  } catch (error) {
    if (!(error instanceof OsnmadError)) throw error;
    return problem("http-access", error.message, error.remedy);
  }
}

/** Whether the HTTP port is free. */
export async function checkHttpPort(port: number, host = "127.0.0.1"): Promise<Check> {
  const error = await new Promise<NodeJS.ErrnoException | null>((done) => {
    const server = createServer();
    server.once("error", done);
    server.listen({ port, host, exclusive: true }, () => {
      server.close(() => {
        done(null);
      });
    });
  });
  if (error === null) return ok("http-port", `${host}:${port} is free`);
  return warning(
    "http-port",
    error.code === "EADDRINUSE"
      ? `${host}:${port} is in use; perhaps osnmad runs already.`
      : `${host}:${port} cannot be listened on (${error.code ?? error.message}).`,
    "Stop the program that holds it, or choose another (http.port, --listen).",
  );
}
