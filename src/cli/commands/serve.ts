/**
 * `osnmad serve`: replays a capture into the store and serves what it found over HTTP. Order of start: store,
 * server, replay; taken down in reverse. The server's parts are loaded here and nowhere else, so that other
 * commands do not pay for them.
 */
import type { Command } from "commander";
import { InvalidArgumentError, Option } from "commander";
import { homedir } from "node:os";
import { basename, resolve } from "node:path";
import { OsnmadError } from "../../errors.js";
import type { RunRecorder } from "../../http/run-recorder.js";
import type { Mode, SummaryRecord, TimeAssurance } from "../../pipeline/records.js";
import { defaultDataDirectory } from "../data-directory.js";
import { assertMayListen, DRAIN_MS, startApi, stopOnSignal, type Api } from "../serving.js";

export { defaultDataDirectory };

/** Each commit is a sync of the disk. More at a time would be kept long enough to cost the collector what that saves. */
const BATCH_RECORDS = 250;
/** What waits in the recorder is put on disk, and so becomes visible, at least this often. */
const FLUSH_INTERVAL_MS = 500;
const LOG_LEVELS = ["trace", "debug", "info", "warn", "error", "fatal", "silent"] as const;

export interface ServeOptions {
  readonly replay: string;
  readonly host: string;
  readonly port: number;
  readonly dataDir: string;
  readonly allowRemote: boolean;
  readonly requireToken: boolean;
  /** Requests a second of one client; undefined for 50, and no limit on loopback. */
  readonly rateLimit?: number;
  readonly keepRuns: number;
  readonly keepDays?: number;
  readonly keepMegabytes?: number;
  readonly exitAfterReplay: boolean;
  readonly logLevel: (typeof LOG_LEVELS)[number];
  /** Options that the composition root added to the command. */
  readonly [option: string]: unknown;
}

/** One replay, from before anything else is loaded to the end of the command. */
export interface Replay {
  /** What kind of run capture and options make. Throws an OsnmadError where they cannot be used. */
  describe(): { readonly mode: Mode; readonly timeAssurance: TimeAssurance };
  /**
   * Feeds the capture through the pipeline into `recorder`: `evidence` before and `push` for every record,
   * `satellites` and `osnma` at least at the beginning and the end and every few seconds of the capture. It must
   * give the event loop a turn every few tens of milliseconds, or nothing is served meanwhile, and wait for
   * `recorder.room(signal)`, or what the disk does not take is lost; it need not flush. Resolves with the summary,
   * or rejects with an OsnmadError (and nothing else, short of a defect) for a capture it cannot use. When
   * `signal` aborts it returns soon, in either way.
   */
  into(recorder: RunRecorder, signal: AbortSignal): Promise<SummaryRecord>;
  /** Ends what is left of it. */
  close(): Promise<void>;
}

export interface ServeDependencies {
  readonly version: string;
  /**
   * Called first: the replay may load what it needs, and read ahead, while the server's parts are loaded. Does not
   * throw for what the options say.
   */
  readonly prepareReplay: (options: ServeOptions) => Replay;
}

/** Adds the command; returns it, so that further options can be added. */
export function registerServe(program: Command, dependencies: ServeDependencies): Command {
  return program
    .command("serve")
    .description("replay a capture, keep what it yields, and serve it over HTTP")
    .requiredOption("--replay <file>", "capture to replay")
    .option("--host <address>", "address to listen on", "127.0.0.1")
    .option("--port <number>", "port to listen on; 0 takes any free one", parsePort, 4747)
    .option("--data-dir <folder>", "where data is kept", defaultDataDirectory(process.env, homedir()))
    .option("--allow-remote", "listen beyond loopback; needs a token (osnmad token create)", false)
    .option("--require-token", "ask for a token on loopback as well", false)
    .option(
      "--rate-limit <number>",
      "requests a second of one client; 0 for no limit (default: 50, none on loopback)",
      parseCount,
    )
    .option("--keep-runs <number>", "how many of the newest runs are kept", parseKeepRuns, 10)
    .option("--keep-days <number>", "let go what was stored longer ago", parseDays)
    .option("--keep-megabytes <number>", "let the oldest go above this size, at least 16", parseMegabytes)
    .option("--exit-after-replay", "stop when the replay is done instead of going on serving", false)
    .addOption(
      new Option("--log-level <level>", "what to log on standard error").choices(LOG_LEVELS).default("info"),
    )
    .action(async (options: ServeOptions) => {
      await serve(options, dependencies);
    });
}

async function serve(options: ServeOptions, dependencies: ServeDependencies): Promise<void> {
  const replay = dependencies.prepareReplay(options);
  try {
    await serveReplay(options, replay, dependencies.version);
  } finally {
    await replay.close();
  }
}

