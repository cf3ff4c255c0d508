import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  azimuthElevation,
  DEG,
  distanceMeters,
  ecefToGeodetic,
  enuOf,
  geodeticToEcef,
  rotateForTravel,
  sagnacMeters,
} from "../../src/ephemeris/geometry.js";

const place = (latitudeDeg: number, longitudeDeg: number, heightMeters: number) => ({
  latitudeRad: latitudeDeg * DEG,
  longitudeRad: longitudeDeg * DEG,
  heightMeters,
});

describe("geodetic coordinates", () => {
  it("give the reference point 50 N, 4 E, 100 m", () => {
    const { x, y, z } = geodeticToEcef(place(50, 4, 100));
    expect(x).toBeCloseTo(4097921.6629, 3);
    expect(y).toBeCloseTo(286554.5975, 3);
    expect(z).toBeCloseTo(4862865.6422, 3);
  });

  it("come back from ECEF to a hundredth of a millimetre, from 100 km below ground to the satellites", () => {
    fc.assert(
      fc.property(
        fc.double({ min: -90, max: 90, noNaN: true }),
        fc.double({ min: -180, max: 180, noNaN: true }),
        fc.double({ min: -100e3, max: 30e6, noNaN: true }),
        (latitude, longitude, height) => {
          const point = geodeticToEcef(place(latitude, longitude, height));
          const back = ecefToGeodetic(point);
          expect(distanceMeters(geodeticToEcef(back), point)).toBeLessThan(1e-5);
          expect(Math.abs(back.heightMeters - height)).toBeLessThan(1e-5);
        },
      ),
    );
  });

  it("stay finite on the axis and at the Earth's centre", () => {
    expect(ecefToGeodetic({ x: 0, y: 0, z: 6356752.314245 + 10 }).heightMeters).toBeCloseTo(10, 5);
    expect(ecefToGeodetic({ x: 0, y: 0, z: -6356752.314245 }).latitudeRad).toBeCloseTo(-Math.PI / 2, 12);
    for (const value of Object.values(ecefToGeodetic({ x: 0, y: 0, z: 0 })))
      expect(Number.isFinite(value)).toBe(true);
    for (const value of Object.values(ecefToGeodetic({ x: 1, y: 0, z: 0 })))
      expect(Number.isFinite(value)).toBe(true);
  });
});

describe("azimuth and elevation", () => {
  const here = place(50, 4, 100);
  const receiver = geodeticToEcef(here);

  it("are 0, 90, 180 and 270 degrees for north, east, south and west", () => {
    const azimuth = (latitude: number, longitude: number): number =>
      azimuthElevation(receiver, geodeticToEcef(place(latitude, longitude, 100))).azimuthRad / DEG;
    expect(Math.min(azimuth(50.01, 4), 360 - azimuth(50.01, 4))).toBeCloseTo(0, 6);
    expect(azimuth(50, 4.01)).toBeCloseTo(90, 1);
    expect(azimuth(49.99, 4)).toBeCloseTo(180, 6);
    expect(azimuth(50, 3.99)).toBeCloseTo(270, 1);
  });

  it("are 90 degrees up for a point overhead and minus 90 for one underfoot", () => {
    expect(azimuthElevation(receiver, geodeticToEcef(place(50, 4, 2e7))).elevationRad / DEG).toBeCloseTo(
      90,
      6,
    );
    expect(azimuthElevation(receiver, geodeticToEcef(place(50, 4, 0))).elevationRad / DEG).toBeCloseTo(
      -90,
      6,
    );
  });

  it("keep the length of the vector in east, north, up", () => {
    const satellite = { x: 16868224.6749, y: -12618983.3107, z: 20795273.0977 };
    const { eastMeters, northMeters, upMeters } = enuOf(receiver, satellite, here);
    expect(Math.hypot(eastMeters, northMeters, upMeters)).toBeCloseTo(distanceMeters(receiver, satellite), 6);
  });
});

describe("Earth rotation during the signal's travel", () => {
  it("as a Sagnac term equals a rotated satellite to a millimetre, and is tens of metres", () => {
    const receiver = geodeticToEcef(place(50, 4, 100));
    const satellite = { x: 16868224.6749, y: -12618983.3107, z: 20795273.0977 };
    const range = distanceMeters(receiver, satellite);
    const rotated = distanceMeters(receiver, rotateForTravel(satellite, range / 299792458));
    expect(Math.abs(rotated - range - sagnacMeters(receiver, satellite))).toBeLessThan(1e-3);
    expect(sagnacMeters(receiver, satellite)).toBeGreaterThan(10);
  });
});
