import { describe, expect, it } from "vitest";
import { azimuthElevation, DEG, geodeticToEcef } from "../../src/ephemeris/geometry.js";
import {
  azpar,
  DEFAULT_IONOSPHERE,
  ionosphereDelayMeters,
  ntcmSlantTecu,
} from "../../src/ephemeris/ionosphere.js";

const coefficients = (ai0Sfu: number, ai1SfuPerDeg: number, ai2SfuPerDeg2: number) => ({
  ai0Sfu,
  ai1SfuPerDeg,
  ai2SfuPerDeg2,
});
const HIGH = coefficients(236.831641, -0.39362878, 0.00402826613);
const MEDIUM = coefficients(121.129893, 0.351254133, 0.0134635348);
const LOW = coefficients(2.580271, 0.127628236, 0.0252748384);

const place = (longitudeDeg: number, latitudeDeg: number, heightMeters: number) => ({
  latitudeRad: latitudeDeg * DEG,
  longitudeRad: longitudeDeg * DEG,
  heightMeters,
});

describe("NTCM-G", () => {
  it("reduces the broadcast coefficients to Azpar as the reference does", () => {
    expect([HIGH, MEDIUM, LOW].map(azpar).map((value) => Number(value.toFixed(4)))).toEqual([
      244.0014, 145.1614, 57.5665,
    ]);
    expect(azpar(coefficients(0, 0, 0))).toBe(63.7);
    expect(azpar(DEFAULT_IONOSPHERE)).toBe(63.7);
  });

  it.each([
    ["high", HIGH, place(-62.34, 82.49, 78.11), place(8.23, 54.29, 20281546.18), 33.7567],
    ["high", HIGH, place(-52.81, 5.25, -25.76), place(-99.26, 34.47, 20275286.46), 127.0015],
    ["medium", MEDIUM, place(40.19, -3, -23.32), place(76.65, -41.43, 20157673.93), 28.3208],
    ["low", LOW, place(141.13, 39.14, 117), place(165.14, -13.93, 20181976.5), 51.527],
  ])("gives the published slant TEC, %s solar activity", (_, broadcast, receiver, satellite, tecu) => {
    const direction = azimuthElevation(geodeticToEcef(receiver), geodeticToEcef(satellite), receiver);
    const slant = ntcmSlantTecu(broadcast, receiver, direction, { dayOfYear: 105, utHours: 0 });
    expect(Math.abs(slant - tecu)).toBeLessThan(1e-4);
  });

  it("gives the E1 delays of the closed-loop reference", () => {
    const at = place(4, 50, 100);
    const live = coefficients(144.25, -0.01171875, -0.0003662109375);
    const delay = (azimuthDeg: number, elevationDeg: number): number =>
      ionosphereDelayMeters(
        ntcmSlantTecu(
          live,
          at,
          { azimuthRad: azimuthDeg * DEG, elevationRad: elevationDeg * DEG },
          { dayOfYear: 68, utHours: 15.350556 },
        ),
      );
    // Azimuth and elevation are given to 0.001 degree there, which is 1 mm of delay near the horizon.
    expect(Math.abs(delay(274.653, 55.131) - 5.9086)).toBeLessThan(3e-4);
    expect(Math.abs(delay(189.595, 42.617) - 7.1381)).toBeLessThan(3e-4);
    expect(Math.abs(delay(243.65, 7.031) - 15.3249)).toBeLessThan(2e-3);
    expect(Math.abs(delay(61.727, 12.909) - 9.7046)).toBeLessThan(2e-3);
  });

  it("is 0.162372 m per TECU on E1 and more on E5b", () => {
    expect(ionosphereDelayMeters(1)).toBeCloseTo(0.162372, 6);
    expect(ionosphereDelayMeters(1, 1207.14e6)).toBeCloseTo(
      ionosphereDelayMeters(1) * (1575.42 / 1207.14) ** 2,
      12,
    );
  });

  it("stays finite at the poles, the zenith and the horizon", () => {
    for (const latitude of [-90, 90, 0]) {
      for (const elevation of [0, 5, 90]) {
        for (const azimuth of [0, 90, 359]) {
          const slant = ntcmSlantTecu(
            HIGH,
            place(0, latitude, 0),
            { azimuthRad: azimuth * DEG, elevationRad: elevation * DEG },
            { dayOfYear: 366, utHours: 23.99 },
          );
          expect(slant > 0 && slant < 1000, `${latitude} ${elevation} ${azimuth}`).toBe(true);
        }
      }
    }
  });
});
