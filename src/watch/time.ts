/**
 * Time that jumps: GST of the epochs against clocks that no signal moves, the receiver's own uptime counter
 * (NAV-STATUS msss) and the trusted clock where there is one. Without either only a step backwards is known to
 * be none of data that were lost.
 */
import type { MessageOf } from "gnss-ubx";
import { gstNear } from "./solutions.js";
import type { Observe } from "./signs.js";
import type { WatchThresholds } from "./thresholds.js";

/** A clock reading, with what was known of GST then. */
interface Pair {
  readonly gst: number;
  readonly clock: number;
}

export class TimeWatch {
  readonly #thresholds: WatchThresholds;
  #gst: number | null = null;
  #status: MessageOf<"NAV-STATUS"> | null = null;
  #uptime: Pair | null = null;
  #trusted: Pair | null = null;

  constructor(thresholds: WatchThresholds) {
    this.#thresholds = thresholds;
  }

  /** The uptime of another receiver, or of the same one after a restart, is another clock. */
  receiverChanged(): void {
    this.#gst = null;
    this.#status = null;
    this.#uptime = null;
  }

  navStatus(message: MessageOf<"NAV-STATUS">): void {
    this.#status = message;
  }

  epoch(gst: number, trustedGst: number | null, observe: Observe): void {
    const { timeJumpSeconds, arrivalJitterSeconds, clockDriftLimit } = this.#thresholds;
    const report = (
      kind: string,
      value: number,
      threshold: number,
      gstStep: number,
      clockStep: number,
    ): void => {
      observe({
        name: "time-jump",
        subject: "both",
        quantity: "time-seconds",
        value: Math.abs(value),
        threshold,
        evidence: { kind, jumpSeconds: value, gstStepSeconds: gstStep, clockStepSeconds: clockStep },
      });
    };

    if (this.#gst !== null && gst < this.#gst)
      report("backwards", gst - this.#gst, timeJumpSeconds, gst - this.#gst, 0);
    this.#gst = gst;

    const status = this.#status;
    this.#status = null;
    // Before week and time of week are set, iTOW counts from the start of the receiver.
    if (status !== null && status.flags.wknSet && status.flags.towSet) {
      const now: Pair = { gst: gstNear(status.iTOW / 1000, gst), clock: status.msss / 1000 };
      const before = this.#uptime;
      // An uptime that goes back is a restart.
      if (before !== null && now.clock > before.clock) {
        const [gstStep, clockStep] = [now.gst - before.gst, now.clock - before.clock];
        report(
          "against-uptime",
          gstStep - clockStep,
          timeJumpSeconds + clockDriftLimit * clockStep,
          gstStep,
          clockStep,
        );
      }
      this.#uptime = now;
    }

    if (trustedGst === null) return;
    const now: Pair = { gst, clock: trustedGst };
    const before = this.#trusted;
    if (before !== null && now.clock > before.clock) {
      const [gstStep, clockStep] = [now.gst - before.gst, now.clock - before.clock];
      report(
        "against-trusted-clock",
        gstStep - clockStep,
        arrivalJitterSeconds + clockDriftLimit * clockStep,
        gstStep,
        clockStep,
      );
    }
    this.#trusted = now;
  }
}
