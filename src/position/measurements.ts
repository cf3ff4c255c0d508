/**
 * What a receiver measured at one epoch, made fit for a position: UBX RXM-RAWX in, Galileo observations by satellite
 * and band out, and every measurement that was left out counted with its reason.
 * Source: u-blox F9 interface description (UBX-RXM-RAWX); Galileo OS SIS ICD 2.1 section 2 (carriers).
 */
import type { MessageOf } from "gnss-ubx";
import { E1_HZ, E5B_HZ, SPEED_OF_LIGHT } from "../ephemeris/constants.js";
import { GPS_WEEK_OFFSET, SECONDS_IN_WEEK } from "../inav/gst.js";

export type RawxMessage = MessageOf<"RXM-RAWX">;
export type RawxMeasurement = RawxMessage["meas"][number];

const GALILEO = 2;
const MAX_SVID = 36;
/** E5a carrier, Hz (ICD table 2). */
const E5A_HZ = 1_176_450_000;
/**
 * A pseudorange is 23,000 to 30,000 km (E14 and E18: from 16,000 km) and the receiver's clock error; beyond these
 * it is no Galileo range of a receiver that knows its time to some 50 ms.
 */
const MIN_PSEUDORANGE_METERS = 5e6;
const MAX_PSEUDORANGE_METERS = 5e7;
/** Doppler of a satellite under a receiver on Earth stays below 5 kHz; aircraft and clock drift add to it. */
const MAX_DOPPLER_HZ = 50_000;
/** Default C/N0 mask. */
export const MINIMUM_CNO_DBHZ = 25;

export type Band = "E1" | "E5b" | "E5a";

export const CARRIER_HZ: Readonly<Record<Band, number>> = { E1: E1_HZ, E5b: E5B_HZ, E5a: E5A_HZ };

/** One signal's measurements. */
export interface SignalMeasurement {
  readonly pseudorangeMeters: number;
  /** The receiver's own estimate of its noise. */
  readonly pseudorangeSigmaMeters: number;
  /** Carrier phase, cycles, growing with distance; null where the receiver says that it is not valid. */
  readonly carrierCycles: number | null;
  /** Positive when approaching. */
  readonly dopplerHz: number;
  readonly dopplerSigmaHz: number;
  readonly cnoDbHz: number;
  /** Time of continuous carrier lock; stays at 64500. */
  readonly lockMilliseconds: number;
  /** Half-cycle ambiguity resolved; and whether half a cycle was taken off. Both only matter to differences. */
  readonly halfCycleResolved: boolean;
  readonly halfCycleSubtracted: boolean;
}

export interface SatelliteMeasurement {
  readonly svid: number;
  readonly e1: SignalMeasurement;
  readonly e5b: SignalMeasurement | null;
  readonly e5a: SignalMeasurement | null;
}

/** Why a measurement of a message was left out. */
export const MEASUREMENT_REJECTIONS = [
  "other-constellation",
  "other-signal",
  "svid",
  "code-invalid",
  "range",
  "doppler",
  "low-cno",
  "short-lock",
  "duplicate",
  "no-e1",
] as const;
export type MeasurementRejection = (typeof MEASUREMENT_REJECTIONS)[number];

export interface MeasurementEpoch {
  /** The receiver's label of the epoch in GST: week and seconds, its clock error included (it cancels). */
  readonly wn: number;
  readonly towSeconds: number;
  /** GPS (and GST) minus UTC where the receiver vouches for it. */
  readonly leapSeconds: number | null;
  /** The receiver says that it set its clock at this epoch. */
  readonly clockReset: boolean;
  /** By SVID. */
  readonly satellites: readonly SatelliteMeasurement[];
  readonly rejected: Readonly<Record<MeasurementRejection, number>>;
}

/** Why an epoch as a whole is of no use. */
export interface RefusedEpoch {
  readonly refused: "no-week" | "time";
}

export interface MeasurementOptions {
  /** Signals below are left out; 25 dBHz unless told otherwise. */
  readonly minimumCnoDbHz?: number;
  /** Signals locked for less are left out; 0 unless told otherwise: the receiver's sigma tells as much. */
  readonly minimumLockMilliseconds?: number;
}

