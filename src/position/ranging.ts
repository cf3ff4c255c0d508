/**
 * The ranges of one epoch and their least-squares solution: satellites at transmission, Earth rotation, clock, models
 * of the atmosphere, weights. A workspace of flat arrays that one solution after another reuses.
 * Source: galileo-inav sections 7, 8, 11; Galileo OS SIS ICD 2.1 section 5.1.
 */
import { MU, OMEGA_EARTH, SPEED_OF_LIGHT } from "../ephemeris/constants.js";
import { wrapWeek } from "../ephemeris/ephemeris.js";
import type { IonosphereCoefficients } from "../ephemeris/ephemeris.js";
import { ecefToGeodetic } from "../ephemeris/geometry.js";
import type { Geodetic } from "../ephemeris/geometry.js";
import { ionosphereDelayMeters, ntcmSlantTecu } from "../ephemeris/ionosphere.js";
import type { ModelTime } from "../ephemeris/ionosphere.js";
import { newSatelliteState, satelliteClock, satelliteState } from "../ephemeris/orbit.js";
import type { SatelliteState } from "../ephemeris/orbit.js";
import { niellMapping, zenithDelays } from "../ephemeris/troposphere.js";
import { rangeVariance } from "./error-model.js";
import { IF_E1, IF_E5B, ionosphereFreeMeters } from "./measurements.js";
import type { SatelliteMeasurement } from "./measurements.js";
import { invertSymmetric4 } from "./matrix4.js";
import type { AnySatellite } from "./satellite.js";
import type { RaimSubject, TestedSubset } from "./raim.js";

/** More than any epoch has: SVIDs end at 36. */
const MAX_SATELLITES = 36;
const MAX_ITERATIONS = 12;
/** From the Earth's centre the second or third step comes this close: then elevations mean something. */
const ATMOSPHERE_STEP_METERS = 1000;
/** Delays change by less than a thousandth of the way (the troposphere with height): computed again after a step of more. */
const ATMOSPHERE_AGAIN_METERS = 0.1;
const CONVERGED_METERS = 1e-4;
/** Where no model is asked for, this much at the zenith stays in the ranges. */
const UNMODELLED_IONOSPHERE_METERS = 5;

export interface RangingModels {
  readonly elevationMaskRad: number;
  /** Null: no ionosphere model (or ranges free of it). */
  readonly ionosphere: IonosphereCoefficients | null;
  readonly troposphere: "niell" | "simple" | "none";
  readonly time: ModelTime;
  /** E1 and E5b combined. */
  readonly dual: boolean;
}

export type RangingFailure = "too-few-satellites" | "no-convergence" | "ill-conditioned";

/** Solution and residuals of the satellites that are in. */
export class Ranging implements RaimSubject {
  n = 0;
  readonly satellites: AnySatellite[] = [];
  readonly measurements: SatelliteMeasurement[] = [];
  readonly range = new Float64Array(MAX_SATELLITES);
  readonly rangeSigma = new Float64Array(MAX_SATELLITES);
  /** At transmission, in the frame of that time. */
  readonly position = new Float64Array(3 * MAX_SATELLITES);
  readonly velocity = new Float64Array(3 * MAX_SATELLITES);
  readonly clockMeters = new Float64Array(MAX_SATELLITES);
  /** Relative rate of the satellite's clock, relativity included, m/s. */
  readonly clockRate = new Float64Array(MAX_SATELLITES);
  readonly azimuth = new Float64Array(MAX_SATELLITES);
  readonly elevation = new Float64Array(MAX_SATELLITES);
  readonly ionosphereMeters = new Float64Array(MAX_SATELLITES);
  readonly troposphereMeters = new Float64Array(MAX_SATELLITES);
  readonly variance = new Float64Array(MAX_SATELLITES);
  readonly residual = new Float64Array(MAX_SATELLITES);
  /** Unit vector from the receiver to the satellite. */
  readonly sight = new Float64Array(3 * MAX_SATELLITES);
  readonly #out = new Uint8Array(MAX_SATELLITES);
  readonly #masked = new Uint8Array(MAX_SATELLITES);
  readonly #normal = new Float64Array(16);
  readonly #inverse = new Float64Array(16);
  readonly #state = newSatelliteState();
  #models: RangingModels | null = null;
  x = 0;
  y = 0;
  z = 0;
  clock = 0;
  iterations = 0;
  geodetic: Geodetic = { latitudeRad: 0, longitudeRad: 0, heightMeters: 0 };
  failure: RangingFailure | null = null;

  /** Begins an epoch: forgets the last. */
  begin(models: RangingModels): void {
    this.n = 0;
    this.satellites.length = 0;
    this.measurements.length = 0;
    this.#models = models;
  }

