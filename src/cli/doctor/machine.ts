/** What `osnmad doctor` looks at on the machine itself: Node, folders, space, the HTTP port. Edge. */
import { accessSync, constants, existsSync, statfsSync, statSync } from "node:fs";
import { createServer } from "node:net";
import { dirname, resolve } from "node:path";
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

export function checkFolder(name: string, folder: string): Check {
  const path = resolve(folder);
  let existing = path;
  while (!existsSync(existing) && dirname(existing) !== existing) existing = dirname(existing);
  try {
    if (!statSync(existing).isDirectory()) {
      return problem(name, `${existing} is no folder.`, "Name another folder with --data-dir.");
    }
    accessSync(existing, constants.W_OK | constants.X_OK);
  } catch {
    return problem(
      name,
      `${path} cannot be written by this user.`,
      `Give this user the folder (sudo install -d -o "$USER" -m 700 ${path}), or name another with --data-dir.`,
    );
  }
  const { bavail, bsize } = statfsSync(existing);
  const free = bavail * bsize;
  const found = `${path}${existing === path ? "" : " (will be made)"}, ${(free / 1e9).toFixed(1)} GB free`;
  if (free < SPACE_PROBLEM_BYTES) {
    return problem(name, found, "Free some space: fixes are kept on disk before they are served.");
  }
  if (free < SPACE_WARNING_BYTES) {
    return warning(name, found, "Bound what is kept (--keep-days, --keep-megabytes), or free some space.");
  }
  return ok(name, found);
}

/** Whether the HTTP port is free on loopback. */
export async function checkHttpPort(port: number): Promise<Check> {
  const error = await new Promise<NodeJS.ErrnoException | null>((done) => {
    const server = createServer();
    server.once("error", done);
    server.listen({ port, host: "127.0.0.1", exclusive: true }, () => {
      server.close(() => {
        done(null);
      });
    });
  });
  if (error === null) return ok("http-port", `127.0.0.1:${port} is free`);
  return warning(
    "http-port",
    error.code === "EADDRINUSE"
      ? `127.0.0.1:${port} is in use; perhaps osnmad runs already.`
      : `127.0.0.1:${port} cannot be listened on (${error.code ?? error.message}).`,
    "Stop the program that holds it, or give another --port.",
  );
}
