/**
 * When witnesses had seen each leaf: of each witness the earliest stamp on any tree that has the leaf, and from them
 * the class. The order in which stamps come does not matter. Pure; docs/timing-classes.md has the reasons.
 */
import { SUBFRAME_SECONDS } from "../inav/gst.js";
import { disclosureGst, seenGst, type TimedWitness } from "../station/timing.js";
import type { LeafClass } from "./verdict.js";

export interface SightingPolicy {
  readonly witnesses: readonly TimedWitness[];
  readonly needed: number;
  readonly marginSeconds: number;
  readonly leapSeconds: number;
  readonly keyOffsetSeconds: number;
}

export interface LeafTiming {
  readonly class: LeafClass;
  readonly fast: boolean;
  readonly slackSeconds: number;
}

export class Sightings {
  readonly #policy: SightingPolicy;
  /** By witness: GST by which it had seen the leaf of an index. Never falls from one leaf to the next. */
  readonly #earliest: number[][];

  constructor(policy: SightingPolicy) {
    this.#policy = policy;
    this.#earliest = policy.witnesses.map(() => []);
  }

  /** A stamp (Unix seconds) of a witness on the tree of `size` leaves. Returns the first leaf that it says more of. */
  add(witness: number, size: number, timestamp: number): number {
    const { witnesses, leapSeconds } = this.#policy;
    const seen = seenGst(timestamp, witnesses[witness].boundSeconds, leapSeconds);
    const earliest = this.#earliest[witness];
    while (earliest.length < size) earliest.push(Number.POSITIVE_INFINITY);
    let index = size;
    while (index > 0 && earliest[index - 1] > seen) earliest[--index] = seen;
    return index;
  }

  /** The class of a leaf by all stamps so far; null while too few witnesses had seen it. */
  of(index: number, gst: number): LeafTiming | null {
    const { needed, marginSeconds, keyOffsetSeconds } = this.#policy;
    const times = this.#earliest
      .map((each) => (each[index] as number | undefined) ?? Number.POSITIVE_INFINITY)
      .sort((a, b) => a - b);
    const seen = times[needed - 1] as number | undefined;
    if (seen === undefined || !Number.isFinite(seen)) return null;
    const slow = disclosureGst(gst, 12, keyOffsetSeconds);
    // Before the subframe was over there was nothing to hear: made up, or a clock is wrong. Later stamps mend neither.
    const isAfter = seen >= gst + SUBFRAME_SECONDS;
    const inTime = isAfter && seen + marginSeconds < slow;
    const fast = inTime && seen + marginSeconds < disclosureGst(gst, 0, keyOffsetSeconds);
    return { class: inTime ? "A" : "C", fast, slackSeconds: slow - seen };
  }
}
