/**
 * Emission: has what the station's log holds taken into the outbox, and keeps a delivery running for each consumer that
 * is pushed to. Edge.
 */
import type { StationLog } from "../station/station-log.js";
import { Delivery, type DeliveryOptions, type DeliveryStatus, type Transport } from "./delivery.js";
import { Intake, type FixSource } from "./intake.js";
import { Outbox, type ConsumerState } from "./outbox.js";
import type { Purpose } from "./statement.js";

const DAY_OF_MESSAGES = 4 * 2880;

/** A consumer by configuration: it is pushed to, or (without a transport) comes and asks. */
export interface ConsumerOptions {
  readonly name: string;
  readonly purpose: Purpose;
  readonly transport: Transport | null;
  readonly delivery?: Partial<Pick<DeliveryOptions, "batchSize" | "firstWaitMs" | "maxWaitMs" | "random">>;
}

export interface EmissionOptions {
  readonly log: StationLog;
  /** Folder of the outbox. */
  readonly directory: string;
  readonly consumers: readonly ConsumerOptions[];
  /** Without one a prover gets openings only. */
  readonly fixes?: FixSource;
  /** Messages for federations that are kept for consumers without a cursor. */
  readonly keep?: number;
  readonly flush?: boolean;
  readonly onFault?: (error: unknown) => void;
}

export interface EmissionStatus {
  readonly consumers: readonly (
    DeliveryStatus | (ConsumerState & { readonly state: "pull" | "unconfigured" })
  )[];
  readonly federation: { readonly first: number; readonly last: number };
  /** Leaves of the log that are in the outbox. */
  readonly taken: number;
}

export class Emission {
  readonly log: StationLog;
  readonly outbox: Outbox;
  readonly #options: EmissionOptions;
  readonly #purposes: readonly Purpose[];
  readonly #provers: readonly string[];
  readonly #intake: Intake;
  readonly #deliveries: readonly Delivery[];
  #running: Promise<void> | null = null;
  #again = false;
  #closed = false;

  /** Throws OSN_STATE_*, OSN_USAGE, OSN_STATION_LOG_CONTRADICTS. */
  constructor(options: EmissionOptions) {
    this.log = options.log;
    this.#options = options;
    const { directory, consumers, flush, log, fixes } = options;
    this.outbox = new Outbox({ directory, ...(flush === undefined ? {} : { flush }) });
    this.#provers = consumers.filter(({ purpose }) => purpose === "prover").map(({ name }) => name);
    try {
      // A log with fewer leaves than others were told of would tell them another history.
      for (const purpose of ["federation", "prover"])
        this.log.assertTold(this.outbox.taken(`${purpose}/leaf`));
    } catch (error) {
      this.outbox.close();
      throw error;
    }
    // Where nobody is trusted with places, none are put in the outbox.
    this.#purposes = this.#provers.length > 0 ? ["federation", "prover"] : ["federation"];
    this.#intake = new Intake({ log, outbox: this.outbox, fixes, stopped: () => this.#closed });
    for (const { name, purpose } of consumers) this.outbox.register(name, purpose);
    this.#deliveries = consumers.flatMap(({ name, purpose, transport, delivery }) =>
      transport === null
        ? []
        : [new Delivery({ ...delivery, outbox: this.outbox, consumer: name, purpose, transport })],
    );
    this.notify();
  }

  /** Whether there is a consumer of this name that comes and asks. */
  pulls(consumer: string): boolean {
    return this.#options.consumers.some(({ name, transport }) => name === consumer && transport === null);
  }

  /** Something new is signed or cosigned. Returns at once. */
  notify(): void {
    this.#again = true;
    if (this.#running !== null || this.#closed) return;
    this.#running = this.#pump().finally(() => {
      this.#running = null;
      // Said between the last look of the pump and here.
      if (this.#again) this.notify();
    });
  }

  /** Resolves when the outbox has all that the log has. */
  async taken(): Promise<void> {
    while (this.#running !== null) await this.#running;
  }

  /** Resolves when every delivery has handed over all, or waits. */
  async settled(): Promise<void> {
    await this.taken();
    await Promise.all(this.#deliveries.map((delivery) => delivery.settled()));
  }

  status(): EmissionStatus {
    const pushed = this.#deliveries.map(({ status }) => status);
    const names = new Set(pushed.map(({ consumer }) => consumer));
    const pulled = this.outbox
      .states()
      .filter(({ consumer }) => !names.has(consumer))
      .map((state) => ({
        ...state,
        state: this.pulls(state.consumer) ? ("pull" as const) : ("unconfigured" as const),
      }));
    return {
      consumers: [...pushed, ...pulled],
      federation: { first: this.outbox.firstSeq("federation"), last: this.outbox.lastSeq("federation") },
      taken: this.outbox.taken("federation/leaf"),
    };
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.taken();
    await Promise.all(this.#deliveries.map((delivery) => delivery.close()));
    this.outbox.close();
  }

  async #pump(): Promise<void> {
    try {
      // In a turn of its own: who notifies does not wait for it.
      await Promise.resolve();
      while (this.#again && !this.#closed) {
        this.#again = false;
        for (const purpose of this.#purposes) {
          await this.#intake.take(purpose);
        }
        // What a federation has not taken it finds in the tiles.
        this.outbox.prune("federation", this.#options.keep ?? DAY_OF_MESSAGES, []);
        this.outbox.prune("prover", 0, this.#provers);
      }
    } catch (error) {
      this.#options.onFault?.(error);
    }
  }
}
