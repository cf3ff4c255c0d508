/** A sky of any length whose satellites rise and set, and the keys that it is signed with. */
import type { DaemonOptions } from "../../../src/cli/daemon.js";
import { parametrisedScenario, type SimulationOptions } from "../../../src/simulate/scenario.js";
import { trustOf } from "../../support/osnma.js";
import { SEED } from "./numbers.js";

export function skyOf(subframes: number): {
  readonly sky: SimulationOptions;
  readonly material: DaemonOptions["material"];
} {
  const { options, authority, pkid } = parametrisedScenario({ seed: SEED, subframes });
  const { seed, startGst, phases } = options;
  return {
    sky: { seed, startGst, subframes, phases, riseAndSet: true },
    material: {
      ...trustOf(authority, [pkid]),
      rootKey: null,
      snapshot: null,
      warnings: [],
      simulated: true,
    },
  };
}
