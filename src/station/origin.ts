/** The name of a station's log: first line of its checkpoints and name of its key (docs/station-log.md). */
import type { Mode } from "../pipeline/records.js";

export function originOf(station: Uint8Array, mode: Mode): string {
  const id = Buffer.from(station).toString("hex");
  return mode === "live" ? `osnmad-station/${id}` : `osnmad-station/${mode}/${id}`;
}

/** Station and mode of an origin; null where it is none of a station. */
export function parseOrigin(origin: string): { readonly station: Uint8Array; readonly mode: Mode } | null {
  const match = /^osnmad-station\/(?:(replay|simulated)\/)?([0-9a-f]{64})$/.exec(origin);
  if (match === null) return null;
  const mode = (match[1] as Mode | undefined) ?? "live";
  return { station: Uint8Array.from(Buffer.from(match[2], "hex")), mode };
}
