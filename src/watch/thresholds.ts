/**
 * Thresholds of the consistency watch, all of them configuration. docs/consistency-watch.md has the table;
 * the reasons stand here beside the numbers.
 */

export interface WatchThresholds {
  /** Own against receiver: multiple of the joint standard deviation. 5: 4e-6 of a two-dimensional Gaussian. */
  readonly disagreeSigmas: number;
  /**
   * And at least this far apart horizontally, metres: covariances know nothing of the receiver's filter lag,
   * corrections of its own, and multipath that lasts. Single-point solutions stay within about three times 4 m.
   */
  readonly disagreeHorizontalFloorMeters: number;
  /** The same upwards: the vertical is two to three times worse, and troposphere models differ. */
  readonly disagreeVerticalFloorMeters: number;
  /** The same for the clock, seconds, 60 m: delays between systems, bands and antenna; 68 ns constant at Besançon. */
  readonly disagreeClockFloorSeconds: number;
  /** Two solutions further apart in time are not compared, seconds. One epoch at 1 Hz, and half. */
  readonly comparedWithinSeconds: number;

  /** Clock bias and drift against their prediction: multiple of the joint standard deviation. */
  readonly clockSigmas: number;
  /**
   * Clock bias beyond its prediction, seconds. 100 ns is 30 m: what a change of satellites moves the clock of a
   * single-point solution; a repeater with 30 m of cable and path is above it.
   */
  readonly clockJumpFloorSeconds: number;
  /** Change of drift from epoch to epoch, seconds per second: 30 ppb, shock and Doppler noise included. */
  readonly clockDriftStepFloor: number;
  /** Drift may change this fast on top, per second: a temperature-compensated crystal under a heat gun. */
  readonly clockDriftRatePerSecond: number;
  /** No oscillator of a GNSS receiver is further off, seconds per second: 20 ppm, a plain crystal. */
  readonly clockDriftLimit: number;
  /** Clocks are predicted over gaps no longer than this, seconds; a minute of jamming leaves 18 us of room. */
  readonly clockPredictionSeconds: number;

  /** Median change of C/N0 over all signals, dB. Receivers report whole dB; slow fading of all at once is less. */
  readonly cn0StepDb: number;
  /** Interquartile range of the changes that still counts as common to all, dB: shadowing has directions. */
  readonly cn0StepSpreadDb: number;
  /** Fewer signals say nothing in common. */
  readonly cn0MinimumSignals: number;
  /** Standard deviation of C/N0 over satellites of one signal, dB, below which it is unnaturally uniform. */
  readonly cn0UniformDb: number;
  /** By so many satellites; real ones differ in elevation, and antennas by 6 dB over it. */
  readonly cn0UniformSatellites: number;
  /** Time constant of the level that a C/N0 is compared with, seconds: slower changes are not steps. */
  readonly cn0AverageSeconds: number;
  /** A signal counts after being tracked for so long, seconds: C/N0 rises while a signal is acquired. */
  readonly cn0SettleSeconds: number;

  /**
   * Step of MON-RF agcCnt (0 to 8191). F9 receivers step by 351; two steps were seen as a front end settled,
   * so that about three are asked for.
   */
  readonly agcStepCounts: number;
  readonly agcAverageSeconds: number;
  readonly agcSettleSeconds: number;

  /** Position against its prediction: multiple of the joint standard deviation. */
  readonly positionSigmas: number;
  /** And at least this far, metres: a change of satellites moves a solution beyond its formal covariance. */
  readonly positionFloorMeters: number;
  /** Fastest vehicle, m/s. 400: above every airliner in a jet stream. Set it for yours. */
  readonly maximumSpeed: number;
  /** Hardest acceleration, m/s2. 20: two g, above road, rail, ship and air transport. Set it for yours. */
  readonly maximumAcceleration: number;
  /** Beyond this gap only the speed bounds the way, seconds. */
  readonly positionPredictionSeconds: number;

  /** GST against the receiver's own uptime (NAV-STATUS msss), seconds; clockDriftLimit comes on top. */
  readonly timeJumpSeconds: number;
  /** GST against the trusted clock from epoch to epoch, seconds: output over a busy line comes that late. */
  readonly arrivalJitterSeconds: number;

  /** The receiver's OSNMA verdict must contradict ours this long, seconds: it decides at other instants. */
  readonly osnmaPersistSeconds: number;

  /** A sign counts as still there above this share of its threshold. */
  readonly endRatio: number;
  /** A state (a claim, a disagreement) ends after being below that for so long, seconds. */
  readonly stateHoldSeconds: number;
  /**
   * A jump is held for so long, seconds: what it began may go on unseen. Slow MAC's delay, rounded down; an
   * attacker who lies still for longer than that must be found by another sign.
   */
  readonly jumpHoldSeconds: number;
  /** A claim not repeated, a state nothing speaks of, is dropped after so long, seconds. */
  readonly staleSeconds: number;
}

export const DEFAULT_THRESHOLDS: WatchThresholds = Object.freeze({
  disagreeSigmas: 5,
  disagreeHorizontalFloorMeters: 15,
  disagreeVerticalFloorMeters: 30,
  disagreeClockFloorSeconds: 200e-9,
  comparedWithinSeconds: 1.5,
  clockSigmas: 6,
  clockJumpFloorSeconds: 100e-9,
  clockDriftStepFloor: 30e-9,
  clockDriftRatePerSecond: 10e-9,
  clockDriftLimit: 20e-6,
  clockPredictionSeconds: 60,
  cn0StepDb: 4,
  cn0StepSpreadDb: 3,
  cn0MinimumSignals: 6,
  cn0UniformDb: 1,
  cn0UniformSatellites: 8,
  cn0AverageSeconds: 30,
  cn0SettleSeconds: 10,
  agcStepCounts: 1000,
  agcAverageSeconds: 30,
  agcSettleSeconds: 10,
  positionSigmas: 6,
  positionFloorMeters: 10,
  maximumSpeed: 400,
  maximumAcceleration: 20,
  positionPredictionSeconds: 10,
  timeJumpSeconds: 0.1,
  arrivalJitterSeconds: 2,
  osnmaPersistSeconds: 60,
  endRatio: 0.7,
  stateHoldSeconds: 10,
  jumpHoldSeconds: 300,
  staleSeconds: 60,
});

/**
 * The defaults with some replaced.
 * @throws TypeError for a value that is not a number, RangeError for an unknown name, a value that is not
 * positive and finite, or an endRatio above 1.
 */
export function watchThresholds(given: Partial<WatchThresholds> = {}): WatchThresholds {
  if (typeof given !== "object" || given === null) throw new TypeError("thresholds must be an object");
  const merged: Record<string, number> = { ...DEFAULT_THRESHOLDS };
  for (const [name, value] of Object.entries(given)) {
    if (!Object.hasOwn(DEFAULT_THRESHOLDS, name)) throw new RangeError(`no threshold is named ${name}`);
    if (value === undefined) continue;
    if (typeof value !== "number") throw new TypeError(`${name} must be a number`);
    if (!(value > 0) || !Number.isFinite(value)) throw new RangeError(`${name} must be positive and finite`);
    merged[name] = value;
  }
  if (merged["endRatio"] > 1) throw new RangeError("endRatio must not be above 1");
  return Object.freeze(merged as unknown as WatchThresholds);
}
