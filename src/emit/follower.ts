/**
 * Follows one station by what it sends to federations, and believes none of it: signatures, history, tree, forks,
 * cosignatures and the class of every leaf. Pure; where messages come from, and where missing leaves are fetched, is
 * the caller's matter.
 */
import { SUBFRAME_SECONDS } from "../inav/gst.js";
import type { Mode } from "../pipeline/records.js";
import { signerOf, type Checkpoint } from "../station/checkpoint.js";
import { verifyCosignature } from "../station/cosignature.js";
import { follow, stationIdOf, type History, type Violation } from "../station/history.js";
import { decodeLeaf, type Leaf } from "../station/leaf.js";
import { bytesEqual, leafHash, rootOf, storeLeaf, type SubtreeHash } from "../station/merkle.js";
import {
  ED25519,
  parseSignatureLine,
  verifierKey,
  type NoteSignature,
  type VerifierKey,
} from "../station/note.js";
import { disclosureGst, witnessedGst, type TimedWitness, type TimingPolicy } from "../station/timing.js";
import { isSealedBy, keyIdOf, openEnvelope, type OpenedEnvelope } from "./envelope.js";
import { parseOrigin } from "../station/origin.js";
import { lineText } from "./statement.js";

export interface FollowOptions {
  /** Origin and key of the station, as "osnmad key export-public" prints them. */
  readonly key: VerifierKey;
  readonly witnesses: readonly TimedWitness[];
  /** How many witnesses must have seen a leaf in time. */
  readonly needed: number;
  readonly marginSeconds: number;
  readonly leapSeconds: number;
  /** See `TimingPolicy`; 0 is always safe. */
  readonly keyOffsetSeconds: number;
}

export type LeafClass = "A" | "C";

export type Lie =
  | Violation
  | "index-reused"
  | "fork"
  | "wrong-mode"
  | "wrong-purpose"
  | "signature"
  | "checkpoint-signature"
  | "leaf-unreadable"
  | "cosignature";

export type Verdict =
  | {
      readonly type: "leaf";
      readonly index: number;
      readonly kind: Leaf["kind"];
      readonly gst: number | null;
    }
  /** All leaves before `size` are in the signed tree. */
  | {
      readonly type: "checkpoint";
      readonly size: number;
      readonly root: string;
      readonly leaves: number;
    }
  | {
      readonly type: "cosignature";
      readonly size: number;
      readonly witness: string;
      readonly timestamp: number;
    }
  | {
      readonly type: "class";
      readonly index: number;
      readonly gst: number;
      /** A: in time for ADKD 12 tags. C: not. */
      readonly class: LeafClass;
      /** Whether also ADKD 0 and 4 tags of the leaf were still secret (class B). */
      readonly fast: boolean;
      /** Seconds from *witnessed* to the ADKD 12 key. */
      readonly slackSeconds: number;
    }
  /** Leaves are missing from `from` up to, not including, `to`. */
  | { readonly type: "gap"; readonly from: number; readonly to: number }
  | {
      readonly type: "lie";
      readonly what: Lie;
      readonly at: number | null;
      readonly detail: string;
    };

/** Leaves that were taken by one checkpoint, and the messages they were in. */
export interface CaughtUp {
  readonly verdicts: Verdict[];
  readonly leaves: readonly Uint8Array[];
  readonly checkpoint: Checkpoint;
  readonly taken: ReadonlySet<OpenedEnvelope>;
}

/** Sizes whose checkpoint, or the leaves before it, have not come yet. */
const MAX_PENDING = 256;
const MAX_LINES = 32;
/** Checkpoints kept for cosignatures that come late. */
const MAX_CHECKPOINTS = 4096;

export class Follower {
  readonly station: Uint8Array;
  readonly mode: Mode;
  readonly #options: FollowOptions;
  readonly #policy: TimingPolicy;
  readonly #tree = new Tree();
  #history: History | null = null;
  /** Keys by the size of the tree from which they are in force. */
  readonly #keys: { readonly from: number; readonly key: VerifierKey }[] = [];
  readonly #gst: (number | null)[] = [];
  readonly #classes: (LeafClass | null)[] = [];
  readonly #fast: boolean[] = [];
  readonly #checkpoints = new Map<number, Checkpoint>();
  readonly #pending = new Map<number, Checkpoint>();
  readonly #lines = new Map<number, NoteSignature[]>();
  #proven = 0;
  #lies = 0;
  #repeats = 0;

