/**
 * A lock file for a port, so that a second daemon is told who holds it. The file says which process made it and
 * when that process began, so a lock whose holder died is taken over, also where its number went to another
 * process. In /run/lock, or the folder for temporary files where that cannot be written.
 */
import {
  accessSync,
  constants,
  linkSync,
  readFileSync,
  renameSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { OsnmadError } from "../errors.js";

interface Holder {
  readonly pid: number;
  /** Start time of the process in clock ticks since boot, null where the system does not tell (no /proc). */
  readonly since: string | null;
  readonly boot: string | null;
}

/** Times a lock is looked at again while others come and go. */
const ATTEMPTS = 5;

/** OSNMAD_LOCK_DIR, /run/lock, or the folder for temporary files: the first that can be written. */
export function lockFolder(environment: NodeJS.ProcessEnv = process.env): string {
  for (const folder of [environment["OSNMAD_LOCK_DIR"], "/run/lock"]) {
    if (folder === undefined || folder === "") continue;
    try {
      accessSync(folder, constants.W_OK | constants.X_OK);
      return folder;
    } catch {
      // The next one, then.
    }
  }
  return tmpdir();
}

/**
 * Takes the lock of `device` (a real path); returns what lets it go.
 * Throws OSN_PORT_BUSY with the number of the process that holds it.
 */
export function lockPort(device: string, folder = lockFolder()): () => void {
  const path = join(folder, `osnmad-${device.replace(/[^A-Za-z0-9.]+/g, "_")}.lock`);
  return takeLock(path, (holder, cause) => {
    const why =
      holder === null ? `the lock file ${path} cannot be made` : `process ${holder} holds the port (${path})`;
    return new OsnmadError("OSN_PORT_BUSY", `${device}: ${why}.`, { cause });
  });
}

/** Takes the lock at `path`; `refused` makes the error, with the process that holds it where there is one. */
export function takeLock(
  path: string,
  refused: (holder: number | null, cause?: unknown) => Error,
): () => void {
  const own = `${JSON.stringify(holderOf(process.pid))}\n`;
  const draft = `${path}.${process.pid}.${drafts++}`;
  try {
    writeFileSync(draft, own, { flag: "wx", mode: 0o644 });
  } catch (cause) {
    throw refused(null, cause);
  }
  try {
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      try {
        // A link appears with its content or not at all.
        linkSync(draft, path);
        return releaserOf(path, own);
      } catch (cause) {
        if ((cause as { code?: unknown }).code !== "EEXIST") throw refused(null, cause);
      }
      const text = contentOf(path);
      if (text === null) continue;
      const holder = parsed(text);
      if (holder !== null && isAlive(holder)) throw refused(holder.pid);
      removeStale(path, `${draft}.stale`, text);
    }
  } finally {
    unlinkSync(draft);
  }
  throw refused(null, new Error("others take and leave it"));
}

let drafts = 0;

/** Number of the process that holds the lock at `path`; null where none does. */
export function lockHolder(path: string): number | null {
  const text = contentOf(path);
  const holder = text === null ? null : parsed(text);
  return holder !== null && isAlive(holder) ? holder.pid : null;
}

function releaserOf(path: string, own: string): () => void {
  let held = true;
  return () => {
    if (!held) return;
    held = false;
    try {
      if (contentOf(path) === own) unlinkSync(path);
    } catch {
      // A lock left behind names a dead process, and is taken over.
    }
  };
}

/** Moves a lock whose holder is dead out of the way; puts it back if another took it over just before. */
function removeStale(path: string, aside: string, text: string): void {
  try {
    renameSync(path, aside);
  } catch {
    return;
  }
  if (contentOf(aside) !== text) {
    try {
      linkSync(aside, path);
    } catch {
      // A third one is there now; the flock on the device decides between the two.
    }
  }
  unlinkSync(aside);
}

function contentOf(path: string): string | null {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return null;
  }
}

function parsed(text: string): Holder | null {
  try {
    const { pid, since, boot } = JSON.parse(text) as Record<string, unknown>;
    if (typeof pid !== "number" || !Number.isInteger(pid) || pid < 1) return null;
    return {
      pid,
      since: typeof since === "string" ? since : null,
      boot: typeof boot === "string" ? boot : null,
    };
  } catch {
    return null;
  }
}

function isAlive(holder: Holder): boolean {
  try {
    process.kill(holder.pid, 0);
  } catch (error) {
    if ((error as { code?: unknown }).code === "ESRCH") return false;
  }
  const now = holderOf(holder.pid);
  if (holder.boot !== null && now.boot !== null && holder.boot !== now.boot) return false;
  return holder.since === null || now.since === null || holder.since === now.since;
}

function holderOf(pid: number): Holder {
  // Field 22 of /proc/<pid>/stat; the name in parentheses may hold spaces (proc(5)).
  const stat = contentOf(`/proc/${pid}/stat`);
  const since = stat?.slice(stat.lastIndexOf(")") + 2).split(" ")[19] ?? null;
  return { pid, since, boot: contentOf("/proc/sys/kernel/random/boot_id")?.trim() ?? null };
}
