/** Takes back what a profile changed: previous values, as a file and on the receiver. */
import type { ConfigKeyName } from "gnss-ubx";
import { CONFIG_KEYS, configItem } from "gnss-ubx";
import Type from "typebox";
import { Value } from "typebox/value";
import { OsnmadError } from "../errors.js";
import type { Outcome, PreviousValues } from "./apply-profile.js";
import { BAUD_CHANGE_MS, BAUD_RATE, readValues } from "./apply-profile.js";
import type { ReceiverIdentity } from "./identity.js";
import type { Layer, Setting, SettingValue, UbxClient } from "./ubx-client.js";

const Values = Type.Record(Type.String(), Type.Union([Type.Boolean(), Type.Integer(), Type.Null()]));

const UndoFile = Type.Object(
  {
    version: Type.Literal(1),
    receiver: Type.Object({
      module: Type.Union([Type.String(), Type.Null()]),
      uniqueId: Type.Union([Type.String(), Type.Null()]),
    }),
    layers: Type.Object(
      { ram: Type.Optional(Values), bbr: Type.Optional(Values), flash: Type.Optional(Values) },
      { additionalProperties: false },
    ),
  },
  { additionalProperties: false },
);

export interface Undo {
  readonly module: string | null;
  readonly uniqueId: string | null;
  readonly previous: PreviousValues;
}

/**
 * The text of an undo file. Values of `older`, an earlier such file of the same receiver, win: what is restored is
 * what was there before the first change.
 */
export function undoText(identity: ReceiverIdentity, previous: PreviousValues, older: Undo | null): string {
  const layers: Record<string, Record<string, SettingValue | null>> = {};
  const same = older !== null && older.uniqueId === identity.uniqueId ? older.previous : null;
  for (const layer of ["ram", "bbr", "flash"] as const) {
    const merged = new Map([...(previous.get(layer) ?? []), ...(same?.get(layer) ?? [])]);
    if (merged.size > 0) layers[layer] = Object.fromEntries(merged);
  }
  const receiver = { module: identity.module, uniqueId: identity.uniqueId };
  return `${JSON.stringify({ version: 1, receiver, layers }, null, 2)}\n`;
}

/** Throws OSN_PROFILE_INVALID where the text is no undo file. */
export function parseUndo(name: string, text: string): Undo {
  let file: unknown;
  try {
    file = JSON.parse(text);
  } catch (cause) {
    throw new OsnmadError("OSN_PROFILE_INVALID", `${name} is no JSON.`, { cause });
  }
  if (!Value.Check(UndoFile, file)) {
    throw new OsnmadError("OSN_PROFILE_INVALID", `${name} is no undo file of osnmad configure.`);
  }
  const previous = new Map<Layer, ReadonlyMap<ConfigKeyName, SettingValue | null>>();
  for (const layer of ["ram", "bbr", "flash"] as const) {
    const values = new Map<ConfigKeyName, SettingValue | null>();
    for (const [key, value] of Object.entries(file.layers[layer] ?? {})) {
      try {
        if (value !== null) configItem(key as ConfigKeyName, value as never);
        else if (!Object.hasOwn(CONFIG_KEYS, key))
          throw new RangeError(`no configuration key is named ${key}`);
      } catch (cause) {
        throw new OsnmadError("OSN_PROFILE_INVALID", `${name}: ${String(cause)}`, { cause });
      }
      values.set(key as ConfigKeyName, value);
    }
    if (values.size > 0) previous.set(layer, values);
  }
  return { module: file.receiver.module, uniqueId: file.receiver.uniqueId, previous };
}

export interface UndoReport {
  readonly layer: Layer;
  readonly key: ConfigKeyName;
  /** null: not stored in that layer. */
  readonly value: SettingValue | null;
  readonly outcome: Extract<Outcome, "already" | "set" | "unknown" | "refused" | "skipped">;
}

/**
 * Restores previous values, flash and BBR before RAM, and the output of UBX last: once that is off, nothing is
 * acknowledged.
 */
export async function applyUndo(client: UbxClient, undo: Undo): Promise<readonly UndoReport[]> {
  const reports: UndoReport[] = [];
  for (const layer of ["flash", "bbr", "ram"] as const) {
    const values = [...(undo.previous.get(layer) ?? [])].sort(([a], [b]) => lateness(a) - lateness(b));
    const keys = values.map(([key]) => key);
    const known = await readValues(client, keys, "ram");
    const present = layer === "ram" ? known : await readValues(client, [...known.keys()], layer);
    for (const [key, value] of values) {
      const report = (outcome: UndoReport["outcome"]): void =>
        void reports.push({ layer, key, value, outcome });
      if (!known.has(key)) report("unknown");
      else if ((present.get(key) ?? null) === value) report("already");
      else if (value !== null && layer === "ram" && changesTheLine(key, value)) {
        report(await setUnheard(client, { key, value }));
      } else if (value !== null) {
        report((await client.valset([{ key, value }], [layer])) === "ack" ? "set" : "refused");
      } else if (layer !== "ram") {
        report((await client.valdel([key], [layer])) === "ack" ? "set" : "refused");
      }
    }
  }
  return reports;
}

function lateness(key: ConfigKeyName): number {
  return key === BAUD_RATE ? 1 : /OUTPROT-UBX$/.test(key) ? 2 : 0;
}

/** After these the receiver is not heard any more, or at another rate. */
function changesTheLine(key: ConfigKeyName, value: SettingValue): boolean {
  return key === BAUD_RATE || (/OUTPROT-UBX$/.test(key) && value === false);
}

async function setUnheard(client: UbxClient, setting: Setting): Promise<"set" | "skipped"> {
  const { link } = client;
  if (setting.key === BAUD_RATE && link.setBaudRate === undefined) return "skipped";
  await client.sendSettings([setting], ["ram"]);
  if (setting.key === BAUD_RATE) {
    await new Promise((resolve) => setTimeout(resolve, BAUD_CHANGE_MS));
    await link.setBaudRate?.(Number(setting.value));
  }
  return "set";
}
