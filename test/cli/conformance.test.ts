/**
 * `osnmad conformance`: its verdicts on vectors made from this project's own captures, on GSC's vectors, and on
 * descriptions of the steps that are not at hand.
 */
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Writable } from "node:stream";
import { fileURLToPath } from "node:url";
import { Framer } from "gnss-ubx";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  printConformance,
  runConformance,
  type ConformanceOptions,
  type ConformanceRecord,
} from "../../src/cli/commands/conformance.js";
import { isOfficial, officialProblems, type VectorRun } from "../../src/cli/official-vectors.js";
import { ReceiverStream } from "../../src/inav/receiver-stream.js";
import { gstOf } from "../../src/inav/gst.js";
import type { EventRecord } from "../../src/pipeline/records.js";
import { describeShared, sharedPath } from "../support/shared.js";

const captures = fileURLToPath(new URL("../../captures", import.meta.url));
const trustFile = (name: string): string => join(captures, "trust", name);
const TREE = "TEST_OSNMA_MerkleTree_A.xml";
const KEY = "TEST_OSNMA_PublicKey_2.xml";
const options = (more: Partial<ConformanceOptions> = {}): ConformanceOptions => ({
  trust: true,
  rule: "guideline",
  minTagBits: 40,
  ...more,
});

/** The pages of one of our captures in the form of an official vector. */
function vectorCsv(capture: string): { name: string; text: string } {
  const pages = new Map<number, Map<number, string>>();
  let first = Number.POSITIVE_INFINITY;
  const raw = new Map<string, string>();
  const stream = new ReceiverStream<null>((page, gst) => {
    const hex = raw.get(`${page.svid} ${Buffer.from(page.word).toString("hex")} ${page.hkroot} ${page.mack}`);
    first = Math.min(first, gst);
    if (!pages.has(page.svid)) pages.set(page.svid, new Map());
    pages.get(page.svid)!.set(gst, hex!);
  });
  new Framer().push(readFileSync(join(captures, `${capture}.ubx`)), {
    ubx(messageClass, messageId, payload) {
      if (messageClass === 2 && messageId === 0x13 && payload[0] === 2) {
        const words = Buffer.alloc(32);
        for (let i = 0; i < 32; i++) words[(i & ~3) + 3 - (i & 3)] = payload[8 + i];
        const hex = words.subarray(0, 15).toString("hex") + words.subarray(16, 31).toString("hex");
        const even = BigInt(`0x${hex.slice(0, 30)}`);
        const odd = BigInt(`0x${hex.slice(30)}`);
        // Word: 112 bits of the even half after 2, 16 bits of the odd half after 2; then 40 OSNMA bits.
        const word = (((even >> 6n) & ((1n << 112n) - 1n)) << 16n) | ((odd >> 102n) & 0xffffn);
        const osnma = (odd >> 62n) & ((1n << 40n) - 1n);
        raw.set(
          `${payload[1]} ${word.toString(16).padStart(32, "0")} ${osnma >> 32n} ${osnma & 0xffffffffn}`,
          hex,
        );
      }
      stream.message(messageClass, messageId, payload, null);
    },
  });
  stream.end();
  const rows = [...pages].map(([svid, bySlot]) => {
    const count = (Math.max(...bySlot.keys()) - first) / 2 + 1;
    let hex = "";
    for (let i = 0; i < count; i++) hex += bySlot.get(first + 2 * i) ?? "0".repeat(60);
    return `${svid},${hex.length * 4},${hex}`;
  });
  const date = new Date(Date.UTC(1999, 7, 22) + first * 1000);
  const two = (value: number): string => String(value).padStart(2, "0");
  const month = date.toLocaleString("en", { month: "short", timeZone: "UTC" }).toUpperCase();
  return {
    name: `${two(date.getUTCDate())}_${month}_${date.getUTCFullYear()}_GST_${two(date.getUTCHours())}_${two(date.getUTCMinutes())}_${two(date.getUTCSeconds())}.csv`,
    text: `SVID,NumNavBits,NavBitsHEX\n${rows.join("\n")}\n`,
  };
}

let root: string;
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), "osnmad-conformance-"));
});
afterAll(() => {
  rmSync(root, { recursive: true, force: true });
});

/** A vector's folder with the files named; returns the folder. */
function vectorFolder(name: string, capture: string | null, files: readonly string[]): string {
  const folder = join(root, name);
  mkdirSync(folder, { recursive: true });
  for (const file of files) copyFileSync(trustFile(file), join(folder, file));
  if (capture !== null) {
    const csv = vectorCsv(capture);
    writeFileSync(join(folder, csv.name), csv.text);
  }
  return folder;
}

