import { describe, expect, it } from "vitest";
import { gstOf } from "../../src/inav/gst.js";
import { parseDsmKroot, verifyDsmKroot } from "../../src/osnma/dsm-kroot.js";
import { importPublicKey } from "../../src/osnma/ecdsa.js";
import { createMac } from "../../src/osnma/mac.js";
import { macLookup, messageIndexOf } from "../../src/osnma/mac-lookup-table.js";
import {
  adkdOfInfo,
  cop0Of,
  copOfInfo,
  mackLayoutOf,
  macseqOf,
  prnDOfInfo,
  tagInfoOf,
  tagStartBit,
} from "../../src/osnma/mack.js";
import { bitsEqual, copyBits } from "../../src/osnma/bits.js";
import {
  buildMacseqMessage,
  buildTagMessage,
  cedNavBits,
  timingNavBits,
} from "../../src/osnma/tag-message.js";
import { walkBack } from "../../src/osnma/tesla.js";
import { keyGstOf, MACLT, validChainParameters } from "../../src/simulate/mack.js";
import {
  alertPhase,
  crevPhases,
  eocPhases,
  nmtPhases,
  nominalPhase,
  npkPhases,
  parametrisedScenario,
  pkrevPhases,
  Simulation,
  simulatePages,
} from "../../src/simulate/scenario.js";
import type { Phase } from "../../src/simulate/dsm.js";
import { DsmSchedule } from "../../src/simulate/dsm.js";
import { TestAuthority } from "../../src/simulate/test-authority.js";
import { type ChainParameters, TeslaChain } from "../../src/simulate/tesla-chain.js";

describe("a scenario with any parameters the ICD allows", () => {
  const sets = validChainParameters();

  it.each([...MACLT.keys()])(
    "MACLT %i, all sizes and functions: root, keys, MACSEQ and tags verify by the receiver's own code",
    (maclt) => {
      const fitting = sets.filter((set) => set.maclt === maclt);
      expect(fitting.length).toBeGreaterThan(0);
      for (const parameters of fitting) verifyAll(parameters);
    },
  );

  function verifyAll(parameters: ChainParameters): void {
    const scenario = parametrisedScenario({ seed: "any", parameters, subframes: 2, satellites: [3, 4] });
    const simulation = new Simulation(scenario.options);
    const { startGst } = simulation;
    const { nmaHeader, dsm } = simulation.schedule.at(startGst);
    const kroot = parseDsmKroot(dsm, "P-256")!;
    const key = importPublicKey("P-256", scenario.authority.key(1).npk)!;
    expect(verifyDsmKroot(kroot, nmaHeader, key)).toBe(true);
    expect(verifyDsmKroot(kroot, nmaHeader ^ 0x10, key)).toBe(false);
    const chain = kroot.parameters!;
    expect(chain).toMatchObject(parameters);
    const anchor = kroot.gst0 - 30;
    expect(walkBack(chain, scenario.chain.keyAt(startGst + 60), startGst + 60, anchor, 500)).toEqual(
      kroot.kroot,
    );

    const layout = mackLayoutOf(chain);
    expect(layout.usable).toBe(true);
    for (const gst of [startGst, startGst + 30]) {
      for (const prnA of simulation.satellites) {
        const { mack } = simulation.osnmaSubframe(prnA, gst);
        const own = new Uint8Array(parameters.keyBits / 8);
        copyBits(mack, layout.keyStartBit, own, 0, parameters.keyBits);
        expect(own).toEqual(scenario.chain.keyAt(gst));
        const flexible: number[] = [];
        macLookup(parameters.maclt, messageIndexOf(gst))!.forEach((planned, slot) => {
          const info = slot === 0 ? (prnA << 8) | cop0Of(mack, layout) : tagInfoOf(mack, layout, slot);
          if (planned.flexible) flexible.push(info);
          else expect(adkdOfInfo(info)).toBe(planned.adkd);
          const prnD = prnDOfInfo(info);
          const adkd = adkdOfInfo(info);
          expect(copOfInfo(info)).toBeGreaterThan(0);
          const word = (type: number, at: number): Uint8Array =>
            simulation.navigation.word(prnD, type, at, at);
          const before = gst - 30;
          const bits =
            adkd === 4
              ? timingNavBits(word(6, before), word(10, before % 60 === 30 ? before : before - 30))
              : cedNavBits(
                  word(1, before),
                  word(2, before),
                  word(3, before),
                  word(4, before),
                  word(5, before),
                );
          const message = new Uint8Array(80);
          const length = buildTagMessage(
            message,
            slot === 0 ? null : prnD,
            prnA,
            gst,
            slot + 1,
            2,
            bits,
            adkd === 4 ? 141 : 549,
          );
          const mac = createMac(chain, scenario.chain.keyAt(keyGstOf(adkd, gst))).digest(message, length);
          expect(bitsEqual(mack, tagStartBit(layout, slot), mac, 0, parameters.tagBits)).toBe(true);
        });
        const message = new Uint8Array(40);
        const length = buildMacseqMessage(message, prnA, gst, flexible);
        const mac = createMac(chain, scenario.chain.keyAt(gst + 30)).digest(message, length);
        expect(macseqOf(mack, layout)).toBe((mac[0] << 4) | (mac[1] >> 4));
      }
    }
  }
});

