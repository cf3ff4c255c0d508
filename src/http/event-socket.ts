/**
 * The socket of a client of server-sent events: it is written to until it takes no more, says when it does again, is kept
 * awake by comments, and is let go where it takes nothing for long.
 */
import type { Writable } from "node:stream";

export interface EventSocketOptions {
  /** A comment goes out at least this often. */
  readonly keepAliveMs: number;
  /** A client that takes nothing for this long is let go. */
  readonly stalledMs: number;
  /** There is room again. */
  readonly onRoom: () => void;
  /** Called once, however it ends. */
  readonly onRelease: () => void;
  /** Before each comment. */
  readonly onBeat?: () => void;
}

export class EventSocket {
  readonly #out: Writable;
  readonly #options: EventSocketOptions;
  readonly #keepAlive: NodeJS.Timeout;
  /** Set while the socket does not take more. */
  #stalled: NodeJS.Timeout | null = null;
  #ended = false;

  constructor(out: Writable, options: EventSocketOptions) {
    this.#out = out;
    this.#options = options;
    this.#keepAlive = setInterval(() => {
      options.onBeat?.();
      if (this.#stalled === null) this.write(": keep-alive\n\n");
    }, options.keepAliveMs);
    out.on("close", () => {
      this.#release();
    });
    out.on("error", () => {
      this.#release();
      out.destroy();
    });
  }

  get isEnded(): boolean {
    return this.#ended;
  }

  /** Whether what is read now can be written at once. */
  get hasRoom(): boolean {
    return !this.#ended && this.#stalled === null;
  }

  /** What is written while there is no room is kept by the socket, as any stream does. */
  write(text: string | Buffer): void {
    if (this.#ended || this.#out.write(text) || this.#stalled !== null) return;
    this.#stalled = setTimeout(() => {
      this.#release();
      this.#out.destroy();
    }, this.#options.stalledMs);
    this.#out.once("drain", () => {
      if (this.#stalled !== null) clearTimeout(this.#stalled);
      this.#stalled = null;
      this.#options.onRoom();
    });
  }

  /** Ends in order: the client gets all that was written, and comes again by itself. */
  end(last = ""): void {
    if (this.#ended) return;
    this.#release();
    if (last === "") this.#out.end();
    else this.#out.end(last);
  }

  #release(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#options.onRelease();
    clearInterval(this.#keepAlive);
    if (this.#stalled !== null) clearTimeout(this.#stalled);
    this.#stalled = null;
  }
}
