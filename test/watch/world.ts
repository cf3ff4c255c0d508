/** A receiver in a small world, for the watch: an epoch a second, which a test bends as an attacker would. */
import { decodeMessage, encodeMessage, type MessageInput, type MessageName, type UbxMessage } from "gnss-ubx";
import { type Ecef, geodeticToEcef } from "../../src/ephemeris/geometry.js";
import { gstOf, towOf } from "../../src/inav/gst.js";
import type { SignEvent } from "../../src/watch/signs.js";
import type { OwnSolution, ReceiverSolution } from "../../src/watch/solutions.js";
import { ConsistencyWatch, type EpochInput, type EpochSigns } from "../../src/watch/watch.js";

export const START = gstOf(1385, 140_400);
const LATITUDE = 0.8875;
const LONGITUDE = 0.0826;

/** The message as the receiver would send it: encoded, and decoded again. */
export function message<N extends MessageName>(name: N, values: MessageInput<N>): UbxMessage {
  const frame = encodeMessage(name, values);
  const decoded = decodeMessage(frame[2], frame[3], frame.subarray(6, -2));
  if (decoded.name === "raw") throw new Error(decoded.reason);
  return decoded;
}

/** A place so many metres east, north and up of home. */
export function place(east = 0, north = 0, up = 0): Ecef {
  const radius = 6_378_137;
  return geodeticToEcef({
    latitudeRad: LATITUDE + north / radius,
    longitudeRad: LONGITUDE + east / (radius * Math.cos(LATITUDE)),
    heightMeters: 133 + up,
  });
}

/** Everything of an epoch that an attacker may bend; metres are east of home. */
export interface Epoch {
  gst: number;
  uptimeMs: number;
  trustedGst: number | null;
  ownEast: number | null;
  receiverEast: number | null;
  ownVelocityEast: number;
  receiverVelocityEast: number;
  /** Receiver clock against GST, as our own solution and as NAV-CLOCK see it. */
  ownClock: number;
  receiverClock: number;
  /** NAV-CLOCK has a solution behind it. */
  receiverClockKnown: boolean;
  ownDrift: number;
  receiverDrift: number;
  /** C/N0 by satellite. */
  cn0: number[];
  agc: number;
  jamming: number;
  spoofing: number;
}

const SKY = [47, 44, 41, 39, 37, 45, 36, 42, 40, 34];
const DRIFT = -185e-9;

/** What an undisturbed epoch looks like, `seconds` after the start. C/N0 and clock carry a little noise. */
export function calm(seconds: number): Epoch {
  const noise = (k: number): number => Math.sin(12.9898 * seconds + 78.233 * k);
  return {
    gst: START + seconds,
    uptimeMs: 60_000 + 1000 * seconds,
    trustedGst: null,
    ownEast: 3 * Math.sin(seconds / 40),
    receiverEast: 1.5 * Math.sin(seconds / 70),
    ownVelocityEast: 0.05 * noise(1),
    receiverVelocityEast: 0.01 * noise(2),
    ownClock: 60e-6 + DRIFT * seconds + 8e-9 * noise(3),
    receiverClock: 60e-6 + DRIFT * seconds,
    receiverClockKnown: true,
    ownDrift: DRIFT + 0.5e-9 * noise(4),
    receiverDrift: DRIFT,
    cn0: SKY.map((cn0, k) => cn0 + Math.round(noise(k))),
    agc: 4212,
    jamming: 1,
    spoofing: 1,
  };
}

