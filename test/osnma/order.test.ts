/**
 * Genuine messages at the wrong time: DSM-KROOTs that were signed once and are broadcast again by a satellite
 * that is not Galileo's, NMA headers nobody signed, and public keys that a later one has spent.
 */
import { describe, expect, it } from "vitest";
import { SUBFRAME_SECONDS } from "../../src/inav/gst.js";
import type { OsnmaSnapshot } from "../../src/osnma/engine.js";
import {
  CPKS,
  encodeContent,
  encodeHkroot,
  NMAS,
  nmaHeaderByte,
  type Phase,
} from "../../src/simulate/dsm.js";
import { nmtPhases, nominalPhase, Simulation, type Signer } from "../../src/simulate/scenario.js";
import { seededBytes } from "../../src/simulate/seeded.js";
import { TestAuthority } from "../../src/simulate/test-authority.js";
import { TeslaChain } from "../../src/simulate/tesla-chain.js";
import {
  namesOf,
  runEngine,
  timedPages,
  total,
  trustOf,
  type Run,
  type TimedPage,
} from "../support/osnma.js";

const HOUR_SECONDS = 3600;
const DAY_SECONDS = 86_400;
/** A full hour, and the start of the runs five minutes into it. */
const hour = 1400 * 604_800 + 39 * HOUR_SECONDS;
const start = hour + 300;
const HONEST = [1, 4, 9, 12, 3, 7];
/** No satellite of the simulated constellation. */
const HOSTILE = 30;
const DSM_ID = 9;

const authority = new TestAuthority("order");
const key1: Signer = { authority, pkid: 1 };
const key2: Signer = { authority, pkid: 2 };

function chainOf(seed: string, cid: number, startGst: number, hours = 6): TeslaChain {
  return new TeslaChain({ seed, cid, startGst, endGst: startGst + hours * HOUR_SECONDS });
}

/** A chain in force since the day before. */
const longChain = (seed: string, cid: number): TeslaChain => chainOf(seed, cid, hour - DAY_SECONDS, 32);

const kroot = (chain: TeslaChain, signer: Signer) => ({ kind: "kroot", chain, ...signer }) as const;
const pkr = (signer: Signer) => ({ kind: "pkr", ...signer }) as const;

function sky(
  phases: readonly Phase[],
  subframes: number,
  startGst = start,
  satellites: readonly number[] = HONEST,
): TimedPage[] {
  return timedPages(new Simulation({ seed: "order", startGst, subframes, satellites, phases }));
}

/** One subframe of a hostile satellite: HKROOT as given, MACK noise. */
function hostileSubframe(gst: number, hkroot: Uint8Array, svid = HOSTILE): TimedPage[] {
  const mack = seededBytes("hostile mack", `${svid} ${gst}`, 60);
  const view = new DataView(mack.buffer, mack.byteOffset);
  return Array.from(hkroot, (byte, page) => ({
    gst: gst + 1 + 2 * page,
    page: {
      svid,
      band: "E1-B",
      wordType: 0,
      word: new Uint8Array(16),
      hasOsnma: true,
      hkroot: byte,
      mack: view.getUint32(4 * page),
    },
  }));
}

/** A DSM-KROOT as it was signed with `header` for the hour `gst0`. */
function rootOf(chain: TeslaChain, signer: Signer, header: number, gst0: number): Uint8Array {
  return encodeContent(kroot(chain, signer), header, gst0);
}

/** One satellite that sends a whole DSM-KROOT of eight blocks, a block a subframe, `rounds` times. */
function replayed(dsm: Uint8Array, header: number, fromGst: number, rounds = 1): TimedPage[] {
  const pages: TimedPage[] = [];
  const blocks = dsm.length / 13;
  for (let i = 0; i < rounds * blocks; i++) {
    const hkroot = encodeHkroot(header, DSM_ID, dsm, i % blocks);
    pages.push(...hostileSubframe(fromGst + i * SUBFRAME_SECONDS, hkroot));
  }
  return pages;
}

