/**
 * The UBX messages of a simulated receiver: u-blox F9 interface description. Those on which pages, time and fixes
 * rest are written by hand here, beside the table of gnss-ubx, so that the table is checked against them; the others
 * go through its encoder.
 */
import { crc24q, encodeMessage } from "gnss-ubx";
import { GPS_WEEK_OFFSET, towOf, wnOf } from "../inav/gst.js";
import { LEAP_SECONDS, unixOfGst } from "./leap-seconds.js";
import { concatBytes } from "./bit-writer.js";
import type { Measurement } from "./measurements.js";
import type { ReceiverState, TimeKnowledge } from "./receiver-state.js";
import type { SimulatedPage } from "./scenario.js";

export const GALILEO = 2;
/** sigId of I/NAV pages (RXM-SFRBX), and of E1-C and E5b-I measurements (RXM-RAWX). */
const SIG_E1B = 1;
const SIG_E5B = 5;
const SIG_E1C = 0;
/** Nonsense an F9 showed before it knew the week. */
const NONSENSE_WN = 2320;
const WRONG_WN = 1296;
const NONSENSE_UNIX = Date.UTC(2024, 5, 23) / 1000;
const WRONG_UNIX = Date.UTC(2024, 5, 28) / 1000;
/** Ellipsoid over mean sea level; one number for all places. */
export const GEOID_METERS = 47;
const UNKNOWN_ACCURACY = 0xffffffff;

/** An epoch as the messages label it. */
export interface EpochLabel {
  /** Whole and fractional seconds of heard GST on the receiver's output grid. */
  readonly gst: number;
  readonly knows: TimeKnowledge;
  /** GST of power-up: what a receiver that knows nothing counts from. */
  readonly bootGst: number;
}

/** A UBX frame around a payload. */
export function ubxFrame(messageClass: number, id: number, payload: Uint8Array): Uint8Array {
  const out = new Uint8Array(payload.length + 8);
  out[0] = 0xb5;
  out[1] = 0x62;
  out[2] = messageClass;
  out[3] = id;
  out[4] = payload.length & 0xff;
  out[5] = payload.length >> 8;
  out.set(payload, 6);
  let a = 0;
  let b = 0;
  for (let i = 2; i < out.length - 2; i++) {
    a = (a + out[i]!) & 0xff;
    b = (b + a) & 0xff;
  }
  out[out.length - 2] = a;
  out[out.length - 1] = b;
  return out;
}

/** RXM-SFRBX of an I/NAV page: four 32-bit words per half, little-endian, the last eight bits of each half zero. */
export function sfrbxFrame(page: Pick<SimulatedPage, "svid" | "band" | "even" | "odd">): Uint8Array {
  const payload = new Uint8Array(8 + 32);
  payload[0] = GALILEO;
  payload[1] = page.svid;
  payload[2] = page.band === "E1-B" ? SIG_E1B : SIG_E5B;
  payload[4] = 8;
  payload[5] = page.svid & 0x0f;
  payload[6] = 2;
  for (let i = 0; i < 15; i++) {
    const at = 8 + (i & ~3) + (3 - (i & 3));
    payload[at] = page.even[i]!;
    payload[at + 16] = page.odd[i]!;
  }
  return ubxFrame(0x02, 0x13, payload);
}

/** Milliseconds of the time of week, or since power-up where that is all the receiver knows. */
export function iTow({ gst, knows, bootGst }: EpochLabel): number {
  return Math.round(1000 * (knows === "nothing" ? gst - bootGst : towOf(gst)));
}

export function utcOf({ gst, knows, bootGst }: EpochLabel): Date {
  const seconds =
    knows === "all"
      ? unixOfGst(gst)
      : knows === "second"
        ? WRONG_UNIX + (towOf(gst) % 86_400)
        : NONSENSE_UNIX + gst - bootGst;
  return new Date(Math.round(seconds * 1000));
}

/** The date to the nearest second, and what is left in nanoseconds, as NAV-PVT and NAV-TIMEUTC divide it. */
function dateAndNano(label: EpochLabel): { utc: Date; nano: number } {
  const exact = utcOf(label).getTime();
  const whole = Math.floor(exact / 1000 + 0.5) * 1000;
  return { utc: new Date(whole), nano: (exact - whole) * 1e6 };
}

