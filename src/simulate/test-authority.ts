/**
 * A test authority: a Merkle tree of 16 leaves over test public keys and one alert message, all from a seed,
 * with the signing that goes with it and the files GSC publishes about it. OSNMA SIS ICD 1.1 sections 5
 * (DSM-PKR) and 6.2 (Merkle tree); file form as OSNMA_MerkleTree and OSNMA_PublicKey of GSC.
 *
 * Nothing of this is Galileo's. Every file says TEST where GSC's says who issued it.
 */
import { createHash } from "node:crypto";
import { concatBytes, toHex } from "./bit-writer.js";
import { type Curve, publicPoint, scalarFromSeed, signDeterministic } from "./ecdsa.js";
import { seededBytes } from "./seeded.js";

/** Leaves of the OSNMA Merkle tree, depth 4. */
export const LEAF_COUNT = 16;
const DEPTH = 4;
/** Leaf of the alert message in the official vectors, and here. */
export const ALERT_LEAF = 15;
/** Payload of the alert message: what fills a DSM-PKR of 13 blocks, 312 bits (OSNMA SIS ICD 1.1, OAM). */
const ALERT_PAYLOAD_BYTES = 39;
/** NPKT codes (OSNMA SIS ICD 1.1, DSM-PKR). */
export const NPKT = { "P-256": 1, "P-521": 3, alert: 4 } as const;

/** What a leaf of the tree carries: a public key, or the alert message. */
export interface TestLeaf {
  readonly index: number;
  readonly npkt: number;
  /** PKID of a key, 0 for the alert message. */
  readonly npkid: number;
  /** Compressed point, or the alert's payload. */
  readonly npk: Uint8Array;
}

/** A test public key, its leaf included. */
export interface TestKey extends TestLeaf {
  readonly pkid: number;
  readonly curve: Curve;
}

export interface TestAuthorityOptions {
  /** Curve of each PKID that is not P-256. PKID p is at leaf p - 1. */
  readonly curves?: Readonly<Record<number, Curve>>;
}

/** The signer of a simulated Galileo: keys PKID 1..15 at leaves 0..14, the alert message at leaf 15. */
export class TestAuthority {
  readonly seed: string;
  readonly root: Uint8Array;
  readonly #leaves: readonly TestLeaf[];
  readonly #keys = new Map<number, TestKey>();
  readonly #scalars = new Map<number, bigint>();
  /** Nodes x_{j,i} by level j. */
  readonly #nodes: readonly (readonly Uint8Array[])[];

  constructor(seed: string, options: TestAuthorityOptions = {}) {
    if (typeof seed !== "string" || seed === "") throw new TypeError("a test authority needs a seed");
    this.seed = seed;
    const leaves: TestLeaf[] = [];
    for (let index = 0; index < ALERT_LEAF; index++) {
      const pkid = index + 1;
      const curve = options.curves?.[pkid] ?? "P-256";
      const scalar = scalarFromSeed(curve, seededBytes(seed, `key ${pkid} ${curve}`, 80));
      const npk = publicPoint(curve, scalar);
      const key: TestKey = { index, npkt: NPKT[curve], npkid: pkid, npk, pkid, curve };
      this.#keys.set(pkid, key);
      this.#scalars.set(pkid, scalar);
      leaves.push(key);
    }
    const payload = seededBytes(seed, "alert", ALERT_PAYLOAD_BYTES);
    leaves.push({ index: ALERT_LEAF, npkt: NPKT.alert, npkid: 0, npk: payload });
    this.#leaves = leaves;

    const levels: Uint8Array[][] = [leaves.map((leaf) => sha256(leafMessage(leaf)))];
    for (let level = 1; level <= DEPTH; level++) {
      const below = levels[level - 1]!;
      levels.push(
        Array.from({ length: below.length / 2 }, (_, i) => sha256(below[2 * i]!, below[2 * i + 1]!)),
      );
    }
    this.#nodes = levels;
    this.root = levels[DEPTH]![0]!;
  }

  /** The key with this PKID (1..15). */
  key(pkid: number): TestKey {
    const key = this.#keys.get(pkid);
    if (key === undefined) throw new RangeError(`no test key with PKID ${pkid}`);
    return key;
  }

  /** The leaf that carries the alert message. */
  get alert(): TestLeaf {
    return this.#leaves[ALERT_LEAF]!;
  }

