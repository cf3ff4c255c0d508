import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { decodeWordAs, encodeWord } from "../../src/inav/word.js";
import type { Authenticated } from "../../src/osnma/authenticated.js";
import type { CedData } from "../../src/osnma/engine.js";
import {
  AuthenticatedSatellite,
  authenticatedSatellite,
  AuthenticatedSatellites,
  satelliteRejection,
  UnverifiedSatellite,
} from "../../src/position/satellite.js";
import { isAuthenticatedSolution, solvePosition } from "../../src/position/solver.js";
import { OPERATIONAL_PARAMETERS } from "../../src/simulate/tesla-chain.js";
import { parametrisedScenario, Simulation } from "../../src/simulate/scenario.js";
import { runEngine, timedPages, trustOf } from "../support/osnma.js";
import { epochOf } from "./support.js";
import { lookAngles, pseudorangeE1 } from "../../src/simulate/geometry.js";
import { DEFAULT_PLACE } from "../../src/simulate/scenario.js";
import { wnOf, towOf } from "../../src/inav/gst.js";

/** Satellites of a simulated sky that the engine really authenticated, and ranges to them. */
const genuine: Authenticated<CedData>[] = [];
let gst = 0;
const ranges: [svid: number, meters: number][] = [];

beforeAll(() => {
  const scenarioOf = (satellites: number[]): ReturnType<typeof parametrisedScenario> =>
    parametrisedScenario({
      seed: "satellites",
      parameters: OPERATIONAL_PARAMETERS,
      subframes: 20,
      satellites,
    });
  const { navigation, endGst } = new Simulation(scenarioOf([1]).options);
  const visible = Array.from({ length: 24 }, (_, k) => k + 1).filter(
    (svid) => lookAngles(DEFAULT_PLACE, navigation.position(svid, endGst)).elevationDeg > 11,
  );
  const scenario = scenarioOf(visible);
  const simulation = new Simulation(scenario.options);
  const rootKey = simulation.schedule.at(simulation.startGst);
  const { engine } = runEngine(timedPages(simulation), { ...trustOf(scenario.authority, [1]), rootKey });
  gst = simulation.endGst;
  for (let svid = 1; svid <= 36; svid++) {
    const ced = engine.ced(svid);
    if (ced === null) continue;
    genuine.push(ced);
    ranges.push([svid, pseudorangeE1(simulation.navigation, svid, DEFAULT_PLACE, gst, 0)]);
  }
});

describe("an authenticated satellite", () => {
  it("comes from what the engine authenticated, and keeps the evidence", () => {
    expect(genuine.length).toBeGreaterThanOrEqual(5);
    for (const ced of genuine) {
      const satellite = authenticatedSatellite(ced)!;
      expect(AuthenticatedSatellite.is(satellite)).toBe(true);
      expect(UnverifiedSatellite.is(satellite)).toBe(false);
      expect(satellite.source).toBe(ced);
      expect(satellite.svid).toBe(ced.value.svid);
      expect(satellite.ephemeris.iodNav).toBe(ced.value.iodNav);
    }
  });

  it("comes from nothing else", () => {
    const { value, evidence } = genuine[0];
    // @ts-expect-error a literal is not authenticated
    expect(() => authenticatedSatellite({ value, evidence })).toThrow(TypeError);
    const unverified = UnverifiedSatellite.of(value.svid, value.words)!;
    expect(AuthenticatedSatellite.is(unverified)).toBe(false);
    expect(AuthenticatedSatellite.is({ ...authenticatedSatellite(genuine[0]) })).toBe(false);
  });

  it("is not taken from a source that answers for another, nor from one that makes things up", () => {
    expect(new AuthenticatedSatellites({ ced: () => genuine[1] }).get(genuine[0].value.svid)).toBeNull();
    const made = { ced: () => ({ ...genuine[0] }) as unknown as Authenticated<CedData> };
    expect(() => new AuthenticatedSatellites(made).get(genuine[0].value.svid)).toThrow(TypeError);
  });

  it("is decoded once for the same words, and gone with them", () => {
    let now: Authenticated<CedData> | null = genuine[0];
    const { svid } = genuine[0].value;
    const satellites = new AuthenticatedSatellites({ ced: () => now });
    const first = satellites.get(svid)!;
    expect(satellites.get(svid)!.ephemeris).toBe(first.ephemeris);
    now = null;
    expect(satellites.get(svid)).toBeNull();
    expect(satellites.of([svid])).toEqual([]);
  });
});

