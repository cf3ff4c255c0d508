/**
 * Steps of signal level: C/N0 over all signals (RXM-RAWX, else NAV-SIG, else NAV-SAT) and the gain of each
 * front end (MON-RF agcCnt). A counterfeit signal must be stronger than the genuine one: it moves the gain, and
 * moves or levels C/N0 of all satellites together, which sky and buildings do not.
 */
import type { MessageOf } from "gnss-ubx";
import type { Observe } from "./signs.js";
import type { WatchThresholds } from "./thresholds.js";

/** Receivers track fewer signals than this; more keys than this are not kept. */
const MAX_SIGNALS = 256;
const MAX_RF_BLOCKS = 8;
/** A level not renewed for this long is forgotten, seconds. Long enough to see the sky after a jammer again. */
const FORGET_SECONDS = 300;
/** A source of C/N0 that has been silent for this long yields to a lesser one, seconds. */
const SOURCE_SECONDS = 30;

/** A slow average. */
interface Level {
  average: number;
  /** Seconds it was fed for. */
  seconds: number;
  age: number;
}

/** C/N0 by constellation, satellite and signal, packed as in `keyOf`. */
type Levels = ReadonlyMap<number, number>;

const RANK = { "NAV-SAT": 1, "NAV-SIG": 2, "RXM-RAWX": 3 } as const;
type Cn0Source = keyof typeof RANK;

const keyOf = (gnssId: number, svId: number, sigId: number): number => (gnssId << 16) | (svId << 8) | sigId;

export class Cn0Watch {
  readonly #thresholds: WatchThresholds;
  readonly #levels = new Map<number, Level>();
  #source: Cn0Source | null = null;
  #sourceAge = 0;
  #newest: Levels | null = null;
  #sinceSample = 0;

  constructor(thresholds: WatchThresholds) {
    this.#thresholds = thresholds;
  }

