/**
 * What a u-blox F9 sends while it hears a simulated Galileo: u-blox F9 interface description (UBX-NAV-*,
 * UBX-RXM-SFRBX, UBX-RXM-RAWX); order of messages as recorded from F9 receivers: RXM-RAWX, NAV-* up to NAV-EOE,
 * and every second epoch the pages of all satellites in one burst.
 *
 * The frames are written by hand here, beside the table of gnss-ubx, so that the table is checked against them.
 */
import { crc24q } from "gnss-ubx";
import { GPS_WEEK_OFFSET, GST_TO_UNIX, towOf, wnOf } from "../inav/gst.js";
import { concatBytes } from "./bit-writer.js";
import { pseudorangeE1 } from "./geometry.js";
import { SPEED_OF_LIGHT } from "./navigation.js";
import type { SimulatedPage, Simulation } from "./scenario.js";
import { seededBytes, seededFraction } from "./seeded.js";

/** The first seconds of a receiver that does not know the time yet. */
export interface ColdStart {
  /** No time at all: RAWX week 0 and seconds since power-up, nonsense dates, no valid bit. */
  readonly unknownSeconds: number;
  /** Then the second is right and the week is wrong, with valid bits that say so. */
  readonly wrongWeekSeconds: number;
}

export interface UbxStreamOptions {
  /** Also RXM-RAWX every second. */
  readonly rawx?: boolean;
  /** Also $GNRMC and $GNGGA every second. */
  readonly nmea?: boolean;
  /** NAV-PVT, NAV-SAT and NAV-TIMEUTC every so many seconds; NAV-TIMEGAL and NAV-EOE come every second. */
  readonly positionEverySeconds?: number;
  readonly coldStart?: ColdStart;
}

const GALILEO = 2;
/** sigId of I/NAV pages (RXM-SFRBX) and of E1-C measurements (RXM-RAWX). */
const SIG_E1B = 1;
const SIG_E5B = 5;
const SIG_E1C = 0;
const LEAP_SECONDS = 18;
/** Nonsense an F9 showed before it knew the week. */
const NONSENSE_WN = 2320;
const WRONG_WN = 1296;
const NONSENSE_UNIX = Date.UTC(2024, 5, 23) / 1000;
const WRONG_UNIX = Date.UTC(2024, 5, 28) / 1000;
/** Receiver clock: milliseconds behind, drifting slowly. */
const CLOCK_BIAS_SECONDS = -3.93e-3;
const CLOCK_DRIFT = 2e-8;
const E1_WAVELENGTH_METERS = SPEED_OF_LIGHT / 1_575_420_000;
const GEOID_METERS = 47;

/** How well the receiver knows the time at an epoch. */
type TimeKnowledge = "nothing" | "second" | "all";

/** A UBX frame around a payload. */
export function ubxFrame(messageClass: number, id: number, payload: Uint8Array): Uint8Array {
  const out = new Uint8Array(payload.length + 8);
  out.set([0xb5, 0x62, messageClass, id, payload.length & 0xff, payload.length >> 8]);
  out.set(payload, 6);
  let a = 0;
  let b = 0;
  for (let i = 2; i < out.length - 2; i++) {
    a = (a + out[i]!) & 0xff;
    b = (b + a) & 0xff;
  }
  out.set([a, b], out.length - 2);
  return out;
}

/** RXM-SFRBX of an I/NAV page: four 32-bit words per half, little-endian, the last eight bits of each half zero. */
export function sfrbxFrame(page: Pick<SimulatedPage, "svid" | "band" | "even" | "odd">): Uint8Array {
  const payload = new Uint8Array(8 + 32);
  const sigId = page.band === "E1-B" ? SIG_E1B : SIG_E5B;
  payload.set([GALILEO, page.svid, sigId, 0, 8, page.svid & 0x0f, 2, 0]);
  [page.even, page.odd].forEach((half, index) => {
    half.forEach((byte, i) => {
      payload[8 + 16 * index + (i & ~3) + (3 - (i & 3))] = byte;
    });
  });
  return ubxFrame(0x02, 0x13, payload);
}

