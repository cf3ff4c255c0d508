/**
 * Grades of the two positions of a fix, by the rules of docs/threat-model.md. Each position has its own grade:
 * ours can be `nav-authenticated`, the receiver's `corroborated`, and either is `unverified` with the first
 * reason that lowers it. Reasons are only ever added: no input raises a grade that another has lowered.
 */
import type { TimeGateReason } from "../osnma/time-gate.js";
import type { Assurance, Mode, NmaStatus, OsnmaState, TimeAssurance } from "../pipeline/records.js";
import type { Sign, SignName } from "./signs.js";
import type { RaimVerdict } from "./solutions.js";

/**
 * What the receiver's own flags do. `strict`: they lower alone. `default`: only together with another sign, so
 * that a receiver which cries wolf cannot silence real fixes. Both report them always.
 */
export const POLICIES = ["default", "strict"] as const;
export type Policy = (typeof POLICIES)[number];

export const GRADE_REASONS = [
  "no-own-solution",
  "no-receiver-solution",
  "osnma-alert",
  "nma-status-dont-use",
  "osnma-chain-unverified",
  "no-trusted-time",
  "clock-bound-too-wide",
  "signal-late",
  "signal-early",
  "time-contradiction",
  "time-not-independent",
  "fewer-than-4-authenticated-satellites",
  "fewer-than-4-satellites-used",
  "unauthenticated-satellite-used",
  "raim-detected",
  "raim-unavailable",
] as const;
export type GradeReason = (typeof GRADE_REASONS)[number] | SignName;

export interface Grade {
  readonly assurance: Assurance;
  /** Every reason that lowered the grade, each once; empty unless `unverified`. */
  readonly reasons: readonly string[];
  /** What is said without lowering: `raim-unavailable` with four satellites, and signs that stand alone. */
  readonly notes: readonly string[];
}

/** The state of OSNMA and of time, common to both positions. */
export interface Circumstances {
  readonly policy: Policy;
  readonly mode: Mode;
  readonly state: OsnmaState;
  readonly nmaStatus: NmaStatus | null;
  /** A root key of the chain in force has been verified, within the time it is good for. */
  readonly chainVerified: boolean;
  readonly timeAssurance: TimeAssurance;
  /** What the time gate says at this epoch: null when every tag is allowed. */
  readonly timeGateReason: TimeGateReason | null;
  /** All data used was authenticated by ADKD 12, for which a bound below 165 s is enough. */
  readonly slowMacOnly: boolean;
  /** The gate still lets ADKD 12 through (`timeGate()` said `slow`). */
  readonly slowMacAllowed: boolean;
  /** Satellites with healthy authenticated data in force. */
  readonly authenticatedSatellites: number;
  /** `EpochSigns.active`. */
  readonly signs: readonly Pick<Sign, "name" | "subject">[];
}

export interface OwnGradeInput extends Circumstances {
  /** Our own solution at this epoch; null where there is none. */
  readonly own: {
    readonly raim: RaimVerdict;
    /** Satellites that entered it. */
    readonly satellitesUsed: number;
    /** Those of them whose data was authenticated and in force. */
    readonly authenticatedUsed: number;
  } | null;
}

export interface ReceiverGradeInput extends Circumstances {
  /** The receiver has a position at this epoch. */
  readonly solution: boolean;
  /** Why its outputs do not agree with authenticated satellites, as the corroboration found; empty if they do. */
  readonly disagreements: readonly string[];
}

/** Four unknowns; with four satellites nothing is left over for RAIM. */
const SATELLITES_FOR_FIX = 4;

/** What the receiver says of itself. They share one detector, so that one is not another sign beside the other. */
const FLAGS: ReadonlySet<SignName> = new Set(["receiver-reports-jamming", "receiver-reports-spoofing"]);
/**
 * Signs that lower under `default` only in company: the flags, and the receiver's OSNMA verdict, which the
 * threat model does not name and which is the receiver's word as well.
 */
const WORDS_OF_RECEIVER: ReadonlySet<SignName> = new Set([...FLAGS, "receiver-osnma-disagrees"]);

const TIME_REASON: Readonly<Record<TimeGateReason, GradeReason>> = {
  "no-trusted-time": "no-trusted-time",
  "bound-too-wide": "clock-bound-too-wide",
  late: "signal-late",
  early: "signal-early",
  "time-contradiction": "time-contradiction",
};
/** Reasons of a gate that ADKD 12 may still pass. */
const SLOW_REASONS: ReadonlySet<TimeGateReason> = new Set(["bound-too-wide", "late", "early"]);

