/** The satellites that a fix's grade rests on, each of which has to be shown to have been received in time. */
import { MAX_SVID } from "../inav/page.js";
import type { FixRecord } from "../pipeline/records.js";

export function fixSatellites({
  own,
  agreeingSatellites,
}: Pick<FixRecord, "own" | "agreeingSatellites">): number[] {
  // The receiver's own position is believed for the satellites that it agrees with.
  const named =
    own !== null && own.assurance === "nav-authenticated"
      ? own.satellites.map(({ svid }) => svid)
      : agreeingSatellites;
  // A hostile record may name one many times.
  return [...new Set(named)].filter((svid) => svid >= 1 && svid <= MAX_SVID);
}
