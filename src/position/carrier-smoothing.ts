/**
 * Carrier-smoothed code: Hatch's filter over 100 s, an option of the measurements. It keeps a history, so a position
 * made from smoothed ranges cannot be recomputed from its epoch alone: off unless asked for.
 * Source: Hatch, "The synergism of GPS code and carrier measurements" (1982); window as in DO-229 section 2.1.4.1.4.
 */
import { SPEED_OF_LIGHT } from "../ephemeris/constants.js";
import { SECONDS_IN_WEEK } from "../inav/gst.js";
import { CARRIER_HZ, median } from "./measurements.js";
import type { Band, MeasurementEpoch, SatelliteMeasurement, SignalMeasurement } from "./measurements.js";

/** Longer windows gather more of the ionosphere's divergence of code and carrier than they take off in noise. */
export const SMOOTHING_WINDOW_SECONDS = 100;
/** A gap beyond this starts anew: a slip could hide in it. */
const MAX_GAP_SECONDS = 5;
/** Where locktime stops counting. */
const LOCK_SATURATED_MILLISECONDS = 64_500;
/** Code against the carrier's prediction: beyond this many sigmas, and at least so many metres, it slipped. */
const SLIP_SIGMAS = 6;
const SLIP_FLOOR_METERS = 5;
/** All satellites off their prediction by this at once: the clock was set, and carriers need not have followed. */
const CLOCK_STEP_METERS = 50;
/** Multipath does not average out like noise: no more than this is claimed. */
const MAX_AVERAGED = 10;

interface Track {
  smoothedMeters: number;
  epochs: number;
  last: SignalMeasurement;
  gst: { wn: number; towSeconds: number };
}

const BANDS = ["E1", "E5b", "E5a"] as const;

export class CarrierSmoother {
  readonly #windowSeconds: number;
  readonly #tracks = new Map<string, Track>();
  /** Filters started anew, by reason. */
  readonly resets = { gap: 0, lock: 0, "half-cycle": 0, slip: 0, clock: 0 };

  constructor(windowSeconds: number = SMOOTHING_WINDOW_SECONDS) {
    if (!(windowSeconds > 0 && windowSeconds <= 3600)) {
      throw new RangeError("windowSeconds must be in (0, 3600]");
    }
    this.#windowSeconds = windowSeconds;
  }

  /** The epoch with smoothed pseudoranges. A clock step that the carriers did not share starts all filters anew. */
  smooth(epoch: MeasurementEpoch): MeasurementEpoch {
    if (epoch.clockReset) this.#clear();
    const innovations: number[] = [];
    for (const satellite of epoch.satellites) {
      const predicted = this.#predicted(satellite.svid, "E1", satellite.e1, epoch);
      if (predicted !== null) innovations.push(satellite.e1.pseudorangeMeters - predicted);
    }
    if (Math.abs(median(innovations)) > CLOCK_STEP_METERS) this.#clear();
    return { ...epoch, satellites: epoch.satellites.map((satellite) => this.#satellite(satellite, epoch)) };
  }

  #clear(): void {
    this.resets.clock += this.#tracks.size;
    this.#tracks.clear();
  }

  #satellite(satellite: SatelliteMeasurement, epoch: MeasurementEpoch): SatelliteMeasurement {
    const [e1, e5b, e5a] = BANDS.map((band) => {
      const signal = band === "E1" ? satellite.e1 : band === "E5b" ? satellite.e5b : satellite.e5a;
      return signal === null ? null : this.#signal(satellite.svid, band, signal, epoch);
    });
    return { svid: satellite.svid, e1: e1 ?? satellite.e1, e5b, e5a };
  }

  /** What the carrier makes of the last smoothed range; null where there is nothing to go on from. */
  #predicted(svid: number, band: Band, signal: SignalMeasurement, epoch: MeasurementEpoch): number | null {
    const track = this.#tracks.get(`${svid} ${band}`);
    if (track === undefined || signal.carrierCycles === null || track.last.carrierCycles === null)
      return null;
    if (this.#elapsed(track, epoch) > MAX_GAP_SECONDS) return null;
    const wavelength = SPEED_OF_LIGHT / CARRIER_HZ[band];
    return track.smoothedMeters + wavelength * (signal.carrierCycles - track.last.carrierCycles);
  }

  #elapsed(track: Track, epoch: MeasurementEpoch): number {
    const elapsed = (epoch.wn - track.gst.wn) * SECONDS_IN_WEEK + (epoch.towSeconds - track.gst.towSeconds);
    return elapsed > 0 ? elapsed : Infinity;
  }

  #signal(svid: number, band: Band, signal: SignalMeasurement, epoch: MeasurementEpoch): SignalMeasurement {
    const key = `${svid} ${band}`;
    if (signal.carrierCycles === null) {
      if (this.#tracks.delete(key)) this.resets.lock++;
      return signal;
    }
    const gst = { wn: epoch.wn, towSeconds: epoch.towSeconds };
    const start = (): SignalMeasurement => {
      this.#tracks.set(key, { smoothedMeters: signal.pseudorangeMeters, epochs: 1, last: signal, gst });
      return signal;
    };
    const track = this.#tracks.get(key);
    if (track === undefined) return start();
    const { last } = track;
    const elapsed = this.#elapsed(track, epoch);
    if (elapsed > MAX_GAP_SECONDS) {
      this.resets.gap++;
      return start();
    }
    // Unbroken lock counts up with time until it saturates; half a second is the counter's own coarseness.
    const unbroken = Math.min(
      last.lockMilliseconds + (elapsed - 0.5) * 1000,
      LOCK_SATURATED_MILLISECONDS,
      elapsed * 1000,
    );
    if (signal.lockMilliseconds < last.lockMilliseconds || signal.lockMilliseconds < unbroken - 500) {
      this.resets.lock++;
      return start();
    }
    if (
      signal.halfCycleResolved !== last.halfCycleResolved ||
      signal.halfCycleSubtracted !== last.halfCycleSubtracted
    ) {
      this.resets["half-cycle"]++;
      return start();
    }
    const predicted = this.#predicted(svid, band, signal, epoch);
    const bound = Math.max(SLIP_FLOOR_METERS, SLIP_SIGMAS * signal.pseudorangeSigmaMeters);
    if (predicted === null || Math.abs(signal.pseudorangeMeters - predicted) > bound) {
      this.resets.slip++;
      return start();
    }
    const epochs = Math.min(track.epochs + 1, Math.max(1, Math.round(this.#windowSeconds / elapsed)));
    track.smoothedMeters = predicted + (signal.pseudorangeMeters - predicted) / epochs;
    track.epochs = epochs;
    track.last = signal;
    track.gst = gst;
    return {
      ...signal,
      pseudorangeMeters: track.smoothedMeters,
      pseudorangeSigmaMeters: signal.pseudorangeSigmaMeters / Math.sqrt(Math.min(epochs, MAX_AVERAGED)),
    };
  }
}
