/**
 * Our own solution, epoch by epoch: measurements of RXM-RAWX against the satellites that are authenticated now,
 * and nothing else. Keeps what carries over epochs: the decoded ephemerides and the error model learnt from
 * residuals. Everything that a solution depends on is handed out with it, so that it can be computed again.
 */
import type { OsnmaEngine } from "../osnma/engine.js";
import { ErrorModelCalibrator, type ErrorModel } from "../position/error-model.js";
import { CarrierSmoother } from "../position/carrier-smoothing.js";
import {
  measurementEpoch,
  type MeasurementEpoch,
  type MeasurementOptions,
  type RawxMessage,
} from "../position/measurements.js";
import { AuthenticatedSatellites, type AuthenticatedSatellite } from "../position/satellite.js";
import { solvePosition, type AuthenticatedSolution, type SolverOptions } from "../position/solver.js";
import { gstOf } from "../inav/gst.js";

export type { AuthenticatedSatellite, AuthenticatedSolution };

/** A solution with all that went into it. */
export interface SolvedEpoch {
  readonly solution: AuthenticatedSolution;
  readonly satellites: readonly AuthenticatedSatellite[];
  readonly options: SolverOptions;
  readonly measurementOptions: MeasurementOptions;
  readonly epoch: MeasurementEpoch;
  /** The ranges were smoothed over epochs before: this epoch alone does not give the solution. */
  readonly smoothed: boolean;
}

export interface OwnSolutionOptions {
  readonly solver?: SolverOptions | undefined;
  readonly measurements?: MeasurementOptions | undefined;
  readonly carrierSmoothing?: boolean | undefined;
}

export interface EpochOutcome {
  /** Linear GST of the receiver's label; null where it has none yet. */
  readonly gst: number | null;
  readonly leapSeconds: number | null;
  readonly solved: SolvedEpoch | null;
  /** Why there is no solution; null where there is one. */
  readonly failure: string | null;
}

export class OwnSolutions {
  readonly #satellites: AuthenticatedSatellites;
  #calibrator = new ErrorModelCalibrator();
  readonly #options: SolverOptions;
  readonly #measurementOptions: MeasurementOptions;
  readonly #smooths: boolean;
  #smoother: CarrierSmoother | null;
  #given: {
    readonly errorModel: ErrorModel;
    readonly leapSeconds: number | null;
    readonly options: SolverOptions;
  } | null = null;

  constructor(engine: OsnmaEngine, options: OwnSolutionOptions = {}) {
    this.#satellites = new AuthenticatedSatellites(engine);
    this.#options = options.solver ?? {};
    this.#measurementOptions = options.measurements ?? {};
    this.#smooths = options.carrierSmoothing === true;
    this.#smoother = this.#smooths ? new CarrierSmoother() : null;
  }

  /** Another receiver, or the same one started anew: what was learnt of the old one's ranges is forgotten. */
  receiverChanged(): void {
    this.#calibrator = new ErrorModelCalibrator();
    this.#smoother = this.#smooths ? new CarrierSmoother() : null;
  }

  solve(message: RawxMessage): EpochOutcome {
    const measured = measurementEpoch(message, this.#measurementOptions);
    if ("refused" in measured) {
      return { gst: null, leapSeconds: null, solved: null, failure: `epoch-refused-${measured.refused}` };
    }
    const epoch = this.#smoother === null ? measured : this.#smoother.smooth(measured);
    const gst = gstOf(epoch.wn, epoch.towSeconds);
    const { leapSeconds } = epoch;
    const satellites = this.#satellites.of(epoch.satellites.map(({ svid }) => svid));
    const options = this.#solverOptions(leapSeconds);
    const result = solvePosition({ epoch, satellites, options });
    if ("failed" in result) return { gst, leapSeconds, solved: null, failure: result.failed };
    this.#calibrator.update(result);
    const solved: SolvedEpoch = {
      solution: result,
      satellites,
      options,
      measurementOptions: this.#measurementOptions,
      epoch,
      smoothed: this.#smooths,
    };
    return { gst, leapSeconds, solved, failure: null };
  }

  /** The same object while nothing in it changes, so that evidence of many fixes is recognised as the same. */
  #solverOptions(leapSeconds: number | null): SolverOptions {
    const { model: errorModel, varianceInflation } = this.#calibrator;
    const { raim } = this.#options;
    const last = this.#given;
    if (last?.errorModel === errorModel && last.leapSeconds === leapSeconds) return last.options;
    const options: SolverOptions = {
      ...this.#options,
      ...(leapSeconds === null ? {} : { leapSeconds }),
      errorModel,
      raim: raim === "off" ? "off" : { ...raim, varianceInflation },
    };
    this.#given = { errorModel, leapSeconds, options };
    return options;
  }
}
