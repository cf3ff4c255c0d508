import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { OsnmadError } from "../../src/errors.js";
import type { ErrorCode } from "../../src/errors.js";
import { MAX_XML_BYTES, nodesOf, parseGscXml } from "../../src/trust/gsc-xml.js";
import type { GscFile, GscMerkleTree, GscPublicKey } from "../../src/trust/gsc-xml.js";
import { hexOf } from "../../src/trust/hex.js";
import { provesKey } from "../../src/trust/tree-proof.js";
import { describeShared, sharedPath } from "../support/shared.js";
import {
  FIXTURES,
  fragmentFile,
  KEY_1,
  KEY_2,
  KEY_9,
  keyFile,
  NEW_TREE,
  ownKey,
  TREE,
  treeFile,
} from "./gsc-files.js";

const bytes = (text: string) => new TextEncoder().encode(text);
const parse = (text: string): GscFile => parseGscXml(bytes(text), "file.xml");

function codeOf(input: string | Uint8Array): ErrorCode | "accepted" {
  try {
    parseGscXml(typeof input === "string" ? bytes(input) : input, "file.xml");
    return "accepted";
  } catch (error) {
    if (!(error instanceof OsnmadError)) throw error;
    expect(error.message.startsWith("file.xml: ")).toBe(true);
    return error.code;
  }
}

function treeOf(text: string): GscMerkleTree {
  const file = parse(text);
  if (file.kind !== "merkle-tree") throw new Error("not a tree");
  return file;
}

function keyOf(text: string): GscPublicKey {
  const file = parse(text);
  if (file.kind !== "public-key") throw new Error("not a key");
  return file;
}

const TREE_XML = treeFile(TREE, [KEY_2], { state: "Future", begin: "2030-01-01T00:00:00Z" });
const KEY_XML = keyFile(KEY_2, { state: "Renewed", end: "2024-06-01T00:00:00Z" });

