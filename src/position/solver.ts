/**
 * Position, velocity and time from one epoch's measurements and its satellites' data: weighted least squares with RAIM,
 * covariance, DOPs and protection levels. Two doors with one room behind: `solvePosition` takes authenticated
 * satellites only, by type, and its solution is the only one that may become a fix; `solveUnverified` takes any, for
 * benches and for the parallel solution that the authenticated one is compared with.
 * Source: galileo-inav sections 8 to 11; docs/position.md. No clock, no history: the same input gives the same bits.
 */
import { marchDateOf } from "../ephemeris/calendar.js";
import { E1_HZ, OMEGA_EARTH, SPEED_OF_LIGHT } from "../ephemeris/constants.js";
import type { IonosphereCoefficients } from "../ephemeris/ephemeris.js";
import type { Ecef, Geodetic } from "../ephemeris/geometry.js";
import type { ModelTime } from "../ephemeris/ionosphere.js";
import { SECONDS_IN_DAY } from "../ephemeris/time.js";
import { gstOf, GST_TO_UNIX, SECONDS_IN_WEEK } from "../inav/gst.js";
import { A_PRIORI_MODEL, modelVariance } from "./error-model.js";
import type { ErrorModel } from "./error-model.js";
import { addOuter, invertSymmetric4 } from "./matrix4.js";
import type { Row4 } from "./matrix4.js";
import type { MeasurementEpoch, SatelliteMeasurement } from "./measurements.js";
import { DEFAULT_FALSE_ALARM, monitorIntegrity, protectionLevels } from "./raim.js";
import type { ProtectionLevels, RaimOptions, RaimReport } from "./raim.js";
import { Ranging } from "./ranging.js";
import type { RangingFailure } from "./ranging.js";
import { AuthenticatedSatellite, satelliteRejection, UnverifiedSatellite } from "./satellite.js";
import type { AnySatellite, SatelliteRejection } from "./satellite.js";

export const DEFAULT_ELEVATION_MASK_DEG = 10;
/** GPS time minus UTC since 2017; one more or less moves the ionosphere by nothing that matters. */
const DEFAULT_LEAP_SECONDS = 18;
/** From this elevation up 1/sin(el) maps the troposphere well enough, as most single-point solvers have it. */
const SIMPLE_MAPPING_DEG = 10;
export const MAX_GDOP = 30;
/** Of the unweighted normal equations: 4x4, of order one; beyond, half of the digits are gone. */
const MAX_CONDITION = 1e8;
/** A user is between the deepest mine and low orbits. */
const MIN_HEIGHT_METERS = -15_000;
const MAX_HEIGHT_METERS = 3_000_000;
/** Combine E1 and E5b from so many satellites with both, or where all have both. */
const DUAL_SATELLITES = 6;
/** Doppler errors that the receiver's estimate does not hold: rates of ionosphere, orbit and clock, m/s. */
const RANGE_RATE_SIGMA = 0.03;
const E1_WAVELENGTH_METERS = SPEED_OF_LIGHT / E1_HZ;

export interface SolverOptions {
  /** 1 to 60 degrees; 10 unless told otherwise. */
  readonly elevationMaskDeg?: number;
  /** Let in satellites that work without guarantee or will be out of service. */
  readonly allowMarginal?: boolean;
  readonly ionosphere?: "ntcm-g" | "none";
  /** Mapping of Saastamoinen's zenith delays: `simple` is 1/sin(el), the default for masks of 10 degrees and more. */
  readonly troposphere?: "niell" | "simple" | "none";
  /** `auto`: E1 and E5b combined where enough satellites have both; never mixed within a solution. */
  readonly combination?: "auto" | "e1";
  readonly leapSeconds?: number;
  readonly raim?: RaimOptions | "off";
  /** What the ranges' errors are reckoned to be for the covariance; the a-priori sigmas unless told otherwise. */
  readonly errorModel?: ErrorModel;
}

