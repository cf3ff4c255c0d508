/**
 * The daemon's configuration as one schema: what a TOML file may say, what each option means, its default. Checks,
 * static type, the published JSON schema (`osnmad config schema`) and docs/configuration.md are all made of it.
 */
import type { Static, TSchema } from "typebox";
import Type from "typebox";
import { DEFAULT_DRIFT_PPM } from "../time/clock-model.js";
import { WatchThresholdsSchema } from "../watch/threshold-schema.js";
import type { WatchThresholds } from "../watch/thresholds.js";

const oneOf = <Word extends string>(
  words: readonly Word[],
  options: { description: string; default: Word },
) => Type.Unsafe<Word>({ type: "string", enum: [...words], ...options });

const section = <Fields extends Record<string, TSchema>>(description: string, fields: Fields) =>
  Type.Object(fields, { description, default: {}, additionalProperties: false });

/** Options that a running daemon takes over at SIGHUP; all others need a restart. */
export const RELOADABLE: readonly string[] = [
  "fix.policy",
  "log.level",
  "store.keep_days",
  "store.keep_megabytes",
];

export const LOG_LEVELS = ["trace", "debug", "info", "warn", "error", "fatal", "silent"] as const;
export const TIME_SOURCES = ["auto", "chrony", "ntpd", "systemd-timesyncd", "none"] as const;

const none = "Left out: none.";

