/** `osnmad witness`: a witness of stations' logs (C2SP tlog-witness). */
import { InvalidArgumentError, type Command } from "commander";
import { homedir } from "node:os";
import { join, resolve } from "node:path";
import { OsnmadError } from "../../errors.js";
import { anyAddress } from "../../http/loopback.js";
import {
  COSIGNATURE_V1,
  formatVerifierKey,
  isKeyName,
  parseVerifierKey,
  verifierKey,
  type VerifierKey,
} from "../../station/note.js";
import { defaultDataDirectory } from "../data-directory.js";
import { wholeNumber } from "../trust-options.js";

const DEFAULT_PORT = 4748;

interface WitnessFlags {
  readonly name: string;
  readonly station: readonly VerifierKey[];
  readonly dataDir: string;
  readonly host: string;
  readonly port: number;
  readonly clockBound: number;
  readonly clockSource: string;
  readonly rate: number;
  readonly acceptClock?: boolean;
}

export function registerWitness(program: Command): void {
  program
    .command("witness")
    .summary("cosign stations' checkpoints with this machine's time")
    .description(
      "Runs a witness (C2SP tlog-witness): it checks that each checkpoint of a station continues the last one,\n" +
        "stamps this machine's clock on it and signs. It keeps what contradicts as evidence. It sees hashes and\n" +
        "sizes only. Its clock must not come from a receiver of the stations that it witnesses.",
    )
    .requiredOption("--name <name>", "names the witness in its signatures, like example.org/w1", nameOf)
    .requiredOption(
      "--station <key>",
      "verifier key of a station, as `osnmad key export-public` prints it (repeatable; of one station the older first)",
      stationOf,
    )
    .requiredOption(
      "--clock-bound <seconds>",
      "bound on the error of this machine's clock against UTC",
      secondsOf,
    )
    .requiredOption("--clock-source <text>", "what keeps this machine's clock, for people to read")
    .option("--host <address>", "address to listen on", "127.0.0.1")
    .option("--port <port>", "port to listen on; 0 for any", wholeNumber("port", 0, 65_535), DEFAULT_PORT)
    .option("--rate <n>", "requests a second of one address; 0 for no limit", wholeNumber("rate", 0, 1e6), 10)
    .option(
      "--accept-clock",
      "this machine's clock is right, though it is behind a time that was signed or far ahead of it; look first",
    )
    .option(
      "--data-dir <folder>",
      "where key and memory are kept",
      defaultDataDirectory(process.env, homedir()),
    )
    .addHelpText(
      "after",
      `
Example:
  osnmad witness --name example.org/w1 --clock-bound 0.1 --clock-source "chrony, four NTP servers" \\
    --station "$(osnmad key export-public)"
The first line on standard output is the witness's own verifier key, which stations and followers need.
Losing the data folder means losing the memory of what was signed: then retire the witness and its key.`,
    )
    .action(runWitness);
}

async function runWitness(flags: WitnessFlags): Promise<void> {
  const address = anyAddress(flags.host);
  if (address === null) throw new OsnmadError("OSN_USAGE", `--host takes an address, not "${flags.host}".`);
  const { WitnessBook } = await import("../../witness/book.js");
  const { witnessService } = await import("../../witness/service.js");
  const { readOrMakeKey } = await import("../../station/key-file.js");
  const directory = join(resolve(flags.dataDir), "witness");
  const signer = readOrMakeKey(join(directory, "witness.key"));
  const book = new WitnessBook(directory, flags.station);
  for (const key of flags.station) {
    if (book.isRetired(key)) process.stderr.write(`Retired, no longer needed: ${formatVerifierKey(key)}\n`);
  }
  const now = Math.floor(Date.now() / 1000);
  if (flags.acceptClock === true) book.acceptClock(now);
  const fault = book.clockFault(now);
  if (fault !== null) process.stderr.write(`Nothing is signed: ${fault}. See --accept-clock.\n`);
  const { name, clockBound: boundSeconds, clockSource: source, rate: perSecond } = flags;
  const app = witnessService({ book, name, signer, clock: { boundSeconds, source }, perSecond });
  try {
    await app.listen({ host: address, port: flags.port });
  } catch (cause) {
    book.close();
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new OsnmadError("OSN_USAGE", `Cannot listen on ${flags.host}:${flags.port}: ${why}`, { cause });
  }
  process.stdout.write(`${formatVerifierKey(verifierKey(name, COSIGNATURE_V1, signer.publicKey))}\n`);
  const bound = app.server.address();
  const port = typeof bound === "object" && bound !== null ? bound.port : flags.port;
  process.stderr.write(
    `Witness ${name} on http://${flags.host}:${port}; keys of stations: ${flags.station.length}.\n`,
  );
  await new Promise<void>((done) => {
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, done);
  });
  await app.close();
  book.close();
}

function nameOf(text: string): string {
  if (!isKeyName(text)) throw new InvalidArgumentError("a name has no spaces and no plus");
  return text;
}

function stationOf(text: string, previous: readonly VerifierKey[] = []): readonly VerifierKey[] {
  const key = parseVerifierKey(text.trim());
  if (key === null) throw new InvalidArgumentError("not a verifier key: <name>+<id>+<base64>");
  return [...previous, key];
}

function secondsOf(text: string): number {
  const value = Number(text);
  if (text === "" || !(value >= 0 && value <= 3600)) throw new InvalidArgumentError("seconds from 0 to 3600");
  return value;
}
