/**
 * RXM-RAWX as a RINEX 3.04 observation file, Galileo only. Values are the receiver's own: nothing is corrected, and
 * nothing is left out but what the receiver itself marks as invalid. Units and signs agree (metres, cycles growing
 * with distance, hertz positive when approaching, dBHz).
 */
import type { MessageOf } from "gnss-ubx";
import { GPS_WEEK_OFFSET, gstOf, SECONDS_IN_WEEK } from "../inav/gst.js";
import { calendarOf, twoDigits } from "./calendar.js";
import { fixed, headerLine, programLine, versionLine } from "./rinex-format.js";

type Rawx = MessageOf<"RXM-RAWX">;
type Measurement = Rawx["meas"][number];

const GALILEO = 2;
const MAX_SVID = 36;
/** Band and attribute of each signal id (RINEX 3.04 table 6); E1-C first, the one receivers measure. */
const SIGNALS: readonly (readonly [sigId: number, code: string])[] = [
  [0, "1C"],
  [1, "1B"],
  [3, "5I"],
  [4, "5Q"],
  [5, "7I"],
  [6, "7Q"],
  [8, "6B"],
  [9, "6C"],
];
const CODE_OF = new Map(SIGNALS);
const KINDS = ["C", "L", "D", "S"] as const;
const TYPES_PER_LINE = 13;
const LOCK_LOST = 1;
const HALF_CYCLE_OPEN = 2;
/** Epoch labels have 0.1 microseconds. */
const LABEL_UNITS = 1e7;

/** What has to be known before the first line can be written. */
export class ObservationSurvey {
  readonly #codes = new Set<string>();
  first: EpochLabel | null = null;
  last: EpochLabel | null = null;
  epochs = 0;

  push(message: Rawx): void {
    const label = labelOf(message);
    if (label === null || !message.meas.some(isGalileo)) return;
    this.first ??= label;
    this.last = label;
    this.epochs++;
    for (const meas of message.meas) {
      const code = codeOf(meas);
      if (code !== undefined) this.#codes.add(code);
    }
  }

  /** Signals in the order of their columns. */
  get codes(): readonly string[] {
    return SIGNALS.map(([, code]) => code).filter((code) => this.#codes.has(code));
  }
}

/** Model and firmware, as the receiver tells them. */
export interface ReceiverName {
  readonly type: string;
  readonly version: string;
}

export interface ObservationHeader {
  readonly program: string;
  readonly created: Date;
  readonly codes: readonly string[];
  readonly first: EpochLabel;
  readonly last: EpochLabel;
  readonly leapSeconds: number | null;
  readonly receiver: ReceiverName | null;
}

/** Header records. The approximate position stays zero: a file is not made to tell where it was recorded. */
export function* observationHeader(header: ObservationHeader): Generator<string> {
  yield versionLine("OBSERVATION DATA");
  yield programLine(header.program, header.created);
  yield headerLine("Receiver's measurements as they were; Galileo only", "COMMENT");
  yield headerLine("UNKNOWN", "MARKER NAME");
  yield headerLine("NON_GEODETIC", "MARKER TYPE");
  yield headerLine("", "OBSERVER / AGENCY");
  const { type = "", version = "" } = header.receiver ?? {};
  yield headerLine(
    `${"".padEnd(20)}${type.slice(0, 20).padEnd(20)}${version.slice(0, 20)}`,
    "REC # / TYPE / VERS",
  );
  yield headerLine("", "ANT # / TYPE");
  yield headerLine("        0.0000        0.0000        0.0000", "APPROX POSITION XYZ");
  yield headerLine("        0.0000        0.0000        0.0000", "ANTENNA: DELTA H/E/N");
  const types = header.codes.flatMap((code) => KINDS.map((kind) => kind + code));
  for (let i = 0; i < types.length; i += TYPES_PER_LINE) {
    const start = i === 0 ? `E  ${String(types.length).padStart(3)}` : "      ";
    yield headerLine(
      start +
        types
          .slice(i, i + TYPES_PER_LINE)
          .map((name) => ` ${name}`)
          .join(""),
      "SYS / # / OBS TYPES",
    );
  }
  yield headerLine("DBHZ", "SIGNAL STRENGTH UNIT");
  yield headerLine(firstOrLast(header.first), "TIME OF FIRST OBS");
  yield headerLine(firstOrLast(header.last), "TIME OF LAST OBS");
  for (const code of header.codes) yield headerLine(`E L${code}`, "SYS / PHASE SHIFT");
  if (header.leapSeconds !== null) yield headerLine(String(header.leapSeconds).padStart(6), "LEAP SECONDS");
  yield headerLine("", "END OF HEADER");
}

function firstOrLast(label: EpochLabel): string {
  const { year, month, day, hour, minute } = calendarOf(label.second);
  const parts = [year, month, day, hour, minute].map((value) => String(value).padStart(6)).join("");
  return `${parts}${fixed(secondsOf(label), 13, 7)}     GAL`;
}

/** Writes epochs, and remembers how long each signal has been locked. */
export class ObservationRecords {
  readonly #codes: readonly string[];
  readonly #lock = new Map<string, { readonly label: EpochLabel; readonly milliseconds: number }>();

