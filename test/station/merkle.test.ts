/**
 * RFC 6962 trees against the published vectors of the Certificate Transparency project (eight leaves, their roots
 * and proofs, as in github.com/transparency-dev/merkle), and against the definition in general.
 */
import fc from "fast-check";
import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import {
  consistencyProof,
  EMPTY_ROOT,
  inclusionProof,
  leafHash,
  nodeHash,
  rootOf,
  storeLeaf,
  verifyConsistency,
  verifyInclusion,
  type SubtreeHash,
} from "../../src/station/merkle.js";

const bytes = (hex: string): Uint8Array => Buffer.from(hex, "hex");
const hex = (value: Uint8Array): string => Buffer.from(value).toString("hex");

const LEAVES = [
  "",
  "00",
  "10",
  "2021",
  "3031",
  "40414243",
  "5051525354555657",
  "606162636465666768696a6b6c6d6e6f",
];
const ROOTS = [
  "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
  "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
  "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
  "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
  "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
  "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
  "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
  "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
];
/** Leaf from 1, size, path. */
const INCLUSION: readonly [number, number, readonly string[]][] = [
  [1, 1, []],
  [
    1,
    8,
    [
      "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
      "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
      "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ],
  ],
  [
    6,
    8,
    [
      "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
      "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
      "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
  ],
  [3, 3, ["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"]],
  [
    2,
    5,
    [
      "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
      "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
      "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ],
  ],
];
const CONSISTENCY: readonly [number, number, readonly string[]][] = [
  [1, 1, []],
  [
    1,
    8,
    [
      "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
      "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
      "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ],
  ],
  [
    6,
    8,
    [
      "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
      "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
      "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
  ],
  [
    2,
    5,
    [
      "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
      "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ],
  ],
  [
    6,
    7,
    [
      "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
      "b08693ec2e721597130641e8211e7eedccb4c26413963eee6c1e2ed16ffb1a5f",
      "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
  ],
];

/** A tree in memory. */
function treeOf(leaves: readonly Uint8Array[]): { size: number; subtree: SubtreeHash } {
  const nodes = new Map<string, Uint8Array>();
  const subtree: SubtreeHash = (level, index) => {
    const node = nodes.get(`${level}/${index}`);
    if (node === undefined) throw new Error(`no node ${level}/${index}`);
    return node;
  };
  leaves.forEach((leaf, index) => {
    storeLeaf(index, leafHash(leaf), subtree, (level, at, hash) => nodes.set(`${level}/${at}`, hash));
  });
  return { size: leaves.length, subtree };
}

/** RFC 6962 section 2.1, word for word. */
function mth(leaves: readonly Uint8Array[]): Uint8Array {
  if (leaves.length === 0) return createHash("sha256").digest();
  if (leaves.length === 1) return leafHash(leaves[0]);
  let k = 1;
  while (k * 2 < leaves.length) k *= 2;
  return nodeHash(mth(leaves.slice(0, k)), mth(leaves.slice(k)));
}

const published = treeOf(LEAVES.map(bytes));

describe("published vectors", () => {
  it("gives the roots of all sizes", () => {
    expect(hex(rootOf(0, published.subtree))).toBe(
      "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    );
    ROOTS.forEach((root, at) => {
      expect(hex(rootOf(at + 1, published.subtree))).toBe(root);
    });
  });

  it.each(INCLUSION)("proves that leaf %i is in the tree of %i", (leaf, size, path) => {
    const proof = inclusionProof(leaf - 1, size, published.subtree);
    expect(proof.map(hex)).toEqual(path);
    const hash = leafHash(bytes(LEAVES[leaf - 1]));
    expect(verifyInclusion(leaf - 1, size, hash, proof, bytes(ROOTS[size - 1]))).toBe(true);
  });

  it.each(CONSISTENCY)("proves that the tree of %i leads to that of %i", (first, second, path) => {
    const proof = consistencyProof(first, second, published.subtree);
    expect(proof.map(hex)).toEqual(path);
    const [older, newer] = [bytes(ROOTS[first - 1]), bytes(ROOTS[second - 1])];
    expect(verifyConsistency(first, second, older, newer, proof)).toBe(true);
  });
});

describe("any tree", () => {
  const leaves = Array.from({ length: 70 }, (_, at) => Buffer.from(`leaf ${at}`));
  const tree = treeOf(leaves);
  const roots = Array.from({ length: leaves.length + 1 }, (_, size) => mth(leaves.slice(0, size)));

  it("has the root of the definition and proves every leaf and every growth", () => {
    for (let size = 0; size <= leaves.length; size++) {
      expect(hex(rootOf(size, tree.subtree))).toBe(hex(roots[size]));
      for (let index = 0; index < size; index++) {
        const proof = inclusionProof(index, size, tree.subtree);
        expect(verifyInclusion(index, size, leafHash(leaves[index]), proof, roots[size])).toBe(true);
      }
      for (let first = 0; first <= size; first++) {
        const proof = consistencyProof(first, size, tree.subtree);
        expect(verifyConsistency(first, size, roots[first], roots[size], proof)).toBe(true);
      }
    }
  });

  it("takes no proof for another leaf, place, size or root, and none that was altered, cut or extended", () => {
    const sizes = fc.integer({ min: 2, max: leaves.length });
    fc.assert(
      fc.property(sizes, fc.nat(), fc.nat(), fc.nat(), (size, a, b, bit) => {
        const index = a % size;
        const other = b % size;
        const proof = inclusionProof(index, size, tree.subtree);
        const hash = leafHash(leaves[index]);
        const verify = (path: readonly Uint8Array[], at = index, of = size, root = roots[of]) =>
          verifyInclusion(at, of, hash, path, root);
        if (other !== index) expect(verify(proof, other)).toBe(false);
        expect(verify(proof, index, size, roots[size - 1])).toBe(false);
        expect(verify([...proof, roots[size]])).toBe(false);
        if (proof.length === 0) return;
        expect(verify(proof.slice(1))).toBe(false);
        const altered = proof.map((node) => Uint8Array.from(node));
        const node = altered[bit % altered.length];
        node[bit % 32] ^= 1 << (bit % 8);
        expect(verify(altered)).toBe(false);

        const first = 1 + (b % (size - 1));
        const growth = consistencyProof(first, size, tree.subtree);
        const grows = (path: readonly Uint8Array[], older = roots[first], newer = roots[size]) =>
          verifyConsistency(first, size, older, newer, path);
        expect(grows(growth, roots[first - 1])).toBe(false);
        expect(grows(growth, roots[first], roots[size - 1])).toBe(false);
        expect(grows(growth.slice(1))).toBe(false);
        expect(grows([...growth, roots[size]])).toBe(false);
        const bent = growth.map((each) => Uint8Array.from(each));
        bent[bit % bent.length][bit % 32] ^= 1 << (bit % 8);
        expect(grows(bent)).toBe(false);
      }),
      { numRuns: 300 },
    );
  });

  it("never throws on what was sent", () => {
    const short = [new Uint8Array(31)];
    expect(verifyInclusion(0, 1, new Uint8Array(31), [], new Uint8Array(31))).toBe(false);
    expect(verifyInclusion(-1, 1, EMPTY_ROOT, [], EMPTY_ROOT)).toBe(false);
    expect(verifyInclusion(0, 2 ** 60, EMPTY_ROOT, short, EMPTY_ROOT)).toBe(false);
    expect(verifyConsistency(2, 1, EMPTY_ROOT, EMPTY_ROOT, [])).toBe(false);
    expect(verifyConsistency(0, 5, EMPTY_ROOT, roots[5], [roots[5]])).toBe(false);
    expect(verifyConsistency(0, 0, EMPTY_ROOT, EMPTY_ROOT, [])).toBe(true);
    expect(verifyConsistency(3, 3, roots[3], roots[3], [roots[3]])).toBe(false);
    expect(
      verifyConsistency(
        1,
        2,
        roots[1],
        roots[2],
        Array.from({ length: 60 }, () => roots[1]),
      ),
    ).toBe(false);
  });

  it("proves places above 2^32, where JavaScript's shifts would wrap", () => {
    // A tree whose complete subtrees are all known by rule: every leaf has the same hash.
    const level: Uint8Array[] = [leafHash(Buffer.from("same"))];
    for (let at = 0; at < 50; at++) level.push(nodeHash(level[at], level[at]));
    const subtree: SubtreeHash = (height) => level[height];
    const size = 2 ** 40 + 12_345;
    const root = rootOf(size, subtree);
    for (const index of [0, 2 ** 32, 2 ** 39 + 1, 2 ** 40, size - 1]) {
      const proof = inclusionProof(index, size, subtree);
      expect(verifyInclusion(index, size, level[0], proof, root)).toBe(true);
      expect(verifyInclusion(index, size, level[1], proof, root)).toBe(false);
    }
    const growth = consistencyProof(2 ** 33 + 7, size, subtree);
    expect(verifyConsistency(2 ** 33 + 7, size, rootOf(2 ** 33 + 7, subtree), root, growth)).toBe(true);
    expect(verifyConsistency(2 ** 33 + 6, size, rootOf(2 ** 33 + 6, subtree), root, growth)).toBe(false);
  });
});
