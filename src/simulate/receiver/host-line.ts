/**
 * The line between the receiver's transmit buffer and the host: how fast bytes pass, and what becomes of them where the
 * two ends run at different rates or the line is bad. Time is data.
 */
import type { Damage } from "./damage.js";
import type { TransmitBuffer } from "./transmit-buffer.js";

const BITS_PER_BYTE = 10;

export interface HostLineOptions {
  /** A UART has a rate; USB passes all at once. */
  readonly isUart: boolean;
  readonly damage: Damage;
  /** The UART's rate as the receiver has it, bits a second. */
  readonly baudRate: () => number;
}

export class HostLine {
  /** The rate at which the host drives the UART, or null where there is none to tell. */
  hostBaud: number | null = null;
  /** False: the host takes nothing, its buffers are full. */
  hostReads = true;
  readonly #options: HostLineOptions;
  #garble = { untilMs: 0, chance: 0 };
  /** Bytes that may be on the line already, with fractions. */
  #credit = 0;
  #out: Uint8Array[] = [];
  #outBytes = 0;

  constructor(options: HostLineOptions) {
    this.#options = options;
  }

  /** Bits turn over with this chance for each byte. */
  garble(untilMs: number, chance: number): void {
    this.#garble = { untilMs, chance };
  }

  /** The rate changed: what waits begins anew. */
  restart(): void {
    this.#credit = 0;
  }

  /** What the receiver hears of bytes that the host sent. */
  heard(bytes: Uint8Array): Uint8Array {
    const ratio = this.#ratio();
    return ratio === 1 ? bytes : this.#options.damage.noise(bytes.length, 1 / ratio);
  }

  /** Moves bytes from the buffer to the line: all of them on USB, as the rate allows on a UART. */
  drain(buffer: TransmitBuffer, elapsedMs: number, nowMs: number): void {
    if (!this.hostReads) return;
    const { isUart, damage, baudRate } = this.#options;
    let count = buffer.pending;
    if (isUart) {
      const perMs = baudRate() / BITS_PER_BYTE / 1000;
      this.#credit = Math.min(this.#credit + elapsedMs * perMs, Math.max(count, 1));
      count = Math.min(count, Math.floor(this.#credit));
      this.#credit -= count;
    }
    if (count === 0) return;
    let bytes = buffer.take(count);
    const ratio = this.#ratio();
    if (ratio !== 1) bytes = damage.noise(bytes.length, ratio);
    else if (nowMs < this.#garble.untilMs) bytes = damage.garbled(bytes, this.#garble.chance);
    this.#out.push(bytes);
    this.#outBytes += bytes.length;
  }

  /** What has passed since the last call. */
  take(): Uint8Array {
    const out = new Uint8Array(this.#outBytes);
    let at = 0;
    for (const bytes of this.#out) {
      out.set(bytes, at);
      at += bytes.length;
    }
    this.#out = [];
    this.#outBytes = 0;
    return out;
  }

  /** The host's rate to the receiver's. */
  #ratio(): number {
    const { isUart, baudRate } = this.#options;
    return !isUart || this.hostBaud === null ? 1 : this.hostBaud / baudRate();
  }
}
