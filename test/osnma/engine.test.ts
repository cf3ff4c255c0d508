/** The engine on real captures and official vectors (shared reference material), and on every parameter set. */
import { existsSync, readFileSync } from "node:fs";
import { expect, it, describe } from "vitest";
import { gstOf, towOf } from "../../src/inav/gst.js";
import type { OsnmaOptions } from "../../src/osnma/engine.js";
import { Pipeline, type PipelineRecord } from "../../src/pipeline/pipeline.js";
import type { AuthenticatedRecord, EventRecord, SummaryRecord } from "../../src/pipeline/records.js";
import { validChainParameters } from "../../src/simulate/mack.js";
import { parametrisedScenario, Simulation } from "../../src/simulate/scenario.js";
import {
  keyOfFile,
  namesOf,
  officialVector,
  rootKeyOfFile,
  rootOfTree,
  runEngine,
  timedPages,
  total,
  trustOf,
  Truth,
  type Run,
} from "../support/osnma.js";
import { describeShared, sharedPath } from "../support/shared.js";

/** reference/osnma-results.md, and the events of spec/osnma.md section 13.3 by subframe. */
const VECTORS = [
  {
    vector: "configuration_2",
    start: "cold",
    verified: [7788, 970, 2669],
    macseq: 1947,
    publicKeys: [2],
    ttfaf: 450,
    final: ["operational", "nominal", 0],
    events: [],
  },
  {
    vector: "configuration_2",
    start: "hot",
    verified: [7788, 970, 2669],
    macseq: 1947,
    publicKeys: [2],
    ttfaf: 90,
    final: ["operational", "nominal", 0],
    events: [],
  },
  {
    vector: "eoc_step1",
    start: "warm",
    verified: [9292, 1158, 3188],
    macseq: 2343,
    publicKeys: [],
    ttfaf: 90,
    final: ["operational", "eoc", 3],
    events: [["next-chain-stored", 494340]],
  },
  {
    vector: "crev_step1",
    start: "warm",
    verified: [4600, 562, 1438],
    macseq: 1170,
    publicKeys: [],
    ttfaf: 90,
    final: ["dont-use", "crev", 0],
    events: [
      ["chain-revoked", 512100],
      ["nma-status", 512100],
    ],
  },
  {
    vector: "npk_step1",
    start: "warm",
    verified: [8752, 1089, 3011],
    macseq: 2206,
    publicKeys: [8],
    ttfaf: 90,
    final: ["operational", "npk", 1],
    events: [["public-key-verified", 530370]],
  },
  {
    vector: "npk_step2",
    start: "warm",
    verified: [9244, 1152, 3170],
    macseq: 2330,
    publicKeys: [8],
    ttfaf: 120,
    final: ["operational", "npk", 1],
    events: [["public-key-in-force", 533700]],
  },
  {
    vector: "pkrev_step1",
    start: "warm",
    verified: [4617, 565, 1482],
    macseq: 1192,
    publicKeys: [9],
    ttfaf: 90,
    final: ["dont-use", "pkrev", 1],
    events: [
      ["nma-status", 548130],
      ["public-key-revoked", 548610],
      ["chain-revoked", 548610],
    ],
  },
  {
    vector: "nmt_step1",
    start: "warm",
    verified: [9320, 1162, 3198],
    macseq: 2350,
    publicKeys: [1],
    ttfaf: 90,
    final: ["operational", "nmt", 2],
    events: [
      ["cpks", 566100],
      ["merkle-tree-renewal", 566100],
    ],
  },
  {
    vector: "oam_step1",
    start: "warm",
    verified: [4553, 556, 1440],
    macseq: 1177,
    publicKeys: [],
    ttfaf: 90,
    final: ["dont-use", "am", 2],
    events: [["alert", 587730]],
  },
] as const;

function runVector(vector: string, start: string, options: Partial<OsnmaOptions> = {}): Run {
  const folder = sharedPath("vectors", vector)!;
  const { pages, roots, keys } = officialVector(folder);
  const rootKeyFile = `${folder}/OSNMA_start_KROOT.txt`;
  const rootKey = start === "hot" && existsSync(rootKeyFile) ? rootKeyOfFile(rootKeyFile) : null;
  return runEngine(pages, { roots, keys: start === "cold" ? [] : keys, rootKey, ...options });
}

