/** `osnmad doctor`: what would keep this machine from authenticating, and what to do about it. */
import { Option, type Command } from "commander";
import { join } from "node:path";
import { TIME_SOURCES, type Config } from "../../daemon/config.js";
import type { LoadedConfig } from "../../daemon/config-sources.js";
import { OsnmadError } from "../../errors.js";
import { TokenWatch } from "../../store/token-file.js";
import type { Check, CheckStatus } from "../doctor/check.js";
import { skipped } from "../doctor/check.js";
import { checkConfiguration } from "../doctor/configuration.js";
import {
  checkFolder,
  checkHttpAccess,
  checkHttpPort,
  checkNode,
  checkStoreLibrary,
  runningIn,
} from "../doctor/machine.js";
import { checkReceiver } from "../doctor/receiver.js";
import { checkTime } from "../doctor/time.js";
import { checkTrust } from "../doctor/trust.js";
import { JsonLines } from "../json-lines.js";
import { Style } from "../replay-text.js";
import { wholeNumber } from "../trust-options.js";
import { addressOf, collect, dataDirectoryOf } from "./run.js";

interface DoctorFlags {
  readonly config?: string;
  readonly port?: string;
  readonly seconds: number;
  readonly dataDir?: string;
  readonly listen?: string;
  readonly merkle?: string[];
  readonly publicKey?: string[];
  readonly rootKey?: string;
  readonly timeSource?: Config["time"]["source"];
  readonly assumeSynchronised?: boolean;
  readonly bound?: number;
  readonly acceptReferenceClock?: boolean;
  readonly json?: boolean;
}

export function registerDoctor(program: Command): void {
  program
    .command("doctor")
    .summary("say what would keep this machine from authenticating")
    .description(
      "Reads the configuration as `osnmad run` would, and looks at what a run with it needs: " +
        "Node, the clock and who keeps it, leap seconds, key material, folders and " +
        "space, the HTTP address, and the receiver with what it sends. Nothing is " +
        "changed; the receiver is asked who it is and how it is set, and heard.",
    )
    .option(
      "--config <file>",
      "TOML configuration (default: /etc/osnmad/osnmad.toml, ~/.config/osnmad/osnmad.toml)",
    )
    .option("--port <port>", "auto, a device, tcp://host:port, or none to leave it out (receiver.port)")
    .option("--seconds <n>", "how long to listen to the receiver", wholeNumber("seconds", 1, 600), 5)
    .option("--data-dir <folder>", "store, state and recordings (data_dir)")
    .option("--listen <host:port>", "HTTP address (http.host, http.port)")
    .option("--merkle <file>", "Merkle tree file whose root is trusted (trust.merkle; repeatable)", collect)
    .option("--public-key <file>", "public key file (trust.public_key; repeatable)", collect)
    .option("--root-key <file>", "DSM-KROOT and NMA header (trust.root_key)")
    .addOption(
      new Option("--time-source <which>", "who is asked for the clock (time.source)").choices(TIME_SOURCES),
    )
    .option(
      "--assume-synchronised",
      "vouch for the clock where no program does; needs --bound (time.assume_synchronised)",
    )
    .option("--bound <seconds>", "how good it is then (time.bound_seconds)", seconds)
    .option(
      "--accept-reference-clock",
      "a clock attached to this machine counts, never the receiver itself (time.accept_reference_clock)",
    )
    .option("--json", "one JSON line for each check, and a summary")
    .addHelpText(
      "after",
      `
Exit status: 0 when nothing is in the way (warnings allowed), 1 when there is a
problem. Ask as the user that will run osnmad: rights are a part of it.
Examples:
  osnmad doctor
  osnmad doctor --port tcp://receiver.local:2000 --seconds 15
  osnmad doctor --port none --json | jq 'select(.status == "problem")'
  sudo -u osnmad STATE_DIRECTORY=/var/lib/osnmad osnmad doctor`,
    )
    .action(doctor);
}

function seconds(text: string): number {
  const value = Number(text);
  if (!/^\d{1,6}(\.\d{1,6})?$/.test(text)) {
    throw new OsnmadError("OSN_USAGE", `--bound takes seconds, for example 0.5, not "${text}".`);
  }
  return value;
}

/** Options of the command line as names of the configuration; the port is looked at apart, since it may be none. */
function namedFlags(flags: DoctorFlags): Record<string, unknown> {
  const listen = flags.listen === undefined ? null : addressOf(flags.listen);
  return {
    "receiver.port": flags.port === "none" ? undefined : flags.port,
    data_dir: flags.dataDir,
    "http.host": listen?.host,
    "http.port": listen?.port,
    "trust.merkle": flags.merkle,
    "trust.public_key": flags.publicKey,
    "trust.root_key": flags.rootKey,
    "time.source": flags.timeSource,
    "time.assume_synchronised": flags.assumeSynchronised,
    "time.bound_seconds": flags.bound,
    "time.accept_reference_clock": flags.acceptReferenceClock,
  };
}

