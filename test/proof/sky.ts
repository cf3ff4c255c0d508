/**
 * A simulated sky that lasts until the slow keys of its first fixes are out, with the evidence of each fix: what a proof
 * package is made of.
 */
import { ownObjects, type FixEvidence } from "../../src/evidence/bundle.js";
import type { TrustedRoot } from "../../src/evidence/verify.js";
import type { FixRecord } from "../../src/pipeline/records.js";
import type { ProvableFix } from "../../src/proof/make.js";
import type { Station } from "../../src/station/station.js";
import { PlayedSky, type HeardFix } from "../station/played-sky.js";

export { openStation } from "../station/played-sky.js";

const sky = new PlayedSky({ seed: "proof", subframes: 15, maxSatellites: 7, evidence: true });
const { authority } = sky;
export const START_GST = sky.startGst;

/** The test root, as `osnmad verify --merkle` gives it. */
export const ROOTS: readonly TrustedRoot[] = [{ root: authority.root, standing: "test", label: "test root" }];
export const TRUST = sky.trust;

/** The Merkle tree of the test root, as a file of GSC. */
export const merkleFile = (): string => authority.merkleTreeXml([1], "2026-01-01T00:00:00Z");

export type SkyFix = ProvableFix & HeardFix;

export const play = (station: Station, onLeaf: (gst: number) => Promise<void>): Promise<void> =>
  sky.play(station, onLeaf);

/** The first graded fix at least so many seconds after the start. */
export function fixAfter(seconds: number): SkyFix {
  for (const { record, made } of sky.fixes) {
    if (record.gst < START_GST + seconds || record.assurance !== "nav-authenticated" || made === null)
      continue;
    return { record, made, evidence: objectsOf(record, made) };
  }
  throw new Error("the sky has no such fix");
}

function objectsOf(record: FixRecord, made: FixEvidence): NonNullable<ProvableFix["evidence"]> {
  return { mode: record.mode, root: made.root, objects: [...ownObjects(record, made), ...made.shared] };
}
