/** Key numbers over real captures; bench/position.mjs has all of them. */
import { readFileSync } from "node:fs";
import { decodeMessage, Framer } from "gnss-ubx";
import { beforeAll, expect, it } from "vitest";
import { enuOf, geodeticToEcef, type Ecef, type Enu } from "../../src/ephemeris/geometry.js";
import { ReceiverStream } from "../../src/inav/receiver-stream.js";
import { OsnmaEngine, type OsnmaOptions } from "../../src/osnma/engine.js";
import { ErrorModelCalibrator } from "../../src/position/error-model.js";
import { measurementEpoch, type MeasurementEpoch } from "../../src/position/measurements.js";
import {
  AuthenticatedSatellites,
  UnverifiedSatellite,
  type AuthenticatedSatellite,
} from "../../src/position/satellite.js";
import { solvePosition, solveUnverified } from "../../src/position/solver.js";
import { keyOfFile, rootKeyOfFile, rootOfTree } from "../support/osnma.js";
import { describeShared, sharedPath } from "../support/shared.js";
import { DEG, disturbed, gaussian, uniform } from "./support.js";

interface Run {
  epochs: { epoch: MeasurementEpoch; satellites: AuthenticatedSatellite[] }[];
  first: Map<number, UnverifiedSatellite>;
  refused: number;
}

function run(name: string, trust: Pick<OsnmaOptions, "roots" | "keys" | "rootKey">): Run {
  const result: Run = { epochs: [], first: new Map(), refused: 0 };
  const engine = new OsnmaEngine(
    { ...trust, timeAssurance: "capture" },
    { event: () => undefined, authenticated: () => undefined },
  );
  const satellites = new AuthenticatedSatellites(engine);
  const heard = new Map<string, Uint8Array>();
  const stream = new ReceiverStream<null>((page, gst) => {
    engine.push(page, gst, { gst: gst + 2, boundSeconds: 1, assurance: "capture" });
    if (page.band !== "E1-B" || result.first.has(page.svid)) return;
    heard.set(`${page.svid} ${page.wordType}`, page.word.slice());
    const words = [1, 2, 3, 4, 5].flatMap((type) => heard.get(`${page.svid} ${type}`) ?? []);
    const satellite = UnverifiedSatellite.of(page.svid, words);
    if (satellite !== null) result.first.set(page.svid, satellite);
  });
  new Framer().push(readFileSync(sharedPath("captures", name)!), {
    ubx: (messageClass, messageId, payload) => {
      stream.message(messageClass, messageId, payload, null);
      const message = decodeMessage(messageClass, messageId, payload);
      if (message.name !== "RXM-RAWX") return;
      const epoch = measurementEpoch(message);
      if ("refused" in epoch) result.refused++;
      else result.epochs.push({ epoch, satellites: satellites.of(epoch.satellites.map(({ svid }) => svid)) });
    },
  });
  return result;
}

const at = (latitudeDeg: number, longitudeDeg: number, heightMeters: number): Ecef =>
  geodeticToEcef({ latitudeRad: latitudeDeg * DEG, longitudeRad: longitudeDeg * DEG, heightMeters });
const rms = (values: readonly number[]): number =>
  Math.sqrt(values.reduce((sum, value) => sum + value * value, 0) / values.length);
const horizontal = (errors: readonly Enu[]): number =>
  rms(errors.map(({ eastMeters, northMeters }) => Math.hypot(eastMeters, northMeters)));

