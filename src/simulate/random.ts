/**
 * Noise. Stateless: a sample is a function of seed, label, satellite and epoch, so that an attack that removes a
 * measurement does not change the noise of the others. Integers and correctly rounded arithmetic up to the
 * uniform number; log, sqrt and cos for the normal one, which give the same on every supported Node (no `Math.pow`).
 */
import { seededBytes } from "./seeded.js";

/** Final mixing of murmur3, 32 bits. */
function mixed(h: number): number {
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}

export class Noise {
  readonly #a: number;
  readonly #b: number;

  constructor(seed: string, label: string) {
    const view = new DataView(seededBytes(seed, `noise ${label}`, 8).buffer);
    this.#a = view.getInt32(0);
    this.#b = view.getInt32(4);
  }

  /** A number in (0, 1); `index` counts epochs. */
  uniform(svid: number, index: number): number {
    return (this.#hash(svid, index, 0x9e3779b9) + 0.5) / 4_294_967_296;
  }

  /** A sample of the standard normal distribution (Box and Muller). */
  normal(svid: number, index: number): number {
    const u = (this.#hash(svid, index, 0x9e3779b9) + 0.5) / 4_294_967_296;
    const v = this.#hash(svid, index, 0x7f4a7c15) / 4_294_967_296;
    return Math.sqrt(-2 * Math.log(u)) * Math.cos(2 * Math.PI * v);
  }

  #hash(svid: number, index: number, salt: number): number {
    let h = mixed(this.#a ^ Math.imul(svid, salt));
    // Both halves of an index that may exceed 32 bits.
    h = mixed(h ^ (index | 0));
    h = mixed(h ^ this.#b ^ Math.floor(index / 4_294_967_296));
    return h >>> 0;
  }
}
