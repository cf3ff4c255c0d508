/**
 * Reassembly of DSM messages: over satellites and pages, never over contents; and what a hostile satellite that
 * sends falsehoods under the live DSM id can do about it.
 */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  BLOCK_BYTES,
  DsmStore,
  FIRST_PKR_ID,
  HkrootReception,
  MAX_CANDIDATES,
  type DsmCandidate,
} from "../../src/osnma/dsm-store.js";
import { parametrisedScenario, Simulation } from "../../src/simulate/scenario.js";
import { seededBytes } from "../../src/simulate/seeded.js";

const scenario = parametrisedScenario({ seed: "dsm store", subframes: 2 });
const { dsm, nmaHeader } = new Simulation(scenario.options).schedule.at(scenario.options.startGst);
const BLOCKS = dsm.length / BLOCK_BYTES;
const ID = 3;
const ALL_PAGES = Array.from({ length: 15 }, (_, i) => i);
const PAGES = { firstHalf: [0, 1, 2, 3, 4, 5, 6, 7], secondHalf: [0, 1, 8, 9, 10, 11, 12, 13, 14] };

interface Sent {
  readonly svid?: number;
  readonly bytes?: Uint8Array;
  readonly header?: number | null;
  readonly at?: number;
  readonly pages?: readonly number[];
  readonly id?: number;
}

/** Sends a block page by page, in the order given; returns the candidates. */
function candidatesOf(store: DsmStore, block: number, sent: Sent = {}): DsmCandidate[] {
  const { svid = 1, bytes = dsm, header = nmaHeader, at = 0, id = ID, pages = ALL_PAGES } = sent;
  const reception = new HkrootReception();
  return pages.flatMap((page) => {
    reception.bytes[page] =
      page === 0 ? nmaHeader : page === 1 ? (id << 4) | block : (bytes[block * BLOCK_BYTES + page - 2] ?? 0);
    reception.pages |= 1 << page;
    return store.push(reception, svid, page, header, at);
  });
}

/** The last message that a block completed, or null. */
const send = (store: DsmStore, block: number, sent: Sent = {}): Uint8Array | null =>
  candidatesOf(store, block, sent).at(-1)?.message ?? null;