  /** Adds a satellite with its measurement. `towSeconds` is the receiver's label of the epoch. */
  add(satellite: AnySatellite, measurement: SatelliteMeasurement, towSeconds: number): void {
    const i = this.n;
    if (i >= MAX_SATELLITES || this.#models === null) throw new RangeError("too many satellites");
    const { e1, e5b } = measurement;
    const dual = this.#models.dual && e5b !== null;
    this.range[i] = dual
      ? ionosphereFreeMeters(e1.pseudorangeMeters, e5b.pseudorangeMeters)
      : e1.pseudorangeMeters;
    this.rangeSigma[i] = dual
      ? Math.sqrt(
          IF_E1 * IF_E1 * e1.pseudorangeSigmaMeters * e1.pseudorangeSigmaMeters +
            IF_E5B * IF_E5B * e5b.pseudorangeSigmaMeters * e5b.pseudorangeSigmaMeters,
        )
      : e1.pseudorangeSigmaMeters;
    const { ephemeris } = satellite;
    const state = this.#state;
    const sentByItsClock = towSeconds - this.range[i] / SPEED_OF_LIGHT;
    // The label and the pseudorange hold the same receiver clock error: their difference is free of it.
    const delay = dual ? 0 : ephemeris.bgdE1E5bSeconds;
    let offset = 0;
    for (let pass = 0; pass < 2; pass++) offset = satelliteClock(ephemeris, sentByItsClock - offset) - delay;
    satelliteState(ephemeris, sentByItsClock - offset, state);
    offset = dual ? state.clockSeconds : state.clockE1Seconds;
    this.position[3 * i] = state.x;
    this.position[3 * i + 1] = state.y;
    this.position[3 * i + 2] = state.z;
    this.velocity[3 * i] = state.vx;
    this.velocity[3 * i + 1] = state.vy;
    this.velocity[3 * i + 2] = state.vz;
    this.clockMeters[i] = offset * SPEED_OF_LIGHT;
    this.clockRate[i] =
      SPEED_OF_LIGHT *
        (ephemeris.af1SecondsPerSecond +
          2 * ephemeris.af2SecondsPerSecond2 * wrapWeek(sentByItsClock - ephemeris.tocSeconds)) +
      relativityRate(state);
    this.#out[i] = 0;
    this.satellites[i] = satellite;
    this.measurements[i] = measurement;
    this.n = i + 1;
  }

  isIn(slot: number): boolean {
    return this.#out[slot] === 0 && this.#masked[slot] === 0;
  }

  isMasked(slot: number): boolean {
    return this.#masked[slot] !== 0;
  }

  slots(): number[] {
    const slots: number[] = [];
    for (let i = 0; i < this.n; i++) if (this.isIn(i)) slots.push(i);
    return slots;
  }

  svidOf(slot: number): number {
    return this.satellites[slot].svid;
  }

  leaveOut(slot: number): void {
    this.#out[slot] = 1;
  }

  putBack(slot: number): void {
    this.#out[slot] = 0;
  }

  /** Solves for the satellites that are in and above the mask; null, with `failure` set, where that fails. */
  solve(): TestedSubset | null {
    this.failure = null;
    const models = this.#models;
    if (models === null) throw new Error("begin() comes first");
    this.x = this.y = this.z = this.clock = 0;
    this.#masked.fill(0);
    this.ionosphereMeters.fill(0);
    this.troposphereMeters.fill(0);
    this.variance.fill(1);
    let atmosphere = false;
    let step = Infinity;
    for (let k = 1; k <= MAX_ITERATIONS; k++) {
      this.iterations = k;
      if (step < ATMOSPHERE_STEP_METERS && (!atmosphere || step > ATMOSPHERE_AGAIN_METERS)) {
        this.#applyAtmosphere(models, !atmosphere);
        atmosphere = true;
      }
      const moved = this.#step();
      if (moved === null) return null;
      step = moved;
      if (atmosphere && step < CONVERGED_METERS) return this.#finish();
      // A solution that runs away to where numbers end.
      if (!Number.isFinite(step)) break;
    }
    this.failure = "no-convergence";
    return null;
  }

  /** Lines of sight and range residuals at the current point; how many satellites are in. */
  #linearise(): number {
    const { x, y, z, clock } = this;
    let count = 0;
    for (let i = 0; i < this.n; i++) {
      if (!this.isIn(i)) continue;
      count++;
      const sx = this.position[3 * i];
      const sy = this.position[3 * i + 1];
      const dx = sx - x;
      const dy = sy - y;
      const dz = this.position[3 * i + 2] - z;
      const distance = Math.sqrt(dx * dx + dy * dy + dz * dz);
      this.sight[3 * i] = dx / distance;
      this.sight[3 * i + 1] = dy / distance;
      this.sight[3 * i + 2] = dz / distance;
      const sagnac = (OMEGA_EARTH / SPEED_OF_LIGHT) * (sx * y - sy * x);
      this.residual[i] =
        this.range[i] -
        (distance +
          sagnac +
          clock -
          this.clockMeters[i] +
          this.ionosphereMeters[i] +
          this.troposphereMeters[i]);
    }
    return count;
  }

