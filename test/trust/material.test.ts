import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, describe, expect, it, vi } from "vitest";
import { OsnmadError } from "../../src/errors.js";
import type { ErrorCode } from "../../src/errors.js";
import { gstOf } from "../../src/inav/gst.js";
import { importPublicKey } from "../../src/osnma/ecdsa.js";
import { ROOT_FACTS } from "../../src/trust/facts.js";
import { hexOf } from "../../src/trust/hex.js";
import { applicabilityGst, explicitKeyName, loadTrust, readGscFile } from "../../src/trust/material.js";
import type { TrustOptions } from "../../src/trust/material.js";
import { provenNodes, provesKey } from "../../src/trust/tree-proof.js";
import { importFiles, loadTrustStore, saveTrustStore } from "../../src/trust/trust-store.js";
import { describeShared, sharedPath } from "../support/shared.js";
import {
  fragmentFile,
  KEY_1,
  KEY_2,
  KEY_9,
  keyFile,
  NEW_KEY_1,
  NEW_TREE,
  ownKey,
  rootKeyFile,
  TREE,
  treeFile,
} from "./gsc-files.js";

const OPERATIONAL = "832e15ede55655eac6e399a539477b7c034cce24c3c93ffc904acd9bf842f04e";
const ROOT = hexOf(TREE.root);

const dir = mkdtempSync(join(tmpdir(), "osnmad-trust-"));
let count = 0;
function fileOf(text: string): string {
  const path = join(dir, `${++count}.xml`);
  writeFileSync(path, text);
  return path;
}
const emptyDir = () => mkdtempSync(join(dir, "state-"));

function codeOf(options: TrustOptions): ErrorCode | "accepted" {
  try {
    loadTrust(options);
    return "accepted";
  } catch (error) {
    if (error instanceof OsnmadError) return error.code;
    throw error;
  }
}

const treePath = fileOf(treeFile(TREE, [KEY_2]));
const newTreePath = fileOf(treeFile(NEW_TREE, [NEW_KEY_1]));
const key1Path = fileOf(keyFile(KEY_1));
const key2Path = fileOf(keyFile(KEY_2, { state: "Revoked", end: "2024-06-01T00:00:00Z" }));
const fragmentPath = fileOf(fragmentFile(KEY_2));

afterEach(() => vi.unstubAllEnvs());

describe("the built-in facts", () => {
  it("hold one operational root, whose tree proves every key named under it", () => {
    const operational = ROOT_FACTS.filter((fact) => fact.standing === "operational");
    expect(operational.map((fact) => fact.hex)).toEqual([OPERATIONAL]);
    expect(operational[0].keys.map((key) => key.pkid)).toEqual([1, 2]);
    for (const key of operational[0].keys) {
      expect(provesKey(operational[0].root, operational[0].nodes, key)).toBe(true);
    }
  });

  it("contradict themselves nowhere, and every point is on its curve", () => {
    for (const fact of ROOT_FACTS) {
      expect(provenNodes(fact.root, fact.nodes)).not.toBeNull();
      for (const key of fact.keys) expect(importPublicKey(key.type, key.point)).not.toBeNull();
    }
  });

  it("name four different points for PKID 1 and 2, so a PKID alone names nothing", () => {
    const points = ROOT_FACTS.flatMap((fact) => fact.keys.map((key) => hexOf(key.point)));
    expect(new Set(points).size).toBe(4);
  });

  it("let each key end where the next begins", () => {
    for (const { keys } of ROOT_FACTS) {
      for (let k = 1; k < keys.length; k++) {
        expect(keys[k - 1].applicability.end).toBe(keys[k].applicability.begin);
      }
    }
  });
});

