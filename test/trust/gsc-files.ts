/**
 * Files of the GSC form made with our own keys, so that these tests run where the published ones are not. The
 * keys come from fixed scalars: everything here is the same on every run.
 */
import { createHash, createPrivateKey, ECDH, createECDH, sign } from "node:crypto";

export type Curve = "P-256" | "P-521";

export interface OwnKey {
  readonly i: number;
  readonly pkid: number;
  readonly type: Curve;
  readonly point: Uint8Array;
  /** r || s over `message`. */
  readonly sign: (message: Uint8Array) => Uint8Array;
}

const sha256 = (...parts: Uint8Array[]): Uint8Array =>
  Uint8Array.from(createHash("sha256").update(Buffer.concat(parts)).digest());
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex").toUpperCase();

export function ownKey(seed: string, i: number, pkid: number, type: Curve = "P-256"): OwnKey {
  const openssl = type === "P-256" ? "prime256v1" : "secp521r1";
  const bytes = type === "P-256" ? 32 : 66;
  const ecdh = createECDH(openssl);
  ecdh.setPrivateKey(createHash("sha256").update(seed).digest());
  const point = Uint8Array.from(ecdh.getPublicKey(undefined, "compressed") as unknown as Buffer);
  const open = ECDH.convertKey(point, openssl, undefined, undefined, "uncompressed") as Buffer;
  const d = Buffer.concat([Buffer.alloc(bytes), ecdh.getPrivateKey()]).subarray(-bytes);
  const key = createPrivateKey({
    format: "jwk",
    key: {
      kty: "EC",
      crv: type,
      d: d.toString("base64url"),
      x: open.subarray(1, 1 + bytes).toString("base64url"),
      y: open.subarray(1 + bytes).toString("base64url"),
    },
  });
  return {
    i,
    pkid,
    type,
    point,
    sign: (message) =>
      Uint8Array.from(
        sign(type === "P-256" ? "sha256" : "sha512", message, { key, dsaEncoding: "ieee-p1363" }),
      ),
  };
}

/** A whole tree: `x[j][i]`; leaves without a key are filled from the seed. */
export class OwnTree {
  readonly x: Uint8Array[][];
  readonly keys: readonly OwnKey[];
  constructor(seed: string, keys: readonly OwnKey[]) {
    this.keys = keys;
    const leaves = Array.from({ length: 16 }, (_, i) => {
      const key = keys.find((candidate) => candidate.i === i);
      if (key === undefined) return sha256(Buffer.from(`${seed} leaf ${i}`));
      const npkt = key.type === "P-256" ? 1 : 3;
      return sha256(Uint8Array.of((npkt << 4) | key.pkid), key.point);
    });
    this.x = [leaves];
    for (let j = 0; j < 4; j++) {
      const below = this.x[j];
      this.x.push(below.filter((_, i) => i % 2 === 0).map((left, i) => sha256(left, below[2 * i + 1])));
    }
  }
  get root(): Uint8Array {
    return this.x[4][0];
  }
  /** The sibling path of leaf `i`, from the top as GSC lists it. */
  siblings(i: number): { j: number; i: number }[] {
    return [3, 2, 1, 0].map((j) => ({ j, i: (i >> j) ^ 1 }));
  }
  node(j: number, i: number): string {
    return `<TreeNode><j>${j}</j><i>${i}</i><lengthInBits>256</lengthInBits><x_ji>${hex(this.x[j][i])}</x_ji></TreeNode>`;
  }
}

export interface FileOptions {
  readonly state?: string;
  readonly issueDate?: string;
  readonly begin?: string;
  readonly end?: string;
}

function signalData(body: string, options: FileOptions): string {
  const party = (name: string) =>
    `<${name}><GAL-EXT-GOC-SC-GLAd><mission>GAL</mission><segment>EXT</segment><element>GOC-SC</element></GAL-EXT-GOC-SC-GLAd></${name}>`;
  return (
    `<?xml version="1.0" encoding="UTF-8" standalone="no" ?><signalData><header><GAL-header>` +
    `${party("source")}${party("destination")}<issueDate>${options.issueDate ?? "2024-01-01T00:00:00Z"}</issueDate>` +
    `<signalVersion>1.0</signalVersion><dataVersion>1.0</dataVersion></GAL-header></header><body>${body}</body></signalData>`
  );
}

