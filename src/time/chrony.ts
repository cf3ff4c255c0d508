/**
 * What chronyd says of the system clock: `chronyc -c -n tracking`, one line of comma-separated values (chronyc(1),
 * "tracking"): reference id, its address, stratum, reference time, system time, last offset, RMS offset, frequency,
 * residual frequency, skew, root delay, root dispersion, update interval, leap status. Versions before 4.6 may
 * leave the address out. The bound is the one of the manual: |system time| + root dispersion + root delay / 2.
 */
import type { SyncReport } from "./types.js";

/** 127.127.1.1: chronyd follows its own clock ("local"), which is no source of time. */
const LOCAL_REFERENCE = "7F7F0101";

/** Null where the text is not of that form. */
export function parseChronyTracking(text: string, acceptReferenceClock: boolean): SyncReport | null {
  const line = text.slice(0, 4096).split(/\r?\n/, 1)[0];
  const fields = line.split(",").map((field) => field.trim());
  if (fields.length !== 13 && fields.length !== 14) return null;
  const refid = fields[0];
  const name = fields.length === 14 ? fields[1] : "";
  const [stratum, refTime, systemTime, , , , , , rootDelay, rootDispersion] = fields
    .slice(fields.length - 12)
    .map(decimal);
  const leap = fields[fields.length - 1];
  if (!/^[0-9A-Fa-f]{8}$/.test(refid)) return null;
  if (![stratum, refTime, systemTime, rootDelay, rootDispersion].every(Number.isFinite)) return null;

  const reference = name === "" ? refid : name.replace(/[^\x21-\x7e]/g, "?").slice(0, 80);
  const why =
    leap === "Not synchronised"
      ? "chronyd is running, but not synchronised."
      : !["Normal", "Insert second", "Delete second"].includes(leap)
        ? `chronyd reports an unknown leap status.`
        : refid.toUpperCase() === LOCAL_REFERENCE || stratum < 1
          ? "chronyd follows its own clock (local), not a server."
          : stratum === 1 && !acceptReferenceClock
            ? `chronyd follows a reference clock of this machine (${reference}). If that is the receiver itself, the ` +
              "signal would vouch for itself; use servers, or accept_reference_clock where it is another device."
            : stratum > 15
              ? "chronyd reports stratum 16."
              : rootDelay < 0 || rootDispersion < 0
                ? "chronyd reports a negative dispersion."
                : null;
  return {
    source: "chrony",
    synchronised: why === null,
    why,
    boundSeconds: Math.abs(systemTime) + rootDispersion + rootDelay / 2,
    updatedUnixMs: refTime * 1000,
    leap: leap === "Insert second" ? "insert" : leap === "Delete second" ? "delete" : "none",
    reference,
  };
}

/** A decimal number as chronyc prints it, else NaN. */
function decimal(field: string): number {
  return /^[+-]?\d{1,20}(\.\d{1,20})?$/.test(field) ? Number(field) : Number.NaN;
}
