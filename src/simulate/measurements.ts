/**
 * What a receiver measures of a simulated sky at one instant: pseudorange, carrier phase, Doppler and C/N0 of each
 * signal, with light time, Earth rotation, satellite clock, relativity, group delay, ionosphere (NTCM-G),
 * troposphere, the receiver's clock, noise by C/N0 and, on request, multipath. Galileo OS SIS ICD 2.1 section 5.1;
 * scales of UBX-RXM-RAWX.
 */
import { ionosphereMeters, ntcmTecu, troposphereMeters } from "./atmosphere.js";
import { SPEED_OF_LIGHT } from "./constellation.js";
import { dayAndHours, signalPath } from "./geometry.js";
import { Noise } from "./random.js";
import type { Simulation } from "./scenario.js";
import { seededFraction } from "./seeded.js";
import type { Motion } from "./track.js";

export type MeasuredBand = "E1" | "E5b";

const CARRIER_HZ: Readonly<Record<MeasuredBand, number>> = { E1: 1_575_420_000, E5b: 1_207_140_000 };
/** Ionosphere and group delay on E5b are those of E1 times the squared ratio of the carriers. */
const E5B_FACTOR = (1_575_420_000 / 1_207_140_000) * (1_575_420_000 / 1_207_140_000);

/** Standard deviations at 45 dBHz; they double with every 6 dB less. All zero for a noiseless scenario. */
export interface NoiseModel {
  readonly codeMeters: number;
  readonly carrierCycles: number;
  readonly dopplerHz: number;
  readonly cn0Db: number;
  /** Amplitude of a slow wave in the code of each signal, metres at the zenith; grows as 1/sin(elevation). */
  readonly multipathMeters: number;
}

export const NO_NOISE: NoiseModel = {
  codeMeters: 0,
  carrierCycles: 0,
  dopplerHz: 0,
  cn0Db: 0,
  multipathMeters: 0,
};
/** An F9-like receiver under open sky. */
export const DEFAULT_NOISE: NoiseModel = {
  codeMeters: 0.3,
  carrierCycles: 0.005,
  dopplerHz: 0.04,
  cn0Db: 0.4,
  multipathMeters: 0,
};

export interface Cn0Model {
  readonly horizonDbHz: number;
  readonly zenithDbHz: number;
}

export const DEFAULT_CN0: Cn0Model = { horizonDbHz: 30, zenithDbHz: 48 };

/** One signal at one epoch. Attacks change it in place. */
export interface Measurement {
  readonly svid: number;
  readonly band: MeasuredBand;
  readonly azimuthDeg: number;
  readonly elevationDeg: number;
  /** Unit vector from the antenna to the satellite, Earth-fixed. */
  readonly direction: readonly [number, number, number];
  pseudorangeMeters: number;
  carrierCycles: number;
  /** Positive when approaching. */
  dopplerHz: number;
  cn0DbHz: number;
  /** Time of continuous lock. */
  lockMilliseconds: number;
  /** The receiver's own estimates of its noise. */
  codeSigmaMeters: number;
  dopplerSigmaHz: number;
  /** What in the range and in its rate is not geometry, clocks and atmosphere: noise, multipath and attacks. */
  errorMeters: number;
  rateErrorMetersPerSecond: number;
}

/** Moves a measurement as a longer way would: code and carrier by metres, Doppler by their rate. */
export function shiftRange(m: Measurement, meters: number, metersPerSecond = 0): void {
  const wavelength = wavelengthMeters(m.band);
  m.pseudorangeMeters += meters;
  m.carrierCycles += meters / wavelength;
  m.dopplerHz -= metersPerSecond / wavelength;
  m.errorMeters += meters;
  m.rateErrorMetersPerSecond += metersPerSecond;
}

export function wavelengthMeters(band: MeasuredBand): number {
  return SPEED_OF_LIGHT / CARRIER_HZ[band];
}

/** The instant of an epoch. */
export interface Instant {
  /** GST that the signals carry, fraction included. */
  readonly heardGst: number;
  readonly motion: Motion;
  /** Receiver's clock minus heard time, seconds, and its rate. */
  readonly clockSeconds: number;
  readonly clockRate: number;
  /** Index of the epoch, for the noise. */
  readonly index: number;
}

/** Samples of one satellite's signals between which multipath goes once around, seconds. */
const MULTIPATH_PERIOD_SECONDS = 180;
const LOWEST_SINE = 0.05;
const MAX_LOCK_MILLISECONDS = 64_500;
const LN_2_PER_6_DB = Math.LN2 / 6;
const REFERENCE_CN0 = 45;
const SATELLITE_CN0_SPREAD_DB = 1.5;

export class MeasurementModel {
  readonly #simulation: Simulation;
  readonly #noise: NoiseModel;
  readonly #cn0: Cn0Model;
  readonly #bands: readonly MeasuredBand[];
  readonly #code: Record<MeasuredBand, Noise>;
  readonly #carrier: Record<MeasuredBand, Noise>;
  readonly #doppler: Record<MeasuredBand, Noise>;
  readonly #level: Record<MeasuredBand, Noise>;
  /** Per satellite: level of its C/N0, phase of its multipath, whole cycles of its carrier. */
  readonly #traits = new Map<number, { levelDb: number; phase: number; cycles: number }>();
  /** Since when each satellite is tracked, heard GST. */
  readonly #tracked = new Map<number, { since: number; last: number }>();

