import { describe, expect, it } from "vitest";
import { decodeEphemeris, orbitOfAlmanac, orbitOfReducedCed } from "../../src/ephemeris/ephemeris.js";
import { ntcmSlantTecu } from "../../src/ephemeris/ionosphere.js";
import { DEG } from "../../src/ephemeris/geometry.js";
import { satelliteState } from "../../src/ephemeris/orbit.js";
import { troposphereSimpleMeters } from "../../src/ephemeris/troposphere.js";
import { AlmanacAssembler } from "../../src/inav/almanac.js";
import { gstOf, towOf } from "../../src/inav/gst.js";
import { parsePage, wordsOf240Bits } from "../../src/inav/page.js";
import { nominalSlots } from "../../src/inav/schedule.js";
import { decodeWordAs } from "../../src/inav/word.js";
import { ntcmTecu, troposphereMeters } from "../../src/simulate/atmosphere.js";
import { ecefOf, flightOf, lookAngles, type Place } from "../../src/simulate/geometry.js";
import {
  CONSTELLATION_SIZE,
  e1bWordTypes,
  e5bWordTypes,
  encodePage,
  IONOSPHERE_COEFFICIENTS,
  NavigationModel,
  sspAt,
} from "../../src/simulate/navigation.js";
import { DEFAULT_PLACE } from "../../src/simulate/scenario.js";

const GST = gstOf(1400, 140_880);
const model = new NavigationModel("test", GST);
const svids = Array.from({ length: CONSTELLATION_SIZE }, (_, i) => i + 1);

function ephemerisOf(svid: number, gst: number): NonNullable<ReturnType<typeof decodeEphemeris>> {
  const word = (type: number): Uint8Array => model.word(svid, type, gst, gst + 1);
  const ephemeris = decodeEphemeris([word(1), word(2), word(3), word(4), word(5)], svid);
  expect(ephemeris).not.toBeNull();
  return ephemeris!;
}

describe("simulated ephemeris", () => {
  it("read by the decoder puts every satellite where the model has it, clock included", () => {
    for (const svid of svids) {
      const state = satelliteState(ephemerisOf(svid, GST), towOf(GST) + 17);
      const [x, y, z] = model.position(svid, GST + 17);
      expect(Math.hypot(state.x - x, state.y - y, state.z - z)).toBeLessThan(1e-3);
      expect(Math.abs(state.clockE1Seconds - model.clockE1(svid, GST + 17))).toBeLessThan(1e-15);
    }
  });

  it("is a Walker 24/3/1: radius near 29 600 km, in one plane of three, 45 degrees apart", () => {
    for (const svid of svids) {
      const [x, y, z] = model.position(svid, GST);
      expect(Math.abs(Math.hypot(x, y, z) - 29_600_000)).toBeLessThan(20_000);
      const next = svid % 8 === 0 ? svid - 7 : svid + 1;
      const [nx, ny, nz] = model.position(next, GST);
      const cosine = (x * nx + y * ny + z * nz) / (Math.hypot(x, y, z) * Math.hypot(nx, ny, nz));
      expect((Math.acos(cosine) * 180) / Math.PI).toBeCloseTo(45, 0);
    }
  });

  it("changes IODnav every ten minutes, all of WT1-4 together, and the orbit goes on smoothly", () => {
    const change = gstOf(1400, 141_060);
    for (const svid of svids) {
      expect(model.iodNav(svid, change)).toBe((model.iodNav(svid, change - 30) + 1) % 128);
      const [before, after] = [ephemerisOf(svid, change - 30), ephemerisOf(svid, change)];
      expect([before.iodNav, after.iodNav]).toEqual([
        model.iodNav(svid, change - 30),
        model.iodNav(svid, change),
      ]);
      const [a, b] = [satelliteState(before, towOf(change)), satelliteState(after, towOf(change))];
      expect(Math.hypot(a.x - b.x, a.y - b.y, a.z - b.z)).toBeLessThan(0.3);
      expect(Math.abs(a.clockSeconds - b.clockSeconds)).toBeLessThan(1e-10);
    }
  });

  it("is right across the turn of the week, where toe and the node's reference belong to different weeks", () => {
    const change = gstOf(1401, 60);
    for (const svid of svids) {
      const [before, after] = [ephemerisOf(svid, change - 30), ephemerisOf(svid, change)];
      expect(before.toeSeconds).toBeGreaterThan(600_000);
      expect(after.toeSeconds).toBe(0);
      const [a, b] = [satelliteState(before, 60), satelliteState(after, 60)];
      expect(Math.hypot(a.x - b.x, a.y - b.y, a.z - b.z)).toBeLessThan(0.3);
    }
  });

  it("agrees with its almanac within kilometres, for each of the 24 satellites over one frame", () => {
    const assembler = new AlmanacAssembler();
    const found = new Set<number>();
    const frame = Math.floor(GST / 720) * 720;
    for (let gst = frame; gst < frame + 720; gst += 30) {
      e1bWordTypes(gst, true).forEach((type, page) => {
        const at = gst + 1 + 2 * page;
        for (const output of assembler.push(9, model.word(9, type, gst, at), at)) {
          if (output.kind !== "almanac") {
            expect(output.ggto?.a0gSeconds).toBeCloseTo(31 * 2 ** -35, 15);
            continue;
          }
          const { svid } = output.almanac;
          const state = satelliteState(orbitOfAlmanac(output.almanac), towOf(at));
          const [x, y, z] = model.position(svid, at);
          expect(Math.hypot(state.x - x, state.y - y, state.z - z)).toBeLessThan(5000);
          found.add(svid);
        }
      });
    }
    expect([...found].sort((a, b) => a - b)).toEqual(svids);
  });

  it("agrees with WT16 within the harmonics that this WT16, which is not fitted, leaves out", () => {
    for (const svid of svids) {
      const reduced = orbitOfReducedCed(model.word(svid, 16, GST, GST + 15), GST)!;
      const state = satelliteState(reduced, towOf(GST) + 1);
      const [x, y, z] = model.position(svid, GST + 1);
      expect(Math.hypot(state.x - x, state.y - y, state.z - z)).toBeLessThan(600);
    }
  });
});

