/**
 * Receiver autonomous integrity monitoring: do the ranges agree with one position? Chi-square test of the residuals,
 * exclusion of one satellite at a time, and protection levels for the fault that the test would miss.
 * Source: Brown, "A baseline GPS RAIM scheme" (1992); Walter & Enge, "Weighted RAIM for precision approach" (1995).
 */
import { chiSquareThreshold, detectableNonCentrality } from "./chi-square.js";

export type FalseAlarmRate = 1e-3 | 1e-4 | 1e-5;

export interface RaimOptions {
  /** False alarms a test where the sigmas are right; 1e-4 unless told otherwise. */
  readonly falseAlarm?: FalseAlarmRate;
  /** By how much the best subset's statistic must be below the second best's for an exclusion beyond doubt. */
  readonly exclusionMargin?: number;
  /** The a-priori variances times this are those of the test, 1 to 9; see ErrorModelCalibrator. */
  readonly varianceInflation?: number;
}

export const DEFAULT_FALSE_ALARM: FalseAlarmRate = 1e-4;
/**
 * In a-priori variances, which are a multiple of the real ones: measured (docs/position.md), with a larger margin
 * more exclusions among six satellites stay in doubt, and hardly fewer of those beyond doubt are wrong.
 */
export const DEFAULT_EXCLUSION_MARGIN = 1.5;
/** Satellites for which a test says anything, and for which the odd one can be named. */
export const DETECTION_SATELLITES = 5;
export const EXCLUSION_SATELLITES = 6;

export interface RaimReport {
  /**
   * `passed`: the satellites of the solution agree. `detected`: they did not, and none could be named beyond doubt:
   * either all are in, or the likeliest is left out (`excluded`). `unavailable`: with four there is nothing to compare.
   */
  readonly status: "passed" | "detected" | "unavailable";
  /** Sum of squared residuals over their (inflated) a-priori variances, and what it must not exceed; null when unavailable. */
  readonly statistic: number | null;
  readonly threshold: number | null;
  readonly degreesOfFreedom: number;
  readonly falseAlarm: FalseAlarmRate;
  /** What the a-priori variances were multiplied with. */
  readonly varianceInflation: number;
  /** A fault was found in the satellites as they came, whether or not it could be removed. */
  readonly faultDetected: boolean;
  /** Satellites excluded, in the order of exclusion. */
  readonly excluded: readonly number[];
}

/** A solution as far as the test needs it. */
export interface TestedSubset {
  /** Satellites of the solution, after the elevation mask. */
  readonly count: number;
  readonly statistic: number;
}

/** What the test works on: satellites that can be left out and put back, and a solution of those that are in. */
export interface RaimSubject {
  /** Slots of the satellites now in the solution. */
  slots(): readonly number[];
  svidOf(slot: number): number;
  leaveOut(slot: number): void;
  putBack(slot: number): void;
  /** Solves for those that are in; null where there is no solution. */
  solve(): TestedSubset | null;
}

/**
 * Tests the current solution of `subject` and excludes while that is called for. When it returns, the subject has the
 * satellites that remain; the caller solves once more.
 */
