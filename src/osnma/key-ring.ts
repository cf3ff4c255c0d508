/**
 * Merkle roots and public keys: given by the operator, or proven by a DSM-PKR against a given root. A key is
 * named by (root, PKID). Revocation and anti-rollback follow OSNMA SIS ICD 1.1 (PKREV) and the guidelines: a
 * PKID below the one in force is refused under the same root, and a root that was renewed does not come back.
 */
import type { PublicKeyName } from "./chain.js";
import { importPublicKey, type EcdsaPublicKey, type KeyType } from "./ecdsa.js";

/** Where a key stands in its Merkle tree: leaf index and the four siblings from the leaves up, 32 bytes each. */
export interface MerkleProof {
  readonly leafIndex: number;
  readonly siblings: readonly Uint8Array[];
}

/** `known`: usable; `in-force`: signed the newest verified KROOT; the others are never used again. */
export type KeyStatus = "known" | "in-force" | "superseded" | "revoked";

export interface RingKey {
  readonly name: PublicKeyName;
  readonly key: EcdsaPublicKey;
  readonly origin: "given" | "dsm-pkr";
  status: KeyStatus;
  /** How it hangs from its root, where that is known: part of the evidence for what it signs. */
  proof: MerkleProof | null;
  readonly validFrom: number | null;
  readonly validUntil: number | null;
}

export interface GivenRoot {
  /** 64 hexadecimal digits, lower case. */
  readonly root: string;
}

export interface GivenKey {
  /** The root's digits, or `explicit:` and a digest where a key was given without a tree. */
  readonly root: string;
  readonly pkid: number;
  readonly type: KeyType;
  /** Compressed point. */
  readonly point: Uint8Array;
  /** Linear GST between which the key applies; left out or null where that is not to be judged. */
  readonly validFrom?: number | null;
  readonly validUntil?: number | null;
  readonly proof?: MerkleProof | null;
}

export interface KeyRingSnapshot {
  readonly keys: readonly {
    readonly root: string;
    readonly pkid: number;
    readonly type: KeyType;
    readonly point: string;
    readonly origin: "given" | "dsm-pkr";
    readonly status: KeyStatus;
    /** Leaf index and siblings, hexadecimal; null where unknown. */
    readonly proof: { readonly leafIndex: number; readonly siblings: readonly string[] } | null;
  }[];
  readonly renewedRoots: readonly string[];
}

/** Names a key that was given without a tree: it may belong to any, and shares the fate of every tree's keys. */
const EXPLICIT = "explicit:";

function sameTree(a: PublicKeyName, b: PublicKeyName): boolean {
  return a.root === b.root || a.root.startsWith(EXPLICIT) || b.root.startsWith(EXPLICIT);
}

const nameOf = (name: PublicKeyName): string => `${name.root}/${name.pkid}`;

export class KeyRing {
  readonly roots: readonly { readonly name: string; readonly bytes: Uint8Array }[];
  readonly #keys = new Map<string, RingKey>();
  readonly #renewedRoots = new Set<string>();
  #inForce: RingKey | null = null;

  constructor(
    roots: readonly GivenRoot[],
    keys: readonly GivenKey[],
    snapshot: KeyRingSnapshot | null = null,
  ) {
    this.roots = roots.map(({ root }) => ({ name: root, bytes: Uint8Array.from(Buffer.from(root, "hex")) }));
    for (const given of keys) this.#add(given, "given", "known");
    if (snapshot === null) return;
    for (const root of snapshot.renewedRoots) this.#renewedRoots.add(root);
    for (const kept of snapshot.keys) {
      // A key that came over the air is worth what its root is worth: without the root it is not restored.
      const rooted = roots.some(({ root }) => root === kept.root);
      const known = this.#keys.get(nameOf(kept));
      if (known === undefined && !(kept.origin === "dsm-pkr" && rooted)) {
        if (kept.status === "revoked") this.#add(givenOfKept(kept), kept.origin, "revoked");
        continue;
      }
      const key = known ?? this.#add(givenOfKept(kept), kept.origin, kept.status);
      if (key === null) continue;
      key.status = kept.status;
      if (kept.status === "in-force") this.#inForce = key;
    }
    // A key that was spent or revoked under one name stays so when the same point is given under another.
    for (const kept of snapshot.keys) {
      if (kept.status !== "revoked" && kept.status !== "superseded") continue;
      for (const key of this.#keys.values()) {
        const isSame = Buffer.from(key.key.point).toString("hex") === kept.point;
        if (isSame && sameTree(key.name, kept) && key.status === "known") key.status = kept.status;
      }
    }
  }

