/**
 * The daemon, wired: source, recorder, pipeline with trusted time, store, server. Started in this order and taken down
 * in the reverse: lock of the data folder, store, clock, run, server, receiver. `osnmad run` is this with a
 * configuration; tests give it a clock and a line of their own.
 */
import { mkdirSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import type { Writable } from "node:stream";
import type { Logger } from "pino";
import { RELOADABLE, type Config } from "../daemon/config.js";
import { expectation, type Situation } from "../daemon/expectation.js";
import { LiveRun } from "../daemon/live-run.js";
import { makeLogger, Repeats } from "../daemon/log.js";
import type {
  ByteRecorder,
  ReceiverIdentity,
  ReceiverSetup,
  SetupReport,
  TrustedClock,
} from "../daemon/ports.js";
import { peerCounts, PeerWatch } from "../daemon/peer-watch.js";
import { duration, fixWords, TerminalBlock, viewLines, type FixView } from "../daemon/terminal-view.js";
import { OsnmadError } from "../errors.js";
import { fixesWith } from "../fix/fix-stage.js";
import { RunRecorder, type CommittedRecord } from "../http/run-recorder.js";
import type { LiveStatus } from "../http/schemas.js";
import type { EventRecord, FixRecord, Mode } from "../pipeline/records.js";
import type { ByteLink } from "../source/byte-link.js";
import { Connection } from "../source/connection.js";
import type { ConnectionTimes } from "../source/connection-logic.js";
import type { LineFinding } from "../source/line-watch.js";
import { openLink } from "../source/open-link.js";
import { PortFinder } from "../source/port-finder.js";
import { takeLock } from "../source/port-lock.js";
import type { DiscoveryOptions } from "../source/serial-discovery.js";
import { BAUD_RATES } from "../source/serial.js";
import { openStore } from "../store/store.js";
import { TokenWatch } from "../store/token-file.js";
import { loadChecked, saveChecked } from "../trust/state-store.js";
import type { Station } from "../station/station.js";
import { stationRoutes } from "../station/routes.js";
import { proofRoutes } from "../proof/routes.js";
import type { DeliveryStatus } from "../emit/delivery.js";
import type { Emission } from "../emit/emission.js";
import { emissionRoutes } from "../emit/routes.js";
import { parseWatchThresholds } from "../watch/threshold-schema.js";
import { fixEvidence } from "./fix-evidence.js";
import { JsonLines } from "./json-lines.js";
import { openEmission } from "./live-emission.js";
import { describeReceiver, openStation } from "./live-station.js";
import { newPipeline, saveEngineState } from "./replay-run.js";
import { assertRunnable } from "./runnable.js";
import { assertMayListen, startApi, type Api } from "./serving.js";
import type { StartMaterial } from "./trust-options.js";
import { SOFTWARE_VERSION } from "./version.js";

export interface DaemonOptions {
  readonly config: Config;
  readonly dataDirectory: string;
  readonly material: StartMaterial;
  readonly clock: TrustedClock;
  /** Asks and configures the receiver; null leaves it as it is. */
  readonly setup: ReceiverSetup | null;
  /** Keeps the bytes; null where nothing is recorded. */
  readonly makeRecording:
    ((source: string, mode: Mode, onFault: (fault: string | null) => void) => ByteRecorder) | null;
  /** Ends the daemon. */
  readonly stop: AbortSignal;
  /** Every record as a JSON line here; it holds coordinates. */
  readonly json?: Writable | null;
  /** A terminal to draw on, or a stream for plain lines; null for neither. */
  readonly view?: { readonly out: Writable; readonly isTerminal: boolean } | null;
  readonly logger?: Logger;
  readonly times?: Partial<ConnectionTimes>;
  /** Another way to a link at the port that was found than `openLink`. */
  readonly open?: typeof openLink;
  /** Where ports are looked for. Default: this machine's /dev and /sys. */
  readonly discovery?: DiscoveryOptions;
  readonly onStarted?: (daemon: RunningDaemon) => void;
}

/** A hold on the daemon while it runs. */
export interface RunningDaemon {
  readonly url: string | null;
  readonly live: LiveRun;
  readonly connection: Connection;
  /** Null where there is none, or its log cannot be gone on with. */
  readonly station: Station | null;
  /** Takes over what can be taken over; returns the names of those options and of those that need a restart. */
  reload(config: Config): { readonly taken: string[]; readonly left: string[] };
  /** As `reload`; a configuration that cannot be read is logged, and nothing changes. */
  tryReload(read: () => Config): void;
  /**
   * Calls `listener` with records when they are on disk, in order, until the function that is returned is called.
   * What hands records on (emission, a log of commitments) begins here.
   */
  onCommitted(listener: (records: readonly CommittedRecord[]) => void): () => void;
  status(): LiveStatus;
}

const TICK_MS = 1_000;
/** How often the log forgets what opens its old leaves. */
const PRUNE_MS = 3_600_000;
/** The same failure to connect is told once in this time. */
const REPEAT_MS = 600_000;
/** How often it is looked whether witnesses and consumers are there. */
const PEERS_MS = 5_000;
const RECEIVER_FILE = "receiver.json";
/** Pages and epochs count as coming when the newest is not older, seconds of wall time. */
const COMING_MS = 10_000;
/** A plain line about the state of things where there is no terminal. */
const REPORT_MS = 60_000;

/** Runs until `stop` aborts, or a finite source ended. Throws what keeps it from starting. */
export async function runDaemon(options: DaemonOptions): Promise<void> {
  const { config, clock, stop } = options;
  assertRunnable(config);
  const dataDirectory = resolve(options.dataDirectory);
  mkdirSync(dataDirectory, { recursive: true, mode: 0o700 });
  const unlock = takeLock(join(dataDirectory, "osnmad.lock"), (holder, cause) =>
    holder === null
      ? new OsnmadError("OSN_STATE_UNWRITABLE", `${dataDirectory}: its lock cannot be made.`, { cause })
      : new OsnmadError("OSN_ALREADY_RUNNING", `${dataDirectory} is in use by process ${holder}.`),
  );
  try {
    const tokens = new TokenWatch(dataDirectory);
    const listening = {
      host: config.http.host,
      port: config.http.port,
      allowRemote: config.http.allow_remote,
      requireToken: config.http.require_token,
      rateLimit: config.http.rate_limit,
    };
    if (config.http.enabled) await assertMayListen(listening, tokens);
    const { keep_runs: keepRuns, keep_days: keepDays, keep_megabytes: keepMegabytes } = config.store;
    const store = openStore(dataDirectory, { keepRuns, keepDays, keepMegabytes });
    try {
      await clock.start();
      try {
        const daemon = new Daemon(options, dataDirectory, store);
        let api: Api | null = null;
        try {
          await daemon.openEmission(store);
          if (config.http.enabled) {
            api = await startApi({
              ...listening,
              store,
              tokens,
              status: () => daemon.recorder.status(),
              version: SOFTWARE_VERSION,
              logger: daemon.logger,
              notReady: () => (stop.aborted ? "The daemon is stopping." : null),
              extend: (app) => {
                const { station } = daemon;
                if (station !== null) {
                  stationRoutes(app, { station });
                  proofRoutes(app, { store, log: station.log });
                }
                if (daemon.emission !== null) emissionRoutes(app, { emission: daemon.emission });
              },
            });
          }
        } catch (error) {
          daemon.recorder.discard();
          await daemon.emission?.close();
          await daemon.station?.close();
          throw error;
        }
        try {
          await daemon.run(api?.url ?? null);
        } finally {
          await api?.close();
          await daemon.emission?.close();
          await daemon.station?.close();
        }
      } finally {
        await clock.stop();
      }
    } finally {
      store.close();
    }
  } finally {
    unlock();
  }
}

class Daemon implements RunningDaemon {
  readonly logger: Logger;
  readonly recorder: RunRecorder;
  readonly live: LiveRun;
  readonly connection: Connection;
  readonly station: Station | null;
  emission: Emission | null = null;
  url: string | null = null;
  readonly #options: DaemonOptions;
  readonly #dataDirectory: string;
  readonly #store: ReturnType<typeof openStore>;
  readonly #mode: Mode;
  readonly #finder: PortFinder;
  readonly #recording: ByteRecorder | null;
  readonly #json: JsonLines | null;
  readonly #block: TerminalBlock | null;
  readonly #lines: Writable | null;
  readonly #committed = new Set<(records: readonly CommittedRecord[]) => void>();
  readonly #repeats = new Repeats(REPEAT_MS);
  readonly #startedAt = performance.now();
  #config: Config;
  #port: string | null = null;
  #lineReason: string | null = null;
  #connections = 0;
  #identity: ReceiverIdentity | null = null;
  #configuration: LiveStatus["receiver"]["configuration"] = "none";
  /** Whether the bytes of the receiver are used: not of another than the one asked for. */
  #accepted: boolean;
  #refused = false;
  #settingUp: Promise<void> = Promise.resolve();
  #fix: FixRecord | null = null;
  #firstFix: { readonly assurance: string; readonly afterSeconds: number } | null = null;
  #epochAt = Number.NEGATIVE_INFINITY;
  #pageAt = Number.NEGATIVE_INFINITY;
  #pages = 0;
  #savedAt = performance.now();
  #reportedAt = performance.now();
  #prunedAt = Number.NEGATIVE_INFINITY;
  /** Why there is no station though the configuration has one. */
  #stationFault: string | null = null;
  readonly #peers = new PeerWatch();
  #peersAt = Number.NEGATIVE_INFINITY;
  #ended: (() => void) | null = null;

  constructor(options: DaemonOptions, dataDirectory: string, store: ReturnType<typeof openStore>) {
    const { config, material, clock, view = null } = options;
    this.#options = options;
    this.#config = config;
    this.#dataDirectory = dataDirectory;
    this.#store = store;
    this.#mode = material.simulated ? "simulated" : "live";
    this.#block = view?.isTerminal === true ? new TerminalBlock(view.out) : null;
    this.#lines = view?.isTerminal === false ? view.out : null;
    this.#json = options.json == null ? null : new JsonLines(options.json);
    const block = this.#block;
    this.logger =
      options.logger ??
      makeLogger(
        config.log.level,
        block === null
          ? null
          : (line) => {
              block.above(line);
            },
      );
    this.#finder = new PortFinder(config.receiver.port, options.discovery);
    this.#accepted = config.receiver.unique_id === undefined;
    this.recorder = new RunRecorder(store, {
      mode: this.#mode,
      source: sourceName(config.receiver.port),
      timeAssurance: "independent",
      softwareVersion: SOFTWARE_VERSION,
      live: () => this.status(),
      onCommitted: (records) => {
        for (const listener of this.#committed) listener(records);
      },
      onFault: (fault) => {
        if (fault === null) this.logger.info("the store takes data again");
        else
          this.logger.error({ fault }, "the store takes no data; what comes waits, as far as there is room");
      },
    });
    this.#recording =
      options.makeRecording?.(sourceName(config.receiver.port), this.#mode, (fault) => {
        if (fault === null) this.logger.info("recording goes on");
        else this.logger.error({ fault }, "nothing is recorded");
      }) ?? null;
    this.station = this.#openStation();
    this.live = new LiveRun({
      mode: this.#mode,
      recorder: this.recorder,
      recording: this.#recording,
      clock,
      makePipeline: (emit) =>
        newPipeline(
          {
            material,
            pipeline: {
              mode: this.#mode,
              timeAssurance: "independent",
              rule: config.osnma.rule,
              minimumTagBits: config.osnma.min_tag_bits,
              fixes: fixesWith({
                mode: this.#mode,
                timeAssurance: "independent",
                softwareVersion: SOFTWARE_VERSION,
                policy: () => this.#config.fix.policy,
                thresholds: parseWatchThresholds(config.fix.thresholds, "fix.thresholds"),
                evidence: fixEvidence((objects) => {
                  this.recorder.evidence(objects);
                }),
              }),
              softwareVersion: SOFTWARE_VERSION,
              observer: this.station,
            },
          },
          emit,
        ),
      saveState: (pipeline) => {
        saveEngineState(dataDirectory, material, pipeline);
      },
      onStateFault: (error) => {
        if (this.#repeats.take("state", performance.now()) !== null) {
          this.logger.error({ fault: messageOf(error) }, "the engine's state cannot be saved");
        }
      },
      onRecord: (record) => {
        this.#record(record);
      },
    });
    const { silence_seconds, baud } = config.receiver;
    const finder = this.#finder;
    this.connection = new Connection(
      {
        open: () => this.#open(),
        finite: finder.isFinite,
        ...(finder.isSerial ? { isPresent: () => finder.isPresent() } : {}),
        ...(finder.isSerial ? { baudRates: baud === "auto" ? BAUD_RATES : [baud] } : {}),
        times: { silenceMs: silence_seconds * 1000, ...options.times },
      },
      {
        data: (chunk) => {
          if (this.#accepted) this.live.push(chunk);
        },
        connected: (link, downMs) => {
          this.#connected(link, downMs);
        },
        lost: (_link, why, waitMs) => {
          this.#lost(why, waitMs);
        },
        openFailed: (error, waitMs) => {
          this.#openFailed(error, waitMs);
        },
        finding: (finding) => {
          this.#finding(finding);
        },
        ended: () => {
          this.#ended?.();
        },
      },
    );
  }

  /** Until the signal, or the end of the source. */
  async run(url: string | null): Promise<void> {
    const { stop, clock } = this.#options;
    this.url = url;
    // Not before all that can keep the daemon from starting: a log in which starts fail would fill with them.
    this.station?.begin();
    this.#announce();
    if (this.#stationFault !== null) this.#event("station-off", "alarm", this.#stationFault, {});
    const forget = clock.onEvent((event) => {
      this.#clockEvent(event);
    });
    const ticks = setInterval(() => {
      this.#tick();
    }, TICK_MS);
    try {
      await new Promise<void>((ended) => {
        this.#ended = ended;
        stop.addEventListener(
          "abort",
          () => {
            ended();
          },
          { once: true },
        );
        if (stop.aborted) ended();
        else {
          this.connection.start();
          this.#options.onStarted?.(this);
        }
      });
    } finally {
      clearInterval(ticks);
      forget();
      await this.connection.stop();
      await this.#settingUp;
      const summary = this.live.end();
      await this.station?.end();
      this.#finish(summary);
      await this.#recording?.close();
      await this.#json?.end();
    }
    const { state, counts, queue } = this.recorder.status();
    const line = this.live.counts();
    this.logger.info(
      { run: this.recorder.runId, state, counts, queue, line },
      `stopped: ${stopWords(counts.fixes, line.bytes, this.#recording?.status().bytesLost ?? null)}`,
    );
  }

  reload(config: Config): { taken: string[]; left: string[] } {
    const before = this.#config;
    const taken: string[] = [];
    const left: string[] = [];
    const name = (section: string, key: string): void => {
      (RELOADABLE.includes(`${section}.${key}`) ? taken : left).push(`${section}.${key}`);
    };
    for (const [section, fields] of Object.entries(config)) {
      const old = (before as Record<string, unknown>)[section];
      if (typeof fields !== "object") {
        if (fields !== old) left.push(section);
        continue;
      }
      for (const key of new Set([...Object.keys(fields), ...Object.keys(old ?? {})])) {
        const now = JSON.stringify((fields as Record<string, unknown>)[key]);
        if (now !== JSON.stringify((old as Record<string, unknown> | undefined)?.[key])) name(section, key);
      }
    }
    this.#config = {
      ...before,
      log: config.log,
      fix: { ...before.fix, policy: config.fix.policy },
      store: {
        ...before.store,
        keep_days: config.store.keep_days,
        keep_megabytes: config.store.keep_megabytes,
      },
    };
    this.logger.level = config.log.level;
    this.#store.retain({ keepDays: config.store.keep_days, keepMegabytes: config.store.keep_megabytes });
    this.logger.info({ taken, left }, "the configuration was read again; what is left needs a restart");
    return { taken, left };
  }

  tryReload(read: () => Config): void {
    try {
      this.reload(read());
    } catch (error) {
      if (!(error instanceof OsnmadError)) throw error;
      this.logger.error({ code: error.code }, `the configuration stays as it was: ${error.message}`);
    }
  }

  onCommitted(listener: (records: readonly CommittedRecord[]) => void): () => void {
    this.#committed.add(listener);
    return () => this.#committed.delete(listener);
  }

  status(): LiveStatus {
    const { state, reason, detail, source, boundSeconds, allows } = this.#options.clock.status();
    const recording = this.#recording?.status() ?? null;
    return {
      why: expectation(this.#situation()).why,
      receiver: {
        state: this.connection.phase,
        port: this.#port,
        reason: this.#lineReason,
        model: this.#identity?.model ?? null,
        firmware: this.#identity?.firmware ?? null,
        protocol: this.#identity?.protocol ?? null,
        configuration: this.#configuration,
        connections: this.#connections,
      },
      time: { state, reason, detail, source, boundSeconds, allows },
      line: this.live.counts(),
      station: this.#stationView(),
      recording:
        recording === null
          ? null
          : {
              recording: recording.recording,
              fault: recording.fault,
              bytesRecorded: recording.bytesRecorded,
              bytesLost: recording.bytesLost,
            },
    };
  }

  /* ---- the station's log ------------------------------------------------------------------------------ */

  /** Fixes go on being made and kept where the log cannot be gone on with; that is told, and nothing is signed. */
  #openStation(): Station | null {
    const known = knownReceiver(this.#dataDirectory);
    const receiver = known === null ? null : describeReceiver(known);
    try {
      return openStation(
        this.#config.station,
        this.#dataDirectory,
        this.#mode,
        receiver,
        (error) => {
          if (this.#repeats.take("station", performance.now()) !== null) {
            this.logger.error(
              { fault: messageOf(error) },
              "the station's log takes no leaf or is not signed",
            );
          }
        },
        () => {
          this.emission?.notify();
        },
      );
    } catch (error) {
      if (!(error instanceof OsnmadError) || error.code === "OSN_CONFIG_INVALID") throw error;
      this.#stationFault = `There is no station's log in this run: ${error.message} ${error.remedy}`;
      return null;
    }
  }

  /** Throws OSN_CONFIG_INVALID, OSN_STATE_*. */
  async openEmission(store: ReturnType<typeof openStore>): Promise<void> {
    if (this.station === null) return;
    this.emission = await openEmission(this.#config.emit, this.station, store, (error) => {
      if (this.#repeats.take("emission", performance.now()) !== null) {
        this.logger.error({ fault: messageOf(error) }, "the outbox does not take what the log has");
      }
    });
  }

  #stationTick(now: number): void {
    const { station } = this;
    if (station === null) return;
    station.tick(this.#options.clock.arrival().trusted);
    if (now - this.#prunedAt < PRUNE_MS) return;
    this.#prunedAt = now;
    station.prune(this.#config.station.keep_days);
  }

  /* ---- the line ------------------------------------------------------------------------------------- */

  async #open(): Promise<ByteLink> {
    const { baud } = this.#config.receiver;
    const port = await this.#finder.resolve();
    const open = this.#options.open ?? openLink;
    return open(port, baud === "auto" ? {} : { baudRate: baud });
  }

  #connected(link: ByteLink, downMs: number | null): void {
    this.#port = link.name;
    this.#lineReason = null;
    this.#connections++;
    const { last } = this.#finder;
    const product = last?.product ?? null;
    this.#event("receiver-connected", "info", `The receiver is connected at ${link.name}.`, {
      port: link.name,
      product,
      baud: this.connection.baudRate,
      downSeconds: downMs === null ? null : Math.round(downMs / 100) / 10,
    });
    this.#setUp(link, false);
  }

  #lost(why: string | null, waitMs: number | null): void {
    this.live.lineBroke();
    this.#configuration = "none";
    if (this.#config.receiver.unique_id !== undefined) this.#accepted = false;
    if (why === null) return;
    this.#lineReason = `${why}${waitMs === null ? "" : `; the next attempt is in ${seconds(waitMs)}`}`;
    this.#event("receiver-lost", "warning", `The receiver is gone: ${why}.`, { waitMs });
  }

  #openFailed(error: Error, waitMs: number): void {
    this.#lineReason = `${error.message.replace(/\.$/, "")}; the next attempt is in ${seconds(waitMs)}`;
    const code = error instanceof OsnmadError ? error.code : "OSN_LINK_LOST";
    const held = this.#repeats.take(`open ${code}`, performance.now());
    this.logger.debug({ code, waitMs }, error.message);
    if (held === null) return;
    const remedy = error instanceof OsnmadError ? error.remedy : "";
    this.#event("receiver-missing", "warning", `${error.message} ${remedy}`, { code, repeats: held });
  }

  #finding(finding: LineFinding): void {
    const { link } = this.connection;
    switch (finding.what) {
      case "overflow":
        this.#event(
          "receiver-overflow",
          "warning",
          `The receiver drops data, its transmit buffer is full (${finding.by}: ${finding.detail}). Optional messages are switched off.`,
          { by: finding.by },
        );
        if (link !== null) this.#setUp(link, true);
        return;
      case "restarted":
        this.#event("receiver-restarted", "warning", `The receiver was restarted: ${finding.detail}.`, {});
        this.live.receiverChanged();
        if (link !== null) this.#setUp(link, false);
        return;
      case "configuration-lost":
        this.#event(
          "receiver-configuration-lost",
          "warning",
          `The receiver speaks but sends no ${finding.missing} any more; it is configured again.`,
          { missing: finding.missing },
        );
        if (link !== null) this.#setUp(link, false);
    }
  }

  /** One after the other: a restart may be noticed while the receiver is being configured. */
  #setUp(link: ByteLink, fewer: boolean): void {
    const { setup } = this.#options;
    if (setup === null) return;
    this.#settingUp = this.#settingUp.then(async () => {
      if (this.connection.link !== link) return;
      this.#configuration = "pending";
      let report: SetupReport;
      try {
        report = await setup(link, { fewer, usb: this.#finder.last?.ublox ?? null });
      } catch (error) {
        report = { identity: null, configuration: "refused", detail: messageOf(error) };
      }
      if (this.connection.link !== link) return;
      this.connection.watch.configured(performance.now());
      this.#configured(report);
    });
  }

  #configured({ identity, configuration, detail }: SetupReport): void {
    this.#configuration = configuration;
    if (identity !== null) this.#identified(identity);
    const severity = configuration === "refused" ? "warning" : configuration === "partly" ? "notice" : "info";
    const words = {
      none: "The receiver is left as it is",
      applied: "The receiver is configured (in RAM)",
      partly: "The receiver is configured but for some keys",
      refused: "The receiver could not be configured",
    }[configuration];
    this.#event("receiver-configured", severity, `${words}${detail === null ? "" : `: ${detail}`}.`, {
      configuration,
    });
  }

  #identified(identity: ReceiverIdentity): void {
    const before = this.#identity ?? knownReceiver(this.#dataDirectory);
    const isSame = this.#identity !== null && sameReceiver(this.#identity, identity);
    this.#identity = identity;
    const wanted = this.#config.receiver.unique_id?.toLowerCase();
    if (wanted !== undefined) {
      this.#accepted = identity.uniqueId?.toLowerCase() === wanted;
      this.#refused = !this.#accepted;
      if (this.#refused) {
        this.#event(
          "receiver-refused",
          "alarm",
          "Another receiver is connected than receiver.unique_id names; its data is not used.",
          {},
        );
        return;
      }
    }
    if (isSame) return;
    this.station?.receiver(describeReceiver(identity));
    const { model, firmware, protocol, uniqueId } = identity;
    this.#event(
      "receiver-identified",
      "info",
      `The receiver is ${model ?? "of an unknown model"}, firmware ${firmware ?? "unknown"}.`,
      { model, firmware, protocol, uniqueId },
    );
    if (uniqueId !== null && before?.uniqueId != null && before.uniqueId !== uniqueId) {
      this.#event(
        "receiver-replaced",
        "warning",
        "It is another receiver than before: what was learnt of the old one's clock and ranges is dropped.",
        { uniqueId, before: before.uniqueId },
      );
      this.connection.watch.replaced();
      this.live.receiverChanged();
    }
    try {
      saveChecked(this.#dataDirectory, RECEIVER_FILE, identity, new Date().toISOString());
    } catch (error) {
      this.logger.warn({ fault: messageOf(error) }, "the receiver's identity cannot be saved");
    }
  }

  /* ---- what comes out ------------------------------------------------------------------------------- */

  #event(
    name: string,
    severity: EventRecord["severity"],
    message: string,
    details: Readonly<Record<string, unknown>>,
  ): void {
    this.live.event({ name, severity, message, ...details });
  }

  #clockEvent(event: { event: string; reason: string | null; seconds: number | null; detail: string }): void {
    const good = event.event === "trusted-time-established";
    this.#event(event.event, good ? "info" : "warning", event.detail, {
      reason: event.reason,
      seconds: event.seconds,
    });
  }

  #record(record: CommittedRecord): void {
    this.#json?.write(record);
    void this.#json?.flush();
    if (record.type === "fix") {
      this.station?.fix(record);
      this.#fix = record;
      this.#epochAt = performance.now();
      if (this.#firstFix === null && record.assurance !== "unverified") {
        this.#firstFix = { assurance: record.assurance, afterSeconds: this.#uptime() };
        this.logger.info(
          { assurance: record.assurance, mode: record.mode, afterSeconds: Math.round(this.#uptime()) },
          "first authenticated fix",
        );
        this.#line(`The first fix that is ${record.assurance}, ${duration(this.#uptime())} after the start.`);
      }
      return;
    }
    if (record.type !== "event") return;
    const { name, severity, message } = record;
    const log = severity === "alarm" ? "error" : severity === "warning" ? "warn" : "info";
    // A witness that is silent does not hide another.
    const peer = "peer" in record ? ` ${String(record["peer"])}` : "";
    const held = this.#repeats.take(`event ${name}${peer}`, performance.now());
    // The first of a kind is told at once; what repeats is told once in a while, and is in the store anyway.
    if (held === null) return;
    this.logger[log]({ event: name, ...(held > 0 ? { repeats: held } : {}) }, message);
    this.#line(`${severity === "info" ? "" : `${severity}: `}${message}`);
  }

  #line(text: string): void {
    this.#lines?.write(`${new Date().toISOString().slice(11, 19)}  ${text}\n`);
  }

  #announce(): void {
    const { url } = this;
    const { port } = this.#config.receiver;
    this.logger.info(
      { run: this.recorder.runId, mode: this.#mode, port, url, data: this.#dataDirectory },
      "started",
    );
    this.#line(
      `${SOFTWARE_VERSION}, ${this.#mode}, reads ${port}, data in ${this.#dataDirectory}${url === null ? "" : `, listens on ${url}`}`,
    );
    this.#report();
  }

  #tick(): void {
    const now = performance.now();
    this.live.idle();
    this.#stationTick(now);
    this.#peerTick(now);
    const { pages } = this.live.counts();
    if (pages !== this.#pages) {
      this.#pages = pages;
      this.#pageAt = now;
    }
    if (now - this.#savedAt > this.#config.osnma.save_seconds * 1000) {
      this.#savedAt = now;
      this.live.saveState();
    }
    if (this.#block !== null) this.#block.draw(this.#viewLines(this.#block.columns));
    else if (now - this.#reportedAt > REPORT_MS) this.#report();
  }

  #report(): void {
    this.#reportedAt = performance.now();
    const { why, next } = expectation(this.#situation());
    const heard = this.#heard().filter(({ fresh }) => fresh);
    const authenticated = heard.filter((satellite) => satellite.authenticated).length;
    this.#line(
      `${heard.length} satellites heard, ${authenticated} authenticated, fix ${fixWords(this.#fixView())}. ${why === null ? "" : `${why} `}${next}`,
    );
  }

  #viewLines(columns: number): string[] {
    const { why, next } = expectation(this.#situation());
    const { engine } = this.live.pipeline;
    const time = this.#options.clock.status();
    const verified = engine.verified[0] + engine.verified[4] + engine.verified[12];
    return viewLines(
      {
        version: SOFTWARE_VERSION,
        url: this.url,
        mode: this.#mode,
        receiver: this.#receiverWords(),
        clock:
          time.state === "untrusted"
            ? `not trusted (${time.reason ?? "unknown"})`
            : `${time.source ?? "?"}, good to ${(time.boundSeconds ?? 0).toFixed(3)} s${time.state === "holdover" ? ", not synchronised now" : ""}`,
        satellites: this.#heard(),
        osnma: `${engine.state}${engine.nmaStatus === null ? "" : `, status ${engine.nmaStatus}`}, ${verified} tags verified`,
        pagesWithoutTime: Number.isFinite(engine.now) ? 0 : this.#pages,
        fix: this.#fixView(),
        station: this.#stationView(),
        why,
        next,
        uptimeSeconds: this.#uptime(),
      },
      columns,
    );
  }

  /** The pipeline has no clock: how old its newest fix is, is said here. */
  #fixView(): FixView | null {
    const fix = this.#fix;
    if (fix === null) return null;
    const ageMs = performance.now() - this.#epochAt;
    const { own, assurance } = fix;
    return {
      assurance,
      own: own === null ? null : { satellites: own.satellites.length, raim: own.raim },
      ageSeconds: ageMs / 1000,
      isNow: this.connection.phase === "alive" && ageMs < COMING_MS,
      first: this.#firstFix,
    };
  }

  #stationView(): LiveStatus["station"] {
    const { station } = this;
    if (station === null && this.#stationFault === null) return null;
    const counts = peerCounts(this.#pushed(), station?.witnessStatus() ?? []);
    return { fault: this.#stationFault, leaves: station?.log.size ?? 0, ...counts };
  }

  #pushed(): DeliveryStatus[] {
    return (this.emission?.status().consumers ?? []).filter(
      (consumer): consumer is DeliveryStatus => consumer.state !== "pull",
    );
  }

  #peerTick(now: number): void {
    if (now - this.#peersAt < PEERS_MS) return;
    this.#peersAt = now;
    const told = this.#peers.look(this.#pushed(), this.station?.witnessStatus() ?? [], now);
    for (const { name, severity, message, peer } of told) this.#event(name, severity, message, { peer });
  }

  #receiverWords(): string {
    if (this.connection.phase !== "alive") return this.#lineReason ?? "none connected yet";
    const { model, firmware } = this.#identity ?? { model: null, firmware: null };
    const who = model === null ? "connected" : `${model}${firmware === null ? "" : ` (${firmware})`}`;
    return `${who} at ${this.#port ?? "?"}, configuration ${this.#configuration}`;
  }

  #heard(): { svid: number; authenticated: boolean; fresh: boolean }[] {
    const { now } = this.live.pipeline.engine;
    // The signal's time stands still with it: only this clock tells that nothing comes any more.
    const comes = this.connection.phase === "alive" && performance.now() - this.#pageAt < COMING_MS;
    return this.live.pipeline.satellites().map(({ svid, lastPage, authenticated }) => ({
      svid,
      authenticated: authenticated !== null,
      fresh: comes && lastPage !== null && now - lastPage < 60,
    }));
  }

  #situation(): Situation {
    const { engine } = this.live.pipeline;
    const now = performance.now();
    const heard = this.#heard();
    return {
      phase: this.connection.phase,
      lineReason: this.#lineReason,
      refused: this.#refused,
      time: this.#options.clock.status(),
      simulated: this.#mode === "simulated",
      signalGst: Number.isFinite(engine.now) ? engine.now : null,
      pagesCome: now - this.#pageAt < COMING_MS,
      epochsCome: now - this.#epochAt < COMING_MS,
      state: engine.state,
      gateReason: engine.timeGateReason,
      satellitesHeard: heard.filter(({ fresh }) => fresh).length,
      satellitesAuthenticated: heard.filter(({ authenticated }) => authenticated).length,
      fix: this.#fix?.assurance ?? null,
      fixReasons: this.#fix?.reasons ?? [],
    };
  }

  #uptime(): number {
    return (performance.now() - this.#startedAt) / 1000;
  }

  #finish(summary: ReturnType<LiveRun["end"]>): void {
    this.#json?.write(summary);
    try {
      this.recorder.finish(summary);
    } catch (error) {
      if (!(error instanceof OsnmadError)) throw error;
      this.logger.error({ fault: error.message }, "the end of the run cannot be stored");
    }
  }
}