describe("without options", () => {
  it("operational roots and their keys are trusted, historic and test ones are not", () => {
    const material = loadTrust({ stateDir: null });
    expect(material.roots.map((root) => [root.hex, root.operational, root.origin])).toEqual([
      [OPERATIONAL, true, "built-in"],
    ]);
    expect(material.publicKeys.map((key) => [key.name, key.enforceApplicability])).toEqual([
      [`${OPERATIONAL}/1`, true],
      [`${OPERATIONAL}/2`, true],
    ]);
    expect(material.rootKey).toBeNull();
  });

  it("the user's own store is read from the default folder, and a test tree in it is not used", () => {
    vi.stubEnv("XDG_STATE_HOME", emptyDir());
    expect(loadTrust().warnings).toEqual([]);
    const { store } = importFiles({ roots: [], keys: [] }, [{ name: "tree", file: readGscFile(treePath) }], {
      test: true,
      importedAt: "2026-01-01T00:00:00Z",
    });
    saveTrustStore(join(process.env["XDG_STATE_HOME"]!, "osnmad"), store, "2026-01-01T00:00:00Z");
    const material = loadTrust();
    expect(material.roots.map((root) => root.hex)).toEqual([OPERATIONAL]);
    expect(material.publicKeys.map((key) => key.root)).toEqual([OPERATIONAL, OPERATIONAL]);
    expect(material.warnings).toEqual([expect.stringContaining("1 test root(s) are not used")]);
  });

  it("a key the user imported as Revoked is not used, and an end once known is not lost", () => {
    const [pkid1, pkid2] = ROOT_FACTS[0].keys.map((key) => ({ ...key, sign: () => new Uint8Array() }));
    const options = { issueDate: "2026-06-01T00:00:00Z" };
    const paths = [
      fileOf(keyFile(pkid1, { ...options, state: "Renewed", begin: "2024-01-15T10:00:00Z" })),
      fileOf(keyFile(pkid2, { ...options, state: "Revoked" })),
    ];
    const { store } = importFiles(
      { roots: [], keys: [] },
      paths.map((name) => ({ name, file: readGscFile(name) })),
      { test: false, importedAt: "2026-06-02T00:00:00Z" },
    );
    const state = emptyDir();
    saveTrustStore(state, store, "2026-06-02T00:00:00Z");
    const material = loadTrust({ stateDir: state });
    expect(material.publicKeys.map((key) => [key.name, key.origin])).toEqual([
      [`${OPERATIONAL}/1`, "trust store"],
    ]);
    expect(material.publicKeys[0].applicability.end).toBe("2025-12-10T10:00:00Z");
    expect(material.warnings).toEqual([`trust store: ${OPERATIONAL}/2 is revoked and not used`]);
  });

  it("applicability can be compared with the signal's time", () => {
    // 2024-01-01T00:00:00Z is GST WN 1271 TOW 86418: 18 leap seconds ahead.
    expect(applicabilityGst({ begin: "2024-01-01T00:00:00Z", end: null })).toEqual({
      begin: gstOf(1271, 86_418),
      end: null,
    });
  });
});

describe("a key option", () => {
  it("replaces everything, built-ins included", () => {
    const byTree = loadTrust({ merkle: [treePath], stateDir: null });
    expect(byTree.roots.map((root) => [root.hex, root.operational, root.standing])).toEqual([
      [ROOT, false, "test"],
    ]);
    const byKey = loadTrust({ publicKey: [key2Path], stateDir: null });
    expect(byKey.roots).toEqual([]);
    expect(byKey.publicKeys).toHaveLength(1);
    for (const material of [byTree, byKey]) {
      expect(JSON.stringify([material.roots, material.publicKeys])).not.toContain(OPERATIONAL);
    }
  });

  it("does not even open the user's store", () => {
    const state = emptyDir();
    writeFileSync(join(state, "trust.json"), "damaged");
    expect(codeOf({ stateDir: state })).toBe("OSN_STATE_CORRUPT");
    expect(codeOf({ stateDir: state, merkle: [treePath] })).toBe("accepted");
    expect(codeOf({ stateDir: state, noTrust: true })).toBe("accepted");
  });

  it("and --no-trust contradict each other; alone it means nothing at all", () => {
    expect(loadTrust({ noTrust: true })).toEqual({ roots: [], publicKeys: [], rootKey: null, warnings: [] });
    expect(codeOf({ noTrust: true, merkle: [treePath] })).toBe("OSN_USAGE");
    expect(codeOf({ noTrust: true, rootKey: treePath })).toBe("OSN_USAGE");
  });

  it("that cannot be read, or holds the wrong thing, is refused", () => {
    expect(codeOf({ merkle: [join(dir, "absent.xml")] })).toBe("OSN_TRUST_FILE_UNREADABLE");
    expect(codeOf({ merkle: [dir] })).toBe("OSN_TRUST_FILE_UNREADABLE");
    expect(codeOf({ merkle: [key1Path] })).toBe("OSN_TRUST_KEY_INVALID");
    expect(codeOf({ publicKey: [fileOf(treeFile(TREE, []))] })).toBe("OSN_TRUST_KEY_INVALID");
    expect(codeOf({ merkle: [fileOf("x".repeat(2_000_000))] })).toBe("OSN_TRUST_XML_INVALID");
    expect(() => loadTrust({ merkle: "file" as unknown as string[] })).toThrow(TypeError);
  });
});

