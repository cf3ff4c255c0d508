/**
 * Where the receiver is: at a place, or on its way along waypoints. The path is linear in latitude, longitude and
 * height between waypoints, and averaged over some seconds, so that the receiver brakes and turns as a vehicle does
 * instead of jumping from one velocity to the next.
 */
import { ecefOf, type Place } from "./geometry.js";
import type { Ecef } from "./navigation.js";

export interface Waypoint extends Place {
  /** Seconds from the start of the scenario at which the receiver is there. */
  readonly atSeconds: number;
}

/** Place and Earth-fixed motion at one time. */
export interface Motion {
  readonly place: Place;
  readonly position: Ecef;
  /** Metres per second, Earth-fixed. */
  readonly velocity: Ecef;
}

/** Half the averaging time: a right-angle turn at 15 m/s then takes 8 s at 2.7 m/s2. */
const SMOOTHING_SECONDS = 4;
/** Velocity is the difference of two positions so far apart. */
const VELOCITY_STEP_SECONDS = 0.05;

export class Track {
  readonly #waypoints: readonly Waypoint[];
  readonly #fixed: Motion | null;
  /** Offsets of the waypoints from the first, and the integral of the path's offset over time up to each. */
  readonly #offsets: readonly Triple[];
  readonly #integrals: readonly Triple[];

  /** `waypoints` in order of time; one is a place to stay at. RangeError for none, or for times that do not grow. */
  constructor(waypoints: readonly Waypoint[]) {
    const [first] = waypoints;
    if (first === undefined) throw new RangeError("a track needs a waypoint");
    this.#waypoints = waypoints;
    let east = 0;
    this.#offsets = waypoints.map((p, i) => {
      // The short way round, also over 180 degrees.
      if (i > 0) east += withinHalfTurn(p.longitudeDeg - waypoints[i - 1]!.longitudeDeg);
      return [p.latitudeDeg - first.latitudeDeg, east, p.heightMeters - first.heightMeters];
    });
    const integrals: Triple[] = [[0, 0, 0]];
    for (let i = 1; i < waypoints.length; i++) {
      const dt = waypoints[i]!.atSeconds - waypoints[i - 1]!.atSeconds;
      if (!(dt > 0)) throw new RangeError("waypoints must be in order of time");
      const [a, b, sum] = [this.#offsets[i - 1]!, this.#offsets[i]!, integrals[i - 1]!];
      integrals.push(triple((k) => sum[k] + ((a[k] + b[k]) / 2) * dt));
    }
    this.#integrals = integrals;
    const { latitudeDeg, longitudeDeg, heightMeters } = first;
    const place = { latitudeDeg, longitudeDeg, heightMeters };
    this.#fixed = waypoints.length > 1 ? null : { place, position: ecefOf(place), velocity: [0, 0, 0] };
  }

  static at(place: Place): Track {
    return new Track([{ ...place, atSeconds: 0 }]);
  }

  get moves(): boolean {
    return this.#fixed === null;
  }

  /** Motion so many seconds after the start; before the first and after the last waypoint the receiver rests there. */
  at(seconds: number): Motion {
    if (this.#fixed !== null) return this.#fixed;
    const place = this.#placeAt(seconds);
    const before = ecefOf(this.#placeAt(seconds - VELOCITY_STEP_SECONDS));
    const after = ecefOf(this.#placeAt(seconds + VELOCITY_STEP_SECONDS));
    const rate = (k: 0 | 1 | 2): number => (after[k] - before[k]) / (2 * VELOCITY_STEP_SECONDS);
    return { place, position: ecefOf(place), velocity: [rate(0), rate(1), rate(2)] };
  }

  #placeAt(seconds: number): Place {
    const { latitudeDeg, longitudeDeg, heightMeters } = this.#waypoints[0]!;
    const from = this.#integralAt(seconds - SMOOTHING_SECONDS);
    const until = this.#integralAt(seconds + SMOOTHING_SECONDS);
    const mean = triple((k) => (until[k] - from[k]) / (2 * SMOOTHING_SECONDS));
    return {
      latitudeDeg: latitudeDeg + mean[0],
      longitudeDeg: withinHalfTurn(longitudeDeg + mean[1]),
      heightMeters: heightMeters + mean[2],
    };
  }

  #integralAt(seconds: number): Triple {
    const points = this.#waypoints;
    let i = points.length - 1;
    while (i > 0 && points[i]!.atSeconds > seconds) i--;
    const dt = seconds - points[i]!.atSeconds;
    const [here, next] = [this.#offsets[i]!, this.#offsets[i + 1]];
    const rests = next === undefined || dt < 0;
    const span = rests ? 1 : points[i + 1]!.atSeconds - points[i]!.atSeconds;
    return triple((k) => {
      const slope = rests ? 0 : (next[k] - here[k]) / span;
      return this.#integrals[i]![k] + here[k] * dt + (slope * dt * dt) / 2;
    });
  }
}

/** Degrees from -180 to 180; what is there already stays bit by bit. */
function withinHalfTurn(degrees: number): number {
  return degrees > 180 ? degrees - 360 : degrees < -180 ? degrees + 360 : degrees;
}

type Triple = readonly [number, number, number];

function triple(of: (k: 0 | 1 | 2) => number): Triple {
  return [of(0), of(1), of(2)];
}

/** Times at the waypoints of a way travelled at a constant speed, metres per second. */
export function timesAtSpeed(
  places: readonly Place[],
  metersPerSecond: number,
  startSeconds: number,
): Waypoint[] {
  let at = startSeconds;
  return places.map((place, i) => {
    const before = places[i - 1];
    if (before !== undefined) {
      const [a, b] = [ecefOf(before), ecefOf(place)];
      at += Math.hypot(a[0] - b[0], a[1] - b[1], a[2] - b[2]) / metersPerSecond;
    }
    return { ...place, atSeconds: at };
  });
}
