/** The satellites that a fix's grade rests on, each of which has to be shown to have been received in time. */
import type { FixRecord } from "../pipeline/records.js";

export function fixSatellites({
  own,
  agreeingSatellites,
}: Pick<FixRecord, "own" | "agreeingSatellites">): number[] {
  // The receiver's own position is believed for the satellites that it agrees with.
  return own !== null && own.assurance === "nav-authenticated"
    ? own.satellites.map(({ svid }) => svid)
    : [...agreeingSatellites];
}
