/** `--watch-config`: thresholds of the consistency watch from a TOML file. */
import { readFileSync } from "node:fs";
import { parse } from "smol-toml";
import { OsnmadError } from "../errors.js";
import { parseWatchThresholds, WATCH_TABLE } from "../watch/threshold-schema.js";
import type { WatchThresholds } from "../watch/thresholds.js";

/** A configuration is a page of text. */
const MAX_CONFIG_BYTES = 1 << 20;

/** The thresholds of a TOML file: its table [watch]; other tables are not this reader's. Throws OSN_USAGE. */
export function readWatchConfig(path: string): WatchThresholds {
  let document: Record<string, unknown>;
  try {
    const bytes = readFileSync(path);
    if (bytes.length > MAX_CONFIG_BYTES) throw new RangeError("it is larger than 1 MiB");
    document = parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (error) {
    // The first line of a TOML error says what and where; the rest quotes the file.
    const why = error instanceof Error ? error.message.split("\n", 1)[0] : "unknown";
    throw new OsnmadError("OSN_USAGE", `${path} cannot be read as TOML: ${why}`, { cause: error });
  }
  const table = document[WATCH_TABLE];
  if (table === undefined)
    throw new OsnmadError("OSN_USAGE", `${path} has no table [${WATCH_TABLE}], so it sets no threshold.`);
  return parseWatchThresholds(table, `${path}, [${WATCH_TABLE}]`);
}
