/**
 * `osnmad simulate <scenario.toml> -o <capture>`: the bytes that a u-blox receiver would send under a sky of our own,
 * with the trust files and the expected verdict beside them.
 */
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { basename, dirname, extname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { type Command, Option } from "commander";
import { OsnmadError, reasonOf } from "../../errors.js";
import { towOf, wnOf } from "../../inav/gst.js";
import type { EpochTruth } from "../../simulate/frames.js";
import { assertCapture } from "../../source/capture-file.js";
import { gstOfUnix } from "../../simulate/leap-seconds.js";
import type { Scenario } from "../../simulate/scenario-file.js";
import { wholeNumber } from "../trust-options.js";
import {
  addServeOptions,
  captureFeed,
  SERVE_HELP,
  type ServeFlags,
  serveReceiver,
} from "./simulate-serve.js";

interface Flags extends ServeFlags {
  readonly output?: string;
  readonly seed?: string;
  readonly duration?: number;
  readonly begin?: "now" | number;
  readonly trust?: string;
  readonly truth?: string;
  readonly force?: boolean;
  readonly list?: boolean;
  readonly example?: string;
  readonly check?: boolean;
}

export function registerSimulate(program: Command): void {
  const command = program
    .command("simulate")
    .summary("make the capture of a scenario: a simulated sky, receiver and attacks")
    .description(
      "Writes the UBX stream that a u-blox receiver would send under the sky of a scenario, signed with " +
        "test keys that are nobody's. Beside the capture: <capture>.json with provenance and expected " +
        "verdict, and trust/TEST_* to replay it with. Same scenario and seed, same bytes. " +
        "docs/simulation.md explains the scenario format. " +
        "With --serve it is the receiver itself: it is asked, configured and unplugged like one, and sends " +
        "only what it was told to.",
    )
    .argument("[scenario]", "a scenario file (TOML); with --serve also a capture, a UBX stream")
    .option("-o, --output <capture>", "where to write the capture, or - for standard output")
    .option("--force", "replace a file that was not simulated")
    .option("--seed <text>", "in place of the scenario's seed")
    .option(
      "--duration <seconds>",
      "in place of the scenario's duration, a multiple of 30",
      wholeNumber("duration", 30, 2_678_400),
    )
    .option(
      "--begin <time>",
      "in place of the scenario's start: now, or a date with time and zone (2026-06-30T12:00:00Z)",
      beginOf,
    )
    .option("--trust <folder>", "also write the trust files there, for --serve above all")
    .option(
      "--truth <file>",
      "also write where the receiver truly was, one JSON line per epoch (coordinates)",
    )
    .addOption(
      new Option("--list", "list the scenarios that come with osnmad, and the kinds of attack").conflicts([
        "example",
      ]),
    )
    .option(
      "--check",
      "run it through the pipeline, live, with a true clock, and compare with what its attacks must lead to",
    )
    .option("--example <name>", "print one of them, to begin your own with");
  addServeOptions(command)
    .addHelpText(
      "after",
      `
Examples:
  osnmad simulate --list
  osnmad simulate --example nominal > my.toml
  osnmad simulate my.toml -o my.ubx
  osnmad replay my.ubx --fixes --merkle trust/TEST_OSNMA_MerkleTree_A.xml \\
    --public-key trust/TEST_OSNMA_PublicKey_2.xml \\
    --root-key trust/TEST_root-key_nominal.txt
  osnmad simulate --check captures/attacks/replay.toml
  osnmad simulate my.toml -o - | osnmad inspect -
  osnmad simulate --serve pty --link /tmp/gnss --begin now my.toml
${SERVE_HELP}`,
    )
    .action(async (scenario: string | undefined, flags: Flags) => {
      if (flags.list === true) return list();
      if (flags.example !== undefined) return example(flags.example);
      if (scenario === undefined) {
        throw new OsnmadError("OSN_USAGE", "simulate takes a scenario file, --list, or --example <name>.");
      }
      if (flags.serve !== undefined) return serve(scenario, flags);
      if (flags.check === true) return check(scenario, flags);
      if (flags.output === undefined)
        throw new OsnmadError("OSN_USAGE", "simulate needs -o <capture>, --check, or --serve pty or tcp.");
      return run(scenario, flags.output, flags);
    });
}

async function serve(path: string, flags: Flags): Promise<void> {
  const isNow = flags.begin === "now";
  if (isNow && flags.speed !== undefined && flags.speed !== 1)
    throw new OsnmadError("OSN_USAGE", "--begin now is real time: it goes without --speed.");
  if (path.endsWith(".toml")) {
    const { scenarioFeed } = await import("../../simulate/scenario-feed.js");
    const scenario = await readScenario(path, flags);
    writeTrust(scenario, flags);
    if (!isNow) return serveReceiver(scenarioFeed(scenario), flags);
    // This sky does not wait for a host.
    const feed = scenarioFeed(scenario, gstOfUnix(Date.now() / 1000));
    return serveReceiver(feed, { ...flags, wait: false }, performance.now());
  }
  for (const option of ["begin", "seed", "duration", "trust"] as const) {
    if (flags[option] !== undefined)
      throw new OsnmadError("OSN_USAGE", `--${option} goes with a scenario (.toml): a capture is as it is.`);
  }
  assertCapture(path);
  return serveReceiver(captureFeed(path, flags.loop === true), flags);
}

/** Ends with status 1 where anything is not as the scenario says. */
async function check(path: string, flags: Flags): Promise<void> {
  const { checkScenario } = await import("../scenario-check.js");
  const { name, ok, attacks, forgeries, fixes, graded } = checkScenario(await readScenario(path, flags));
  const out = [
    `${name}: ${ok ? "as it must be" : "NOT as it must be"}; ${graded} of ${fixes} own positions graded`,
  ];
  for (const { kind, verdict, failures, shown, shownAfter } of attacks) {
    const when = shown === null ? "" : ` (${shown} after ${shownAfter} s)`;
    out.push(`  ${failures.length === 0 ? "ok  " : "FAIL"} ${kind}: ${verdict}${when}`);
    for (const failure of failures) out.push(`         ${failure}`);
  }
  for (const forgery of forgeries) out.push(`  FAIL authenticated, and never signed: ${forgery}`);
  process.stdout.write(`${out.join("\n")}\n`);
  if (!ok) process.exitCode = 1;
}

async function readScenario(path: string, flags: Flags): Promise<Scenario> {
  const { Scenario } = await import("../../simulate/scenario-file.js");
  const read = (file: string): Buffer => {
    try {
      return readFileSync(file);
    } catch (cause) {
      throw new OsnmadError("OSN_SCENARIO_INVALID", `cannot read ${file}: ${reasonOf(cause)}`, { cause });
    }
  };
  const text = read(path).toString("utf8");
  // U+FFFD stands for what is no UTF-8; the parser would show such a line as it is.
  if (/[\0\uFFFD]/.test(text))
    throw new OsnmadError(
      "OSN_SCENARIO_INVALID",
      `${path} is no text. A scenario is TOML; a capture goes with --serve.`,
    );
  return Scenario.parse(text, {
    path,
    seed: flags.seed,
    durationSeconds: flags.duration,
    startGst: flags.begin === "now" ? gstOfUnix(Date.now() / 1000) : flags.begin,
    readFile: (name) => read(resolve(dirname(path), name)),
  });
}

async function run(path: string, output: string, flags: Flags): Promise<void> {
  const scenario = await readScenario(path, flags);
  writeTrust(scenario, flags);
  const toStdout = output === "-";
  const header = `${output.slice(0, output.length - extname(output).length)}.json`;
  if (!toStdout) {
    for (const [file, other] of [
      [output, path],
      [header, path],
      [output, header],
    ] as const) {
      if (resolve(file) === resolve(other))
        throw new OsnmadError("OSN_USAGE", `-o ${output} would replace ${other}; name the capture .ubx.`);
    }
    // What was simulated can be made again; another's bytes cannot.
    if (flags.force !== true && isFile(output) && !existsSync(header))
      throw new OsnmadError(
        "OSN_OUTPUT_UNWRITABLE",
        `${output}: it is there already, and no ${basename(header)} says that it was simulated (--force replaces it).`,
      );
    makeFolder(output);
  }
  if (flags.truth !== undefined) makeFolder(flags.truth);
  const truth = flags.truth === undefined ? null : new Chunks(flags.truth);
  const capture = new Chunks(toStdout ? 1 : output);
  let bytes = 0;
  try {
    const options =
      truth === null
        ? {}
        : {
            onEpoch: ({ gst, heardGst, motion, clockSeconds, clockRate }: EpochTruth): void => {
              truth.write(
                Buffer.from(
                  `${JSON.stringify({
                    gst: rounded(gst, 1e6),
                    heardWn: wnOf(heardGst),
                    heardTow: rounded(towOf(heardGst), 1e6),
                    latitudeDeg: rounded(motion.place.latitudeDeg, 1e10),
                    longitudeDeg: rounded(motion.place.longitudeDeg, 1e10),
                    heightMeters: rounded(motion.place.heightMeters, 1e5),
                    ecefMeters: motion.position.map((v) => rounded(v, 1e4)),
                    velocityEcef: motion.velocity.map((v) => rounded(v, 1e5)),
                    clockSeconds: rounded(clockSeconds, 1e12),
                    clockRate: rounded(clockRate, 1e15),
                  })}\n`,
                ),
              );
            },
          };
    for (const frame of scenario.frames(options)) {
      capture.write(frame.bytes);
      bytes += frame.bytes.length;
    }
  } finally {
    capture.end();
    truth?.end();
  }
  if (toStdout) return;
  const folder = dirname(output);
  write(header, scenario.headerJson());
  for (const [name, text] of scenario.trustFiles) write(join(folder, name), text);
  const { trust, satellites, expected } = scenario.header();
  const options = [
    ...trust.merkleTree.map((file) => `--merkle ${join(folder, file)}`),
    ...trust.publicKeys.map((file) => `--public-key ${join(folder, file)}`),
    ...(trust.rootKey === null ? [] : [`--root-key ${join(folder, trust.rootKey)}`]),
  ];
  process.stdout.write(
    [
      `${output}: ${bytes} bytes, ${scenario.endGst - scenario.startGst} s, ${satellites.length} satellites, seed "${scenario.seed}"`,
      `${header}: provenance and expected verdict`,
      `Signed with test keys; nothing in here is Galileo's.`,
      `Expected: ${expected.summary}`,
      `Replay:   osnmad replay ${output} --fixes ${options.join(" ")}`,
      "",
    ].join("\n"),
  );
}

/** The trust files, where `--trust` says. */
function writeTrust(scenario: Scenario, { trust }: Flags): void {
  if (trust === undefined) return;
  for (const [name, text] of scenario.trustFiles) write(join(trust, basename(name)), text);
}

/** What `--begin` says: now, or linear GST. */
function beginOf(text: string): "now" | number {
  if (text === "now") return "now";
  const unixMs = /^\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:\d\d)$/.test(text) ? Date.parse(text) : NaN;
  const gst = gstOfUnix(unixMs / 1000);
  if (!(gst >= 0))
    throw new OsnmadError(
      "OSN_USAGE",
      `--begin takes now, or a date with time and zone since 1999-08-22 (2026-06-30T12:00:00Z), not "${text}".`,
    );
  return gst;
}

