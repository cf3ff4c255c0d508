/**
 * The OSNMA product files of the European GNSS Service Centre (GSC): `OSNMA_MerkleTree_*.xml` and
 * `OSNMA_PublicKey_*.xml`, as described in the OSNMA Internet Data Distribution ICD.
 *
 * Everything trusted comes in through here, so the reading is strict: real XML, UTF-8, no document type
 * (hence no entities of its own), no element twice, numbers and lengths that agree, points on their curve,
 * and a Merkle proof recomputed from the file's own nodes. State and applicability are recorded, not judged.
 * The detached signature (`.xml.p256`) and its certificate chain are not checked; roots are compared with
 * facts.ts instead, or taken on the user's word.
 */
import { SaxesParser } from "saxes";
import { OsnmadError } from "../errors.js";
import { importPublicKey, pointBytesOf } from "../osnma/ecdsa.js";
import type { KeyType } from "../osnma/ecdsa.js";
import { MERKLE_DEPTH, MERKLE_NODE_BYTES } from "../osnma/merkle-tree.js";
import type { Applicability } from "./facts.js";
import { sameBytes } from "../osnma/bits.js";
import { bytesOfHex } from "./hex.js";
import { leafNode, MERKLE_LEAVES, provenNodes } from "./tree-proof.js";
import type { TreeKey, TreeNode } from "./tree-proof.js";

/** A GSC file is about 2 kB; this bounds what is read at all. */
export const MAX_XML_BYTES = 1 << 20;
const MAX_DEPTH = 16;
const MAX_ELEMENTS = 1024;

interface Described {
  readonly applicability: Applicability;
  /** As the file says: Applicable, Future, Renewed, Revoked, ...; null in a fragment. */
  readonly state: string | null;
  readonly uid: string | null;
  readonly issueDate: string | null;
  readonly warnings: readonly string[];
}

export interface GscMerkleTree extends Described {
  readonly kind: "merkle-tree";
  readonly root: Uint8Array;
  readonly hashFunction: "SHA-256";
  /** Number of leaves. */
  readonly n: number;
  readonly publicKeys: readonly (TreeKey & { readonly proven: boolean })[];
  /** Alert messages the tree lists: `i` and the payload. They are no keys. */
  readonly alerts: readonly { readonly i: number; readonly payload: Uint8Array }[];
  /** The nodes the file lists, root included. */
  readonly treeNodes: readonly TreeNode[];
}

export interface GscPublicKey extends TreeKey, Described {
  readonly kind: "public-key";
  /** Without the root element GSC files have: to be believed only when a tree proves or lists it. */
  readonly fragment: boolean;
}

export type GscFile = GscMerkleTree | GscPublicKey;

interface XmlElement {
  readonly name: string;
  readonly children: XmlElement[];
  text: string;
}

/** What is wrong with the XML, before it is told with the file's name. */
class XmlFault extends Error {}

/**
 * Reads a Merkle tree or public key file.
 *
 * @param bytes the file
 * @param name how messages call it
 * @throws OsnmadError OSN_TRUST_XML_INVALID where it is not of the GSC form, OSN_TRUST_KEY_INVALID where it
 *   is, but a point, length or proof does not check out
 */
export function parseGscXml(bytes: Uint8Array, name: string): GscFile {
  if (!(bytes instanceof Uint8Array)) throw new TypeError("bytes must be a Uint8Array");
  if (typeof name !== "string") throw new TypeError("name must be a string");
  try {
    const text = decodeUtf8(bytes);
    const document = parseDocument(text);
    if (document.fragment) return readKey(document.root, true, null, name);
    return readProduct(document.root, name);
  } catch (error) {
    if (!(error instanceof XmlFault)) throw error;
    throw new OsnmadError("OSN_TRUST_XML_INVALID", `${name}: ${error.message}`, { cause: error.cause });
  }
}

function decodeUtf8(bytes: Uint8Array): string {
  if (bytes.length > MAX_XML_BYTES) {
    throw new XmlFault(`larger than ${MAX_XML_BYTES} bytes, which no GSC product is`);
  }
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new XmlFault("not UTF-8 text", { cause });
  }
}