describeShared("the official vectors", () => {
  it.each(VECTORS)("$vector, $start start: tags, keys, events and final state as referenced", (row) => {
    const { engine, events, startGst } = runVector(row.vector, row.start);
    expect(engine.verified[0]).toBeGreaterThanOrEqual(row.verified[0]);
    expect(engine.verified[4]).toBeGreaterThanOrEqual(row.verified[1]);
    expect(engine.verified[12]).toBeGreaterThanOrEqual(row.verified[2]);
    expect(engine.failed).toEqual({ 0: 0, 4: 0, 12: 0 });
    expect(engine.macseqVerified).toBeGreaterThanOrEqual(row.macseq);
    expect(engine.macseqFailed).toBe(0);
    expect(engine.publicKeysVerified.map(({ pkid }) => pkid)).toEqual(row.publicKeys);
    expect(engine.firstFixAt! - startGst).toBeLessThanOrEqual(row.ttfaf);
    expect([engine.nmaStatus, engine.cpks, engine.chainId]).toEqual(row.final);
    for (const [name, tow] of row.events) {
      const times = events.filter((event) => event.name === name).map((event) => event.tow);
      expect(times, name).toContain(tow);
    }
    expect(engine.stalePages).toBe(0);
    expect(namesOf(events)).not.toContain("tag-failed");
    expect(namesOf(events)).not.toContain("key-failed");
  });

  it("the aggressive rule finds no fewer tags, and no failure", () => {
    for (const vector of ["eoc_step1", "pkrev_step1"]) {
      const guideline = runVector(vector, "warm");
      const aggressive = runVector(vector, "warm", { rule: "aggressive" });
      for (const adkd of [0, 4, 12] as const) {
        expect(aggressive.engine.verified[adkd]).toBeGreaterThanOrEqual(guideline.engine.verified[adkd]);
      }
      expect(total(aggressive.engine.failed)).toBe(0);
      expect(aggressive.engine.firstFixAt!).toBeLessThanOrEqual(guideline.engine.firstFixAt!);
    }
  });

  it("eoc stores the next chain with its start, and uses the old one until then", () => {
    const { engine, events } = runVector("eoc_step1", "warm");
    expect(events.find(({ name }) => name === "next-chain-stored")).toMatchObject({
      chainId: 0,
      inForceWn: 1258,
      inForceTow: 500400,
    });
    expect(engine.status().nextChain).toMatchObject({ cid: 0, inForceAt: gstOf(1258, 500400) });
    expect(engine.status().chain?.cid).toBe(3);
  });

  it("pkrev notes Don't Use by the first tag, before the new root is there", () => {
    const { events } = runVector("pkrev_step1", "warm");
    const status = events.find((event) => event.name === "nma-status" && event["nmaStatus"] === "dont-use")!;
    expect(status).toMatchObject({ tow: 548130, by: "tag" });
    expect(events.indexOf(status)).toBeLessThan(
      events.findIndex(({ name }) => name === "public-key-revoked"),
    );
  });

  it("nothing is authenticated under Don't Use, though tags go on verifying", () => {
    for (const vector of ["crev_step1", "pkrev_step1"]) {
      const { engine, authenticated, events } = runVector(vector, "warm");
      const at = events.find(
        (event) => event["nmaStatus"] === "dont-use" && event.name === "nma-status",
      )!.at!;
      expect(authenticated.filter((record) => record.at > at)).toEqual([]);
      expect(engine.state).toBe("suspended");
      for (let svid = 1; svid <= 36; svid++) expect(engine.ced(svid)).toBeNull();
    }
  });

  it("the alert drops everything and lets nothing in again", () => {
    const { engine, authenticated, events } = runVector("oam_step1", "warm");
    const alert = events.find(({ name }) => name === "alert")!;
    expect(authenticated.filter((record) => record.at > alert.at!)).toEqual([]);
    expect(engine.alertVerified).toBe(true);
    expect(engine.state).toBe("alert");
    expect(engine.status().chain).toBeNull();
    for (let svid = 1; svid <= 36; svid++) {
      expect(engine.ced(svid)).toBeNull();
      expect(engine.timing(svid)).toBeNull();
      expect(engine.satelliteStatus(svid)).toBeNull();
    }
  });

  it("the keys and roots of another vector give nothing", () => {
    const { pages } = officialVector(sharedPath("vectors", "oam_step1")!);
    const { roots, keys } = officialVector(sharedPath("vectors", "eoc_step1")!);
    for (const material of [
      { roots, keys },
      { roots: [], keys: [] },
      { roots: [], keys },
    ]) {
      const { engine, authenticated } = runEngine(pages, material);
      expect(total(engine.verified) + total(engine.dummy) + engine.keysVerified).toBe(0);
      expect(total(engine.failed)).toBe(0);
      expect(authenticated).toEqual([]);
      expect(engine.alertVerified).toBe(false);
      expect(engine.firstFixAt).toBeNull();
    }
  });

  it("a page of each satellite in ten lost, in a pattern of its own: fewer tags, no failure", () => {
    const { pages, roots, keys } = officialVector(sharedPath("vectors", "configuration_2")!);
    const kept = pages.filter(({ page, gst }) => (gst * 7 + page.svid * 13) % 10 !== 0);
    const { engine, events } = runEngine(kept, { roots, keys });
    expect(total(engine.failed)).toBe(0);
    expect(engine.macseqFailed).toBe(0);
    expect(engine.verified[0]).toBeGreaterThan(4000);
    expect(namesOf(events)).not.toContain("key-failed");
  });
});

