/**
 * What the rest of the house sees of trusted time: where it comes from (`TimeSource`), how bytes carry it
 * (`Arrival`), and what there is to say of it. docs/time.md.
 */
import type { TimeGate, TrustedTime } from "../osnma/time-gate.js";

/** The clocks of this machine, read as one. */
export interface ClockReading {
  /** System clock, milliseconds since 1970 (POSIX: leap seconds left out). */
  readonly unixMs: number;
  /** A clock that nobody sets and that may stop while the machine sleeps, milliseconds. */
  readonly monotonicMs: number;
  /** A clock that nobody sets and that goes on while the machine sleeps, milliseconds; null where there is none. */
  readonly bootMs: number | null;
}

/** When bytes came, by all clocks that may be asked later. Made once, where the bytes are read. */
export interface Arrival {
  readonly unixMs: number;
  readonly monotonicMs: number;
  /** What the pipeline is handed with the bytes; null where nothing is known. */
  readonly trusted: TrustedTime | null;
}

export type SyncSource = "chrony" | "ntpd" | "systemd-timesyncd" | "configuration";

/** What a program that disciplines the system clock says of it. */
export interface SyncReport {
  readonly source: SyncSource;
  readonly synchronised: boolean;
  /** Why it does not count as synchronised, in words; null where it does. */
  readonly why: string | null;
  /** Bound on the error of the system clock when it was last corrected, seconds. */
  readonly boundSeconds: number;
  /** When that was, by the system clock; null where the bound holds now. */
  readonly updatedUnixMs: number | null;
  /** A leap second at the end of this month. */
  readonly leap: "none" | "insert" | "delete";
  /** Server or reference it follows. */
  readonly reference: string | null;
}

/** Why there is no trusted time. */
export type NoTimeReason =
  | "starting"
  | "no-time-daemon"
  | "not-synchronised"
  | "clock-step"
  | "suspended"
  | "clock-contradiction"
  | "clock-fault"
  | "clock-before-software";

export interface TimeStatus {
  /** `holdover`: trusted, but nothing says now that the clock is synchronised; the bound grows. */
  readonly state: "trusted" | "holdover" | "untrusted";
  readonly reason: NoTimeReason | null;
  /** What was said at the last poll, in words. */
  readonly detail: string | null;
  readonly source: SyncSource | null;
  readonly reference: string | null;
  readonly boundSeconds: number | null;
  /** What the bound alone lets be authenticated: all tags, ADKD 12 only, nothing. */
  readonly allows: TimeGate;
  readonly leapSeconds: number;
  /** Unix seconds until which the number of leap seconds is known for sure. */
  readonly leapSecondsKnownUntil: number;
}

export interface TimeEvent {
  readonly event:
    | "trusted-time-established"
    | "trusted-time-holdover"
    | "trusted-time-lost"
    | "clock-step"
    | "suspended"
    | "leap-second-contradiction";
  readonly reason: NoTimeReason | null;
  /** Size of a step or length of a sleep, seconds; else null. */
  readonly seconds: number | null;
  readonly detail: string;
}

/** Leap seconds as a verified word 6 gives them (Galileo OS SIS ICD 2.1, 5.1.7). Weeks modulo 256. */
export interface LeapSecondWord {
  readonly dtLS: number;
  readonly dtLSF: number;
  readonly wnLSF: number;
  /** 1 is Sunday; the leap second is at the end of that day. */
  readonly dn: number;
}

export interface TimeSource {
  /** Trusted time now, null where there is none. Cheap and synchronous: for each chunk of bytes. */
  now(): TrustedTime | null;
  /** The same, with the clocks it was read with: what a recorder keeps. */
  arrival(): Arrival;
  status(): TimeStatus;
  /** Called for each event from now on, in order; the return value ends that. */
  onEvent(listener: (event: TimeEvent) => void): () => void;
  /** Takes in what an authenticated word 6 says. Never shifts time by more than what was open anyway. */
  authenticatedLeapSeconds(word: LeapSecondWord): void;
  /** Resolves when the first poll is done, whatever it said. */
  start(): Promise<void>;
  stop(): Promise<void>;
}
