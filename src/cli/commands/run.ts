/** `osnmad run`: the daemon, from configuration to a running one. */
import { Option, type Command } from "commander";
import { homedir } from "node:os";
import { join } from "node:path";
import { LOG_LEVELS } from "../../daemon/config.js";
import { loadConfig, type LoadedConfig } from "../../daemon/config-sources.js";
import { OsnmadError } from "../../errors.js";
import type { DaemonOptions } from "../daemon.js";
import { defaultDataDirectory } from "../data-directory.js";
import { assertFiles, openSecrets, trustFilesOf } from "../named-files.js";
import { assertRunnable } from "../runnable.js";
import { stopOnSignal } from "../serving.js";
import { startMaterial, type StartMaterial } from "../trust-options.js";
import { SOFTWARE_VERSION } from "../version.js";

interface RunFlags {
  readonly config?: string;
  readonly port?: string;
  readonly profile?: string;
  readonly dataDir?: string;
  readonly listen?: string;
  readonly http: boolean;
  readonly recording: boolean;
  readonly merkle?: string[];
  readonly publicKey?: string[];
  readonly rootKey?: string;
  readonly policy?: string;
  readonly logLevel?: string;
  readonly json?: boolean;
  readonly lines?: boolean;
}

export const collect = (value: string, previous: string[] = []): string[] => [...previous, value];

export function registerRun(program: Command): void {
  program
    .command("run")
    .summary("read a receiver, authenticate live, keep and serve the fixes")
    .description(
      "Reads a u-blox receiver, verifies OSNMA against this machine's clock, keeps what it finds and serves it. " +
        "Without options it takes the one u-blox receiver on USB, configures it (in its RAM only), and listens on " +
        "loopback. On a terminal it shows what is going on; elsewhere its log on standard error tells.",
    )
    .option(
      "--config <file>",
      "TOML configuration (default: /etc/osnmad/osnmad.toml, ~/.config/osnmad/osnmad.toml)",
    )
    .option("--port <port>", "auto, a device, tcp://host:port, a capture, or - (receiver.port)")
    .option(
      "--profile <profile>",
      "auto, a profile's name or file, or none to leave the receiver alone (receiver.profile)",
    )
    .option("--data-dir <folder>", "store, state and recordings (data_dir)")
    .option("--listen <host:port>", "HTTP address, for example 127.0.0.1:4747 (http.host, http.port)")
    .option("--no-http", "no HTTP server (http.enabled)")
    .option("--no-recording", "do not keep the received bytes (recording.enabled)")
    .option("--merkle <file>", "Merkle tree file whose root is trusted (trust.merkle; repeatable)", collect)
    .option("--public-key <file>", "public key file (trust.public_key; repeatable)", collect)
    .option("--root-key <file>", "DSM-KROOT and NMA header, for a hot start (trust.root_key)")
    .addOption(
      new Option("--policy <policy>", "how fixes are graded (fix.policy)").choices(["default", "strict"]),
    )
    .addOption(new Option("--log-level <level>", "what is logged (log.level)").choices(LOG_LEVELS))
    .option("--json", "every record as a JSON line on standard output (fixes hold coordinates)")
    .option("--lines", "plain lines on standard output")
    .addHelpText(
      "after",
      `
What to expect after the receiver is plugged in, if the clock is synchronised:
  some seconds    the receiver is found and configured, satellites are heard
  1 to 2 minutes  root key and first keys: navigation data is authenticated
  2 to 3 minutes  four satellites: the first authenticated fix (docs/live.md)

Every option of the configuration is explained in docs/configuration.md; each
can also be given as OSNMAD_SECTION__KEY, for example OSNMAD_RECEIVER__PORT=/dev/ttyACM0.
Signals: SIGINT and SIGTERM end it in order, SIGHUP reads the configuration
again.
Examples:
  osnmad run
  osnmad run --port tcp://192.168.1.20:2000 --json | jq 'select(.type == "fix") | .assurance'
  osnmad run --config /etc/osnmad/osnmad.toml --lines`,
    )
    .action(async (flags: RunFlags) => {
      await run(flags);
    });
}

/** Options of the command line as names of the configuration. */
function namedFlags(flags: RunFlags): Record<string, unknown> {
  const listen = flags.listen === undefined ? null : addressOf(flags.listen);
  return {
    "receiver.port": flags.port,
    "receiver.profile": flags.profile,
    data_dir: flags.dataDir,
    "http.host": listen?.host,
    "http.port": listen?.port,
    "http.enabled": flags.http ? undefined : false,
    "recording.enabled": flags.recording ? undefined : false,
    "trust.merkle": flags.merkle,
    "trust.public_key": flags.publicKey,
    "trust.root_key": flags.rootKey,
    "fix.policy": flags.policy,
    "log.level": flags.logLevel,
  };
}