interface CaptureRun {
  readonly summary: SummaryRecord;
  readonly events: EventRecord[];
  readonly authenticated: AuthenticatedRecord[];
}

function runCapture(path: string, options: Pick<OsnmaOptions, "roots" | "keys">): CaptureRun {
  const records: PipelineRecord[] = [];
  const pipeline = new Pipeline({ ...options, mode: "replay", softwareVersion: "test" }, (record) =>
    records.push(record),
  );
  pipeline.push(readFileSync(path));
  const summary = pipeline.end();
  return {
    summary,
    events: records.filter((record) => record.type === "event"),
    authenticated: records.filter((record) => record.type === "authenticated"),
  };
}

describeShared("real captures", () => {
  const trust = (): { root: string; key: (pkid: number) => ReturnType<typeof keyOfFile> } => {
    const root = rootOfTree(sharedPath("trust", "OSNMA_MerkleTree.xml")!);
    return {
      root,
      key: (pkid) =>
        pkid === 1
          ? keyOfFile(sharedPath("trust", "OSNMA_PublicKey_1.xml")!, root)
          : keyOfFile(sharedPath("trust", "OSNMA_MerkleTree.xml")!, root),
    };
  };

  it("Leuven, warm: at least the tags of the reference, no failure", () => {
    const { root, key } = trust();
    const { summary } = runCapture(sharedPath("captures", "f9t-2026-03-09-leuven.ubx")!, {
      roots: [{ root }],
      keys: [key(2)],
    });
    expect(summary.tags.verified["0"]).toBeGreaterThanOrEqual(2965);
    expect(summary.tags.verified["4"]).toBeGreaterThanOrEqual(466);
    expect(summary.tags.verified["12"]).toBeGreaterThanOrEqual(1198);
    expect(summary.tags.dummy["0"]).toBeGreaterThanOrEqual(59);
    expect(summary.tags.dummy["4"]).toBeGreaterThanOrEqual(29);
    expect(summary.tags.dummy["12"]).toBeGreaterThanOrEqual(59);
    expect(summary.tags.failed).toEqual({ "0": 0, "4": 0, "12": 0 });
    expect(summary.macseq.verified).toBeGreaterThanOrEqual(1017);
    expect(summary.macseq.failed).toBe(0);
    expect(summary.ttfafSeconds!).toBeLessThanOrEqual(138);
    expect([summary.nmaStatus, summary.cpks, summary.chainId]).toEqual(["operational", "nominal", 1]);
    expect(summary.pages).toBe(28_085);
  });

  it("Leuven with key 1, or none: nothing at all", () => {
    const { root, key } = trust();
    for (const keys of [[key(1)], []]) {
      const { summary, authenticated } = runCapture(sharedPath("captures", "f9t-2026-03-09-leuven.ubx")!, {
        roots: [{ root }],
        keys,
      });
      expect(summary.tags.verified).toEqual({ "0": 0, "4": 0, "12": 0 });
      expect(summary.tags.dummy).toEqual({ "0": 0, "4": 0, "12": 0 });
      expect(summary.keysVerified).toBe(0);
      expect(summary.ttfafSeconds).toBeNull();
      expect(authenticated).toEqual([]);
    }
  });

  it("Besançon, warm, test status", () => {
    const { root, key } = trust();
    const { summary } = runCapture(sharedPath("captures", "f9-2025-04-25-besancon-rawx.ubx")!, {
      roots: [{ root }],
      keys: [key(1)],
    });
    const sum = (counts: { "0": number; "4": number; "12": number }): number =>
      counts["0"] + counts["4"] + counts["12"];
    // 475 in all; the reference counts 42 of them as dummies, by their COP only 32 are.
    expect(sum(summary.tags.verified) + sum(summary.tags.dummy)).toBeGreaterThanOrEqual(475);
    expect(sum(summary.tags.verified)).toBeGreaterThanOrEqual(475 - 42);
    expect(sum(summary.tags.dummy)).toBe(32);
    expect(sum(summary.tags.failed)).toBe(0);
    expect(summary.ttfafSeconds!).toBeLessThanOrEqual(150);
    expect([summary.nmaStatus, summary.cpks, summary.chainId]).toEqual(["test", "nominal", 3]);
  });
});