  /** One step of Gauss and Newton; its length in metres of position. */
  #step(): number | null {
    if (this.#linearise() < 4) {
      this.failure = "too-few-satellites";
      return null;
    }
    const normal = this.#normal.fill(0);
    let [rx, ry, rz, rt] = [0, 0, 0, 0];
    for (let i = 0; i < this.n; i++) {
      if (!this.isIn(i)) continue;
      const w = 1 / this.variance[i];
      const ux = -this.sight[3 * i];
      const uy = -this.sight[3 * i + 1];
      const uz = -this.sight[3 * i + 2];
      const v = this.residual[i] * w;
      normal[0] += w * ux * ux;
      normal[4] += w * uy * ux;
      normal[5] += w * uy * uy;
      normal[8] += w * uz * ux;
      normal[9] += w * uz * uy;
      normal[10] += w * uz * uz;
      normal[12] += w * ux;
      normal[13] += w * uy;
      normal[14] += w * uz;
      normal[15] += w;
      rx += ux * v;
      ry += uy * v;
      rz += uz * v;
      rt += v;
    }
    const q = this.#inverse;
    if (!invertSymmetric4(normal, q)) {
      this.failure = "ill-conditioned";
      return null;
    }
    const dx = q[0] * rx + q[1] * ry + q[2] * rz + q[3] * rt;
    const dy = q[4] * rx + q[5] * ry + q[6] * rz + q[7] * rt;
    const dz = q[8] * rx + q[9] * ry + q[10] * rz + q[11] * rt;
    this.x += dx;
    this.y += dy;
    this.z += dz;
    this.clock += q[12] * rx + q[13] * ry + q[14] * rz + q[15] * rt;
    return Math.sqrt(dx * dx + dy * dy + dz * dz);
  }

  #finish(): TestedSubset {
    const count = this.#linearise();
    let statistic = 0;
    for (let i = 0; i < this.n; i++) {
      if (this.isIn(i)) statistic += (this.residual[i] * this.residual[i]) / this.variance[i];
    }
    this.geodetic = ecefToGeodetic(this);
    return { count, statistic };
  }

  #applyAtmosphere(models: RangingModels, mask: boolean): void {
    const at = ecefToGeodetic(this);
    const sinLat = Math.sin(at.latitudeRad);
    const cosLat = Math.cos(at.latitudeRad);
    const sinLon = Math.sin(at.longitudeRad);
    const cosLon = Math.cos(at.longitudeRad);
    const zenith = models.troposphere === "none" ? null : zenithDelays(at);
    for (let i = 0; i < this.n; i++) {
      const dx = this.position[3 * i] - this.x;
      const dy = this.position[3 * i + 1] - this.y;
      const dz = this.position[3 * i + 2] - this.z;
      const east = -sinLon * dx + cosLon * dy;
      const north = -sinLat * cosLon * dx - sinLat * sinLon * dy + cosLat * dz;
      const up = cosLat * cosLon * dx + cosLat * sinLon * dy + sinLat * dz;
      const azimuth = Math.atan2(east, north);
      this.azimuth[i] = azimuth < 0 ? azimuth + 2 * Math.PI : azimuth;
      const elevation = Math.atan2(up, Math.sqrt(east * east + north * north));
      this.elevation[i] = elevation;
      if (mask) this.#masked[i] = elevation >= models.elevationMaskRad ? 0 : 1;
      if (this.#masked[i] !== 0) continue;
      const sin = Math.sin(elevation);
      let unmodelled = 0;
      if (models.ionosphere !== null) {
        const direction = { azimuthRad: this.azimuth[i], elevationRad: elevation };
        this.ionosphereMeters[i] = ionosphereDelayMeters(
          ntcmSlantTecu(models.ionosphere, at, direction, models.time),
        );
      } else if (!models.dual) {
        // A thin shell at 350 km, as thick as 1/sin(el) there: 1 to 2.7.
        unmodelled =
          UNMODELLED_IONOSPHERE_METERS / Math.sqrt(1 - 0.898 * Math.cos(elevation) * Math.cos(elevation));
      }
      if (zenith !== null) {
        if (models.troposphere === "simple") {
          this.troposphereMeters[i] = (zenith.hydrostaticMeters + zenith.wetMeters) / sin;
        } else {
          const { hydrostatic, wet } = niellMapping(at, elevation, models.time.dayOfYear);
          this.troposphereMeters[i] = zenith.hydrostaticMeters * hydrostatic + zenith.wetMeters * wet;
        }
      }
      this.variance[i] =
        rangeVariance(this.satellites[i].sisaMeters, this.ionosphereMeters[i], sin, this.rangeSigma[i]) +
        unmodelled * unmodelled;
    }
  }
}

/**
 * Rate of the relativistic clock term -2 r.v/c^2, in m/s: nothing for round orbits, 1.4 cm/s for E14 and E18. The
 * acceleration is the central one, the velocity that against the stars.
 */
function relativityRate({ x, y, z, vx, vy, vz }: SatelliteState): number {
  const ix = vx - OMEGA_EARTH * y;
  const iy = vy + OMEGA_EARTH * x;
  const square = ix * ix + iy * iy + vz * vz;
  return (-2 * (square - MU / Math.sqrt(x * x + y * y + z * z))) / SPEED_OF_LIGHT;
}
