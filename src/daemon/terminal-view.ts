/**
 * What a person at a terminal sees of a live run: a block of lines that is drawn anew in its place, events above it.
 * No coordinates: they are one `curl` away for whoever wants them on a screen.
 */
import type { Writable } from "node:stream";

export interface ViewState {
  readonly version: string;
  readonly url: string | null;
  readonly mode: string;
  readonly receiver: string;
  readonly clock: string;
  readonly satellites: readonly {
    readonly svid: number;
    readonly authenticated: boolean;
    readonly fresh: boolean;
  }[];
  /** Pages that came while nothing told their time; 0 as soon as there is one. */
  readonly pagesWithoutTime: number;
  readonly osnma: string;
  readonly fix: FixView | null;
  readonly station: StationView | null;
  readonly why: string | null;
  readonly next: string;
  readonly uptimeSeconds: number;
}

export interface FixView {
  readonly assurance: string;
  /** Satellites and RAIM of the own position; null where there is none. */
  readonly own: { readonly satellites: number; readonly raim: string } | null;
  readonly ageSeconds: number;
  /** Whether it can still be called the present one. */
  readonly isNow: boolean;
  readonly first: { readonly assurance: string; readonly afterSeconds: number } | null;
}

export interface StationView {
  /** Why there is none though the configuration has one. */
  readonly fault: string | null;
  readonly leaves: number;
  readonly witnesses: number;
  readonly witnessesReached: number;
  readonly consumersDead: number;
}

/** The block, without styles and not wider than `columns`. */
export function viewLines(state: ViewState, columns: number): string[] {
  const fresh = state.satellites.filter(({ fresh: is }) => is);
  const named = fresh.map(
    ({ svid, authenticated }) => `E${String(svid).padStart(2, "0")}${authenticated ? "*" : ""}`,
  );
  const authenticated = fresh.filter(({ authenticated: is }) => is).length;
  const lines = [
    `${state.version}  ${state.mode}  ${duration(state.uptimeSeconds)}${state.url === null ? "" : `  ${state.url}`}`,
    `receiver    ${state.receiver}`,
    `clock       ${state.clock}`,
    `satellites  ${
      state.pagesWithoutTime > 0
        ? `no time yet, ${state.pagesWithoutTime} pages came`
        : `${fresh.length} heard, ${authenticated} authenticated${named.length > 0 ? `: ${named.join(" ")}` : ""}`
    }`,
    `OSNMA       ${state.osnma}`,
    `fix         ${fixWords(state.fix)}`,
    ...(state.station === null ? [] : [`station     ${stationWords(state.station)}`]),
    ...(state.why === null ? [] : [`why         ${state.why}`]),
    `next        ${state.next}`,
  ];
  return lines.map((line) => fit(line.replace(/[^\x20-\x7e]/g, "?"), columns));
}

export function fixWords(fix: FixView | null): string {
  if (fix === null) return "none yet";
  const { assurance, own, ageSeconds, isNow, first } = fix;
  if (!isNow) return `none now; the last was ${assurance}, ${ago(ageSeconds)} ago`;
  const from = own === null ? "" : `, ${own.satellites} satellites, RAIM ${own.raim}`;
  const since = first === null ? "" : `  (first ${first.assurance} after ${duration(first.afterSeconds)})`;
  return `${assurance}${from}${since}`;
}

export function stationWords(station: StationView): string {
  const { fault, leaves, witnesses, witnessesReached, consumersDead } = station;
  if (fault !== null) return "none in this run; the log says why";
  return [
    `${leaves} ${leaves === 1 ? "leaf" : "leaves"}`,
    ...(witnesses === 0
      ? []
      : [`${witnessesReached} of ${witnesses} ${witnesses === 1 ? "witness" : "witnesses"}`]),
    ...(consumersDead === 0
      ? []
      : [`${consumersDead} ${consumersDead === 1 ? "consumer" : "consumers"} dead`]),
  ].join(", ");
}

function ago(seconds: number): string {
  return seconds < 100 ? `${Math.round(seconds)} s` : duration(seconds);
}

/** A block of lines at the foot of a terminal. */
export class TerminalBlock {
  readonly #out: Writable & { columns?: number };
  /** Lengths of the lines that stand there. */
  #drawn: readonly number[] = [];

  constructor(out: Writable & { columns?: number }) {
    this.#out = out;
  }

  get columns(): number {
    return this.#out.columns ?? 80;
  }

  draw(lines: readonly string[]): void {
    this.#out.write(`${this.#erasing()}${lines.join("\n")}\n`);
    this.#drawn = lines.map((line) => line.length);
  }

  /** A line that stays, above the block; the block is drawn again next time. */
  above(line: string): void {
    this.#out.write(`${this.#erasing()}${line}\n`);
    this.#drawn = [];
  }

  #erasing(): string {
    // A terminal that was made narrower has wrapped what stands there; an echoed ^C has moved the cursor.
    const { columns } = this;
    const rows = this.#drawn.reduce((sum, length) => sum + Math.max(1, Math.ceil(length / columns)), 0);
    return rows === 0 ? "\r\u001b[J" : `\r\u001b[${rows}A\u001b[J`;
  }
}

export function duration(seconds: number): string {
  const whole = Math.floor(seconds);
  const parts = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  return parts.map((part) => String(part).padStart(2, "0")).join(":");
}

function fit(line: string, columns: number): string {
  return line.length <= columns ? line : `${line.slice(0, Math.max(1, columns - 3))}...`;
}
