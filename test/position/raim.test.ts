import { describe, expect, it } from "vitest";
import { solveUnverified, type Solution, type SolverOptions } from "../../src/position/solver.js";
import type { MeasurementEpoch } from "../../src/position/measurements.js";
import type { UnverifiedSatellite } from "../../src/position/satellite.js";
import { DEG, disturbed, gaussian, sky, uniform, type Sky } from "./support.js";

const random = uniform(20);
const normal = gaussian(random);

/** Skies of six and more satellites, over the world and the week. */
const SKIES: Sky[] = [];
while (SKIES.length < 300) {
  const one = sky(
    {
      latitudeDeg: Math.asin(2 * random() - 1) / DEG,
      longitudeDeg: 360 * random() - 180,
      heightMeters: 1000 * random(),
    },
    30 * Math.floor(20_160 * random()) + 15,
  );
  if (one.satellites.length >= 6) SKIES.push(one);
}

function solved(
  epoch: MeasurementEpoch,
  satellites: readonly UnverifiedSatellite[],
  options: SolverOptions = {},
): Solution {
  const solution = solveUnverified({ epoch, satellites, options });
  if ("failed" in solution) throw new Error(solution.failed);
  return solution;
}

const noisy = (epoch: MeasurementEpoch, sigma: number): MeasurementEpoch =>
  disturbed(epoch, () => sigma * normal());

describe("RAIM over simulated skies of six and more satellites", () => {
  it.each([1, 2, 3])("alarms in less than 1 % of epochs with %i m of noise and no fault", (sigma) => {
    let alarms = 0;
    const trials = 3000;
    for (let trial = 0; trial < trials; trial++) {
      const { epoch, satellites } = SKIES[trial % SKIES.length];
      if (solved(noisy(epoch, sigma), satellites).raim.faultDetected) alarms++;
    }
    expect(alarms / trials).toBeLessThan(0.01);
  });

  it.each([150, -150])("finds %i m on any one satellite in 99 %, and names it in 95 % of epochs", (bias) => {
    let detected = 0;
    let excluded = 0;
    let wrong = 0;
    const more = { trials: 0, excluded: 0 };
    const trials = 3000;
    for (let trial = 0; trial < trials; trial++) {
      const { epoch, satellites } = SKIES[trial % SKIES.length];
      const faulty = satellites[Math.floor(random() * satellites.length)].svid;
      if (satellites.length > 6) more.trials++;
      const { raim } = solved(
        disturbed(noisy(epoch, 1), (svid) => (svid === faulty ? bias : 0)),
        satellites,
      );
      if (raim.faultDetected) detected++;
      if (raim.excluded.length === 1 && raim.excluded[0] === faulty) {
        excluded++;
        if (satellites.length > 6) more.excluded++;
      } else if (raim.status === "passed") wrong++;
    }
    expect(detected / trials).toBeGreaterThanOrEqual(0.99);
    expect(excluded / trials).toBeGreaterThanOrEqual(0.95);
    // Among six, two faults can look the same but for the noise; from seven on hardly ever.
    expect(more.excluded / more.trials).toBeGreaterThanOrEqual(0.99);
    expect(wrong / trials).toBeLessThan(0.002);
  });

  it("names it in 95 % of epochs also among exactly six, and vouches for a wrong choice hardly ever", () => {
    const six = SKIES.filter(({ satellites }) => satellites.length === 6);
    expect(six.length).toBeGreaterThan(40);
    let trials = 0;
    let detected = 0;
    let excluded = 0;
    let vouched = 0;
    let wrong = 0;
    for (let round = 0; round < 8; round++) {
      for (const { epoch, satellites } of six) {
        for (const { svid: faulty } of satellites) {
          const bias = round % 2 === 0 ? 150 : -150;
          const { raim, used, protection } = solved(
            disturbed(noisy(epoch, 0.5), (svid) => (svid === faulty ? bias : 0)),
            satellites,
          );
          trials++;
          if (raim.faultDetected) detected++;
          const isRight = raim.excluded.length === 1 && raim.excluded[0] === faulty;
          if (isRight) excluded++;
          if (raim.status === "passed") {
            vouched++;
            if (!isRight) wrong++;
          } else expect(protection).toBeNull();
          expect(used.map(({ svid }) => svid)).not.toContain(raim.excluded[0] ?? 0);
        }
      }
    }
    expect(detected / trials).toBeGreaterThanOrEqual(0.99);
    expect(excluded / trials).toBeGreaterThanOrEqual(0.95);
    expect(vouched / trials).toBeGreaterThan(0.75);
    expect(wrong / trials).toBeLessThan(0.003);
  });

  it("has errors beyond its protection levels less often than once in a thousand, one fault of any size or none", () => {
    let beyond = 0;
    let passed = 0;
    for (let trial = 0; trial < 3000; trial++) {
      const { epoch, satellites, truth } = SKIES[trial % SKIES.length];
      const faulty = satellites[Math.floor(random() * satellites.length)].svid;
      const bias = 100 * (random() - 0.5);
      const solution = solved(
        disturbed(noisy(epoch, 1), (svid) => (svid === faulty ? bias : 0)),
        satellites,
      );
      if (solution.protection === null) continue;
      passed++;
      const { latitudeRad: lat, longitudeRad: lon } = solution.geodetic;
      const dx = solution.ecef.x - truth.x;
      const dy = solution.ecef.y - truth.y;
      const dz = solution.ecef.z - truth.z;
      const east = -Math.sin(lon) * dx + Math.cos(lon) * dy;
      const north =
        -Math.sin(lat) * Math.cos(lon) * dx - Math.sin(lat) * Math.sin(lon) * dy + Math.cos(lat) * dz;
      const up = Math.cos(lat) * Math.cos(lon) * dx + Math.cos(lat) * Math.sin(lon) * dy + Math.sin(lat) * dz;
      const { horizontalMeters, verticalMeters } = solution.protection;
      if (Math.hypot(east, north) > horizontalMeters || Math.abs(up) > verticalMeters) beyond++;
    }
    expect(passed).toBeGreaterThan(1500);
    expect(beyond).toBeLessThanOrEqual(3);
  });
});

