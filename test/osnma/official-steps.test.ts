/**
 * The steps of GSC's life-cycle vectors with test keys: the same headers, chains, keys and times (WN 1258), each step
 * from a quarter of an hour before its change, with whatever key a folder may hold, and judged as `osnmad conformance`
 * judges the vectors themselves.
 */
import { describe, expect, it } from "vitest";
import { officialProblems } from "../../src/cli/official-vectors.js";
import { gstOf } from "../../src/inav/gst.js";
import type { SummaryRecord } from "../../src/pipeline/records.js";
import {
  alertPhase,
  crevPhases,
  eocPhases,
  nmtPhases,
  nominalPhase,
  npkPhases,
  pkrevPhases,
  Simulation,
} from "../../src/simulate/scenario.js";
import { TestAuthority } from "../../src/simulate/test-authority.js";
import { TeslaChain } from "../../src/simulate/tesla-chain.js";
import { runEngine, timedPages, total, trustOf, type Run, type TimedPage } from "../support/osnma.js";

/** As many as a P-256 root key has blocks, or, where the vectors' times rest on it, a P-521 one. */
const SATELLITES = [1, 2, 3, 4, 5, 6, 7, 8];
const MORE_SATELLITES = [...SATELLITES, 9, 10, 11, 12, 13];
const BEFORE_SUBFRAMES = 34;
const AFTER_SUBFRAMES = 32;
const at = (tow: number): number => gstOf(1258, tow);

/** The vectors' tree before NMT, whose PKID 9 is on P-521, and the one after it. */
const A = new TestAuthority("steps, tree A", { curves: { 9: "P-521" } });
const B = new TestAuthority("steps, tree B");
/** The roots that they stand for. */
const OFFICIAL = {
  A: "a10c440f3aa62453526db4af76df8d9410d35d8277397d7053c700d192702b0d",
  B: "259b5243fea8338253c28a05d8bd5db04180c3f59a3027e391bf2b6e1ac3509b",
} as const;
const authorityOf = (pkid: number): TestAuthority => (pkid === 1 ? B : A);
const key = (pkid: number) => ({ authority: authorityOf(pkid), pkid });
const chainOf = (cid: number, fromTow: number, toTow: number): TeslaChain =>
  new TeslaChain({ seed: "steps", cid, startGst: at(fromTow), endGst: at(toTow + 900) });
const chain3 = chainOf(3, 489_600, 500_400);
const chain0 = chainOf(0, 500_400, 518_400);
const chain1 = chainOf(1, 518_400, 554_400);
const chain2 = chainOf(2, 554_400, 594_000);
const phases = [
  nominalPhase(at(489_600), chain3, key(7)),
  ...eocPhases(at(494_100), chain3, chain0, key(7)),
  ...crevPhases(at(512_100), chain0, chain1, at(522_000), key(7)),
  ...npkPhases(at(530_100), at(533_700), at(537_300), chain1, key(7), key(8)),
  ...pkrevPhases(at(548_100), chain1, chain2, at(558_000), key(9)),
  ...nmtPhases(at(566_100), at(569_700), at(573_300), chain2, key(9), key(1)),
  alertPhase(at(587_700), chain2, key(1)),
];

const simulations = new Map<number, { simulation: Simulation; pages: TimedPage[] }>();
/** From some time before a change to some time after it. */
function around(changeTow: number): { simulation: Simulation; pages: TimedPage[] } {
  let known = simulations.get(changeTow);
  if (known === undefined) {
    const simulation = new Simulation({
      seed: "steps",
      startGst: at(changeTow) - BEFORE_SUBFRAMES * 30,
      subframes: BEFORE_SUBFRAMES + AFTER_SUBFRAMES,
      satellites: changeTow === 548_100 ? MORE_SATELLITES : SATELLITES,
      phases,
    });
    simulations.set(changeTow, (known = { simulation, pages: timedPages(simulation) }));
  }
  return known;
}

type Trees = "A" | "B" | "AB";

/** Keys by PKID; a negative one is given without its tree. */
function material(trees: Trees, pkids: readonly number[]) {
  const roots = [...trees].map((name) => trustOf(name === "A" ? A : B, []).roots[0]);
  const keys = pkids.map((pkid) => {
    const [given] = trustOf(authorityOf(Math.abs(pkid)), [Math.abs(pkid)]).keys;
    return pkid < 0 ? { ...given, root: `explicit:${-pkid}` } : given;
  });
  return { roots, keys };
}

const finalOf = ({ engine }: Run): string => `${engine.nmaStatus} / ${engine.cpks} / ${engine.chainId}`;

