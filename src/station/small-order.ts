/**
 * Points of Ed25519 whose order divides 8. Under such a "key" a signature made from nothing holds for any message, so
 * whoever has it can disown what it signed. RFC 8032 does not ask verifiers to refuse them. Pure.
 */

/**
 * Every spelling, the bit of the sign (the highest) left out: y = 0, 1, -1, the two of order 8, and p and p + 1, which
 * are 0 and 1 unreduced.
 */
const SPELLINGS = new Set([
  "0000000000000000000000000000000000000000000000000000000000000000",
  "0100000000000000000000000000000000000000000000000000000000000000",
  "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
  "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
  "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
]);

export function isSmallOrder(publicKey: Uint8Array): boolean {
  const spelling = Buffer.from(publicKey);
  spelling[31] &= 0x7f;
  return SPELLINGS.has(spelling.toString("hex"));
}
