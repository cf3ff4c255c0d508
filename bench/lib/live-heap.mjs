/**
 * Replays a capture in this process and prints the live heap (after collection) at a tenth of it and at its end,
 * as JSON. Run with --expose-gc: node --expose-gc live-heap.mjs CAPTURE MERKLE PUBLIC-KEY
 */
import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { givenOf } from "../../dist/cli/trust-options.js";
import { Pipeline } from "../../dist/pipeline/pipeline.js";
import { loadTrust } from "../../dist/trust/material.js";

const [capture, merkle, publicKey] = process.argv.slice(2);
const { roots, keys, rootKey } = givenOf(loadTrust({ merkle: [merkle], publicKey: [publicKey] }));
const options = { roots, keys, rootKey, mode: "replay", rule: "guideline", softwareVersion: "bench" };
const pipeline = new Pipeline(options, () => undefined);
const file = openSync(capture, "r");
const { size } = fstatSync(file);
const chunk = Buffer.alloc(65_536);
let total = 0;
let tenth = null;
const liveHeap = () => {
  globalThis.gc();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
};
for (let count = 1; (count = readSync(file, chunk, 0, chunk.length, null)) > 0;) {
  pipeline.push(chunk.subarray(0, count));
  total += count;
  if (tenth === null && total >= size / 10) tenth = liveHeap();
}
closeSync(file);
const end = liveHeap();
const { tags } = pipeline.end();
console.log(JSON.stringify({ tenth, end, verified: tags.verified }));