export const ConfigSchema = Type.Object(
  {
    data_dir: Type.Optional(
      Type.String({
        minLength: 1,
        description:
          "Folder of the store, the engine's state and the recordings. Left out: $STATE_DIRECTORY (systemd), else $XDG_STATE_HOME/osnmad, else ~/.local/state/osnmad.",
      }),
    ),
    receiver: section("Where the receiver is, and what is done with it.", {
      port: Type.String({
        minLength: 1,
        default: "auto",
        description:
          "auto (the one u-blox receiver on USB), a device (best by /dev/serial/by-id), tcp://host:port, a capture file, or - for standard input.",
      }),
      baud: Type.Union([Type.Literal("auto"), Type.Integer({ minimum: 4800, maximum: 4_000_000 })], {
        default: "auto",
        description:
          "Rate of a UART; auto tries the usual ones until frames come, and lets the profile raise it. USB and TCP do not care.",
      }),
      profile: Type.String({
        minLength: 1,
        default: "auto",
        description:
          "What is written into the receiver's RAM at each connection and after each restart: auto (the profile of its family), a profile file, or none to leave the receiver as it is.",
      }),
      unique_id: Type.Optional(
        Type.String({
          pattern: "^[0-9a-fA-F]{10,12}$",
          description:
            "SEC-UNIQID of the one receiver that is accepted, hexadecimal; the data of any other is not used. Left out: any, and a change is an event.",
        }),
      ),
      silence_seconds: Type.Number({
        minimum: 2,
        maximum: 3600,
        default: 10,
        description: "A line without a whole frame for so long is closed and opened again.",
      }),
    }),
    http: section("The HTTP server.", {
      enabled: Type.Boolean({ default: true, description: "Whether there is an HTTP server." }),
      host: Type.String({ minLength: 1, default: "127.0.0.1", description: "Address to listen on." }),
      port: Type.Integer({
        minimum: 0,
        maximum: 65_535,
        default: 4747,
        description: "Port to listen on; 0 takes any free one.",
      }),
      allow_remote: Type.Boolean({
        default: false,
        description: "Listen beyond loopback. Needs a token (osnmad token create).",
      }),
      require_token: Type.Boolean({ default: false, description: "Ask for a token on loopback as well." }),
      rate_limit: Type.Optional(
        Type.Integer({
          minimum: 0,
          maximum: 999_999,
          description:
            "Requests a second of one client; 0 for no limit. Left out: 50, and no limit on loopback.",
        }),
      ),
    }),
    store: section("What is kept.", {
      keep_runs: Type.Integer({
        minimum: 1,
        maximum: 999_999,
        default: 100,
        description: "How many of the newest runs are kept; each start of the daemon is one.",
      }),
      keep_days: Type.Number({
        exclusiveMinimum: 0,
        maximum: 99_999,
        default: 30,
        description: "What was stored longer ago is let go, days.",
      }),
      keep_megabytes: Type.Integer({
        minimum: 16,
        maximum: 999_999_999,
        default: 2000,
        description: "Above this size of what is stored the oldest is let go, 10^6 bytes.",
      }),
    }),
    trust: section(
      "Keys. Naming any file here replaces everything built in or imported, as the options of replay do.",
      {
        merkle: Type.Array(Type.String(), {
          default: [],
          description: "Merkle tree files of GSC whose roots are trusted.",
        }),
        public_key: Type.Array(Type.String(), {
          default: [],
          description: "Public key files of GSC.",
        }),
        root_key: Type.Optional(
          Type.String({ description: `File with DSM-KROOT and NMA header, for a hot start. ${none}` }),
        ),
      },
    ),
    osnma: section("The OSNMA engine.", {
      rule: oneOf(["guideline", "aggressive"], {
        default: "guideline",
        description: "Which words a tag may authenticate (docs/ttfaf.md).",
      }),
      min_tag_bits: Type.Integer({
        minimum: 20,
        maximum: 1024,
        default: 40,
        description: "Minimum equivalent tag length, bits.",
      }),
      save_seconds: Type.Integer({
        minimum: 10,
        maximum: 86_400,
        default: 300,
        description:
          "How often keys, chain and alert latch are saved; also at every stop, and at once on an alert.",
      }),
    }),
    fix: section("Grading.", {
      policy: oneOf(["default", "strict"], {
        default: "default",
        description:
          "Whether the receiver's own jamming and spoofing flags lower a grade alone (strict) or with another sign only.",
      }),
      thresholds: Type.Unsafe<Partial<WatchThresholds>>({ ...WatchThresholdsSchema, default: {} }),
    }),
    time: section("The trusted clock (docs/time.md).", {
      source: oneOf(TIME_SOURCES, {
        default: "auto",
        description: "Which program is asked whether the system clock is synchronised, and how well.",
      }),
      poll_seconds: Type.Number({
        minimum: 1,
        maximum: 3600,
        default: 16,
        description: "How often it is asked.",
      }),
      assume_synchronised: Type.Boolean({
        default: false,
        description:
          "Take bound_seconds for the system clock where no program can be asked. Only where something else keeps it right: nothing checks it.",
      }),
      bound_seconds: Type.Optional(
        Type.Number({
          minimum: 0,
          maximum: 1000,
          description: `Bound on the error of the system clock for assume_synchronised, seconds. ${none}`,
        }),
      ),
      drift_ppm: Type.Number({
        minimum: 0,
        maximum: 10_000,
        default: DEFAULT_DRIFT_PPM,
        description: "How fast the bound grows while the clock is not synchronised, microseconds a second.",
      }),
      accept_reference_clock: Type.Boolean({
        default: false,
        description:
          "Count a clock that is disciplined by a GNSS receiver (a reference clock of chrony or ntpd) as independent. Only where it is not this receiver's, and not this antenna's.",
      }),
    }),
    recording: section("Recording of every received byte (docs/recording.md).", {
      enabled: Type.Boolean({
        default: true,
        description: "Whether the received bytes are kept. They hold coordinates, as the store does.",
      }),
      folder: Type.Optional(
        Type.String({ minLength: 1, description: "Where. Left out: recordings below data_dir." }),
      ),
      max_file_megabytes: Type.Integer({
        minimum: 1,
        maximum: 100_000,
        default: 64,
        description: "A file is closed at this size, and the next begun.",
      }),
      max_file_seconds: Type.Integer({
        minimum: 10,
        maximum: 604_800,
        default: 3600,
        description: "A file is closed at this age, and the next begun.",
      }),
      max_total_megabytes: Type.Integer({
        minimum: 1,
        maximum: 100_000_000,
        default: 4096,
        description: "The oldest files go when all together are larger.",
      }),
      fsync_seconds: Type.Number({
        minimum: 0,
        maximum: 3600,
        default: 10,
        description:
          "Written data is forced onto the disk at least this often, seconds; 0 after each block. What a power cut can cost.",
      }),
    }),
    station: section("The log in which the station commits to what it hears (docs/station-log.md).", {
      enabled: Type.Boolean({
        default: true,
        description:
          "Whether the station keeps such a log. Its public part does not tell where the station is.",
      }),
      witnesses: Type.Array(Type.String({ pattern: "^https?://\\S+ \\S+$" }), {
        default: [],
        description:
          'Who cosigns the log: each "<url> <key>", the key as osnmad witness prints it. Without witnesses nothing shows others when the station committed.',
      }),
      needed: Type.Optional(
        Type.Integer({
          minimum: 1,
          maximum: 64,
          description: "How many of them make a checkpoint witnessed. Left out: more than half.",
        }),
      ),
      keep_days: Type.Number({
        exclusiveMinimum: 0,
        maximum: 99_999,
        default: 7,
        description:
          "What opens the log's commitments is let go after so many days of it; some 60 MB a day. Older fixes then cannot be shown to anybody.",
      }),
    }),
    emit: section("Who is sent what (docs/emission.md); needs the station's log.", {
      prover_push: Type.Array(Type.String({ pattern: "^(unix:/|https?://)\\S*( \\S+)?$" }), {
        default: [],
        description:
          'Residency provers, who get coordinates: "unix:/path of the socket", "unix:/socket:/path of the request", "http://127.0.0.1:port/path", or "https://... <token>".',
      }),
      prover_pull: Type.Array(Type.String({ pattern: "^[A-Za-z0-9._-]{1,64}$" }), {
        default: [],
        description:
          "Names of provers that come and ask. What they have not taken is kept for them, however much.",
      }),
      federation_push: Type.Array(Type.String({ pattern: "^(unix:/|https?://)\\S*( \\S+)?$" }), {
        default: [],
        description:
          'Federation nodes that are pushed to: "<url>" or "<url> <token>". They get nothing that tells of the place.',
      }),
      nats: Type.Array(Type.String({ pattern: "^(nats|tls)://\\S+$" }), {
        default: [],
        description:
          'Servers of one NATS JetStream cluster with the stream OSNMAD, for federation nodes: "nats://..." or "tls://...", with "user:password@" where the broker asks for that and no file has it.',
      }),
      nats_credentials: Type.Optional(
        Type.String({
          minLength: 1,
          description:
            "File with what opens the broker: a creds file of NATS, the seed of an nkey, user:password, or a token.",
        }),
      ),
      nats_ca: Type.Optional(
        Type.String({
          minLength: 1,
          description:
            "Certificates (PEM) to believe the broker by, instead of the system's. TLS is then demanded.",
        }),
      ),
      nats_create: Type.Boolean({
        default: false,
        description:
          "Makes the stream where it is missing, as osnmad emission stream does; the user must be allowed to.",
      }),
      nats_replicas: Type.Integer({
        minimum: 1,
        maximum: 5,
        default: 1,
        description: "How many servers of the cluster keep a stream that is made here; 3 in production.",
      }),
    }),
    log: section("The log, on standard error.", {
      level: oneOf(LOG_LEVELS, {
        default: "info",
        description:
          "error: something is lost or stopped; warn: something wants attention; info: what changed; debug: each request and attempt. No coordinates at info or above.",
      }),
    }),
  },
  {
    $id: "osnmad-config",
    title: "osnmad configuration",
    description: "What `osnmad run` reads from its TOML file, the environment and its options.",
    additionalProperties: false,
  },
);

