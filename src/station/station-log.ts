/**
 * A station's log on disk: appends leaves, signs checkpoints, proves. Nothing is announced before it is flushed, no
 * size is signed twice, and nothing is signed that the stored tree and the last signed checkpoint do not both bear
 * out. Edge. Format and reasons: docs/station-log.md.
 */
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { OsnmadError } from "../errors.js";
import type { Mode } from "../pipeline/records.js";
import { asStoreError } from "../store/faults.js";
import { originDigest } from "./audit.js";
import { parseCheckpoint, signCheckpoint, signerOf, type Checkpoint } from "./checkpoint.js";
import { CheckpointFile, readCheckpointFile } from "./checkpoint-file.js";
import type { Cosignature } from "./cosignature.js";
import { follow, stationIdOf, type History } from "./history.js";
import { makeKey, readKey, readOrMakeKey, removeKey, replaceKey } from "./key-file.js";
import {
  CHALLENGE_BYTES,
  decodeLeaf,
  encodeLeaf,
  MAX_CHALLENGES,
  NO_LEAF,
  rotationStatement,
  type Leaf,
  type LeafChallenge,
  type LeafContent,
} from "./leaf.js";
import { openLogDatabase, type LogDatabase } from "./log-database.js";
import {
  bytesEqual,
  consistencyProof,
  HASH_BYTES,
  inclusionProof,
  leafHash,
  rootOf,
  sha256,
  storeLeaf,
  type SubtreeHash,
} from "./merkle.js";
import {
  ED25519,
  formatNote,
  formatSignature,
  type NoteSignature,
  verifierKey,
  type VerifierKey,
} from "./note.js";
import type { LeafOpenings } from "./openings.js";
import { originOf } from "./origin.js";
import type { Signer } from "./signer.js";
import { encodeEntries, tileBytes, tileIsIn, TILE_WIDTH, type TileName } from "./tiles.js";

export const KEY_FILE = "station.key";
const NEXT_KEY_FILE = "station.key.next";
/** The last checkpoint that was signed; beside the database, so that one of them set back is noticed. */
export const CHECKPOINT_FILE = "checkpoint";
const MAX_PROOF_OF_ORIGIN_BYTES = 4096;
const MAX_PENDING_CHALLENGES = 64;
/** Leaves whose bytes are held against the tree whenever the log is opened: a day. */
const CHECKED_AT_OPEN = 2880;

export interface StationLogOptions {
  /** Holds key, database and last checkpoint; made 0700 where it is missing. */
  readonly directory: string;
  readonly mode: Mode;
  /** False only where nobody is to believe the log: replays, measurements. */
  readonly flush?: boolean;
  /** In place of the key file. Without a way to make a second key it cannot be rotated here. */
  readonly signer?: Signer;
  /** Leaves that others were told of, as who told them remembers (the outbox): a log of fewer was set back. */
  readonly toldSize?: number;
}

export interface NewLeaf {
  readonly content: LeafContent;
  readonly openings?: LeafOpenings;
}

export interface AppendedLeaf {
  readonly leaf: Leaf;
  readonly bytes: Uint8Array;
  readonly hash: Uint8Array;
}

/** What starts a run: goes into every leaf that the log makes on its own. */
export interface RunStart {
  readonly softwareVersion: string;
  readonly time: Leaf["time"];
  /** Salted digest of the receiver (`receiverCommitment`). */
  readonly receiver: Uint8Array;
}

export interface StoredChallenge {
  readonly challenge: Uint8Array;
  readonly proof: Uint8Array;
  /** Unix milliseconds of the station's clock. */
  readonly receivedAt: number;
  /** Index of the leaf that has it; null while it waits. */
  readonly leafIndex: number | null;
}

interface Appended {
  readonly appended: AppendedLeaf[];
  readonly history: History | null;
  readonly frontier: readonly (Uint8Array | undefined)[];
}

/** Origin of the last checkpoint in a folder, without opening the log; null where nothing was signed. */
export function storedOrigin(directory: string): string | null {
  try {
    return readCheckpointFile(join(directory, CHECKPOINT_FILE))?.origin ?? null;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw asStoreError(error, directory);
  }
}

