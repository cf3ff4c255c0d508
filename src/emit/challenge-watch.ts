/** Whether and when a station folded a federation's challenges into its leaves. Pure. */
import { SUBFRAME_SECONDS } from "../inav/gst.js";
import { CHALLENGE_BYTES, type Leaf } from "../station/leaf.js";
import { bytesEqual } from "../station/merkle.js";
import type { Verdict } from "./verdict.js";

export interface AwaitedChallenge {
  /** 32 bytes. */
  readonly challenge: Uint8Array;
  /** GST at which it was sent, seconds; null where that is not known: then it is never missed, only not answered yet. */
  readonly sentGst: number | null;
}

export interface ChallengeStatus {
  readonly challenge: string;
  readonly state: "answered" | "missed" | "waiting";
  readonly index: number | null;
  readonly afterSeconds: number | null;
}

/** A leaf that begins later than this after the challenge was sent is not the next one: that has closed before. */
const NEXT_LEAF_SECONDS = SUBFRAME_SECONDS;

export class ChallengeWatch {
  readonly #awaited: { readonly challenge: AwaitedChallenge; status: ChallengeStatus }[];

  /** Throws RangeError for what is no challenge. */
  constructor(awaited: readonly AwaitedChallenge[]) {
    if (awaited.some(({ challenge }) => challenge.length !== CHALLENGE_BYTES))
      throw new RangeError(`a challenge has ${CHALLENGE_BYTES} bytes`);
    this.#awaited = awaited.map((challenge) => {
      const name = Buffer.from(challenge.challenge).toString("hex");
      return { challenge, status: { challenge: name, state: "waiting", index: null, afterSeconds: null } };
    });
  }

  status(): ChallengeStatus[] {
    return this.#awaited.map(({ status }) => status);
  }

  /** The next proven leaf. */
  leaf(leaf: Leaf): Verdict[] {
    const verdicts: Verdict[] = [];
    for (const each of this.#awaited) {
      const { challenge, sentGst } = each.challenge;
      if (each.status.state === "answered") continue;
      const gst =
        leaf.kind === "subframe" ? leaf.gst : leaf.kind === "gap" ? leaf.toGst - SUBFRAME_SECONDS : null;
      const isIn = leaf.challenges.some((held) => bytesEqual(held.challenge, challenge));
      const isMissed =
        !isIn &&
        each.status.state === "waiting" &&
        sentGst !== null &&
        gst !== null &&
        gst >= sentGst + NEXT_LEAF_SECONDS;
      if (!isIn && !isMissed) continue;
      const status: ChallengeStatus & { readonly state: "answered" | "missed"; readonly index: number } = {
        ...each.status,
        state: isIn ? "answered" : "missed",
        index: leaf.index,
        afterSeconds: gst === null || sentGst === null ? null : gst + SUBFRAME_SECONDS - sentGst,
      };
      each.status = status;
      verdicts.push({ type: "challenge", ...status });
    }
    return verdicts;
  }
}
