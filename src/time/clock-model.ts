/**
 * Trusted time as a model: clock readings and what a time daemon says go in, estimated GST with a bound on its
 * error comes out. No clock is asked here, so every course of events can be played in a test.
 *
 * An anchor is a moment at which the system clock was known to a bound. From there time is carried on by the
 * monotonic clock, which nobody sets, and the bound grows with the drift that an oscillator may have. The system
 * clock is watched against it: small differences widen the bound, a step ends the trust, and so does a sleep, in
 * which the monotonic clock stood still. Afterwards the time daemon must have corrected the clock anew, twice seen.
 */
import { timeGate, type TimeGate, type TrustedTime } from "../osnma/time-gate.js";
import {
  BUILT_IN_LEAP_SECONDS,
  endOfMonth,
  gstOfUnix,
  leapAt,
  withAuthenticated,
  type LeapSeconds,
  type LeapState,
} from "./leap-seconds.js";
import type {
  ClockReading,
  LeapSecondWord,
  NoTimeReason,
  SyncReport,
  SyncSource,
  TimeEvent,
  TimeStatus,
} from "./types.js";

export interface ClockModelOptions {
  /** How fast the bound grows without correction, parts per million. 100 is worse than the crystals of computers. */
  readonly driftPpm?: number;
  /** A difference between system and monotonic clock from which it is a step, seconds. */
  readonly stepSeconds?: number;
  readonly leapSeconds?: LeapSeconds;
  readonly onEvent?: (event: TimeEvent) => void;
}

export const DEFAULT_DRIFT_PPM = 100;
export const DEFAULT_STEP_SECONDS = 0.5;
/** Reading two clocks one after the other takes time on a loaded machine. */
const READING_JITTER_SECONDS = 0.02;
/** The clock that goes on in sleep is read to 10 ms on Linux. */
const SUSPEND_SECONDS = 1;
/** Good reports in a row that end a loss of trust. */
const REPORTS_AFTER_LOSS = 2;
/** How long the system clock must run smoothly after a step where nothing can say when it was corrected. */
const SETTLE_SECONDS = 600;
/** A correction that lies ahead of the clock says that the clock went back since. */
const FUTURE_UPDATE_SECONDS = 2;
/** A clock before this is not set at all: the day this table of leap seconds was made. 2026-01-06. */
const NOT_BEFORE_UNIX = 1_767_657_600;
/** No bound is worth more; also keeps sums finite. */
const MAX_BOUND_SECONDS = 1e6;

interface Anchor {
  readonly gst: number;
  readonly monotonicMs: number;
  /** System clock (as GST) minus monotonic clock, seconds. */
  readonly offset: number;
  readonly boundSeconds: number;
  readonly source: SyncSource;
}

interface Loss {
  readonly reason: NoTimeReason;
  /** By the system clock after what happened. */
  readonly unixMs: number;
  readonly monotonicMs: number;
  good: number;
}

export class ClockModel {
  readonly #drift: number;
  readonly #step: number;
  readonly #emit: (event: TimeEvent) => void;
  #leap: LeapSeconds;
  /** From here on a leap second may have come that an NTP server announced and no table knows. */
  #announcedUnix: number | null = null;
  #previous: ClockReading | null = null;
  #anchor: Anchor | null = null;
  #loss: Loss | null = null;
  #reason: NoTimeReason = "starting";
  #detail: string | null = null;
  #reference: string | null = null;
  #holdover = false;

  /** @throws RangeError for options outside their range. */
  constructor(options: ClockModelOptions = {}) {
    const { driftPpm = DEFAULT_DRIFT_PPM, stepSeconds = DEFAULT_STEP_SECONDS } = options;
    if (!(driftPpm >= 0 && driftPpm <= 1e6)) throw new RangeError("driftPpm must be 0 to 1000000");
    if (!(stepSeconds >= 0.1 && stepSeconds <= 10)) throw new RangeError("stepSeconds must be 0.1 to 10");
    this.#drift = driftPpm / 1e6;
    this.#step = stepSeconds;
    this.#leap = options.leapSeconds ?? BUILT_IN_LEAP_SECONDS;
    this.#emit = options.onEvent ?? (() => undefined);
  }

