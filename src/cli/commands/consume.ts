/** `osnmad consume`: the reference consumer of what stations send to federations. */
import { InvalidArgumentError, type Command } from "commander";
import { resolve } from "node:path";
import { OsnmadError } from "../../errors.js";
import { ED25519, parseVerifierKey, type VerifierKey } from "../../station/note.js";
import { stopOnSignal } from "../serving.js";
import { wholeNumber } from "../trust-options.js";
import { addWitnessOptions, witnessPolicy, type WitnessFlags } from "../witness-options.js";

/** A station was caught in a lie. */
export const EXIT_LIE = 1;

interface Flags extends WitnessFlags {
  readonly station: readonly VerifierKey[];
  readonly from?: readonly string[];
  readonly nats?: string;
  readonly keyOffset: number;
  readonly store?: string;
  readonly token?: string;
  readonly once?: boolean;
}

export function registerConsume(program: Command): void {
  const consumer = program
    .command("consume")
    .summary("follow stations as a federation node does, and verify everything")
    .description(
      "Follows one or many stations over HTTP or NATS and believes none of them: signatures, history, tree, forks,\n" +
        "cosignatures, and the timing class of each leaf. What is missing is fetched from the stations' tiles.\n" +
        "Prints a JSON line for each verdict, and a summary of each station at the end.",
    )
    .requiredOption(
      "--station <key>",
      "verifier key of a station, as `osnmad key export-public` prints it (repeatable)",
      stationOf,
    )
    .option("--from <url>", "address of a station's server (repeatable)", collect)
    .option(
      "--nats <url>",
      "NATS server with the stream of many stations, for example nats://127.0.0.1:4222",
    );
  addWitnessOptions(consumer)
    .option(
      "--key-offset <seconds>",
      "from the start of a subframe to its key; 0 is always safe (docs/timing-classes.md)",
      wholeNumber("key-offset", 0, 29),
      0,
    )
    .option("--store <folder>", "keep what was taken, and go on from there (SQLite)")
    .option("--token <secret>", "bearer token for the stations' servers")
    .option("--once", "end when there is nothing more")
    .addHelpText(
      "after",
      `
Exit status: 0, or 1 where a station was caught in a lie (lines of type "lie").
Examples:
  osnmad consume --station "$KEY" --from http://127.0.0.1:4747 --once
  osnmad consume --station "$A" --station "$B" --nats nats://broker:4222 \\
    --from https://a.example --from https://b.example --witness "$W@0.5" --store /var/lib/federation
With --nats the addresses behind --from are where missing leaves are fetched from.`,
    )
    .action(consume);
}

async function consume(flags: Flags): Promise<void> {
  const { station: keys, from = [], nats, token } = flags;
  if (from.length === 0 && nats === undefined) {
    throw new OsnmadError("OSN_USAGE", "Where from? Give --from or --nats.");
  }
  const [{ Consumer }, { ConsumerStore }, { HttpSource }] = await Promise.all([
    import("../../emit/consumer.js"),
    import("../../emit/consumer-store.js"),
    import("../../emit/http-source.js"),
  ]);
  const store = flags.store === undefined ? null : new ConsumerStore(resolve(flags.store));
  const times = { ...witnessPolicy(flags), keyOffsetSeconds: flags.keyOffset };
  let lies = 0;
  const consumer = new Consumer({
    stations: keys.map((key) => ({ ...times, key })),
    store,
    onVerdict: (verdict) => {
      if (verdict.type === "lie") lies++;
      process.stdout.write(`${JSON.stringify(verdict)}\n`);
    },
  });
  const stop = stopOnSignal();
  const { signal } = stop;
  const once = flags.once === true;
  const onFault = (error: unknown): void => {
    process.stderr.write(`osnmad: ${error instanceof Error ? error.message : String(error)}\n`);
  };
  const sources = from.map((url) => new HttpSource({ url, token }));
  try {
    if (nats === undefined) {
      await Promise.all(sources.map((source) => consumer.follow(source, { signal, once, onFault })));
    } else {
      const { followNats } = await import("../../emit/nats.js");
      await followNats(consumer, { servers: nats, signal, once, sources, onFault });
    }
    for (const status of consumer.status()) {
      process.stdout.write(`${JSON.stringify({ type: "summary", ...status })}\n`);
    }
    if (lies > 0) process.exitCode = EXIT_LIE;
  } finally {
    stop.release();
    store?.close();
  }
}

const collect = (value: string, previous: readonly string[] = []): readonly string[] => [...previous, value];

function stationOf(text: string, previous: readonly VerifierKey[] = []): readonly VerifierKey[] {
  const key = parseVerifierKey(text.trim());
  if (key?.type !== ED25519 || !key.name.startsWith("osnmad-station/")) {
    throw new InvalidArgumentError("not a station's verifier key: osnmad-station/<id>+<id>+<base64>");
  }
  return [...previous, key];
}
