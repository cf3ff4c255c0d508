/**
 * The receiver's own fix (NAV-PVT), graded against authenticated satellites as far as its outputs allow
 * (docs/threat-model.md): `corroborated` at most, and only when at least four satellites that the receiver
 * says it used stand where their authenticated ephemeris puts them. Never a position of our own.
 */
import { decodeEphemeris } from "../ephemeris/ephemeris.js";
import { azimuthElevation, geodeticToEcef } from "../ephemeris/geometry.js";
import { newSatelliteState, satelliteState } from "../ephemeris/orbit.js";
import { gstOf, GST_TO_UNIX, SECONDS_IN_WEEK, towOf, wnOf } from "../inav/gst.js";
import { SATELLITES_FOR_FIX, type OsnmaEngine } from "../osnma/engine.js";
import type { Assurance, FixRecord, Mode } from "../pipeline/records.js";
import { decodeMessage } from "gnss-ubx";

const NAV = 0x01;
const NAV_PVT = 0x07;
const NAV_SAT = 0x35;
const NAV_EOE = 0x61;
const GALILEO = 2;
const MAX_SVID = 36;
/** NAV-SAT gives whole degrees; half a degree of rounding each way, receiver filter lag on top. */
const DIRECTION_TOLERANCE_DEG = 2;
/** Receiver epoch and newest authenticated page may be this far apart. */
const TIME_TOLERANCE_SECONDS = 5;
const DEG = Math.PI / 180;

type Pvt = Extract<ReturnType<typeof decodeMessage>, { name: "NAV-PVT" }>;
type Sat = Extract<ReturnType<typeof decodeMessage>, { name: "NAV-SAT" }>;

export class ReceiverFixStage {
  readonly #engine: OsnmaEngine;
  readonly #mode: Mode;
  readonly #softwareVersion: string;
  readonly #emit: (fix: FixRecord) => void;
  #pvt: Pvt | null = null;
  #sat: Sat | null = null;

  constructor(engine: OsnmaEngine, mode: Mode, softwareVersion: string, emit: (fix: FixRecord) => void) {
    this.#engine = engine;
    this.#mode = mode;
    this.#softwareVersion = softwareVersion;
    this.#emit = emit;
  }

  message(messageClass: number, messageId: number, payload: Uint8Array): void {
    if (messageClass !== NAV) return;
    if (messageId === NAV_PVT) {
      this.#flush();
      const decoded = decodeMessage(messageClass, messageId, payload);
      this.#pvt = decoded.name === "NAV-PVT" ? decoded : null;
    } else if (messageId === NAV_SAT) {
      const decoded = decodeMessage(messageClass, messageId, payload);
      this.#sat = decoded.name === "NAV-SAT" ? decoded : null;
    } else if (messageId === NAV_EOE) {
      this.#flush();
    }
  }

  end(): void {
    this.#flush();
  }

