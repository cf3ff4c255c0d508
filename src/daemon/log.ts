/**
 * The daemon's log: pino on standard error, synchronous, since the last lines before an end are the ones that are
 * needed. JSON for machines, one readable line each for a terminal. No coordinates at info or above: what is logged
 * here is events, states and counts. Edge.
 */
import { destination, pino, type Logger } from "pino";
import type { LOG_LEVELS } from "./config.js";

export type LogLevel = (typeof LOG_LEVELS)[number];

/** Writes a line somewhere where it does not tear what stands on a terminal. */
export type LineWriter = (line: string) => void;

/** What the log holds back while it cannot be written; what comes beyond is lost. */
const LONGEST_WAITING_BYTES = 1e6;

/** `onTerminal` takes readable lines; null writes JSON lines to standard error. */
export function makeLogger(level: LogLevel, onTerminal: LineWriter | null): Logger {
  if (onTerminal === null) {
    // A log that cannot be written (a full disk, a terminal that was closed) waits, and does not end what it tells of.
    const out = destination({ dest: 2, sync: true, maxLength: LONGEST_WAITING_BYTES });
    out.removeAllListeners("error").on("error", () => undefined);
    return pino({ level }, out);
  }
  return pino(
    { level },
    {
      write(line: string) {
        onTerminal(readable(line));
      },
    },
  );
}

const LEVEL_WORDS: Readonly<Record<number, string>> = {
  10: "trace",
  20: "debug",
  30: "info",
  40: "warn",
  50: "error",
  60: "fatal",
};
const LEFT_OUT = new Set(["level", "time", "pid", "hostname", "msg"]);

/** A JSON line of pino as a line for people. */
export function readable(line: string): string {
  let entry: Record<string, unknown>;
  try {
    entry = JSON.parse(line) as Record<string, unknown>;
  } catch {
    return line.trimEnd();
  }
  const time = new Date(Number(entry["time"])).toISOString().slice(11, 19);
  const level = LEVEL_WORDS[Number(entry["level"])] ?? "";
  const fields = Object.entries(entry)
    // Whole objects are for machines.
    .filter(
      ([key, value]) =>
        !LEFT_OUT.has(key) && (typeof value !== "object" || Array.isArray(value) || value === null),
    )
    .map(([key, value]) => `${key}=${typeof value === "string" ? value : JSON.stringify(value)}`);
  const text = [String(entry["msg"] ?? ""), ...fields].join("  ");
  return `${time} ${level.padEnd(5)} ${text}`.replace(/[\x00-\x08\x0b-\x1f\x7f]/g, "?");
}

/**
 * Holds back repeats: the same thing is let through once in a while, with the number of times it was held back.
 * Bounded in what it remembers.
 */
export class Repeats {
  readonly #quietMs: number;
  readonly #bound: number;
  readonly #seen = new Map<string, { at: number; held: number }>();

  constructor(quietMs: number, bound = 256) {
    this.#quietMs = quietMs;
    this.#bound = bound;
  }

  /** How many were held back since the last that went through, or null where this one is to be held back. */
  take(what: string, now: number): number | null {
    const seen = this.#seen.get(what);
    if (seen !== undefined && now - seen.at < this.#quietMs) {
      seen.held++;
      return null;
    }
    if (seen === undefined && this.#seen.size >= this.#bound) {
      const [oldest] = this.#seen.keys();
      if (oldest !== undefined) this.#seen.delete(oldest);
    }
    this.#seen.delete(what);
    this.#seen.set(what, { at: now, held: 0 });
    return seen?.held ?? 0;
  }
}
