/**
 * Whatever is done to a stream, nothing is authenticated but what the signer signed, bit by bit, and nothing
 * throws. Simulated streams, so that the truth is known.
 */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { InavPage } from "../../src/inav/page.js";
import { SUBFRAME_SECONDS } from "../../src/inav/gst.js";
import { encodeContent, encodeHkroot } from "../../src/simulate/dsm.js";
import {
  flipBit,
  nominalPhase,
  parametrisedScenario,
  Simulation,
  type OsnmaSubframe,
} from "../../src/simulate/scenario.js";
import { TestAuthority } from "../../src/simulate/test-authority.js";
import { OPERATIONAL_PARAMETERS, TeslaChain } from "../../src/simulate/tesla-chain.js";
import { namesOf, runEngine, timedPages, total, trustOf, Truth, type TimedPage } from "../support/osnma.js";

const SATELLITES = [2, 7, 11, 20];
const SUBFRAMES = 5;
/** Of the scenario's chain, so that longer streams of it can be made. */
const CHAIN_SUBFRAMES = 12;
const scenario = parametrisedScenario({
  seed: "mutation",
  subframes: CHAIN_SUBFRAMES,
  satellites: SATELLITES,
});
const simulation = new Simulation({ ...scenario.options, subframes: SUBFRAMES });
const truth = new Truth(simulation);
const clean = timedPages(simulation);
const start = simulation.startGst;
const trust = trustOf(scenario.authority, [1]);
const { nmaHeader, dsm } = simulation.schedule.at(start);
const hot = { ...trust, rootKey: { dsm, nmaHeader } };
const FIXED = { seed: 20_231_006, numRuns: 150 };

function flipWordBit(page: InavPage, bit: number): InavPage {
  return { ...page, word: flipBit(page.word, bit) };
}

/** Bits 0-7 of HKROOT, then 32 of MACK. */
function flipOsnmaBit(page: InavPage, bit: number): InavPage {
  return bit < 8
    ? { ...page, hkroot: page.hkroot ^ (0x80 >> bit) }
    : { ...page, mack: (page.mack ^ (0x80000000 >>> (bit - 8))) >>> 0 };
}

function replaced(pages: readonly TimedPage[], at: number, page: InavPage): TimedPage[] {
  const copy = pages.slice();
  copy[at] = { ...pages[at], page };
  return copy;
}

describe("the stream as it was sent", () => {
  it("authenticates every satellite, and only what was signed", () => {
    const { engine, authenticated, events } = runEngine(clean, hot);
    expect(new Set(authenticated.map(({ svid }) => svid))).toEqual(expect.any(Set));
    for (const svid of SATELLITES) expect(engine.ced(svid)).not.toBeNull();
    expect(truth.forgeries(authenticated)).toEqual([]);
    expect(total(engine.failed)).toBe(0);
    expect(namesOf(events)).not.toContain("key-failed");
  });
});

