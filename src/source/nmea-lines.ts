/**
 * NMEA sentences behind the framer: @serialport/parser-readline cuts them into lines, and they are counted by
 * talker and type. The line parser never sits on the raw stream, where binary data would glue lines together
 * and grow its buffer without bound: it gets whole sentences only. NMEA 0183; proprietary PUBX as u-blox defines.
 */
import { ReadlineParser } from "@serialport/parser-readline";
import { parseNmea, type NmeaPosition } from "./nmea-sentences.js";

/** Different sentences kept apart; a stream made to have more is counted together. */
const MAX_KINDS = 256;
/** Different texts of TXT sentences that are kept, and how much of each. */
const MAX_TEXTS = 32;
const MAX_TEXT_CHARACTERS = 120;
const OTHER = "other";
const LINE_END = Buffer.from("\r\n", "latin1");
const CR = 0x0d;
const LF = 0x0a;

export interface NmeaCount {
  /** Talker and type as sent, for example GNGGA; with the message number for PUBX. */
  readonly name: string;
  readonly count: number;
}

export interface NmeaText {
  readonly text: string;
  readonly count: number;
}

/** The receiver's own word in NMEA, of its last GGA or RMC that had a position: unverified, whatever it says. */
export interface NmeaFix {
  readonly position: NmeaPosition;
  readonly from: "GGA" | "RMC";
  readonly altitudeMeters: number | null;
  /** Of the last RMC or ZDA; RFC 3339. */
  readonly utc: string | null;
}

export class NmeaLines {
  readonly #parser = new ReadlineParser({ delimiter: "\r\n", encoding: "latin1" });
  readonly #counts = new Map<string, number>();
  readonly #texts = new Map<string, number>();
  /** Sentences handed to the parser that have not come out of it yet. */
  #pending = 0;
  #waiting: (() => void)[] = [];
  #sentences = 0;
  #fix: Omit<NmeaFix, "utc"> | null = null;
  #unix: number | null = null;

  constructor() {
    this.#parser.on("data", (line: string) => {
      this.#line(line);
    });
  }

  /** Takes in one sentence as the framer found it; the bytes are copied. */
  write(sentence: Uint8Array): void {
    if (!(sentence instanceof Uint8Array)) throw new TypeError("sentence must be a Uint8Array");
    let length = sentence.length;
    while (length > 0 && (sentence[length - 1] === CR || sentence[length - 1] === LF)) length--;
    if (length === 0) return;
    // Some receivers end lines with LF alone: the parser gets the end it knows, so nothing stays in its buffer.
    this.#pending++;
    this.#parser.write(Buffer.concat([sentence.subarray(0, length), LINE_END]));
  }

  /** Resolves when every sentence written so far is counted; nothing to wait for gives undefined. */
  settled(): Promise<void> | undefined {
    if (this.#pending === 0) return undefined;
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
    });
  }

  #line(line: string): void {
    this.#sentences++;
    count(this.#counts, nameOf(line), MAX_KINDS);
    const text = textOf(line);
    if (text !== null) count(this.#texts, text, MAX_TEXTS);
    this.#tells(line);
    if (--this.#pending > 0) return;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }

  #tells(line: string): void {
    const sentence = parseNmea(line);
    if (sentence === null || sentence.type === "TXT") return;
    if (sentence.type !== "GGA") this.#unix = sentence.unix ?? this.#unix;
    if (sentence.type === "ZDA" || sentence.position === null) return;
    const { position, type: from } = sentence;
    this.#fix = { position, from, altitudeMeters: sentence.type === "GGA" ? sentence.altitudeMeters : null };
  }

  /** Null where no sentence told a position. */
  get fix(): NmeaFix | null {
    const utc = this.#unix === null ? null : new Date(this.#unix * 1000).toISOString();
    return this.#fix === null ? null : { ...this.#fix, utc };
  }

  /** Sentences counted. */
  get sentences(): number {
    return this.#sentences;
  }

  /** By talker and type, most frequent first. */
  counts(): NmeaCount[] {
    return sorted(this.#counts).map(([name, count]) => ({ name, count }));
  }

  /** Texts of TXT sentences (`txbuf alloc`, antenna state, start-up lines), most frequent first. */
  texts(): NmeaText[] {
    return sorted(this.#texts).map(([text, count]) => ({ text, count }));
  }
}

function count(counts: Map<string, number>, key: string, bound: number): void {
  const kept = counts.has(key) || counts.size < bound ? key : OTHER;
  counts.set(kept, (counts.get(kept) ?? 0) + 1);
}

function sorted(counts: ReadonlyMap<string, number>): [string, number][] {
  return [...counts].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1));
}

/** The address field; PUBX sentences differ by their first field. */
function nameOf(line: string): string {
  const [address, first = ""] = line.slice(1).split(/[,*]/, 2);
  const name = address === "PUBX" ? `PUBX,${first}` : address;
  return /^[A-Z0-9,]{1,12}$/.test(name) ? name : OTHER;
}

/** The text of a TXT sentence (total, number, type, text), else null. */
export function textOf(line: string): string | null {
  const match = /^[$!][A-Z]{2}TXT,[^,]*,[^,]*,[^,]*,(.*?)(?:\*[0-9A-Fa-f]{2})?$/.exec(line);
  // It goes to terminals: nothing in it may be taken for a command.
  return match === null ? null : match[1].slice(0, MAX_TEXT_CHARACTERS).replace(/[^\x20-\x7e]/g, "?");
}
