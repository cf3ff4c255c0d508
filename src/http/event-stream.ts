/**
 * One client of the stream (server-sent events, WHATWG HTML section 9.2). The store is the buffer: rows are read
 * from it when the client's socket takes more, never ahead, so a slow client costs one step of rows and no
 * client is told of what is not on disk.
 */
import type { Writable } from "node:stream";
import type { Assurance } from "../pipeline/records.js";
import type { Position } from "../store/arrivals.js";
import type { Store } from "../store/store.js";
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
  readonly #out: Writable;
  readonly #options: EventStreamOptions;
  readonly #steps: StreamSteps;
  readonly #stopListening: () => void;
  readonly #keepAlive: NodeJS.Timeout;
  #position: Position;
  /** Set while the socket does not take more. */
  #stalled: NodeJS.Timeout | null = null;
  /** Whether a turn of reading is due already. */
  #due = false;
  #ended = false;

  constructor(store: Store, out: Writable, options: EventStreamOptions) {
    this.#out = out;
    this.#options = options;
    this.#steps = options.steps ?? new StreamSteps(store);
    this.#position = options.from;
    this.#stopListening = store.onCommit(() => {
      this.#schedule();
    });
    this.#keepAlive = setInterval(() => {
      // Rows of another process make no commit here: they are found now at the latest.
      this.#schedule();
      if (this.#stalled === null) this.#write(": keep-alive\n\n");
    }, options.keepAliveMs);
    out.on("close", () => {
      this.#release();
    });
    out.on("error", () => {
      this.#release();
    });
    const id = encodePosition(store.arrivals.identity, options.from);
    // The first line has an id, so that a client cut off before any row goes on from here.
    const hello =
      options.reset === null
        ? `id: ${id}\nevent: position\ndata: {}\n\n`
        : `id: ${id}\nevent: reset\ndata: ${JSON.stringify({ reason: options.reset })}\n\n`;
    this.#write(`retry: ${RETRY_MS}\n${hello}`);
    this.#schedule();
  }

  /** Ends the stream in order: the client gets all that was written, and comes again by itself. */
  end(): void {
    if (this.#ended) return;
    this.#release();
    this.#out.end(": the server stops\n\n");
  }

  #schedule(): void {
    if (this.#due || this.#stalled !== null || this.#ended) return;
    this.#due = true;
    // In a turn of its own: whoever commits does not wait for the readers, nor one reader for another.
    setImmediate(() => {
      this.#due = false;
      this.#step();
    });
  }

  #step(): void {
    if (this.#ended || this.#stalled !== null) return;
    const { levels, withEvents, onFault } = this.#options;
    try {
      const { lines, position, atEnd } = this.#steps.after(this.#position, levels, withEvents);
      this.#position = position;
      if (lines.length > 0) this.#write(lines);
      if (!atEnd) this.#schedule();
    } catch (error) {
      onFault(error);
      this.end();
    }
  }

  #write(text: string | Buffer): void {
    if (this.#ended || this.#out.write(text) || this.#stalled !== null) return;
    this.#stalled = setTimeout(() => {
      this.#release();
      this.#out.destroy();
    }, this.#options.stalledMs);
    this.#out.once("drain", () => {
      if (this.#stalled !== null) clearTimeout(this.#stalled);
      this.#stalled = null;
      this.#schedule();
    });
  }

  #release(): void {
    this.#ended = true;
    this.#stopListening();
    clearInterval(this.#keepAlive);
    if (this.#stalled !== null) clearTimeout(this.#stalled);
    this.#stalled = null;
  }
}
