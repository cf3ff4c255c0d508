/** The evidence of each graded fix, made from what the fix stage hands out and what the engine has verified. */
import { EvidenceBuilder, type Evidence } from "../evidence/bundle.js";
import type { FixStageOptions } from "../fix/fix-stage.js";
import type { OsnmaEngine } from "../osnma/engine.js";

const MAX_SVID = 36;

/** For `FixStageOptions.evidence`: `keep` gets the objects before the fix itself is written. */
export function fixEvidence(
  engine: OsnmaEngine,
  keep: (objects: Evidence["objects"]) => void,
): NonNullable<FixStageOptions["evidence"]> {
  const builder = new EvidenceBuilder();
  return (fix, { own, receiver }) => {
    const proofs = [];
    for (let svid = 1; svid <= MAX_SVID; svid++) {
      const proof = engine.cedProof(svid);
      if (proof !== null) proofs.push(proof);
    }
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
