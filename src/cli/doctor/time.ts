/** What `osnmad doctor` says of the clock: the one thing without which nothing is authenticated. */
import { probeTime, hostTime, type HostTimeOptions, type Probe } from "../../time/host-time.js";
import type { TimeStatus } from "../../time/types.js";
import { ok, problem, warning, type Check } from "./check.js";

/** A list that ends this soon should have been renewed by the system's updates. */
const LEAP_SOON_SECONDS = 14 * 86_400;

export interface TimeFindings {
  readonly status: TimeStatus;
  /** Trusted GST at that moment, and a clock to carry it on; null where there is none. */
  readonly gstNow: () => { readonly gst: number; readonly boundSeconds: number } | null;
  readonly stop: () => Promise<void>;
  readonly checks: readonly Check[];
}

export async function checkTime(options: HostTimeOptions): Promise<TimeFindings> {
  const probes = await probeTime(options);
  const time = hostTime(options);
  await time.start();
  const status = time.status();
  return {
    status,
    gstNow: () => time.now(),
    stop: () => time.stop(),
    checks: [clockCheck(status, probes), leapCheck(status, Date.now() / 1000)],
  };
}

export function clockCheck(status: TimeStatus, probes: readonly Probe[]): Check {
  const bound = status.boundSeconds === null ? "" : `known to ${status.boundSeconds.toFixed(3)} s`;
  const by = `${status.source ?? ""}${status.reference === null ? "" : ` (${status.reference})`}`;
  if (status.allows === "all") {
    const found = `The clock is synchronised by ${by}, ${bound}: all tags may be authenticated.`;
    return status.source === "configuration"
      ? warning(
          "clock",
          `The clock is taken for synchronised by configuration, ${bound}; no program confirms it.`,
          "Run chrony or systemd-timesyncd, so that a fault of the clock is noticed.",
        )
      : ok("clock", found);
  }
  if (status.allows === "slow") {
    return warning(
      "clock",
      `The clock is ${bound} by ${by}: slow MAC (ADKD 12) alone may be authenticated.`,
      "Synchronise it to better than 15 s for all tags.",
    );
  }
  const running = probes.find(({ report }) => report !== null);
  if (running !== undefined) {
    return problem(
      "clock",
      `Nothing may be authenticated: ${running.report?.why ?? status.detail ?? "the clock is not synchronised."}`,
      running.report?.why?.includes("reference clock") === true
        ? "Add NTP servers to its configuration; see docs/time.md."
        : "Check that its servers can be reached (UDP port 123), and wait a minute after a start.",
    );
  }
  return problem(
    "clock",
    `Nothing may be authenticated: no program says that the clock is synchronised. ${status.detail?.replace(/\.+$/, ".") ?? ""}`.trim(),
    "Install and start chrony (apt install chrony), or enable systemd-timesyncd (timedatectl set-ntp true); where " +
      "something else keeps the clock, say so (--assume-synchronised --bound <seconds>).",
  );
}

export function leapCheck(status: TimeStatus, unix: number): Check {
  const until = new Date(status.leapSecondsKnownUntil * 1000).toISOString().slice(0, 10);
  const found = `GST is ${status.leapSeconds} s ahead of UTC; known until ${until}`;
  if (unix + LEAP_SOON_SECONDS < status.leapSecondsKnownUntil) return ok("leap-seconds", found);
  const remedy = "Update the system's time zone data (tzdata), which brings leap-seconds.list.";
  return warning(
    "leap-seconds",
    unix < status.leapSecondsKnownUntil
      ? found
      : `${found}; since then the bound is wider by a second each half-year`,
    remedy,
  );
}
