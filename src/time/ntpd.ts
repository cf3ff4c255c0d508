/**
 * What ntpd or NTPsec says of the system clock: `ntpq -n -c rv`, the system variables (RFC 5905, 11.1; ntpq(1)).
 * Milliseconds throughout. The bound is the root distance: root delay / 2 + root dispersion, and the offset and
 * jitter beside it.
 */
import type { SyncReport } from "./types.js";

const NTP_TO_UNIX = 2_208_988_800;

/** Null where the text is not of that form. */
export function parseNtpVariables(text: string, acceptReferenceClock: boolean): SyncReport | null {
  const bounded = text.slice(0, 16_384);
  const status = /^\s*associd=0\s+status=([0-9a-f]{4})\s+(\w+),\s*(\w+)/m.exec(bounded);
  if (status === null) return null;
  const number = (name: string): number => {
    const match = new RegExp(`(?:^|[\\s,])${name}=([+-]?\\d{1,12}(?:\\.\\d{1,12})?)(?=[\\s,]|$)`).exec(
      bounded,
    );
    return match === null ? Number.NaN : Number(match[1]);
  };
  const [stratum, rootDelay, rootDispersion, offset] = ["stratum", "rootdelay", "rootdisp", "offset"].map(
    number,
  );
  const jitter = number("sys_jitter");
  const refTime = /(?:^|[\s,])reftime=(?:0x)?([0-9a-f]{8})\.([0-9a-f]{8})(?=[\s,]|$)/i.exec(bounded);
  const leap = /(?:^|[\s,])leap=(?:0b)?([01]{2})(?=[\s,]|$)/.exec(bounded)?.[1];
  if (![stratum, rootDelay, rootDispersion, offset].every(Number.isFinite)) return null;
  if (refTime === null || leap === undefined) return null;

  const reference =
    /(?:^|[\s,])refid=([^\s,]{1,80})/.exec(bounded)?.[1].replace(/[^\x21-\x7e]/g, "?") ?? null;
  const kind = status[3];
  const why =
    leap === "11" || status[2] === "leap_alarm" || status[2] === "sync_alarm"
      ? "ntpd is running, but not synchronised."
      : kind === "sync_local" || stratum < 1
        ? "ntpd follows its own clock (local), not a server."
        : kind !== "sync_ntp" && !acceptReferenceClock
          ? `ntpd follows a reference clock of this machine (${kind}). If that is the receiver itself, the signal ` +
            "would vouch for itself; use servers, or accept_reference_clock where it is another device."
          : stratum > 15
            ? "ntpd reports stratum 16."
            : rootDelay < 0 || rootDispersion < 0
              ? "ntpd reports a negative dispersion."
              : null;
  return {
    source: "ntpd",
    synchronised: why === null,
    why,
    boundSeconds:
      (Math.abs(offset) + rootDispersion + rootDelay / 2 + (Number.isFinite(jitter) ? Math.abs(jitter) : 0)) /
      1000,
    updatedUnixMs: unixOfNtp(parseInt(refTime[1], 16), parseInt(refTime[2], 16)) * 1000,
    leap: leap === "01" ? "insert" : leap === "10" ? "delete" : "none",
    reference,
  };
}

/** Era 1 begins in 2036: small numbers are of it. */
function unixOfNtp(seconds: number, fraction: number): number {
  const era = seconds < 0x8000_0000 ? 2 ** 32 : 0;
  return seconds + era - NTP_TO_UNIX + fraction / 2 ** 32;
}
