/**
 * The last stage: one fix record an epoch, from the receiver's messages and what the engine has authenticated.
 * It pairs our own solution (RXM-RAWX) with the receiver's (NAV-PVT), lets the consistency watch look at both,
 * and grades each by policy (docs/threat-model.md). Pure and synchronous.
 */
import { decodeMessage, type MessageOf } from "gnss-ubx";
import { decodeEphemeris, type Ephemeris } from "../ephemeris/ephemeris.js";
import { towOf, wnOf } from "../inav/gst.js";
import type { CedProof, OsnmaEngine } from "../osnma/engine.js";
import { timeGate, type TimeGateReason, type TrustedTime } from "../osnma/time-gate.js";
import type { EpochCounts } from "../pipeline/pipeline.js";
import type {
  Assurance,
  EventRecord,
  FixRecord,
  GradeRecord,
  Mode,
  OwnPosition,
  ReceiverPosition,
  TimeAssurance,
} from "../pipeline/records.js";
import type { MeasurementOptions } from "../position/measurements.js";
import { EPHEMERIS_VALIDITY_SECONDS } from "../position/satellite.js";
import type { SolverOptions } from "../position/solver.js";
import { corroborate, type HealthySatellite } from "../watch/corroboration.js";
import { gradeOwn, gradeReceiver, type Policy } from "../watch/policy.js";
import type { SignEvent } from "../watch/signs.js";
import { gstNear, receiverSolutionOf } from "../watch/solutions.js";
import type { WatchThresholds } from "../watch/thresholds.js";
import { ConsistencyWatch } from "../watch/watch.js";
import { watchedSolution } from "../watch/watched-solution.js";
import { ownPosition } from "./own-position.js";
import { OwnSolutions, type EpochOutcome, type SolvedEpoch } from "./own-solution.js";
import { utcOfGst } from "./utc.js";

const NAV = 0x01;
const RXM = 0x02;
const MON = 0x0a;
const SEC = 0x27;
/** Messages that fix and watch read, as class << 8 | id; everything else is not even decoded. */
const RXM_RAWX = (RXM << 8) | 0x15;
const NAV_PVT = (NAV << 8) | 0x07;
const NAV_SAT = (NAV << 8) | 0x35;
const NAV_EOE = (NAV << 8) | 0x61;
const WATCHED = new Set([
  (NAV << 8) | 0x03, // NAV-STATUS
  (NAV << 8) | 0x22, // NAV-CLOCK
  (NAV << 8) | 0x43, // NAV-SIG
  (MON << 8) | 0x38, // MON-RF
  (SEC << 8) | 0x09, // SEC-SIG
  (SEC << 8) | 0x10, // SEC-SIGLOG
  (SEC << 8) | 0x0a, // SEC-OSNMA
]);
const MAX_SVID = 36;
/** RXM-RAWX labels an epoch by the receiver's clock, NAV-PVT by its solution: the same one within this. */
const SAME_EPOCH_SECONDS = 0.06;
/** Receiver epoch and newest authenticated page may be this far apart. */
const TIME_TOLERANCE_SECONDS = 5;
/** A root key must be heard again within the hour, and without pages there is none. */
const PAGE_SILENCE_SECONDS = 3600;
/** GST minus UTC since 2017, where neither the receiver nor an authenticated word 6 says. */
const DEFAULT_LEAP_SECONDS = 18;

/** What the evidence of a fix is made of: the receiver's own bytes, and our solution with what went into it. */
export interface FixInputs {
  /** Payload of the RXM-RAWX and the solution from it; null where there is no own position. */
  readonly own: { readonly rawx: Uint8Array; readonly solved: SolvedEpoch } | null;
  /**
   * Evidence for every satellite with authenticated data in force; of those in the solution as it was when the
   * solution was made, since newer data may have come before the epoch was complete.
   */
  readonly proofs: readonly CedProof[];
  readonly receiver: readonly { readonly message: "NAV-PVT" | "NAV-SAT"; readonly payload: Uint8Array }[];
}

