import { describe, expect, it } from "vitest";
import { SPEED_OF_LIGHT } from "../../src/ephemeris/constants.js";
import { sagnacMeters } from "../../src/ephemeris/geometry.js";
import { decodeWordAs, encodeWord } from "../../src/inav/word.js";
import type { AuthenticatedSatellite } from "../../src/position/satellite.js";
import { UnverifiedSatellite } from "../../src/position/satellite.js";
import {
  isAuthenticatedSolution,
  modelTime,
  solvePosition,
  solveUnverified,
  type Solution,
  type SolverOptions,
} from "../../src/position/solver.js";
import type { MeasurementEpoch } from "../../src/position/measurements.js";
import { E12_WORDS, E13_WORDS, E26_WORDS, E31_WORDS } from "../ephemeris/words.js";
import { DEG, disturbed, distance, epochOf, sky, uniform, WN } from "./support.js";

const E23_WORDS = [
  "046924406ede541c00ae0bcea813c61b",
  "086929879fbb2742e0f74d494270fd6d",
  "0c69ffc4bb221f08c5136f12150b0e6b",
  "10695fffe80034910fff17a23fffa501",
  "1520ffdffd01ff00402b4914abaaaaaa",
].map((hex) => Uint8Array.from(Buffer.from(hex, "hex")));

const of = (svid: number, words: readonly Uint8Array[]): UnverifiedSatellite => {
  const satellite = UnverifiedSatellite.of(svid, words);
  if (satellite === null) throw new Error(`E${svid}`);
  return satellite;
};

const WORDS: readonly (readonly [number, readonly Uint8Array[]])[] = [
  [12, E12_WORDS],
  [13, E13_WORDS],
  [23, E23_WORDS],
  [26, E26_WORDS],
  [31, E31_WORDS],
];
const LIVE = WORDS.map(([svid, words]) => of(svid, words));

/** galileo-inav section 11, the closed loop: reception at GST 141680 true, receiver clock 0.1 ms ahead. */
const TRUTH = { x: 4097921.6629, y: 286554.5975, z: 4862865.6422 };
const LABEL = 141680 + 1e-4;
const EPOCH = epochOf(LABEL, [
  [12, 28153800.7796],
  [13, 27585150.9309],
  [23, 24937016.4489],
  [26, 23689208.0876],
  [31, 24221848.2226],
]);
/** E12 stands at 7 degrees. */
const VECTOR: SolverOptions = { elevationMaskDeg: 5, troposphere: "simple", combination: "e1" };

function solved(
  epoch: MeasurementEpoch,
  satellites: readonly UnverifiedSatellite[],
  options: SolverOptions = {},
): Solution {
  const solution = solveUnverified({ epoch, satellites, options });
  if ("failed" in solution) throw new Error(solution.failed);
  return solution;
}

