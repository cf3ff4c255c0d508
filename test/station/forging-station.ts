/**
 * A station that lies: it has a real key, and puts and signs whatever it is told, in any history it likes. Written
 * for the tests of what catches it.
 */
import type { Mode } from "../../src/pipeline/records.js";
import { formatAddCheckpoint } from "../../src/station/add-checkpoint.js";
import { parseCheckpoint, signCheckpoint, type Checkpoint } from "../../src/station/checkpoint.js";
import { stationIdOf } from "../../src/station/history.js";
import { encodeLeaf, NO_LEAF, type Leaf, type LeafContent } from "../../src/station/leaf.js";
import {
  consistencyProof,
  inclusionProof,
  leafHash,
  rootOf,
  storeLeaf,
  type SubtreeHash,
} from "../../src/station/merkle.js";
import { formatNote } from "../../src/station/note.js";
import { originOf } from "../../src/station/origin.js";
import type { ProvenLeaf } from "../../src/station/timing.js";
import { logKey, type TestKey } from "./keys.js";

export class ForgingStation {
  readonly key: TestKey;
  readonly station: Uint8Array;
  readonly origin: string;
  readonly bodies: Uint8Array[] = [];
  readonly #nodes = new Map<string, Uint8Array>();

  readonly mode: Mode;

  constructor(key: TestKey, mode: Mode = "live") {
    this.key = key;
    this.mode = mode;
    this.station = stationIdOf(key.publicKey);
    this.origin = originOf(this.station, mode);
  }

  readonly subtree: SubtreeHash = (level, index) => this.#nodes.get(`${level}/${index}`)!;

  /** Puts a leaf that is honest but for `lie`. */
  put(content: LeafContent, lie: Partial<Leaf> = {}): this {
    const index = this.bodies.length;
    const last = this.bodies.at(-1);
    const previous = last === undefined ? NO_LEAF : leafHash(last);
    const leaf = { ...content, station: this.station, index, previous, mode: this.mode, ...lie } as Leaf;
    const bytes = encodeLeaf(leaf);
    this.bodies.push(bytes);
    storeLeaf(index, leafHash(bytes), this.subtree, (level, at, hash) =>
      this.#nodes.set(`${level}/${at}`, hash),
    );
    return this;
  }

  /** Another history under the same key: the first `keep` leaves, then whatever follows. */
  branch(keep: number): ForgingStation {
    const other = new ForgingStation(this.key, this.mode);
    for (const bytes of this.bodies.slice(0, keep)) {
      const index = other.bodies.length;
      other.bodies.push(bytes);
      storeLeaf(index, leafHash(bytes), other.subtree, (level, at, hash) => {
        other.#nodes.set(`${level}/${at}`, hash);
      });
    }
    return other;
  }

  async checkpoint(size = this.bodies.length): Promise<Checkpoint> {
    const head = { origin: this.origin, size, root: rootOf(size, this.subtree), extensions: [] };
    const key = logKey(this.origin, this.key);
    return parseCheckpoint(await signCheckpoint(head, [{ key, sign: this.key.sign }]))!;
  }

  async request(from: number, size = this.bodies.length): Promise<string> {
    const proof = consistencyProof(from, size, this.subtree);
    return formatAddCheckpoint(from, proof, formatNote((await this.checkpoint(size)).note));
  }

  proven(index: number, checkpoint: Checkpoint): ProvenLeaf {
    const inclusion = inclusionProof(index, checkpoint.size, this.subtree);
    return { bytes: this.bodies[index], sightings: [{ inclusion, checkpoint }] };
  }
}
