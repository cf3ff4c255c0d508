import { beforeAll, describe, expect, it } from "vitest";
import {
  buildEvidence,
  bundleText,
  ownObjects,
  EvidenceBuilder,
  readBundle,
  referencesOf,
} from "../../src/evidence/bundle.js";
import { canonicalJson } from "../../src/evidence/canonical-json.js";
import {
  decodeRecord,
  encodeRecord,
  idOfText,
  isFault,
  objectText,
  readObject,
  signedPart,
} from "../../src/evidence/objects.js";
import { cedNavBits } from "../../src/osnma/tag-message.js";
import { merkleLeaf, merkleRootFromProof } from "../../src/osnma/merkle-tree.js";
import { rootFact } from "../../src/trust/facts.js";
import { loadTrust } from "../../src/trust/material.js";
import { describeShared, sharedPath } from "../support/shared.js";
import { fixesOf, testMaterial, textOf, type Made } from "./support.js";

const material = testMaterial();
let fixes: Made[];
beforeAll(() => {
  const from = 1400 * 604_800 + 141_230;
  fixes = fixesOf(
    { capture: "captures/nominal.ubx", material, mode: "simulated" },
    (gst) => gst >= from && gst < from + 5,
  );
});

describe("evidence objects", () => {
  it("are named by SHA-256 over a prefix and their canonical JSON, whatever the order of members", () => {
    // printf 'osnmad-evidence-object-1\n{"a":1}' | sha256sum
    expect(idOfText('{"a":1}')).toBe("2eb111b2f892531a2d966ed1351cf28a458cdf23c58a7d4d909dd4f171334518");
    expect(canonicalJson({ b: [1, { d: 2, c: "x" }], a: null })).toBe('{"a":null,"b":[1,{"c":"x","d":2}]}');
  });

  it("hold integers, texts and hexadecimal only, and read back as they were made", () => {
    for (const [id, object] of fixes[0].evidence.objects) {
      const text = objectText(object);
      expect(idOfText(text)).toBe(id);
      expect(text.replace(/"[^"]*"/g, '""')).not.toMatch(/\d[.eE]/);
      const read = readObject(JSON.parse(text));
      expect(isFault(read), JSON.stringify(read).slice(0, 200)).toBe(false);
      for (const name of referencesOf(object)) expect(fixes[0].evidence.objects.has(name)).toBe(true);
    }
  });

  it("keep the bits of words that tags sign, and no other", () => {
    const ones = [1, 2, 3, 4, 5].map(() => new Uint8Array(16).fill(0xff));
    const parts = ones.map((word, i) => signedPart(word, i + 1));
    const count = (bytes: Uint8Array) =>
      bytes.reduce((sum, byte) => sum + byte.toString(2).replaceAll("0", "").length, 0);
    expect(parts.map(count)).toEqual([126, 126, 128, 126, 73]);
    const bits = (words: Uint8Array[]) => cedNavBits(words[0], words[1], words[2], words[3], words[4]);
    expect(bits(parts)).toEqual(bits(ones));
  });

  it("carry a number that is no integer as the decimal that reads back the same", () => {
    const record = { gst: 837789600.2, list: [0.1, -0.5, 7, -0], text: "x", none: null, unsaid: undefined };
    const encoded = encodeRecord(record);
    expect(encoded).toEqual({
      gst: { decimal: "837789600.2" },
      list: [{ decimal: "0.1" }, { decimal: "-0.5" }, 7, 0],
      text: "x",
      none: null,
    });
    expect(decodeRecord(encoded)).toEqual({
      gst: 837789600.2,
      list: [0.1, -0.5, 7, 0],
      text: "x",
      none: null,
    });
    expect(() => encodeRecord({ bad: Number.NaN })).toThrow(TypeError);
  });

  it("are refused with the field that is wrong", () => {
    const key = { kind: "tesla-key", gst: 30, key: "00".repeat(16), rootKey: "11".repeat(32) };
    expect(isFault(readObject(key))).toBe(false);
    expect(readObject({ ...key, gst: 30.5 })).toMatchObject({ field: "gst" });
    expect(readObject({ ...key, key: "AA".repeat(16) })).toMatchObject({ field: "key" });
    expect(readObject({ ...key, more: 1 })).toMatchObject({
      why: expect.stringContaining("unknown") as string,
    });
    expect(readObject({ ...key, kind: "toString" })).toMatchObject({ field: "kind" });
    const { rootKey, ...without } = key;
    expect(rootKey).toBeDefined();
    expect(readObject(without)).toMatchObject({ field: "rootKey", why: "is missing" });
    expect(readObject(null)).toMatchObject({ field: "" });
  });
});

describe("the evidence builder", () => {
  it("makes the same objects from the same fix, epoch by epoch or alone", () => {
    const builder = new EvidenceBuilder();
    for (const { record, parts, evidence } of fixes) {
      const made = builder.build(record, parts);
      expect(made.root).toBe(evidence.root);
      expect(new Map([...ownObjects(record, made), ...made.shared])).toEqual(evidence.objects);
      expect(buildEvidence(record, parts)).toEqual(evidence);
    }
  });

  it("leaves the record's own evidence id out, which is the id that results", () => {
    const { record, parts, evidence } = fixes[0];
    const named = { ...record, evidence: evidence.root };
    expect(buildEvidence(named, parts).root).toBe(evidence.root);
  });

  it("adds to the next epoch only what is new: measurements, receiver's messages and the fix", () => {
    const [first, second] = fixes.map(({ evidence }) => evidence.objects);
    const added = [...second].filter(([id]) => !first.has(id)).map(([, { kind }]) => kind);
    expect(added.sort()).toEqual(["fix", "measurements", "receiver"]);
  });
});

describe("a bundle's text", () => {
  it("is one JSON document that reads back to the same objects", () => {
    const { record, evidence } = fixes[0];
    const read = readBundle(Buffer.from(textOf(fixes[0])));
    if (typeof read === "string") throw new Error(read);
    expect(read.root).toBe(evidence.root);
    expect(read.mode).toBe(record.mode);
    expect(new Map([...read.entries].map(([id, { object }]) => [id, object]))).toEqual(evidence.objects);
  });

  it("is the same from stored objects, in whatever order they come", () => {
    const { evidence } = fixes[0];
    const reversed = [...evidence.objects].reverse();
    const read = readBundle(bundleText("simulated", evidence.root, reversed));
    if (typeof read === "string") throw new Error(read);
    expect(read.entries.size).toBe(evidence.objects.size);
  });
});

describe("public keys from trust material", () => {
  const rootOf = (key: ReturnType<typeof loadTrust>["publicKeys"][number]): string => {
    const leaf = merkleLeaf(key.type === "P-256" ? 1 : 3, key.pkid, key.point);
    return Buffer.from(merkleRootFromProof(leaf, key.proof!.leafIndex, key.proof!.siblings)).toString("hex");
  };

  it("come with the Merkle proof that the built-in facts hold, PKID 1 by its neighbour's leaf", () => {
    const { publicKeys } = loadTrust({ stateDir: null });
    expect(publicKeys.map(({ pkid }) => pkid)).toEqual([1, 2]);
    for (const key of publicKeys) expect(rootOf(key)).toBe(key.root);
    expect(rootFact(publicKeys[0].root!)?.standing).toBe("operational");
  });

  it("come with the proof of the tree file that was given", () => {
    const [key] = material.publicKeys;
    expect(rootOf(key)).toBe(material.roots[0].hex);
  });

  it("come without one where no tree is known", () => {
    const { publicKeys } = loadTrust({ publicKey: ["captures/trust/TEST_OSNMA_PublicKey_2.xml"] });
    expect(publicKeys[0].proof).toBeNull();
  });
});

describeShared("public keys of the official vectors", () => {
  it("are proven by the trees beside them", () => {
    const folder = (name: string) => sharedPath("vectors", "configuration_2", name)!;
    const { publicKeys, roots } = loadTrust({
      merkle: [folder("OSNMA_MerkleTree.xml")],
      publicKey: [folder("OSNMA_PublicKey_2.xml")],
    });
    const [{ proof, pkid, point, type }] = publicKeys;
    expect(proof).not.toBeNull();
    const leaf = merkleLeaf(type === "P-256" ? 1 : 3, pkid, point);
    expect(merkleRootFromProof(leaf, proof!.leafIndex, proof!.siblings)).toEqual(roots[0].root);
  });
});
