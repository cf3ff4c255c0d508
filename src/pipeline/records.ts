/**
 * What comes out of the pipeline: plain, JSON-ready records, one line each with `--json`. Numbers are in the
 * units their names say; `wn` and `tow` are Galileo System Time of the subframe that decided, `at` is the
 * end of the deciding page as linear GST seconds (wn * 604800 + tow).
 */
import type { Band } from "../inav/page.js";

/** The words of the threat model. */
export type Assurance = "nav-authenticated" | "corroborated" | "unverified";
export type Mode = "live" | "replay" | "simulated";
/** What the time condition rested on: the capture's own timeline, or a clock independent of the signal. */
export type TimeAssurance = "capture" | "independent" | "none";
/** Which words a tag may authenticate (docs/ttfaf.md). */
export type DataRule = "guideline" | "aggressive";

export type NmaStatus = "test" | "operational" | "dont-use";
export type Cpks = "nominal" | "eoc" | "crev" | "npk" | "pkrev" | "nmt" | "am";
export type OsnmaState = "cold" | "warm" | "hot" | "authenticating" | "suspended" | "alert";

/** Names a tag: transmitting satellite, subframe and slot. */
export interface TagName {
  readonly prnA: number;
  readonly wn: number;
  readonly tow: number;
  readonly ctr: number;
  readonly adkd: 0 | 4 | 12;
  readonly cop: number;
}

/** Why a datum may be believed: the tag, the key that opened it, and what that key hangs from. */
export interface EvidenceRecord {
  readonly tags: readonly TagName[];
  /** Sum of the tag lengths, bits. */
  readonly tagBits: number;
  /** The TESLA key of the last tag and the subframe that disclosed it. */
  readonly key: { readonly wn: number; readonly tow: number; readonly value: string };
  readonly chain: { readonly cid: number; readonly alpha: string };
  /** The DSM-KROOT that the chain was verified with. */
  readonly rootKey: { readonly wn: number; readonly towh: number; readonly value: string };
  /** The public key that signed it, named by Merkle root and PKID. */
  readonly publicKey: { readonly root: string; readonly pkid: number };
  readonly nmaStatus: NmaStatus;
  readonly rule: DataRule;
  readonly timeAssurance: TimeAssurance;
}

/** A navigation data set that became authenticated, or gained an ADKD 12 tag. */
export interface AuthenticatedRecord {
  readonly type: "authenticated";
  readonly wn: number;
  readonly tow: number;
  readonly at: number;
  /** `ced`: words 1-5 (clock, ephemeris, status); `timing`: word 6 and the GGTO part of word 10. */
  readonly data: "ced" | "timing";
  readonly svid: number;
  /** IODnav of the set; null for timing. */
  readonly iodNav: number | null;
  readonly byAdkd: 0 | 4 | 12;
  /** E1-B health after authentication; null for timing. */
  readonly health: "healthy" | "marginal" | "unhealthy" | null;
  /** Words as received, hexadecimal; `rebuilt` lists those that came from Reed-Solomon words. */
  readonly words: Readonly<Record<string, string>>;
  readonly rebuilt: readonly number[];
  readonly evidence: EvidenceRecord;
}

export interface EventRecord {
  readonly type: "event";
  readonly name: string;
  readonly wn: number | null;
  readonly tow: number | null;
  readonly at: number | null;
  readonly severity: "info" | "notice" | "warning" | "alarm";
  readonly message: string;
  readonly [detail: string]: unknown;
}

/** What a position was graded, and everything that lowered it; `notes` are said without lowering. */
export interface GradeRecord {
  readonly assurance: Assurance;
  readonly reasons: readonly string[];
  readonly notes: readonly string[];
}

/** WGS 84: 1e-7 degree and millimetres above the ellipsoid, integers. */
export interface PlaceRecord {
  readonly latitudeE7: number;
  readonly longitudeE7: number;
  readonly heightMm: number;
}

/** Upper triangle in east, north, up; integers, mm^2 (position) or mm^2/s^2 (velocity). */
export interface CovarianceRecord {
  readonly ee: number;
  readonly en: number;
  readonly eu: number;
  readonly nn: number;
  readonly nu: number;
  readonly uu: number;
}

export interface VelocityRecord {
  readonly northMmS: number;
  readonly eastMmS: number;
  readonly downMmS: number;
}

/** A satellite of our own solution, and why its data may be believed. */
export interface UsedSatelliteRecord {
  readonly svid: number;
  readonly iodNav: number;
  /** 0.01 degree. */
  readonly azimuthCdeg: number;
  readonly elevationCdeg: number;
  readonly residualMm: number;
  /** A-priori standard deviation the range was weighed with. */
  readonly sigmaMm: number;
  readonly cnoDbHz: number;
  /** Newest of the tags that authenticated the data, and what they hang from. */
  readonly authenticatedBy: EvidenceRecord;
}

export interface OwnPosition extends GradeRecord, PlaceRecord {
  readonly covarianceMm2: CovarianceRecord;
  readonly velocity: (VelocityRecord & { readonly covarianceMm2S2: CovarianceRecord }) | null;
  /** Receiver clock label minus GST, nanoseconds; its rate in 1e-12 s/s, null without Doppler. */
  readonly clockBiasNs: number;
  readonly clockDriftPpt: number | null;
  /** Hundredths. */
  readonly dopCenti: {
    readonly gdop: number;
    readonly pdop: number;
    readonly hdop: number;
    readonly vdop: number;
    readonly tdop: number;
  };
  readonly raim: "passed" | "detected" | "unavailable";
  /** Thousandths; null where RAIM is unavailable. */
  readonly raimStatisticMilli: number | null;
  readonly raimThresholdMilli: number | null;
  /** Horizontal and vertical protection level (docs/position.md names the assumptions); null unless RAIM passed. */
  readonly protectionLevelMm: { readonly horizontal: number; readonly vertical: number } | null;
  readonly signals: "E1" | "E1+E5b";
  readonly ionosphereFrom: number | null;
  readonly satellites: readonly UsedSatelliteRecord[];
  readonly excluded: readonly { readonly svid: number; readonly reason: string }[];
}

