import { describe, expect, it } from "vitest";
import { ErrorModelCalibrator, MAX_VARIANCE_INFLATION } from "../../src/position/error-model.js";
import { enuOf } from "../../src/ephemeris/geometry.js";
import { solveUnverified } from "../../src/position/solver.js";
import { disturbed, gaussian, sky, uniform } from "./support.js";

const SKY = sky({ latitudeDeg: 50.85, longitudeDeg: 4.73, heightMeters: 133 }, 141_690);
const ELEVATIONS = new Map<number, number>();
{
  const clean = solveUnverified(SKY);
  if ("failed" in clean) throw new Error(clean.failed);
  for (const { svid, elevationRad } of clean.used) ELEVATIONS.set(svid, elevationRad);
}

/** Share of errors within one and two sigmas, each of east, north and up, after the first hundred epochs. */
function coverage(
  sigmaOf: (elevationRad: number) => number,
  epochs = 1500,
): { one: number[]; two: number[] } {
  const normal = gaussian(uniform(4));
  const calibrator = new ErrorModelCalibrator();
  const one = [0, 0, 0];
  const two = [0, 0, 0];
  for (let k = -100; k < epochs; k++) {
    const solution = solveUnverified({
      epoch: disturbed(SKY.epoch, (svid) => sigmaOf(ELEVATIONS.get(svid) ?? 0.2) * normal()),
      satellites: SKY.satellites,
      options: {
        errorModel: calibrator.model,
        raim: { varianceInflation: calibrator.varianceInflation },
      },
    });
    if ("failed" in solution) throw new Error(solution.failed);
    calibrator.update(solution);
    if (k < 0) continue;
    const error = enuOf(SKY.truth, solution.ecef);
    const { ee, nn, uu } = solution.covariance;
    [
      error.eastMeters / Math.sqrt(ee),
      error.northMeters / Math.sqrt(nn),
      error.upMeters / Math.sqrt(uu),
    ].forEach((ratio, axis) => {
      if (Math.abs(ratio) <= 1) one[axis]++;
      if (Math.abs(ratio) <= 2) two[axis]++;
    });
  }
  return { one: one.map((count) => (100 * count) / epochs), two: two.map((count) => (100 * count) / epochs) };
}

describe("the covariance, with the error model learnt from residuals", () => {
  it.each<[string, (elevation: number) => number]>([
    ["0.3 m, the same for all", () => 0.3],
    ["1 m, the same for all", () => 1],
    ["3 m, the same for all", () => 3],
    ["0.3 m over the sine of the elevation", (elevation) => 0.3 / Math.sin(elevation)],
    ["1 m over the sine of the elevation", (elevation) => 1 / Math.sin(elevation)],
    ["a mix of both", (elevation) => Math.hypot(0.5, 0.5 / Math.sin(elevation))],
    ["exponential in elevation", (elevation) => 0.3 + 2 * Math.exp(-elevation / 0.17)],
  ])("is honest for noise of %s", (_, sigmaOf) => {
    const { one, two } = coverage(sigmaOf);
    for (const share of one) expect(Math.abs(share - 68.3)).toBeLessThan(8);
    for (const share of two) expect(Math.abs(share - 95.4)).toBeLessThan(4);
  });
});

describe("the error model", () => {
  const run = (epochs: number, metersOf: (svid: number, epoch: number) => number): ErrorModelCalibrator => {
    const calibrator = new ErrorModelCalibrator();
    for (let k = 0; k < epochs; k++) {
      const solution = solveUnverified({
        epoch: disturbed(SKY.epoch, (svid) => metersOf(svid, k)),
        satellites: SKY.satellites,
      });
      if (!("failed" in solution)) calibrator.update(solution);
    }
    return calibrator;
  };

  it("begins with the a-priori sigmas", () => {
    expect(run(0, () => 0).model).toEqual({ aPriori: 1, whiteMeters2: 0, lowElevationMeters2: 0 });
    expect(run(0, () => 0).varianceInflation).toBe(1);
  });

  it("finds white noise for what it is", () => {
    const normal = gaussian(uniform(6));
    const { model, varianceInflation } = run(1500, () => 2 * normal());
    const { whiteMeters2, aPriori, lowElevationMeters2 } = model;
    expect(whiteMeters2 + 4 * aPriori + lowElevationMeters2).toBeGreaterThan(3.3);
    expect(whiteMeters2).toBeGreaterThan(2.5);
    expect(whiteMeters2).toBeLessThan(4.7);
    expect(varianceInflation).toBeLessThan(1.3);
  });

  it("learns slowly from residuals that repeat", () => {
    const normal = gaussian(uniform(8));
    const constant = new Map(SKY.satellites.map(({ svid }) => [svid, 0.3 * normal()]));
    const repeating = run(30, (svid) => constant.get(svid)!);
    const fresh = run(30, () => 0.3 * normal());
    expect(repeating.model.aPriori).toBeGreaterThan(3 * fresh.model.aPriori);
  });

  it("inflates RAIM's variances for noise beyond them, up to a bound", () => {
    const normal = gaussian(uniform(7));
    expect(run(600, () => 6 * normal()).varianceInflation).toBeGreaterThan(2);
    expect(run(600, () => 60 * normal()).varianceInflation).toBeLessThanOrEqual(MAX_VARIANCE_INFLATION);
  });

  it("checks its arguments", () => {
    expect(() => new ErrorModelCalibrator({ memoryEpochs: 0 })).toThrow(RangeError);
    expect(() => new ErrorModelCalibrator({ priorResiduals: 0 })).toThrow(RangeError);
  });
});
