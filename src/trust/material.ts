/**
 * The trust material a run starts from: Merkle roots, public keys and perhaps a root key, gathered from the
 * command line's files or else from the built-in facts and the user's own trust store.
 *
 * Two rules decide what is trusted:
 * - Any key option **replaces** everything else, built-ins included; `--no-trust` means none at all. What a run
 *   trusted can thus be read off its command line.
 * - Without options only operational Galileo roots, and keys proven under them, are trusted. A test root is
 *   trusted only when an option gives it.
 *
 * State and applicability are carried along and shown. They are not judged on material given explicitly (old
 * captures need old keys); `enforceApplicability` marks the keys for which the reader of the signal should.
 */
import { closeSync, openSync } from "node:fs";
import { createHash } from "node:crypto";
import { OsnmadError, reasonOf } from "../errors.js";
import { GST_TO_UNIX } from "../inav/gst.js";
import { DSM_BLOCK_BYTES, numberOfKrootBlocks, parseDsmKroot, verifyDsmKroot } from "../osnma/dsm-kroot.js";
import { importPublicKey } from "../osnma/ecdsa.js";
import type { KeyType } from "../osnma/ecdsa.js";
import type { MerkleProof } from "../osnma/key-ring.js";
import { MERKLE_DEPTH } from "../osnma/merkle-tree.js";
import { ROOT_FACTS, rootFact, standingOf } from "./facts.js";
import type { Applicability, RootStanding } from "./facts.js";
import { MAX_XML_BYTES, nodesOf, parseGscXml, sameKey } from "./gsc-xml.js";
import type { GscFile, GscMerkleTree, GscPublicKey } from "./gsc-xml.js";
import { sameBytes } from "../osnma/bits.js";
import { bytesOfHex, hexOf } from "./hex.js";
import { defaultStateDir, readUpTo } from "./state-store.js";
import { leafNode, provenNodes, provesKey } from "./tree-proof.js";
import type { TreeKey, TreeNode } from "./tree-proof.js";
import { loadTrustStore } from "./trust-store.js";
import type { TrustStore } from "./trust-store.js";

export interface TrustedRoot {
  /** 32 bytes. */
  readonly root: Uint8Array;
  /** The same in lower-case hex: the root's name. */
  readonly hex: string;
  /** Where it comes from, for people: `built-in`, `trust store` or the file. */
  readonly origin: string;
  /** Galileo operates under it, to our knowledge. */
  readonly operational: boolean;
  readonly standing: RootStanding;
  readonly applicability: Applicability;
  readonly state: string | null;
  readonly issueDate: string | null;
}

export interface TrustedKey {
  /** `<root hex>/<PKID>`, or `explicit:<first 8 hex digits of SHA-256(point)>` where no tree is known. */
  readonly name: string;
  /** Lower-case hex of the root it belongs to; null where given explicitly without a tree. */
  readonly root: string | null;
  readonly pkid: number;
  /** Leaf index in the tree (MID). */
  readonly i: number;
  readonly type: KeyType;
  /** Compressed SEC1 point, on its curve. */
  readonly point: Uint8Array;
  /** Its siblings in that tree, for evidence; null where the nodes known do not prove it. */
  readonly proof: MerkleProof | null;
  readonly origin: string;
  /** Its root is an operational one. */
  readonly operational: boolean;
  readonly state: string | null;
  readonly applicability: Applicability;
  /** False for material given explicitly: its dates are shown, not judged. */
  readonly enforceApplicability: boolean;
  readonly issueDate: string | null;
  readonly warnings: readonly string[];
}

/** A DSM-KROOT kept from before, for a start without waiting for one. Its signature was checked. */
export interface TrustedRootKey {
  /** The whole DSM-KROOT, 7 to 14 blocks of 13 bytes. */
  readonly dsm: Uint8Array;
  /** The NMA header byte it was broadcast with; part of what is signed. */
  readonly nmaHeader: number;
  readonly origin: string;
  /** Name of the key that verifies it. */
  readonly verifiedBy: string;
}

export interface TrustMaterial {
  readonly roots: readonly TrustedRoot[];
  readonly publicKeys: readonly TrustedKey[];
  readonly rootKey: TrustedRootKey | null;
  /** For people, each naming the file it is about. */
  readonly warnings: readonly string[];
}

