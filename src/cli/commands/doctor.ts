/** `osnmad doctor`: what would keep this machine from authenticating, and what to do about it. */
import { Option, type Command } from "commander";
import { homedir } from "node:os";
import { OsnmadError } from "../../errors.js";
import { checkFolder, checkHttpPort, checkNode } from "../doctor/machine.js";
import { checkReceiver } from "../doctor/receiver.js";
import { checkTime } from "../doctor/time.js";
import { checkTrust } from "../doctor/trust.js";
import type { Check, CheckStatus } from "../doctor/check.js";
import { defaultDataDirectory } from "../data-directory.js";
import { JsonLines } from "../json-lines.js";
import { Style } from "../replay-text.js";
import { wholeNumber } from "../trust-options.js";

interface DoctorFlags {
  readonly port: string;
  readonly seconds: number;
  readonly dataDir: string;
  readonly state?: string;
  readonly httpPort: number;
  readonly timeSource: "auto" | "chrony" | "ntpd" | "systemd-timesyncd" | "none";
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
      "Looks at what authentication needs: Node, the clock and who keeps it, leap " +
        "seconds, key material, folders, and the receiver with what it sends. Nothing " +
        "is changed; the receiver is asked who it is and how it is set, and heard.",
    )
    .option("--port <port>", "auto, a device, tcp://host:port, or none to leave the receiver out", "auto")
    .option("--seconds <n>", "how long to listen to the receiver", wholeNumber("seconds", 1, 600), 5)
    .option("--data-dir <folder>", "where data will be kept", defaultDataDirectory(process.env, homedir()))
    .option("--state <dir>", "folder of the trust state that a run starts from")
    .option("--http-port <n>", "the port that will be served on", wholeNumber("http-port", 1, 65_535), 4747)
    .addOption(
      new Option("--time-source <which>", "who is asked for the clock (docs/time.md)")
        .choices(["auto", "chrony", "ntpd", "systemd-timesyncd", "none"])
        .default("auto"),
    )
    .option("--assume-synchronised", "vouch for the clock where no program does; needs --bound")
    .option("--bound <seconds>", "how good it is then", seconds)
    .option("--accept-reference-clock", "a clock attached to this machine counts (never the receiver itself)")
    .option("--json", "one JSON line for each check, and a summary")
    .addHelpText(
      "after",
      `
Exit code: 0 when nothing is in the way (warnings allowed), 1 when there is a
problem.
Examples:
  osnmad doctor
  osnmad doctor --port tcp://receiver.local:2000 --seconds 15
  osnmad doctor --port none --json`,
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

async function doctor(flags: DoctorFlags): Promise<void> {
  if (flags.assumeSynchronised === true && flags.bound === undefined) {
    throw new OsnmadError("OSN_USAGE", "--assume-synchronised needs --bound <seconds>.");
  }
  const report = flags.json === true ? jsonReport() : textReport();
  const counts: Record<CheckStatus, number> = { ok: 0, warning: 0, problem: 0, skipped: 0 };
  const tell = (checks: readonly Check[]): void => {
    for (const check of checks) {
      counts[check.status]++;
      report.check(check);
    }
  };
  tell([checkNode()]);
  const time = await checkTime({
    source: flags.timeSource,
    assumeSynchronised: flags.assumeSynchronised === true,
    boundSeconds: flags.bound ?? null,
    acceptReferenceClock: flags.acceptReferenceClock === true,
  });
  try {
    tell(time.checks);
    tell(checkTrust(flags.state));
    tell([checkFolder("data-dir", flags.dataDir), await checkHttpPort(flags.httpPort)]);
    tell(await checkReceiver({ port: flags.port, seconds: flags.seconds, gstNow: time.gstNow }));
  } finally {
    await time.stop();
  }
  await report.end(counts);
  process.exitCode = counts.problem > 0 ? 1 : 0;
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
    check: ({ name, status, found, remedy }) => {
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