export class StationLog {
  readonly directory: string;
  readonly mode: Mode;
  readonly #database: LogDatabase;
  readonly #ownKey: boolean;
  readonly #checkpointFile: CheckpointFile;
  /** Roots of the complete subtrees that the next leaf may join, by level: what appending reads of the tree. */
  #frontier: readonly (Uint8Array | undefined)[] = [];
  readonly #write: (leaves: readonly NewLeaf[]) => Appended;
  #signer: Signer;
  #verifierKey: VerifierKey | null = null;
  /** Signs beside the new key until a checkpoint with the rotation is out. */
  #oldSigner: Signer | null = null;
  #history: History | null = null;
  #lastSigned: Checkpoint | null = null;
  #refusal: string | null = null;
  /** Challenges that no leaf has yet. */
  #waiting = 0;
  /** One checkpoint at a time: signing waits for a key that may be elsewhere. */
  #signing: Promise<unknown> = Promise.resolve();
  readonly #sql: ReturnType<typeof statements>;

  /** Opens or begins a log. Throws OSN_STATION_*, OSN_STATE_*. */
  static open(options: StationLogOptions): StationLog {
    const database = openLogDatabase(options.directory, options.flush ?? true);
    let file: CheckpointFile | null = null;
    try {
      file = new CheckpointFile(join(options.directory, CHECKPOINT_FILE));
      return new StationLog(database, file, options);
    } catch (error) {
      file?.close();
      database.close();
      throw asStoreError(error, options.directory);
    }
  }