  /** The four siblings x_{0..3} that lead from a leaf to the root: the field ITN. */
  proof(leaf: number): Uint8Array[] {
    if (!Number.isInteger(leaf) || leaf < 0 || leaf >= LEAF_COUNT) throw new RangeError("leaf must be 0..15");
    return Array.from({ length: DEPTH }, (_, level) => this.#nodes[level]![(leaf >> level) ^ 1]!);
  }

  /** `r || s` of the key with this PKID over a message; the same for the same message (RFC 6979). */
  sign(pkid: number, message: Uint8Array): Uint8Array {
    return signDeterministic(this.key(pkid).curve, this.#scalars.get(pkid)!, message);
  }

  /** The Merkle tree file in GSC's form, with the nodes that prove the listed keys. */
  merkleTreeXml(pkids: readonly number[], issueDate: string): string {
    const keys = pkids.map((pkid) => this.key(pkid));
    const nodes = new Map<string, { j: number; i: number }>();
    nodes.set("4,0", { j: DEPTH, i: 0 });
    for (let j = DEPTH - 1; j >= 0; j--) {
      for (const key of keys) nodes.set(`${j},${(key.index >> j) ^ 1}`, { j, i: (key.index >> j) ^ 1 });
    }
    const uid = toHex(sha256(Buffer.from("tree"), this.root)).toUpperCase();
    const keyXml = keys.map(
      (key) =>
        `<PublicKey><i>${key.index}</i><PKID>${key.pkid}</PKID><lengthInBits>${key.npk.length * 8}` +
        `</lengthInBits><point>${toHex(key.npk).toUpperCase()}</point><PKType>${pkType(key.curve)}</PKType></PublicKey>`,
    );
    const nodeXml = [...nodes.values()].map(
      ({ j, i }) =>
        `<TreeNode><j>${j}</j><i>${i}</i><lengthInBits>256</lengthInBits>` +
        `<x_ji>${toHex(this.#nodes[j]![i]!).toUpperCase()}</x_ji></TreeNode>`,
    );
    return signalData(
      issueDate,
      `<MerkleTree><UID>TEST-MT-${uid}</UID><Applicability><Begin>${issueDate}</Begin></Applicability>` +
        `<State>Applicable</State><SignatureFile>TEST_none</SignatureFile>` +
        `<SignatureVerificationCertificate>TEST_none</SignatureVerificationCertificate>` +
        `<N>${LEAF_COUNT}</N><HashFunction>SHA-256</HashFunction>${keyXml.join("")}${nodeXml.join("")}</MerkleTree>`,
    );
  }

  /** The public key file in GSC's form. */
  publicKeyXml(pkid: number, issueDate: string): string {
    const key = this.key(pkid);
    const uid = toHex(sha256(Buffer.from("key"), key.npk)).toUpperCase();
    return signalData(
      issueDate,
      `<PublicKey><UID>TEST-PK-${uid}</UID><Applicability><Begin>${issueDate}</Begin></Applicability>` +
        `<State>Applicable</State><i>${key.index}</i><PKID>${key.pkid}</PKID>` +
        `<lengthInBits>${key.npk.length * 8}</lengthInBits><point>${toHex(key.npk).toUpperCase()}</point>` +
        `<Certificate>TEST_none</Certificate><CRL>TEST_none</CRL><PKType>${pkType(key.curve)}</PKType></PublicKey>`,
    );
  }
}

/** The leaf message `NPKT(4) || NPKID(4) || NPK`. */
export function leafMessage(leaf: Pick<TestLeaf, "npkt" | "npkid" | "npk">): Uint8Array {
  return concatBytes(Uint8Array.of((leaf.npkt << 4) | leaf.npkid), leaf.npk);
}

/** A root key file: the DSM-KROOT, then the NMA header it was sent with, both hex, one line each. */
export function rootKeyText(dsmKroot: Uint8Array, nmaHeader: number): string {
  return `${toHex(dsmKroot)}\n${toHex(Uint8Array.of(nmaHeader))}`;
}

/** SHA-256 over the parts joined. */
export function sha256(...parts: Uint8Array[]): Uint8Array {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part);
  return new Uint8Array(hash.digest());
}

function pkType(curve: Curve): string {
  return curve === "P-256" ? "ECDSA P-256/SHA-256" : "ECDSA P-521/SHA-512";
}

function signalData(issueDate: string, body: string): string {
  const party =
    "<TEST-NOT-GALILEO><mission>TEST</mission><segment>TEST</segment><element>OSNMAD-TEST</element></TEST-NOT-GALILEO>";
  return (
    `<?xml version="1.0" encoding="UTF-8" standalone="no" ?><signalData><header><GAL-header>` +
    `<source>${party}</source><destination>${party}</destination><issueDate>${issueDate}</issueDate>` +
    `<signalVersion>1.0</signalVersion><dataVersion>1.0</dataVersion></GAL-header></header>` +
    `<body>${body}</body></signalData>`
  );
}