export interface SolverInput<S extends AnySatellite> {
  readonly epoch: MeasurementEpoch;
  /** One for each SVID at most. */
  readonly satellites: readonly S[];
  readonly options?: SolverOptions;
}

export type RejectionReason =
  /** Measured, and no (authenticated) data for it. */
  "no-data" | SatelliteRejection | "e5b-unhealthy" | "no-e5b" | "below-mask" | "raim";

export interface RejectedSatellite {
  readonly svid: number;
  readonly reason: RejectionReason;
}

export interface UsedSatellite {
  readonly svid: number;
  readonly iodNav: number;
  readonly azimuthRad: number;
  readonly elevationRad: number;
  readonly residualMeters: number;
  /** A-priori, what the range was weighed with. */
  readonly sigmaMeters: number;
  /** Modelled delays, metres. */
  readonly ionosphereMeters: number;
  readonly troposphereMeters: number;
  readonly cnoDbHz: number;
  /** Null where the velocity was not solved. */
  readonly rangeRateResidual: number | null;
}

/** Upper triangle of a covariance in east, north, up. */
export interface EnuCovariance {
  readonly ee: number;
  readonly en: number;
  readonly eu: number;
  readonly nn: number;
  readonly nu: number;
  readonly uu: number;
}

export interface Velocity {
  readonly east: number;
  readonly north: number;
  readonly up: number;
  /** (m/s)^2. */
  readonly covariance: EnuCovariance;
}

export interface Dop {
  readonly gdop: number;
  readonly pdop: number;
  readonly hdop: number;
  readonly vdop: number;
  readonly tdop: number;
}

export interface Solution {
  /** GST of reception, the receiver's clock error taken out: week, and seconds with their full precision. */
  readonly wn: number;
  readonly towSeconds: number;
  /** The receiver's label of the epoch, as it came. */
  readonly labelWn: number;
  readonly labelTowSeconds: number;
  readonly ecef: Ecef;
  readonly geodetic: Geodetic;
  /** m^2, by the error model given. */
  readonly covariance: EnuCovariance;
  /** The receiver's label minus GST, and how fast it grows (null without a velocity). */
  readonly clockBiasSeconds: number;
  readonly clockBiasSigmaSeconds: number;
  readonly clockDrift: number | null;
  readonly velocity: Velocity | null;
  readonly dop: Dop;
  readonly used: readonly UsedSatellite[];
  readonly rejected: readonly RejectedSatellite[];
  readonly signals: "E1" | "E1+E5b";
  /** Satellite whose WT5 gave the ionosphere; null where none was needed. */
  readonly ionosphereFrom: number | null;
  readonly raim: RaimReport;
  /** From the a-priori sigmas; null where RAIM is off, unavailable or alarmed: then nothing is protected. */
  readonly protection: ProtectionLevels | null;
  readonly iterations: number;
}

export type FailureReason = RangingFailure | "geometry" | "implausible";

export interface Failure {
  readonly failed: FailureReason;
  /** Satellites that could have been used. */
  readonly candidates: number;
  readonly rejected: readonly RejectedSatellite[];
}

declare const authenticatedBrand: unique symbol;
declare const unverifiedBrand: unique symbol;

/** A solution of which every satellite was authenticated. Made by `solvePosition` alone. */
export type AuthenticatedSolution = Solution & { readonly [authenticatedBrand]: true };
/** A solution from whatever data: never a fix. */
export type UnverifiedSolution = Solution & { readonly [unverifiedBrand]: true };

const authenticated = new WeakSet<object>();

/** Whether `solution` was made by `solvePosition`, whatever its static type claims. */
export function isAuthenticatedSolution(solution: unknown): solution is AuthenticatedSolution {
  return typeof solution === "object" && solution !== null && authenticated.has(solution);
}

