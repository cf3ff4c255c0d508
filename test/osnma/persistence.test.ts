/** What survives a restart: keys, chain, revocations and the alert; and what a spoiled state cannot do. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { OsnmaEngine, type OsnmaOptions, type OsnmaSnapshot } from "../../src/osnma/engine.js";
import {
  alertPhase,
  crevPhases,
  parametrisedScenario,
  nominalPhase,
  pkrevPhases,
  Simulation,
} from "../../src/simulate/scenario.js";
import { TestAuthority } from "../../src/simulate/test-authority.js";
import { OPERATIONAL_PARAMETERS, TeslaChain } from "../../src/simulate/tesla-chain.js";
import { runEngine, timedPages, total, trustOf, Truth, type Run, type TimedPage } from "../support/osnma.js";

const SATELLITES = [2, 7, 11, 20];
const scenario = parametrisedScenario({ seed: "restart", subframes: 30, satellites: SATELLITES });
const simulation = new Simulation({ ...scenario.options, subframes: 14 });
const truth = new Truth(simulation);
const pages = timedPages(simulation);
const trust = trustOf(scenario.authority, [1]);
const half = simulation.startGst + 210;
const first = pages.filter(({ gst }) => gst < half);
/** Without HKROOT blocks: only a start with a stored chain can use it. */
const rootless = (of: readonly TimedPage[]): TimedPage[] =>
  of.map(({ page, gst }) => ({ gst, page: { ...page, hkroot: (gst - 1) % 30 === 0 ? page.hkroot : 0xff } }));
const second = rootless(pages.filter(({ gst }) => gst >= half));

/** As the state file keeps it. */
const stored = ({ engine }: Run): OsnmaSnapshot =>
  JSON.parse(JSON.stringify(engine.snapshot())) as OsnmaSnapshot;
const before = runEngine(first, trust);

describe("a restart", () => {
  it("is hot: tags verify without a DSM-KROOT", () => {
    const cold = runEngine(second, trust);
    expect(total(cold.engine.verified)).toBe(0);
    const { engine, authenticated } = runEngine(second, { ...trust, snapshot: stored(before) });
    expect(engine.rootKeysVerified).toBe(0);
    expect(engine.keysVerified).toBe(7);
    expect(total(engine.verified)).toBeGreaterThan(30);
    expect(total(engine.failed)).toBe(0);
    expect(truth.forgeries(authenticated)).toEqual([]);
    for (const svid of SATELLITES) expect(engine.ced(svid)).not.toBeNull();
  });

  it("the same engine state comes out that went in", () => {
    const snapshot = stored(before);
    expect(stored(runEngine([], { ...trust, snapshot }))).toMatchObject({
      alert: false,
      keyRing: snapshot.keyRing,
      revokedChains: snapshot.revokedChains,
    });
  });

  it("keeps a key that came by DSM-PKR under a root that is still trusted", () => {
    const authority = new TestAuthority("restart pkr");
    const hour = 1400 * 604_800 + 36 * 3600;
    const chain = new TeslaChain({
      seed: "restart pkr",
      cid: 1,
      parameters: OPERATIONAL_PARAMETERS,
      startGst: hour,
      endGst: hour + 3000,
    });
    const cold = new Simulation({
      seed: "restart pkr",
      startGst: hour,
      subframes: 24,
      satellites: SATELLITES,
      phases: [nominalPhase(hour, chain, { authority, pkid: 2 })],
    });
    const run = runEngine(timedPages(cold), trustOf(authority, []));
    expect(run.engine.publicKeysVerified).toMatchObject([{ pkid: 2 }]);
    const restored = new OsnmaEngine(
      { ...trustOf(authority, []), snapshot: stored(run), timeAssurance: "capture" },
      { event: () => undefined, authenticated: () => undefined },
    );
    expect(restored.state).toBe("hot");
    expect(restored.status().publicKeys).toMatchObject([{ pkid: 2, status: "in-force" }]);
  });

  it("under other trust roots nothing of it is believed", () => {
    const other = trustOf(new TestAuthority("somebody else"), [1]);
    for (const material of [other, { roots: other.roots, keys: [] }, { roots: [], keys: [] }]) {
      const { engine, authenticated } = runEngine(second, { ...material, snapshot: stored(before) });
      expect(engine.status().chain).toBeNull();
      expect(engine.keysVerified + total(engine.verified)).toBe(0);
      expect(authenticated).toEqual([]);
    }
  });

  it("the alert stays latched, whatever key material the old trust gives", () => {
    const alert = new Simulation({
      ...scenario.options,
      phases: [
        ...scenario.options.phases,
        alertPhase(simulation.startGst + 60, scenario.chain, { authority: scenario.authority, pkid: 1 }),
      ],
    });
    const run = runEngine(timedPages(alert), trust);
    expect(run.engine.alertVerified).toBe(true);
    const rootKey = simulation.schedule.at(simulation.startGst);
    const { engine, authenticated } = runEngine(pages, { ...trust, rootKey, snapshot: stored(run) });
    expect(engine.state).toBe("alert");
    expect(engine.alertVerified).toBe(true);
    expect(engine.nmaStatus).toBe("dont-use");
    expect(total(engine.verified) + engine.keysVerified).toBe(0);
    expect(authenticated).toEqual([]);
  });
});

