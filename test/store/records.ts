/** Records made by hand for the tests of store and API. */
import type { CedProof } from "../../src/osnma/engine.js";
import { buildEvidence, type Evidence, type FixEvidence } from "../../src/evidence/bundle.js";
import type {
  AuthenticatedRecord,
  EventRecord,
  FixRecord,
  OsnmaStatusRecord,
  SatelliteRecord,
  SummaryRecord,
} from "../../src/pipeline/records.js";

/** 2025-04-25T10:00:00Z with 18 leap seconds: WN 1339 TOW 468018. */
export const GST = 1339 * 604_800 + 468_018;
/** A position that is easy to find in a text: these digits must never turn up in a log. */
export const LATITUDE_E7 = 472468135;
export const LONGITUDE_E7 = 59887531;

export function fixAt(second: number, over: Partial<FixRecord> = {}): FixRecord {
  const gst = GST + second;
  return {
    type: "fix",
    wn: 1339,
    tow: 468_018 + second,
    gst,
    utc: new Date(Date.UTC(2025, 3, 25, 10, 0, 0) + second * 1000).toISOString(),
    assurance: "corroborated",
    reasons: [],
    mode: "replay",
    timeAssurance: "capture",
    own: null,
    ownFailure: "fewer than 4 satellites with authenticated data",
    receiver: {
      assurance: "corroborated",
      reasons: ["the receiver's solution was not computed from authenticated data alone"],
      notes: [],
      latitudeE7: LATITUDE_E7,
      longitudeE7: LONGITUDE_E7,
      heightMm: 300_000 + second,
      horizontalAccuracyMm: 1200,
      verticalAccuracyMm: 1900,
      velocityNorthMmS: 1,
      velocityEastMmS: -2,
      velocityDownMmS: 3,
      fixType: 3,
      satellitesUsed: 14,
    },
    authenticatedSatellites: [2, 8, 11, 25],
    agreeingSatellites: [2, 8, 11, 25],
    signs: [],
    evidence: null,
    softwareVersion: "osnmad/0.1.0",
    ...over,
  };
}

/** A fix with a position of our own. */
export function ownFixAt(second: number, over: Partial<FixRecord> = {}): FixRecord {
  const covariance = { ee: 900, en: 1, eu: -2, nn: 800, nu: 3, uu: 4000 };
  return fixAt(second, {
    assurance: "nav-authenticated",
    own: {
      assurance: "nav-authenticated",
      reasons: [],
      notes: [],
      latitudeE7: LATITUDE_E7 + 7,
      longitudeE7: LONGITUDE_E7 - 7,
      heightMm: 301_000,
      covarianceMm2: covariance,
      velocity: { northMmS: 1, eastMmS: -1, downMmS: 0, covarianceMm2S2: covariance },
      clockBiasNs: -120,
      clockDriftPpt: 350,
      dopCenti: { gdop: 250, pdop: 220, hdop: 110, vdop: 190, tdop: 120 },
      raim: "passed",
      raimStatisticMilli: 2100,
      raimThresholdMilli: 13_800,
      protectionLevelMm: { horizontal: 9000, vertical: 15_000 },
      signals: "E1",
      ionosphereFrom: 11,
      satellites: [2, 8, 11, 25].map((svid) => ({
        svid,
        iodNav: 77,
        azimuthCdeg: 1000 * svid,
        elevationCdeg: 4500,
        residualMm: -40,
        sigmaMm: 900,
        cnoDbHz: 44,
        authenticatedBy: authenticatedAt(second, svid).evidence,
      })),
      excluded: [{ svid: 18, reason: "unhealthy" }],
    },
    ownFailure: null,
    ...over,
  });
}

/** Evidence with what fixes share (words, tag, key, root key, public key) and what is of this fix alone. */
export function evidenceOf(fix: FixRecord): Evidence & FixEvidence {
  return buildEvidence(fix, {
    proofs: [cedProof],
    position: null,
    receiver: [{ message: "NAV-PVT", payload: Buffer.from(`${fix.gst}`.padEnd(92, " ")) }],
  });
}

export function unverifiedFixAt(second: number): FixRecord {
  return fixAt(second, { assurance: "unverified", reasons: ["fewer than 4 authenticated satellites"] });
}

export function eventAt(second: number | null, over: Partial<EventRecord> = {}): EventRecord {
  return {
    type: "event",
    name: "tesla-key-verified",
    wn: second === null ? null : 1339,
    tow: second === null ? null : 468_018 + second,
    at: second === null ? null : GST + second,
    severity: "info",
    message: "A TESLA key was verified.",
    svid: 11,
    ...over,
  };
}