/** Position from authenticated satellites. TypeError where one is not. */
export function solvePosition(input: SolverInput<AuthenticatedSatellite>): AuthenticatedSolution | Failure {
  for (const satellite of input.satellites) {
    if (!AuthenticatedSatellite.is(satellite)) throw new TypeError("satellites must be authenticated");
  }
  const result = solve(input);
  if ("failed" in result) return result;
  Object.freeze(result);
  authenticated.add(result);
  return result as AuthenticatedSolution;
}

/** Position from any satellites, for comparison only. */
export function solveUnverified(input: SolverInput<AnySatellite>): UnverifiedSolution | Failure {
  for (const satellite of input.satellites) {
    if (!AuthenticatedSatellite.is(satellite) && !UnverifiedSatellite.is(satellite)) {
      throw new TypeError("satellites must be made by their makers");
    }
  }
  const result = solve(input);
  return "failed" in result ? result : (result as UnverifiedSolution);
}

/** Reused from epoch to epoch; nothing of it outlives a call. */
const ranging = new Ranging();

function solve({ epoch, satellites, options = {} }: SolverInput<AnySatellite>): Solution | Failure {
  const maskDeg = options.elevationMaskDeg ?? DEFAULT_ELEVATION_MASK_DEG;
  if (!(maskDeg >= 1 && maskDeg <= 60)) throw new RangeError("elevationMaskDeg must be 1..60");
  const leapSeconds = options.leapSeconds ?? DEFAULT_LEAP_SECONDS;
  if (!Number.isInteger(leapSeconds)) throw new RangeError("leapSeconds must be an integer");
  const gst = gstOf(epoch.wn, epoch.towSeconds);
  const rejected: RejectedSatellite[] = [];
  const candidates = candidatesOf(epoch, satellites, gst, options.allowMarginal === true, rejected);
  const dual = options.combination !== "e1" && dualWorks(candidates);
  const wantsIonosphere = !dual && options.ionosphere !== "none";
  const coefficients = wantsIonosphere ? newestWord5(candidates) : null;

  ranging.begin({
    elevationMaskRad: (maskDeg * Math.PI) / 180,
    ionosphere: coefficients?.ephemeris ?? null,
    troposphere: options.troposphere ?? (maskDeg >= SIMPLE_MAPPING_DEG ? "simple" : "niell"),
    time: modelTime(gst, leapSeconds),
    dual,
  });
  for (const { satellite, measurement } of candidates) {
    if (dual) {
      const reason = e5bRejection(satellite, measurement);
      if (reason !== null) {
        rejected.push({ svid: satellite.svid, reason });
        continue;
      }
    }
    ranging.add(satellite, measurement, epoch.towSeconds);
  }
  const failure = (failed: FailureReason): Failure => ({ failed, candidates: ranging.n, rejected });

  const first = ranging.solve();
  if (first === null) return failure(ranging.failure ?? "no-convergence");
  const raim: RaimReport =
    options.raim === "off"
      ? {
          status: "unavailable",
          statistic: null,
          threshold: null,
          degreesOfFreedom: first.count - 4,
          falseAlarm: DEFAULT_FALSE_ALARM,
          varianceInflation: 1,
          faultDetected: false,
          excluded: [],
        }
      : monitorIntegrity(ranging, first, options.raim);
  if (raim.faultDetected && ranging.solve() === null) return failure(ranging.failure ?? "no-convergence");
  for (let i = 0; i < ranging.n; i++) {
    const svid = ranging.svidOf(i);
    if (ranging.isIn(i)) continue;
    rejected.push({ svid, reason: raim.excluded.includes(svid) ? "raim" : "below-mask" });
  }

  const { heightMeters } = ranging.geodetic;
  if (!(heightMeters > MIN_HEIGHT_METERS && heightMeters < MAX_HEIGHT_METERS)) return failure("implausible");
  const accuracy = accuracyOf(options.errorModel ?? A_PRIORI_MODEL, raim);
  if (typeof accuracy === "string") return failure(accuracy);
  const motion = motionOf();

  const clockBiasSeconds = ranging.clock / SPEED_OF_LIGHT;
  let wn = epoch.wn;
  let towSeconds = epoch.towSeconds - clockBiasSeconds;
  if (towSeconds < 0) [wn, towSeconds] = [wn - 1, towSeconds + SECONDS_IN_WEEK];
  else if (towSeconds >= SECONDS_IN_WEEK) [wn, towSeconds] = [wn + 1, towSeconds - SECONDS_IN_WEEK];
  const used = ranging.slots().map((i, k): UsedSatellite => ({
    svid: ranging.svidOf(i),
    iodNav: ranging.satellites[i].ephemeris.iodNav,
    azimuthRad: ranging.azimuth[i],
    elevationRad: ranging.elevation[i],
    residualMeters: ranging.residual[i],
    sigmaMeters: Math.sqrt(ranging.variance[i]),
    ionosphereMeters: ranging.ionosphereMeters[i],
    troposphereMeters: ranging.troposphereMeters[i],
    cnoDbHz: ranging.measurements[i].e1.cnoDbHz,
    rangeRateResidual: motion === null ? null : motion.residuals[k],
  }));
  return {
    wn,
    towSeconds,
    labelWn: epoch.wn,
    labelTowSeconds: epoch.towSeconds,
    ecef: { x: ranging.x, y: ranging.y, z: ranging.z },
    geodetic: ranging.geodetic,
    covariance: accuracy.covariance,
    clockBiasSeconds,
    clockBiasSigmaSeconds: accuracy.clockSigmaMeters / SPEED_OF_LIGHT,
    clockDrift: motion?.clockDrift ?? null,
    velocity: motion?.velocity ?? null,
    dop: accuracy.dop,
    used,
    rejected,
    signals: dual ? "E1+E5b" : "E1",
    ionosphereFrom: coefficients?.svid ?? null,
    raim,
    protection: accuracy.protection,
    iterations: ranging.iterations,
  };
}