/** Grade of our own position: `nav-authenticated` or `unverified`. */
export function gradeOwn(input: OwnGradeInput): Grade {
  const reasons = new Set<string>();
  const notes = new Set<string>();
  const { own } = input;
  if (own === null) {
    reasons.add("no-own-solution");
  } else {
    checkCount("own.satellitesUsed", own.satellitesUsed);
    checkCount("own.authenticatedUsed", own.authenticatedUsed);
    if (own.satellitesUsed < SATELLITES_FOR_FIX) reasons.add("fewer-than-4-satellites-used");
    if (own.authenticatedUsed < own.satellitesUsed) reasons.add("unauthenticated-satellite-used");
    if (own.raim === "unavailable") {
      if (own.satellitesUsed === SATELLITES_FOR_FIX) notes.add("raim-unavailable");
      else reasons.add("raim-unavailable");
    } else if (own.raim !== "passed") {
      // Also for any word that is none: only `passed` passes.
      reasons.add("raim-detected");
    }
  }
  circumstances(input, reasons);
  signs(input, "own", reasons, notes);
  return gradeOf("nav-authenticated", reasons, notes);
}

/** Grade of the receiver's position: `corroborated` or `unverified`. RAIM is about our own and says nothing here. */
export function gradeReceiver(input: ReceiverGradeInput): Grade {
  const reasons = new Set<string>();
  const notes = new Set<string>();
  if (!input.solution) reasons.add("no-receiver-solution");
  for (const disagreement of input.disagreements) reasons.add(disagreement);
  circumstances(input, reasons);
  signs(input, "receiver", reasons, notes);
  return gradeOf("corroborated", reasons, notes);
}

function gradeOf(best: Assurance, reasons: Set<string>, notes: Set<string>): Grade {
  return { assurance: reasons.size === 0 ? best : "unverified", reasons: [...reasons], notes: [...notes] };
}

function circumstances(input: Circumstances, reasons: Set<string>): void {
  if (!POLICIES.includes(input.policy)) throw new RangeError(`no policy is named ${String(input.policy)}`);
  checkCount("authenticatedSatellites", input.authenticatedSatellites);
  if (input.state === "alert") reasons.add("osnma-alert");
  if (input.state === "suspended" || input.nmaStatus === "dont-use") reasons.add("nma-status-dont-use");
  if (!input.chainVerified || input.nmaStatus === null || input.state === "cold" || input.state === "warm")
    reasons.add("osnma-chain-unverified");

  if (input.timeAssurance === "none") reasons.add("no-trusted-time");
  // On the capture's own timeline the condition proves nothing about a live signal.
  else if (input.mode === "live" && input.timeAssurance !== "independent")
    reasons.add("time-not-independent");
  const gate = input.timeGateReason;
  if (gate !== null) {
    const slowIsEnough = SLOW_REASONS.has(gate) && input.slowMacAllowed && input.slowMacOnly;
    if (!slowIsEnough) reasons.add(TIME_REASON[gate]);
  }
  if (input.authenticatedSatellites < SATELLITES_FOR_FIX)
    reasons.add("fewer-than-4-authenticated-satellites");
}

function signs(
  input: Circumstances,
  subject: "own" | "receiver",
  reasons: Set<string>,
  notes: Set<string>,
): void {
  // Company may stand on the other position alone: it is the same antenna.
  const standing = new Set(input.signs.map(({ name }) => name));
  for (const { name, subject: of } of input.signs) {
    if (of !== "both" && of !== subject) continue;
    if (input.policy === "strict" || !WORDS_OF_RECEIVER.has(name) || hasCompany(name, standing))
      reasons.add(name);
    else notes.add(name);
  }
}

/** Another sign beside this one; the two flags are one for this. */
function hasCompany(name: SignName, standing: ReadonlySet<SignName>): boolean {
  for (const other of standing) if (other !== name && !(FLAGS.has(name) && FLAGS.has(other))) return true;
  return false;
}

function checkCount(name: string, value: number): void {
  if (typeof value !== "number") throw new TypeError(`${name} must be a number`);
  if (!Number.isInteger(value) || value < 0)
    throw new RangeError(`${name} must be a whole number, not negative`);
}
