/**
 * Where an attack may act on a simulation. An attack is a line of a scenario (`[[attack]]`, docs/simulation.md); its
 * kind (`attacks/`) makes hooks of it. All hooks are optional and called only while the attack lasts. Stages, in the
 * order in which a signal passes them:
 *
 *   word -> osnma subframe -> page -> (delay, antenna) -> measurement -> epoch -> receiver -> frames
 *
 * What is before the delay happens in the signal and knows signal time (the GST that the signal carries); what comes
 * after it happens at the receiver and knows true time as well.
 */
import type { TSchema } from "typebox";
import type { Measurement } from "./measurements.js";
import type { Motion } from "./track.js";
import type { ReceiverState } from "./receiver-state.js";
import type { OsnmaSubframe, SimulatedPage, Simulation } from "./scenario.js";
import type { TestAuthority } from "./test-authority.js";
import type { TimedFrame } from "./timed-frame.js";

/** What a word hook is told beside the word. */
export interface WordContext {
  readonly svid: number;
  readonly band: "E1-B" | "E5b";
  readonly type: number;
  /** Linear GST of the start of the page, and of its subframe. */
  readonly pageGst: number;
  readonly subframeGst: number;
}

/** One epoch at the receiver. */
export interface EpochContext {
  /** True linear GST, fraction included. */
  readonly gst: number;
  /** What the signals say it is. */
  readonly heardGst: number;
  /** Counts measurement epochs from the start. */
  readonly index: number;
  /** Where the antenna that hears the sky is (after `antenna` hooks). */
  readonly motion: Motion;
}

export interface AttackHooks {
  /** The word, before it is put into a page: give another one back. CRC and, for WT1-4, nothing else follows it. */
  readonly word?: (word: Uint8Array, context: WordContext) => Uint8Array;
  /** HKROOT and MACK of one satellite in one subframe. */
  readonly osnma?: (subframe: OsnmaSubframe) => OsnmaSubframe;
  /** A whole page as it is decoded by the receiver (`encodePage` gives it a right CRC); null to lose it. */
  readonly page?: (page: SimulatedPage) => SimulatedPage | null;
  /** By how many seconds the whole sky comes late at true time `gst`. Large and small: from nanoseconds to days. */
  readonly delaySeconds?: (gst: number) => number;
  /** Where the sky is heard, in place of where the receiver is. */
  readonly antenna?: (motion: Motion, gst: number) => Motion;
  /** One measurement, to be changed in place (`shiftRange` keeps code, carrier and Doppler together); false drops it. */
  readonly measurement?: (measurement: Measurement, epoch: EpochContext) => boolean | undefined;
  /** All measurements of an epoch: gives the ones that stay. */
  readonly epoch?: (measurements: Measurement[], epoch: EpochContext) => Measurement[];
  /** What the receiver says of itself: position, clock, fix, front end, flags, its own OSNMA view; changed in place. */
  readonly receiver?: (state: ReceiverState, epoch: EpochContext) => void;
  /** The frames as they leave the receiver; sees all frames, also outside of the attack's time. */
  readonly frames?: (frames: Iterable<TimedFrame>) => Iterable<TimedFrame>;
}

/** What the maker of an attack may look at. */
export interface AttackContext {
  readonly seed: string;
  /** The sky without any attack. */
  readonly simulation: Simulation;
  /** Linear GST of the attack's own time, a half-open interval; the end of the scenario where no end is given. */
  readonly fromGst: number;
  readonly toGst: number;
  /** A test tree of the scenario by name, or an attacker's own where the name is new. */
  readonly authority: (name: string) => TestAuthority;
}

/** A kind of attack: the keys it takes beside `kind`, `from`, `to` and `expect`, and what it does. */
export interface AttackKind {
  readonly kind: string;
  /** One sentence for `osnmad simulate --list` and docs/simulation.md. */
  readonly what: string;
  /** Keys and their schemas (typebox); optional ones as `Type.Optional`. */
  readonly keys: Readonly<Record<string, TSchema>>;
  /** `parameters` fits `keys`. */
  readonly make: (parameters: Readonly<Record<string, unknown>>, context: AttackContext) => AttackHooks;
}

/** Hooks with the time in which they act. */
export interface ActiveAttack {
  readonly kind: string;
  readonly fromGst: number;
  readonly toGst: number;
  readonly hooks: AttackHooks;
}

/** All attacks of a scenario as one. */
export class Attacks {
  readonly #all: readonly ActiveAttack[];

  constructor(attacks: readonly ActiveAttack[] = []) {
    this.#all = attacks;
  }

  get none(): boolean {
    return this.#all.length === 0;
  }

  #at(gst: number): readonly AttackHooks[] {
    if (this.#all.length === 0) return NO_HOOKS;
    return this.#all.filter(({ fromGst, toGst }) => gst >= fromGst && gst < toGst).map(({ hooks }) => hooks);
  }

  word(word: Uint8Array, context: WordContext): Uint8Array {
    let out = word;
    for (const { word: hook } of this.#at(context.pageGst)) if (hook !== undefined) out = hook(out, context);
    return out;
  }

  osnma(subframe: OsnmaSubframe): OsnmaSubframe {
    let out = subframe;
    for (const { osnma: hook } of this.#at(subframe.gst)) if (hook !== undefined) out = hook(out);
    return out;
  }

  page(page: SimulatedPage): SimulatedPage | null {
    let out: SimulatedPage | null = page;
    for (const { page: hook } of this.#at(page.gst)) {
      if (hook !== undefined && out !== null) out = hook(out);
    }
    return out;
  }

  delaySeconds(gst: number): number {
    let sum = 0;
    for (const { delaySeconds } of this.#at(gst)) sum += delaySeconds?.(gst) ?? 0;
    return sum;
  }

  antenna(motion: Motion, gst: number): Motion {
    let out = motion;
    for (const { antenna: hook } of this.#at(gst)) if (hook !== undefined) out = hook(out, gst);
    return out;
  }

  measurements(all: Measurement[], epoch: EpochContext): Measurement[] {
    let out = all;
    for (const { measurement, epoch: whole } of this.#at(epoch.gst)) {
      if (measurement !== undefined) out = out.filter((one) => measurement(one, epoch) !== false);
      if (whole !== undefined) out = whole(out, epoch);
    }
    return out;
  }

  receiver(state: ReceiverState, epoch: EpochContext): void {
    for (const { receiver } of this.#at(epoch.gst)) receiver?.(state, epoch);
  }

  frames(frames: Iterable<TimedFrame>): Iterable<TimedFrame> {
    let out = frames;
    for (const { hooks } of this.#all) if (hooks.frames !== undefined) out = hooks.frames(out);
    return out;
  }
}

const NO_HOOKS: readonly AttackHooks[] = [];
