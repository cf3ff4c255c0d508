/** What a line makes of bytes: noise at the wrong rate, and single damaged bytes. Depends on the seed alone. */
import { seededBytes } from "../seeded.js";

const MOST_NOISE_BYTES = 65_536;

export class Damage {
  readonly #seed: string;
  #count = 0;

  constructor(seed: string) {
    this.#seed = seed;
  }

  /** Bytes damaged, and pieces that became noise. */
  get count(): number {
    return this.#count;
  }

  /** What is heard of so many bytes at a rate that is `ratio` times the sender's: bytes without sense. */
  noise(byteCount: number, ratio: number): Uint8Array {
    const length = Math.min(MOST_NOISE_BYTES, Math.max(1, Math.round(byteCount * ratio)));
    return seededBytes(this.#seed, `noise ${this.#count++}`, length);
  }

  /** A copy in which each byte is damaged with this chance. */
  garbled(bytes: Uint8Array, chance: number): Uint8Array {
    const copy = bytes.slice();
    // Two bytes decide whether, a third one what becomes of it.
    const random = seededBytes(this.#seed, `garble ${this.#count++}`, 3 * copy.length);
    for (let i = 0; i < copy.length; i++) {
      if (((random[3 * i] << 8) | random[3 * i + 1]) / 65_536 >= chance) continue;
      copy[i] ^= random[3 * i + 2] || 1;
      this.#count++;
    }
    return copy;
  }
}
