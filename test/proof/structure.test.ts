/**
 * Packages whose structure a liar has changed: parts left out, doubled, swapped, put in from other packages, filled with
 * the largest and the deepest that a file holds. He makes digests and ids anew. Whatever he does, the judge answers in
 * time, and never that more is shown than was.
 *
 * OSNMAD_SEED and OSNMAD_RUNS choose other and more of them.
 */
import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { canonicalJson } from "../../src/evidence/canonical-json.js";
import { idOfText, objectText, type EvidenceObject } from "../../src/evidence/objects.js";
import { makeProof } from "../../src/proof/make.js";
import {
  digestsOf,
  PROOF_FORMAT,
  PROOF_VERSION,
  proofText,
  type ProofParts,
} from "../../src/proof/package.js";
import { logSource } from "../../src/proof/source.js";
import type { ProofVerdict } from "../../src/proof/verdict.js";
import type { VerifyProofOptions } from "../../src/proof/verify-proof.js";
import { judge, optionsFor, played, upTo } from "./played.js";
import { fixAfter } from "./sky.js";

const SEED = Number(process.env["OSNMAD_SEED"] ?? 6);
const RUNS = Number(process.env["OSNMAD_RUNS"] ?? 400);
const MAX_SECONDS = 2;

type Json = Record<string, unknown>;

interface Original {
  readonly parts: ProofParts;
  /** Packages that parts are taken from, none of which shows more of this fix than this one. */
  readonly others: readonly ProofParts[];
  readonly options: VerifyProofOptions;
  readonly verdict: ProofVerdict;
}

/** One of each class. */
let originals: readonly Original[];
beforeAll(async () => {
  const soon = (): number => 2;
  const run = await played([soon, soon]);
  const stranger = await played([soon, soon]);
  const late = await played([soon, () => 400]);
  const of = (from: typeof run, seconds: number, size = Number.MAX_SAFE_INTEGER): ProofParts =>
    makeProof(fixAfter(seconds), upTo(logSource(from.station.log), Math.min(size, from.station.log.size)));
  const original = (parts: ProofParts, from: typeof run, others: readonly ProofParts[]): Original => {
    const options = optionsFor(from);
    return { parts, others, options, verdict: judge(parts, options) };
  };
  const foreign = of(stranger, 95);
  originals = [
    original(of(run, 95), run, [foreign, of(run, 150)]),
    original(of(run, 95, 7), run, [foreign]),
    original(of(late, 95), late, [foreign, of(late, 150)]),
  ];
  expect(originals.map(({ verdict }) => verdict.timing?.class)).toEqual(["A", "B", "C"]);
}, 120_000);

const isContainer = (value: unknown): value is Json => typeof value === "object" && value !== null;

/** Everything in a value that holds something, itself first, with where it stands. */
function containers(value: unknown, path: readonly string[] = []): (readonly string[])[] {
  if (!isContainer(value)) return [];
  return [path, ...Object.entries(value).flatMap(([name, member]) => containers(member, [...path, name]))];
}

function at(value: unknown, path: readonly string[]): unknown {
  let found = value;
  for (const name of path) found = isContainer(found) ? found[name] : undefined;
  return found;
}

const deep = (levels: number): unknown => {
  let value: unknown = 0;
  for (let i = 0; i < levels; i++) value = i % 2 === 0 ? [value] : { a: value };
  return value;
};
const EXTREMES: readonly unknown[] = [
  null,
  true,
  0,
  -1,
  1,
  30,
  2 ** 31,
  2 ** 32 + 1,
  Number.MAX_SAFE_INTEGER,
  1e308,
  "",
  "0",
  "00".repeat(32),
  "ff".repeat(32),
  `01${"00".repeat(31)}`,
  "f".repeat(1 << 20),
  "\u202e\u0000",
  [],
  {},
  { __proto__: null, constructor: 1, toString: null },
  deep(40),
  deep(70),
  deep(400),
  Array.from({ length: 5000 }, () => 0),
];

