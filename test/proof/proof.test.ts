/** Proof packages end to end: made from a station's log under a simulated sky, judged by who trusts two witnesses. */
import { createHash } from "node:crypto";
import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { makeProof } from "../../src/proof/make.js";
import { proofText, type LeafJson, type ProofParts } from "../../src/proof/package.js";
import { fixSatellites } from "../../src/proof/satellites.js";
import { logSource } from "../../src/proof/source.js";
import { formatTlogProof, parseTlogProof } from "../../src/proof/tlog-proof.js";
import { PROOF_CHECKS } from "../../src/proof/verdict.js";
import { docText, rowsAfter } from "../docs/markdown.js";
import { testKey, witnessKey } from "../station/keys.js";
import { failures, judge, optionsFor, played, upTo, type Played } from "./played.js";
import { fixAfter } from "./sky.js";

const soon = (): number => 2;
let run: Played;
let parts: ProofParts;
let text: string;
beforeAll(async () => {
  run = await played([soon, soon]);
  parts = makeProof(fixAfter(95), logSource(run.station.log));
  text = proofText(parts);
}, 120_000);

describe("a proof of a fix that was committed to in time", () => {
  it("is genuine and of class A, and says when and by whom it was seen", () => {
    const verdict = judge(text, optionsFor(run));
    expect(failures(verdict)).toEqual([]);
    expect(verdict).toMatchObject({
      genuine: true,
      mode: "simulated",
      standing: "test",
      stationExpected: true,
    });
    expect(verdict.timing).toMatchObject({ class: "A", reason: "in-time" });
    for (const { by } of verdict.timing!.satellites) {
      expect(by).toMatchObject({ adkd: 12, reason: "in-time" });
      expect(by!.slackSeconds).toBeGreaterThan(300);
    }
    expect(verdict.fix).toMatchObject({ assurance: "nav-authenticated", own: "nav-authenticated" });
    const { committed } = verdict;
    expect(committed!.gst).toBe(Math.floor(verdict.fix!.gst / 30) * 30);
    expect(committed!.seen.map(({ witness }) => witness)).toEqual(["w0.example/w", "w1.example/w"]);
    expect(committed!.witnessedGst! - committed!.gst).toBeGreaterThan(30);
    expect(committed!.witnessedGst! - committed!.gst).toBeLessThan(40);
    expect(verdict.notes.join(" ")).not.toMatch(/The time condition is the station's word/);
  });

  it("is as good as its fast tags are while slow keys are not out", () => {
    const early = makeProof(fixAfter(95), upTo(logSource(run.station.log), 7));
    const verdict = judge(early, optionsFor(run));
    expect(failures(verdict)).toEqual([]);
    expect(verdict.timing).toMatchObject({ class: "B", reason: "in-time" });
    // The layout of the chain is signed, so the verifier knows where in its subframe the key is.
    for (const { by } of verdict.timing!.satellites) expect(by!.disclosureGst - by!.gst).toBe(52);
  });

  it("shows nothing of when to who has no witnesses: class C, and the reason", () => {
    const verdict = judge(text, optionsFor(run, { witnesses: [], needed: 1 }));
    expect(verdict.genuine).toBe(true);
    expect(verdict.timing).toMatchObject({ class: "C", reason: "too-few-witnesses" });
    expect(verdict.unknownWitnesses).toEqual(["w0.example/w", "w1.example/w"]);
    expect(verdict.notes.join(" ")).toMatch(/The time condition is the station's word/);
  });

  it("takes as many witnesses as are asked for, and only by their own keys", () => {
    const [first] = optionsFor(run).witnesses;
    const stranger = { key: witnessKey("w1.example/w", testKey("somebody else")), boundSeconds: 1 };
    const of = (witnesses: readonly (typeof first)[], needed: number) =>
      judge(text, optionsFor(run, { witnesses, needed }));
    expect(of([first], 1).timing?.class).toBe("A");
    expect(of([first, stranger], 2).timing).toMatchObject({ class: "C", reason: "too-few-witnesses" });
    expect(of([first, stranger], 2).unknownWitnesses).toEqual(["w1.example/w (by another key than yours)"]);
    // One key under two names is one witness.
    const alias = { key: { ...first.key, name: "alias.example/w" }, boundSeconds: 1 };
    expect(of([first, alias], 2).timing?.class).toBe("C");
    const wide = optionsFor(run).witnesses.map((each) => ({ ...each, boundSeconds: 400 }));
    expect(of(wide, 2).timing).toMatchObject({ class: "C", reason: "witnessed-after-disclosure" });
    expect(judge(text, optionsFor(run, { marginSeconds: 330 })).timing?.class).toBe("C");
  });

  it("is of the station that is expected, or not genuine", () => {
    const verdict = judge(text, optionsFor(run, { station: new Uint8Array(32) }));
    expect(verdict).toMatchObject({ genuine: false, timing: null });
    expect(failures(verdict)[0]).toMatch(/^station: .*another station than 0000/);
    expect(judge(text, optionsFor(run, { station: null }))).toMatchObject({
      genuine: true,
      stationExpected: false,
    });
  });

  it("is refused under another Merkle root", () => {
    const verdict = judge(text, optionsFor(run, { roots: [] }));
    expect(verdict).toMatchObject({ genuine: false, timing: null });
    expect(failures(verdict)[0]).toMatch(/^public-key/);
  });

  it("is none of a key under which anything is signed, and throws for none", () => {
    for (const key of ["00".repeat(32), `01${"00".repeat(31)}`]) {
      const station = createHash("sha256").update(Buffer.from(key, "hex")).digest("hex");
      const verdict = judge({ ...parts, key, station }, optionsFor(run, { station: null }));
      expect(verdict.genuine).toBe(false);
      expect(failures(verdict).join("\n")).toMatch(/station/);
    }
  });

  it("rests on each satellite once, however often a record names it", () => {
    expect(fixSatellites({ own: null, agreeingSatellites: [5, 5, 7, 5, 99, -1] })).toEqual([5, 7]);
  });

  it("is stored as a transparency log proof that any tool of the format reads", () => {
    for (const { proofs } of parts.leaves) {
      for (const proof of proofs) {
        expect(proof).toMatch(
          /^c2sp\.org\/tlog-proof@v1\nindex \d+\n(?:[A-Za-z0-9+/]{43}=\n)+\nosnmad-station\//,
        );
        expect(formatTlogProof(parseTlogProof(proof)!)).toBe(proof);
        expect(parseTlogProof(proof.replace("\n", "\nextra AAAA\n"))).toBeNull();
      }
    }
  });
});

describe("a station whose witnesses", () => {
  it("came late has genuine fixes of class C", async () => {
    const late = await played([soon, () => 400]);
    const proof = makeProof(fixAfter(95), logSource(late.station.log));
    const verdict = judge(proof, optionsFor(late));
    expect(failures(verdict)).toEqual([]);
    expect(verdict.timing).toMatchObject({ class: "C", reason: "witnessed-after-disclosure" });
    expect(judge(proof, optionsFor(late, { needed: 1 })).timing?.class).toBe("A");
  }, 60_000);

  it("missed a size are shown where they next saw the log", async () => {
    // The second witness comes to every other leaf only: it saw the ones between in a larger tree.
    const gappy = await played([soon, (leaf) => (leaf % 2 === 0 ? 2 : null)]);
    for (const seconds of [95, 125]) {
      const proof = makeProof(fixAfter(seconds), logSource(gappy.station.log));
      const verdict = judge(proof, optionsFor(gappy));
      expect(failures(verdict)).toEqual([]);
      expect(verdict.timing).toMatchObject({ class: "A" });
    }
  }, 60_000);

  it("and whose key was rotated is shown by the leaf in which one key handed over to the next", async () => {
    let rotated = false;
    const other = await played([], async ({ log }) => {
      if (rotated || log.size < 4) return;
      rotated = true;
      const { history } = log;
      const time = { assurance: "none", boundMs: null } as const;
      await log.rotate({ softwareVersion: "test", time, receiver: history!.receiver });
    });
    const proof = makeProof(fixAfter(150), logSource(other.station.log));
    expect(proof.rotations).toHaveLength(1);
    const verdict = judge(proof, optionsFor(other));
    expect(failures(verdict)).toEqual([]);
    expect(verdict.genuine).toBe(true);
    expect(failures(judge({ ...proof, rotations: [] }, optionsFor(other)))[0]).toMatch(
      /^checkpoint: .*not signed by the station's key/,
    );
    const [rotation] = proof.rotations;
    const forged = `${rotation.slice(0, -2)}${rotation.endsWith("00") ? "01" : "00"}`;
    expect(failures(judge({ ...proof, rotations: [forged] }, optionsFor(other)))[0]).toMatch(
      /^station: .*rotations\.0: a signature does not hold/,
    );
    expect(judge({ ...proof, key: parts.key }, optionsFor(other)).genuine).toBe(false);
  }, 60_000);
});

describe("the maker", () => {
  const source = () => logSource(run.station.log);
  it("refuses what the log does not commit to, and says what is missing", () => {
    const fix = fixAfter(95);
    const changed = { ...fix, record: { ...fix.record, gst: fix.record.gst + 0.001 } };
    expect(() => makeProof(changed, source())).toThrow(/evidence is that of another record/);
    // What opens the leaf before has other fixes.
    const late = { ...source(), openings: (index: number) => source().openings(index - 1) };
    expect(() => makeProof(fix, late)).toThrow(/does not commit to this fix/);
    expect(() => makeProof({ ...fix, evidence: null }, source())).toThrow(/no evidence/);
    expect(() => makeProof(fix, upTo(source(), 2))).toThrow(/not signed yet/);
    expect(() => makeProof(fix, { ...source(), openings: () => null })).toThrow(/not kept any more/);
    expect(() => makeProof(fix, { ...source(), mode: "live" })).toThrow(/mode simulated/);
    const gap = { ...source(), firstLeafSince: (gst: number) => source().firstLeafSince(gst) + 1 };
    expect(() => makeProof(fix, gap)).toThrow(/no leaf of/);
  });
});

/** A change of a copy, with the digests made anew, as somebody does who lies and not by accident. */
function forged(change: (copy: { -readonly [K in keyof ProofParts]: ProofParts[K] }) => void): string {
  const copy = structuredClone(parts) as { -readonly [K in keyof ProofParts]: ProofParts[K] };
  change(copy);
  return proofText(copy);
}

type Leaf = { -readonly [K in keyof LeafJson]: LeafJson[K] };
type Json = Record<string, unknown>;

const flipHex = (hex: string, at: number): string => {
  const bytes = Buffer.from(hex, "hex");
  bytes[at >> 3] ^= 1 << (at & 7);
  return bytes.toString("hex");
};

function withLeaf(at: number, change: (leaf: Leaf) => void): string {
  return forged((copy) => {
    const leaves = copy.leaves as unknown as Leaf[];
    change(leaves.at(at)!);
  });
}

const withOpening = (category: string, change: (opening: Json) => void): string =>
  forged((copy) => {
    for (const { openings } of copy.leaves) {
      const found = openings.find((each) => each.category === category);
      if (found !== undefined) return change(found as unknown as Json);
    }
    throw new Error("there is none");
  });

const withProof = (change: (proof: string) => string): string =>
  withLeaf(0, (leaf) => {
    leaf.proofs = leaf.proofs.map(change);
  });

/** The note with the signature of the line that matches changed in one bit. */
const withSignature = (name: RegExp): string =>
  withProof((proof) => {
    const { checkpoint, ...rest } = parseTlogProof(proof)!;
    const signatures = checkpoint.note.signatures.map((line) => {
      if (!name.test(line.name)) return line;
      const signature = Uint8Array.from(line.signature);
      signature[signature.length - 5] ^= 4;
      return { ...line, signature };
    });
    return formatTlogProof({
      ...rest,
      checkpoint: { ...checkpoint, note: { ...checkpoint.note, signatures } },
    });
  });

describe("a forger who makes all digests anew is caught, and the part is named, where he changes", () => {
  const another = (): ProofParts => makeProof(fixAfter(150), logSource(run.station.log));
  const cases: readonly (readonly [string, () => string, RegExp])[] = [
    ["the mode", () => forged((copy) => (copy.mode = "live")), /^leaf: .*mode/],
    ["the station", () => forged((copy) => (copy.station = "11".repeat(32))), /^station: .*station/],
    ["the station's key", () => forged((copy) => (copy.key = flipHex(copy.key, 9))), /^station: .*key/],
    [
      "a leaf's software version",
      () => withLeaf(0, (leaf) => (leaf.leaf = leaf.leaf.replace("74657374", "74657375"))),
      /^inclusion: leaf 4/,
    ],
    [
      "a challenge into a leaf",
      () =>
        withLeaf(0, (leaf) => {
          const challenge = `818258${"20".padEnd(66, "1")}58${"20".padEnd(66, "2")}`;
          leaf.leaf = leaf.leaf.replace(/0a80(?=0b)/, `0a${challenge}`);
        }),
      /^inclusion: leaf 4/,
    ],
    [
      "an opening twice",
      () => withLeaf(0, (leaf) => (leaf.openings = [...leaf.openings, leaf.openings[0]])),
      /^opening: leaf 4, tags in slot \d+, -: is opened twice/,
    ],
    [
      "a leaf's form",
      () => withLeaf(0, (leaf) => (leaf.leaf = flipHex(leaf.leaf, 3))),
      /^leaf: leaf, leaf: is no leaf/,
    ],
    [
      "the order of leaves",
      () => forged((copy) => (copy.leaves = [...copy.leaves].reverse())),
      /^history: leaf 4/,
    ],
    [
      "a leaf for another's",
      () => withLeaf(0, (leaf) => (leaf.leaf = parts.leaves[1].leaf)),
      /^inclusion: leaf 5, proofs\.0: is of leaf 4/,
    ],
    [
      "an index",
      () => withProof((proof) => proof.replace(/index \d+/, "index 3")),
      /^inclusion: leaf 4, proofs\.0: is of leaf 3/,
    ],
    [
      "a hash of the inclusion",
      () => withProof((proof) => proof.replace(/\n[A-Za-z0-9+/]{43}=\n/, `\n${"A".repeat(43)}=\n`)),
      /^inclusion: leaf 4.*not in the tree/,
    ],
    [
      "the size of the tree",
      () => withProof((proof) => proof.replace("\n5\n", "\n9\n")),
      /^inclusion: leaf 4/,
    ],
    [
      "the log's name",
      () => withProof((proof) => proof.replace("osnmad-station/simulated/", "osnmad-station/replay/")),
      /^checkpoint: leaf 4.*of the log/,
    ],
    [
      "the station's signature",
      () => withSignature(/^osnmad-station/),
      /^checkpoint: leaf 4.*not signed by the station/,
    ],
    [
      "a witness's signature",
      () => withSignature(/^w1/),
      /^cosignature: leaf 4, proofs\.0: w1\.example\/w did not sign/,
    ],
    [
      "an opened tag",
      () => withOpening("tags", (opening) => (opening["item"] = flipHex(opening["item"] as string, 100))),
      /^opening: leaf 4, tags in slot/,
    ],
    [
      "an opened page",
      () => withOpening("pages", (opening) => (opening["item"] = flipHex(opening["item"] as string, 100))),
      /^opening: leaf 5, pages in slot/,
    ],
    [
      "a salt",
      () => withOpening("fixes", (opening) => (opening["salt"] = flipHex(opening["salt"] as string, 0))),
      /^opening: leaf 5, fixes in slot/,
    ],
    [
      "a path",
      () =>
        withOpening("tags", (opening) => (opening["path"] = [...(opening["path"] as string[])].reverse())),
      /^opening: leaf 4, tags in slot/,
    ],
    [
      "a slot",
      () => withOpening("tags", (opening) => (opening["slot"] = 63)),
      /^opening: leaf 4, tags in slot 63/,
    ],
    [
      "a category",
      () => withOpening("fixes", (opening) => (opening["category"] = "measurements")),
      /^opening: leaf 5, measurements/,
    ],
    [
      "the fix's opening away",
      () =>
        withLeaf(1, (leaf) => (leaf.openings = leaf.openings.filter(({ category }) => category !== "fixes"))),
      /^fix: fix, -: no leaf of the package/,
    ],
    [
      "a satellite's pages away",
      () =>
        withLeaf(
          1,
          (leaf) =>
            (leaf.openings = leaf.openings.filter(
              ({ category, slot }) => category !== "pages" || slot !== 5,
            )),
        ),
      /^pages: words of E5, words\.0: word 1, 2, 3, 4, 5/,
    ],
    [
      "the evidence for another fix's",
      () => forged((copy) => (copy.evidence = another().evidence)),
      /^fix: fix, evidence: leaf 5 commits to a fix with other evidence/,
    ],
    [
      "the fix's opening for another's",
      () =>
        forged((copy) => {
          const other = another();
          copy.leaves = other.leaves;
          copy.objects = other.objects;
        }),
      /^fix: fix, evidence/,
    ],
    [
      "a tag beside the bundle",
      () =>
        forged((copy) => {
          const tag = Object.values(copy.objects as Record<string, Json>).find(({ kind }) => kind === "tag")!;
          tag["tag"] = flipHex(tag["tag"] as string, 5);
        }),
      /^id: tag of E\d+ over E\d+, ADKD 12/,
    ],
    [
      "a TESLA key beside the bundle",
      () =>
        forged((copy) => {
          const key = Object.values(copy.objects as Record<string, Json>).find(
            ({ kind }) => kind === "tesla-key",
          )!;
          key["key"] = flipHex(key["key"] as string, 5);
        }),
      /^id: TESLA key of/,
    ],
    [
      "objects of another kind in",
      () =>
        forged((copy) => {
          const [id, object] = Object.entries(
            (copy.evidence as { objects: Record<string, Json> }).objects,
          ).find(([, each]) => each["kind"] === "words")!;
          copy.objects = { ...copy.objects, [id]: object };
        }),
      /^package: package, objects: words/,
    ],
  ];
  it.each(cases)("%s", (_, make, expected) => {
    const verdict = judge(make(), optionsFor(run));
    expect(verdict).toMatchObject({ genuine: false, timing: null });
    expect(
      failures(verdict).some((line) => expected.test(line)),
      failures(verdict).join("\n"),
    ).toBe(true);
    // Each of them is a lie; none of them is an accident that a digest tells.
    expect(failures(verdict).filter((line) => line.startsWith("part"))).toEqual([]);
  });

  it("any bit of anything that is signed or committed to", () => {
    /** Every text of the package with where it stands. */
    const texts: (readonly (string | number)[])[] = [];
    const walk = (value: unknown, path: readonly (string | number)[]): void => {
      if (typeof value === "string") texts.push(path);
      else if (typeof value === "object" && value !== null)
        for (const [name, member] of Object.entries(value)) walk(member, [...path, name]);
    };
    walk(parts, []);
    fc.assert(
      fc.property(fc.nat(texts.length - 1), fc.nat(), (which, where) => {
        const path = texts[which];
        const copy = structuredClone(parts) as unknown as Json;
        let at = copy;
        for (const name of path.slice(0, -1)) at = at[name] as Json;
        const name = path[path.length - 1];
        const before = at[name] as string;
        const bytes = Buffer.from(before, "utf8");
        // A digit for another digit and a letter for another letter, so that the form stays as often as it can.
        bytes[where % bytes.length] ^= 1;
        at[name] = bytes.toString("utf8");
        const verdict = judge(proofText(copy as unknown as ProofParts), optionsFor(run));
        // The name of a witness is not signed: one that is changed is a stranger's, and then two have not signed.
        const isStranger = verdict.unknownWitnesses.length > 0;
        if (isStranger) expect(verdict.timing?.class ?? "C").toBe("C");
        else expect(verdict.genuine, `${path.join(".")}: ${before}`).toBe(false);
      }),
      { numRuns: 60 },
    );
  }, 60_000);
});

describe("damage", () => {
  it("of any byte is found, and the part is named", () => {
    const bytes = Buffer.from(text, "utf8");
    const parted =
      /^(?:part|package): (?:package|station|rotations|evidence|objects|leaves\.\d+|consistency), /;
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), fc.integer({ min: 0, max: 7 }), (at, bit) => {
        const damaged = Uint8Array.from(bytes);
        damaged[at] ^= 1 << bit;
        const verdict = judge(damaged, optionsFor(run));
        expect(verdict, `${at}: ${text.slice(Math.max(0, at - 20), at + 20)}`).toMatchObject({
          genuine: false,
          timing: null,
        });
        expect(failures(verdict)[0]).toMatch(parted);
      }),
      { numRuns: 150 },
    );
  }, 60_000);

  it("of the whole is no package, and never throws", () => {
    for (const input of [
      "",
      "{}",
      "[]",
      "null",
      text.slice(0, -9),
      `${text}x`,
      text.replace('"version":2', '"version":3'),
      // What version 2 has, version 1 has not.
      text.replace('"version":2', '"version":1'),
    ]) {
      const verdict = judge(input, optionsFor(run));
      expect(verdict).toMatchObject({ genuine: false, station: null });
      expect(failures(verdict)[0]).toMatch(/^package: package/);
    }
    const tampered = fc.record({
      format: fc.constant("osnmad-proof"),
      version: fc.constantFrom(1, 2),
      consistency: fc.constantFrom(parts.consistency, []),
      mode: fc.constantFrom("live", "simulated", "replay"),
      station: fc.constantFrom(parts.station, "00".repeat(32)),
      key: fc.constantFrom(parts.key, "00".repeat(32)),
      rotations: fc.array(fc.constantFrom("00", parts.leaves[0].leaf), { maxLength: 2 }),
      evidence: fc.oneof(fc.constant(parts.evidence), fc.object({ maxDepth: 2 })),
      objects: fc.oneof(fc.constant(parts.objects), fc.object({ maxDepth: 2 })),
      leaves: fc.array(fc.constantFrom(...parts.leaves, { leaf: "00", proofs: ["x"], openings: [] }), {
        minLength: 1,
        maxLength: 3,
      }),
    });
    fc.assert(
      fc.property(tampered, (document) => {
        const made = JSON.stringify({ ...document, digests: JSON.parse(text).digests as unknown });
        expect(judge(made, optionsFor(run)).genuine).toBe(false);
      }),
      { numRuns: 40 },
    );
  }, 60_000);
});

describe("docs/proof.md", () => {
  it("explains every check that the verdict on a package can name", () => {
    const rows = rowsAfter(docText("proof.md"), "## The checks").map(([name]) => name.replaceAll("`", ""));
    expect(rows).toEqual([...PROOF_CHECKS]);
  });
});
