/** Proofs of the fixes that a store keeps. Edge. */
import { recordOf } from "../emit/store-fixes.js";
import { OsnmadError } from "../errors.js";
import type { Store } from "../store/store.js";
import { makeProof } from "./make.js";
import { proofText } from "./package.js";
import type { ProofSource } from "./source.js";

/** The package as text. Throws OSN_NOT_FOUND, OSN_PROOF_IMPOSSIBLE. */
export function storedProof(store: Store, fixId: number, source: ProofSource): string {
  const stored = store.fixes.get(fixId);
  if (stored === null) throw new OsnmadError("OSN_NOT_FOUND", `There is no fix ${fixId} (any more).`);
  const evidence = store.evidence.ofFix(fixId);
  return proofText(makeProof({ record: recordOf(stored), evidence }, source));
}
