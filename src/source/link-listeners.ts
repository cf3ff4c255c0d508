/** The listeners of a link, with the promises that `ByteLink` makes about them. */
import { OsnmadError } from "../errors.js";

export class LinkListeners {
  readonly #data: ((chunk: Uint8Array) => void)[] = [];
  readonly #close: ((why: Error | null) => void)[] = [];
  readonly #start: () => void;
  #started = false;
  #ended: { readonly why: Error | null } | null = null;

  /** `start` begins to read; it is called with the first listener. */
  constructor(start: () => void) {
    this.#start = start;
  }

  get closed(): boolean {
    return this.#ended !== null;
  }

  onData(listener: (chunk: Uint8Array) => void): void {
    this.#data.push(listener);
    if (this.#started || this.closed) return;
    this.#started = true;
    this.#start();
  }

  onClose(listener: (why: Error | null) => void): void {
    const ended = this.#ended;
    if (ended === null) this.#close.push(listener);
    else
      queueMicrotask(() => {
        listener(ended.why);
      });
  }

  data(chunk: Uint8Array): void {
    if (this.closed || chunk.length === 0) return;
    for (const listener of this.#data) listener(chunk);
  }

  /** The first end counts; later ones are its consequences. */
  end(why: Error | null): void {
    if (this.closed) return;
    this.#ended = { why };
    for (const listener of this.#close.splice(0)) listener(why);
    this.#data.length = 0;
  }
}

/** The link broke; `cause` is the system's word for it. */
export function linkLost(name: string, cause: unknown): OsnmadError {
  const why = cause instanceof Error ? cause.message : String(cause);
  return new OsnmadError("OSN_LINK_LOST", `${name}: ${why}`, { cause });
}
