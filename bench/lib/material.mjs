/**
 * Where the benchmarks find their inputs: the shared reference material (OSNMAD_SHARED, or ../shared beside the
 * project), and where that is missing the project's own simulated captures.
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { givenOf } from "../../dist/cli/trust-options.js";
import { loadTrust } from "../../dist/trust/material.js";

export const projectRoot = fileURLToPath(new URL("../..", import.meta.url));
const sharedRoot = process.env["OSNMAD_SHARED"] ?? fileURLToPath(new URL("../../../shared", import.meta.url));

/** @param {string[]} parts @returns {string | null} */
export function sharedPath(...parts) {
  const path = join(sharedRoot, ...parts);
  return existsSync(path) ? path : null;
}

/**
 * A capture and the files that its start needs.
 * @typedef {{ name: string, capture: string, merkle: string, publicKey: string, rootKey: string }} Material
 */

/** The real capture that the project's targets speak of, or null where it is not on this machine. @returns {Material | null} */
export function leuven() {
  const capture = sharedPath("captures", "f9t-2026-03-09-leuven.ubx");
  const merkle = sharedPath("trust", "OSNMA_MerkleTree.xml");
  // The capture's key, PKID 2, is the one inside the tree file.
  const publicKey = merkle;
  const rootKey = sharedPath("trust", "leuven-root-key.txt");
  if (capture === null || merkle === null || publicKey === null || rootKey === null) return null;
  return { name: "f9t-2026-03-09-leuven.ubx", capture, merkle, publicKey, rootKey };
}

/** The simulated capture that stands in. @returns {Material} */
export function simulated() {
  const captures = join(projectRoot, "captures");
  const { trust } = JSON.parse(readFileSync(join(captures, "nominal.json"), "utf8"));
  return {
    name: "captures/nominal.ubx (simulated)",
    capture: join(captures, "nominal.ubx"),
    merkle: join(captures, trust.merkleTree[0]),
    publicKey: join(captures, trust.publicKeys[0]),
    rootKey: join(captures, trust.rootKey),
  };
}

/**
 * What an engine is started with.
 * @param {Material} material
 * @param {"hot" | "warm"} mode
 */
export function startOf(material, mode) {
  const trust = loadTrust({
    merkle: [material.merkle],
    publicKey: [material.publicKey],
    rootKey: mode === "hot" ? material.rootKey : undefined,
  });
  const { roots, keys, rootKey } = givenOf(trust);
  return { roots, keys, rootKey };
}
