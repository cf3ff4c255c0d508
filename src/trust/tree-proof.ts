/**
 * What a partly known OSNMA Merkle tree proves. A tree has 16 leaves and depth 4,
 * `x_{0,i} = SHA-256(m_i)`, `x_{j,i} = SHA-256(x_{j-1,2i} || x_{j-1,2i+1})`, and the root is x_{4,0}.
 * Source: OSNMA SIS ICD 1.1, section 6.2 (DSM-PKR verification).
 *
 * A tree file carries only the sibling path of the keys it lists. From those few nodes more can be had:
 * the leaf of a *neighbouring* key is itself one of the siblings, so a key file for it is proven too.
 */
import type { KeyType } from "../osnma/ecdsa.js";
import { MERKLE_DEPTH, merkleLeaf, sha256 } from "../osnma/merkle-tree.js";
import { sameBytes } from "../osnma/bits.js";

/** Leaves of an OSNMA Merkle tree (OSNMA SIS ICD 1.1, table of DSM-PKR fields: MID has 4 bits). */
export const MERKLE_LEAVES = 16;
/** New Public Key Type, NPKT (OSNMA SIS ICD 1.1, DSM-PKR). */
export const NPKT: Readonly<Record<KeyType, number>> = { "P-256": 1, "P-521": 3 };

/** A node x_{j,i}: level j counted from the leaves, index i in its level. */
export interface TreeNode {
  readonly j: number;
  readonly i: number;
  readonly x: Uint8Array;
}

/** A public key and the leaf it claims. */
export interface TreeKey {
  readonly i: number;
  readonly pkid: number;
  readonly type: KeyType;
  readonly point: Uint8Array;
}

/** x_{0,i} of a key. */
export function leafNode(key: TreeKey): TreeNode {
  return { j: 0, i: key.i, x: sha256(merkleLeaf(NPKT[key.type], key.pkid, key.point)) };
}

/**
 * Computes every node that follows from the given ones and returns those that hang together up to the root,
 * which are thereby proven; null where two of the given nodes contradict each other or the root.
 */
export function provenNodes(root: Uint8Array, given: readonly TreeNode[]): TreeNode[] | null {
  const levels: (Uint8Array | undefined)[][] = [];
  for (let j = 0; j <= MERKLE_DEPTH; j++) levels.push(new Array<undefined>(MERKLE_LEAVES >> j));
  levels[MERKLE_DEPTH][0] = root;
  for (const { j, i, x } of given) {
    if (!Number.isInteger(j) || j < 0 || j > MERKLE_DEPTH) throw new RangeError(`no tree level ${j}`);
    if (!Number.isInteger(i) || i < 0 || i >= MERKLE_LEAVES >> j) throw new RangeError(`no node ${j},${i}`);
    if (!put(levels[j], i, x)) return null;
  }
  for (let j = 0; j < MERKLE_DEPTH; j++) {
    for (let i = 0; i < MERKLE_LEAVES >> j; i += 2) {
      const left = levels[j][i];
      const right = levels[j][i + 1];
      if (left === undefined || right === undefined) continue;
      if (!put(levels[j + 1], i >> 1, sha256(left, right))) return null;
    }
  }
  // Downwards: a pair is proven by its proven parent. A node whose sibling is missing proves nothing.
  const proven: TreeNode[] = [{ j: MERKLE_DEPTH, i: 0, x: root }];
  for (const parent of proven) {
    if (parent.j === 0) continue;
    const level = levels[parent.j - 1];
    const left = level[2 * parent.i];
    const right = level[2 * parent.i + 1];
    if (left === undefined || right === undefined) continue;
    proven.push({ j: parent.j - 1, i: 2 * parent.i, x: left });
    proven.push({ j: parent.j - 1, i: 2 * parent.i + 1, x: right });
  }
  return proven;
}

/** Whether `key` is a leaf of the tree under `root`, by the nodes known of that tree. */
export function provesKey(root: Uint8Array, nodes: readonly TreeNode[], key: TreeKey): boolean {
  const leaf = leafNode(key);
  const proven = provenNodes(root, [...nodes, leaf]);
  return proven !== null && proven.some((node) => node.j === 0 && node.i === key.i);
}

function put(level: (Uint8Array | undefined)[], i: number, x: Uint8Array): boolean {
  const known = level[i];
  if (known !== undefined) return sameBytes(known, x);
  level[i] = x;
  return true;
}
