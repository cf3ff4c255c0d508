/**
 * Whether a witness holds another history of this station's log than the station does: a restored backup looks whole
 * from inside. The word of a witness alone stops nothing, or one witness could stop every station; a checkpoint with
 * the station's own signature does. Edge.
 */
import { parseCheckpoint, signerOf } from "./checkpoint.js";
import { bytesEqual, rootOf } from "./merkle.js";
import type { StationLog } from "./station-log.js";

/**
 * `none`: it has cosigned nothing of the log. `agrees`: what it has is part of the log. `contradicts`: it is not, and
 * this station signed it; the log is then not signed any more. `unproven`: it shows nothing that this station signed.
 */
export type Standing = "none" | "agrees" | "contradicts" | "unproven";

/** `response` is what the witness `name` answered to `GET /v1/checkpoint`. Throws for a status that says nothing. */
export function compareHistory(
  log: StationLog,
  name: string,
  response: { readonly status: number; readonly text: string },
): Standing {
  if (response.status === 404) return "none";
  if (response.status !== 200) throw new Error(`status ${response.status} for its newest checkpoint`);
  const theirs = parseCheckpoint(response.text);
  if (theirs === null || theirs.origin !== log.origin) return "unproven";
  const { size, root } = theirs;
  if (size <= log.size && bytesEqual(rootOf(size, log.subtree), root)) return "agrees";
  if (signerOf(theirs, [log.key]) === null) return "unproven";
  log.refuse(
    size > log.size
      ? `${name} holds a checkpoint of ${size} leaves with this station's signature, but the log has ${log.size}`
      : `${name} holds a checkpoint of ${size} leaves with this station's signature that are not those of the log`,
  );
  return "contradicts";
}