/** All frames and sentences, one by one. */
export function* ubxFrames(simulation: Simulation, options: UbxStreamOptions = {}): Generator<Uint8Array> {
  const pages = simulation.pages();
  let next = pages.next();
  // A page is out two seconds after its start, in the burst that follows that epoch's navigation messages.
  for (let gst = simulation.startGst + 1; gst <= simulation.endGst + 2; gst++) {
    const age = gst - simulation.startGst;
    const cold = options.coldStart;
    const knows: TimeKnowledge =
      cold === undefined || age > cold.unknownSeconds + cold.wrongWeekSeconds
        ? "all"
        : age > cold.unknownSeconds
          ? "second"
          : "nothing";
    if (options.nmea === true) yield* nmea(simulation, gst, knows);
    if (options.rawx === true) yield rawx(simulation, gst, knows);
    const withPosition = gst % (options.positionEverySeconds ?? 1) === 0;
    if (withPosition) {
      yield navPvt(simulation, gst, knows);
      yield navSat(simulation, gst, knows);
    }
    yield navTimeGal(simulation, gst, knows);
    if (withPosition) yield navTimeUtc(simulation, gst, knows);
    yield navEoe(simulation, gst, knows);
    while (next.done !== true && next.value.gst + 2 <= gst) {
      yield sfrbxFrame(next.value);
      next = pages.next();
    }
  }
}

/** The whole stream. */
export function ubxStream(simulation: Simulation, options: UbxStreamOptions = {}): Uint8Array {
  return concatBytes(...ubxFrames(simulation, options));
}

function iTow(simulation: Simulation, gst: number, knows: TimeKnowledge): number {
  return 1000 * (knows === "nothing" ? gst - simulation.startGst : towOf(gst));
}

function utcOf(gst: number, simulation: Simulation, knows: TimeKnowledge): Date {
  const seconds =
    knows === "all"
      ? gst + GST_TO_UNIX - LEAP_SECONDS
      : knows === "second"
        ? WRONG_UNIX + (towOf(gst) % 86_400)
        : NONSENSE_UNIX + gst - simulation.startGst;
  return new Date(seconds * 1000);
}

function navPvt(simulation: Simulation, gst: number, knows: TimeKnowledge): Uint8Array {
  const payload = new Uint8Array(92);
  const view = new DataView(payload.buffer);
  const utc = utcOf(gst, simulation, knows);
  const { latitudeDeg, longitudeDeg, heightMeters } = simulation.place;
  view.setUint32(0, iTow(simulation, gst, knows), true);
  view.setUint16(4, utc.getUTCFullYear(), true);
  payload.set(
    [utc.getUTCMonth() + 1, utc.getUTCDate(), utc.getUTCHours(), utc.getUTCMinutes(), utc.getUTCSeconds()],
    6,
  );
  // validDate, validTime, fullyResolved; the upper half was seen set in all states.
  payload[11] = { nothing: 0xf0, second: 0xf2, all: 0xf7 }[knows];
  view.setUint32(12, knows === "all" ? 30 : 0xffffffff, true);
  if (knows === "all") {
    payload[20] = 3;
    payload[21] = 0x01;
    payload[22] = 0xe0;
    payload[23] = usedSatellites(simulation, gst).length;
    view.setInt32(24, Math.round(longitudeDeg * 1e7), true);
    view.setInt32(28, Math.round(latitudeDeg * 1e7), true);
    view.setInt32(32, Math.round(heightMeters * 1000), true);
    view.setInt32(36, Math.round((heightMeters - GEOID_METERS) * 1000), true);
    view.setUint32(40, 1500, true);
    view.setUint32(44, 2500, true);
    view.setUint32(68, 100, true);
    view.setUint32(72, 18_000_000, true);
    view.setUint16(76, 180, true);
  } else {
    view.setUint32(40, 0xffffffff, true);
    view.setUint32(44, 0xffffffff, true);
    view.setUint16(76, 9999, true);
    view.setUint16(78, 1, true);
  }
  return ubxFrame(0x01, 0x07, payload);
}