  constructor(simulation: Simulation, bands: readonly MeasuredBand[], noise: NoiseModel, cn0: Cn0Model) {
    this.#simulation = simulation;
    this.#noise = noise;
    this.#cn0 = cn0;
    this.#bands = bands;
    const { seed } = simulation.options;
    const perBand = (what: string): Record<MeasuredBand, Noise> => ({
      E1: new Noise(seed, `${what} E1`),
      E5b: new Noise(seed, `${what} E5b`),
    });
    this.#code = perBand("code");
    this.#carrier = perBand("carrier");
    this.#doppler = perBand("doppler");
    this.#level = perBand("level");
  }

  /** Forgets what is tracked, as a receiver that starts again. */
  restart(): void {
    this.#tracked.clear();
  }

  /** All signals of an epoch, by satellite, E1 before E5b. */
  at(instant: Instant): Measurement[] {
    const { heardGst, motion, clockSeconds, clockRate, index } = instant;
    const { navigation } = this.#simulation;
    const { dayOfYear, utHours } = dayAndHours(heardGst);
    const out: Measurement[] = [];
    for (const svid of this.#simulation.heardAt(heardGst)) {
      if (navigation.state(svid, heardGst).dummyPages) continue;
      const { place, position, velocity } = motion;
      const path = signalPath(navigation, svid, place, position, velocity, heardGst);
      const { azimuthDeg, elevationDeg, direction } = path;
      const tecu = ntcmTecu(navigation.ionosphere, place, azimuthDeg, elevationDeg, dayOfYear, utHours);
      const ionosphere = ionosphereMeters(tecu);
      const geometry =
        path.rangeMeters +
        SPEED_OF_LIGHT * (clockSeconds - path.satellite.clockSeconds) +
        troposphereMeters(place, elevationDeg);
      const rate = path.rangeRate + SPEED_OF_LIGHT * (clockRate - path.satellite.clockRate);
      const groupDelay = SPEED_OF_LIGHT * navigation.bgdE5bSeconds(svid);
      const sine = Math.max(LOWEST_SINE, Math.sin((elevationDeg * Math.PI) / 180));
      const traits = this.#traitsOf(svid);
      const lock = this.#lock(svid, heardGst);
      for (const band of this.#bands) {
        const factor = band === "E1" ? 1 : E5B_FACTOR;
        const wavelength = wavelengthMeters(band);
        const noise = this.#noise;
        const level =
          this.#cn0.horizonDbHz +
          (this.#cn0.zenithDbHz - this.#cn0.horizonDbHz) * sine +
          traits.levelDb +
          (noise.cn0Db === 0 ? 0 : noise.cn0Db * this.#level[band].normal(svid, index));
        const scale = Math.exp(LN_2_PER_6_DB * (REFERENCE_CN0 - level));
        let error = 0;
        if (noise.codeMeters > 0) error += noise.codeMeters * scale * this.#code[band].normal(svid, index);
        if (noise.multipathMeters > 0) {
          const turns = heardGst / MULTIPATH_PERIOD_SECONDS + traits.phase + (band === "E1" ? 0 : 0.37);
          error += (noise.multipathMeters / sine) * Math.sin(2 * Math.PI * (turns - Math.floor(turns)));
        }
        const carrierNoise =
          noise.carrierCycles > 0 ? noise.carrierCycles * scale * this.#carrier[band].normal(svid, index) : 0;
        const dopplerNoise =
          noise.dopplerHz > 0 ? noise.dopplerHz * scale * this.#doppler[band].normal(svid, index) : 0;
        out.push({
          svid,
          band,
          azimuthDeg,
          elevationDeg,
          direction,
          pseudorangeMeters: geometry + factor * (groupDelay + ionosphere) + error,
          carrierCycles: (geometry - factor * ionosphere) / wavelength + traits.cycles + carrierNoise,
          dopplerHz: -rate / wavelength + dopplerNoise,
          cn0DbHz: level,
          lockMilliseconds: lock,
          codeSigmaMeters: noise.codeMeters * scale,
          dopplerSigmaHz: noise.dopplerHz * scale,
          errorMeters: error,
          rateErrorMetersPerSecond: -dopplerNoise * wavelength,
        });
      }
    }
    return out;
  }

  #traitsOf(svid: number): { levelDb: number; phase: number; cycles: number } {
    let traits = this.#traits.get(svid);
    if (traits === undefined) {
      const { seed } = this.#simulation.options;
      const random = (what: string): number => seededFraction(seed, `signal ${svid} ${what}`);
      traits = {
        levelDb: (2 * random("level") - 1) * SATELLITE_CN0_SPREAD_DB,
        phase: random("phase"),
        cycles: Math.round((random("cycles") - 0.5) * 1000),
      };
      this.#traits.set(svid, traits);
    }
    return traits;
  }

  #lock(svid: number, gst: number): number {
    const known = this.#tracked.get(svid);
    // Time that goes back, or a gap, is a new acquisition.
    if (known === undefined || gst < known.last || gst - known.last > 2) {
      this.#tracked.set(svid, { since: gst, last: gst });
      return 0;
    }
    known.last = gst;
    return Math.min(MAX_LOCK_MILLISECONDS, Math.round(1000 * (gst - known.since)));
  }
}