describe("--merkle", () => {
  it("imports roots only, and a renewal's two trees", () => {
    const material = loadTrust({ merkle: [treePath, newTreePath, treePath] });
    expect(material.roots.map((root) => root.hex)).toEqual([ROOT, hexOf(NEW_TREE.root)]);
    expect(material.publicKeys).toEqual([]);
  });

  it("warns about a root that is not an operational one", () => {
    expect(loadTrust({ merkle: [treePath] }).warnings).toEqual([
      expect.stringContaining("no operational Galileo root"),
    ]);
  });
});

describe("--public-key", () => {
  it("takes the key of a key file, tied to the given tree that proves it", () => {
    const material = loadTrust({ merkle: [newTreePath, treePath], publicKey: [key1Path] });
    expect(material.publicKeys.map((key) => [key.name, key.root, key.pkid])).toEqual([
      [`${ROOT}/1`, ROOT, 1],
    ]);
  });

  it("takes the keys of a tree file without trusting its root", () => {
    const material = loadTrust({ publicKey: [fileOf(treeFile(TREE, [KEY_2, KEY_9]))] });
    expect(material.roots).toEqual([]);
    expect(material.publicKeys.map((key) => [key.name, key.type])).toEqual([
      [`${ROOT}/2`, "P-256"],
      [`${ROOT}/9`, "P-521"],
    ]);
  });

  it("keeps keys of one PKID under two roots apart", () => {
    const material = loadTrust({
      merkle: [treePath, newTreePath],
      publicKey: [key1Path, fileOf(keyFile(NEW_KEY_1)), key1Path],
    });
    expect(material.publicKeys.map((key) => key.name)).toEqual([`${ROOT}/1`, `${hexOf(NEW_TREE.root)}/1`]);
  });

  it("names a key that no given tree proves by its point, with a warning", () => {
    const alone = loadTrust({ publicKey: [key1Path] });
    const beside = loadTrust({ merkle: [newTreePath], publicKey: [key1Path] });
    for (const material of [alone, beside]) {
      expect(material.publicKeys).toHaveLength(1);
      expect(material.publicKeys[0]).toMatchObject({ root: null, name: explicitKeyName(KEY_1.point) });
      expect(material.publicKeys[0].name).toMatch(/^explicit:[0-9a-f]{8}$/);
      expect(material.publicKeys[0].warnings).toEqual([expect.stringContaining("no given Merkle tree")]);
    }
  });

  it("records a state like Revoked and an end in the past, warns, and uses the key it was given", () => {
    const material = loadTrust({ merkle: [treePath], publicKey: [key2Path] });
    expect(material.publicKeys[0]).toMatchObject({
      state: "Revoked",
      applicability: { end: "2024-06-01T00:00:00Z" },
      enforceApplicability: false,
    });
    expect(material.warnings).toContainEqual(expect.stringContaining("Revoked"));
  });

  it("accepts a fragment only where a given tree lists or proves it, and warns", () => {
    const material = loadTrust({ merkle: [treePath], publicKey: [fragmentPath] });
    expect(material.publicKeys[0]).toMatchObject({ name: `${ROOT}/2`, state: null });
    expect(material.publicKeys[0].warnings).toEqual([
      expect.stringContaining("no root element"),
      expect.stringContaining("checks out"),
    ]);
    // Proven by its neighbour's file, which does not list it.
    const neighbour = fileOf(treeFile(TREE, [KEY_1]));
    expect(loadTrust({ merkle: [neighbour], publicKey: [fragmentPath] }).publicKeys[0].root).toBe(ROOT);
  });

  it("refuses a fragment that no given tree vouches for", () => {
    expect(codeOf({ publicKey: [fragmentPath] })).toBe("OSN_TRUST_KEY_INVALID");
    expect(codeOf({ merkle: [newTreePath], publicKey: [fragmentPath] })).toBe("OSN_TRUST_KEY_INVALID");
    const stranger = fileOf(fragmentFile(ownKey("stranger", 1, 2)));
    expect(codeOf({ merkle: [treePath], publicKey: [stranger] })).toBe("OSN_TRUST_KEY_INVALID");
    const moved = fileOf(fragmentFile({ ...KEY_2, pkid: 3 }));
    expect(codeOf({ merkle: [treePath], publicKey: [moved] })).toBe("OSN_TRUST_KEY_INVALID");
  });
});