/** By time; of one second the hostile pages come first, which is the worse case. */
const merged = (honest: readonly TimedPage[], hostile: readonly TimedPage[]): TimedPage[] =>
  [...hostile, ...honest].sort((a, b) => a.gst - b.gst);

/** As it comes back from a file. */
const stored = (run: Run): OsnmaSnapshot =>
  JSON.parse(JSON.stringify(run.engine.snapshot())) as OsnmaSnapshot;

const count = (run: Run, name: string): number =>
  namesOf(run.events).filter((other) => other === name).length;
const alphaOf = (chain: TeslaChain): string => Buffer.from(chain.alpha).toString("hex");
const statusOf = (run: Run, pkid: number): string | undefined =>
  run.engine.status().publicKeys.find((key) => key.pkid === pkid)?.status;

/** What the honest satellites' tags came to. */
function honestTags(run: Run, outcome: string): number {
  return run.tags.filter((record) => record.outcome === outcome && record.tag.prnA !== HOSTILE).length;
}

/** The same authentication as without the attacker, to the tag, until the end. */
function expectUndisturbed(attacked: Run, honest: Run): void {
  expect(honestTags(honest, "verified")).toBeGreaterThan(0);
  expect(honestTags(attacked, "verified")).toBe(honestTags(honest, "verified"));
  expect(honestTags(attacked, "failed")).toBe(0);
  expect(total(attacked.engine.authenticatedTags)).toBe(total(honest.engine.authenticatedTags));
  expect(attacked.authenticated.length).toBe(honest.authenticated.length);
  const [now, then] = [attacked.engine.status(), honest.engine.status()];
  expect(now.state).toBe("authenticating");
  expect([now.nmaStatus, now.cpks, now.chain?.alpha, now.publicKeyInForce]).toEqual([
    then.nmaStatus,
    then.cpks,
    then.chain?.alpha,
    then.publicKeyInForce,
  ]);
  expect(attacked.engine.snapshot().revokedChains).toEqual(honest.engine.snapshot().revokedChains);
  for (const name of ["chain-replaced", "chain-revoked", "chain-switched", "public-key-in-force"]) {
    expect([name, count(attacked, name)]).toEqual([name, count(honest, name)]);
  }
}

describe("a public key below the one in force", () => {
  const chain = longChain("current", 2);
  const attackers = chainOf("attacker's own", 3, hour);
  const revocation: Phase = {
    fromGst: start,
    nmas: NMAS.operational,
    cpks: CPKS.pkrev,
    chain,
    onAir: [kroot(chain, key2)],
  };
  const forged = sky([nominalPhase(hour, attackers, key1)], 20, start + 600);

  it("signs a sky that would be believed, were it not for the state kept", () => {
    const run = runEngine(forged, trustOf(authority, [1, 2]));
    expect(run.authenticated.length).toBeGreaterThan(0);
  });

  it.each([
    ["known by number only to be lower", [2]],
    ["known, and revoked by name", [1, 2]],
  ])("after PKREV authenticates nothing in the next run: %s", (_, pkids) => {
    const first = runEngine(sky([revocation], 12), trustOf(authority, pkids));
    expect(first.engine.state).toBe("authenticating");
    const run = runEngine(forged, { ...trustOf(authority, [1, 2]), snapshot: stored(first) });
    expect(run.authenticated).toEqual([]);
    expect(total(run.engine.verified)).toBe(0);
    expect(run.engine.rootKeysVerified).toBe(0);
    expect(run.engine.status().publicKeyInForce?.pkid).toBe(2);
    expect(run.engine.status().chain?.alpha).toBe(alphaOf(chain));
  });

  it("does not take the place of a higher one with a root that one satellite repeats", () => {
    const phases = [nominalPhase(hour - 5 * HOUR_SECONDS, chain, key2)];
    const first = runEngine(sky(phases, 10), trustOf(authority, [2]));
    const options = { ...trustOf(authority, [1, 2]), snapshot: stored(first) };
    const later = sky(phases, 40, start + 300);
    const header = nmaHeaderByte({ nmas: NMAS.operational, cid: 2, cpks: CPKS.nominal });
    const repeated = replayed(rootOf(chain, key1, header, hour), header, start + 600);
    const run = runEngine(merged(later, repeated), options);
    expectUndisturbed(run, runEngine(later, options));
    expect(statusOf(run, 2)).toBe("in-force");
  });
});

