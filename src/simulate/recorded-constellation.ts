/**
 * The satellites of a capture: the ephemerides (words 1 to 5) that a real receiver heard, in force from the subframe
 * in which they came, read with this folder's own idea of the layout. Galileo OS SIS ICD 2.1 section 4.3.5.
 */
import { ReceiverStream } from "../inav/receiver-stream.js";
import { Framer } from "gnss-ubx";
import { SECONDS_IN_WEEK, SUBFRAME_SECONDS, towOf } from "../inav/gst.js";
import type { Batch, Constellation, GroupDelays, Ionosphere } from "./constellation.js";

interface Recorded {
  /** Subframe from which the batch is on air, linear GST. */
  readonly fromGst: number;
  readonly batch: Batch;
}

/** Words of one satellite on their way to a whole batch. */
interface Gathered {
  iodNav: number;
  readonly words: (Uint8Array | undefined)[];
}

/** Beyond this from its reference time an ephemeris says nothing, seconds (four hours). */
const MAX_AGE_SECONDS = 14_400;

export class RecordedConstellation implements Constellation {
  readonly svids: readonly number[];
  readonly ionosphere: Ionosphere;
  readonly #batches: ReadonlyMap<number, readonly Recorded[]>;
  readonly #delays: ReadonlyMap<number, GroupDelays>;

  /** `capture` is a UBX stream. RangeError where it holds no whole ephemeris with a health word. */
  constructor(capture: Uint8Array) {
    const batches = new Map<number, Recorded[]>();
    const delays = new Map<number, GroupDelays>();
    const gathered = new Map<number, Gathered>();
    let ionosphere: Ionosphere | null = null;
    const stream = new ReceiverStream<null>(({ svid, word, wordType }, gst) => {
      if (wordType === 5) {
        ionosphere = { ai0: field(word, 6, 11), ai1: signed(word, 17, 11), ai2: signed(word, 28, 14) };
        delays.set(svid, { e5a: signed(word, 47, 10), e5b: signed(word, 57, 10) });
      }
      if (wordType < 1 || wordType > 4) return;
      const iodNav = field(word, 6, 10);
      let batch = gathered.get(svid);
      if (batch?.iodNav !== iodNav) gathered.set(svid, (batch = { iodNav, words: [] }));
      batch.words[wordType] = word.slice();
      if (![1, 2, 3, 4].every((type) => batch.words[type] !== undefined)) return;
      const known = batches.get(svid) ?? [];
      if (known.at(-1)?.batch.iodNav === iodNav) return;
      const fromGst = Math.floor((gst - 1) / SUBFRAME_SECONDS) * SUBFRAME_SECONDS;
      batches.set(svid, [...known, { fromGst, batch: batchOf(svid, batch, gst) }]);
    });
    const framer = new Framer();
    const sink = {
      ubx: (messageClass: number, id: number, payload: Uint8Array): void => {
        stream.message(messageClass, id, payload, null);
      },
      nmea: (): void => undefined,
      rtcm3: (): void => undefined,
    };
    framer.push(capture, sink);
    framer.end(sink);
    stream.end();
    this.svids = [...batches.keys()].filter((svid) => delays.has(svid)).sort((a, b) => a - b);
    if (ionosphere === null || this.svids.length === 0)
      throw new RangeError("no satellite with words 1 to 5");
    this.ionosphere = ionosphere;
    this.#batches = batches;
    this.#delays = delays;
  }

  groupDelays(svid: number): GroupDelays {
    return this.#delays.get(svid)!;
  }

  /** The newest batch that was on air; before the first one, the first. */
  batch(svid: number, gst: number): Batch {
    const all = this.#batches.get(svid);
    if (all === undefined) throw new RangeError(`no ephemeris of E${svid}`);
    let found = all[0]!;
    for (const recorded of all) if (recorded.fromGst <= gst) found = recorded;
    return found.batch;
  }

  /** First subframe in which every satellite has its data, linear GST. */
  get firstGst(): number {
    return Math.max(...this.svids.map((svid) => this.#batches.get(svid)![0]!.fromGst));
  }

  /** Satellites whose ephemeris holds over a whole time span. */
  holds(svid: number, fromGst: number, untilGst: number): boolean {
    return [fromGst, untilGst].every(
      (gst) => Math.abs(gst - this.batch(svid, gst).referenceGst) <= MAX_AGE_SECONDS,
    );
  }
}

/** Whether word 16 can tell the orbit: not that of E14 and E18. */
export function fitsReducedCed({ sqrtA, e }: Batch): boolean {
  const root = sqrtA * 2 ** -19;
  return Math.abs(root * root - 29_600_000) < 15 * 256 && e * 2 ** -33 < 4095 * 2 ** -22;
}

function batchOf(svid: number, { iodNav, words }: Gathered, gst: number): Batch {
  const [w1, w2, w3, w4] = [words[1]!, words[2]!, words[3]!, words[4]!];
  const referenceTow = 60 * field(w1, 16, 14);
  // In the week nearest to its reception.
  const half = SECONDS_IN_WEEK / 2;
  const offset = ((referenceTow - towOf(gst) + half + SECONDS_IN_WEEK) % SECONDS_IN_WEEK) - half;
  return {
    iodNav,
    svid,
    referenceTow,
    referenceGst: gst + offset,
    m0: signed(w1, 30, 32),
    e: field(w1, 62, 32),
    sqrtA: field(w1, 94, 32),
    omega0: signed(w2, 16, 32),
    i0: signed(w2, 48, 32),
    omega: signed(w2, 80, 32),
    iDot: signed(w2, 112, 14),
    omegaDot: signed(w3, 16, 24),
    deltaN: signed(w3, 40, 16),
    cuc: signed(w3, 56, 16),
    cus: signed(w3, 72, 16),
    crc: signed(w3, 88, 16),
    crs: signed(w3, 104, 16),
    cic: signed(w4, 22, 16),
    cis: signed(w4, 38, 16),
    af0: signed(w4, 68, 31),
    af1: signed(w4, 99, 21),
    af2: signed(w4, 120, 6),
  };
}

function field(word: Uint8Array, from: number, count: number): number {
  let value = 0;
  for (let bit = from; bit < from + count; bit++)
    value = 2 * value + ((word[bit >> 3]! >> (7 - (bit & 7))) & 1);
  return value;
}

function signed(word: Uint8Array, from: number, count: number): number {
  const value = field(word, from, count);
  return value >= 2 ** (count - 1) ? value - 2 ** count : value;
}
