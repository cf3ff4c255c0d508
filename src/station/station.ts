/**
 * A running station: what the pipeline hears goes in, leaves come out, each checkpoint goes to the witnesses. Edge;
 * the collector does the gathering, the log the keeping.
 */
import { randomBytes } from "node:crypto";
import { OsnmadError } from "../errors.js";
import { SUBFRAME_SECONDS } from "../inav/gst.js";
import type { InavPage } from "../inav/page.js";
import type { TrustedTime } from "../osnma/time-gate.js";
import type { FixRecord, Mode } from "../pipeline/records.js";
import { auditedLeaves, retentionDigest } from "./audit.js";
import type { Checkpoint } from "./checkpoint.js";
import {
  SubframeCollector,
  timeOf,
  type ClosedGap,
  type ClosedSubframe,
  type CollectorCounts,
} from "./collector.js";
import { SECRET_BYTES } from "./commitment.js";
import { receiverCommitment, type LeafContent } from "./leaf.js";
import { bytesEqual } from "./merkle.js";
import { commitTo, type LeafOpenings } from "./openings.js";
import { StationLog, type AppendedLeaf, type RunStart, type StationLogOptions } from "./station-log.js";
import { Witnesses, type WitnessOptions, type WitnessStatus } from "./witness-client.js";

const MAX_UNHEARD_JUMP_SECONDS = 60;
const SECONDS_IN_DAY = 86_400;

export interface StationOptions extends StationLogOptions {
  readonly softwareVersion: string;
  /**
   * What the receiver says of itself; only its salted digest leaves the station. Null while that is not known: then
   * it counts as the one of the run before.
   */
  readonly receiver: string | null;
  readonly witnesses?: WitnessOptions;
  /** The run begins with `begin`: a start that fails before leaves no leaf. */
  readonly beginsLater?: boolean;
  /** A leaf is on disk. */
  readonly onLeaf?: (leaf: AppendedLeaf) => void;
  /** A checkpoint is on disk. */
  readonly onCheckpoint?: (checkpoint: Checkpoint) => void;
  /** Signing failed; the log goes on unsigned, or not at all, as `log.refusal` says. */
  readonly onFault?: (error: unknown) => void;
}

/** The answer to a challenge: public in all its parts. */
export interface AuditAnswer {
  readonly challenge: Uint8Array;
  readonly proof: Uint8Array;
  /** Leaf that has the challenge. */
  readonly leafIndex: number;
  /** The checkpoint that everything here is proven in. */
  readonly checkpoint: Checkpoint;
  readonly inclusion: readonly Uint8Array[];
  readonly leaf: Uint8Array;
  readonly audited: readonly {
    readonly index: number;
    readonly leaf: Uint8Array;
    readonly inclusion: readonly Uint8Array[];
    /** Null for leaves that commit to nothing, and where the openings were pruned. */
    readonly retention: Uint8Array | null;
  }[];
}

export class Station {
  readonly log: StationLog;
  readonly #options: StationOptions;
  readonly #collector: SubframeCollector;
  readonly #witnesses: Witnesses | null;
  #run: RunStart;
  #begun = false;
  #signing = false;
  /** Why nothing is signed yet in this run; null once the witnesses showed no other history. */
  #held: string | null = null;
  #signed: Promise<void> = Promise.resolve();
  /** First subframe whose leaf could not be stored; the next leaf that can be says so. */
  #lostFrom: number | null = null;
  /** The newest time that a page or a tick told; null before. */
  #lastGst: number | null;