describe("one bit flipped", () => {
  it("in any bit of a word 1-6, 10 or 17-20: never authenticates other data", () => {
    // One subframe of one satellite, every word and every bit.
    const places = clean
      .map((entry, at) => ({ ...entry, at }))
      .filter(({ page, gst }) => page.svid === 7 && gst > start + 30 && gst <= start + 60);
    expect(places).toHaveLength(15);
    let changed = 0;
    for (const { page, at } of places) {
      for (let bit = 6; bit < 128; bit += page.wordType === 5 ? 2 : 7) {
        const { authenticated } = runEngine(replaced(clean, at, flipWordBit(page, bit)), hot);
        expect(truth.forgeries(authenticated)).toEqual([]);
        changed++;
      }
    }
    expect(changed).toBeGreaterThan(250);
  });

  it("in any page's HKROOT or MACK bits: never authenticates other data, never throws", () => {
    fc.assert(
      fc.property(fc.nat(clean.length - 1), fc.nat(39), (at, bit) => {
        const { authenticated } = runEngine(replaced(clean, at, flipOsnmaBit(clean[at].page, bit)), hot);
        expect(truth.forgeries(authenticated)).toEqual([]);
      }),
      FIXED,
    );
  });

  it("in every copy of one DSM block: the root is not accepted in a warm start", () => {
    for (let bit = 16; bit < 120; bit += 9) {
      const tampered = new Simulation({
        ...scenario.options,
        subframes: 8,
        tamperOsnma: (subframe) => ({
          ...subframe,
          hkroot: (subframe.hkroot[1] & 0x0f) === 1 ? flipBit(subframe.hkroot, bit) : subframe.hkroot,
        }),
      });
      const { engine, authenticated, events } = runEngine(timedPages(tampered), trust);
      expect(engine.rootKeysVerified).toBe(0);
      expect(authenticated).toEqual([]);
      expect(namesOf(events)).toContain("kroot-rejected");
    }
  });

  it("in every satellite's key: no key, no authentication", () => {
    const tampered = new Simulation({
      ...scenario.options,
      subframes: SUBFRAMES,
      tamperOsnma: (subframe) => ({
        ...subframe,
        mack: flipBit(subframe.mack, 336 + ((subframe.gst / 30) % 128)),
      }),
    });
    const { engine, authenticated, events } = runEngine(timedPages(tampered), hot);
    expect(engine.keysVerified).toBe(0);
    expect(authenticated).toEqual([]);
    expect(namesOf(events)).toContain("key-failed");
  });

  it("in every tag: they fail, none authenticates", () => {
    const tampered = new Simulation({
      ...scenario.options,
      subframes: SUBFRAMES,
      tamperOsnma: (subframe) => {
        let { mack } = subframe;
        for (let slot = 0; slot < 6; slot++) mack = flipBit(mack, slot * 56 + ((subframe.gst / 30) % 40));
        return { ...subframe, mack };
      },
    });
    const { engine, authenticated } = runEngine(timedPages(tampered), hot);
    expect(total(engine.verified)).toBe(0);
    expect(total(engine.failed)).toBeGreaterThan(20);
    expect(authenticated).toEqual([]);
  });
});

describe("many pages spoiled at random", () => {
  it("never authenticates what was not signed, never throws", () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(clean.length - 1), fc.nat(167)), { minLength: 1, maxLength: 60 }),
        fc.boolean(),
        (flips, warm) => {
          const pages = clean.slice();
          for (const [at, bit] of flips) {
            const { page, gst } = pages[at];
            pages[at] = { gst, page: bit < 40 ? flipOsnmaBit(page, bit) : flipWordBit(page, bit - 40) };
          }
          const { authenticated } = runEngine(pages, warm ? trust : hot);
          expect(truth.forgeries(authenticated)).toEqual([]);
        },
      ),
      FIXED,
    );
  });

  it("pages of any content at any time of the run: no throw, no forgery", () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.record({
            svid: fc.integer({ min: 1, max: 36 }),
            band: fc.constantFrom("E1-B" as const, "E5b" as const),
            wordType: fc.integer({ min: 0, max: 20 }),
            word: fc.uint8Array({ minLength: 16, maxLength: 16 }),
            hkroot: fc.nat(255),
            mack: fc.nat(0xffffffff),
            gst: fc.integer({ min: -120, max: 240 }),
          }),
          { maxLength: 200 },
        ),
        (forged) => {
          const noise = forged.map(({ svid, band, wordType, word, hkroot, mack, gst }) => ({
            page: {
              svid,
              band,
              wordType,
              word: Uint8Array.from([(wordType << 2) | (word[0] & 3), ...word.subarray(1)]),
              hasOsnma: band === "E1-B",
              hkroot,
              mack,
            },
            gst: start + (band === "E1-B" ? gst | 1 : gst & ~1),
          }));
          const pages = [...clean, ...noise].sort((a, b) => a.gst - b.gst);
          const { authenticated } = runEngine(pages, hot);
          expect(truth.forgeries(authenticated)).toEqual([]);
        },
      ),
      { ...FIXED, numRuns: 60 },
    );
  });
});

