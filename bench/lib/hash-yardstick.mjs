/** The yardstick of cost: 1,000,000 chained SHA-256 over 26 bytes by node:crypto, each round over the last digest. */
import { createHash } from "node:crypto";

const input = Buffer.alloc(26, 0x5a);
for (let round = 0; round < 1_000_000; round++) {
  createHash("sha256").update(input).digest().copy(input, 0, 0, 16);
}
console.log(input.toString("hex"));