interface Candidate {
  readonly satellite: AnySatellite;
  readonly measurement: SatelliteMeasurement;
}

/** Measured satellites with data that may be used now, by SVID. */
function candidatesOf(
  epoch: MeasurementEpoch,
  satellites: readonly AnySatellite[],
  gst: number,
  allowMarginal: boolean,
  rejected: RejectedSatellite[],
): Candidate[] {
  const bySvid: AnySatellite[] = [];
  for (const satellite of satellites) {
    if (bySvid[satellite.svid] !== undefined)
      throw new RangeError(`two satellites of SVID ${satellite.svid}`);
    bySvid[satellite.svid] = satellite;
  }
  const candidates: Candidate[] = [];
  for (const measurement of epoch.satellites) {
    const { svid } = measurement;
    const satellite = bySvid[svid] as AnySatellite | undefined;
    const reason = satellite === undefined ? "no-data" : satelliteRejection(satellite, gst, allowMarginal);
    if (reason !== null || satellite === undefined) rejected.push({ svid, reason: reason ?? "no-data" });
    else candidates.push({ satellite, measurement });
  }
  return candidates;
}

function e5bRejection(satellite: AnySatellite, { e5b }: SatelliteMeasurement): RejectionReason | null {
  if (e5b === null) return "no-e5b";
  const { e5bHs, e5bDvs } = satellite.ephemeris;
  return e5bHs === 0 && e5bDvs === 0 ? null : "e5b-unhealthy";
}

/**
 * Whether to combine E1 and E5b. All satellites of a solution are of one kind: the receiver's own delay between the
 * bands then goes into its clock, and not into the position.
 */
function dualWorks(candidates: readonly Candidate[]): boolean {
  let both = 0;
  for (const { satellite, measurement } of candidates) {
    if (e5bRejection(satellite, measurement) === null) both++;
  }
  return both >= DUAL_SATELLITES || (both >= 4 && both === candidates.length);
}