function usedSatellites(simulation: Simulation, gst: number): number[] {
  return simulation.satellites.filter((svid) => {
    const state = simulation.navigation.state(svid, gst);
    return state.e1bHs === 0 && state.e1bDvs === 0 && !state.dummyPages;
  });
}

function carrierToNoise(elevationDeg: number): number {
  return Math.round(30 + 18 * Math.sin((elevationDeg * Math.PI) / 180));
}

function navSat(simulation: Simulation, gst: number, knows: TimeKnowledge): Uint8Array {
  const { satellites } = simulation;
  const used = usedSatellites(simulation, gst);
  const payload = new Uint8Array(8 + 12 * satellites.length);
  const view = new DataView(payload.buffer);
  view.setUint32(0, iTow(simulation, gst, knows), true);
  payload[4] = 1;
  payload[5] = satellites.length;
  satellites.forEach((svid, index) => {
    const at = 8 + 12 * index;
    const { azimuthDeg, elevationDeg } = simulation.lookAngles(svid, gst);
    const isUsed = knows === "all" && used.includes(svid);
    payload[at] = GALILEO;
    payload[at + 1] = svid;
    payload[at + 2] = carrierToNoise(elevationDeg);
    view.setInt8(at + 3, Math.round(elevationDeg));
    view.setInt16(at + 4, Math.round(azimuthDeg), true);
    // qualityInd 7, svUsed, health 1 or 2, orbit source ephemeris, ephemeris available.
    const health = used.includes(svid) ? 1 : 2;
    view.setUint32(at + 8, 7 | (isUsed ? 8 : 0) | (health << 4) | (1 << 8) | (1 << 11), true);
  });
  return ubxFrame(0x01, 0x35, payload);
}

function navTimeGal(simulation: Simulation, gst: number, knows: TimeKnowledge): Uint8Array {
  const payload = new Uint8Array(20);
  const view = new DataView(payload.buffer);
  const milliseconds = iTow(simulation, gst, knows);
  view.setUint32(0, milliseconds, true);
  view.setUint32(4, milliseconds / 1000, true);
  view.setInt16(12, { nothing: NONSENSE_WN, second: WRONG_WN, all: wnOf(gst) }[knows], true);
  view.setInt8(14, LEAP_SECONDS);
  payload[15] = { nothing: 0, second: 1, all: 7 }[knows];
  view.setUint32(16, knows === "all" ? 20 : 0xffffffff, true);
  return ubxFrame(0x01, 0x25, payload);
}

function navTimeUtc(simulation: Simulation, gst: number, knows: TimeKnowledge): Uint8Array {
  const payload = new Uint8Array(20);
  const view = new DataView(payload.buffer);
  const utc = utcOf(gst, simulation, knows);
  view.setUint32(0, iTow(simulation, gst, knows), true);
  view.setUint32(4, knows === "all" ? 30 : 0xffffffff, true);
  view.setUint16(12, utc.getUTCFullYear(), true);
  payload.set(
    [utc.getUTCMonth() + 1, utc.getUTCDate(), utc.getUTCHours(), utc.getUTCMinutes(), utc.getUTCSeconds()],
    14,
  );
  // validTOW, validWKN, validUTC; UTC standard 5 (European laboratories).
  payload[19] = { nothing: 0, second: 1, all: 7 }[knows] | (5 << 4);
  return ubxFrame(0x01, 0x21, payload);
}

function navEoe(simulation: Simulation, gst: number, knows: TimeKnowledge): Uint8Array {
  const payload = new Uint8Array(4);
  new DataView(payload.buffer).setUint32(0, iTow(simulation, gst, knows), true);
  return ubxFrame(0x01, 0x61, payload);
}

