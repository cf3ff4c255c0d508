/**
 * Follows a station as a prover does, who is sent what opens its leaves and its fixes with their evidence, and gives
 * each fix its class: the proof package of each is made from what was sent, and judged as anybody's. Pure; where messages
 * come from is the caller's matter.
 */
import { openEnvelope, type Envelope } from "../emit/envelope.js";
import { Follower, type FollowOptions, type Verdict } from "../emit/follower.js";
import { lineText, type FixStatement, type OpeningsStatement } from "../emit/statement.js";
import { OsnmadError } from "../errors.js";
import type { ObjectId } from "../evidence/objects.js";
import type { VerifyOptions } from "../evidence/verify.js";
import type { FixRecord, Mode } from "../pipeline/records.js";
import { parseCheckpoint, type Checkpoint } from "../station/checkpoint.js";
import { verifyCosignature } from "../station/cosignature.js";
import { parseSignatureLine, type NoteSignature } from "../station/note.js";
import { fixSlot } from "../station/fix-item.js";
import { decodeLeaf, rootIn } from "../station/leaf.js";
import { bytesEqual } from "../station/merkle.js";
import { CATEGORIES, SECRET_BYTES } from "../station/commitment.js";
import { commitTo, decodeItems, type LeafOpenings } from "../station/openings.js";
import type { TimingClass } from "../station/timing.js";
import { makeProof, type ProvableFix } from "./make.js";
import { MAX_SIGHTINGS, proofText } from "./package.js";
import type { ProofSource } from "./source.js";
import { verifyProof } from "./verify-proof.js";

/** Leaves after its own in which the keys are that fast tags over the data of a fix wait for. */
const FAST_AFTER = 3;
/** Slow keys of a leaf come 11 subframes later; the leaf that has them is signed with the next. */
const FINAL_AFTER = 13;
/** More than the maker of a proof looks back, and a fix waits: some four hours. */
const KEPT_LEAVES = 512;
const MAX_LINES = 32;
/** Fixes that wait, with their evidence; beyond, the oldest is judged by what there is. */
const MAX_WAITING_BYTES = 1 << 28;

export interface FixVerdict {
  readonly type: "fix";
  /** Leaf that commits to it, and the slot in it. */
  readonly index: number;
  readonly slot: number;
  readonly gst: number | null;
  readonly assurance: string | null;
  readonly genuine: boolean;
  /** Null where it is not genuine. */
  readonly class: TimingClass | null;
  /** Of the class, or what keeps the fix from being genuine. */
  readonly reason: string;
  /** False while a later tag over the same data may still give a better class: then it is told again. */
  readonly final: boolean;
}

export type ProverVerdict = Verdict | FixVerdict;

export interface FixFollowerOptions extends Omit<FollowOptions, "purpose"> {
  /** Merkle roots and minimum of tag bits. */
  readonly evidence: VerifyOptions;
}

interface Kept {
  readonly bytes: Uint8Array;
  readonly gst: number | null;
  openings: LeafOpenings | null;
}

interface Waiting {
  readonly statement: FixStatement;
  /** Told already, by this class. */
  told: TimingClass | null;
  /** It was looked at again when the fast keys of its own and the next subframe were out. */
  again: boolean;
}

export class FixFollower {
  readonly follower: Follower;
  readonly #options: FixFollowerOptions;
  readonly #leaves = new Map<number, Kept>();
  readonly #checkpoints = new Map<number, Checkpoint>();
  readonly #lines = new Map<number, NoteSignature[]>();
  /** What was found of them: each fix looks at the same two dozen, and a signature takes 0.2 ms. */
  readonly #signed = new WeakSet<Checkpoint>();
  readonly #cosigned = new WeakMap<Checkpoint, Map<NoteSignature, boolean>>();
  #first: Uint8Array | null = null;
  readonly #rotations: Uint8Array[] = [];
  readonly #waiting = new Map<string, Waiting>();
  #waitingBytes = 0;
  readonly #done = new Set<string>();
  readonly #counts = { A: 0, B: 0, C: 0, notGenuine: 0, unverified: 0 };

