/** What a receiver family is to be set to: the files of firmware-config/, read strictly. Pure. */
import type { ConfigKeyName } from "gnss-ubx";
import { CONFIG_KEYS, configItem } from "gnss-ubx";
import { parse, TomlError } from "smol-toml";
import Type from "typebox";
import { Value } from "typebox/value";
import { OsnmadError } from "../errors.js";
import type { ReceiverIdentity } from "./identity.js";
import type { ReceiverPort } from "./own-port.js";
import { RECEIVER_PORTS } from "./own-port.js";
import type { Setting, SettingValue } from "./ubx-client.js";

/** A setting before the port is known; `<port>` in its name stands for USB or UART1. */
interface PortSetting {
  readonly name: string;
  readonly value: SettingValue;
  /** null: at whichever port. */
  readonly onlyAt: ReceiverPort | null;
}

export interface Profile {
  /** Name of the file, without its ending. */
  readonly name: string;
  readonly family: string;
  /** What it is for, in a line. */
  readonly about: string;
  /** Beginnings of module names (MOD of MON-VER); empty: any. */
  readonly modules: readonly string[];
  readonly minimumProtocol: string;
  readonly ports: readonly ReceiverPort[];
  readonly required: readonly PortSetting[];
  readonly optional: readonly PortSetting[];
}

const SettingsTable = Type.Record(Type.String(), Type.Union([Type.Boolean(), Type.Integer()]));
const NeedTable = Type.Object(
  {
    common: Type.Optional(SettingsTable),
    usb: Type.Optional(SettingsTable),
    uart1: Type.Optional(SettingsTable),
  },
  { additionalProperties: false },
);

/** The form of a file; docs/receiver.md explains it. */
export const ProfileFile = Type.Object(
  {
    receiver: Type.Object(
      {
        family: Type.String({ minLength: 1 }),
        about: Type.String({ minLength: 1 }),
        modules: Type.Array(Type.String({ minLength: 1 })),
        "minimum-protocol": Type.String({ pattern: "^[0-9]{2,3}\\.[0-9]{2}$" }),
        ports: Type.Array(Type.Union([Type.Literal("usb"), Type.Literal("uart1")]), {
          minItems: 1,
          uniqueItems: true,
        }),
      },
      { additionalProperties: false },
    ),
    required: NeedTable,
    optional: Type.Optional(NeedTable),
  },
  { additionalProperties: false },
);

const PORT = "<port>";

/** A profile from its text. Throws OSN_PROFILE_INVALID, naming what is wrong. */
export function parseProfile(name: string, text: string): Profile {
  const invalid = (why: string, cause?: unknown): OsnmadError =>
    new OsnmadError("OSN_PROFILE_INVALID", `${name}: ${why}.`, { cause });
  let file: unknown;
  try {
    file = parse(text);
  } catch (cause) {
    if (cause instanceof TomlError)
      throw invalid(`line ${cause.line}: ${cause.message.split("\n")[0]}`, cause);
    throw cause;
  }
  if (!Value.Check(ProfileFile, file)) {
    const [first] = Value.Errors(ProfileFile, file);
    throw invalid(`${first.instancePath === "" ? "the file" : first.instancePath} ${first.message}`);
  }
  const { receiver, required, optional } = file;
  const settings = (table: Type.Static<typeof NeedTable>): PortSetting[] => [
    ...entries(table.common, null),
    ...RECEIVER_PORTS.flatMap((port) => entries(table[port], port)),
  ];
  const profile: Profile = {
    name,
    family: receiver.family,
    about: receiver.about,
    modules: receiver.modules,
    minimumProtocol: receiver["minimum-protocol"],
    ports: receiver.ports,
    required: settings(required),
    optional: settings(optional ?? {}),
  };
  for (const port of profile.ports) {
    const seen = new Set<string>();
    for (const { key, value } of [
      ...namedSettings(profile.required, port),
      ...namedSettings(profile.optional, port),
    ]) {
      if (!Object.hasOwn(CONFIG_KEYS, key)) throw invalid(`no configuration key is named ${key}`);
      if (seen.has(key)) throw invalid(`${key} stands there twice`);
      seen.add(key);
      try {
        configItem(key as ConfigKeyName, value as never);
      } catch (cause) {
        throw invalid(cause instanceof Error ? cause.message : String(cause), cause);
      }
    }
  }
  for (const { name: key, onlyAt } of [...profile.required, ...profile.optional]) {
    if (onlyAt !== null && !profile.ports.includes(onlyAt)) {
      throw invalid(`${key} is for ${onlyAt}, which ports does not name`);
    }
  }
  return profile;
}

function entries(
  table: Readonly<Record<string, SettingValue>> | undefined,
  onlyAt: ReceiverPort | null,
): PortSetting[] {
  return Object.entries(table ?? {}).map(([name, value]) => ({ name, value, onlyAt }));
}

function namedSettings(
  settings: readonly PortSetting[],
  port: ReceiverPort,
): { readonly key: string; readonly value: SettingValue }[] {
  return settings
    .filter(({ onlyAt }) => onlyAt === null || onlyAt === port)
    .map(({ name, value }) => ({ key: name.replace(PORT, port.toUpperCase()), value }));
}

/** The settings for a receiver that is reached by `port`, in the order of the file. */
export function settingsFor(
  profile: Profile,
  port: ReceiverPort,
): { readonly required: readonly Setting[]; readonly optional: readonly Setting[] } {
  return {
    required: namedSettings(profile.required, port) as Setting[],
    optional: namedSettings(profile.optional, port) as Setting[],
  };
}

/**
 * Messages that may be switched off when the line or the receiver's buffer is too small for all, the least worth
 * first: the optional ones, from the end of the file.
 */
export function sheddableMessages(profile: Profile, port: ReceiverPort): readonly ConfigKeyName[] {
  return settingsFor(profile, port)
    .optional.filter(({ key, value }) => key.startsWith("CFG-MSGOUT-") && value !== 0)
    .map(({ key }) => key)
    .reverse();
}

/** Whether the profile is for this receiver: by module where the profile names any, and by protocol version. */
export function profileFits(profile: Profile, { module, protocol }: ReceiverIdentity): boolean {
  if (protocol === null || Number(protocol) < Number(profile.minimumProtocol)) return false;
  if (profile.modules.length === 0) return true;
  return module !== null && profile.modules.some((beginning) => module.startsWith(beginning));
}
