/** What a virtual receiver can be told to suffer: by its control input, by a schedule, or by a test. */
import { OsnmadError } from "../../errors.js";
import type { StartKind } from "./start-up.js";

/** Times in seconds of the receiver. */
export type Fault =
  /**
   * The cable is pulled, and put back after so long (never where it is not said), perhaps under another name. On
   * USB the receiver loses its power with it, unless `powered`.
   */
  | {
      readonly do: "unplug";
      readonly seconds?: number;
      readonly name?: string;
      readonly powered?: boolean;
    }
  | { readonly do: "plug"; readonly name?: string }
  /** Silence, with the link open; nothing is answered. */
  | { readonly do: "stall"; readonly seconds: number }
  /** The transmit buffer is as small as this for so long. */
  | { readonly do: "overflow"; readonly seconds: number; readonly bytes?: number }
  /** Each byte is damaged with this chance. */
  | { readonly do: "garble"; readonly seconds: number; readonly chance?: number }
  /** RAM configuration is lost, BBR kept unless there is no battery; the USB device goes and comes back. */
  | { readonly do: "restart"; readonly start?: StartKind; readonly battery?: boolean }
  /** The receiver changes its UART's rate by itself. */
  | { readonly do: "baud"; readonly rate: number }
  /** Another receiver, fresh from the factory, on the same cable. */
  | {
      readonly do: "replace";
      readonly uniqueId?: string;
      readonly seconds?: number;
      readonly name?: string;
    }
  /** The next acknowledgements are lost. */
  | { readonly do: "drop-acks"; readonly count: number };

/** A fault with its time, seconds after the receiver was first plugged in. */
export type ScheduledFault = Fault & { readonly at: number };

type FieldCheck = (value: unknown) => boolean;

const seconds: FieldCheck = (value) => typeof value === "number" && value >= 0 && value <= 1e9;
const text: FieldCheck = (value) => typeof value === "string" && value !== "";
const count: FieldCheck = (value) => Number.isInteger(value) && (value as number) >= 0;
const optional =
  (check: FieldCheck): FieldCheck =>
  (value) =>
    value === undefined || check(value);

const FIELDS: Readonly<Record<Fault["do"], Readonly<Record<string, FieldCheck>>>> = {
  unplug: {
    seconds: optional(seconds),
    name: optional(text),
    powered: optional((value) => typeof value === "boolean"),
  },
  plug: { name: optional(text) },
  stall: { seconds },
  overflow: { seconds, bytes: optional(count) },
  garble: {
    seconds,
    chance: optional((value) => typeof value === "number" && value >= 0 && value <= 1),
  },
  restart: {
    start: optional((value) => value === "hot" || value === "warm" || value === "cold"),
    battery: optional((value) => typeof value === "boolean"),
  },
  baud: { rate: count },
  replace: {
    uniqueId: optional((value) => typeof value === "string" && /^([0-9a-f]{10}|[0-9a-f]{12})$/i.test(value)),
    seconds: optional(seconds),
    name: optional(text),
  },
  "drop-acks": { count },
};

/** A fault from an object as JSON gives it; `scheduled` asks for `at`. Throws OSN_USAGE, naming what is wrong. */
export function parseFault(value: unknown, scheduled: true): ScheduledFault;
export function parseFault(value: unknown, scheduled?: false): Fault;
export function parseFault(value: unknown, scheduled = false): Fault {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new OsnmadError("OSN_USAGE", 'A fault is an object like {"do":"stall","seconds":5}.');
  }
  const given = value as Record<string, unknown>;
  const kind = given["do"];
  if (typeof kind !== "string" || !Object.hasOwn(FIELDS, kind)) {
    throw new OsnmadError("OSN_USAGE", `"do" takes one of ${Object.keys(FIELDS).join(", ")}.`);
  }
  const fields = FIELDS[kind as Fault["do"]];
  for (const name of Object.keys(given)) {
    if (name === "do" || (scheduled && name === "at")) continue;
    if (!Object.hasOwn(fields, name)) throw new OsnmadError("OSN_USAGE", `"${kind}" takes no "${name}".`);
  }
  for (const [name, check] of Object.entries(fields)) {
    if (!check(given[name]))
      throw new OsnmadError("OSN_USAGE", `"${name}" of "${kind}" is missing or wrong.`);
  }
  if (scheduled && !seconds(given["at"])) {
    throw new OsnmadError("OSN_USAGE", 'A scheduled fault has "at", in seconds.');
  }
  return given as unknown as Fault;
}

/** The lines of a schedule: one fault per line as JSON; empty lines and those that begin with # are left out. */
export function parseSchedule(lines: string): ScheduledFault[] {
  const faults = lines
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "" && !line.startsWith("#"))
    .map((line) => {
      let value: unknown;
      try {
        value = JSON.parse(line);
      } catch (cause) {
        throw new OsnmadError("OSN_USAGE", `Not a line of JSON: ${line}`, { cause });
      }
      return parseFault(value, true);
    });
  return faults.sort((a, b) => a.at - b.at);
}
