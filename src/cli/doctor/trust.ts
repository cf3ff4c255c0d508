/** What `osnmad doctor` says of the key material and the alert latch. Edge: reads the trust store and state. */
import { OsnmadError } from "../../errors.js";
import { loadTrust, type TrustMaterial } from "../../trust/material.js";
import { isRecord, loadState } from "../../trust/state-store.js";
import { isSimulated } from "../trust-options.js";
import { ok, problem, warning, type Check } from "./check.js";

/** `files` as the configuration names them; `stateDir` is where a run keeps its trust state. */
export function checkTrust(files: ExplicitFiles, stateDir: string, now = new Date()): Check[] {
  let material: TrustMaterial;
  try {
    material = loadTrust({ ...files, stateDir });
  } catch (error) {
    if (!(error instanceof OsnmadError)) throw error;
    return [problem("trust", error.message, error.remedy)];
  }
  return [trustCheck(material, now), latchCheck(stateDir, isSimulated(material))];
}

/** Files that replace what is built in and imported. */
export interface ExplicitFiles {
  readonly merkle?: string[];
  readonly publicKey?: string[];
  readonly rootKey?: string;
}

export function trustCheck(material: TrustMaterial, now: Date): Check {
  const { roots, publicKeys } = material;
  const inForce = publicKeys.filter(
    ({ applicability: { begin, end } }) =>
      (begin === null || Date.parse(begin) <= now.getTime()) &&
      (end === null || now.getTime() < Date.parse(end)),
  );
  const names = inForce.map(({ pkid, origin }) => `PKID ${pkid} (${origin})`).join(", ");
  const found = `${roots.length} Merkle root(s); public keys in force: ${names || "none"}`;
  if (roots.length === 0 && publicKeys.length === 0) {
    return problem(
      "trust",
      "No Merkle root and no public key is trusted.",
      "Import GSC's files: osnmad trust import <file>.",
    );
  }
  if (inForce.length === 0) {
    return warning(
      "trust",
      found,
      "A public key will be taken from the signal under the Merkle root, which may take hours; osnmad trust import <file> is faster.",
    );
  }
  const untested = inForce.some(({ operational }) => !operational);
  return untested
    ? warning(
        "trust",
        `${found}; a test root is among them`,
        "Remove it before real use: osnmad trust list shows it.",
      )
    : ok("trust", found);
}

function latchCheck(stateDir: string, simulated: boolean): Check {
  try {
    const state = loadState(stateDir);
    if (state === null) return ok("state", "nothing stored yet, so the first start takes longer");
    if (!isRecord(state)) throw new OsnmadError("OSN_STATE_CORRUPT", `${stateDir}: its form is not known.`);
    const { engine } = state;
    if (isRecord(engine) && engine["alert"] === true) {
      return problem(
        "state",
        `${stateDir} holds an authenticated OSNMA alert: nothing will be authenticated.`,
        "Follow GSC's notices, install new material, and remove the state by hand (docs/operations.md).",
      );
    }
    if (state["simulated"] !== simulated) {
      return problem(
        "state",
        `${stateDir} belongs to ${simulated ? "real" : "simulated"} signals, and the keys of this configuration do not.`,
        "Keep real and simulated signals apart: give each its own data_dir.",
      );
    }
    return ok("state", `${stateDir} is whole, no alert is latched`);
  } catch (error) {
    if (!(error instanceof OsnmadError)) throw error;
    return problem("state", error.message, error.remedy);
  }
}