function rawx(simulation: Simulation, gst: number, knows: TimeKnowledge): Uint8Array {
  const { navigation, place, startGst } = simulation;
  const satellites = simulation.satellites.filter((svid) => !navigation.state(svid, gst).dummyPages);
  const payload = new Uint8Array(16 + 32 * satellites.length);
  const view = new DataView(payload.buffer);
  const clockAt = (at: number): number => CLOCK_BIAS_SECONDS + CLOCK_DRIFT * (at - startGst);
  const seconds = knows === "nothing" ? gst - startGst : towOf(gst);
  // The label is the receiver's own reading, rounded to its clock; the week is unknown before all is known.
  view.setFloat64(0, rounded(seconds + clockAt(gst), 1e9), true);
  view.setUint16(8, knows === "all" ? wnOf(gst) + GPS_WEEK_OFFSET : 0, true);
  view.setInt8(10, LEAP_SECONDS);
  payload[11] = satellites.length;
  payload[12] = knows === "all" ? 1 : 0;
  payload[13] = 1;
  satellites.forEach((svid, index) => {
    const at = 16 + 32 * index;
    const range = (when: number): number => pseudorangeE1(navigation, svid, place, when, clockAt(when));
    const now = range(gst);
    const rate = range(gst + 0.5) - range(gst - 0.5);
    // Rounded well below any noise, so that the last bit of a platform's sine cannot show.
    view.setFloat64(at, rounded(now, 1e4), true);
    view.setFloat64(at + 8, rounded(now / E1_WAVELENGTH_METERS, 1e3), true);
    view.setFloat32(at + 16, rounded(-rate / E1_WAVELENGTH_METERS, 1e2), true);
    payload[at + 20] = GALILEO;
    payload[at + 21] = svid;
    payload[at + 22] = SIG_E1C;
    view.setUint16(at + 24, Math.min(64_500, 1000 * (gst - startGst)), true);
    payload[at + 26] = carrierToNoise(simulation.lookAngles(svid, gst).elevationDeg);
    payload.set([5, 3, 6, 0x07], at + 27);
  });
  return ubxFrame(0x02, 0x15, payload);
}

function rounded(value: number, scale: number): number {
  return Math.round(value * scale) / scale;
}

function* nmea(simulation: Simulation, gst: number, knows: TimeKnowledge): Generator<Uint8Array> {
  const utc = utcOf(gst, simulation, knows);
  const two = (value: number): string => String(value).padStart(2, "0");
  const time = `${two(utc.getUTCHours())}${two(utc.getUTCMinutes())}${two(utc.getUTCSeconds())}.00`;
  const date = `${two(utc.getUTCDate())}${two(utc.getUTCMonth() + 1)}${two(utc.getUTCFullYear() % 100)}`;
  if (knows !== "all") {
    yield sentence(`GNRMC,${knows === "second" ? time : ""},V,,,,,,,,,,N,V`);
    yield sentence(`GNGGA,${knows === "second" ? time : ""},,,,,0,00,99.99,,,,,,`);
    return;
  }
  const { latitudeDeg, longitudeDeg, heightMeters } = simulation.place;
  const lat = `${degreesAndMinutes(latitudeDeg, 2)},${latitudeDeg < 0 ? "S" : "N"}`;
  const lon = `${degreesAndMinutes(longitudeDeg, 3)},${longitudeDeg < 0 ? "W" : "E"}`;
  const count = two(Math.min(12, usedSatellites(simulation, gst).length));
  yield sentence(`GNRMC,${time},A,${lat},${lon},0.005,,${date},,,A,V`);
  const height = `${(heightMeters - GEOID_METERS).toFixed(1)},M,${GEOID_METERS.toFixed(1)},M`;
  yield sentence(`GNGGA,${time},${lat},${lon},1,${count},0.95,${height},,`);
}

function degreesAndMinutes(degrees: number, digits: number): string {
  const minutes = Math.round(Math.abs(degrees) * 60 * 1e5);
  const whole = Math.floor(minutes / 6e6);
  return `${String(whole).padStart(digits, "0")}${((minutes - whole * 6e6) / 1e5).toFixed(5).padStart(8, "0")}`;
}