async function doctor(flags: DoctorFlags): Promise<void> {
  const report = flags.json === true ? jsonReport() : textReport();
  const counts: Record<CheckStatus, number> = { ok: 0, warning: 0, problem: 0, skipped: 0 };
  const tell = (checks: readonly Check[]): void => {
    for (const check of checks) {
      counts[check.status]++;
      report.check(check);
    }
  };
  const { checks, loaded } = await checkConfiguration(flags.config, namedFlags(flags));
  const { config } = loaded;
  if (config.time.assume_synchronised && config.time.bound_seconds === undefined) {
    throw new OsnmadError("OSN_USAGE", "--assume-synchronised needs --bound <seconds>.");
  }
  tell([checkNode(), ...checks, await checkStoreLibrary()]);
  const time = await checkTime({
    source: config.time.source,
    assumeSynchronised: config.time.assume_synchronised,
    boundSeconds: config.time.bound_seconds ?? null,
    driftPpm: config.time.drift_ppm,
    acceptReferenceClock: config.time.accept_reference_clock,
  });
  try {
    tell(time.checks);
    tell(await checksOf(loaded));
    const holder = runningIn(dataDirectoryOf(loaded));
    tell(
      holder === null
        ? await checkReceiver({
            port: flags.port === "none" ? "none" : config.receiver.port,
            profile: config.receiver.profile,
            ...(config.receiver.baud === "auto" ? {} : { baud: config.receiver.baud }),
            ...(config.receiver.unique_id === undefined ? {} : { uniqueId: config.receiver.unique_id }),
            seconds: flags.seconds,
            gstNow: time.gstNow,
          })
        : [
            skipped(
              "receiver",
              `osnmad runs with this data folder (process ${holder}) and has the receiver.`,
            ),
          ],
    );
  } finally {
    await time.stop();
  }
  await report.end(counts);
  process.exitCode = counts.problem > 0 ? 1 : 0;
}

/** Key material, folders and the HTTP server of this configuration. */
async function checksOf(loaded: LoadedConfig): Promise<Check[]> {
  const { trust, store, recording, http } = loaded.config;
  const dataDirectory = dataDirectoryOf(loaded);
  const recordings = recording.folder ?? join(dataDirectory, "recordings");
  const storeBytes = store.keep_megabytes * 1e6;
  const recordingBytes = recording.enabled ? recording.max_total_megabytes * 1e6 : 0;
  const together = recording.folder === undefined;
  const checks = [
    ...checkTrust(
      {
        ...(trust.merkle.length > 0 ? { merkle: trust.merkle } : {}),
        ...(trust.public_key.length > 0 ? { publicKey: trust.public_key } : {}),
        ...(trust.root_key === undefined ? {} : { rootKey: trust.root_key }),
      },
      dataDirectory,
    ),
    checkFolder("data-dir", dataDirectory, "--data-dir", storeBytes + (together ? recordingBytes : 0)),
  ];
  if (recording.enabled && !together) {
    checks.push(checkFolder("recordings", recordings, "recording.folder", recordingBytes));
  }
  if (!http.enabled) return [...checks, skipped("http-port", "http.enabled is false")];
  const listening = {
    host: http.host,
    port: http.port,
    allowRemote: http.allow_remote,
    requireToken: http.require_token,
  };
  checks.push(await checkHttpAccess(listening, new TokenWatch(dataDirectory)));
  checks.push(
    runningIn(dataDirectory) === null
      ? await checkHttpPort(http.port, http.host)
      : skipped("http-port", "osnmad runs with this data folder"),
  );
  return checks;
}

interface Report {
  check(check: Check): void;
  end(counts: Readonly<Record<CheckStatus, number>>): Promise<void>;
}

function jsonReport(): Report {
  const lines = new JsonLines(process.stdout);
  return {
    check: (check) => {
      lines.write({ type: "check", ...check });
    },
    end: async (counts) => {
      lines.write({ type: "summary", ...counts });
      await lines.end();
    },
  };
}

function textReport(): Report {
  const { bold, dim, yellow } = new Style(process.stdout);
  const marks: Readonly<Record<CheckStatus, string>> = {
    ok: "ok     ",
    warning: yellow("warning"),
    problem: bold("PROBLEM"),
    skipped: dim("skipped"),
  };
  return {
    check: ({ name, status, found, remedy, because }) => {
      // Not a finding of its own: what it follows from is told.
      if (because !== undefined) return;
      process.stdout.write(`${marks[status]}  ${name.padEnd(13)} ${found}\n`);
      if (remedy !== null) process.stdout.write(`${" ".repeat(23)} ${dim("do:")} ${remedy}\n`);
    },
    end: (counts) => {
      process.stdout.write(
        counts.problem > 0
          ? `\n${bold(`${counts.problem} problem(s)`)} and ${counts.warning} warning(s): this machine would not authenticate.\n`
          : `\nNothing is in the way${counts.warning > 0 ? `, with ${counts.warning} warning(s)` : ""}.\n`,
      );
      return Promise.resolve();
    },
  };
}
