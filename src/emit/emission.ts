/**
 * Emission: takes what the station's log holds into the outbox, sealed, and keeps a delivery running for each consumer
 * that is pushed to. The log is the source; where the process died between log and outbox, the next start takes what
 * is missing. Edge.
 */
import { canonicalJson } from "../evidence/canonical-json.js";
import type { FixRecord } from "../pipeline/records.js";
import { decodeFix } from "../station/items.js";
import { decodeLeaf } from "../station/leaf.js";
import { sha256 } from "../station/merkle.js";
import { formatNote } from "../station/note.js";
import { decodeItems } from "../station/openings.js";
import type { StationLog } from "../station/station-log.js";
import { Delivery, type DeliveryOptions, type DeliveryStatus, type Transport } from "./delivery.js";
import { sealEnvelope } from "./envelope.js";
import { Outbox, type ConsumerState, type NewMessage } from "./outbox.js";
import type { Purpose, Speaker, Statement } from "./statement.js";

/** Checkpoints whose cosignatures are looked for again; a witness signs the newest it knows, never an older one. */
const COSIGNATURE_WINDOW = 64;
/** Leaves taken in one transaction. */
const LEAVES_AT_ONCE = 128;
const DAY_OF_MESSAGES = 4 * 2880;

/** The fixes that were stored with their evidence. */
export interface FixSource {
  /** Of epochs from `fromMs` up to, not including, `toMs` (linear GST, milliseconds). */
  fixes(
    fromMs: number,
    toMs: number,
  ): Iterable<{ readonly record: FixRecord; readonly evidence: Uint8Array | null }>;
}

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
  readonly consumers: readonly (DeliveryStatus | (ConsumerState & { readonly state: "pull" }))[];
  readonly federation: { readonly first: number; readonly last: number };
  /** Leaves of the log that are in the outbox. */
  readonly taken: number;
}

export class Emission {
  readonly log: StationLog;
  readonly outbox: Outbox;
  readonly #options: EmissionOptions;
  readonly #purposes: readonly Purpose[];
  readonly #deliveries: readonly Delivery[];
  #running: Promise<void> | null = null;
  #again = false;
  #closed = false;

  /** Throws OSN_STATE_*, OSN_USAGE. */
  constructor(options: EmissionOptions) {
    this.log = options.log;
    this.#options = options;
    const { directory, consumers, flush } = options;
    this.outbox = new Outbox({ directory, ...(flush === undefined ? {} : { flush }) });
    // Where nobody is trusted with places, none are put in the outbox.
    this.#purposes = consumers.some(({ purpose }) => purpose === "prover")
      ? ["federation", "prover"]
      : ["federation"];
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
      .map((state) => ({ ...state, state: "pull" as const }));
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
          await this.#takeLeaves(purpose);
          await this.#takeCosignatures(purpose);
        }
        this.outbox.prune("federation", this.#options.keep ?? DAY_OF_MESSAGES, true);
        this.outbox.prune("prover", 0);
      }
    } catch (error) {
      this.#options.onFault?.(error);
    }
  }

  /** Leaves up to each signed size, then the checkpoint of that size. */
  async #takeLeaves(purpose: Purpose): Promise<void> {
    const name = `${purpose}/leaf`;
    const { log, outbox } = this;
    for (;;) {
      const from = outbox.taken(name);
      const checkpoint = log.checkpointWith(from);
      if (checkpoint === null) return;
      const to = Math.min(checkpoint.size, from + LEAVES_AT_ONCE);
      const messages: NewMessage[] = [];
      for (const [at, leaf] of log.leaves(from, to).entries()) {
        const index = from + at;
        messages.push(await this.#seal(purpose, `leaf/${index}`, { kind: "leaf", index, leaf }));
        if (purpose === "prover") messages.push(...(await this.#private(index, leaf)));
      }
      if (to === checkpoint.size) {
        // The log's own notes carry no cosignatures; those are statements of their own.
        const note = Buffer.from(formatNote(checkpoint.note), "utf8");
        const { size } = checkpoint;
        messages.push(await this.#seal(purpose, `checkpoint/${size}`, { kind: "checkpoint", size, note }));
      }
      outbox.put(messages, { [name]: to });
      if (this.#closed) return;
    }
  }

  async #takeCosignatures(purpose: Purpose): Promise<void> {
    const name = `${purpose}/cosignature`;
    const { log, outbox } = this;
    const settled = outbox.taken(name);
    const end = outbox.taken(`${purpose}/leaf`);
    const sizes: number[] = [];
    for (let size = settled; size < end;) {
      const checkpoint = log.checkpointWith(size);
      if (checkpoint === null || checkpoint.size > end) break;
      size = checkpoint.size;
      sizes.push(size);
    }
    const messages: NewMessage[] = [];
    for (const size of sizes) {
      for (const { witness, line } of log.cosignatures(size)) {
        const key = `cosignature/${size}/${witness}`;
        if (outbox.has(purpose, key)) continue;
        const bytes = Buffer.from(line.trimEnd(), "utf8");
        messages.push(await this.#seal(purpose, key, { kind: "cosignature", size, line: bytes }));
      }
    }
    outbox.put(messages, { [name]: sizes.at(-COSIGNATURE_WINDOW - 1) ?? settled });
  }

  /** What opens a leaf, and the fixes that it commits to. */
  async #private(index: number, bytes: Uint8Array): Promise<NewMessage[]> {
    const openings = this.log.openings(index);
    const leaf = decodeLeaf(bytes);
    if (openings === null || leaf?.kind !== "subframe") return [];
    const { secret, items } = openings;
    const messages = [
      await this.#seal("prover", `openings/${index}`, { kind: "openings", index, secret, items }),
    ];
    const { fixes } = this.#options;
    const committed = decodeItems(items)?.fixes;
    if (fixes === undefined || committed === undefined || committed.size === 0) return messages;
    const stored = new Map<string, { text: Uint8Array; evidence: Uint8Array | null }>();
    for (const { record, evidence } of fixes.fixes(leaf.gst * 1000, (leaf.gst + 30) * 1000)) {
      const text = Buffer.from(canonicalJson(record), "utf8");
      stored.set(Buffer.from(sha256(text)).toString("hex"), { text, evidence });
    }
    for (const [slot, item] of committed) {
      const fix = decodeFix(item);
      const found = fix === null ? undefined : stored.get(Buffer.from(fix.record).toString("hex"));
      if (found === undefined) continue;
      const { text: record, evidence } = found;
      const statement: Statement = { kind: "fix", index, slot, record, evidence };
      messages.push(await this.#seal("prover", `fix/${index}/${slot}`, statement));
    }
    return messages;
  }

  async #seal(purpose: Purpose, key: string, statement: Statement): Promise<NewMessage> {
    const speaker: Speaker = { purpose, mode: this.log.mode, station: this.log.station };
    return { purpose, key, envelope: await sealEnvelope(speaker, statement, this.log.signer) };
  }
}
