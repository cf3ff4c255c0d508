/** `osnmad configure`: brings a receiver to what osnmad needs, says what became of each key, and takes it back. */
import type { Command } from "commander";
import { Option } from "commander";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join, resolve } from "node:path";
import type { Writable } from "node:stream";
import { OsnmadError } from "../../errors.js";
import type { ApplyReport, KeyReport, Outcome, PreviousValues } from "../../receiver/apply-profile.js";
import { applyProfile } from "../../receiver/apply-profile.js";
import { identifyAtAnyRate } from "../../receiver/baud-scan.js";
import type { ReceiverIdentity } from "../../receiver/identity.js";
import { describeReceiver } from "../../receiver/identity.js";
import type { ReceiverPort } from "../../receiver/own-port.js";
import { ownPort, RECEIVER_PORTS } from "../../receiver/own-port.js";
import { builtInProfiles, chooseProfile } from "../../receiver/profile-files.js";
import type { Profile } from "../../receiver/profile.js";
import type { Layer } from "../../receiver/ubx-client.js";
import { UbxClient } from "../../receiver/ubx-client.js";
import type { Undo, UndoReport } from "../../receiver/undo.js";
import { applyUndo, parseUndo, undoText } from "../../receiver/undo.js";
import type { ByteLink } from "../../source/byte-link.js";
import { openLink } from "../../source/open-link.js";
import { defaultDataDirectory } from "../data-directory.js";
import { Style } from "../replay-text.js";

interface ConfigureFlags {
  readonly port: string;
  readonly baud?: number;
  readonly receiverPort?: ReceiverPort;
  readonly profile: string;
  readonly layer: Layer;
  readonly dryRun?: boolean;
  readonly saveUndo?: string;
  readonly undo?: string;
  readonly list?: boolean;
  readonly json?: boolean;
  readonly dataDir: string;
}

export interface ConfigureIo {
  readonly out: Writable;
  readonly err: Writable;
  readonly open: (port: string, baudRate?: number) => Promise<ByteLink>;
}

const PROCESS_IO: ConfigureIo = {
  out: process.stdout,
  err: process.stderr,
  open: (port, baudRate) => openLink(port, baudRate === undefined ? {} : { baudRate }),
};

export function registerConfigure(program: Command, io: ConfigureIo = PROCESS_IO): void {
  program
    .command("configure")
    .summary("switch on at a receiver what osnmad needs")
    .description(
      "Finds out who the receiver is (MON-VER), writes the settings of its profile " +
        "(CFG-VALSET), reads them back, and says of each key what became of it. Values " +
        "that were there before are kept in a file, and --undo brings them back.",
    )
    .option("--port <port>", "a device, tcp://host:port, or auto: the one u-blox receiver on USB", "auto")
    .option("--baud <rate>", "rate of a UART (default: tries the usual ones)", baudRate)
    .addOption(
      new Option(
        "--receiver-port <port>",
        "the receiver's port at which this is (default: found out)",
      ).choices(RECEIVER_PORTS),
    )
    .option("--profile <profile>", "auto, the name of one (--list), or a file", "auto")
    .addOption(
      new Option("--layer <layer>", "ram: until power is off; bbr, flash: RAM and that, to last")
        .choices(["ram", "bbr", "flash"])
        .default("ram"),
    )
    .option("--dry-run", "say what would be written, and write nothing")
    .option("--save-undo <file>", "where to keep previous values (default: in the data folder)")
    .option("--undo <file>", "bring back the values of that file instead")
    .option("--list", "list the profiles that come with osnmad, and touch no receiver")
    .option("--json", "JSON lines: the receiver, one line per key, and a summary")
    .option("--data-dir <folder>", "where data is kept", defaultDataDirectory(process.env, homedir()))
    .addHelpText(
      "after",
      `
Flash is never written unless --layer flash says so. The daemon applies the profile to RAM by
itself at each connect, so this command is for looking, for lasting settings, and for undoing.
Exit code: 0 if all that is required is in place, 9 if not or if there is no
receiver.
Examples:
  osnmad configure --dry-run
  osnmad configure --port /dev/ttyUSB0 --layer flash
  osnmad configure --port tcp://192.168.1.20:2000 --receiver-port uart1 --profile my-receiver.toml`,
    )
    .action(async (flags: ConfigureFlags) => {
      await configure(flags, io);
    });
}