  private constructor(
    database: LogDatabase,
    file: CheckpointFile,
    { directory, mode, signer, toldSize = 0 }: StationLogOptions,
  ) {
    this.#database = database;
    this.#checkpointFile = file;
    const write = database.transaction((leaves: readonly NewLeaf[]) => this.#insert(leaves));
    this.#write = (leaves) => write.immediate(leaves);
    this.directory = directory;
    this.mode = mode;
    this.#ownKey = signer === undefined;
    this.#sql = statements(database);
    this.#waiting = this.#sql.waitingCount.get()!;
    const keyPath = join(directory, KEY_FILE);
    // The mode is in the database before the key is made: in a database without it the key is from elsewhere.
    if (signer === undefined && this.#sql.meta.get("mode") === undefined && readKey(keyPath) !== null) {
      throw new OsnmadError("OSN_STATION_LOG_MISSING", `${keyPath} is there, but its log is not.`);
    }
    this.#meta("receiver-salt", () => randomBytes(32));
    const storedMode = this.#meta("mode", () => Buffer.from(mode, "latin1"));
    if (storedMode.toString("latin1") !== mode) {
      throw new OsnmadError(
        "OSN_USAGE",
        `${directory} has a log of mode ${storedMode.toString("latin1")}; one of mode ${mode} needs its own folder.`,
      );
    }
    // A log that exists has a key; a new one in its place would be another station.
    const found = signer ?? (this.#sql.size.get() === 0 ? readOrMakeKey(keyPath) : readKey(keyPath));
    if (found === null) throw new OsnmadError("OSN_STATION_KEY_UNUSABLE", `${keyPath} is not there.`);
    this.#signer = found;
    this.#verifyStored();
    this.assertTold(toldSize);
    this.#finishRotation();
    if (this.#history !== null && !bytesEqual(this.#signer.publicKey, this.#history.publicKey)) {
      throw contradiction(`${join(directory, KEY_FILE)} is not the key that this log was signed with`);
    }
  }

  get size(): number {
    return this.#history?.size ?? 0;
  }

  get history(): History | null {
    return this.#history;
  }

  get station(): Uint8Array {
    return this.#history?.station ?? stationIdOf(this.#signer.publicKey);
  }

  get origin(): string {
    return originOf(this.station, this.mode);
  }

  /** The key in force, as witnesses and followers are configured with it. */
  get key(): VerifierKey {
    return this.#keyOf(this.#signer);
  }

  /** The key in force, to sign statements outside of the log with (docs/envelope.md). */
  get signer(): Signer {
    return this.#signer;
  }

  /** Secret of the station under which its receivers are named (`receiverCommitment`). */
  get receiverSalt(): Uint8Array {
    return Uint8Array.from(this.#meta("receiver-salt", () => randomBytes(32)));
  }

  /** The last checkpoint that was signed. */
  get checkpoint(): Checkpoint | null {
    return this.#lastSigned;
  }

  /** Why nothing is signed any more; null while all is well. */
  get refusal(): string | null {
    return this.#refusal;
  }

  readonly subtree: SubtreeHash = (level, index) => {
    const hash = this.#storedNode(level, index);
    if (hash === null) throw contradiction(`the node ${level}/${index} is missing`);
    return hash;
  };

  #storedNode(level: number, index: number): Uint8Array | null {
    const nodes = this.#sql.nodes.get((index + 1) * 2 ** level - 1);
    const hash = nodes?.subarray(level * HASH_BYTES, (level + 1) * HASH_BYTES);
    return hash?.length === HASH_BYTES ? hash : null;
  }

  /** Appends the leaf that says that a run begins, and one for another receiver where it is another. */
  begin(run: RunStart): AppendedLeaf[] {
    const common = { softwareVersion: run.softwareVersion, time: run.time, challenges: [] };
    const history = this.#history;
    const first = history === null;
    const receiver = history?.receiver ?? run.receiver;
    const contents: LeafContent[] = [
      { ...common, kind: "start", first, receiver, publicKey: this.#signer.publicKey },
    ];
    if (!bytesEqual(receiver, run.receiver)) {
      contents.push({ ...common, kind: "receiver", receiver: run.receiver, before: receiver });
    }
    return this.append(contents.map((content) => ({ content })));
  }

  /**
   * Appends leaves, all or none, in one transaction that is on disk on return. Challenges that wait go into the first
   * leaf that has none. Throws OSN_STATION_LOG_CONTRADICTS for a leaf that would be a violation (history.ts).
   */
  append(leaves: readonly NewLeaf[]): AppendedLeaf[] {
    this.#assertSound();
    const { appended, history, frontier } = this.#guarded(() => this.#write(leaves));
    this.#history = history;
    this.#frontier = frontier;
    if (this.#waiting > 0) this.#waiting = this.#sql.waitingCount.get()!;
    return appended;
  }

  /** Within a transaction; what it gives counts when that is on disk. */
  #insert(leaves: readonly NewLeaf[]): Appended {
    let history = this.#history;
    const { station } = this;
    const appended: AppendedLeaf[] = [];
    const frontier = [...this.#frontier];
    const left: SubtreeHash = (level, index) => frontier[level] ?? this.subtree(level, index);
    for (const { content, openings } of leaves) {
      const index = history?.size ?? 0;
      const waiting = this.#waiting > 0 && content.challenges.length === 0 ? this.#waitingChallenges() : [];
      const leaf: Leaf = {
        ...content,
        challenges: waiting.length > 0 ? waiting : content.challenges,
        station,
        index,
        previous: history?.head ?? NO_LEAF,
        mode: this.mode,
      };
      const bytes = encodeLeaf(leaf);
      const next = follow(history, leaf, bytes);
      if (typeof next === "string") throw contradiction(`a leaf of this log would be a violation: ${next}`);
      history = next;
      const finished: Uint8Array[] = [];
      storeLeaf(index, next.head, left, (level, at, hash) => {
        finished.push(hash);
        // A left child waits for its sibling; a right one is in the node above.
        if (at % 2 === 0) frontier[level] = hash;
      });
      this.#sql.putLeaf.run(index, finished.length === 1 ? finished[0] : Buffer.concat(finished), bytes);
      if (openings !== undefined) {
        const { secret, items } = openings;
        this.#sql.putOpening.run(index, secret, items);
        this.#sql.putRetention.run(index, secret, sha256(items));
      }
      for (const { challenge } of waiting) this.#sql.foldChallenge.run(index, challenge);
      appended.push({ leaf, bytes, hash: next.head });
    }
    return { appended, history, frontier };
  }

  /**
   * Signs the tree as it stands and returns the checkpoint once it is on disk twice. The same size gives the same
   * checkpoint again. Throws OSN_STATION_LOG_CONTRADICTS, and then never signs again.
   */
  sign(): Promise<Checkpoint> {
    const turn = this.#signing.then(() => this.#sign());
    this.#signing = turn.catch(() => undefined);
    return turn;
  }

  async #sign(): Promise<Checkpoint> {
    this.#assertSound();
    const history = this.#history;
    if (history === null) throw new RangeError("a log without leaves is not signed");
    const last = this.#lastSigned;
    // The two roots have most of their nodes in common.
    const read = remembered(this.subtree);
    if (last !== null) this.#assertContinues(last, history.size, read);
    if (last?.size === history.size) return last;
    // Its row was written, and then its file was not: that signature is out, and there is no second one.
    const begun = this.checkpointAt(history.size);
    if (begun !== null) {
      this.#assertContinues(begun, history.size, read);
      return this.#finish(begun);
    }
    const head = {
      origin: this.origin,
      size: history.size,
      root: rootOf(history.size, read),
      extensions: [],
    };
    const signers = [this.#oldSigner, this.#signer].filter((signer) => signer !== null);
    const note = await signCheckpoint(
      head,
      signers.map((signer) => ({ key: this.#keyOf(signer), sign: (text) => signer.sign(text) })),
    );
    const checkpoint = parseCheckpoint(note);
    // Both halves of our own key come from one file; to look at each of its signatures took longer than to make them.
    const holds = checkpoint !== null && (this.#ownKey || signerOf(checkpoint, [this.key]) !== null);
    if (!holds) {
      throw new OsnmadError("OSN_STATION_KEY_UNUSABLE", "The key gave a signature that does not hold.");
    }
    this.#guarded(() => this.#sql.putCheckpoint.run(head.size, head.root, note));
    return this.#finish(checkpoint);
  }

  /** What a checkpoint in the database still lacks. */
  #finish(checkpoint: Checkpoint): Checkpoint {
    this.#guarded(() => {
      this.#checkpointFile.write(formatNote(checkpoint.note));
      // Both keys have signed for the new one: the old one is not needed any more.
      if (this.#oldSigner !== null)
        replaceKey(join(this.directory, NEXT_KEY_FILE), join(this.directory, KEY_FILE));
    });
    this.#lastSigned = checkpoint;
    this.#oldSigner = null;
    return checkpoint;
  }

  /** Throws OSN_STATION_LOG_CONTRADICTS, for good, where others were told of more leaves than are signed. */
  assertTold(size: number): void {
    const signed = this.#lastSigned?.size ?? 0;
    if (size <= signed) return;
    this.refuse(`others were told of ${size} leaves, but ${signed} are signed: the log was set back`);
    this.#assertSound();
  }

  /** Stops signing for good: something outside shows that this is not the whole history. */
  refuse(why: string): void {
    if (this.#refusal !== null) return;
    this.#refusal = why;
    this.#guarded(() => this.#sql.putMeta.run("refusal", Buffer.from(why, "utf8")));
  }

  /**
   * Makes a new key and appends the leaf in which old and new sign for each other. The next checkpoint is signed by
   * both, and the old key is gone after it. A cut of power at any moment leaves the old key or the new one in force,
   * as the log says.
   */
  async rotate(run: RunStart): Promise<AppendedLeaf> {
    this.#assertSound();
    const history = this.#history;
    if (history === null) throw new RangeError("a log without leaves has no key to rotate");
    if (!this.#ownKey) throw new RangeError("a key from elsewhere is rotated elsewhere");
    if (this.#oldSigner !== null) {
      const why =
        "The last rotation is not signed yet; start the station first, so that both keys sign for it.";
      throw new OsnmadError("OSN_USAGE", why);
    }
    const nextPath = join(this.directory, NEXT_KEY_FILE);
    removeKey(nextPath);
    const next = makeKey(nextPath);
    const { station, size, head } = history;
    const oldKey = this.#signer.publicKey;
    const statement = rotationStatement(station, size, head, oldKey, next.publicKey);
    const oldSignature = await this.#signer.sign(statement);
    const newSignature = await next.sign(statement);
    const [appended] = this.append([
      {
        content: {
          kind: "rotation",
          softwareVersion: run.softwareVersion,
          time: run.time,
          receiver: history.receiver,
          challenges: [],
          oldKey,
          newKey: next.publicKey,
          oldSignature,
          newSignature,
        },
      },
    ]);
    this.#oldSigner = this.#signer;
    this.#signer = next;
    return appended;
  }

  /** Bytes of leaves from `from` up to, not including, `to`. */
  leaves(from: number, to: number): Uint8Array[] {
    return this.#sql.leaves.all(from, to);
  }

  /** What opens the leaf; null for leaves without commitments, and where it was pruned. */
  openings(index: number): LeafOpenings | null {
    return this.#sql.opening.get(index) ?? null;
  }

  /** As `openings`, but the items only by their SHA-256: it takes as long for a full sky as for an empty one. */
  retained(index: number): { readonly secret: Uint8Array; readonly digest: Uint8Array } | null {
    const kept = this.#sql.retention.get(index);
    if (kept !== undefined) return kept;
    // Of a leaf from before this was kept.
    const openings = this.openings(index);
    if (openings === null) return null;
    const { secret, items } = openings;
    const digest = sha256(items);
    this.#guarded(() => this.#sql.putRetention.run(index, secret, digest));
    return { secret, digest };
  }

  /** Index of the first leaf of a subframe or gap that is not before `gst`; the size where all are. */
  firstLeafSince(gst: number): number {
    let low = 0;
    let high = this.size;
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      let at = middle;
      let found: number | null = null;
      // Leaves without a GST stand between those that have one.
      for (; at < high && found === null; at++) found = gstOf(decodeLeaf(this.leaves(at, at + 1)[0]));
      if (found !== null && found < gst) low = at;
      else high = middle;
    }
    return low;
  }

  /** Forgets what opens the leaves before `index`; their commitments then stay closed for ever. */
  pruneOpenings(index: number): number {
    this.#sql.pruneRetention.run(index);
    return this.#sql.pruneOpenings.run(index).changes;
  }

  inclusionProof(index: number, size = this.size): Uint8Array[] {
    return inclusionProof(index, size, this.subtree);
  }

  consistencyProof(first: number, second = this.size): Uint8Array[] {
    return consistencyProof(first, second, this.subtree);
  }

  /** A tile or entry bundle of what is signed; null where it goes beyond. */
  tile(name: TileName): Uint8Array | null {
    if (!tileIsIn(name, this.#lastSigned?.size ?? 0)) return null;
    if (name.level !== "entries") return tileBytes({ ...name, level: name.level }, this.subtree);
    const from = name.index * TILE_WIDTH;
    return encodeEntries(this.leaves(from, from + name.width));
  }

  checkpointAt(size: number): Checkpoint | null {
    const note = this.#sql.checkpoint.get(size);
    return note === undefined ? null : parseCheckpoint(note);
  }

  /** The smallest signed size that has the leaf. */
  checkpointWith(index: number): Checkpoint | null {
    const note = this.#sql.checkpointWith.get(index);
    return note === undefined ? null : parseCheckpoint(note);
  }

  addCosignature(size: number, line: NoteSignature, { witness, timestamp }: Cosignature): void {
    this.#sql.putCosignature.run(size, witness, timestamp, formatSignature(line));
  }

  /** Of the witnesses on the checkpoint of a size, in the order of their names. */
  cosignatures(
    size: number,
  ): { readonly witness: string; readonly timestamp: number; readonly line: string }[] {
    return this.#sql.cosignatures.all(size);
  }

  /** Of the next cosigned sizes above this one, `sizes` of them at most, in order. */
  cosignaturesAfter(size: number, sizes: number): { readonly size: number; readonly line: string }[] {
    return this.#sql.cosignaturesAfter.all(size, size, sizes);
  }

  /**
   * Takes a challenge for the next leaf. One that was taken before is not taken twice. Throws OSN_USAGE for what is
   * no challenge, and where too many wait.
   */
  challenge(challenge: Uint8Array, proof: Uint8Array, receivedAt: number): StoredChallenge {
    if (challenge.length !== CHALLENGE_BYTES) {
      throw new OsnmadError(
        "OSN_USAGE",
        `A challenge has ${CHALLENGE_BYTES} bytes, not ${challenge.length}.`,
      );
    }
    if (proof.length > MAX_PROOF_OF_ORIGIN_BYTES) {
      throw new OsnmadError("OSN_USAGE", `A proof of origin has at most ${MAX_PROOF_OF_ORIGIN_BYTES} bytes.`);
    }
    const known = this.findChallenge(challenge);
    if (known !== null) return known;
    if (this.#waiting >= MAX_PENDING_CHALLENGES) {
      throw new OsnmadError("OSN_RATE_LIMITED", `${MAX_PENDING_CHALLENGES} challenges wait already.`);
    }
    this.#guarded(() => this.#sql.putChallenge.run(challenge, proof, receivedAt));
    this.#waiting++;
    return { challenge, proof, receivedAt, leafIndex: null };
  }

  findChallenge(challenge: Uint8Array): StoredChallenge | null {
    return this.#sql.challenge.get(challenge) ?? null;
  }

  close(): void {
    this.#database.close();
    this.#checkpointFile.close();
  }

  #waitingChallenges(): LeafChallenge[] {
    return this.#sql.waiting
      .all(MAX_CHALLENGES)
      .map(({ challenge, proof }) => ({ challenge, origin: originDigest(proof) }));
  }

  #keyOf(signer: Signer): VerifierKey {
    const known = this.#verifierKey;
    if (known !== null && bytesEqual(known.publicKey, signer.publicKey)) return known;
    return (this.#verifierKey = verifierKey(this.origin, ED25519, signer.publicKey));
  }

  #meta(name: string, make: () => Buffer): Buffer {
    const stored = this.#sql.meta.get(name);
    if (stored !== undefined) return stored;
    const value = make();
    this.#sql.putMeta.run(name, value);
    return value;
  }

  #verifyStored(): void {
    const refusal = this.#sql.meta.get("refusal");
    if (refusal !== undefined) throw contradiction(refusal.toString("utf8"));
    const size = this.#sql.size.get()!;
    if (size > 0) this.#history = this.#historyAt(size);
    const stored = this.#sql.lastCheckpoint.get();
    const inDatabase = stored === undefined ? null : parseCheckpoint(stored);
    if (stored !== undefined && inDatabase === null) throw contradiction("the stored checkpoint is none");
    const inFile = this.#checkpointFile.newest;
    if (inFile === null && !this.#checkpointFile.isNew) {
      throw contradiction(`${CHECKPOINT_FILE} holds no checkpoint`);
    }
    for (const checkpoint of [inDatabase, inFile]) {
      if (checkpoint !== null) this.#assertContinues(checkpoint, size);
    }
    this.#lastSigned = inDatabase;
    if (inFile !== null && inFile.size > (inDatabase?.size ?? 0)) {
      throw contradiction("the database lacks a checkpoint that was signed");
    }
    if (inDatabase !== null && inDatabase.size !== inFile?.size) {
      this.#checkpointFile.write(stored!);
    }
  }

  /** From the leaves alone, the last day's of them read one by one. */
  #historyAt(size: number): History {
    const from = Math.max(0, size - CHECKED_AT_OPEN);
    let history: History | null = from === 0 ? null : this.#historyBefore(from);
    for (const bytes of this.leaves(from, size)) {
      const leaf = decodeLeaf(bytes);
      const next: History | string = leaf === null ? "no leaf" : follow(history, leaf, bytes);
      if (typeof next === "string")
        throw contradiction(`leaf ${history?.size ?? 0} of the stored log: ${next}`);
      const stored = this.#storedNode(0, next.size - 1);
      if (stored === null || !bytesEqual(stored, next.head)) {
        throw contradiction(`leaf ${next.size - 1} is not that of the stored tree`);
      }
      history = next;
    }
    if (history?.size !== size) throw contradiction("leaves are missing");
    return history;
  }

  /** What the leaves before `index` amount to; a rotation or change of receiver long ago is found by going back. */
  #historyBefore(index: number): History {
    let publicKey: Uint8Array | null = null;
    let last: { leaf: Leaf; hash: Uint8Array } | null = null;
    let nextGst: number | null = null;
    let mayJump: boolean | null = null;
    for (let at = index - 1; at >= 0; at--) {
      const bytes = this.leaves(at, at + 1)[0] as Uint8Array | undefined;
      const leaf = bytes === undefined ? null : decodeLeaf(bytes);
      if (leaf === null) throw contradiction(`leaf ${at} is missing or none`);
      last ??= { leaf, hash: leafHash(bytes!) };
      if (nextGst === null && leaf.kind === "subframe") nextGst = leaf.gst + 30;
      if (nextGst === null && leaf.kind === "gap") nextGst = leaf.toGst;
      if (leaf.kind === "start") mayJump ??= true;
      if (leaf.kind === "subframe" || leaf.kind === "gap") mayJump ??= false;
      if (leaf.kind === "start") publicKey ??= leaf.publicKey;
      if (leaf.kind === "rotation") publicKey ??= leaf.newKey;
      if (publicKey !== null && nextGst !== null) break;
    }
    if (last === null || publicKey === null) throw contradiction("the log has no beginning");
    const { station, mode, receiver } = last.leaf;
    return {
      station,
      mode,
      size: index,
      head: last.hash,
      publicKey,
      receiver,
      nextGst,
      mayJump: mayJump ?? true,
    };
  }

  /** A signed checkpoint is of this log, and the stored tree leads on from it. */
  #assertContinues(checkpoint: Checkpoint, size: number, read = this.subtree): void {
    if (checkpoint.origin !== this.origin) throw this.#broken("the last checkpoint is of another log");
    if (checkpoint.size > size) {
      throw this.#broken(
        `size ${checkpoint.size} was signed, but the database has ${size} leaves: it was set back`,
      );
    }
    if (!bytesEqual(rootOf(checkpoint.size, read), checkpoint.root)) {
      throw this.#broken(`the stored tree of ${checkpoint.size} leaves is not the one that was signed`);
    }
  }

  #broken(why: string): OsnmadError {
    this.#refusal ??= why;
    return contradiction(why);
  }

  #assertSound(): void {
    if (this.#refusal !== null) throw contradiction(this.#refusal);
  }

  /** The key file is that which the log's last rotation names, whatever moment a rotation was cut off at. */
  #finishRotation(): void {
    if (!this.#ownKey) return;
    const nextPath = join(this.directory, NEXT_KEY_FILE);
    const next = readKey(nextPath);
    if (next === null) return;
    if (this.#history !== null && bytesEqual(next.publicKey, this.#history.publicKey)) {
      const old = this.#signer;
      this.#signer = next;
      // Until a checkpoint has both signatures, the old key is still needed, and stays where it is.
      if (this.#lastSigned !== null && this.#lastSigned.size === this.size) {
        replaceKey(nextPath, join(this.directory, KEY_FILE));
      } else {
        this.#oldSigner = old;
      }
    } else {
      removeKey(nextPath);
    }
  }

  #guarded<T>(write: () => T): T {
    try {
      return write();
    } catch (error) {
      throw asStoreError(error, this.directory);
    }
  }
}

