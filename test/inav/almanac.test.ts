import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { decodeEphemeris, orbitOfAlmanac, orbitOfReducedCed } from "../../src/ephemeris/ephemeris.js";
import type { Ephemeris } from "../../src/ephemeris/ephemeris.js";
import { distanceMeters } from "../../src/ephemeris/geometry.js";
import { satelliteState } from "../../src/ephemeris/orbit.js";
import { AlmanacAssembler } from "../../src/inav/almanac.js";
import type { Almanac } from "../../src/inav/almanac.js";
import { gstOf, subframeOfE1Page, towOf } from "../../src/inav/gst.js";
import { decodeRawAs, encodeRawWord, iodNavOf, wordTypeOf } from "../../src/inav/word.js";
import type { FieldWord } from "../../src/inav/word.js";
import { describeShared, sharedPath } from "../support/shared.js";

type AlmanacType = 7 | 8 | 9 | 10;

/** A word of the group: IODa 5, WNa 1, t0a 172800, satellites 3, 11 and 0 (empty), else counting field values. */
function almanacWord<T extends AlmanacType>(
  type: T,
  changes: Partial<Record<string, number>> = {},
): Uint8Array {
  const blank = new Uint8Array(16);
  blank[0] = type << 2;
  const fields: Record<string, number | undefined> = { ...decodeRawAs(type, blank)!, iodA: 5 };
  if ("wnAMod4" in fields) Object.assign(fields, { wnAMod4: 1, t0aSeconds: 288 });
  if (type === 7) Object.assign(fields, { svid1: 3, deltaSqrtA1SqrtMeters: -4, m01Semicircles: 100 });
  if (type === 8) Object.assign(fields, { svid2: 11, e1bHs1: 1 });
  if (type === 9) Object.assign(fields, { svid3: 0, m02Semicircles: 200, e1bHs2: 3 });
  Object.assign(fields, changes);
  return encodeRawWord(fields as unknown as FieldWord<T>);
}

const START = gstOf(1385, 141660);
const AT: Record<AlmanacType, number> = { 7: START + 7, 8: START + 9, 9: START + 37, 10: START + 39 };

function run(words: [AlmanacType, Uint8Array, number?][], svid = 4): Almanac[] {
  const assembler = new AlmanacAssembler();
  return words
    .flatMap(([type, word, gst]) => assembler.push(svid, word, gst ?? AT[type]))
    .flatMap((output) => (output.kind === "almanac" ? [output.almanac] : []));
}
const group = (
  changes: Partial<Record<AlmanacType, Record<string, number>>> = {},
): [AlmanacType, Uint8Array][] =>
  ([7, 8, 9, 10] as const).map((type) => [type, almanacWord(type, changes[type])]);

