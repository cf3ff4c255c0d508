/**
 * One client of the stream (server-sent events, WHATWG HTML section 9.2). The store is the buffer: rows are read
 * from it when the client's socket takes more, never ahead, so a slow client costs one step of rows and no
 * client is told of what is not on disk.
 */
import type { Writable } from "node:stream";
import type { Assurance } from "../pipeline/records.js";
import type { Position } from "../store/arrivals.js";
import type { Store } from "../store/store.js";
import { EventSocket } from "./event-socket.js";
import { encodePosition } from "./stream-position.js";
import { StreamSteps } from "./stream-steps.js";

export interface EventStreamOptions {
  readonly levels: readonly Assurance[];
  readonly withEvents: boolean;
  readonly from: Position;
  /** Said first where it is not null: why the position asked for could not be gone on from. */
  readonly reset: string | null;
  /** A comment goes out at least this often. */
  readonly keepAliveMs: number;
  /** A client that takes nothing for this long is let go. */
  readonly stalledMs: number;
  /** Called where the store fails while the stream is open; it then ends. */
  readonly onFault: (error: unknown) => void;
  /** Shared by the readers of one store; its own where it is left out. */
  readonly steps?: StreamSteps;
}

/** How long a client waits before it connects again, ms. */
const RETRY_MS = 2000;

export class EventStream {
  readonly #socket: EventSocket;
  readonly #options: EventStreamOptions;
  readonly #steps: StreamSteps;
  #position: Position;
  /** Whether a turn of reading is due already. */
  #due = false;

  constructor(store: Store, out: Writable, options: EventStreamOptions) {
    this.#options = options;
    this.#steps = options.steps ?? new StreamSteps(store);
    this.#position = options.from;
    const schedule = (): void => {
      this.#schedule();
    };
    this.#socket = new EventSocket(out, {
      keepAliveMs: options.keepAliveMs,
      stalledMs: options.stalledMs,
      onRoom: schedule,
      onRelease: store.onCommit(schedule),
      // Rows of another process make no commit here: they are found now at the latest.
      onBeat: schedule,
    });
    const id = encodePosition(store.arrivals.identity, options.from);
    // The first line has an id, so that a client cut off before any row goes on from here.
    const hello =
      options.reset === null
        ? `id: ${id}\nevent: position\ndata: {}\n\n`
        : `id: ${id}\nevent: reset\ndata: ${JSON.stringify({ reason: options.reset })}\n\n`;
    this.#socket.write(`retry: ${RETRY_MS}\n${hello}`);
    this.#schedule();
  }

  /** Ends the stream in order: the client gets all that was written, and comes again by itself. */
  end(): void {
    this.#socket.end(": the server stops\n\n");
  }

  #schedule(): void {
    if (this.#due || !this.#socket.hasRoom) return;
    this.#due = true;
    // In a turn of its own: whoever commits does not wait for the readers, nor one reader for another.
    setImmediate(() => {
      this.#due = false;
      this.#step();
    });
  }

  #step(): void {
    if (!this.#socket.hasRoom) return;
    const { levels, withEvents, onFault } = this.#options;
    try {
      const { lines, position, atEnd } = this.#steps.after(this.#position, levels, withEvents);
      this.#position = position;
      if (lines.length > 0) this.#socket.write(lines);
      if (!atEnd) this.#schedule();
    } catch (error) {
      onFault(error);
      this.end();
    }
  }
}
