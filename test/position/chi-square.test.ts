import { describe, expect, it } from "vitest";
import {
  chiSquareBelow,
  chiSquareThreshold,
  detectableNonCentrality,
  nonCentralBelow,
} from "../../src/position/chi-square.js";
import { gaussian, uniform } from "./support.js";

/** galileo-inav section 11. */
const PUBLISHED: readonly (readonly [falseAlarm: number, thresholds: readonly number[]])[] = [
  [1e-3, [10.83, 13.82, 16.27, 18.47, 20.52, 22.46, 24.32, 26.12, 27.88, 29.59]],
  [1e-4, [15.14, 18.42, 21.11, 23.51, 25.74, 27.86, 29.88, 31.83, 33.72, 35.56]],
  [1e-5, [19.51, 23.03, 25.9, 28.47, 30.86, 33.11, 35.26, 37.33, 39.34, 41.3]],
];

describe("chi-square", () => {
  it.each(PUBLISHED)("has the published thresholds at %f", (falseAlarm, thresholds) => {
    thresholds.forEach((threshold, k) => {
      expect(Math.abs(chiSquareThreshold(falseAlarm, k + 1) - threshold)).toBeLessThan(0.006);
    });
  });

  it("is 1 - exp(-x/2) for two degrees of freedom", () => {
    for (const x of [0.01, 0.5, 2, 10, 30])
      expect(chiSquareBelow(x, 2)).toBeCloseTo(1 - Math.exp(-x / 2), 13);
  });

  it("with a non-centrality agrees with sums of squares of shifted normals", () => {
    const normal = gaussian(uniform(1));
    for (const [dof, nonCentrality, value] of [
      [1, 20, 15],
      [3, 8, 12],
      [6, 30, 28],
    ]) {
      let below = 0;
      const trials = 20_000;
      for (let k = 0; k < trials; k++) {
        let sum = (normal() + Math.sqrt(nonCentrality)) ** 2;
        for (let d = 1; d < dof; d++) sum += normal() ** 2;
        if (sum < value) below++;
      }
      expect(Math.abs(nonCentralBelow(value, dof, nonCentrality) - below / trials)).toBeLessThan(0.015);
    }
    expect(nonCentralBelow(7, 4, 0)).toBeCloseTo(chiSquareBelow(7, 4), 12);
  });

  it("says how large a fault is missed once in a thousand", () => {
    // One degree of freedom: the normal distribution's own quantiles, 3.8906 and 3.0902.
    expect(Math.sqrt(detectableNonCentrality(1e-4, 1e-3, 1))).toBeCloseTo(3.8906 + 3.0902, 3);
    for (const dof of [1, 2, 5, 10]) {
      const at = detectableNonCentrality(1e-4, 1e-3, dof);
      expect(nonCentralBelow(chiSquareThreshold(1e-4, dof), dof, at)).toBeCloseTo(1e-3, 9);
    }
  });

  it("checks its arguments", () => {
    expect(() => chiSquareBelow(1, 0)).toThrow(RangeError);
    expect(() => chiSquareThreshold(0, 1)).toThrow(RangeError);
    expect(() => detectableNonCentrality(1e-4, 0, 1)).toThrow(RangeError);
    expect(() => nonCentralBelow(1, 1, -1)).toThrow(RangeError);
  });
});