  #flush(): void {
    const pvt = this.#pvt;
    if (pvt === null) return;
    this.#pvt = null;
    const fix = this.#grade(pvt, this.#sat?.iTOW === pvt.iTOW ? this.#sat : null);
    if (fix !== null) this.#emit(fix);
  }

  /** Null while the Galileo week is unknown: a fix without a time is none. */
  #grade(pvt: Pvt, sat: Sat | null): FixRecord | null {
    const { now } = this.#engine;
    if (!Number.isFinite(now)) return null;
    const gst = nearest(pvt.iTOW / 1000, now);
    const reasons: string[] = [];
    if (!pvt.flags.gnssFixOk || pvt.fixType < 2 || pvt.flags3.invalidLlh) reasons.push("receiver-has-no-fix");
    if (!pvt.valid.validDate || !pvt.valid.validTime) reasons.push("receiver-time-invalid");
    if (Math.abs(gst - now) > TIME_TOLERANCE_SECONDS) reasons.push("receiver-time-disagrees");
    const { state } = this.#engine;
    if (state === "alert") reasons.push("osnma-alert");
    else if (state === "suspended") reasons.push("nma-status-dont-use");

    const latitudeRad = pvt.lat * 1e-7 * DEG;
    const longitudeRad = pvt.lon * 1e-7 * DEG;
    const receiver = geodeticToEcef({ latitudeRad, longitudeRad, heightMeters: pvt.height / 1000 });
    const authenticated: number[] = [];
    const agreeing: number[] = [];
    const disagreeing: number[] = [];
    const orbit = newSatelliteState();
    for (let svid = 1; svid <= MAX_SVID; svid++) {
      if (this.#engine.satelliteStatus(svid)?.health !== "healthy") continue;
      const ced = this.#engine.ced(svid);
      if (ced === null) continue;
      authenticated.push(svid);
      const report = sat?.svs.find((entry) => entry.gnssId === GALILEO && entry.svId === svid);
      if (report === undefined || !report.flags.svUsed) continue;
      const [w1, w2, w3, w4, w5] = ced.value.words;
      const ephemeris = decodeEphemeris([w1, w2, w3, w4, w5], svid);
      if (ephemeris === null) continue;
      const position = satelliteState(ephemeris, towOf(gst), orbit);
      const { azimuthRad, elevationRad } = azimuthElevation(receiver, position);
      const elevationError = Math.abs(elevationRad / DEG - report.elev);
      const azimuthError =
        Math.abs(((azimuthRad / DEG - report.azim + 540) % 360) - 180) * Math.cos(elevationRad);
      const agrees = elevationError <= DIRECTION_TOLERANCE_DEG && azimuthError <= DIRECTION_TOLERANCE_DEG;
      (agrees ? agreeing : disagreeing).push(svid);
    }
    if (authenticated.length < SATELLITES_FOR_FIX) reasons.push("fewer-than-4-authenticated-satellites");
    else if (sat === null) reasons.push("no-satellite-report");
    else if (agreeing.length < SATELLITES_FOR_FIX) reasons.push("fewer-than-4-satellites-agree");
    if (disagreeing.length > 0) reasons.push("satellite-direction-disagrees");
    const assurance: Assurance = reasons.length === 0 ? "corroborated" : "unverified";
    return {
      type: "fix",
      wn: wnOf(gst),
      tow: Math.floor(towOf(gst)),
      gst,
      utc: utcText(gst, pvt),
      assurance,
      reasons,
      mode: this.#mode,
      timeAssurance: this.#mode === "live" ? "independent" : "capture",
      receiver: {
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
      },
      authenticatedSatellites: authenticated,
      agreeingSatellites: agreeing,
      softwareVersion: this.#softwareVersion,
    };
  }
}

/** The linear GST nearest to `now` with this time of week. */
function nearest(towSeconds: number, now: number): number {
  const base = gstOf(wnOf(now), towSeconds);
  const weeks = Math.round((now - base) / SECONDS_IN_WEEK);
  return base + weeks * SECONDS_IN_WEEK;
}

/** UTC of the epoch, RFC 3339: the receiver's own leap second count, by its date and time against GST. */
function utcText(gst: number, pvt: Pvt): string {
  const seconds = pvt.hour * 3600 + pvt.min * 60 + pvt.sec + pvt.nano * 1e-9;
  const ofDay = (gst + GST_TO_UNIX) % 86_400;
  let leap = Math.round(ofDay - seconds);
  if (leap < -43_200) leap += 86_400;
  if (leap > 43_200) leap -= 86_400;
  return rfc3339(Math.round((gst + GST_TO_UNIX - leap) * 1000));
}

function rfc3339(unixMs: number): string {
  const days = Math.floor(unixMs / 86_400_000);
  const ms = unixMs - days * 86_400_000;
  const shifted = days + 719_468;
  const era = Math.floor(shifted / 146_097);
  const dayOfEra = shifted - era * 146_097;
  const yearOfEra = Math.floor(
    (dayOfEra -
      Math.floor(dayOfEra / 1460) +
      Math.floor(dayOfEra / 36_524) -
      Math.floor(dayOfEra / 146_096)) /
      365,
  );
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const monthPrime = Math.floor((5 * dayOfYear + 2) / 153);
  const day = dayOfYear - Math.floor((153 * monthPrime + 2) / 5) + 1;
  const month = monthPrime < 10 ? monthPrime + 3 : monthPrime - 9;
  const year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0);
  const two = (value: number): string => String(value).padStart(2, "0");
  const time = Math.floor(ms / 1000);
  const clock = `${two(Math.floor(time / 3600))}:${two(Math.floor(time / 60) % 60)}:${two(time % 60)}`;
  return `${year}-${two(month)}-${two(day)}T${clock}.${String(ms % 1000).padStart(3, "0")}Z`;
}
