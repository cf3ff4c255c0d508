/**
 * The chi-square distribution, central and not, as RAIM needs it: detection thresholds for a rate of false alarms, and
 * the smallest fault that is missed no more often than allowed.
 * Source: Abramowitz & Stegun 6.5.29 (incomplete gamma function), 26.4.25 (non-central distribution).
 */

const SERIES_END = 1e-17;
const MAX_TERMS = 2000;
const BISECTIONS = 100;

function checkDof(dof: number): void {
  if (!(Number.isInteger(dof) && dof >= 1 && dof <= 64)) throw new RangeError("dof must be 1..64");
}

/** ln Gamma(dof / 2). */
function logGammaHalf(dof: number): number {
  let sum = dof % 2 === 0 ? 0 : Math.log(Math.PI) / 2;
  for (let k = dof % 2 === 0 ? 2 : 1; k < dof; k += 2) sum += Math.log(k / 2);
  return sum;
}

/** x^a e^-x / Gamma(a + 1) with a = dof / 2. */
function term(dof: number, x: number): number {
  return Math.exp((dof / 2) * Math.log(x) - x - logGammaHalf(dof) - Math.log(dof / 2));
}

/** Probability that a chi-square variable of `dof` degrees of freedom stays below `value`. */
export function chiSquareBelow(value: number, dof: number): number {
  checkDof(dof);
  if (!(value > 0)) return 0;
  const x = value / 2;
  let factor = 1;
  let sum = 1;
  for (let k = 1; k < MAX_TERMS && factor > SERIES_END * sum; k++) {
    factor *= x / (dof / 2 + k);
    sum += factor;
  }
  return Math.min(1, sum * term(dof, x));
}

/** The same for a variable with a non-centrality. */
export function nonCentralBelow(value: number, dof: number, nonCentrality: number): number {
  checkDof(dof);
  if (!(nonCentrality >= 0)) throw new RangeError("nonCentrality must not be negative");
  if (!(value > 0)) return 0;
  const half = nonCentrality / 2;
  let below = chiSquareBelow(value, dof);
  // P(a + 1, x) = P(a, x) - x^a e^-x / Gamma(a + 1).
  let step = term(dof, value / 2);
  let poisson = Math.exp(-half);
  let sum = 0;
  for (let j = 0; j < MAX_TERMS && below > SERIES_END; j++) {
    sum += poisson * below;
    below -= step;
    step *= value / 2 / (dof / 2 + j + 1);
    poisson *= half / (j + 1);
  }
  return sum;
}

function bisect(low: number, high: number, tooSmall: (at: number) => boolean): number {
  let [from, to] = [low, high];
  for (let k = 0; k < BISECTIONS; k++) {
    const middle = (from + to) / 2;
    // No number lies between them any more.
    if (middle === from || middle === to) break;
    if (tooSmall(middle)) from = middle;
    else to = middle;
  }
  return (from + to) / 2;
}

/** By rate of false alarms and degrees of freedom. */
const thresholds = new Map<number, number[]>();
/** The same for each probability of a miss. */
const nonCentralities = new Map<number, Map<number, number[]>>();

function remembered(store: Map<number, number[]>, rate: number, dof: number, make: () => number): number {
  let values = store.get(rate);
  if (values === undefined) store.set(rate, (values = []));
  return (values[dof] ??= make());
}

/** What a chi-square variable exceeds with probability `falseAlarm`. */
export function chiSquareThreshold(falseAlarm: number, dof: number): number {
  checkDof(dof);
  if (!(falseAlarm >= 1e-9 && falseAlarm < 1)) throw new RangeError("falseAlarm must be in [1e-9, 1)");
  return remembered(thresholds, falseAlarm, dof, () =>
    bisect(0, 400, (at) => 1 - chiSquareBelow(at, dof) > falseAlarm),
  );
}

/** The non-centrality at which a test at that threshold misses with probability `missed`. */
export function detectableNonCentrality(falseAlarm: number, missed: number, dof: number): number {
  if (!(missed >= 1e-6 && missed < 1)) throw new RangeError("missed must be in [1e-6, 1)");
  const threshold = chiSquareThreshold(falseAlarm, dof);
  let store = nonCentralities.get(missed);
  if (store === undefined) nonCentralities.set(missed, (store = new Map()));
  return remembered(store, falseAlarm, dof, () =>
    bisect(0, 600, (at) => nonCentralBelow(threshold, dof, at) > missed),
  );
}