describe("--root-key", () => {
  const rootKeyOf = (text: string) => fileOf(text);
  const good = rootKeyFile(KEY_2, 0x92);

  it("is taken when a given public key verifies it", () => {
    const material = loadTrust({
      merkle: [treePath],
      publicKey: [key1Path, treePath],
      rootKey: rootKeyOf(good),
    });
    expect(material.rootKey).toMatchObject({ nmaHeader: 0x92, verifiedBy: `${ROOT}/2` });
    expect(material.rootKey!.dsm).toHaveLength(104);
    expect(
      codeOf({ publicKey: [treePath], rootKey: rootKeyOf(good.replace("\n", "\r\n").toUpperCase()) }),
    ).toBe("accepted");
  });

  it("is refused when no given key verifies it: other key, other header, no key, a changed bit", () => {
    const unverifiable = "OSN_TRUST_ROOT_KEY_UNVERIFIABLE";
    const lastDigit = good[100] === "0" ? "1" : "0";
    expect(codeOf({ publicKey: [key1Path], rootKey: rootKeyOf(good) })).toBe(unverifiable);
    expect(codeOf({ publicKey: [treePath], rootKey: rootKeyOf(good.replace("\n92", "\n82")) })).toBe(
      unverifiable,
    );
    expect(codeOf({ rootKey: rootKeyOf(good) })).toBe(unverifiable);
    expect(codeOf({ merkle: [treePath], rootKey: rootKeyOf(good) })).toBe(unverifiable);
    const changed = good.slice(0, 100) + lastDigit + good.slice(101);
    expect(codeOf({ publicKey: [treePath], rootKey: rootKeyOf(changed) })).toBe(unverifiable);
  });

  it.each([
    ["empty", ""],
    ["one line", good.split("\n")[0]],
    ["three lines", `${good}00\n`],
    ["not hex", good.replace("2", "x")],
    ["a cut message", good.slice(2)],
    ["a header of two bytes", good.replace("\n92", "\n9292")],
    ["a reserved block count", `0${good.slice(1)}`],
  ])("is refused when %s", (_, text) => {
    expect(codeOf({ publicKey: [treePath], rootKey: rootKeyOf(text) })).toBe("OSN_TRUST_KEY_INVALID");
  });
});

