/** The evidence of each graded fix, made from what the fix stage hands out and what the engine has verified. */
import { EvidenceBuilder, type Evidence } from "../evidence/bundle.js";
import type { FixStageOptions } from "../fix/fix-stage.js";

/** For `FixStageOptions.evidence`: `keep` gets the objects before the fix itself is written. */
export function fixEvidence(
  keep: (objects: Evidence["objects"]) => void,
): NonNullable<FixStageOptions["evidence"]> {
  const builder = new EvidenceBuilder();
  return (fix, { own, proofs, receiver }) => {
    const position =
      own === null
        ? null
        : {
            rawx: own.rawx,
            solverOptions: own.solved.options,
            ionosphereFrom: own.solved.solution.ionosphereFrom,
          };
    const { root, objects } = builder.build(fix, { proofs, position, receiver });
    keep(objects);
    return root;
  };
}