/** Feeds the messages of an epoch as an F9 would send them, and ends it. */
export function feed(watch: ConsistencyWatch, epoch: Epoch, more: Partial<EpochInput> = {}): EpochSigns {
  const iTOW = Math.round(towOf(epoch.gst) * 1000);
  const blank = { freqId: 0, locktime: 60_000, prMes: 2.4e7, cpMes: 0, doMes: 0 };
  watch.receiver(
    message("RXM-RAWX", {
      rcvTow: towOf(epoch.gst),
      week: 2409,
      leapS: 18,
      recStat: { leapSec: true },
      version: 1,
      meas: epoch.cn0.map((cno, k) => ({
        ...blank,
        gnssId: 2,
        svId: k + 1,
        sigId: 0,
        cno,
        prStdev: {},
        cpStdev: {},
        doStdev: {},
        trkStat: { prValid: true },
      })),
    }),
  );
  watch.receiver(
    message("NAV-CLOCK", {
      iTOW,
      clkB: epoch.receiverClockKnown ? Math.round(epoch.receiverClock * 1e9) : 0,
      clkD: Math.round(epoch.receiverDrift * 1e9),
      tAcc: epoch.receiverClockKnown ? 5 : 20_000_002,
      fAcc: 400,
    }),
  );
  watch.receiver(
    message("NAV-STATUS", {
      iTOW,
      gpsFix: 3,
      flags: { gpsFixOk: true, wknSet: true, towSet: true },
      fixStat: {},
      flags2: { spoofDetState: Math.min(epoch.spoofing, 3) },
      ttff: 20_000,
      msss: epoch.uptimeMs,
    }),
  );
  watch.receiver(
    message("SEC-SIG", {
      version: 2,
      sigSecFlags: {
        jamDetEnabled: true,
        jammingState: epoch.jamming,
        spfDetEnabled: true,
        spoofingState: epoch.spoofing,
      },
      jamStateCentFreq: [],
    }),
  );
  watch.receiver(
    message("MON-RF", {
      version: 0,
      blocks: [
        {
          blockId: 0,
          flags: {},
          antStatus: 1,
          antPower: 2,
          postStatus: 0,
          noisePerMS: 139,
          agcCnt: epoch.agc,
          jamInd: 50,
          ofsI: 0,
          magI: 200,
          ofsQ: 0,
          magQ: 200,
        },
      ],
    }),
  );
  const velocity = (east: number, sigma: number) => ({ east, north: 0, up: 0, sigma });
  const own: OwnSolution | null =
    epoch.ownEast === null
      ? null
      : {
          gst: epoch.gst,
          position: place(epoch.ownEast),
          covariance: { ee: 6, nn: 9, uu: 25, en: 1, eu: -2, nu: 3 },
          clockBiasSeconds: epoch.ownClock,
          clockBiasSigmaSeconds: 12e-9,
          clockDrift: epoch.ownDrift,
          clockDriftSigma: 1e-9,
          velocity: velocity(epoch.ownVelocityEast, 0.1),
          raim: "passed",
        };
  const receiver: ReceiverSolution | null =
    epoch.receiverEast === null
      ? null
      : {
          gst: epoch.gst,
          position: place(epoch.receiverEast),
          horizontalSigmaMeters: 1.5,
          verticalSigmaMeters: 2.3,
          velocity: velocity(epoch.receiverVelocityEast, 0.05),
        };
  return watch.epoch({
    gst: epoch.gst,
    own,
    receiver,
    authenticatedSatellites: [1, 2, 3, 4, 5],
    trustedGst: epoch.trustedGst,
    ...more,
  });
}

/** Runs epochs 0 to `seconds` - 1, each bent by `attack`; all events. */
export function run(
  seconds: number,
  attack: (epoch: Epoch, seconds: number) => void = () => undefined,
  watch = new ConsistencyWatch(),
): { events: SignEvent[]; begun: string[]; last: EpochSigns } {
  const events: SignEvent[] = [];
  let last: EpochSigns | null = null;
  for (let t = 0; t < seconds; t++) {
    const epoch = calm(t);
    attack(epoch, t);
    last = feed(watch, epoch);
    events.push(...last.events);
  }
  const begun = events.filter(({ phase }) => phase === "begin").map(({ sign }) => sign.name);
  return { events, begun, last: last! };
}

/** When a sign of this name began, seconds from the start; null if it never did. */
export function beganAt(events: readonly SignEvent[], name: string): number | null {
  const event = events.find(({ phase, sign }) => phase === "begin" && sign.name === name);
  return event === undefined ? null : event.at - START;
}
