/** `osnmad verify` and `osnmad station prove` on proof packages, as a person and a program use them. */
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Command } from "commander";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { registerProve } from "../../src/cli/commands/prove.js";
import { registerVerify } from "../../src/cli/commands/verify.js";
import { makeProof } from "../../src/proof/make.js";
import { proofText } from "../../src/proof/package.js";
import { logSource } from "../../src/proof/source.js";
import { formatVerifierKey } from "../../src/station/note.js";
import { StationLog } from "../../src/station/station-log.js";
import { openStore } from "../../src/store/store.js";
import { played, type Played } from "../proof/played.js";
import { fixAfter, merkleFile } from "../proof/sky.js";

const dir = mkdtempSync(join(tmpdir(), "osnmad-verify-proof-"));
afterAll(() => {
  rmSync(dir, { recursive: true, force: true });
});

let run: Played;
let file: string;
let text: string;
let tree: string;
beforeAll(async () => {
  run = await played([() => 2, () => 2]);
  text = proofText(makeProof(fixAfter(95), logSource(run.station.log)));
  file = join(dir, "fix.osnmad-proof.json");
  writeFileSync(file, text);
  tree = join(dir, "tree.xml");
  writeFileSync(tree, merkleFile());
}, 120_000);

async function verify(args: readonly string[]): Promise<{ out: string; code: number | null }> {
  let out = "";
  let code: number | null = null;
  const program = new Command("osnmad").exitOverride();
  program.configureOutput({ writeErr: () => undefined });
  registerVerify(program, { out: (more) => (out += more), colours: false, exit: (value) => (code = value) });
  await program.parseAsync(["verify", ...args, "--merkle", tree], { from: "user" });
  return { out, code };
}

const trusting = (): string[] => [
  ...run.witnesses.flatMap(({ key }) => ["--witness", `${formatVerifierKey(key)}@0.5`]),
  "--needed",
  "2",
];

