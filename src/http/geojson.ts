/** Fixes as GeoJSON (RFC 7946): degrees in the order longitude, latitude, and metres above the ellipsoid. */
import type { StoredFix } from "../store/fix-store.js";

export const GEOJSON_TYPE = "application/geo+json";

export interface FixFeature {
  readonly type: "Feature";
  readonly id: number;
  /** Null where the fix has no position. */
  readonly geometry: { readonly type: "Point"; readonly coordinates: readonly number[] } | null;
  readonly properties: {
    readonly run: number;
    readonly gst: number;
    readonly utc: string;
    readonly assurance: StoredFix["assurance"];
    readonly reasons: readonly string[];
    /** Whose position the geometry is: our own solution's or the receiver's. */
    readonly position: "own" | "receiver" | null;
    readonly mode: StoredFix["mode"];
    readonly timeAssurance: StoredFix["timeAssurance"];
    readonly evidence: string | null;
  };
}

/** The position that carries the grade of the fix; our own where both do. */
export function featureOf(fix: StoredFix): FixFeature {
  const { own, receiver } = fix;
  const position =
    own !== null && own.assurance === fix.assurance ? "own" : receiver !== null ? "receiver" : null;
  const place = position === "own" ? own : receiver;
  return {
    type: "Feature",
    id: fix.id,
    geometry:
      place === null
        ? null
        : {
            type: "Point",
            coordinates: [place.longitudeE7 / 1e7, place.latitudeE7 / 1e7, place.heightMm / 1000],
          },
    properties: {
      run: fix.run,
      gst: fix.gst,
      utc: fix.utc,
      assurance: fix.assurance,
      reasons: fix.reasons,
      position,
      mode: fix.mode,
      timeAssurance: fix.timeAssurance,
      evidence: fix.evidence,
    },
  };
}
