import { describe, expect, it } from "vitest";
import { e1Health, sisaMeters } from "../../src/ephemeris/health.js";

describe("SISA", () => {
  it("is in steps of 1, 2, 4 and 16 cm", () => {
    expect([0, 1, 7, 49, 50, 51, 74, 75, 76, 99, 100, 101, 107, 125].map(sisaMeters)).toEqual([
      0, 0.01, 0.07, 0.49, 0.5, 0.52, 0.98, 1, 1.04, 1.96, 2, 2.16, 3.12, 6,
    ]);
  });

  it("is no accuracy for NAPA and the spare indices", () => {
    expect([126, 200, 254, 255].map(sisaMeters)).toEqual([null, null, null, null]);
    for (const index of [-1, 256, 1.5, NaN]) expect(() => sisaMeters(index)).toThrow(RangeError);
  });
});

describe("E1-B health", () => {
  const classOf = (e1bHs: number, e1bDvs: number, sisaIndex = 107) => e1Health({ e1bHs, e1bDvs, sisaIndex });

  it("is healthy only with HS 0, DVS 0 and an accuracy", () => {
    expect(classOf(0, 0)).toBe("healthy");
    expect(classOf(0, 1)).toBe("marginal");
    expect(classOf(0, 0, 255)).toBe("marginal");
    expect(classOf(0, 0, 126)).toBe("marginal");
  });

  it("is marginal when the satellite will be taken out of service", () => {
    expect(classOf(2, 0)).toBe("marginal");
    expect(classOf(2, 1, 255)).toBe("marginal");
  });

  it("is unhealthy out of service and in test, whatever the rest says", () => {
    for (const hs of [1, 3]) {
      for (const dvs of [0, 1]) expect(classOf(hs, dvs)).toBe("unhealthy");
      expect(classOf(hs, 0, 255)).toBe("unhealthy");
    }
  });
});