describe("a revocation while a chain ends", () => {
  const ending = chainOf("ending", 1, hour);
  const announced = chainOf("announced", 2, hour + DAY_SECONDS);
  const changeGst = start + 600;
  const SUBFRAMES = 60;

  const eoc = (onAir: Phase["onAir"]): Phase => ({
    fromGst: start,
    nmas: NMAS.operational,
    cpks: CPKS.eoc,
    chain: ending,
    onAir,
  });
  const orders: [string, Phase][] = [
    ["next", eoc([kroot(announced, key1), kroot(ending, key1)])],
    ["ending", eoc([kroot(ending, key1), kroot(announced, key1)])],
  ];
  /** Where the replacement's root is of this hour, the announced chain has the later say: the satellites decide. */
  const replacements: [string, TeslaChain][] = [
    ["in three hours", chainOf("replacement to come", 3, hour + 3 * HOUR_SECONDS)],
    ["this hour", chainOf("replacement of this hour", 3, hour)],
  ];
  const cases = orders.flatMap(([first, phase]) =>
    replacements.map(([begins, chain]) => ({ first, phase, begins, chain })),
  );

  it.each(orders)("both chains find their place, the root of the %s one heard first", (_, phase) => {
    const status = runEngine(sky([phase], 20), trustOf(authority, [1])).engine.status();
    expect(status.state).toBe("authenticating");
    expect(status.chain?.alpha).toBe(alphaOf(ending));
    expect(status.nextChain?.alpha).toBe(alphaOf(announced));
  });

  it.each(cases)("PKREV: $first root heard first, replacement $begins", ({ phase, chain }) => {
    const revoked: Phase = {
      fromGst: changeGst,
      nmas: NMAS.dontUse,
      cpks: CPKS.pkrev,
      chain: ending,
      onAir: [pkr(key2), kroot(chain, key2)],
    };
    const run = runEngine(sky([phase, revoked], SUBFRAMES), trustOf(authority, [1]));
    expect(run.authenticated.length).toBeGreaterThan(0);
    expect(run.authenticated.filter(({ at }) => at >= changeGst + 60)).toEqual([]);
    expect(run.engine.state).toBe("suspended");
    expect(run.engine.cpks).toBe("pkrev");
    expect([statusOf(run, 1), statusOf(run, 2)]).toEqual(["revoked", "in-force"]);
    expect(run.engine.snapshot().revokedChains.length).toBe(2);
    expect(run.engine.status().chain?.alpha).not.toBe(alphaOf(ending));
    expect(count(run, "kroot-stale")).toBe(0);
  });

  it.each(cases)("CREV: $first root heard first, replacement $begins", ({ phase, chain }) => {
    const revoked: Phase = {
      fromGst: changeGst,
      nmas: NMAS.dontUse,
      cpks: CPKS.crev,
      chain: ending,
      onAir: [kroot(chain, key1)],
    };
    const run = runEngine(sky([phase, revoked], SUBFRAMES), trustOf(authority, [1]));
    expect(run.authenticated.length).toBeGreaterThan(0);
    expect(run.authenticated.filter(({ at }) => at >= changeGst + 60)).toEqual([]);
    expect(run.engine.state).toBe("suspended");
    expect(run.engine.cpks).toBe("crev");
    const gone = run.events.filter(({ name }) => name === "chain-revoked");
    expect(gone.map((event) => [event["by"], event["chain"]])).toEqual([["crev", alphaOf(ending)]]);
    expect(run.engine.snapshot().revokedChains.length).toBe(1);
    expect(count(run, "kroot-stale")).toBe(0);
  });
});