export interface FixStageOptions {
  readonly mode: Mode;
  /** As `PipelineOptions.timeAssurance`, and the same. */
  readonly timeAssurance?: "capture" | "independent";
  readonly softwareVersion: string;
  /** A function is asked at each epoch: a daemon may be told another policy while it runs. */
  readonly policy?: Policy | (() => Policy);
  readonly thresholds?: Partial<WatchThresholds>;
  readonly solver?: SolverOptions;
  readonly measurements?: MeasurementOptions;
  /** Code smoothed by carrier; the own position then has no evidence, since its epoch alone does not give it. */
  readonly carrierSmoothing?: boolean;
  /** Makes the evidence of a fix and returns the id of its root object. */
  readonly evidence?: ((fix: FixRecord, inputs: FixInputs) => string | null) | null;
}

interface SolvedRawx {
  readonly payload: Uint8Array;
  readonly outcome: EpochOutcome;
  readonly proofs: ReadonlyMap<number, CedProof>;
}

/** For `PipelineOptions.fixes`. */
export function fixesWith(
  options: FixStageOptions,
): (engine: OsnmaEngine, emit: (record: FixRecord | EventRecord) => void) => FixStage {
  return (engine, emit) => new FixStage(engine, options, emit);
}

export class FixStage {
  readonly #engine: OsnmaEngine;
  readonly #options: FixStageOptions;
  readonly #emit: (record: FixRecord | EventRecord) => void;
  readonly #own: OwnSolutions;
  readonly #watch: ConsistencyWatch;
  readonly #policy: () => Policy;
  readonly #timeAssurance: TimeAssurance;
  readonly #ephemerides: (
    { readonly words: readonly Uint8Array[]; readonly ephemeris: Ephemeris | null } | undefined
  )[] = [];
  #pvt: MessageOf<"NAV-PVT"> | null = null;
  #sat: MessageOf<"NAV-SAT"> | null = null;
  #pvtPayload = new Uint8Array();
  #satPayload = new Uint8Array();
  #rawx: SolvedRawx | null = null;
  /** Of the newest message. */
  #trusted: TrustedTime | null | undefined = undefined;
  #fixed = 0;
  readonly #dropped = { beforeTime: 0, notNewer: 0, refused: 0 };
  /** GST of the newest fix: an epoch is given out once. */
  #last = Number.NEGATIVE_INFINITY;

  constructor(
    engine: OsnmaEngine,
    options: FixStageOptions,
    emit: (record: FixRecord | EventRecord) => void,
  ) {
    this.#engine = engine;
    this.#options = options;
    this.#emit = emit;
    this.#own = new OwnSolutions(engine, options);
    this.#watch = new ConsistencyWatch(options.thresholds);
    const { policy = "default" } = options;
    this.#policy = typeof policy === "function" ? policy : () => policy;
    this.#timeAssurance = options.timeAssurance ?? (options.mode === "live" ? "independent" : "capture");
  }

  /**
   * Takes in one UBX message of the receiver; `trusted` is what a clock independent of the signal says of its arrival
   * (null where it says nothing), left out on a capture's own timeline.
   */
  message(messageClass: number, messageId: number, payload: Uint8Array, trusted?: TrustedTime | null): void {
    this.#trusted = trusted;
    const kind = (messageClass << 8) | messageId;
    if (kind === RXM_RAWX) {
      const rawx = decodeMessage(messageClass, messageId, payload);
      if (rawx.name !== "RXM-RAWX") return;
      if (this.#rawx !== null || !this.#pairs(rawx)) this.#flush();
      this.#watch.receiver(rawx);
      const outcome = this.#own.solve(rawx);
      this.#rawx = { payload: payload.slice(), outcome, proofs: this.#proofsOf(outcome) };
    } else if (kind === NAV_PVT) {
      const pvt = decodeMessage(messageClass, messageId, payload);
      if (this.#pvt !== null) this.#flush();
      this.#pvt = pvt.name === "NAV-PVT" ? pvt : null;
      this.#pvtPayload = payload.slice();
    } else if (kind === NAV_SAT) {
      const sat = decodeMessage(messageClass, messageId, payload);
      if (sat.name !== "NAV-SAT") return;
      this.#sat = sat;
      this.#satPayload = payload.slice();
      this.#watch.receiver(sat);
    } else if (kind === NAV_EOE) {
      this.#flush();
    } else if (WATCHED.has(kind)) {
      this.#watch.receiver(decodeMessage(messageClass, messageId, payload));
    }
  }

  end(): void {
    this.#flush();
  }

  get epochs(): EpochCounts {
    const { beforeTime, notNewer, refused } = this.#dropped;
    const fixed = this.#fixed;
    return {
      received: fixed + beforeTime + notNewer + refused,
      fixed,
      dropped: { beforeTime, notNewer, refused },
    };
  }

  /**
   * Another receiver speaks from here on, or the same one that was started anew. The epoch in flight is ended; what was
   * known of the receiver (levels, clock, noise of its ranges) is forgotten. Signs that stand go on standing until
   * they expire, and a position is still held against the one before: a restart explains neither.
   */
  receiverChanged(): void {
    this.#flush();
    this.#sat = null;
    this.#own.receiverChanged();
    this.#watch.receiverChanged();
    // Time that the old receiver ran ahead must not silence the new one.
    const { now } = this.#engine;
    if (this.#last > now + TIME_TOLERANCE_SECONDS) this.#last = now;
  }

  /** Whether a NAV-PVT that waits belongs to the epoch of `rawx` (some receivers send it first). */
  #pairs(rawx: MessageOf<"RXM-RAWX">): boolean {
    const pvt = this.#pvt;
    return pvt === null || Math.abs(rawx.rcvTow - pvt.iTOW / 1000) < SAME_EPOCH_SECONDS;
  }

  #flush(): void {
    const rawx = this.#rawx;
    let pvt = this.#pvt;
    this.#rawx = null;
    this.#pvt = null;
    const { now } = this.#engine;
    if (rawx === null && pvt === null) return;
    // Before the first timed page there is no Galileo week: a fix without a time is none.
    if (!Number.isFinite(now)) {
      this.#dropped.beforeTime++;
      return;
    }
    let gst = rawx?.outcome.gst ?? null;
    if (pvt !== null) {
      const byPvt = gstNear(pvt.iTOW / 1000, now);
      if (gst !== null && Math.abs(byPvt - gst) > SAME_EPOCH_SECONDS) {
        // Two epochs met; the measurements are the newer, and the receiver's word for the other one goes alone.
        if (byPvt < gst) {
          this.#fix(byPvt, pvt, null);
          pvt = null;
        } else {
          this.#fix(gst, null, rawx);
          this.#fix(byPvt, pvt, null);
          return;
        }
      } else {
        gst = byPvt;
      }
    }
    if (gst === null) this.#dropped.refused++;
    else this.#fix(gst, pvt, rawx);
  }

  #fix(gst: number, pvt: MessageOf<"NAV-PVT"> | null, rawx: SolvedRawx | null): void {
    if (!Number.isFinite(gst) || gst <= this.#last) {
      this.#dropped.notNewer++;
      return;
    }
    this.#last = gst;
    this.#fixed++;
    const engine = this.#engine;
    const satellites = this.#healthySatellites(gst);
    const solved = rawx?.outcome.solved ?? null;
    const own = solved === null ? null : watchedSolution(solved.solution);
    const receiver = pvt === null ? null : receiverSolutionOf(pvt, gst);
    const { nmaStatus, state } = engine;
    const time = this.#timeOf(gst);
    const signs = this.#watch.epoch({
      gst,
      own,
      receiver,
      authenticatedSatellites: satellites.map(({ svid }) => svid),
      osnma: { nmaStatus, chainId: engine.chainId, alert: engine.alertVerified },
      trustedGst: time.trusted?.gst ?? null,
    });
    for (const event of signs.events) this.#emit(signEvent(event));

    const sat = this.#sat !== null && pvt !== null && this.#sat.iTOW === pvt.iTOW ? this.#sat : null;
    const corroboration =
      receiver === null
        ? { agreeing: [], disagreements: [] }
        : corroborate(receiver.position, gst, satellites, sat);
    const disagreements = [...corroboration.disagreements];
    if (pvt !== null && (!pvt.valid.validDate || !pvt.valid.validTime))
      disagreements.push("receiver-time-invalid");
    if (Math.abs(gst - engine.now) > TIME_TOLERANCE_SECONDS) disagreements.push("receiver-time-disagrees");

    const used = solved?.solution.used.length ?? 0;
    // One object for both grades: to spread it into two costs more than to grade.
    const judged = {
      policy: this.#policy(),
      mode: this.#options.mode,
      state,
      nmaStatus,
      chainVerified: engine.chainVerified && gst - engine.now <= PAGE_SILENCE_SECONDS,
      timeAssurance: time.assurance,
      timeGateReason: engine.timeGateReason ?? time.gateReason,
      slowMacOnly: false,
      slowMacAllowed: false,
      authenticatedSatellites: satellites.length,
      signs: signs.active,
      own:
        solved === null
          ? null
          : { raim: solved.solution.raim.status, satellitesUsed: used, authenticatedUsed: used },
      solution: receiver !== null,
      disagreements,
    };
    const ownGrade = gradeOwn(judged);
    const ownRecord =
      solved === null
        ? null
        : ownPosition(
            solved.solution,
            solved.satellites,
            solved.smoothed ? { ...ownGrade, notes: [...ownGrade.notes, "carrier-smoothed"] } : ownGrade,
          );
    const receiverGrade = gradeReceiver(judged);
    const receiverRecord = pvt === null ? null : receiverPosition(pvt, receiverGrade);
    const assurance = better(ownRecord, receiverRecord);
    // Of the two only those that the receiver gave anything for.
    const lowered = [...(rawx === null ? [] : ownGrade.reasons), ...(receiverRecord?.reasons ?? [])];
    const ownFailure = solved !== null ? null : (rawx?.outcome.failure ?? "no-measurements");
    const leapSeconds = this.#leapSeconds(rawx?.outcome.leapSeconds ?? null);
    const rounded = Math.round(gst * 1000) / 1000;
    const fix: { -readonly [Member in keyof FixRecord]: FixRecord[Member] } = {
      type: "fix",
      wn: wnOf(rounded),
      tow: Math.floor(towOf(rounded)),
      gst: rounded,
      utc: utcOfGst(rounded, leapSeconds),
      assurance,
      reasons: assurance === "unverified" ? [...new Set(lowered)] : [],
      mode: this.#options.mode,
      timeAssurance: time.assurance,
      own: ownRecord,
      ownFailure,
      receiver: receiverRecord,
      authenticatedSatellites: satellites.map(({ svid }) => svid),
      agreeingSatellites: corroboration.agreeing,
      signs: signs.active.map(({ name }) => name),
      evidence: null,
      softwareVersion: this.#options.softwareVersion,
    };
    const isRecomputable = solved?.smoothed !== true;
    if (assurance !== "unverified" && isRecomputable && this.#options.evidence != null) {
      const receiverBytes: FixInputs["receiver"][number][] = [];
      if (pvt !== null) receiverBytes.push({ message: "NAV-PVT", payload: this.#pvtPayload });
      if (sat !== null) receiverBytes.push({ message: "NAV-SAT", payload: this.#satPayload });
      const own = rawx !== null && solved !== null ? { rawx: rawx.payload, solved } : null;
      const proofs: CedProof[] = [];
      for (let svid = 1; svid <= MAX_SVID; svid++) {
        const proof = rawx?.proofs.get(svid) ?? engine.cedProof(svid);
        if (proof !== null) proofs.push(proof);
      }
      fix.evidence = this.#options.evidence(fix, { own, proofs, receiver: receiverBytes });
    }
    this.#emit(fix);
  }

  /** What the time condition rests on at this epoch: nothing, where the clock says nothing while it should. */
  #timeOf(gst: number): {
    readonly trusted: TrustedTime | null;
    readonly assurance: TimeAssurance;
    readonly gateReason: TimeGateReason | null;
  } {
    const given = this.#trusted;
    if (this.#timeAssurance !== "independent") {
      // A recording kept what its clock said, and is judged by that as the run was.
      return {
        trusted: given ?? null,
        assurance: given === null ? "none" : this.#timeAssurance,
        gateReason: given === undefined ? null : timeGate(gst, given).reason,
      };
    }
    const trusted = given?.assurance === "independent" ? given : null;
    // Also while no page comes: the clock of now is the one that the fix claims.
    const { reason } = timeGate(gst, trusted);
    return { trusted, assurance: trusted === null ? "none" : "independent", gateReason: reason };
  }

  #proofsOf({ solved }: EpochOutcome): ReadonlyMap<number, CedProof> {
    const proofs = new Map<number, CedProof>();
    if (solved === null || this.#options.evidence == null) return proofs;
    for (const { svid } of solved.solution.used) {
      const proof = this.#engine.cedProof(svid);
      if (proof !== null) proofs.set(svid, proof);
    }
    return proofs;
  }

  /** Satellites with healthy authenticated data in force, decoded once for each set of words. */
  #healthySatellites(gst: number): HealthySatellite[] {
    const found: HealthySatellite[] = [];
    for (let svid = 1; svid <= MAX_SVID; svid++) {
      const ced = this.#engine.healthyCed(svid);
      if (ced === null) continue;
      const { words } = ced.value;
      let known = this.#ephemerides[svid];
      if (known?.words !== words) {
        const [w1, w2, w3, w4, w5] = words;
        known = { words, ephemeris: decodeEphemeris([w1, w2, w3, w4, w5], svid) };
        this.#ephemerides[svid] = known;
      }
      const { ephemeris } = known;
      // The engine's time stands still while no page comes; the epoch's own time decides what has expired.
      if (ephemeris !== null && Math.abs(gst - ephemeris.toeGst) <= EPHEMERIS_VALIDITY_SECONDS) {
        found.push({ svid, ephemeris });
      }
    }
    return found;
  }

  #leapSeconds(byReceiver: number | null): number {
    return this.#engine.leapSeconds ?? byReceiver ?? DEFAULT_LEAP_SECONDS;
  }
}