describe("simulated words", () => {
  it("tell the time of their page in WT0, WT5 and WT6", () => {
    for (const [type, page] of [
      [0, 17],
      [5, 25],
      [6, 5],
    ] as const) {
      const word = decodeWordAs(type, model.word(3, type, GST, GST + page));
      expect(word?.towSeconds).toBe(towOf(GST) + page);
      if (word !== null && "wn" in word) expect(word.wn).toBe(1400);
    }
  });

  it("stand where satellites send them", () => {
    for (const gst of [GST, GST + 30]) {
      e1bWordTypes(gst, true).forEach((type, page) => {
        const slots = nominalSlots("E1-B", type);
        if (slots !== null) expect(slots).toContain(1 + 2 * page);
      });
      e5bWordTypes(gst).forEach((type, page) => {
        const slots = nominalSlots("E5b", type);
        if (slots !== null) expect(slots).toContain(2 * page);
      });
    }
  });

  it("carry health and dummy words as the events say", () => {
    const sick = new NavigationModel("test", GST, [
      { svid: 4, fromGst: GST, e1bHs: 1, e1bDvs: 1, sisa: 255 },
    ]);
    expect(decodeWordAs(5, sick.word(4, 5, GST - 30, GST))?.e1bHs).toBe(0);
    const now = decodeWordAs(5, sick.word(4, 5, GST, GST + 25));
    expect([now?.e1bHs, now?.e1bDvs, now?.e5bHs, now?.e5bDvs]).toEqual([1, 1, 0, 0]);
    expect(decodeWordAs(3, sick.word(4, 3, GST, GST + 23))?.sisaIndex).toBe(255);
    expect(model.word(4, 63, GST, GST + 1)[0] >> 2).toBe(63);
  });
});

