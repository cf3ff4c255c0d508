/** A first DSM-KROOT without its padding and without every DSM header: earlier, and never anything but the signed one. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { completeDsmKroot, parseDsmKroot } from "../../src/osnma/dsm-kroot.js";
import { HkrootReception } from "../../src/osnma/dsm-store.js";
import { KrootInference } from "../../src/osnma/kroot-inference.js";
import { parametrisedScenario, Simulation } from "../../src/simulate/scenario.js";
import { seededBytes, seededFraction } from "../../src/simulate/seeded.js";
import { namesOf, runEngine, timedPages, total, trustOf, Truth, type TimedPage } from "../support/osnma.js";

const SATELLITES = [1, 2, 4, 7, 9, 11, 13, 14, 16];
const scenario = parametrisedScenario({ seed: "inference", subframes: 12, satellites: SATELLITES });
const simulation = new Simulation(scenario.options);
const pages = timedPages(simulation);
const truth = new Truth(simulation);
const { startGst } = simulation;
const warm = trustOf(scenario.authority, [1]);
const { dsm, nmaHeader } = simulation.schedule.at(startGst);

/** When the chain was installed, seconds after the first page; Infinity where it never was. */
function installedAfter(run: ReturnType<typeof runEngine>): number {
  const event = run.events.find(({ name }) => name === "chain-installed");
  return event?.at == null ? Number.POSITIVE_INFINITY : event.at - run.startGst;
}

describe("the padding of a DSM-KROOT", () => {
  const kroot = parseDsmKroot(dsm, "P-256")!;
  const paddingFrom = dsm.length - kroot.padding.length;

  it("follows from the rest", () => {
    const known = Array.from(dsm, (_, i) => i < paddingFrom);
    const bytes = dsm.map((byte, i) => (i < paddingFrom ? byte : 0xa5));
    expect(kroot.padding.length).toBeGreaterThan(4);
    expect(completeDsmKroot(bytes, known, nmaHeader, "P-256")).toEqual(dsm);
    expect(completeDsmKroot(bytes, known, nmaHeader, "P-521")).toBeNull();
  });

  it("no other byte may be missing, and no length may be wrong", () => {
    for (let missing = 0; missing < paddingFrom; missing++) {
      const known = Array.from(dsm, (_, i) => i !== missing);
      expect(completeDsmKroot(dsm, known, nmaHeader, "P-256")).toBeNull();
    }
    const all = Array.from(dsm, () => true);
    expect(completeDsmKroot(dsm.subarray(0, 91), all, nmaHeader, "P-256")).toBeNull();
    expect(completeDsmKroot(new Uint8Array(104), all, nmaHeader, "P-256")).toBeNull();
  });
});

