/**
 * Bit fields over bytes. Bit 0 is the first transmitted, the most significant of byte 0, and integers are
 * big-endian and unsigned (OSNMA SIS ICD 1.1, section 1). OSNMA's fields are in general not byte aligned:
 * tags of 20 or 28 bits, and navigation data that starts two bits into a byte.
 */

function checkRange(bytes: Uint8Array, startBit: number, count: number): void {
  if (!(bytes instanceof Uint8Array)) {
    throw new TypeError("bytes must be a Uint8Array");
  }
  // One comparison chain that also refuses NaN and fractions, which `>>> 3` would silently truncate.
  if (
    !Number.isInteger(startBit) ||
    !Number.isInteger(count) ||
    startBit < 0 ||
    count < 0 ||
    startBit + count > bytes.length * 8
  ) {
    throw new RangeError(`bits ${startBit}..+${count} are outside of ${bytes.length} bytes`);
  }
}

/** Unsigned value of `count` ≤ 32 bits from `startBit`. */
export function readBits(bytes: Uint8Array, startBit: number, count: number): number {
  checkRange(bytes, startBit, count);
  if (count > 32) {
    throw new RangeError(`count must be at most 32, not ${count}`);
  }
  let value = 0;
  let bit = startBit;
  const end = startBit + count;
  while (bit < end) {
    const inByte = bit & 7;
    const take = Math.min(8 - inByte, end - bit);
    const part = (bytes[bit >>> 3] >>> (8 - inByte - take)) & ((1 << take) - 1);
    // Multiplication, not a shift: a 32-bit result must stay unsigned.
    value = value * (1 << take) + part;
    bit += take;
  }
  return value;
}

/**
 * Writes `count` bits of `source` from `sourceBit` over those of `target` from `targetBit`; bits of the target
 * outside of the range keep their value. Source and target must not be the same memory.
 */
export function copyBits(
  source: Uint8Array,
  sourceBit: number,
  target: Uint8Array,
  targetBit: number,
  count: number,
): void {
  checkRange(source, sourceBit, count);
  checkRange(target, targetBit, count);
  let from = sourceBit;
  let to = targetBit;
  let left = count;
  // Up to the next byte boundary of the target first: from there on every target byte is written whole.
  const head = Math.min(left, (8 - (to & 7)) & 7);
  if (head > 0) {
    putBits(target, to, head, readBits(source, from, head));
    from += head;
    to += head;
    left -= head;
  }
  const wholeBytes = left >>> 3;
  const shift = from & 7;
  let sourceByte = from >>> 3;
  let targetByte = to >>> 3;
  for (let index = 0; index < wholeBytes; index++, sourceByte++, targetByte++) {
    target[targetByte] =
      shift === 0
        ? source[sourceByte]
        : (source[sourceByte] << shift) | (source[sourceByte + 1] >>> (8 - shift));
  }
  left &= 7;
  if (left > 0) {
    putBits(target, to + wholeBytes * 8, left, readBits(source, from + wholeBytes * 8, left));
  }
}

/** Sets `count` bits inside of one byte. */
function putBits(target: Uint8Array, bit: number, count: number, value: number): void {
  const shift = 8 - (bit & 7) - count;
  const mask = ((1 << count) - 1) << shift;
  target[bit >>> 3] = (target[bit >>> 3] & ~mask) | (value << shift);
}

/** Whether two runs of `count` bits are the same, all of them (not a prefix: a tag is as strong as its bits). */
export function bitsEqual(a: Uint8Array, aBit: number, b: Uint8Array, bBit: number, count: number): boolean {
  checkRange(a, aBit, count);
  checkRange(b, bBit, count);
  for (let done = 0; done < count;) {
    const take = Math.min(32, count - done);
    if (readBits(a, aBit + done, take) !== readBits(b, bBit + done, take)) {
      return false;
    }
    done += take;
  }
  return true;
}

/** Whether both are of the same length with the same bytes. For public data: takes no care to be constant in time. */
export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}