describe("COP", () => {
  const change = gstOf(1400, 141_060);
  const { options } = parametrisedScenario({ seed: "cop", startGst: change - 60, subframes: 4 });

  it("is 15 over old data, 1 in the subframe after a new batch, and counts up from there", () => {
    const simulation = new Simulation(options);
    const cops = [0, 30, 60, 90, 13 * 30, 14 * 30, 15 * 30].map(
      (s) => simulation.coveredData(3, 0, change + s).cop,
    );
    expect(cops).toEqual([15, 1, 2, 3, 13, 14, 15]);
  });

  it("is 15 over timing data that goes on unchanged, and 1 where the reference day changes", () => {
    const simulation = new Simulation(options);
    expect(simulation.coveredData(3, 4, change).cop).toBe(15);
    const midnight = gstOf(1400, 2 * 86_400);
    expect(simulation.coveredData(3, 4, midnight + 30).cop).toBe(1);
  });

  it("is 0 over zeros for a dummy, and begins again at 1 after it", () => {
    const events = [{ svid: 3, fromGst: change + 120, untilGst: change + 180, dummyTags: true }];
    const simulation = new Simulation({ ...options, events });
    const dummy = simulation.coveredData(3, 0, change + 150);
    expect(dummy.cop).toBe(0);
    expect(dummy.bits.every((byte) => byte === 0)).toBe(true);
    expect([90, 180, 210].map((s) => simulation.coveredData(3, 0, change + s).cop)).toEqual([3, 1, 2]);
  });
});

