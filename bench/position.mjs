/**
 * Our own position against truth, against RTKLIB and against itself: accuracy, honesty of the covariance, RAIM, cost.
 * Solutions with first-received words are for comparison only and cannot become fixes.
 *
 *   node bench/position.mjs [--no-noise]
 */
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { decodeMessage, Framer } from "gnss-ubx";
import { enuOf, geodeticToEcef } from "../dist/ephemeris/geometry.js";
import { ErrorModelCalibrator } from "../dist/position/error-model.js";
import { solvePosition, solveUnverified } from "../dist/position/solver.js";
import { epochCosts } from "./lib/epoch-cost.mjs";
import { leuven, sharedPath, startOf } from "./lib/material.mjs";
import { keyOf, rtklibSatellites, rtklibSolutions, runCapture } from "./lib/position-runs.mjs";
import { mean, median, quantile, table } from "./lib/statistics.mjs";

const DEG = Math.PI / 180;
const NAV_HPPOSLLH = [0x01, 0x14];

/** @typedef {import("../dist/ephemeris/geometry.js").Enu} Enu */

const rms = (values) => Math.sqrt(mean(values.map((value) => value * value)));
const horizontalRms = (errors) => rms(errors.map((error) => Math.hypot(error.eastMeters, error.northMeters)));
const verticalRms = (errors) => rms(errors.map((error) => error.upMeters));
const ecefAt = (latitudeDeg, longitudeDeg, heightMeters) =>
  geodeticToEcef({ latitudeRad: latitudeDeg * DEG, longitudeRad: longitudeDeg * DEG, heightMeters });

/** The exact place of the hybrid capture. */
export const HYBRID_TRUTH = ecefAt(50.848644, 4.7321463, 133);

/** The hybrid capture with OSNMA from a hot start; null where it is not on this machine. */
export function hybridRun() {
  const material = leuven();
  const path = sharedPath("captures", "leuven-hybrid-rawx-atmo.ubx");
  return material === null || path === null ? null : runCapture(path, startOf(material, "hot"));
}

/** The Besançon capture with its tree and key 1; null where it is not on this machine. */
export function besanconRun() {
  const path = sharedPath("captures", "f9-2025-04-25-besancon-rawx.ubx");
  const merkle = sharedPath("trust", "OSNMA_MerkleTree.xml");
  const publicKey = sharedPath("trust", "OSNMA_PublicKey_1.xml");
  if (path === null || merkle === null || publicKey === null) return null;
  return {
    ...runCapture(path, startOf({ merkle, publicKey, rootKey: "", capture: path, name: "" }, "warm")),
    path,
  };
}

/** Mean of the receiver's own NAV-HPPOSLLH. @param {string} path */
export function meanReceiverPosition(path) {
  const rows = [];
  new Framer().push(readFileSync(path), {
    ubx: (messageClass, messageId, payload) => {
      if (messageClass !== NAV_HPPOSLLH[0] || messageId !== NAV_HPPOSLLH[1]) return;
      const m = decodeMessage(messageClass, messageId, payload);
      if (m.name !== "NAV-HPPOSLLH" || m.flags.invalidLlh || m.lat === 0) return;
      rows.push([
        m.lat * 1e-7 + m.latHp * 1e-9,
        m.lon * 1e-7 + m.lonHp * 1e-9,
        (m.height + m.heightHp / 10) / 1e3,
      ]);
    },
  });
  return ecefAt(...[0, 1, 2].map((k) => mean(rows.map((row) => row[k]))));
}

/** Authenticated solutions of the hybrid capture against its exact place. @param {NonNullable<ReturnType<typeof hybridRun>>} run */
export function benchHybrid(run, options = {}) {
  const errors = [];
  const failed = {};
  for (const { epoch, satellites } of run.epochs) {
    const solution = solvePosition({ epoch, satellites, options });
    if ("failed" in solution) failed[solution.failed] = (failed[solution.failed] ?? 0) + 1;
    else errors.push(enuOf(HYBRID_TRUTH, solution.ecef));
  }
  return {
    fixes: errors.length,
    failed,
    horizontal: horizontalRms(errors),
    vertical: verticalRms(errors),
  };
}