/** What is kept of the source's name: of a path the last part, of an address all of it. */
function sourceName(port: string): string {
  if (port === "-") return "standard input";
  return port.startsWith("tcp://") || port === "auto" ? port : basename(port);
}

function sameReceiver(a: ReceiverIdentity, b: ReceiverIdentity): boolean {
  return a.uniqueId === b.uniqueId && a.model === b.model && a.firmware === b.firmware;
}

/** The receiver of the run before, null where none is known. */
function knownReceiver(folder: string): { readonly uniqueId: string | null } | null {
  try {
    const stored = loadChecked(folder, RECEIVER_FILE);
    const uniqueId = (stored as { uniqueId?: unknown } | null)?.uniqueId;
    return typeof uniqueId === "string" ? { uniqueId } : null;
  } catch {
    return null;
  }
}

/** What a run came to, for people; `lost` is null where nothing was recorded. */
export function stopWords(
  fixes: Readonly<Record<string, number>>,
  bytes: number,
  lost: number | null,
): string {
  const count = (value: number): string => value.toLocaleString("en-US");
  const graded = Object.entries(fixes).filter(([, made]) => made > 0);
  const made = graded.length === 0 ? "no" : graded.map(([grade, n]) => `${count(n)} ${grade}`).join(", ");
  const kept = lost === null ? "not recorded" : lost === 0 ? "none lost" : `${count(lost)} not recorded`;
  return `${made} fixes; ${count(bytes)} bytes, ${kept}`;
}

function seconds(ms: number): string {
  return ms < 1000 ? "less than a second" : `${Math.round(ms / 1000)} s`;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
