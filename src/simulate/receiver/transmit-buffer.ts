/**
 * The transmit buffer of one port. When it is full, a receiver does not hold a message back: bytes are missing
 * inside a frame, in blocks of 128, with the header's length unchanged, and the next frame follows (seen in
 * recordings of F9 receivers, together with the text "txbuf alloc").
 */

const BLOCK_BYTES = 128;

export class TransmitBuffer {
  #capacity: number;
  readonly #waiting: Uint8Array[] = [];
  #pending = 0;
  /** Totals since the receiver's start. */
  sentBytes = 0;
  overflows = 0;
  peak = 0;

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  get pending(): number {
    return this.#pending;
  }

  get capacity(): number {
    return this.#capacity;
  }

  /** What waits beyond a smaller capacity stays. */
  set capacity(bytes: number) {
    this.#capacity = bytes;
  }

  /** Takes a frame; false where it was cut or lost for want of room. */
  push(frame: Uint8Array): boolean {
    const room = this.#capacity - this.#pending;
    if (frame.length <= room) {
      this.#put(frame);
      return true;
    }
    this.overflows++;
    const missing = Math.ceil((frame.length - Math.max(0, room)) / BLOCK_BYTES) * BLOCK_BYTES;
    // A frame that has no whole block to lose ends where the room does.
    const kept = missing < frame.length ? frame.length - missing : Math.max(0, room);
    if (kept > 0) this.#put(frame.subarray(0, kept));
    return false;
  }

  /** The next bytes, at most so many. */
  take(count: number): Uint8Array {
    const length = Math.min(count, this.#pending);
    const out = new Uint8Array(length);
    let at = 0;
    while (at < length) {
      const first = this.#waiting[0];
      const part = Math.min(first.length, length - at);
      out.set(first.subarray(0, part), at);
      at += part;
      if (part === first.length) this.#waiting.shift();
      else this.#waiting[0] = first.subarray(part);
    }
    this.#pending -= length;
    this.sentBytes += length;
    return out;
  }

  clear(): void {
    this.#waiting.length = 0;
    this.#pending = 0;
  }

  #put(bytes: Uint8Array): void {
    this.#waiting.push(bytes);
    this.#pending += bytes.length;
    this.peak = Math.max(this.peak, this.#pending);
  }
}
