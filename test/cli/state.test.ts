/**
 * What a run keeps for the next one under `--state`, and what it refuses to start from: the way of the key
 * material options into the engine and back into the folder.
 */
import { mkdtempSync, readdirSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { runReplay } from "../../src/cli/replay-run.js";
import { startMaterial, type StoredState, type TrustFlags } from "../../src/cli/trust-options.js";
import { OsnmadError } from "../../src/errors.js";
import type { SummaryRecord } from "../../src/pipeline/records.js";
import { ENGINE_STATE_FILE, loadState, saveState } from "../../src/trust/state-store.js";

const file = (path: string): string => fileURLToPath(new URL(`../../captures/${path}`, import.meta.url));
const TEST_TREE = file("trust/TEST_OSNMA_MerkleTree_A.xml");
const TEST_KEY = file("trust/TEST_OSNMA_PublicKey_2.xml");
const AT = "2026-11-23T00:00:00.000Z";

const base = mkdtempSync(join(tmpdir(), "osnmad-cli-state-"));
let count = 0;
const newDir = (): string => mkdtempSync(join(base, `${++count}-`));

/** The folder that a run without `--state` could be tempted to use. */
let home: string;
beforeEach(() => {
  home = newDir();
  vi.stubEnv("XDG_STATE_HOME", home);
  vi.stubEnv("HOME", home);
});
afterEach(() => {
  vi.unstubAllEnvs();
});

const flagsOf = (flags: Partial<TrustFlags>): TrustFlags => ({
  trust: true,
  rule: "guideline",
  minTagBits: 40,
  ...flags,
});
const simulated: Partial<TrustFlags> = { merkle: [TEST_TREE], publicKey: [TEST_KEY] };
/** Without key options: the built-in Galileo material. */
const real: Partial<TrustFlags> = {};

/** A replay as the command runs it: material by the flags, state kept where they say. */
async function replay(capture: string, flags: Partial<TrustFlags>): Promise<SummaryRecord> {
  const material = startMaterial(flagsOf(flags));
  return runReplay(
    {
      capture: file(capture),
      material,
      speed: "max",
      stateDir: flags.state,
      pipeline: { mode: material.simulated ? "simulated" : "replay", softwareVersion: "test" },
    },
    () => undefined,
  );
}

function refusalOf(flags: Partial<TrustFlags>): { code: string; message: string } {
  try {
    startMaterial(flagsOf(flags));
  } catch (error) {
    if (error instanceof OsnmadError) return { code: error.code, message: error.message };
    throw error;
  }
  return { code: "accepted", message: "" };
}

const verifiedTags = ({ tags }: SummaryRecord): number =>
  tags.verified["0"] + tags.verified["4"] + tags.verified["12"];

describe("a state folder", () => {
  it("of simulated signals is for simulated runs: a real one is refused and changes nothing", async () => {
    const state = newDir();
    expect(verifiedTags(await replay("nominal.ubx", { ...simulated, state }))).toBeGreaterThan(0);
    const kept = readFileSync(join(state, ENGINE_STATE_FILE), "utf8");
    expect((loadState(state) as StoredState).simulated).toBe(true);

    const refusal = refusalOf({ ...real, state });
    expect(refusal.code).toBe("OSN_USAGE");
    expect(refusal.message).toMatch(/belongs to simulated signals/);
    await expect(replay("nominal.ubx", { ...real, state })).rejects.toThrow(OsnmadError);
    expect(readFileSync(join(state, ENGINE_STATE_FILE), "utf8")).toBe(kept);
  });

  it("of real signals is for real runs: a simulated one is refused and changes nothing", async () => {
    const state = newDir();
    // The built-in material verifies nothing in a simulated capture, but the run and its state are real ones.
    expect(verifiedTags(await replay("nominal.ubx", { ...real, state }))).toBe(0);
    const kept = readFileSync(join(state, ENGINE_STATE_FILE), "utf8");
    expect((loadState(state) as StoredState).simulated).toBe(false);

    const refusal = refusalOf({ ...simulated, state });
    expect(refusal.code).toBe("OSN_USAGE");
    expect(refusal.message).toMatch(/belongs to real signals/);
    await expect(replay("nominal.ubx", { ...simulated, state })).rejects.toThrow(OsnmadError);
    expect(readFileSync(join(state, ENGINE_STATE_FILE), "utf8")).toBe(kept);
    expect(refusalOf({ ...real, state }).code).toBe("accepted");
  });

  it("makes the next run of its kind hot: chain and key are there before the first page", async () => {
    const state = newDir();
    await replay("nominal.ubx", { ...simulated, state });
    const { snapshot } = startMaterial(flagsOf({ ...simulated, state }));
    expect(snapshot?.chains.map(({ role }) => role)).toContain("current");
    expect(snapshot?.keyRing.keys.map(({ pkid, status }) => [pkid, status])).toContainEqual([2, "in-force"]);
  });

  it("that is still empty starts nothing and refuses nothing", () => {
    expect(startMaterial(flagsOf({ ...simulated, state: newDir() })).snapshot).toBeNull();
    expect(startMaterial(flagsOf({ ...real, state: newDir() })).snapshot).toBeNull();
  });

  it("that holds an alert refuses every start from it", async () => {
    const state = newDir();
    expect((await replay("alert.ubx", { ...simulated, state })).alertVerified).toBe(true);
    const kept = readFileSync(join(state, ENGINE_STATE_FILE), "utf8");
    expect(refusalOf({ ...simulated, state }).code).toBe("OSN_ALERT_LATCHED");
    await expect(replay("nominal.ubx", { ...simulated, state })).rejects.toMatchObject({
      code: "OSN_ALERT_LATCHED",
    });
    expect(readFileSync(join(state, ENGINE_STATE_FILE), "utf8")).toBe(kept);
  });

  it.each([
    ["no object", "state"],
    ["no engine state", { simulated: true }],
    ["an engine state of another form", { simulated: true, engine: { format: 2 } }],
  ])("whose checksum holds over %s is corrupt", (_, body) => {
    const state = newDir();
    saveState(state, body, AT);
    expect(refusalOf({ ...simulated, state }).code).toBe("OSN_STATE_CORRUPT");
  });

  it("that does not say of which kind it is belongs to neither", async () => {
    const made = newDir();
    await replay("nominal.ubx", { ...simulated, state: made });
    const { engine } = loadState(made) as StoredState;
    const state = newDir();
    saveState(state, { engine }, AT);
    expect(refusalOf({ ...simulated, state }).code).toBe("OSN_USAGE");
    expect(refusalOf({ ...real, state }).code).toBe("OSN_USAGE");
  });
});

describe("what makes a run simulated", () => {
  it.each<[string, Partial<TrustFlags>, boolean]>([
    ["a test tree", { merkle: [TEST_TREE] }, true],
    ["the key of a test tree alone", { publicKey: [TEST_TREE] }, true],
    ["a test key that names no tree", { publicKey: [TEST_KEY] }, true],
    ["the built-in material", {}, false],
    ["no trust at all", { trust: false }, false],
  ])("%s", (_, flags, expected) => {
    expect(startMaterial(flagsOf(flags)).simulated).toBe(expected);
  });
});

describe("a run without --state", () => {
  it("writes nothing, and the same run with it writes there only", async () => {
    const before = readdirSync(".");
    const summary = await replay("nominal.ubx", simulated);
    expect(verifiedTags(summary)).toBeGreaterThan(0);
    expect(readdirSync(home)).toEqual([]);
    expect(readdirSync(".")).toEqual(before);

    const state = newDir();
    await replay("nominal.ubx", { ...simulated, state });
    expect(readdirSync(state)).toEqual([ENGINE_STATE_FILE]);
    expect(readdirSync(home)).toEqual([]);
  });
});
