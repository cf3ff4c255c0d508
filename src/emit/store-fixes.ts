/** The fixes of a store with their evidence, for a prover. Edge. */
import { bundleText } from "../evidence/bundle.js";
import type { FixRecord } from "../pipeline/records.js";
import { ASSURANCE_LEVELS, type StoredFix } from "../store/fix-store.js";
import type { Store } from "../store/store.js";
import type { FixSource } from "./intake.js";

/** A subframe at 20 Hz, with room. */
const MOST = 1000;
/** A leaf is taken soon after it was made: in this run, or in the one before where the program died between. */
const RUNS = 4;

export function storedFixes(store: Store, runs: () => readonly number[]): FixSource {
  return {
    *fixes(fromMs, toMs) {
      const filter = {
        assurance: ASSURANCE_LEVELS,
        from: { scale: "gst", ms: fromMs },
        to: { scale: "gst", ms: toMs },
      } as const;
      for (const run of runs().slice(0, RUNS)) {
        for (const stored of store.fixes.page(run, filter, { limit: MOST }).items) {
          const evidence = store.evidence.ofFix(stored.id);
          yield {
            record: recordOf(stored),
            evidence:
              evidence === null
                ? null
                : Buffer.from(bundleText(evidence.mode, evidence.root, evidence.objects), "utf8"),
          };
        }
      }
    },
  };
}

/** The record as it was made, which is what the leaf commits to. */
export function recordOf(stored: StoredFix): FixRecord {
  const record: Partial<StoredFix> = { ...stored };
  delete (record as { id?: number }).id;
  delete (record as { run?: number }).run;
  return record as FixRecord;
}