  /** Trusted time at a reading of the clocks; readings must come in the order they were made. */
  at(reading: ClockReading): TrustedTime | null {
    this.#watch(reading);
    const anchor = this.#anchor;
    if (anchor === null) return null;
    const elapsed = (reading.monotonicMs - anchor.monotonicMs) / 1000;
    const bound =
      anchor.boundSeconds +
      this.#drift * elapsed +
      Math.abs(this.#offset(reading) - anchor.offset) +
      this.#leapAt(reading).uncertaintySeconds;
    return { gst: anchor.gst + elapsed, boundSeconds: bound, assurance: "independent" };
  }

  /** Takes in what a time daemon says; `reading` was made after its answer, seconds later at most. */
  report(reading: ClockReading, report: SyncReport): void {
    this.#watch(reading);
    const refusal = refusalOf(reading, report);
    this.#detail = refusal?.detail ?? null;
    if (refusal !== null) {
      if (this.#loss !== null) this.#loss.good = 0;
      else this.#reason = refusal.reason;
      this.#setHoldover(refusal.detail);
      return;
    }
    this.#reference = report.reference;
    if (report.leap !== "none") this.#announced(reading.unixMs / 1000);
    const loss = this.#loss;
    if (loss !== null && !this.#endsLoss(loss, reading, report)) return;

    const age = report.updatedUnixMs === null ? 0 : (reading.unixMs - report.updatedUnixMs) / 1000;
    const bound = report.boundSeconds + this.#drift * Math.max(0, age) + READING_JITTER_SECONDS;
    const offset = this.#offset(reading);
    const before = this.#anchor;
    if (before !== null) {
      const elapsed = (reading.monotonicMs - before.monotonicMs) / 1000;
      const apart = Math.abs(offset - before.offset);
      if (
        apart >
        before.boundSeconds + this.#drift * elapsed + bound + this.#leapAt(reading).uncertaintySeconds
      ) {
        this.#lose(
          "clock-contradiction",
          reading,
          apart,
          "Two moments called synchronised contradict each other.",
        );
        return;
      }
    }
    this.#anchor = {
      gst: offset + reading.monotonicMs / 1000,
      monotonicMs: reading.monotonicMs,
      offset,
      boundSeconds: bound,
      source: report.source,
    };
    this.#loss = null;
    this.#holdover = false;
    if (before === null) {
      this.#emit({
        event: "trusted-time-established",
        reason: null,
        seconds: null,
        detail: `The system clock is known to ${bound.toFixed(3)} s by ${report.source}.`,
      });
    }
  }

  /** No time daemon could be asked. */
  noReport(reading: ClockReading, detail: string): void {
    this.#watch(reading);
    this.#detail = detail;
    if (this.#loss === null) this.#reason = "no-time-daemon";
    else this.#loss.good = 0;
    this.#setHoldover(detail);
  }

  /** A table of leap seconds that is newer than the one in use. */
  useLeapSeconds(table: LeapSeconds): void {
    if (table.knownUntilUnix > this.#leap.knownUntilUnix) this.#replaceLeapSeconds(table);
  }

  /** What an authenticated word 6 says; refused where it contradicts what is known. */
  authenticatedLeapSeconds(reading: ClockReading, word: LeapSecondWord): void {
    this.#watch(reading);
    if (this.#anchor === null) return;
    const table = withAuthenticated(this.#leap, word, reading.unixMs / 1000);
    if (table !== null) this.#replaceLeapSeconds(table);
    else {
      this.#emit({
        event: "leap-second-contradiction",
        reason: null,
        seconds: null,
        detail: `An authenticated word 6 says ${word.dtLS} and ${word.dtLSF} leap seconds; ${this.#leap.dtLS} are known.`,
      });
    }
  }

  status(reading: ClockReading): TimeStatus {
    const trusted = this.at(reading);
    const leap = this.#leapAt(reading);
    return {
      state: trusted === null ? "untrusted" : this.#holdover ? "holdover" : "trusted",
      reason: trusted === null || this.#holdover ? (this.#loss?.reason ?? this.#reason) : null,
      detail: this.#detail,
      source: this.#anchor?.source ?? null,
      reference: this.#reference,
      boundSeconds: trusted?.boundSeconds ?? null,
      allows: allowedBy(trusted),
      leapSeconds: leap.dtLS,
      leapSecondsKnownUntil: this.#leap.knownUntilUnix,
    };
  }

  /** Compares the clocks with what they were; ends the trust where they do not go together any more. */
  #watch(reading: ClockReading): void {
    const before = this.#previous;
    this.#previous = reading;
    if (!Number.isFinite(reading.unixMs) || !Number.isFinite(reading.monotonicMs)) {
      this.#lose("clock-fault", reading, null, "A clock gives no number.");
      return;
    }
    if (before === null) return;
    if (reading.monotonicMs < before.monotonicMs) {
      this.#lose("clock-fault", reading, null, "The monotonic clock went back.");
      return;
    }
    if (reading.bootMs !== null && before.bootMs !== null) {
      const asleep = (reading.bootMs - before.bootMs - (reading.monotonicMs - before.monotonicMs)) / 1000;
      if (asleep >= SUSPEND_SECONDS) {
        this.#emit({
          event: "suspended",
          reason: "suspended",
          seconds: asleep,
          detail: `The machine slept for ${asleep.toFixed(1)} s.`,
        });
        this.#lose("suspended", reading, asleep, "The machine slept; its clock must be corrected first.");
        return;
      }
    }
    const base = this.#anchor?.offset ?? this.#offset(before);
    const step = this.#offset(reading) - base;
    if (Math.abs(step) < this.#step + this.#leapAt(reading).uncertaintySeconds) return;
    this.#emit({
      event: "clock-step",
      reason: "clock-step",
      seconds: step,
      detail: `The system clock stepped by ${step.toFixed(3)} s.`,
    });
    this.#lose("clock-step", reading, step, "The system clock stepped; it must be corrected anew first.");
  }

  #lose(reason: NoTimeReason, reading: ClockReading, seconds: number | null, detail: string): void {
    const had = this.#anchor !== null;
    this.#anchor = null;
    this.#holdover = false;
    this.#reason = reason;
    this.#detail = detail;
    this.#loss = { reason, unixMs: reading.unixMs, monotonicMs: reading.monotonicMs, good: 0 };
    if (had) this.#emit({ event: "trusted-time-lost", reason, seconds, detail });
  }

  /** Whether a good report ends a loss: the clock was corrected since, and that was seen twice. */
  #endsLoss(loss: Loss, reading: ClockReading, report: SyncReport): boolean {
    const corrected =
      report.updatedUnixMs === null
        ? reading.monotonicMs - loss.monotonicMs >= SETTLE_SECONDS * 1000
        : report.updatedUnixMs > loss.unixMs;
    if (!corrected) {
      this.#detail = "The clock was not corrected since.";
      return false;
    }
    return ++loss.good >= REPORTS_AFTER_LOSS;
  }

  #setHoldover(detail: string): void {
    if (this.#anchor === null || this.#holdover) return;
    this.#holdover = true;
    this.#emit({ event: "trusted-time-holdover", reason: this.#reason, seconds: null, detail });
  }

  #announced(unix: number): void {
    const at = endOfMonth(unix);
    if (this.#leap.next?.atUnix === at) return;
    this.#announcedUnix = Math.min(this.#announcedUnix ?? at, at);
  }

  #replaceLeapSeconds(table: LeapSeconds): void {
    this.#leap = table;
    if (this.#announcedUnix !== null && table.knownUntilUnix >= this.#announcedUnix)
      this.#announcedUnix = null;
  }

  #leapAt(reading: ClockReading): LeapState {
    const unix = reading.unixMs / 1000;
    const state = leapAt(this.#leap, unix);
    if (this.#announcedUnix === null || unix < this.#announcedUnix - 86_400) return state;
    return { ...state, uncertaintySeconds: state.uncertaintySeconds + 1 };
  }

  /** System clock as GST, minus the monotonic clock, seconds. */
  #offset(reading: ClockReading): number {
    return gstOfUnix(reading.unixMs / 1000, this.#leapAt(reading).dtLS) - reading.monotonicMs / 1000;
  }
}

/** What a bound lets be authenticated of a signal that comes in time. */
export function allowedBy(trusted: TrustedTime | null): TimeGate {
  return timeGate(trusted?.gst ?? 0, trusted).gate;
}

function refusalOf(
  reading: ClockReading,
  report: SyncReport,
): { readonly reason: NoTimeReason; readonly detail: string } | null {
  if (!report.synchronised) {
    return { reason: "not-synchronised", detail: report.why ?? `${report.source} is not synchronised.` };
  }
  const { boundSeconds, updatedUnixMs } = report;
  if (!(boundSeconds >= 0 && boundSeconds <= MAX_BOUND_SECONDS)) {
    return { reason: "not-synchronised", detail: `${report.source} gives no usable bound.` };
  }
  if (updatedUnixMs !== null && !(updatedUnixMs <= reading.unixMs + FUTURE_UPDATE_SECONDS * 1000)) {
    return {
      reason: "not-synchronised",
      detail: `${report.source} corrected the clock at a time that is still to come.`,
    };
  }
  if (!(reading.unixMs >= NOT_BEFORE_UNIX * 1000)) {
    return {
      reason: "clock-before-software",
      detail: "The system clock is set before this program was made.",
    };
  }
  return null;
}