describe("an authenticated solution", () => {
  it("holds, whatever comes and goes, only satellites in force, healthy and of age", () => {
    const rejections = fc.constantFrom("in-force", "gone", "expired");
    let solvedOnce = 0;
    fc.assert(
      fc.property(
        fc.array(fc.array(rejections, { minLength: genuine.length, maxLength: genuine.length }), {
          maxLength: 8,
        }),
        fc.constantFrom(0, 3600, 14_000, 15_000, -20_000, 604_800),
        (steps, later) => {
          const state = new Map<number, string>();
          const satellites = new AuthenticatedSatellites({
            ced: (svid) =>
              state.get(svid) === "in-force"
                ? (genuine.find(({ value }) => value.svid === svid) ?? null)
                : null,
          });
          for (const step of steps) {
            genuine.forEach(({ value }, k) => state.set(value.svid, step[k]));
            const at = gst + later;
            const solution = solvePosition({
              epoch: epochOf(towOf(at), ranges, wnOf(at)),
              satellites: satellites.of(ranges.map(([svid]) => svid)),
              options: { raim: "off" },
            });
            if ("failed" in solution) continue;
            solvedOnce++;
            expect(isAuthenticatedSolution(solution)).toBe(true);
            expect(solution.used.length).toBeGreaterThanOrEqual(4);
            for (const { svid, iodNav } of solution.used) {
              const ced = genuine.find(({ value }) => value.svid === svid)!;
              expect(state.get(svid)).toBe("in-force");
              expect(ced.value.iodNav).toBe(iodNav);
              expect(Math.abs(later)).toBeLessThan(4 * 3600 + 1200);
            }
          }
        },
      ),
    );
    expect(solvedOnce).toBeGreaterThan(0);
  });
});

describe("whether a satellite may be used", () => {
  const of = (change: object, sisa?: number): UnverifiedSatellite => {
    const { svid, words } = genuine[0].value;
    const [w1, w2, w3, w4, w5] = words;
    const third = w3.slice();
    if (sisa !== undefined) third[15] = sisa;
    return UnverifiedSatellite.of(svid, [
      w1,
      w2,
      third,
      w4,
      encodeWord({ ...decodeWordAs(5, w5)!, ...change }),
    ])!;
  };

  it("is said by health, and by age to the second", () => {
    const satellite = of({});
    const { toeGst } = satellite.ephemeris;
    expect(satelliteRejection(satellite, toeGst + 14_400, false)).toBeNull();
    expect(satelliteRejection(satellite, toeGst - 14_400, false)).toBeNull();
    expect(satelliteRejection(satellite, toeGst + 14_400.001, false)).toBe("expired");
    expect(satelliteRejection(satellite, Number.NaN, false)).toBe("expired");
    expect(satelliteRejection(of({ e1bHs: 1 }), toeGst, true)).toBe("unhealthy");
    expect(satelliteRejection(of({ e1bDvs: 1 }), toeGst, false)).toBe("marginal");
    expect(satelliteRejection(of({ e1bDvs: 1 }), toeGst, true)).toBeNull();
    expect(satelliteRejection(of({}, 255), toeGst, false)).toBe("marginal");
  });

  it("does not take 255 for an accuracy", () => {
    expect(of({}, 255).sisaMeters).toBe(500);
    expect(of({}, 0).sisaMeters).toBe(0.5);
    expect(of({}, 107).sisaMeters).toBeCloseTo(3.12, 12);
  });

  it("is not asked of words that make no ephemeris", () => {
    const { svid, words } = genuine[0].value;
    expect(UnverifiedSatellite.of(svid + 1, words)).toBeNull();
    expect(UnverifiedSatellite.of(svid, words.slice(1))).toBeNull();
  });
});
