/**
 * The stream of a u-blox F9 that hears a simulated Galileo, frame by frame with the time of its emission. Order of
 * messages as recorded from F9 receivers: NMEA, RXM-RAWX, NAV-* up to NAV-EOE, the pages of all satellites in one
 * burst where a page has just ended, then MON-* and SEC-*.
 */
import { SUBFRAME_SECONDS } from "../inav/gst.js";
import { type Attacks, type EpochContext } from "./attack.js";
import { SPEED_OF_LIGHT } from "./constellation.js";
import {
  type Cn0Model,
  DEFAULT_CN0,
  type MeasuredBand,
  type Measurement,
  MeasurementModel,
  NO_NOISE,
  type NoiseModel,
} from "./measurements.js";
import { gga, NMEA_CLASS, NMEA_GGA, NMEA_RMC, rmc } from "./nmea.js";
import { solutionError, type ReceiverState, type TimeKnowledge } from "./receiver-state.js";
import type { SimulatedPage, Simulation } from "./scenario.js";
import type { TimedFrame } from "./timed-frame.js";
import { type Motion, Track } from "./track.js";
import * as ubx from "./ubx-messages.js";

/** Messages that the simulated receiver knows, in their order within an epoch. */
export const OUTPUT_MESSAGES = [
  "NMEA-RMC",
  "NMEA-GGA",
  "RXM-RAWX",
  "NAV-STATUS",
  "NAV-PVT",
  "NAV-TIMEUTC",
  "NAV-CLOCK",
  "NAV-TIMEGAL",
  "NAV-SAT",
  "NAV-EOE",
  "RXM-SFRBX",
  "MON-RF",
  "MON-COMMS",
  "SEC-SIG",
  "SEC-OSNMA",
] as const;
export type OutputMessage = (typeof OUTPUT_MESSAGES)[number];

/** Every so many epochs; 0 or left out: never. */
export type OutputRates = Readonly<Partial<Record<OutputMessage, number>>>;

export const ALL_OUTPUT: OutputRates = Object.fromEntries(OUTPUT_MESSAGES.map((name) => [name, 1]));

/** What a station needs, as firmware-config asks for it. */
export const DEFAULT_OUTPUT: OutputRates = {
  "RXM-RAWX": 1,
  "NAV-STATUS": 1,
  "NAV-PVT": 1,
  "NAV-CLOCK": 1,
  "NAV-TIMEGAL": 1,
  "NAV-SAT": 1,
  "NAV-EOE": 1,
  "RXM-SFRBX": 1,
  "MON-RF": 1,
  "MON-COMMS": 5,
  "SEC-SIG": 1,
};

/** The first seconds of a receiver that does not know the time yet. */
export interface ColdStart {
  /** No time at all: RAWX week 0 and seconds since power-up, nonsense dates, no valid bit. */
  readonly unknownSeconds: number;
  /** Then the second is right and the week is wrong, with valid bits that say so. */
  readonly wrongWeekSeconds: number;
}

export interface ReceiverClock {
  /** Receiver's clock minus true time at the start, seconds, and its rate. */
  readonly biasSeconds: number;
  readonly drift: number;
}

/** Milliseconds behind, drifting slowly, as an F9 was recorded. */
export const DEFAULT_CLOCK: ReceiverClock = { biasSeconds: -3.93e-3, drift: 2e-8 };

export interface ReceiverOptions {
  readonly track?: Track;
  /** Measurement epochs a second: 1, 2, 4, 5, 8 or 10. */
  readonly rateHz?: number;
  readonly output?: OutputRates;
  readonly bands?: readonly MeasuredBand[];
  readonly noise?: NoiseModel;
  readonly cn0?: Cn0Model;
  readonly clock?: ReceiverClock;
  readonly coldStart?: ColdStart | undefined;
  /** Seconds after which the receiver's own OSNMA has authenticated; null: it does not monitor OSNMA. */
  readonly osnmaAfterSeconds?: number | null;
  readonly attacks?: Attacks;
  /** Told of every epoch's truth. */
  readonly onEpoch?: (truth: EpochTruth) => void;
}