/** One change of `copy`; `a`, `b` and `c` choose it. */
interface Change {
  readonly what:
    "drop" | "double" | "swap" | "reverse" | "other" | "extreme" | "unknown" | "many" | "text" | "move";
  readonly part: number;
  readonly a: number;
  readonly b: number;
  readonly c: number;
}
const change = fc.record({
  what: fc.constantFrom<Change["what"][]>(
    "drop",
    "double",
    "swap",
    "reverse",
    "other",
    "extreme",
    "unknown",
    "many",
    "text",
    "text",
    "text",
    "move",
  ),
  part: fc.nat(),
  a: fc.nat(),
  b: fc.nat(),
  c: fc.nat(),
});

function apply(copy: Json, { what, part, a, b, c }: Change, original: Original): void {
  const { others } = original;
  const names = Object.keys(copy);
  const top = names[part % names.length];
  const paths = containers(copy[top]);
  const path = [top, ...(paths.length === 0 ? [] : paths[a % paths.length])];
  const parent = path.length === 1 && !isContainer(copy[top]) ? copy : (at(copy, path) as Json);
  const other = others[c % others.length] as unknown as Json;
  if (what === "text") return editText(copy, other, timesFor(original), a, b, c);
  const members = Object.keys(parent);
  const name = parent === copy ? top : members[b % Math.max(1, members.length)];
  const second = members[c % Math.max(1, members.length)];
  const value = name === undefined ? undefined : parent[name];
  if (what === "unknown") {
    parent["unknown"] = structuredClone(EXTREMES[b % EXTREMES.length]);
    return;
  }
  if (name === undefined) return;
  if (what === "extreme") parent[name] = structuredClone(EXTREMES[c % EXTREMES.length]);
  else if (what === "other")
    parent[name] = structuredClone(at(other, parent === copy ? [name] : [...path, name]) ?? null);
  else if (what === "swap") [parent[name], parent[second]] = [parent[second], value];
  else if (what === "move") {
    // From wherever else in the package.
    const places = containers(copy);
    const from = places[c % places.length];
    parent[name] = structuredClone(at(copy, from));
  } else if (Array.isArray(parent)) {
    const list = parent as unknown[];
    const index = Number(name);
    if (what === "drop") list.splice(index, 1);
    else if (what === "double") list.splice(c % (list.length + 1), 0, structuredClone(value));
    else if (what === "reverse") list.reverse();
    else list.push(...Array.from({ length: [2, 17, 65, 300][c % 4] }, () => value));
  } else if (what === "drop") Reflect.deleteProperty(parent, name);
  else if (what === "double") parent[`${name} `] = value;
}

/** Stamps that would be in time, and those at the ends of what a stamp holds. */
function timesFor({ verdict }: Original): readonly bigint[] {
  const soon = BigInt(verdict.committed!.seen[0].unixSeconds);
  return [
    soon,
    soon - 30n,
    soon + 1n,
    soon + 300n,
    0n,
    1n,
    (1n << 53n) - 1n,
    (1n << 63n) - 1n,
    (1n << 64n) - 1n,
  ];
}