function receiverPosition(
  pvt: MessageOf<"NAV-PVT">,
  { assurance, reasons, notes }: GradeRecord,
): ReceiverPosition {
  return {
    assurance,
    reasons,
    notes,
    latitudeE7: pvt.lat,
    longitudeE7: pvt.lon,
    heightMm: pvt.height,
    horizontalAccuracyMm: pvt.hAcc,
    verticalAccuracyMm: pvt.vAcc,
    velocityNorthMmS: pvt.velN,
    velocityEastMmS: pvt.velE,
    velocityDownMmS: pvt.velD,
    fixType: pvt.fixType,
    satellitesUsed: pvt.numSV,
  };
}

function better(own: OwnPosition | null, receiver: ReceiverPosition | null): Assurance {
  if (own?.assurance === "nav-authenticated") return "nav-authenticated";
  return receiver?.assurance === "corroborated" ? "corroborated" : "unverified";
}

function signEvent({ phase, at, sign, reason }: SignEvent): EventRecord {
  return {
    type: "event",
    name: sign.name,
    wn: wnOf(at),
    tow: Math.floor(towOf(at)),
    at,
    severity: phase === "begin" ? "warning" : "info",
    message:
      phase === "begin"
        ? `A sign of interference: ${sign.quantity} ${sign.value.toPrecision(4)} above ${sign.threshold.toPrecision(4)}.`
        : `The sign has ended (${reason ?? "cleared"}).`,
    phase,
    subject: sign.subject,
    quantity: sign.quantity,
    value: sign.value,
    threshold: sign.threshold,
    evidence: sign.evidence,
  };
}
