/**
 * The receiver's clock as a witness: a repeater or a counterfeit constellation that takes over shifts all
 * ranges by one amount, which no solver can tell from its own clock, but which no oscillator does. Looked at
 * twice: in our own solution, and in NAV-CLOCK.
 *
 * Receivers keep their label near true time by steps of whole milliseconds (the F9T at Leuven does, about every
 * 45 minutes), so biases are compared modulo one millisecond: a shift by exactly that is not seen here.
 */
import type { MessageOf } from "gnss-ubx";
import { gstNear, type OwnSolution } from "./solutions.js";
import type { Observe } from "./signs.js";
import type { WatchThresholds } from "./thresholds.js";

const MILLISECOND = 1e-3;
const NANO = 1e-9;
const PICO = 1e-12;
/** Worse than this NAV-CLOCK has no solution behind it (20 ms was seen before the first fix), seconds. */
const CLOCK_ACCURACY_LIMIT = 1e-5;

interface ClockState {
  readonly gst: number;
  readonly biasSeconds: number;
  readonly biasSigma: number;
  readonly drift: number | null;
  readonly driftSigma: number;
}

export class ClockWatch {
  readonly #thresholds: WatchThresholds;
  #own: ClockState | null = null;
  #receiver: ClockState | null = null;
  #message: MessageOf<"NAV-CLOCK"> | null = null;

  constructor(thresholds: WatchThresholds) {
    this.#thresholds = thresholds;
  }

  navClock(message: MessageOf<"NAV-CLOCK">): void {
    this.#message = message;
  }

  epoch(gst: number, own: OwnSolution | null, observe: Observe): void {
    const { comparedWithinSeconds } = this.#thresholds;
    if (own !== null) {
      const state: ClockState = {
        gst: own.gst,
        biasSeconds: own.clockBiasSeconds,
        biasSigma: own.clockBiasSigmaSeconds,
        drift: own.clockDrift,
        driftSigma: own.clockDriftSigma ?? 0,
      };
      this.#check("own", this.#own, state, observe);
      this.#own = state;
    }
    const message = this.#message;
    this.#message = null;
    if (message === null || message.tAcc * NANO > CLOCK_ACCURACY_LIMIT) return;
    const state: ClockState = {
      gst: gstNear(message.iTOW / 1000, gst),
      biasSeconds: message.clkB * NANO,
      biasSigma: message.tAcc * NANO,
      drift: message.clkD * NANO,
      driftSigma: message.fAcc * PICO,
    };
    this.#check("NAV-CLOCK", this.#receiver, state, observe);
    this.#receiver = state;
    if (own !== null && Math.abs(own.gst - state.gst) <= comparedWithinSeconds)
      this.#compare(this.#own!, state, observe);
  }

  #check(source: "own" | "NAV-CLOCK", before: ClockState | null, now: ClockState, observe: Observe): void {
    const limits = this.#thresholds;
    if (now.drift !== null) {
      // No history is needed to know that no oscillator runs like that.
      observe({
        name: "receiver-clock-drift-step",
        subject: "both",
        quantity: "drift",
        value: Math.abs(now.drift),
        threshold: limits.clockDriftLimit,
        evidence: { source, kind: "no-oscillator", drift: now.drift },
      });
    }
    if (before === null) return;
    const seconds = now.gst - before.gst;
    if (!(seconds > 0) || seconds > limits.clockPredictionSeconds) return;
    if (now.drift === null || before.drift === null) return;

    const driftSigma = Math.hypot(now.driftSigma, before.driftSigma);
    const driftChange = now.drift - before.drift;
    observe({
      name: "receiver-clock-drift-step",
      subject: "both",
      quantity: "drift-change",
      value: Math.abs(driftChange),
      threshold: Math.max(
        limits.clockDriftStepFloor + limits.clockDriftRatePerSecond * seconds,
        limits.clockSigmas * driftSigma,
      ),
      evidence: { source, kind: "step", drift: now.drift, before: before.drift, seconds },
    });

    const predicted = before.biasSeconds + 0.5 * (before.drift + now.drift) * seconds;
    const innovation = modulo(now.biasSeconds - predicted, MILLISECOND);
    observe({
      name: "receiver-clock-jump",
      subject: "both",
      quantity: "clock-seconds",
      value: Math.abs(innovation),
      threshold: Math.max(
        limits.clockJumpFloorSeconds + 0.5 * limits.clockDriftRatePerSecond * seconds * seconds,
        limits.clockSigmas * Math.hypot(now.biasSigma, before.biasSigma, 0.5 * driftSigma * seconds),
      ),
      evidence: { source, innovationSeconds: innovation, seconds },
    });
  }

  #compare(own: ClockState, receiver: ClockState, observe: Observe): void {
    const limits = this.#thresholds;
    const drift = receiver.drift!;
    const difference = modulo(
      own.biasSeconds + drift * (receiver.gst - own.gst) - receiver.biasSeconds,
      MILLISECOND,
    );
    observe({
      name: "own-and-receiver-disagree",
      subject: "both",
      quantity: "clock-seconds",
      value: Math.abs(difference),
      threshold: Math.max(
        limits.disagreeClockFloorSeconds,
        limits.disagreeSigmas * Math.hypot(own.biasSigma, receiver.biasSigma),
      ),
      evidence: { ownBiasSeconds: own.biasSeconds, receiverBiasSeconds: receiver.biasSeconds, difference },
    });
    if (own.drift === null) return;
    observe({
      name: "receiver-clock-drift-step",
      subject: "both",
      quantity: "drift-difference",
      value: Math.abs(own.drift - drift),
      threshold: Math.max(
        limits.clockDriftStepFloor,
        limits.clockSigmas * Math.hypot(own.driftSigma, receiver.driftSigma),
      ),
      evidence: { source: "own against NAV-CLOCK", kind: "difference", own: own.drift, receiver: drift },
    });
  }
}

/** The representative nearest zero. */
function modulo(value: number, period: number): number {
  return value - Math.round(value / period) * period;
}