  constructor(codes: readonly string[]) {
    this.#codes = codes;
  }

  /** Lines of one epoch; none where it has no Galileo measurement or no week. */
  *epoch(message: Rawx): Generator<string> {
    const label = labelOf(message);
    if (label === null) return;
    const bySvid: (Map<string, Measurement> | undefined)[] = [];
    for (const meas of message.meas) {
      const code = codeOf(meas);
      if (code !== undefined) (bySvid[meas.svId] ??= new Map()).set(code, meas);
    }
    const satellites = bySvid.filter((signals) => signals !== undefined).length;
    if (satellites === 0) return;
    const { year, month, day, hour, minute } = calendarOf(label.second);
    const date = [String(year), ...[month, day, hour, minute].map(twoDigits)].join(" ");
    // Event flag 0: an ordinary epoch.
    yield `> ${date}${fixed(secondsOf(label), 11, 7)}  0${String(satellites).padStart(3)}`;
    for (let svid = 1; svid <= MAX_SVID; svid++) {
      const signals = bySvid[svid];
      if (signals === undefined) continue;
      const line = this.#codes.map((code) => this.#values(svid, code, signals.get(code), label)).join("");
      yield `E${twoDigits(svid)}${line.trimEnd()}`;
    }
  }

  #values(svid: number, code: string, meas: Measurement | undefined, label: EpochLabel): string {
    if (meas === undefined) return " ".repeat(16 * KINDS.length);
    const blank = " ".repeat(16);
    const { prValid, cpValid, halfCyc } = meas.trkStat;
    const strength = String(Math.max(1, Math.min(9, Math.floor(meas.cno / 6))));
    const key = `${svid} ${code}`;
    const before = this.#lock.get(key);
    this.#lock.set(key, { label, milliseconds: meas.locktime });
    // Locked for less than the epochs are apart: it was lost in between.
    const lost =
      before !== undefined &&
      meas.locktime < Math.min(before.milliseconds, 1000 * secondsBetween(before.label, label) - 1);
    const indicator = (lost || before === undefined ? LOCK_LOST : 0) | (halfCyc ? 0 : HALF_CYCLE_OPEN);
    const value = (number: number, lli: string, ssi: string): string => {
      const text = fixed(number, 14, 3);
      return text.trim() === "" ? blank : text + lli + ssi;
    };
    return (
      (prValid ? value(meas.prMes, " ", strength) : blank) +
      (cpValid ? value(meas.cpMes, indicator === 0 ? " " : String(indicator), strength) : blank) +
      value(meas.doMes, " ", " ") +
      value(meas.cno, " ", " ")
    );
  }
}

function isGalileo(meas: Measurement): boolean {
  return codeOf(meas) !== undefined;
}

function codeOf(meas: Measurement): string | undefined {
  if (meas.gnssId !== GALILEO || meas.svId < 1 || meas.svId > MAX_SVID) return undefined;
  return CODE_OF.get(meas.sigId);
}

/** A receiver's label of an epoch: whole linear GST seconds, and tenths of a microsecond. */
export interface EpochLabel {
  readonly second: number;
  readonly units: number;
}

/**
 * Null before the receiver knows the week. Split before week and time of week are joined: linear GST in one double
 * would keep no more than the 0.1 microseconds; and so that 59.99999999 s becomes the next minute and never 60.
 */
function labelOf({ week, rcvTow }: Rawx): EpochLabel | null {
  if (week < GPS_WEEK_OFFSET || !(rcvTow >= 0 && rcvTow < SECONDS_IN_WEEK + 1)) return null;
  const second = gstOf(week - GPS_WEEK_OFFSET, Math.floor(rcvTow));
  const units = Math.round((rcvTow - Math.floor(rcvTow)) * LABEL_UNITS);
  return units === LABEL_UNITS ? { second: second + 1, units: 0 } : { second, units };
}

/** Seconds of the minute. */
function secondsOf({ second, units }: EpochLabel): number {
  return (second % 60) + units / LABEL_UNITS;
}

function secondsBetween(earlier: EpochLabel, later: EpochLabel): number {
  return later.second - earlier.second + (later.units - earlier.units) / LABEL_UNITS;
}
