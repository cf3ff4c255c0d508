/**
 * When to open, close and wait, as a plain state machine: what happened and when goes in, what to do comes out. It
 * has no clock, no timer and no link; connection.ts gives it those.
 *
 * A line counts as alive while frames come whose checksums hold. Silence is an error, and so is noise.
 */

export interface ConnectionTimes {
  /** A line that was alive and gives no whole frame for so long is given up, ms. */
  readonly silenceMs: number;
  /** A line just opened may take this long for its first frame (rates are tried meanwhile), ms. */
  readonly settleMs: number;
  /** First wait before another attempt, and the longest, ms. Each is twice the one before, at random half to whole. */
  readonly firstWaitMs: number;
  readonly longestWaitMs: number;
  /** A line that was alive this long is healthy: the next wait is the first again. */
  readonly healthyMs: number;
}

export const CONNECTION_TIMES: ConnectionTimes = {
  silenceMs: 10_000,
  settleMs: 20_000,
  firstWaitMs: 500,
  longestWaitMs: 60_000,
  healthyMs: 30_000,
};

export type Happening =
  | { readonly what: "start" }
  | { readonly what: "opened" }
  | { readonly what: "open-failed" }
  /** Whole frames came. */
  | { readonly what: "frames" }
  /** The link ended, by itself or because it was told to. */
  | { readonly what: "closed" }
  /** A port that was not there is there. */
  | { readonly what: "appeared" }
  | { readonly what: "time" }
  | { readonly what: "stop" };

export type Command =
  | { readonly do: "open" }
  | { readonly do: "close"; readonly why: "silent" | "unreadable" | "stopped" }
  /** Nothing to do for so long: the wait before the next attempt. */
  | { readonly do: "wait"; readonly ms: number };

export type ConnectionPhase = "idle" | "opening" | "settling" | "alive" | "closing" | "waiting" | "stopped";

export class ConnectionLogic {
  readonly #times: ConnectionTimes;
  readonly #random: () => number;
  #phase: ConnectionPhase = "idle";
  /** When the phase began. */
  #since = 0;
  #lastFrame = 0;
  #attempts = 0;
  #dueAt = 0;
  #stopping = false;

  /** `random` gives 0 to 1 (Math.random). */
  constructor(times: Partial<ConnectionTimes> = {}, random: () => number = Math.random) {
    this.#times = { ...CONNECTION_TIMES, ...times };
    this.#random = random;
  }

  get phase(): ConnectionPhase {
    return this.#phase;
  }

  /** Attempts since the line was last healthy. */
  get attempts(): number {
    return this.#attempts;
  }

  /** The next moment at which `time` can bring something, or null. */
  get nextAt(): number | null {
    switch (this.#phase) {
      case "settling":
        return this.#since + this.#times.settleMs;
      case "alive":
        return this.#lastFrame + this.#times.silenceMs;
      case "waiting":
        return this.#dueAt;
      default:
        return null;
    }
  }

  /** Takes in what happened at `now` (ms, of a clock that does not step); returns what to do, at most one thing. */
  happen({ what }: Happening, now: number): Command | null {
    if (what === "stop") return this.#stop(now);
    switch (this.#phase) {
      case "idle":
        return what === "start" ? this.#open(now) : null;
      case "opening":
        if (what === "opened") {
          this.#enter(this.#stopping ? "closing" : "settling", now);
          return this.#stopping ? { do: "close", why: "stopped" } : null;
        }
        return what === "open-failed" ? this.#failed(now) : null;
      case "settling":
        if (what === "frames") {
          this.#enter("alive", now);
          this.#lastFrame = now;
          return null;
        }
        if (what === "closed") return this.#failed(now);
        return now >= this.#since + this.#times.settleMs ? this.#giveUp("unreadable", now) : null;
      case "alive":
        if (what === "frames") {
          this.#lastFrame = now;
          if (now - this.#since >= this.#times.healthyMs) this.#attempts = 0;
          return null;
        }
        if (what === "closed") return this.#failed(now);
        return now >= this.#lastFrame + this.#times.silenceMs ? this.#giveUp("silent", now) : null;
      case "closing":
        return what === "closed" ? this.#failed(now) : null;
      case "waiting":
        if (what === "appeared" || (what === "time" && now >= this.#dueAt)) return this.#open(now);
        return null;
      case "stopped":
        return null;
    }
  }

  #open(now: number): Command {
    this.#enter("opening", now);
    this.#attempts++;
    return { do: "open" };
  }

  #giveUp(why: "silent" | "unreadable", now: number): Command {
    this.#enter("closing", now);
    return { do: "close", why };
  }

  #failed(now: number): Command | null {
    if (this.#stopping) {
      this.#enter("stopped", now);
      return null;
    }
    const { firstWaitMs, longestWaitMs } = this.#times;
    const whole = Math.min(longestWaitMs, firstWaitMs * 2 ** Math.min(Math.max(0, this.#attempts - 1), 30));
    const ms = Math.round(whole * (0.5 + 0.5 * this.#random()));
    this.#enter("waiting", now);
    this.#dueAt = now + ms;
    return { do: "wait", ms };
  }

  #stop(now: number): Command | null {
    this.#stopping = true;
    switch (this.#phase) {
      case "settling":
      case "alive":
        this.#enter("closing", now);
        return { do: "close", why: "stopped" };
      case "opening":
      case "closing":
        return null;
      default:
        this.#enter("stopped", now);
        return null;
    }
  }

  #enter(phase: ConnectionPhase, now: number): void {
    this.#phase = phase;
    this.#since = now;
  }
}