export function navPvt(label: EpochLabel, state: ReceiverState): Uint8Array {
  const payload = new Uint8Array(92);
  const view = new DataView(payload.buffer);
  const { utc, nano } = dateAndNano(label);
  view.setUint32(0, iTow(label), true);
  view.setUint16(4, utc.getUTCFullYear(), true);
  payload.set(
    [utc.getUTCMonth() + 1, utc.getUTCDate(), utc.getUTCHours(), utc.getUTCMinutes(), utc.getUTCSeconds()],
    6,
  );
  // validDate, validTime, fullyResolved; the upper half was seen set in all states.
  payload[11] = { nothing: 0xf0, second: 0xf2, all: 0xf7 }[label.knows];
  const knowsAll = label.knows === "all";
  view.setUint32(12, knowsAll ? nanoseconds(state.timeAccuracySeconds) : UNKNOWN_ACCURACY, true);
  view.setInt32(16, nano, true);
  if (knowsAll && state.fixOk) {
    const { latitudeDeg, longitudeDeg, heightMeters } = state.place;
    const [north, east, down] = state.velocity;
    const speed = Math.hypot(north, east);
    const heading = (Math.atan2(east, north) * 180) / Math.PI;
    payload[20] = 3;
    payload[21] = 0x01;
    payload[22] = 0xe0;
    payload[23] = state.used.length;
    view.setInt32(24, Math.round(longitudeDeg * 1e7), true);
    view.setInt32(28, Math.round(latitudeDeg * 1e7), true);
    view.setInt32(32, Math.round(heightMeters * 1000), true);
    view.setInt32(36, Math.round((heightMeters - GEOID_METERS) * 1000), true);
    view.setUint32(40, millimeters(state.horizontalAccuracyMeters), true);
    view.setUint32(44, millimeters(state.verticalAccuracyMeters), true);
    view.setInt32(48, Math.round(north * 1000), true);
    view.setInt32(52, Math.round(east * 1000), true);
    view.setInt32(56, Math.round(down * 1000), true);
    view.setInt32(60, Math.round(speed * 1000), true);
    view.setInt32(64, speed < 0.1 ? 0 : Math.round(((heading + 360) % 360) * 1e5), true);
    view.setUint32(68, millimeters(state.speedAccuracy), true);
    view.setUint32(72, speed < 0.1 ? 18_000_000 : 500_000, true);
    view.setUint16(76, Math.min(9999, Math.round(state.pdop * 100)), true);
  } else {
    view.setUint32(40, UNKNOWN_ACCURACY, true);
    view.setUint32(44, UNKNOWN_ACCURACY, true);
    view.setUint16(76, 9999, true);
    view.setUint16(78, 1, true);
  }
  return ubxFrame(0x01, 0x07, payload);
}

export function navStatus(label: EpochLabel, state: ReceiverState): Uint8Array {
  const fix = label.knows === "all" && state.fixOk;
  return encodeMessage("NAV-STATUS", {
    iTOW: iTow(label),
    gpsFix: fix ? 3 : 0,
    flags: { gpsFixOk: fix, wknSet: label.knows === "all", towSet: label.knows !== "nothing" },
    fixStat: {},
    flags2: { spoofDetState: state.spoofDetState },
    ttff: fix ? 1000 : 0,
    msss: Math.round(state.uptimeMilliseconds),
  });
}

export function navClock(label: EpochLabel, state: ReceiverState): Uint8Array {
  const known = label.knows === "all" && state.fixOk;
  return encodeMessage("NAV-CLOCK", {
    iTOW: iTow(label),
    clkB: known ? Math.round(state.clockSeconds * 1e9) : 0,
    clkD: known ? Math.round(state.clockRate * 1e9) : 0,
    tAcc: known ? nanoseconds(state.timeAccuracySeconds) : UNKNOWN_ACCURACY,
    fAcc: known ? 200 : UNKNOWN_ACCURACY,
  });
}

