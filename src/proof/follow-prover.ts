/** Pulls what a station sends to a prover and has it judged. The cursor of the prover at the station is not moved. Edge. */
import type { HttpSource } from "../emit/http-source.js";
import type { FixFollower, ProverVerdict } from "./fix-follower.js";

const PAGE = 256;
const WAIT_SECONDS = 20;
/** Some thirty days of leaves. */
const MAX_LEAF_BYTES = 1 << 26;
const FAULT_WAIT_MS = 2000;

export interface FollowProverOptions {
  readonly signal: AbortSignal;
  /** End when there is nothing more; the fifth fault in a row is thrown. */
  readonly once: boolean;
  readonly onVerdict: (verdict: ProverVerdict) => void;
  readonly onFault: (error: unknown) => void;
}

export async function followProver(
  fixes: FixFollower,
  source: HttpSource,
  { signal, once, onVerdict, onFault }: FollowProverOptions,
): Promise<void> {
  const tell = (verdicts: readonly ProverVerdict[]): void => {
    for (const verdict of verdicts) onVerdict(verdict);
  };
  let position = 0;
  let failures = 0;
  while (!signal.aborted) {
    try {
      const page = await source.pull(position, PAGE, once ? 0 : WAIT_SECONDS, signal);
      if (page.last < position) position = 0;
      // What the prover took before is not sent again: its leaves come from the tiles, without their openings.
      if (page.first > position + 1) await fillUp(fixes, source, signal, tell);
      for (const { seq, envelope } of page.messages) {
        if (signal.aborted) return;
        tell(fixes.accept(envelope));
        position = seq;
      }
      failures = 0;
      if (once && page.messages.length === 0) break;
    } catch (error) {
      if (signal.aborted) return;
      onFault(error);
      failures++;
      if (once && failures >= 5) throw error;
      await new Promise((resolve) => setTimeout(resolve, FAULT_WAIT_MS));
    }
  }
  if (once) tell(fixes.end());
}

async function fillUp(
  fixes: FixFollower,
  source: HttpSource,
  signal: AbortSignal,
  tell: (verdicts: readonly ProverVerdict[]) => void,
): Promise<void> {
  const checkpoint = await source.checkpoint(signal);
  const { size } = fixes.follower;
  if (checkpoint.size <= size) return;
  const leaves = await source.leaves(size, checkpoint.size, checkpoint.size, MAX_LEAF_BYTES, signal);
  const verdicts = fixes.fill(leaves, checkpoint);
  if (verdicts.length === 0) throw new Error("the tiles are not those of the signed checkpoint");
  tell(verdicts);
}