async function configure(flags: ConfigureFlags, io: ConfigureIo): Promise<void> {
  const report = flags.json === true ? new JsonReport(io.out) : new TextReport(io.out, flags.port);
  if (flags.list === true) {
    report.profiles(builtInProfiles());
    return;
  }
  const undo = flags.undo === undefined ? null : parseUndo(flags.undo, readText(flags.undo));
  const link = await io.open(flags.port, flags.baud);
  try {
    const client = new UbxClient(link);
    const identity = await identifyAtAnyRate(client, {
      scan: flags.baud === undefined,
      wake: flags.dryRun !== true,
    });
    if (undo !== null) {
      await takeBack(client, identity, undo, flags, report);
      return;
    }
    const profile = chooseProfile(flags.profile, identity);
    const port = flags.receiverPort ?? (await portOf(client, profile));
    report.receiver(identity, port, profile, flags);
    const file = resolve(flags.saveUndo ?? undoPath(flags.dataDir, identity));
    let saved = false;
    const result = await applyProfile(client, profile, {
      port,
      layer: flags.layer,
      dryRun: flags.dryRun === true,
      onPrevious: (previous) => {
        saveUndo(file, identity, previous);
        saved = true;
      },
    });
    report.applied(result, saved ? file : null);
    if (!result.complete) {
      const missing = result.keys.filter(({ need, outcome }) => need === "required" && isMissing(outcome));
      throw new OsnmadError(
        "OSN_RECEIVER_REFUSED",
        `Required and not in place: ${missing.map(({ key, outcome }) => `${key} (${outcome})`).join(", ")}.`,
      );
    }
  } finally {
    await link.close();
  }
}

async function portOf(client: UbxClient, profile: Profile): Promise<ReceiverPort> {
  if (profile.ports.length === 1) return profile.ports[0];
  const found = await ownPort(client);
  if (found !== null) return found;
  throw new OsnmadError(
    "OSN_USAGE",
    "By which of its ports the receiver is reached could not be found out: say --receiver-port usb or uart1.",
  );
}

async function takeBack(
  client: UbxClient,
  identity: ReceiverIdentity,
  undo: Undo,
  flags: ConfigureFlags,
  report: Report,
): Promise<void> {
  if (undo.uniqueId !== identity.uniqueId) {
    throw new OsnmadError(
      "OSN_USAGE",
      `${flags.undo} is of another receiver (${undo.module ?? "unknown"}, id ${undo.uniqueId ?? "unknown"}).`,
    );
  }
  const done = await applyUndo(client, undo);
  report.undone(identity, done);
  const refused = done.filter(({ outcome }) => outcome === "refused");
  if (refused.length > 0) {
    throw new OsnmadError(
      "OSN_RECEIVER_REFUSED",
      `Not taken back: ${refused.map(({ key }) => key).join(", ")}.`,
    );
  }
  // What is restored is not to be restored again over a later setting.
  if (flags.undo === undoPath(flags.dataDir, identity)) rmSync(flags.undo, { force: true });
}

function undoPath(dataDir: string, { uniqueId, module }: ReceiverIdentity): string {
  const name = (uniqueId ?? module ?? "receiver").replace(/[^A-Za-z0-9-]/g, "_");
  return join(resolve(dataDir), "receivers", `${name}.undo.json`);
}

/** Values of an earlier run stay: undoing goes back to before the first one. */
function saveUndo(file: string, identity: ReceiverIdentity, previous: PreviousValues): void {
  let older: Undo | null = null;
  try {
    older = parseUndo(file, readFileSync(file, "utf8"));
  } catch (error) {
    if (error instanceof OsnmadError) throw error;
  }
  try {
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, undoText(identity, previous, older));
  } catch (cause) {
    throw new OsnmadError("OSN_STATE_UNWRITABLE", `${file} cannot be written; nothing was changed.`, {
      cause,
    });
  }
}

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (cause) {
    throw new OsnmadError("OSN_PROFILE_INVALID", `${path} cannot be read.`, { cause });
  }
}

function isMissing(outcome: Outcome): boolean {
  return outcome !== "set" && outcome !== "already" && outcome !== "would-set";
}

function baudRate(text: string): number {
  const rate = Number(text);
  if (!Number.isInteger(rate) || rate < 1200 || rate > 4_000_000) {
    throw new OsnmadError("OSN_USAGE", `--baud takes a rate like 38400, not "${text}".`);
  }
  return rate;
}

interface Report {
  profiles(profiles: readonly Profile[]): void;
  receiver(identity: ReceiverIdentity, port: ReceiverPort, profile: Profile, flags: ConfigureFlags): void;
  applied(result: ApplyReport, undoFile: string | null): void;
  undone(identity: ReceiverIdentity, done: readonly UndoReport[]): void;
}

class JsonReport implements Report {
  readonly #out: Writable;

  constructor(out: Writable) {
    this.#out = out;
  }

  profiles(profiles: readonly Profile[]): void {
    for (const { name, family, about, modules, minimumProtocol, ports } of profiles) {
      this.#line({ type: "profile", name, family, about, modules, minimumProtocol, ports });
    }
  }

