/** Fixes made from captures for the tests of evidence: engine, solver and record, as the fix stage puts them together. */
import { readFileSync } from "node:fs";
import { decodeMessage, Framer } from "gnss-ubx";
import { buildEvidence, bundleText, type Evidence, type EvidenceParts } from "../../src/evidence/bundle.js";
import { ownPositionNumbers } from "../../src/evidence/own-position.js";
import { givenOf } from "../../src/cli/trust-options.js";
import { gstOf, GST_TO_UNIX, towOf, wnOf } from "../../src/inav/gst.js";
import { ReceiverStream } from "../../src/inav/receiver-stream.js";
import { OsnmaEngine, type CedProof } from "../../src/osnma/engine.js";
import type { FixRecord, Mode, ReceiverPosition } from "../../src/pipeline/records.js";
import { measurementEpoch } from "../../src/position/measurements.js";
import { AuthenticatedSatellites } from "../../src/position/satellite.js";
import { solvePosition, type SolverOptions } from "../../src/position/solver.js";
import { loadTrust, type TrustMaterial } from "../../src/trust/material.js";
import type { TrustedRoot } from "../../src/evidence/verify.js";

export interface Made {
  readonly record: Omit<FixRecord, "evidence">;
  readonly parts: EvidenceParts;
  readonly evidence: Evidence;
}

export interface MakeOptions {
  readonly capture: string;
  readonly material: TrustMaterial;
  readonly mode: Mode;
  readonly solver?: SolverOptions;
  /** A satellite whose data is kept from solver and record. */
  readonly withoutSatellite?: number;
}

const MAX_SVID = 36;

/** Fixes of the capture, one for each epoch that `wanted` asks for. */
export function fixesOf(options: MakeOptions, wanted: (gst: number) => boolean): Made[] {
  const given = givenOf(options.material);
  const engine = new OsnmaEngine(
    { ...given, timeAssurance: "capture" },
    { event: () => undefined, authenticated: () => undefined },
  );
  const clock = { gst: 0, boundSeconds: 1, assurance: "capture" as const };
  const stream = new ReceiverStream<null>((page, gst) => {
    clock.gst = gst + 2;
    engine.push(page, gst, clock);
  });
  const satellites = new AuthenticatedSatellites(engine);
  const fixes: Made[] = [];
  let rawx: Uint8Array | null = null;
  let pvt: Uint8Array | null = null;
  const framer = new Framer();
  framer.push(readFileSync(options.capture), {
    ubx: (messageClass, messageId, payload) => {
      stream.message(messageClass, messageId, payload, null);
      if (messageClass === 0x02 && messageId === 0x15) rawx = payload.slice();
      else if (messageClass === 0x01 && messageId === 0x07) pvt = payload.slice();
      else if (messageClass === 0x01 && messageId === 0x61) {
        const made = epochOf(options, engine, satellites, rawx, pvt, wanted);
        if (made !== null) fixes.push(made);
        rawx = pvt = null;
      }
    },
  });
  return fixes;
}

function epochOf(
  { mode, solver = {}, withoutSatellite }: MakeOptions,
  engine: OsnmaEngine,
  satellites: AuthenticatedSatellites,
  rawx: Uint8Array | null,
  pvt: Uint8Array | null,
  wanted: (gst: number) => boolean,
): Made | null {
  const message = pvt === null ? null : decodeMessage(0x01, 0x07, pvt);
  if (message?.name !== "NAV-PVT" || pvt === null || !Number.isFinite(engine.now)) return null;
  const gst = gstOf(wnOf(engine.now), message.iTOW / 1000);
  if (!wanted(gst)) return null;
  const raw = rawx === null ? null : decodeMessage(0x02, 0x15, rawx);
  const epoch = raw?.name === "RXM-RAWX" ? measurementEpoch(raw) : null;
  const inForce = satellites
    .of(Array.from({ length: MAX_SVID }, (_, i) => i + 1))
    .filter(({ svid }) => svid !== withoutSatellite);
  const solution =
    epoch === null || "refused" in epoch
      ? null
      : solvePosition({ epoch, satellites: inForce, options: solver });
  const proofs = inForce
    .map(({ svid }) => engine.cedProof(svid))
    .filter((proof): proof is CedProof => proof !== null);
  const solved = solution === null || "failed" in solution ? null : solution;
  const numbers = solved === null ? null : ownPositionNumbers(solved);
  const healthy = inForce.filter(({ health }) => health === "healthy").map(({ svid }) => svid);
  const graded = numbers !== null && numbers.raim !== "detected";
  const record: Omit<FixRecord, "evidence"> = {
    type: "fix",
    wn: wnOf(gst),
    tow: Math.floor(towOf(gst)),
    gst,
    utc: new Date(Math.round((gst + GST_TO_UNIX - 18) * 1000)).toISOString(),
    assurance: graded ? "nav-authenticated" : "unverified",
    reasons: graded ? [] : ["no-own-solution"],
    mode,
    timeAssurance: "capture",
    own:
      numbers === null
        ? null
        : {
            assurance: graded ? "nav-authenticated" : "unverified",
            reasons: graded ? [] : ["raim-detected"],
            notes: [],
            ...numbers,
            satellites: numbers.satellites.map((used) => ({
              ...used,
              authenticatedBy: engine.ced(used.svid)!.evidence,
            })),
          },
    ownFailure: numbers === null ? "no-measurements" : null,
    receiver: receiverOf(message),
    authenticatedSatellites: healthy,
    agreeingSatellites: [],
    signs: [],
    softwareVersion: "test",
  };
  const parts: EvidenceParts = {
    proofs,
    position:
      rawx === null || solved === null
        ? null
        : { rawx, solverOptions: solver, ionosphereFrom: solved.ionosphereFrom },
    receiver: [{ message: "NAV-PVT", payload: pvt }],
  };
  return { record, parts, evidence: buildEvidence(record, parts) };
}

function receiverOf(pvt: Extract<ReturnType<typeof decodeMessage>, { name: "NAV-PVT" }>): ReceiverPosition {
  return {
    assurance: "unverified",
    reasons: ["fewer-than-4-satellites-agree"],
    notes: [],
    latitudeE7: pvt.lat,
    longitudeE7: pvt.lon,
    heightMm: pvt.height,
    horizontalAccuracyMm: pvt.hAcc,
    verticalAccuracyMm: pvt.vAcc,
    velocityNorthMmS: pvt.velN,
    velocityEastMmS: pvt.velE,
    velocityDownMmS: pvt.velD,
    fixType: pvt.fixType,
    satellitesUsed: pvt.numSV,
  };
}

export const textOf = ({ record, evidence }: Made): string =>
  bundleText(record.mode, evidence.root, evidence.objects);

/** The trusted roots of a material, as `osnmad verify` hands them on. */
export function rootsOf(material: TrustMaterial): TrustedRoot[] {
  return material.roots.map(({ root, hex, standing }) => ({ root, standing, label: hex.slice(0, 8) }));
}

/** Key material of the simulated captures: test keys. */
export function testMaterial(): TrustMaterial {
  return loadTrust({
    merkle: ["captures/trust/TEST_OSNMA_MerkleTree_A.xml"],
    publicKey: ["captures/trust/TEST_OSNMA_PublicKey_2.xml"],
    rootKey: "captures/trust/TEST_root-key_nominal.txt",
  });
}