function problemsOf(run: Run, trees: Trees, pkids: readonly number[], endGst: number): string[] {
  const { nmaStatus, cpks, chainId, alertVerified } = run.engine;
  return officialProblems({
    firstPageGst: run.startGst,
    endGst,
    roots: [...trees].map((name) => OFFICIAL[name as "A" | "B"]),
    start: pkids.length === 0 ? "cold" : "warm",
    summary: { nmaStatus, cpks, chainId, alertVerified } as SummaryRecord,
    events: run.events,
  });
}

/** Subframes, by TOW, in which a satellite's tag of ADKD 0 or 12 over itself is not verified. */
function gaps(run: Run, fromTow: number, toTow: number, adkd: 0 | 12): number[] {
  const count = new Map<number, number>();
  for (const { tag, prnD, outcome } of run.tags) {
    if (outcome !== "verified" || tag.adkd !== adkd || tag.prnA !== prnD) continue;
    count.set(tag.tow, (count.get(tag.tow) ?? 0) + 1);
  }
  const missing: number[] = [];
  for (let tow = fromTow; tow < toTow; tow += 30) {
    if ((count.get(tow) ?? 0) < SATELLITES.length) missing.push(tow);
  }
  return missing;
}

/** Change, what a folder may hold, where it ends, and PKID in force then. */
const STEPS: readonly [string, number, Trees, readonly (readonly number[])[], string, number][] = [
  ["eoc_step1", 494_100, "A", [[7], [-7]], "operational / eoc / 3", 7],
  ["eoc_step2", 500_400, "A", [[7], [-7]], "operational / nominal / 0", 7],
  ["crev_step1", 512_100, "A", [[7]], "dont-use / crev / 0", 7],
  ["crev_step2", 518_400, "A", [[7], [-7], []], "operational / crev / 1", 7],
  ["crev_step3", 522_000, "A", [[7], [-7]], "operational / nominal / 1", 7],
  ["npk_step1", 530_100, "A", [[7], [7, 8]], "operational / npk / 1", 7],
  ["npk_step2", 533_700, "A", [[7], [8], [7, 8], []], "operational / npk / 1", 8],
  ["npk_step3", 537_300, "A", [[7], [8], [-7], [-8], []], "operational / nominal / 1", 8],
  ["pkrev_step1", 548_100, "A", [[8], [9], [-8]], "dont-use / pkrev / 1", 9],
  ["pkrev_step2", 554_400, "A", [[8], [9], [-9], []], "operational / pkrev / 2", 9],
  ["pkrev_step3", 558_000, "A", [[8], [9], [-9], []], "operational / nominal / 2", 9],
  ["nmt_step1", 566_100, "AB", [[9], [-9], [-9, 1]], "operational / nmt / 2", 9],
  ["nmt_step2", 569_700, "AB", [[9], [1], [9, 1], [-9], [-9, 1], []], "operational / nmt / 2", 1],
  ["nmt_step2, new tree only", 569_700, "B", [[-9], [1], []], "operational / nmt / 2", 1],
  ["nmt_step2, old tree only", 569_700, "A", [[9]], "operational / nmt / 2", 9],
  ["nmt_step3", 573_300, "AB", [[9], [1], [-9], []], "operational / nominal / 2", 1],
  ["nmt_step3, new tree only", 573_300, "B", [[-1], []], "operational / nominal / 2", 1],
];

describe("the steps of the official vectors", () => {
  it.each(STEPS)(
    "%s: as the vector must, with any key of its folder",
    (_, change, trees, sets, final, pkid) => {
      const { simulation, pages } = around(change);
      for (const pkids of sets) {
        const run = runEngine(pages, material(trees, pkids));
        const name = `PKID ${pkids.join()}`;
        expect(problemsOf(run, trees, pkids, simulation.endGst), name).toEqual([]);
        expect(finalOf(run), name).toBe(final);
        expect(run.engine.status().publicKeyInForce?.pkid, name).toBe(pkid);
        expect(total(run.engine.failed) + run.engine.macseqFailed, name).toBe(0);
        // Nothing is authenticated while the status is "don't use".
        for (const { evidence } of run.authenticated) {
          for (const tag of evidence.tags) {
            const phase = phases.findLast(({ fromGst }) => fromGst <= gstOf(tag.wn, tag.tow));
            expect(phase?.nmas, name).toBe(2);
          }
        }
      }
    },
  );

  it.each([
    ["eoc_step2", 500_400, "A", 7],
    ["npk_step2", 533_700, "A", 7],
    ["npk_step3", 537_300, "A", 7],
    ["pkrev_step3", 558_000, "A", 9],
    ["nmt_step2", 569_700, "AB", 9],
    ["nmt_step3", 573_300, "AB", 1],
  ] as const)("%s: not one tag is lost over the change", (_, change, trees, pkid) => {
    const run = runEngine(around(change).pages, material(trees, [pkid]));
    const to = change + AFTER_SUBFRAMES * 30;
    expect(gaps(run, change - 360, to - 60, 0)).toEqual([]);
    expect(gaps(run, change - 360, to - 360, 12)).toEqual([]);
  });

  it.each([
    ["crev_step2", 518_400, 7],
    ["pkrev_step2", 554_400, 9],
  ] as const)("%s: every tag from the new chain's first subframe on", (_, change, pkid) => {
    const run = runEngine(around(change).pages, material("A", [pkid]));
    const to = change + AFTER_SUBFRAMES * 30;
    expect(gaps(run, change, to - 60, 0)).toEqual([]);
    expect(gaps(run, change, to - 360, 12)).toEqual([]);
    expect(run.engine.firstFixAt! - at(change)).toBeLessThanOrEqual(60);
  });

  it("crev_step2, cold: its status is as of when the root key was on air, not of when its public key came", () => {
    const run = runEngine(around(518_400).pages, material("A", []));
    const proven = run.events.find(({ name }) => name === "public-key-verified");
    expect(proven?.at).toBeGreaterThan(at(518_400) + 90);
    // Root key, chain, keys and tags are all there, waiting for the public key.
    expect(run.engine.firstFixAt).toBe(proven?.at);
    expect(run.engine.nmaStatus).toBe("operational");
  });
});