/** Lines of a transparency log proof: hashes, size, root, signatures of station and witnesses. */
function editText(copy: Json, other: Json, times: readonly bigint[], a: number, b: number, c: number): void {
  const textsOf = (parts: Json): string[][] =>
    Array.isArray(parts["leaves"])
      ? parts["leaves"].flatMap((leaf: unknown) => {
          const proofs = isContainer(leaf) ? leaf["proofs"] : null;
          return Array.isArray(proofs) ? [proofs as string[]] : [];
        })
      : [];
  const lists = textsOf(copy).filter((list) => list.some((text) => typeof text === "string"));
  if (lists.length === 0) return;
  const list = lists[a % lists.length];
  const which = b % list.length;
  if (typeof list[which] !== "string") return;
  const lines = list[which].split("\n");
  const foreign = textsOf(other).flat().join("\n").split("\n");
  const line = b % lines.length;
  const target = c % lines.length;
  // Which of them, apart from where: the other numbers are small in most cases.
  switch ([0, 1, 2, 3, 4, 4, 4, 5, 5, 5, 6][(a + 3 * b + 7 * c) % 11]) {
    case 0:
      lines.splice(line, 1);
      break;
    case 1:
      lines.splice(target, 0, lines[line]);
      break;
    case 2:
      [lines[line], lines[target]] = [lines[target], lines[line]];
      break;
    case 3:
      lines[line] = foreign[c % foreign.length];
      break;
    case 4:
      return inAll(lists, (signed) => {
        swapSignatures(signed, c);
      });
    case 5:
      return inAll(lists, (signed) => {
        // Of one witness, or of whoever has a line.
        for (const [at, each] of signed.entries())
          if (c % 3 === 0 || each.startsWith(`\u2014 w${c % 2}`))
            signed[at] = stamped(each, times[b % times.length]);
      });
    default:
      lines[line] = ["0", "1", "9007199254740991", "9007199254740993", "-1", "x".repeat(1 << 16), ""][c % 7];
  }
  list[which] = lines.join("\n");
}

/** The same lie in every proof: one alone leaves the others as they are. */
function inAll(lists: readonly string[][], change: (lines: string[]) => void): void {
  for (const list of lists) {
    for (const [at, text] of list.entries()) {
      if (typeof text !== "string") continue;
      const lines = text.split("\n");
      change(lines);
      list[at] = lines.join("\n");
    }
  }
}

/** The signature of one witness under the name and key id of another. */
function swapSignatures(lines: string[], c: number): void {
  const signed = lines.flatMap((line, at) => (/^\u2014 w\d/u.test(line) ? [at] : []));
  if (signed.length < 2) return;
  const [first, second] = [signed[c % signed.length], signed[(c + 1) % signed.length]];
  const take = (line: string): Buffer => Buffer.from(line.split(" ")[2], "base64").subarray(4);
  const [one, other] = [take(lines[first]), take(lines[second])];
  lines[first] = resigned(lines[first], other);
  if (c % 3 === 2) lines[second] = resigned(lines[second], one);
}

function resigned(line: string, signature: Uint8Array): string {
  const [dash, name, text] = line.split(" ");
  const keyId = Buffer.from(text, "base64").subarray(0, 4);
  return [dash, name, Buffer.concat([keyId, signature]).toString("base64")].join(" ");
}

function stamped(line: string, time: bigint): string {
  const match = /^(\u2014 \S+ )([A-Za-z0-9+/=]+)$/u.exec(line);
  if (match === null) return line;
  const bytes = Buffer.from(match[2], "base64");
  if (bytes.length < 12) return line;
  bytes.writeBigUInt64BE(time, 4);
  return match[1] + bytes.toString("base64");
}

/** Evidence objects under the ids that they now have, and what names them with these. */
function withNewIds(copy: Json): void {
  for (const holder of [copy["evidence"], copy]) {
    if (!isContainer(holder) || !isContainer(holder["objects"])) continue;
    let objects = Object.entries(holder["objects"]);
    for (let pass = 0; pass < 8; pass++) {
      const renamed = new Map<string, string>();
      for (const [id, object] of objects) {
        try {
          renamed.set(id, idOfText(objectText(object as EvidenceObject)));
        } catch {
          // Too deep to have one.
        }
      }
      const name = (id: string): string => renamed.get(id) ?? id;
      objects = objects.map(([id, object]) => [
        name(id),
        JSON.parse(JSON.stringify(object).replace(/(?<=")[0-9a-f]{64}(?=")/g, name)) as unknown,
      ]);
      if (typeof holder["root"] === "string") holder["root"] = name(holder["root"]);
      if ([...renamed].every(([id, now]) => id === now)) break;
    }
    holder["objects"] = Object.fromEntries(objects);
  }
}