describe("a Merkle tree file", () => {
  it("gives root, key, nodes and what GSC says of them", () => {
    const tree = treeOf(TREE_XML);
    expect(hexOf(tree.root)).toBe(hexOf(TREE.root));
    expect(tree.n).toBe(16);
    expect(tree.hashFunction).toBe("SHA-256");
    expect(tree.publicKeys).toEqual([{ i: 1, pkid: 2, type: "P-256", point: KEY_2.point, proven: true }]);
    expect(tree.treeNodes).toHaveLength(5);
    expect(tree.issueDate).toBe("2024-01-01T00:00:00Z");
    expect(tree.uid).toMatch(/^MT-[0-9A-F]{64}$/);
    expect(tree.warnings).toEqual([]);
  });

  it("records state and applicability without judging them", () => {
    const tree = treeOf(TREE_XML);
    expect(tree.state).toBe("Future");
    expect(tree.applicability).toEqual({ begin: "2030-01-01T00:00:00Z", end: null });
    expect(treeOf(treeFile(TREE, [KEY_2], { state: "Revoked" })).warnings).toEqual([
      "the file itself says: Revoked",
    ]);
  });

  it("may list several keys, of both curves", () => {
    const tree = treeOf(treeFile(TREE, [KEY_2, KEY_9]));
    expect(tree.publicKeys.map((key) => [key.pkid, key.type, key.proven])).toEqual([
      [2, "P-256", true],
      [9, "P-521", true],
    ]);
  });

  it("says so when nodes to prove its key are missing, and still gives the root", () => {
    const tree = treeOf(TREE_XML.replace(TREE.node(2, 1), ""));
    expect(tree.publicKeys[0].proven).toBe(false);
    expect(tree.warnings).toEqual(["PKID 2 is listed, but nodes to prove it are missing"]);
  });

  it("proves a neighbour whose leaf is one of the listed siblings, and nobody else", () => {
    const tree = treeOf(TREE_XML);
    expect(provesKey(tree.root, nodesOf(tree), KEY_1)).toBe(true);
    expect(provesKey(tree.root, nodesOf(tree), { ...KEY_1, pkid: 3 })).toBe(false);
    expect(provesKey(tree.root, nodesOf(tree), { ...KEY_1, i: 1 })).toBe(false);
    expect(provesKey(tree.root, nodesOf(tree), ownKey("stranger", 0, 1))).toBe(false);
    // Its leaf is in the tree, but nothing known of the tree leads there.
    expect(provesKey(tree.root, nodesOf(tree), KEY_9)).toBe(false);
  });

  it("lists an alert message as an alert and never as a key", () => {
    const alert =
      "<PublicKey><i>15</i><PKID>0</PKID><lengthInBits>312</lengthInBits>" +
      `<point>${"ab".repeat(39)}</point><PKType>Emergency Service Message</PKType></PublicKey>`;
    const tree = treeOf(TREE_XML.replace("<TreeNode>", `${alert}<TreeNode>`));
    expect(tree.publicKeys.map((key) => key.pkid)).toEqual([2]);
    expect(tree.alerts.map(({ i, payload }) => [i, payload.length])).toEqual([[15, 39]]);
  });

  it("is refused when any node, the root, the PKID or the leaf index is not the proof's", () => {
    for (let j = 0; j <= 4; j++) {
      const i = j === 4 ? 0 : (1 >> j) ^ 1;
      const digit = TREE.node(j, i).replace(/<x_ji>(.)/, (_, first) => `<x_ji>${first === "0" ? "1" : "0"}`);
      expect(codeOf(TREE_XML.replace(TREE.node(j, i), digit)), `node ${j},${i}`).toBe(
        "OSN_TRUST_KEY_INVALID",
      );
    }
    expect(codeOf(TREE_XML.replace("<PKID>2<", "<PKID>3<"))).toBe("OSN_TRUST_KEY_INVALID");
    expect(codeOf(TREE_XML.replace("<i>1</i><PKID>", "<i>0</i><PKID>"))).toBe("OSN_TRUST_KEY_INVALID");
    expect(codeOf(TREE_XML.replace(TREE.node(4, 0), NEW_TREE.node(4, 0)))).toBe("OSN_TRUST_KEY_INVALID");
  });

  it.each([
    ["another hash", "<HashFunction>SHA-256<", "<HashFunction>SHA3-256<"],
    ["another size", "<N>16<", "<N>8<"],
    ["no root", TREE.node(4, 0), ""],
    ["a node twice", TREE.node(0, 0), TREE.node(0, 0) + TREE.node(0, 0)],
    ["a node outside of the tree", "<j>3</j><i>1</i>", "<j>3</j><i>2</i>"],
    ["a level outside of the tree", "<j>3</j>", "<j>5</j>"],
    ["a short node", "<lengthInBits>256<", "<lengthInBits>255<"],
    ["a sign", "<PKID>2<", "<PKID>-2<"],
    ["a PKID of five bits", "<PKID>2<", "<PKID>16<"],
    ["two PKIDs", "<PKID>2</PKID>", "<PKID>2</PKID><PKID>2</PKID>"],
    ["no PKID", "<PKID>2</PKID>", ""],
    ["an unknown key type", "ECDSA P-256/SHA-256", "ECDSA P-384/SHA-384"],
    ["a point that is not hex", "<point>", "<point>zz"],
    ["elements in a text", "<PKID>2</PKID>", "<PKID><b>2</b></PKID>"],
    ["text between elements", "<header>", "<header>trust me"],
    ["a date that is none", "<Begin>2030-01-01T", "<Begin>2030-13-01T"],
    ["control characters in the state", ">Future<", ">Fut\u0085ure<"],
    ["another root element", /signalData/g, "signaldata"],
    ["two products", "</MerkleTree>", "</MerkleTree><MerkleTree></MerkleTree>"],
    ["an unknown product", /MerkleTree/g, "MerkleForest"],
  ])("is refused with %s", (_, from, to) => {
    const changed = TREE_XML.replace(from, to);
    expect(changed).not.toBe(TREE_XML);
    expect(codeOf(changed)).toBe("OSN_TRUST_XML_INVALID");
  });
});

