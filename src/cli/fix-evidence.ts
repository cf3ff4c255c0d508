/** The evidence of each graded fix, made from what the fix stage hands out and what the engine has verified. */
import { EvidenceBuilder, type FixEvidence } from "../evidence/bundle.js";
import type { FixStageOptions } from "../fix/fix-stage.js";

/** For `FixStageOptions.evidence`: `keep` gets the evidence before the fix itself is written. */
export function fixEvidence(keep: (evidence: FixEvidence) => void): NonNullable<FixStageOptions["evidence"]> {
  const builder = new EvidenceBuilder();
  return (fix, { own, proofs, receiver }) => {
    const position =
      own === null
        ? null
        : {
            rawx: own.rawx,
            measurementOptions: own.solved.measurementOptions,
            solverOptions: own.solved.options,
            ionosphereFrom: own.solved.solution.ionosphereFrom,
          };
    const evidence = builder.build(fix, { proofs, position, receiver });
    keep(evidence);
    return evidence.root;
  };
}
