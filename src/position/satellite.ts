/**
 * What a satellite contributes to a position: its ephemeris, health and accuracy. In two kinds that the compiler
 * keeps apart: `AuthenticatedSatellite`, made from `Authenticated<CedData>` and nothing else, and
 * `UnverifiedSatellite` for benches and the parallel, unauthenticated solution.
 * Source: Galileo OS SIS ICD 2.1 sections 5.1.1, 5.1.9; threat model (only data in force, healthy, signed).
 */
import { decodeEphemeris } from "../ephemeris/ephemeris.js";
import type { Ephemeris, EphemerisWords } from "../ephemeris/ephemeris.js";
import { e1Health, sisaMeters } from "../ephemeris/health.js";
import type { HealthClass } from "../ephemeris/health.js";
import { Authenticated } from "../osnma/authenticated.js";
import type { CedData } from "../osnma/engine.js";

/** An ephemeris is used for so long before and after its toe (galileo-inav section 4). */
export const EPHEMERIS_VALIDITY_SECONDS = 4 * 3600;
/** Stands in for "no accuracy prediction available" where marginal satellites are let in. */
const NAPA_SIGMA_METERS = 500;
/** SISA is a bound, not a guess: a smaller one is not believed. */
const MIN_SISA_METERS = 0.5;

interface SatelliteData {
  readonly svid: number;
  readonly ephemeris: Ephemeris;
  readonly health: HealthClass;
  /** SISA of orbit and clock together, or what stands in for it. */
  readonly sisaMeters: number;
}

function dataOf(svid: number, words: readonly Uint8Array[]): SatelliteData | null {
  if (words.length !== 5) return null;
  const ephemeris = decodeEphemeris(words as unknown as EphemerisWords, svid);
  if (ephemeris === null) return null;
  const sisa = sisaMeters(ephemeris.sisaIndex);
  return {
    svid,
    ephemeris,
    health: e1Health(ephemeris),
    sisaMeters: sisa === null ? NAPA_SIGMA_METERS : Math.max(sisa, MIN_SISA_METERS),
  };
}

let makeAuthenticated: (source: Authenticated<CedData>, data: SatelliteData) => AuthenticatedSatellite;

/** A satellite whose words 1-5 a TESLA tag verified. */
export class AuthenticatedSatellite implements SatelliteData {
  /** A private member makes the type nominal: no literal, and no unverified satellite, is assignable to it. */
  readonly #genuine = true;
  readonly svid: number;
  readonly ephemeris: Ephemeris;
  readonly health: HealthClass;
  readonly sisaMeters: number;
  /** The words and the evidence for them. */
  readonly source: Authenticated<CedData>;

  private constructor(source: Authenticated<CedData>, data: SatelliteData) {
    this.svid = data.svid;
    this.ephemeris = data.ephemeris;
    this.health = data.health;
    this.sisaMeters = data.sisaMeters;
    this.source = source;
    Object.freeze(this);
  }

  /** Whether `candidate` was made here, whatever its static type claims. */
  static is(candidate: unknown): candidate is AuthenticatedSatellite {
    return typeof candidate === "object" && candidate !== null && #genuine in candidate && candidate.#genuine;
  }

  static {
    makeAuthenticated = (source, data) => new AuthenticatedSatellite(source, data);
  }
}

/** A satellite from any words. No authenticated solution takes it. */
export class UnverifiedSatellite implements SatelliteData {
  readonly #unverified = true;
  readonly svid: number;
  readonly ephemeris: Ephemeris;
  readonly health: HealthClass;
  readonly sisaMeters: number;

  private constructor(data: SatelliteData) {
    this.svid = data.svid;
    this.ephemeris = data.ephemeris;
    this.health = data.health;
    this.sisaMeters = data.sisaMeters;
  }

  static is(candidate: unknown): candidate is UnverifiedSatellite {
    return (
      typeof candidate === "object" && candidate !== null && #unverified in candidate && candidate.#unverified
    );
  }

  /** Null where the words do not make an ephemeris of that satellite. */
  static of(svid: number, words: readonly Uint8Array[]): UnverifiedSatellite | null {
    const data = dataOf(svid, words);
    return data === null ? null : new UnverifiedSatellite(data);
  }
}

export type AnySatellite = AuthenticatedSatellite | UnverifiedSatellite;

/** The satellite of authenticated words; null where they are not an ephemeris of the satellite they name. */
export function authenticatedSatellite(ced: Authenticated<CedData>): AuthenticatedSatellite | null {
  if (!Authenticated.is(ced)) throw new TypeError("ced must come from the OSNMA engine");
  const data = dataOf(ced.value.svid, ced.value.words);
  return data === null ? null : makeAuthenticated(ced, data);
}

/** Where authenticated words come from: the engine. */
export interface CedSource {
  ced(svid: number): Authenticated<CedData> | null;
}

/**
 * The satellites in force, asked of the engine anew for every epoch, so that what expired, was revoked or replaced
 * is gone at once; only the decoding is remembered, by the words themselves.
 */
export class AuthenticatedSatellites {
  readonly #source: CedSource;
  readonly #decoded = new Map<
    number,
    { readonly words: readonly Uint8Array[]; readonly data: SatelliteData; satellite: AuthenticatedSatellite }
  >();

  constructor(source: CedSource) {
    this.#source = source;
  }

  /** The satellite as it is authenticated now, else null. */
  get(svid: number): AuthenticatedSatellite | null {
    const ced = this.#source.ced(svid);
    if (ced === null) return null;
    if (!Authenticated.is(ced)) throw new TypeError("ced must come from the OSNMA engine");
    // A source that answers for another satellite is not to be listened to.
    if (ced.value.svid !== svid) return null;
    const { words } = ced.value;
    const known = this.#decoded.get(svid);
    if (known !== undefined && sameWords(known.words, words)) {
      if (known.satellite.source !== ced) known.satellite = makeAuthenticated(ced, known.data);
      return known.satellite;
    }
    const data = dataOf(svid, words);
    if (data === null) return null;
    const satellite = makeAuthenticated(ced, data);
    this.#decoded.set(svid, { words: words.map((word) => word.slice()), data, satellite });
    return satellite;
  }

  /** The satellites in force of those measured. */
  of(svids: Iterable<number>): AuthenticatedSatellite[] {
    const satellites: AuthenticatedSatellite[] = [];
    for (const svid of svids) {
      const satellite = this.get(svid);
      if (satellite !== null) satellites.push(satellite);
    }
    return satellites;
  }
}

function sameWords(a: readonly Uint8Array[], b: readonly Uint8Array[]): boolean {
  if (b.length !== 5) return false;
  for (let i = 0; i < 5; i++) {
    const x = a[i];
    const y = b[i];
    if (x.length !== y.length) return false;
    for (let k = 0; k < x.length; k++) if (x[k] !== y[k]) return false;
  }
  return true;
}

export type SatelliteRejection = "unhealthy" | "marginal" | "expired";

/** Why the satellite is not to be used at `gst` (linear seconds); null where it may be. */
export function satelliteRejection(
  satellite: SatelliteData,
  gst: number,
  allowMarginal: boolean,
): SatelliteRejection | null {
  if (satellite.health === "unhealthy") return "unhealthy";
  if (satellite.health === "marginal" && !allowMarginal) return "marginal";
  // Written so that NaN is refused.
  return Math.abs(gst - satellite.ephemeris.toeGst) <= EPHEMERIS_VALIDITY_SECONDS ? null : "expired";
}
