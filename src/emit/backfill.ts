/**
 * Brings a follower what it lacks from a station's tiles: the signature first, then leaves in spans that are each shown
 * to be of the signed tree before the next is asked for. Edge.
 */
import type { Checkpoint } from "../station/checkpoint.js";
import type { Input } from "./consumer-store.js";
import type { Follower, Verdict } from "./follower.js";
import { HttpFault, type HttpSource } from "./http-source.js";
import { checkpointInput, forkInputs, spanInputs } from "./stored-spans.js";

/** Leaves of a span end at a multiple: whole bundles. */
const SPAN_LEAVES = 4096;
const MAX_SPAN_BYTES = 1 << 25;
/** Leaves that are fetched before it is known who signed, for a rotation among them: three weeks. */
const MAX_UNSIGNED_LEAVES = 1 << 16;
/** Spans of one call; the next call goes on. */
const MAX_SPANS = 64;

export interface Taken {
  readonly inputs: readonly Input[];
  readonly verdicts: readonly Verdict[];
}

export interface BackfillOptions {
  readonly source: HttpSource;
  readonly checkpoint: Checkpoint;
  /** The follower as it is now: it may be another after a fault of the store. */
  readonly follower: () => Follower;
  /** Stores, and tells. Throws where it cannot be stored. */
  readonly take: (taken: Taken) => void;
  readonly signal: AbortSignal;
}

/** Returns the leaves that came. Throws Error for an address that does not give what the station signed. */
export async function backfill({
  source,
  checkpoint,
  follower,
  take,
  signal,
}: BackfillOptions): Promise<number> {
  const { size } = checkpoint;
  if (follower().isBroken) return 0;
  if (size <= follower().size) {
    const verdicts = follower().compare(checkpoint);
    if (verdicts.length > 0) take({ inputs: [checkpointInput(follower(), checkpoint)], verdicts });
    if (follower().isBroken || size <= follower().proven) return 0;
  }
  if (!follower().isSigner(checkpoint))
    return await byUnknownKey({ source, checkpoint, follower, take, signal });
  let leaves = 0;
  for (let spans = 0; spans < MAX_SPANS && follower().proven < size; spans++) {
    const from = follower().proven;
    const to = Math.min(size, (Math.floor(from / SPAN_LEAVES) + 1) * SPAN_LEAVES);
    const bodies = await source.leaves(from, to, size, MAX_SPAN_BYTES, signal);
    const { proof } = to === size ? { proof: [] } : await source.consistency(to, size, signal);
    const now = follower();
    if (now.proven !== from) continue;
    const span = { from, leaves: bodies, checkpoint, proof };
    const verdicts = now.fill(span);
    if (verdicts.length > 0) take({ inputs: spanInputs(now, span), verdicts });
    leaves += now.proven - from;
    if (now.isBroken) return leaves;
    if (now.proven > from) continue;
    if (from > 0 && (await showsFork({ source, checkpoint, follower, take, signal }))) return leaves;
    throw new HttpFault("the tiles are not those of a checkpoint that the station's key signed");
  }
  return leaves;
}

/** Whether the signed tree has other leaves than the proven ones. */
async function showsFork({ source, checkpoint, follower, take, signal }: BackfillOptions): Promise<boolean> {
  const { proven } = follower();
  const { root, proof } = await source.consistency(proven, checkpoint.size, signal);
  const now = follower();
  const verdicts = now.compareRoots(checkpoint, root, proof);
  if (verdicts.length === 0) return now.isBroken;
  take({ inputs: forkInputs(now, checkpoint, root, proof), verdicts });
  return true;
}

/** Where no key that is known signed it, one may be named by the leaves that are missing. */
async function byUnknownKey({
  source,
  checkpoint,
  follower,
  take,
  signal,
}: BackfillOptions): Promise<number> {
  const { size } = checkpoint;
  // First what continues our own leaves; from the beginning where that is not what was signed.
  for (const from of new Set([follower().proven, 0])) {
    if (size - from > MAX_UNSIGNED_LEAVES) break;
    const bodies = await source.leaves(from, size, size, MAX_SPAN_BYTES, signal);
    const now = follower();
    const before = now.proven;
    if (from !== 0 && before !== from) return 0;
    const span = { from, leaves: bodies, checkpoint };
    const verdicts = now.fill(span);
    if (verdicts.length === 0) continue;
    take({ inputs: spanInputs(now, span), verdicts });
    return now.proven - before;
  }
  throw new HttpFault(
    "the checkpoint is signed by no key in force, and none that its newest leaves name: if it is the station's, give its present key",
  );
}