  receiver(identity: ReceiverIdentity, port: ReceiverPort, profile: Profile, flags: ConfigureFlags): void {
    this.#line({ type: "receiver", ...identity, port, profile: profile.name, layer: flags.layer });
  }

  applied(result: ApplyReport, undoFile: string | null): void {
    for (const key of result.keys) this.#line({ type: "key", ...key });
    const { profile, port, layers, complete } = result;
    this.#line({
      type: "summary",
      profile,
      port,
      layers,
      complete,
      outcomes: countOf(result.keys),
      undoFile,
    });
  }

  undone(identity: ReceiverIdentity, done: readonly UndoReport[]): void {
    this.#line({ type: "receiver", ...identity });
    for (const key of done) this.#line({ type: "undo", ...key });
    this.#line({ type: "summary", outcomes: countOf(done) });
  }

  #line(line: object): void {
    this.#out.write(`${JSON.stringify(line)}\n`);
  }
}

const OUTCOME_TEXT: Readonly<Record<Outcome, string>> = {
  already: "already so",
  set: "set",
  "would-set": "would be set",
  unknown: "not known",
  refused: "refused",
  lost: "lost",
  skipped: "left out",
};

class TextReport implements Report {
  readonly #out: Writable;
  readonly #style: Style;
  readonly #port: string;

  constructor(out: Writable, port: string) {
    this.#out = out;
    this.#style = new Style(out);
    this.#port = port;
  }

  profiles(profiles: readonly Profile[]): void {
    for (const { name, modules, about, minimumProtocol } of profiles) {
      const who = modules.length === 0 ? "any module" : modules.map((each) => `${each}*`).join(", ");
      this.#out.write(
        `${name.padEnd(10)} ${who}, protocol ${minimumProtocol} and later\n${" ".repeat(11)}${about}\n`,
      );
    }
  }

  receiver(identity: ReceiverIdentity, port: ReceiverPort, profile: Profile, flags: ConfigureFlags): void {
    const { bold } = this.#style;
    this.#out.write(`${bold(describeReceiver(identity))}, id ${identity.uniqueId ?? "not told"}\n`);
    const layer = flags.layer === "ram" ? "RAM" : `RAM and ${flags.layer}`;
    this.#out.write(`Profile ${profile.name}, by its ${port.toUpperCase()}, in ${layer}\n`);
  }

  applied(result: ApplyReport, undoFile: string | null): void {
    for (const need of ["required", "optional"] as const) {
      this.#out.write(`\n${this.#style.bold(need === "required" ? "Required" : "Optional")}\n`);
      for (const each of result.keys.filter((key) => key.need === need)) this.#key(each);
    }
    const counts = countOf(result.keys);
    const text = Object.entries(counts).map(
      ([outcome, count]) => `${count} ${OUTCOME_TEXT[outcome as Outcome]}`,
    );
    this.#out.write(`\n${text.join(", ")}.\n`);
    if (undoFile !== null) {
      this.#out.write(`Previous values: ${undoFile}\n`);
      this.#out.write(`To bring them back: osnmad configure --port ${this.#port} --undo ${undoFile}\n`);
    }
  }

  undone(identity: ReceiverIdentity, done: readonly UndoReport[]): void {
    this.#out.write(`${this.#style.bold(describeReceiver(identity))}\n`);
    for (const { layer, key, value, outcome } of done) {
      if (outcome === "already" || outcome === "unknown") continue;
      const now = value === null ? "not stored" : String(value);
      this.#out.write(`  ${OUTCOME_TEXT[outcome].padEnd(12)} ${layer.padEnd(5)} ${key} = ${now}\n`);
    }
    const { already = 0, set = 0 } = countOf(done);
    this.#out.write(`${set} brought back, ${already} were as before.\n`);
  }

  #key({ key, wanted, before, outcome, need }: KeyReport): void {
    const { dim, green, red, yellow } = this.#style;
    const paint =
      outcome === "set" || outcome === "would-set"
        ? green
        : outcome === "already"
          ? dim
          : need === "required"
            ? red
            : yellow;
    const change = before === null || before === wanted ? String(wanted) : `${before} -> ${wanted}`;
    this.#out.write(`  ${paint(OUTCOME_TEXT[outcome].padEnd(12))} ${key.padEnd(42)} ${change}\n`);
  }
}

function countOf(reports: readonly { readonly outcome: Outcome }[]): Partial<Record<Outcome, number>> {
  const counts: Partial<Record<Outcome, number>> = {};
  for (const { outcome } of reports) counts[outcome] = (counts[outcome] ?? 0) + 1;
  return counts;
}