describe("RAIM by the number of satellites", () => {
  const { epoch, satellites } = SKIES.find(({ satellites: all }) => all.length >= 8)!;
  const few = (count: number, biasMeters: number): Solution =>
    solved(
      disturbed({ ...epoch, satellites: epoch.satellites.slice(0, count) }, (svid) =>
        svid === epoch.satellites[1].svid ? biasMeters : 0,
      ),
      satellites,
    );

  it("is unavailable with four, and protects nothing", () => {
    const { raim, protection } = few(4, 150);
    expect(raim).toMatchObject({
      status: "unavailable",
      statistic: null,
      threshold: null,
      faultDetected: false,
    });
    expect(protection).toBeNull();
  });

  it("detects with five and excludes nobody", () => {
    const { raim, protection, used } = few(5, 2000);
    expect(raim).toMatchObject({
      status: "detected",
      degreesOfFreedom: 1,
      faultDetected: true,
      excluded: [],
    });
    expect(raim.statistic!).toBeGreaterThan(raim.threshold!);
    expect(protection).toBeNull();
    expect(used).toHaveLength(5);
  });

  it("excludes the faulty one of eight and passes the rest", () => {
    const bad = epoch.satellites[1].svid;
    const { raim, rejected, used, protection } = few(8, 150);
    expect(raim).toMatchObject({ status: "passed", faultDetected: true, excluded: [bad] });
    expect(rejected).toContainEqual({ svid: bad, reason: "raim" });
    expect(used.map(({ svid }) => svid)).not.toContain(bad);
    expect(protection).not.toBeNull();
  });

  it("says detected, with all satellites in, where no exclusion helps", () => {
    // Every other satellite off by its own hundreds of metres: no one of them is the culprit.
    const offsets = new Map(epoch.satellites.map(({ svid }, k) => [svid, k % 2 === 0 ? 400 * (k + 1) : 0]));
    const { raim, used } = solved(
      disturbed(epoch, (svid) => offsets.get(svid)!),
      satellites,
    );
    expect(raim).toMatchObject({ status: "detected", faultDetected: true, excluded: [] });
    expect(used).toHaveLength(satellites.length);
  });

  it("finds faults of a millisecond, where nothing is linear any more", () => {
    const { raim } = few(8, 299_792);
    expect(raim.excluded).toEqual([epoch.satellites[1].svid]);
  });

  it("is slower to alarm for larger variances, and says so", () => {
    const calm = solved(epoch, satellites, { raim: { varianceInflation: 9 } });
    expect(calm.raim.varianceInflation).toBe(9);
    const plain = solved(epoch, satellites);
    expect(calm.protection!.horizontalMeters).toBeCloseTo(3 * plain.protection!.horizontalMeters, 9);
    const strict = solved(epoch, satellites, { raim: { falseAlarm: 1e-3 } });
    const lax = solved(epoch, satellites, { raim: { falseAlarm: 1e-5 } });
    expect(strict.raim.threshold!).toBeLessThan(plain.raim.threshold!);
    expect(lax.raim.threshold!).toBeGreaterThan(plain.raim.threshold!);
  });
});