describe("the closed loop over five live satellites", () => {
  const solution = solved(EPOCH, LIVE, VECTOR);

  it("returns the position to 0.1 mm and the receiver's clock", () => {
    expect(distance(solution.ecef, TRUTH)).toBeLessThan(1.5e-4);
    expect(solution.clockBiasSeconds * SPEED_OF_LIGHT).toBeCloseTo(29979.2458, 3);
    expect(solution.wn).toBe(WN);
    expect(solution.towSeconds).toBeCloseTo(141680, 9);
    expect(solution.geodetic.latitudeRad / DEG).toBeCloseTo(50, 8);
    expect(solution.geodetic.longitudeRad / DEG).toBeCloseTo(4, 8);
    expect(solution.geodetic.heightMeters).toBeCloseTo(100, 3);
  });

  it("has the published DOPs", () => {
    const { gdop, pdop, hdop, vdop, tdop } = solution.dop;
    expect([gdop, pdop, hdop, vdop, tdop].map((dop) => dop.toFixed(3))).toEqual([
      "2.359",
      "2.179",
      "1.660",
      "1.412",
      "0.904",
    ]);
  });

  it.each([
    [31, 274.653, 55.131, 5.9086, 2.9185],
    [23, 189.595, 42.617, 7.1381, 3.5365],
    [26, 57.694, 64.631, 5.2414, 2.6501],
    [12, 243.65, 7.031, 15.3249, 19.562],
    [13, 61.727, 12.909, 9.7046, 10.7188],
  ])(
    "sees E%i at azimuth %f, elevation %f, through %f m and %f m of air",
    (svid, azimuth, elevation, I, T) => {
      const used = solution.used.find((satellite) => satellite.svid === svid)!;
      expect(used.azimuthRad / DEG).toBeCloseTo(azimuth, 2);
      expect(used.elevationRad / DEG).toBeCloseTo(elevation, 2);
      expect(used.ionosphereMeters).toBeCloseTo(I, 3);
      expect(used.troposphereMeters).toBeCloseTo(T, 3);
      expect(Math.abs(used.residualMeters)).toBeLessThan(2e-4);
    },
  );

  it("would be about 24.5 m off without Earth rotation, and a metre without BGD", () => {
    // Ranges longer by the Sagnac term are to this solver what plain ranges are to one that leaves it out.
    const bySvid = new Map(
      LIVE.map((satellite) => [satellite.svid, solution.used.find(({ svid }) => svid === satellite.svid)!]),
    );
    const positions = new Map(
      [...bySvid].map(([svid, used]) => {
        // Satellite position back from its direction and distance: good to a kilometre, which the term does not feel.
        const { azimuthRad, elevationRad } = used;
        const { latitudeRad: lat, longitudeRad: lon } = solution.geodetic;
        const e = Math.cos(elevationRad) * Math.sin(azimuthRad);
        const n = Math.cos(elevationRad) * Math.cos(azimuthRad);
        const u = Math.sin(elevationRad);
        const r = { 31: 24154437, 23: 24898721, 26: 23731776, 12: 28114518, 13: 27540174 }[svid]!;
        return [
          svid,
          {
            x:
              TRUTH.x +
              r *
                (-Math.sin(lon) * e - Math.sin(lat) * Math.cos(lon) * n + Math.cos(lat) * Math.cos(lon) * u),
            y:
              TRUTH.y +
              r * (Math.cos(lon) * e - Math.sin(lat) * Math.sin(lon) * n + Math.cos(lat) * Math.sin(lon) * u),
            z: 0,
          },
        ] as const;
      }),
    );
    const withoutSagnac = solved(
      disturbed(EPOCH, (svid) => sagnacMeters(TRUTH, positions.get(svid)!)),
      LIVE,
      { ...VECTOR, raim: "off" },
    );
    const unweighted = distance(withoutSagnac.ecef, TRUTH);
    // The published figures are of other weights.
    expect(unweighted).toBeGreaterThan(22);
    expect(unweighted).toBeLessThan(27);

    const withoutBgd = WORDS.map(([svid, [w1, w2, w3, w4, w5]]) =>
      of(svid, [w1, w2, w3, w4, encodeWord({ ...decodeWordAs(5, w5)!, bgdE1E5bSeconds: 0 })]),
    );
    const off = distance(solved(EPOCH, withoutBgd, { ...VECTOR, raim: "off" }).ecef, TRUTH);
    // 3.9 m with equal weights; E12, whose BGD alone is 3.8 m, stands at 7 degrees and weighs little.
    expect(off).toBeGreaterThan(0.8);
    expect(off).toBeLessThan(4);
  });
});

