/**
 * kill -9 of everything between a receiver and a federation, each at random moments: station, witness, broker, and the
 * consumers over NATS and HTTP, all as processes. Nothing is lost, doubled or forked, and all consumers end with one
 * history. Two kills of each here; `npm run soak:chain` makes it fifty, with OSNMAD_SEED for other moments.
 */
import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { join } from "node:path";
import Database from "better-sqlite3";
import { jetstreamManager } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import { describe, expect, it, onTestFinished } from "vitest";
import { Consumer } from "../../src/emit/consumer.js";
import { CONSUMER_FILE, ConsumerStore } from "../../src/emit/consumer-store.js";
import { ensureStream, STREAM } from "../../src/emit/nats.js";
import { Outbox } from "../../src/emit/outbox.js";
import { decodeLeaf } from "../../src/station/leaf.js";
import { checkLog } from "../../src/station/log-check.js";
import { leafHash, rootOf } from "../../src/station/merkle.js";
import { formatVerifierKey, parseVerifierKey } from "../../src/station/note.js";
import { StationLog } from "../../src/station/station-log.js";
import { WitnessBook } from "../../src/witness/book.js";
import { freePort, isSkipped } from "../emit/broker.js";
import { testFolder } from "../station/folder.js";
import { bundleInto } from "./programs.js";

const KILLS = Number(process.env["OSNMAD_KILLS"] ?? 2);
const SEED = process.env["OSNMAD_SEED"] ?? "chain";
/** Milliseconds that a subframe takes here. */
const PACE = 150;
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
const pause = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms));

function randomOf(seed: string): () => number {
  let state = [...seed].reduce((sum, letter) => (Math.imul(sum, 31) + letter.charCodeAt(0)) >>> 0, 7);
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

/** A process that is started again under the same name, with all whole lines it ever said. */
class Part {
  readonly name: string;
  readonly command: readonly string[];
  readonly lines: string[] = [];
  errors = "";
  kills = 0;
  #child: ChildProcess | null = null;
  #ended: Promise<unknown> = Promise.resolve();
  #ready: Promise<void> = Promise.resolve();

  readonly #isReady: (text: string) => boolean;

  /** `isReady` says whether what it wrote so far, on standard output or error, means that it is at work. */
  constructor(name: string, command: readonly string[], isReady: (text: string) => boolean) {
    this.name = name;
    this.command = command;
    this.#isReady = isReady;
  }

  start(): void {
    const [program, ...args] = this.command;
    const child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"] });
    this.#child = child;
    this.#ended = new Promise((done) => child.once("close", done));
    let rest = "";
    let said = "";
    this.#ready = new Promise((ready) => {
      const look = (chunk: Buffer): void => {
        if (said.length > 100_000) return;
        said += chunk.toString();
        if (this.#isReady(said)) ready();
      };
      child.stdout.on("data", look);
      child.stderr.on("data", look);
      child.once("close", () => {
        ready();
      });
    });
    child.stdout.on("data", (chunk: Buffer) => {
      const lines = (rest + chunk.toString()).split("\n");
      // What was cut off was not said.
      rest = lines.pop()!;
      this.lines.push(...lines);
    });
    child.stderr.on("data", (chunk: Buffer) => (this.errors = (this.errors + chunk.toString()).slice(-4000)));
  }

  ready(): Promise<void> {
    return this.#ready;
  }

  get isRunning(): boolean {
    return this.#child !== null && this.#child.exitCode === null && this.#child.signalCode === null;
  }

  async kill(): Promise<void> {
    this.kills++;
    this.#child?.kill("SIGKILL");
    await this.#ended;
  }

  tell(signal: NodeJS.Signals): void {
    this.#child?.kill(signal);
  }

  async end(): Promise<void> {
    this.tell("SIGTERM");
    await this.#ended;
  }
}