/** The satellite whose WT5 was sent last; of several the lowest SVID. All send the same, but for updates. */
function newestWord5(
  candidates: readonly Candidate[],
): { svid: number; ephemeris: IonosphereCoefficients } | null {
  let newest: AnySatellite | null = null;
  let newestGst = -Infinity;
  for (const { satellite } of candidates) {
    const sent = gstOf(satellite.ephemeris.wn, satellite.ephemeris.towSeconds);
    if (sent > newestGst) [newest, newestGst] = [satellite, sent];
  }
  return newest;
}

/** Day of the year and UT of a linear GST, for the models of the atmosphere. */
export function modelTime(gst: number, leapSeconds: number): ModelTime {
  const unix = gst + GST_TO_UNIX - leapSeconds;
  const days = Math.floor(unix / SECONDS_IN_DAY);
  const { year, day } = marchDateOf(days);
  const leap = year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0) ? 1 : 0;
  // March 1 is day 60, or 61 in a leap year; January and February end the year that began in March.
  const dayOfYear = day < 306 ? day + 60 + leap : day - 305;
  return { dayOfYear, utHours: (unix - days * SECONDS_IN_DAY) / 3600 };
}

interface Accuracy {
  readonly covariance: EnuCovariance;
  readonly clockSigmaMeters: number;
  readonly dop: Dop;
  readonly protection: ProtectionLevels | null;
}

const normal = new Float64Array(16);
const plain = new Float64Array(16);
const inverse = new Float64Array(16);
const plainInverse = new Float64Array(16);
const covariance = new Float64Array(16);

/** Lines of the design matrix in east, north, up and clock, for the satellites that are in. */
function designRow(i: number): Row4 {
  const cos = Math.cos(ranging.elevation[i]);
  return [
    -cos * Math.sin(ranging.azimuth[i]),
    -cos * Math.cos(ranging.azimuth[i]),
    -Math.sin(ranging.elevation[i]),
    1,
  ];
}

function frobenius(matrix: Float64Array): number {
  let sum = 0;
  for (const value of matrix) sum += value * value;
  return Math.sqrt(sum);
}

function accuracyOf(model: ErrorModel, raim: RaimReport): Accuracy | "geometry" | "ill-conditioned" {
  const slots = ranging.slots();
  const rows = slots.map(designRow);
  normal.fill(0);
  plain.fill(0);
  slots.forEach((slot, k) => {
    addOuter(normal, rows[k], 1 / ranging.variance[slot]);
    addOuter(plain, rows[k], 1);
  });
  if (!invertSymmetric4(normal, inverse) || !invertSymmetric4(plain, plainInverse)) return "ill-conditioned";
  if (!(frobenius(plain) * frobenius(plainInverse) < MAX_CONDITION)) return "ill-conditioned";
  const q = plainInverse;
  const dop: Dop = {
    gdop: Math.sqrt(q[0] + q[5] + q[10] + q[15]),
    pdop: Math.sqrt(q[0] + q[5] + q[10]),
    hdop: Math.sqrt(q[0] + q[5]),
    vdop: Math.sqrt(q[10]),
    tdop: Math.sqrt(q[15]),
  };
  if (!(dop.gdop <= MAX_GDOP)) return "geometry";

  // The solution is a fixed linear map of the ranges, G = (H'WH)^-1 H'W; their covariance goes through it.
  covariance.fill(0);
  let horizontal = 0;
  let vertical = 0;
  slots.forEach((slot, k) => {
    const variance = ranging.variance[slot];
    const row = rows[k];
    const gain: [number, number, number, number] = [0, 0, 0, 0];
    for (let a = 0; a < 4; a++) {
      const m = 4 * a;
      gain[a] =
        (inverse[m] * row[0] + inverse[m + 1] * row[1] + inverse[m + 2] * row[2] + inverse[m + 3]) / variance;
    }
    addOuter(covariance, gain, modelVariance(model, variance, Math.sin(ranging.elevation[slot])));
    // What part of a fault on this range stays in its own residual: the test sees only that.
    const seen = 1 - (row[0] * gain[0] + row[1] * gain[1] + row[2] * gain[2] + gain[3]);
    const slope = Math.sqrt(variance / Math.max(seen, 1e-9));
    horizontal = Math.max(horizontal, slope * Math.sqrt(gain[0] * gain[0] + gain[1] * gain[1]));
    vertical = Math.max(vertical, slope * Math.abs(gain[2]));
  });
  // Largest semi-axis of the a-priori horizontal ellipse.
  const mean = (inverse[0] + inverse[5]) / 2;
  const half = (inverse[0] - inverse[5]) / 2;
  const major = Math.sqrt(mean + Math.sqrt(half * half + inverse[1] * inverse[1]));
  const inflation = Math.sqrt(raim.varianceInflation);
  const c = covariance;
  return {
    covariance: { ee: c[0], en: c[1], eu: c[2], nn: c[5], nu: c[6], uu: c[10] },
    clockSigmaMeters: Math.sqrt(c[15]),
    dop,
    protection:
      raim.status === "passed"
        ? protectionLevels(
            { horizontal: horizontal * inflation, vertical: vertical * inflation },
            major * inflation,
            Math.sqrt(inverse[10]) * inflation,
            raim.degreesOfFreedom,
            raim.falseAlarm,
          )
        : null,
  };
}

