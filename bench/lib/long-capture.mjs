/** A simulated capture of any length: nominal operation, nine satellites, test keys of captures/trust. */
import { closeSync, openSync, writeSync } from "node:fs";
import { captureAuthority } from "../../dist/simulate/captures.js";
import { chainEndFor, nominalPhase, Simulation } from "../../dist/simulate/scenario.js";
import { OPERATIONAL_PARAMETERS, TeslaChain } from "../../dist/simulate/tesla-chain.js";
import { ubxFrames } from "../../dist/simulate/ubx-stream.js";

const SECONDS_IN_WEEK = 604_800;

/** @param {string} path @param {number} subframes */
export function writeLongCapture(path, subframes) {
  const hour = 1400 * SECONDS_IN_WEEK + 39 * 3600;
  const startGst = hour + 480;
  const chain = new TeslaChain({
    seed: "bench",
    cid: 1,
    startGst: hour,
    endGst: chainEndFor(startGst, subframes),
    parameters: OPERATIONAL_PARAMETERS,
  });
  const simulation = new Simulation({
    seed: "bench",
    startGst,
    subframes,
    phases: [nominalPhase(hour, chain, { authority: captureAuthority(), pkid: 2 })],
    maxSatellites: 9,
  });
  const file = openSync(path, "w");
  try {
    for (const frame of ubxFrames(simulation)) writeSync(file, frame);
  } finally {
    closeSync(file);
  }
}