/** The scenarios that come with the program: captures/ beside dist/. */
function scenarioFolder(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, "captures")) && dirname(folder) !== folder) folder = dirname(folder);
  return join(folder, "captures");
}

/** Of captures that are kept, of attacks, and of what others publish as test vectors. */
const SCENARIO_FOLDERS = ["", "attacks/", "vectors/"];

function scenarioNames(): string[] {
  const folder = scenarioFolder();
  return SCENARIO_FOLDERS.flatMap((within) => {
    const inside = join(folder, within);
    if (!existsSync(inside)) return [];
    return readdirSync(inside)
      .filter((name) => name.endsWith(".toml"))
      .map((name) => `${within}${basename(name, ".toml")}`)
      .sort();
  });
}

async function list(): Promise<void> {
  const { parse } = await import("smol-toml");
  const { ATTACK_KINDS } = await import("../../simulate/attacks/index.js");
  const { OUTPUT_MESSAGES } = await import("../../simulate/frames.js");
  const folder = scenarioFolder();
  const out = ["Scenarios (osnmad simulate --example <name> prints one):", ""];
  for (const name of scenarioNames()) {
    const { what } = parse(readFileSync(join(folder, `${name}.toml`), "utf8")) as { what?: unknown };
    out.push(...wrapped(name, String(what)));
  }
  out.push("", 'Attacks ([[attack]] with kind = "..."):', "");
  for (const { kind, what } of ATTACK_KINDS) out.push(...wrapped(kind, what));
  out.push("", "Messages ([output.messages]):", "", ...wrapped("", OUTPUT_MESSAGES.join(" "), 0), "");
  process.stdout.write(out.join("\n"));
}

