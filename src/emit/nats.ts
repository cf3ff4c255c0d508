/**
 * NATS JetStream between many stations and a federation. The broker is trusted with nothing: envelopes are signed,
 * and what it loses is fetched from the stations' tiles. Federation statements only; places never come here. Edge.
 */
import {
  DeliverPolicy,
  jetstream,
  jetstreamManager,
  RetentionPolicy,
  StorageType,
  type JetStreamClient,
} from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/transport-node";
import { createHmac } from "node:crypto";
import { COMPARE_MS, type Consumer } from "./consumer.js";
import type { Transport } from "./delivery.js";
import type { HttpSource } from "./http-source.js";
import { connectTo, type NatsOptions } from "./nats-connection.js";
import type { OutboxMessage } from "./outbox.js";

export const STREAM = "OSNMAD";
/** `osnmad.<station id>.<kind>`. */
export const SUBJECTS = "osnmad.*.*";
/** Longer than any wait between two tries of a station. */
const DUPLICATE_WINDOW_NS = 3600 * 1e9;
const DAY_NS = 86_400 * 1e9;
const PUBLISH_TIMEOUT_MS = 10_000;
const FETCH = 512;

export interface StreamSettings {
  /** 3 in production (docs/emission.md). */
  readonly replicas: number;
  /** Who is longer away reads tiles; 0 keeps all. */
  readonly keepDays: number;
}

export const DEFAULT_STREAM: StreamSettings = { replicas: 1, keepDays: 7 };

/** Makes the stream where it is missing; one that is there stays as it is. Returns whether it was made. */
export async function ensureStream(
  options: NatsOptions,
  settings: Partial<StreamSettings> = {},
): Promise<boolean> {
  const connection = await connectTo(options);
  try {
    return await makeStream(connection, { ...DEFAULT_STREAM, ...settings });
  } finally {
    await connection.close();
  }
}

async function makeStream(
  connection: NatsConnection,
  { replicas, keepDays }: StreamSettings,
): Promise<boolean> {
  const { streams } = await jetstreamManager(connection);
  for await (const name of streams.names(SUBJECTS)) if (name === STREAM) return false;
  await streams.add({
    name: STREAM,
    subjects: [SUBJECTS],
    retention: RetentionPolicy.Limits,
    storage: StorageType.File,
    num_replicas: replicas,
    max_age: keepDays * DAY_NS,
    duplicate_window: DUPLICATE_WINDOW_NS,
  });
  return true;
}

export interface NatsTransportOptions extends NatsOptions {
  readonly station: Uint8Array;
  /**
   * Known to the station alone. By it nobody else can know an id before the message is out, and so have the broker take
   * the station's message for a repeat of something else. Without it the ids are plain hashes.
   */
  readonly secret?: Uint8Array | undefined;
  /** Makes the stream where it is missing. */
  readonly create?: StreamSettings | undefined;
  /** What else goes over each connection that is made. */
  readonly onConnected?: (connection: NatsConnection) => void;
}

/** `Nats-Msg-Id` of a message: the same for the same message for ever. */
export function messageId(
  station: string,
  { key, envelope }: Pick<OutboxMessage, "key" | "envelope">,
  secret: Uint8Array = new Uint8Array(0),
): string {
  return `${station}:${key}:${createHmac("sha256", secret).update(envelope).digest("hex")}`;
}

/** Publishes to the stream; a message is taken when the broker acknowledges that it is stored. */
export class NatsTransport implements Transport {
  readonly #options: NatsTransportOptions;
  readonly #station: string;
  #connection: NatsConnection | null = null;
  #client: JetStreamClient | null = null;

  constructor(options: NatsTransportOptions) {
    this.#options = options;
    this.#station = Buffer.from(options.station).toString("hex");
  }

