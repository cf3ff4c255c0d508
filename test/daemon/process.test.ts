/**
 * `osnmad run` as a process of its own: what its signals do, and who may have a receiver; and `osnmad doctor` with the
 * same configuration.
 */
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { StatusRecord } from "../../src/http/schemas.js";
import { RecordingReader } from "../../src/recorder/reader.js";
import { feedOf } from "../../src/simulate/receiver/feed.js";
import { withVirtualReceiver } from "../../src/simulate/receiver/with-virtual-receiver.js";
import { openStore } from "../../src/store/store.js";
import { until } from "../source/compliance.js";
import { programInto, Running } from "../support/program.js";
import { streaming } from "./support.js";

const program = mkdtempSync(join(tmpdir(), "osnmad-program-"));
let script = "";
beforeAll(async () => {
  script = await programInto(program);
});
afterAll(() => {
  rmSync(program, { recursive: true });
});

const dataUrl = (code: string): string => `data:text/javascript,${encodeURIComponent(code)}`;

/** A receiver on a pseudo-terminal that is far from its end for as long as a test takes. */
function withReceiver<T>(work: (port: string) => Promise<T>): Promise<T> {
  const capture = readFileSync("captures/nominal.ubx");
  return withVirtualReceiver(
    { model: "F9T", feed: feedOf([capture]), flash: streaming(), over: "pty", speed: 8, waitForHost: true },
    work,
  );
}

