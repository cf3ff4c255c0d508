/** Epochs of measurements made by the simulator's own models, and satellites to solve them with. */
import { geodeticToEcef } from "../../src/ephemeris/geometry.js";
import type { Ecef } from "../../src/ephemeris/geometry.js";
import { gstOf, SECONDS_IN_WEEK, SUBFRAME_SECONDS } from "../../src/inav/gst.js";
import { NavigationModel } from "../../src/simulate/navigation.js";
import { lookAngles, pseudorangeE1, type Place } from "../../src/simulate/geometry.js";
import type { MeasurementEpoch, SignalMeasurement } from "../../src/position/measurements.js";
import { UnverifiedSatellite } from "../../src/position/satellite.js";

export const WN = 1385;
export const E1_WAVELENGTH = 299_792_458 / 1_575_420_000;
export const DEG = Math.PI / 180;

/** Uniform numbers in [0, 1) from a seed (mulberry32). */
export function uniform(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** Normal numbers (Box and Muller). */
export function gaussian(random: () => number): () => number {
  return () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

export function signal(
  pseudorangeMeters: number,
  change: Partial<SignalMeasurement> = {},
): SignalMeasurement {
  return {
    pseudorangeMeters,
    pseudorangeSigmaMeters: 0.32,
    carrierCycles: pseudorangeMeters / E1_WAVELENGTH,
    dopplerHz: 0,
    dopplerSigmaHz: 0.032,
    cnoDbHz: 42,
    lockMilliseconds: 64_500,
    halfCycleResolved: true,
    halfCycleSubtracted: false,
    ...change,
  };
}

export const NONE_REJECTED = {
  "other-constellation": 0,
  "other-signal": 0,
  svid: 0,
  "code-invalid": 0,
  range: 0,
  doppler: 0,
  "low-cno": 0,
  "short-lock": 0,
  duplicate: 0,
  "no-e1": 0,
} as const;

export function epochOf(
  towSeconds: number,
  ranges: readonly (readonly [svid: number, meters: number, change?: Partial<SignalMeasurement>])[],
  wn = WN,
): MeasurementEpoch {
  return {
    wn,
    towSeconds,
    leapSeconds: 18,
    clockReset: false,
    satellites: ranges.map(([svid, meters, change]) => ({
      svid,
      e1: signal(meters, change),
      e5b: null,
      e5a: null,
    })),
    rejected: NONE_REJECTED,
  };
}

/** The epoch with something added to the E1 pseudorange of every satellite. */
export function disturbed(epoch: MeasurementEpoch, metersOf: (svid: number) => number): MeasurementEpoch {
  return {
    ...epoch,
    satellites: epoch.satellites.map((satellite) => ({
      ...satellite,
      e1: { ...satellite.e1, pseudorangeMeters: satellite.e1.pseudorangeMeters + metersOf(satellite.svid) },
    })),
  };
}

export interface Sky {
  readonly place: Place;
  readonly truth: Ecef;
  readonly epoch: MeasurementEpoch;
  readonly satellites: UnverifiedSatellite[];
}

/** What a receiver at rest measures of a simulated constellation, without noise. */
export function sky(
  place: Place,
  tow: number,
  { clockSeconds = 1e-4, clockDrift = 2e-8, maskDeg = 10.5, seed = "position", wn = WN } = {},
): Sky {
  const gst = gstOf(wn, tow);
  const navigation = new NavigationModel(seed, gst);
  const subframe = Math.floor(gst / SUBFRAME_SECONDS) * SUBFRAME_SECONDS;
  const satellites: UnverifiedSatellite[] = [];
  const ranges: [number, number, Partial<SignalMeasurement>][] = [];
  for (let svid = 1; svid <= 24; svid++) {
    if (lookAngles(place, navigation.position(svid, gst - 0.08)).elevationDeg < maskDeg) continue;
    const words = [1, 2, 3, 4, 5].map((type) => navigation.word(svid, type, subframe, subframe + 1));
    const satellite = UnverifiedSatellite.of(svid, words);
    if (satellite === null) throw new Error(`E${svid} has no ephemeris`);
    satellites.push(satellite);
    const at = (offset: number): number =>
      pseudorangeE1(navigation, svid, place, gst + offset, clockSeconds + clockDrift * offset);
    ranges.push([svid, at(0), { dopplerHz: -(at(0.5) - at(-0.5)) / E1_WAVELENGTH }]);
  }
  return {
    place,
    truth: geodeticToEcef({
      latitudeRad: place.latitudeDeg * DEG,
      longitudeRad: place.longitudeDeg * DEG,
      heightMeters: place.heightMeters,
    }),
    epoch: epochOf((tow + clockSeconds + SECONDS_IN_WEEK) % SECONDS_IN_WEEK, ranges, wn),
    satellites,
  };
}

export const distance = (a: Ecef, b: Ecef): number => Math.hypot(a.x - b.x, a.y - b.y, a.z - b.z);