const verified = ({ tags }: ConformanceRecord): number =>
  tags.verified["0"] + tags.verified["4"] + tags.verified["12"];

function textOf(run: (out: Writable, err: Writable) => void): string {
  let text = "";
  const out = new Writable({
    write(chunk: Buffer, _encoding, done) {
      text += chunk.toString();
      done();
    },
  });
  run(out, out);
  return text;
}

describe("conformance on vectors of our own", () => {
  it("passes a vector and names it after its folder", () => {
    const [record] = runConformance(vectorFolder("own/warm_step1", "nominal", [TREE, KEY]), options());
    expect(record).toMatchObject({
      type: "summary",
      name: "warm_step1",
      start: "warm",
      pass: true,
      problems: [],
    });
    expect(verified(record)).toBeGreaterThan(100);
    expect(record.tags.failed).toEqual({ 0: 0, 4: 0, 12: 0 });
  });

  it("starts hot where a root key lies in the folder, and as warm as asked", () => {
    const folder = vectorFolder("own/hot_step1", "nominal", [TREE, KEY]);
    copyFileSync(trustFile("TEST_root-key_nominal.txt"), join(folder, "OSNMA_start_KROOT.txt"));
    expect(runConformance(folder, options())[0]).toMatchObject({ start: "hot", pass: true });
    expect(runConformance(folder, options({ start: "warm" }))[0]).toMatchObject({
      start: "warm",
      pass: true,
    });
  });

  it("starts cold where the only key is inside the tree file, and takes that key for a warm start", () => {
    const folder = vectorFolder("own/tree_only", "nominal", [TREE]);
    expect(runConformance(folder, options())[0].start).toBe("cold");
    const [warm] = runConformance(folder, options({ start: "warm" }));
    expect(warm).toMatchObject({ start: "warm", pass: true });
    expect(verified(warm)).toBeGreaterThan(100);
  });

  it("authenticates from Merkle roots alone when the vector broadcasts its public key", () => {
    const folder = vectorFolder("own/cold_step1", "cold-start", [TREE]);
    const [record] = runConformance(folder, options());
    expect(record).toMatchObject({ start: "cold", pass: true });
    expect(record.publicKeysVerified).toHaveLength(1);
    expect(verified(record)).toBeGreaterThan(100);
  });

  it("fails a vector with forged tags and says how many", () => {
    const [record] = runConformance(vectorFolder("forged/forged", "forged-tags", [TREE, KEY]), options());
    expect(record.pass).toBe(false);
    expect(record.problems.join()).toMatch(/failed/);
  });

  it("lets key options replace what the folder holds: a wrong key gives nothing and fails", () => {
    const folder = vectorFolder("own/warm_step1", "nominal", [TREE, KEY]);
    const [wrong] = runConformance(
      folder,
      options({ merkle: [trustFile(TREE)], publicKey: [trustFile("TEST_OSNMA_PublicKey_8.xml")] }),
    );
    expect(verified(wrong)).toBe(0);
    expect(wrong.pass).toBe(false);
    const [none] = runConformance(folder, options({ trust: false }));
    expect(verified(none)).toBe(0);
    expect(none).toMatchObject({ pass: false, start: "cold" });
  });

  it("refuses key options beside --no-trust, and a root key without its public key", () => {
    const folder = vectorFolder("own/warm_step1", "nominal", [TREE, KEY]);
    expect(() => runConformance(folder, options({ trust: false, merkle: [trustFile(TREE)] }))).toThrow(
      /no-trust/,
    );
    const rootKey = trustFile("TEST_root-key_nominal.txt");
    const [record] = runConformance(folder, options({ merkle: [trustFile(TREE)], rootKey }));
    expect(record.pass).toBe(false);
    expect(record.problems[0]).toContain("OSN_TRUST_ROOT_KEY_UNVERIFIABLE");
  });

  it("writes state only where --state says, and goes on from it", () => {
    const folder = vectorFolder("own/warm_step1", "nominal", [TREE, KEY]);
    const state = join(root, "state");
    runConformance(folder, options());
    expect(existsSync(state)).toBe(false);
    const [first] = runConformance(folder, options({ state }));
    expect(existsSync(state)).toBe(true);
    const [second] = runConformance(folder, options({ state }));
    expect(second.ttfafSeconds).toBeLessThanOrEqual(first.ttfafSeconds!);
    expect(second.pass).toBe(true);
  });

  it("finds all vectors below a parent, in order of name, and prints a verdict for each", () => {
    vectorFolder("own/warm_step1", "nominal", [TREE, KEY]);
    vectorFolder("own/cold_step1", "cold-start", [TREE]);
    const records = runConformance(join(root, "own"), options());
    const names = records.map(({ name }) => name);
    expect(names).toEqual([...names].sort());
    expect(names).toContain("warm_step1");
    const text = textOf((out, err) => {
      expect(printConformance(join(root, "own"), options(), out, err)).toBe(true);
    });
    expect(text).toMatch(/^warm_step1 +warm .* pass$/m);
    expect(text).not.toContain("\u001b");
  });

  it("gives a broken vector its own verdict and still runs the others", () => {
    vectorFolder("broken/good", "nominal", [TREE, KEY]);
    const bad = vectorFolder("broken/bad", null, [TREE, KEY]);
    writeFileSync(join(bad, "22_JUN_2026_GST_15_20_01.csv"), "SVID,NumNavBits,NavBitsHEX\n1,240,zz\n");
    const records = runConformance(join(root, "broken"), options());
    expect(records.map(({ name, pass }) => [name, pass])).toEqual([
      ["bad", false],
      ["good", true],
    ]);
    expect(records[0].problems[0]).toContain("OSN_VECTOR_INVALID");
  });

  it("names what is missing: no folder, no vector, a CSV without a time", () => {
    const code = (path: string): unknown => {
      try {
        runConformance(path, options());
      } catch (error) {
        return (error as { code?: unknown }).code;
      }
      return null;
    };
    expect(code(join(root, "absent"))).toBe("OSN_VECTORS_NOT_FOUND");
    mkdirSync(join(root, "hollow"), { recursive: true });
    expect(code(join(root, "hollow"))).toBe("OSN_VECTORS_NOT_FOUND");
    writeFileSync(join(root, "hollow", "data.csv"), "SVID,NumNavBits,NavBitsHEX\n");
    expect(code(join(root, "hollow"))).toBe("OSN_VECTOR_INVALID");
  });
});

