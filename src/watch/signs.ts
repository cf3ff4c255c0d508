/**
 * Signs of an attack (docs/consistency-watch.md): their names, and the book that turns what is observed epoch
 * by epoch into signs that begin once and end once. A sign is evidence, never a proof; what it does to a grade
 * is decided by policy.ts (docs/threat-model.md).
 */
import type { WatchThresholds } from "./thresholds.js";

export const SIGN_NAMES = [
  "own-and-receiver-disagree",
  "receiver-clock-jump",
  "receiver-clock-drift-step",
  "cn0-step",
  "agc-step",
  "receiver-reports-jamming",
  "receiver-reports-spoofing",
  "receiver-osnma-disagrees",
  "position-jump",
  "time-jump",
] as const;
export type SignName = (typeof SIGN_NAMES)[number];

/** Whose position the sign speaks of; signs of the signal or the clock speak of both. */
export type SignSubject = "own" | "receiver" | "both";

export type EvidenceValue = number | string | boolean | readonly number[] | readonly string[];

export interface Sign {
  readonly name: SignName;
  readonly subject: SignSubject;
  /** Linear GST of the epoch that raised it. */
  readonly since: number;
  /** What was measured, its unit in the name: `horizontal-meters`, `clock-seconds`, `median-db`. */
  readonly quantity: string;
  /** The value that raised it, and the threshold it stood above. */
  readonly value: number;
  readonly threshold: number;
  readonly evidence: Readonly<Record<string, EvidenceValue>>;
}

export interface SignEvent {
  readonly phase: "begin" | "end";
  /** Linear GST of the epoch. */
  readonly at: number;
  readonly sign: Sign;
  /**
   * Of an end: `cleared` (seen below the threshold for long enough), `expired` (a jump leaves nothing that could
   * be seen to clear: its hold time is over) or `unobserved` (nothing has spoken of it for `staleSeconds`).
   */
  readonly reason: "cleared" | "expired" | "unobserved" | null;
}

/** One measurement against its threshold. */
export interface Observation {
  readonly name: SignName;
  readonly subject: SignSubject;
  readonly quantity: string;
  /** Not negative; the sign stands when it is above the threshold. */
  readonly value: number;
  readonly threshold: number;
  readonly evidence: Readonly<Record<string, EvidenceValue>>;
}

export type Observe = (observation: Observation) => void;

/** A jump is over as soon as it happened, while what it may have begun goes on: it is held. */
const JUMPS: ReadonlySet<SignName> = new Set([
  "receiver-clock-jump",
  "receiver-clock-drift-step",
  "cn0-step",
  "agc-step",
  "position-jump",
  "time-jump",
]);

interface Entry {
  sign: Sign;
  /** Watch time of the last observation that was not clearly below the threshold. */
  lastRaised: number;
}

interface Seen {
  observation: Observation;
  ratio: number;
}

/** A key for each name and subject, made once. */
const KEYS: Readonly<Record<string, Readonly<Record<SignSubject, string>>>> = Object.fromEntries(
  SIGN_NAMES.map((name) => [
    name,
    { own: `${name}/own`, receiver: `${name}/receiver`, both: `${name}/both` },
  ]),
);

/** At most one entry per name and subject: memory is bounded by the names. */
export class SignBook {
  readonly #thresholds: WatchThresholds;
  readonly #active = new Map<string, Entry>();
  readonly #seen = new Map<string, Seen>();

  constructor(thresholds: WatchThresholds) {
    this.#thresholds = thresholds;
  }

  /** Of several observations under one name and subject in an epoch the gravest counts. */
  observe(observation: Observation): void {
    const key = KEYS[observation.name][observation.subject];
    const ratio = observation.threshold > 0 ? observation.value / observation.threshold : Infinity;
    const seen = this.#seen.get(key);
    if (seen === undefined || ratio > seen.ratio) this.#seen.set(key, { observation, ratio });
  }

  /**
   * Ends the epoch at linear GST `gst`. `watchTime` counts seconds that were watched: holds run on it, so that
   * a step of GST cannot let a sign expire.
   */
  close(gst: number, watchTime: number): SignEvent[] {
    const events: SignEvent[] = [];
    const { endRatio, stateHoldSeconds, jumpHoldSeconds, staleSeconds } = this.#thresholds;
    for (const [key, { observation, ratio }] of this.#seen) {
      const entry = this.#active.get(key);
      if (entry !== undefined) {
        if (ratio > endRatio) entry.lastRaised = watchTime;
      } else if (ratio > 1) {
        const { name, subject, quantity, value, threshold, evidence } = observation;
        const sign: Sign = Object.freeze({ name, subject, since: gst, quantity, value, threshold, evidence });
        this.#active.set(key, { sign, lastRaised: watchTime });
        events.push({ phase: "begin", at: gst, sign, reason: null });
      }
    }
    for (const [key, { sign, lastRaised }] of this.#active) {
      const quiet = watchTime - lastRaised;
      const jump = JUMPS.has(sign.name);
      if (quiet < (jump ? jumpHoldSeconds : stateHoldSeconds)) continue;
      const reason = jump
        ? "expired"
        : this.#seen.has(key)
          ? "cleared"
          : quiet >= staleSeconds
            ? "unobserved"
            : null;
      if (reason === null) continue;
      this.#active.delete(key);
      events.push({ phase: "end", at: gst, sign, reason });
    }
    this.#seen.clear();
    return events;
  }

  active(): Sign[] {
    return [...this.#active.values()].map(({ sign }) => sign);
  }
}
