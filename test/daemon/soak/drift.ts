/**
 * Whether something grows: samples of what this process holds, and their trend. One sample says little, since memory
 * goes up and down by itself; the median of the slopes between all pairs of samples (Theil and Sen) is not moved by
 * a few that stand out.
 */
import { readdirSync } from "node:fs";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

export interface Sample {
  /** How far the run had come, in a unit of its own. */
  readonly at: number;
  /** What lives on the heap and beside it after a collection, MB. */
  readonly liveMegabytes: number;
  readonly rssMegabytes: number;
  readonly descriptors: number;
}

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;

export function sample(at: number): Sample {
  collect();
  const { heapUsed, arrayBuffers, rss } = process.memoryUsage();
  return {
    at,
    liveMegabytes: (heapUsed + arrayBuffers) / 1e6,
    rssMegabytes: rss / 1e6,
    descriptors: readdirSync("/proc/self/fd").length,
  };
}

/** Median of `values`; NaN of none. */
function median(values: number[]): number {
  values.sort((a, b) => a - b);
  return values.length === 0 ? Number.NaN : values[values.length >> 1];
}

/** Growth per unit of `at`, by the median of the slopes between all pairs. */
export function slope(samples: readonly Sample[], of: (sample: Sample) => number): number {
  const slopes: number[] = [];
  samples.forEach((a, i) => {
    for (const b of samples.slice(i + 1)) if (b.at > a.at) slopes.push((of(b) - of(a)) / (b.at - a.at));
  });
  return median(slopes);
}

/** Trend and range of memory, rounded to kilobytes; without the first samples, in which caches and code fill up. */
export function drift(samples: readonly Sample[], skip: number) {
  const settled = samples.slice(skip);
  const rounded = (value: number): number => Math.round(value * 1000) / 1000;
  const of = (name: "liveMegabytes" | "rssMegabytes") => {
    const values = settled.map((sample) => sample[name]);
    return {
      first: rounded(values[0] ?? Number.NaN),
      last: rounded(values.at(-1) ?? Number.NaN),
      highest: rounded(Math.max(...values)),
      perUnit: slope(settled, (sample) => sample[name]),
    };
  };
  return {
    samples: settled.length,
    live: of("liveMegabytes"),
    rss: of("rssMegabytes"),
    descriptors: [
      Math.min(...settled.map(({ descriptors }) => descriptors)),
      Math.max(...settled.map(({ descriptors }) => descriptors)),
    ],
  };
}