  #add(given: GivenKey, origin: "given" | "dsm-pkr", status: KeyStatus): RingKey | null {
    const key = importPublicKey(given.type, given.point);
    if (key === null) return null;
    const entry: RingKey = {
      name: { root: given.root, pkid: given.pkid },
      key,
      origin,
      status,
      proof: given.proof ?? null,
      validFrom: given.validFrom ?? null,
      validUntil: given.validUntil ?? null,
    };
    this.#keys.set(nameOf(entry.name), entry);
    return entry;
  }

  get inForce(): RingKey | null {
    return this.#inForce;
  }

  get all(): Iterable<RingKey> {
    return this.#keys.values();
  }

  get hasUsableKey(): boolean {
    for (const key of this.#keys.values()) if (this.isUsable(key)) return true;
    return false;
  }

  isUsable(key: RingKey): boolean {
    return (key.status === "known" || key.status === "in-force") && !this.#renewedRoots.has(key.name.root);
  }

  find(name: PublicKeyName): RingKey | null {
    return this.#keys.get(nameOf(name)) ?? null;
  }

  /**
   * Keys with this PKID that are usable at `gst`, over all roots; the key in force first. None below the one in
   * force: PKIDs do not go back, but where a new Merkle tree is being introduced (`renewal`).
   */
  candidates(pkid: number, gst: number, renewal: boolean): RingKey[] {
    const found: RingKey[] = [];
    for (const key of this.#keys.values()) {
      if (key.name.pkid !== pkid || !this.isUsable(key) || this.#isBelowInForce(key.name, renewal)) continue;
      if (
        (key.validFrom !== null && gst < key.validFrom) ||
        (key.validUntil !== null && gst >= key.validUntil)
      )
        continue;
      found.push(key);
    }
    return found.sort((a, b) => Number(b.status === "in-force") - Number(a.status === "in-force"));
  }

  /** Whether a key was refused for good under this name. What is only out of turn waits for the renewal of the tree. */
  isRefused(root: string, pkid: number): boolean {
    if (this.#renewedRoots.has(root)) return true;
    const status = this.#keys.get(nameOf({ root, pkid }))?.status;
    if (status === "revoked" || status === "superseded") return true;
    return this.#isBelowInForce({ root, pkid }, true);
  }

  #isBelowInForce(name: PublicKeyName, renewal: boolean): boolean {
    const inForce = this.#inForce;
    if (inForce === null || name.pkid >= inForce.name.pkid) return false;
    // PKIDs begin again with a new tree: while one is being introduced, only the same root orders them.
    return renewal ? inForce.name.root === name.root : sameTree(inForce.name, name);
  }

  /** Whether the tree of this root has been renewed: nothing under it counts any more. */
  isRenewed(root: string): boolean {
    return this.#renewedRoots.has(root);
  }

  /** Takes in a key that a DSM-PKR proved. Returns null where the point is on no curve. */
  addProven(
    root: string,
    pkid: number,
    type: KeyType,
    point: Uint8Array,
    proof: MerkleProof,
  ): RingKey | null {
    const known = this.#keys.get(nameOf({ root, pkid }));
    if (known !== undefined) {
      known.proof ??= proof;
      return known;
    }
    return this.#add({ root, pkid, type, point, proof }, "dsm-pkr", "known");
  }

  /**
   * Puts the key in force that verified a KROOT, and returns the key it takes over from, if another. Lower
   * PKIDs of the same root are spent; with another root, the old one has been renewed. A key given without a tree
   * spends none of a known root: it may be the next tree's, whose PKIDs begin anew.
   */
  putInForce(key: RingKey): { readonly former: RingKey; readonly renewal: boolean } | null {
    const former = this.#inForce;
    if (former === key) return null;
    if (former !== null) {
      former.status = "superseded";
      if (!sameTree(former.name, key.name)) this.#renewedRoots.add(former.name.root);
    }
    for (const other of this.#keys.values()) {
      const spent = other.name.root === key.name.root || other.name.root.startsWith(EXPLICIT);
      if (other !== key && spent && other.name.pkid < key.name.pkid) {
        if (other.status !== "revoked") other.status = "superseded";
      }
    }
    key.status = "in-force";
    this.#inForce = key;
    return former === null ? null : { former, renewal: !sameTree(former.name, key.name) };
  }

  /** Revokes every key of the root with a lower PKID (PKREV, signed by `survivor`). Returns those newly revoked. */
  revokeBelow(survivor: RingKey): RingKey[] {
    const revoked: RingKey[] = [];
    for (const key of this.#keys.values()) {
      if (!sameTree(key.name, survivor.name) || key.name.pkid >= survivor.name.pkid) continue;
      if (key.status === "revoked") continue;
      key.status = "revoked";
      revoked.push(key);
    }
    return revoked;
  }

  snapshot(): KeyRingSnapshot {
    return {
      keys: [...this.#keys.values()].map(({ name, key, origin, status, proof }) => ({
        root: name.root,
        pkid: name.pkid,
        type: key.type,
        point: Buffer.from(key.point).toString("hex"),
        origin,
        status,
        proof:
          proof === null
            ? null
            : {
                leafIndex: proof.leafIndex,
                siblings: proof.siblings.map((node) => Buffer.from(node).toString("hex")),
              },
      })),
      renewedRoots: [...this.#renewedRoots],
    };
  }
}

function givenOfKept(kept: KeyRingSnapshot["keys"][number]): GivenKey {
  const { root, pkid, type, point, proof } = kept;
  return {
    root,
    pkid,
    type,
    point: hexBytes(point),
    proof: proof == null ? null : { leafIndex: proof.leafIndex, siblings: proof.siblings.map(hexBytes) },
  };
}

function hexBytes(hex: string): Uint8Array {
  return Uint8Array.from(Buffer.from(hex, "hex"));
}