describe("assembling almanacs", () => {
  it("gives the satellites of a group of two consecutive subframes, empty slots left out", () => {
    const almanacs = run(group());
    expect(almanacs.map(({ svid }) => svid)).toEqual([3, 11]);
    expect(almanacs[0]).toMatchObject({ iodA: 5, t0aSeconds: 172800, transmittedBy: 4, e1bHs: 1 });
    expect(almanacs[0].sqrtASqrtMeters).toBeCloseTo(Math.sqrt(29.6e6) - 4 / 512, 9);
    expect(almanacs[0].i0Semicircles * 180).toBeCloseTo(56, 12);
    expect(almanacs[0].m0Semicircles).toBe(100 / 32768);
    expect(almanacs[1]).toMatchObject({ m0Semicircles: 200 / 32768, e1bHs: 3 });
    expect(run(group({ 9: { svid3: 27 } })).map(({ svid }) => svid)).toEqual([3, 11, 27]);
  });

  it("resolves WNa to the nearest week", () => {
    // 1385 = 1 mod 4.
    expect(run(group())[0].t0aGst).toBe(gstOf(1385, 172800));
    const both = (wnAMod4: number) => run(group({ 7: { wnAMod4 }, 9: { wnAMod4 } }))[0].t0aGst;
    expect([0, 2].map(both)).toEqual([gstOf(1384, 172800), gstOf(1386, 172800)]);
  });

  it("does not mix words that differ in IODa, WNa or t0a", () => {
    for (const type of [7, 8, 9, 10] as const)
      expect(run(group({ [type]: { iodA: 6 } })), `WT${type}`).toEqual([]);
    for (const type of [7, 9] as const) {
      expect(run(group({ [type]: { wnAMod4: 2 } }))).toEqual([]);
      // Two batches with one IODa and different t0a have been on air together.
      expect(run(group({ [type]: { t0aSeconds: 289 } }))).toEqual([]);
    }
    expect(run(group({ 7: { t0aSeconds: 1008 }, 9: { t0aSeconds: 1008 } }))).toEqual([]);
  });

  it("does not mix subframes that do not follow each other, or satellites", () => {
    const later = group().map(([type, word]): [AlmanacType, Uint8Array, number] => [
      type,
      word,
      AT[type] + (type >= 9 ? 60 : 0),
    ]);
    expect(run(later)).toEqual([]);
    const lost = group();
    expect(run([...lost.slice(0, 1), [8, lost[1][1], AT[8] + 60], ...lost.slice(2)])).toEqual([]);
    const assembler = new AlmanacAssembler();
    const outputs = group().flatMap(([type, word]) => assembler.push(type < 9 ? 4 : 5, word, AT[type]));
    expect(outputs.map(({ kind }) => kind)).toEqual(["ggto"]);
  });

  it("gives nothing while a word is missing, whichever it is", () => {
    for (const missing of [7, 8, 9, 10])
      expect(run(group().filter(([type]) => type !== missing))).toEqual([]);
  });

  it("gives the GGTO with every WT10, and null where it is all ones", () => {
    const assembler = new AlmanacAssembler();
    const live = Uint8Array.from(Buffer.from("2a0a6aff8c663ff0cfff40007ffd8c29", "hex"));
    const [output] = assembler.push(9, live, START + 39);
    expect(output).toMatchObject({ kind: "ggto", svid: 9, receivedGst: START + 39, ggto: { wn0gMod64: 41 } });
    const none = live.slice();
    none[10] |= 3;
    none.fill(0xff, 11);
    expect(assembler.push(9, none, START + 99)).toMatchObject([{ kind: "ggto", ggto: null }]);
  });

  it("ignores other words, and refuses satellites and times that cannot be", () => {
    const assembler = new AlmanacAssembler();
    expect(assembler.push(4, new Uint8Array(16), START)).toEqual([]);
    for (const svid of [0, 37, 255, 1.5])
      expect(() => assembler.push(svid, almanacWord(7), START)).toThrow(RangeError);
    expect(() => assembler.push(4, almanacWord(7), NaN)).toThrow(RangeError);
  });
});

