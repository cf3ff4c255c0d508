/**
 * The thresholds of the consistency watch as a table of a configuration: its JSON schema, and the reading of one. A
 * daemon's configuration and `--watch-config` take the same. docs/consistency-watch.md has every one with its reason.
 */
import { Type, type TObject } from "typebox";
import { OsnmadError } from "../errors.js";
import { DEFAULT_THRESHOLDS, THRESHOLD_RANGES, watchThresholds, type WatchThresholds } from "./thresholds.js";

/** Name of the table. */
export const WATCH_TABLE = "watch";

const NAMES = Object.keys(DEFAULT_THRESHOLDS) as (keyof WatchThresholds)[];

/** An object with any of the thresholds, each a number in its range. */
export const WatchThresholdsSchema: TObject = Type.Object(
  Object.fromEntries(
    NAMES.map((name) => {
      const [minimum, maximum, unit] = THRESHOLD_RANGES[name];
      const description = `${unit === "" ? "" : `Unit: ${unit}. `}See docs/consistency-watch.md.`;
      return [
        name,
        Type.Optional(Type.Number({ minimum, maximum, default: DEFAULT_THRESHOLDS[name], description })),
      ];
    }),
  ),
  {
    additionalProperties: false,
    description: "Thresholds of the consistency watch (docs/consistency-watch.md).",
  },
);

/**
 * The thresholds of a plain object, as TOML or JSON gives it: the defaults with those replaced that it names.
 * @param where goes before a name in a message: the table
 * @throws OsnmadError OSN_USAGE naming what is wrong
 */
export function parseWatchThresholds(value: unknown, where = WATCH_TABLE): WatchThresholds {
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw new OsnmadError("OSN_USAGE", `${where}: expected a table of thresholds.`);
  try {
    return watchThresholds(value);
  } catch (error) {
    if (!(error instanceof TypeError || error instanceof RangeError)) throw error;
    throw new OsnmadError("OSN_USAGE", `${where}: ${error.message}.`, { cause: error });
  }
}
