import { describe, expect, it } from "vitest";
import { decodeEphemeris, orbitOfReducedCed, wrapWeek } from "../../src/ephemeris/ephemeris.js";
import type { Ephemeris } from "../../src/ephemeris/ephemeris.js";
import { newSatelliteState, satelliteState } from "../../src/ephemeris/orbit.js";
import {
  azimuthElevation,
  DEG,
  distanceMeters,
  geodeticToEcef,
  sagnacMeters,
} from "../../src/ephemeris/geometry.js";
import { decodeWordAs, encodeWord } from "../../src/inav/word.js";
import { E12_WORDS, E13_WORDS, E26_WORDS, E31_WORDS } from "./words.js";

const E31 = decodeEphemeris(E31_WORDS, 31)!;

describe("decoding an ephemeris", () => {
  it("gives E31's in SI units", () => {
    expect(E31).toMatchObject({
      svid: 31,
      iodNav: 107,
      toeSeconds: 140400,
      tocSeconds: 140400,
      toeGst: 1385 * 604800 + 140400,
      sqrtA: 5440.614151000977,
      eccentricity: 1.1121458373963833e-4,
      sisaIndex: 107,
      af0Seconds: -1.2482382589951158e-4,
      ai0Sfu: 144.25,
      wn: 1385,
    });
    expect(E31.m0).toBeCloseTo(1.679196621027978, 14);
    expect(E31.i0).toBeCloseTo(0.9616675838977717, 14);
    expect(E31.omega0).toBeCloseTo(1.0225969106030794, 14);
    expect(E31.omega).toBeCloseTo(0.2773819688838183, 14);
    expect(E31.bgdE1E5bSeconds).toBeCloseTo(3.0268e-9, 12);
  });

  it("refuses another satellite's words, mixed issues and misplaced words", () => {
    const [w1, w2, w3, w4, w5] = E31_WORDS;
    expect(decodeEphemeris(E31_WORDS, 30)).toBeNull();
    expect(decodeEphemeris([w1, w2, w3, E26_WORDS[3], w5], 31)).toBeNull();
    expect(decodeEphemeris([w2, w1, w3, w4, w5], 31)).toBeNull();
    for (const at of [0, 1, 2, 3]) {
      const mixed = E31_WORDS.map((word) => word.slice());
      mixed[at][1] ^= 1;
      expect(
        decodeEphemeris([mixed[0], mixed[1], mixed[2], mixed[3], mixed[4]], 31),
        `WT${at + 1}`,
      ).toBeNull();
    }
  });

  it("refuses times and orbits that cannot be", () => {
    const [w1, w2, w3, w4, w5] = E31_WORDS;
    const change = (type: 1 | 4 | 5, word: Uint8Array, fields: object): Uint8Array =>
      encodeWord({ ...decodeWordAs(type, word)!, ...fields });
    expect(decodeEphemeris([change(1, w1, { toeSeconds: 604740 }), w2, w3, w4, w5], 31)).not.toBeNull();
    expect(decodeEphemeris([change(1, w1, { toeSeconds: 604800 }), w2, w3, w4, w5], 31)).toBeNull();
    expect(decodeEphemeris([w1, w2, w3, change(4, w4, { tocSeconds: 604800 }), w5], 31)).toBeNull();
    expect(decodeEphemeris([w1, w2, w3, w4, change(5, w5, { towSeconds: 604800 })], 31)).toBeNull();
    expect(decodeEphemeris([change(1, w1, { sqrtASqrtMeters: 0 }), w2, w3, w4, w5], 31)).toBeNull();
  });

  it("resolves toe across the week's end", () => {
    const [w1, w2, w3, w4, w5] = E31_WORDS;
    const early = encodeWord({ ...decodeWordAs(1, w1)!, toeSeconds: 604200 });
    const late = encodeWord({ ...decodeWordAs(5, w5)!, wn: 1386, towSeconds: 25 });
    expect(decodeEphemeris([early, w2, w3, w4, late], 31)!.toeGst).toBe(1386 * 604800 - 600);
  });

  it("refuses arguments of the wrong kind or range", () => {
    expect(() => decodeEphemeris(E31_WORDS, 37)).toThrow(RangeError);
    expect(() => decodeEphemeris([] as unknown as typeof E31_WORDS, 31)).toThrow(TypeError);
  });
});

