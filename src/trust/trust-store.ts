/**
 * The user's own trust store: the roots and keys brought in by `osnmad trust import`, in `trust.json` beside
 * the engine's state. It is read back as distrustfully as a GSC file; whether a root is operational is never
 * the file's to say, that comes from facts.ts.
 */
import { OsnmadError } from "../errors.js";
import { importPublicKey, pointBytesOf } from "../osnma/ecdsa.js";
import { MERKLE_DEPTH, MERKLE_NODE_BYTES } from "../osnma/merkle-tree.js";
import { ROOT_FACTS, rootFact, standingOf } from "./facts.js";
import type { Applicability, RootStanding } from "./facts.js";
import { nodesOf, sameKey } from "./gsc-xml.js";
import type { GscFile, GscMerkleTree } from "./gsc-xml.js";
import { bytesOfHex, hexOf } from "./hex.js";
import { isRecord, loadChecked, saveChecked } from "./state-store.js";
import { MERKLE_LEAVES, provenNodes, provesKey } from "./tree-proof.js";
import type { TreeKey, TreeNode } from "./tree-proof.js";

export const TRUST_STORE_FILE = "trust.json";
/** More trees and keys than Galileo will issue in the life of this program. */
const MAX_ROOTS = 64;
const MAX_KEYS = 512;

export interface StoredRoot {
  readonly root: Uint8Array;
  readonly hex: string;
  /** Not the tree Galileo operates under, to our knowledge: never used unless given explicitly. */
  readonly test: boolean;
  readonly nodes: readonly TreeNode[];
  readonly applicability: Applicability;
  readonly state: string | null;
  readonly issueDate: string | null;
  readonly importedAt: string;
}

export interface StoredKey extends TreeKey {
  /** Lower-case hex of the root that proves it. */
  readonly rootHex: string;
  readonly applicability: Applicability;
  readonly state: string | null;
  readonly issueDate: string | null;
  readonly importedAt: string;
}

export interface TrustStore {
  readonly roots: readonly StoredRoot[];
  readonly keys: readonly StoredKey[];
}

/** What an import did, item by item. */
export interface ImportNote {
  readonly kind: "root" | "key";
  /** `<root hex>` or `<root hex>/<PKID>`. */
  readonly name: string;
  readonly standing: RootStanding;
  readonly outcome: "added" | "updated" | "already known" | "older than what is stored";
}

const EMPTY: TrustStore = { roots: [], keys: [] };

/**
 * @throws OsnmadError OSN_STATE_CORRUPT where the file is damaged, or holds what no import would have stored;
 *   OSN_STATE_NEWER
 */
export function loadTrustStore(dir: string): TrustStore {
  const body = loadChecked(dir, TRUST_STORE_FILE);
  if (body === null) return EMPTY;
  const store = readStore(body);
  if (store === null) {
    throw new OsnmadError(
      "OSN_STATE_CORRUPT",
      `${TRUST_STORE_FILE} in ${dir}: not a trust store that checks out`,
    );
  }
  return store;
}

/** @throws OsnmadError OSN_STATE_UNWRITABLE, OSN_STATE_NEWER */
export function saveTrustStore(dir: string, store: TrustStore, savedAt: string): void {
  saveChecked(dir, TRUST_STORE_FILE, writeStore(store), savedAt);
}

/**
 * The store with GSC files added; the given one is not changed, so a refusal leaves nothing half done.
 *
 * @param files with their names for messages; trees may prove keys of other files, in any order
 * @param options.test admits roots that are not known to be operational
 * @throws OsnmadError OSN_TRUST_KEY_INVALID where a root needs `test` or a key is proven by no known tree
 */
export function importFiles(
  store: TrustStore,
  files: readonly { readonly name: string; readonly file: GscFile }[],
  options: { readonly test: boolean; readonly importedAt: string },
): { store: TrustStore; notes: ImportNote[] } {
  const roots = [...store.roots];
  const keys = [...store.keys];
  const notes: ImportNote[] = [];

  for (const { name, file } of files) {
    if (file.kind === "merkle-tree") notes.push(importRoot(roots, file, name, options));
  }
  for (const { name, file } of files) {
    for (const key of file.kind === "merkle-tree" ? file.publicKeys : [file]) {
      notes.push(importKey(roots, keys, key, file, name, options.importedAt));
    }
  }
  return { store: { roots, keys }, notes };
}