describe("every chain the ICD allows", () => {
  const sets = validChainParameters();

  it("covers every look-up table, tag length, key length, hash and MAC function", () => {
    expect(new Set(sets.map(({ maclt }) => maclt))).toEqual(
      new Set([27, 28, 31, 33, 34, 35, 36, 37, 38, 39, 40, 41]),
    );
    expect(new Set(sets.map(({ tagBits }) => tagBits))).toEqual(new Set([20, 24, 28, 32, 40]));
    expect(new Set(sets.map(({ hash, mac }) => `${hash} ${mac}`)).size).toBe(4);
  });

  it.each(sets)("$hash $mac, keys of $keyBits, tags of $tagBits, MACLT $maclt: all verify", (parameters) => {
    const scenario = parametrisedScenario({
      seed: "every",
      parameters,
      subframes: 14,
      satellites: [3, 4, 11],
    });
    const simulation = new Simulation(scenario.options);
    // Hot: where a MACK ends in 32 zero bits, a zero byte of the DSM makes a page that looks like no OSNMA.
    const rootKey = simulation.schedule.at(simulation.startGst);
    const { engine, authenticated, events } = runEngine(timedPages(simulation), {
      ...trustOf(scenario.authority, [1]),
      rootKey,
    });
    expect(engine.rootKeyAccepted).toBe(true);
    expect(total(engine.failed)).toBe(0);
    expect(engine.macseqFailed).toBe(0);
    // 13 subframes have a key for their fast tags, three of them for slow ones too.
    expect(engine.macseqVerified).toBe(13 * 3);
    expect(engine.verified[0]).toBeGreaterThan(0);
    expect(engine.verified[4]).toBeGreaterThan(0);
    expect(engine.verified[12]).toBeGreaterThan(0);
    expect(namesOf(events)).not.toContain("key-failed");
    expect(authenticated.length).toBeGreaterThan(0);
    expect(new Truth(simulation).forgeries(authenticated)).toEqual([]);
    for (const record of authenticated) {
      expect(record.evidence.tagBits).toBeGreaterThanOrEqual(40);
      expect(record.evidence.key.value).toHaveLength(parameters.keyBits / 4);
      expect(towOf(record.evidence.key.tow) % 30).toBe(0);
    }
  });
});