  async send(batch: readonly OutboxMessage[]): Promise<void> {
    const client = await this.#connected();
    // Pipelined in order on one connection; if one is not acknowledged, all are sent again and told apart by id.
    const acknowledged = batch.map((message) => {
      const { key, envelope } = message;
      return client.publish(`osnmad.${this.#station}.${key.slice(0, key.indexOf("/"))}`, envelope, {
        msgID: messageId(this.#station, message, this.#options.secret),
        timeout: PUBLISH_TIMEOUT_MS,
        expect: { streamName: STREAM },
      });
    });
    const failed = (await Promise.allSettled(acknowledged)).find(({ status }) => status === "rejected");
    if (failed?.status !== "rejected") return;
    await this.close();
    throw isWithoutStream(failed.reason)
      ? new Error(`the broker has no stream ${STREAM}: osnmad emission stream makes it`, {
          cause: failed.reason,
        })
      : failed.reason;
  }

  async close(): Promise<void> {
    const connection = this.#connection;
    this.#connection = null;
    this.#client = null;
    if (connection !== null && !connection.isClosed()) await connection.close();
  }

  async #connected(): Promise<JetStreamClient> {
    if (this.#client !== null && this.#connection?.isClosed() === false) return this.#client;
    const connection = await connectTo(this.#options);
    this.#connection = connection;
    const { create, onConnected } = this.#options;
    onConnected?.(connection);
    if (create !== undefined) await makeStream(connection, create);
    this.#client = jetstream(connection);
    return this.#client;
  }
}

/** Nobody answers what is published: no stream takes it. */
function isWithoutStream(error: unknown): boolean {
  return error instanceof Error && error.name === "JetStreamNotEnabled";
}

export interface FollowNatsOptions extends NatsOptions {
  readonly signal: AbortSignal;
  /** Ends when the stream has no more. */
  readonly once?: boolean;
  /** The stations' own servers: what is missing in the stream is fetched there. */
  readonly sources?: readonly HttpSource[];
  readonly onFault?: (error: unknown) => void;
  /** Number in the stream after which to begin, for consumers without a store. */
  readonly after?: number;
  readonly onPosition?: (seq: number) => void;
  /** How often what each station has signed is compared with what came, milliseconds. */
  readonly compareMs?: number;
}

/** Feeds a consumer from the stream until it is stopped. A broker that is gone or new is waited for. */
export async function followNats(consumer: Consumer, options: FollowNatsOptions): Promise<void> {
  const { signal, once = false, sources = [], onFault, compareMs = COMPARE_MS } = options;
  const stations = new Stations(consumer, sources, { signal, onFault });
  let position: Position | null = null;
  let compared = performance.now();
  let failures = 0;
  while (!signal.aborted) {
    let connection: NatsConnection | null = null;
    const stop = (): void => void connection?.close();
    try {
      connection = await connectTo(options);
      signal.addEventListener("abort", stop);
      const manager = await jetstreamManager(connection);
      const { state, created } = await manager.streams.info(STREAM);
      // A stream that was lost and made anew counts from the beginning, whatever its numbers are by now.
      const source = `nats:${STREAM}@${created}`;
      position = placeIn(source, position, () => options.after ?? consumer.positionOf(source));
      if (state.last_seq < position.seq) position = { source, seq: 0 };
      if (state.first_seq > position.seq + 1) stations.compare();
      const reader = await jetstream(connection).consumers.get(STREAM, {
        deliver_policy: DeliverPolicy.StartSequence,
        opt_start_seq: position.seq + 1,
      });
      while (!signal.aborted) {
        const bodies: Uint8Array[] = [];
        let seq: number = position.seq;
        const messages = await reader.fetch({ max_messages: FETCH, expires: 1000 });
        for await (const message of messages) {
          bodies.push(message.data);
          seq = message.seq;
          if (message.info.pending === 0) messages.stop();
        }
        if (connection.isClosed()) throw new Error("the broker went away");
        if (bodies.length > 0) {
          const behind = consumer.take(bodies, { source, seq });
          position = { source, seq };
          options.onPosition?.(seq);
          if (behind.length > 0) stations.compare();
        }
        failures = 0;
        const isDone = once && bodies.length === 0;
        // What a broker keeps back to the last leaf shows nowhere but here.
        if (isDone || performance.now() - compared >= compareMs) {
          compared = performance.now();
          stations.compare();
        }
        if (isDone) {
          await stations.settled();
          if (consumer.isStale) throw new Error("what was fetched could not be stored");
          return;
        }
      }
    } catch (error) {
      if (signal.aborted) return;
      onFault?.(error);
      failures++;
      if (once && failures >= 5) throw error;
      if (performance.now() - compared >= compareMs) {
        compared = performance.now();
        stations.compare();
      }
      await new Promise((done) => setTimeout(done, Math.min(30_000, 250 * 2 ** (failures - 1))));
    } finally {
      signal.removeEventListener("abort", stop);
      await connection?.close();
    }
  }
}

interface Position {
  readonly source: string;
  readonly seq: number;
}

/** Where to go on in a stream: from the beginning in another than before. */
function placeIn(source: string, before: Position | null, stored: () => number): Position {
  if (before === null) return { source, seq: stored() };
  return before.source === source ? before : { source, seq: 0 };
}

interface StationsOptions {
  readonly signal: AbortSignal;
  readonly onFault: ((error: unknown) => void) | undefined;
}

/** Between two comparisons that messages of others could cause. */
const AGAIN_MS = 1000;

/** The stations' own servers, each asked by itself: one that cannot be asked, or never ends, stops none of the others. */
class Stations {
  readonly #consumer: Consumer;
  readonly #sources: readonly HttpSource[];
  readonly #options: StationsOptions;
  readonly #running = new Map<HttpSource, Promise<void>>();
  /** Asked for again while it ran. */
  readonly #again = new Set<HttpSource>();

  constructor(consumer: Consumer, sources: readonly HttpSource[], options: StationsOptions) {
    this.#consumer = consumer;
    this.#sources = sources;
    this.#options = options;
  }

  compare(): void {
    for (const source of this.#sources) {
      if (this.#running.has(source)) this.#again.add(source);
      else this.#running.set(source, this.#run(source));
    }
  }

  async settled(): Promise<void> {
    await Promise.all(this.#running.values());
  }

  async #run(source: HttpSource): Promise<void> {
    const { signal, onFault } = this.#options;
    do {
      this.#again.delete(source);
      try {
        await this.#consumer.backfill(source, signal);
      } catch (error) {
        if (!signal.aborted) onFault?.(error);
      }
      if (this.#again.has(source)) await new Promise((done) => setTimeout(done, AGAIN_MS));
    } while (this.#again.has(source) && !signal.aborted);
    this.#running.delete(source);
  }
}