/** Strict first; several elements at the top and nothing else wrong makes it a fragment. */
function parseDocument(text: string): { root: XmlElement; fragment: boolean } {
  let declarationEnd = 0;
  try {
    const top = parseElements(text, false, (end) => (declarationEnd = end));
    return { root: top.children[0], fragment: false };
  } catch (strict) {
    if (!(strict instanceof XmlFault)) throw strict;
    let top: XmlElement;
    try {
      top = parseElements(text.slice(declarationEnd), true, () => undefined);
    } catch (loose) {
      if (!(loose instanceof XmlFault)) throw loose;
      throw strict;
    }
    if (top.children.length < 2) throw strict;
    return { root: top, fragment: true };
  }
}

function parseElements(text: string, fragment: boolean, onDeclaration: (end: number) => void): XmlElement {
  const top: XmlElement = { name: "", children: [], text: "" };
  const open: XmlElement[] = [top];
  let elements = 0;
  const parser = new SaxesParser({ fragment, position: true });
  parser.on("error", (error) => {
    throw new XmlFault(`not well-formed XML (line ${parser.line}: ${faultOf(error)})`, { cause: error });
  });
  parser.on("xmldecl", (declaration) => {
    const encoding = declaration.encoding?.toUpperCase();
    if (encoding !== undefined && encoding !== "UTF-8" && encoding !== "US-ASCII") {
      throw new XmlFault("declares an encoding other than UTF-8");
    }
    onDeclaration(parser.position);
  });
  parser.on("doctype", () => {
    throw new XmlFault("has a document type declaration; GSC files have none, and entities are refused");
  });
  parser.on("processinginstruction", () => {
    throw new XmlFault("has a processing instruction; GSC files have none");
  });
  parser.on("cdata", () => {
    throw new XmlFault("has a CDATA section; GSC files have none");
  });
  parser.on("opentag", (tag) => {
    if (++elements > MAX_ELEMENTS) throw new XmlFault(`more than ${MAX_ELEMENTS} elements`);
    if (open.length > MAX_DEPTH) throw new XmlFault(`nested deeper than ${MAX_DEPTH} elements`);
    const element: XmlElement = { name: tag.name, children: [], text: "" };
    open[open.length - 1].children.push(element);
    open.push(element);
  });
  parser.on("closetag", () => {
    open.pop();
  });
  parser.on("text", (chunk) => {
    open[open.length - 1].text += chunk;
  });
  parser.write(text).close();
  return top;
}

/** saxes puts file and position before its message; the message alone reads better in ours. */
function faultOf(error: Error): string {
  return error.message.replace(/^(?:[^:]*:)?\d+:\d+: /, "").slice(0, 120);
}

function readProduct(document: XmlElement, name: string): GscFile {
  if (document.name !== "signalData") {
    throw new XmlFault(`the root element is <${shown(document.name)}>, not <signalData>`);
  }
  const header = container(container(document, "header"), "GAL-header");
  const issueDate = utcOf(leaf(header, "issueDate"), "issueDate");
  const body = container(document, "body");
  if (body.children.length !== 1) throw new XmlFault("the body holds not exactly one product");
  const product = body.children[0];
  if (product.name === "MerkleTree") return readTree(product, issueDate, name);
  if (product.name === "PublicKey") return readKey(product, false, issueDate, name);
  throw new XmlFault(`the body holds <${shown(product.name)}>, neither MerkleTree nor PublicKey`);
}

