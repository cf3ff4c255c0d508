/** `osnmad consume`: the reference consumer of what stations send to federations. */
import { InvalidArgumentError, type Command } from "commander";
import { resolve } from "node:path";
import type { Consumer } from "../../emit/consumer.js";
import type { HttpSource } from "../../emit/http-source.js";
import { OsnmadError } from "../../errors.js";
import { GST_TO_UNIX } from "../../inav/gst.js";
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
  readonly natsCredentials?: string;
  readonly natsCa?: string;
  readonly keyOffset: number;
  readonly store?: string;
  readonly token?: string;
  readonly tokens?: string;
  readonly compare: number;
  readonly challenge?: readonly AskedChallenge[];
  readonly once?: boolean;
  readonly prover?: string;
  readonly merkle?: string[];
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
    .option("--nats <url>", "NATS server with the stream of many stations, for example nats://127.0.0.1:4222")
    .option("--nats-credentials <file>", "creds file of NATS, seed of an nkey, user:password, or a token")
    .option("--nats-ca <file>", "certificates (PEM) to believe the broker by; demands TLS");
  addWitnessOptions(consumer)
    .option(
      "--key-offset <seconds>",
      "from the start of a subframe to its key; 0 is always safe (docs/timing-classes.md)",
      wholeNumber("key-offset", 0, 29),
      0,
    )
    .option(
      "--prover <name>",
      "follow as this prover of `emit.prover_pull`, who is trusted with coordinates: gives each fix its class",
    )
    .option(
      "--merkle <file>",
      "with --prover: Merkle tree file of GSC whose root is trusted instead of the built-in one (repeatable)",
      (file: string, previous: string[] = []) => [...previous, file],
    )
    .option("--store <folder>", "keep what was taken, and go on from there (SQLite)")
    .option("--token <secret>", "bearer token for the server behind the one --from")
    .option("--tokens <file>", 'tokens of several, mode 0600: {"https://a.example": "secret", ...}')
    .option(
      "--compare <seconds>",
      "how often what a station has signed is compared with what came",
      wholeNumber("compare", 1, 86_400),
      60,
    )
    .option(
      "--challenge <hex>",
      "say whether it was answered; with @seconds (Unix time) of when it was sent, how late, or missed (repeatable)",
      challengeOf,
    )
    .option("--once", "end when there is nothing more")
    .addHelpText(
      "after",
      `
Exit status: 0, or 1 where a station was caught in a lie (lines of type "lie"). What strangers say in its name is
counted, and no lie. A token goes to its own address only, over https or loopback.
Examples:
  osnmad consume --station "$KEY" --from http://127.0.0.1:4747 --once
  osnmad consume --station "$KEY" --from https://a.example --challenge "$HEX@1767225600" --once
  osnmad consume --station "$A" --station "$B" --nats nats://broker:4222 \\
    --from https://a.example --from https://b.example --witness "$W@0.5" --store /var/lib/federation
  osnmad consume --prover prover --station "$KEY" --from http://127.0.0.1:4747 --token "$TOKEN" --witness "$W@0.5"
Federation nodes are sent no fixes, so they have classes of leaves; with --prover lines of type "fix" give those of fixes.
With --nats the addresses behind --from are where missing leaves are fetched from.`,
    )
    .action(consume);
}

/** As a prover: fixes, not leaves alone. Nothing is stored, and the prover's cursor at the station is not moved. */
async function prove(flags: Flags, name: string): Promise<void> {
  const { station: keys, from = [], token } = flags;
  if (keys.length !== 1 || from.length !== 1 || flags.nats !== undefined || flags.store !== undefined) {
    throw new OsnmadError(
      "OSN_USAGE",
      "--prover follows one station (--station, --from), over HTTP, without --store.",
    );
  }
  const [{ FixFollower }, { followProver }, { HttpSource, mayHaveToken }, { trustedRoots }] =
    await Promise.all([
      import("../../proof/fix-follower.js"),
      import("../../proof/follow-prover.js"),
      import("../../emit/http-source.js"),
      import("../trusted-roots.js"),
    ]);
  if (!URL.canParse(from[0]) || !mayHaveToken(from[0])) {
    throw new OsnmadError(
      "OSN_USAGE",
      `${from[0]} would send coordinates as plain text: https, or loopback.`,
    );
  }
  const fixes = new FixFollower({
    key: keys[0],
    ...witnessPolicy(flags),
    keyOffsetSeconds: flags.keyOffset,
    evidence: { roots: trustedRoots(flags.merkle) },
  });
  const station = Buffer.from(fixes.follower.station).toString("hex");
  const line = (verdict: object): void => void process.stdout.write(`${JSON.stringify(verdict)}\n`);
  const stop = stopOnSignal();
  try {
    await followProver(fixes, new HttpSource({ url: from[0], token, prover: name }), {
      signal: stop.signal,
      once: flags.once === true,
      onVerdict: (verdict) => {
        line({ station, ...verdict });
      },
      onFault: (error) => {
        process.stderr.write(`osnmad: ${error instanceof Error ? error.message : String(error)}\n`);
      },
    });
    line({ type: "summary", ...fixes.status });
    if (fixes.status.lies > 0) process.exitCode = EXIT_LIE;
  } finally {
    stop.release();
  }
}

