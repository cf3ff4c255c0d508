/** `osnmad serve --replay` as it is run: the replay on its thread, the store and the server on the process's own. */
import Database from "better-sqlite3";
import { execFileSync, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import {
  existsSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { dirname, join, resolve } from "node:path";
import { tmpdir } from "node:os";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { replayInto, type ReplaySink } from "../../src/cli/replay-into.js";
import { startMaterial } from "../../src/cli/trust-options.js";
import { DATABASE_FILE } from "../../src/store/database.js";
import { openStore } from "../../src/store/store.js";
import { until } from "../source/compliance.js";
import { temporaryFolder } from "../store/folder.js";
import { programInto, Running, type Ended } from "../support/program.js";

const CAPTURE = "captures/nominal.ubx";
const TRUST = [
  ...["--merkle", "captures/trust/TEST_OSNMA_MerkleTree_A.xml"],
  ...["--public-key", "captures/trust/TEST_OSNMA_PublicKey_2.xml"],
];
const WARNING = /^osnmad: captures\/trust\/TEST_OSNMA_MerkleTree_A\.xml: .* trusted because it was given$/m;
const digest = (value: unknown): string => createHash("sha256").update(JSON.stringify(value)).digest("hex");

const program = mkdtempSync(join(tmpdir(), "osnmad-program-"));
let script = "";
let worker = "";
beforeAll(async () => {
  script = await programInto(program);
  worker = join(dirname(script), "replay-worker.js");
});
afterAll(() => {
  rmSync(program, { recursive: true });
});

function serve(
  args: readonly string[],
  stdin: number | "ignore" = "ignore",
  through: readonly string[] = [],
): Running {
  const running = new Running(script, ["serve", "--port", "0", "--log-level", "silent", ...args], {
    stdio: [stdin, "pipe", "pipe"],
    through,
  });
  onTestFinished(async () => {
    running.child.kill("SIGKILL");
    await running.ended;
  });
  return running;
}

async function served(folder: string, args: readonly string[], stdin?: number): Promise<Running & Ended> {
  const running = serve(["--exit-after-replay", "--data-dir", folder, ...args], stdin);
  return Object.assign(running, await running.ended);
}

/** All tables as text, without what says when and where from their rows were stored. */
function tablesOf(folder: string): Map<string, string[]> {
  const database = new Database(join(folder, DATABASE_FILE), { readonly: true });
  const other = new Set(["stored_ms", "started_at_ms", "finished_at_ms", "source"]);
  const plain = (name: string, value: unknown): unknown =>
    other.has(name) ? undefined : Buffer.isBuffer(value) ? value.toString("hex") : value;
  const rows = (table: string): string[] =>
    (database.prepare(`SELECT * FROM ${table}`).all() as object[]).map((row) =>
      JSON.stringify(Object.entries(row).map(([name, value]) => plain(name, value))),
    );
  try {
    const names = database
      .prepare("SELECT name FROM sqlite_master WHERE type = 'table' AND name <> 'identity' ORDER BY name")
      .pluck()
      .all() as string[];
    return new Map(names.map((name) => [name, rows(name)]));
  } finally {
    database.close();
  }
}

/** What was stored as it is given out: fixes with their evidence, events, authenticated data, the summary. */
function givenOut(folder: string): {
  readonly fixes: string[];
  readonly bundles: string[];
  readonly rest: string[];
} {
  const store = openStore(folder);
  try {
    const assurance = ["nav-authenticated", "corroborated", "unverified"] as const;
    const { items } = store.fixes.page(1, { assurance }, { limit: 1000 });
    const bundles = items.map(({ id }) => store.evidence.ofFix(id)).filter((bundle) => bundle !== null);
    const rest = [
      store.events.page(1, {}, { limit: 1000 }).items,
      store.authenticated.page(1, null, { limit: 1000 }).items,
      [store.runs.get(1)?.summary],
    ];
    const plain = (rows: readonly object[]): string[] =>
      rows.map((row) =>
        JSON.stringify(row, (name, value: unknown) => (name === "storedAtMs" ? undefined : value)),
      );
    return { fixes: plain(items), bundles: plain(bundles), rest: rest.map((rows) => JSON.stringify(rows)) };
  } finally {
    store.close();
  }
}

function runsIn(folder: string): unknown[] {
  const database = new Database(join(folder, DATABASE_FILE), { readonly: true });
  try {
    return database
      .prepare("SELECT finished_at_ms IS NOT NULL AS ended, summary IS NOT NULL AS whole FROM runs")
      .all();
  } finally {
    database.close();
  }
}

async function urlOf(running: Running): Promise<string> {
  await until("the start", () => running.out.includes("listens on") || running.child.exitCode !== null, 60);
  const [, url] = /listens on (http:\S+)/.exec(running.out) ?? [];
  if (url === undefined) throw new Error(`it ended: ${running.err}`);
  return url;
}

interface Status {
  readonly counts: { readonly fixes: Record<string, number> };
  readonly queue: { readonly waiting: number; readonly refused: number };
  readonly replay: { readonly progress: number; readonly finished: boolean };
}

async function statusWith(url: string, hoped: (status: Status) => boolean): Promise<Status> {
  for (;;) {
    const status = (await (
      await fetch(`${url}/v1/status`, { headers: { connection: "close" } })
    ).json()) as Status;
    if (hoped(status)) return status;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

const fixesOf = ({ counts }: Status): number =>
  Object.values(counts.fixes).reduce((sum, count) => sum + count, 0);

describe("a served replay", () => {
  it("stores on its thread what it stores without one, and keeps the same state", async () => {
    const [threaded, single, threadedState, singleState] = [1, 2, 3, 4].map(() => temporaryFolder());
    const file = await served(threaded, ["--replay", CAPTURE, "--state", threadedState, ...TRUST]);
    expect(file.code).toBe(0);
    expect(file.err.trimEnd()).toMatch(new RegExp(`${WARNING.source}$`));
    // Standard input is read by the process's own thread.
    const pipe = await served(
      single,
      ["--replay", "-", "--state", singleState, ...TRUST],
      openSync(CAPTURE, "r"),
    );
    expect(pipe).toMatchObject({ code: 0, err: file.err });

    const [one, other] = [threaded, single].map(tablesOf);
    for (const table of ["fixes", "events", "authenticated", "evidence", "provenance", "satellites", "osnma"])
      expect(one.get(table)?.length, table).toBeGreaterThan(0);
    expect([...one.keys()]).toEqual([...other.keys()]);
    for (const [table, rows] of one) expect(digest(rows), table).toBe(digest(other.get(table)));
    const given = givenOut(threaded);
    expect(given.bundles.length).toBeGreaterThan(100);
    expect(digest(given)).toBe(digest(givenOut(single)));
    const [state] = readdirSync(threadedState);
    const bodyOf = (folder: string): unknown =>
      (JSON.parse(readFileSync(join(folder, state), "utf8")) as { body: unknown }).body;
    expect(bodyOf(threadedState)).toEqual(bodyOf(singleState));
  });

  it.each([
    ["bytes without a page", "OSN_CAPTURE_NO_GALILEO", 4, ["--replay", "package.json"]],
    ["no file", "OSN_CAPTURE_NOT_FOUND", 3, ["--replay", "/nonexistent.ubx"]],
    ["no trust file", "OSN_TRUST_FILE_UNREADABLE", 5, ["--replay", CAPTURE, "--merkle", "/nonexistent.xml"]],
    ["a bad watch file", "OSN_USAGE", 2, ["--replay", CAPTURE, "--watch-config", "package.json"]],
  ])("ends with the code and the remedy for %s, and leaves no run", async (_, code, exit, args) => {
    const folder = temporaryFolder();
    const run = await served(folder, args);
    expect(run.code).toBe(exit);
    expect(run.err).toMatch(new RegExp(`^osnmad: .*\n(.*\n)?  ${code}\\. \\S.*\n$`));
    expect(runsIn(folder)).toEqual([]);
  });

  it("says once what is wrong with a capture and what is to be known of the material", async () => {
    const folder = temporaryFolder();
    const path = join(folder, "bad.ubx.gz");
    const packed = gzipSync(readFileSync(CAPTURE));
    packed.fill(0x55, 50_000, 53_000);
    writeFileSync(path, packed);
    const run = await served(join(folder, "data"), ["--replay", path, ...TRUST]);
    expect(run.code).toBe(0);
    expect(run.err.match(/^osnmad: .* is damaged: /gm)).toHaveLength(1);
    expect(run.err.split("\n").filter((line) => WARNING.test(line))).toHaveLength(1);
    expect(run.err.split("\n")).toHaveLength(3);
  });

  it("keeps no state where the server cannot listen, though it has read ahead", async () => {
    const [first, second, state] = [1, 2, 3].map(() => temporaryFolder());
    const other = serve(["--data-dir", first, "--replay", CAPTURE, ...TRUST]);
    const { port } = new URL(await urlOf(other));
    const run = await served(second, ["--replay", CAPTURE, "--state", state, "--port", port, ...TRUST]);
    expect(run.code).not.toBe(0);
    expect(run.err).toContain("OSN_LISTEN_FAILED");
    expect(readdirSync(state)).toEqual([]);
    expect(runsIn(second)).toEqual([]);
  });

  it("waits while the disk takes nothing, and stores everything when it takes again", async () => {
    const [folder, whole, state] = [1, 2, 3].map(() => temporaryFolder());
    await served(whole, ["--replay", CAPTURE, ...TRUST]);
    // A limit of the file size stands for a full disk; it is soft, so that it can be lifted.
    const full = serve(
      ["--log-level", "error", "--state", state, "--data-dir", folder, "--replay", CAPTURE, ...TRUST],
      "ignore",
      ["/bin/sh", "-c", 'ulimit -S -f 1024; exec "$0" "$@"'],
    );
    const url = await urlOf(full);
    await until("the fault", () => full.err.includes("the store takes no data"));
    // Time enough to read the rest: what is not taken is no ground for a state.
    await new Promise((resolve) => setTimeout(resolve, 1000));
    expect(readdirSync(state)).toEqual([]);
    await expect(statusWith(url, () => true)).resolves.toMatchObject({ replay: { finished: false } });
    execFileSync("prlimit", [`--pid=${full.child.pid}`, "--fsize=unlimited"]);
    const { queue } = await statusWith(url, ({ replay }) => replay.finished);
    expect(queue).toEqual({ waiting: 0, refused: 0 });
    expect(readdirSync(state)).toHaveLength(1);
    full.child.kill("SIGTERM");
    expect(await full.ended).toEqual({ code: 0, signal: null });
    // Numbers of rows may differ where a transaction was undone.
    expect(digest(givenOut(folder))).toBe(digest(givenOut(whole)));
  });

  it("reads a named pipe, whose writer loses nothing to a first look", async () => {
    const folder = temporaryFolder();
    const pipe = join(folder, "pipe.ubx");
    execFileSync("mkfifo", [pipe]);
    const writer = spawn("/bin/sh", ["-c", 'exec cat "$0" > "$1"', CAPTURE, pipe], { stdio: "ignore" });
    onTestFinished(() => void writer.kill("SIGKILL"));
    const wrote = new Promise((ended) => writer.once("exit", (code, signal) => ended(code ?? signal)));
    const run = await served(join(folder, "data"), ["--replay", pipe, ...TRUST]);
    expect(run.code).toBe(0);
    expect(await wrote).toBe(0);
    expect(runsIn(join(folder, "data"))).toEqual([{ ended: 1, whole: 1 }]);
  });

  it("does not begin to read after the signal: standard input may have nothing for hours", async () => {
    const flags = { rule: "guideline", minTagBits: 40, policy: "default" } as const;
    const material = startMaterial({ ...flags, trust: false });
    const begun = replayInto({ capture: "-", material, flags }, {} as ReplaySink, AbortSignal.abort());
    await expect(begun).rejects.toThrow(/abort/);
  });

  it("ends soon at a signal and keeps what it had", async () => {
    const folder = temporaryFolder();
    const path = join(folder, "long.ubx");
    const bytes = readFileSync(CAPTURE);
    writeFileSync(path, Buffer.concat(Array.from({ length: 100 }, () => bytes)));
    const run = serve(["--data-dir", folder, "--replay", path, ...TRUST]);
    const url = await urlOf(run);
    const seen = fixesOf(await statusWith(url, (status) => fixesOf(status) > 0));
    run.child.kill("SIGINT");
    expect(await run.ended).toEqual({ code: 0, signal: null });
    expect(run.err.trimEnd()).toMatch(WARNING);
    expect(runsIn(folder)).toEqual([{ ended: 1, whole: 0 }]);
    expect(tablesOf(folder).get("fixes")?.length).toBeGreaterThanOrEqual(seen);
  });

  it.each([
    [
      "fails",
      "function culprit() { throw new TypeError('broken on purpose'); }\nculprit();",
      /broken on purpose[^]*at culprit/,
    ],
    ["rejects", "await Promise.reject(new TypeError('broken on purpose'));", /broken on purpose/],
    ["ends", "process.exit(3);", /ended \(3\) before the replay did/],
    ["goes idle", "", /ended \(0\) before the replay did/],
    ["is missing", null, /Cannot find module .*replay-worker/],
  ])("reports a defect, and does not hang, when its thread %s", async (_, source, report) => {
    renameSync(worker, `${worker}.aside`);
    try {
      if (source !== null) writeFileSync(worker, source);
      const folder = temporaryFolder();
      const run = await served(folder, ["--replay", CAPTURE, ...TRUST]);
      expect(run.code).toBe(70);
      expect(run.err).toContain("OSN_INTERNAL");
      expect(run.err).toMatch(report);
      expect(runsIn(folder)).toEqual([]);
    } finally {
      renameSync(`${worker}.aside`, worker);
    }
  });
});

describe("the thread's program", () => {
  /** Packages that a file of the program imports before it runs, and those that the files do which it imports. */
  const packagesOf = (file: string, seen = new Set<string>()): Set<string> => {
    const packages = new Set<string>();
    if (seen.has(file)) return packages;
    seen.add(file);
    const text = readFileSync(file, "utf8");
    for (const [, name] of text.matchAll(/^(?:import|export)\b[^"'\n]*["']([^"']+)["'];$/gm)) {
      if (!name.startsWith(".")) packages.add(name);
      else for (const each of packagesOf(resolve(dirname(file), name), seen)) packages.add(each);
    }
    return packages;
  };
  /** commander and saxes: what the options are, and how key files are read. */
  const isKnown = (name: string): boolean => /^(node:.*|commander|saxes)$/.test(name);

  it("loads no package of the server or the store", () => {
    const chunks = readdirSync(dirname(script)).map((name) => packagesOf(join(dirname(script), name)));
    expect(chunks.some((packages) => packages.has("fastify"))).toBe(true);
    expect(chunks.some((packages) => packages.has("better-sqlite3"))).toBe(true);
    expect(existsSync(worker)).toBe(true);
    const packages = [...packagesOf(worker)];
    expect(packages).toContain("node:worker_threads");
    expect(packages.filter((name) => !isKnown(name))).toEqual([]);
  });
});
