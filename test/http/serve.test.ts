/** `osnmad serve` as a process of its own, around a replay made by hand. */
import Database from "better-sqlite3";
import { Command } from "commander";
import { execFileSync, spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { defaultDataDirectory, registerServe } from "../../src/cli/commands/serve.js";
import { DATABASE_FILE } from "../../src/store/database.js";
import { createToken } from "../../src/store/token-file.js";
import { temporaryFolder } from "../store/folder.js";
import { compileInto } from "../store/compiled.js";
import { authenticatingOsnma, eventAt, fixAt, satellite, summary } from "../store/records.js";
import type { Body } from "./support.js";

let program = "";
let script = "";

beforeAll(() => {
  program = mkdtempSync(join(tmpdir(), "osnmad-serve-"));
  const source = compileInto(program, ["src/cli/commands/serve.ts"]);
  script = join(program, "main.js");
  // The name of the capture says what the replay does.
  writeFileSync(
    script,
    `import { Command } from "commander";
     import { registerServe } from ${JSON.stringify(join(source, "cli/commands/serve.js"))};
     import { OsnmadError } from ${JSON.stringify(join(source, "errors.js"))};
     const records = ${JSON.stringify({ fix: fixAt(0), event: eventAt(0), summary, osnma: authenticatingOsnma, satellite: satellite(11) })};
     const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
     async function replay(path, recorder, signal) {
       if (path.endsWith("missing.ubx")) throw new OsnmadError("OSN_CAPTURE_NOT_FOUND", path);
       recorder.osnma(records.osnma);
       recorder.satellites([records.satellite]);
       recorder.push(records.fix);
       recorder.push(records.event);
       if (path.endsWith("broken.ubx")) throw new OsnmadError("OSN_CAPTURE_NO_TIME", path);
       recorder.progress(0.5);
       if (path.endsWith("deaf.ubx")) await new Promise(() => {});
       while (path.endsWith("long.ubx")) {
         for (let n = 0; n < 20; n += 1) recorder.push(records.fix);
         await pause(5);
         await recorder.room(signal);
         if (signal.aborted) throw signal.reason;
       }
       return records.summary;
     }
     const program = new Command("osnmad").exitOverride();
     registerServe(program, {
       version: "0.1.0",
       prepareReplay: (options) => ({
         describe: () => ({ mode: "replay", timeAssurance: "capture" }),
         into: (recorder, signal) => replay(options.replay, recorder, signal),
         close: async () => {},
       }),
     });
     try {
       await program.parseAsync();
     } catch (error) {
       process.stderr.write(String(error.code) + "\\n");
       process.exitCode = error.exitCode;
     }`,
  );
});

afterAll(() => {
  rmSync(program, { recursive: true, force: true });
});

interface Served {
  readonly url: Promise<string>;
  readonly ended: Promise<{ code: number | null; signal: string | null }>;
  readonly out: () => string;
  readonly err: () => string;
  readonly pid: number | undefined;
  readonly kill: (signal: NodeJS.Signals) => void;
}

function serve(...options: string[]): Served {
  return serveThrough([], ...options);
}

/** Starts it by way of another command. */
function serveThrough(command: readonly string[], ...options: string[]): Served {
  const [file, ...rest] = [...command, process.execPath, script, "serve", "--port", "0", ...options];
  const child = spawn(file, rest, {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, XDG_STATE_HOME: join(program, "unused") },
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  let out = "";
  let err = "";
  child.stderr.on("data", (chunk: Buffer) => (err += chunk.toString()));
  const ended = new Promise<{ code: number | null; signal: string | null }>((resolve) => {
    child.once("close", (code, signal) => {
      resolve({ code, signal });
    });
  });
  const url = new Promise<string>((resolve, reject) => {
    child.stdout.on("data", (chunk: Buffer) => {
      out += chunk.toString();
      const match = /listens on (http:\S+)/.exec(out);
      if (match !== null) resolve(match[1]);
    });
    void ended.then(() => {
      reject(new Error(`it ended: ${err}`));
    });
  });
  url.catch(() => undefined);
  return {
    url,
    ended,
    out: () => out,
    err: () => err,
    pid: child.pid,
    kill: (signal) => void child.kill(signal),
  };
}

async function bodyOf(url: string): Promise<Body> {
  return (await (await fetch(url, { headers: { connection: "close" } })).json()) as Body;
}

/** Asks again until the answer is as hoped, or the test's time is over. */
async function until(url: string, hoped: (body: Body) => boolean): Promise<Body> {
  for (;;) {
    const body = await bodyOf(url);
    if (hoped(body)) return body;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

interface StreamLine {
  readonly id: string;
  readonly event: string;
}

/** Fixes and events of a stream until there are `count`; `atEnd` is called then, and all that came is given. */
async function readStream(
  url: string,
  lastId: string | null,
  count: number,
  atEnd: () => void = () => undefined,
): Promise<StreamLine[]> {
  const stop = new AbortController();
  const response = await fetch(url, {
    headers: lastId === null ? {} : { "last-event-id": lastId },
    signal: stop.signal,
  });
  let text = "";
  const lines = (): StreamLine[] =>
    [...text.matchAll(/id: (\S+)\nevent: (fix|event)\ndata: .*\n\n/g)].map(([, id, event]) => ({
      id,
      event,
    }));
  try {
    for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
      text += Buffer.from(chunk).toString();
      if (lines().length >= count) break;
    }
  } finally {
    atEnd();
    stop.abort();
  }
  return lines();
}

function runsIn(folder: string): unknown[] {
  const database = new Database(join(folder, DATABASE_FILE), { readonly: true });
  try {
    return database
      .prepare(
        "SELECT id, source, finished_at_ms IS NOT NULL AS ended, summary IS NOT NULL AS whole FROM runs",
      )
      .all();
  } finally {
    database.close();
  }
}

describe("osnmad serve", () => {
  it("replays, serves what it found, and goes on serving until a signal ends it with 0", async () => {
    const folder = temporaryFolder();
    const served = serve("--replay", "/some/where/a.ubx", "--data-dir", folder);
    const url = await served.url;
    expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
    const status = await until(
      `${url}/v1/status`,
      ({ replay }) => (replay as { finished: boolean }).finished,
    );
    expect(status).toMatchObject({
      source: "a.ubx",
      mode: "replay",
      state: "authenticating",
      ttfafSeconds: 91,
    });
    expect(await bodyOf(`${url}/v1/fixes/latest`)).toMatchObject({ assurance: "corroborated" });
    expect((await bodyOf(`${url}/v1/satellites`)).items).toHaveLength(1);
    expect(served.out()).toContain(`curl ${url}/v1/fixes/latest`);
    served.kill("SIGTERM");
    expect(await served.ended).toEqual({ code: 0, signal: null });
    expect(existsSync(join(folder, `${DATABASE_FILE}-wal`))).toBe(false);
    expect(runsIn(folder)).toEqual([{ id: 1, source: "a.ubx", ended: 1, whole: 1 }]);
    expect(served.out() + served.err()).not.toMatch(/472468|598875|latitude/);
    expect(served.err()).toContain("replay is done");
  });

  it("ends by itself with --exit-after-replay, and keeps runs apart when started again", async () => {
    const folder = temporaryFolder();
    for (const runs of [1, 2]) {
      const served = serve(
        "--replay",
        "a.ubx",
        "--data-dir",
        folder,
        "--exit-after-replay",
        "--log-level",
        "silent",
      );
      expect(await served.ended).toEqual({ code: 0, signal: null });
      expect(served.err()).toBe("");
      expect(runsIn(folder)).toHaveLength(runs);
    }
  });

  it("serves while it replays, and keeps what it had when it is interrupted", async () => {
    const folder = temporaryFolder();
    const served = serve("--replay", "long.ubx", "--data-dir", folder);
    const url = await served.url;
    const status = await until(
      `${url}/v1/status`,
      ({ counts }) => (counts as { fixes: { corroborated: number } }).fixes.corroborated > 10,
    );
    expect(status).toMatchObject({ replay: { progress: 0.5, finished: false } });
    served.kill("SIGINT");
    expect(await served.ended).toEqual({ code: 0, signal: null });
    expect(runsIn(folder)).toEqual([{ id: 1, source: "long.ubx", ended: 1, whole: 0 }]);
  });

  it("does not wait for ever for a replay that does not stop", async () => {
    const folder = temporaryFolder();
    const served = serve("--replay", "deaf.ubx", "--data-dir", folder);
    const url = await served.url;
    await until(`${url}/v1/status`, ({ counts }) => (counts as { events: number }).events > 0);
    served.kill("SIGINT");
    expect(await served.ended).toEqual({ code: 0, signal: null });
    expect(runsIn(folder)).toEqual([{ id: 1, source: "deaf.ubx", ended: 1, whole: 0 }]);
  });

  it("survives a kill: what was served is there when it starts again", async () => {
    const folder = temporaryFolder();
    const killed = serve("--replay", "long.ubx", "--data-dir", folder);
    const fixes = await until(`${await killed.url}/v1/fixes?limit=1000`, ({ items }) => items.length > 5);
    killed.kill("SIGKILL");
    expect(await killed.ended).toMatchObject({ signal: "SIGKILL" });
    const again = serve("--replay", "a.ubx", "--data-dir", folder);
    expect((await bodyOf(`${await again.url}/v1/fixes?run=1`)).items.length).toBeGreaterThan(5);
    const database = new Database(join(folder, DATABASE_FILE), { readonly: true });
    const kept = new Set(database.prepare("SELECT id FROM fixes WHERE run_id = 1").pluck().all());
    database.close();
    expect(fixes.items.filter(({ id }) => !kept.has(id))).toEqual([]);
    expect(await bodyOf(`${await again.url}/v1/status`)).toMatchObject({ run: 2 });
  });

  it("ends with the code of what went wrong, and leaves no empty run", async () => {
    const folder = temporaryFolder();
    const missing = serve("--replay", "missing.ubx", "--data-dir", folder);
    expect(await missing.ended).toMatchObject({ code: 3 });
    expect(missing.err()).toContain("OSN_CAPTURE_NOT_FOUND");
    expect(runsIn(folder)).toEqual([]);
    const broken = serve("--replay", "broken.ubx", "--data-dir", folder);
    expect(await broken.ended).toMatchObject({ code: 4 });
    expect(runsIn(folder)).toMatchObject([{ source: "broken.ubx", ended: 1, whole: 0 }]);
  });

  it("says so when the disk takes no more, goes on serving, and takes data again when there is room", async () => {
    const folder = temporaryFolder();
    // A limit of the file size, 512 KiB, stands for a full disk; it is soft, so that it can be lifted.
    const full = serveThrough(
      ["/bin/sh", "-c", 'ulimit -S -f 1024; exec "$0" "$@"'],
      "--replay",
      "long.ubx",
      "--data-dir",
      folder,
    );
    const url = await full.url;
    const refused = await until(`${url}/readyz`, ({ code }) => code === "OSN_NOT_READY");
    expect(refused).toMatchObject({ status: 503 });
    await until(`${url}/v1/status`, ({ queue }) => (queue as { waiting: number }).waiting >= 100);
    expect(full.err()).toMatch(/the store takes no data/);
    const before = await bodyOf(`${url}/v1/status`);
    expect(await bodyOf(`${url}/v1/fixes/latest`)).toMatchObject({ type: "fix" });
    execFileSync("prlimit", [`--pid=${full.pid}`, "--fsize=unlimited"]);
    const corroborated = (body: Body): number =>
      (body["counts"] as { fixes: { corroborated: number } }).fixes.corroborated;
    const after = await until(`${url}/v1/status`, (body) => corroborated(body) > corroborated(before) + 200);
    expect(after).toMatchObject({ queue: { refused: 0 } });
    expect(await bodyOf(`${url}/readyz`)).toEqual({ status: "ok" });
    expect(full.err()).toMatch(/the store takes data again/);
    full.kill("SIGTERM");
    expect(await full.ended).toEqual({ code: 0, signal: null });
    const database = new Database(join(folder, DATABASE_FILE));
    expect(database.pragma("integrity_check", { simple: true })).toBe("ok");
    // Every fix that was taken came to the disk, those that waited included.
    const ids = database.prepare("SELECT count(*) AS n, max(id) AS last FROM fixes").get();
    expect(ids).toMatchObject({ n: (ids as { last: number }).last });
    database.close();
  });

  it("ends with 6 when it is stopped while the disk takes nothing, and what was written stays whole", async () => {
    const folder = temporaryFolder();
    const full = serveThrough(
      ["/bin/sh", "-c", 'ulimit -f 1024; exec "$0" "$@"'],
      "--replay",
      "long.ubx",
      "--data-dir",
      folder,
    );
    await until(`${await full.url}/readyz`, ({ code }) => code === "OSN_NOT_READY");
    full.kill("SIGTERM");
    expect(await full.ended).toEqual({ code: 6, signal: null });
    expect(full.err()).toContain("OSN_STATE_UNWRITABLE");
    const database = new Database(join(folder, DATABASE_FILE));
    expect(database.pragma("integrity_check", { simple: true })).toBe("ok");
    expect(database.prepare("SELECT count(*) FROM fixes").pluck().get()).toBeGreaterThan(20);
    database.close();
  });

  it("streams what is on disk: after a kill the stream goes on without gap or repeat", async () => {
    const folder = temporaryFolder();
    const killed = serve("--replay", "long.ubx", "--data-dir", folder);
    const first = await readStream(`${await killed.url}/v1/stream`, null, 60, () => {
      killed.kill("SIGKILL");
    });
    expect(await killed.ended).toMatchObject({ signal: "SIGKILL" });
    const fixes = first.filter(({ event }) => event === "fix");
    const database = new Database(join(folder, DATABASE_FILE), { readonly: true });
    const stored = database.prepare("SELECT id FROM fixes ORDER BY id").pluck().all() as number[];
    database.close();
    expect(fixes.length).toBeGreaterThanOrEqual(50);
    const streamed = fixes.map(({ id }) => Number(id.split("-")[1]));
    expect(streamed.filter((id) => !stored.includes(id))).toEqual([]);

    const again = serve("--replay", "a.ubx", "--data-dir", folder);
    const url = await again.url;
    await until(`${url}/v1/status`, ({ counts }) => (counts as { events: number }).events > 0);
    const missing = stored.length - stored.indexOf(streamed[streamed.length - 1]) - 1;
    // What run 1 still stored, then the fix and the event of run 2.
    const rest = await readStream(`${url}/v1/stream`, first[first.length - 1].id, missing + 2);
    const resumed = rest.filter(({ event }) => event === "fix").map(({ id }) => Number(id.split("-")[1]));
    const newest = stored[stored.length - 1] + 1;
    expect([...streamed, ...resumed]).toEqual(
      Array.from({ length: newest - streamed[0] + 1 }, (_, n) => streamed[0] + n),
    );
  });

  it("refuses another host before it touches the data folder", async () => {
    const folder = join(temporaryFolder(), "new");
    const served = serve("--replay", "a.ubx", "--data-dir", folder, "--host", "0.0.0.0");
    expect(await served.ended).toMatchObject({ code: 2 });
    expect(served.err()).toContain("OSN_LISTEN_REFUSED");
    expect(existsSync(folder)).toBe(false);
  });

  it("listens beyond loopback, or asks for tokens, only where there is a token", async () => {
    const folder = temporaryFolder();
    for (const options of [["--host", "0.0.0.0", "--allow-remote"], ["--require-token"]]) {
      const refused = serve("--replay", "a.ubx", "--data-dir", folder, ...options);
      expect(await refused.ended, options.join(" ")).toMatchObject({ code: 2 });
      expect(refused.err()).toContain("OSN_LISTEN_REFUSED");
    }
    expect(existsSync(join(folder, DATABASE_FILE))).toBe(false);
    const { secret } = createToken(folder, "a", ["read:status"], new Date());
    const served = serve("--replay", "a.ubx", "--data-dir", folder, "--host", "0.0.0.0", "--allow-remote");
    const url = (await served.url).replace("0.0.0.0", "127.0.0.1");
    expect((await fetch(`${url}/v1/status`)).status).toBe(401);
    const headers = { authorization: `Bearer ${secret}`, connection: "close" };
    expect((await fetch(`${url}/v1/status`, { headers })).status).toBe(200);
    expect((await fetch(`${url}/v1/fixes`, { headers })).status).toBe(403);
    expect(served.err() + served.out()).not.toContain(secret.slice(4));
  });

  it("says which of port and data folder cannot be had", async () => {
    const holder = createServer();
    await new Promise<void>((resolve) => holder.listen(0, "127.0.0.1", resolve));
    onTestFinished(() => void holder.close());
    const { port } = holder.address() as AddressInfo;
    const folder = temporaryFolder();
    const taken = serve("--replay", "a.ubx", "--data-dir", folder, "--port", String(port));
    expect(await taken.ended).toMatchObject({ code: 8 });
    expect(taken.err()).toContain("OSN_LISTEN_FAILED");
    expect(runsIn(folder)).toEqual([]);
    const file = join(folder, "file");
    writeFileSync(file, "");
    const unwritable = serve("--replay", "a.ubx", "--data-dir", join(file, "below"));
    expect(await unwritable.ended).toMatchObject({ code: 6 });
    expect(unwritable.err()).toContain("OSN_STATE_UNWRITABLE");
  });

  it("takes the XDG state folder unless it is relative", () => {
    expect(defaultDataDirectory({ XDG_STATE_HOME: "/var/state" }, "/home/u")).toBe("/var/state/osnmad");
    for (const XDG_STATE_HOME of [undefined, "", "relative"]) {
      expect(defaultDataDirectory({ XDG_STATE_HOME }, "/home/u")).toBe("/home/u/.local/state/osnmad");
    }
  });

  it("refuses options that mean nothing", async () => {
    const parse = (...options: string[]): Promise<unknown> => {
      const command = new Command().exitOverride();
      registerServe(command, {
        version: "0.1.0",
        prepareReplay: () => {
          throw new Error("not reached");
        },
      })
        .exitOverride()
        .configureOutput({ writeErr: () => undefined });
      return command.parseAsync(["node", "osnmad", "serve", ...options]);
    };
    for (const options of [
      [],
      ["--replay", "a", "--port", "65536"],
      ["--replay", "a", "--port", "http"],
      ["--replay", "a", "--keep-runs", "0"],
      ["--replay", "a", "--log-level", "loud"],
    ]) {
      await expect(parse(...options), options.join(" ")).rejects.toMatchObject({ name: "CommanderError" });
    }
  });
});