/** @param {NonNullable<ReturnType<typeof besanconRun>>} run */
export function benchBesancon(run) {
  const solutions = rtklibSolutions(sharedPath("reference", "besancon-galileo-e1-ntcmg.pos"));
  const used = rtklibSatellites(sharedPath("reference", "besancon-galileo-e1-ntcmg-satellites.csv"));
  const receiver = meanReceiverPosition(run.path);
  const same = [];
  const authenticated = [];
  const sameCount = { ours: [], rtklib: [] };
  const restricted = { ours: [], rtklib: [] };
  let fixes = 0;
  for (const { epoch, satellites } of run.epochs) {
    const row = solutions.get(keyOf(epoch));
    const svids = used.get(keyOf(epoch));
    const theirs = row === undefined ? null : ecefAt(row.latitude, row.longitude, row.height);
    if (theirs !== null && svids !== undefined) {
      const solution = solveUnverified({
        epoch,
        satellites: svids.map((svid) => run.first.get(svid)).filter((satellite) => satellite !== undefined),
        // RTKLIB's choice of satellites stands, healthy or not, faulty or not.
        options: { raim: "off", allowMarginal: true, elevationMaskDeg: 9.5, troposphere: "simple" },
      });
      if (!("failed" in solution) && solution.used.length === svids.length) {
        same.push(enuOf(theirs, solution.ecef));
        restricted.ours.push(enuOf(receiver, solution.ecef));
        restricted.rtklib.push(enuOf(receiver, theirs));
      }
    }
    const fix = solvePosition({ epoch, satellites });
    if ("failed" in fix) continue;
    fixes++;
    if (theirs === null) continue;
    authenticated.push(enuOf(theirs, fix.ecef));
    if (row.count !== fix.used.length) continue;
    sameCount.ours.push(enuOf(receiver, fix.ecef));
    sameCount.rtklib.push(enuOf(receiver, theirs));
  }
  const pair = (errors) => ({
    epochs: errors.length,
    horizontal: horizontalRms(errors),
    vertical: verticalRms(errors),
  });
  return {
    fixes,
    sameSatellites: pair(same),
    authenticatedToRtklib: pair(authenticated),
    restrictedToReceiver: { ours: pair(restricted.ours), rtklib: pair(restricted.rtklib) },
    sameCountToReceiver: { ours: pair(sameCount.ours), rtklib: pair(sameCount.rtklib) },
  };
}

