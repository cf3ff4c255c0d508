import { createPublicKey, verify } from "node:crypto";
import { describe, expect, it } from "vitest";
import { fromHex, toHex } from "../../src/simulate/bit-writer.js";
import { publicPoint, signDeterministic } from "../../src/simulate/ecdsa.js";
import { leafMessage, sha256, TestAuthority } from "../../src/simulate/test-authority.js";
import { importPublicKey, verifySignature } from "../../src/osnma/ecdsa.js";

const bytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, "ascii"));

describe("deterministic ECDSA", () => {
  it("gives the P-256, SHA-256 signature of RFC 6979 appendix A.2.5", () => {
    const x = BigInt("0xC9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721");
    expect(toHex(signDeterministic("P-256", x, bytes("sample")))).toBe(
      "efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716" +
        "f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8",
    );
  });

  it("gives the P-521, SHA-512 signature of RFC 6979 appendix A.2.7, leading zeros kept", () => {
    const x = BigInt(
      "0x0FAD06DAA62BA3B25D2FB40133DA757205DE67F5BB0018FEE8C86E1B68C7E75C" +
        "AA896EB32F1F47C70855836A6D16FCC1466F6D8FBEC67DB89EC0C08B0E996B83538",
    );
    const signature = toHex(signDeterministic("P-521", x, bytes("sample")));
    expect(signature.slice(0, 132)).toBe(
      "00c328fafcbd79dd77850370c46325d987cb525569fb63c5d3bc53950e6d4c5f174e25a1ee9017b5d450606add152b53" +
        "4931d7d4e8455cc91f9b15bf05ec36e377fa",
    );
    expect(signature.slice(132)).toBe(
      "00617cce7cf5064806c467f678d3b4080d6f1cc50af26ca209417308281b68af282623eaa63e5b5c0723d8b8c37ff077" +
        "7b1a20f8ccb1dccc43997f1ee0e44da4a67a",
    );
  });

  it.each(["P-256", "P-521"] as const)(
    "signs %s so that node:crypto accepts it and nothing altered",
    (curve) => {
      const scalar = 0x1234567890abcdefn;
      const compressed = publicPoint(curve, scalar);
      // SubjectPublicKeyInfo takes a compressed point as it is.
      const prefix =
        curve === "P-256"
          ? "3039301306072a8648ce3d020106082a8648ce3d030107032200"
          : "305a301006072a8648ce3d020106052b81040023034400";
      const spki = Buffer.concat([fromHex(prefix), compressed]);
      spki[1] = spki.length - 2;
      const key = createPublicKey({ key: spki, format: "der", type: "spki" });
      const hash = curve === "P-256" ? "sha256" : "sha512";
      const signature = signDeterministic(curve, scalar, bytes("message"));
      const isValid = (message: string): boolean =>
        verify(hash, bytes(message), { key, dsaEncoding: "ieee-p1363" }, signature);
      expect(isValid("message")).toBe(true);
      expect(isValid("massage")).toBe(false);
    },
  );
});

describe("test authority", () => {
  const authority = new TestAuthority("a seed", { curves: { 9: "P-521" } });

  it("is the same for the same seed and another one for another", () => {
    expect(new TestAuthority("a seed", { curves: { 9: "P-521" } }).root).toEqual(authority.root);
    expect(new TestAuthority("b seed", { curves: { 9: "P-521" } }).root).not.toEqual(authority.root);
  });

  it("proves every key and the alert message to its root", () => {
    const leaves = [...Array.from({ length: 15 }, (_, i) => authority.key(i + 1)), authority.alert];
    for (const leaf of leaves) {
      let node = sha256(leafMessage(leaf));
      authority.proof(leaf.index).forEach((sibling, level) => {
        node = (leaf.index >> level) % 2 === 0 ? sha256(node, sibling) : sha256(sibling, node);
      });
      expect(node).toEqual(authority.root);
    }
  });

  it("signs with the key whose point it publishes", () => {
    for (const pkid of [1, 9]) {
      const { curve, npk } = authority.key(pkid);
      const key = importPublicKey(curve, npk);
      expect(key).not.toBeNull();
      expect(verifySignature(key!, bytes("m"), authority.sign(pkid, bytes("m")))).toBe(true);
      expect(verifySignature(key!, bytes("n"), authority.sign(pkid, bytes("m")))).toBe(false);
    }
  });

  it("hashes the leaf of the live key PKID 2 as published (OSNMA notes 19.3)", () => {
    const npk = fromHex("02219204b5ca6c46b623eeed6cdd2cddb1f7d6a7532767e5b8da0de1ebd695fc99");
    expect(toHex(sha256(leafMessage({ npkt: 1, npkid: 2, npk })))).toBe(
      "941bd34ea7df668b6fc5be75c1d93464d109bc615cb52c8124847fafb09cbb2b",
    );
  });

  it("names itself a test wherever a file of GSC names its issuer", () => {
    for (const xml of [
      authority.merkleTreeXml([2], "2026-01-01T00:00:00Z"),
      authority.publicKeyXml(9, "2026-01-01T00:00:00Z"),
    ]) {
      expect(xml).not.toContain("GOC-SC");
      expect(xml.match(/<mission>TEST<\/mission>/g)).toHaveLength(2);
      expect(xml).toMatch(/<UID>TEST-(MT|PK)-[0-9A-F]{64}<\/UID>/);
    }
  });

  it("lists the root and the sibling path of the listed key", () => {
    const xml = authority.merkleTreeXml([2], "2026-01-01T00:00:00Z");
    const path = [...xml.matchAll(/<j>(\d)<\/j><i>(\d+)<\/i>.*?<x_ji>([0-9A-F]{64})/g)].map((match) => [
      ...match.slice(1, 4),
    ]);
    const hex = (node: Uint8Array): string => toHex(node).toUpperCase();
    const proof = authority.proof(1);
    expect(path).toEqual([
      ["4", "0", hex(authority.root)],
      ["3", "1", hex(proof[3])],
      ["2", "1", hex(proof[2])],
      ["1", "1", hex(proof[1])],
      ["0", "0", hex(proof[0])],
    ]);
  });
});
