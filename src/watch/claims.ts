/**
 * What the receiver itself claims: jamming and spoofing by SEC-SIG, SEC-SIGLOG, NAV-STATUS and MON-RF, and its
 * own OSNMA verdict by SEC-OSNMA. The flags are weak: a real, undisturbed recording carries both for minutes,
 * and MON-RF's own is always 0 on newer firmware. They are reported as they come; policy.ts weighs them.
 */
import type { MessageOf } from "gnss-ubx";
import type { NmaStatus } from "../pipeline/records.js";
import type { Observe } from "./signs.js";
import type { WatchThresholds } from "./thresholds.js";

type Source = "SEC-SIG" | "SEC-SIGLOG" | "NAV-STATUS" | "MON-RF";

interface Claim {
  /** The field as sent; of SEC-SIGLOG the detection type. */
  readonly state: number;
  readonly raised: boolean;
}

/** SEC-SIG and MON-RF: 0 unknown, 1 none, 2 indicated or warning, 3 affirmed or critical (SEC-SIG to 7). */
const LOWEST_ALARM = 2;
/** SEC-SIGLOG detectionType 4; every other is about signals that are not what they seem. */
const LOG_JAMMING = 4;
const LOG_STARTED = 0;
const LOG_TRIGGERED = 2;
/** A `triggered` event has no end of its own; it counts for a minute. */
const TRIGGERED_SECONDS = 60;

/** Our own verdict, to hold the receiver's against. */
export interface OwnOsnmaVerdict {
  readonly nmaStatus: NmaStatus | null;
  readonly chainId: number | null;
  readonly alert: boolean;
}

const NMA_STATUS = [null, "test", "operational", "dont-use"] as const;
/** CPKS value of an alert message (OSNMA SIS ICD 1.1, table 5). */
const CPKS_ALERT = 7;

class Claims {
  readonly #claims = new Map<Source, Claim & { age: number }>();

  set(source: Source, state: number, raised: boolean): void {
    this.#claims.set(source, { state, raised, age: 0 });
  }

  report(
    name: "receiver-reports-jamming" | "receiver-reports-spoofing",
    watched: number,
    stale: number,
    observe: Observe,
  ): void {
    const sources: Source[] = [];
    const states: number[] = [];
    for (const [source, claim] of this.#claims) {
      claim.age += watched;
      if (claim.age > stale) {
        this.#claims.delete(source);
      } else if (claim.raised) {
        sources.push(source);
        states.push(claim.state);
      }
    }
    if (this.#claims.size === 0) return;
    observe({
      name,
      subject: "both",
      quantity: "sources",
      value: sources.length,
      threshold: 0.5,
      evidence: { sources, states },
    });
  }
}

export class ReceiverClaims {
  readonly #thresholds: WatchThresholds;
  readonly #jamming = new Claims();
  readonly #spoofing = new Claims();
  #osnma: MessageOf<"SEC-OSNMA"> | null = null;
  #osnmaAge = 0;
  #osnmaContradicted = 0;

  constructor(thresholds: WatchThresholds) {
    this.#thresholds = thresholds;
  }

  secSig(message: MessageOf<"SEC-SIG">): void {
    const jam = message.version === 1 ? message.jamFlags : message.sigSecFlags;
    const spoof = message.version === 1 ? message.spfFlags : message.sigSecFlags;
    this.#jamming.set("SEC-SIG", jam.jammingState, jam.jammingState >= LOWEST_ALARM);
    this.#spoofing.set("SEC-SIG", spoof.spoofingState, spoof.spoofingState >= LOWEST_ALARM);
  }

  navStatus(message: MessageOf<"NAV-STATUS">): void {
    const state = message.flags2.spoofDetState;
    this.#spoofing.set("NAV-STATUS", state, state >= LOWEST_ALARM);
  }

  monRf(message: MessageOf<"MON-RF">): void {
    let state = 0;
    for (const block of message.blocks) state = Math.max(state, block.flags.jammingState);
    this.#jamming.set("MON-RF", state, state >= LOWEST_ALARM);
  }

  /** The newest event of each detection type says whether it goes on; the list is seen newest first. */
  secSigLog(message: MessageOf<"SEC-SIGLOG">): void {
    const newest = new Map<number, { elapsed: number; type: number }>();
    for (const { detectionType, timeElapsed, eventType } of message.events) {
      const known = newest.get(detectionType);
      if (known === undefined || timeElapsed < known.elapsed)
        newest.set(detectionType, { elapsed: timeElapsed, type: eventType });
    }
    let jamming = -1;
    let spoofing = -1;
    for (const [detection, { elapsed, type }] of newest) {
      const goesOn = type === LOG_STARTED || (type === LOG_TRIGGERED && elapsed <= TRIGGERED_SECONDS);
      if (!goesOn) continue;
      if (detection === LOG_JAMMING) jamming = detection;
      else spoofing = detection;
    }
    this.#jamming.set("SEC-SIGLOG", jamming, jamming >= 0);
    this.#spoofing.set("SEC-SIGLOG", spoofing, spoofing >= 0);
  }

  secOsnma(message: MessageOf<"SEC-OSNMA">): void {
    this.#osnma = message;
    this.#osnmaAge = 0;
  }

  /** `watched`: seconds since the last epoch. */
  epoch(
    watched: number,
    ours: OwnOsnmaVerdict | null,
    authenticated: readonly number[],
    observe: Observe,
  ): void {
    const { staleSeconds, osnmaPersistSeconds } = this.#thresholds;
    this.#jamming.report("receiver-reports-jamming", watched, staleSeconds, observe);
    this.#spoofing.report("receiver-reports-spoofing", watched, staleSeconds, observe);

    this.#osnmaAge += watched;
    const verdict = this.#osnma;
    // A receiver that does not monitor OSNMA has no verdict.
    if (verdict === null || this.#osnmaAge > staleSeconds || !verdict.osnmaMonitoring.osnmaEnabled) {
      this.#osnmaContradicted = 0;
      return;
    }
    const contradictions: string[] = [];
    const { nmaHeader } = verdict;
    if (nmaHeader.headerAuthStatus && ours !== null) {
      const status = NMA_STATUS[nmaHeader.nmaStatus];
      if (status !== null && ours.nmaStatus !== null && status !== ours.nmaStatus)
        contradictions.push("nma-status");
      if (ours.chainId !== null && nmaHeader.chainInForce !== ours.chainId) contradictions.push("chain");
      if ((nmaHeader.CPKS === CPKS_ALERT) !== ours.alert) contradictions.push("alert");
    }
    const failed = verdict.svs
      .filter(({ svId, auth }) => auth.authStatus && authenticated.includes(svId))
      .map(({ svId }) => svId);
    if (failed.length > 0) contradictions.push("satellite");
    this.#osnmaContradicted = contradictions.length === 0 ? 0 : this.#osnmaContradicted + watched;
    observe({
      name: "receiver-osnma-disagrees",
      subject: "both",
      quantity: "contradicted-seconds",
      value: this.#osnmaContradicted,
      threshold: osnmaPersistSeconds,
      evidence: { contradictions, failedBySvid: failed, receiverNmaStatus: nmaHeader.nmaStatus },
    });
  }
}
