import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { buildEvidence, bundleText, readBundle, type Evidence } from "../../src/evidence/bundle.js";
import { idOfText, objectText, type EvidenceObject, type ObjectKind } from "../../src/evidence/objects.js";
import { verifyBundle, type TrustedRoot, type Verdict, type VerdictLine } from "../../src/evidence/verify.js";
import { loadTrust } from "../../src/trust/material.js";
import { describeShared, sharedPath } from "../support/shared.js";
import { fixesOf, rootsOf, testMaterial, textOf, type Made } from "./support.js";

const material = testMaterial();
const roots = rootsOf(material);
const OPERATIONAL = rootsOf(loadTrust({ stateDir: null }));
/** WN 1400 TOW 141240 of the simulated capture. */
const EPOCH = 1400 * 604_800 + 141_240;

let made: Made;
let objects: ReadonlyMap<string, EvidenceObject>;
/** The same epoch with four satellites and no position: small enough to try every bit of it. */
let small: Evidence;
beforeAll(() => {
  [made] = fixesOf({ capture: "captures/nominal.ubx", material, mode: "simulated" }, (gst) => gst === EPOCH);
  ({ objects } = made.evidence);
  const proofs = [...made.parts.proofs].sort(
    (a, b) => Number(b.tags.some(isFlexible)) - Number(a.tags.some(isFlexible)),
  );
  const four = proofs.slice(0, 2).concat(proofs.slice(-2));
  const record = {
    ...made.record,
    assurance: "unverified" as const,
    reasons: ["no-own-solution"],
    own: null,
    receiver: null,
    authenticatedSatellites: four.map(({ svid }) => svid).sort((a, b) => a - b),
  };
  small = buildEvidence(record, { proofs: four, position: null });
});
const isFlexible = ({ macseq }: { macseq: unknown }): boolean => macseq !== null;

const judge = (evidence: Evidence, trusted: readonly TrustedRoot[] = roots): Verdict =>
  verifyBundle(bundleText("simulated", evidence.root, evidence.objects), {
    roots: trusted,
    locateDamage: false,
  });
const failures = ({ lines }: Verdict): VerdictLine[] => lines.filter(({ ok }) => !ok);
const shown = (verdict: Verdict): string[] =>
  failures(verdict).map(({ check, name, field, detail }) => `${check}: ${name}, ${field}: ${detail}`);

/** The objects of a kind, with their ids. */
function ofKind<K extends ObjectKind>(
  kind: K,
  among = objects,
): [string, Extract<EvidenceObject, { kind: K }>][] {
  return [...among].filter(([, object]) => object.kind === kind) as [
    string,
    Extract<EvidenceObject, { kind: K }>,
  ][];
}

/**
 * What an attacker makes who can compute SHA-256: object `id` is replaced, and everything above it names the new one.
 * Returns the new id as well.
 */
function forge(evidence: Evidence, id: string, replacement: unknown): Evidence & { readonly forged: string } {
  const forged = idOfText(objectText(replacement as EvidenceObject));
  const renamed = new Map([[id, forged]]);
  const result = new Map<string, EvidenceObject>();
  let waiting = [...evidence.objects].filter(([name]) => name !== id);
  result.set(forged, replacement as EvidenceObject);
  // References point one way, so a few passes rename all of them from the bottom up.
  for (let pass = 0; pass < 8 && waiting.length > 0; pass++) {
    waiting = waiting.map(([name, object]) => {
      const text = JSON.stringify(object).replace(/[0-9a-f]{64}/g, (found) => renamed.get(found) ?? found);
      const changed = JSON.parse(text) as EvidenceObject;
      const now = idOfText(objectText(changed));
      if (now !== name) renamed.set(name, now);
      return [now, changed];
    });
  }
  for (const [name, object] of waiting) result.set(name, object);
  return { root: renamed.get(evidence.root) ?? evidence.root, objects: result, forged };
}

/** Every leaf of a JSON value: where, and what. */
function leavesOf(value: unknown, path: readonly string[] = []): (readonly [readonly string[], unknown])[] {
  if (typeof value !== "object" || value === null) return [[path, value]];
  return Object.entries(value).flatMap(([name, member]) => leavesOf(member, [...path, name]));
}

function withLeaf<T>(value: T, path: readonly string[], leaf: unknown): T {
  const copy = structuredClone(value);
  let at = copy as Record<string, unknown>;
  for (const name of path.slice(0, -1)) at = at[name] as Record<string, unknown>;
  at[path[path.length - 1]] = leaf;
  return copy;
}