describe("DSM reassembly", () => {
  it("completes with the last missing byte, whatever the order of blocks and pages", () => {
    const store = new DsmStore();
    for (let block = BLOCKS - 1; block > 0; block--) expect(send(store, block, { svid: block })).toBeNull();
    const backwards = ALL_PAGES.toReversed();
    expect(send(store, 0, { pages: backwards })).toEqual(dsm);
    expect(store.conflicts).toBe(0);
  });

  it("fills a block from halves that two satellites delivered", () => {
    const store = new DsmStore();
    for (let block = 1; block < BLOCKS; block++) send(store, block);
    expect(send(store, 0, { svid: 2, pages: PAGES.firstHalf })).toBeNull();
    expect(send(store, 0, { svid: 3, pages: PAGES.secondHalf })).toEqual(dsm);
  });

  it("fills a block from halves in spite of a third satellite's lie in either half", () => {
    const lie = dsm.map((byte) => byte ^ 0xff);
    for (const pages of [PAGES.firstHalf, PAGES.secondHalf, ALL_PAGES]) {
      const store = new DsmStore();
      for (let block = 1; block < BLOCKS; block++) send(store, block);
      send(store, 0, { svid: 9, bytes: lie, pages });
      send(store, 0, { svid: 2, pages: PAGES.firstHalf });
      const found = candidatesOf(store, 0, { svid: 3, pages: PAGES.secondHalf });
      expect(found.map(({ message }) => message)).toContainEqual(dsm);
    }
  });

  it("takes what one satellite sends anew for what it sends now, and does not mix it with what it sent", () => {
    const other = dsm.map((byte) => byte ^ 0x55);
    other[0] = dsm[0];
    const store = new DsmStore();
    for (let block = 0; block < BLOCKS - 1; block++) send(store, block);
    let message: Uint8Array | null = null;
    for (let block = 0; block < BLOCKS; block++) message = send(store, block, { bytes: other }) ?? message;
    expect(message).toEqual(other);
  });

  it("keeps blocks under different NMA headers apart", () => {
    const store = new DsmStore();
    for (let block = 0; block < BLOCKS; block++)
      expect(send(store, block, { header: block % 2 === 0 ? nmaHeader : nmaHeader ^ 2 })).toBeNull();
  });

  it("keeps nothing of a root while the header is unknown", () => {
    const store = new DsmStore();
    for (let block = 0; block < BLOCKS; block++) expect(send(store, block, { header: null })).toBeNull();
    expect(store.size).toBe(0);
  });

  it("drops root blocks older than an hour", () => {
    const store = new DsmStore();
    for (let block = 1; block < BLOCKS; block++) send(store, block, { at: 0 });
    expect(send(store, 0, { at: 3601 })).toBeNull();
    const fresh = new DsmStore();
    for (let block = 1; block < BLOCKS; block++) send(fresh, block, { at: 0 });
    expect(send(fresh, 0, { at: 3600 })).toEqual(dsm);
  });

  it("counts the age of every block for itself", () => {
    const store = new DsmStore();
    send(store, 1, { at: 0 });
    for (let block = 2; block < BLOCKS; block++) send(store, block, { at: 3000 });
    expect(send(store, 0, { at: 4000 })).toBeNull();
    expect(send(store, 1, { at: 4001 })).toEqual(dsm);
  });

  it("keeps blocks of a public key for 13 hours", () => {
    const pkr = seededBytes("dsm store", "pkr", 13 * BLOCK_BYTES);
    pkr[0] = 0x71;
    for (const [at, expected] of [
      [13 * 3600, pkr],
      [13 * 3600 + 1, null],
    ] as const) {
      const store = new DsmStore();
      for (let block = 1; block < 13; block++)
        send(store, block, { id: FIRST_PKR_ID, bytes: pkr, header: null });
      expect(send(store, 0, { id: FIRST_PKR_ID, bytes: pkr, header: null, at })).toEqual(expected);
    }
  });

  it("block numbers beyond the message's length are no part of it", () => {
    const store = new DsmStore();
    for (let block = 15; block >= BLOCKS; block--) expect(send(store, block)).toBeNull();
    for (let block = 1; block < BLOCKS; block++) send(store, block);
    expect(send(store, 0)).toEqual(dsm);
  });

  it("hands a message out once, and again only when all of it came again since it was decided", () => {
    for (const verdict of ["verified", "rejected"] as const) {
      const store = new DsmStore();
      const decide = (block: number): DsmCandidate[] => {
        const found = candidatesOf(store, block, { svid: (block % 4) + 1 });
        for (const candidate of found) store.decided(candidate, verdict);
        return found;
      };
      for (let round = 0; round < 3; round++) {
        for (let block = 1; block < BLOCKS; block++) expect(decide(block)).toEqual([]);
        expect(decide(0)).toMatchObject([{ message: dsm, before: round === 0 ? null : verdict }]);
      }
    }
  });

  it("does not take a lie between for the return of a verified message", () => {
    const store = new DsmStore();
    const verify = (block: number, sent: Sent = {}): (string | null)[] =>
      candidatesOf(store, block, sent).map((candidate) => {
        store.decided(candidate, Buffer.from(candidate.message).equals(dsm) ? "verified" : "rejected");
        return candidate.before;
      });
    for (let block = 0; block < BLOCKS; block++) verify(block);
    for (let block = 0; block < BLOCKS - 1; block++) verify(block);
    expect(verify(BLOCKS - 1, { svid: 9, bytes: dsm.map((byte) => byte ^ 1) })).not.toContain("verified");
    expect(verify(BLOCKS - 1)).toEqual(["verified"]);
  });

  it("hands out again what was rejected when it is to be reconsidered", () => {
    const store = new DsmStore();
    for (let block = 0; block < BLOCKS; block++)
      for (const candidate of candidatesOf(store, block)) store.decided(candidate, "rejected");
    store.reconsider();
    expect(candidatesOf(store, 2)).toMatchObject([{ message: dsm, before: null }]);
  });

  it("drops what contradicts a verified message", () => {
    const store = new DsmStore();
    send(store, 2, { svid: 9, bytes: dsm.map((byte) => byte ^ 1) });
    for (let block = 0; block < BLOCKS; block++)
      for (const candidate of candidatesOf(store, block))
        store.decided(candidate, Buffer.from(candidate.message).equals(dsm) ? "verified" : "rejected");
    expect(store.size).toBe(0);
  });

  it("refuses an SVID that is none", () => {
    for (const svid of [-1, 1.5, 256, Number.NaN]) {
      expect(() => new DsmStore().push(new HkrootReception(), svid, 0, null, 0)).toThrow(RangeError);
    }
  });
});