const hour = Math.floor(simulation.startGst / 3600) * 3600;
const newChain = new TeslaChain({
  seed: "restart new chain",
  cid: 2,
  parameters: OPERATIONAL_PARAMETERS,
  startGst: hour + 3600,
  endGst: hour + 3600 + 1500,
});
const oldSigner = { authority: scenario.authority, pkid: 1 };
const newSigner = { authority: scenario.authority, pkid: 2 };

describe("what was revoked", () => {
  it("a chain stays revoked: its root does not come back after the restart", () => {
    const crev = new Simulation({
      ...scenario.options,
      phases: [
        ...scenario.options.phases,
        ...crevPhases(simulation.startGst + 150, scenario.chain, newChain, hour + 7200, oldSigner),
      ],
    });
    const run = runEngine(timedPages(crev), trust);
    expect(run.events.map(({ name }) => name)).toContain("chain-revoked");
    const rootKey = simulation.schedule.at(simulation.startGst);
    for (const options of [{ ...trust }, { ...trust, rootKey }]) {
      const { engine, authenticated } = runEngine(pages, { ...options, snapshot: stored(run) });
      expect(engine.keysVerified + total(engine.verified)).toBe(0);
      expect(authenticated).toEqual([]);
      expect(engine.snapshot().revokedChains).toEqual(run.engine.snapshot().revokedChains);
    }
  });

  it("a public key stays revoked, given with its tree or without one", () => {
    const pkrev = new Simulation({
      ...scenario.options,
      phases: [
        ...scenario.options.phases,
        ...pkrevPhases(simulation.startGst + 90, scenario.chain, newChain, hour + 7200, newSigner),
      ],
      subframes: 26,
      satellites: [1, 2, 3, 5, 7, 11, 14, 20, 22],
    });
    const run = runEngine(timedPages(pkrev), { roots: trust.roots, keys: trust.keys });
    expect(run.events.map(({ name }) => name)).toContain("public-key-revoked");
    const [key] = trust.keys;
    // Another chain than the revoked one, signed with the revoked key.
    const forgedChain = new TeslaChain({
      seed: "made with a stolen key",
      cid: 3,
      parameters: OPERATIONAL_PARAMETERS,
      startGst: hour,
      endGst: simulation.endGst + 600,
    });
    const forged = new Simulation({
      ...scenario.options,
      subframes: 14,
      phases: [nominalPhase(hour, forgedChain, oldSigner)],
    });
    for (const keys of [[key], [{ ...key, root: `explicit:${"ab".repeat(32)}` }]]) {
      const { engine, authenticated } = runEngine(timedPages(forged), {
        roots: trust.roots,
        keys,
        snapshot: stored(run),
      });
      expect(engine.rootKeysVerified).toBe(0);
      expect(authenticated).toEqual([]);
    }
  });
});