export interface TrustOptions {
  /** `--merkle`: tree files; only their roots are taken. */
  readonly merkle?: readonly string[] | undefined;
  /** `--public-key`: key files or tree files; only their keys are taken. */
  readonly publicKey?: readonly string[] | undefined;
  /** `--root-key`: DSM-KROOT in hex on line 1, NMA header in hex on line 2. */
  readonly rootKey?: string | undefined;
  /** `--no-trust`. */
  readonly noTrust?: boolean | undefined;
  /** Folder of the user's trust store; undefined: the default one, null: none. It is only read. */
  readonly stateDir?: string | null | undefined;
}

/** A root key file is two short lines; the largest DSM-KROOT has 14 blocks. */
const MAX_ROOT_KEY_FILE_BYTES = 4096;
/** Leap seconds between GST and UTC since 2017-01-01; enough for dates that are published to the minute. */
const LEAP_SECONDS = 18;

/**
 * Reads all trust material of a run. Synchronous: it happens once, before anything else.
 *
 * @throws OsnmadError OSN_TRUST_* and, for the trust store, OSN_STATE_*; OSN_USAGE for `noTrust` with files
 */
export function loadTrust(options: TrustOptions = {}): TrustMaterial {
  const merkle = pathList(options.merkle, "merkle");
  const publicKey = pathList(options.publicKey, "publicKey");
  const { rootKey } = options;
  if (rootKey !== undefined && typeof rootKey !== "string") throw new TypeError("rootKey must be a path");
  const explicit = merkle.length > 0 || publicKey.length > 0 || rootKey !== undefined;
  if (options.noTrust === true) {
    if (explicit)
      throw new OsnmadError(
        "OSN_USAGE",
        "--no-trust means no key material at all; drop it or the key options",
      );
    return { roots: [], publicKeys: [], rootKey: null, warnings: [] };
  }
  if (explicit) return explicitTrust(merkle, publicKey, rootKey);
  const stateDir = options.stateDir === undefined ? defaultStateDir() : options.stateDir;
  return defaultTrust(stateDir === null ? { roots: [], keys: [] } : loadTrustStore(stateDir));
}

/** Reads and parses one GSC file. @throws OsnmadError OSN_TRUST_* */
export function readGscFile(path: string): GscFile {
  return parseGscXml(readFile(path, MAX_XML_BYTES), path);
}

/** `explicit:` and the first 8 hex digits of SHA-256 over the compressed point. */
export function explicitKeyName(point: Uint8Array): string {
  return `explicit:${createHash("sha256").update(point).digest("hex").slice(0, 8)}`;
}

/** Applicability as linear GST seconds, for comparison with the signal's time; null where open. */
export function applicabilityGst(applicability: Applicability): { begin: number | null; end: number | null } {
  const gst = (utc: string | null) =>
    utc === null ? null : Date.parse(utc) / 1000 - GST_TO_UNIX + LEAP_SECONDS;
  return { begin: gst(applicability.begin), end: gst(applicability.end) };
}

/** The Merkle proof of a key by the nodes known of its tree; null where they do not reach from leaf to root. */
function proofOf(root: Uint8Array, nodes: readonly TreeNode[], key: TreeKey): MerkleProof | null {
  const proven = provenNodes(root, [...nodes, leafNode(key)]);
  const siblings: Uint8Array[] = [];
  for (let j = 0; j < MERKLE_DEPTH; j++) {
    const sibling = proven?.find((node) => node.j === j && node.i === ((key.i >> j) ^ 1));
    if (sibling === undefined) return null;
    siblings.push(sibling.x);
  }
  return { leafIndex: key.i, siblings };
}

/** The built-in facts with the user's own store over them. */
function defaultTrust(store: TrustStore): TrustMaterial {
  const warnings: string[] = [];
  const roots: TrustedRoot[] = [];
  const publicKeys: TrustedKey[] = [];
  for (const fact of ROOT_FACTS) {
    if (fact.standing !== "operational") continue;
    const stored = store.roots.find((root) => root.hex === fact.hex);
    roots.push({
      root: fact.root,
      hex: fact.hex,
      origin: stored === undefined ? "built-in" : "built-in, trust store",
      operational: true,
      standing: fact.standing,
      applicability: fact.applicability,
      state: stored?.state ?? null,
      issueDate: stored?.issueDate ?? null,
    });
    const storedKeys = store.keys.filter((key) => key.rootHex === fact.hex);
    const builtIn = fact.keys.filter((key) => !storedKeys.some((other) => other.pkid === key.pkid));
    for (const key of [...builtIn, ...storedKeys].sort((a, b) => a.pkid - b.pkid)) {
      const name = `${fact.hex}/${key.pkid}`;
      if (isRevoked(key.state)) {
        warnings.push(`trust store: ${name} is revoked and not used`);
        continue;
      }
      const known = fact.keys.find((other) => other.pkid === key.pkid);
      publicKeys.push({
        ...pointOf(key),
        name,
        root: fact.hex,
        proof: proofOf(fact.root, [...fact.nodes, ...(stored?.nodes ?? [])], key),
        origin: "rootHex" in key ? "trust store" : "built-in",
        operational: true,
        state: key.state,
        // GSC files often name no end; what is known of it stays known.
        applicability: {
          begin: key.applicability.begin ?? known?.applicability.begin ?? null,
          end: key.applicability.end ?? known?.applicability.end ?? null,
        },
        enforceApplicability: true,
        issueDate: key.issueDate,
        warnings: [],
      });
    }
  }
  const unused = store.roots.filter((root) => root.test).length;
  if (unused > 0) {
    warnings.push(
      `trust store: ${unused} test root(s) are not used; give a test tree explicitly with --merkle`,
    );
  }
  return { roots, publicKeys, rootKey: null, warnings };
}