describe("genuine pages in the wrong place", () => {
  it("data of one satellite claimed for another is never authenticated for it", () => {
    for (const [from, to] of [
      [2, 7],
      [7, 20],
      [20, 3],
    ]) {
      const pages = clean.map(({ page, gst }) =>
        page.svid === from ? { gst, page: { ...page, svid: to } } : { gst, page },
      );
      const { authenticated } = runEngine(pages, hot);
      expect(truth.forgeries(authenticated)).toEqual([]);
    }
  });

  it("words of one satellite under the OSNMA bits of another are never authenticated", () => {
    const wordOf = new Map(clean.map(({ page, gst }) => [`${page.svid} ${gst}`, page]));
    const pages = clean.map(({ page, gst }) => {
      if (page.svid !== 2) return { page, gst };
      const other = wordOf.get(`7 ${gst}`)!;
      return { gst, page: { ...page, word: other.word, wordType: other.wordType } };
    });
    const { engine, authenticated } = runEngine(pages, hot);
    expect(truth.forgeries(authenticated)).toEqual([]);
    expect(engine.ced(2)).toBeNull();
  });

  it("subframes replayed two minutes later under the new time authenticate nothing of theirs", () => {
    const long = new Simulation({ ...scenario.options, subframes: 10 });
    const pages = timedPages(long);
    const shift = 4 * SUBFRAME_SECONDS;
    const later = pages.map(({ page, gst }) => ({ page, gst: gst + shift }));
    const { engine, authenticated, events } = runEngine(later, hot);
    expect(engine.keysVerified).toBe(0);
    expect(authenticated).toEqual([]);
    expect(namesOf(events)).toContain("key-failed");
  });

  it("one satellite's recording played back 60 s late beside the others: never its old data", () => {
    const pages = clean
      .flatMap(({ page, gst }) => {
        if (page.svid !== 7) return [{ page, gst }];
        return gst + 60 < start + SUBFRAMES * 30 ? [{ page, gst: gst + 60 }] : [];
      })
      .sort((a, b) => a.gst - b.gst);
    const { engine, authenticated } = runEngine(pages, hot);
    expect(truth.forgeries(authenticated)).toEqual([]);
    // Its own tags name another subframe: none of them verifies.
    expect(authenticated.flatMap(({ evidence }) => evidence.tags).filter(({ prnA }) => prnA === 7)).toEqual(
      [],
    );
    expect(engine.ced(2)).not.toBeNull();
  });

  it("the same satellite twice in a second with different pages: neither is believed", () => {
    const pages = clean.flatMap(({ page, gst }) =>
      page.svid === 7
        ? [
            { page, gst },
            { gst, page: { ...page, mack: (page.mack ^ 1) >>> 0 } },
          ]
        : [{ page, gst }],
    );
    const { authenticated } = runEngine(pages, hot);
    expect(truth.forgeries(authenticated)).toEqual([]);
    expect(authenticated.flatMap(({ evidence }) => evidence.tags).filter(({ prnA }) => prnA === 7)).toEqual(
      [],
    );
  });

  it("the same pages twice count their tags once", () => {
    const once = runEngine(clean, hot).engine;
    const twice = runEngine(
      clean.flatMap((entry) => [entry, entry]),
      hot,
    ).engine;
    expect(twice.verified).toEqual(once.verified);
    expect(twice.authenticatedTags).toEqual(once.authenticatedTags);
    expect(twice.macseqVerified).toBe(once.macseqVerified);
  });

  it("pages out of order within 20 s: the same tags verify", () => {
    const once = runEngine(clean, hot).engine;
    fc.assert(
      fc.property(fc.array(fc.nat(19), { minLength: clean.length, maxLength: clean.length }), (delays) => {
        const shuffled = clean
          .map((entry, i) => ({ entry, at: entry.gst + delays[i] }))
          .sort((a, b) => a.at - b.at)
          .map(({ entry }) => entry);
        const { engine, authenticated } = runEngine(shuffled, hot);
        expect(truth.forgeries(authenticated)).toEqual([]);
        expect(total(engine.failed)).toBe(0);
        expect(engine.stalePages).toBe(0);
        expect(total(engine.verified)).toBeLessThanOrEqual(total(once.verified));
      }),
      { ...FIXED, numRuns: 25 },
    );
  });

  it("a page 60 s old is refused", () => {
    const { engine } = runEngine([...clean.filter(({ gst }) => gst < start + 100), clean[0]], hot);
    expect(engine.stalePages).toBe(1);
  });
});

