/**
 * Brings a receiver to a profile: reads, writes what differs, reads again. Required settings go together, and one by
 * one only where that is refused; optional ones go one per frame, since a receiver refuses a whole CFG-VALSET for one
 * key that it does not know. Edge: asks and sets the receiver.
 */
import type { ConfigKeyName } from "gnss-ubx";
import { OsnmadError } from "../errors.js";
import type { ReceiverPort } from "./own-port.js";
import type { Profile } from "./profile.js";
import { settingsFor } from "./profile.js";
import type { Layer, Setting, SettingValue, UbxClient } from "./ubx-client.js";
import { MAX_ITEMS } from "./ubx-client.js";

export type Outcome =
  /** It has this value already. */
  | "already"
  /** Written, acknowledged and read back. */
  | "set"
  /** Only with `dryRun`: it would be written. */
  | "would-set"
  /** The firmware does not know the key. */
  | "unknown"
  /** The firmware knows the key and does not take the value (ACK-NAK). */
  | "refused"
  /** Acknowledged, and another value was read back: the receiver restarted, or something else sets it too. */
  | "lost"
  /** Left out: the rate of a UART whose other end cannot follow. */
  | "skipped";

export interface KeyReport {
  readonly key: ConfigKeyName;
  readonly need: "required" | "optional";
  readonly wanted: SettingValue;
  /** Value in RAM, null where the key is not known. */
  readonly before: SettingValue | null;
  readonly outcome: Outcome;
}

/** What was there before anything was written, for `undo`. */
export type PreviousValues = ReadonlyMap<Layer, ReadonlyMap<ConfigKeyName, SettingValue | null>>;

export interface ApplyReport {
  readonly profile: string;
  readonly port: ReceiverPort;
  /** Layers written to. */
  readonly layers: readonly Layer[];
  readonly keys: readonly KeyReport[];
  /** Every required setting is in place (or, dry, would be asked for). */
  readonly complete: boolean;
}

export interface ApplyOptions {
  readonly port: ReceiverPort;
  /** `bbr` and `flash` are written besides RAM. Default "ram". */
  readonly layer?: Layer;
  /** Nothing is written. */
  readonly dryRun?: boolean;
  /** Told before the first write, with all values that may be changed. */
  readonly onPrevious?: (previous: PreviousValues) => void;
  /** Left out of the profile, for example messages that the line has no room for. */
  readonly without?: ReadonlySet<ConfigKeyName>;
}

export const BAUD_RATE: ConfigKeyName = "CFG-UART1-BAUDRATE";
/** How often what was lost is written again. */
const PASSES = 2;
/** A receiver changes its rate once what it had to send is out. */
export const BAUD_CHANGE_MS = 150;

/** Throws OSN_RECEIVER_SILENT and OSN_LINK_LOST; what was written until then stays. */
export async function applyProfile(
  client: UbxClient,
  profile: Profile,
  options: ApplyOptions,
): Promise<ApplyReport> {
  const { port, layer = "ram", dryRun = false, without } = options;
  const wanted = settingsFor(profile, port);
  const kept = ({ key }: Setting): boolean => without?.has(key) !== true;
  const required = wanted.required.filter(kept);
  const optional = wanted.optional.filter(kept);
  const all = [...required, ...optional];
  const layers: readonly Layer[] = layer === "ram" ? ["ram"] : ["ram", layer];

  const previous = new Map<Layer, ReadonlyMap<ConfigKeyName, SettingValue | null>>();
  const known = await readValues(
    client,
    all.map(({ key }) => key),
    "ram",
  );
  previous.set("ram", known);
  if (layer !== "ram") previous.set(layer, await readStored(client, [...known.keys()], layer));

  const outcomes = new Map<ConfigKeyName, Outcome>();
  const inPlace = (setting: Setting): boolean =>
    [...previous.values()].every((values) => holds(values.get(setting.key), setting));
  for (const setting of all) {
    if (!known.has(setting.key)) outcomes.set(setting.key, "unknown");
    else if (inPlace(setting)) outcomes.set(setting.key, "already");
    else if (dryRun) outcomes.set(setting.key, "would-set");
  }
  const open = (settings: readonly Setting[]): Setting[] => settings.filter(({ key }) => !outcomes.has(key));

  if (open(all).length > 0) options.onPrevious?.(previous);
  for (let pass = 1; pass <= PASSES && open(all).length > 0; pass++) {
    const written = [
      ...(await writeTogether(client, open(required).filter(notTheRate), layers, outcomes)),
      ...(await writeEach(client, open(optional).filter(notTheRate), layers, outcomes)),
    ];
    await verify(client, written, layers, outcomes, pass === PASSES);
  }
  for (const setting of open(all)) outcomes.set(setting.key, await raiseRate(client, setting, layers));

  const report =
    (need: KeyReport["need"]) =>
    (setting: Setting): KeyReport => ({
      key: setting.key,
      need,
      wanted: setting.value,
      before: known.get(setting.key) ?? null,
      outcome: outcomes.get(setting.key) ?? "lost",
    });
  const keys = [...required.map(report("required")), ...optional.map(report("optional"))];
  return {
    profile: profile.name,
    port,
    layers,
    keys,
    complete: keys.every(
      ({ need, outcome }) =>
        need === "optional" || outcome === "already" || outcome === "set" || outcome === "would-set",
    ),
  };
}