/** A subframe's transmissions of one satellite: which block of which bytes, under which header. */
type Hostile = (subframe: number, svid: number) => { block: number; bytes: Uint8Array; header?: number };

const random = (name: string): Uint8Array => seededBytes("hostile", name, 16 * BLOCK_BYTES);
const otherMessage = new Simulation(
  parametrisedScenario({ seed: "another", subframes: 2 }).options,
).schedule.at(scenario.options.startGst).dsm;

const PATTERNS: Record<string, Hostile> = {
  "random content in a rotating block": (k, svid) => ({
    block: (k * 3 + svid) % 8,
    bytes: random(`${k} ${svid}`),
  }),
  "random content in one block": (k, svid) => ({ block: 5, bytes: random(`${k} ${svid}`) }),
  "the same lie in one block": (_, svid) => ({ block: 5, bytes: random(`${svid}`) }),
  "block 0 with every number of blocks in turn": (k) => {
    const bytes = dsm.slice();
    bytes[0] = (k << 4) | 1;
    return { block: 0, bytes };
  },
  "block 0 with one block fewer": () => ({ block: 0, bytes: Uint8Array.of(0x11, ...dsm.subarray(1)) }),
  "one bit wrong in a rotating block": (k) => ({ block: k % BLOCKS, bytes: dsm.map((byte) => byte ^ 1) }),
  "another genuine message": (k, svid) => ({
    block: (k + svid) % (otherMessage.length / BLOCK_BYTES),
    bytes: otherMessage,
  }),
  "a header of its own every time": (k) => ({
    block: k % BLOCKS,
    bytes: random(`${k}`),
    header: (k * 37) & 0xff,
  }),
};

interface Run {
  readonly completedIn: number | null;
  readonly returns: number;
  readonly mostAtOnce: number;
  readonly decided: number;
  readonly size: number;
}

/** Subframes of honest satellites, block (SVID + k) mod NB each as on air, beside hostile ones. */
function run(honest: readonly number[], hostile: readonly number[], pattern: Hostile, first: boolean): Run {
  const store = new DsmStore();
  let completedIn: number | null = null;
  let returns = 0;
  let mostAtOnce = 0;
  let decided = 0;
  let size = 0;
  for (let k = 0; k < 40; k++) {
    const at = k * 30;
    const honestSent = honest.map((svid) => ({
      svid,
      block: (svid + k) % BLOCKS,
      bytes: dsm,
      header: nmaHeader,
    }));
    const hostileSent = hostile.map((svid) => ({ svid, header: nmaHeader, ...pattern(k, svid) }));
    const all = first ? [...hostileSent, ...honestSent] : [...honestSent, ...hostileSent];
    const receptions = all.map(() => new HkrootReception());
    // Page by page, as they come: all satellites' page 0, then all satellites' page 1.
    for (let page = 0; page < 15; page++) {
      all.forEach(({ svid, block, bytes, header }, i) => {
        const reception = receptions[i];
        reception.bytes[page] =
          [header, (ID << 4) | block][page] ?? bytes[block * BLOCK_BYTES + page - 2] ?? 0;
        reception.pages |= 1 << page;
        const found = store.push(reception, svid, page, header, at + 2 * page);
        mostAtOnce = Math.max(mostAtOnce, found.length);
        for (const candidate of found) {
          decided++;
          const genuine = Buffer.from(candidate.message).equals(dsm) && candidate.nmaHeader === nmaHeader;
          if (genuine) {
            completedIn ??= k;
            if (candidate.before === "verified") returns++;
          }
          store.decided(candidate, genuine ? "verified" : "rejected");
        }
      });
    }
    size = Math.max(size, store.size);
  }
  return { completedIn, returns, mostAtOnce, decided, size };
}

