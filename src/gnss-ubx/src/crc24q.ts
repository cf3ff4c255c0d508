/**
 * CRC-24Q, the parity of RTCM 10403 frames: polynomial 1864CFB, initial value 0, most significant bit first,
 * no final exclusive-or.
 */

const POLYNOMIAL = 0x1864cfb;
const TOP_BIT = 0x1000000;

/** Remainder of each byte value times x^24. */
export const CRC24Q_TABLE: Int32Array = Int32Array.from({ length: 256 }, (_, byte) => {
  let remainder = byte << 16;
  for (let bit = 0; bit < 8; bit++) {
    remainder <<= 1;
    if ((remainder & TOP_BIT) !== 0) remainder ^= POLYNOMIAL;
  }
  return remainder;
});

/** CRC-24Q of `bytes[from..to)`. */
export function crc24q(bytes: Uint8Array, from = 0, to: number = bytes.length): number {
  let crc = 0;
  for (let i = from; i < to; i++) {
    crc = ((crc << 8) & 0xffffff) ^ CRC24Q_TABLE[(crc >>> 16) ^ bytes[i]];
  }
  return crc;
}

/** Product of two remainders modulo the polynomial. */
export function multiplyModCrc24q(left: number, right: number): number {
  let product = 0;
  for (let bit = 0x800000; bit !== 0; bit >>>= 1) {
    product <<= 1;
    if ((product & TOP_BIT) !== 0) product ^= POLYNOMIAL;
    if ((right & bit) !== 0) product ^= left;
  }
  return product;
}
