import { describe, expect, it } from "vitest";
import { DEG } from "../../src/ephemeris/geometry.js";
import {
  niellMapping,
  troposphereNiellMeters,
  troposphereSimpleMeters,
  zenithDelays,
} from "../../src/ephemeris/troposphere.js";

const place = (latitudeDeg: number, heightMeters: number) => ({
  latitudeRad: latitudeDeg * DEG,
  longitudeRad: 4 * DEG,
  heightMeters,
});
const AT = place(50, 100);

describe("Saastamoinen", () => {
  it("gives the delays of the closed-loop reference", () => {
    const delay = (elevationDeg: number): number => troposphereSimpleMeters(AT, elevationDeg * DEG);
    // Elevation is given to 0.001 degree there: 3 mm of delay at 7 degrees.
    expect(Math.abs(delay(55.131) - 2.9185)).toBeLessThan(1e-4);
    expect(Math.abs(delay(42.617) - 3.5365)).toBeLessThan(1e-4);
    expect(Math.abs(delay(64.631) - 2.6501)).toBeLessThan(1e-4);
    expect(Math.abs(delay(12.909) - 10.7188)).toBeLessThan(1e-3);
    expect(Math.abs(delay(7.031) - 19.562)).toBeLessThan(3e-3);
  });

  it("has less air above higher places, none of it moved by heights that make no sense", () => {
    expect(zenithDelays(place(50, 3000)).hydrostaticMeters).toBeLessThan(zenithDelays(AT).hydrostaticMeters);
    expect(zenithDelays(place(50, -500))).toEqual(zenithDelays(place(50, 0)));
    expect(zenithDelays(place(50, 3e7))).toEqual(zenithDelays(place(50, 10_000)));
    expect(zenithDelays(AT, 0).wetMeters).toBe(0);
  });
});

describe("Niell's mapping functions", () => {
  it("are 1 at the zenith, for every place and day", () => {
    for (const latitude of [-80, -45, 0, 10, 37, 60, 90]) {
      for (const day of [1, 28, 180, 366]) {
        const { hydrostatic, wet } = niellMapping(place(latitude, 500), Math.PI / 2, day);
        // Its height correction is not quite zero there: 1.5e-7 per km.
        expect(hydrostatic).toBeCloseTo(1, 6);
        expect(wet).toBeCloseTo(1, 12);
      }
    }
  });

  it("agree with 1/sin(el) high up and are clearly below it near the horizon", () => {
    const ratio = (elevationDeg: number): number =>
      troposphereNiellMeters(AT, elevationDeg * DEG, 68) / troposphereSimpleMeters(AT, elevationDeg * DEG);
    expect(ratio(60)).toBeCloseTo(1, 3);
    expect(ratio(10)).toBeGreaterThan(0.95);
    expect(ratio(10)).toBeLessThan(0.99);
    expect(ratio(5)).toBeLessThan(0.92);
  });

  it("map about 10.15 hydrostatic and 10.75 wet at 5 degrees elevation and 45 degrees latitude", () => {
    const { hydrostatic, wet } = niellMapping(place(45, 0), 5 * DEG, 28 + 365.25 / 4);
    expect(hydrostatic).toBeGreaterThan(10.1);
    expect(hydrostatic).toBeLessThan(10.2);
    expect(wet).toBeGreaterThan(10.7);
    expect(wet).toBeLessThan(10.8);
  });

  it("have the southern seasons half a year after the northern ones", () => {
    const north = niellMapping(place(45, 0), 5 * DEG, 28).hydrostatic;
    const south = niellMapping(place(-45, 0), 5 * DEG, 28 + 365.25 / 2).hydrostatic;
    expect(south).toBeCloseTo(north, 12);
    expect(niellMapping(place(-45, 0), 5 * DEG, 28).hydrostatic).not.toBeCloseTo(north, 4);
  });

  it("are continuous in latitude across the grid", () => {
    for (const latitude of [15, 30, 45, 60, 75]) {
      const below = niellMapping(place(latitude - 1e-9, 0), 5 * DEG, 100);
      const above = niellMapping(place(latitude + 1e-9, 0), 5 * DEG, 100);
      expect(below.hydrostatic).toBeCloseTo(above.hydrostatic, 8);
      expect(below.wet).toBeCloseTo(above.wet, 8);
    }
  });
});