describe("other messages, other chains", () => {
  it("blocks of two DSM messages under one id never make a root", () => {
    const attacker = new TestAuthority("mutation attacker");
    const foreign = encodeContent(
      { kind: "kroot", chain: scenario.chain, authority: attacker, pkid: 1 },
      nmaHeader,
      Math.floor(start / 3600) * 3600,
    );
    const mixed = new Simulation({
      ...scenario.options,
      subframes: 8,
      tamperOsnma: (subframe): OsnmaSubframe => {
        const block = subframe.hkroot[1] & 0x0f;
        return block % 2 === 0
          ? subframe
          : { ...subframe, hkroot: encodeHkroot(nmaHeader, subframe.hkroot[1] >> 4, foreign, block) };
      },
    });
    const { engine, authenticated } = runEngine(timedPages(mixed), trust);
    expect(engine.rootKeysVerified).toBe(0);
    expect(authenticated).toEqual([]);
  });

  it("a root signed by another authority under the same PKID is rejected", () => {
    const other = parametrisedScenario({ seed: "impostor", subframes: 6, satellites: SATELLITES });
    const { engine, authenticated, events } = runEngine(timedPages(new Simulation(other.options)), trust);
    expect(engine.rootKeysVerified + total(engine.verified)).toBe(0);
    expect(authenticated).toEqual([]);
    expect(namesOf(events)).toContain("kroot-rejected");
  });

  it("keys and tags of an old chain under the same CID give nothing", () => {
    const hour = Math.floor(start / 3600) * 3600;
    const signer = { authority: scenario.authority, pkid: 1 };
    const old = new TeslaChain({
      seed: "an older chain",
      cid: 1,
      parameters: OPERATIONAL_PARAMETERS,
      startGst: hour,
      endGst: start + 40 * 30,
    });
    const genuine = new Simulation({
      ...scenario.options,
      phases: [nominalPhase(hour, scenario.chain, signer)],
    });
    // MACK sections of the old chain, HKROOT of the one in force.
    const attacked = new Simulation({
      ...scenario.options,
      subframes: SUBFRAMES,
      phases: [nominalPhase(hour, old, signer)],
      tamperOsnma: (subframe) => ({
        ...subframe,
        hkroot: genuine.osnmaSubframe(subframe.svid, subframe.gst).hkroot,
      }),
    });
    const { engine, authenticated, events } = runEngine(timedPages(attacked), hot);
    expect(engine.keysVerified + total(engine.verified)).toBe(0);
    expect(authenticated).toEqual([]);
    expect(namesOf(events)).toContain("key-failed");
  });

  it("one satellite that sends another key on every page does not stop the others", () => {
    for (const liar of SATELLITES) {
      const attacked = new Simulation({
        ...scenario.options,
        subframes: SUBFRAMES,
        tamperOsnma: (subframe) => {
          if (subframe.svid !== liar) return subframe;
          const mack = subframe.mack.slice();
          for (let i = 42; i < 58; i++) mack[i] ^= 0x5a;
          return { ...subframe, mack };
        },
      });
      const { engine } = runEngine(timedPages(attacked), hot);
      expect(engine.keysVerified, `E${liar}`).toBe(SUBFRAMES);
      expect(engine.ced(liar === 2 ? 7 : 2)).not.toBeNull();
    }
  });

  it("nor do two such satellites with keys of their own", () => {
    const attacked = new Simulation({
      ...scenario.options,
      subframes: SUBFRAMES,
      tamperOsnma: (subframe) => {
        if (subframe.svid !== 2 && subframe.svid !== 7) return subframe;
        const mack = subframe.mack.slice();
        for (let i = 42; i < 58; i++) mack[i] ^= subframe.svid;
        return { ...subframe, mack };
      },
    });
    expect(runEngine(timedPages(attacked), hot).engine.keysVerified).toBe(SUBFRAMES);
  });
});
