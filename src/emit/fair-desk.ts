/**
 * Work for others on the thread that also takes what the receiver sends: one small piece at a time, client after
 * client, and never more than a share of the time, however many ask. Edge: timers.
 */
export interface FairDeskOptions {
  /** Part of the thread's time, above 0 and up to 1. */
  readonly share?: number;
  /** Milliseconds of any clock that only goes forward. */
  readonly now?: () => number;
  /** Gives the thread to others for at least so many milliseconds. */
  readonly pause?: (ms: number) => Promise<void>;
}

const SHARE = 0.25;
/** A process that was stopped in the middle of a piece is not to be slow for it for ever. */
const MAX_PAUSE_MS = 1000;

export class FairDesk {
  readonly #options: Required<FairDeskOptions>;
  /** Pieces of each client; the client that is next is first. */
  readonly #lines = new Map<string, (() => Promise<void>)[]>();
  #busy = false;

  constructor(options: FairDeskOptions = {}) {
    this.#options = { share: SHARE, now: () => performance.now(), pause: pauseFor, ...options };
  }

  /** Does a piece when it is the client's turn. */
  do<T>(client: string, piece: () => T | Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const line = this.#lines.get(client) ?? [];
      line.push(async () => {
        try {
          resolve(await piece());
        } catch (error) {
          reject(error instanceof Error ? error : new Error(String(error)));
        }
      });
      this.#lines.set(client, line);
      if (!this.#busy) void this.#work();
    });
  }

  async #work(): Promise<void> {
    const { share, now, pause } = this.#options;
    this.#busy = true;
    for (let next = this.#next(); next !== null; next = this.#next()) {
      const begun = now();
      await next();
      await pause(Math.min(MAX_PAUSE_MS, (now() - begun) * (1 / share - 1)));
    }
    this.#busy = false;
  }

  #next(): (() => Promise<void>) | null {
    for (const [client, line] of this.#lines) {
      this.#lines.delete(client);
      const piece = line.shift()!;
      if (line.length > 0) this.#lines.set(client, line);
      return piece;
    }
    return null;
  }
}

function pauseFor(ms: number): Promise<void> {
  return new Promise((resolve) => {
    if (ms < 1) setImmediate(resolve);
    else setTimeout(resolve, ms);
  });
}
