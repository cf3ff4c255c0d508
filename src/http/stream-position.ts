/** The id of a line of the stream: which store, and the newest fix and event that were given up to it. */
import type { Position } from "../store/arrivals.js";

export function encodePosition(identity: string, { fix, event }: Position): string {
  return `${identity}-${fix}-${event}`;
}

/** Null for what is no position of this store. */
export function decodePosition(identity: string, text: string): Position | null {
  const match = /^([0-9a-f]{16})-(\d{1,15})-(\d{1,15})$/.exec(text);
  return match === null || match[1] !== identity ? null : { fix: Number(match[2]), event: Number(match[3]) };
}
