/**
 * What a receiver says of itself at an epoch: its position, velocity and clock, how sure it is, its front end, its
 * flags, and its own view of OSNMA. The position is the antenna's plus what the errors of the measurements make of it
 * in a weighted least-squares solution, so that noise and false ranges move it as they move a real one. A real
 * receiver also has other constellations, a filter and a memory; this one has not.
 */
import { SPEED_OF_LIGHT } from "./constellation.js";
import type { Place } from "./geometry.js";
import { type Measurement, wavelengthMeters } from "./measurements.js";
import type { Ecef } from "./navigation.js";

/** How well the receiver knows the time at an epoch. */
export type TimeKnowledge = "nothing" | "second" | "all";

/** MON-RF of one front end. */
export interface FrontEnd {
  agcCount: number;
  noisePerMillisecond: number;
  /** jamInd, or cwSuppression: 0 to 255. */
  cwSuppression: number;
}

/** What SEC-OSNMA says. */
export interface OsnmaView {
  enabled: boolean;
  /** The NMA header last received. */
  nmaHeader: number;
  headerAuthenticated: boolean;
  /** Satellites with a verdict: authenticated, or failed. */
  satellites: { svid: number; iodNav: number; tags: number; failed: boolean }[];
  pkid: number;
}

/** Changed in place by attacks. */
export interface ReceiverState {
  knows: TimeKnowledge;
  /** A position is there and in use: gnssFixOk. */
  fixOk: boolean;
  place: Place;
  /** North, east, down, metres per second. */
  velocity: [north: number, east: number, down: number];
  horizontalAccuracyMeters: number;
  verticalAccuracyMeters: number;
  speedAccuracy: number;
  pdop: number;
  /** NAV-CLOCK: receiver's clock minus heard time, seconds, and its rate. */
  clockSeconds: number;
  clockRate: number;
  timeAccuracySeconds: number;
  /** Satellites used in the position. */
  used: number[];
  /** SEC-SIG: 1 nothing, 2 indicated, 3 affirmed (spoofing) or critical (jamming). */
  jammingState: number;
  spoofingState: number;
  /** NAV-STATUS spoofDetState: 1 nothing, 2 indicated, 3 by several means. */
  spoofDetState: number;
  /** L1 and L2/L5 front ends. */
  frontEnds: FrontEnd[];
  /** Milliseconds since power-up, by the receiver's own oscillator. */
  uptimeMilliseconds: number;
  osnma: OsnmaView;
}

/** Position error of a solution over the given errors: metres Earth-fixed, and metres of clock. */
export interface SolutionError {
  readonly position: Ecef;
  readonly clockMeters: number;
  readonly velocity: Ecef;
  readonly clockRateMeters: number;
  /** Satellites of the solution. */
  readonly used: readonly number[];
  /** Inverse of the normal matrix with unit weights: east-north-up needs the place, so horizontal is approximate. */
  readonly dop: { readonly horizontal: number; readonly vertical: number; readonly position: number };
  readonly sigmaMeters: number;
}

/** A range that disagrees with the others by more is not used, metres. */
const OUTLIER_METERS = 40;
/** What broadcast orbits, clocks and models leave in a range, metres: the accuracies a receiver states hold it. */
const MODEL_SIGMA_METERS = 1;

/** Null with fewer than four usable satellites. */
export function solutionError(measurements: readonly Measurement[], up: Ecef): SolutionError | null {
  const e1 = measurements.filter(({ band }) => band === "E1");
  const middle = median(e1.map(({ errorMeters }) => errorMeters));
  const used = e1.filter(({ errorMeters }) => Math.abs(errorMeters - middle) < OUTLIER_METERS);
  if (used.length < 4) return null;
  const normal = new Float64Array(16);
  const geometry = new Float64Array(16);
  const ranges = new Float64Array(4);
  const rates = new Float64Array(4);
  let weights = 0;
  for (const { direction, errorMeters, rateErrorMetersPerSecond, codeSigmaMeters } of used) {
    const weight = 1 / (MODEL_SIGMA_METERS * MODEL_SIGMA_METERS + codeSigmaMeters * codeSigmaMeters);
    weights += weight;
    const row = [-direction[0], -direction[1], -direction[2], 1];
    for (let i = 0; i < 4; i++) {
      ranges[i]! += weight * row[i]! * errorMeters;
      rates[i]! += weight * row[i]! * rateErrorMetersPerSecond;
      for (let j = 0; j < 4; j++) {
        normal[4 * i + j]! += weight * row[i]! * row[j]!;
        geometry[4 * i + j]! += row[i]! * row[j]!;
      }
    }
  }
  const inverse = inverted(normal);
  const shape = inverted(geometry);
  if (inverse === null || shape === null) return null;
  const x = times(inverse, ranges);
  const v = times(inverse, rates);
  let vertical = 0;
  for (let i = 0; i < 3; i++) for (let j = 0; j < 3; j++) vertical += up[i]! * shape[4 * i + j]! * up[j]!;
  const trace = shape[0]! + shape[5]! + shape[10]!;
  return {
    position: [x[0]!, x[1]!, x[2]!],
    clockMeters: x[3]!,
    velocity: [v[0]!, v[1]!, v[2]!],
    clockRateMeters: v[3]!,
    used: used.map(({ svid }) => svid),
    dop: {
      horizontal: Math.sqrt(Math.max(0, trace - vertical)),
      vertical: Math.sqrt(vertical),
      position: Math.sqrt(trace),
    },
    sigmaMeters: Math.sqrt(used.length / weights),
  };
}

/** Doppler of a measurement as a range rate, metres per second. */
export function rateOf(m: Measurement): number {
  return -m.dopplerHz * wavelengthMeters(m.band);
}

export const SECONDS_PER_METER = 1 / SPEED_OF_LIGHT;

function times(matrix: Float64Array, vector: Float64Array): number[] {
  return [0, 1, 2, 3].map((i) => {
    let sum = 0;
    for (let j = 0; j < 4; j++) sum += matrix[4 * i + j]! * vector[j]!;
    return sum;
  });
}

/** Inverse of a symmetric positive definite 4x4 matrix by Gauss and Jordan; null where it is singular. */
function inverted(matrix: Float64Array): Float64Array | null {
  const a = matrix.slice();
  const inverse = new Float64Array(16);
  for (let i = 0; i < 4; i++) inverse[5 * i] = 1;
  for (let k = 0; k < 4; k++) {
    const pivot = a[5 * k]!;
    if (!(pivot > 1e-9)) return null;
    for (let j = 0; j < 4; j++) {
      a[4 * k + j]! /= pivot;
      inverse[4 * k + j]! /= pivot;
    }
    for (let i = 0; i < 4; i++) {
      const factor = a[4 * i + k]!;
      if (i === k || factor === 0) continue;
      for (let j = 0; j < 4; j++) {
        a[4 * i + j]! -= factor * a[4 * k + j]!;
        inverse[4 * i + j]! -= factor * inverse[4 * k + j]!;
      }
    }
  }
  return inverse;
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[sorted.length >> 1] ?? 0;
}
