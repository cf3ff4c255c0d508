/** A clock of one's own that changes: bounds that grow, gaps, steps, restarts. What it said as a page came decides. */
import { describe, expect, it } from "vitest";
import type { DataRule } from "../../src/pipeline/records.js";
import { parametrisedScenario, Simulation } from "../../src/simulate/scenario.js";
import {
  clockOff,
  namesOf,
  runEngine,
  timedPages,
  total,
  trustOf,
  Truth,
  type ClockModel,
  type Run,
  type TimedPage,
} from "../support/osnma.js";

const SATELLITES = [2, 7, 11, 20];
const scenario = parametrisedScenario({ seed: "live clock", subframes: 40, satellites: SATELLITES });
const simulation = new Simulation(scenario.options);
const pages = timedPages(simulation);
const truth = new Truth(simulation);
const { startGst } = simulation;
const hot = { ...trustOf(scenario.authority, [1]), rootKey: simulation.schedule.at(startGst) };
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

/** The first bit of a key comes in the odd half of page 10 of its subframe. */
const FIRST_KEY_BIT_SECONDS = 22;

const bounded =
  (boundAt: (sinceStart: number) => number | null): ClockModel =>
  (end) => {
    const boundSeconds = boundAt(end - startGst);
    return boundSeconds === null ? null : { gst: end, boundSeconds, assurance: "independent" };
  };

/** Records with a word that may have come, by the clock of its own moment, when the key of the tag was out. */
function tooLate({ authenticated }: Run, clock: ClockModel, pages: readonly TimedPage[]): string[] {
  const found: string[] = [];
  for (const { svid, words, evidence } of authenticated) {
    const disclosed = Math.max(
      ...evidence.tags.map(
        ({ wn, tow, adkd }) => wn * 604_800 + tow + (adkd === 12 ? 330 : 30) + FIRST_KEY_BIT_SECONDS,
      ),
    );
    for (const [type, bits] of Object.entries(words)) {
      const inTime = pages.some(({ page, gst }) => {
        const trusted = clock(gst + 2);
        // Words 5, 6 and 10 have bits that no tag covers; their first bytes are signed.
        const same = hex(page.word).slice(0, 18) === bits.slice(0, 18);
        if (page.svid !== svid || page.wordType !== Number(type) || !(same || Number(type) === 10))
          return false;
        return trusted !== null && trusted.gst + trusted.boundSeconds <= disclosed;
      });
      if (!inTime) found.push(`word ${type} of E${svid} for a key of ${disclosed}`);
    }
  }
  return found;
}

describe("the bound that a word came with is the word's", () => {
  /** E7 and E11 rise `since` seconds after the start: others' tags over them wait for their words. */
  const rising = (since: number) =>
    pages.filter(({ page: { svid }, gst }) => (svid !== 7 && svid !== 11) || gst >= startGst + since);

  it.each(["guideline", "aggressive"] satisfies DataRule[])("%s", (rule) => {
    let count = 0;
    let less = 0;
    for (const wide of [14.5, 60]) {
      // The subframe of 120 s has its key at 179 s, when the clock is good again.
      for (let since = 124; since <= 172; since += 6) {
        const clock = bounded((at) => (at > 60 && at < 176 ? wide : 0.5));
        const run = runEngine(rising(since), { ...hot, rule }, clock);
        expect(tooLate(run, clock, rising(since)), `${wide} ${since}`).toEqual([]);
        expect(truth.forgeries(run.authenticated)).toEqual([]);
        expect(total(run.engine.failed)).toBe(0);
        count += run.authenticated.length;
        if (wide > 15) continue;
        const good = runEngine(rising(since), { ...hot, rule }, clockOff(0, 0.5));
        if (total(run.engine.authenticatedTags) < total(good.engine.authenticatedTags)) less++;
      }
    }
    expect(count).toBeGreaterThan(100);
    // Words of the page with the last Tag-Info come long before the key: the guideline loses nothing by 14.5 s.
    expect(less > 0).toBe(rule === "aggressive");
  });
});

describe("a clock that changes", () => {
  it("in holdover: every tag, then slow ones only, then none", () => {
    const clock = bounded((since) => (since < 200 ? since / 8 : since / 5));
    const { engine, events, authenticated } = runEngine(pages, hot, clock);
    const reasons = events.filter(({ name }) => name.startsWith("time-condition")).map((e) => e["reason"]);
    expect(reasons).toEqual(["bound-too-wide"]);
    const fast = authenticated.filter(({ byAdkd }) => byAdkd !== 12);
    expect(fast.length).toBeGreaterThan(0);
    // 15 s of bound after 120 s.
    for (const { evidence } of fast)
      expect(evidence.tags[0].wn * 604_800 + evidence.tags[0].tow).toBeLessThan(startGst + 120);
    expect(engine.verified[12]).toBeGreaterThan(0);
    expect(total(engine.failed)).toBe(0);
    expect(truth.forgeries(authenticated)).toEqual([]);
    expect(engine.gatedPages).toBe(pages.filter(({ gst }) => (gst + 2 - startGst) / 5 >= 165).length);
  });

  it("gone for a while: nothing of that time counts, and it goes on afterwards", () => {
    const [from, to] = [300, 480];
    const clock = bounded((since) => (since >= from && since < to ? null : 0.5));
    const { engine, authenticated, tags, events } = runEngine(pages, hot, clock);
    const inGap = ({ tag }: (typeof tags)[number]): boolean => {
      const gst = tag.wn * 604_800 + tag.tow - startGst;
      return gst >= from && gst + 30 <= to;
    };
    expect(tags.filter(inGap)).toEqual([]);
    expect(authenticated.some(({ at }) => at > startGst + to)).toBe(true);
    expect(total(engine.failed)).toBe(0);
    expect(namesOf(events).filter((name) => name.startsWith("time-condition"))).toEqual([
      "time-condition",
      "time-condition-met",
    ]);
  });

  it.each([40, -40, 3600])("stepping by %d s for a minute: refused that long, no more", (step) => {
    const clock: ClockModel = (end) => ({
      gst: end + (end - startGst >= 300 && end - startGst < 360 ? step : 0),
      boundSeconds: 0.5,
      assurance: "independent",
    });
    const { engine, authenticated } = runEngine(pages, hot, clock);
    expect(engine.gatedPages).toBe(30 * SATELLITES.length);
    expect(authenticated.every(({ at }) => at < startGst + 300 || at >= startGst + 360)).toBe(true);
    expect(authenticated.some(({ at }) => at > startGst + 400)).toBe(true);
    expect(engine.stalePages).toBe(0);
    expect(total(engine.failed)).toBe(0);
  });

  it.each([91, 300, 447])(
    "a restart %d s into the stream goes on from the state, without a root key on air",
    (at) => {
      const middle = startGst + at;
      const before = runEngine(
        pages.filter(({ gst }) => gst < middle),
        hot,
        clockOff(0.2),
      );
      const snapshot = JSON.parse(JSON.stringify(before.engine.snapshot())) as ReturnType<
        typeof before.engine.snapshot
      >;
      const { roots, keys } = trustOf(scenario.authority, [1]);
      const after = runEngine(
        pages.filter(({ gst }) => gst >= middle),
        { roots, keys, snapshot },
        clockOff(0.2),
      );
      expect(after.engine.firstFixAt! - middle).toBeLessThan(110);
      expect(total(after.engine.failed)).toBe(0);
      expect(truth.forgeries(after.authenticated)).toEqual([]);
    },
  );
});
