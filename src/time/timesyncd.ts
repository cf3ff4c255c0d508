/**
 * What systemd-timesyncd says: `timedatectl show-timesync --all` (timedatectl(1)), with the last reply of the
 * server, and the time of /run/systemd/timesync/synchronized, a file that is touched at each synchronisation
 * (systemd-timesyncd.service(8)).
 */
import type { SyncReport } from "./types.js";

export const SYNCHRONIZED_FILE = "/run/systemd/timesync/synchronized";
/** timesyncd slews differences up to this, so the clock may be off by as much while it does, seconds. */
const SLEW_LIMIT_SECONDS = 0.4;
const UNITS: Readonly<Record<string, number>> = {
  us: 1e-6,
  ms: 1e-3,
  s: 1,
  min: 60,
  h: 3600,
  d: 86_400,
  w: 604_800,
};

/** Null where the text is not of that form. `synchronizedUnixMs` is the time of that file, null without it. */
export function parseTimesync(text: string, synchronizedUnixMs: number | null): SyncReport | null {
  const bounded = text.slice(0, 16_384);
  if (
    !/^(?:ServerName|RootDistanceMaxUSec|SystemNTPServers|PollIntervalMinUSec|ServerAddress)=/m.test(bounded)
  ) {
    return null;
  }
  const message = /^NTPMessage=\{(.*)\}\s*$/m.exec(bounded)?.[1] ?? null;
  const server = /^ServerName=(\S{1,80})/m.exec(bounded)?.[1] ?? null;
  const field = (name: string): string | null =>
    message === null
      ? null
      : (new RegExp(`(?:^|[\\s,])${name}=([^,}]*?)(?=\\s*(?:,|$|\\sPacketCount=))`).exec(message)?.[1] ??
        null);
  const leap = field("Leap");
  const stratum = Number(field("Stratum") ?? Number.NaN);
  const rootDelay = seconds(field("RootDelay"));
  const rootDispersion = seconds(field("RootDispersion"));
  const jitter = seconds(field("Jitter"));
  const why =
    synchronizedUnixMs === null
      ? "systemd-timesyncd has not synchronised the clock yet."
      : message === null
        ? "systemd-timesyncd has no reply of a server."
        : field("Ignored") === "yes"
          ? "systemd-timesyncd refused the last reply of its server."
          : leap !== "0" && leap !== "1" && leap !== "2"
            ? "The server of systemd-timesyncd is not synchronised itself."
            : !(stratum >= 1 && stratum <= 15)
              ? "The server of systemd-timesyncd gives no valid stratum."
              : !(rootDelay >= 0 && rootDispersion >= 0)
                ? "systemd-timesyncd gives no root delay and dispersion."
                : null;
  return {
    source: "systemd-timesyncd",
    synchronised: why === null,
    why,
    boundSeconds:
      SLEW_LIMIT_SECONDS + rootDispersion + rootDelay / 2 + (Number.isFinite(jitter) ? jitter : 0),
    updatedUnixMs: synchronizedUnixMs,
    leap: leap === "1" ? "insert" : leap === "2" ? "delete" : "none",
    reference: server === null ? null : server.replace(/[^\x21-\x7e]/g, "?"),
  };
}

/** A time span of systemd ("1min 4s", "3.982ms", "0"), seconds; NaN where it is none. */
export function seconds(span: string | null): number {
  if (span === null) return Number.NaN;
  const text = span.trim();
  if (text === "0") return 0;
  let sum = 0;
  let rest = text;
  while (rest !== "") {
    const part = /^(\d{1,12}(?:\.\d{1,9})?)(us|ms|s|min|h|d|w)(?:\s+|$)/.exec(rest);
    if (part === null) return Number.NaN;
    sum += Number(part[1]) * UNITS[part[2]];
    rest = rest.slice(part[0].length);
  }
  return text === "" ? Number.NaN : sum;
}
