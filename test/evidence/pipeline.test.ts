import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { givenOf } from "../../src/cli/trust-options.js";
import { buildEvidence, bundleText, EvidenceBuilder, ownObjects } from "../../src/evidence/bundle.js";
import { verifyBundle } from "../../src/evidence/verify.js";
import { fixesWith } from "../../src/fix/fix-stage.js";
import type { OsnmaEngine } from "../../src/osnma/engine.js";
import { Pipeline } from "../../src/pipeline/pipeline.js";
import type { SolverOptions } from "../../src/position/solver.js";
import { fixesOf, rootsOf, testMaterial, textOf } from "./support.js";

const material = testMaterial();
const roots = rootsOf(material);
const capture = "captures/nominal.ubx";
const EPOCH = 1400 * 604_800 + 141_240;

describe("every fix that the pipeline makes of a capture", () => {
  it("comes with evidence that holds", () => {
    const builder = new EvidenceBuilder();
    const wrong: string[] = [];
    let fixes = 0;
    let engine: OsnmaEngine | null = null;
    const stage = fixesWith({
      mode: "simulated",
      softwareVersion: "test",
      evidence: (fix, { own, receiver }) => {
        const proofs = Array.from({ length: 36 }, (_, i) => engine!.cedProof(i + 1)).filter(
          (proof) => proof !== null,
        );
        const position =
          own === null
            ? null
            : {
                rawx: own.rawx,
                solverOptions: own.solved.options,
                ionosphereFrom: own.solved.solution.ionosphereFrom,
              };
        const evidence = builder.build(fix, { proofs, position, receiver });
        const { root } = evidence;
        const objects = [...ownObjects(fix, evidence), ...evidence.shared];
        expect(objects[0][0]).toBe(root);
        const verdict = verifyBundle(bundleText(fix.mode, root, objects), { roots });
        for (const { ok, check, field, detail } of verdict.lines)
          if (!ok) wrong.push(`${fix.gst}: ${check}, ${field}: ${detail}`);
        fixes++;
        return root;
      },
    });
    const pipeline = new Pipeline(
      { ...givenOf(material), mode: "simulated", softwareVersion: "test", fixes: stage },
      () => undefined,
    );
    ({ engine } = pipeline);
    pipeline.push(readFileSync(capture));
    pipeline.end();
    expect(fixes).toBeGreaterThan(300);
    expect(wrong).toEqual([]);
  });
});

describe("the solver's options", () => {
  const cases: SolverOptions[] = [
    { elevationMaskDeg: 5, combination: "e1" },
    { elevationMaskDeg: 15.5, troposphere: "niell" },
    { ionosphere: "none", raim: "off" },
    { raim: { falseAlarm: 1e-5, exclusionMargin: 3.25, varianceInflation: 1.75 } },
    { errorModel: { aPriori: 0.31, whiteMeters2: 0.1 + 0.2, lowElevationMeters2: 1e-7 }, leapSeconds: 17 },
    { troposphere: "none", allowMarginal: true },
  ];

  it("go through evidence to the same position, to the last integer", () => {
    const positions = new Set<string>();
    for (const solver of cases) {
      const [made] = fixesOf({ capture, material, mode: "simulated", solver }, (gst) => gst === EPOCH);
      const { lines } = verifyBundle(textOf(made), { roots });
      expect(
        lines.filter(({ ok, check }) => !ok && check === "position"),
        JSON.stringify(solver),
      ).toEqual([]);
      positions.add(JSON.stringify(made.record.own));
    }
    expect(positions.size).toBe(cases.length);
  });

  it("do not make a fix without RAIM nav-authenticated where RAIM could have looked", () => {
    const solver = { raim: "off" } as const;
    const [made] = fixesOf({ capture, material, mode: "simulated", solver }, (gst) => gst === EPOCH);
    const failed = verifyBundle(textOf(made), { roots }).lines.filter(({ ok }) => !ok);
    expect(failed.map(({ field }) => field)).toEqual(["record.own.assurance"]);
  });
});

describe("data that became authentic between the measurements and the fix", () => {
  it("is proven, and takes no part where the record says that the solver had none", () => {
    const wanted = (gst: number): boolean => gst === EPOCH;
    const [{ record, parts }] = fixesOf({ capture, material, mode: "simulated" }, wanted);
    const late = record.own!.satellites[0].svid;
    const without = parts.proofs.filter(({ svid }) => svid !== late);
    expect(without.length).toBe(parts.proofs.length - 1);
    // The record of an epoch without it, made by the same means.
    const [made] = fixesOf({ capture, material, mode: "simulated", withoutSatellite: late }, wanted);
    expect(made.record.own?.excluded).toContainEqual({ svid: late, reason: "no-data" });
    const evidence = buildEvidence(
      { ...made.record, authenticatedSatellites: record.authenticatedSatellites },
      { ...made.parts, proofs: parts.proofs },
    );
    const verdict = verifyBundle(bundleText("simulated", evidence.root, evidence.objects), { roots });
    expect(verdict.lines.filter(({ ok }) => !ok)).toEqual([]);
  });
});
