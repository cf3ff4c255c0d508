/** The evidence of each graded fix, made from what the fix stage hands out and what the engine has verified. */
import { EvidenceBuilder, type FixEvidence } from "../evidence/bundle.js";
import type { FixStageOptions } from "../fix/fix-stage.js";
import { evidencePartsOf } from "./evidence-parts.js";

/** For `FixStageOptions.evidence`: `keep` gets the evidence before the fix itself is written. */
export function fixEvidence(keep: (evidence: FixEvidence) => void): NonNullable<FixStageOptions["evidence"]> {
  const builder = new EvidenceBuilder();
  return (fix, inputs) => {
    const evidence = builder.build(fix, evidencePartsOf(inputs));
    keep(evidence);
    return evidence.root;
  };
}
