/**
 * A running station: what the pipeline hears goes in, leaves come out, each checkpoint goes to the witnesses. Edge;
 * the collector does the gathering, the log the keeping.
 */
import { randomBytes } from "node:crypto";
import type { InavPage } from "../inav/page.js";
import type { TrustedTime } from "../osnma/time-gate.js";
import type { FixRecord, Mode } from "../pipeline/records.js";
import { auditedLeaves, retentionDigest } from "./audit.js";
import type { Checkpoint } from "./checkpoint.js";
import { SubframeCollector, type ClosedGap, type ClosedSubframe, type CollectorCounts } from "./collector.js";
import { receiverCommitment } from "./leaf.js";
import { commitTo } from "./openings.js";
import { StationLog, type AppendedLeaf, type RunStart, type StationLogOptions } from "./station-log.js";
import { Witnesses, type WitnessOptions, type WitnessStatus } from "./witness-client.js";

export interface StationOptions extends StationLogOptions {
  readonly softwareVersion: string;
  /** What the receiver says of itself (model, firmware, serial); only its salted digest leaves the station. */
  readonly receiver: string;
  readonly witnesses?: WitnessOptions;
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
  readonly #run: RunStart;
  #signing = false;
  #signed: Promise<void> = Promise.resolve();

  /** Opens the log and begins a run in it. Throws OSN_STATION_*, OSN_STATE_*. */
  constructor(options: StationOptions) {
    this.#options = options;
    this.log = StationLog.open(options);
    this.#run = {
      softwareVersion: options.softwareVersion,
      time: { assurance: "none", boundMs: null },
      receiver: receiverCommitment(this.log.receiverSalt, options.receiver),
    };
    this.#witnesses = options.witnesses === undefined ? null : new Witnesses(this.log, options.witnesses);
    this.#collector = new SubframeCollector((closed) => {
      this.#closed(closed);
    }, this.log.history?.nextGst ?? null);
    this.#announce(this.log.begin(this.#run));
  }

  get mode(): Mode {
    return this.log.mode;
  }

  get counts(): Readonly<CollectorCounts> {
    return this.#collector.counts;
  }

  witnessStatus(): WitnessStatus[] {
    return this.#witnesses?.status() ?? [];
  }

  /** A page as the pipeline got it. Live, `trusted` is the independent time of its arrival, and without it nothing is taken. */
  page(page: InavPage, gst: number, trusted: TrustedTime | null): void {
    const independent = trusted?.assurance === "independent" ? trusted : null;
    if (this.mode === "live" && independent === null) return;
    this.#collector.page(page, gst, independent);
  }

  /** A message of the receiver; RXM-RAWX is committed to. */
  message(messageClass: number, messageId: number, payload: Uint8Array): void {
    if (messageClass === 0x02 && messageId === 0x15) this.#collector.rawx(payload);
  }

  fix(record: FixRecord): void {
    if (record.mode === this.mode) this.#collector.fix(record);
  }

  /** Live, about once a second: closes subframes also while nothing is heard. */
  tick(trusted: TrustedTime | null): void {
    if (trusted?.assurance !== "independent") {
      this.#collector.timeLost();
      return;
    }
    const boundMs = Math.ceil(trusted.boundSeconds * 1000);
    this.#collector.advance(trusted.gst, { assurance: "independent", boundMs });
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
      const openings = this.log.openings(index);
      const retention =
        openings === null ? null : retentionDigest(challenge, openings.secret, openings.items);
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
    const common = {
      softwareVersion: this.#run.softwareVersion,
      receiver: this.#run.receiver,
      challenges: [],
    };
    const { time } = closed;
    if (closed.kind === "gap") {
      const { fromGst, toGst, reason } = closed;
      this.#announce(
        this.log.append([{ content: { ...common, kind: "gap", time, fromGst, toGst, reason } }]),
      );
      return;
    }
    const { commitments, openings } = commitTo(closed.items, randomBytes(32));
    const content = { ...common, kind: "subframe", time, gst: closed.gst, commitments } as const;
    this.#announce(this.log.append([{ content, openings }]));
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
}