/** `svs` are the satellites in view, unhealthy ones included. */
export function navSat(
  label: EpochLabel,
  state: ReceiverState,
  e1: readonly Measurement[],
  isHealthy: (svid: number) => boolean,
): Uint8Array {
  const payload = new Uint8Array(8 + 12 * e1.length);
  const view = new DataView(payload.buffer);
  view.setUint32(0, iTow(label), true);
  payload[4] = 1;
  payload[5] = e1.length;
  e1.forEach(({ svid, azimuthDeg, elevationDeg, cn0DbHz }, index) => {
    const at = 8 + 12 * index;
    const isUsed = label.knows === "all" && state.fixOk && state.used.includes(svid);
    payload[at] = GALILEO;
    payload[at + 1] = svid;
    payload[at + 2] = wholeCn0(cn0DbHz);
    view.setInt8(at + 3, Math.round(elevationDeg));
    view.setInt16(at + 4, Math.round(azimuthDeg), true);
    // qualityInd 7, svUsed, health 1 or 2, orbit source ephemeris, ephemeris available.
    const health = isHealthy(svid) ? 1 : 2;
    view.setUint32(at + 8, 7 | (isUsed ? 8 : 0) | (health << 4) | (1 << 8) | (1 << 11), true);
  });
  return ubxFrame(0x01, 0x35, payload);
}

export function navTimeGal(label: EpochLabel, state: ReceiverState): Uint8Array {
  const payload = new Uint8Array(20);
  const view = new DataView(payload.buffer);
  const milliseconds = iTow(label);
  const seconds = Math.round(milliseconds / 1000);
  view.setUint32(0, milliseconds, true);
  view.setUint32(4, seconds, true);
  view.setInt32(8, (milliseconds - 1000 * seconds) * 1e6, true);
  view.setInt16(12, { nothing: NONSENSE_WN, second: WRONG_WN, all: wnOf(label.gst) }[label.knows], true);
  view.setInt8(14, LEAP_SECONDS);
  payload[15] = { nothing: 0, second: 1, all: 7 }[label.knows];
  view.setUint32(16, label.knows === "all" ? nanoseconds(state.timeAccuracySeconds) : UNKNOWN_ACCURACY, true);
  return ubxFrame(0x01, 0x25, payload);
}

export function navTimeUtc(label: EpochLabel, state: ReceiverState): Uint8Array {
  const payload = new Uint8Array(20);
  const view = new DataView(payload.buffer);
  const { utc, nano } = dateAndNano(label);
  view.setUint32(0, iTow(label), true);
  view.setUint32(4, label.knows === "all" ? nanoseconds(state.timeAccuracySeconds) : UNKNOWN_ACCURACY, true);
  view.setInt32(8, nano, true);
  view.setUint16(12, utc.getUTCFullYear(), true);
  payload.set(
    [utc.getUTCMonth() + 1, utc.getUTCDate(), utc.getUTCHours(), utc.getUTCMinutes(), utc.getUTCSeconds()],
    14,
  );
  // validTOW, validWKN, validUTC; UTC standard 5 (European laboratories).
  payload[19] = { nothing: 0, second: 1, all: 7 }[label.knows] | (5 << 4);
  return ubxFrame(0x01, 0x21, payload);
}

export function navEoe(label: EpochLabel): Uint8Array {
  const payload = new Uint8Array(4);
  new DataView(payload.buffer).setUint32(0, iTow(label), true);
  return ubxFrame(0x01, 0x61, payload);
}