/** Where the receiver truly was, and what its clock truly was. */
export interface EpochTruth {
  readonly gst: number;
  /** What the sky said it was. */
  readonly heardGst: number;
  readonly motion: Motion;
  readonly clockSeconds: number;
  readonly clockRate: number;
}

/** After an epoch: its navigation messages, and the burst of pages. */
const EPOCH_LATENCY_SECONDS = 0.05;
const PAGE_LATENCY_SECONDS = 0.07;
const PAGE_SECONDS = 2;
const UPTIME_BEFORE_START_SECONDS = 3600;
const MILLISECOND = 1e-3;
const EMPTY: readonly SimulatedPage[] = [];

export function* receiverFrames(
  simulation: Simulation,
  options: ReceiverOptions = {},
): Generator<TimedFrame> {
  const receiver = new Receiver(simulation, options);
  yield* receiver.frames();
}

class Receiver {
  readonly #simulation: Simulation;
  readonly #options: ReceiverOptions;
  readonly #track: Track;
  readonly #rate: number;
  readonly #output: OutputRates;
  readonly #attacks: Attacks | null;
  readonly #model: MeasurementModel;
  readonly #bands: readonly MeasuredBand[];
  readonly #pages = new Map<number, readonly SimulatedPage[]>();
  /** Heard time since which the sky goes on without a break: a page is decoded whole or not at all. */
  #heardSince = Number.NEGATIVE_INFINITY;
  #txBytes = 0;
  #lastTxBytes = 0;

  constructor(simulation: Simulation, options: ReceiverOptions) {
    this.#simulation = simulation;
    this.#options = options;
    this.#track = options.track ?? Track.at(simulation.place);
    this.#rate = options.rateHz ?? 1;
    if (!Number.isInteger(this.#rate) || this.#rate < 1 || 1000 % this.#rate !== 0 || this.#rate > 10) {
      throw new RangeError("rateHz must be 1, 2, 4, 5, 8 or 10");
    }
    this.#output = options.output ?? DEFAULT_OUTPUT;
    this.#attacks = options.attacks === undefined || options.attacks.none ? null : options.attacks;
    this.#bands = options.bands ?? ["E1"];
    this.#model = new MeasurementModel(
      simulation,
      this.#bands,
      options.noise ?? NO_NOISE,
      options.cn0 ?? DEFAULT_CN0,
    );
  }

