/** What a follower says of a station (docs/emission.md). */
import type { Violation } from "../station/history.js";
import type { GapReason, Leaf } from "../station/leaf.js";

export type LeafClass = "A" | "C";

export type Lie =
  | Violation
  | "index-reused"
  | "fork"
  | "wrong-mode"
  | "wrong-purpose"
  | "checkpoint-signature"
  | "leaf-unreadable"
  | "cosignature"
  | "openings";

export type Verdict =
  | {
      readonly type: "leaf";
      readonly index: number;
      readonly kind: Leaf["kind"];
      readonly gst: number | null;
    }
  /** All leaves before `size` are in the signed tree. */
  | { readonly type: "checkpoint"; readonly size: number; readonly root: string; readonly leaves: number }
  | {
      readonly type: "cosignature";
      readonly size: number;
      readonly witness: string;
      readonly timestamp: number;
    }
  | {
      readonly type: "class";
      readonly index: number;
      readonly gst: number;
      /** A: in time for ADKD 12 tags. C: not. */
      readonly class: LeafClass;
      /** Whether also ADKD 0 and 4 tags of the leaf were still secret (class B). */
      readonly fast: boolean;
      /** Seconds from *witnessed* to the ADKD 12 key. */
      readonly slackSeconds: number;
    }
  /** Leaves are missing from `from` up to, not including, `to`. */
  | { readonly type: "gap"; readonly from: number; readonly to: number }
  /** Subframes of which the station committed to nothing, from `fromGst` up to, not including, `toGst`. */
  | {
      readonly type: "missing";
      readonly index: number;
      readonly fromGst: number;
      readonly toGst: number;
      /** As the station says it in a gap; `restart` where only a start leaf explains it. */
      readonly reason: GapReason | "restart";
    }
  | {
      readonly type: "challenge";
      readonly challenge: string;
      readonly state: "answered" | "missed";
      /** The leaf that has it, or the first that should have had it at the latest. */
      readonly index: number;
      /** Seconds from when it was sent to the end of the subframe of the leaf; null where either is not known. */
      readonly afterSeconds: number | null;
    }
  | {
      readonly type: "lie";
      readonly what: Lie;
      readonly at: number | null;
      readonly detail: string;
      /** Of a fork: the signed notes that contradict each other. */
      readonly notes?: readonly string[];
    };
