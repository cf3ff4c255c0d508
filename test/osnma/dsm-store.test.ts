/** Reassembly of DSM messages: over satellites and pages, never over contents. */
import { describe, expect, it } from "vitest";
import { BLOCK_BYTES, DsmStore, HkrootReception } from "../../src/osnma/dsm-store.js";
import { parametrisedScenario, Simulation } from "../../src/simulate/scenario.js";

const scenario = parametrisedScenario({ seed: "dsm store", subframes: 2 });
const { dsm, nmaHeader } = new Simulation(scenario.options).schedule.at(scenario.options.startGst);
const BLOCKS = dsm.length / BLOCK_BYTES;
const ID = 3;

/** Sends a block page by page, in the order given; returns what it completed. */
function send(
  store: DsmStore,
  block: number,
  options: {
    bytes?: Uint8Array;
    header?: number | null;
    at?: number;
    pages?: number[];
    timely?: boolean;
    id?: number;
  } = {},
): Uint8Array | null {
  const { bytes = dsm, header = nmaHeader, at = 0, timely = true, id = ID } = options;
  const { pages = Array.from({ length: 15 }, (_, i) => i) } = options;
  const reception = new HkrootReception();
  let message: Uint8Array | null = null;
  for (const page of pages) {
    reception.bytes[page] =
      page === 0 ? nmaHeader : page === 1 ? (id << 4) | block : (bytes[block * BLOCK_BYTES + page - 2] ?? 0);
    reception.pages |= 1 << page;
    message = store.push(reception, page, header, at, timely)?.message ?? message;
  }
  return message;
}

describe("DSM reassembly", () => {
  it("completes with the last missing byte, whatever the order of blocks and pages", () => {
    const store = new DsmStore();
    for (let block = BLOCKS - 1; block > 0; block--) expect(send(store, block)).toBeNull();
    const backwards = Array.from({ length: 15 }, (_, i) => 14 - i);
    expect(send(store, 0, { pages: backwards })).toEqual(dsm);
    expect(store.conflicts).toBe(0);
  });

  it("fills a block from halves that two satellites delivered", () => {
    const store = new DsmStore();
    for (let block = 1; block < BLOCKS; block++) send(store, block);
    expect(send(store, 0, { pages: [0, 1, 2, 3, 4, 5, 6, 7] })).toBeNull();
    expect(send(store, 0, { pages: [0, 1, 8, 9, 10, 11, 12, 13, 14] })).toEqual(dsm);
  });

  it("never mixes two contents under one id", () => {
    const other = dsm.map((byte) => byte ^ 0x55);
    other[0] = dsm[0];
    const store = new DsmStore();
    for (let block = 0; block < BLOCKS - 1; block++) send(store, block);
    // The other message contradicts in every block that is known.
    let message: Uint8Array | null = null;
    for (let block = 0; block < BLOCKS; block++) message = send(store, block, { bytes: other }) ?? message;
    expect(message).toEqual(other);
    expect(store.conflicts).toBeGreaterThan(0);
  });

  it("keeps blocks under different NMA headers apart", () => {
    const store = new DsmStore();
    for (let block = 0; block < BLOCKS; block++)
      expect(send(store, block, { header: block % 2 === 0 ? nmaHeader : nmaHeader ^ 2 })).toBeNull();
  });

  it("keeps nothing of a root while the header is unknown", () => {
    const store = new DsmStore();
    for (let block = 0; block < BLOCKS; block++) expect(send(store, block, { header: null })).toBeNull();
  });

  it("drops root blocks older than an hour", () => {
    const store = new DsmStore();
    for (let block = 1; block < BLOCKS; block++) send(store, block, { at: 0 });
    expect(send(store, 0, { at: 3601 })).toBeNull();
    const fresh = new DsmStore();
    for (let block = 1; block < BLOCKS; block++) send(fresh, block, { at: 0 });
    expect(send(fresh, 0, { at: 3600 })).toEqual(dsm);
  });

  it("block numbers beyond the message's length are no part of it", () => {
    const store = new DsmStore();
    for (let block = 15; block >= BLOCKS; block--) expect(send(store, block)).toBeNull();
    for (let block = 1; block < BLOCKS; block++) send(store, block);
    expect(send(store, 0)).toEqual(dsm);
  });
});
