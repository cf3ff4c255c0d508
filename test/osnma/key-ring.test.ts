/** Public keys by (root, PKID): what takes over from what, and what never comes back. */
import { describe, expect, it } from "vitest";
import { KeyRing } from "../../src/osnma/key-ring.js";
import { TestAuthority } from "../../src/simulate/test-authority.js";
import { trustOf } from "../support/osnma.js";

const a = new TestAuthority("ring, tree A");
const b = new TestAuthority("ring, tree B");
const inA = trustOf(a, [1, 2, 3]);
const inB = trustOf(b, [1]);
const rootA = inA.roots[0].root;
const rootB = inB.roots[0].root;

const ring = (): KeyRing => new KeyRing([...inA.roots, ...inB.roots], [...inA.keys, ...inB.keys]);
const find = (of: KeyRing, root: string, pkid: number) => of.find({ root, pkid })!;

describe("the key ring", () => {
  it("a higher PKID in force spends the lower ones of its tree, and only those", () => {
    const keys = ring();
    expect(
      keys
        .candidates(1, 0, false)
        .map(({ name }) => name.root)
        .sort(),
    ).toEqual([rootA, rootB].sort());
    keys.putInForce(find(keys, rootA, 2));
    expect(keys.candidates(1, 0, false).map(({ name }) => name.root)).toEqual([rootB]);
    expect(keys.candidates(3, 0, false)).toHaveLength(1);
    expect(keys.isRefused(rootA, 1)).toBe(true);
    expect(keys.isRefused(rootA, 3)).toBe(false);
    expect(keys.isRefused(rootB, 1)).toBe(false);
  });

  it("a new tree in force spends the old one for good", () => {
    const keys = ring();
    keys.putInForce(find(keys, rootA, 2));
    expect(keys.putInForce(find(keys, rootB, 1))).toMatchObject({ renewal: true });
    for (const pkid of [1, 2, 3]) {
      expect(keys.candidates(pkid, 0, false).filter(({ name }) => name.root === rootA)).toEqual([]);
      expect(keys.isRefused(rootA, pkid)).toBe(true);
    }
    const restored = new KeyRing([...inA.roots, ...inB.roots], [...inA.keys, ...inB.keys], keys.snapshot());
    expect(restored.inForce?.name).toEqual({ root: rootB, pkid: 1 });
    expect(restored.candidates(3, 0, false)).toEqual([]);
  });

  it("a key given without a tree spends no key of the tree to come", () => {
    const given = { ...inA.keys[2], root: "explicit:03" };
    const keys = new KeyRing(
      [...inA.roots, ...inB.roots],
      [given, ...inB.keys, { ...inA.keys[0], root: "explicit:01" }],
    );
    keys.putInForce(find(keys, "explicit:03", 3));
    // Before the renewal no lower PKID counts, whatever its tree; with it, one that hangs from a root.
    expect(keys.candidates(1, 0, false)).toEqual([]);
    expect(keys.candidates(1, 0, true).map(({ name }) => name.root)).toEqual([rootB]);
    expect(keys.isRefused(rootB, 1)).toBe(false);
    expect(keys.putInForce(find(keys, rootB, 1))?.former.name.pkid).toBe(3);
    expect(keys.isUsable(find(keys, "explicit:03", 3))).toBe(false);
  });

  it("revocation takes every lower PKID of the tree", () => {
    const keys = ring();
    expect(keys.revokeBelow(find(keys, rootA, 3)).map(({ name }) => name.pkid)).toEqual([1, 2]);
    expect(keys.revokeBelow(find(keys, rootA, 3))).toEqual([]);
    expect(keys.isUsable(find(keys, rootA, 3))).toBe(true);
    expect(keys.isUsable(find(keys, rootB, 1))).toBe(true);
  });

  it("the validity of a key bounds its use, both ends", () => {
    const [key] = inA.keys;
    const keys = new KeyRing(inA.roots, [{ ...key, validFrom: 100, validUntil: 200 }]);
    expect([99, 100, 199, 200].map((gst) => keys.candidates(1, gst, false).length)).toEqual([0, 1, 1, 0]);
  });

  it("a point on no curve is no key", () => {
    const keys = ring();
    expect(
      keys.addProven(rootA, 5, "P-256", new Uint8Array(33), { leafIndex: 4, siblings: a.proof(4) }),
    ).toBeNull();
    expect(keys.find({ root: rootA, pkid: 5 })).toBeNull();
  });

  it("a key given under two names stays revoked under both after a restart", () => {
    const keys = ring();
    keys.revokeBelow(find(keys, rootA, 3));
    const renamed = { ...inA.keys[0], root: "explicit:00" };
    const restored = new KeyRing(inA.roots, [renamed], keys.snapshot());
    expect(restored.candidates(1, 0, false)).toEqual([]);
  });
});
