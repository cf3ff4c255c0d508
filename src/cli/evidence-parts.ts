import type { EvidenceParts } from "../evidence/bundle.js";
import type { FixInputs } from "../fix/fix-stage.js";

/** What evidence is made of, and nothing but data: it can be handed to another thread. */
export function evidencePartsOf({ own, proofs, receiver }: FixInputs): EvidenceParts {
  const position =
    own === null
      ? null
      : {
          rawx: own.rawx,
          measurementOptions: own.solved.measurementOptions,
          solverOptions: own.solved.options,
          ionosphereFrom: own.solved.solution.ionosphereFrom,
        };
  return { proofs, position, receiver };
}
