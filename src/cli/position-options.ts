/** Options of the own position and of the consistency watch, which `replay --fixes` and `serve` share. */
import { type Command } from "commander";
import { OsnmadError } from "../errors.js";
import type { FixStageOptions } from "../fix/fix-stage.js";

export interface PositionFlags {
  readonly watchConfig?: string;
  readonly carrierSmoothing?: boolean;
  readonly elevationMask?: number;
  readonly minCn0?: number;
}

function decimal(name: string, min: number, max: number, unit: string): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!/^\d+(\.\d+)?$/.test(text) || value < min || value > max)
      throw new OsnmadError("OSN_USAGE", `--${name} takes ${min} to ${max} ${unit}, not "${text}".`);
    return value;
  };
}

export function addPositionOptions(command: Command): Command {
  return command
    .option(
      "--watch-config <file>",
      "TOML file whose table [watch] replaces thresholds of the consistency watch (docs/consistency-watch.md)",
    )
    .option(
      "--carrier-smoothing",
      "smooth code by carrier over 100 s for the own position; it then has no evidence: an epoch alone does not give it",
    )
    .option(
      "--elevation-mask <degrees>",
      "satellites below are left out of the own position (default: 10)",
      decimal("elevation-mask", 1, 60, "degrees"),
    )
    .option(
      "--min-cn0 <dBHz>",
      "signals below are left out of the own position (default: 25)",
      decimal("min-cn0", 0, 60, "dBHz"),
    );
}

/** What the flags say to the fix stage. What reads a configuration is loaded when there is one. Throws OSN_USAGE. */
export async function positionOptions(
  flags: PositionFlags,
): Promise<Pick<FixStageOptions, "thresholds" | "solver" | "measurements" | "carrierSmoothing">> {
  const { watchConfig, carrierSmoothing = false, elevationMask, minCn0 } = flags;
  return {
    ...(watchConfig === undefined
      ? {}
      : { thresholds: (await import("./watch-config.js")).readWatchConfig(watchConfig) }),
    solver: elevationMask === undefined ? {} : { elevationMaskDeg: elevationMask },
    measurements: minCn0 === undefined ? {} : { minimumCnoDbHz: minCn0 },
    carrierSmoothing,
  };
}

/** Refuses flags that would do nothing. Throws OSN_USAGE. */
export function refusePositionFlags(flags: PositionFlags): void {
  const { watchConfig, carrierSmoothing, elevationMask, minCn0 } = flags;
  const given = Object.entries({
    "watch-config": watchConfig,
    "carrier-smoothing": carrierSmoothing,
    "elevation-mask": elevationMask,
    "min-cn0": minCn0,
  }).find(([, value]) => value !== undefined);
  if (given !== undefined)
    throw new OsnmadError("OSN_USAGE", `--${given[0]} is about positions, which --fixes asks for.`);
}