/** All values one bit away that keep the leaf's form: integers of 32 bits, and hexadecimal. */
function oneBitAway(leaf: unknown): unknown[] {
  if (typeof leaf === "number") return Array.from({ length: 31 }, (_, bit) => leaf ^ (1 << bit));
  if (typeof leaf === "string" && /^[0-9a-f]{4,}$/.test(leaf)) {
    return Array.from({ length: leaf.length * 4 }, (_, bit) => {
      const at = bit >> 2;
      const digit = (Number.parseInt(leaf[at], 16) ^ (1 << (bit & 3))).toString(16);
      return leaf.slice(0, at) + digit + leaf.slice(at + 1);
    });
  }
  return [];
}

describe("a bundle of a simulated fix", () => {
  it("holds in every line under the test root it was given, and says loudly what it is", () => {
    const verdict = judge(made.evidence);
    expect(shown(verdict)).toEqual([]);
    expect(verdict.genuine).toBe(true);
    expect(made.record.own?.assurance).toBe("nav-authenticated");
    expect(verdict.standing).toBe("test");
    expect(verdict.warnings.join(" ")).toMatch(/SIMULATED.*TEST KEYS/);
    for (const check of ["public-key", "root-key", "tesla-key", "tag", "words", "position", "assurance"]) {
      expect(verdict.lines.filter((line) => line.check === check && line.ok).length, check).toBeGreaterThan(
        0,
      );
    }
  });

  it("says what it cannot prove: time of reception, ranges, revocation", () => {
    const notes = judge(made.evidence).notes.join("\n");
    expect(notes).toMatch(/time condition is the station's word/);
    expect(notes).toMatch(/Ranges are not signed/);
    expect(notes).toMatch(/revoked/);
  });

  it("is worth nothing under another root, and the root is what is named", () => {
    for (const trusted of [OPERATIONAL, []]) {
      const verdict = judge(made.evidence, trusted);
      expect(verdict.genuine).toBe(false);
      expect(failures(verdict)[0]).toMatchObject({ check: "public-key", field: "root" });
      expect(verdict.lines.some(({ check, ok }) => check === "words" && ok)).toBe(false);
    }
  });

  it("is refused where evidence for another fix was asked for", () => {
    const options = { roots, expectedRoot: "00".repeat(32) };
    expect(verifyBundle(textOf(made), options).genuine).toBe(false);
    expect(verifyBundle(textOf(made), { roots, expectedRoot: made.evidence.root }).genuine).toBe(true);
  });

  it("asks for as many bits of tags as it is told", () => {
    const verdict = verifyBundle(textOf(made), { roots, minimumTagBits: 80 });
    expect(failures(verdict)[0]).toMatchObject({ check: "minimum-tag-bits" });
  });

  it("may not be called a replay: test keys make simulations", () => {
    const record = { ...made.record, mode: "replay" as const };
    const fix = objects.get(made.evidence.root)!;
    const forged = forge(made.evidence, made.evidence.root, { ...fix, record });
    const verdict = verifyBundle(bundleText("replay", forged.root, forged.objects), { roots });
    expect(shown(verdict).join()).toMatch(/record\.mode/);
  });
});

describe("a flipped bit", () => {
  /** Bytes, `step` apart, in which a flipped bit leaves the bundle genuine. */
  function missedBytes(text: string, step: number): number[] {
    const bytes = Buffer.from(text);
    const missed: number[] = [];
    for (let i = 0; i < bytes.length; i += step) {
      const mask = 1 << (i % 7);
      bytes[i] ^= mask;
      // Between the objects stand line breaks, which mean nothing: another space is no other bundle.
      const isSpace = [0x0a, 0x20, 0x09, 0x0d].includes(bytes[i]);
      if (!isSpace && verifyBundle(bytes, { roots, locateDamage: false }).genuine) missed.push(i);
      bytes[i] ^= mask;
    }
    return missed;
  }

  it("is found in every byte of a file", () => {
    expect(judge(small).genuine).toBe(true);
    expect(missedBytes(bundleText("simulated", small.root, small.objects), 1)).toEqual([]);
    expect(missedBytes(textOf(made), 13)).toEqual([]);
  });

  it("is named with its object and field where the id was left", () => {
    const cases: [ObjectKind, RegExp, string][] = [
      ["public-key", /"point":"\w/, "point"],
      ["root-key", /"nmaHeader":\d+/, "nmaHeader"],
      ["tesla-key", /"key":"\w/, "key"],
      ["tag", /"tag":"\w/, "tag"],
      ["words", /"words":\["\w{9}/, "words.0"],
      ["position-inputs", /"leapSeconds":1\d/, "leapSeconds"],
    ];
    for (const [kind, place, field] of cases) {
      const [[id, object]] = ofKind(kind);
      const text = objectText(object);
      const match = place.exec(text)!;
      const at = match.index + match[0].length - 1;
      const code = text.charCodeAt(at);
      // A neighbour of one bit that is a digit as well.
      const bit = [1, 2, 4].find((mask) => /[0-9a-f]/.test(String.fromCharCode(code ^ mask)))!;
      const damaged = text.slice(0, at) + String.fromCharCode(code ^ bit) + text.slice(at + 1);
      const whole = textOf(made).replace(JSON.stringify(object), damaged);
      const verdict = verifyBundle(whole, { roots });
      expect(verdict.genuine).toBe(false);
      expect(failures(verdict).find(({ check }) => check === "id")).toMatchObject({ object: id, field });
    }
  });

  /** Members that no signature, key or tag covers: they are the station's word, and the verdict says so. */
  const STATIONS_WORD: Readonly<Partial<Record<ObjectKind, readonly string[]>>> = { tag: ["cop"] };

  it.each(["public-key", "root-key", "tesla-key", "tag", "words"] as const)(
    "is found in every bit of a %s although its id and all above were made anew",
    (kind) => {
      // Of tags one in a fixed and one in a flexible slot, of words those that this fix used.
      const chosen =
        kind === "tag"
          ? [
              ofKind(kind, small.objects).find(([, tag]) => tag.macseq === null)!,
              ofKind(kind, small.objects).find(([, tag]) => tag.macseq !== null)!,
            ]
          : [ofKind(kind, small.objects)[0]];
      let flips = 0;
      for (const [id, object] of chosen) {
        const bound =
          kind === "tag" && "macseq" in object && object.macseq !== null ? [] : STATIONS_WORD[kind];
        for (const [path, leaf] of leavesOf(object)) {
          for (const changed of oneBitAway(leaf)) {
            if (bound?.includes(path.join(".")) === true && changed !== 0) continue;
            flips++;
            const forged = forge(small, id, withLeaf(object, path, changed));
            const verdict = judge(forged);
            const where = `${path.join(".")}: ${String(leaf)} -> ${String(changed)}`;
            expect(verdict.genuine, where).toBe(false);
            expect(
              failures(verdict).some((line) => line.object === forged.forged),
              where,
            ).toBe(true);
          }
        }
      }
      expect(flips).toBeGreaterThan(100);
    },
  );

  it("is found in every number of the record, and its field is named", () => {
    const { root } = made.evidence;
    const fix = objects.get(root)!;
    const record = made.record as unknown as Record<string, unknown>;
    // More tag bits than the bundle holds are possible: the engine counts on.
    const isWord = (path: readonly string[]) => path.at(-1) === "tagBits";
    const numbers = leavesOf(record).filter(([path, leaf]) => typeof leaf === "number" && !isWord(path));
    expect(numbers.length).toBeGreaterThan(200);
    for (const [path, leaf] of numbers) {
      const changed = withLeaf(record, path, (leaf as number) + 1);
      const verdict = judge(forge(made.evidence, root, { ...fix, record: changed }));
      const fields = failures(verdict).map(({ field }) => field ?? "");
      expect(verdict.genuine, path.join(".")).toBe(false);
      const [top, member] = path;
      // Which satellites had no data, the position follows from: another one changes every number.
      const isCause = top === "own" && member === "excluded";
      const names =
        top === "own"
          ? isCause
            ? "record.own."
            : `record.own.${member}`
          : top === "receiver"
            ? `record.receiver.${member}`
            : "record.";
      expect(
        fields.some((field) => field.startsWith(names)),
        `${path.join(".")} in ${fields.join()}`,
      ).toBe(true);
    }
  });

  it("is found in the ranges where it moves the position, though nobody signs them", () => {
    const [[id, object]] = ofKind("measurements");
    const payload = Buffer.from(object.payload, "hex");
    const used = made.record.own!.satellites.map(({ svid }) => svid);
    let flips = 0;
    for (let at = 16; at + 32 <= payload.length; at += 32) {
      if (payload[at + 20] !== 2 || !used.includes(payload[at + 21])) continue;
      const changed = Buffer.from(payload);
      // 2^-28 of the range and up: more than 7 cm.
      changed[at + 3] ^= 0x01 << (at % 8);
      changed.writeDoubleLE(payload.readDoubleLE(at) + 0.25, at);
      const verdict = judge(forge(made.evidence, id, { ...object, payload: changed.toString("hex") }));
      expect(failures(verdict)[0]).toMatchObject({ check: "position" });
      flips++;
    }
    expect(flips).toBe(used.length);
  });

  it("is found in what the solver was told", () => {
    const [[id, object]] = ofKind("position-inputs");
    const changes: Partial<typeof object>[] = [
      { elevationMaskDeg: "40" },
      { ionosphere: "none" },
      { troposphere: "none" },
      { raim: null },
      { ionosphereFrom: 7 },
      { errorModel: { ...object.errorModel, aPriori: "2" } },
      { minimumCnoDbHz: "60" },
    ];
    for (const change of changes) {
      const verdict = judge(forge(made.evidence, id, { ...object, ...change }));
      expect(verdict.genuine, JSON.stringify(change)).toBe(false);
      expect(failures(verdict)[0].field).toMatch(/^record\.own/);
    }
  });
});

describe("a forger who computes every id anew", () => {
  const wordsOf = (svid: number) => ofKind("words").find(([, words]) => words.svid === svid)!;

  it("cannot give one satellite's data to another", () => {
    const [id, words] = wordsOf(11);
    const verdict = judge(forge(made.evidence, id, { ...words, svid: 12 }));
    expect(failures(verdict)[0]).toMatchObject({ check: "words", field: "svid" });
    const [, other] = wordsOf(12);
    const swapped = judge(forge(made.evidence, id, { ...words, words: other.words, svid: 12 }));
    expect(failures(swapped)[0]).toMatchObject({ check: "tag-rule", field: "prnD" });
  });

  it("cannot put a tag of another satellite in", () => {
    const [id, words] = wordsOf(11);
    const [, other] = wordsOf(12);
    const verdict = judge(forge(made.evidence, id, { ...words, tags: other.tags }));
    expect(failures(verdict).some(({ check }) => check === "tag-rule")).toBe(true);
  });

  it("cannot move a tag to another subframe, even with that subframe's genuine key", () => {
    const later = fixesOf(
      { capture: "captures/nominal.ubx", material, mode: "simulated" },
      (gst) => gst === EPOCH - 90,
    );
    const keys = new Map([...objects, ...later[0].evidence.objects]);
    const [tagId, tag] = ofKind("tag").find(([, candidate]) => candidate.macseq === null)!;
    const own = objects.get(tag.key);
    const other = [...keys.values()].find(
      (object) => object.kind === "tesla-key" && own?.kind === "tesla-key" && object.gst !== own.gst,
    );
    if (own?.kind !== "tesla-key" || other?.kind !== "tesla-key") throw new Error("two keys are needed");
    const otherId = idOfText(objectText(other));
    const moved = { ...tag, gst: tag.gst + (other.gst - own.gst), key: otherId };
    const evidence = forge(made.evidence, tagId, moved);
    const verdict = judge({ root: evidence.root, objects: new Map([...evidence.objects, [otherId, other]]) });
    expect(
      verdict.lines.some(({ check, ok, object }) => check === "tesla-key" && ok && object === otherId),
    ).toBe(true);
    expect(failures(verdict)[0]).toMatchObject({ object: evidence.forged });
    expect(verdict.genuine).toBe(false);
  });

  it("cannot count one tag twice", () => {
    const [id, words] = wordsOf(11);
    const verdict = judge(forge(made.evidence, id, { ...words, tags: [...words.tags, ...words.tags] }));
    expect(failures(verdict)[0]).toMatchObject({ check: "words", field: "tags" });
  });

  it("cannot claim a better grade than the evidence gives", () => {
    const { root } = made.evidence;
    const fix = objects.get(root)!;
    const claims = [
      { own: { ...made.record.own, assurance: "corroborated" } },
      { own: { ...made.record.own, raim: "unavailable" } },
      { receiver: { ...made.record.receiver, assurance: "corroborated", reasons: [] } },
      { receiver: { ...made.record.receiver, assurance: "nav-authenticated", reasons: [] } },
      { assurance: "corroborated" },
      { reasons: ["raim-detected"] },
      { timeAssurance: "none" },
      { authenticatedSatellites: [...made.record.authenticatedSatellites, 30] },
      { authenticatedSatellites: [...made.record.authenticatedSatellites].reverse() },
      { agreeingSatellites: [30] },
      { mode: "live" },
      { utc: "2026-06-22T15:13:42.500Z" },
      { own: null },
    ];
    for (const claim of claims) {
      const record = { ...made.record, ...claim };
      const verdict = judge(forge(made.evidence, root, { ...fix, record }));
      expect(verdict.genuine, JSON.stringify(claim)).toBe(false);
    }
  });

  it("cannot leave an object out, nor add one", () => {
    for (const id of objects.keys()) {
      const fewer = new Map(objects);
      fewer.delete(id);
      const verdict = judge({ root: made.evidence.root, objects: fewer });
      expect(verdict.genuine).toBe(false);
      expect(shown(verdict).join("\n")).toMatch(/is not in the bundle|does not name a fix/);
    }
    const extra = {
      kind: "tesla-key",
      gst: 0,
      key: "00".repeat(16),
      rootKey: ofKind("root-key")[0][0],
    } as const;
    const id = idOfText(objectText(extra));
    const verdict = judge({ root: made.evidence.root, objects: new Map([...objects, [id, extra]]) });
    expect(shown(verdict).join("\n")).toMatch(/nothing in the bundle names it/);
  });

  it("gets no work out of a key claimed far from its root key", () => {
    const [id, key] = ofKind("tesla-key")[0];
    const from = performance.now();
    const verdict = judge(forge(made.evidence, id, { ...key, gst: 4095 * 604_800 }));
    expect(performance.now() - from).toBeLessThan(1000);
    expect(failures(verdict)[0]).toMatchObject({ check: "tesla-key", field: "gst" });
  });

  it("has nothing in a key whose tree nobody knows", () => {
    const [id, key] = ofKind("public-key")[0];
    const verdict = judge(forge(made.evidence, id, { ...key, proof: null }));
    expect(failures(verdict)[0]).toMatchObject({ check: "public-key", field: "proof" });
    expect(verdict.standing).toBeNull();
  });
});

describe("what is no bundle", () => {
  const never = (input: unknown): void => {
    expect(verifyBundle(input, { roots, locateDamage: false }).genuine).toBe(false);
  };

  it("is refused without a throw: bytes, texts and JSON of any kind", () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), never), { numRuns: 300 });
    fc.assert(fc.property(fc.jsonValue(), never), { numRuns: 300 });
    never("[".repeat(100_000));
    never("");
    never(undefined);
    never(JSON.parse('{"__proto__":{"format":"osnmad-evidence"}}'));
  });

  it("is refused without a throw where any member holds any JSON", () => {
    const whole = JSON.parse(textOf(made)) as Record<string, unknown>;
    const paths = leavesOf(whole).map(([path]) => path);
    fc.assert(
      fc.property(
        fc.nat(paths.length - 1),
        fc.nat(9),
        fc.jsonValue({ maxDepth: 3 }),
        (which, depth, value) => {
          const path = paths[which].slice(0, Math.max(1, depth));
          const changed = withLeaf(whole, path, value);
          const verdict = verifyBundle(changed, { roots, locateDamage: false });
          if (JSON.stringify(changed) !== JSON.stringify(whole)) expect(verdict.genuine).toBe(false);
        },
      ),
      { numRuns: 500 },
    );
  });

  it("is refused without a throw where a value has members that make it no text and no number", () => {
    const { root } = made.evidence;
    const fix = objects.get(root)! as unknown as Record<string, unknown>;
    const hostile = { toString: null, valueOf: 1, toJSON: "x" };
    const record = made.record as unknown as Record<string, unknown>;
    for (const [path] of leavesOf(record)) {
      const forged = forge(made.evidence, root, { ...fix, record: withLeaf(record, path, hostile) });
      expect(judge(forged).genuine, path.join(".")).toBe(false);
    }
  });

  it("is refused when cut short anywhere", () => {
    const text = textOf(made);
    for (let length = 0; length < text.trimEnd().length; length += 97) never(text.slice(0, length));
  });

  it("is refused beyond its bounds before anything is done with it", () => {
    expect(readBundle(new Uint8Array((8 << 20) + 1))).toMatch(/larger/);
    const many = Object.fromEntries(
      Array.from({ length: 5000 }, (_, i) => [i.toString(16).padStart(64, "0"), { kind: "fix" }]),
    );
    expect(
      readBundle({
        format: "osnmad-evidence",
        version: 1,
        mode: "live",
        root: "0".repeat(64),
        objects: many,
      }),
    ).toMatch(/more than 4096/);
  });

  it("is refused beyond what a fix has of objects that cost a signature, or many tags, each", () => {
    const [[, rootKey]] = ofKind("root-key");
    const whole = JSON.parse(textOf(made)) as Record<string, unknown>;
    const withRootKeys = (more: number): unknown => {
      const added = Array.from({ length: more }, (_, i) => {
        const dsmKroot = rootKey.dsmKroot.slice(0, -4) + i.toString(16).padStart(4, "0");
        const object = { ...rootKey, dsmKroot };
        return [idOfText(objectText(object)), object] as const;
      });
      return { ...whole, objects: { ...(whole["objects"] as object), ...Object.fromEntries(added) } };
    };
    const had = ofKind("root-key").length;
    expect(readBundle(withRootKeys(64 - had))).not.toBeTypeOf("string");
    expect(readBundle(withRootKeys(65 - had))).toMatch(/more than 64 objects "root-key"/);
    const { root } = made.evidence;
    const fix = objects.get(root)! as unknown as Record<string, unknown>;
    const crowded = { ...made.record, signs: Array.from({ length: 20_001 }, () => 0) };
    expect(shown(judge(forge(made.evidence, root, { ...fix, record: crowded })))[0]).toMatch(
      /is one of more than 20000 values|does not name a fix/,
    );
  });

  it("is refused in another version or with members that are unknown", () => {
    const whole = JSON.parse(textOf(made)) as Record<string, unknown>;
    expect(readBundle({ ...whole, version: 2 })).toMatch(/version/);
    expect(readBundle({ ...whole, note: "trust me" })).toMatch(/unknown/);
  });

  it("asks its caller for roots of the right kind", () => {
    expect(() => verifyBundle("", { roots: "x" as never })).toThrow(TypeError);
    const label = "";
    expect(() =>
      verifyBundle("", { roots: [{ root: new Uint8Array(31), standing: "test", label }] }),
    ).toThrow(RangeError);
    expect(() => verifyBundle("", { roots, minimumTagBits: 0 })).toThrow(RangeError);
  });
});

describeShared("bundles of the Leuven capture", () => {
  const trust = loadTrust({ stateDir: null });
  let fixes: Made[];
  beforeAll(() => {
    fixes = fixesOf(
      { capture: sharedPath("captures", "leuven-hybrid-rawx-atmo.ubx")!, material: trust, mode: "replay" },
      (gst) => Math.floor(gst) % 240 === 0,
    ).filter(({ record }) => record.own !== null);
  });

  it("hold under the built-in Galileo root, and say that they are a replay", () => {
    expect(fixes.length).toBeGreaterThan(10);
    for (const fix of fixes) {
      const verdict = verifyBundle(textOf(fix), { roots: OPERATIONAL });
      expect(shown(verdict)).toEqual([]);
      expect(verdict).toMatchObject({ genuine: true, standing: "operational", mode: "replay" });
      expect(verdict.warnings.join()).toMatch(/REPLAY/);
    }
  });

  it("share what they have in common: an epoch adds its measurements, inputs and record", () => {
    const all = new Set(fixes.flatMap(({ evidence }) => [...evidence.objects.keys()]));
    const total = fixes.reduce((sum, { evidence }) => sum + evidence.objects.size, 0);
    expect(all.size).toBeLessThan(total / 2);
    const keys = new Set(
      fixes.flatMap(({ evidence }) =>
        [...evidence.objects].filter(([, { kind }]) => kind === "public-key").map(([id]) => id),
      ),
    );
    expect(keys.size).toBe(1);
  });

  it("are worth nothing under test keys", () => {
    expect(verifyBundle(textOf(fixes[0]), { roots }).genuine).toBe(false);
  });
});

describeShared("bundles of satellites without ranges", () => {
  it("prove the real Leuven navigation data, of every satellite in force", () => {
    const fixes = fixesOf(
      {
        capture: sharedPath("captures", "f9t-2026-03-09-leuven.ubx")!,
        material: loadTrust({ stateDir: null }),
        mode: "replay",
      },
      (gst) => Math.floor(gst) % 600 === 0,
    ).filter(({ record }) => record.authenticatedSatellites.length > 0);
    expect(fixes.length).toBeGreaterThan(4);
    for (const fix of fixes) {
      const verdict = verifyBundle(textOf(fix), { roots: OPERATIONAL });
      expect(shown(verdict)).toEqual([]);
      const words = verdict.lines.filter(({ check }) => check === "words").length;
      expect(words).toBeGreaterThanOrEqual(fix.record.authenticatedSatellites.length);
      expect(fix.record.own).toBeNull();
    }
  });
});