export function authenticatedAt(second: number, svid = 11): AuthenticatedRecord {
  return {
    type: "authenticated",
    wn: 1339,
    tow: 468_018 + second,
    at: GST + second,
    data: "ced",
    svid,
    iodNav: 77,
    byAdkd: 0,
    health: "healthy",
    words: { "1": "0".repeat(32) },
    rebuilt: [],
    evidence: {
      tags: [{ prnA: svid, wn: 1339, tow: 467_970, ctr: 1, adkd: 0, cop: 15 }],
      tagBits: 40,
      key: { wn: 1339, tow: 468_000, value: "ab".repeat(16) },
      chain: { cid: 1, alpha: "25d3964da3a2" },
      rootKey: { wn: 1339, towh: 100, value: "cd".repeat(16) },
      publicKey: { root: "ef".repeat(32), pkid: 1 },
      nmaStatus: "operational",
      rule: "guideline",
      timeAssurance: "capture",
    },
  };
}

export function satellite(svid: number, over: Partial<SatelliteRecord> = {}): SatelliteRecord {
  return {
    svid,
    lastPage: GST,
    pages: 120,
    transmitsOsnma: true,
    authenticated: {
      iodNav: 77,
      health: "healthy",
      byAdkd: [0, 12],
      tagBits: 80,
      verifiedAt: GST,
      rule: "guideline",
    },
    timingAuthenticatedAt: null,
    ...over,
  };
}

export const coldOsnma: OsnmaStatusRecord = {
  state: "cold",
  nmaStatus: null,
  cpks: null,
  alert: false,
  chain: null,
  nextChain: null,
  rootKeyVerifiedAt: null,
  publicKeyInForce: null,
  publicKeys: [],
  roots: ["ef".repeat(32)],
};

export const authenticatingOsnma: OsnmaStatusRecord = {
  state: "authenticating",
  nmaStatus: "operational",
  cpks: "nominal",
  alert: false,
  chain: {
    cid: 1,
    alpha: "25d3964da3a2",
    hash: "SHA-256",
    mac: "HMAC-SHA-256",
    keyBits: 128,
    tagBits: 40,
    maclt: 33,
    newestKeyAt: GST,
  },
  nextChain: { cid: 2, alpha: "0123456789ab", inForceAt: GST + 3600 },
  rootKeyVerifiedAt: GST - 60,
  publicKeyInForce: { root: "ef".repeat(32), pkid: 1 },
  publicKeys: [{ root: "ef".repeat(32), pkid: 1, type: "ECDSA P-256", status: "in-force" }],
  roots: ["ef".repeat(32)],
};

const noTags = { "0": 0, "4": 0, "12": 0 };
export const summary: SummaryRecord = {
  type: "summary",
  tags: {
    verified: { ...noTags, "0": 40 },
    failed: noTags,
    dummy: noTags,
    authenticated: { ...noTags, "0": 38 },
  },
  macseq: { verified: 12, failed: 0 },
  keysVerified: 12,
  rootKeysVerified: 1,
  publicKeysVerified: [],
  alertVerified: false,
  ttfafSeconds: 91,
  nmaStatus: "operational",
  cpks: "nominal",
  chainId: 1,
  state: "authenticating",
  pages: 4000,
  badBytes: 0,
  rule: "guideline",
  mode: "replay",
  timeAssurance: "capture",
};

/** What a satellite's words were authenticated with, of the right form and without meaning. */
const cedProof: CedProof = {
  svid: 11,
  iodNav: 77,
  words: [1, 2, 3, 4, 5].map((type) => (type << 2).toString(16).padStart(2, "0") + "00".repeat(15)),
  tags: [
    {
      prnA: 11,
      prnD: 11,
      gst: GST - 60,
      ctr: 1,
      adkd: 0,
      cop: 15,
      nmas: 2,
      tag: "0123456789",
      tagBits: 40,
      macseq: null,
      keyGst: GST - 30,
      key: "ab".repeat(16),
      chain: 0,
    },
  ],
  chains: [
    {
      dsmKroot: "cd".repeat(104),
      nmaHeader: 0x52,
      publicKey: {
        root: "ef".repeat(32),
        pkid: 1,
        type: "P-256",
        point: `02${"11".repeat(32)}`,
        proof: { leafIndex: 1, siblings: ["22", "33", "44", "55"].map((byte) => byte.repeat(32)) },
      },
    },
  ],
  rule: "guideline",
  authenticatedAt: GST - 30,
};