const NAME_WIDTH = 26;
/** As wide as help is: the terminal, or 80 columns. */
const lineWidth = (): number => Math.min(process.stdout.columns ?? 80, 120);

function wrapped(name: string, text: string, width = NAME_WIDTH): string[] {
  const lines: string[] = [];
  let line = `  ${name.padEnd(width)}`;
  for (const word of text.split(" ")) {
    if (line.length + word.length + 1 > lineWidth()) {
      lines.push(line);
      line = " ".repeat(width + 2);
    }
    line += ` ${word}`;
  }
  return [...lines, line];
}

function example(name: string): void {
  const names = scenarioNames();
  if (!names.includes(name)) {
    throw new OsnmadError("OSN_USAGE", `no scenario is named ${name}; there are: ${names.join(", ")}.`);
  }
  process.stdout.write(readFileSync(join(scenarioFolder(), `${name}.toml`), "utf8"));
}

function rounded(value: number, scale: number): number {
  return Math.round(value * scale) / scale;
}

function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() === true;
}

function makeFolder(file: string): void {
  try {
    mkdirSync(dirname(file), { recursive: true });
  } catch (cause) {
    throw unwritable(file, cause);
  }
}

function unwritable(file: string, cause: unknown): OsnmadError {
  return new OsnmadError("OSN_OUTPUT_UNWRITABLE", `cannot write ${file}: ${reasonOf(cause)}`, { cause });
}