/** With digests made anew, where there is something to make them of. */
function textOf(copy: Json): string {
  try {
    return proofText(copy as unknown as ProofParts);
  } catch {
    const digests = digestsOf(originals[0].parts);
    return JSON.stringify({ format: PROOF_FORMAT, version: PROOF_VERSION, ...copy, digests });
  }
}

/** What a package says of its leaves, piece by piece: proofs without the lines of witnesses, and openings. */
function piecesOf({ leaves, consistency }: ProofParts): string[] {
  const bare = (text: string): string => text.slice(0, text.lastIndexOf("\n\n"));
  const ofLeaves = leaves.flatMap(({ leaf, proofs, openings }) => [
    ...proofs.map((text) => `${leaf} ${bare(text)}`),
    ...openings.map((opening) => `${leaf} ${canonicalJson(opening)}`),
  ]);
  return [...ofLeaves, ...consistency.map((each) => canonicalJson(each))];
}

const RANK = { A: 0, B: 1, C: 2 } as const;

describe("a package whose structure was changed", () => {
  it(
    "is answered in time, without a throw, and never with more than what was shown",
    () => {
      let genuine = 0;
      const changes = fc.array(change, { minLength: 1, maxLength: 3 });
      fc.assert(
        fc.property(fc.nat(2), changes, fc.boolean(), (which, list, isForger) => {
          const original = originals[which];
          const copy = structuredClone(original.parts) as unknown as Json;
          for (const each of list) apply(copy, each, original);
          if (isForger) withNewIds(copy);
          const text = textOf(copy);
          const before = process.cpuUsage();
          const verdict = judge(text, original.options);
          const { user, system } = process.cpuUsage(before);
          expect((user + system) / 1e6).toBeLessThan(MAX_SECONDS);
          if (!verdict.genuine) {
            expect(verdict.timing).toBeNull();
            expect(verdict.lines.some(({ ok }) => !ok)).toBe(true);
            return;
          }
          genuine++;
          const { root, station, fix, committed } = original.verdict;
          expect(verdict).toMatchObject({ root, station, fix });
          expect(verdict.committed?.index).toBe(committed?.index);
          // Nothing that was changed is taken for true: fewer pieces may be shown, and none that was not.
          const known = new Set([original.parts, ...original.others].flatMap(piecesOf));
          for (const piece of piecesOf(copy as unknown as ProofParts)) expect(known).toContain(piece);
          expect(RANK[verdict.timing!.class]).toBeGreaterThanOrEqual(RANK[original.verdict.timing!.class]);
        }),
        { numRuns: RUNS, seed: SEED },
      );
      // Some changes are none, such as that of two equals: so the rest of the rule is looked at too.
      expect(genuine).toBeGreaterThan(0);
      expect(genuine).toBeLessThan(RUNS / 2);
    },
    150 * (RUNS + 400),
  );

  it("is answered in time where it is nested as deep as a file can hold", () => {
    const [{ parts, options }] = originals;
    const whole = proofText(parts);
    const levels = 300_000;
    const lists = "[".repeat(levels) + "]".repeat(levels);
    const objects = `${'{"a":'.repeat(levels)}1${"}".repeat(levels)}`;
    const id = "00".repeat(32);
    for (const text of [
      "[".repeat(levels),
      lists,
      whole.replace('"evidence":{', `"evidence":{"x":${objects},`),
      whole.replace('"objects":{', `"objects":{"${id}":${lists},`),
      whole.replace('"record":{', `"record":{"x":${lists},`),
      whole.replace('"rotations":[', `"rotations":[${lists}`),
      whole.replace('"path":[', `"path":[${lists},`),
    ]) {
      const before = process.cpuUsage();
      expect(judge(text, options)).toMatchObject({ genuine: false, timing: null });
      const { user, system } = process.cpuUsage(before);
      expect((user + system) / 1e6).toBeLessThan(MAX_SECONDS);
    }
  });
});
