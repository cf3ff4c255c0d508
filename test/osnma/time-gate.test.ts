/** The time condition, by itself (OSNMA Receiver Guidelines, T_L = 30 s) and through the engine. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { timeGate, type TrustedTime } from "../../src/osnma/time-gate.js";
import { alertPhase, parametrisedScenario, Simulation } from "../../src/simulate/scenario.js";
import { clockOff, namesOf, runEngine, timedPages, total, trustOf } from "../support/osnma.js";

const END = 1_000_000;
const gate = (offset: number, boundSeconds: number) =>
  timeGate(END, { gst: END + offset, boundSeconds, assurance: "independent" });

describe("the time condition", () => {
  it.each([
    // offset of the clock against the signal, bound, what is allowed, why
    [0, 1, "all", null],
    [2, 1, "all", null],
    [4, 1, "all", null],
    [0, 14.99, "all", null],
    [14.9, 14.9, "all", null],
    [-14.5, 14.75, "all", null],
    [0, 15, "slow", "bound-too-wide"],
    [0, 100, "slow", "bound-too-wide"],
    [100, 100, "slow", "bound-too-wide"],
    [-100, 100, "slow", "bound-too-wide"],
    [0, 164.9, "slow", "bound-too-wide"],
    [0, 165, "none", "bound-too-wide"],
    [0, Number.POSITIVE_INFINITY, "none", "bound-too-wide"],
    [20, 1, "none", "time-contradiction"],
    [-20, 1, "none", "time-contradiction"],
    [60, 1, "none", "time-contradiction"],
    [-60, 14, "none", "time-contradiction"],
    [165, 164, "none", "late"],
    [200, 1, "none", "late"],
    [-165, 164, "none", "early"],
    [-200, 100, "none", "early"],
  ] as const)("clock %d s ahead of the signal, bound %d s: %s", (offset, bound, allowed, reason) => {
    expect(gate(offset, bound)).toEqual({ gate: allowed, reason });
  });

  it("no clock, or one that is no number, allows nothing", () => {
    expect(timeGate(END, null)).toEqual({ gate: "none", reason: "no-trusted-time" });
    const broken: TrustedTime[] = [
      { gst: Number.NaN, boundSeconds: 1, assurance: "independent" },
      { gst: END, boundSeconds: Number.NaN, assurance: "independent" },
      { gst: END, boundSeconds: -1, assurance: "independent" },
      { gst: Number.POSITIVE_INFINITY, boundSeconds: 1, assurance: "independent" },
      { gst: Number.NEGATIVE_INFINITY, boundSeconds: 1, assurance: "independent" },
    ];
    for (const trusted of broken) expect(timeGate(END, trusted).gate).toBe("none");
    expect(timeGate(Number.NaN, { gst: END, boundSeconds: 1, assurance: "independent" }).gate).toBe("none");
  });

  it("whatever it allows, the tag surely arrived before its key was public", () => {
    fc.assert(
      fc.property(
        fc.double({ min: -400, max: 400, noNaN: true }),
        fc.double({ min: 0, max: 400, noNaN: true }),
        (offset, bound) => {
          const { gate: allowed } = gate(offset, bound);
          // The latest the page can have ended, by the clock: 30 s and 330 s later the keys are out.
          if (allowed === "all") expect(offset + bound).toBeLessThan(30);
          if (allowed === "slow") expect(offset + bound).toBeLessThan(330);
        },
      ),
      { seed: 15, numRuns: 5000 },
    );
  });
});

const scenario = parametrisedScenario({ seed: "clock", subframes: 16, satellites: [2, 7, 11, 20] });
const simulation = new Simulation(scenario.options);
const pages = timedPages(simulation);
const { dsm, nmaHeader } = simulation.schedule.at(simulation.startGst);
const hot = { ...trustOf(scenario.authority, [1]), rootKey: { dsm, nmaHeader } };

describe("the engine under a clock of its own", () => {
  it("authenticates with a clock good to a second", () => {
    const { engine } = runEngine(pages, hot, clockOff(0.3));
    expect(total(engine.authenticatedTags)).toBeGreaterThan(100);
    expect(engine.gatedPages).toBe(0);
  });

  it("without a clock, authenticates nothing and says why", () => {
    const { engine, authenticated, events } = runEngine(pages, hot, () => null);
    expect(authenticated).toEqual([]);
    expect(total(engine.verified) + engine.keysVerified + engine.rootKeysVerified).toBe(0);
    expect(engine.gatedPages).toBe(pages.length);
    expect(events.filter(({ name }) => name === "time-condition")).toMatchObject([
      { reason: "no-trusted-time" },
    ]);
    expect(engine.state).toBe("hot");
  });

  it.each([20, -20, 60, 200, -200, 3600])("a clock %d s off the signal: everything is refused", (offset) => {
    const { engine, authenticated } = runEngine(pages, hot, clockOff(offset));
    expect(authenticated).toEqual([]);
    expect(total(engine.verified)).toBe(0);
    expect(engine.gatedPages).toBe(pages.length);
  });

  it("a clock good to 100 s: slow MAC only", () => {
    const { engine, authenticated } = runEngine(pages, hot, clockOff(0, 100));
    expect(engine.verified[0] + engine.verified[4] + engine.macseqVerified).toBe(0);
    expect(engine.verified[12]).toBeGreaterThan(10);
    expect(authenticated.length).toBeGreaterThan(0);
    expect(authenticated.every(({ byAdkd }) => byAdkd === 12)).toBe(true);
  });

  it("a replay that begins in the middle is refused from there on, and what came before stands", () => {
    const middle = simulation.startGst + 240;
    const { engine, authenticated, events } = runEngine(pages, hot, (end) => ({
      gst: end <= middle ? end : end + 40,
      boundSeconds: 1,
      assurance: "independent",
    }));
    expect(authenticated.length).toBeGreaterThan(0);
    expect(authenticated.every(({ at }) => at <= middle)).toBe(true);
    expect(total(engine.failed)).toBe(0);
    expect(namesOf(events)).toContain("time-condition");
  });

  it("a clock that comes up late: tags from then on", () => {
    const middle = simulation.startGst + 120;
    const { engine, authenticated } = runEngine(pages, hot, (end) =>
      end <= middle ? null : { gst: end, boundSeconds: 1, assurance: "independent" },
    );
    expect(authenticated.length).toBeGreaterThan(0);
    expect(
      authenticated.every(({ evidence }) =>
        evidence.tags.every(({ tow, wn }) => wn * 604_800 + tow + 30 >= middle),
      ),
    ).toBe(true);
    expect(total(engine.failed)).toBe(0);
  });

  it.each([864_000, 3600])("pages that claim a time %d s ahead do not shut out the genuine ones", (ahead) => {
    const middle = simulation.startGst + 60;
    const forged = pages
      .slice(0, 40)
      .map(({ page }, i) => ({ page, gst: middle + ahead + 1 + 2 * (i >> 2) }));
    const before = pages.filter(({ gst }) => gst < middle);
    const after = pages.filter(({ gst }) => gst >= middle);
    // The clock is right: it contradicts the forged pages.
    const clock = new Map(
      [...pages, ...forged].map(({ gst }) => [gst + 2, gst >= middle + ahead ? middle : gst + 2]),
    );
    const { engine, authenticated } = runEngine([...before, ...forged, ...after], hot, (end) => ({
      gst: clock.get(end) ?? end,
      boundSeconds: 1,
      assurance: "independent",
    }));
    const undisturbed = runEngine(pages, hot, clockOff(0));
    expect(engine.stalePages).toBe(0);
    expect(engine.verified).toEqual(undisturbed.engine.verified);
    expect(authenticated).toHaveLength(undisturbed.authenticated.length);
  });

  it("an alert counts even without a clock: it can only take trust away", () => {
    const alert = new Simulation({
      ...scenario.options,
      phases: [
        {
          ...alertPhase(simulation.startGst - 3600, scenario.chain, {
            authority: scenario.authority,
            pkid: 1,
          }),
          fromGst: Math.floor(simulation.startGst / 3600) * 3600,
        },
      ],
    });
    const { engine } = runEngine(timedPages(alert), hot, () => null);
    expect(engine.alertVerified).toBe(true);
    expect(engine.state).toBe("alert");
  });
});