describe.skipIf(isSkipped)("the whole chain (needs nats-server)", () => {
  it(
    `keeps one history over kill -9 of station, witness, broker and both consumers, ${KILLS} times each (seed ${SEED})`,
    async () => {
      const random = randomOf(SEED);
      const program = testFolder();
      const programs = await bundleInto(program, {
        osnmad: "src/cli/main.ts",
        station: "test/chain/station-process.ts",
      });
      const osnmad = [process.execPath, join(programs, "osnmad.js")];
      const folder = testFolder();
      const at = (name: string): string => join(folder, name);
      const fresh = StationLog.open({ directory: at("station"), mode: "live" });
      const stationKey = fresh.key;
      fresh.close();
      const stationLine = formatVerifierKey(stationKey);
      const [natsPort, witnessPort, stationPort] = [await freePort(), await freePort(), await freePort()];
      const servers = `nats://127.0.0.1:${natsPort}`;
      const witnessUrl = `http://127.0.0.1:${witnessPort}`;
      const stationUrl = `http://127.0.0.1:${stationPort}`;
      const started: Part[] = [];
      const part = (name: string, command: readonly string[], isReady: (text: string) => boolean): Part => {
        const made = new Part(name, command, isReady);
        started.push(made);
        made.start();
        return made;
      };
      onTestFinished(async () => {
        for (const each of started) await each.kill();
      });

      const broker = part(
        "broker",
        ["nats-server", "-js", "-a", "127.0.0.1", "-p", String(natsPort), "-sd", at("js")],
        (text) => text.includes("Server is ready"),
      );
      const witness = part(
        "witness",
        [
          ...osnmad,
          ...["witness", "--name", "w.example/w", "--clock-bound", "1", "--clock-source", "test"],
          ...["--station", stationLine, "--port", String(witnessPort), "--rate", "0"],
          ...["--data-dir", at("witness")],
        ],
        (text) => text.includes("Witness "),
      );
      await Promise.all([broker.ready(), witness.ready()]);
      await ensureStream({ servers });
      const [witnessLine] = witness.lines;
      expect(parseVerifierKey(witnessLine)).not.toBeNull();
      const station = part(
        "station",
        [
          process.execPath,
          join(programs, "station.js"),
          ...[at("station"), String(stationPort), servers, witnessUrl, witnessLine, String(PACE)],
        ],
        (text) => text.includes("started "),
      );
      await station.ready();
      const consume = (name: string, from: readonly string[]): string[] => [
        ...osnmad,
        ...["consume", "--station", stationLine, "--witness", `${witnessLine}@1`, "--store", at(name)],
        ...from,
      ];
      const overNats = ["--nats", servers, "--from", stationUrl];
      const overHttp = ["--from", stationUrl];
      const consumers = [
        part("consumer over NATS", consume("by-nats", overNats), (text) => text.includes('"leaf"')),
        part("consumer over HTTP", consume("by-http", overHttp), (text) => text.includes('"leaf"')),
      ];

      const victims = [broker, witness, station, ...consumers];
      const order = victims.flatMap((victim) => Array.from({ length: KILLS }, () => victim));
      for (let i = order.length - 1; i > 0; i--) {
        const j = Math.floor(random() * (i + 1));
        [order[i], order[j]] = [order[j], order[i]];
      }
      for (const victim of order) {
        // Now and then while it starts, mostly while it works.
        if (random() < 0.8) await victim.ready();
        await pause(random() * 400);
        for (const each of victims) expect(each.isRunning, `${each.name}: ${each.errors}`).toBe(true);
        await victim.kill();
        await pause(random() * 200);
        victim.start();
      }

      expect(victims.map(({ kills }) => kills)).toEqual(victims.map(() => KILLS));

      // A quiet end: the station hands on all that it has, and what a consumer has not read yet it reads.
      await Promise.all(victims.map((victim) => victim.ready()));
      await pause(4 * PACE);
      station.tell("SIGTERM");
      await expect
        .poll(() => station.lines.some((line) => line.startsWith("whole ")), { timeout: 60_000 })
        .toBe(true);
      for (const consumer of consumers) await consumer.end();
      const summaries = consumers.map(({ name, command }) => {
        const { status, stdout, stderr } = spawnSync(command[0], [...command.slice(1), "--once"], {
          encoding: "utf8",
        });
        expect(status, `${name}: ${stderr}`).toBe(0);
        return JSON.parse(stdout.trimEnd().split("\n").at(-1)!) as Record<string, unknown>;
      });
      const manager = await connect({ servers });
      const { state } = await (await jetstreamManager(manager)).streams.info(STREAM);
      await manager.close();
      for (const each of started) await each.kill();

      // The station: what it said was on disk is there, once; no size has two roots.
      const log = StationLog.open({ directory: at("station"), mode: "live" });
      onTestFinished(() => {
        log.close();
      });
      expect(checkLog(at("station")).size).toBe(log.size);
      // While its witness is gone as well, a station that starts signs nothing; that is told, and is no fault here.
      const faults = station.lines.filter(
        (line) => line.startsWith("fault ") && !line.startsWith("fault OSN_STATION_UNCONFIRMED "),
      );
      expect(faults).toEqual([]);
      for (const line of station.lines) {
        const [what, number, value] = line.split(" ");
        if (what === "leaf")
          expect(hex(leafHash(log.leaves(Number(number), Number(number) + 1)[0])), line).toBe(value);
        if (what === "signed") expect(hex(rootOf(Number(number), log.subtree)), line).toBe(value);
      }
      const leaves = log.leaves(0, log.size).map((bytes) => decodeLeaf(bytes)!);
      expect(leaves.filter(({ kind }) => kind === "subframe").length).toBeGreaterThan(KILLS * 5);
      // Every subframe has its leaf: the sky went on where the log had ended.
      const gsts = leaves.flatMap((leaf) => (leaf.kind === "subframe" ? [leaf.gst] : []));
      expect(gsts).toEqual(gsts.map((_, i) => gsts[0] + 30 * i));

      // The witness: the newest size, and nothing that contradicts.
      const book = new WitnessBook(join(at("witness"), "witness"), [stationKey]);
      expect(book.logs()).toMatchObject([{ size: log.size }]);
      expect(book.evidence()).toEqual([]);
      book.close();

      // The broker: every message of the outbox once.
      const outbox = new Outbox({ directory: at("station") });
      const sent = outbox.lastSeq("federation");
      outbox.close();
      expect(state.messages).toBe(sent);

      // The consumers: the same history, each leaf told once and in order.
      expect(summaries).toEqual(
        consumers.map(() =>
          expect.objectContaining({ type: "summary", leaves: log.size, proven: log.size, lies: 0 }),
        ),
      );
      const told = ["by-nats", "by-http"].map((name) => {
        const database = new Database(join(at(name), CONSUMER_FILE), { readonly: true });
        const rows = database
          .prepare<[string], string>("SELECT body FROM verdict WHERE type = ? ORDER BY id")
          .pluck();
        const verdicts = (type: string) =>
          rows.all(type).map((body) => JSON.parse(body) as Record<string, unknown>);
        const stamps = verdicts("cosignature").map(({ size, timestamp }) => [
          Number(size),
          Number(timestamp),
        ]);
        // A stamp that came after a better one is not told: what counts is by when each leaf had been seen.
        const seen = Array.from({ length: log.size }, (_, index) =>
          Math.min(...stamps.flatMap(([size, timestamp]) => (size > index ? [timestamp] : []))),
        );
        const classes = new Map(verdicts("class").map((verdict) => [verdict["index"], verdict["class"]]));
        const found = {
          leaves: verdicts("leaf").map(({ index }) => index),
          seen,
          classes: [...classes].sort(([one], [other]) => Number(one) - Number(other)),
        };
        database.close();
        return found;
      });
      expect(told[0].leaves).toEqual([...Array(log.size).keys()]);
      expect(told[0].seen.every((timestamp) => timestamp > 1.7e9 && timestamp < 1e11)).toBe(true);
      expect(told[0].classes).toHaveLength(gsts.length);
      expect(told[1]).toEqual(told[0]);
      for (const name of ["by-nats", "by-http"]) {
        const store = new ConsumerStore(at(name));
        const policy = { witnesses: [], needed: 1, marginSeconds: 5, leapSeconds: 18, keyOffsetSeconds: 0 };
        const consumer = new Consumer({
          stations: [{ ...policy, key: stationKey }],
          store,
          onVerdict: () => undefined,
        });
        expect(hex([...consumer.followers.values()][0].root)).toBe(hex(rootOf(log.size, log.subtree)));
        store.close();
      }
      if (process.env["OSNMAD_KILLS"] !== undefined) {
        const numbers = {
          seed: SEED,
          kills: KILLS,
          leaves: log.size,
        };
        process.stdout.write(
          `${JSON.stringify({ ...numbers, messages: sent, repeats: summaries.map(({ repeats }) => repeats) })}\n`,
        );
      }
    },
    120_000 + KILLS * 60_000,
  );
});