export type Config = Static<typeof ConfigSchema>;

/**
 * The schema as it is for a file: what has a default may be left out. `ConfigSchema` itself is of the whole, with every
 * default in its place.
 */
export function publishedSchema(): Record<string, unknown> {
  const published = (node: unknown): unknown => {
    if (Array.isArray(node)) return node.map(published);
    if (typeof node !== "object" || node === null) return node;
    const { properties, required, ...rest } = node as {
      properties?: Record<string, { default?: unknown }>;
      required?: readonly string[];
    };
    const left = (required ?? []).filter((name) => properties?.[name]?.default === undefined);
    return {
      ...Object.fromEntries(Object.entries(rest).map(([key, value]) => [key, published(value)])),
      ...(properties === undefined
        ? {}
        : {
            properties: Object.fromEntries(
              Object.entries(properties).map(([name, child]) => [name, published(child)]),
            ),
          }),
      ...(left.length > 0 ? { required: left } : {}),
    };
  };
  return published(ConfigSchema) as Record<string, unknown>;
}

export interface OptionRow {
  /** As in TOML, with its section: `receiver.port`. */
  readonly name: string;
  readonly description: string;
  /** `integer`, `number`, `string`, `boolean`, `array`, or the words that are allowed. */
  readonly type: string;
  /** As TOML writes it; null where it may be left out without a value in its place. */
  readonly default: string | null;
  readonly reloadable: boolean;
  readonly schema: TSchema;
}

interface SchemaNode {
  readonly type?: string;
  readonly description?: string;
  readonly default?: unknown;
  readonly enum?: readonly string[];
  readonly anyOf?: readonly SchemaNode[];
  readonly const?: unknown;
  readonly properties?: Readonly<Record<string, SchemaNode>>;
  readonly minimum?: number;
  readonly exclusiveMinimum?: number;
  readonly maximum?: number;
}

/** Every option there is, in the order of the schema. */
export function optionRows(): OptionRow[] {
  const rows: OptionRow[] = [];
  const walk = (node: SchemaNode, path: readonly string[]): void => {
    for (const [key, child] of Object.entries(node.properties ?? {})) {
      const name = [...path, key].join(".");
      if (child.properties !== undefined) {
        walk(child, [...path, key]);
        continue;
      }
      rows.push({
        name,
        description: child.description ?? "",
        type: typeWords(child),
        default: child.default === undefined ? null : JSON.stringify(child.default),
        reloadable: RELOADABLE.includes(name),
        schema: child as TSchema,
      });
    }
  };
  walk(ConfigSchema as unknown as SchemaNode, []);
  return rows;
}

function typeWords(node: SchemaNode): string {
  if (node.enum !== undefined) return node.enum.join(", ");
  if (node.anyOf !== undefined) return node.anyOf.map(typeWords).join(" or ");
  if (node.const !== undefined) return String(node.const);
  if (node.type === "array") return "array of strings";
  const from = node.exclusiveMinimum === undefined ? node.minimum : `above ${node.exclusiveMinimum}`;
  const range =
    from === undefined ? "" : node.maximum === undefined ? `, from ${from}` : `, ${from} to ${node.maximum}`;
  return `${node.type ?? "any"}${range}`;
}