async function serveReplay(options: ServeOptions, replay: Replay, version: string): Promise<void> {
  const [{ openStore }, { TokenWatch }, { RunRecorder }, { destination, pino }] = await Promise.all([
    import("../../store/store.js"),
    import("../../store/token-file.js"),
    import("../../http/run-recorder.js"),
    import("pino"),
  ]);
  const dataDirectory = resolve(options.dataDir);
  const tokens = new TokenWatch(dataDirectory);
  await assertMayListen(options, tokens);
  // Synchronous: the last lines before an end are the ones that are needed. Never a position at info or above.
  const logger = pino({ level: options.logLevel }, destination({ dest: 2, sync: true }));
  const stop = stopOnSignal();
  const { keepRuns, keepDays, keepMegabytes } = options;
  const store = openStore(dataDirectory, { keepRuns, keepDays, keepMegabytes });
  try {
    const { mode, timeAssurance } = replay.describe();
    const source = options.replay === "-" ? "standard input" : basename(options.replay);
    const recorder = new RunRecorder(store, {
      mode,
      source,
      timeAssurance,
      softwareVersion: version,
      batchRecords: BATCH_RECORDS,
      onFault: (fault) => {
        if (fault === null) logger.info("the store takes data again");
        else logger.error({ fault }, "the store takes no data; what comes waits, as far as there is room");
      },
    });
    let api: Api | null = null;
    try {
      try {
        api = await startApi({
          ...options,
          store,
          tokens,
          status: () => recorder.status(),
          version,
          logger,
          notReady: () => (stop.signal.aborted ? "The server is stopping." : null),
        });
        announce(api.url, source, dataDirectory, version);
        logger.info({ run: recorder.runId, mode }, "replay begins");
        await record(replay, recorder, stop.signal);
      } catch (error) {
        if (recorder.isEmpty) recorder.discard();
        throw error;
      }
      const { state, ttfafSeconds, counts, queue } = recorder.status();
      logger.info(
        { run: recorder.runId, state, ttfafSeconds, counts, ...(queue.refused > 0 ? { queue } : {}) },
        stop.signal.aborted ? "replay was cut off" : "replay is done",
      );
      if (!options.exitAfterReplay) await goOnServing(recorder, stop.signalled);
    } finally {
      await api?.close();
    }
  } finally {
    store.close();
    stop.release();
  }
  logger.info("stopped");
}

/** Until the signal; retention goes on, for age comes without rows as well. */
async function goOnServing(recorder: RunRecorder, signalled: Promise<void>): Promise<void> {
  const timer = setInterval(() => recorder.tryFlush(), FLUSH_INTERVAL_MS);
  try {
    await signalled;
  } finally {
    clearInterval(timer);
  }
}

/** Runs the replay to its end, or to the signal's; what it brought is on disk afterwards. */
async function record(replay: Replay, recorder: RunRecorder, stopped: AbortSignal): Promise<void> {
  const writing = new AbortController();
  const signal = AbortSignal.any([stopped, writing.signal]);
  const timer = setInterval(() => {
    try {
      // A disk that refuses is waited for; anything else is a fault that ends the replay.
      recorder.tryFlush();
    } catch (error) {
      writing.abort(error);
    }
  }, FLUSH_INTERVAL_MS);
  try {
    const summary = await Promise.race([replay.into(recorder, signal), drained(signal)]);
    writing.signal.throwIfAborted();
    await finish(recorder, stopped.aborted ? null : summary, stopped);
  } catch (error) {
    writing.signal.throwIfAborted();
    if (stopped.aborted || !recorder.isEmpty) await finish(recorder, null, stopped);
    if (!stopped.aborted) throw error;
  } finally {
    clearInterval(timer);
  }
}

/** Writes the end of the run; while the disk refuses, again and again until it takes it or a signal comes. */
async function finish(
  recorder: RunRecorder,
  summary: SummaryRecord | null,
  stopped: AbortSignal,
): Promise<void> {
  for (;;) {
    try {
      recorder.finish(summary);
      return;
    } catch (error) {
      const waits = error instanceof OsnmadError && error.code === "OSN_STATE_UNWRITABLE" && !stopped.aborted;
      if (!waits) throw error;
      await new Promise((resolve) => setTimeout(resolve, FLUSH_INTERVAL_MS));
    }
  }
}

/** Resolves with null some time after the signal aborted: a replay that does not listen is not waited for. */
function drained(signal: AbortSignal): Promise<null> {
  return new Promise((resolve) => {
    signal.addEventListener("abort", () => setTimeout(resolve, DRAIN_MS, null).unref(), { once: true });
  });
}

function announce(url: string, source: string, dataDirectory: string, version: string): void {
  process.stdout.write(
    `${version} listens on ${url} (data in ${dataDirectory}), replaying ${source}\n` +
      ["/v1/status", "/v1/fixes/latest", "/v1/osnma", "/v1/satellites", "/v1/events", "/v1/stream", "/docs"]
        .map((path) => `  curl ${url}${path}\n`)
        .join("") +
      "Ctrl-C stops it.\n",
  );
}

function parsePort(text: string): number {
  if (!/^\d{1,5}$/.test(text) || Number(text) > 65535)
    throw new InvalidArgumentError("A port is 0 to 65535.");
  return Number(text);
}

function parseCount(text: string): number {
  if (!/^\d{1,6}$/.test(text)) throw new InvalidArgumentError("A whole number is expected.");
  return Number(text);
}

function parseDays(text: string): number {
  if (!/^\d{1,5}(\.\d{1,3})?$/.test(text) || !(Number(text) > 0)) {
    throw new InvalidArgumentError("A number of days above 0 is expected.");
  }
  return Number(text);
}

function parseMegabytes(text: string): number {
  if (!/^\d{1,9}$/.test(text) || Number(text) < 16) throw new InvalidArgumentError("At least 16 are kept.");
  return Number(text);
}

function parseKeepRuns(text: string): number {
  if (!/^[1-9]\d{0,5}$/.test(text)) throw new InvalidArgumentError("At least 1 run is kept.");
  return Number(text);
}