/** A rate is wanted as a minimum, anything else exactly. */
function holds(value: SettingValue | null | undefined, { key, value: wanted }: Setting): boolean {
  return key === BAUD_RATE ? typeof value === "number" && value >= Number(wanted) : value === wanted;
}

function notTheRate({ key }: Setting): boolean {
  return key !== BAUD_RATE;
}

/** Values of all keys that the receiver knows; the others are missing in the result. */
export async function readValues(
  client: UbxClient,
  keys: readonly ConfigKeyName[],
  layer: Layer,
): Promise<ReadonlyMap<ConfigKeyName, SettingValue>> {
  const values = new Map<ConfigKeyName, SettingValue>();
  // A refused group is halved until the keys that are not known stand alone.
  const groups: (readonly ConfigKeyName[])[] = [];
  for (let at = 0; at < keys.length; at += MAX_ITEMS) groups.push(keys.slice(at, at + MAX_ITEMS));
  for (let group = groups.shift(); group !== undefined; group = groups.shift()) {
    const answer = await client.valget(group, layer);
    if (answer !== "nak") for (const [key, value] of answer) values.set(key, value);
    else if (group.length > 1) {
      const half = Math.ceil(group.length / 2);
      groups.unshift(group.slice(0, half), group.slice(half));
    }
  }
  return values;
}

/** What BBR or flash hold of keys that are known; null for those that are not stored there. */
async function readStored(
  client: UbxClient,
  keys: readonly ConfigKeyName[],
  layer: Layer,
): Promise<ReadonlyMap<ConfigKeyName, SettingValue | null>> {
  const stored = await readValues(client, keys, layer);
  return new Map(keys.map((key) => [key, stored.get(key) ?? null]));
}

/** All at once; one by one where that is refused. Returns what was acknowledged. */
async function writeTogether(
  client: UbxClient,
  settings: readonly Setting[],
  layers: readonly Layer[],
  outcomes: Map<ConfigKeyName, Outcome>,
): Promise<readonly Setting[]> {
  const written: Setting[] = [];
  for (let at = 0; at < settings.length; at += MAX_ITEMS) {
    const group = settings.slice(at, at + MAX_ITEMS);
    if ((await client.valset(group, layers)) === "ack") written.push(...group);
    else written.push(...(await writeEach(client, group, layers, outcomes)));
  }
  return written;
}

async function writeEach(
  client: UbxClient,
  settings: readonly Setting[],
  layers: readonly Layer[],
  outcomes: Map<ConfigKeyName, Outcome>,
): Promise<readonly Setting[]> {
  const written: Setting[] = [];
  for (const setting of settings) {
    if ((await client.valset([setting], layers)) === "ack") written.push(setting);
    else outcomes.set(setting.key, "refused");
  }
  return written;
}

/** Reads back what was acknowledged. What is not there is left open for another pass, or lost for good. */
async function verify(
  client: UbxClient,
  written: readonly Setting[],
  layers: readonly Layer[],
  outcomes: Map<ConfigKeyName, Outcome>,
  last: boolean,
): Promise<void> {
  const keys = written.map(({ key }) => key);
  const read: ReadonlyMap<ConfigKeyName, SettingValue>[] = [];
  for (const layer of layers) read.push(await readValues(client, keys, layer));
  for (const setting of written) {
    if (read.every((values) => holds(values.get(setting.key), setting))) outcomes.set(setting.key, "set");
    else if (last) outcomes.set(setting.key, "lost");
  }
}

/**
 * Raises the UART's rate on both ends. The acknowledgement comes at one rate or the other, so none is waited for:
 * the receiver is asked at the new rate, and both ends go back where it does not answer.
 */
async function raiseRate(client: UbxClient, setting: Setting, layers: readonly Layer[]): Promise<Outcome> {
  const { link } = client;
  if (link.setBaudRate === undefined || setting.key !== BAUD_RATE) return "skipped";
  const before = (await readValues(client, [BAUD_RATE], "ram")).get(BAUD_RATE);
  if (typeof before !== "number") return "skipped";
  const answersAt = async (rate: number): Promise<boolean> => {
    await new Promise((resolve) => setTimeout(resolve, BAUD_CHANGE_MS));
    await link.setBaudRate?.(rate);
    try {
      const value = (await readValues(client, [BAUD_RATE], "ram")).get(BAUD_RATE);
      return value === rate;
    } catch (error) {
      if (error instanceof OsnmadError && error.code === "OSN_RECEIVER_SILENT") return false;
      throw error;
    }
  };
  await client.sendSettings([setting], layers);
  if (await answersAt(Number(setting.value))) return "set";
  // It may not have heard, or it went over and the line does not carry that rate.
  if (await answersAt(before)) return "refused";
  await link.setBaudRate(Number(setting.value));
  await client.sendSettings([{ key: BAUD_RATE, value: before }], layers);
  await answersAt(before);
  return "lost";
}
