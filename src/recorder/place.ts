/**
 * How much the mere set of satellites heard tells of the antenna's place: the part of the Earth's surface from which
 * every satellite stands above the horizon at each moment it was heard. Computed from the broadcast ephemerides in
 * the capture itself, unauthenticated. A sphere will do: this is about thousands of kilometres. Pure.
 */
import { Framer } from "gnss-ubx";
import { decodeEphemeris, type Ephemeris } from "../ephemeris/ephemeris.js";
import { satelliteState } from "../ephemeris/orbit.js";
import { towOf } from "../inav/gst.js";
import { iodNavOf } from "../inav/word.js";
import { ReceiverStream } from "../inav/receiver-stream.js";

const EARTH_RADIUS_METERS = 6_371_000;
/** Points of a spiral over the sphere, about 110 km apart. */
const POINTS = 40_000;
/** Refraction, flattening and the antenna's height let satellites be heard a little below a sphere's horizon. */
const BELOW_HORIZON_RAD = (1.5 * Math.PI) / 180;
const SAMPLE_SECONDS = 300;
const MAX_SAMPLES = 96;
const HEARD_WITHIN_SECONDS = 30;
const MAX_SVID = 36;

export interface PlaceReport {
  /** Satellites whose orbit is known. */
  readonly satellites: number;
  readonly samples: number;
  /** Share of the Earth's surface where the antenna can be, at least one point's; null where no orbit is known. */
  readonly share: number | null;
  /** Radius of a disc of that size, kilometres. */
  readonly radiusKm: number | null;
}

export class PlaceEstimate {
  readonly #framer = new Framer();
  readonly #words = Array.from({ length: MAX_SVID + 1 }, () => new Map<number, Uint8Array>());
  readonly #ephemerides: (Ephemeris | undefined)[] = [];
  /** By sample: which satellites were heard. */
  readonly #heard = new Map<number, Set<number>>();
  readonly #stream = new ReceiverStream<null>((page, gst) => {
    this.#page(page.svid, page.wordType, page.word, gst);
  });

  push(chunk: Uint8Array): void {
    this.#framer.push(chunk, {
      ubx: (messageClass, messageId, payload) => {
        this.#stream.message(messageClass, messageId, payload, null);
      },
    });
  }

  end(): PlaceReport {
    this.#stream.end();
    const samples = [...this.#heard].sort((a, b) => a[0] - b[0]);
    const step = Math.max(1, Math.ceil(samples.length / MAX_SAMPLES));
    let possible = sphere();
    let used = 0;
    const known = new Set<number>();
    for (let i = 0; i < samples.length; i += step) {
      const [gst, heard] = samples[i];
      used++;
      for (const svid of heard) {
        const ephemeris = this.#ephemerides[svid];
        if (ephemeris === undefined) continue;
        known.add(svid);
        const { x, y, z } = satelliteState(ephemeris, towOf(gst));
        const distance = Math.hypot(x, y, z);
        const horizon = Math.cos(Math.acos(EARTH_RADIUS_METERS / distance) + BELOW_HORIZON_RAD);
        possible = possible.filter(([a, b, c]) => (a * x + b * y + c * z) / distance > horizon);
      }
    }
    if (known.size === 0) return { satellites: 0, samples: used, share: null, radiusKm: null };
    const share = Math.max(1, possible.length) / POINTS;
    return {
      satellites: known.size,
      samples: used,
      share,
      radiusKm: (EARTH_RADIUS_METERS / 1000) * Math.acos(1 - 2 * share),
    };
  }

  #page(svid: number, wordType: number, word: Uint8Array, gst: number): void {
    const sample = Math.round(gst / SAMPLE_SECONDS) * SAMPLE_SECONDS;
    if (Math.abs(gst - sample) <= HEARD_WITHIN_SECONDS) {
      const heard = this.#heard.get(sample) ?? new Set();
      heard.add(svid);
      this.#heard.set(sample, heard);
    }
    if (this.#ephemerides[svid] !== undefined || wordType < 1 || wordType > 5) return;
    const words = this.#words[svid];
    words.set(wordType, word.slice());
    const [w1, w2, w3, w4, w5] = [1, 2, 3, 4, 5].map((type) => words.get(type));
    if (!w1 || !w2 || !w3 || !w4 || !w5) return;
    if (new Set([w1, w2, w3, w4].map(iodNavOf)).size !== 1) return;
    this.#ephemerides[svid] = decodeEphemeris([w1, w2, w3, w4, w5], svid) ?? undefined;
  }
}

/** Unit vectors, evenly over the sphere (Fibonacci spiral). */
function sphere(): (readonly [number, number, number])[] {
  const golden = Math.PI * (3 - Math.sqrt(5));
  return Array.from({ length: POINTS }, (_, i) => {
    const z = 1 - (2 * i + 1) / POINTS;
    const radius = Math.sqrt(1 - z * z);
    return [radius * Math.cos(golden * i), radius * Math.sin(golden * i), z];
  });
}