/** An NMEA 0183 sentence with its checksum. */
export function sentence(body: string): Uint8Array {
  let sum = 0;
  for (const byte of Buffer.from(body, "ascii")) sum ^= byte;
  return new Uint8Array(
    Buffer.from(`$${body}*${sum.toString(16).toUpperCase().padStart(2, "0")}\r\n`, "ascii"),
  );
}

/** An RTCM 3 frame. */
export function rtcmFrame(payload: Uint8Array): Uint8Array {
  const head = Uint8Array.of(0xd3, payload.length >> 8, payload.length & 0xff);
  const crc = crc24q(concatBytes(head, payload));
  return concatBytes(head, payload, Uint8Array.of(crc >> 16, (crc >> 8) & 0xff, crc & 0xff));
}

/** What was done to a stream by `damaged`. */
export interface DamageReport {
  overflows: number;
  badChecksums: number;
  garbage: number;
  emptyFrames: number;
  rtcmFrames: number;
  repeated: number;
}

/** Buffer of an F9 in whole blocks; an overflow loses multiples of it. */
const OVERFLOW_BLOCK_BYTES = 128;
/** Chance of each kind of damage, per frame. */
const DAMAGE_CHANCE = 0.004;
/** Bytes left of the last frame. */
const TAIL_BYTES = 6;

/**
 * Harms a stream the way serial links and full buffers do: bytes lost inside a frame in multiples of 128,
 * flipped bytes, garbage with false sync bytes, poll requests without payload, RTCM in between, frames sent
 * twice, and an end in the middle of a frame.
 */
export function damaged(
  frames: Iterable<Uint8Array>,
  seed: string,
): { bytes: Uint8Array; report: DamageReport } {
  const report: DamageReport = {
    overflows: 0,
    badChecksums: 0,
    garbage: 0,
    emptyFrames: 0,
    rtcmFrames: 0,
    repeated: 0,
  };
  const out: Uint8Array[] = [];
  let lost = 0;
  // The receiver tells of its overflow once there is room again.
  let owed = false;
  let index = 0;
  let last: Uint8Array = new Uint8Array(0);
  const put = (bytes: Uint8Array): void => {
    const skip = Math.min(lost, bytes.length);
    lost -= skip;
    out.push(bytes.subarray(skip));
  };
  for (const frame of frames) {
    const roll = seededFraction(seed, `damage ${index}`) / DAMAGE_CHANCE;
    const extra = seededBytes(seed, `damage bytes ${index}`, 40);
    index++;
    last = frame;
    if (roll < 1) {
      report.overflows++;
      out.push(frame.subarray(0, 10));
      lost = OVERFLOW_BLOCK_BYTES * (1 + (extra[0]! & 3));
      owed = true;
      put(frame.subarray(10));
    } else if (roll < 2) {
      report.badChecksums++;
      const copy = frame.slice();
      copy[2 + (extra[0]! % (copy.length - 2))]! ^= 1 << (extra[1]! & 7);
      put(copy);
    } else if (roll < 3) {
      report.garbage++;
      extra.set([0xb5, 0x62, 0x02, 0x13, 0xff, 0xff], 20);
      put(extra);
      put(frame);
    } else if (roll < 4) {
      report.emptyFrames++;
      put(ubxFrame(0x01, 0x25, new Uint8Array(0)));
      put(frame);
    } else if (roll < 5) {
      report.rtcmFrames++;
      put(rtcmFrame(concatBytes(Uint8Array.of(0x3e, 0xd0), extra.subarray(0, 17))));
      put(frame);
    } else if (roll < 6) {
      report.repeated++;
      put(frame);
      put(frame);
    } else put(frame);
    if (owed && lost === 0) {
      out.push(sentence("GNTXT,01,01,00,txbuf alloc"));
      owed = false;
    }
  }
  out.push(last.subarray(0, Math.min(TAIL_BYTES, last.length)));
  return { bytes: concatBytes(...out), report };
}
