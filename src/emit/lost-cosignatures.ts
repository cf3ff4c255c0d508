/**
 * Fetches from a station's own server the cosignatures that did not come another way: they are in no index and no tile,
 * so what a broker drops of them leaves no gap. Edge.
 */
import type { BackfillOptions } from "./backfill.js";
import type { Input } from "./consumer-store.js";
import type { Verdict } from "./follower.js";
import { HttpFault } from "./http-source.js";
import { cosignatureInput } from "./stored-spans.js";

/** A station looks for late cosignatures as far back (src/emit/intake.ts). */
const UNSETTLED_LEAVES = 64;
/** Answers of one call; the next call goes on. */
const MAX_PAGES = 64;

/**
 * `from`: the size up to which nothing is asked for any more, as the last call returned it; 0 at first. Throws Error for
 * an address that gives what a witness did not sign.
 */
export async function fetchCosignatures(
  { source, follower, take, signal }: Omit<BackfillOptions, "checkpoint">,
  from: number,
): Promise<number> {
  if (follower().isBroken) return from;
  const end = follower().proven;
  let after = follower().firstUnwitnessed(from) ?? end;
  for (let pages = 0; pages < MAX_PAGES && after < end; pages++) {
    const lines = await source.cosignatures(after, signal);
    const now = follower();
    const inputs: Input[] = [];
    const verdicts: Verdict[] = [];
    let stranger: string | null = null;
    for (const { size, line } of lines) {
      const told = now.cosigned(size, line);
      if (told === null) {
        stranger = `${line.name} did not sign the tree of ${size} leaves`;
        break;
      }
      if (told.length === 0) continue;
      inputs.push(cosignatureInput(now, size, line));
      verdicts.push(...told);
    }
    // The follower knows them by now, and tells nothing twice.
    if (inputs.length > 0) take({ inputs, verdicts });
    if (stranger !== null) throw new HttpFault(stranger);
    after = lines.at(-1)?.size ?? end;
  }
  return Math.max(from, Math.min(after, end) - UNSETTLED_LEAVES);
}