describeShared("live almanacs (captures/f9t-2026-03-09-leuven.ubx)", () => {
  it("put satellites where their ephemerides do, to kilometres", () => {
    const assembler = new AlmanacAssembler();
    const almanacs = new Map<number, Almanac>();
    const ephemerides = new Map<number, Ephemeris>();
    const words = new Map<number, Uint8Array[]>();
    for (const { svid, word, gst } of timedE1Words(
      readFileSync(sharedPath("captures", "f9t-2026-03-09-leuven.ubx")!),
    )) {
      for (const output of assembler.push(svid, word, gst)) {
        if (output.kind === "almanac") almanacs.set(output.almanac.svid, output.almanac);
      }
      const type = wordTypeOf(word);
      if (type < 1 || type > 5) continue;
      const known = words.get(svid) ?? [];
      known[type] = word;
      words.set(svid, known);
      const [, w1, w2, w3, w4, w5] = known;
      if (!w1 || !w2 || !w3 || !w4 || !w5 || iodNavOf(w1) !== iodNavOf(w2)) continue;
      const eph = decodeEphemeris([w1, w2, w3, w4, w5], svid);
      if (eph) ephemerides.set(svid, eph);
    }
    let compared = 0;
    for (const [svid, eph] of ephemerides) {
      const almanac = almanacs.get(svid);
      if (!almanac) continue;
      compared++;
      const broadcast = satelliteState(eph, towOf(eph.toeGst));
      const rough = satelliteState(orbitOfAlmanac(almanac), towOf(eph.toeGst));
      expect(distanceMeters(broadcast, rough), `E${svid}`).toBeLessThan(10_000);
      expect(Math.abs(broadcast.clockSeconds - rough.clockSeconds), `E${svid}`).toBeLessThan(3e-6);
    }
    expect(ephemerides.size).toBeGreaterThan(8);
    expect(compared).toBeGreaterThan(5);
  });

  it("come with reduced CED (WT16) that agrees with the ephemeris to metres, orbit and clock together", () => {
    const words = new Map<number, Uint8Array[]>();
    const errors: number[] = [];
    for (const { svid, word, gst } of timedE1Words(
      readFileSync(sharedPath("captures", "f9t-2026-03-09-leuven.ubx")!),
    )) {
      const known = words.get(svid) ?? [];
      words.set(svid, known);
      const type = wordTypeOf(word);
      if (type < 6) known[type] = word;
      const [, w1, w2, w3, w4, w5] = known;
      if (type !== 16 || !w1 || !w2 || !w3 || !w4 || !w5) continue;
      const eph = decodeEphemeris([w1, w2, w3, w4, w5], svid);
      if (!eph) continue;
      const full = satelliteState(eph, towOf(gst));
      const reduced = satelliteState(orbitOfReducedCed(word, subframeOfE1Page(gst))!, towOf(gst));
      // What a user far below sees: the radial error less that of the clock, which was fitted to make up for it.
      const radius = Math.hypot(full.x, full.y, full.z);
      const scale = radius / Math.hypot(reduced.x, reduced.y, reduced.z);
      const radial = radius / scale - radius;
      errors.push(Math.abs(radial - (reduced.clockSeconds - full.clockSeconds) * 299792458));
      const across = distanceMeters(full, {
        x: reduced.x * scale,
        y: reduced.y * scale,
        z: reduced.z * scale,
      });
      expect(across, `E${svid}`).toBeLessThan(30);
    }
    errors.sort((a, b) => a - b);
    expect(errors.length).toBeGreaterThan(100);
    expect(errors[errors.length >> 1]).toBeLessThan(2);
    expect(errors[Math.floor(errors.length * 0.95)]).toBeLessThan(5);
  });
});

/** E1-B I/NAV words of a UBX capture, timed by the NAV-TIMEGAL before them: right in all pages of this capture. */
function* timedE1Words(data: Uint8Array): Generator<{ svid: number; word: Uint8Array; gst: number }> {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  let gst: number | null = null;
  for (let at = 0; at + 8 <= data.length; at++) {
    if (data[at] !== 0xb5 || data[at + 1] !== 0x62) continue;
    const length = view.getUint16(at + 4, true);
    if (at + 8 + length > data.length) continue;
    const payload = at + 6;
    // NAV-TIMEGAL galTow is page start + 2 for the burst that follows it.
    if (data[at + 2] === 0x01 && data[at + 3] === 0x25 && length === 20) {
      const tow = view.getUint32(payload + 4, true);
      gst = gstOf(view.getInt16(payload + 12, true), tow % 2 === 1 ? tow - 2 : tow - 1);
      at += length + 7;
      continue;
    }
    if (data[at + 2] !== 0x02 || data[at + 3] !== 0x13 || length < 40) continue;
    if (data[payload] !== 2 || data[payload + 2] !== 1) continue;
    const page = new Uint8Array(32);
    for (let i = 0; i < 8; i++) {
      new DataView(page.buffer).setUint32(4 * i, view.getUint32(payload + 8 + 4 * i, true));
    }
    const word = new Uint8Array(16);
    for (let i = 0; i < 14; i++) word[i] = (page[i] << 2) | (page[i + 1] >> 6);
    word[14] = (page[16] << 2) | (page[17] >> 6);
    word[15] = (page[17] << 2) | (page[18] >> 6);
    if (gst !== null) yield { svid: data[payload + 1], word, gst };
    at += length + 7;
  }
}