/** `labelGst` is the receiver's own reading of the instant of measurement. */
export function rxmRawx(
  label: EpochLabel,
  labelGst: number,
  measurements: readonly Measurement[],
): Uint8Array {
  const knowsAll = label.knows === "all";
  const payload = new Uint8Array(16 + 32 * measurements.length);
  const view = new DataView(payload.buffer);
  // The label is a multiple of a millisecond: rounded so that no arithmetic shows in its last bits.
  const seconds = label.knows === "nothing" ? labelGst - label.bootGst : towOf(labelGst);
  view.setFloat64(0, rounded(seconds, 1e6), true);
  view.setUint16(8, knowsAll ? wnOf(labelGst) + GPS_WEEK_OFFSET : 0, true);
  view.setInt8(10, LEAP_SECONDS);
  payload[11] = measurements.length;
  payload[12] = knowsAll ? 1 : 0;
  payload[13] = 1;
  measurements.forEach((m, index) => {
    const at = 16 + 32 * index;
    // Rounded well below any noise, so that the last bit of a platform's sine cannot show.
    view.setFloat64(at, rounded(m.pseudorangeMeters, 1e4), true);
    view.setFloat64(at + 8, rounded(m.carrierCycles, 1e3), true);
    view.setFloat32(at + 16, rounded(m.dopplerHz, 1e3), true);
    payload[at + 20] = GALILEO;
    payload[at + 21] = m.svid;
    payload[at + 22] = m.band === "E1" ? SIG_E1C : SIG_E5B;
    view.setUint16(at + 24, m.lockMilliseconds, true);
    payload[at + 26] = wholeCn0(m.cn0DbHz);
    // Exponents and multiples of the receiver's sigmas; carrier 3 (0.012 cycles).
    payload[at + 27] = exponent(m.codeSigmaMeters, 0.01, 5);
    payload[at + 28] = 3;
    payload[at + 29] = exponent(m.dopplerSigmaHz, 0.002, 6);
    // prValid, cpValid, halfCyc.
    payload[at + 30] = 0x07;
  });
  return ubxFrame(0x02, 0x15, payload);
}

/** Front ends and flags seldom change: their messages are made again only then. */
let lastMonRf: { key: string; frame: Uint8Array } = { key: "", frame: new Uint8Array(0) };
let lastSecSig: { key: number; frame: Uint8Array } = { key: -1, frame: new Uint8Array(0) };

export function monRf(state: ReceiverState): Uint8Array {
  let key = "";
  for (const end of state.frontEnds)
    key += `${end.agcCount} ${end.noisePerMillisecond} ${end.cwSuppression} `;
  if (key !== lastMonRf.key) lastMonRf = { key, frame: encodedMonRf(state) };
  return lastMonRf.frame.slice();
}

function encodedMonRf(state: ReceiverState): Uint8Array {
  return encodeMessage("MON-RF", {
    version: 0,
    blocks: state.frontEnds.map(({ agcCount, noisePerMillisecond, cwSuppression }, blockId) => ({
      blockId,
      flags: { jammingState: 0 },
      antStatus: 2,
      antPower: 1,
      postStatus: 0,
      noisePerMS: noisePerMillisecond,
      agcCnt: agcCount,
      jamInd: cwSuppression,
      ofsI: 3,
      magI: 150,
      ofsQ: -2,
      magQ: 152,
    })),
  });
}

/** What a port has sent so far, and whether its buffer has just overflowed. */
export interface PortState {
  readonly txBytes: number;
  readonly bytesPerSecond: number;
  readonly overflowed: boolean;
}

/** Bytes a second at which the link of the simulated receiver is full. */
const PORT_CAPACITY = 46_080;
const USB_PORT = 0x0300;

export function monComms(port: PortState): Uint8Array {
  const usage = Math.min(100, Math.round((100 * port.bytesPerSecond) / PORT_CAPACITY));
  return encodeMessage("MON-COMMS", {
    version: 0,
    txErrors: { alloc: port.overflowed, outputPort: 0 },
    protIds: [0, 1, 5, 255],
    ports: [
      {
        portId: USB_PORT,
        txPending: 0,
        txBytes: port.txBytes % 4_294_967_296,
        txUsage: usage,
        txPeakUsage: usage,
        rxPending: 0,
        rxBytes: 0,
        rxUsage: 0,
        rxPeakUsage: 0,
        overrunErrs: 0,
        msgs: [0, 0, 0, 0],
        skipped: 0,
      },
    ],
  });
}

export function secSig(state: ReceiverState): Uint8Array {
  const key = 16 * state.jammingState + state.spoofingState;
  if (key !== lastSecSig.key) lastSecSig = { key, frame: encodedSecSig(state) };
  return lastSecSig.frame.slice();
}

