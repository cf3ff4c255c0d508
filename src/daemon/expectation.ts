/**
 * What a user may expect next, and why nothing is authenticated yet, in words. Pure: the state of things goes in.
 * The times are those of docs/live.md.
 */
import type { OsnmaState } from "../pipeline/records.js";
import type { ConnectionPhase } from "../source/connection-logic.js";
import type { TimeState } from "./ports.js";

export interface Situation {
  readonly phase: ConnectionPhase;
  /** Why the receiver is not connected, as told by the last attempt or the last end. */
  readonly lineReason: string | null;
  readonly refused: boolean;
  readonly time: TimeState;
  readonly simulated: boolean;
  /** Newest GST of the signal, null before there was any. */
  readonly signalGst: number | null;
  /** Pages came within the last seconds. */
  readonly pagesCome: boolean;
  /** RXM-RAWX or NAV-PVT come. */
  readonly epochsCome: boolean;
  readonly state: OsnmaState;
  readonly gateReason: string | null;
  readonly satellitesHeard: number;
  readonly satellitesAuthenticated: number;
  /** Assurance of the newest fix, null while there is none. */
  readonly fix: "nav-authenticated" | "corroborated" | "unverified" | null;
  readonly fixReasons: readonly string[];
}

export interface Expectation {
  /** Why nothing is authenticated now; null while data is in force. */
  readonly why: string | null;
  /** What comes next, as far as it can be known. */
  readonly next: string;
}

const SUBFRAME_SECONDS = 30;

export function expectation(now: Situation): Expectation {
  if (now.phase !== "alive") {
    const why = now.lineReason ?? "No receiver is connected.";
    const next =
      now.phase === "settling" || now.phase === "opening"
        ? "The line is open; its first whole frame is awaited."
        : "The receiver is used as soon as it is there.";
    return { why: sentence(why), next };
  }
  if (now.refused) {
    return {
      why: "Another receiver is connected than receiver.unique_id allows.",
      next: "Connect that receiver, or change the configuration.",
    };
  }
  if (now.time.state === "untrusted") {
    return {
      why: sentence(`No trusted time${now.time.detail === null ? "" : `: ${now.time.detail}`}`),
      next: "Without a clock independent of the signal nothing is authenticated. `osnmad doctor` says what is missing.",
    };
  }
  if (now.time.allows === "none") {
    return {
      why: sentence(`The clock is only good to ${now.time.boundSeconds?.toFixed(1) ?? "?"} s`),
      next: "A bound below 15 s is needed (below 165 s for slow tags alone).",
    };
  }
  if (!now.pagesCome) {
    return {
      why: "No Galileo navigation page comes.",
      next: "A receiver that starts cold needs half a minute to some minutes of open sky; else RXM-SFRBX or Galileo E1 is off.",
    };
  }
  if (now.gateReason !== null && now.gateReason !== "bound-too-wide") {
    return {
      why: `The signal's time and the clock contradict each other (${now.gateReason}).`,
      next: "Either this machine's clock is wrong, or the signal is not what it claims to be.",
    };
  }
  if (now.state === "alert") {
    return {
      why: "Galileo sent an OSNMA alert.",
      next: "Follow GSC's notices (docs/operations.md, On an alert).",
    };
  }
  if (now.state === "suspended") {
    return { why: "Galileo's OSNMA status is \"don't use\".", next: "Nothing to do but wait; GSC says why." };
  }
  if (now.state === "cold") {
    return {
      why: "No public key is known yet.",
      next: "A public key is broadcast every 6 hours; give one with trust.public_key to start now.",
    };
  }
  if (now.state === "warm") {
    return {
      why: "The root key is being collected.",
      next: "It takes seconds with many satellites in view, some minutes with few.",
    };
  }
  const left = secondsToKeys(now.signalGst);
  const keys = left === null ? "" : ` The next keys are complete in ${left} s.`;
  if (now.satellitesAuthenticated === 0) {
    return {
      why: "Tags wait for their keys.",
      next: `First data about 60 to 90 s after the first whole subframe.${keys}`,
    };
  }
  if (now.satellitesAuthenticated < 4) {
    return {
      why: null,
      next: `${now.satellitesAuthenticated} of the 4 satellites for a fix are authenticated.${keys}`,
    };
  }
  if (!now.epochsCome) {
    return { why: null, next: "No RXM-RAWX or NAV-PVT comes, so there is nothing to make a fix of." };
  }
  if (now.fix === null || now.fix === "unverified") {
    const reasons = now.fixReasons.length === 0 ? "" : ` (${now.fixReasons.join(", ")})`;
    return { why: null, next: `The fix is not authenticated yet${reasons}.` };
  }
  return { why: null, next: now.simulated ? "Fixes of a simulation come." : "Authenticated fixes come." };
}

/** Seconds to the end of the subframe that runs, whose pages carry the keys of the tags before. */
function secondsToKeys(gst: number | null): number | null {
  return gst === null ? null : SUBFRAME_SECONDS - Math.floor(gst % SUBFRAME_SECONDS);
}

function sentence(text: string): string {
  return /[.!?]$/.test(text) ? text : `${text}.`;
}
