/**
 * Checks of byte ranges that may overlap, in time linear in the bytes whatever the ranges are.
 *
 * A damaged or hostile stream can hold a plausible header every few bytes, each claiming kilobytes. Summing
 * each claimed range anew would cost the claimed length per header. Here a range that does not overlap an
 * earlier failed one is summed directly (every range of a healthy stream is); an overlapping one is
 * answered from running sums that are extended over each byte once.
 *
 *  - UBX (interface description, "UBX checksum"): with the running Fletcher sums A, B of the whole buffer,
 *    a range [s, e) has ckA = A(e) - A(s) and ckB = B(e) - B(s) - (e - s) A(s), modulo 256.
 *  - RTCM3: with the running CRC P, a range has the CRC P(e) + P(s) x^(8 (e - s)) over GF(2), modulo the
 *    polynomial.
 *
 * All ranges are asked for with starts in ascending order, as a scanner meets them.
 */
import { crc24q, CRC24Q_TABLE, multiplyModCrc24q } from "./crc24q.js";

/** 3 bytes of header and 10 bits of length: the most a CRC-24Q of RTCM3 can cover. */
const RTCM3_MAX_COVERED = 3 + 1023;

export class RangeChecks {
  readonly #capacity: number;

  /** Bytes before this index belong to a UBX range that was already summed and failed. */
  #ubxReach = 0;
  #sumA: Uint8Array | null = null;
  #sumB: Uint8Array | null = null;
  #ubxFrom = 0;
  #ubxTo = -1;

  #rtcmReach = 0;
  #crc: Int32Array | null = null;
  #rtcmFrom = 0;
  #rtcmTo = -1;
  /** x^(8 n) modulo the polynomial. */
  #powers: Int32Array | null = null;

  /** `capacity`: length of the longest buffer that will be scanned. */
  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  /** To be called whenever index i no longer means the same byte as before. */
  reset(): void {
    this.#ubxReach = 0;
    this.#ubxTo = -1;
    this.#rtcmReach = 0;
    this.#rtcmTo = -1;
  }

  /** Whether the two bytes at `to` are the UBX checksum of `bytes[from..to)`. */
  ubxChecksumHolds(bytes: Uint8Array, from: number, to: number): boolean {
    let a = 0;
    let b = 0;
    if (from >= this.#ubxReach) {
      // The sums may wrap at 32 bits: only their lowest 8 count, and small integers stay fast.
      for (let i = from; i < to; i++) {
        a = (a + bytes[i]) | 0;
        b = (b + a) | 0;
      }
      if ((a & 0xff) === bytes[to] && (b & 0xff) === bytes[to + 1]) return true;
      this.#ubxReach = to;
      return false;
    }
    const sumA = (this.#sumA ??= new Uint8Array(this.#capacity + 1));
    const sumB = (this.#sumB ??= new Uint8Array(this.#capacity + 1));
    if (this.#ubxTo < from) {
      this.#ubxFrom = from;
      this.#ubxTo = from;
      sumA[0] = 0;
      sumB[0] = 0;
    }
    const origin = this.#ubxFrom;
    if (this.#ubxTo < to) {
      a = sumA[this.#ubxTo - origin];
      b = sumB[this.#ubxTo - origin];
      for (let i = this.#ubxTo; i < to; i++) {
        a = (a + bytes[i]) & 0xff;
        b = (b + a) & 0xff;
        sumA[i + 1 - origin] = a;
        sumB[i + 1 - origin] = b;
      }
      this.#ubxTo = to;
    }
    const startA = sumA[from - origin];
    a = sumA[to - origin] - startA;
    b = sumB[to - origin] - sumB[from - origin] - (to - from) * startA;
    return (a & 0xff) === bytes[to] && (b & 0xff) === bytes[to + 1];
  }

  /** Whether the three bytes at `to` are the CRC-24Q of `bytes[from..to)`, at most 1026 bytes. */
  rtcm3CrcHolds(bytes: Uint8Array, from: number, to: number): boolean {
    const stated = (bytes[to] << 16) | (bytes[to + 1] << 8) | bytes[to + 2];
    if (from >= this.#rtcmReach) {
      if (crc24q(bytes, from, to) === stated) return true;
      this.#rtcmReach = to;
      return false;
    }
    const crcs = (this.#crc ??= new Int32Array(this.#capacity + 1));
    if (this.#rtcmTo < from) {
      this.#rtcmFrom = from;
      this.#rtcmTo = from;
      crcs[0] = 0;
    }
    const origin = this.#rtcmFrom;
    if (this.#rtcmTo < to) {
      let crc = crcs[this.#rtcmTo - origin];
      for (let i = this.#rtcmTo; i < to; i++) {
        crc = ((crc << 8) & 0xffffff) ^ CRC24Q_TABLE[(crc >>> 16) ^ bytes[i]];
        crcs[i + 1 - origin] = crc;
      }
      this.#rtcmTo = to;
    }
    const powers = (this.#powers ??= powersOfX8(RTCM3_MAX_COVERED));
    return (crcs[to - origin] ^ multiplyModCrc24q(crcs[from - origin], powers[to - from])) === stated;
  }
}

function powersOfX8(highest: number): Int32Array {
  const powers = new Int32Array(highest + 1);
  powers[0] = 1;
  for (let n = 1; n <= highest; n++) powers[n] = multiplyModCrc24q(powers[n - 1], 0x100);
  return powers;
}
