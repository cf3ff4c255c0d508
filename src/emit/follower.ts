/**
 * Follows one station by what it sends to federations, and believes none of it: signatures, history, tree, forks,
 * cosignatures and the class of every leaf. Pure; where messages come from, and where missing leaves are fetched, is
 * the caller's matter.
 *
 * A leaf is taken by its seal, and proven by a signed tree that has it. What is not proven yet gives way to a signed
 * tree; what is proven never does. Nothing is proven before the key that the follower was given is in force.
 */
import { SUBFRAME_SECONDS } from "../inav/gst.js";
import type { Mode } from "../pipeline/records.js";
import { checkpointText, parseCheckpoint, signerOf, type Checkpoint } from "../station/checkpoint.js";
import { verifyCosignature } from "../station/cosignature.js";
import { follow, stationIdOf, type History, type Violation } from "../station/history.js";
import { decodeLeaf, type Leaf } from "../station/leaf.js";
import {
  bytesEqual,
  consistencyProof,
  inclusionProof,
  leafHash,
  verifyConsistency,
} from "../station/merkle.js";
import {
  ED25519,
  formatNote,
  parseSignatureLine,
  verifierKey,
  type NoteSignature,
  type VerifierKey,
} from "../station/note.js";
import { parseOrigin } from "../station/origin.js";
import { ChallengeWatch, type AwaitedChallenge } from "./challenge-watch.js";
import {
  isSealedBy,
  keyIdOf,
  MAX_FEDERATION_ENVELOPE_BYTES,
  peelEnvelope,
  type Envelope,
} from "./envelope.js";
import { LeafTree } from "./leaf-tree.js";
import { Sightings, type LeafTiming, type SightingPolicy } from "./sightings.js";
import { lineText, type Purpose } from "./statement.js";
import type { Lie, Verdict } from "./verdict.js";

export type { LeafClass, Lie, Verdict } from "./verdict.js";

export interface FollowOptions extends SightingPolicy {
  /** Origin and key of the station, as "osnmad key export-public" prints them. */
  readonly key: VerifierKey;
  readonly challenges?: readonly AwaitedChallenge[];
  /** What is followed: what federations are sent, or with `prover` what a prover is; federation. */
  readonly purpose?: Purpose;
}

export interface Judgement {
  readonly verdicts: readonly Verdict[];
  /**
   * `new`: the follower knows more than before. `repeat`: it does not. `stranger`: by no key of the station, or by one
   * that was not in force; says nothing about the station.
   */
  readonly standing: "new" | "repeat" | "stranger";
  /** The station's signed tree has to decide, or to bring what is missing. */
  readonly isBehind: boolean;
}

/** Leaves that nobody sealed one by one, in the tree of a signed checkpoint. */
export interface Span {
  /** Index of the first of them: `size`, `proven` or 0. */
  readonly from: number;
  readonly leaves: readonly Uint8Array[];
  readonly checkpoint: Checkpoint;
  /** Consistency proof from the tree that ends with these leaves to the checkpoint's; none where that is the same. */
  readonly proof?: readonly Uint8Array[];
}

/** Leaves that were taken by one checkpoint, and the messages they were in. */
export interface CaughtUp {
  readonly span: Span;
  readonly verdicts: readonly Verdict[];
  readonly taken: ReadonlySet<Envelope>;
}

interface Placed {
  readonly leaf: Leaf;
  readonly hash: Uint8Array;
  /** With the leaf. */
  readonly history: History;
  readonly missing: readonly { fromGst: number; toGst: number; reason: MissingReason }[];
}

/** Keys by the size of the tree from which they are in force. */
type Reigns = readonly { readonly from: number; readonly key: VerifierKey }[];
type MissingReason = Extract<Verdict, { type: "missing" }>["reason"];

/** Sizes whose checkpoint, or the leaves before it, have not come yet. */
const MAX_PENDING = 256;
const MAX_LINES = 32;
/** Different lies of a station that are told; more are counted. */
const MAX_LIES_TOLD = 256;
/** A leaf that names a key that is not known yet is shorter. */
const MAX_KEY_LEAF_BYTES = 1024;