describe("positions of a simulated sky", () => {
  it("come back within millimetres wherever and whenever, with velocity and clock drift", () => {
    const random = uniform(11);
    let checked = 0;
    for (let trial = 0; trial < 60; trial++) {
      const place = {
        latitudeDeg: Math.asin(2 * random() - 1) / DEG,
        longitudeDeg: 360 * random() - 180,
        heightMeters: 3000 * random(),
      };
      const { truth, epoch, satellites } = sky(place, 30 * Math.floor(20_160 * random()) + 15);
      const result = solveUnverified({ epoch, satellites });
      if ("failed" in result) continue;
      checked++;
      // Mid-subframe, away from a change of issue; the simulator's linear time resolves half a millimetre of flight.
      expect(distance(result.ecef, truth)).toBeLessThan(0.002 * result.dop.pdop);
      expect(result.clockBiasSeconds).toBeCloseTo(1e-4, 10);
      expect(result.clockDrift!).toBeCloseTo(2e-8, 10);
      const { east, north, up } = result.velocity!;
      expect(Math.hypot(east, north, up)).toBeLessThan(0.02);
      expect(result.raim.status).toBe(result.used.length > 4 ? "passed" : "unavailable");
    }
    expect(checked).toBeGreaterThan(50);
  });

  it.each([0.05, 604_799.95])("are right across the week's end, at %f s", (tow) => {
    const place = { latitudeDeg: 47, longitudeDeg: 6, heightMeters: 300 };
    for (const clockSeconds of [-0.1, 0.1]) {
      const { truth, epoch, satellites } = sky(place, tow, { clockSeconds, wn: 1386 });
      // The label is in the neighbouring week where the clock error carries it there.
      const carried = tow + clockSeconds < 0 ? -1 : tow + clockSeconds >= 604_800 ? 1 : 0;
      const labelled = { ...epoch, wn: 1386 + carried };
      const solution = solved(labelled, satellites);
      expect(distance(solution.ecef, truth)).toBeLessThan(0.005);
      expect(solution.wn).toBe(1386);
      expect(solution.towSeconds).toBeCloseTo(tow, 7);
    }
  });

  it("are the same bits from the same input, whatever was solved before", () => {
    const place = { latitudeDeg: -33, longitudeDeg: 151, heightMeters: 50 };
    const { epoch, satellites } = sky(place, 200_000);
    const first = solved(epoch, satellites);
    solved(EPOCH, LIVE, VECTOR);
    expect(solved(epoch, satellites)).toEqual(first);
    // The order in which satellites are given is of no matter.
    expect(solved(epoch, [...satellites].reverse())).toEqual(first);
  });
});

describe("E1 and E5b together", () => {
  const { truth, epoch, satellites } = sky({ latitudeDeg: 50, longitudeDeg: 4, heightMeters: 100 }, 141_690);
  const gamma = (1_575_420_000 / 1_207_140_000) ** 2;
  const single = solved(epoch, satellites);
  const random = uniform(3);
  /** Ranges through an ionosphere that no model knows, on both bands. */
  const both: MeasurementEpoch = {
    ...epoch,
    satellites: epoch.satellites.map((measurement) => {
      const { svid, e1 } = measurement;
      const used = single.used.find((satellite) => satellite.svid === svid)!;
      const bgd =
        SPEED_OF_LIGHT * satellites.find((satellite) => satellite.svid === svid)!.ephemeris.bgdE1E5bSeconds;
      const clean = e1.pseudorangeMeters - used.ionosphereMeters - bgd;
      const delay = bgd + 5 + 30 * random();
      return {
        ...measurement,
        e1: { ...e1, pseudorangeMeters: clean + delay },
        e5b: { ...e1, pseudorangeMeters: clean + gamma * delay },
      };
    }),
  };

  it("need neither ionosphere model nor BGD", () => {
    const solution = solved(both, satellites);
    expect(solution.signals).toBe("E1+E5b");
    expect(solution.ionosphereFrom).toBeNull();
    expect(distance(solution.ecef, truth)).toBeLessThan(0.02);
    expect(
      distance(solved(both, satellites, { combination: "e1", raim: "off" }).ecef, truth),
    ).toBeGreaterThan(1);
  });

  it("are never mixed with E1 alone in one solution", () => {
    const [one, ...others] = both.satellites;
    const mixed = { ...both, satellites: [{ ...one, e5b: null }, ...others] };
    const solution = solved(mixed, satellites);
    expect(solution.signals).toBe("E1+E5b");
    expect(solution.rejected).toContainEqual({ svid: one.svid, reason: "no-e5b" });
    const few = {
      ...both,
      satellites: both.satellites.map((measurement, k) =>
        k < 4 ? measurement : { ...measurement, e5b: null },
      ),
    };
    expect(solved(few, satellites, { raim: "off" }).signals).toBe("E1");
  });
});

