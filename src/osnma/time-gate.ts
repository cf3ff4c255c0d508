/**
 * The TESLA time condition (OSNMA Receiver Guidelines 1.3; docs/threat-model.md): a tag is evidence only for
 * a receiver that knows, by a clock independent of the signal, that the tag arrived before its key was public.
 */

/** A trusted estimate of GST at the moment a page ended, and the bound on its error. */
export interface TrustedTime {
  /** Estimated GST, linear seconds. */
  readonly gst: number;
  /** Bound B: |true GST - gst| <= boundSeconds, time-stamping latency included. */
  readonly boundSeconds: number;
  readonly assurance: "capture" | "independent";
}

/** What the clock allows: every tag, only slow MAC (ADKD 12), or nothing, and why. */
export type TimeGate = "all" | "slow" | "none";
export type TimeGateReason = "no-trusted-time" | "bound-too-wide" | "late" | "early" | "time-contradiction";

/** Half of T_L, the bound for ADKD 0 and 4 (guidelines: |S - L| and B below T_L / 2). */
const FAST_LIMIT_SECONDS = 15;
/** T_L / 2 plus half of the extra 300 s that slow MAC waits. */
const SLOW_LIMIT_SECONDS = 165;
/**
 * An honest signal arrives where the clock says within its bound; the receiver needs up to about two seconds
 * more to decode and send a page. Beyond that, clock and signal contradict each other: a replay or a clock
 * fault, and nothing is authenticated on a contradiction.
 */
export const LATENCY_ALLOWANCE_SECONDS = 3;

export interface GateDecision {
  readonly gate: TimeGate;
  readonly reason: TimeGateReason | null;
}

const decision = (gate: TimeGate, reason: TimeGateReason | null): GateDecision =>
  Object.freeze({ gate, reason });
const ALL = decision("all", null);
const SLOW = decision("slow", "bound-too-wide");
const SLOW_LATE = decision("slow", "late");
const NO_TIME = decision("none", "no-trusted-time");
const TOO_WIDE = decision("none", "bound-too-wide");
const LATE = decision("none", "late");
const EARLY = decision("none", "early");
const CONTRADICTION = decision("none", "time-contradiction");

/**
 * Decides for a page that claims to end at `pageEnd` (linear GST seconds).
 * Strict inequalities throughout; anything that is not a finite number gives `none`.
 */
export function timeGate(pageEnd: number, trusted: TrustedTime | null): GateDecision {
  if (trusted === null) return NO_TIME;
  const bound = trusted.boundSeconds;
  const late = trusted.gst - pageEnd;
  if (!(bound >= 0) || !(bound < SLOW_LIMIT_SECONDS)) return TOO_WIDE;
  if (!(late < SLOW_LIMIT_SECONDS)) return LATE;
  if (!(late > -SLOW_LIMIT_SECONDS)) return EARLY;
  if (late > bound + LATENCY_ALLOWANCE_SECONDS || late < -bound) return CONTRADICTION;
  if (bound >= FAST_LIMIT_SECONDS) return SLOW;
  if (late >= FAST_LIMIT_SECONDS || late <= -FAST_LIMIT_SECONDS) return SLOW_LATE;
  return ALL;
}
