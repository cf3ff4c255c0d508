/** A token bucket for each client: so many requests a second, and a store of them for a burst. */

export interface RateLimitOptions {
  /** Requests a second; 0 for no limit. */
  readonly perSecond: number;
  /** Milliseconds of any clock that only goes forward. */
  readonly now?: () => number;
}

interface Bucket {
  left: number;
  at: number;
}

/** Seconds of the rate that a client which was silent may ask at once. */
const BURST_SECONDS = 4;
/** Clients remembered; beyond it the one not seen for longest is forgotten. */
export const MAX_CLIENTS = 10_000;

export class RateLimit {
  readonly #perSecond: number;
  readonly #burst: number;
  readonly #now: () => number;
  /** In the order of the last request. */
  readonly #buckets = new Map<string, Bucket>();

  constructor({ perSecond, now }: RateLimitOptions) {
    if (!(perSecond >= 0)) throw new RangeError("perSecond: at least 0");
    this.#perSecond = perSecond;
    this.#burst = Math.max(1, perSecond * BURST_SECONDS);
    this.#now = now ?? (() => performance.now());
  }

  /** Takes one request of `client`: 0 where it may go on, else the seconds to wait. */
  take(client: string): number {
    if (this.#perSecond === 0) return 0;
    const now = this.#now();
    const bucket = this.#buckets.get(client) ?? { left: this.#burst, at: now };
    bucket.left = Math.min(this.#burst, bucket.left + ((now - bucket.at) / 1000) * this.#perSecond);
    bucket.at = now;
    this.#buckets.delete(client);
    this.#buckets.set(client, bucket);
    if (this.#buckets.size > MAX_CLIENTS) {
      const [forgotten] = this.#buckets.keys();
      this.#buckets.delete(forgotten);
    }
    if (bucket.left < 1) return Math.ceil((1 - bucket.left) / this.#perSecond);
    bucket.left -= 1;
    return 0;
  }
}
