/** What judging a proof package comes to. */
import type { CheckName, Verdict, VerdictLine } from "../evidence/verdict.js";
import type { FixTiming } from "../station/timing.js";

/** What is checked beside evidence; docs/proof.md has a row for each. */
export const PROOF_CHECKS = [
  "package",
  "part",
  "station",
  "leaf",
  "inclusion",
  "checkpoint",
  "cosignature",
  "opening",
  "history",
  "fix",
  "pages",
] as const;
export type ProofCheck = (typeof PROOF_CHECKS)[number];

/** A leaf of the package, as far as it holds. */
export interface ShownLeaf {
  readonly index: number;
  /** GST_SF. */
  readonly gst: number;
  /** Challenges of a federation in it, hexadecimal. */
  readonly challenges: readonly string[];
  /** By which enough witnesses had seen it, GST; null where they are too few. */
  readonly witnessedGst: number | null;
  readonly seen: readonly { readonly witness: string; readonly size: number; readonly unixSeconds: number }[];
}

export interface ProofVerdict extends Omit<Verdict, "lines"> {
  readonly lines: readonly VerdictLine<CheckName | ProofCheck>[];
  /** Station id; null where none is shown. */
  readonly station: string | null;
  /** Whether the verifier named the station that he expects. */
  readonly stationExpected: boolean;
  /** What the record says of itself; null where there is none. */
  readonly fix: {
    readonly gst: number;
    readonly utc: string;
    readonly assurance: string;
    readonly own: string | null;
    readonly receiver: string | null;
  } | null;
  /** Leaf that commits to the fix. */
  readonly committed: ShownLeaf | null;
  readonly leaves: readonly ShownLeaf[];
  /** Null where the proof is not genuine: then no class is worth anything. */
  readonly timing: FixTiming | null;
  /** Names under which others signed than the verifier's witnesses. */
  readonly unknownWitnesses: readonly string[];
}