  rawx(message: MessageOf<"RXM-RAWX">): void {
    if (!this.#accepts("RXM-RAWX")) return;
    const levels = new Map<number, number>();
    for (const { gnssId, svId, sigId, cno } of message.meas)
      if (cno > 0) levels.set(keyOf(gnssId, svId, sigId), cno);
    this.#newest = levels;
  }

  navSig(message: MessageOf<"NAV-SIG">): void {
    if (!this.#accepts("NAV-SIG")) return;
    const levels = new Map<number, number>();
    for (const { gnssId, svId, sigId, cno } of message.sigs)
      if (cno > 0) levels.set(keyOf(gnssId, svId, sigId), cno);
    this.#newest = levels;
  }

  navSat(message: MessageOf<"NAV-SAT">): void {
    if (!this.#accepts("NAV-SAT")) return;
    const levels = new Map<number, number>();
    for (const { gnssId, svId, cno } of message.svs) if (cno > 0) levels.set(keyOf(gnssId, svId, 0), cno);
    this.#newest = levels;
  }

  /** The best source counts alone: they differ in what they list and in when. */
  #accepts(source: Cn0Source): boolean {
    if (this.#source !== null && RANK[source] < RANK[this.#source] && this.#sourceAge <= SOURCE_SECONDS)
      return false;
    if (source !== this.#source) {
      this.#source = source;
      this.#levels.clear();
    }
    this.#sourceAge = 0;
    return true;
  }

  epoch(watched: number, observe: Observe): void {
    this.#sourceAge += watched;
    this.#sinceSample += watched;
    const newest = this.#newest;
    if (newest === null) return;
    this.#newest = null;
    const elapsed = this.#sinceSample;
    this.#sinceSample = 0;
    this.#step(newest, observe);
    this.#uniformity(newest, observe);
    this.#follow(newest, elapsed);
  }

  #step(newest: Levels, observe: Observe): void {
    const { cn0StepDb, cn0StepSpreadDb, cn0MinimumSignals, cn0SettleSeconds } = this.#thresholds;
    const changes: number[] = [];
    for (const [key, cn0] of newest) {
      const level = this.#levels.get(key);
      if (level !== undefined && level.seconds >= cn0SettleSeconds) changes.push(cn0 - level.average);
    }
    if (changes.length < cn0MinimumSignals) return;
    changes.sort((a, b) => a - b);
    const median = quantile(changes, 0.5);
    const spread = quantile(changes, 0.75) - quantile(changes, 0.25);
    observe({
      name: "cn0-step",
      subject: "both",
      quantity: "median-db",
      // Changes that are not common to all are no step of this kind, however large.
      value: spread <= cn0StepSpreadDb ? Math.abs(median) : 0,
      threshold: cn0StepDb,
      evidence: {
        kind: median > 0 ? "rise" : "fall",
        medianDb: median,
        spreadDb: spread,
        signals: changes.length,
      },
    });
  }

  #uniformity(newest: Levels, observe: Observe): void {
    // NAV-SAT gives one figure a satellite, of whichever signal is strongest: it evens out.
    if (this.#source === "NAV-SAT") return;
    const { cn0UniformDb, cn0UniformSatellites } = this.#thresholds;
    const sums = new Map<number, { n: number; sum: number; squares: number }>();
    for (const [key, cn0] of newest) {
      const signal = key & ~0xff00;
      const sum = sums.get(signal) ?? { n: 0, sum: 0, squares: 0 };
      sum.n++;
      sum.sum += cn0;
      sum.squares += cn0 * cn0;
      sums.set(signal, sum);
    }
    for (const [signal, { n, sum, squares }] of sums) {
      if (n < cn0UniformSatellites) continue;
      const mean = sum / n;
      const deviation = Math.sqrt(Math.max(0, squares / n - mean * mean));
      observe({
        name: "cn0-step",
        subject: "both",
        quantity: "uniformity",
        // Below the threshold is the sign: as the ratio of the two it is above 1.
        value: cn0UniformDb / Math.max(deviation, 0.01),
        threshold: 1,
        evidence: {
          kind: "uniform",
          deviationDb: deviation,
          meanDbHz: mean,
          satellites: n,
          gnssId: signal >> 16,
          sigId: signal & 0xff,
        },
      });
    }
  }

  #follow(newest: Levels, elapsed: number): void {
    for (const [key, level] of this.#levels) {
      level.age += elapsed;
      if (level.age > FORGET_SECONDS) this.#levels.delete(key);
    }
    for (const [key, cn0] of newest) {
      const level = this.#levels.get(key);
      if (level !== undefined) follow(level, cn0, elapsed, this.#thresholds.cn0AverageSeconds);
      else if (this.#levels.size < MAX_SIGNALS) this.#levels.set(key, { average: cn0, seconds: 0, age: 0 });
    }
  }
}

export class AgcWatch {
  readonly #thresholds: WatchThresholds;
  readonly #blocks = new Map<number, Level>();
  #newest: MessageOf<"MON-RF"> | null = null;
  #sinceSample = 0;

  constructor(thresholds: WatchThresholds) {
    this.#thresholds = thresholds;
  }

  monRf(message: MessageOf<"MON-RF">): void {
    this.#newest = message;
  }

  epoch(watched: number, observe: Observe): void {
    this.#sinceSample += watched;
    if (this.#newest === null) return;
    const { agcStepCounts, agcAverageSeconds, agcSettleSeconds } = this.#thresholds;
    const elapsed = this.#sinceSample;
    this.#sinceSample = 0;
    for (const { blockId, agcCnt, noisePerMS, jamInd } of this.#newest.blocks) {
      const level = this.#blocks.get(blockId);
      if (level === undefined) {
        if (this.#blocks.size < MAX_RF_BLOCKS)
          this.#blocks.set(blockId, { average: agcCnt, seconds: 0, age: 0 });
        continue;
      }
      if (level.seconds >= agcSettleSeconds) {
        observe({
          name: "agc-step",
          subject: "both",
          quantity: "agc-counts",
          value: Math.abs(agcCnt - level.average),
          threshold: agcStepCounts,
          // A lower count is less gain: more power came in.
          evidence: {
            kind: agcCnt < level.average ? "more-power" : "less-power",
            blockId,
            agcCnt,
            averageAgcCnt: level.average,
            noisePerMS,
            jamInd,
          },
        });
      }
      follow(level, agcCnt, elapsed, agcAverageSeconds);
    }
    this.#newest = null;
  }
}

function follow(level: Level, value: number, elapsed: number, averageSeconds: number): void {
  // The first samples weigh alike, so that the average does not hang on the first.
  const weight = elapsed / (Math.min(level.seconds, averageSeconds) + elapsed);
  if (elapsed > 0) level.average += (value - level.average) * weight;
  level.seconds += elapsed;
  level.age = 0;
}

/** Linear between the neighbours; `sorted` is not empty. */
function quantile(sorted: readonly number[], share: number): number {
  const at = (sorted.length - 1) * share;
  const low = Math.floor(at);
  const high = Math.min(low + 1, sorted.length - 1);
  return sorted[low] + (sorted[high] - sorted[low]) * (at - low);
}