describe("a public key file", () => {
  it("gives the key and what GSC says of it, P-521 as well", () => {
    expect(keyOf(KEY_XML)).toMatchObject({
      kind: "public-key",
      fragment: false,
      i: 1,
      pkid: 2,
      type: "P-256",
      point: KEY_2.point,
      state: "Renewed",
      applicability: { begin: "2024-01-01T00:00:00Z", end: "2024-06-01T00:00:00Z" },
      warnings: [],
    });
    expect(keyOf(keyFile(KEY_9))).toMatchObject({ pkid: 9, i: 8, type: "P-521", point: KEY_9.point });
  });

  it("may write its point in either case", () => {
    const lower = KEY_XML.replace(/<point>(.*)<\/point>/, (all: string) => all.toLowerCase());
    expect(lower).not.toBe(KEY_XML);
    expect(keyOf(lower).point).toEqual(KEY_2.point);
  });

  it("is refused when its point is not on the curve, or not of its length or form", () => {
    const point = hexOf(KEY_2.point).toUpperCase();
    const withPoint = (hex: string) => KEY_XML.replace(point, hex);
    // x = 1..20: about half of them are on no curve.
    const verdicts = Array.from({ length: 20 }, (_, k) =>
      codeOf(withPoint(`02${(k + 1).toString(16).padStart(64, "0")}`)),
    );
    expect(new Set(verdicts)).toEqual(new Set(["accepted", "OSN_TRUST_KEY_INVALID"]));
    expect(codeOf(withPoint(`02${"FF".repeat(32)}`))).toBe("OSN_TRUST_KEY_INVALID");
    expect(codeOf(withPoint(`04${point.slice(2)}`))).toBe("OSN_TRUST_KEY_INVALID");
    expect(codeOf(withPoint(point.slice(2)))).toBe("OSN_TRUST_KEY_INVALID");
    expect(codeOf(KEY_XML.replace("<lengthInBits>264<", "<lengthInBits>536<"))).toBe("OSN_TRUST_KEY_INVALID");
    expect(codeOf(KEY_XML.replace("P-256/SHA-256", "P-521/SHA-512"))).toBe("OSN_TRUST_KEY_INVALID");
  });

  it("is refused when it holds an alert message", () => {
    expect(codeOf(KEY_XML.replace("ECDSA P-256/SHA-256", "Emergency Service Message"))).toBe(
      "OSN_TRUST_KEY_INVALID",
    );
  });

  it("without a root element is read as a fragment, flagged and warned about", () => {
    const key = keyOf(fragmentFile(KEY_2));
    expect(key).toMatchObject({ fragment: true, pkid: 2, i: 1, type: "P-256", point: KEY_2.point });
    expect(key).toMatchObject({ state: null, uid: null, issueDate: null });
    expect(key.warnings).toHaveLength(1);
    expect(keyOf(fragmentFile(KEY_2).replaceAll("><", ">\r\n<")).fragment).toBe(true);
  });

  it("is no fragment when something else is wrong as well", () => {
    const fragment = fragmentFile(KEY_2);
    expect(codeOf(`${fragment}<extra/>`)).toBe("OSN_TRUST_XML_INVALID");
    expect(codeOf(`${fragment}text`)).toBe("OSN_TRUST_XML_INVALID");
    expect(codeOf(fragment.replace("</point>", ""))).toBe("OSN_TRUST_XML_INVALID");
    expect(codeOf(`${fragment}<PKID>3</PKID>`)).toBe("OSN_TRUST_XML_INVALID");
    expect(codeOf(fragment.replace("?>", '?><!DOCTYPE a [<!ENTITY b "2">]>'))).toBe("OSN_TRUST_XML_INVALID");
    expect(codeOf(TREE_XML + TREE_XML.replace(/<\?.*?\?>/, ""))).toBe("OSN_TRUST_XML_INVALID");
  });
});