function encodedSecSig(state: ReceiverState): Uint8Array {
  return encodeMessage("SEC-SIG", {
    version: 2,
    sigSecFlags: {
      jamDetEnabled: true,
      jammingState: state.jammingState,
      spfDetEnabled: true,
      spoofingState: state.spoofingState,
    },
    jamStateCentFreq: [{ centFreq: 1_575_420, jammed: state.jammingState >= 2 }],
  });
}

/** Version 3. Times: the subframe of the key that was authenticated last. */
export function secOsnma(label: EpochLabel, state: ReceiverState): Uint8Array {
  const { osnma } = state;
  const header = osnma.nmaHeader;
  const authenticated = osnma.satellites.filter(({ failed }) => !failed).length;
  const keyGst = Math.floor(label.gst / 30) * 30 - 30;
  return encodeMessage("SEC-OSNMA", {
    version: 3,
    nmaHeader: {
      headerAuthStatus: osnma.headerAuthenticated,
      nmaStatus: header >> 6,
      chainInForce: (header >> 4) & 3,
      CPKS: (header >> 1) & 7,
    },
    osnmaMonitoring: { osnmaEnabled: osnma.enabled, numSVs: osnma.satellites.length, nmaHeaderUpdate: 0 },
    timSyncReq: { timSyncEnabled: true, timSyncStatus: 1 },
    timSyncReqDiff: 0,
    dsmAuthentication: { dsmAuthenticationStatus: osnma.headerAuthenticated ? 1 : 0, pubKeyId: osnma.pkid },
    teslaKey: {
      teslaKeyAuthStatus: osnma.headerAuthenticated ? 1 : 0,
      wnSf: wnOf(keyGst) % 4096,
      towSf: Math.floor(towOf(keyGst) / 30),
      chainId: (header >> 4) & 3,
    },
    generalAndTiming: { authSVs: osnma.satellites.length, authNumTim: Math.min(63, authenticated) },
    svs: osnma.satellites.map(({ svid, iodNav, tags, failed }) => ({
      auth: { IODE: iodNav, authNum: Math.min(31, tags), authStatus: failed },
      svId: svid,
    })),
  });
}

/** SEC-UNIQID of the simulated receiver: marked so that it is nobody's. */
export function secUniqId(): Uint8Array {
  return encodeMessage("SEC-UNIQID", { version: 1, uniqueId: Uint8Array.of(0x05, 0x4e, 0x4d, 0x41, 0x00) });
}

/** MON-VER of the simulated receiver: an F9 as far as messages go, and says what it is. */
export function monVer(): Uint8Array {
  return encodeMessage("MON-VER", {
    swVersion: "EXT CORE 1.00 (51TEST)",
    hwVersion: "00190000",
    extension: [
      "ROM BASE 0x118B2060",
      "FWVER=HPG 1.51",
      "PROTVER=27.50",
      "MOD=OSNMAD-SIMULATED",
      "GPS;GLO;GAL;BDS",
    ],
  });
}

/** An RTCM 3 frame. */
export function rtcmFrame(payload: Uint8Array): Uint8Array {
  const head = Uint8Array.of(0xd3, payload.length >> 8, payload.length & 0xff);
  const crc = crc24q(concatBytes(head, payload));
  return concatBytes(head, payload, Uint8Array.of(crc >> 16, (crc >> 8) & 0xff, crc & 0xff));
}

function wholeCn0(cn0DbHz: number): number {
  return Math.min(60, Math.max(0, Math.round(cn0DbHz)));
}

/** n of `unit * 2^n` not below a sigma; `none` where there is no noise. */
function exponent(sigma: number, unit: number, none: number): number {
  if (sigma === 0) return none;
  let n = 0;
  for (let value = unit; value < sigma && n < 15; value *= 2) n++;
  return n;
}

function rounded(value: number, scale: number): number {
  return Math.round(value * scale) / scale;
}

const millimeters = (meters: number): number => Math.min(UNKNOWN_ACCURACY, Math.round(meters * 1000));
const nanoseconds = (seconds: number): number =>
  Math.min(UNKNOWN_ACCURACY, Math.max(1, Math.round(seconds * 1e9)));
