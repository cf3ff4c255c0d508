/**
 * One client of what a station sends to federations, as server-sent events (WHATWG HTML section 9.2). The outbox is the
 * buffer: messages are read when the socket takes more. Edge.
 */
import type { Writable } from "node:stream";
import { EventSocket } from "../http/event-socket.js";
import type { FairDesk } from "./fair-desk.js";
import type { Outbox } from "./outbox.js";

const AT_ONCE = 64;
const RETRY_MS = 2000;
const STALLED_MS = 30_000;

export interface FederationStreamOptions {
  readonly outbox: Outbox;
  readonly desk: FairDesk;
  readonly client: string;
  /** Last-Event-ID as it was sent; null without one. */
  readonly lastId: string | null;
  readonly keepAliveMs: number;
  readonly onFault: (error: unknown) => void;
}

export class FederationStream {
  readonly #socket: EventSocket;
  readonly #options: FederationStreamOptions;
  #seq: number;
  #due = false;

  constructor(out: Writable, options: FederationStreamOptions) {
    this.#options = options;
    const { outbox, lastId, keepAliveMs } = options;
    const kept = { first: outbox.firstSeq("federation"), last: outbox.lastSeq("federation") };
    const from = startOf(lastId, kept.last);
    this.#seq = from ?? 0;
    const schedule = (): void => {
      this.#schedule();
    };
    this.#socket = new EventSocket(out, {
      keepAliveMs,
      stalledMs: STALLED_MS,
      onRoom: schedule,
      onRelease: outbox.onPut(schedule),
    });
    const event = from === null ? "reset" : "position";
    this.#socket.write(
      `retry: ${RETRY_MS}\n\nid: ${this.#seq}\nevent: ${event}\ndata: ${JSON.stringify(kept)}\n\n`,
    );
    this.#schedule();
  }

  end(): void {
    this.#socket.end();
  }

  #schedule(): void {
    if (this.#due || !this.#socket.hasRoom) return;
    this.#due = true;
    const { desk, client, onFault } = this.#options;
    desk
      .do(client, () => {
        this.#due = false;
        this.#step();
      })
      .catch((error: unknown) => {
        onFault(error);
        this.end();
      });
  }

  #step(): void {
    if (this.#socket.isEnded) return;
    const messages = this.#options.outbox.after("federation", this.#seq, AT_ONCE);
    if (messages.length === 0) return;
    this.#seq = messages[messages.length - 1].seq;
    const events = messages.map(({ seq, key, envelope }) => {
      const data = Buffer.from(envelope).toString("base64");
      return `id: ${seq}\nevent: ${key.slice(0, key.indexOf("/"))}\ndata: ${data}\n\n`;
    });
    this.#socket.write(events.join(""));
    this.#schedule();
  }
}

/** Number to go on after; null where the id is none of this outbox. */
function startOf(lastId: string | null, last: number): number | null {
  if (lastId === null || lastId === "") return 0;
  const seq = /^\d{1,15}$/.test(lastId) ? Number(lastId) : Number.POSITIVE_INFINITY;
  return seq <= last ? seq : null;
}
