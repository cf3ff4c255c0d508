/** Leaves for tests: a history of one station, each leaf bound to the one before. */
import { SHA_256 } from "../../src/station/commitment.js";
import { stationIdOf } from "../../src/station/history.js";
import { encodeLeaf, NO_LEAF, type Leaf, type LeafContent } from "../../src/station/leaf.js";
import { leafHash } from "../../src/station/merkle.js";
import { testKey } from "./keys.js";

export const stationKey = testKey("station");
export const station = stationIdOf(stationKey.publicKey);
export const receiver = new Uint8Array(32).fill(0x77);
/** A subframe of 2026. */
export const GST = 1_400 * 604_800 + 30 * 100;

const common = {
  softwareVersion: "0.0.0-test",
  time: { assurance: "independent", boundMs: 40 },
  receiver,
  challenges: [],
} as const;

export const startContent = (first = true): LeafContent => ({
  ...common,
  kind: "start",
  first,
  publicKey: stationKey.publicKey,
});

export const subframeContent = (gst: number, fill = 1): LeafContent => ({
  ...common,
  kind: "subframe",
  gst,
  commitments: [
    { algorithm: SHA_256, roots: [1, 2, 3, 4].map((at) => new Uint8Array(32).fill((fill + at) & 0xff)) },
  ],
});

/** Gives contents their places. */
export function place(contents: readonly LeafContent[]): { leaf: Leaf; bytes: Uint8Array }[] {
  const placed: { leaf: Leaf; bytes: Uint8Array }[] = [];
  let previous = NO_LEAF;
  for (const content of contents) {
    const leaf: Leaf = { ...content, station, index: placed.length, previous, mode: "live" };
    const bytes = encodeLeaf(leaf);
    previous = leafHash(bytes);
    placed.push({ leaf, bytes });
  }
  return placed;
}