export function monitorIntegrity(
  subject: RaimSubject,
  first: TestedSubset,
  options: RaimOptions = {},
): RaimReport {
  const falseAlarm = options.falseAlarm ?? DEFAULT_FALSE_ALARM;
  const margin = options.exclusionMargin ?? DEFAULT_EXCLUSION_MARGIN;
  const varianceInflation = options.varianceInflation ?? 1;
  if (!(varianceInflation >= 1 && varianceInflation <= 9)) {
    throw new RangeError("varianceInflation must be 1..9");
  }
  const excluded: number[] = [];
  const left: number[] = [];
  let { count, statistic } = first;
  const report = (status: RaimReport["status"]): RaimReport => ({
    status,
    statistic: status === "unavailable" ? null : statistic / varianceInflation,
    threshold: status === "unavailable" ? null : chiSquareThreshold(falseAlarm, count - 4),
    degreesOfFreedom: Math.max(0, count - 4),
    falseAlarm,
    varianceInflation,
    faultDetected: status === "detected" || excluded.length > 0,
    excluded: [...excluded],
  });
  if (count < DETECTION_SATELLITES) return report("unavailable");
  while (statistic / varianceInflation > chiSquareThreshold(falseAlarm, count - 4)) {
    const best = count >= EXCLUSION_SATELLITES ? bestExclusion(subject) : null;
    const isClear = best !== null && (best.second - best.subset.statistic) / varianceInflation >= margin;
    const othersAgree =
      best !== null &&
      best.subset.statistic / varianceInflation <= chiSquareThreshold(falseAlarm, best.subset.count - 4);
    if (best === null || !(isClear || othersAgree)) {
      // Part of an exclusion is no exclusion: what was left out before comes back.
      for (const slot of left) subject.putBack(slot);
      excluded.length = 0;
      ({ count, statistic } = first);
      return report("detected");
    }
    subject.leaveOut(best.slot);
    left.push(best.slot);
    excluded.push(subject.svidOf(best.slot));
    ({ count, statistic } = best.subset);
    // Another satellite explains the misfit nearly as well: the position is the likelier one, and not vouched for.
    if (!isClear) return report("detected");
  }
  return report("passed");
}

interface Exclusion {
  readonly slot: number;
  readonly subset: TestedSubset;
  /** Statistic of the second best subset. */
  readonly second: number;
}

/** The satellite without which the others agree best; null where no subset has a solution that can be tested. */
function bestExclusion(subject: RaimSubject): Exclusion | null {
  let best: { slot: number; subset: TestedSubset } | null = null;
  let second = Infinity;
  for (const slot of [...subject.slots()]) {
    subject.leaveOut(slot);
    const subset = subject.solve();
    subject.putBack(slot);
    if (subset === null || subset.count < DETECTION_SATELLITES) {
      // Without a test of its own this subset may be the right one: no other can be called clearly better.
      second = 0;
      continue;
    }
    if (best === null || subset.statistic < best.subset.statistic) {
      if (best !== null) second = Math.min(second, best.subset.statistic);
      best = { slot, subset };
    } else {
      second = Math.min(second, subset.statistic);
    }
  }
  return best === null ? null : { ...best, second };
}

export interface ProtectionLevels {
  readonly horizontalMeters: number;
  readonly verticalMeters: number;
}

/** Faults that the test misses, as protection levels are reckoned. */
export const MISSED_DETECTION = 1e-3;
/** Fault-free multipliers of sigma for 1e-7 an epoch (horizontal in two dimensions, vertical in one; DO-229 J). */
const FAULT_FREE_HORIZONTAL = 6.18;
const FAULT_FREE_VERTICAL = 5.33;
/** Multiplier of the noise on top of an undetected fault, two-sided 1e-3. */
const FAULTED = 3.29;

/** The largest error, by position, for each unit of the test's non-centrality that a fault on one satellite makes. */
export interface WorstSlopes {
  readonly horizontal: number;
  readonly vertical: number;
}

/**
 * Protection levels in metres, for sigmas as they were a priori: no error is beyond with 1e-7 an epoch without a
 * fault, nor beyond with 1e-3 while one satellite has the largest fault that the test misses once in a thousand.
 */
export function protectionLevels(
  slopes: WorstSlopes,
  sigmaHorizontalMeters: number,
  sigmaVerticalMeters: number,
  degreesOfFreedom: number,
  falseAlarm: FalseAlarmRate,
): ProtectionLevels {
  const missed = Math.sqrt(detectableNonCentrality(falseAlarm, MISSED_DETECTION, degreesOfFreedom));
  const level = (slope: number, sigma: number, faultFree: number): number =>
    Math.max(faultFree * sigma, slope * missed + FAULTED * sigma);
  return {
    horizontalMeters: level(slopes.horizontal, sigmaHorizontalMeters, FAULT_FREE_HORIZONTAL),
    verticalMeters: level(slopes.vertical, sigmaVerticalMeters, FAULT_FREE_VERTICAL),
  };
}