describe("DSM reassembly beside hostile satellites", () => {
  const constellations = { 4: [1, 4, 9, 12], 6: [1, 4, 9, 12, 3, 7] };
  for (const [name, pattern] of Object.entries(PATTERNS)) {
    for (const [count, honest] of Object.entries(constellations)) {
      it(`${name}: ${count} honest satellites need no subframe more`, () => {
        const alone = run(honest, [], pattern, true);
        expect(alone.decided).toBe(alone.returns + 1);
        for (const first of [true, false]) {
          const attacked = run(honest, [30], pattern, first);
          expect(attacked.completedIn).toBe(alone.completedIn);
          expect(attacked.returns).toBe(alone.returns);
          expect(attacked.mostAtOnce).toBeLessThanOrEqual(MAX_CANDIDATES);
        }
      });
    }

    it(`${name}: one honest satellite against one completes within its second round`, () => {
      for (const first of [true, false]) {
        const { completedIn } = run([4], [30], pattern, first);
        expect(completedIn).not.toBeNull();
        expect(completedIn).toBeLessThanOrEqual(2 * BLOCKS);
      }
    });

    it(`${name}: four honest satellites complete against three hostile ones`, () => {
      for (const first of [true, false]) {
        const { completedIn, mostAtOnce } = run([1, 4, 9, 12], [30, 31, 32], pattern, first);
        expect(completedIn).not.toBeNull();
        expect(completedIn).toBeLessThanOrEqual(8);
        expect(mostAtOnce).toBeLessThanOrEqual(MAX_CANDIDATES);
      }
    });
  }

  it("headers that one satellite makes up do not drive out the honest one", () => {
    const store = new DsmStore();
    const verified: Uint8Array[] = [];
    for (let k = 0; k < BLOCKS; k++) {
      verified.push(...candidatesOf(store, k, { svid: 4, at: 30 * k }).map(({ message }) => message));
      for (let n = 0; n < 3; n++)
        candidatesOf(store, k, { svid: 30, header: (nmaHeader + 3 * k + n + 1) & 0xff, at: 30 * k + 1 });
    }
    expect(verified).toEqual([dsm]);
  });
});