interface Motion {
  readonly velocity: Velocity;
  readonly clockDrift: number;
  readonly residuals: readonly number[];
}

/** Velocity and clock drift from E1 Doppler, at the position just found. */
function motionOf(): Motion | null {
  const slots = ranging.slots();
  const rows = slots.map(designRow);
  const rates: number[] = [];
  const right = [0, 0, 0, 0];
  normal.fill(0);
  const weights: number[] = [];
  slots.forEach((slot, k) => {
    const { dopplerHz, dopplerSigmaHz } = ranging.measurements[slot].e1;
    const at = 3 * slot;
    const { velocity, sight } = ranging;
    const towards =
      sight[at] * velocity[at] + sight[at + 1] * velocity[at + 1] + sight[at + 2] * velocity[at + 2];
    const sagnac = (OMEGA_EARTH / SPEED_OF_LIGHT) * (velocity[at] * ranging.y - velocity[at + 1] * ranging.x);
    const rate = -E1_WAVELENGTH_METERS * dopplerHz - towards - sagnac + ranging.clockRate[slot];
    const sigma = E1_WAVELENGTH_METERS * dopplerSigmaHz;
    const weight = 1 / (sigma * sigma + RANGE_RATE_SIGMA * RANGE_RATE_SIGMA);
    addOuter(normal, rows[k], weight);
    for (let a = 0; a < 4; a++) right[a] += rows[k][a] * weight * rate;
    rates.push(rate);
    weights.push(weight);
  });
  if (!invertSymmetric4(normal, inverse)) return null;
  const solved = [0, 1, 2, 3].map(
    (a) =>
      inverse[4 * a] * right[0] +
      inverse[4 * a + 1] * right[1] +
      inverse[4 * a + 2] * right[2] +
      inverse[4 * a + 3] * right[3],
  );
  let statistic = 0;
  const residuals = rates.map((rate, k) => {
    const residual =
      rate -
      (rows[k][0] * solved[0] + rows[k][1] * solved[1] + rows[k][2] * solved[2] + rows[k][3] * solved[3]);
    statistic += residual * residual * weights[k];
    return residual;
  });
  // Doppler that fits worse than its sigmas say makes the velocity that much worse.
  const scale = slots.length > 4 ? Math.max(1, statistic / (slots.length - 4)) : 1;
  return {
    velocity: {
      east: solved[0],
      north: solved[1],
      up: solved[2],
      covariance: {
        ee: inverse[0] * scale,
        en: inverse[1] * scale,
        eu: inverse[2] * scale,
        nn: inverse[5] * scale,
        nu: inverse[6] * scale,
        uu: inverse[10] * scale,
      },
    },
    clockDrift: solved[3] / SPEED_OF_LIGHT,
    residuals,
  };
}