describe("the user's trust store", () => {
  const importedAt = "2026-01-01T00:00:00Z";
  const fixture = (name: string) => {
    const path = fileURLToPath(new URL(`./fixtures/${name}`, import.meta.url));
    return { name, file: readGscFile(path) };
  };
  const empty = { roots: [], keys: [] };

  it("takes an unknown root only as a test root", () => {
    const tree = [fixture("OSNMA_MerkleTree_own.xml")];
    expect(() => importFiles(empty, tree, { test: false, importedAt })).toThrow(/--test/);
    const { store, notes } = importFiles(empty, tree, { test: true, importedAt });
    expect(store.roots.map((root) => root.test)).toEqual([true]);
    expect(notes.map((note) => [note.kind, note.standing, note.outcome])).toEqual([
      ["root", "test", "added"],
      ["key", "test", "added"],
    ]);
  });

  it("takes a key only when a known tree proves it, in any order of files", () => {
    const key = fixture("OSNMA_PublicKey_1_own.xml");
    const tree = fixture("OSNMA_MerkleTree_own.xml");
    expect(() => importFiles(empty, [key], { test: true, importedAt })).toThrow(
      /no known Merkle tree proves/,
    );
    const { store } = importFiles(empty, [key, tree], { test: true, importedAt });
    expect(store.keys.map((stored) => [stored.rootHex, stored.pkid]).sort()).toEqual([
      [ROOT, 1],
      [ROOT, 2],
    ]);
  });

  it("comes back from its file as it was, and twice the same is no change", () => {
    const files = [fixture("OSNMA_MerkleTree_own.xml"), fixture("OSNMA_PublicKey_1_own.xml")];
    const { store } = importFiles(empty, files, { test: true, importedAt });
    const state = emptyDir();
    saveTrustStore(state, store, importedAt);
    const back = loadTrustStore(state);
    expect(back).toEqual(store);
    const again = importFiles(back, files, { test: false, importedAt });
    expect(new Set(again.notes.map((note) => note.outcome))).toEqual(new Set(["already known"]));
    expect(again.store).toEqual(store);
  });

  it("lets a newer file replace what is known and an older one not, so a revocation stays", () => {
    const at = (state: string, issueDate: string) => {
      const path = fileOf(keyFile(KEY_2, { state, issueDate }));
      return { name: path, file: readGscFile(path) };
    };
    const tree = { name: "tree", file: readGscFile(treePath) };
    const options = { test: true, importedAt };
    const first = importFiles(empty, [tree, at("Revoked", "2024-02-01T00:00:00Z")], options).store;
    expect(first.keys.map((key) => key.state)).toEqual(["Revoked"]);
    const second = importFiles(first, [at("Applicable", "2024-01-15T00:00:00Z")], options);
    expect(second.notes[0].outcome).toBe("older than what is stored");
    expect(second.store.keys.map((key) => key.state)).toEqual(["Revoked"]);
  });

  it("refuses another point for a (root, PKID) it knows", () => {
    const twin = ownKey("twin", 8, 2);
    const tree = { name: "tree", file: readGscFile(treePath) };
    const { store } = importFiles(empty, [tree], { test: true, importedAt });
    const forged = { ...readGscFile(key2Path), i: twin.i, point: twin.point };
    expect(() =>
      importFiles(store, [{ name: "twin", file: forged as ReturnType<typeof readGscFile> }], {
        test: true,
        importedAt,
      }),
    ).toThrow(OsnmadError);
  });

  it("is not believed when it holds a key its tree does not prove, checksum or not", () => {
    const { store } = importFiles(empty, [fixture("OSNMA_MerkleTree_own.xml")], { test: true, importedAt });
    const state = emptyDir();
    const keys = store.keys.map((key) => ({ ...key, point: ownKey("stranger", 1, 2).point }));
    saveTrustStore(state, { ...store, keys }, importedAt);
    expect(() => loadTrustStore(state)).toThrow(/checks out/);
    const text = readFileSync(join(state, "trust.json"), "utf8");
    expect(text).toContain(hexOf(keys[0].point));
  });
});

