/** `osnmad export rinex`: columns as RINEX 3.04 wants them, and RTKLIB's rnx2rtkp finds the place of a simulation. */
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { decodeMessage, encodeMessage, type MessageOf } from "gnss-ubx";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { exportRinex } from "../../src/export/export-rinex.js";
import { ObservationRecords, ObservationSurvey } from "../../src/export/rinex-observation.js";
import { exponential, fixed } from "../../src/export/rinex-format.js";
import { geodeticToEcef, enuOf } from "../../src/ephemeris/geometry.js";
import { SPEED_OF_LIGHT } from "../../src/ephemeris/constants.js";
import { gstOf } from "../../src/inav/gst.js";
import { IONOSPHERE_COEFFICIENTS } from "../../src/simulate/navigation.js";
import { ionosphereMeters, ntcmTecu } from "../../src/simulate/atmosphere.js";
import { parametrisedScenario, Simulation } from "../../src/simulate/scenario.js";
import { ubxFrames } from "../../src/simulate/ubx-stream.js";
import { describeShared, sharedPath } from "../support/shared.js";

type Rawx = MessageOf<"RXM-RAWX">;

const PLACE = { latitudeDeg: 50.85, longitudeDeg: 4.73, heightMeters: 100 };
const START = gstOf(1400, 39 * 3600 + 480);
const DEG = Math.PI / 180;
const options = { force: true, program: "osnmad test", created: new Date(Date.UTC(2026, 5, 22, 15, 8, 9)) };

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "osnmad-rinex-"));
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

/** A short capture; `ionosphere: false` takes the simulated delay out of the ranges again. */
function capture(name: string, ionosphere: boolean): string {
  const { options: scenario } = parametrisedScenario({ seed: "rinex", startGst: START, subframes: 4 });
  const { seed, startGst, subframes, phases } = scenario;
  const simulation = new Simulation({ seed, startGst, subframes, phases, place: PLACE, maxSatellites: 9 });
  const frames = [...ubxFrames(simulation, { rawx: true })].map((frame) => {
    if (ionosphere || frame[2] !== 2 || frame[3] !== 0x15) return frame;
    const message = decodeMessage(2, 0x15, frame.subarray(6, -2)) as Rawx;
    const gst = gstOf(message.week - 1024, Math.round(message.rcvTow));
    const utc = new Date((gst + 935_280_000 - 18) * 1000);
    const day = 1 + Math.floor((utc.getTime() - Date.UTC(utc.getUTCFullYear(), 0, 1)) / 86_400_000);
    const hours = (utc.getTime() % 86_400_000) / 3_600_000;
    const meas = message.meas.map((one) => {
      const flight = one.prMes / SPEED_OF_LIGHT;
      const { azimuthDeg, elevationDeg } = simulation.lookAngles(one.svId, gst - flight);
      const tecu = ntcmTecu(IONOSPHERE_COEFFICIENTS, PLACE, azimuthDeg, elevationDeg, day, hours);
      return { ...one, prMes: one.prMes - ionosphereMeters(tecu) };
    });
    return encodeMessage("RXM-RAWX", { ...message, meas });
  });
  const path = join(folder, `${name}.ubx`);
  writeFileSync(path, Buffer.concat(frames));
  return path;
}

const rtklib = spawnSync("rnx2rtkp", ["-?"]).error === undefined;

/** Mean of RTKLIB's single-point solutions in metres east, north and up of the truth; and how many there are. */
function solvedByRtklib(prefix: string, truth: typeof PLACE, everySeconds = 1) {
  const config = `${prefix}.conf`;
  writeFileSync(
    config,
    "pos1-posmode =single\npos1-frequency =l1\npos1-elmask =10\npos1-ionoopt =off\npos1-tropopt =saas\n" +
      "pos1-navsys =8\nout-solformat =xyz\n",
  );
  const out = execFileSync(
    "rnx2rtkp",
    ["-k", config, "-ti", String(everySeconds), `${prefix}.obs`, `${prefix}.nav`],
    {
      encoding: "latin1",
      stdio: ["ignore", "pipe", "ignore"],
    },
  );
  const from = geodeticToEcef({
    latitudeRad: truth.latitudeDeg * DEG,
    longitudeRad: truth.longitudeDeg * DEG,
    heightMeters: truth.heightMeters,
  });
  return out
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith("%"))
    .map((line) => {
      const [x, y, z] = line.trim().split(/\s+/).slice(2, 5).map(Number);
      return enuOf(from, { x, y, z });
    });
}