/** Reads each node once. */
function remembered(subtree: SubtreeHash): SubtreeHash {
  const known = new Map<number, Uint8Array>();
  return (level, index) => {
    // Where the subtree ends tells it apart from others of its level, and its level from those that end there.
    const name = ((index + 1) * 2 ** level - 1) * 64 + level;
    let hash = known.get(name);
    if (hash === undefined) known.set(name, (hash = subtree(level, index)));
    return hash;
  };
}

function gstOf(leaf: Leaf | null): number | null {
  if (leaf?.kind === "subframe") return leaf.gst;
  return leaf?.kind === "gap" ? leaf.fromGst : null;
}

function contradiction(why: string): OsnmadError {
  return new OsnmadError("OSN_STATION_LOG_CONTRADICTS", `The log is not signed any more: ${why}.`);
}

function statements(database: LogDatabase) {
  const pluck = <R, P extends unknown[]>(sql: string) =>
    database.prepare<P, R>(sql).pluck() as {
      get(...parameters: P): R | undefined;
      all(...parameters: P): R[];
    };
  return {
    meta: pluck<Buffer, [string]>("SELECT value FROM meta WHERE name = ?"),
    putMeta: database.prepare("INSERT OR REPLACE INTO meta (name, value) VALUES (?, ?)"),
    size: pluck<number, []>("SELECT coalesce(max(idx) + 1, 0) FROM leaf"),
    leaves: pluck<Uint8Array, [number, number]>(
      "SELECT body FROM leaf WHERE idx >= ? AND idx < ? ORDER BY idx",
    ),
    putLeaf: database.prepare("INSERT INTO leaf (idx, nodes, body) VALUES (?, ?, ?)"),
    nodes: pluck<Uint8Array, [number]>("SELECT nodes FROM leaf WHERE idx = ?"),
    opening: database.prepare<[number], LeafOpenings>("SELECT secret, items FROM opening WHERE idx = ?"),
    putOpening: database.prepare("INSERT INTO opening (idx, secret, items) VALUES (?, ?, ?)"),
    pruneOpenings: database.prepare("DELETE FROM opening WHERE idx < ?"),
    retention: database.prepare<[number], { secret: Uint8Array; digest: Uint8Array }>(
      "SELECT secret, digest FROM retention WHERE idx = ?",
    ),
    putRetention: database.prepare("INSERT INTO retention (idx, secret, digest) VALUES (?, ?, ?)"),
    pruneRetention: database.prepare("DELETE FROM retention WHERE idx < ?"),
    // A plain INSERT: the second root of a size is an error of the database itself.
    putCheckpoint: database.prepare("INSERT INTO checkpoint (size, root, note) VALUES (?, ?, ?)"),
    lastCheckpoint: pluck<string, []>("SELECT note FROM checkpoint ORDER BY size DESC LIMIT 1"),
    checkpoint: pluck<string, [number]>("SELECT note FROM checkpoint WHERE size = ?"),
    checkpointWith: pluck<string, [number]>(
      "SELECT note FROM checkpoint WHERE size > ? ORDER BY size LIMIT 1",
    ),
    putCosignature: database.prepare(
      "INSERT OR IGNORE INTO cosignature (size, witness, timestamp, line) VALUES (?, ?, ?, ?)",
    ),
    cosignatures: database.prepare<[number], { witness: string; timestamp: number; line: string }>(
      "SELECT witness, timestamp, line FROM cosignature WHERE size = ? ORDER BY witness",
    ),
    cosignaturesAfter: database.prepare<[number, number, number], { size: number; line: string }>(
      "SELECT size, line FROM cosignature WHERE size > ? AND size <= (SELECT max(size) FROM " +
        "(SELECT DISTINCT size FROM cosignature WHERE size > ? ORDER BY size LIMIT ?)) ORDER BY size, witness",
    ),
    challenge: database.prepare<[Uint8Array], StoredChallenge>(
      "SELECT challenge, proof, received AS receivedAt, idx AS leafIndex FROM challenge WHERE challenge = ?",
    ),
    waiting: database.prepare<[number], { challenge: Uint8Array; proof: Uint8Array }>(
      "SELECT challenge, proof FROM challenge WHERE idx IS NULL ORDER BY seq LIMIT ?",
    ),
    waitingCount: pluck<number, []>("SELECT count(*) FROM challenge WHERE idx IS NULL"),
    putChallenge: database.prepare("INSERT INTO challenge (challenge, proof, received) VALUES (?, ?, ?)"),
    foldChallenge: database.prepare("UPDATE challenge SET idx = ? WHERE challenge = ?"),
  };
}
