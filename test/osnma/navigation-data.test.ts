/** Which words a tag speaks for: windows of COP, reused IODs, outages, word 5 without notice, tag lengths. */
import { describe, expect, it } from "vitest";
import { SUBFRAME_SECONDS } from "../../src/inav/gst.js";
import { buildMack } from "../../src/simulate/mack.js";
import {
  flipBit,
  parametrisedScenario,
  Simulation,
  type SimulationOptions,
} from "../../src/simulate/scenario.js";
import { namesOf, runEngine, timedPages, total, trustOf, Truth } from "../support/osnma.js";

const SATELLITES = [2, 7, 11, 20];
const scenario = parametrisedScenario({ seed: "navigation data", subframes: 260, satellites: SATELLITES });
const at = (subframes: number, more: Partial<SimulationOptions> = {}): Simulation =>
  new Simulation({ ...scenario.options, subframes, ...more });
const short = at(10);
const start = short.startGst;
const hot = { ...trustOf(scenario.authority, [1]), rootKey: short.schedule.at(start) };

describe("the minimum equivalent tag length", () => {
  it("of 80 bits takes two tags of 40", () => {
    const one = runEngine(timedPages(short), hot);
    const two = runEngine(timedPages(short), { ...hot, minimumTagBits: 80 });
    expect(two.engine.verified).toEqual(one.engine.verified);
    expect(one.authenticated.every(({ evidence }) => evidence.tagBits >= 40)).toBe(true);
    expect(one.authenticated.some(({ evidence }) => evidence.tags.length === 1)).toBe(true);
    expect(two.authenticated.length).toBeGreaterThan(0);
    for (const { evidence } of two.authenticated) {
      expect(evidence.tagBits).toBeGreaterThanOrEqual(80);
      expect(evidence.tags.length).toBeGreaterThanOrEqual(2);
    }
    expect(two.engine.firstFixAt!).toBeGreaterThanOrEqual(one.engine.firstFixAt!);
  });

  it("a failing tag starts the count again", () => {
    // Only Tag0 of E2 speaks for E2; it is good and bad in turn.
    const lone = at(9, {
      satellites: [2],
      tamperOsnma: (subframe) =>
        (subframe.gst / SUBFRAME_SECONDS) % 2 === 0
          ? subframe
          : { ...subframe, mack: flipBit(subframe.mack, 3) },
    });
    const own = (minimumTagBits: number): number =>
      runEngine(timedPages(lone), { ...hot, minimumTagBits }).authenticated.filter(
        ({ data, byAdkd }) => data === "ced" && byAdkd === 0,
      ).length;
    expect(own(40)).toBeGreaterThan(0);
    expect(own(80)).toBe(0);
  });

  it.each([0, -1, Number.NaN, 1e9])("of %d is refused", (minimumTagBits) => {
    expect(() => runEngine([], { ...hot, minimumTagBits })).toThrow(RangeError);
  });
});

describe("outages", () => {
  it("two hours without a page, the same chain: it goes on, no failure, no old data in force", () => {
    const long = at(256);
    const gapEnd = start + 246 * SUBFRAME_SECONDS;
    const first = timedPages(short);
    const after = [];
    // Only the ends are made: what lies between is never sent.
    const late = new Simulation({ ...scenario.options, startGst: gapEnd, subframes: 10 });
    after.push(...timedPages(late));
    const { engine, authenticated, events } = runEngine([...first, ...after], hot);
    expect(total(engine.failed)).toBe(0);
    expect(namesOf(events)).not.toContain("key-failed");
    expect(engine.keysVerified).toBeGreaterThan(15);
    expect(authenticated.filter((record) => record.at > gapEnd).length).toBeGreaterThan(5);
    expect(new Truth(long).forgeries(authenticated)).toEqual([]);
    for (const svid of SATELLITES)
      expect(engine.ced(svid)?.value.iodNav).toBe(late.navigation.iodNav(svid, late.endGst - 60));
  });

  it("in a cold start's buffer: keys on both sides verify once the root is there", () => {
    const pages = timedPages(at(24)).filter(({ gst }) => gst < start + 60 || gst >= start + 400);
    // Until the gap is over no root is heard.
    const rootless = pages.map(({ page, gst }) => ({
      gst,
      page: gst < start + 500 && (gst - 1) % 30 !== 0 ? { ...page, hkroot: 0xff } : page,
    }));
    const { engine, events } = runEngine(rootless, trustOf(scenario.authority, [1]));
    expect(total(engine.failed)).toBe(0);
    expect(namesOf(events)).not.toContain("key-failed");
    expect(engine.keysVerified).toBeGreaterThan(10);
  });

  it.each([30, 90, 300, 480])("%d s without a page: no failure", (gap) => {
    const pages = timedPages(at(26)).filter(({ gst }) => gst < start + 100 || gst >= start + 100 + gap);
    const { engine, authenticated } = runEngine(pages, hot);
    expect(total(engine.failed)).toBe(0);
    expect(new Truth(at(26)).forgeries(authenticated)).toEqual([]);
  });
});