function readTree(tree: XmlElement, issueDate: string, name: string): GscMerkleTree {
  const warnings: string[] = [];
  const uid = uidOf(tree, "MT", warnings);
  const applicability = applicabilityOf(tree);
  const state = printable(leaf(tree, "State"), "State");
  const n = integer(leaf(tree, "N"), "N", MERKLE_LEAVES);
  if (n !== MERKLE_LEAVES) throw new XmlFault(`a tree of ${n} leaves; OSNMA trees have ${MERKLE_LEAVES}`);
  const hashFunction = leaf(tree, "HashFunction");
  if (hashFunction !== "SHA-256") {
    throw new XmlFault(`hash function ${shown(hashFunction)}; OSNMA SIS ICD 1.1 knows SHA-256 only`);
  }

  const treeNodes: TreeNode[] = [];
  for (const element of tree.children.filter((child) => child.name === "TreeNode")) {
    const j = integer(leaf(element, "j"), "j", MERKLE_DEPTH);
    const i = integer(leaf(element, "i"), "i", (MERKLE_LEAVES >> j) - 1);
    if (treeNodes.some((node) => node.j === j && node.i === i)) {
      throw new XmlFault(`tree node j=${j} i=${i} is listed twice`);
    }
    const x = hexField(element, "x_ji");
    if (
      x.length !== MERKLE_NODE_BYTES ||
      integer(leaf(element, "lengthInBits"), "lengthInBits", 4096) !== 256
    ) {
      throw new XmlFault(`tree node j=${j} i=${i} is not 256 bits`);
    }
    treeNodes.push({ j, i, x });
  }
  const root = treeNodes.find((node) => node.j === MERKLE_DEPTH)?.x;
  if (root === undefined) throw new XmlFault("the tree does not list its root (TreeNode j=4 i=0)");

  const keys: TreeKey[] = [];
  const alerts: { i: number; payload: Uint8Array }[] = [];
  for (const element of tree.children.filter((child) => child.name === "PublicKey")) {
    const i = integer(leaf(element, "i"), "i", MERKLE_LEAVES - 1);
    if (keyTypeOf(element) === "alert") {
      alerts.push({ i, payload: hexField(element, "point") });
      continue;
    }
    const key = readPoint(element, true, name);
    if (keys.some((other) => other.i === key.i || other.pkid === key.pkid)) {
      throw new XmlFault(`leaf ${key.i} or PKID ${key.pkid} is listed twice`);
    }
    keys.push(key);
  }
  if (alerts.length > 0) warnings.push("lists an alert message, which is not a key");

  const proven = provenNodes(root, [...treeNodes, ...keys.map(leafNode)]);
  if (proven === null) {
    throw new OsnmadError(
      "OSN_TRUST_KEY_INVALID",
      `${name}: the Merkle proof does not lead from its public key to its root`,
    );
  }
  const publicKeys = keys.map((key) => {
    const isProven = proven.some((node) => node.j === 0 && node.i === key.i);
    if (!isProven) warnings.push(`PKID ${key.pkid} is listed, but nodes to prove it are missing`);
    return { ...key, proven: isProven };
  });
  warnIfRevoked(state, warnings);
  return {
    kind: "merkle-tree",
    root,
    hashFunction,
    n,
    publicKeys,
    alerts,
    treeNodes,
    applicability,
    state,
    uid,
    issueDate,
    warnings,
  };
}

function readKey(
  element: XmlElement,
  fragment: boolean,
  issueDate: string | null,
  name: string,
): GscPublicKey {
  const warnings: string[] = [];
  if (element.text.trim() !== "") throw new XmlFault("text between the elements");
  let described: Pick<Described, "uid" | "applicability" | "state">;
  if (fragment) {
    const strange = element.children.find(({ name: child }) => !FRAGMENT_ELEMENTS.has(child));
    if (strange !== undefined) {
      throw new XmlFault(
        `no single root element, and <${shown(strange.name)}> is no element of a bare public key`,
      );
    }
    warnings.push("has no root element, so it is not a file as GSC publishes it");
    described = { uid: null, applicability: { begin: null, end: null }, state: null };
  } else {
    described = {
      uid: uidOf(element, "PK", warnings),
      applicability: applicabilityOf(element),
      state: printable(leaf(element, "State"), "State"),
    };
  }
  if (keyTypeOf(element) === "alert") {
    throw new OsnmadError("OSN_TRUST_KEY_INVALID", `${name}: this is an alert message, not a public key`);
  }
  const key = readPoint(element, !fragment, name);
  warnIfRevoked(described.state, warnings);
  return { kind: "public-key", fragment, ...key, ...described, issueDate, warnings };
}

const FRAGMENT_ELEMENTS = new Set(["i", "PKID", "PKType", "lengthInBits", "point"]);

function readPoint(element: XmlElement, needsLength: boolean, name: string): TreeKey {
  const type = keyTypeOf(element);
  if (type === "alert") throw new XmlFault("an alert message stands where a key must");
  const i = integer(leaf(element, "i"), "i", MERKLE_LEAVES - 1);
  const pkid = integer(leaf(element, "PKID"), "PKID", 15);
  const point = hexField(element, "point");
  const hasLength = needsLength || element.children.some((child) => child.name === "lengthInBits");
  const bits = pointBytesOf(type) * 8;
  if (
    point.length * 8 !== bits ||
    (hasLength && integer(leaf(element, "lengthInBits"), "lengthInBits", 4096) !== bits)
  ) {
    throw new OsnmadError(
      "OSN_TRUST_KEY_INVALID",
      `${name}: the point of PKID ${pkid} is not the ${bits} bits of a ${type} key`,
    );
  }
  if (importPublicKey(type, point) === null) {
    throw new OsnmadError("OSN_TRUST_KEY_INVALID", `${name}: the point of PKID ${pkid} is not on ${type}`);
  }
  return { i, pkid, type, point };
}

