/** `osnmad station prove`: the proof package of a fix, from the data folder or a running daemon. */
import { Option, type Command } from "commander";
import { writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { resolve } from "node:path";
import { OsnmadError } from "../../errors.js";
import type { Mode } from "../../pipeline/records.js";
import type { Store } from "../../store/store.js";
import { defaultDataDirectory } from "../data-directory.js";
import { stationFolder } from "../live-station.js";

interface ProveFlags {
  readonly at?: string;
  readonly dataDir: string;
  readonly mode: Mode;
  readonly url?: string;
  readonly token?: string;
  readonly out?: string;
}

const TIMEOUT_MS = 60_000;

export interface ProveIo {
  readonly out: (text: string) => void;
  readonly err: (text: string) => void;
}

const PROCESS_IO: ProveIo = {
  out: (text) => void process.stdout.write(text),
  err: (text) => void process.stderr.write(text),
};

export function registerProve(station: Command, io: ProveIo = PROCESS_IO): void {
  station
    .command("prove")
    .summary(
      "one file from which others decide, offline, whether a fix is genuine and when it was committed to",
    )
    .description(
      "Makes the proof package of a fix: its evidence, the openings of the leaves that commit to it and to the tags over " +
        "its satellites' data, their inclusion proofs, and checkpoints with what witnesses signed. It holds coordinates.",
    )
    .argument("[fix]", "id of the fix (`id` in /v1/fixes)")
    .option("--at <time>", "in place of an id: the newest fix before this time (RFC 3339, or GST in seconds)")
    .option(
      "--data-dir <folder>",
      "where data is kept; no daemon may run on it",
      defaultDataDirectory(process.env, homedir()),
    )
    .addOption(
      new Option("--mode <mode>", "mode of the log").choices(["live", "simulated", "replay"]).default("live"),
    )
    .option("--url <url>", "ask a running daemon at this address instead")
    .option("--token <secret>", "bearer token with scope read:fixes, for --url")
    .option("-o, --out <file>", "write here instead of to standard output; not over a file that is there")
    .addHelpText(
      "after",
      `
A fix can be proven when its leaf is signed, some 35 s after its subframe began. What is made some 6 minutes later rests on
slow tags (ADKD 12), which is worth more (docs/timing-classes.md).
Examples:
  osnmad station prove 1234 --url http://127.0.0.1:4747 -o fix-1234.osnmad-proof.json
  osnmad station prove --at 2026-11-26T14:00:00Z > fix.osnmad-proof.json
Judge it with: osnmad verify <file> --witness <key>. Format: docs/proof.md.`,
    )
    .action(async (fix: string | undefined, flags: ProveFlags) => {
      if ((fix === undefined) === (flags.at === undefined)) {
        throw new OsnmadError("OSN_USAGE", "Which fix? Give either its id or --at.");
      }
      if (fix !== undefined && !/^[1-9]\d{0,14}$/.test(fix)) {
        throw new OsnmadError("OSN_USAGE", `The id of a fix is a whole number, not "${fix}".`);
      }
      const text =
        flags.url === undefined ? await fromFolder(fix, flags) : await fromDaemon(fix, flags.url, flags);
      if (flags.out === undefined) io.out(text);
      else {
        try {
          writeFileSync(flags.out, text, { flag: "wx", mode: 0o600 });
        } catch (cause) {
          throw new OsnmadError("OSN_USAGE", `${flags.out} cannot be written: ${(cause as Error).message}`, {
            cause,
          });
        }
        io.err(`${flags.out}: ${Buffer.byteLength(text)} bytes. It holds coordinates.\n`);
      }
    });
}

async function fromFolder(fix: string | undefined, { at, dataDir, mode }: ProveFlags): Promise<string> {
  const [{ openStore }, { StationLog }, { logSource }, { storedProof }] = await Promise.all([
    import("../../store/store.js"),
    import("../../station/station-log.js"),
    import("../../proof/source.js"),
    import("../../proof/stored.js"),
  ]);
  const folder = resolve(dataDir);
  const log = openLog(() => StationLog.open({ directory: stationFolder(folder, mode), mode }));
  try {
    const store = openStore(folder);
    try {
      const id = fix === undefined ? await fixBefore(store, at!) : Number(fix);
      return storedProof(store, id, logSource(log));
    } finally {
      store.close();
    }
  } finally {
    log.close();
  }
}

function openLog<T>(open: () => T): T {
  try {
    return open();
  } catch (error) {
    if (!(error instanceof OsnmadError) || error.code !== "OSN_STATION_LOG_IN_USE") throw error;
    throw new OsnmadError(error.code, "A daemon has the log open. Ask it: --url http://127.0.0.1:4747", {
      cause: error,
    });
  }
}

async function fixBefore(store: Store, at: string): Promise<number> {
  const [{ parseInstant }, { AUTHENTICATED_LEVELS }] = await Promise.all([
    import("../../store/instant.js"),
    import("../../store/fix-store.js"),
  ]);
  const to = parseInstant(at);
  if (to === null)
    throw new OsnmadError("OSN_USAGE", `--at: "${at}" is neither a date-time (RFC 3339) nor GST in seconds.`);
  const filter = { assurance: AUTHENTICATED_LEVELS, from: undefined, to };
  for (const { id: run } of store.runs.page({ limit: 1000 }).items) {
    const [found] = store.fixes.page(run, filter, { limit: 1 }).items;
    if (found !== undefined) return found.id;
  }
  throw new OsnmadError("OSN_NOT_FOUND", `There is no graded fix before ${at}.`);
}

async function fromDaemon(fix: string | undefined, url: string, { at, token }: ProveFlags): Promise<string> {
  const base = url.replace(/\/+$/, "");
  if (!URL.canParse(base)) throw new OsnmadError("OSN_USAGE", `--url: "${url}" is no address.`);
  const { mayHaveToken } = await import("../../emit/http-source.js");
  // What comes back holds coordinates, whether a token is asked for or not.
  if (!mayHaveToken(base)) {
    throw new OsnmadError(
      "OSN_USAGE",
      `--url: ${base} would send coordinates as plain text: https, or loopback.`,
    );
  }
  const headers = {
    accept: "application/json, */*",
    ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
  };
  const get = async (path: string): Promise<string> => {
    let response: Response;
    try {
      response = await fetch(base + path, {
        headers,
        redirect: "error",
        signal: AbortSignal.timeout(TIMEOUT_MS),
      });
    } catch (cause) {
      throw new OsnmadError("OSN_USAGE", `--url: ${base} does not answer: ${(cause as Error).message}`, {
        cause,
      });
    }
    const body = await response.text();
    if (!response.ok) throw refusalOf(body, response.status);
    return body;
  };
  let id = fix;
  if (id === undefined) {
    const { items } = JSON.parse(await get(`/v1/fixes?limit=1&to=${encodeURIComponent(at!)}`)) as {
      items?: { id?: unknown }[];
    };
    const found = items?.[0]?.id;
    if (typeof found !== "number")
      throw new OsnmadError("OSN_NOT_FOUND", `There is no graded fix before ${at!}.`);
    id = String(found);
  }
  return get(`/v1/fixes/${id}/proof`);
}

/** What the daemon says, by its own code where it has one. */
function refusalOf(body: string, status: number): OsnmadError {
  try {
    const { code, detail } = JSON.parse(body) as { code?: unknown; detail?: unknown };
    if ((code === "OSN_NOT_FOUND" || code === "OSN_PROOF_IMPOSSIBLE") && typeof detail === "string")
      return new OsnmadError(code, detail);
    if (typeof detail === "string")
      return new OsnmadError("OSN_USAGE", `The daemon answers ${status}: ${detail}`);
  } catch {
    // No problem details: the status has to do.
  }
  return new OsnmadError("OSN_USAGE", `The daemon answers ${status}.`);
}
