/**
 * CRC-24Q of a Galileo I/NAV page.
 * Source: Galileo OS SIS ICD 2.1 section 5.1.9.4; generator 0x1864CFB, zero start value, no reflection.
 */

import { CRC24Q_TABLE as TABLE } from "gnss-ubx";

const POLYNOMIAL = 0x1864cfb;

const stream = new Int32Array(6);

/**
 * CRC of a nominal page given as eight 32-bit words (four per half): even bits 0-113, then odd bits 0-81,
 * 196 bits. A zero start value makes leading zero padding irrelevant, so the stream is taken as it is: 24
 * whole bytes and a last nibble.
 */
export function crc24qOfPage(words: Uint32Array): number {
  const w3 = words[3];
  const w4 = words[4];
  const w5 = words[5];
  const w6 = words[6];
  stream[0] = words[0];
  stream[1] = words[1];
  stream[2] = words[2];
  stream[3] = ((w3 >>> 14) << 14) | (w4 >>> 18);
  stream[4] = (w4 << 14) | (w5 >>> 18);
  stream[5] = (w5 << 14) | (w6 >>> 18);
  let crc = 0;
  for (let i = 0; i < 6; i++) {
    const word = stream[i];
    crc = ((crc << 8) & 0xffffff) ^ TABLE[(crc >>> 16) ^ (word >>> 24)];
    crc = ((crc << 8) & 0xffffff) ^ TABLE[(crc >>> 16) ^ ((word >>> 16) & 0xff)];
    crc = ((crc << 8) & 0xffffff) ^ TABLE[(crc >>> 16) ^ ((word >>> 8) & 0xff)];
    crc = ((crc << 8) & 0xffffff) ^ TABLE[(crc >>> 16) ^ (word & 0xff)];
  }
  for (let bit = 17; bit >= 14; bit--) {
    crc = (crc << 1) ^ (((w6 >>> bit) & 1) << 24);
    if (crc & 0x1000000) crc ^= POLYNOMIAL;
  }
  return crc & 0xffffff;
}