function keyTypeOf(element: XmlElement): KeyType | "alert" {
  const text = leaf(element, "PKType");
  switch (text) {
    case "ECDSA P-256/SHA-256":
    case "P-256/SHA-256":
      return "P-256";
    case "ECDSA P-521/SHA-512":
    case "P-521/SHA-512":
      return "P-521";
    case "Emergency Service Message":
    case "OSNMA Alert Message":
      return "alert";
    default:
      throw new XmlFault(`unknown key type ${shown(text)}`);
  }
}

function applicabilityOf(element: XmlElement): Applicability {
  const range = container(element, "Applicability");
  const has = (part: string) => range.children.some((child) => child.name === part);
  return {
    begin: has("Begin") ? utcOf(leaf(range, "Begin"), "Begin") : null,
    end: has("End") ? utcOf(leaf(range, "End"), "End") : null,
  };
}

function uidOf(element: XmlElement, prefix: "MT" | "PK", warnings: string[]): string {
  const uid = printable(leaf(element, "UID"), "UID");
  if (!new RegExp(`^${prefix}-[0-9A-Fa-f]{64}$`).test(uid)) {
    // A file that calls itself a test is warned of by what it holds, not by its name.
    if (!uid.startsWith("TEST-")) warnings.push(`the UID is not ${prefix}- and 64 hexadecimal digits`);
  }
  return uid;
}

function warnIfRevoked(state: string | null, warnings: string[]): void {
  if (state?.toLowerCase() === "revoked") warnings.push("the file itself says: Revoked");
}

function only(parent: XmlElement, name: string): XmlElement {
  const found = parent.children.filter((child) => child.name === name);
  if (found.length === 0) throw new XmlFault(`<${name}> is missing in <${shown(parent.name)}>`);
  if (found.length > 1) throw new XmlFault(`<${name}> stands more than once in <${shown(parent.name)}>`);
  return found[0];
}

/** An element that holds elements only. */
function container(parent: XmlElement, name: string): XmlElement {
  const element = only(parent, name);
  if (element.text.trim() !== "") throw new XmlFault(`text between the elements of <${name}>`);
  return element;
}

/** The text of an element that holds text only. */
function leaf(parent: XmlElement, name: string): string {
  const element = only(parent, name);
  if (element.children.length > 0) throw new XmlFault(`<${name}> holds elements, where text was expected`);
  return element.text.trim();
}

function integer(text: string, what: string, max: number): number {
  // Number() would take "", "0x1" and "1e1" too.
  const value = /^[0-9]{1,5}$/.test(text) ? Number(text) : NaN;
  if (!(value <= max)) throw new XmlFault(`${what} is ${shown(text)}, not a number from 0 to ${max}`);
  return value;
}

function hexField(parent: XmlElement, name: string): Uint8Array {
  const bytes = bytesOfHex(leaf(parent, name));
  if (bytes === null || bytes.length === 0 || bytes.length > 256) {
    throw new XmlFault(`<${name}> is not hexadecimal of a sensible length`);
  }
  return bytes;
}

function utcOf(text: string, what: string): string {
  if (!/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?Z$/.test(text) || Number.isNaN(Date.parse(text))) {
    throw new XmlFault(`${what} is ${shown(text)}, not a UTC date and time`);
  }
  return text;
}

function printable(text: string, what: string): string {
  if (!/^[ -~]{1,128}$/.test(text)) throw new XmlFault(`${what} is ${shown(text)}, not a short plain text`);
  return text;
}

/** A piece of the file for a message: short, and nothing a terminal would obey. */
function shown(text: string): string {
  const plain = text.replace(/[^ -~]/g, "?");
  return JSON.stringify(plain.length > 40 ? `${plain.slice(0, 40)}...` : plain);
}

/** Every node a tree file gives: those it lists and the leaves of its keys. */
export function nodesOf(tree: GscMerkleTree): TreeNode[] {
  return [...tree.treeNodes, ...tree.publicKeys.map(leafNode)];
}

/** Whether two descriptions are of the same key at the same leaf. */
export function sameKey(a: TreeKey, b: TreeKey): boolean {
  return a.i === b.i && a.pkid === b.pkid && a.type === b.type && sameBytes(a.point, b.point);
}