describe("satellites that are not to be used", () => {
  const { epoch, satellites } = sky({ latitudeDeg: 50, longitudeDeg: 4, heightMeters: 100 }, 141_690);
  const change = (satellite: UnverifiedSatellite, fields: object): UnverifiedSatellite => {
    const words = WORDS.find(([svid]) => svid === satellite.svid)![1];
    const [w1, w2, w3, w4, w5] = words;
    return of(satellite.svid, [w1, w2, w3, w4, encodeWord({ ...decodeWordAs(5, w5)!, ...fields })]);
  };

  it.each([
    ["out of service", { e1bHs: 1 }, "unhealthy"],
    ["in test", { e1bHs: 3 }, "unhealthy"],
    ["soon out of service", { e1bHs: 2 }, "marginal"],
    ["without guarantee", { e1bDvs: 1 }, "marginal"],
  ])("are left out when %s", (_, fields, reason) => {
    const changed = LIVE.map((satellite) => (satellite.svid === 26 ? change(satellite, fields) : satellite));
    const solution = solved(EPOCH, changed, VECTOR);
    expect(solution.used.map(({ svid }) => svid)).not.toContain(26);
    expect(solution.rejected).toContainEqual({ svid: 26, reason });
    const lenient = solved(EPOCH, changed, { ...VECTOR, allowMarginal: true });
    expect(lenient.used.some(({ svid }) => svid === 26)).toBe(reason === "marginal");
  });

  it("are left out without data, and below the mask", () => {
    const lowest = solved(epoch, satellites).used.reduce((a, b) => (a.elevationRad < b.elevationRad ? a : b));
    const masked = solved(epoch, satellites, { elevationMaskDeg: Math.ceil(lowest.elevationRad / DEG) });
    expect(masked.rejected).toContainEqual({ svid: lowest.svid, reason: "below-mask" });
    const without = satellites.filter(({ svid }) => svid !== lowest.svid);
    expect(solved(epoch, without).rejected).toEqual([{ svid: lowest.svid, reason: "no-data" }]);
  });

  it("are left out four hours from their toe, either way", () => {
    const toe = satellites[0].ephemeris.toeGst - WN * 604_800;
    const reasons = (offset: number): unknown[] => {
      const result = solveUnverified({ epoch: { ...epoch, towSeconds: toe + offset }, satellites });
      return result.rejected.filter(({ svid }) => svid === satellites[0].svid).map(({ reason }) => reason);
    };
    expect(reasons(14_401)).toEqual(["expired"]);
    expect(reasons(-14_401)).toEqual(["expired"]);
    expect(reasons(14_399)).not.toContain("expired");
  });
});

