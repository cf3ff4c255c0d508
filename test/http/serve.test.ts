/** `osnmad serve` as a process of its own, around a replay made by hand. */
import Database from "better-sqlite3";
import { Command } from "commander";
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { defaultDataDirectory, registerServe } from "../../src/cli/commands/serve.js";
import { DATABASE_FILE } from "../../src/store/database.js";
import { temporaryFolder } from "../store/folder.js";
import { compileInto } from "../store/compiled.js";
import { authenticatingOsnma, eventAt, fixAt, satellite, summary } from "../store/records.js";
import type { Body } from "./support.js";

let program = "";
let script = "";

beforeAll(() => {
  program = mkdtempSync(join(tmpdir(), "osnmad-serve-"));
  const source = compileInto(program, ["store", "http", "errors.ts", "inav/gst.ts", "cli/commands/serve.ts"]);
  script = join(program, "main.js");
  // The name of the capture says what the replay does.
  writeFileSync(
    script,
    `import { Command } from "commander";
     import { registerServe } from ${JSON.stringify(join(source, "cli/commands/serve.js"))};
     import { OsnmadError } from ${JSON.stringify(join(source, "errors.js"))};
     const records = ${JSON.stringify({ fix: fixAt(0), event: eventAt(0), summary, osnma: authenticatingOsnma, satellite: satellite(11) })};
     const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
     async function startReplay(path, options, recorder, onProgress, signal) {
       if (path.endsWith("missing.ubx")) throw new OsnmadError("OSN_CAPTURE_NOT_FOUND", path);
       recorder.osnma(records.osnma);
       recorder.satellites([records.satellite]);
       recorder.push(records.fix);
       recorder.push(records.event);
       if (path.endsWith("broken.ubx")) throw new OsnmadError("OSN_CAPTURE_NO_TIME", path);
       onProgress(0.5);
       if (path.endsWith("deaf.ubx")) await new Promise(() => {});
       while (path.endsWith("long.ubx")) {
         for (let n = 0; n < 20; n += 1) recorder.push(records.fix);
         await pause(5);
         if (signal.aborted) throw signal.reason;
       }
       return records.summary;
     }
     const program = new Command("osnmad").exitOverride();
     registerServe(program, { version: "0.1.0", startReplay });
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
  return { url, ended, out: () => out, err: () => err, kill: (signal) => void child.kill(signal) };
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

  it("ends with 6 when the disk takes no more, and what was written stays whole", async () => {
    const folder = temporaryFolder();
    // A limit of the file size, 512 KiB, stands for a full disk.
    const limited = serveThrough(
      ["/bin/sh", "-c", 'ulimit -f 1024; exec "$0" "$@"'],
      "--replay",
      "long.ubx",
      "--data-dir",
      folder,
    );
    expect(await limited.ended).toEqual({ code: 6, signal: null });
    expect(limited.err()).toContain("OSN_STATE_UNWRITABLE");
    const database = new Database(join(folder, DATABASE_FILE));
    expect(database.pragma("integrity_check", { simple: true })).toBe("ok");
    expect(database.prepare("SELECT count(*) FROM fixes").pluck().get()).toBeGreaterThan(20);
    database.close();
  });

  it("refuses another host before it touches the data folder", async () => {
    const folder = join(temporaryFolder(), "new");
    const served = serve("--replay", "a.ubx", "--data-dir", folder, "--host", "0.0.0.0");
    expect(await served.ended).toMatchObject({ code: 2 });
    expect(served.err()).toContain("OSN_LISTEN_REFUSED");
    expect(existsSync(folder)).toBe(false);
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
        startReplay: () => Promise.reject(new Error("not reached")),
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
