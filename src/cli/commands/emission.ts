/** `osnmad emission list | forget | stream`: who is sent what of a station, and how far each has it. */
import { Option, type Command } from "commander";
import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { join, resolve } from "node:path";
import type { Outbox } from "../../emit/outbox.js";
import { OsnmadError } from "../../errors.js";
import type { Mode } from "../../pipeline/records.js";
import { defaultDataDirectory } from "../data-directory.js";
import { stationFolder } from "../live-station.js";
import { wholeNumber } from "../trust-options.js";

export interface EmissionCommandIo {
  readonly out: (text: string) => void;
  readonly err: (text: string) => void;
}

const PROCESS_IO: EmissionCommandIo = {
  out: (text) => void process.stdout.write(text),
  err: (text) => void process.stderr.write(text),
};

interface Flags {
  readonly dataDir: string;
  readonly mode: Mode;
  readonly json?: boolean;
}

export function registerEmission(program: Command, io: EmissionCommandIo = PROCESS_IO): void {
  const emission = program
    .command("emission")
    .summary("who is sent what of this station, and how far each has it")
    .description(
      "The consumers of this station's outbox, also while the daemon runs; and the stream of a NATS broker.",
    );
  const dataDirectory = defaultDataDirectory(process.env, homedir());
  const withFolder = (command: Command): Command =>
    command
      .option("--data-dir <folder>", "where data is kept", dataDirectory)
      .addOption(
        new Option("--mode <mode>", "of which log").choices(["live", "replay", "simulated"]).default("live"),
      );

  withFolder(emission.command("list"))
    .description("list the consumers: what they have, what waits for them, and what went wrong last")
    .option("--json", "one JSON object per line")
    .action(async (flags: Flags) => {
      await withOutbox(flags, (outbox) => {
        const states = outbox.states();
        if (states.length === 0) io.err("No consumer is known.\n");
        for (const state of states) {
          if (flags.json === true) io.out(`${JSON.stringify(state)}\n`);
          else io.out(`${lineOf(state)}\n`);
        }
      });
    });

  withFolder(emission.command("forget"))
    .summary("forget a consumer that is not configured any more")
    .description(
      "forget a consumer that is not configured any more; what was kept for no other prover is deleted.\n" +
        "One that is still configured begins anew with what is left",
    )
    .argument("<consumer>", "its name, as `emission list` shows it")
    .action(async (consumer: string, flags: Flags) => {
      await withOutbox(flags, (outbox) => {
        if (!outbox.forget(consumer))
          throw new OsnmadError("OSN_USAGE", `There is no consumer "${consumer}".`);
        const provers = outbox.states().filter(({ purpose }) => purpose === "prover");
        const gone = outbox.prune(
          "prover",
          0,
          provers.map((state) => state.consumer),
        );
        io.out(`${consumer} is forgotten; ${gone} messages for provers were deleted.\n`);
      });
    });

  emission
    .command("stream")
    .summary("make the stream of a NATS JetStream broker that stations publish to")
    .description(
      "make the stream of a NATS JetStream broker that stations publish to; one that is there stays as it is.\n" +
        "For who runs the broker: stations need no right to it (docs/emission.md)",
    )
    .requiredOption("--nats <url>", "a server of the cluster: nats://... or tls://...")
    .option("--nats-credentials <file>", "creds file, seed of an nkey, user:password, or a token")
    .option("--nats-ca <file>", "certificates (PEM) to believe the broker by; demands TLS")
    .option("--replicas <n>", "servers that keep it; 3 in production", wholeNumber("replicas", 1, 5), 1)
    .option(
      "--keep-days <n>",
      "who is longer away reads the stations' tiles; 0 keeps all",
      wholeNumber("keep-days", 0, 36_500),
      7,
    )
    .action(async ({ nats, natsCredentials, natsCa, replicas, keepDays }: StreamFlags) => {
      const { ensureStream, STREAM } = await import("../../emit/nats.js");
      const broker = { servers: nats, credentialsFile: natsCredentials, caFile: natsCa };
      let made: boolean;
      try {
        made = await ensureStream(broker, { replicas, keepDays });
      } catch (cause) {
        if (cause instanceof OsnmadError || !(cause instanceof Error)) throw cause;
        throw new OsnmadError("OSN_BROKER_REFUSES", `The stream could not be made: ${cause.message}.`, {
          cause,
        });
      }
      io.out(`${STREAM} ${made ? "is made" : "was there already, and stays as it is"}.\n`);
    });
}

interface StreamFlags {
  readonly nats: string;
  readonly natsCredentials?: string;
  readonly natsCa?: string;
  readonly replicas: number;
  readonly keepDays: number;
}

async function withOutbox(flags: Flags, use: (outbox: Outbox) => void): Promise<void> {
  const { Outbox: Opened, OUTBOX_FILE } = await import("../../emit/outbox.js");
  const directory = stationFolder(resolve(flags.dataDir), flags.mode);
  if (!existsSync(join(directory, OUTBOX_FILE))) {
    throw new OsnmadError("OSN_USAGE", `${directory} has no outbox; a daemon makes it when it first starts.`);
  }
  const outbox = new Opened({ directory });
  try {
    use(outbox);
  } finally {
    outbox.close();
  }
}

function lineOf({ consumer, purpose, seq, backlog, failures, error }: ReturnType<Outbox["states"]>[number]) {
  const trouble = failures === 0 ? "" : `  ${failures} failures: ${error ?? ""}`;
  return `${purpose.padEnd(10)}  ${consumer}  has ${seq}, ${backlog} wait${trouble}`;
}