describe("an IODnav used again with other data", () => {
  it("after a gap: the old words are never mixed with the new", () => {
    // A day of 144 batches on, IODnav modulo 128 is back; here the words of another model stand in for it.
    const other = parametrisedScenario({ seed: "other data", subframes: 10, satellites: SATELLITES });
    const gap = 20 * SUBFRAME_SECONDS;
    const later = new Simulation({ ...scenario.options, startGst: start + gap, subframes: 12 });
    const iod = (svid: number): number => later.navigation.iodNav(svid, start + gap);
    const foreign = new Simulation(other.options);
    const before = timedPages(foreign).map(({ page, gst }) => {
      if (page.wordType < 1 || page.wordType > 4) return { page, gst };
      const word = page.word.slice();
      word[0] = (word[0] & 0xfc) | (iod(page.svid) >> 8);
      word[1] = iod(page.svid) & 0xff;
      return { gst, page: { ...page, word, hasOsnma: false } };
    });
    const { engine, authenticated } = runEngine([...before, ...timedPages(later)], hot);
    const truth = new Truth(later);
    expect(truth.forgeries(authenticated.filter(({ at: when }) => when > start + gap))).toEqual([]);
    expect(total(engine.failed)).toBe(0);
    for (const svid of SATELLITES) expect(engine.ced(svid)).not.toBeNull();
  });

  it.each([1, 2, 3, 4])("at once, with another word %d and the rest unchanged: both are whole", (type) => {
    const change = start + 150;
    const simulation = at(12);
    const { navigation } = simulation;
    const honest = navigation.word.bind(navigation);
    // In the signed words themselves; of words 17-20 none, which would be of both.
    navigation.word = (svid, of, subframeGst, pageGst) => {
      const word = honest(svid, of, subframeGst, pageGst);
      return svid === 7 && of === type && subframeGst >= change ? flipBit(word, 60) : word;
    };
    const pages = timedPages(simulation).filter(({ page }) => page.svid !== 7 || page.wordType < 17);
    const run = runEngine(pages, hot);
    expect(total(run.engine.failed)).toBe(0);
    expect(run.engine.word5Anomalies).toBe(0);
    const sets = run.authenticated.filter(({ svid, data }) => svid === 7 && data === "ced");
    const contents = new Set(sets.map(({ words }) => words[String(type)]));
    expect(contents.size).toBe(2);
    // Every tag of the time after the change verifies as well.
    const of7 = run.tags.filter(({ prnD, tag }) => prnD === 7 && tag.adkd === 0);
    const after = of7.filter(({ tag }) => tag.wn * 604_800 + tag.tow >= change);
    expect(after.length).toBeGreaterThan(10);
    expect(after.filter(({ outcome }) => outcome !== "verified")).toEqual([]);
    expect(new Truth(simulation).forgeries(run.authenticated)).toEqual([]);
  });

  it("a word that somebody else slips in once costs none of the tags, and is no change of word 5", () => {
    const simulation = at(10);
    const slipped = timedPages(simulation).flatMap((timed) => {
      const { page, gst } = timed;
      if (page.svid !== 7 || page.wordType !== 1 || gst < start + 90 || gst > start + 180) return [timed];
      const forged = { ...page, word: flipBit(page.word, 60), hasOsnma: false };
      return [timed, { page: forged, gst }];
    });
    const run = runEngine(slipped, hot);
    const clean = runEngine(timedPages(simulation), hot);
    expect(run.engine.verified).toEqual(clean.engine.verified);
    expect(total(run.engine.failed)).toBe(0);
    expect(run.engine.word5Anomalies).toBe(0);
    expect(new Truth(simulation).forgeries(run.authenticated)).toEqual([]);
  });
});

describe("a word 5 that changes without notice by COP", () => {
  // E7's data validity status changes in one subframe; the tags of the next one still speak for the former word.
  const change = start + 150;
  const events = [{ svid: 7, fromGst: change, e1bDvs: 1, e5bDvs: 1 }];
  const plain = new Simulation({ ...scenario.options, subframes: 10 });
  const lagging = new Simulation({
    ...scenario.options,
    subframes: 10,
    events,
    tamperOsnma: (subframe) => {
      const { svid, gst } = subframe;
      if (gst !== change + SUBFRAME_SECONDS) return subframe;
      const mack = buildMack(svid, gst, {
        nmas: 2,
        chainAt: () => scenario.chain,
        data: (prnD, adkd, when) => plain.coveredData(prnD, adkd, when),
        // As the scenario chooses; any satellites do.
        cross: (prnA) => (prnA === 7 ? 2 : 7),
        flexible: (prnA) => ({ prnD: prnA === 7 ? 2 : 7, adkd: 0 }),
      });
      return { ...subframe, mack };
    },
  });

  it("tags of the former word verify, nothing fails, the new word waits for tags of its own", () => {
    const run = runEngine(timedPages(lagging), hot);
    expect(total(run.engine.failed)).toBe(0);
    expect(run.engine.word5Anomalies).toBeGreaterThan(0);
    expect(namesOf(run.events)).toContain("word5-anomaly");
    const marginal = run.authenticated.filter(({ svid, health }) => svid === 7 && health === "marginal");
    expect(marginal.length).toBeGreaterThan(0);
    // The first tags that cover it are sent a subframe later than an honest COP would have it.
    for (const { evidence } of marginal) {
      for (const tag of evidence.tags)
        expect(tag.wn * 604_800 + tag.tow).toBeGreaterThan(change + SUBFRAME_SECONDS);
    }
    expect(new Truth(lagging).forgeries(run.authenticated)).toEqual([]);
  });

  it("announced by COP it is no anomaly", () => {
    const run = runEngine(timedPages(new Simulation({ ...scenario.options, subframes: 10, events })), hot);
    expect(run.engine.word5Anomalies).toBe(0);
    expect(total(run.engine.failed)).toBe(0);
    expect(run.engine.satelliteStatus(7)?.health).toBe("marginal");
  });
});
