/**
 * The scenario format: what stands in a `<scenario>.toml`, as a schema. docs/simulation.md explains every key; a test
 * holds the two together. Times named `at`, `from`, `to` are seconds after the scenario's start.
 */
import Type, { type Static, type TObject, type TProperties, type TSchema } from "typebox";
import { OUTPUT_MESSAGES } from "./frames.js";

/** A table that knows its keys. */
function table<P extends TProperties>(properties: P, description?: string): TObject<P> {
  return Type.Object(properties, {
    additionalProperties: false,
    ...(description === undefined ? {} : { description }),
  });
}

const opt = Type.Optional;
const number = (minimum: number, maximum: number) => Type.Number({ minimum, maximum });
const integer = (minimum: number, maximum: number) => Type.Integer({ minimum, maximum });
const text = () => Type.String({ minLength: 1, maxLength: 2000 });
/** A name that may be part of a file's name. */
const name = () => Type.String({ pattern: "^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$" });
const oneOf = <T extends string>(...values: T[]) => Type.Enum(values as [T, ...T[]]);
const svid = () => integer(1, 36);
const seconds = () => number(-31_557_600, 31_557_600);
/** Seconds after the start, on a subframe. */
const subframeSeconds = () => Type.Integer({ multipleOf: 30, minimum: -31_557_600, maximum: 31_557_600 });

const PLACE = {
  latitude: number(-90, 90),
  longitude: number(-180, 180),
  height: number(-1000, 100_000),
};

const TIME = table({
  /** Start as Galileo week and time of week, a multiple of 30 s. */
  wn: opt(integer(0, 4095)),
  tow: opt(Type.Integer({ minimum: 0, maximum: 604_799, multipleOf: 30 })),
  /** Or as a date with time zone: the subframe that holds it. */
  start: opt(Type.Unknown()),
  /** Length, seconds, a multiple of 30. */
  duration: Type.Integer({ minimum: 30, maximum: 2_678_400, multipleOf: 30 }),
});

const WAYPOINT = table({ ...PLACE, at: opt(number(0, 31_557_600)) });

const RECEIVER = table({
  place: opt(table(PLACE)),
  waypoints: opt(Type.Array(WAYPOINT, { minItems: 2, maxItems: 10_000 })),
  /** Metres per second along waypoints without `at`. */
  speed: opt(number(0.01, 10_000)),
  /** Seconds at the first waypoint before the way begins. */
  wait: opt(number(0, 31_557_600)),
  elevation_mask: opt(number(0, 60)),
  max_satellites: opt(integer(1, 36)),
  satellites: opt(Type.Array(svid(), { minItems: 1, maxItems: 36, uniqueItems: true })),
  clock_bias: opt(number(-0.4, 0.4)),
  clock_drift: opt(number(-2e-5, 2e-5)),
  e5b: opt(Type.Boolean()),
  cn0_horizon: opt(number(10, 60)),
  cn0_zenith: opt(number(10, 60)),
  /** Seconds after which the receiver's own OSNMA has authenticated; left out, it does not monitor OSNMA. */
  osnma_after: opt(number(0, 31_557_600)),
});

const NOISE = table({
  code: opt(number(0, 100)),
  carrier: opt(number(0, 10)),
  doppler: opt(number(0, 100)),
  cn0: opt(number(0, 10)),
  multipath: opt(number(0, 100)),
});

const CONSTELLATION = table({
  /** Seed of the Walker constellation; the scenario's own where left out. */
  seed: opt(text()),
  /** A capture (path from the scenario file) whose ephemerides are used instead. */
  ephemerides: opt(text()),
});

const SATELLITE = table({
  svid: svid(),
  from: opt(subframeSeconds()),
  to: opt(subframeSeconds()),
  e1b_hs: opt(integer(0, 3)),
  e1b_dvs: opt(integer(0, 1)),
  e5b_hs: opt(integer(0, 3)),
  e5b_dvs: opt(integer(0, 1)),
  sisa: opt(integer(0, 255)),
  osnma: opt(Type.Boolean()),
  dummy_tags: opt(Type.Boolean()),
  dummy_pages: opt(Type.Boolean()),
  improved: opt(Type.Boolean()),
});

const TREE = table({
  name: name(),
  seed: opt(text()),
  /** PKIDs whose key is P-521; the others are P-256. */
  p521: opt(Type.Array(integer(1, 15), { maxItems: 15, uniqueItems: true })),
});

const CHAIN = table({
  name: name(),
  cid: integer(0, 3),
  seed: opt(text()),
  /** Hours after the full hour that holds the scenario's start at which the chain begins. */
  begins: opt(integer(-24, 744)),
  hash: opt(oneOf("SHA-256", "SHA3-256")),
  mac: opt(oneOf("HMAC-SHA-256", "CMAC-AES")),
  key_bits: opt(integer(96, 256)),
  tag_bits: opt(integer(20, 40)),
  maclt: opt(integer(0, 255)),
});

const ON_AIR = table({
  kind: oneOf("kroot", "pkr", "alert"),
  chain: opt(name()),
  tree: opt(name()),
  pkid: opt(integer(1, 15)),
});