function applicability(options: FileOptions): string {
  const end = options.end === undefined ? "" : `<End>${options.end}</End>`;
  return `<Applicability><Begin>${options.begin ?? "2024-01-01T00:00:00Z"}</Begin>${end}</Applicability><State>${options.state ?? "Applicable"}</State>`;
}

function uid(prefix: string, of: Uint8Array): string {
  return `<UID>${prefix}-${hex(sha256(of))}</UID>`;
}

function keyFields(key: OwnKey): string {
  return (
    `<i>${key.i}</i><PKID>${key.pkid}</PKID><lengthInBits>${key.point.length * 8}</lengthInBits>` +
    `<point>${hex(key.point)}</point>`
  );
}

function keyType(key: OwnKey): string {
  return key.type === "P-256" ? "ECDSA P-256/SHA-256" : "ECDSA P-521/SHA-512";
}

/** `listed` names the keys whose entry and sibling path the file carries. */
export function treeFile(tree: OwnTree, listed: readonly OwnKey[], options: FileOptions = {}): string {
  const keys = listed.map(
    (key) => `<PublicKey>${keyFields(key)}<PKType>${keyType(key)}</PKType></PublicKey>`,
  );
  const nodes = new Set([tree.node(4, 0)]);
  for (const key of listed) for (const { j, i } of tree.siblings(key.i)) nodes.add(tree.node(j, i));
  return signalData(
    `<MerkleTree>${uid("MT", tree.root)}${applicability(options)}` +
      `<SignatureFile>none.p256</SignatureFile><SignatureVerificationCertificate>none.crt</SignatureVerificationCertificate>` +
      `<N>16</N><HashFunction>SHA-256</HashFunction>${keys.join("")}${[...nodes].join("")}</MerkleTree>`,
    options,
  );
}

export function keyFile(key: OwnKey, options: FileOptions = {}): string {
  return signalData(
    `<PublicKey>${uid("PK", key.point)}${applicability(options)}${keyFields(key)}` +
      `<Certificate>none.crt</Certificate><CRL>none.crl</CRL><PKType>${keyType(key)}</PKType></PublicKey>`,
    options,
  );
}

/** The hand-made form without a root element. */
export function fragmentFile(key: OwnKey): string {
  return (
    `<?xml version="1.0" encoding="UTF-8" ?><PKID>${key.pkid}</PKID><PKType>${keyType(key).slice(6)}</PKType>` +
    `<i>${key.i}</i><point>${hex(key.point).toLowerCase()}</point>`
  );
}

/** A root key file: a DSM-KROOT for P-256 and a 128 bit chain, signed by `key`, and its NMA header. */
export function rootKeyFile(key: OwnKey, nmaHeader: number): string {
  const body = Buffer.from("4922056927c5efe33668f2698599523f6b23cdef4cf7ed1716a64a", "hex");
  const message = Buffer.concat([Uint8Array.of(nmaHeader), Uint8Array.of(0x50), body]);
  const signature = key.sign(message);
  const padding = sha256(message, signature).subarray(0, 104 - 1 - 1 - body.length - 64);
  const dsm = Buffer.concat([Uint8Array.of(0x20 | key.pkid, 0x50), body, signature, padding]);
  return `${dsm.toString("hex")}\n${Buffer.of(nmaHeader).toString("hex")}\n`;
}

/** The keys and trees the fixtures hold. */
export const KEY_1 = ownKey("fixture key 1", 0, 1);
export const KEY_2 = ownKey("fixture key 2", 1, 2);
export const KEY_9 = ownKey("fixture key 9", 8, 9, "P-521");
export const TREE = new OwnTree("fixture tree", [KEY_1, KEY_2, KEY_9]);
export const NEW_KEY_1 = ownKey("fixture new key 1", 0, 1);
export const NEW_TREE = new OwnTree("fixture new tree", [NEW_KEY_1]);

/** Committed under fixtures/: what a user would have on disk. */
export const FIXTURES: Readonly<Record<string, string>> = {
  "OSNMA_MerkleTree_own.xml": treeFile(TREE, [KEY_2]),
  "OSNMA_PublicKey_1_own.xml": keyFile(KEY_1, { state: "Renewed", end: "2025-01-01T00:00:00Z" }),
  "OSNMA_PublicKey_9_own.xml": keyFile(KEY_9),
  "OSNMA_PublicKey_2_fragment_own.xml": fragmentFile(KEY_2),
};