describe("osnmad run", () => {
  let folder = "";
  let running: Running[] = [];
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "osnmad-process-"));
    running = [];
  });
  afterEach(async () => {
    for (const { child, ended } of running) {
      child.kill("SIGKILL");
      await ended;
    }
    rmSync(folder, { recursive: true });
  });

  const configFile = (): string => join(folder, "osnmad.toml");
  const configure = (port: string, more: Record<string, string> = {}): void => {
    const sections: Record<string, string> = {
      receiver: `port = ${JSON.stringify(port)}\nprofile = "none"`,
      http: "port = 0",
      trust:
        'merkle = ["captures/trust/TEST_OSNMA_MerkleTree_A.xml"]\npublic_key = ["captures/trust/TEST_OSNMA_PublicKey_2.xml"]',
      ...more,
    };
    const text = Object.entries(sections).map(([name, body]) => `[${name}]\n${body}\n`);
    writeFileSync(configFile(), text.join("\n"));
  };
  const start = (dataDirectory: string, options?: ConstructorParameters<typeof Running>[2]): Running => {
    const run = new Running(
      script,
      ["run", "--config", configFile(), "--data-dir", join(folder, dataDirectory)],
      options,
    );
    running.push(run);
    return run;
  };
  const said = (run: Running, what: string): Record<string, unknown> | undefined =>
    run.log().find((line) => JSON.stringify(line).includes(what));
  const urlOf = async (run: Running): Promise<string> => {
    await until(
      "the start",
      () => said(run, '"msg":"started"') !== undefined || run.child.exitCode !== null,
      60,
    );
    expect(run.err).toContain('"msg":"started"');
    return String(said(run, '"msg":"started"')!["url"]);
  };
  const status = async (url: string): Promise<StatusRecord> =>
    (await fetch(`${url}/v1/status`)).json() as Promise<StatusRecord>;
  const epochsBeyond = async (url: string, count: number): Promise<number> => {
    const give = performance.now() + 60_000;
    for (;;) {
      const { live } = await status(url);
      if (live!.line.epochs >= count) return live!.line.epochs;
      if (performance.now() > give) throw new Error(`fixes stopped at ${live!.line.epochs}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  };

  it("reads its configuration again at SIGHUP, stays as it was where that is broken, and drains at SIGTERM", async () => {
    await withReceiver(async (port) => {
      configure(port);
      const run = start("data");
      const url = await urlOf(run);
      let epochs = await epochsBeyond(url, 5);

      configure(port, { fix: 'policy = "strict"', log: 'level = "debug"', osnma: "save_seconds = 60" });
      run.child.kill("SIGHUP");
      await until("the new configuration", () => said(run, "was read again") !== undefined);
      expect(said(run, "was read again")).toMatchObject({
        taken: ["fix.policy", "log.level"],
        left: ["osnma.save_seconds"],
      });
      epochs = await epochsBeyond(url, epochs + 5);
      // Requests are told at debug.
      expect(run.log().some(({ level }) => level === 20)).toBe(true);

      for (const [broken, code] of [
        ["[fix]\npolicy = ", "OSN_CONFIG_INVALID"],
        ["[fix]\npolicy = 'lenient'\n", "OSN_CONFIG_INVALID"],
        [null, "OSN_CONFIG_UNREADABLE"],
      ] as const) {
        run.err = "";
        if (broken === null) rmSync(configFile());
        else writeFileSync(configFile(), broken);
        run.child.kill("SIGHUP");
        await until("the refusal", () => said(run, "stays as it was") !== undefined);
        expect(said(run, "stays as it was")).toMatchObject({ level: 50, code });
        epochs = await epochsBeyond(url, epochs + 2);
      }
      run.child.kill("SIGTERM");
      expect(await run.ended).toEqual({ code: 0, signal: null });
      const end = said(run, '"msg":"stopped: ')!;
      const { line, counts, queue } = end as unknown as {
        line: NonNullable<StatusRecord["live"]>["line"];
        counts: StatusRecord["counts"];
        queue: StatusRecord["queue"];
      };
      expect(queue).toEqual({ waiting: 0, refused: 0 });
      const fixes = Object.values(counts.fixes).reduce((sum, count) => sum + count, 0);
      expect(fixes).toBe(line.epochs);
      expect(line.skippedBytes).toBe(0);

      // What was told is on disk, every fix once and none missing between the first and the last.
      const data = join(folder, "data");
      const store = openStore(data);
      const { id, finishedAtMs } = store.runs.newest()!;
      expect(store.fixes.counts(id)).toEqual(counts.fixes);
      expect(finishedAtMs).not.toBeNull();
      store.close();
      const recordings = readdirSync(join(data, "recordings")).map((name) => join(data, "recordings", name));
      const reader = new RecordingReader();
      const entries = recordings.flatMap((path) => [...reader.push(readFileSync(path))]);
      expect(entries.length).toBeGreaterThan(fixes);
      expect(reader.counts).toMatchObject({ files: 1, endedFiles: 1, badBlocks: 0, skippedBytes: 0 });
      expect(existsSync(join(data, "trust-state.json"))).toBe(true);
      expect(existsSync(join(data, "osnmad.lock"))).toBe(false);
    });
  });

  it("leaves a receiver to the process that has it, and a data folder too", async () => {
    await withReceiver(async (port) => {
      configure(port);
      const first = start("data");
      const url = await urlOf(first);
      await epochsBeyond(url, 1);

      const sameFolder = start("data");
      expect(await sameFolder.ended).toEqual({ code: 9, signal: null });
      expect(sameFolder.err).toContain("OSN_ALREADY_RUNNING");
      expect(sameFolder.err).toContain(String(first.child.pid));

      const other = start("other");
      const otherUrl = await urlOf(other);
      await until("the refusal", () => said(other, "receiver-missing") !== undefined);
      const { live } = await status(otherUrl);
      expect(live!.why).toContain(`process ${first.child.pid} holds the port`);
      expect(said(other, "receiver-missing")!["msg"]).toContain(`process ${first.child.pid}`);
      const { items } = (await (await fetch(`${otherUrl}/v1/events`)).json()) as {
        items: { name: string; code?: string }[];
      };
      expect(items.find(({ name }) => name === "receiver-missing")?.code).toBe("OSN_PORT_BUSY");

      // When the first is gone, however it went, the second has it.
      first.child.kill("SIGKILL");
      await first.ended;
      await epochsBeyond(otherUrl, 1);
    });
  });

  it("goes on where its log cannot be written", async () => {
    await withReceiver(async (port) => {
      configure(port, { http: "port = 0", log: 'level = "trace"' });
      const run = start("data", { stdio: ["ignore", "pipe", openSync("/dev/full", "w")] });
      const recordings = join(folder, "data", "recordings");
      await until("a recording", () => existsSync(recordings) && readdirSync(recordings).length > 0, 60);
      await new Promise((resolve) => setTimeout(resolve, 1000));
      expect(run.child.exitCode).toBeNull();
      run.child.kill("SIGTERM");
      expect(await run.ended).toEqual({ code: 0, signal: null });
      const store = openStore(join(folder, "data"));
      const counts = store.fixes.counts(store.runs.newest()!.id);
      store.close();
      expect(counts.unverified).toBeGreaterThan(0);
    });
  });

  describe("osnmad doctor", () => {
    type Told = Record<string, { status: string; found: string; remedy: string | null }>;
    /** All checks by name, and the exit status. */
    const doctor = async (...args: string[]): Promise<{ told: Told; code: number | null }> => {
      const run = new Running(script, [
        "doctor",
        "--config",
        configFile(),
        "--json",
        "--seconds",
        "2",
        ...args,
      ]);
      running.push(run);
      const { code } = await run.ended;
      const lines = run.out
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line) as Told[string] & { type: string; name: string });
      expect(lines.at(-1)).toMatchObject({ type: "summary" });
      for (const { status: found, remedy } of lines.slice(0, -1)) {
        expect(remedy === null).toBe(found === "ok" || found === "skipped");
      }
      return { told: Object.fromEntries(lines.map((line) => [line.name, line])), code };
    };
    const statuses = (told: Told): Record<string, string> =>
      Object.fromEntries(Object.entries(told).map(([name, { status: is }]) => [name, is]));

    it("looks at what a run with this configuration would need", async () => {
      await withReceiver(async (port) => {
        const data = join(folder, "data");
        configure(port, {
          http: "port = 0",
          time: 'source = "none"\nassume_synchronised = true\nbound_seconds = 0.5',
        });
        const { told, code } = await doctor("--data-dir", data);
        expect(statuses(told)).toMatchObject({
          node: "ok",
          configuration: "ok",
          "store-library": "ok",
          // Vouched for, a test root: both are told.
          clock: "warning",
          trust: "warning",
          state: "ok",
          "data-dir": "ok",
          "http-access": "ok",
          "http-port": "ok",
          "port-open": "ok",
          receiver: "ok",
          sfrbx: "ok",
          // The capture is of another day.
          "signal-time": "problem",
        });
        expect(told["configuration"].found).toContain(configFile());
        expect(told["data-dir"].found).toContain(data);
        expect(code).toBe(1);

        const first = start("data");
        await epochsBeyond(await urlOf(first), 1);
        const beside = await doctor("--data-dir", data);
        expect(beside.told["receiver"]).toMatchObject({ status: "skipped" });
        expect(beside.told["receiver"].found).toContain(String(first.child.pid));
        expect(beside.code).toBe(0);
      });
    });

    it("names what is wrong with it, and looks at the rest all the same", async () => {
      configure("/dev/osnmad-none", {
        time: 'source = "none"',
        http: 'host = "0.0.0.0"\nallow_remote = true\nport = 0',
        emit: 'prover_push = ["https://prover.example/fixes a-token"]',
      });
      mkdirSync(join(folder, "open"), { mode: 0o755 });
      const { told, code } = await doctor("--data-dir", join(folder, "open"));
      expect(statuses(told)).toMatchObject({
        configuration: "warning",
        clock: "problem",
        "data-dir": "warning",
        "http-access": "problem",
        "port-open": "problem",
      });
      expect(told["configuration"].remedy).toContain("chmod");
      expect(told["http-access"].found).toContain("token");
      expect(code).toBe(1);

      writeFileSync(configFile(), "[receiver]\nprot = 'auto'\n");
      const broken = await doctor("--port", "none");
      expect(broken.told["configuration"]).toMatchObject({ status: "problem" });
      expect(broken.told["configuration"].found).toContain("prot");
      expect(broken.told["trust"]).toMatchObject({ status: "ok" });
      expect(broken.code).toBe(1);
    });
  });

  it("says what it can do without the database library, and what it cannot", async () => {
    const hook = `export async function resolve(name, context, next) {
      if (name === "better-sqlite3")
        throw Object.assign(new Error("Cannot find package 'better-sqlite3'"), { code: "ERR_MODULE_NOT_FOUND" });
      return next(name, context);
    }`;
    const loader = `import { register } from "node:module"; register(${JSON.stringify(dataUrl(hook))});`;
    const osnmad = async (...args: string[]): Promise<{ code: number | null; run: Running }> => {
      const run = new Running(script, args, { env: { NODE_OPTIONS: `--import=${dataUrl(loader)}` } });
      running.push(run);
      return { code: (await run.ended).code, run };
    };
    const help = await osnmad("--help");
    expect(help.code).toBe(0);
    expect(help.run.out).toMatch(/^ +replay /m);
    expect(help.run.out).toMatch(/^ +key +\(needs better-sqlite3/m);
    for (const command of [
      ["run", "--port", "/dev/osnmad-none", "--data-dir", folder],
      ["key", "--help"],
    ]) {
      const { code, run } = await osnmad(...command);
      expect(run.err).toContain("OSN_STORE_UNAVAILABLE");
      expect(run.err).toContain("npm install");
      expect(code).toBe(6);
    }
    const replayed = await osnmad("replay", "captures/nominal.ubx", "--json");
    expect(replayed.code).toBe(0);
    configure("/dev/osnmad-none");
    const doctor = await osnmad("doctor", "--config", configFile(), "--port", "none");
    expect(doctor.run.out).toMatch(/PROBLEM +store-library/);
  });
});
