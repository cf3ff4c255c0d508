/** Notices when this machine's clock is set while the witness runs. Times are handed in. */

/** A clock that is kept well is slewed, or set by less. A leap second is one. */
const MAX_STEP_SECONDS = 10;

export class SteadyClock {
  readonly #now: () => number;
  readonly #monotonic: () => number;
  /** Of the clock less the monotonic one, milliseconds, at the last reading that was believed. */
  #offset: number;

  /** Both in milliseconds: Unix time, and what is never set. */
  constructor(now: () => number, monotonic: () => number) {
    this.#now = now;
    this.#monotonic = monotonic;
    this.#offset = now() - monotonic();
  }

  /** Unix milliseconds, or null as long as the clock is far from where it should be by now. */
  read(): number | null {
    const now = this.#now();
    const offset = now - this.#monotonic();
    if (!(Math.abs(offset - this.#offset) <= MAX_STEP_SECONDS * 1000)) return null;
    this.#offset = offset;
    return now;
  }
}