describe.skipIf(!rtklib)(
  `RTKLIB reads the files${rtklib ? "" : " (skipped: rnx2rtkp is not installed)"}`,
  () => {
    it("a noiseless simulation without ionosphere: the place within 0.1 m at every epoch", async () => {
      const path = capture("plain", false);
      const prefix = join(folder, "plain");
      const { observation, navigation } = await exportRinex(path, prefix, options);
      expect(observation!.epochs).toBeGreaterThan(100);
      expect(navigation.satellites).toHaveLength(9);
      const errors = solvedByRtklib(prefix, PLACE);
      // Until the first ephemerides are whole there is none to use; RTKLIB uses later ones for earlier epochs.
      expect(errors.length).toBeGreaterThan(100);
      for (const { eastMeters, northMeters, upMeters } of errors) {
        expect(Math.hypot(eastMeters, northMeters, upMeters)).toBeLessThan(0.1);
      }
    });

    it("with ionosphere left in, the same files are metres too high: the comparison can fail", async () => {
      const prefix = join(folder, "delayed");
      await exportRinex(capture("delayed", true), prefix, options);
      const up = solvedByRtklib(prefix, PLACE).map(({ upMeters }) => upMeters);
      expect(Math.min(...up)).toBeGreaterThan(2);
    });
  },
);

describe("the files", () => {
  it("have their records in the columns of RINEX 3.04", async () => {
    const path = capture("columns", true);
    await exportRinex(path, join(folder, "columns"), options);
    const obs = readFileSync(join(folder, "columns.obs"), "latin1").split("\n");
    const end = obs.findIndex((line) => line.slice(60) === "END OF HEADER");
    for (const line of obs.slice(0, end)) expect(line.slice(60).trim().length, line).toBeGreaterThan(5);
    expect(obs[0]).toBe("     3.04           OBSERVATION DATA    E: GALILEO          RINEX VERSION / TYPE");
    expect(obs[1]).toBe("osnmad test                             20260622 150809 UTC PGM / RUN BY / DATE");
    expect(obs).toContain("E    4 C1C L1C D1C S1C                                      SYS / # / OBS TYPES");
    expect(obs[end + 1]).toMatch(/^> 2026 06 22 15 08 {2}\d\.\d{7} {2}0 {2}9$/);
    // Each observation: F14.3, loss of lock, strength.
    for (const line of obs.slice(end + 2, end + 11)) {
      const fields = [0, 1, 2, 3].map((i) => line.slice(3 + 16 * i, 19 + 16 * i));
      expect(fields[0]).toMatch(/^ {2}2\d{7}\.\d{3} \d$/);
      expect(fields[1]).toMatch(/^ 1\d{8}\.\d{3}1\d$/);
      expect(fields[2]).toMatch(/^ +-?\d{1,4}\.\d{3} {2}$/);
      expect(fields[3]).toMatch(/^ {8}\d\d\.000$/);
    }
    const nav = readFileSync(join(folder, "columns.nav"), "latin1").split("\n");
    const body = nav.slice(nav.findIndex((line) => line.slice(60) === "END OF HEADER") + 1, -1);
    expect(body.length % 8).toBe(0);
    for (let i = 0; i < body.length; i += 8) {
      expect(body[i]).toMatch(/^E\d\d 2026 06 22 15 \d0 00([ -]\d\.\d{12}E[+-]\d\d){3}$/);
      for (const line of body.slice(i + 1, i + 7)) expect(line).toMatch(/^ {4}([ -]\d\.\d{12}E[+-]\d\d){4}$/);
    }
    expect(nav.filter((line) => line.endsWith("IONOSPHERIC CORR"))[0]).toMatch(
      /^GAL {4}1\.4425E\+02 -1\.1719E-02 -3\.6621E-04 {19}IONOSPHERIC CORR$/,
    );
  });

  it("are the same for the same capture", async () => {
    const path = capture("same", true);
    const [a, b] = [join(folder, "a"), join(folder, "b")];
    for (const prefix of [a, b]) await exportRinex(path, prefix, options);
    for (const kind of ["obs", "nav"])
      expect(readFileSync(`${a}.${kind}`)).toEqual(readFileSync(`${b}.${kind}`));
  });

  it("standard input, read once only, is refused by name", async () => {
    await expect(exportRinex("-", join(folder, "stdin"), options)).rejects.toMatchObject({
      code: "OSN_USAGE",
    });
  });
});