describe("HKROOT", () => {
  const authority = new TestAuthority("schedule", { curves: { 9: "P-521" } });
  const sign = (pkid: number): { authority: TestAuthority; pkid: number } => ({ authority, pkid });
  const hour = gstOf(1400, 40 * 3600);
  const chain = (cid: number, startGst: number): TeslaChain =>
    new TeslaChain({ seed: "schedule", cid, startGst, endGst: hour + 3 * 3600 });

  /** Header, DSM type, PKID or NPKID and root hour whenever they change. */
  function broadcast(phases: readonly Phase[], from: number, until: number): string[] {
    const schedule = new DsmSchedule(phases, from, until);
    const seen: string[] = [];
    for (let gst = from; gst < until; gst += 30) {
      const { nmaHeader, dsmId, dsm } = schedule.at(gst);
      const what =
        dsmId < 12
          ? `KROOT ${dsm[0] & 15}/${dsm[1] >> 6}/${dsm[6]}`
          : `PKR ${dsm[129] >> 4}/${dsm[129] & 15}/${dsm.length / 13}`;
      const line = `${nmaHeader.toString(16)} ${what}`;
      if (seen[seen.length - 1]?.endsWith(line) !== true) seen.push(`${(gst - hour).toString()} ${line}`);
    }
    return seen;
  }

  it("spreads the blocks so that eight satellites in a row give a P-256 root in one subframe", () => {
    const phases = [nominalPhase(hour, chain(1, hour), sign(2))];
    const schedule = new DsmSchedule(phases, hour, hour + 60);
    const blocks = (gst: number): number[] =>
      Array.from({ length: 8 }, (_, i) => schedule.hkroot(i + 1, gst)[1] & 15);
    expect(new Set(blocks(hour)).size).toBe(8);
    expect(blocks(hour + 30)[0]).toBe((blocks(hour)[0] + 1) % 8);
    const dsm = schedule.at(hour).dsm;
    for (let svid = 1; svid <= 8; svid++) {
      const hkroot = schedule.hkroot(svid, hour);
      expect(hkroot.subarray(2)).toEqual(dsm.subarray((hkroot[1] & 15) * 13, ((hkroot[1] & 15) + 1) * 13));
    }
  });

  it("nominal: the root floats every hour under a new DSM ID", () => {
    const phases = [nominalPhase(hour, chain(1, hour), sign(2))];
    expect(broadcast(phases, hour, hour + 7200)).toEqual(["0 92 KROOT 2/1/40", "3600 92 KROOT 2/1/41"]);
    const schedule = new DsmSchedule(phases, hour, hour + 7200);
    expect(schedule.at(hour + 3600).dsmId).toBe(schedule.at(hour).dsmId + 1);
  });

  it("nominal after 06 h: three bursts of 13 subframes DSM-PKR with 8 of DSM-KROOT between, then roots only", () => {
    const window = gstOf(1400, 42 * 3600);
    const phases = [nominalPhase(window - 60, chain(1, hour), sign(2))];
    const lines = broadcast(phases, window - 60, window + 3600).map((line) => {
      const [at, ...rest] = line.split(" ");
      return `${Number(at) - 7200} ${rest.join(" ")}`;
    });
    expect(lines).toEqual([
      "-60 92 KROOT 2/1/41",
      "0 92 PKR 1/2/13",
      "390 92 KROOT 2/1/42",
      "630 92 PKR 1/2/13",
      "1020 92 KROOT 2/1/42",
      "1260 92 PKR 1/2/13",
      "1650 92 KROOT 2/1/42",
    ]);
  });

  it("end of chain: both roots alternate, the new chain's header comes with its GST0", () => {
    const [old, next] = [chain(3, hour), chain(0, hour + 3600)];
    const lines = broadcast(eocPhases(hour + 2700, old, next, sign(7)), hour + 2700, hour + 3660);
    expect(lines).toEqual([
      "2700 b4 KROOT 7/3/40",
      "2940 b4 KROOT 7/0/41",
      "3180 b4 KROOT 7/3/40",
      "3420 b4 KROOT 7/0/41",
      "3600 82 KROOT 7/0/41",
    ]);
  });

  it("chain revocation: the new root alone under Don't Use, then under CREV, then nominal", () => {
    const [old, next] = [chain(0, hour), chain(1, hour + 3600)];
    const phases = [
      nominalPhase(hour, old, sign(7)),
      ...crevPhases(hour + 1800, old, next, hour + 7200, sign(7)),
    ];
    expect(broadcast(phases, hour, hour + 7230)).toEqual([
      "0 82 KROOT 7/0/40",
      "1800 c6 KROOT 7/1/41",
      "3600 96 KROOT 7/1/41",
      "7200 92 PKR 1/7/13",
    ]);
  });

  it("new public key: announced, then signing, under one header", () => {
    const only = chain(1, hour);
    const phases = [
      nominalPhase(hour, only, sign(7)),
      ...npkPhases(hour + 1800, hour + 2430, hour + 3060, only, sign(7), sign(8)),
    ];
    expect(broadcast(phases, hour, hour + 3090)).toEqual([
      "0 92 KROOT 7/1/40",
      "1800 98 PKR 1/8/13",
      "2190 98 KROOT 7/1/40",
      "2430 98 KROOT 8/1/40",
      "2670 98 PKR 1/8/13",
      "3060 92 KROOT 8/1/40",
    ]);
  });

  it("public key revoked: P-521 key of 16 blocks and its root, same contents under both headers", () => {
    const [old, next] = [chain(1, hour), chain(2, hour + 3600)];
    const phases = [
      nominalPhase(hour, old, sign(8)),
      ...pkrevPhases(hour + 2730, old, next, hour + 4470, sign(9)),
    ];
    expect(broadcast(phases, hour, hour + 4500)).toEqual([
      "0 92 KROOT 8/1/40",
      "2730 da PKR 3/9/16",
      "3210 da KROOT 9/2/41",
      "3600 aa KROOT 9/2/41",
      "3990 aa PKR 3/9/16",
      "4470 a2 KROOT 9/2/41",
    ]);
  });

  it("new Merkle tree: from PKID 9 down to PKID 1 of the new tree", () => {
    const next = { authority: new TestAuthority("new tree"), pkid: 1 };
    const only = chain(2, hour);
    const phases = nmtPhases(hour, hour + 870, hour + 1500, only, sign(9), next);
    expect(broadcast(phases, hour, hour + 1530)).toEqual([
      "0 ac PKR 1/1/13",
      "390 ac KROOT 9/2/40",
      "780 ac PKR 1/1/13",
      "870 ac KROOT 1/2/40",
      "1110 ac PKR 1/1/13",
      "1500 a2 KROOT 1/2/40",
    ]);
  });

  it("alert: NPKT 4, NPKID 0, under Don't Use", () => {
    const phases = [alertPhase(hour, chain(2, hour), sign(1))];
    expect(broadcast(phases, hour, hour + 420)).toEqual(["0 ee PKR 4/0/13", "390 ee KROOT 1/2/40"]);
  });
});