function write(file: string, text: string): void {
  makeFolder(file);
  try {
    writeFileSync(file, text);
  } catch (cause) {
    throw unwritable(file, cause);
  }
}

/** Writes in large pieces; frames are small and many. */
class Chunks {
  readonly #file: string | number;
  readonly #descriptor: number;
  readonly #buffer = Buffer.alloc(1 << 20);
  #used = 0;

  constructor(file: string | number) {
    this.#file = file;
    try {
      this.#descriptor = typeof file === "number" ? file : openSync(file, "w");
    } catch (cause) {
      throw unwritable(String(file), cause);
    }
  }

  write(bytes: Uint8Array): void {
    if (this.#used + bytes.length > this.#buffer.length) this.#flush();
    this.#buffer.set(bytes, this.#used);
    this.#used += bytes.length;
  }

  end(): void {
    this.#flush();
    if (typeof this.#file === "string") closeSync(this.#descriptor);
  }

  #flush(): void {
    let at = 0;
    while (at < this.#used) {
      try {
        at += writeSync(this.#descriptor, this.#buffer, at, this.#used - at);
      } catch (cause) {
        const { code } = cause as NodeJS.ErrnoException;
        // A full pipe asks for patience; a reader that went away is no error.
        if (code === "EAGAIN") continue;
        if (code === "EPIPE") process.exit(0);
        throw unwritable(String(this.#file), cause);
      }
    }
    this.#used = 0;
  }
}