describe("an end of chain whose next root key was not heard", () => {
  /** Before the change the DSM slot holds something else whenever it holds the next chain's root. */
  function unannounced(lost: (gst: number) => boolean = () => false): TimedPage[] {
    const { simulation, pages } = around(500_400);
    return pages.flatMap(({ page, gst }) => {
      if (lost(gst)) return [];
      const subframe = Math.floor((gst - 1) / 30) * 30;
      const isNext = subframe < at(500_400) && simulation.schedule.at(subframe).dsm[1] >> 6 === 0;
      const index = (gst - 1 - subframe) / 2;
      return [{ gst, page: isNext && index === 1 ? { ...page, hkroot: 0xff } : page }];
    });
  }

  it("slow tags of the ended chain verify by keys of the new one, without a gap", () => {
    const run = runEngine(unannounced(), material("A", [7]));
    expect(run.events.filter(({ name }) => name === "next-chain-stored")).toEqual([]);
    expect(run.events.filter(({ name }) => name === "chain-replaced")).toHaveLength(1);
    expect(total(run.engine.failed) + run.engine.macseqFailed).toBe(0);
    const end = 500_400 + AFTER_SUBFRAMES * 30;
    expect(gaps(run, 500_040, end - 60, 0)).toEqual([]);
    expect(gaps(run, 500_040, end - 360, 12)).toEqual([]);
    expect(finalOf(run)).toBe("operational / nominal / 0");
  });

  it("with the subframes around the change lost, too: what had its key in them is lost, and no more", () => {
    const lost = (gst: number): boolean => gst > at(500_340) && gst < at(500_490);
    const run = runEngine(unannounced(lost), material("A", [7]));
    expect(total(run.engine.failed) + run.engine.macseqFailed).toBe(0);
    expect(gaps(run, 500_070, 500_310, 12)).toEqual([]);
    expect(gaps(run, 500_070, 500_310, 0)).toEqual([]);
    expect(gaps(run, 500_490 + 30, 500_400 + AFTER_SUBFRAMES * 30 - 60, 0)).toEqual([]);
  });

  it("after a revocation nothing of the revoked chain is kept", () => {
    const run = runEngine(around(512_100).pages, material("A", [7]));
    expect(gaps(run, 512_070, 512_100, 0)).toEqual([]);
    expect(gaps(run, 511_800, 512_100, 12)).toHaveLength(10);
  });
});

describe("the alert", () => {
  it.each(["A", "B", "AB"] as const)(
    "of oam_step2, whose OSNMA fields turn zero at its end; tree %s",
    (trees) => {
      const startGst = at(589_500);
      const simulation = new Simulation({
        seed: "steps",
        startGst,
        subframes: 66,
        satellites: SATELLITES,
        phases,
      });
      const pages = timedPages(simulation).map(({ page, gst }) =>
        gst < at(591_300) ? { page, gst } : { gst, page: { ...page, hasOsnma: false, hkroot: 0, mack: 0 } },
      );
      for (const pkids of [[1], []]) {
        const run = runEngine(pages, material(trees, pkids));
        expect(run.engine.alertVerified).toBe(trees !== "A");
        expect(run.authenticated).toEqual([]);
        if (trees === "A") continue;
        expect(problemsOf(run, trees, pkids, simulation.endGst)).toEqual([]);
        expect(finalOf(run)).toBe("dont-use / am / 2");
        expect(run.engine.state).toBe("alert");
        expect(total(run.engine.failed) + run.engine.macseqFailed).toBe(0);
      }
    },
  );
});