describe("a damaged or hostile file", () => {
  it.each([
    ["tree", TREE_XML],
    ["key", KEY_XML],
    ["fragment", fragmentFile(KEY_2)],
  ])("is refused when a %s is cut at any place", (_, text) => {
    for (let end = 0; end < text.length; end += text.length < 300 ? 1 : 25) {
      expect(codeOf(text.slice(0, end)), `cut at ${end}`).toMatch(/^OSN_TRUST_/);
    }
  });

  it("never yields other material than the intact one by a changed byte of a tree's proof", () => {
    const original = bytes(TREE_XML);
    const from = TREE_XML.indexOf("<PublicKey>");
    fc.assert(
      fc.property(
        fc.integer({ min: from, max: original.length - 1 }),
        fc.integer({ min: 0, max: 255 }),
        (at, value) => {
          const changed = Uint8Array.from(original);
          changed[at] = value;
          let file: GscFile;
          try {
            file = parseGscXml(changed, "file.xml");
          } catch (error) {
            expect(error).toBeInstanceOf(OsnmadError);
            return;
          }
          if (file.kind !== "merkle-tree") throw new Error("a tree became a key");
          // A node or key that lost its element name is simply not there; what is there is unchanged.
          expect(hexOf(file.root)).toBe(hexOf(TREE.root));
          for (const key of file.publicKeys) expect(hexOf(key.point)).toBe(hexOf(KEY_2.point));
        },
      ),
      { numRuns: 400 },
    );
  });

  it("only ever fails with a told error, whatever the bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (random) => {
        expect(codeOf(random)).toBe("OSN_TRUST_XML_INVALID");
      }),
    );
  });

  it("is refused with a document type: an entity bomb, an external entity, or an idle one", () => {
    const levels = Array.from({ length: 20 }, (_, k) => `<!ENTITY e${k + 1} "${`&e${k};`.repeat(10)}">`);
    const bomb = `<!DOCTYPE signalData [<!ENTITY e0 "2">${levels.join("")}]>`;
    const external = '<!DOCTYPE signalData [<!ENTITY e20 SYSTEM "file:///etc/passwd">]>';
    for (const doctype of [bomb, external, "<!DOCTYPE signalData>"]) {
      const text = TREE_XML.replace("?>", `?>${doctype}`).replace("<PKID>2<", "<PKID>&e20;<");
      expect(codeOf(text)).toBe("OSN_TRUST_XML_INVALID");
      expect(codeOf(TREE_XML.replace("?>", `?>${doctype}`))).toBe("OSN_TRUST_XML_INVALID");
    }
    expect(codeOf(TREE_XML.replace("<PKID>2<", "<PKID>&two;<"))).toBe("OSN_TRUST_XML_INVALID");
  });

  it("is refused with processing instructions or CDATA", () => {
    expect(codeOf(TREE_XML.replace("<header>", "<?php ?><header>"))).toBe("OSN_TRUST_XML_INVALID");
    expect(codeOf(TREE_XML.replace("<PKID>2<", "<PKID><![CDATA[2]]><"))).toBe("OSN_TRUST_XML_INVALID");
  });

  it("is refused in another encoding than UTF-8", () => {
    expect(codeOf(Uint8Array.from(Buffer.from(`\ufeff${TREE_XML}`, "utf16le")))).toBe(
      "OSN_TRUST_XML_INVALID",
    );
    expect(codeOf(Uint8Array.from(Buffer.from(TREE_XML, "utf16le")))).toBe("OSN_TRUST_XML_INVALID");
    expect(codeOf(TREE_XML.replace("UTF-8", "ISO-8859-1"))).toBe("OSN_TRUST_XML_INVALID");
    const latin = Uint8Array.from(Buffer.from(TREE_XML.replace("Future", "Fut\u00fcre"), "latin1"));
    expect(codeOf(latin)).toBe("OSN_TRUST_XML_INVALID");
    expect(codeOf(Uint8Array.from(Buffer.from(`\ufeff${TREE_XML}`)))).toBe("accepted");
  });

  it("is refused when huge, deep or of too many elements, quickly", () => {
    expect(codeOf(TREE_XML + " ".repeat(MAX_XML_BYTES))).toBe("OSN_TRUST_XML_INVALID");
    expect(codeOf("<a>".repeat(100_000))).toBe("OSN_TRUST_XML_INVALID");
    expect(codeOf(`<a>${"<b/>".repeat(100_000)}</a>`)).toBe("OSN_TRUST_XML_INVALID");
    expect(codeOf("<b/>".repeat(100_000))).toBe("OSN_TRUST_XML_INVALID");
  });

  it("cannot make a terminal obey through a message", () => {
    for (const text of ["<\u00e9a/>", TREE_XML.replace("<N>16<", "<N>\u009b31m<"), "<\u009b31m/>"]) {
      expect(() => parse(text)).toThrow(/^file\.xml: [ -~]*$/);
    }
  });
});