describeShared(
  "the Leuven capture with ranges of an exact place (captures/leuven-hybrid-rawx-atmo.ubx)",
  () => {
    const truth = at(50.848644, 4.7321463, 133);
    let capture: Run;

    beforeAll(() => {
      const tree = sharedPath("trust", "OSNMA_MerkleTree.xml")!;
      const root = rootOfTree(tree);
      capture = run("leuven-hybrid-rawx-atmo.ubx", {
        roots: [{ root }],
        keys: [keyOfFile(tree, root)],
        rootKey: rootKeyOfFile(sharedPath("trust", "leuven-root-key.txt")!),
      });
    });

    it("gives authenticated solutions within 0.15 m horizontally and 0.25 m vertically", () => {
      const errors: Enu[] = [];
      for (const input of capture.epochs) {
        const solution = solvePosition(input);
        if (!("failed" in solution)) errors.push(enuOf(truth, solution.ecef));
      }
      expect(errors.length).toBeGreaterThan(4600);
      expect(horizontal(errors)).toBeLessThan(0.03);
      expect(rms(errors.map(({ upMeters }) => upMeters))).toBeLessThan(0.08);
    });

    it.each([0.5, 2])("has an honest covariance with %f m of noise added", (sigma) => {
      const normal = gaussian(uniform(12));
      const calibrator = new ErrorModelCalibrator();
      const within = [0, 0];
      let count = 0;
      for (const { epoch, satellites } of capture.epochs) {
        const solution = solvePosition({
          epoch: disturbed(epoch, () => sigma * normal()),
          satellites,
          options: {
            errorModel: calibrator.model,
            raim: { varianceInflation: calibrator.varianceInflation },
          },
        });
        if ("failed" in solution) continue;
        calibrator.update(solution);
        const error = enuOf(truth, solution.ecef);
        const { ee, nn, uu } = solution.covariance;
        for (const ratio of [
          error.eastMeters / Math.sqrt(ee),
          error.northMeters / Math.sqrt(nn),
          error.upMeters / Math.sqrt(uu),
        ]) {
          count++;
          if (Math.abs(ratio) <= 1) within[0]++;
          if (Math.abs(ratio) <= 2) within[1]++;
        }
      }
      expect(Math.abs((100 * within[0]) / count - 68)).toBeLessThan(8);
      expect(Math.abs((100 * within[1]) / count - 95)).toBeLessThan(4);
    });

    it("finds and names 150 m on any one of six and more satellites", () => {
      const normal = gaussian(uniform(13));
      const random = uniform(14);
      const tally = { trials: 0, detected: 0, excluded: 0, alarms: 0 };
      capture.epochs.forEach(({ epoch, satellites }, k) => {
        if (k % 2 === 1) return;
        const noise = new Map(epoch.satellites.map(({ svid }) => [svid, normal()]));
        const clean = solvePosition({ epoch: disturbed(epoch, (svid) => noise.get(svid)!), satellites });
        if ("failed" in clean || clean.used.length < 6) return;
        tally.trials++;
        if (clean.raim.faultDetected) tally.alarms++;
        const { svid: faulty } = clean.used[Math.floor(random() * clean.used.length)];
        const { raim } = solvePosition({
          epoch: disturbed(epoch, (svid) => noise.get(svid)! + (svid === faulty ? 150 : 0)),
          satellites,
        }) as Exclude<ReturnType<typeof solvePosition>, { failed: string }>;
        if (raim.faultDetected) tally.detected++;
        if (raim.excluded.length === 1 && raim.excluded[0] === faulty) tally.excluded++;
      });
      expect(tally.trials).toBeGreaterThan(2000);
      expect(tally.alarms / tally.trials).toBeLessThan(0.01);
      expect(tally.detected / tally.trials).toBeGreaterThanOrEqual(0.99);
      expect(tally.excluded / tally.trials).toBeGreaterThanOrEqual(0.95);
    });
  },
);

describeShared("a real receiver in Besançon (captures/f9-2025-04-25-besancon-rawx.ubx)", () => {
  let capture: Run;
  const theirs = new Map<string, Ecef>();
  const used = new Map<string, number[]>();

  beforeAll(() => {
    const root = rootOfTree(sharedPath("trust", "OSNMA_MerkleTree.xml")!);
    capture = run("f9-2025-04-25-besancon-rawx.ubx", {
      roots: [{ root }],
      keys: [keyOfFile(sharedPath("trust", "OSNMA_PublicKey_1.xml")!, root)],
    });
    const text = (name: string): string => readFileSync(sharedPath("reference", name)!, "utf8");
    for (const line of text("besancon-galileo-e1-ntcmg.pos").split("\n")) {
      const [, tow, latitude, longitude, height] = line.trim().split(/\s+/).map(Number);
      if (Number.isFinite(height)) theirs.set(tow.toFixed(3), at(latitude, longitude, height));
    }
    for (const line of text("besancon-galileo-e1-ntcmg-satellites.csv").trim().split("\n").slice(1)) {
      const [, tow, name] = line.split(",");
      const key = Number(tow).toFixed(3);
      used.set(key, [...(used.get(key) ?? []), Number(name.slice(1))]);
    }
  });

  it("has 20 epochs without a week, which are refused", () => {
    expect(capture.refused).toBe(20);
    expect(capture.epochs).toHaveLength(562);
  });

  it("is placed within 0.3 m of RTKLIB from the same satellites", () => {
    const differences: Enu[] = [];
    for (const { epoch } of capture.epochs) {
      const key = epoch.towSeconds.toFixed(3);
      const svids = used.get(key);
      const reference = theirs.get(key);
      if (svids === undefined || reference === undefined) continue;
      const solution = solveUnverified({
        epoch,
        satellites: svids.map((svid) => capture.first.get(svid)!),
        options: { raim: "off", allowMarginal: true, elevationMaskDeg: 9.5, troposphere: "simple" },
      });
      if ("failed" in solution) throw new Error(solution.failed);
      expect(solution.used).toHaveLength(svids.length);
      differences.push(enuOf(reference, solution.ecef));
    }
    expect(differences.length).toBeGreaterThan(550);
    expect(horizontal(differences)).toBeLessThan(0.3);
  });

  it("never uses E18, whose range the receiver calls valid and whose health word says out of service", () => {
    let measured = 0;
    let solutions = 0;
    const all = [...capture.first.values()];
    for (const { epoch, satellites } of capture.epochs) {
      if (epoch.satellites.some(({ svid }) => svid === 18)) measured++;
      for (const solution of [
        solvePosition({ epoch, satellites }),
        solveUnverified({ epoch, satellites: all }),
      ]) {
        if ("failed" in solution) continue;
        solutions++;
        expect(solution.used.some(({ svid }) => svid === 18)).toBe(false);
        expect(solution.raim.status).not.toBe("detected");
      }
    }
    expect(measured).toBeGreaterThan(400);
    expect(solutions).toBeGreaterThan(900);
  });
});