describe("one satellite that repeats a genuine root of the past", () => {
  const nominal = nmaHeaderByte({ nmas: NMAS.operational, cid: 1, cpks: CPKS.nominal });

  it.each([
    ["three weeks", 21 * DAY_SECONDS],
    ["two hours", 2 * HOUR_SECONDS],
  ])("of a chain that ended %s ago, header and CID as now: nothing changes", (_, ago) => {
    const chain = chainOf("new", 1, hour);
    const ended = chainOf("old", 1, hour - ago, 2);
    const honest = sky([nominalPhase(hour, chain, key1)], 80);
    const trust = trustOf(authority, [1]);
    const old = rootOf(ended, key1, nominal, hour - ago);
    const run = runEngine(merged(honest, replayed(old, nominal, start + 300)), trust);
    expectUndisturbed(run, runEngine(honest, trust));
    expect(run.authenticated.some(({ at }) => at > start + 1800)).toBe(true);
    // Of these three hours it is the same status from an earlier hour, as an ending chain's root would be.
    expect(count(run, "kroot-stale")).toBe(ago > 3 * HOUR_SECONDS ? 1 : 0);
  });

  describe("under CREV, after a restart", () => {
    const chain = longChain("now", 2);
    const phases = [nominalPhase(hour, chain, key1)];
    const trust = trustOf(authority, [1]);
    const kept = stored(runEngine(sky(phases, 12), trust));
    const restart = start + 12 * SUBFRAME_SECONDS;
    const header = nmaHeaderByte({ nmas: NMAS.operational, cid: 1, cpks: CPKS.crev });

    // What was stored tells hours ago from now; the age alone tells what is older, even with no status stored.
    it.each([
      ["200 days ago", 200 * DAY_SECONDS, kept],
      ["200 days ago, no status stored", 200 * DAY_SECONDS, { ...kept, status: null }],
      ["two hours ago", 2 * HOUR_SECONDS, kept],
    ])("of %s: revokes and replaces nothing", (_, ago, snapshot) => {
      const then = chainOf("put in force by CREV", 1, hour - ago);
      const dsm = rootOf(then, key1, header, hour - ago);
      // One honest satellite only, so that the attacker's root is complete first.
      const honest = sky(phases, 30, restart, [1]);
      const options = { ...trust, snapshot };
      const run = runEngine(merged(honest, replayed(dsm, header, restart)), options);
      expectUndisturbed(run, runEngine(honest, options));
      expect(count(run, "kroot-stale")).toBeGreaterThan(0);
      expect(run.engine.snapshot().revokedChains).toEqual([]);

      const next = runEngine(sky(phases, 20, restart + 900), { ...trust, snapshot: stored(run) });
      expect(next.engine.status().chain?.alpha).toBe(alphaOf(chain));
      expect(next.engine.state).toBe("authenticating");
    });

    it("from eight satellites at once in the first subframe: nor then", () => {
      const then = chainOf("put in force by CREV", 1, hour - 2 * HOUR_SECONDS);
      const dsm = rootOf(then, key1, header, hour - 2 * HOUR_SECONDS);
      const hostile = Array.from({ length: dsm.length / 13 }, (_, block) =>
        hostileSubframe(restart, encodeHkroot(header, DSM_ID, dsm, block), 25 + block),
      );
      const honest = sky(phases, 30, restart);
      const options = { ...trust, snapshot: kept };
      const run = runEngine(merged(honest, hostile.flat()), options);
      expect(count(run, "kroot-stale")).toBe(1);
      expect(count(run, "chain-replaced") + count(run, "chain-revoked")).toBe(0);
      expect(run.engine.status().chain?.alpha).toBe(alphaOf(chain));
      expect(total(run.engine.verified)).toBe(total(runEngine(honest, options).engine.verified));
    });
  });

  it("under Don't Use of this very hour: does not suspend what was resumed", () => {
    const chain = chainOf("resumed", 1, hour);
    const phase = (fromGst: number, nmas: number): Phase => ({
      fromGst,
      nmas,
      cpks: CPKS.nominal,
      chain,
      onAir: [kroot(chain, key1)],
    });
    const honest = sky([phase(start, NMAS.dontUse), phase(start + 300, NMAS.operational)], 60);
    const header = nmaHeaderByte({ nmas: NMAS.dontUse, cid: 1, cpks: CPKS.nominal });
    const hostile = replayed(rootOf(chain, key1, header, hour), header, start + 600, 5);
    const trust = trustOf(authority, [1]);
    const run = runEngine(merged(honest, hostile), trust);
    expectUndisturbed(run, runEngine(honest, trust));
    expect(count(run, "kroot-stale")).toBeGreaterThan(0);
    const status = run.events.filter(({ name }) => name === "nma-status").map((event) => event["nmaStatus"]);
    expect(status).toEqual(["dont-use", "operational"]);
  });
});