  *frames(): Generator<TimedFrame> {
    const { startGst, endGst } = this.#simulation;
    const step = 1 / this.#rate;
    let gst = startGst;
    let last = Math.round((startGst - this.#delay(startGst)) * this.#rate);
    for (let index = 0; ; index++) {
      const { count, at } = this.#nextEpoch(gst, step);
      if (at > endGst + PAGE_SECONDS) return;
      const goesOn = count === last + 1;
      if (!goesOn || index === 0) this.#heardSince = (count - 1) / this.#rate;
      yield* this.#epoch(count, at, goesOn ? last : count - 1, index);
      gst = at;
      last = count;
    }
  }

  #delay(gst: number): number {
    return this.#attacks === null ? 0 : this.#attacks.delaySeconds(gst);
  }

  /** The receiver's epochs lie on whole steps of the time it hears: the next one, and when it truly is. */
  #nextEpoch(gst: number, step: number): { count: number; at: number } {
    const target = gst + step;
    const delay = this.#delay(target);
    let count = Math.round((target - delay) * this.#rate);
    if (delay === 0) return { count, at: count / this.#rate };
    const when = (): number => count / this.#rate + this.#delay(count / this.#rate + delay);
    // Where the sky changes its time, an epoch may fall before the last one.
    while (when() < gst + step / 4) count++;
    return { count, at: when() };
  }

  *#epoch(count: number, gst: number, last: number, index: number): Generator<TimedFrame> {
    const { startGst, navigation } = this.#simulation;
    const attacks = this.#attacks;
    const heardGst = count / this.#rate;
    const own = this.#track.at(gst - startGst);
    const motion = attacks === null ? own : attacks.antenna(own, gst);
    // Linear GST in one double keeps no more than 0.1 us, which would make a clock jump of a slow delay.
    const exact = this.#delay(gst);
    const delay = Math.abs(exact - (gst - heardGst)) < 1e-6 ? exact : gst - heardGst;
    const { biasSeconds, drift } = this.#options.clock ?? DEFAULT_CLOCK;
    // The receiver sets its clock by whole milliseconds only, so the rest of a delay is in its bias.
    const trueBias = biasSeconds + drift * (gst - startGst);
    const delayRate = attacks === null ? 0 : this.#delay(gst) - this.#delay(gst - 1);
    const clockRate = drift + (Math.abs(delayRate) < MILLISECOND ? delayRate : 0);
    const clockSeconds = trueBias + (delay - Math.round(delay / MILLISECOND) * MILLISECOND);
    this.#options.onEpoch?.({ gst, heardGst, motion: own, clockSeconds: trueBias, clockRate: drift });

    const wants = (name: OutputMessage): boolean => {
      const every = this.#output[name] ?? 0;
      return every > 0 && count % every === 0;
    };
    // Measured where the receiver's own clock shows a whole millisecond.
    const labelGst = Math.round((heardGst + clockSeconds) * 1000) / 1000;
    const ahead = labelGst - heardGst - clockSeconds;
    const context: EpochContext = { gst, heardGst, index, motion };
    let measurements = this.#model.at({
      heardGst: heardGst + ahead,
      motion: ahead === 0 ? motion : moved(motion, ahead),
      clockSeconds,
      clockRate,
      index,
    });
    if (attacks !== null) measurements = attacks.measurements(measurements, context);
    const e1 = measurements.filter(({ band }) => band === "E1");
    const isHealthy = (svid: number): boolean => {
      const { e1bHs, e1bDvs } = navigation.state(svid, heardGst);
      return e1bHs === 0 && e1bDvs === 0;
    };
    const state = this.#state(context, e1, isHealthy, clockSeconds, clockRate);
    attacks?.receiver(state, context);
    const label: ubx.EpochLabel = { gst: heardGst, knows: state.knows, bootGst: startGst };