describe("a warm start", () => {
  it("at any second needs no more than a subframe and the next DSM headers, with nine satellites", () => {
    const times: number[] = [];
    for (let start = startGst + 1; start < startGst + 31; start += 2) {
      const run = runEngine(
        pages.filter(({ gst }) => gst >= start),
        warm,
      );
      times.push(installedAfter(run));
      expect(truth.forgeries(run.authenticated)).toEqual([]);
      expect(total(run.engine.failed)).toBe(0);
      // One DSM-KROOT, verified once; on air again it renews.
      expect(run.engine.rootKeysVerified).toBe(1);
    }
    // Eight blocks of a whole subframe without padding: it takes its 15 pages. Later starts take what is left of
    // the next subframe up to the page that they missed, and 5 s for its DSM header at least.
    expect(times[0]).toBe(30);
    expect(Math.max(...times)).toBeLessThanOrEqual(36);
  });

  it("with pages lost at random: never later than by whole messages, always the signed one", () => {
    let earlier = 0;
    for (let seed = 0; seed < 12; seed++) {
      const received = pages.filter((_, i) => seededFraction("inference loss", `${seed} ${i}`) > 0.4);
      const run = runEngine(received, warm);
      // Without the order of blocks and the padding: DSM ids that the inference knows nothing of.
      const whole = runEngine(
        received.map(({ page, gst }) => ({ page: { ...page, svid: scrambled(page.svid, gst) }, gst })),
        warm,
      );
      expect(run.engine.rootKeysVerified).toBeGreaterThan(0);
      expect(installedAfter(run)).toBeLessThanOrEqual(installedAfter(whole));
      if (installedAfter(run) < installedAfter(whole)) earlier++;
      expect(truth.forgeries(run.authenticated)).toEqual([]);
    }
    expect(earlier).toBeGreaterThan(0);
  });

  /** SVIDs that change places every subframe: then no order of blocks holds. */
  function scrambled(svid: number, gst: number): number {
    const shift = Math.floor((gst - 1) / 30) * 5;
    return SATELLITES[(SATELLITES.indexOf(svid) + shift) % SATELLITES.length];
  }

  it("a wrong bit anywhere in what is signed gives nothing", () => {
    for (let i = 1; i < 93; i += 7) {
      const forged = pages.map(({ page, gst }): TimedPage => {
        const block = (page.svid + Math.floor((gst - 1) / 30)) % 8;
        const index = ((gst - 1) % 30) / 2 - 2;
        return block * 13 + index === i ? { page: { ...page, hkroot: page.hkroot ^ 1 }, gst } : { page, gst };
      });
      const { engine, authenticated, events } = runEngine(forged, warm);
      expect(engine.rootKeysVerified, `byte ${i}`).toBe(0);
      expect(authenticated).toEqual([]);
      expect(namesOf(events)).not.toContain("chain-installed");
    }
  });

  it("three hostile satellites that send noise do not keep it from the honest ones' message", () => {
    const noisy = pages.map(({ page, gst }): TimedPage => {
      const hostile = [2, 9, 14].includes(page.svid) && (gst - 1) % 30 !== 0;
      const [noise] = seededBytes("inference noise", `${page.svid} ${gst}`, 1);
      return hostile ? { page: { ...page, hkroot: noise }, gst } : { page, gst };
    });
    const { engine, authenticated } = runEngine(noisy, warm);
    expect(engine.rootKeysVerified).toBeGreaterThan(0);
    expect(truth.forgeries(authenticated)).toEqual([]);
    expect(authenticated.length).toBeGreaterThan(0);
  });
});

describe("whatever is sent", () => {
  it("hands out four messages a subframe at most, never one twice, and never throws", () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.integer({ min: 1, max: 36 }), fc.nat(3), fc.nat(255)), { maxLength: 300 }),
        (sent) => {
          const inference = new KrootInference();
          const seen = new Set<string>();
          const receptions = new Map<string, HkrootReception>();
          for (const [svid, n, byte] of sent) {
            const gst = 1_000_000_020 + n * 30;
            const name = `${svid} ${n}`;
            const reception = receptions.get(name) ?? new HkrootReception();
            receptions.set(name, reception);
            const page = Math.min(14, reception.pages.toString(2).length);
            reception.bytes[page] = byte;
            reception.pages |= 1 << page;
            inference.push(svid, gst, reception, page);
            const found = inference.message();
            if (found === null) continue;
            const text = Buffer.from(found.bytes).toString("hex");
            if (!inference.mayTry(gst, found.bytes)) continue;
            expect(seen.has(text)).toBe(false);
            seen.add(text);
          }
          expect(seen.size).toBeLessThanOrEqual(sent.length);
        },
      ),
      { seed: 7, numRuns: 200 },
    );
    const inference = new KrootInference();
    const tried = Array.from({ length: 40 }, (_, i) => inference.mayTry(30, Uint8Array.of(i)));
    expect(tried.filter(Boolean)).toHaveLength(4);
    expect(inference.mayTry(60, Uint8Array.of(0))).toBe(false);
    expect(inference.mayTry(60, Uint8Array.of(9))).toBe(true);
  });
});
