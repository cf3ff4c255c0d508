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
  readonly osnma: string;
  readonly fix: string;
  readonly why: string | null;
  readonly next: string;
  readonly uptimeSeconds: number;
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
    `satellites  ${fresh.length} heard, ${authenticated} authenticated${named.length > 0 ? `: ${named.join(" ")}` : ""}`,
    `OSNMA       ${state.osnma}`,
    `fix         ${state.fix}`,
    ...(state.why === null ? [] : [`why         ${state.why}`]),
    `next        ${state.next}`,
  ];
  return lines.map((line) => fit(line.replace(/[^\x20-\x7e]/g, "?"), columns));
}

/** A block of lines at the foot of a terminal. */
export class TerminalBlock {
  readonly #out: Writable & { columns?: number };
  #drawn = 0;

  constructor(out: Writable & { columns?: number }) {
    this.#out = out;
  }

  get columns(): number {
    return this.#out.columns ?? 80;
  }

  draw(lines: readonly string[]): void {
    this.#out.write(`${this.#erasing()}${lines.join("\n")}\n`);
    this.#drawn = lines.length;
  }

  /** A line that stays, above the block; the block is drawn again next time. */
  above(line: string): void {
    this.#out.write(`${this.#erasing()}${line}\n`);
    this.#drawn = 0;
  }

  #erasing(): string {
    return this.#drawn === 0 ? "" : `\u001b[${this.#drawn}A\u001b[J`;
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