describe("what an official vector must show", () => {
  const ROOT = "a10c440f3aa62453526db4af76df8d9410d35d8277397d7053c700d192702b0d";
  const at = (name: string, tow: number, detail: Record<string, unknown> = {}): EventRecord => ({
    type: "event",
    name,
    wn: 1258,
    tow,
    at: gstOf(1258, tow),
    severity: "info",
    message: "",
    ...detail,
  });
  const run = (
    startTow: number,
    final: readonly [string, string, number],
    events: readonly EventRecord[],
    more: Partial<VectorRun> = {},
  ): VectorRun => ({
    firstPageGst: gstOf(1258, startTow),
    endGst: gstOf(1258, startTow + 3600),
    roots: [ROOT],
    start: "warm",
    summary: {
      nmaStatus: final[0],
      cpks: final[1],
      chainId: final[2],
      alertVerified: false,
    } as unknown as VectorRun["summary"],
    events,
    ...more,
  });
  const switched = at("chain-switched", 500_400, { chainId: 0 });
  const nominal = at("cpks", 500_400, { cpks: "nominal" });

  it("accepts the end of a chain that switches and returns to nominal", () => {
    expect(officialProblems(run(497_701, ["operational", "nominal", 0], [switched, nominal]))).toEqual([]);
  });

  it("misses the switch, or a switch that comes late", () => {
    const final = ["operational", "nominal", 0] as const;
    expect(officialProblems(run(497_701, final, [nominal]))).toEqual([
      expect.stringContaining("chain 0 in force: not seen"),
    ]);
    const late = at("chain-switched", 501_330, { chainId: 0 });
    expect(officialProblems(run(498_001, final, [late, nominal]))).toEqual([
      expect.stringContaining("chain 0 in force: at TOW 501330"),
    ]);
  });

  it("compares the final state of every step", () => {
    for (const [startTow, ...final] of [
      [521_101, "operational", "nominal", 1],
      [535_501, "operational", "nominal", 1],
      [557_101, "operational", "nominal", 2],
      [589_501, "dont-use", "am", 2],
    ] as const) {
      const back = [
        at("cpks", 522_000, { cpks: "nominal" }),
        at("cpks", 537_330, { cpks: "nominal" }),
        at("cpks", 558_000, { cpks: "nominal" }),
      ];
      expect(officialProblems(run(startTow, final, back))).toEqual([]);
      expect(officialProblems(run(startTow, ["operational", "nominal", 3], back))).toEqual([
        expect.stringMatching(/^final state is operational \/ nominal \/ 3, expected/),
      ]);
    }
  });

  it("takes either state right after a change", () => {
    const end = { endGst: gstOf(1258, 522_300) };
    for (const cpks of ["crev", "nominal"]) {
      expect(officialProblems(run(519_501, ["operational", cpks, 1], [], end))).toEqual([]);
    }
  });

  it("claims nothing of a vector of another time or under other roots", () => {
    const wrong = ["test", "nominal", 3] as const;
    expect(isOfficial(run(100_001, wrong, []))).toBe(false);
    expect(officialProblems(run(100_001, wrong, []))).toEqual([]);
    expect(officialProblems(run(497_701, wrong, [], { roots: ["00".repeat(32)] }))).toEqual([]);
  });
});