describe("osnmad verify of a proof package", () => {
  it("says what was committed to when, seen by whom, of which class, and exits with 0", async () => {
    const key = formatVerifierKey(run.station.log.key);
    const { out, code } = await verify([file, ...trusting(), "--station", key, "--class", "A"]);
    expect(code).toBe(0);
    expect(out).toMatch(/^Witnesses: 2 of w0\.example\/w ±0\.5 s, w1\.example\/w ±0\.5 s; margin 5 s$/m);
    expect(out).toMatch(/^ok +cosignature +leaf 4: w1\.example\/w saw 5 leaves at \d{4}-.*Z/m);
    expect(out).toMatch(/^Fix +\d{4}-.*Z: nav-authenticated \(own position nav-authenticated/m);
    expect(out).toMatch(/^Committed +leaf 5, of the subframe that ended at/m);
    expect(out).toMatch(/^Class +A: committed to before witnesses/m);
    expect(out).toMatch(/^ +E05 +A in-time: tag of E5, ADKD 12, seen 31\d\.\d s before its key$/m);
    expect(out).toMatch(/^GENUINE, under test keys, class A: all \d+ checks hold\.$/m);
    expect(out).not.toMatch(/FAIL|NO STATION/);
  });

  it("without witnesses is genuine, of class C, and loud about both that and the station", async () => {
    const { out, code } = await verify([file]);
    expect(code).toBe(0);
    expect(out).toMatch(/^Witnesses: none, so nothing is shown of when: class C/m);
    expect(out).toMatch(/^! NO STATION ASKED FOR/m);
    expect(out).toMatch(/^ +w0\.example\/w signed too, and is none of your witnesses$/m);
    expect(out).toMatch(/^Class +C \(too-few-witnesses\): .*worth nothing to who did not hear the signal/m);
    expect(out).toMatch(/^GENUINE, under test keys, class C/m);
    expect((await verify([file, "--class", "B"])).code).toBe(10);
    expect((await verify([file, "--class", "C"])).code).toBe(0);
    expect((await verify([file, ...trusting(), "--class", "B"])).code).toBe(0);
  });

  it("exits with 1 where anything does not hold, whatever the class would have been", async () => {
    const [, id] = /"station":"([0-9a-f]{64})"/.exec(text)!;
    const other = join(dir, "other.json");
    writeFileSync(other, text.replace(`"station":"${id}"`, `"station":"${"00".repeat(32)}"`));
    const { out, code } = await verify([other, ...trusting(), "--class", "C"]);
    expect(code).toBe(1);
    expect(out).toMatch(/^FAIL part +station/m);
    expect(out).toMatch(/^NOT GENUINE: \d+ of \d+ checks fail/m);
    expect(out).not.toMatch(/^Class/m);
    const wrong = await verify([file, ...trusting(), "--station", "11".repeat(32)]);
    expect(wrong.code).toBe(1);
    expect(wrong.out).toMatch(/^FAIL station .*another station than 1111/m);
  });

  it("writes JSON lines for programs, the verdict last", async () => {
    const { out } = await verify([file, ...trusting(), "--json"]);
    const records = out
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    const verdict = records.at(-1)!;
    expect(verdict).toMatchObject({
      type: "verdict",
      genuine: true,
      class: "A",
      reason: "in-time",
      mode: "simulated",
      station: Buffer.from(run.station.log.station).toString("hex"),
      failed: 0,
      checks: records.length - 1,
      committed: { index: 5, seen: [{ witness: "w0.example/w" }, { witness: "w1.example/w" }] },
    });
    expect((verdict["committed"] as { witnessedUtc: string }).witnessedUtc).toMatch(/^\d{4}-.*Z$/);
    expect(verdict["satellites"]).toHaveLength(7);
  });

  it("takes no options of time for a bundle, which says nothing of it, and no witness twice", async () => {
    const bundle = join(dir, "bundle.json");
    writeFileSync(bundle, JSON.stringify((JSON.parse(text) as { evidence: unknown }).evidence));
    expect((await verify([bundle])).code).toBe(0);
    await expect(verify([bundle, ...trusting()])).rejects.toThrow(/for proof packages/);
    await expect(verify([bundle, "--class", "A"])).rejects.toThrow(/for proof packages/);
    const [, first] = trusting();
    await expect(verify([file, "--witness", first, "--witness", first])).rejects.toThrow(/same key/);
    await expect(verify([file, "--witness", first, "--needed", "2"])).rejects.toThrow(/cannot be needed/);
    await expect(verify([file, "--station", "nobody"])).rejects.toThrow(/neither a station's id/);
  });
});

describe("osnmad station prove", () => {
  async function prove(args: readonly string[]): Promise<string> {
    let out = "";
    const station = new Command("station").exitOverride();
    station.configureOutput({ writeErr: () => undefined });
    registerProve(station, { out: (more) => (out += more), err: () => undefined });
    await station.parseAsync(["prove", ...args], { from: "user" });
    return out;
  }

  it("makes a package from a data folder, by id or time, that the log's own proves", async () => {
    const data = join(dir, "data");
    const { record, made } = fixAfter(95);
    const folder = join(data, "station-simulated");
    mkdirSync(data, { mode: 0o700 });
    const fresh = await played([() => 2]);
    await fresh.station.close();
    cpSync(fresh.station.log.directory, folder, { recursive: true });
    const store = openStore(data);
    store.write(() => {
      const { mode, timeAssurance, softwareVersion } = record;
      const started = { mode, source: "sky", timeAssurance, softwareVersion, startedAtMs: 0 };
      store.fixes.append(store.runs.begin(started), record, made);
    });
    store.close();
    const byId = await prove(["1", "--data-dir", data, "--mode", "simulated"]);
    const out = join(dir, "out.json");
    await prove([
      "--at",
      record.utc.replace(/:(\d\d)\./, ":59."),
      "--data-dir",
      data,
      "--mode",
      "simulated",
      "-o",
      out,
    ]);
    expect(readFileSync(out, "utf8")).toBe(byId);
    expect(statSync(out).mode & 0o777).toBe(0o600);
    writeFileSync(join(dir, "by-id.json"), byId);
    const args = fresh.witnesses.flatMap(({ key }) => ["--witness", formatVerifierKey(key)]);
    const { code, out: said } = await verify([join(dir, "by-id.json"), ...args, "--class", "A"]);
    expect(code, said).toBe(0);
    await expect(prove(["1", "--data-dir", data, "--mode", "simulated", "-o", out])).rejects.toThrow(
      /cannot be written/,
    );
    await expect(prove(["2", "--data-dir", data, "--mode", "simulated"])).rejects.toThrow(/no fix 2/);
    await expect(prove(["1", "--url", "http://192.0.2.1:4747"])).rejects.toThrow(/coordinates as plain text/);
    await expect(prove(["--data-dir", data])).rejects.toThrow(/either its id or --at/);
    const held = StationLog.open({ directory: folder, mode: "simulated" });
    try {
      await expect(prove(["1", "--data-dir", data, "--mode", "simulated"])).rejects.toThrow(/--url/);
    } finally {
      held.close();
    }
  }, 60_000);
});