describe("the committed fixtures", () => {
  const folder = fileURLToPath(new URL("./fixtures", import.meta.url));
  it("are what gsc-files.ts makes, and load", () => {
    expect(readdirSync(folder).sort()).toEqual(Object.keys(FIXTURES).sort());
    for (const [name, text] of Object.entries(FIXTURES)) {
      expect(readFileSync(join(folder, name), "utf8")).toBe(text);
      expect(codeOf(text)).toBe("accepted");
    }
  });
});

describeShared("the published files", () => {
  const folders = [
    "trust",
    "configuration_2",
    "crev_step1",
    "eoc_step1",
    "nmt_step1",
    "npk_step1",
    "npk_step2",
  ]
    .concat(["oam_step1", "pkrev_step1"])
    .map((name) => (name === "trust" ? sharedPath(name) : sharedPath("vectors", name)));

  const files = folders.flatMap((folder) => {
    if (folder === null) throw new Error("a folder of the shared material is missing");
    return readdirSync(folder)
      .filter((name) => name.endsWith(".xml"))
      .map((name) => join(folder, name));
  });

  it("all load, trees with their proof", () => {
    expect(files).toHaveLength(19);
    const roots = new Map<string, number[]>();
    for (const path of files) {
      const file = parseGscXml(readFileSync(path), path);
      if (file.kind === "public-key") {
        expect(file.fragment).toBe(path.endsWith("OSNMA_PublicKey_2.xml"));
        continue;
      }
      expect(file.publicKeys.map((key) => key.proven)).toEqual([true]);
      const hex = hexOf(file.root).slice(0, 8);
      roots.set(hex, [...(roots.get(hex) ?? []), file.publicKeys[0].pkid]);
    }
    expect(Object.fromEntries(roots)).toEqual({
      "832e15ed": [2],
      a10c440f: [2, 7, 7, 9, 7, 7, 8],
      "259b5243": [1, 1],
    });
  });

  it("are refused when cut at every 50th byte", () => {
    for (const path of files) {
      const whole = readFileSync(path);
      for (let end = 0; end < whole.length; end += 50) {
        expect(codeOf(whole.subarray(0, end)), `${path} cut at ${end}`).toMatch(/^OSN_TRUST_/);
      }
    }
  });

  it("prove keys of each other where the tree is the same: PKID 1 by the tree that lists PKID 2", () => {
    const tree = parseGscXml(readFileSync(sharedPath("trust", "OSNMA_MerkleTree.xml")!), "tree");
    const key = parseGscXml(readFileSync(sharedPath("trust", "OSNMA_PublicKey_1.xml")!), "key");
    if (tree.kind !== "merkle-tree" || key.kind !== "public-key") throw new Error("not the files expected");
    expect(provesKey(tree.root, nodesOf(tree), key)).toBe(true);
  });
});