describeShared("conformance on GSC's vectors", () => {
  /** reference/osnma-results.md: tags by ADKD, MACSEQ, public keys proven, TTFAF, final state. */
  const REFERENCE = [
    ["configuration_2", "hot", [7788, 970, 2669], 1947, [2], 90, "operational / nominal / 0"],
    ["crev_step1", "warm", [4600, 562, 1438], 1170, [], 90, "dont-use / crev / 0"],
    ["eoc_step1", "warm", [9292, 1158, 3188], 2343, [], 90, "operational / eoc / 3"],
    ["nmt_step1", "warm", [9320, 1162, 3198], 2350, [1], 90, "operational / nmt / 2"],
    ["npk_step1", "warm", [8752, 1089, 3011], 2206, [8], 90, "operational / npk / 1"],
    ["npk_step2", "warm", [9244, 1152, 3170], 2330, [8], 120, "operational / npk / 1"],
    ["oam_step1", "warm", [4553, 556, 1440], 1177, [], 90, "dont-use / am / 2"],
    ["pkrev_step1", "warm", [4617, 565, 1482], 1192, [9], 90, "dont-use / pkrev / 1"],
  ] as const;
  const vectors = (): string => sharedPath("vectors")!;
  const finalOf = (record: ConformanceRecord): string =>
    `${record.nmaStatus} / ${record.cpks} / ${record.chainId}`;

  it("passes all eight with at least the reference's tags, in its final states", () => {
    const records = runConformance(vectors(), options());
    expect(records.map(({ name }) => name)).toEqual(REFERENCE.map(([name]) => name));
    for (const [name, start, tags, macseq, keys, ttfaf, final] of REFERENCE) {
      const record = records.find((other) => other.name === name)!;
      expect(record.problems, name).toEqual([]);
      expect(record, name).toMatchObject({ start, pass: true, tags: { failed: { 0: 0, 4: 0, 12: 0 } } });
      (["0", "4", "12"] as const).forEach((adkd, i) => {
        expect(record.tags.verified[adkd], `${name} ADKD ${adkd}`).toBeGreaterThanOrEqual(tags[i]);
      });
      expect(record.macseq.verified, name).toBeGreaterThanOrEqual(macseq);
      expect(record.macseq.failed, name).toBe(0);
      expect(
        record.publicKeysVerified.map(({ pkid }) => pkid),
        name,
      ).toEqual(keys);
      expect(record.ttfafSeconds, name).toBeLessThanOrEqual(ttfaf);
      expect(finalOf(record), name).toBe(final);
    }
    expect(records.filter(({ alertVerified }) => alertVerified).map(({ name }) => name)).toEqual([
      "oam_step1",
    ]);
  });

  it("starts configuration_2 from the Merkle root alone as the reference does", () => {
    const [record] = runConformance(join(vectors(), "configuration_2"), options({ start: "cold" }));
    expect(record).toMatchObject({
      start: "cold",
      pass: true,
      tags: { verified: { 0: 7788, 4: 970, 12: 2669 } },
      macseq: { failed: 0 },
    });
    // The reference has 1947: it leaves out the subframe whose header page carries zeros.
    expect(record.macseq.verified).toBeGreaterThanOrEqual(1947);
    expect(record.ttfafSeconds).toBeLessThanOrEqual(450);
    expect(finalOf(record)).toBe("operational / nominal / 0");
  });

  it("gives nothing, and fails, with the key of another process", () => {
    const [record] = runConformance(
      join(vectors(), "eoc_step1"),
      options({
        merkle: [join(vectors(), "eoc_step1", "OSNMA_MerkleTree.xml")],
        publicKey: [join(vectors(), "pkrev_step1", "OSNMA_PublicKey_PKID_8.xml")],
      }),
    );
    expect(verified(record)).toBe(0);
    expect(record).toMatchObject({ pass: false, keysVerified: 0, rootKeysVerified: 0, ttfafSeconds: null });
  });
});