describe("page", () => {
  it("passes the CRC and gives word and OSNMA bits back; any covered bit flipped fails", () => {
    const word = model.word(7, 1, GST, GST + 21);
    const osnma = Uint8Array.of(0x92, 0x12, 0x34, 0x56, 0x78);
    const { even, odd } = encodePage({ word, osnma, ssp: 0x2b });
    const halves = new Uint8Array(30);
    halves.set(even, 0);
    halves.set(odd, 15);
    const words = new Uint32Array(8);
    wordsOf240Bits(halves, 0, words);
    const page = parsePage(words, 7, "E1-B");
    expect(page).toMatchObject({ wordType: 1, word, hkroot: 0x92, mack: 0x12345678, hasOsnma: true });
    // Even bits 2-113 and odd bits 2-81: word, OSNMA, search and rescue, spare.
    const covered = [
      ...Array.from({ length: 112 }, (_, i) => 2 + i),
      ...Array.from({ length: 80 }, (_, i) => 122 + i),
    ];
    for (const bit of covered) {
      const copy = halves.slice();
      copy[bit >> 3] ^= 0x80 >> (bit & 7);
      wordsOf240Bits(copy, 0, words);
      expect(parsePage(words, 7, "E1-B")).toBe("crc");
    }
  });

  it("has the CRC of the published page", () => {
    const word = Buffer.from("086ee927d0bf27cff946b91683bafc89", "hex");
    const osnma = Buffer.from("528f25fb86", "hex");
    const { even } = encodePage({ word, osnma, ssp: 0xfd });
    expect(Buffer.from(even).toString("hex")).toBe("021bba49f42fc9f3fe51ae45a0ee80");
  });

  it("cycles the SSP every six seconds", () => {
    expect([1, 3, 5, 7].map((s) => sspAt(gstOf(1400, s), true))).toEqual([0x04, 0x2b, 0x2f, 0x04]);
    expect(sspAt(gstOf(1400, 1), false)).toBe(0xfd);
  });
});

describe("simulated ranges", () => {
  it("have the atmosphere that the solver's own models would take off again", () => {
    const { latitudeDeg, longitudeDeg, heightMeters } = DEFAULT_PLACE;
    const at = { latitudeRad: latitudeDeg * DEG, longitudeRad: longitudeDeg * DEG, heightMeters };
    const [ai0Sfu, ai1SfuPerDeg, ai2SfuPerDeg2] = IONOSPHERE_COEFFICIENTS;
    for (const [azimuthDeg, elevationDeg] of [
      [10, 8],
      [130, 35],
      [250, 80],
    ] as const) {
      expect(troposphereMeters(DEFAULT_PLACE, elevationDeg)).toBeCloseTo(
        troposphereSimpleMeters(at, elevationDeg * DEG),
        3,
      );
      const direction = { azimuthRad: azimuthDeg * DEG, elevationRad: elevationDeg * DEG };
      const time = { dayOfYear: 312, utHours: 15.1 };
      expect(
        ntcmTecu(IONOSPHERE_COEFFICIENTS, DEFAULT_PLACE, azimuthDeg, elevationDeg, 312, 15.1),
      ).toBeCloseTo(ntcmSlantTecu({ ai0Sfu, ai1SfuPerDeg, ai2SfuPerDeg2 }, at, direction, time), 9);
    }
  });

  it("reproduce published NTCM-G rays", () => {
    const tecu = (ai: readonly [number, number, number], place: Place, satellite: Place): number => {
      const { azimuthDeg, elevationDeg } = lookAngles(place, ecefOf(satellite));
      return ntcmTecu(ai, place, azimuthDeg, elevationDeg, 105, 0);
    };
    const at = (longitudeDeg: number, latitudeDeg: number, heightMeters: number): Place => ({
      latitudeDeg,
      longitudeDeg,
      heightMeters,
    });
    const high = [236.831641, -0.39362878, 0.00402826613] as const;
    const medium = [121.129893, 0.351254133, 0.0134635348] as const;
    const low = [2.580271, 0.127628236, 0.0252748384] as const;
    expect(tecu(high, at(-62.34, 82.49, 78.11), at(8.23, 54.29, 20281546.18))).toBeCloseTo(33.7567, 3);
    expect(tecu(high, at(-52.81, 5.25, -25.76), at(-99.26, 34.47, 20275286.46))).toBeCloseTo(127.0015, 3);
    expect(tecu(medium, at(40.19, -3.0, -23.32), at(76.65, -41.43, 20157673.93))).toBeCloseTo(28.3208, 3);
    expect(tecu(low, at(141.13, 39.14, 117), at(165.14, -13.93, 20181976.5))).toBeCloseTo(51.527, 3);
  });

  it("take about 0.08 s and turn with the Earth meanwhile", () => {
    const { rangeMeters, transmitGst } = flightOf(model, 11, DEFAULT_PLACE, GST);
    expect(rangeMeters / 299_792_458).toBeCloseTo(GST - transmitGst, 6);
  });
});
