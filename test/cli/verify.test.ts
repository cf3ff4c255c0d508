import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Command } from "commander";
import { beforeAll, describe, expect, it } from "vitest";
import { registerVerify } from "../../src/cli/commands/verify.js";
import { OsnmadError } from "../../src/errors.js";
import { CHECKS } from "../../src/evidence/verdict.js";
import { loadTrust } from "../../src/trust/material.js";
import { fixesOf, testMaterial, textOf, type Made } from "../evidence/support.js";
import { docText, rowsAfter } from "../docs/markdown.js";
import { describeShared, sharedPath } from "../support/shared.js";

const TEST_TREE = "captures/trust/TEST_OSNMA_MerkleTree_A.xml";
const dir = mkdtempSync(join(tmpdir(), "osnmad-verify-"));
let count = 0;
function fileOf(text: string): string {
  const path = join(dir, `${++count}.json`);
  writeFileSync(path, text);
  return path;
}

async function run(args: readonly string[], colours = false): Promise<{ out: string; code: number | null }> {
  let out = "";
  let code: number | null = null;
  const program = new Command("osnmad").exitOverride();
  registerVerify(program, { out: (text) => (out += text), colours, exit: (value) => (code = value) });
  await program.parseAsync(["verify", ...args], { from: "user" });
  return { out, code };
}

let made: Made;
let bundle: string;
beforeAll(() => {
  [made] = fixesOf(
    { capture: "captures/nominal.ubx", material: testMaterial(), mode: "simulated" },
    (gst) => gst === 1400 * 604_800 + 141_240,
  );
  bundle = fileOf(textOf(made));
});

describe("osnmad verify", () => {
  it("says line by line that a bundle holds, and exits with 0", async () => {
    const { out, code } = await run([bundle, "--merkle", TEST_TREE]);
    expect(code).toBe(0);
    expect(out).toMatch(/^ok +tesla-key/m);
    const position = /^ok +position .*computed again from 8 satellites.* (\d+\.\d{7})°, +(\d+\.\d{7})°/m.exec(
      out,
    );
    // Where the capture was made, to a few metres.
    expect(Math.abs(Number(position?.[1]) - 50.85)).toBeLessThan(3e-5);
    expect(Math.abs(Number(position?.[2]) - 4.73)).toBeLessThan(4e-5);
    expect(out).not.toMatch(/^FAIL/m);
    expect(out).toMatch(/^! SIMULATED/m);
    expect(out).toMatch(/^! TEST KEYS/m);
    expect(out).toMatch(/GENUINE, under test keys/);
    expect(out).toMatch(/Not proven by any bundle:\n {2}- The time condition/);
  });

  it("trusts no test root by itself", async () => {
    const { out, code } = await run([bundle]);
    expect((await run([bundle])).out).toMatch(
      /is not trusted here\. If you trust it, give its tree with --merkle FILE\.\s*$/,
    );
    expect(code).toBe(1);
    expect(out).toMatch(/^FAIL public-key .*field root/m);
    expect(out).toMatch(/NOT GENUINE/);
  });

  it("names object and field of a flipped bit, and exits with 1", async () => {
    const text = textOf(made).replace(/"type":"P-256","point":"02|"point":"0[23]/, (found) =>
      found.endsWith("02") ? found.replace(/02$/, "03") : found.replace(/03$/, "02"),
    );
    const { out, code } = await run([fileOf(text), "--merkle", TEST_TREE]);
    expect(code).toBe(1);
    expect(out).toMatch(/^FAIL id +public key 2 .*field point.*one bit was changed/m);
  });

  it("writes JSON lines for programs, the verdict last", async () => {
    const { out, code } = await run([bundle, "--merkle", TEST_TREE, "--json"]);
    const records = out
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(code).toBe(0);
    expect(records.at(-1)).toMatchObject({
      type: "verdict",
      genuine: true,
      root: made.evidence.root,
      mode: "simulated",
      standing: "test",
      failed: 0,
      checks: records.length - 1,
    });
    for (const record of records.slice(0, -1)) expect(record).toMatchObject({ type: "check", ok: true });
  });

  it("refuses evidence for another fix than was asked for", async () => {
    const args = [bundle, "--merkle", TEST_TREE, "--fix"];
    expect((await run([...args, made.evidence.root])).code).toBe(0);
    const { out, code } = await run([...args, "00".repeat(32)]);
    expect(code).toBe(1);
    expect(out).toMatch(/^FAIL bundle .*another fix/m);
    await expect(run([...args, "xyz"])).rejects.toThrow(OsnmadError);
  });

  it("says of what is no bundle that it is none", async () => {
    for (const text of ["", "not a bundle", "[]", '{"format":"osnmad-evidence","version":9}']) {
      const { out, code } = await run([fileOf(text)]);
      expect(code).toBe(1);
      expect(out).toMatch(/^FAIL bundle/m);
    }
    await expect(run([join(dir, "missing")])).rejects.toThrow(/cannot read/);
  });

  it("keeps control characters of a bundle off the terminal, and colours only its own words", async () => {
    const evil = '{"format":"osnmad-evidence","version":1,"mode":"live","root":"' + "0".repeat(64);
    const { out } = await run([fileOf(`${evil}","objects":{},"\\u001b]0;x\\u0007":1}`)]);
    expect(out).not.toMatch(/[\u0000-\u0009\u000b-\u001f]/);
    const coloured = await run([bundle, "--merkle", TEST_TREE], true);
    expect(coloured.out).toContain("\u001b[32mok  \u001b[0m");
  });
});

describe("docs/evidence.md", () => {
  it("explains every check that a verdict can name", () => {
    const rows = rowsAfter(docText("evidence.md"), "## The checks").map(([name]) => name.replaceAll("`", ""));
    expect(rows).toEqual([...CHECKS]);
  });
});

describeShared("osnmad verify of a real capture's fix", () => {
  it("holds under the built-in Galileo root alone", async () => {
    const [fix] = fixesOf(
      {
        capture: sharedPath("captures", "leuven-hybrid-rawx-atmo.ubx")!,
        material: loadTrust({ stateDir: null }),
        mode: "replay",
      },
      (gst) => Math.floor(gst) === 837_790_800,
    );
    const { out, code } = await run([fileOf(textOf(fix))]);
    expect(code).toBe(0);
    expect(out).toMatch(/Trusted: Galileo operational Merkle tree \(832E15ED\)/);
    expect(out).toMatch(/^! REPLAY/m);
  });
});