/** Band of a RAWX signal id; null for E6 and whatever comes later. E1-C and E1-B are one band. */
function bandOf(sigId: number): Band | null {
  if (sigId === 0 || sigId === 1) return "E1";
  if (sigId === 5 || sigId === 6) return "E5b";
  if (sigId === 3 || sigId === 4) return "E5a";
  return null;
}

/**
 * The Galileo observations of a RXM-RAWX epoch. Refused as a whole without a week: rcvTow then counts from the boot.
 * Never throws for what a receiver may say; RangeError for masks that are not numbers.
 */
export function measurementEpoch(
  message: RawxMessage,
  options: MeasurementOptions = {},
): MeasurementEpoch | RefusedEpoch {
  const minimumCno = options.minimumCnoDbHz ?? MINIMUM_CNO_DBHZ;
  const minimumLock = options.minimumLockMilliseconds ?? 0;
  if (!Number.isFinite(minimumCno)) throw new RangeError("minimumCnoDbHz must be finite");
  if (!Number.isFinite(minimumLock)) throw new RangeError("minimumLockMilliseconds must be finite");
  const { rcvTow, week, recStat } = message;
  if (week === 0) return { refused: "no-week" };
  // The label may lie a little outside the week at its ends; a rollover is for linear time to carry.
  if (week < GPS_WEEK_OFFSET || !(rcvTow >= 0 && rcvTow < SECONDS_IN_WEEK)) return { refused: "time" };

  const rejected: Record<MeasurementRejection, number> = {
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
  };
  const bySvid: (Partial<Record<Band, SignalMeasurement>> | undefined)[] = [];
  for (const raw of message.meas) {
    if (raw.gnssId !== GALILEO) {
      rejected["other-constellation"]++;
      continue;
    }
    const band = bandOf(raw.sigId);
    const rejection = rejectionOf(raw, band, minimumCno, minimumLock);
    if (rejection !== null || band === null) {
      rejected[rejection ?? "other-signal"]++;
      continue;
    }
    const signals = (bySvid[raw.svId] ??= {});
    const other = signals[band];
    if (other !== undefined) rejected.duplicate++;
    // Data and pilot of one band: the stronger one.
    if (other === undefined || other.cnoDbHz < raw.cno) signals[band] = signalOf(raw);
  }
  const satellites: SatelliteMeasurement[] = [];
  for (let svid = 1; svid <= MAX_SVID; svid++) {
    const signals = bySvid[svid];
    if (signals === undefined) continue;
    const { E1: e1, E5b: e5b = null, E5a: e5a = null } = signals;
    if (e1 === undefined) rejected["no-e1"] += (e5b === null ? 0 : 1) + (e5a === null ? 0 : 1);
    else satellites.push({ svid, e1, e5b, e5a });
  }
  return {
    wn: week - GPS_WEEK_OFFSET,
    towSeconds: rcvTow,
    leapSeconds: recStat.leapSec ? message.leapS : null,
    clockReset: recStat.clkReset,
    satellites,
    rejected,
  };
}

function rejectionOf(
  raw: RawxMeasurement,
  band: Band | null,
  minimumCno: number,
  minimumLock: number,
): MeasurementRejection | null {
  if (band === null) return "other-signal";
  if (raw.svId < 1 || raw.svId > MAX_SVID) return "svid";
  if (!raw.trkStat.prValid) return "code-invalid";
  // Written so that NaN fails.
  if (!(raw.prMes > MIN_PSEUDORANGE_METERS && raw.prMes < MAX_PSEUDORANGE_METERS)) return "range";
  if (!(Math.abs(raw.doMes) < MAX_DOPPLER_HZ)) return "doppler";
  if (raw.cno < minimumCno) return "low-cno";
  return raw.locktime < minimumLock ? "short-lock" : null;
}

/** 2^n for the four-bit exponents of the receiver's sigmas. */
const powerOfTwo = (n: number): number => 1 << n;