  constructor(options: FixFollowerOptions) {
    this.#options = options;
    this.follower = new Follower({ ...options, purpose: "prover" });
  }

  get status() {
    return { ...this.follower.status, fixes: { ...this.#counts, waiting: this.#waiting.size } };
  }

  /** What a message is worth, and all that follows from it. */
  accept(bytes: Uint8Array): ProverVerdict[] {
    const envelope = openEnvelope(bytes);
    // By nobody whom a prover could hold to it.
    if (envelope === null) return [];
    const { verdicts: told, standing } = this.follower.judge(envelope);
    if (standing === "stranger") return [];
    return [...told, ...this.#take(envelope, told), ...this.#judge(told), ...this.#makeRoom()];
  }

  /** Leaves that nobody sent any more, from the station's tiles. */
  fill(leaves: readonly Uint8Array[], checkpoint: Checkpoint): ProverVerdict[] {
    const { size } = this.follower;
    const told = this.follower.fill({ from: size, leaves, checkpoint });
    this.#checkpoints.set(checkpoint.size, checkpoint);
    if (this.follower.size > size) for (const [at, bytes] of leaves.entries()) this.#keep(size + at, bytes);
    return [...told, ...this.#judge(told)];
  }

  /** Judges what still waits by what there is. */
  end(): ProverVerdict[] {
    return [...this.#waiting].flatMap(([key, waiting]) => this.#tell(key, waiting, true));
  }

  #take({ statement }: Envelope, told: readonly Verdict[]): readonly Verdict[] {
    if (told.some(({ type }) => type === "lie")) return [];
    switch (statement.kind) {
      case "leaf":
        if (told.some(({ type }) => type === "leaf")) this.#keep(statement.index, statement.leaf);
        return [];
      case "openings":
        return this.#open(statement);
      case "fix": {
        const key = `${statement.index} ${statement.slot}`;
        if (this.#done.has(key) || this.#waiting.has(key)) return [];
        this.#waiting.set(key, { statement, told: null, again: false });
        this.#waitingBytes += bytesIn(statement);
        return [];
      }
      case "checkpoint": {
        const checkpoint = parseCheckpoint(statement.note);
        if (checkpoint !== null && !this.#checkpoints.has(checkpoint.size))
          this.#checkpoints.set(checkpoint.size, checkpoint);
        return [];
      }
      case "cosignature": {
        const line = parseSignatureLine(lineText(statement.line) ?? "");
        const lines = this.#lines.get(statement.size) ?? [];
        if (line !== null && lines.length < MAX_LINES) this.#lines.set(statement.size, [...lines, line]);
        return [];
      }
    }
  }

  /** Signed checkpoints that have a leaf, from the smallest, each with what known witnesses signed on it. */
  #checkpointsWith(index: number): Checkpoint[] {
    const { follower } = this;
    const found: Checkpoint[] = [];
    for (let size = index + 1; size <= follower.proven && found.length < MAX_SIGHTINGS; size++) {
      const bare = this.#checkpoints.get(size);
      if (bare === undefined || !bytesEqual(bare.root, follower.rootAt(size)) || !this.#isSigned(bare))
        continue;
      const good = (this.#lines.get(size) ?? []).filter((line) => this.#isCosignature(bare, line));
      const note = { ...bare.note, signatures: [...bare.note.signatures, ...good] };
      found.push({ ...bare, note });
    }
    return found;
  }

  #isSigned(checkpoint: Checkpoint): boolean {
    // Only the good ones: a key that is not the station's yet may become it by a rotation.
    if (!this.#signed.has(checkpoint) && this.follower.isSigner(checkpoint)) this.#signed.add(checkpoint);
    return this.#signed.has(checkpoint);
  }

  #isCosignature(checkpoint: Checkpoint, line: NoteSignature): boolean {
    let known = this.#cosigned.get(checkpoint);
    if (known === undefined) this.#cosigned.set(checkpoint, (known = new Map()));
    let holds = known.get(line);
    if (holds === undefined) {
      const { text } = checkpoint.note;
      holds = this.#options.witnesses.some(({ key }) => verifyCosignature(text, line, key) !== null);
      known.set(line, holds);
    }
    return holds;
  }

  #keep(index: number, bytes: Uint8Array): void {
    const leaf = decodeLeaf(bytes);
    if (leaf === null) return;
    if (index === 0) this.#first = bytes;
    if (leaf.kind === "rotation") this.#rotations.push(bytes);
    const gst = leaf.kind === "subframe" ? leaf.gst : leaf.kind === "gap" ? leaf.fromGst : null;
    this.#leaves.set(index, { bytes, gst, openings: null });
    const oldest = index - KEPT_LEAVES;
    for (const kept of [this.#leaves, this.#checkpoints, this.#lines]) kept.delete(oldest);
    for (const key of this.#done) if (Number(key.split(" ")[0]) < oldest) this.#done.delete(key);
  }

  /** What opens a leaf has to open it wholly: the station signed both. */
  #open({ index, secret, items }: OpeningsStatement): readonly Verdict[] {
    const kept = this.#leaves.get(index);
    const leaf = kept === undefined ? null : decodeLeaf(kept.bytes);
    if (kept === undefined || leaf?.kind !== "subframe" || kept.openings !== null) return [];
    const decoded = secret.length === SECRET_BYTES ? decodeItems(items) : null;
    let isWhole = false;
    try {
      const roots = decoded === null ? null : commitTo(decoded, secret).commitments[0].roots;
      isWhole =
        roots !== null && CATEGORIES.every((category, at) => bytesEqual(roots[at], rootIn(leaf, category)!));
    } catch {
      // An item in a slot that the category has not, or one that is too long.
    }
    if (!isWhole) {
      return this.follower.lie("openings", index, "what opens the leaf does not lead to its commitments");
    }
    kept.openings = { secret, items };
    return [];
  }

  /** Fixes whose time has come: their leaf was witnessed, or is so old that nothing more will come. */
  #judge(told: readonly Verdict[]): FixVerdict[] {
    if (!told.some(({ type }) => type === "class" || type === "checkpoint")) return [];
    const verdicts: FixVerdict[] = [];
    for (const [key, waiting] of this.#waiting) {
      const { index } = waiting.statement;
      const isFinal =
        this.follower.proven >= index + FINAL_AFTER &&
        this.follower.classOf(index + FINAL_AFTER - 2) !== null;
      // Where no witness comes at all, nothing is waited for beyond that.
      const isGivenUp = this.follower.proven >= index + 2 * FINAL_AFTER;
      const isFirst = waiting.told === null && this.follower.classOf(index) !== null;
      // Fast tags count from the fix's own subframe on, and their keys come after it.
      const isAgain =
        !waiting.again && waiting.told === "C" && this.follower.classOf(index + FAST_AFTER) !== null;
      if (isAgain) waiting.again = true;
      if (isFirst || isAgain || isFinal || isGivenUp)
        verdicts.push(...this.#tell(key, waiting, isFinal || isGivenUp));
    }
    return verdicts;
  }

  #makeRoom(): FixVerdict[] {
    const verdicts: FixVerdict[] = [];
    for (const [key, waiting] of this.#waiting) {
      if (this.#waitingBytes <= MAX_WAITING_BYTES) break;
      verdicts.push(...this.#tell(key, waiting, true));
    }
    return verdicts;
  }

  #settle(key: string, { statement }: Waiting): void {
    this.#waiting.delete(key);
    this.#waitingBytes -= bytesIn(statement);
    this.#done.add(key);
  }

  #tell(key: string, waiting: Waiting, final: boolean): FixVerdict[] {
    const verdict = this.#verdictOn(waiting.statement, final);
    // It claims nothing, so there is nothing to say of it.
    if (verdict.assurance === "unverified") {
      this.#settle(key, waiting);
      this.#counts.unverified++;
      return [];
    }
    const isBest = verdict.class === "A" || !verdict.genuine;
    if (!final && !isBest) {
      if (waiting.told === verdict.class) return [];
      waiting.told = verdict.class;
      return [verdict];
    }
    this.#settle(key, waiting);
    this.#counts[verdict.class ?? "notGenuine"]++;
    return [{ ...verdict, final: true }];
  }

  #verdictOn({ index, slot, record, evidence }: FixStatement, final: boolean): FixVerdict {
    const none = { type: "fix", index, slot, final, genuine: false, class: null } as const;
    let fix: ProvableFix;
    try {
      fix = fixOf(record, evidence);
    } catch {
      return { ...none, gst: null, assurance: null, reason: "the record or its evidence cannot be read" };
    }
    const { gst, assurance } = fix.record;
    let text: string;
    try {
      text = proofText(makeProof(fix, this.#source()));
    } catch (error) {
      const reason = error instanceof OsnmadError ? error.message : "the record is none";
      return { ...none, gst, assurance, reason };
    }
    const { evidence: trusted, witnesses, needed, marginSeconds, leapSeconds } = this.#options;
    const { station } = this.follower;
    const times = { witnesses, needed, marginSeconds, leapSeconds, station };
    const { genuine, timing, lines, committed } = verifyProof(text, {
      locateDamage: false,
      ...trusted,
      ...times,
    });
    const failed = lines.find(({ ok }) => !ok);
    if (!genuine || timing === null || committed?.index !== index) {
      const reason =
        failed === undefined ? `it is in leaf ${committed?.index}` : `${failed.check}: ${failed.detail}`;
      return { ...none, gst, assurance, reason };
    }
    // Who told a fix again in other slots of its leaf would have as many.
    const is = fixSlot(fix.record, committed.gst);
    if (is !== slot) return { ...none, gst, assurance, reason: `it is in slot ${is}` };
    return { ...none, gst, assurance, genuine, class: timing.class, reason: timing.reason };
  }

  #source(): ProofSource {
    const { follower } = this;
    const nothing = new Uint8Array(0);
    return {
      station: follower.station,
      mode: follower.mode,
      size: follower.proven,
      leaf: (index) => this.#leaves.get(index)?.bytes ?? nothing,
      openings: (index) => this.#leaves.get(index)?.openings ?? null,
      firstLeafSince: (gst) => {
        const found = [...this.#leaves].find(([, leaf]) => leaf.gst !== null && leaf.gst >= gst);
        return Math.min(found?.[0] ?? follower.proven, follower.proven);
      },
      inclusionProof: (index, size) => follower.inclusionProof(index, size),
      consistencyProof: (first, second) => follower.consistencyProof(first, second),
      checkpointsWith: (index) => this.#checkpointsWith(index),
      keyLeaves: () => ({ first: this.#first ?? nothing, rotations: this.#rotations }),
    };
  }
}

function bytesIn({ record, evidence }: FixStatement): number {
  return record.length + (evidence?.length ?? 0);
}

/** Throws for what is no JSON. What the parts are worth is judged later. */
function fixOf(record: Uint8Array, evidence: Uint8Array | null): ProvableFix {
  const text = (bytes: Uint8Array): string => new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  const parsed = JSON.parse(text(record)) as FixRecord;
  if (typeof parsed !== "object" || (parsed as unknown) === null) throw new TypeError("no record");
  if (evidence === null) return { record: parsed, evidence: null };
  const bundle = JSON.parse(text(evidence)) as {
    mode: Mode;
    root: ObjectId;
    objects: Record<ObjectId, unknown>;
  };
  return { record: parsed, evidence: { ...bundle, objects: Object.entries(bundle.objects) } };
}
