import { describe, expect, it } from "vitest";
import { nominalSlots } from "../../src/inav/schedule.js";

const TYPES = Array.from({ length: 64 }, (_, type) => type);

describe("the nominal schedule", () => {
  it("has E1-B pages at odd and E5b pages at even seconds of the 30 s subframe", () => {
    for (const type of TYPES) {
      for (const slot of nominalSlots("E1-B", type) ?? []) expect(slot % 2 === 1 && slot < 30).toBe(true);
      for (const slot of nominalSlots("E5b", type) ?? []) expect(slot % 2 === 0 && slot < 30).toBe(true);
    }
  });

  it("gives each E1-B word its observed place", () => {
    const first = (type: number): number | undefined => nominalSlots("E1-B", type)?.[0];
    expect([2, 4, 6, 7, 8, 17, 19, 16, 1, 3, 5].map(first)).toEqual([1, 3, 5, 7, 9, 11, 13, 15, 21, 23, 25]);
    expect([9, 10, 18, 20].map(first)).toEqual([7, 9, 11, 13]);
    expect(nominalSlots("E1-B", 16)).toEqual([15, 29]);
    expect(nominalSlots("E1-B", 5)).toContain(29);
  });

  it("gives each E5b word its place, and none to the words that only E1-B carries", () => {
    const first = (type: number): number | undefined => nominalSlots("E5b", type)?.[0];
    expect([1, 3, 5, 7, 8, 2, 4, 6].map(first)).toEqual([0, 2, 4, 6, 8, 20, 22, 24]);
    for (const type of [16, 17, 18, 19, 20]) expect(nominalSlots("E5b", type)).toBeNull();
  });

  it("says nothing about WT0, dummies and unknown types", () => {
    for (const type of [0, 21, 22, 63, -1, 99]) expect(nominalSlots("E1-B", type)).toBeNull();
  });

  it("refuses another band", () => {
    expect(() => nominalSlots("E5a" as "E5b", 1)).toThrow(TypeError);
  });
});
