/**
 * How large the errors of the ranges are: the a-priori sigmas that weigh the solution, and the model, learnt from the
 * residuals of past epochs, that makes its covariance honest.
 * Source: galileo-inav section 11 (weights); Rao, "Estimation of variance components" (1971, MINQUE); docs/position.md.
 */
import { addOuter, invertSymmetric4, times4 } from "./matrix4.js";
import type { Solution } from "./solver.js";

/** Multipath and what the receiver's own estimate leaves out, metres: sqrt(2) of it at the zenith. */
const CODE_SIGMA_METERS = 0.8;
/** Part of the modelled ionospheric delay that stays as error: 0.3 to 0.5 for the broadcast models. */
const IONOSPHERE_FRACTION = 0.3;
/**
 * SISA is the sigma of a distribution that bounds the tails for every user, 3.12 m for years on end; the error itself
 * is below 2 m in 95 % by the service definition. A third of it weighs, and tests, the range.
 */
const SISA_FRACTION = 1 / 3;
const TROPOSPHERE_SIGMA_METERS = 0.3;

/**
 * A-priori variance of one range in m^2: what orbit and clock (SISA, or what stands in for it), ionosphere, troposphere, multipath and the
 * receiver's own noise estimate add up to.
 */
export function rangeVariance(
  sisaMeters: number,
  ionosphereMeters: number,
  sinElevation: number,
  receiverSigmaMeters: number,
): number {
  const ura = SISA_FRACTION * sisaMeters;
  const ionosphere = IONOSPHERE_FRACTION * ionosphereMeters;
  const troposphere = TROPOSPHERE_SIGMA_METERS / (sinElevation + 0.1);
  const code = CODE_SIGMA_METERS * CODE_SIGMA_METERS * (1 + 1 / sinElevation);
  return (
    ura * ura +
    ionosphere * ionosphere +
    troposphere * troposphere +
    code +
    receiverSigmaMeters * receiverSigmaMeters
  );
}

/**
 * Variance of a range as a mix of three shapes. `aPriori` multiplies the a-priori variance; `whiteMeters2` is the same
 * for all; `lowElevationMeters2` is divided by the squared sine of the elevation.
 */
export interface ErrorModel {
  readonly aPriori: number;
  readonly whiteMeters2: number;
  readonly lowElevationMeters2: number;
}

/** The weights taken at their word: before there is anything to learn from. */
export const A_PRIORI_MODEL: ErrorModel = { aPriori: 1, whiteMeters2: 0, lowElevationMeters2: 0 };

/** Whatever the residuals say, broadcast models are not better than 5 cm: common errors leave no residuals. */
const MODEL_FLOOR_METERS2 = 0.05 * 0.05;

export function modelVariance(model: ErrorModel, aPrioriVariance: number, sinElevation: number): number {
  return (
    MODEL_FLOOR_METERS2 +
    model.aPriori * aPrioriVariance +
    model.whiteMeters2 +
    model.lowElevationMeters2 / (sinElevation * sinElevation)
  );
}

export interface CalibratorOptions {
  /** Epochs after which what was learnt counts 1/e. */
  readonly memoryEpochs?: number;
  /** How many residuals the a-priori model is worth. */
  readonly priorResiduals?: number;
}

const SHAPES = 3;
/** A residual beyond counts as one at the bound: five sigmas of noise do not happen, faults do. */
const MAX_NORMALISED_SQUARE = 25;
/** However slowly residuals change, so many epochs tell something new. */
const MAX_CORRELATED_EPOCHS = 60;
/** From so many epochs on the model that is given out changes every ten only. */
const SETTLED_EPOCHS = 60;
const STEP_EPOCHS = 10;
/** Epochs over which the autocorrelation of the residuals is taken. */
const CORRELATION_MEMORY_EPOCHS = 120;
/** RAIM's variances are enlarged no further than this, so that a fault of 150 m stays one. */
export const MAX_VARIANCE_INFLATION = 9;
/** From so many satellites a misfit that no single one explains is noise; with fewer it may be a fault. */
const INFLATION_SATELLITES = 7;

/**
 * Learns the error model from the residuals of past solutions. Each squared residual is a known mix of the range
 * variances (through the projector of the solution), so the three shapes are fitted by weighted least squares over all
 * of them, none negative, beginning with the a-priori model. Residuals that repeat from epoch to epoch tell the same
 * thing again and count accordingly less.
 */