function signalOf(raw: RawxMeasurement): SignalMeasurement {
  const { trkStat } = raw;
  return {
    pseudorangeMeters: raw.prMes,
    pseudorangeSigmaMeters: 0.01 * powerOfTwo(raw.prStdev.prStd),
    carrierCycles: trkStat.cpValid && Number.isFinite(raw.cpMes) ? raw.cpMes : null,
    dopplerHz: raw.doMes,
    dopplerSigmaHz: 0.002 * powerOfTwo(raw.doStdev.doStd),
    cnoDbHz: raw.cno,
    lockMilliseconds: raw.locktime,
    halfCycleResolved: trkStat.halfCyc,
    halfCycleSubtracted: trkStat.subHalfCyc,
  };
}

const E1_SQUARE = E1_HZ * E1_HZ;
const E5B_SQUARE = E5B_HZ * E5B_HZ;
/** Weights of the E1-E5b ionosphere-free combination: 2.422 and 1.422. */
export const IF_E1 = E1_SQUARE / (E1_SQUARE - E5B_SQUARE);
export const IF_E5B = E5B_SQUARE / (E1_SQUARE - E5B_SQUARE);

/** The pair free of the ionosphere to first order, for which the I/NAV clock holds without a BGD. */
export function ionosphereFreeMeters(e1Meters: number, e5bMeters: number): number {
  return IF_E1 * e1Meters - IF_E5B * e5bMeters;
}

/** How an epoch follows the one before it. */
export interface EpochStep {
  /** By the receiver's labels; null for the first epoch, and after a gap. */
  readonly elapsedSeconds: number | null;
  /**
   * By how much all pseudoranges moved together beyond what Doppler says: the receiver set its clock, in steps of a
   * millisecond as a rule. 0 where they did not.
   */
  readonly clockJumpSeconds: number;
  /** Whether the jump is a whole number of half milliseconds, as receivers do, or something else. */
  readonly wholeHalfMilliseconds: boolean;
}

/** Longer than this apart, Doppler does not carry one epoch to the next. */
const MAX_STEP_SECONDS = 10;
/** Less is noise and acceleration. */
const MIN_JUMP_METERS = 50;
const HALF_MILLISECOND_METERS = (SPEED_OF_LIGHT * 1e-3) / 2;
/** Doppler's own error over the step leaves a whole jump this far from whole. */
const WHOLE_TOLERANCE_METERS = 100;
const E1_WAVELENGTH_METERS = SPEED_OF_LIGHT / E1_HZ;

/** Watches the receiver's clock from epoch to epoch. */
export class EpochSequence {
  #last: MeasurementEpoch | null = null;

  /** Takes in the next epoch. */
  push(epoch: MeasurementEpoch): EpochStep {
    const last = this.#last;
    this.#last = epoch;
    const none = { elapsedSeconds: null, clockJumpSeconds: 0, wholeHalfMilliseconds: false };
    if (last === null) return none;
    const elapsedSeconds = (epoch.wn - last.wn) * SECONDS_IN_WEEK + (epoch.towSeconds - last.towSeconds);
    if (!(elapsedSeconds > 0 && elapsedSeconds <= MAX_STEP_SECONDS)) return none;
    const moves: number[] = [];
    let at = 0;
    for (const { svid, e1 } of epoch.satellites) {
      while (at < last.satellites.length && last.satellites[at].svid < svid) at++;
      const before = last.satellites[at];
      if (before === undefined || before.svid !== svid) continue;
      const rate = (-E1_WAVELENGTH_METERS * (e1.dopplerHz + before.e1.dopplerHz)) / 2;
      moves.push(e1.pseudorangeMeters - before.e1.pseudorangeMeters - rate * elapsedSeconds);
    }
    const jump = median(moves);
    if (Math.abs(jump) < MIN_JUMP_METERS) {
      return { elapsedSeconds, clockJumpSeconds: 0, wholeHalfMilliseconds: false };
    }
    const whole = Math.round(jump / HALF_MILLISECOND_METERS) * HALF_MILLISECOND_METERS;
    return {
      elapsedSeconds,
      clockJumpSeconds: jump / SPEED_OF_LIGHT,
      wholeHalfMilliseconds: whole !== 0 && Math.abs(jump - whole) < WHOLE_TOLERANCE_METERS,
    };
  }
}

/** 0 for none. */
export function median(values: readonly number[]): number {
  if (values.length === 0) return 0;
  const sorted = [...values].sort((a, b) => a - b);
  const half = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
}