describe("observation records", () => {
  const meas = (more: Partial<Rawx["meas"][number]> = {}): Rawx["meas"][number] => ({
    prMes: 25_000_000.1234,
    cpMes: 131_000_000.5678,
    doMes: -1234.5,
    gnssId: 2,
    svId: 7,
    sigId: 0,
    freqId: 0,
    locktime: 5000,
    cno: 44,
    prStdev: { prStd: 5, rest: 0 },
    cpStdev: { cpStd: 3, rest: 0 },
    doStdev: { doStd: 6, rest: 0 },
    trkStat: { prValid: true, cpValid: true, halfCyc: true, subHalfCyc: false, rest: 0 },
    reserved1: 0,
    ...more,
  });
  const rawx = (rcvTow: number, list: Rawx["meas"], week = 2424): Rawx => ({
    name: "RXM-RAWX",
    rcvTow,
    week,
    leapS: 18,
    numMeas: list.length,
    recStat: { leapSec: true, clkReset: false, rest: 0 },
    version: 1,
    reserved0: new Uint8Array(2),
    meas: list,
  });
  const lines = (...epochs: Rawx[]): string[] => {
    const survey = new ObservationSurvey();
    for (const epoch of epochs) survey.push(epoch);
    const records = new ObservationRecords(survey.codes);
    return epochs.flatMap((epoch) => [...records.epoch(epoch)]);
  };

  it("round a label to 0.1 us without ever writing 60 seconds", () => {
    expect(lines(rawx(59.996_070_02, [meas()]))[0]).toBe("> 2026 06 21 00 00 59.9960700  0  1");
    expect(lines(rawx(59.999_999_99, [meas()]))[0]).toBe("> 2026 06 21 00 01  0.0000000  0  1");
    expect(lines(rawx(604_799.999_999_99, [meas()]))[0]).toBe("> 2026 06 28 00 00  0.0000000  0  1");
  });

  it("mark a lock that was lost, and a half cycle that is open", () => {
    const lli = (line: string): string => line.slice(3 + 16 + 14, 3 + 16 + 15);
    const all = lines(
      rawx(100, [meas()]),
      rawx(101, [meas({ locktime: 6000 })]),
      rawx(102, [meas({ locktime: 300 })]),
      rawx(103, [meas({ locktime: 1300, trkStat: { ...meas().trkStat, halfCyc: false } })]),
    );
    expect([1, 3, 5, 7].map((i) => lli(all[i]))).toEqual(["1", " ", "1", "2"]);
  });

  it("leave blank what the receiver calls invalid, and leave out epochs without a week", () => {
    const trkStat = { ...meas().trkStat, prValid: false, cpValid: false };
    const [, line] = lines(rawx(100, [meas({ trkStat })]));
    expect(line.slice(3, 35)).toBe(" ".repeat(32));
    expect(lines(rawx(100, [meas()], 0))).toEqual([]);
    expect(lines(rawx(100, [meas({ gnssId: 0 })]))).toEqual([]);
  });

  it("have a column for each signal of the file, in one order", () => {
    const [, first, , second] = lines(
      rawx(100, [meas({ sigId: 6, prMes: 25_000_001 }), meas()]),
      rawx(101, [meas({ sigId: 6, prMes: 25_000_002 })]),
    );
    expect(first).toContain("25000000.123");
    expect(second.slice(3, 67)).toBe(" ".repeat(64));
    expect(second).toContain("25000002.000");
  });

  it("never write a number that does not fit its field", () => {
    expect(fixed(1e15, 14, 3)).toBe(" ".repeat(14));
    expect(fixed(Number.NaN, 14, 3)).toBe(" ".repeat(14));
    expect(exponential(-1.23e-105, 19, 12)).toHaveLength(20);
    expect(exponential(0, 19, 12)).toBe(" 0.000000000000E+00");
  });
});

describeShared(
  "export rinex of real pages with ranges of an exact place (captures/leuven-hybrid-rawx-atmo.ubx)",
  () => {
    it.skipIf(!rtklib)(
      "RTKLIB solves every epoch; what is left is the ionosphere it was told to ignore",
      async () => {
        const prefix = join(folder, "leuven");
        await exportRinex(sharedPath("captures", "leuven-hybrid-rawx-atmo.ubx")!, prefix, options);
        const errors = solvedByRtklib(
          prefix,
          {
            latitudeDeg: 50.848644,
            longitudeDeg: 4.7321463,
            heightMeters: 133,
          },
          10,
        );
        expect(errors).toHaveLength(473);
        const mean = (values: number[]): number =>
          values.reduce((sum, value) => sum + value, 0) / values.length;
        expect(Math.abs(mean(errors.map(({ eastMeters }) => eastMeters)))).toBeLessThan(1);
        expect(Math.abs(mean(errors.map(({ northMeters }) => northMeters)))).toBeLessThan(1);
        expect(mean(errors.map(({ upMeters }) => upMeters))).toBeLessThan(10);
      },
    );
  },
);