describe("satellite position, velocity and clock", () => {
  it("are E31's at TOW 141660 to 0.1 mm, 1 mm/s and 1e-15 s", () => {
    const state = satelliteState(E31, 141660);
    expect(state.x).toBeCloseTo(16868224.6749, 3);
    expect(state.y).toBeCloseTo(-12618983.3107, 3);
    expect(state.z).toBeCloseTo(20795273.0977, 3);
    expect(state.vx).toBeCloseTo(2074.783, 3);
    expect(state.vy).toBeCloseTo(213.683, 3);
    expect(state.vz).toBeCloseTo(-1552.715, 3);
    expect(state.relativitySeconds).toBeCloseTo(-2.5946e-10, 13);
    expect(Math.abs(state.clockSeconds - -1.24827648589e-4)).toBeLessThan(1e-15);
    expect(Math.abs(state.clockE1Seconds - -1.24830675387e-4)).toBeLessThan(1e-15);
  });

  it("subtract BGD(E1,E5b), not BGD(E1,E5a)", () => {
    const state = satelliteState(E31, 141660);
    expect(state.clockSeconds - state.clockE1Seconds).toBeCloseTo(E31.bgdE1E5bSeconds, 18);
    expect(E31.bgdE1E5aSeconds).not.toBe(E31.bgdE1E5bSeconds);
  });

  it("have a velocity that is the derivative of the position", () => {
    for (const eccentricity of [E31.eccentricity, 0.16, 0.49]) {
      const eph: Ephemeris = { ...E31, eccentricity };
      for (let tow = 130000; tow < 180000; tow += 3571) {
        // Fourth-order difference: its own error is far below the tolerance at any eccentricity.
        const near = [-2, -1, 1, 2].map((from) => satelliteState(eph, tow + from));
        const rate = (axis: "x" | "y" | "z"): number =>
          (near[0][axis] - 8 * near[1][axis] + 8 * near[2][axis] - near[3][axis]) / 12;
        const at = satelliteState(eph, tow);
        expect(Math.abs(rate("x") - at.vx)).toBeLessThan(1e-6);
        expect(Math.abs(rate("y") - at.vy)).toBeLessThan(1e-6);
        expect(Math.abs(rate("z") - at.vz)).toBeLessThan(1e-6);
      }
    }
  });

  it("do not depend on the week that the time of week is given in", () => {
    expect(satelliteState(E31, 141660 + 604800)).toEqual(satelliteState(E31, 141660));
    const overEnd: Ephemeris = { ...E31, toeSeconds: 604200, tocSeconds: 604200 };
    const before = satelliteState(overEnd, 604799.999);
    const after = satelliteState(overEnd, 0.001);
    expect(distanceMeters(before, after)).toBeLessThan(10);
    expect(Math.abs(before.clockSeconds - after.clockSeconds)).toBeLessThan(1e-12);
  });

  it("fill the caller's object where one is given", () => {
    const out = newSatelliteState();
    expect(satelliteState(E31, 141660, out)).toBe(out);
    expect(out).toEqual(satelliteState(E31, 141660));
    expect(() => satelliteState(E31, NaN)).toThrow(RangeError);
  });

  it("put five satellites where the closed-loop reference has them (range, azimuth, elevation, clock)", () => {
    const at = { latitudeRad: 50 * DEG, longitudeRad: 4 * DEG, heightMeters: 100 };
    const receiver = geodeticToEcef(at);
    const reference = [
      {
        words: E31_WORDS,
        svid: 31,
        tow: 141679.919429471,
        range: 24154436.8378,
        clock: -1.248307e-4,
        az: 274.653,
        el: 55.131,
      },
      {
        words: E26_WORDS,
        svid: 26,
        tow: 141679.920839315,
        range: 23731776.3543,
        clock: 2.420188e-4,
        az: 57.694,
        el: 64.631,
      },
      {
        words: E12_WORDS,
        svid: 12,
        tow: 141679.906220062,
        range: 28114518.0081,
        clock: -3.091685e-5,
        az: 243.65,
        el: 7.031,
      },
      {
        words: E13_WORDS,
        svid: 13,
        tow: 141679.908135868,
        range: 27540174.0544,
        clock: -4.995859e-5,
        az: 61.727,
        el: 12.909,
      },
    ];
    for (const { words, svid, tow, range, clock, az, el } of reference) {
      const eph = decodeEphemeris(words, svid)!;
      const state = satelliteState(eph, tow);
      expect(
        Math.abs(distanceMeters(receiver, state) + sagnacMeters(receiver, state) - range),
        `E${svid}`,
      ).toBeLessThan(2e-3);
      expect(Math.abs(state.clockE1Seconds - clock)).toBeLessThan(5.1e-11);
      const seen = azimuthElevation(receiver, state, at);
      expect(Math.abs(seen.azimuthRad / DEG - az)).toBeLessThan(6e-4);
      expect(Math.abs(seen.elevationRad / DEG - el)).toBeLessThan(6e-4);
    }
  });
});

describe("wrapWeek", () => {
  it("brings differences into half a week either side", () => {
    expect([0, 1, -1, 604799, 604800, -604799, 302400, -302400, 302399.5].map(wrapWeek)).toEqual([
      0, 1, -1, -1, 0, 1, -302400, -302400, 302399.5,
    ]);
  });
});

describe("reduced CED (WT16)", () => {
  it("refers to one second into its subframe, across the week's end too", () => {
    const word = encodeWord({
      type: 16,
      deltaAMeters: 256,
      ex: 3 * 2 ** -22,
      ey: 4 * 2 ** -22,
      deltaI0Semicircles: 0,
      omega0Semicircles: 0.25,
      lambda0Semicircles: 0.5,
      af0Seconds: 0,
      af1SecondsPerSecond: 0,
    });
    const orbit = orbitOfReducedCed(word, 1385 * 604800 + 141660)!;
    expect(orbit.toeSeconds).toBe(141661);
    expect(orbit.sqrtA * orbit.sqrtA).toBeCloseTo(29_600_256, 6);
    expect(orbit.eccentricity).toBeCloseTo(5 * 2 ** -22, 15);
    expect(orbit.omega).toBeCloseTo(Math.atan2(4, 3), 14);
    expect(orbit.omega + orbit.m0).toBeCloseTo(Math.PI / 2, 12);
    expect(orbitOfReducedCed(word, 1386 * 604800 - 30)!.toeSeconds).toBe(604771);
    expect(orbitOfReducedCed(E31_WORDS[0], 0)).toBeNull();
  });
});
