/**
 * The brand of authenticated navigation data. A value of type `Authenticated<T>` can only be made here, and
 * only the engine of this folder calls the maker (a lint rule holds the rest of the project off): whoever
 * holds one, holds a datum that a TESLA tag verified, with the evidence for it.
 */
import type { EvidenceRecord } from "../pipeline/records.js";

let make: <T extends object>(value: T, evidence: EvidenceRecord) => Authenticated<T>;

export class Authenticated<T extends object> {
  /** A private member makes the type nominal: no object literal is assignable to it. */
  readonly #genuine = true;
  readonly value: T;
  readonly evidence: EvidenceRecord;

  private constructor(value: T, evidence: EvidenceRecord) {
    this.value = value;
    this.evidence = evidence;
    Object.freeze(this);
  }

  /** Whether `candidate` was made by the OSNMA module, whatever its static type claims. */
  static is(candidate: unknown): candidate is Authenticated<object> {
    return typeof candidate === "object" && candidate !== null && #genuine in candidate && candidate.#genuine;
  }

  static {
    make = (value, evidence) => new Authenticated(value, evidence);
  }
}

/** For the engine only. */
export { make as authenticate };