export function addressOf(text: string): { host: string; port: number } {
  const match = /^(?:(?:\[([0-9a-fA-F:.]+)\]|([^\s:[\]]+)):)?(\d{1,5})$/.exec(text);
  if (match === null) throw new OsnmadError("OSN_USAGE", `--listen takes host:port, not "${text}".`);
  return { host: match[1] ?? match[2] ?? "127.0.0.1", port: Number(match[3]) };
}

/** $STATE_DIRECTORY is systemd's word for where a service keeps its data. */
export function dataDirectoryOf({ config }: LoadedConfig): string {
  return config.data_dir ?? process.env["STATE_DIRECTORY"] ?? defaultDataDirectory(process.env, homedir());
}

export function load(file: string | undefined, flags: Record<string, unknown>): LoadedConfig {
  return loadConfig({ file: file ?? null, environment: process.env, home: homedir(), flags });
}

/** As a run takes it. Throws OSN_CONFIG_INVALID, OSN_CONFIG_UNREADABLE, OSN_LISTEN_REFUSED. */
export function loadRunnable(file: string | undefined, flags: Record<string, unknown>): LoadedConfig {
  const loaded = load(file, flags);
  assertRunnable(loaded.config);
  return loaded;
}

/** Key files and stored state that a run begins with. Throws OSN_TRUST_*, OSN_STATE_*, OSN_ALERT_LATCHED. */
export function materialOf(loaded: LoadedConfig): StartMaterial {
  const { config } = loaded;
  return startMaterial({
    ...trustFilesOf(config),
    trust: true,
    state: dataDirectoryOf(loaded),
    rule: config.osnma.rule,
    minTagBits: config.osnma.min_tag_bits,
  });
}

/** A block on a terminal, plain lines where they are asked for; else the log tells. */
function viewOf({ json, lines }: RunFlags): NonNullable<DaemonOptions["view"]> | null {
  if (json === true) return null;
  if (lines === true) return { out: process.stdout, isTerminal: false };
  return process.stdout.isTTY ? { out: process.stdout, isTerminal: true } : null;
}

async function run(flags: RunFlags): Promise<void> {
  const named = namedFlags(flags);
  const loaded = loadRunnable(flags.config, named);
  const { config } = loaded;
  const dataDirectory = dataDirectoryOf(loaded);
  await assertFiles(config);
  const material = materialOf(loaded);
  const secrets = openSecrets(config).map(({ found, remedy }) => `${found}: ${remedy}`);
  for (const warning of [...material.warnings, ...secrets]) process.stderr.write(`osnmad: ${warning}\n`);
  const [{ runDaemon }, { hostTime }, { Recorder }, { receiverSetup }] = await Promise.all([
    import("../daemon.js"),
    import("../../time/host-time.js"),
    import("../../recorder/recorder.js"),
    import("../receiver-setup.js"),
  ]);
  const { time, recording } = config;
  const stop = stopOnSignal();
  const onHangup = { reload: (): void => undefined };
  const hangup = (): void => {
    onHangup.reload();
  };
  process.on("SIGHUP", hangup);
  try {
    await runDaemon({
      config,
      dataDirectory,
      material,
      clock: hostTime({
        source: time.source,
        pollSeconds: time.poll_seconds,
        assumeSynchronised: time.assume_synchronised,
        boundSeconds: time.bound_seconds ?? null,
        driftPpm: time.drift_ppm,
        acceptReferenceClock: time.accept_reference_clock,
      }),
      setup: receiverSetup({
        profile: config.receiver.profile,
        fixedRate: config.receiver.baud !== "auto",
      }),
      makeRecording: recording.enabled
        ? (source, mode, onFault) =>
            new Recorder({
              folder: recording.folder ?? join(dataDirectory, "recordings"),
              mode,
              softwareVersion: SOFTWARE_VERSION,
              source,
              maxFileBytes: recording.max_file_megabytes * 1_000_000,
              maxFileSeconds: recording.max_file_seconds,
              maxTotalBytes: recording.max_total_megabytes * 1_000_000,
              fsync: recording.fsync_seconds === 0 ? "block" : recording.fsync_seconds,
              onFault,
            })
        : null,
      stop: stop.signal,
      json: flags.json === true ? process.stdout : null,
      view: viewOf(flags),
      onStarted: (daemon) => {
        onHangup.reload = () => {
          daemon.tryReload(() => loadRunnable(flags.config, named).config);
        };
      },
    });
  } finally {
    process.removeListener("SIGHUP", hangup);
    stop.release();
  }
}
