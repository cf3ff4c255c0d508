/**
 * What a receiver's own words say about its line, beside what it measures: transmit buffers that overflow, a
 * restart, a configuration that was lost. Frames and their time go in, findings come out; no clock of its own.
 *
 * UBX: MON-COMMS (txErrors), MON-SYS and NAV-STATUS (time since start), INF and NMEA TXT texts, as the u-blox
 * interface descriptions of F9 define them. NMEA goes through ReadlineParser behind the framer (nmea-lines.ts).
 */
import { decodeMessage } from "gnss-ubx";

export type LineFinding =
  | { readonly what: "overflow"; readonly by: "MON-COMMS" | "TXT" | "INF"; readonly detail: string }
  /** The receiver began anew: its time since start went back, or it said hello. */
  | { readonly what: "restarted"; readonly detail: string }
  /** The messages that were configured stopped while others come. */
  | { readonly what: "configuration-lost"; readonly missing: string };

const NAV_STATUS = 0x0103;
const RXM_SFRBX = 0x0213;
const MON_COMMS = 0x0a36;
const MON_SYS = 0x0a39;
const NAV_CLASS = 0x01;
const INF_CLASS = 0x04;
/** An overflow is one event for this long, ms, however often it is told. */
const OVERFLOW_QUIET_MS = 60_000;
/** What delays on the line may make a start look later, ms. */
const LATER_START_MS = 5_000;
/** A restart is told by a hello of several lines, by MON-SYS and by NAV-STATUS: once. */
const SAME_RESTART_MS = 10_000;
/** Without any subframe of any satellite for so long, while the receiver otherwise speaks, its configuration is gone. */
const CONFIGURATION_LOST_MS = 15_000;
const TXBUF = /txbuf/i;
/** First lines that u-blox receivers say after a start (NMEA TXT and UBX-INF-NOTICE). */
const HELLO = /^(u-blox A[Gg]|HW UBX|ROM (BASE|CORE|SPG)|EXT CORE|FWVER=)/;

interface UptimeSeries {
  readonly kind: "MON-SYS" | "NAV-STATUS";
  readonly uptimeMs: number;
  /** What the message's own unit leaves open. */
  readonly resolutionMs: number;
}

export class LineWatch {
  readonly #report: (finding: LineFinding) => void;
  #overflowAt = Number.NEGATIVE_INFINITY;
  #restartAt = Number.NEGATIVE_INFINITY;
  readonly #uptimes = new Map<
    UptimeSeries["kind"],
    { readonly uptimeMs: number; readonly startedAt: number; readonly fresh: boolean }
  >();
  #pagesAt: number | null = null;
  #lostToldAt = Number.NEGATIVE_INFINITY;

  constructor(report: (finding: LineFinding) => void) {
    this.#report = report;
  }

  /** The line is another one: what was known of the receiver's messages does not hold for it. Uptime does. */
  opened(now: number): void {
    this.#pagesAt = now;
    for (const [kind, known] of this.#uptimes) this.#uptimes.set(kind, { ...known, fresh: true });
  }

  /** The profile was applied: messages may take a while to come. */
  configured(now: number): void {
    this.#pagesAt = now;
    this.#lostToldAt = Number.NEGATIVE_INFINITY;
  }

  /** Another receiver: its uptime says nothing about a restart. */
  replaced(): void {
    this.#uptimes.clear();
  }

  /** A UBX frame that arrived at `now` (ms of a clock that does not step). */
  ubx(messageClass: number, messageId: number, payload: Uint8Array, now: number): void {
    switch ((messageClass << 8) | messageId) {
      case RXM_SFRBX:
        this.#pagesAt = now;
        return;
      case MON_COMMS: {
        const message = decodeMessage(messageClass, messageId, payload);
        if (message.name !== "MON-COMMS") return;
        const { mem, alloc } = message.txErrors;
        if (mem || alloc) this.#overflow("MON-COMMS", mem ? "memory is full" : "buffer is full", now);
        return;
      }
      case MON_SYS: {
        const message = decodeMessage(messageClass, messageId, payload);
        if (message.name === "MON-SYS")
          this.#uptime({ kind: "MON-SYS", uptimeMs: message.runTime * 1000, resolutionMs: 1000 }, now);
        return;
      }
      case NAV_STATUS: {
        const message = decodeMessage(messageClass, messageId, payload);
        if (message.name === "NAV-STATUS")
          this.#uptime({ kind: "NAV-STATUS", uptimeMs: message.msss, resolutionMs: 1 }, now);
        this.#configurationLost(now);
        return;
      }
    }
    if (messageClass === INF_CLASS) {
      const message = decodeMessage(messageClass, messageId, payload);
      if ("str" in message) this.#text(message.str, "INF", now);
    } else if (messageClass === NAV_CLASS) {
      this.#configurationLost(now);
    }
  }

  /** The text of a TXT sentence. */
  text(text: string, now: number): void {
    this.#text(text, "TXT", now);
  }

  /** Any NMEA sentence: the receiver speaks. */
  nmea(now: number): void {
    this.#configurationLost(now);
  }

  #text(text: string, by: "TXT" | "INF", now: number): void {
    if (TXBUF.test(text)) this.#overflow(by, printable(text), now);
    else if (HELLO.test(text)) {
      const isSame = now - this.#restartAt < SAME_RESTART_MS;
      this.#restartAt = now;
      if (!isSame) this.#report({ what: "restarted", detail: `it says "${printable(text)}"` });
    }
  }

  #overflow(by: "MON-COMMS" | "TXT" | "INF", detail: string, now: number): void {
    if (now - this.#overflowAt < OVERFLOW_QUIET_MS) return;
    this.#overflowAt = now;
    this.#report({ what: "overflow", by, detail });
  }

  #uptime(series: UptimeSeries, now: number): void {
    const { kind, uptimeMs, resolutionMs } = series;
    const known = this.#uptimes.get(kind);
    this.#uptimes.set(kind, { uptimeMs, startedAt: now - uptimeMs, fresh: false });
    if (known === undefined) return;
    const wentBack = uptimeMs < known.uptimeMs - resolutionMs;
    // Away for longer than it has run now: it was off in between, though it shows more than when last seen. Only the
    // first word on a new link: a line that holds back for a while makes every start look later.
    const laterStart = known.fresh && now - uptimeMs > known.startedAt + LATER_START_MS;
    if (!wentBack && !laterStart) return;
    const isSame = now - this.#restartAt < SAME_RESTART_MS;
    this.#restartAt = now;
    if (!isSame) {
      this.#report({ what: "restarted", detail: `it has run for ${Math.round(uptimeMs / 1000)} s` });
    }
  }

  #configurationLost(now: number): void {
    if (this.#pagesAt === null || now - this.#pagesAt < CONFIGURATION_LOST_MS) return;
    if (now - this.#lostToldAt < 4 * CONFIGURATION_LOST_MS) return;
    this.#lostToldAt = now;
    this.#report({ what: "configuration-lost", missing: "RXM-SFRBX" });
  }
}

/** A text of the receiver, fit for logs. */
function printable(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, "?").slice(0, 80);
}