function importRoot(
  roots: StoredRoot[],
  tree: GscMerkleTree,
  name: string,
  options: { readonly test: boolean; readonly importedAt: string },
): ImportNote {
  const hex = hexOf(tree.root);
  const standing = standingOf(hex);
  const index = roots.findIndex((root) => root.hex === hex);
  const known = index < 0 ? null : roots[index];
  if (standing !== "operational" && known === null && !options.test) {
    throw new OsnmadError(
      "OSN_TRUST_KEY_INVALID",
      `${name}: its root ${hex.toUpperCase()} is not the operational Galileo root this program knows` +
        (standing === "historic" ? " (Galileo used it once)" : "") +
        ". For tests import it with --test: it is then listed, but used only where --merkle gives it explicitly." +
        " If GSC has published it as the new operational tree, give it with --merkle until an update knows it.",
    );
  }
  const nodes = provenNodes(tree.root, [
    ...nodesOf(tree),
    ...(known?.nodes ?? []),
    ...(rootFact(hex)?.nodes ?? []),
  ]);
  if (nodes === null) {
    throw new OsnmadError(
      "OSN_TRUST_KEY_INVALID",
      `${name}: its nodes contradict what is known of the same tree`,
    );
  }
  const outcome = outcomeOf(known, tree.issueDate, false);
  if (outcome === "added" || outcome === "updated") {
    const entry: StoredRoot = {
      root: tree.root,
      hex,
      test: standing !== "operational",
      nodes,
      applicability: tree.applicability,
      state: tree.state,
      issueDate: tree.issueDate,
      importedAt: options.importedAt,
    };
    if (index < 0) roots.push(entry);
    else roots[index] = entry;
  }
  return { kind: "root", name: hex, standing, outcome };
}

function importKey(
  roots: readonly StoredRoot[],
  keys: StoredKey[],
  key: TreeKey,
  file: GscFile,
  name: string,
  importedAt: string,
): ImportNote {
  const rootHex = provingRoot(roots, key);
  if (rootHex === null) {
    throw new OsnmadError(
      "OSN_TRUST_KEY_INVALID",
      `${name}: no known Merkle tree proves PKID ${key.pkid}; import the tree it was published under with it`,
    );
  }
  const index = keys.findIndex((other) => other.rootHex === rootHex && other.pkid === key.pkid);
  const known = index < 0 ? null : keys[index];
  const fact = rootFact(rootHex)?.keys.find((other) => other.pkid === key.pkid) ?? null;
  for (const other of [known, fact]) {
    if (other !== null && !sameKey(other, key)) {
      throw new OsnmadError(
        "OSN_TRUST_KEY_INVALID",
        `${name}: another key with PKID ${key.pkid} is already known under the same root`,
      );
    }
  }
  const outcome = outcomeOf(known ?? fact, file.issueDate, known === null);
  if (outcome === "added" || outcome === "updated") {
    const entry: StoredKey = {
      i: key.i,
      pkid: key.pkid,
      type: key.type,
      point: key.point,
      rootHex,
      applicability: file.applicability,
      state: file.state,
      issueDate: file.issueDate,
      importedAt,
    };
    if (index < 0) keys.push(entry);
    else keys[index] = entry;
  }
  return { kind: "key", name: `${rootHex}/${key.pkid}`, standing: standingOf(rootHex), outcome };
}

/** A revocation must not be undone by an older file, so only a newer one replaces what is known. */
function outcomeOf(
  known: { readonly issueDate: string | null } | null,
  issueDate: string | null,
  byFactOnly: boolean,
): ImportNote["outcome"] {
  if (known === null) return "added";
  if (
    issueDate === null ||
    (known.issueDate !== null && Date.parse(issueDate) === Date.parse(known.issueDate))
  ) {
    return "already known";
  }
  if (known.issueDate !== null && Date.parse(issueDate) < Date.parse(known.issueDate)) {
    return "older than what is stored";
  }
  return byFactOnly ? "added" : "updated";
}

/** The root, among the stored ones and the operational facts, whose tree proves this key; or null. */
export function provingRoot(roots: readonly StoredRoot[], key: TreeKey): string | null {
  const trees = [...roots, ...ROOT_FACTS.filter((fact) => fact.standing === "operational")];
  return trees.find((tree) => provesKey(tree.root, tree.nodes, key))?.hex ?? null;
}

