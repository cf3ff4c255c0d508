import { readdirSync, readFileSync, statSync } from "node:fs";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { buildCapture, captureFiles, captureNames, GENERATOR_VERSION } from "../../src/simulate/captures.js";
import { loadTrust } from "../../src/trust/material.js";

const folder = fileURLToPath(new URL("../../captures/", import.meta.url));
const MAX_TOTAL_BYTES = 10_000_000;

describe("the committed captures", () => {
  const written = new Set<string>();

  it.each(captureNames(folder))("%s: the generator gives the very bytes again", (name) => {
    const capture = buildCapture(folder, name);
    for (const [path, bytes] of captureFiles(capture)) {
      written.add(path);
      const committed = readFileSync(join(folder, path));
      expect(
        Buffer.compare(committed, bytes),
        `${path} differs; run npm run captures and read the diff`,
      ).toBe(0);
    }
    const { header } = capture;
    expect(header.generator).toBe(GENERATOR_VERSION);
    expect(header.warning).toContain("Test keys");
    const heard = new Set(header.satellites);
    for (const svid of [...header.expected.authenticated, ...header.expected.neverAuthenticated]) {
      expect(heard).toContain(svid);
    }
  });

  it.each(captureNames(folder))("%s: its trust files load as GSC's do, and the root key verifies", (name) => {
    const { merkleTree, publicKeys, rootKey } = buildCapture(folder, name).header.trust;
    const material = loadTrust({
      merkle: merkleTree.map((path) => join(folder, path)),
      publicKey: publicKeys.map((path) => join(folder, path)),
      rootKey: rootKey === null ? undefined : join(folder, rootKey),
      stateDir: null,
    });
    expect(material.roots).toHaveLength(merkleTree.length);
    expect(material.publicKeys).toHaveLength(publicKeys.length);
    expect(material.rootKey === null).toBe(rootKey === null);
  });

  it("are all there is in the folder, but for goldens and text about them", () => {
    const found = readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && /\.(ubx|json|xml|txt)$/.test(entry.name))
      .map((entry) => relative(folder, join(entry.parentPath, entry.name)).replaceAll("\\", "/"))
      .filter((path) => !path.startsWith("golden"));
    expect(found.sort()).toEqual([...written].sort());
  });

  it("stay small", () => {
    const sizes = captureNames(folder).map((name) => statSync(join(folder, `${name}.ubx`)).size);
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThanOrEqual(MAX_TOTAL_BYTES);
  });

  it("say TEST in every trust file's name", () => {
    for (const name of readdirSync(join(folder, "trust"))) expect(name).toMatch(/^TEST_/);
  });
});