describe("what has no solution", () => {
  const { epoch, satellites } = sky({ latitudeDeg: 50, longitudeDeg: 4, heightMeters: 100 }, 141_690);

  it("fails with three satellites", () => {
    const three = { ...epoch, satellites: epoch.satellites.slice(0, 3) };
    expect(solveUnverified({ epoch: three, satellites })).toMatchObject({ failed: "too-few-satellites" });
    expect(solveUnverified({ epoch: { ...epoch, satellites: [] }, satellites })).toMatchObject({
      failed: "too-few-satellites",
      candidates: 0,
    });
  });

  it("never says a position that nobody could be at, for whatever ranges", () => {
    const random = uniform(5);
    for (let trial = 0; trial < 300; trial++) {
      const wild = disturbed(epoch, () => (random() - 0.5) * 4e7);
      const result = solveUnverified({ epoch: wild, satellites });
      if ("failed" in result) continue;
      expect(result.geodetic.heightMeters).toBeGreaterThan(-15_000);
      expect(result.geodetic.heightMeters).toBeLessThan(3e6);
      expect(result.dop.gdop).toBeLessThanOrEqual(30);
    }
  });

  it("refuses satellites that stand too close together", () => {
    // Of all subsets of four, some are nearly in a plane: each is either refused or of a GDOP of 30 at most.
    let refused = 0;
    const all = epoch.satellites;
    for (let a = 0; a < all.length; a++)
      for (let b = a + 1; b < all.length; b++)
        for (let c = b + 1; c < all.length; c++)
          for (let d = c + 1; d < all.length; d++) {
            const four = { ...epoch, satellites: [all[a], all[b], all[c], all[d]] };
            const result = solveUnverified({ epoch: four, satellites });
            if ("failed" in result) refused += result.failed === "geometry" ? 1 : 0;
            else expect(result.dop.gdop).toBeLessThanOrEqual(30);
          }
    expect(refused).toBeGreaterThan(0);
  });

  it("checks its arguments", () => {
    expect(() => solveUnverified({ epoch, satellites: [...satellites, satellites[0]] })).toThrow(RangeError);
    expect(() => solveUnverified({ epoch, satellites, options: { elevationMaskDeg: 0 } })).toThrow(
      RangeError,
    );
    expect(() => solveUnverified({ epoch, satellites, options: { leapSeconds: 17.5 } })).toThrow(RangeError);
    expect(() =>
      solveUnverified({ epoch, satellites, options: { raim: { varianceInflation: 10 } } }),
    ).toThrow(RangeError);
  });
});

describe("the authenticated door", () => {
  const { epoch, satellites } = sky({ latitudeDeg: 50, longitudeDeg: 4, heightMeters: 100 }, 141_690);

  it("takes no unverified satellite, by type and at run time", () => {
    // @ts-expect-error an unverified satellite is not an authenticated one
    const typed: AuthenticatedSatellite[] = satellites;
    expect(() => solvePosition({ epoch, satellites: typed })).toThrow(TypeError);
    const forged = satellites.map((satellite) => ({ ...satellite })) as unknown as AuthenticatedSatellite[];
    expect(() => solvePosition({ epoch, satellites: forged })).toThrow(TypeError);
  });

  it("does not know solutions that it did not make", () => {
    const solution = solveUnverified({ epoch, satellites });
    expect(isAuthenticatedSolution(solution)).toBe(false);
    expect(isAuthenticatedSolution({ ...solution })).toBe(false);
    expect(isAuthenticatedSolution(null)).toBe(false);
  });
});

describe("the time of the atmosphere's models", () => {
  it.each([
    ["2026-03-09T15:21:02Z", 68, 15 + 21 / 60 + 2 / 3600],
    ["2024-02-29T00:00:00Z", 60, 0],
    ["2024-03-01T12:00:00Z", 61, 12],
    ["2024-12-31T23:59:59Z", 366, 24 - 1 / 3600],
    ["2025-01-01T00:00:00Z", 1, 0],
    ["2025-12-31T06:00:00Z", 365, 6],
    ["2000-02-29T01:00:00Z", 60, 1],
  ])("of %s is day %i, %f h", (date, dayOfYear, utHours) => {
    const gst = Date.parse(date) / 1000 - 935_280_000 + 18;
    const time = modelTime(gst, 18);
    expect(time.dayOfYear).toBe(dayOfYear);
    expect(time.utHours).toBeCloseTo(utHours, 9);
  });
});