  /** Opens the log, and begins a run in it but for `beginsLater`. Throws OSN_STATION_*, OSN_STATE_*. */
  constructor(options: StationOptions) {
    this.#options = options;
    this.log = StationLog.open(options);
    this.#run = {
      softwareVersion: options.softwareVersion,
      time: { assurance: "none", boundMs: null },
      receiver:
        (options.receiver === null ? this.log.history?.receiver : undefined) ??
        receiverCommitment(this.log.receiverSalt, options.receiver ?? "unknown"),
    };
    this.#witnesses = options.witnesses === undefined ? null : new Witnesses(this.log, options.witnesses);
    if (this.#witnesses !== null) this.#held = "The witnesses were not asked yet.";
    this.#collector = new SubframeCollector((closed) => {
      this.#closed(closed);
    }, this.log.history?.nextGst ?? null);
    this.#lastGst = this.log.history?.nextGst ?? null;
    if (options.beginsLater === true) return;
    this.#begun = true;
    this.#announce(this.log.begin(this.#run));
  }

  /** Begins the run; where the log takes no leaf now, with the first that it does. */
  begin(): void {
    if (!this.#begun) this.#append([]);
  }

  get mode(): Mode {
    return this.log.mode;
  }

  get counts(): Readonly<CollectorCounts> {
    return this.#collector.counts;
  }

  /** Why nothing is signed yet in this run; null once the witnesses showed no other history of the log. */
  get held(): string | null {
    return this.#held;
  }

  witnessStatus(): WitnessStatus[] {
    return this.#witnesses?.status() ?? [];
  }

  /**
   * A page as the pipeline got it. Live, `trusted` is the independent time of its arrival, and without it nothing is
   * taken; in any other mode the pages' own times count, whatever the clock of the machine says.
   */
  page(page: InavPage, gst: number, trusted: TrustedTime | null): void {
    if (this.mode !== "live") {
      this.#collector.page(page, gst, null);
    } else if (trusted?.assurance === "independent") {
      // Closed by `tick` alone: a leaf that came sooner where pages are heard would show a tunnel.
      this.#collector.page(page, gst, trusted);
      if (Math.abs(gst - trusted.gst) <= SUBFRAME_SECONDS) this.#lastGst = trusted.gst;
    }
  }

  /** A message of the receiver; RXM-RAWX is committed to. */
  message(messageClass: number, messageId: number, payload: Uint8Array): void {
    if (messageClass === 0x02 && messageId === 0x15) this.#collector.rawx(payload);
  }

  fix(record: FixRecord): void {
    if (record.mode === this.mode) this.#collector.fix(record);
  }

  /**
   * Live, about once a second: closes subframes also while nothing is heard. A clock that jumps ahead is believed
   * when pages of that time come: a log that went on to a wrong future could take no leaf until then.
   */
  tick(trusted: TrustedTime | null): void {
    if (this.mode !== "live") return;
    if (trusted?.assurance !== "independent") {
      this.#collector.timeLost();
      return;
    }
    if (this.#lastGst !== null && trusted.gst - this.#lastGst > MAX_UNHEARD_JUMP_SECONDS) return;
    this.#lastGst = trusted.gst;
    this.#collector.advance(trusted.gst, timeOf(trusted));
  }

  /** The receiver says who it is; where it is another than before, a leaf says that. */
  receiver(description: string): void {
    const receiver = receiverCommitment(this.log.receiverSalt, description);
    const before = this.log.history?.receiver ?? null;
    if (before === null) {
      this.#run = { ...this.#run, receiver };
      return;
    }
    if (bytesEqual(receiver, before)) return;
    const { softwareVersion } = this.#run;
    const time = this.#collector.time;
    const stored = this.#append([
      { content: { kind: "receiver", softwareVersion, time, receiver, before, challenges: [] } },
    ]);
    if (stored) this.#run = { ...this.#run, receiver };
  }

  /** Forgets what opens the leaves older than so many days before the newest; returns how many. */
  prune(keepDays: number): number {
    const newest = this.log.history?.nextGst ?? null;
    if (newest === null) return 0;
    return this.log.pruneOpenings(this.log.firstLeafSince(newest - keepDays * SECONDS_IN_DAY));
  }

  /** The stream ended; what is open is closed and signed. */
  async end(): Promise<void> {
    this.#collector.end();
    await this.signed();
  }

  /** Resolves when all leaves so far are in a signed checkpoint, or signing failed. */
  async signed(): Promise<void> {
    await this.#signed;
  }

  async witnessed(): Promise<void> {
    await this.#witnesses?.settled();
  }

  /** The answer to a challenge; null while it waits for its leaf or that leaf for a signature. */
  answer(challenge: Uint8Array): AuditAnswer | null {
    const stored = this.log.findChallenge(challenge);
    const leafIndex = stored?.leafIndex ?? null;
    if (stored === null || leafIndex === null) return null;
    const checkpoint = this.log.checkpointWith(leafIndex);
    if (checkpoint === null) return null;
    const leafAt = (index: number) => ({
      leaf: this.log.leaves(index, index + 1)[0],
      inclusion: this.log.inclusionProof(index, checkpoint.size),
    });
    const audited = auditedLeaves(challenge, leafIndex).map((index) => {
      const kept = this.log.retained(index);
      const retention = kept === null ? null : retentionDigest(challenge, kept.secret, kept.digest);
      return { index, ...leafAt(index), retention };
    });
    return { challenge, proof: stored.proof, leafIndex, checkpoint, ...leafAt(leafIndex), audited };
  }

  async close(): Promise<void> {
    await this.#signed;
    await this.#witnesses?.close();
    this.log.close();
  }

  #closed(closed: ClosedSubframe | ClosedGap): void {
    const { softwareVersion, receiver } = this.#run;
    const { time } = closed;
    const common = { softwareVersion, receiver, time, challenges: [] };
    const from = closed.kind === "gap" ? closed.fromGst : closed.gst;
    const leaves: { content: LeafContent; openings?: LeafOpenings }[] = [];
    if (this.#lostFrom !== null) {
      leaves.push({
        content: { ...common, kind: "gap", fromGst: this.#lostFrom, toGst: from, reason: "lost" },
      });
    }
    if (closed.kind === "gap") {
      const { fromGst, toGst, reason } = closed;
      leaves.push({ content: { ...common, kind: "gap", fromGst, toGst, reason } });
    } else {
      const { commitments, openings } = commitTo(closed.items, randomBytes(SECRET_BYTES));
      leaves.push({ content: { ...common, kind: "subframe", gst: closed.gst, commitments }, openings });
    }
    this.#lostFrom = this.#append(leaves) ? null : (this.#lostFrom ?? from);
  }

  /** A log that takes no leaf (a full disk) must not stop what else the bytes are for. */
  #append(leaves: Parameters<StationLog["append"]>[0]): boolean {
    try {
      if (!this.#begun) {
        const begun = this.log.begin(this.#run);
        this.#begun = true;
        this.#announce(begun);
      }
      if (leaves.length > 0) this.#announce(this.log.append(leaves));
    } catch (error) {
      if (!(error instanceof OsnmadError)) throw error;
      this.#options.onFault?.(error);
      return false;
    }
    return true;
  }

  #announce(leaves: readonly AppendedLeaf[]): void {
    for (const leaf of leaves) this.#options.onLeaf?.(leaf);
    // One signature takes in all leaves that came meanwhile.
    if (this.#signing) return;
    this.#signing = true;
    this.#signed = this.#sign();
  }

  async #sign(): Promise<void> {
    try {
      await this.#confirm();
      let size = 0;
      while (size < this.log.size) {
        const checkpoint = await this.log.sign();
        size = checkpoint.size;
        this.#options.onCheckpoint?.(checkpoint);
        this.#witnesses?.announce(checkpoint);
      }
    } catch (error) {
      this.#options.onFault?.(error);
    } finally {
      this.#signing = false;
    }
  }

  /**
   * A log that was restored from a backup looks whole, and would sign a second history. So before the first signature
   * of a run the witnesses say what they hold; until enough of them did, leaves are kept and nothing is signed.
   */
  async #confirm(): Promise<void> {
    if (this.#held === null || this.#witnesses === null) return;
    const { answered, needed, silent } = await this.#witnesses.confirm();
    if (this.log.refusal === null && answered < needed) {
      this.#held = `${answered} of the ${needed} witnesses that are needed for it have shown that they hold no other history of this log (${silent.join("; ")}).`;
      throw new OsnmadError("OSN_STATION_UNCONFIRMED", this.#held);
    }
    this.#held = null;
  }
}
