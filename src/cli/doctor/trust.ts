/** What `osnmad doctor` says of the key material and the alert latch. Edge: reads the trust store and state. */
import { OsnmadError } from "../../errors.js";
import { loadTrust, type TrustMaterial } from "../../trust/material.js";
import { isRecord, loadState } from "../../trust/state-store.js";
import { ok, problem, warning, type Check } from "./check.js";

export function checkTrust(stateDir: string | undefined, now = new Date()): Check[] {
  let material: TrustMaterial;
  try {
    material = loadTrust(stateDir === undefined ? {} : { stateDir });
  } catch (error) {
    if (!(error instanceof OsnmadError)) throw error;
    return [problem("trust", error.message, error.remedy)];
  }
  return [trustCheck(material, now), ...latchCheck(stateDir)];
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

function latchCheck(stateDir: string | undefined): Check[] {
  if (stateDir === undefined) return [];
  try {
    const state = loadState(stateDir);
    if (state === null)
      return [ok("state", `${stateDir}: nothing stored yet, so the first start takes longer`)];
    const engine = isRecord(state) ? state["engine"] : null;
    if (isRecord(engine) && engine["alert"] === true) {
      return [
        problem(
          "state",
          `${stateDir} holds an authenticated OSNMA alert: nothing will be authenticated.`,
          "Follow GSC's notices, install new material, and remove the state by hand (docs/operations.md).",
        ),
      ];
    }
    return [ok("state", `${stateDir} is whole, no alert is latched`)];
  } catch (error) {
    if (!(error instanceof OsnmadError)) throw error;
    return [problem("state", error.message, error.remedy)];
  }
}
