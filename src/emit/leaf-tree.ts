/** The Merkle tree of a log that is followed: all complete subtrees, by level. */
import { rootOf, storeLeaf, type SubtreeHash } from "../station/merkle.js";

export class LeafTree {
  readonly #levels: Uint8Array[][] = [[]];

  readonly subtree: SubtreeHash = (level, index) => this.#levels[level][index];

  get size(): number {
    return this.#levels[0].length;
  }

  get root(): Uint8Array {
    return this.rootAt(this.size);
  }

  /** Root of the first `size` leaves. */
  rootAt(size: number): Uint8Array {
    return rootOf(size, this.subtree);
  }

  leaf(index: number): Uint8Array {
    return this.#levels[0][index];
  }

  append(hash: Uint8Array): void {
    storeLeaf(this.size, hash, this.subtree, (level, index, node) => {
      (this.#levels[level] ??= [])[index] = node;
    });
  }

  cut(size: number): void {
    this.#levels.forEach((nodes, level) => {
      nodes.length = Math.min(nodes.length, Math.floor(size / 2 ** level));
    });
  }

  /** Root of the tree that has the first `from` leaves of this one and then these; this one stays as it is. */
  rootWith(from: number, hashes: readonly Uint8Array[]): Uint8Array {
    const fresh = new Map<string, Uint8Array>();
    const subtree: SubtreeHash = (level, index) =>
      fresh.get(`${level}/${index}`) ?? this.subtree(level, index);
    hashes.forEach((hash, at) => {
      storeLeaf(from + at, hash, subtree, (level, index, node) => fresh.set(`${level}/${index}`, node));
    });
    return rootOf(from + hashes.length, subtree);
  }
}