function writeStore(store: TrustStore): unknown {
  const dated = (item: StoredRoot | StoredKey) => ({
    begin: item.applicability.begin,
    end: item.applicability.end,
    state: item.state,
    issueDate: item.issueDate,
    importedAt: item.importedAt,
  });
  return {
    roots: store.roots.map((root) => ({
      root: root.hex,
      nodes: root.nodes.map(({ j, i, x }) => ({ j, i, x: hexOf(x) })),
      ...dated(root),
    })),
    keys: store.keys.map((key) => ({
      root: key.rootHex,
      pkid: key.pkid,
      i: key.i,
      type: key.type,
      point: hexOf(key.point),
      ...dated(key),
    })),
  };
}

function readStore(body: unknown): TrustStore | null {
  if (!isRecord(body)) return null;
  const { roots: rawRoots, keys: rawKeys } = body;
  if (!Array.isArray(rawRoots) || rawRoots.length > MAX_ROOTS) return null;
  if (!Array.isArray(rawKeys) || rawKeys.length > MAX_KEYS) return null;
  const roots: StoredRoot[] = [];
  for (const raw of rawRoots as unknown[]) {
    const root = readRoot(raw);
    if (root === null || roots.some((other) => other.hex === root.hex)) return null;
    roots.push(root);
  }
  const keys: StoredKey[] = [];
  for (const raw of rawKeys as unknown[]) {
    const key = readKey(raw);
    if (key === null) return null;
    if (keys.some((other) => other.rootHex === key.rootHex && other.pkid === key.pkid)) return null;
    // Proven anew: the checksum speaks of damage, the tree of the key.
    if (provingRoot(roots, key) !== key.rootHex) return null;
    keys.push(key);
  }
  return { roots, keys };
}

function readRoot(raw: unknown): StoredRoot | null {
  if (!isRecord(raw)) return null;
  const root = readHex(raw["root"], MERKLE_NODE_BYTES);
  const dates = readDates(raw);
  const rawNodes = raw["nodes"];
  if (root === null || dates === null || !Array.isArray(rawNodes) || rawNodes.length > 2 * MERKLE_LEAVES) {
    return null;
  }
  const given: TreeNode[] = [];
  for (const node of rawNodes as unknown[]) {
    if (!isRecord(node)) return null;
    const x = readHex(node["x"], MERKLE_NODE_BYTES);
    const j = readInteger(node["j"], MERKLE_DEPTH);
    const i = j === null ? null : readInteger(node["i"], (MERKLE_LEAVES >> j) - 1);
    if (x === null || j === null || i === null) return null;
    given.push({ j, i, x });
  }
  const nodes = provenNodes(root, given);
  if (nodes === null) return null;
  const hex = hexOf(root);
  return { root, hex, test: standingOf(hex) !== "operational", nodes, ...dates };
}

function readKey(raw: unknown): StoredKey | null {
  if (!isRecord(raw)) return null;
  const root = readHex(raw["root"], MERKLE_NODE_BYTES);
  const type = raw["type"];
  const pkid = readInteger(raw["pkid"], 15);
  const i = readInteger(raw["i"], MERKLE_LEAVES - 1);
  const dates = readDates(raw);
  if (root === null || pkid === null || i === null || dates === null) return null;
  if (type !== "P-256" && type !== "P-521") return null;
  const point = readHex(raw["point"], pointBytesOf(type));
  if (point === null || importPublicKey(type, point) === null) return null;
  return { rootHex: hexOf(root), pkid, i, type, point, ...dates };
}

function readDates(raw: Record<string, unknown>) {
  const begin = readText(raw["begin"]);
  const end = readText(raw["end"]);
  const state = readText(raw["state"]);
  const issueDate = readText(raw["issueDate"]);
  const importedAt = readText(raw["importedAt"]);
  if (begin === undefined || end === undefined || state === undefined || issueDate === undefined) return null;
  if (importedAt === undefined || importedAt === null) return null;
  return { applicability: { begin, end }, state, issueDate, importedAt };
}

/** Short printable text or null; undefined where it is neither. */
function readText(value: unknown): string | null | undefined {
  if (value === null) return null;
  return typeof value === "string" && /^[ -~]{1,128}$/.test(value) ? value : undefined;
}

function readInteger(value: unknown, max: number): number | null {
  return typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= max ? value : null;
}

function readHex(value: unknown, bytes: number): Uint8Array | null {
  const read = typeof value === "string" ? bytesOfHex(value) : null;
  return read !== null && read.length === bytes ? read : null;
}