/** One step of the life cycle. Which keys a kind takes: `EVENT_KEYS`. */
const EVENT = table({
  at: subframeSeconds(),
  kind: oneOf("eoc", "crev", "npk", "pkrev", "nmt", "oam", "phase"),
  chain: opt(name()),
  tree: opt(name()),
  pkid: opt(integer(1, 15)),
  switch_at: opt(subframeSeconds()),
  nominal_at: opt(subframeSeconds()),
  nmas: opt(integer(0, 3)),
  cpks: opt(integer(0, 7)),
  on_air: opt(Type.Array(ON_AIR, { minItems: 1, maxItems: 8 })),
});

const OSNMA = table({
  /** Which trust files are written: hot adds a root key, warm gives public keys, cold the Merkle tree alone. */
  start: opt(oneOf("hot", "warm", "cold")),
  tree: opt(name()),
  pkid: opt(integer(1, 15)),
  /** NMAS in nominal operation: test or operational. */
  nmas: opt(oneOf("test", "operational")),
  /** The DSM-PKR joins at 00, 06, 12 and 18 h GST. */
  pkr_windows: opt(Type.Boolean()),
  trees: opt(Type.Array(TREE, { maxItems: 8 })),
  chains: opt(Type.Array(CHAIN, { maxItems: 8 })),
  events: opt(Type.Array(EVENT, { maxItems: 32 })),
});

const OUTPUT = table({
  /** Measurement epochs a second. */
  rate: opt(integer(1, 10)),
  nmea: opt(Type.Boolean()),
  /** Every so many epochs, by message; 0 for never. What is left out keeps its default. */
  messages: opt(
    Type.Object(Object.fromEntries(OUTPUT_MESSAGES.map((message) => [message, opt(integer(0, 255))])), {
      additionalProperties: false,
    }),
  ),
});

const COLD_START = table({ unknown: number(0, 3600), wrong_week: number(0, 3600) });

const chance = () => opt(number(0, 1));
const LINK = table({
  page_loss: chance(),
  overflow: chance(),
  bad_checksum: chance(),
  garbage: chance(),
  empty_frame: chance(),
  rtcm: chance(),
  repeat: chance(),
  cut_end: opt(Type.Boolean()),
});

/** What must come out of the scenario as a whole. */
const EXPECT = table({
  summary: text(),
  nmas: opt(integer(0, 3)),
  cpks: opt(integer(0, 7)),
  cid: opt(integer(0, 3)),
  pkid: opt(integer(1, 15)),
  alert: opt(Type.Boolean()),
  /** Satellites that are heard and must never authenticate. */
  never: opt(Type.Array(svid(), { maxItems: 36 })),
});

/** What an attack must lead to. */
export const ATTACK_EXPECT = table({
  /** One sentence. */
  verdict: text(),
  /** Seconds after the attack begins by which it must show. */
  within: number(0, 31_557_600),
  /** Names of event records of which one must come. */
  events: opt(Type.Array(text(), { maxItems: 32 })),
  /** Names of watch signs, or reasons of a lowered grade, of which one must come. */
  signs: opt(Type.Array(text(), { maxItems: 32 })),
  /** Event names, signs or reasons that must not come. */
  never: opt(Type.Array(text(), { maxItems: 32 })),
  /** Grade of our own position from `within` after the attack's beginning to its end; "none" for no position at all. */
  own: opt(oneOf("nav-authenticated", "unverified", "none")),
  /** Seconds after the beginning from which `own` holds; `within` where left out. */
  own_within: opt(number(0, 31_557_600)),
  /** While the attack lasts, graded own positions stay within so many metres of where the receiver is. */
  meters: opt(number(0, 10_000_000)),
  /** Satellites that must not be authenticated with data received while the attack lasts. */
  rejected: opt(Type.Array(svid(), { maxItems: 36 })),
});

/** Keys that every attack has; a kind adds its own. */
export const ATTACK_COMMON = {
  kind: Type.String(),
  from: opt(seconds()),
  to: opt(seconds()),
  expect: opt(ATTACK_EXPECT),
};

export const SCENARIO = table({
  name: name(),
  what: text(),
  seed: opt(text()),
  time: TIME,
  receiver: opt(RECEIVER),
  noise: opt(NOISE),
  constellation: opt(CONSTELLATION),
  satellite: opt(Type.Array(SATELLITE, { maxItems: 200 })),
  osnma: opt(OSNMA),
  output: opt(OUTPUT),
  cold_start: opt(COLD_START),
  link: opt(LINK),
  /** Checked against its kind in a second step. */
  attack: opt(Type.Array(Type.Unknown(), { maxItems: 64 })),
  expect: opt(EXPECT),
});

export type ScenarioFile = Static<typeof SCENARIO>;
export type AttackExpect = Static<typeof ATTACK_EXPECT>;

/** An attack line whose own keys were checked against its kind. */
export interface AttackLine {
  readonly kind: string;
  readonly from?: number;
  readonly to?: number;
  readonly expect?: AttackExpect;
  readonly parameters: Readonly<Record<string, unknown>>;
}

/** The schema of one kind's `[[attack]]`. */
export function attackSchema(keys: Readonly<Record<string, TSchema>>): TObject {
  return table({ ...keys, ...ATTACK_COMMON });
}