async function consume(flags: Flags): Promise<void> {
  if (flags.prover !== undefined) {
    await prove(flags, flags.prover);
    return;
  }
  const { station: keys, from = [], nats, challenge: challenges = [] } = flags;
  if (from.length === 0 && nats === undefined) {
    throw new OsnmadError("OSN_USAGE", "Where from? Give --from or --nats.");
  }
  const [{ Consumer }, { ConsumerStore }, { HttpSource }, { tokensFor }] = await Promise.all([
    import("../../emit/consumer.js"),
    import("../../emit/consumer-store.js"),
    import("../../emit/http-source.js"),
    import("../source-tokens.js"),
  ]);
  const tokenOf = tokensFor(from, flags.token, flags.tokens);
  const sources = from.map((url) => new HttpSource({ url, token: tokenOf(url) }));
  const times = {
    ...witnessPolicy(flags),
    keyOffsetSeconds: flags.keyOffset,
    challenges: challenges.map(({ challenge, sentUnix }) => ({
      challenge,
      sentGst: sentUnix === null ? null : sentUnix - GST_TO_UNIX + flags.leapSeconds,
    })),
  };
  const store = flags.store === undefined ? null : new ConsumerStore(resolve(flags.store));
  const print = (line: object): void => void process.stdout.write(`${JSON.stringify(line)}\n`);
  const stop = stopOnSignal();
  const { signal } = stop;
  const compareMs = flags.compare * 1000;
  const once = flags.once === true;
  const onFault = (error: unknown): void => {
    process.stderr.write(`osnmad: ${error instanceof Error ? error.message : String(error)}\n`);
  };
  try {
    const consumer = new Consumer({
      stations: keys.map((key) => ({ ...times, key })),
      store,
      onVerdict: print,
    });
    if (nats === undefined) {
      const following = { signal, once, onFault, compareMs };
      await Promise.all(sources.map((source) => consumer.follow(source, following)));
    } else {
      const { followNats } = await import("../../emit/nats.js");
      await followNats(consumer, {
        servers: nats,
        credentialsFile: flags.natsCredentials,
        caFile: flags.natsCa,
        signal,
        once,
        sources,
        onFault,
        compareMs,
      });
    }
    if (challenges.length > 0) await audit(consumer, sources, challenges, print, onFault);
    const statuses = consumer.status();
    for (const status of statuses) print({ type: "summary", ...status });
    if (consumer.strangers > 0) print({ type: "strangers", messages: consumer.strangers });
    if (statuses.some(({ lies }) => lies > 0)) process.exitCode = EXIT_LIE;
  } finally {
    stop.release();
    store?.close();
  }
}

/** Asks each station for its answers to the challenges, and verifies them. */
async function audit(
  consumer: Consumer,
  sources: readonly HttpSource[],
  challenges: readonly AskedChallenge[],
  print: (line: object) => void,
  onFault: (error: unknown) => void,
): Promise<void> {
  const { verifyAudit } = await import("../../emit/audit-answer.js");
  for (const source of sources) {
    try {
      const { origin } = await source.checkpoint();
      const follower = [...consumer.followers.values()].find((each) => each.origin === origin);
      if (follower === undefined) continue;
      const station = Buffer.from(follower.station).toString("hex");
      for (const { challenge } of challenges) {
        print({ station, ...verifyAudit(await source.challenge(challenge), challenge, follower) });
      }
    } catch (error) {
      onFault(error);
    }
  }
}

interface AskedChallenge {
  readonly challenge: Uint8Array;
  /** Unix seconds. */
  readonly sentUnix: number | null;
}

function challengeOf(text: string, previous: readonly AskedChallenge[] = []): readonly AskedChallenge[] {
  const match = /^([0-9a-f]{64})(?:@(\d{1,12}))?$/i.exec(text.trim());
  if (match === null) throw new InvalidArgumentError("not 32 bytes in hexadecimal, with @seconds if wanted");
  const sent = match[2] as string | undefined;
  const challenge = Uint8Array.from(Buffer.from(match[1], "hex"));
  return [...previous, { challenge, sentUnix: sent === undefined ? null : Number(sent) }];
}

const collect = (value: string, previous: readonly string[] = []): readonly string[] => [...previous, value];

function stationOf(text: string, previous: readonly VerifierKey[] = []): readonly VerifierKey[] {
  const key = parseVerifierKey(text.trim());
  if (key?.type !== ED25519 || !key.name.startsWith("osnmad-station/")) {
    throw new InvalidArgumentError("not a station's verifier key: osnmad-station/<id>+<id>+<base64>");
  }
  return [...previous, key];
}