const NEW = { standing: "new", isBehind: false } as const;
const REPEAT = { verdicts: [], standing: "repeat", isBehind: false } as const;

export class Follower {
  readonly station: Uint8Array;
  readonly mode: Mode;
  readonly origin: string;
  readonly #options: FollowOptions;
  readonly #purpose: Purpose;
  readonly #tree = new LeafTree();
  readonly #sightings: Sightings;
  readonly #challenges: ChallengeWatch;
  /** After the proven leaves. */
  #base: History | null = null;
  /** Leaves that are not proven yet. */
  readonly #tail: Placed[] = [];
  #keys: Reigns = [];
  /** Of the proven leaves. */
  readonly #gst: (number | null)[] = [];
  readonly #classes: (LeafTiming | null)[] = [];
  readonly #missing = new Map<MissingReason, number>();
  /** The checkpoint whose tree has all proven leaves. */
  #provenBy: Checkpoint | null = null;
  /** The newest signed before the configured key was in force. */
  #unanchored: Checkpoint | null = null;
  #isAnchored = false;
  #isBroken = false;
  readonly #pending = new Map<number, { readonly checkpoint: Checkpoint; readonly keyId: Uint8Array }>();
  readonly #lines = new Map<number, NoteSignature[]>();
  readonly #liesTold = new Set<string>();
  #gapFrom = -1;
  #lies = 0;
  #repeats = 0;
  #strangers = 0;

  /** Throws RangeError for a key whose name is no origin of a station, and for witnesses that are not distinct. */
  constructor(options: FollowOptions) {
    const { key, witnesses, needed } = options;
    const origin = parseOrigin(key.name);
    if (origin === null) throw new RangeError(`${key.name} is no origin of a station`);
    const names = new Set(witnesses.map((witness) => witness.key.name));
    const keys = new Set(witnesses.map((witness) => Buffer.from(witness.key.publicKey).toString("hex")));
    if (names.size < witnesses.length || keys.size < witnesses.length)
      throw new RangeError("a witness with the name or key of another is not another witness");
    if (witnesses.length > 0 && needed > witnesses.length)
      throw new RangeError(`of ${witnesses.length} witnesses ${needed} cannot be needed`);
    this.station = origin.station;
    this.mode = origin.mode;
    this.origin = key.name;
    this.#options = options;
    this.#purpose = options.purpose ?? "federation";
    this.#sightings = new Sightings(options);
    this.#challenges = new ChallengeWatch(options.challenges ?? []);
  }

  /** Leaves taken. */
  get size(): number {
    return this.#tree.size;
  }

  /** Leaves in a signed tree. */
  get proven(): number {
    return this.#gst.length;
  }

  get root(): Uint8Array {
    return this.#tree.root;
  }

  rootAt(size: number): Uint8Array {
    return this.#tree.rootAt(size);
  }