/** The receiver's solution (NAV-PVT): 1e-7 degree, mm, mm/s. */
export interface ReceiverPosition extends GradeRecord, PlaceRecord {
  readonly horizontalAccuracyMm: number;
  readonly verticalAccuracyMm: number;
  readonly velocityNorthMmS: number;
  readonly velocityEastMmS: number;
  readonly velocityDownMmS: number;
  readonly fixType: number;
  readonly satellitesUsed: number;
}

/** One epoch's fix: our own position and the receiver's, each with its own grade. */
export interface FixRecord {
  readonly type: "fix";
  readonly wn: number;
  /** Whole seconds of week; `gst` has the milliseconds. */
  readonly tow: number;
  /** Linear GST seconds of the epoch, to the millisecond. */
  readonly gst: number;
  /** RFC 3339 in UTC, milliseconds. */
  readonly utc: string;
  /** The better of the two grades. */
  readonly assurance: Assurance;
  /** Empty where a position is graded; else every reason that kept both from it. */
  readonly reasons: readonly string[];
  readonly mode: Mode;
  readonly timeAssurance: TimeAssurance;
  /** Our own solution from authenticated data; null where there is none (`ownFailure` says why). */
  readonly own: OwnPosition | null;
  readonly ownFailure: string | null;
  readonly receiver: ReceiverPosition | null;
  /** Satellites with healthy authenticated data in force at this epoch. */
  readonly authenticatedSatellites: readonly number[];
  /** Those of them that the receiver used and whose direction agrees with the authenticated ephemeris. */
  readonly agreeingSatellites: readonly number[];
  /** Signs of an attack that stood at this epoch (docs/consistency-watch.md). */
  readonly signs: readonly string[];
  /** Id of the root object of the evidence, hexadecimal SHA-256; null where there is none. */
  readonly evidence: string | null;
  readonly softwareVersion: string;
}

export interface SatelliteRecord {
  readonly svid: number;
  readonly lastPage: number | null;
  readonly pages: number;
  readonly transmitsOsnma: boolean;
  readonly authenticated: {
    readonly iodNav: number;
    readonly health: "healthy" | "marginal" | "unhealthy";
    readonly byAdkd: readonly number[];
    readonly tagBits: number;
    readonly verifiedAt: number;
    readonly rule: DataRule;
  } | null;
  readonly timingAuthenticatedAt: number | null;
}

export interface TagCounts {
  readonly "0": number;
  readonly "4": number;
  readonly "12": number;
}

export interface SummaryRecord {
  readonly type: "summary";
  readonly tags: {
    /** MAC right, once per (PRN_A, GST_SF, CTR), whatever the NMA status. */
    readonly verified: TagCounts;
    readonly failed: TagCounts;
    /** Verified over zeros (COP 0): authenticates nothing, counted nowhere else. */
    readonly dummy: TagCounts;
    /** Verified tags that made data usable. */
    readonly authenticated: TagCounts;
  };
  readonly macseq: { readonly verified: number; readonly failed: number };
  readonly keysVerified: number;
  readonly rootKeysVerified: number;
  /** Public keys verified from a DSM-PKR by Merkle proof in this run. */
  readonly publicKeysVerified: readonly { readonly root: string; readonly pkid: number }[];
  readonly alertVerified: boolean;
  readonly ttfafSeconds: number | null;
  readonly nmaStatus: NmaStatus | null;
  readonly cpks: Cpks | null;
  readonly chainId: number | null;
  readonly state: OsnmaState;
  /** CRC-valid E1-B pages that were fed. */
  readonly pages: number;
  /** Bytes that are neither UBX, NMEA nor RTCM3. */
  readonly badBytes: number;
  readonly rule: DataRule;
  readonly mode: Mode;
  readonly timeAssurance: TimeAssurance;
  readonly [detail: string]: unknown;
}

/** The OSNMA state as `GET /v1/osnma` shows it. */
export interface OsnmaStatusRecord {
  readonly state: OsnmaState;
  readonly nmaStatus: NmaStatus | null;
  readonly cpks: Cpks | null;
  readonly alert: boolean;
  readonly chain: {
    readonly cid: number;
    readonly alpha: string;
    readonly hash: string;
    readonly mac: string;
    readonly keyBits: number;
    readonly tagBits: number;
    readonly maclt: number;
    readonly newestKeyAt: number | null;
  } | null;
  readonly nextChain: { readonly cid: number; readonly alpha: string; readonly inForceAt: number } | null;
  readonly rootKeyVerifiedAt: number | null;
  readonly publicKeyInForce: { readonly root: string; readonly pkid: number } | null;
  readonly publicKeys: readonly {
    readonly root: string;
    readonly pkid: number;
    readonly type: string;
    readonly status: string;
  }[];
  readonly roots: readonly string[];
}

export type OutputRecord = AuthenticatedRecord | EventRecord | FixRecord | SummaryRecord;

/** Bands whose pages are counted. */
export type PageCounts = Readonly<Record<Band, number>>;