describe("a root of the old Merkle tree after the new one is in force", () => {
  const newAuthority = new TestAuthority("order, new tree");
  const oldKey: Signer = { authority, pkid: 8 };
  const newKey: Signer = { authority: newAuthority, pkid: 1 };
  const [before, after] = [trustOf(authority, [8]), trustOf(newAuthority, [1])];
  const trust = { roots: [...before.roots, ...after.roots], keys: [...before.keys, ...after.keys] };
  const newRoot = after.roots[0].root;
  const chain = longChain("two trees", 2);
  const header = nmaHeaderByte({ nmas: NMAS.operational, cid: 2, cpks: CPKS.nominal });
  const cases: [string, number][] = [
    ["20 hours ago", hour - 20 * HOUR_SECONDS],
    ["the hour before", hour - HOUR_SECONDS],
    ["this hour", hour],
  ];

  it.each(cases)("of %s, both trees given: changes nothing, and does not spend the new tree", (_, gst0) => {
    const honest = sky([nominalPhase(hour - DAY_SECONDS, chain, newKey)], 50);
    const hostile = replayed(rootOf(chain, oldKey, header, gst0), header, start + 600);
    const run = runEngine(merged(honest, hostile), trust);
    expectUndisturbed(run, runEngine(honest, trust));
    expect(run.engine.status().publicKeyInForce).toEqual({ root: newRoot, pkid: 1 });
    expect(run.engine.snapshot().keyRing.renewedRoots).toEqual([]);
    expect(count(run, "kroot-stale")).toBe(1);
  });

  it.each(cases)("of %s, after a renewal that was followed: the old tree does not come back", (_, gst0) => {
    const phases = nmtPhases(start, start + 600, start + 1500, chain, oldKey, newKey);
    const honest = sky(phases, 90);
    const hostile = replayed(rootOf(chain, oldKey, header, gst0), header, start + 1800);
    const run = runEngine(merged(honest, hostile), trust);
    expectUndisturbed(run, runEngine(honest, trust));
    expect(run.engine.status().publicKeyInForce).toEqual({ root: newRoot, pkid: 1 });
    expect(run.engine.snapshot().keyRing.renewedRoots).toEqual([before.roots[0].root]);
  });
});

describe("a header that nobody signed", () => {
  it("is not assumed for satellites whose page 0 was lost: no tag fails", () => {
    const chain = chainOf("headers", 1, hour);
    const trust = trustOf(authority, [1]);
    const [from, until] = [start + 21 * SUBFRAME_SECONDS, start + 24 * SUBFRAME_SECONDS];
    const all = sky([nominalPhase(hour, chain, key1)], 40);
    const damaged = all.filter(
      ({ gst }) => gst < from || gst >= until || (gst - start - 1) % SUBFRAME_SECONDS !== 0,
    );
    expect(damaged.length).toBe(all.length - 3 * HONEST.length);
    const header = nmaHeaderByte({ nmas: NMAS.test, cid: 1, cpks: CPKS.nominal });
    const hkroot = Uint8Array.of(header, (DSM_ID << 4) | 0xf, ...new Uint8Array(13));
    const hostile: TimedPage[] = [];
    for (let gst = from; gst < until; gst += SUBFRAME_SECONDS) hostile.push(...hostileSubframe(gst, hkroot));
    const run = runEngine(merged(damaged, hostile), trust);
    expectUndisturbed(run, runEngine(damaged, trust));
    // Tag0 begins in page 0 and is lost with it; all others verify.
    const lost = 3 * HONEST.length;
    expect(honestTags(run, "verified")).toBe(honestTags(runEngine(all, trust), "verified") - lost);
  });
});