interface Tree {
  readonly hex: string;
  readonly root: Uint8Array;
  readonly nodes: readonly TreeNode[];
  readonly keys: readonly TreeKey[];
}

function explicitTrust(
  merkle: readonly string[],
  publicKey: readonly string[],
  rootKey: string | undefined,
): TrustMaterial {
  const warnings: string[] = [];
  const trees: Tree[] = [];
  const roots: TrustedRoot[] = [];

  for (const path of merkle) {
    const file = readGscFile(path);
    if (file.kind !== "merkle-tree") {
      throw new OsnmadError(
        "OSN_TRUST_KEY_INVALID",
        `${path}: holds a public key, not a Merkle tree; give it with --public-key`,
      );
    }
    warnings.push(...file.warnings.map((warning) => `${path}: ${warning}`));
    const tree = treeOf(file);
    trees.push(tree);
    if (roots.some((root) => root.hex === tree.hex)) continue;
    const standing = standingOf(tree.hex);
    if (standing !== "operational") {
      warnings.push(
        `${path}: ${tree.hex.toUpperCase()} is no operational Galileo root known to this program (${
          rootFact(tree.hex)?.label ?? "unknown"
        }); trusted because it was given`,
      );
    }
    roots.push({
      root: file.root,
      hex: tree.hex,
      origin: path,
      operational: standing === "operational",
      standing,
      applicability: file.applicability,
      state: file.state,
      issueDate: file.issueDate,
    });
  }

  const keyFiles = publicKey.map((path) => ({ path, file: readGscFile(path) }));
  for (const { file } of keyFiles) if (file.kind === "merkle-tree") trees.push(treeOf(file));
  // Facts only name a key here; nothing of them is trusted that was not given.
  const referees = [...trees, ...(merkle.length === 0 ? ROOT_FACTS : [])];

  const publicKeys: TrustedKey[] = [];
  for (const { path, file } of keyFiles) {
    if (file.kind === "merkle-tree") {
      if (file.publicKeys.length === 0) {
        throw new OsnmadError("OSN_TRUST_KEY_INVALID", `${path}: the tree lists no public key`);
      }
      for (const key of file.publicKeys)
        addKey(publicKeys, explicitKey(key, file, path, treeOf(file), file.warnings));
      warnings.push(...file.warnings.map((warning) => `${path}: ${warning}`));
      continue;
    }
    const key = keyOfFile(file, path, referees);
    addKey(publicKeys, key);
    warnings.push(...key.warnings.map((warning) => `${path}: ${warning}`));
  }
  return {
    roots,
    publicKeys,
    rootKey: rootKey === undefined ? null : readRootKey(rootKey, publicKeys),
    warnings: [...new Set(warnings)],
  };
}

function treeOf(file: GscMerkleTree): Tree {
  return { hex: hexOf(file.root), root: file.root, nodes: nodesOf(file), keys: file.publicKeys };
}

/** Ties a key file to the tree that lists or proves it. */
function keyOfFile(file: GscPublicKey, path: string, referees: readonly Tree[]): TrustedKey {
  const tree =
    referees.find((candidate) => provesKey(candidate.root, candidate.nodes, file)) ??
    referees.find((candidate) => candidate.keys.some((key) => sameKey(key, file)));
  if (tree === undefined && file.fragment) {
    throw new OsnmadError(
      "OSN_TRUST_KEY_INVALID",
      `${path}: has no root element, and no given Merkle tree lists or proves its PKID ${file.pkid}; ` +
        "give its tree with --merkle, or the key file as GSC publishes it",
    );
  }
  const warnings = [...file.warnings];
  if (tree === undefined) {
    warnings.push(
      `no given Merkle tree lists or proves PKID ${file.pkid}; trusted because it was given, as ${explicitKeyName(file.point)}`,
    );
  } else if (file.fragment) {
    warnings.push(
      `accepted because its point checks out against the tree ${tree.hex.slice(0, 8).toUpperCase()}`,
    );
  }
  return explicitKey(file, file, path, tree ?? null, warnings);
}