describeShared("with the published files", () => {
  const shared = (...parts: string[]) => {
    const path = sharedPath(...parts);
    if (path === null) throw new Error(`missing ${parts.join("/")}`);
    return path;
  };

  it.each([
    ["crev_step1", "OSNMA_PublicKey_PKID_7.xml", 7],
    ["eoc_step1", "OSNMA_PublicKey_PKID_7.xml", 7],
    ["nmt_step1", "OSNMA_PublicKey_PKID_9.xml", 9],
    ["npk_step1", "OSNMA_PublicKey_PKID_7.xml", 7],
    ["npk_step2", "OSNMA_PublicKey_PKID_7.xml", 7],
    ["oam_step1", "OSNMA_PublicKey_1.xml", 1],
    ["pkrev_step1", "OSNMA_PublicKey_PKID_8.xml", 8],
    ["configuration_2", "OSNMA_PublicKey_2.xml", 2],
  ])("%s: the key is tied to the tree beside it", (folder, file, pkid) => {
    const material = loadTrust({
      merkle: [shared("vectors", folder, "OSNMA_MerkleTree.xml")],
      publicKey: [shared("vectors", folder, file)],
    });
    expect(material.publicKeys.map((key) => key.name)).toEqual([`${material.roots[0].hex}/${pkid}`]);
    expect(material.roots[0].operational).toBe(false);
  });

  it("the Merkle tree renewal takes both trees", () => {
    const folder = ["vectors", "nmt_step1"];
    const material = loadTrust({
      merkle: [shared(...folder, "OSNMA_MerkleTree.xml"), shared(...folder, "new_OSNMA_MerkleTree.xml")],
    });
    expect(material.roots.map((root) => root.hex.slice(0, 8))).toEqual(["a10c440f", "259b5243"]);
  });

  it("the root key of configuration_2 is verified by the fragment's key", () => {
    const folder = ["vectors", "configuration_2"];
    const material = loadTrust({
      merkle: [shared(...folder, "OSNMA_MerkleTree.xml")],
      publicKey: [shared(...folder, "OSNMA_PublicKey_2.xml")],
      rootKey: shared(...folder, "OSNMA_start_KROOT.txt"),
    });
    expect(material.rootKey).toMatchObject({ nmaHeader: 0x82, verifiedBy: material.publicKeys[0].name });
  });

  it("the live root key is verified by PKID 2 of the operational tree, and not by PKID 1", () => {
    const rootKey = shared("trust", "leuven-root-key.txt");
    const tree = shared("trust", "OSNMA_MerkleTree.xml");
    expect(loadTrust({ publicKey: [tree], rootKey }).rootKey?.verifiedBy).toBe(`${OPERATIONAL}/2`);
    const key1 = shared("trust", "OSNMA_PublicKey_1.xml");
    expect(codeOf({ publicKey: [key1], rootKey })).toBe("OSN_TRUST_ROOT_KEY_UNVERIFIABLE");
  });

  it("a key file alone is named by the facts, which are not trusted thereby", () => {
    const material = loadTrust({ publicKey: [shared("trust", "OSNMA_PublicKey_1.xml")] });
    expect(material.publicKeys[0]).toMatchObject({ name: `${OPERATIONAL}/1`, operational: true });
    expect(material.roots).toEqual([]);
  });

  it("the facts are what the published files say", () => {
    const file = readGscFile(shared("trust", "OSNMA_MerkleTree.xml"));
    if (file.kind !== "merkle-tree") throw new Error("not a tree");
    const fact = ROOT_FACTS[0];
    expect(hexOf(file.root)).toBe(fact.hex);
    expect(file.publicKeys[0].point).toEqual(fact.keys[1].point);
    expect(file.applicability.begin).toBe(fact.keys[1].applicability.begin);
    const key = readGscFile(shared("trust", "OSNMA_PublicKey_1.xml"));
    if (key.kind !== "public-key") throw new Error("not a key");
    expect(key.point).toEqual(fact.keys[0].point);
    expect(key.applicability.begin).toBe(fact.keys[0].applicability.begin);
  });

  it("importing the operational tree needs no --test and changes no trust", () => {
    const path = shared("trust", "OSNMA_MerkleTree.xml");
    const { store, notes } = importFiles({ roots: [], keys: [] }, [{ name: path, file: readGscFile(path) }], {
      test: false,
      importedAt: "2026-01-01T00:00:00Z",
    });
    expect(notes.map((note) => note.outcome)).toEqual(["added", "already known"]);
    expect(store.roots[0].test).toBe(false);
    const state = emptyDir();
    saveTrustStore(state, store, "2026-01-01T00:00:00Z");
    const names = (material: ReturnType<typeof loadTrust>) => material.publicKeys.map((key) => key.name);
    expect(names(loadTrust({ stateDir: state }))).toEqual(names(loadTrust({ stateDir: null })));
  });
});