describe("pages", () => {
  it("are 15 a subframe and satellite, in order of time, the E1-B ones at odd seconds", () => {
    const { options } = parametrisedScenario({ seed: "pages", subframes: 2, satellites: [3, 9] });
    const pages = [...simulatePages({ ...options, e5b: true })];
    expect(pages).toHaveLength(2 * 15 * 2 * 2);
    for (const [i, page] of pages.entries()) {
      expect(page.gst).toBeGreaterThanOrEqual(pages[Math.max(0, i - 1)].gst);
      expect(page.gst % 2).toBe(page.band === "E1-B" ? 1 : 0);
    }
  });

  it("of a satellite without OSNMA have it all zero; dummy pages are filler", () => {
    const { options } = parametrisedScenario({ seed: "pages", subframes: 1, satellites: [3, 9] });
    const events = [
      { svid: 3, osnma: false },
      { svid: 9, dummyPages: true },
    ];
    for (const page of simulatePages({ ...options, events })) {
      const osnma = Array.from(
        { length: 40 },
        (_, i) => (page.odd[(18 + i) >> 3] >> (7 - ((18 + i) & 7))) & 1,
      );
      if (page.svid === 3) expect(osnma.includes(1)).toBe(false);
      else expect([page.wordType, osnma.includes(1)]).toEqual([63, true]);
    }
  });

  it("get lost at the given rate, the same ones each time", () => {
    const { options } = parametrisedScenario({ seed: "pages", subframes: 20, satellites: [3, 9] });
    const count = [...simulatePages({ ...options, pageLoss: 0.2 })].length;
    expect(count).toBeGreaterThan(600 * 0.72);
    expect(count).toBeLessThan(600 * 0.88);
    expect([...simulatePages({ ...options, pageLoss: 0.2 })]).toHaveLength(count);
  });
});
