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

/** From, to (both included) and unit of each; what is outside is a mistake in a unit rather than a wish. */
export const THRESHOLD_RANGES: Readonly<
  Record<keyof WatchThresholds, readonly [from: number, to: number, unit: string]>
> = {
  disagreeSigmas: [1, 100, ""],
  disagreeHorizontalFloorMeters: [0.1, 10_000, "m"],
  disagreeVerticalFloorMeters: [0.1, 10_000, "m"],
  disagreeClockFloorSeconds: [1e-9, 1e-3, "s"],
  comparedWithinSeconds: [0.01, 60, "s"],
  clockSigmas: [1, 100, ""],
  clockJumpFloorSeconds: [1e-9, 5e-4, "s"],
  clockDriftStepFloor: [1e-10, 1e-4, "s/s"],
  clockDriftRatePerSecond: [1e-12, 1e-4, "1/s"],
  clockDriftLimit: [1e-8, 1e-3, "s/s"],
  clockPredictionSeconds: [1, 3600, "s"],
  cn0StepDb: [0.5, 60, "dB"],
  cn0StepSpreadDb: [0.5, 60, "dB"],
  cn0MinimumSignals: [1, 255, ""],
  cn0UniformDb: [0.01, 20, "dB"],
  cn0UniformSatellites: [2, 64, ""],
  cn0AverageSeconds: [1, 3600, "s"],
  cn0SettleSeconds: [0.1, 3600, "s"],
  agcStepCounts: [1, 8191, "of 8191"],
  agcAverageSeconds: [1, 3600, "s"],
  agcSettleSeconds: [0.1, 3600, "s"],
  positionSigmas: [1, 100, ""],
  positionFloorMeters: [0.1, 10_000, "m"],
  maximumSpeed: [0.1, 12_000, "m/s"],
  maximumAcceleration: [0.01, 1000, "m/s2"],
  positionPredictionSeconds: [0.1, 600, "s"],
  timeJumpSeconds: [0.001, 60, "s"],
  arrivalJitterSeconds: [0.01, 60, "s"],
  osnmaPersistSeconds: [1, 3600, "s"],
  endRatio: [0.01, 1, ""],
  stateHoldSeconds: [0.1, 86_400, "s"],
  jumpHoldSeconds: [0.1, 86_400, "s"],
  staleSeconds: [1, 86_400, "s"],
};

/**
 * The defaults with some replaced.
 * @throws TypeError for a value that is not a number, RangeError for an unknown name, or a value out of its range
 */
export function watchThresholds(given: Partial<WatchThresholds> = {}): WatchThresholds {
  if (typeof given !== "object" || given === null) throw new TypeError("thresholds must be an object");
  const merged: Record<string, number> = { ...DEFAULT_THRESHOLDS };
  for (const [name, value] of Object.entries(given)) {
    if (!Object.hasOwn(DEFAULT_THRESHOLDS, name)) throw new RangeError(`no threshold is named ${name}`);
    if (value === undefined) continue;
    if (typeof value !== "number") throw new TypeError(`${name} must be a number`);
    const [from, to, unit] = THRESHOLD_RANGES[name as keyof WatchThresholds];
    // Written so that NaN is refused.
    if (!(value >= from && value <= to))
      throw new RangeError(`${name} must be ${from} to ${to}${unit === "" ? "" : ` ${unit}`}`);
    merged[name] = value;
  }
  return Object.freeze(merged as unknown as WatchThresholds);
}
