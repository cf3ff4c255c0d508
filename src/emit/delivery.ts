/**
 * Hands the messages of the outbox to one consumer, in order, a bounded batch at a time; waits longer after every
 * failure. Edge: timers.
 */
import type { ConsumerState, Outbox, OutboxMessage } from "./outbox.js";
import type { Purpose } from "./statement.js";

/** A way to a consumer. */
export interface Transport {
  /** Resolves when the consumer has taken the whole batch for good; rejects where it is not known that it has. */
  send(batch: readonly OutboxMessage[], signal: AbortSignal): Promise<void>;
  close(): Promise<void>;
}

export interface DeliveryOptions {
  readonly outbox: Outbox;
  readonly consumer: string;
  readonly purpose: Purpose;
  readonly transport: Transport;
  /** Messages in flight at most. */
  readonly batchSize?: number;
  readonly firstWaitMs?: number;
  readonly maxWaitMs?: number;
  /** From 0 to below 1; decides how long a wait is within its second half. */
  readonly random?: () => number;
}

/** A consumer that failed so often in a row is called dead; it is tried on all the same. */
export const DEAD_AFTER_FAILURES = 5;

export type DeliveryStatus = ConsumerState & { readonly state: "idle" | "sending" | "waiting" | "dead" };

export class Delivery {
  readonly #options: Required<DeliveryOptions>;
  readonly #abort = new AbortController();
  readonly #stopListening: () => void;
  #timer: NodeJS.Timeout | null = null;
  #running: Promise<void> | null = null;

  constructor(options: DeliveryOptions) {
    this.#options = { batchSize: 64, firstWaitMs: 500, maxWaitMs: 300_000, random: Math.random, ...options };
    const { outbox, consumer, purpose } = this.#options;
    outbox.register(consumer, purpose);
    this.#stopListening = outbox.onPut(() => {
      // What waits after a failure goes on waiting.
      if (this.#timer === null) this.#start();
    });
    this.#start();
  }

  get status(): DeliveryStatus {
    const state = this.#state;
    if (state.failures >= DEAD_AFTER_FAILURES) return { ...state, state: "dead" };
    return {
      ...state,
      state: this.#running !== null ? "sending" : this.#timer !== null ? "waiting" : "idle",
    };
  }

  /** Tries again now, whatever it waits for. */
  wake(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    this.#start();
  }

  /** Resolves when nothing is being sent. */
  async settled(): Promise<void> {
    while (this.#running !== null) await this.#running;
  }

  /** Ends what is in flight; it is sent again at the next start. */
  async close(): Promise<void> {
    this.#stopListening();
    this.#abort.abort();
    if (this.#timer !== null) clearTimeout(this.#timer);
    await this.settled();
    await this.#options.transport.close();
  }

  /** Another process may have forgotten the consumer: it then begins anew with what is kept. */
  get #state(): ConsumerState {
    const { outbox, consumer, purpose } = this.#options;
    return outbox.register(consumer, purpose);
  }

  #start(): void {
    if (this.#running !== null || this.#abort.signal.aborted) return;
    this.#running = this.#run().finally(() => {
      this.#running = null;
      // Something may have come between the last look and this.
      if (!this.#abort.signal.aborted && this.#timer === null && this.#state.backlog > 0) this.#start();
    });
  }

  async #run(): Promise<void> {
    const { outbox, consumer, purpose, transport, batchSize } = this.#options;
    const { signal } = this.#abort;
    while (!signal.aborted) {
      const batch = outbox.after(purpose, this.#state.seq, batchSize);
      if (batch.length === 0) return;
      try {
        await transport.send(batch, signal);
        outbox.register(consumer, purpose);
        outbox.advance(consumer, batch.at(-1)!.seq);
      } catch (error) {
        if (signal.aborted) return;
        outbox.failed(consumer, error instanceof Error ? error.message : String(error));
        this.#wait(this.#state.failures);
        return;
      }
    }
  }

  #wait(failures: number): void {
    const { firstWaitMs, maxWaitMs, random } = this.#options;
    const longest = Math.min(maxWaitMs, firstWaitMs * 2 ** Math.min(failures - 1, 30));
    this.#timer = setTimeout(
      () => {
        this.#timer = null;
        this.#start();
      },
      longest * (0.5 + random() / 2),
    );
    this.#timer.unref();
  }
}