    const out: TimedFrame[] = [];
    const put = (name: string, bytes: Uint8Array, at: number): void => {
      const sentence = name === "NMEA-RMC" ? NMEA_RMC : name === "NMEA-GGA" ? NMEA_GGA : -1;
      const isUbx = sentence < 0;
      this.#txBytes += bytes.length;
      out.push({
        gst: at,
        name: isUbx ? name : "NMEA",
        messageClass: isUbx ? bytes[2]! : NMEA_CLASS,
        messageId: isUbx ? bytes[3]! : sentence,
        epoch: count,
        bytes,
      });
    };
    const at = gst + EPOCH_LATENCY_SECONDS;
    if (wants("NMEA-RMC")) put("NMEA-RMC", rmc(label, state), at);
    if (wants("NMEA-GGA")) put("NMEA-GGA", gga(label, state), at);
    if (wants("RXM-RAWX")) put("RXM-RAWX", ubx.rxmRawx(label, labelGst, measurements), at);
    if (wants("NAV-STATUS")) put("NAV-STATUS", ubx.navStatus(label, state), at);
    if (wants("NAV-PVT")) put("NAV-PVT", ubx.navPvt(label, state), at);
    if (wants("NAV-TIMEUTC")) put("NAV-TIMEUTC", ubx.navTimeUtc(label, state), at);
    if (wants("NAV-CLOCK")) put("NAV-CLOCK", ubx.navClock(label, state), at);
    if (wants("NAV-TIMEGAL")) put("NAV-TIMEGAL", ubx.navTimeGal(label, state), at);
    if (wants("NAV-SAT")) put("NAV-SAT", ubx.navSat(label, state, e1, isHealthy), at);
    if (wants("NAV-EOE")) put("NAV-EOE", ubx.navEoe(label), at);
    const pagesAt = gst + PAGE_LATENCY_SECONDS;
    // SFRBX comes as it is received: any rate but 0 lets all through.
    if ((this.#output["RXM-SFRBX"] ?? 0) > 0) {
      for (const page of this.#pagesEndedIn(last / this.#rate, heardGst)) {
        put("RXM-SFRBX", ubx.sfrbxFrame(page), pagesAt);
      }
    }
    if (wants("MON-RF")) put("MON-RF", ubx.monRf(state), pagesAt);
    if (wants("MON-COMMS")) {
      const bytesPerSecond =
        (this.#txBytes - this.#lastTxBytes) / ((this.#output["MON-COMMS"] ?? 1) / this.#rate);
      this.#lastTxBytes = this.#txBytes;
      put("MON-COMMS", ubx.monComms({ txBytes: this.#txBytes, bytesPerSecond, overflowed: false }), pagesAt);
    }
    if (wants("SEC-SIG")) put("SEC-SIG", ubx.secSig(state), pagesAt);
    if (wants("SEC-OSNMA")) put("SEC-OSNMA", ubx.secOsnma(label, state), pagesAt);
    yield* out;
  }

  /** Pages whose end lies in a half-open interval of heard time, in the order in which they end. */
  #pagesEndedIn(after: number, until: number): SimulatedPage[] {
    const found: SimulatedPage[] = [];
    // E5b's last page and E1-B's first one of two subframes lie a second apart; look at both.
    const first = Math.floor((after - PAGE_SECONDS - 1) / SUBFRAME_SECONDS) * SUBFRAME_SECONDS;
    for (let subframe = first; subframe <= until - PAGE_SECONDS; subframe += SUBFRAME_SECONDS) {
      for (const page of this.#pagesOf(subframe)) {
        const end = page.gst + PAGE_SECONDS;
        if (page.gst >= this.#heardSince && end > after && end <= until) found.push(page);
      }
    }
    return found;
  }

  #pagesOf(subframe: number): readonly SimulatedPage[] {
    let pages = this.#pages.get(subframe);
    if (pages === undefined) {
      const simulation = this.#simulation;
      pages =
        subframe < simulation.schedule.fromGst || subframe >= simulation.endGst
          ? EMPTY
          : [...simulation.subframePages(subframe, this.#attacks ?? undefined)];
      if (this.#pages.size > 2) this.#pages.clear();
      this.#pages.set(subframe, pages);
    }
    return pages;
  }

  #state(
    { gst, heardGst, motion }: EpochContext,
    e1: readonly Measurement[],
    isHealthy: (svid: number) => boolean,
    clockSeconds: number,
    clockRate: number,
  ): ReceiverState {
    const { startGst } = this.#simulation;
    const age = gst - startGst;
    const cold = this.#options.coldStart;
    const knows: TimeKnowledge =
      cold === undefined || age > cold.unknownSeconds + cold.wrongWeekSeconds
        ? "all"
        : age > cold.unknownSeconds
          ? "second"
          : "nothing";
    const east = localAxes(motion);
    const error = solutionError(
      e1.filter(({ svid }) => isHealthy(svid)),
      east.up,
    );
    const uptime = age + (cold === undefined ? UPTIME_BEFORE_START_SECONDS : 0);
    const frontEnd = { agcCount: 2800, noisePerMillisecond: 90, cwSuppression: 8 };
    const common = {
      knows,
      jammingState: 1,
      spoofingState: 1,
      spoofDetState: 1,
      frontEnds: [frontEnd, { ...frontEnd, agcCount: 3151 }],
      uptimeMilliseconds: 1000 * uptime,
      osnma: this.#osnmaView(heardGst, age, e1, isHealthy),
    };
    const dot = (a: readonly number[], b: readonly number[]): number =>
      a[0]! * b[0]! + a[1]! * b[1]! + a[2]! * b[2]!;
    const local = (v: readonly number[]): [number, number, number] => [
      dot(v, east.north), dot(v, east.east), -dot(v, east.up),
    ]; // prettier-ignore
    // A few satellites of Galileo do for a receiver that has other constellations too: they are not modelled.
    if (error === null) {
      const fixOk = e1.length > 0;
      return {
        ...common,
        fixOk,
        place: motion.place,
        velocity: [0, 0, 0],
        horizontalAccuracyMeters: fixOk ? 3 : 1e6,
        verticalAccuracyMeters: fixOk ? 5 : 1e6,
        speedAccuracy: 0.5,
        pdop: fixOk ? 3 : 99.99,
        clockSeconds,
        clockRate,
        timeAccuracySeconds: fixOk ? 30e-9 : 1,
        used: e1.filter(({ svid }) => isHealthy(svid)).map(({ svid }) => svid),
      };
    }
    const [north, eastward, down] = local(error.position);
    const velocity = motion.velocity.map((v, k) => v + error.velocity[k]!);
    const { place } = motion;
    const metersPerDegree = 111_320;
    const { dop, sigmaMeters } = error;
    return {
      ...common,
      fixOk: true,
      place: {
        latitudeDeg: place.latitudeDeg + north / metersPerDegree,
        longitudeDeg:
          place.longitudeDeg + eastward / (metersPerDegree * Math.cos((place.latitudeDeg * Math.PI) / 180)),
        heightMeters: place.heightMeters - down,
      },
      velocity: local(velocity),
      horizontalAccuracyMeters: dop.horizontal * sigmaMeters,
      verticalAccuracyMeters: dop.vertical * sigmaMeters,
      speedAccuracy: 0.1,
      pdop: dop.position,
      clockSeconds: clockSeconds + error.clockMeters / SPEED_OF_LIGHT,
      clockRate: clockRate + error.clockRateMeters / SPEED_OF_LIGHT,
      timeAccuracySeconds: Math.max(10e-9, (dop.position * sigmaMeters) / SPEED_OF_LIGHT),
      used: [...error.used],
    };
  }

  #osnmaView(
    heardGst: number,
    age: number,
    e1: readonly Measurement[],
    isHealthy: (svid: number) => boolean,
  ): ReceiverState["osnma"] {
    const after = this.#options.osnmaAfterSeconds ?? null;
    const simulation = this.#simulation;
    if (after === null) {
      return { enabled: false, nmaHeader: 0, headerAuthenticated: false, satellites: [], pkid: 0 };
    }
    const subframe = Math.floor((heardGst - 1) / SUBFRAME_SECONDS) * SUBFRAME_SECONDS - SUBFRAME_SECONDS;
    const { nmaHeader, pkid } = simulation.schedule.headerAt(Math.max(subframe, simulation.startGst));
    const done = age >= after;
    const dontUse = nmaHeader >> 6 === 3;
    return {
      enabled: true,
      nmaHeader,
      headerAuthenticated: done,
      pkid,
      satellites:
        !done || dontUse
          ? []
          : e1
              .filter(({ svid, lockMilliseconds }) => isHealthy(svid) && lockMilliseconds > 60_000)
              .map(({ svid }) => ({
                svid,
                iodNav: simulation.navigation.iodNav(svid, subframe),
                tags: 2,
                failed: false,
              })),
    };
  }
}

/** The antenna a fraction of a millisecond later. */
function moved(motion: Motion, seconds: number): Motion {
  const { position: p, velocity: v } = motion;
  if (v[0] === 0 && v[1] === 0 && v[2] === 0) return motion;
  return { ...motion, position: [p[0] + v[0] * seconds, p[1] + v[1] * seconds, p[2] + v[2] * seconds] };
}

function localAxes({ place }: Motion): {
  north: readonly [number, number, number];
  east: readonly [number, number, number];
  up: readonly [number, number, number];
} {
  const phi = (place.latitudeDeg * Math.PI) / 180;
  const lambda = (place.longitudeDeg * Math.PI) / 180;
  const [sp, cp, sl, cl] = [Math.sin(phi), Math.cos(phi), Math.sin(lambda), Math.cos(lambda)];
  return { north: [-sp * cl, -sp * sl, cp], east: [-sl, cl, 0], up: [cp * cl, cp * sl, sp] };
}