  /** Throws RangeError for a key whose name is no origin of a station. */
  constructor(options: FollowOptions) {
    const { key, witnesses, needed, marginSeconds, leapSeconds, keyOffsetSeconds } = options;
    const origin = parseOrigin(key.name);
    if (origin === null) throw new RangeError(`${key.name} is no origin of a station`);
    this.station = origin.station;
    this.mode = origin.mode;
    this.#options = options;
    const times = {
      witnesses,
      needed,
      marginSeconds,
      leapSeconds,
      keyOffsetSeconds,
    };
    this.#policy = {
      ...times,
      station: origin.station,
      origin: key.name,
      mode: origin.mode,
    };
  }

  /** Leaves taken. */
  get size(): number {
    return this.#history?.size ?? 0;
  }

  get status() {
    return {
      station: Buffer.from(this.station).toString("hex"),
      mode: this.mode,
      leaves: this.size,
      proven: this.#proven,
      classA: this.#classes.filter((each) => each === "A").length,
      unwitnessed: this.#gst.filter((gst, index) => gst !== null && this.#classes[index] === null).length,
      lies: this.#lies,
      repeats: this.#repeats,
    };
  }

  get root(): Uint8Array {
    return this.#tree.root;
  }

  /** What a message is worth, and all that follows from it. Repeats give nothing. */
  accept(bytes: Uint8Array): Verdict[] {
    const envelope = openEnvelope(bytes);
    if (envelope === null) return this.#lie("leaf-unreadable", null, "no envelope in its one form");
    return this.acceptOpened(envelope);
  }

  /** As `accept`, of an envelope that was opened already to see whose it is. */
  acceptOpened(envelope: OpenedEnvelope): Verdict[] {
    if (!bytesEqual(envelope.station, this.station))
      return this.#lie("other-station", null, "of another station");
    const { statement } = envelope;
    const at = "index" in statement ? statement.index : statement.size;
    const known = this.#known(envelope);
    if (known !== null) return known;
    if (!this.#isSealed(envelope)) return this.#lie("signature", at, "by no key of the station");
    if (envelope.purpose !== "federation") return this.#lie("wrong-purpose", at, `for a ${envelope.purpose}`);
    if (envelope.mode !== this.mode) return this.#lie("wrong-mode", at, `${envelope.mode}, not ${this.mode}`);
    switch (statement.kind) {
      case "leaf":
        return this.#leaf(statement.leaf, envelope.leaf!);
      case "checkpoint":
        return this.#checkpoint(envelope.checkpoint!);
      case "cosignature":
        return this.#cosignature(statement.size, parseSignatureLine(lineText(statement.line)!)!);
      default:
        return [];
    }
  }

  /**
   * Takes the next leaves among these messages by the newest signed checkpoint among them that has them: one signature
   * stands for all, where a follower has much to catch up with. Null where there is nothing to take so. What is left
   * over is for `acceptOpened`.
   */
  catchUp(envelopes: readonly OpenedEnvelope[]): CaughtUp | null {
    const next: OpenedEnvelope[] = [];
    let newest: Checkpoint | null = null;
    for (const envelope of envelopes) {
      const { statement, purpose, mode, checkpoint } = envelope;
      if (purpose !== "federation" || mode !== this.mode) continue;
      if (statement.kind === "leaf" && statement.index === this.size + next.length) next.push(envelope);
      if (checkpoint === null || checkpoint.size <= this.size) continue;
      if (checkpoint.size <= this.size + next.length) newest = checkpoint;
    }
    if (newest === null) return null;
    const taken = next.slice(0, newest.size - this.size);
    const leaves = taken.flatMap(({ statement }) => (statement.kind === "leaf" ? [statement.leaf] : []));
    const read = taken.map(({ leaf }) => leaf);
    const verdicts = this.fill(leaves, newest, read);
    return verdicts.length === 0 ? null : { verdicts, leaves, checkpoint: newest, taken: new Set(taken) };
  }

  /**
   * Takes leaves that nobody signed one by one, from the station's tiles: the next ones, up to the size of a signed
   * checkpoint that proves them, all or none.
   */
  fill(
    leaves: readonly Uint8Array[],
    checkpoint: Checkpoint,
    read: readonly (Leaf | null)[] = leaves.map(decodeLeaf),
  ): Verdict[] {
    const { size } = this;
    if (size + leaves.length !== checkpoint.size) return [];
    const before = {
      history: this.#history,
      keys: this.#keys.length,
      lies: this.#lies,
    };
    const verdicts: Verdict[] = [];
    for (const [at, bytes] of leaves.entries()) verdicts.push(...this.#append(bytes, read[at]));
    const sound = this.size === checkpoint.size && bytesEqual(this.#tree.root, checkpoint.root);
    if (sound && this.#isSigned(checkpoint)) {
      return [...verdicts, ...this.#checkpoint(checkpoint), ...this.#settle()];
    }
    // What was fetched is not what was signed: whoever served it lied, which may not be the station.
    this.#history = before.history;
    this.#keys.length = before.keys;
    this.#lies = before.lies;
    this.#tree.cut(size);
    for (const list of [this.#gst, this.#classes, this.#fast]) list.length = size;
    return [];
  }

  /**
   * What is proven needs no signature again: a leaf that is in the signed tree, and a root that this tree had. Null for
   * anything else.
   */
  #known({ statement, purpose, mode, checkpoint }: OpenedEnvelope): Verdict[] | null {
    if (purpose !== "federation" || mode !== this.mode) return null;
    if (statement.kind === "leaf") {
      const { index, leaf } = statement;
      if (index >= this.#proven || !bytesEqual(leafHash(leaf), this.#tree.subtree(0, index))) return null;
      this.#repeats++;
      return [];
    }
    if (checkpoint === null || checkpoint.size > this.#proven || checkpoint.size === 0) return null;
    return bytesEqual(checkpoint.root, this.#tree.rootAt(checkpoint.size)) ? this.#holds(checkpoint) : null;
  }

  #isSealed(envelope: OpenedEnvelope): boolean {
    const candidates = [this.#options.key.publicKey, ...this.#keys.map(({ key }) => key.publicKey)];
    const { statement } = envelope;
    // A first leaf names the key whose hash the station is; a rotation the key that the one in force signs for.
    const leaf = envelope.leaf?.index === this.size ? envelope.leaf : null;
    if (leaf?.kind === "start" && bytesEqual(stationIdOf(leaf.publicKey), this.station))
      candidates.push(leaf.publicKey);
    if (leaf?.kind === "rotation" && statement.kind === "leaf") {
      const next = follow(this.#history, leaf, statement.leaf);
      if (typeof next !== "string") candidates.push(leaf.newKey);
    }
    const key = candidates.find((each) => bytesEqual(keyIdOf(each), envelope.keyId));
    return key !== undefined && isSealedBy(envelope, key);
  }

  #leaf(bytes: Uint8Array, leaf: Leaf): Verdict[] {
    const { index } = leaf;
    if (index < this.size) {
      if (bytesEqual(leafHash(bytes), this.#tree.subtree(0, index))) {
        this.#repeats++;
        return [];
      }
      return this.#lie("index-reused", index, "two leaves for one index");
    }
    if (index > this.size) return [{ type: "gap", from: this.size, to: index }];
    return [...this.#append(bytes, leaf), ...this.#settle()];
  }

  #append(bytes: Uint8Array, leaf: Leaf | null): Verdict[] {
    if (leaf === null) return this.#lie("leaf-unreadable", this.size, "no leaf in its one form");
    const next = follow(this.#history, leaf, bytes);
    if (typeof next === "string")
      return this.#lie(next, leaf.index, "the leaf does not follow from those before");
    const { name } = this.#options.key;
    if (
      this.#keys.length === 0 ||
      !bytesEqual(this.#keys[this.#keys.length - 1].key.publicKey, next.publicKey)
    ) {
      this.#keys.push({
        from: next.size,
        key: verifierKey(name, ED25519, next.publicKey),
      });
    }
    this.#history = next;
    this.#tree.append(next.head);
    const gst = leaf.kind === "subframe" ? leaf.gst : null;
    this.#gst.push(gst);
    this.#classes.push(null);
    this.#fast.push(false);
    return [{ type: "leaf", index: leaf.index, kind: leaf.kind, gst }];
  }

  /** The key that signs trees of this size. */
  #isSigned(checkpoint: Checkpoint): boolean {
    const inForce = this.#keys.filter(({ from }) => from <= checkpoint.size).at(-1);
    return inForce !== undefined && signerOf(checkpoint, [inForce.key]) !== null;
  }

  #checkpoint(checkpoint: Checkpoint): Verdict[] {
    const { size, root } = checkpoint;
    if (size > this.size) {
      const known = this.#pending.get(size);
      if (known !== undefined && !bytesEqual(known.root, root)) {
        const both = [known, checkpoint].every(
          (each) => signerOf(each, [this.#options.key, ...this.#keys.map(({ key }) => key)]) !== null,
        );
        if (both) return this.#lie("fork", size, "two roots for one size");
      }
      hold(this.#pending, size, checkpoint, MAX_PENDING);
      return [{ type: "gap", from: this.size, to: size }];
    }
    if (!this.#isSigned(checkpoint)) {
      return this.#lie("checkpoint-signature", size, "not by the key in force at that size");
    }
    if (!bytesEqual(root, this.#tree.rootAt(size)))
      return this.#lie("fork", size, "another tree of this size");
    return this.#holds(checkpoint);
  }

  /** A checkpoint that is of this tree. */
  #holds(checkpoint: Checkpoint): Verdict[] {
    const { size, root } = checkpoint;
    if (this.#checkpoints.has(size)) {
      this.#repeats++;
      return [];
    }
    hold(this.#checkpoints, size, checkpoint, MAX_CHECKPOINTS);
    const leaves = Math.max(0, size - this.#proven);
    this.#proven = Math.max(this.#proven, size);
    const proven: Verdict = {
      type: "checkpoint",
      size,
      root: Buffer.from(root).toString("hex"),
      leaves,
    };
    const waiting = this.#lines.get(size) ?? [];
    this.#lines.delete(size);
    return [proven, ...waiting.flatMap((line) => this.#cosignature(size, line))];
  }

  #cosignature(size: number, line: NoteSignature): Verdict[] {
    const checkpoint = this.#checkpoints.get(size);
    if (checkpoint === undefined) {
      const lines = this.#lines.get(size) ?? [];
      if (size > this.#proven && lines.length < MAX_LINES)
        hold(this.#lines, size, [...lines, line], MAX_PENDING);
      return [];
    }
    const witness = this.#options.witnesses.find(
      ({ key }) => key.name === line.name && key.keyId === line.keyId,
    );
    // Of strangers a federation has no opinion.
    if (witness === undefined) return [];
    const { note } = checkpoint;
    const stamp = verifyCosignature(note.text, line, witness.key);
    if (stamp === null) return this.#lie("cosignature", size, `${line.name} did not sign that`);
    if (note.signatures.some(({ signature }) => bytesEqual(signature, line.signature))) {
      this.#repeats++;
      return [];
    }
    const cosigned = {
      ...checkpoint,
      note: { ...note, signatures: [...note.signatures, line] },
    };
    this.#checkpoints.set(size, cosigned);
    const seen = witnessedGst([cosigned], this.#policy);
    const told: Verdict = {
      type: "cosignature",
      size,
      witness: stamp.witness,
      timestamp: stamp.timestamp,
    };
    return seen === null ? [told] : [told, ...this.#classify(size, seen)];
  }

  /** The leaves that this sighting is the first of, or a better one for. */
  #classify(size: number, seen: number): Verdict[] {
    const verdicts: Verdict[] = [];
    const { keyOffsetSeconds, marginSeconds } = this.#policy;
    for (let index = size - 1; index >= 0; index--) {
      const gst = this.#gst[index];
      if (gst === null) continue;
      const slow = disclosureGst(gst, 12, keyOffsetSeconds);
      const after = seen >= gst + SUBFRAME_SECONDS;
      const judged: LeafClass = after && seen + marginSeconds < slow ? "A" : "C";
      const fast = judged === "A" && seen + marginSeconds < disclosureGst(gst, 0, keyOffsetSeconds);
      const known = this.#classes[index];
      // Older leaves were seen before, or are as late as this one.
      if (known === "A" && (this.#fast[index] || !fast)) break;
      if (known === judged && this.#fast[index] === fast) break;
      if (known !== null && judged === "C") break;
      this.#classes[index] = judged;
      this.#fast[index] = fast;
      verdicts.push({
        type: "class",
        index,
        gst,
        class: judged,
        fast,
        slackSeconds: slow - seen,
      });
    }
    return verdicts.reverse();
  }

  /** Checkpoints that waited for leaves. */
  #settle(): Verdict[] {
    const verdicts: Verdict[] = [];
    for (const [size, checkpoint] of this.#pending) {
      if (size > this.size) continue;
      this.#pending.delete(size);
      verdicts.push(...this.#checkpoint(checkpoint));
    }
    return verdicts;
  }

  #lie(what: Lie, at: number | null, detail: string): Verdict[] {
    this.#lies++;
    return [{ type: "lie", what, at, detail }];
  }
}

/** All complete subtrees of a log, by level. */
class Tree {
  readonly #levels: Uint8Array[][] = [[]];

  readonly subtree: SubtreeHash = (level, index) => this.#levels[level][index];

  get root(): Uint8Array {
    return this.rootAt(this.#levels[0].length);
  }

  rootAt(size: number): Uint8Array {
    return rootOf(size, this.subtree);
  }

  append(hash: Uint8Array): void {
    storeLeaf(this.#levels[0].length, hash, this.subtree, (level, index, node) => {
      (this.#levels[level] ??= [])[index] = node;
    });
  }

  cut(size: number): void {
    this.#levels.forEach((nodes, level) => {
      nodes.length = Math.min(nodes.length, Math.floor(size / 2 ** level));
    });
  }
}

/** Puts an entry in, and lets the oldest go. */
function hold<V>(map: Map<number, V>, key: number, value: V, most: number): void {
  map.set(key, value);
  if (map.size > most) map.delete(map.keys().next().value!);
}