function explicitKey(
  key: TreeKey,
  file: GscFile,
  path: string,
  tree: Tree | null,
  warnings: readonly string[],
): TrustedKey {
  const root = tree?.hex ?? null;
  return {
    ...pointOf(key),
    name: root === null ? explicitKeyName(key.point) : `${root}/${key.pkid}`,
    root,
    proof: tree === null ? null : proofOf(tree.root, tree.nodes, key),
    origin: path,
    operational: root !== null && standingOf(root) === "operational",
    state: file.state,
    applicability: file.applicability,
    enforceApplicability: false,
    issueDate: file.issueDate,
    warnings,
  };
}

function addKey(keys: TrustedKey[], key: TrustedKey): void {
  const same = keys.find((other) => other.root === key.root && other.pkid === key.pkid);
  if (same !== undefined && sameBytes(same.point, key.point)) return;
  if (same !== undefined && key.root !== null) {
    throw new OsnmadError(
      "OSN_TRUST_KEY_INVALID",
      `${key.origin}: PKID ${key.pkid} is another key here than in ${same.origin}, under the same root`,
    );
  }
  keys.push(key);
}

function pointOf(key: TreeKey): TreeKey {
  return { i: key.i, pkid: key.pkid, type: key.type, point: key.point };
}

function isRevoked(state: string | null): boolean {
  return state?.toLowerCase() === "revoked";
}

function readRootKey(path: string, keys: readonly TrustedKey[]): TrustedRootKey {
  const invalid = (why: string) => new OsnmadError("OSN_TRUST_KEY_INVALID", `${path}: ${why}`);
  const text = new TextDecoder("utf-8").decode(readFile(path, MAX_ROOT_KEY_FILE_BYTES));
  const lines = text.trim().split(/\r?\n/);
  const dsm = bytesOfHex((lines[0] ?? "").trim());
  const header = bytesOfHex((lines[1] ?? "").trim());
  if (lines.length !== 2 || dsm === null || header === null || header.length !== 1) {
    throw invalid("not a root key file: the DSM-KROOT in hex on line 1, the NMA header in hex on line 2");
  }
  const blocks = dsm.length === 0 ? null : numberOfKrootBlocks(dsm[0]);
  if (blocks === null || blocks * DSM_BLOCK_BYTES !== dsm.length) {
    throw invalid("not a DSM-KROOT: its length is not the number of blocks it names");
  }
  const nmaHeader = header[0];
  // The PKID only selects; it is not signed itself.
  const pkid = dsm[0] & 0xf;
  for (const candidate of keys.filter((key) => key.pkid === pkid)) {
    const parsed = parseDsmKroot(dsm, candidate.type);
    const key = importPublicKey(candidate.type, candidate.point);
    if (parsed !== null && key !== null && verifyDsmKroot(parsed, nmaHeader, key)) {
      return { dsm, nmaHeader, origin: path, verifiedBy: candidate.name };
    }
  }
  throw new OsnmadError(
    "OSN_TRUST_ROOT_KEY_UNVERIFIABLE",
    `${path}: names PKID ${pkid}; ` +
      (keys.length === 0
        ? "no public key was given, and key options replace the trust store"
        : `none of the ${keys.length} given public key(s) verifies it with NMA header ${hexOf(header)}`),
  );
}

function readFile(path: string, maxBytes: number): Uint8Array {
  let bytes: Uint8Array | null;
  try {
    const descriptor = openSync(path, "r");
    try {
      bytes = readUpTo(descriptor, maxBytes);
    } finally {
      closeSync(descriptor);
    }
  } catch (cause) {
    throw new OsnmadError("OSN_TRUST_FILE_UNREADABLE", `cannot read ${path}: ${reasonOf(cause)}`, { cause });
  }
  if (bytes === null) {
    throw new OsnmadError(
      "OSN_TRUST_XML_INVALID",
      `${path}: larger than ${maxBytes} bytes, which no such file is`,
    );
  }
  return bytes;
}

function pathList(value: readonly string[] | undefined, name: string): readonly string[] {
  if (value === undefined) return [];
  if (!Array.isArray(value) || value.some((path) => typeof path !== "string")) {
    throw new TypeError(`${name} must be a list of paths`);
  }
  return value;
}