/** Uniform numbers in [0, 1) from a seed (mulberry32). */
function uniform(seed) {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/**
 * Noise added to the hybrid capture's ranges, and how often the errors stay within one and two formal sigmas.
 * @param {NonNullable<ReturnType<typeof hybridRun>>} run
 * @param {(measurement: object, normal: () => number, elevation: number, memory: Map<number, number>) => number} noise metres
 */
export function benchNoise(run, noise, seed = 7) {
  const random = uniform(seed);
  const normal = () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  const calibrator = new ErrorModelCalibrator();
  const elevations = new Map();
  const memory = new Map();
  const one = [0, 0, 0];
  const two = [0, 0, 0];
  const errors = [];
  let alarms = 0;
  for (const { epoch, satellites } of run.epochs) {
    const noisy = {
      ...epoch,
      satellites: epoch.satellites.map((measurement) => ({
        ...measurement,
        e1: {
          ...measurement.e1,
          pseudorangeMeters:
            measurement.e1.pseudorangeMeters +
            noise(measurement, normal, elevations.get(measurement.svid) ?? 0.3, memory),
        },
      })),
    };
    const solution = solvePosition({
      epoch: noisy,
      satellites,
      options: {
        errorModel: calibrator.model,
        raim: { varianceInflation: calibrator.varianceInflation },
      },
    });
    if ("failed" in solution) continue;
    calibrator.update(solution);
    if (solution.raim.faultDetected) alarms++;
    for (const { svid, elevationRad } of solution.used) elevations.set(svid, elevationRad);
    const error = enuOf(HYBRID_TRUTH, solution.ecef);
    errors.push(error);
    const { ee, nn, uu } = solution.covariance;
    const ratios = [
      error.eastMeters / Math.sqrt(ee),
      error.northMeters / Math.sqrt(nn),
      error.upMeters / Math.sqrt(uu),
    ];
    ratios.forEach((ratio, axis) => {
      if (Math.abs(ratio) <= 1) one[axis]++;
      if (Math.abs(ratio) <= 2) two[axis]++;
    });
  }
  const percent = (counts) => counts.map((count) => (100 * count) / errors.length);
  return {
    one: percent(one),
    two: percent(two),
    horizontal: horizontalRms(errors),
    vertical: verticalRms(errors),
    alarms: (100 * alarms) / errors.length,
    model: calibrator.model,
  };
}

const correlated = (sigma, tau) => (measurement, normal, _, memory) => {
  const keep = Math.exp(-1 / tau);
  const before = memory.get(measurement.svid) ?? sigma * normal();
  const now = keep * before + sigma * Math.sqrt(1 - keep * keep) * normal();
  memory.set(measurement.svid, now);
  return now;
};

/** Kinds of noise by name. */
export const NOISES = [
  ["white 0.1 m", (_, normal) => 0.1 * normal()],
  ["white 0.3 m", (_, normal) => 0.3 * normal()],
  ["white 1 m", (_, normal) => normal()],
  ["white 3 m", (_, normal) => 3 * normal()],
  ["white 6 m", (_, normal) => 6 * normal()],
  ["0.3 m / sin(el)", (_, normal, elevation) => (0.3 * normal()) / Math.sin(elevation)],
  ["1 m / sin(el)", (_, normal, elevation) => normal() / Math.sin(elevation)],
  ["0.3 m at 45 dBHz", ({ e1 }, normal) => 0.3 * normal() * Math.exp(((45 - e1.cnoDbHz) / 20) * Math.LN10)],
  ["1 m at 45 dBHz", ({ e1 }, normal) => normal() * Math.exp(((45 - e1.cnoDbHz) / 20) * Math.LN10)],
  ["1 m, 10 s correlated", correlated(1, 10)],
  ["1 m, 60 s correlated", correlated(1, 60)],
];

/**
 * RAIM with ranges of the hybrid capture, noise and a fault of 150 m on any one satellite, in percent.
 * @param {NonNullable<ReturnType<typeof hybridRun>>} run
 * @param {{ sigma: number, count: number | null, trials?: number }} what `count`: so many of the satellites of the
 * epoch, picked at random; null for all of them (six and more)
 */
export function benchRaim(run, { sigma, count, trials = 2000 }) {
  const random = uniform(3);
  const normal = () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  const tally = { trials: 0, alarms: 0, detected: 0, excluded: 0, wrong: 0 };
  for (let trial = 0; trial < 4 * trials && tally.trials < trials; trial++) {
    const { epoch, satellites } = run.epochs[Math.floor(random() * run.epochs.length)];
    const plain = solvePosition({ epoch, satellites });
    if ("failed" in plain) continue;
    const svids = plain.used.map(({ svid }) => svid);
    if (svids.length < (count ?? 6)) continue;
    while (count !== null && svids.length > count) svids.splice(Math.floor(random() * svids.length), 1);
    const faulty = svids[Math.floor(random() * svids.length)];
    const solved = (bias) =>
      solvePosition({
        epoch: {
          ...epoch,
          satellites: epoch.satellites
            .filter(({ svid }) => svids.includes(svid))
            .map((measurement) => {
              const error = sigma * normal() + (measurement.svid === faulty ? bias : 0);
              const pseudorangeMeters = measurement.e1.pseudorangeMeters + error;
              return { ...measurement, e1: { ...measurement.e1, pseudorangeMeters } };
            }),
        },
        satellites,
      });
    const clean = solved(0);
    const fault = solved(150);
    if ("failed" in clean || "failed" in fault) continue;
    tally.trials++;
    if (clean.raim.faultDetected) tally.alarms++;
    if (fault.raim.faultDetected) tally.detected++;
    if (fault.raim.excluded.length === 1 && fault.raim.excluded[0] === faulty) tally.excluded++;
    else if (fault.raim.status === "passed") tally.wrong++;
  }
  const percent = (value) => (100 * value) / tally.trials;
  return {
    alarms: percent(tally.alarms),
    detected: percent(tally.detected),
    excluded: percent(tally.excluded),
    wrong: percent(tally.wrong),
  };
}

/** Milliseconds of a solution with `count` satellites or more, RAIM and covariance included. */
export function benchSolve(run, count) {
  const times = [];
  const epochs = run.epochs
    .map(({ epoch }) => ({ epoch, satellites: [...run.first.values()] }))
    .filter((input) => {
      const solution = solveUnverified({ ...input, options: { elevationMaskDeg: 1 } });
      return !("failed" in solution) && solution.used.length >= count;
    });
  for (let round = 0; round < 3; round++) {
    for (const input of epochs) {
      const start = process.hrtime.bigint();
      solveUnverified({ ...input, options: { elevationMaskDeg: 1 } });
      times.push(Number(process.hrtime.bigint() - start) / 1e6);
    }
  }
  return { solutions: times.length, median: median(times), p99: quantile(times, 0.99) };
}

/** An epoch of 40 signals from its frame to the fix with evidence, ms; null where the capture is not on this machine. */
export function benchEpoch() {
  const material = leuven();
  const path = sharedPath("captures", "leuven-hybrid-rawx-atmo.ubx");
  if (material === null || path === null) return null;
  const times = epochCosts(path, startOf(material, "hot"), 40);
  return { epochs: times.length, median: median(times), p99: quantile(times, 0.99) };
}

/** Everything; null where the captures are not on this machine. */
export function benchPosition({ noise = true, print = console.log } = {}) {
  const hybrid = hybridRun();
  const besancon = besanconRun();
  if (hybrid === null || besancon === null) {
    print("Skipped: the captures are not on this machine (set OSNMAD_SHARED to their folder).");
    return { ratios: [] };
  }
  const m = (value) => value.toFixed(3);
  const exact = benchHybrid(hybrid);
  print(
    `hybrid, authenticated: ${exact.fixes} fixes, RMS ${m(exact.horizontal)} m horizontal, ${m(exact.vertical)} m vertical`,
  );
  const niell = benchHybrid(hybrid, { troposphere: "niell" });
  print(
    `hybrid with Niell's mapping: ${m(niell.horizontal)} m, ${m(niell.vertical)} m (the capture was made with 1/sin)`,
  );
  const b = benchBesancon(besancon);
  const say = (name, { epochs, horizontal, vertical }) => {
    print(`${name}: ${epochs} epochs, RMS ${m(horizontal)} m horizontal, ${m(vertical)} m vertical`);
  };
  say("Besançon, RTKLIB's satellites, ours to RTKLIB", b.sameSatellites);
  say("  ours to the receiver's mean", b.restrictedToReceiver.ours);
  say("  RTKLIB to the receiver's mean", b.restrictedToReceiver.rtklib);
  say(`Besançon, authenticated (${b.fixes} fixes), ours to RTKLIB`, b.authenticatedToRtklib);
  say("  same number of satellites, ours to the receiver's mean", b.sameCountToReceiver.ours);
  say("  same number of satellites, RTKLIB to the receiver's mean", b.sameCountToReceiver.rtklib);
  if (noise) {
    const rows = [["noise", "1 sigma e/n/u %", "2 sigma e/n/u %", "RMS h/v m", "RAIM %"]];
    for (const [name, of] of NOISES) {
      const { one, two, horizontal, vertical, alarms } = benchNoise(hybrid, of);
      const shares = (values) => values.map((value) => value.toFixed(1)).join(" ");
      rows.push([
        name,
        shares(one),
        shares(two),
        `${horizontal.toFixed(2)} ${vertical.toFixed(2)}`,
        alarms.toFixed(2),
      ]);
    }
    print(table(rows));
  }
  const raim = [
    [
      "RAIM, 150 m on one",
      "noise m",
      "false alarms %",
      "detected %",
      "excluded %",
      "passed without it excluded %",
    ],
  ];
  const natural = benchRaim(hybrid, { sigma: 1, count: null });
  for (const [count, sigma] of noise ? [null, 6, 7, 8].flatMap((k) => [1, 3].map((s) => [k, s])) : []) {
    const { alarms, detected, excluded, wrong } = benchRaim(hybrid, { sigma, count });
    const name = count === null ? "all of an epoch, 6 to 9" : `${count} at random`;
    raim.push([name, `${sigma}`, ...[alarms, detected, excluded, wrong].map((value) => value.toFixed(2))]);
  }
  if (noise) print(table(raim));
  const cost = benchSolve(hybrid, 10);
  print(
    `cost with 10 satellites and more: median ${cost.median.toFixed(4)} ms, 99 % ${cost.p99.toFixed(4)} ms of ${cost.solutions}`,
  );
  const epoch = benchEpoch();
  if (epoch !== null) {
    print(
      `an epoch of 40 signals, from RXM-RAWX to the fix with its evidence: median ${epoch.median.toFixed(3)} ms, ` +
        `99 % ${epoch.p99.toFixed(3)} ms of ${epoch.epochs}; at 10 Hz ${epoch.median.toFixed(2)} % of a core`,
    );
  }
  return {
    ratios: [
      { name: "hybrid, horizontal RMS over 0.15 m", ratio: exact.horizontal / 0.15, goal: 1 },
      { name: "hybrid, vertical RMS over 0.25 m", ratio: exact.vertical / 0.25, goal: 1 },
      {
        name: "Besançon, horizontal RMS to RTKLIB over 1.5 m",
        ratio: b.sameSatellites.horizontal / 1.5,
        goal: 1,
      },
      {
        name: "Besançon, authenticated, horizontal RMS over RTKLIB's",
        ratio: b.sameCountToReceiver.ours.horizontal / b.sameCountToReceiver.rtklib.horizontal,
        goal: 1,
      },
      { name: "RAIM, all satellites, faults not detected over 1 %", ratio: 100 - natural.detected, goal: 1 },
      {
        name: "RAIM, all satellites, faults not excluded over 5 %",
        ratio: (100 - natural.excluded) / 5,
        goal: 1,
      },
      { name: "RAIM, all satellites, false alarms over 1 %", ratio: natural.alarms, goal: 1 },
      { name: "a fix of 10 satellites, median over 0.3 ms", ratio: cost.median / 0.3, goal: 1 },
    ],
  };
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const { values } = parseArgs({ options: { "no-noise": { type: "boolean", default: false } } });
  const { ratios } = benchPosition({ noise: !values["no-noise"] });
  for (const { name, ratio, goal } of ratios) console.log(`${name}: ${ratio.toFixed(3)} (goal ${goal})`);
}