describe("a spoiled state", () => {
  const snapshot = stored(before);
  const [chain] = snapshot.chains;
  const withChain = (change: Record<string, unknown>): OsnmaSnapshot =>
    ({ ...snapshot, chains: [{ ...chain, ...change }] }) as OsnmaSnapshot;

  it.each([
    ["another newest key", { newestKey: "00".repeat(16) }],
    ["a newest key of another length", { newestKey: "00" }],
    ["a newest key that is no hex", { newestKey: "zz" }],
    ["a newest key that is a number", { newestKey: 7 }],
    ["a newest key far ahead", { newestGst: chain.newestGst + 30 * 1_000_000_000 }],
    ["a newest key beyond all numbers", { newestGst: Number.MAX_VALUE }],
    ["a newest key off the grid", { newestGst: chain.newestGst + 0.5 }],
    ["a time that is text", { newestGst: "soon" }],
    ["no time", { newestGst: null }],
    ["another root", { dsm: `${chain.dsm.slice(0, 60)}00${chain.dsm.slice(62)}` }],
    ["a root cut short", { dsm: chain.dsm.slice(0, 20) }],
    ["no root", { dsm: "" }],
    ["a root that is no text", { dsm: 5 }],
    ["another header", { nmaHeader: chain.nmaHeader ^ 2 }],
    ["a header that is no byte", { nmaHeader: 1e9 }],
    ["another signer", { signedBy: { root: chain.signedBy.root, pkid: 9 } }],
    ["no signer", { signedBy: null }],
    ["an unknown role", { role: "king" }],
  ])("%s: no throw, no long work, nothing authenticated that was not signed", (_, change) => {
    const began = performance.now();
    const { authenticated } = runEngine(second, { ...trust, snapshot: withChain(change) });
    expect(performance.now() - began).toBeLessThan(3000);
    expect(truth.forgeries(authenticated)).toEqual([]);
  });

  it.each([
    ["no key ring", { keyRing: undefined }],
    ["an empty key ring", { keyRing: {} }],
    ["keys that are no list", { keyRing: { keys: 5, renewedRoots: 7 } }],
    [
      "a key of an unknown curve",
      { keyRing: { keys: [{ ...snapshot.keyRing.keys[0], type: "RSA" }], renewedRoots: [] } },
    ],
    [
      "a revoked key of an unknown curve",
      {
        keyRing: {
          keys: [{ ...snapshot.keyRing.keys[0], root: "x", type: "RSA", status: "revoked" }],
          renewedRoots: [],
        },
      },
    ],
    [
      "a key without a point",
      {
        keyRing: {
          keys: [{ ...snapshot.keyRing.keys[0], root: "x", point: null, status: "revoked" }],
          renewedRoots: [],
        },
      },
    ],
    ["a key that is null", { keyRing: { keys: [null], renewedRoots: [] } }],
    ["chains that are null", { chains: [null] }],
    ["revoked chains that are numbers", { revokedChains: [5] }],
  ])("%s: no throw", (_, change) => {
    const spoiled = { ...snapshot, ...change } as unknown as OsnmaSnapshot;
    const { authenticated } = runEngine(second, { ...trust, snapshot: spoiled });
    expect(truth.forgeries(authenticated)).toEqual([]);
  });

  it("a key slipped into the ring as if a DSM-PKR had proven it does not verify roots", () => {
    const attacker = new TestAuthority("slips a key in");
    const { npk } = attacker.key(3);
    const slipped: OsnmaSnapshot = {
      ...snapshot,
      chains: [],
      keyRing: {
        ...snapshot.keyRing,
        keys: [
          ...snapshot.keyRing.keys,
          {
            root: "ff".repeat(32),
            pkid: 3,
            type: "P-256",
            point: Buffer.from(npk).toString("hex"),
            origin: "dsm-pkr",
            status: "known",
            proof: null,
          },
        ],
      },
    };
    const forgedChain = new TeslaChain({
      seed: "slipped",
      cid: 3,
      parameters: OPERATIONAL_PARAMETERS,
      startGst: hour,
      endGst: simulation.endGst + 600,
    });
    const forged = new Simulation({
      ...scenario.options,
      subframes: 14,
      phases: [nominalPhase(hour, forgedChain, { authority: attacker, pkid: 3 })],
    });
    const options: Pick<OsnmaOptions, "roots" | "keys" | "snapshot"> = { ...trust, snapshot: slipped };
    const { engine, authenticated } = runEngine(timedPages(forged), options);
    expect(engine.rootKeysVerified).toBe(0);
    expect(authenticated).toEqual([]);
  });

  it("any one character of the stored state changed: no throw, nothing unsigned", () => {
    const text = JSON.stringify(snapshot);
    const few = second.slice(0, 400);
    fc.assert(
      fc.property(
        fc.nat(text.length - 1),
        fc.constantFrom("0", "1", "9", "a", "f", "x", '"', "}"),
        (at, character) => {
          let parsed: OsnmaSnapshot;
          try {
            parsed = JSON.parse(text.slice(0, at) + character + text.slice(at + 1)) as OsnmaSnapshot;
          } catch {
            return;
          }
          const { authenticated } = runEngine(few, { ...trust, snapshot: parsed });
          expect(truth.forgeries(authenticated)).toEqual([]);
        },
      ),
      { seed: 7, numRuns: 150 },
    );
  });
});