  inclusionProof(index: number, size: number): Uint8Array[] {
    return inclusionProof(index, size, this.#tree.subtree);
  }

  consistencyProof(first: number, second: number): Uint8Array[] {
    return consistencyProof(first, second, this.#tree.subtree);
  }

  /** Null where enough witnesses have not seen the leaf, and of one without a subframe. */
  classOf(index: number): LeafTiming | null {
    return this.#classes[index] ?? null;
  }

  /** Counts a lie that somebody who looks deeper has found. */
  lie(what: Lie, at: number | null, detail: string): readonly Verdict[] {
    return this.#lie(what, at, detail).verdicts;
  }

  /** Whether the signed tree was shown to break the rules of history, or not to continue itself: no more can come. */
  get isBroken(): boolean {
    return this.#isBroken;
  }

  get status() {
    const missing = [...this.#missing.values()].reduce((sum, subframes) => sum + subframes, 0);
    return {
      station: Buffer.from(this.station).toString("hex"),
      mode: this.mode,
      leaves: this.size,
      proven: this.proven,
      classA: this.#classes.filter((each) => each?.class === "A").length,
      unwitnessed: this.#gst.filter((gst, index) => gst !== null && this.#classes[index] === null).length,
      /** Subframes without a leaf of their own, by the reason given. */
      missing: { subframes: missing, ...Object.fromEntries(this.#missing) },
      challenges: this.#challenges.status(),
      lies: this.#lies,
      repeats: this.#repeats,
      strangers: this.#strangers,
    };
  }

  /** What a message is worth, and all that follows from it. Repeats and strangers give nothing. */
  accept(bytes: Uint8Array): readonly Verdict[] {
    const envelope = peelEnvelope(bytes, MAX_FEDERATION_ENVELOPE_BYTES);
    if (envelope === null) {
      this.#strangers++;
      return [];
    }
    return this.judge(envelope).verdicts;
  }

  /** As `accept`, of an envelope that was opened already to see whose it is. */
  judge(envelope: Envelope): Judgement {
    const judgement = this.#judge(envelope);
    if (judgement.standing === "stranger") this.#strangers++;
    else if (judgement.standing === "repeat" && judgement.verdicts.length === 0) this.#repeats++;
    return judgement;
  }

  #judge(envelope: Envelope): Judgement {
    const { statement, purpose, mode, keyId } = envelope;
    const stranger = { verdicts: [], standing: "stranger", isBehind: false } as const;
    if (!bytesEqual(envelope.station, this.station)) return stranger;
    if (this.#isKnown(envelope)) return REPEAT;
    const at = "index" in statement ? statement.index : statement.size;
    if (!this.#isSealed(envelope)) {
      // A later key of the station's own cannot be told from a stranger's until the leaf that names it is here.
      const isAhead =
        statement.kind === "leaf" ? at >= this.size : statement.kind === "checkpoint" && at > this.size;
      return { ...stranger, isBehind: isAhead && !this.knows(keyId) };
    }
    if (purpose !== this.#purpose) return this.#lie("wrong-purpose", at, `for a ${purpose}`);
    if (mode !== this.mode) return this.#lie("wrong-mode", at, `${mode}, not ${this.mode}`);
    switch (statement.kind) {
      case "leaf": {
        const leaf = decodeLeaf(statement.leaf);
        if (leaf?.index !== at)
          return this.#lie("leaf-unreadable", at, "no leaf of that index in its one form");
        return this.#leaf(leaf, statement.leaf);
      }
      case "checkpoint": {
        const checkpoint = parseCheckpoint(statement.note);
        if (checkpoint?.origin !== this.origin || checkpoint.size !== at || checkpoint.extensions.length > 0)
          return this.#lie("leaf-unreadable", at, "no checkpoint of that size of this log");
        return this.#checkpoint(checkpoint, keyId);
      }
      case "cosignature": {
        const text = lineText(statement.line);
        const line = text === null ? null : parseSignatureLine(text);
        if (line === null) return this.#lie("leaf-unreadable", at, "no signature line");
        return this.#cosignature(at, line);
      }
      default:
        // What opens a leaf, and fixes, are for whoever is trusted with them to judge (src/proof).
        return this.#purpose === "prover"
          ? { ...NEW, verdicts: [] }
          : this.#lie("wrong-purpose", at, `${statement.kind} is not for a federation`);
    }
  }

  /**
   * Takes the next leaves among these messages by the newest signed checkpoint among them that has them: one signature
   * stands for all, where a follower has much to catch up with. What is left over is for `judge`.
   */
  catchUp(envelopes: readonly Envelope[]): CaughtUp | null {
    const next: Envelope[] = [];
    const { size } = this;
    let newest: Checkpoint | null = null;
    for (const envelope of envelopes) {
      const { statement, purpose, mode } = envelope;
      if (purpose !== this.#purpose || mode !== this.mode) continue;
      if (statement.kind === "leaf" && statement.index === size + next.length) next.push(envelope);
      if (statement.kind !== "checkpoint" || statement.size <= size) continue;
      if (statement.size > size + next.length || statement.size <= (newest?.size ?? 0)) continue;
      newest = parseCheckpoint(statement.note) ?? newest;
    }
    if (newest === null) return null;
    const taken = next.slice(0, newest.size - size);
    const leaves = taken.flatMap(({ statement }) => (statement.kind === "leaf" ? [statement.leaf] : []));
    const span = { from: size, leaves, checkpoint: newest };
    const verdicts = this.fill(span);
    return verdicts.length === 0 ? null : { span, verdicts, taken: new Set(taken) };
  }

  /**
   * Takes leaves from a signed tree: all or none, and none where they are not shown to be of it. A leaf in it that
   * breaks the rules is a lie, and a tree that does not continue the proven one a fork; leaves that were taken by their
   * seal alone give way.
   */
  fill({ from, leaves, checkpoint, proof = [] }: Span): Verdict[] {
    const { size, proven } = this;
    const end = from + leaves.length;
    if (from !== size && from !== proven && from !== 0) return [];
    if (checkpoint.origin !== this.origin || leaves.length === 0 || end > checkpoint.size) return [];
    const hashes = leaves.map(leafHash);
    const root = this.#tree.rootWith(from, hashes);
    const isOfTree =
      end === checkpoint.size
        ? bytesEqual(root, checkpoint.root)
        : verifyConsistency(end, checkpoint.size, root, checkpoint.root, proof);
    if (!isOfTree) return [];
    // From here on this is what was signed; by whom follows from the leaves.
    const placed: Placed[] = [];
    let history = from === size ? this.#history : from === proven ? this.#base : null;
    let keys: Reigns = this.#keys.filter((each) => each.from <= from);
    let violation: Violation | "leaf-unreadable" | null = null;
    for (const [at, bytes] of leaves.entries()) {
      const leaf = decodeLeaf(bytes);
      const next = leaf === null ? "leaf-unreadable" : this.#place(history, leaf, bytes, hashes[at]);
      if (typeof next === "string") {
        violation = next;
        break;
      }
      placed.push(next);
      history = next.history;
      keys = this.#keysAfter(keys, history);
    }
    const signer = this.#signerAfter(keys, checkpoint, violation === null && end === checkpoint.size);
    if (signer === null) return [];
    const sound = from + placed.length;
    const shared = Math.min(size, violation === null ? sound : sound + 1);
    let same = from;
    while (same < shared && bytesEqual(hashes[same - from], this.#tree.leaf(same))) same++;
    if (same < shared && same < proven) return this.#forks(checkpoint);
    const verdicts: Verdict[] = [];
    if (same < shared) {
      this.#cut(same);
      if (this.#isAnchored)
        verdicts.push(...this.#lie("index-reused", same, "sealed, but not in the tree").verdicts);
    }
    for (const each of placed.slice(Math.max(0, this.size - from))) verdicts.push(this.#append(each));
    if (sound > this.proven) verdicts.push(...this.#settle(sound, checkpoint, signer));
    if (violation !== null) {
      this.#isBroken = true;
      verdicts.push(
        ...this.#lie(violation, sound, "signed, but it does not follow from the leaves before").verdicts,
      );
    }
    return [...verdicts, ...this.#settlePending()];
  }

  /** Takes a checkpoint as the station's address gives it, as far as the leaves are here. */
  compare(checkpoint: Checkpoint): Verdict[] {
    const { size, root } = checkpoint;
    const signer = checkpoint.origin === this.origin && size <= this.size ? this.#signerOf(checkpoint) : null;
    if (signer === null) return [];
    if (bytesEqual(root, this.#tree.rootAt(size))) {
      return size > this.proven ? this.#settle(size, checkpoint, signer) : [];
    }
    return size <= this.proven ? this.#forks(checkpoint) : [];
  }

  /**
   * Shows a fork by two checkpoints: `root` is that of the first `proven` leaves in the tree of this one, as the
   * consistency proof shows, and is not ours.
   */
  compareRoots(checkpoint: Checkpoint, root: Uint8Array, proof: readonly Uint8Array[]): Verdict[] {
    const { proven } = this;
    if (proven === 0 || !this.isSigner(checkpoint) || bytesEqual(root, this.#tree.rootAt(proven))) return [];
    if (!verifyConsistency(proven, checkpoint.size, root, checkpoint.root, proof)) return [];
    return this.#forks(checkpoint);
  }

  /** Whether a key that may be in force at that size signed it, as far as is known here. */
  isSigner(checkpoint: Checkpoint): boolean {
    return checkpoint.origin === this.origin && signerOf(checkpoint, this.#keysFor(checkpoint.size)) !== null;
  }

  /** Whether a key is or was the station's, or is the one that the follower was given. */
  knows(keyId: Uint8Array): boolean {
    return [this.#options.key, ...this.#keys.map(({ key }) => key)].some(({ publicKey }) =>
      bytesEqual(keyIdOf(publicKey), keyId),
    );
  }

  /**
   * The first proven leaf from `from` on that another cosignature could better: not yet witnessed in time for all its
   * tags. Null where there is none, or nobody's cosignatures count.
   */
  firstUnwitnessed(from: number): number | null {
    if (this.#options.witnesses.length === 0) return null;
    for (let index = from; index < this.proven; index++) {
      const timing = this.#classes[index];
      if (this.#gst[index] !== null && (timing?.class !== "A" || !timing.fast)) return index;
    }
    return null;
  }

  /**
   * Takes a line of a known witness over the proven tree of a size, from whoever has it. Null where that witness did not
   * sign that tree: whose lie it is cannot be told.
   */
  cosigned(size: number, line: NoteSignature): readonly Verdict[] | null {
    const witness = this.#witnessOf(line);
    if (witness < 0 || size > this.proven) return [];
    return this.#stamp(witness, size, line);
  }

  get #history(): History | null {
    return this.#tail.at(-1)?.history ?? this.#base;
  }

  /** What is proven needs no signature again: a leaf in the signed tree, and a root that this tree had. */
  #isKnown({ statement, purpose, mode }: Envelope): boolean {
    if (purpose !== this.#purpose || mode !== this.mode) return false;
    if (statement.kind === "leaf") {
      const { index, leaf } = statement;
      return index < this.proven && bytesEqual(leafHash(leaf), this.#tree.leaf(index));
    }
    if (statement.kind !== "checkpoint" || statement.size > this.proven) return false;
    const checkpoint = parseCheckpoint(statement.note);
    if (checkpoint?.origin !== this.origin || checkpoint.size !== statement.size) return false;
    return bytesEqual(checkpoint.root, this.#tree.rootAt(checkpoint.size));
  }

  /** Keys that may have signed what is of an index or size: the one in force there, and later ones. */
  #keysFor(at: number): VerifierKey[] {
    const known = this.#keys.filter((_, i) => at < (this.#keys.at(i + 1)?.from ?? Number.POSITIVE_INFINITY));
    const keys = known.map((each) => each.key);
    const { key } = this.#options;
    // The given key may be one that comes later; where it was seen to be retired it is like any other.
    const isSeen = this.#keys.some((each) => bytesEqual(each.key.publicKey, key.publicKey));
    return isSeen ? keys : [...keys, key];
  }

  #isSealed(envelope: Envelope): boolean {
    const { statement, keyId } = envelope;
    const at = "index" in statement ? statement.index : statement.size;
    const known = this.#keysFor(at).find(({ publicKey }) => bytesEqual(keyIdOf(publicKey), keyId));
    if (known !== undefined) return isSealedBy(envelope, known.publicKey);
    if (statement.kind !== "leaf" || at !== this.size || this.knows(keyId)) return false;
    // A first leaf names the key whose hash the station is; a rotation the key that the one in force signs for.
    if (statement.leaf.length > MAX_KEY_LEAF_BYTES) return false;
    const leaf = decodeLeaf(statement.leaf);
    if (leaf?.kind === "start" && leaf.first && bytesEqual(stationIdOf(leaf.publicKey), this.station))
      return isSealedBy(envelope, leaf.publicKey);
    if (leaf?.kind !== "rotation" || !isSealedBy(envelope, leaf.newKey)) return false;
    return typeof follow(this.#history, leaf, statement.leaf) !== "string";
  }

  #leaf(leaf: Leaf, bytes: Uint8Array): Judgement {
    const { size } = this;
    const { index } = leaf;
    const hash = leafHash(bytes);
    if (index > size) return { verdicts: this.#gap(index), standing: "repeat", isBehind: true };
    const isUnproven = this.#tail.length > 0;
    if (index < size) {
      if (bytesEqual(hash, this.#tree.leaf(index))) return REPEAT;
      const lie = this.#lie("index-reused", index, "two leaves for one index");
      return { ...lie, isBehind: index >= this.proven };
    }
    const placed = this.#place(this.#history, leaf, bytes, hash);
    if (typeof placed === "string") {
      const lie = this.#lie(placed, index, "the leaf does not follow from those before");
      return { ...lie, isBehind: isUnproven };
    }
    return { ...NEW, verdicts: [this.#append(placed), ...this.#settlePending()] };
  }

  /** The leaf behind a history, or what is wrong with it. */
  #place(history: History | null, leaf: Leaf, bytes: Uint8Array, hash: Uint8Array): Placed | Violation {
    if (!bytesEqual(leaf.station, this.station)) return "other-station";
    if (leaf.mode !== this.mode) return "other-mode";
    const next = follow(history, leaf, bytes);
    if (typeof next === "string") return next;
    const missing: { fromGst: number; toGst: number; reason: MissingReason }[] = [];
    const expected = history?.nextGst ?? null;
    const begins = leaf.kind === "subframe" ? leaf.gst : leaf.kind === "gap" ? leaf.fromGst : null;
    if (expected !== null && begins !== null && begins > expected)
      missing.push({ fromGst: expected, toGst: begins, reason: "restart" });
    if (leaf.kind === "gap") missing.push({ fromGst: leaf.fromGst, toGst: leaf.toGst, reason: leaf.reason });
    return { leaf, hash, history: next, missing };
  }

  #append(placed: Placed): Verdict {
    const { leaf, history, hash } = placed;
    this.#keys = this.#keysAfter(this.#keys, history);
    this.#tail.push(placed);
    this.#tree.append(hash);
    return {
      type: "leaf",
      index: leaf.index,
      kind: leaf.kind,
      gst: leaf.kind === "subframe" ? leaf.gst : null,
    };
  }

  #keysAfter(keys: Reigns, { publicKey, size }: History): Reigns {
    const last = keys.at(-1);
    if (last !== undefined && bytesEqual(last.key.publicKey, publicKey)) return keys;
    return [...keys, { from: size, key: verifierKey(this.origin, ED25519, publicKey) }];
  }

  /** Forgets leaves that are not proven. */
  #cut(size: number): void {
    this.#tail.length = size - this.proven;
    this.#tree.cut(size);
    this.#keys = this.#keys.filter(({ from }) => from <= size);
  }

  /** The key in force at the checkpoint's size, where it signed it. */
  #signerOf(checkpoint: Checkpoint): VerifierKey | null {
    const inForce = this.#keys.filter(({ from }) => from <= checkpoint.size).at(-1);
    return inForce === undefined ? null : signerOf(checkpoint, [inForce.key]);
  }

  /** Who signed a tree of which leaves up to the last of these keys are here; at its end only the key in force may. */
  #signerAfter(keys: Reigns, checkpoint: Checkpoint, isEnd: boolean): VerifierKey | null {
    const { key } = this.#options;
    const candidates = keys.slice(-1).map((each) => each.key);
    if (!isEnd && !keys.some((each) => bytesEqual(each.key.publicKey, key.publicKey))) candidates.push(key);
    return signerOf(checkpoint, candidates);
  }

  #checkpoint(checkpoint: Checkpoint, keyId: Uint8Array): Judgement {
    const { size, root } = checkpoint;
    if (size > this.size) {
      const known = this.#pending.get(size)?.checkpoint;
      if (known !== undefined && bytesEqual(known.root, root)) return { ...REPEAT, isBehind: true };
      if (known !== undefined && this.isSigner(known) && this.isSigner(checkpoint))
        return this.#lie("fork", size, "two roots for one size", [known, checkpoint]);
      hold(this.#pending, size, { checkpoint, keyId }, MAX_PENDING);
      return { verdicts: this.#gap(size), standing: "new", isBehind: true };
    }
    const signer = this.#signerOf(checkpoint);
    if (signer === null)
      return this.#lie("checkpoint-signature", size, "not by the key in force at that size");
    if (!bytesEqual(root, this.#tree.rootAt(size))) {
      const isProven = size <= this.proven;
      const known = isProven && this.#provenBy !== null ? [this.#provenBy, checkpoint] : [checkpoint];
      return { ...this.#lie("fork", size, "another tree of this size", known), isBehind: !isProven };
    }
    return size > this.proven ? { ...NEW, verdicts: this.#settle(size, checkpoint, signer) } : REPEAT;
  }

  /** A signed tree is shown to have our first `size` leaves. */
  #settle(size: number, checkpoint: Checkpoint, signer: VerifierKey): Verdict[] {
    const { publicKey } = this.#options.key;
    const inForce = this.#keys.some(({ from, key }) => from <= size && bytesEqual(key.publicKey, publicKey));
    if (!this.#isAnchored && !inForce && !bytesEqual(signer.publicKey, publicKey)) {
      // By a key that was retired before the one we were given: anybody may have it by now.
      this.#unanchored = checkpoint;
      return [];
    }
    const before = this.#isAnchored ? null : this.#unanchored;
    this.#isAnchored = true;
    this.#unanchored = null;
    const isFork =
      before !== null && before.size <= size && !bytesEqual(before.root, this.#tree.rootAt(before.size));
    return [
      ...this.#prove(size, checkpoint),
      ...(isFork
        ? this.#lie("fork", before.size, "another tree by a retired key", [before, checkpoint]).verdicts
        : []),
    ];
  }

  #prove(size: number, checkpoint: Checkpoint): Verdict[] {
    const leaves = size - this.proven;
    const proven = this.#tail.splice(0, leaves);
    this.#base = proven.at(-1)?.history ?? this.#base;
    this.#provenBy = checkpoint;
    const root = Buffer.from(this.#tree.rootAt(size)).toString("hex");
    const verdicts: Verdict[] = [{ type: "checkpoint", size, root, leaves }];
    for (const { leaf, missing } of proven) {
      this.#gst.push(leaf.kind === "subframe" ? leaf.gst : null);
      this.#classes.push(null);
      for (const each of missing) {
        const subframes = (each.toGst - each.fromGst) / SUBFRAME_SECONDS;
        this.#missing.set(each.reason, (this.#missing.get(each.reason) ?? 0) + subframes);
        verdicts.push({ type: "missing", index: leaf.index, ...each });
      }
      verdicts.push(...this.#challenges.leaf(leaf));
    }
    const waiting = [...this.#lines].filter(([at]) => at <= size).sort(([a], [b]) => a - b);
    for (const [at, lines] of waiting) {
      this.#lines.delete(at);
      for (const line of lines) verdicts.push(...this.#cosignature(at, line).verdicts);
    }
    return verdicts;
  }

  #witnessOf(line: NoteSignature): number {
    return this.#options.witnesses.findIndex(({ key }) => key.name === line.name && key.keyId === line.keyId);
  }

  #cosignature(size: number, line: NoteSignature): Judgement {
    const index = this.#witnessOf(line);
    // Of other witnesses a federation has no opinion.
    if (index < 0) return REPEAT;
    if (size > this.proven) {
      const lines = this.#lines.get(size) ?? [];
      const isHeld = lines.some(({ signature }) => bytesEqual(signature, line.signature));
      if (isHeld || lines.length >= MAX_LINES) return REPEAT;
      hold(this.#lines, size, [...lines, line], MAX_PENDING + Math.max(0, this.#tail.length));
      return { ...NEW, verdicts: [] };
    }
    const verdicts = this.#stamp(index, size, line);
    if (verdicts === null) return this.#lie("cosignature", size, `${line.name} did not sign that`);
    return verdicts.length === 0 ? REPEAT : { ...NEW, verdicts };
  }

  /** What a line says of proven leaves that was not known; null where the witness did not sign their tree. */
  #stamp(index: number, size: number, line: NoteSignature): readonly Verdict[] | null {
    // The witness's own signature is over size and root: what the station signed at that size does not matter.
    const root = this.#tree.rootAt(size);
    const stamp = verifyCosignature(
      checkpointText({ origin: this.origin, size, root, extensions: [] }),
      line,
      this.#options.witnesses[index].key,
    );
    if (stamp === null) return null;
    const first = this.#sightings.add(index, size, stamp.timestamp);
    if (first === size) return [];
    const { witness, timestamp } = stamp;
    return [{ type: "cosignature", size, witness, timestamp }, ...this.#classify(first, size)];
  }

  #classify(from: number, to: number): Verdict[] {
    const verdicts: Verdict[] = [];
    for (let index = from; index < to; index++) {
      const gst = this.#gst[index];
      const timing = gst === null ? null : this.#sightings.of(index, gst);
      if (gst === null || timing === null) continue;
      const told = this.#classes[index];
      this.#classes[index] = timing;
      if (told?.class === timing.class && told.fast === timing.fast) continue;
      verdicts.push({ type: "class", index, gst, ...timing });
    }
    return verdicts;
  }

  /** Checkpoints that waited for leaves. */
  #settlePending(): Verdict[] {
    const verdicts: Verdict[] = [];
    for (const [size, { checkpoint, keyId }] of this.#pending) {
      if (size > this.size) continue;
      this.#pending.delete(size);
      // Sealed by a key that the leaves in between retired: not the station's word any more.
      const isOurs = this.#keysFor(size).some(({ publicKey }) => bytesEqual(keyIdOf(publicKey), keyId));
      if (isOurs) verdicts.push(...this.#checkpoint(checkpoint, keyId).verdicts);
      else this.#strangers++;
    }
    return verdicts;
  }

  /** Told once for each leaf that is waited for. */
  #gap(to: number): Verdict[] {
    if (this.#gapFrom === this.size) return [];
    this.#gapFrom = this.size;
    return [{ type: "gap", from: this.size, to }];
  }

  #forks(checkpoint: Checkpoint): Verdict[] {
    this.#isBroken = true;
    const detail = "the signed tree does not continue the one that was signed before";
    const known = this.#provenBy === null ? [] : [this.#provenBy];
    return [...this.#lie("fork", this.proven, detail, [...known, checkpoint]).verdicts];
  }

  /** Each once; who says the same again, or lies without end, is only counted. */
  #lie(what: Lie, at: number | null, detail: string, checkpoints: readonly Checkpoint[] = []): Judgement {
    const name = `${what} ${at} ${detail}`;
    if (this.#liesTold.has(name)) return REPEAT;
    this.#lies++;
    if (this.#liesTold.size >= MAX_LIES_TOLD) return { ...REPEAT, isBehind: false };
    this.#liesTold.add(name);
    const notes = checkpoints.map(({ note }) => formatNote(note));
    const verdict: Verdict = { type: "lie", what, at, detail, ...(notes.length > 0 ? { notes } : {}) };
    return { ...NEW, verdicts: [verdict] };
  }
}

/** Puts an entry in, and lets the oldest go. */
function hold<V>(map: Map<number, V>, key: number, value: V, most: number): void {
  map.set(key, value);
  if (map.size > most) map.delete(map.keys().next().value!);
}