export class ErrorModelCalibrator {
  readonly #keep: number;
  readonly #prior: number;
  /** Normal equations of the fit. */
  readonly #normal = new Float64Array(SHAPES * SHAPES);
  readonly #right = new Float64Array(SHAPES);
  readonly #theta = new Float64Array([1, 0, 0]);
  /** Lagged and plain products of normalised residuals. */
  #lagged = 0;
  #plain = 0;
  readonly #previous = new Float64Array(64).fill(Number.NaN);
  #factor = 1;
  #epochs = 0;
  #given: { readonly model: ErrorModel; readonly varianceInflation: number } = {
    model: A_PRIORI_MODEL,
    varianceInflation: 1,
  };

  constructor(options: CalibratorOptions = {}) {
    const { memoryEpochs = 1200, priorResiduals = 10 } = options;
    if (!(memoryEpochs >= 1)) throw new RangeError("memoryEpochs must be at least 1");
    if (!(priorResiduals > 0)) throw new RangeError("priorResiduals must be positive");
    this.#keep = Math.exp(-1 / memoryEpochs);
    this.#prior = priorResiduals;
  }

  /**
   * The same object for some epochs (`STEP_EPOCHS`) once there are enough: what is learnt in so few changes nothing
   * to speak of, and the evidence of their fixes can share it.
   */
  get model(): ErrorModel {
    return this.#given.model;
  }

  /**
   * By what the a-priori variances are too small for this receiver and place, 1 to 9: the mean of the RAIM statistic
   * over its degrees of freedom. Given to RAIM it keeps false alarms rare where noise is larger than reckoned with.
   */
  get varianceInflation(): number {
    return this.#given.varianceInflation;
  }

  get epochs(): number {
    return this.#epochs;
  }

  /**
   * Takes in a solution; one of four satellites has no residuals to learn from. One with a fault that RAIM could not
   * remove counts too: its covariance must grow, not shrink.
   */
  update(solution: Solution): void {
    const { used } = solution;
    const n = used.length;
    if (n < 5) return;
    const h = used.map(({ azimuthRad, elevationRad }) => {
      const cos = Math.cos(elevationRad);
      return [-cos * Math.sin(azimuthRad), -cos * Math.cos(azimuthRad), -Math.sin(elevationRad), 1] as const;
    });
    const inverse = new Float64Array(16);
    const normal = new Float64Array(16);
    used.forEach(({ sigmaMeters }, i) => {
      addOuter(normal, h[i], 1 / (sigmaMeters * sigmaMeters));
    });
    if (!invertSymmetric4(normal, inverse)) return;

    const share = (n - 4) / n;
    const novelty = this.#noveltyOf(solution);
    for (let k = 0; k < SHAPES * SHAPES; k++) this.#normal[k] *= this.#keep;
    for (let k = 0; k < SHAPES; k++) this.#right[k] *= this.#keep;
    const theta = this.#theta;
    let statistic = 0;
    for (let i = 0; i < n; i++) {
      let s0 = 0;
      let s1 = 0;
      let s2 = 0;
      const gain = times4(inverse, h[i]);
      for (let j = 0; j < n; j++) {
        const variance = used[j].sigmaMeters * used[j].sigmaMeters;
        const hat = (gain[0] * h[j][0] + gain[1] * h[j][1] + gain[2] * h[j][2] + gain[3]) / variance;
        const projector = (i === j ? 1 : 0) - hat;
        const square = projector * projector;
        s0 += square * variance;
        s1 += square;
        s2 += square / (h[j][2] * h[j][2]);
      }
      const expected = theta[0] * s0 + theta[1] * s1 + theta[2] * s2;
      const { residualMeters, sigmaMeters } = used[i];
      statistic += (residualMeters * residualMeters) / (sigmaMeters * sigmaMeters);
      // A satellite that the others cannot check has no residual to speak of.
      if (!(s1 > 1e-6)) continue;
      const square = Math.min(residualMeters * residualMeters, MAX_NORMALISED_SQUARE * expected);
      const weight = (novelty * share) / (2 * expected * expected);
      const shapes = [s0, s1, s2];
      for (let a = 0; a < SHAPES; a++) {
        this.#right[a] += weight * shapes[a] * square;
        for (let b = 0; b < SHAPES; b++) this.#normal[a * SHAPES + b] += weight * shapes[a] * shapes[b];
      }
    }
    this.#fit();
    if (n >= INFLATION_SATELLITES) {
      const learn = Math.max(1 - this.#keep, 1 / (this.#epochs + this.#prior));
      // A gross fault is not noise, however long it lasts.
      const factor = Math.min(statistic / (n - 4), 2 * MAX_VARIANCE_INFLATION);
      this.#factor += learn * (factor - this.#factor);
    }
    this.#epochs++;
    if (this.#epochs < SETTLED_EPOCHS || this.#epochs % STEP_EPOCHS === 0) this.#give();
  }

  #give(): void {
    const [aPriori, whiteMeters2, lowElevationMeters2] = this.#theta;
    this.#given = {
      model: { aPriori, whiteMeters2, lowElevationMeters2 },
      varianceInflation: Math.min(Math.max(this.#factor, 1), MAX_VARIANCE_INFLATION),
    };
  }

  /** How much an epoch tells: 1 for residuals like fresh noise, little where they are those of the epoch before. */
  #noveltyOf(solution: Solution): number {
    const keep = 1 - 1 / CORRELATION_MEMORY_EPOCHS;
    this.#lagged *= keep;
    this.#plain *= keep;
    const seen = this.#previous;
    const now = new Float64Array(seen.length).fill(Number.NaN);
    for (const { svid, residualMeters, sigmaMeters } of solution.used) {
      const normalised = residualMeters / sigmaMeters;
      now[svid] = normalised;
      if (Number.isNaN(seen[svid])) continue;
      this.#lagged += normalised * seen[svid];
      this.#plain += (normalised * normalised + seen[svid] * seen[svid]) / 2;
    }
    seen.set(now);
    if (!(this.#plain > 0)) return 1 / MAX_CORRELATED_EPOCHS;
    const correlation = Math.min(Math.max(this.#lagged / this.#plain, 0), 1);
    return Math.max((1 - correlation) / (1 + correlation), 1 / MAX_CORRELATED_EPOCHS);
  }

  /** Least squares with no share negative: coordinate descent, which for three shapes is at its end in a few rounds. */
  #fit(): void {
    const theta = this.#theta;
    const prior = [this.#prior / 2, 1e-9, 1e-9];
    for (let round = 0; round < 50; round++) {
      let moved = 0;
      for (let a = 0; a < SHAPES; a++) {
        let right = this.#right[a] + (a === 0 ? prior[0] : 0);
        for (let b = 0; b < SHAPES; b++) if (b !== a) right -= this.#normal[a * SHAPES + b] * theta[b];
        const next = Math.max(0, right / (this.#normal[a * SHAPES + a] + prior[a]));
        moved += Math.abs(next - theta[a]) / (next + theta[a] + 1e-12);
        theta[a] = next;
      }
      if (moved < 1e-6) break;
    }
  }
}