describe("DSM store, whatever comes", () => {
  const page = fc.record({
    svid: fc.integer({ min: 0, max: 255 }),
    header: fc.option(fc.integer({ min: 0, max: 255 }), { nil: null }),
    // Few ids and byte values, so that messages complete and contradict each other.
    id: fc.constantFrom(0, 3, 12),
    block: fc.integer({ min: 0, max: 15 }),
    fill: fc.constantFrom(0x11, 0x21, 0x31, 0x51, 0x71, 0xff),
    pages: fc.integer({ min: 0, max: 0x7fff }),
    at: fc.oneof(fc.integer({ min: 0, max: 100_000 }), fc.constant(0)),
    verdict: fc.constantFrom("verified" as const, "rejected" as const, null),
  });

  it("never throws, never hands out more than its bound, and hands out whole messages only", () => {
    fc.assert(
      fc.property(fc.array(page, { maxLength: 120 }), (sent) => {
        const store = new DsmStore();
        for (const { svid, header, id, block, fill, pages, at, verdict } of sent) {
          const reception = new HkrootReception();
          for (let i = 0; i < 15; i++) {
            if (((pages | 2) & (1 << i)) === 0) continue;
            reception.bytes[i] = i === 1 ? (id << 4) | block : fill;
            reception.pages |= 1 << i;
            const found = store.push(reception, svid, i, header, at);
            expect(found.length).toBeLessThanOrEqual(MAX_CANDIDATES);
            for (const candidate of found) {
              expect(candidate.message.length).toBe(((candidate.message[0] >> 4) + 6) * BLOCK_BYTES);
              if (verdict !== null) store.decided(candidate, verdict);
            }
          }
        }
      }),
      { numRuns: 60 },
    );
  });

  it("keeps no more than 36 versions of a block and 4 headers of an id, and its work is bounded", () => {
    const store = new DsmStore();
    let most = 0;
    const flood = (header: number): void => {
      for (let svid = 0; svid < 256; svid += 3) {
        for (let block = 0; block < 8; block++) {
          const bytes = random(`${svid} ${header}`);
          bytes[0] = 0x21;
          const reception = new HkrootReception();
          reception.bytes.set([header, (ID << 4) | block, ...bytes.subarray(block * 13, block * 13 + 13)]);
          reception.pages = 0x7fff;
          most = Math.max(most, store.push(reception, svid, 14, header, 0).length);
        }
      }
    };
    for (let header = 0; header < 4; header++) flood(header);
    expect(store.size).toBe(36 * 8 * 4);
    for (let header = 4; header < 6; header++) flood(header);
    expect(most).toBeGreaterThan(1);
    expect(most).toBeLessThanOrEqual(MAX_CANDIDATES);
    expect(store.size).toBeLessThanOrEqual(36 * 8 * 4);
  });

  /** The former reassembly, for one id and header and contents that agree: every byte from whoever sent it. */
  it("completes an undisputed message with the same page as a plain union of all bytes", () => {
    const reception = fc.record({
      svid: fc.integer({ min: 1, max: 36 }),
      block: fc.integer({ min: 0, max: BLOCKS - 1 }),
      lost: fc.integer({ min: 0, max: 0x7fff }),
    });
    fc.assert(
      fc.property(fc.array(reception, { minLength: 20, maxLength: 120 }), (sent) => {
        const store = new DsmStore();
        let union = new Set<number>();
        sent.forEach(({ svid, block, lost }, k) => {
          const pages = ALL_PAGES.filter((i) => i < 2 || ((lost >> i) & (lost >> (i + 1)) & 1) === 0);
          const held = new HkrootReception();
          for (const i of pages) {
            held.bytes[i] =
              i === 0 ? nmaHeader : i === 1 ? (ID << 4) | block : dsm[block * BLOCK_BYTES + i - 2];
            held.pages |= 1 << i;
            const found = store.push(held, svid, i, nmaHeader, k);
            if (i >= 2) union.add(block * BLOCK_BYTES + i - 2);
            const whole = union.size === dsm.length;
            expect(found.map(({ message }) => message)).toEqual(whole ? [dsm] : []);
            if (!whole) continue;
            union = new Set();
            store.decided(found[0], "verified");
          }
        });
      }),
      { numRuns: 80 },
    );
  });

  it("takes a successor under the same id and header once each block came whole, whatever it has in common", () => {
    const reception = fc.record({
      svid: fc.integer({ min: 1, max: 20 }),
      block: fc.integer({ min: 0, max: BLOCKS - 1 }),
      lost: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 0x7fff })),
    });
    const change = fc.record({
      // Bytes in which it differs; block 0 keeps its first, which has the number of blocks.
      at: fc.uniqueArray(fc.integer({ min: 1, max: dsm.length - 1 }), { minLength: 1, maxLength: 30 }),
      before: fc.array(reception, { maxLength: 12 }),
      after: fc.array(reception, { minLength: 20, maxLength: 90 }),
    });
    let taken = 0;
    fc.assert(
      fc.property(change, ({ at, before, after }) => {
        const store = new DsmStore();
        const next = dsm.slice();
        for (const i of at) next[i] ^= 0x55;
        for (let block = 0; block < BLOCKS; block++) {
          for (const found of candidatesOf(store, block)) store.decided(found, "verified");
        }
        let isVerified = false;
        const whole = new Set<number>();
        const send = (
          message: Uint8Array,
          { svid, block, lost }: (typeof before)[number],
          k: number,
        ): void => {
          const held = new HkrootReception();
          for (const i of ALL_PAGES) {
            if (i >= 2 && ((lost >> i) & (lost >> (i + 1)) & 1) !== 0) continue;
            const place = block * BLOCK_BYTES + i - 2;
            held.bytes[i] = i === 0 ? nmaHeader : i === 1 ? (ID << 4) | block : message[place];
            held.pages |= 1 << i;
            for (const found of store.push(held, svid, i, nmaHeader, k)) {
              const text = Buffer.from(found.message);
              if (text.equals(next)) isVerified = true;
              // What was decided keeps its verdict; mixtures are for the signature to refuse.
              if (found.before === "verified") expect(text.equals(next) || text.equals(dsm)).toBe(true);
              // The former came again in full: what it has in common is asked for anew.
              if (text.equals(dsm)) whole.clear();
              store.decided(found, text.equals(next) || text.equals(dsm) ? "verified" : "rejected");
            }
          }
          if (message !== next || held.pages !== 0x7fff) return;
          whole.add(block);
          if (whole.size === BLOCKS) expect(isVerified).toBe(true);
        };
        before.forEach((sent, k) => {
          send(dsm, sent, k);
        });
        after.forEach((sent, k) => {
          send(next, sent, before.length + k);
        });
        if (whole.size === BLOCKS) taken++;
      }),
      { numRuns: 80, seed: 5 },
    );
    expect(taken).toBeGreaterThan(10);
  });
});
