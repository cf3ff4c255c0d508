/** `osnmad capture`: cut, join, describe and anonymise captures and recordings. */
import { Option, type Command } from "commander";
import { randomUUID } from "node:crypto";
import { OsnmadError } from "../../errors.js";
import { utcOfGst } from "../../fix/utc.js";
import { formatGst, gstOf, SECONDS_IN_WEEK } from "../../inav/gst.js";
import { allowedBy } from "../../time/clock-model.js";
import { BUILT_IN_LEAP_SECONDS, gstOfUnix, leapAt } from "../../time/leap-seconds.js";
import type { Arrival } from "../../time/types.js";
import { Anonymiser, type AnonymiseCounts } from "../../recorder/anonymise.js";
import { CutFinder, type Place } from "../../recorder/cut.js";
import { epochGstOf } from "../../recorder/epoch-time.js";
import {
  LINE_BROKE,
  RECEIVER_CHANGED,
  type RecordingHead,
  type RecordingNote,
} from "../../recorder/format.js";
import { PlaceEstimate, type PlaceReport } from "../../recorder/place.js";
import type { RecordingCounts } from "../../recorder/reader.js";
import { RecordingWriter } from "../../recorder/writer.js";
import { damageOf, openCapture } from "../../source/capture-file.js";
import { JsonLines } from "../json-lines.js";
import { openOutput, type OutputFile } from "../output-file.js";
import { SOFTWARE_VERSION } from "../version.js";
import { Framer } from "gnss-ubx";

type Format = "same" | "ubx" | "recording";

interface OutputFlags {
  readonly output: string;
  readonly force?: boolean;
  readonly format: Format;
}

interface CutFlags extends OutputFlags {
  readonly from?: Place;
  readonly to?: Place;
  readonly fromByte?: Place;
  readonly toByte?: Place;
}

interface AnonymiseFlags extends OutputFlags {
  readonly pagesOnly?: boolean;
  readonly satellites?: ReadonlySet<number>;
}

const NOT_KNOWN: Arrival = { unixMs: 0, monotonicMs: 0, trusted: null };
/** Silence longer than this is told. */
const GAP_MS = 5000;
const MAX_LISTED = 12;

export function registerCapture(program: Command): void {
  const capture = program
    .command("capture")
    .summary("cut, join, describe and anonymise captures")
    .description(
      "Works on captures: a receiver's bytes (UBX, NMEA and RTCM3 mixed) and recordings " +
        "of this program, either also gzipped. Nothing is authenticated here.",
    )
    .addHelpText(
      "after",
      `
Examples:
  osnmad capture info run.osnr
  osnmad capture cut run.osnr --from 2026-03-09T15:00:00Z --to +600 -o ten-minutes.osnr
  osnmad capture cat recordings/*.osnr -o whole.osnr
  osnmad capture anonymise run.osnr --pages-only -o for-others.ubx --format ubx`,
    );

  withOutput(
    capture
      .command("cut")
      .summary("keep a part, by time or bytes, cut between frames")
      .description(
        "Keeps the part of a capture from one place to another, cut between frames. " +
          "A time is UTC (2026-03-09T15:00:00Z), GST (1385:140400, week and time of " +
          "week), or seconds after the beginning (+90). The receiver's messages tell it; " +
          "what comes before the first of them has none.",
      )
      .argument("<capture>", "a file; it is read twice")
      .option("--from <time>", "where to begin", placeOf)
      .option("--to <time>", "where to end; what begins there is not kept", placeOf)
      .option("--from-byte <n>", "the first frame that begins at this byte or later", byteOf)
      .option("--to-byte <n>", "the last frame that ends at this byte or before", byteOf),
  ).action(cut);

  withOutput(
    capture
      .command("cat")
      .summary("join captures")
      .description(
        "Writes captures one after the other, in the order given; parts of a recording keep their heads.",
      )
      .argument("<captures...>", "files, or - for standard input"),
  ).action(cat);

  capture
    .command("info")
    .summary("what a file is: parts, times, gaps, damage, notes")
    .description("Says what a capture or recording is. `osnmad inspect` says what the receiver sent in it.")
    .argument("<capture>", "a file, or - for standard input")
    .option("--json", "one JSON line")
    .action(info);

  withOutput(
    capture
      .command("anonymise")
      .summary("take out what gives the place away")
      .description(
        "Keeps Galileo's pages and what says nothing of where the antenna is (time, " +
          "receiver status); leaves out positions, ranges, directions, signal strengths, " +
          "NMEA, RTCM3, serial numbers, texts, unknown messages and every byte between " +
          "frames.\n\n" +
          "Signed data cannot be shifted: a page whose time or orbit were changed would " +
          "fail its tag. So nothing is moved, only left out, and time stays. Which " +
          "satellites are heard, and when they rise and set, is seen from a part of the " +
          "Earth only; the command computes how large that part is.",
      )
      .argument("<capture>", "a file, or - for standard input")
      .option("--pages-only", "Galileo's pages and Galileo time alone")
      .option("--satellites <list>", "keep these Galileo satellites only, for example 2,8,30", satellitesOf),
  ).action(anonymise);
}

function withOutput(command: Command): Command {
  return command
    .requiredOption("-o, --output <file>", "where to write, or - for standard output")
    .option("--force", "replace a file that is there")
    .addOption(
      new Option("--format <format>", "the receiver's bytes alone, or a recording with arrival times")
        .choices(["same", "ubx", "recording"])
        .default("same"),
    );
}

/** `+90`, `1385:140400`, `2026-03-09T15:00:00Z`. */
export function placeOf(text: string): Place {
  const after = /^\+(\d{1,9}(?:\.\d{1,6})?)s?$/.exec(text);
  if (after !== null) return { kind: "after", seconds: Number(after[1]) };
  const gst = /^(\d{1,4}):(\d{1,6}(?:\.\d{1,6})?)$/.exec(text);
  if (gst !== null && Number(gst[2]) < SECONDS_IN_WEEK) {
    return { kind: "gst", gst: gstOf(Number(gst[1]), Number(gst[2])) };
  }
  const utc = /^\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?Z$/.test(text)
    ? Date.parse(text)
    : Number.NaN;
  if (Number.isFinite(utc)) {
    return { kind: "gst", gst: gstOfUnix(utc / 1000, leapAt(BUILT_IN_LEAP_SECONDS, utc / 1000).dtLS) };
  }
  throw new OsnmadError(
    "OSN_USAGE",
    `A time is 2026-03-09T15:00:00Z, 1385:140400 (GST week:time of week) or +90 (seconds), not "${text}".`,
  );
}

function byteOf(text: string): Place {
  if (!/^\d{1,15}$/.test(text))
    throw new OsnmadError("OSN_USAGE", `A byte offset is a whole number, not "${text}".`);
  return { kind: "byte", offset: Number(text) };
}

function satellitesOf(text: string): ReadonlySet<number> {
  const numbers = text.split(",").map((part) => (/^\d{1,2}$/.test(part.trim()) ? Number(part) : 0));
  if (numbers.some((svid) => svid < 1 || svid > 36)) {
    throw new OsnmadError("OSN_USAGE", `--satellites takes Galileo numbers from 1 to 36, not "${text}".`);
  }
  return new Set(numbers);
}

async function cut(capture: string, flags: CutFlags): Promise<void> {
  if (capture === "-") throw new OsnmadError("OSN_USAGE", "A cut reads its capture twice; give a file.");
  const { from, to, fromByte, toByte } = flags;
  if ((from !== undefined && fromByte !== undefined) || (to !== undefined && toByte !== undefined)) {
    throw new OsnmadError("OSN_USAGE", "Give a time or a byte for each end, not both.");
  }
  const finder = new CutFinder(from ?? fromByte ?? null, to ?? toByte ?? null);
  await openCapture(capture).read((chunk) => {
    finder.push(chunk);
  });
  const range = finder.end();
  if (range.from === range.to) {
    throw new OsnmadError(
      "OSN_USAGE",
      `Nothing lies between these places; the capture's time is ${spanText(range.firstGst, range.lastGst)}.`,
    );
  }
  const output = new CaptureOutput(flags, capture);
  let offset = 0;
  await output.guard(async () => {
    await openCapture(capture).read(
      (chunk, stamp) => {
        const begin = Math.max(0, range.from - offset);
        const end = Math.min(chunk.length, range.to - offset);
        offset += chunk.length;
        if (begin < end) output.bytes(chunk.subarray(begin, end), stamp?.arrival);
      },
      {
        head: (head) => {
          output.head(head);
        },
        note: (note, arrival) => {
          if (offset >= range.from && offset < range.to) output.note(note, arrival);
        },
      },
    );
  });
  say(`${range.to - range.from} of ${offset} bytes, from byte ${range.from}`);
}

async function cat(captures: string[], flags: OutputFlags): Promise<void> {
  const output = new CaptureOutput(flags, captures[0]);
  let bytes = 0;
  await output.guard(async () => {
    for (const capture of captures) {
      output.begin(capture);
      await openCapture(capture).read(
        (chunk, stamp) => {
          bytes += chunk.length;
          output.bytes(chunk, stamp?.arrival);
        },
        {
          head: (head) => {
            output.head(head);
          },
          note: (note, arrival) => {
            output.note(note, arrival);
          },
        },
      );
    }
  });
  say(`${bytes} bytes of ${captures.length} capture(s)`);
}

async function anonymise(capture: string, flags: AnonymiseFlags): Promise<void> {
  const anonymiser = new Anonymiser({
    pagesOnly: flags.pagesOnly === true,
    satellites: flags.satellites ?? null,
  });
  const place = new PlaceEstimate();
  const output = new CaptureOutput(flags, capture);
  let last: Arrival | undefined;
  const keep = (frame: Uint8Array): void => {
    output.bytes(frame, last);
    place.push(frame);
  };
  await output.guard(async () => {
    await openCapture(capture).read(
      (chunk, stamp) => {
        last = stamp?.arrival;
        anonymiser.push(chunk, keep);
      },
      {
        head: (head) => {
          // Who and what it was is nobody's business; the parts still belong together.
          output.head({ ...head, source: null, receiverId: null, session: output.session });
        },
        note: (note, arrival) => {
          // What a replay goes by, and nothing else that may tell of the place.
          for (const name of [LINE_BROKE, RECEIVER_CHANGED]) {
            if (note.note === name) output.note({ note: name }, arrival);
          }
        },
      },
    );
    anonymiser.end(keep);
  });
  tellAnonymised(anonymiser.counts, place.end());
}

function tellAnonymised(counts: AnonymiseCounts, place: PlaceReport): void {
  const list = (items: Readonly<Record<string, number>>): string =>
    Object.entries(items)
      .sort((a, b) => b[1] - a[1])
      .map(([name, count]) => `${name} ${count}`)
      .join(", ") || "none";
  say(`kept: ${list(counts.kept)}`);
  say(`left out: ${list(counts.removed)}; ${counts.removedBytes} bytes in all`);
  say("Time was not changed: signed pages cannot be shifted, only left out.");
  say(
    place.share === null || place.radiusKm === null
      ? "Which satellites are heard narrows the place; there are no whole orbits in here to say how much."
      : `The ${place.satellites} satellites heard, at ${place.samples} moment(s), alone place the antenna within ` +
          `${percent(place.share)} of the Earth's surface (a disc of about ${Math.max(100, Math.round(place.radiusKm / 100) * 100)} km ` +
          "radius), and who knows when they rose and set comes closer. Fewer satellites (--satellites) or a shorter part say less.",
  );
}

function percent(share: number): string {
  return share >= 0.1 ? `${Math.round(share * 100)} %` : `${(share * 100).toPrecision(1)} %`;
}

/** Standard error: standard output may be the capture. */
function say(text: string): void {
  process.stderr.write(`${text}\n`);
}

/** Writes what a command makes, in the format that was asked for. */
class CaptureOutput {
  readonly session = randomUUID();
  readonly #file: OutputFile;
  readonly #format: Format;
  readonly #writer: RecordingWriter;
  #recording: boolean | null = null;
  #lastSession: string | null = null;
  #name: string;

  constructor({ output, force = false, format }: OutputFlags, capture: string) {
    this.#file = openOutput(output, force);
    this.#format = format;
    this.#name = capture;
    this.#writer = new RecordingWriter((bytes) => {
      this.#file.write(bytes);
    });
  }

  begin(capture: string): void {
    this.#name = capture;
  }

  head(head: RecordingHead): void {
    if (this.#format === "ubx") return;
    this.#expect(true);
    this.#writer.head(head);
    // Frames must not be joined across runs.
    if (this.#lastSession !== null && this.#lastSession !== head.session) {
      this.#writer.note({ note: LINE_BROKE }, NOT_KNOWN);
    }
    this.#lastSession = head.session;
  }

  note(note: RecordingNote, arrival: Arrival): void {
    if (this.#recording === true) this.#writer.note(note, arrival);
  }

  bytes(bytes: Uint8Array, arrival: Arrival | undefined): void {
    if (this.#format === "ubx") {
      this.#file.write(bytes);
      return;
    }
    if (arrival === undefined) {
      this.#expect(false);
      this.#file.write(bytes);
      return;
    }
    this.#expect(true);
    // A recording whose head is lost.
    if (this.#lastSession === null) this.head(headOfNothing(this.session));
    this.#writer.bytes(bytes, arrival);
  }

  /** Runs `work`, and leaves no half of a file behind. */
  async guard(work: () => Promise<void>): Promise<void> {
    try {
      await work();
      this.#writer.end();
    } catch (error) {
      this.#file.discard();
      throw error;
    }
    this.#file.close();
  }

  #expect(recording: boolean): void {
    if (recording ? this.#recording === false : this.#recording === true || this.#format === "recording") {
      throw new OsnmadError(
        "OSN_USAGE",
        `${this.#name} ${recording ? "is a recording and others are not" : "has no arrival times, so it is no recording"}; --format ubx writes the receiver's bytes alone.`,
      );
    }
    this.#recording = recording;
  }
}

function headOfNothing(session: string): RecordingHead {
  return {
    format: "osnmad-recording",
    version: 1,
    session,
    part: 0,
    startedAt: "",
    mode: "live",
    trustedTime: true,
    softwareVersion: SOFTWARE_VERSION,
    source: null,
    receiverId: null,
  };
}

export interface CaptureInfo {
  readonly capture: string;
  readonly kind: "plain" | "recording";
  readonly gzip: boolean;
  /** Of the file, bytes; null for a pipe. */
  readonly size: number | null;
  /** The receiver's bytes in it. */
  readonly bytes: number;
  /** What is wrong with the file; null where nothing is. */
  readonly damage: string | null;
  readonly time: {
    readonly firstGst: number | null;
    readonly lastGst: number | null;
    readonly firstUtc: string | null;
    readonly lastUtc: string | null;
  };
  readonly recording: {
    readonly heads: readonly RecordingHead[];
    readonly counts: RecordingCounts;
    readonly chunks: number;
    readonly firstArrival: string | null;
    readonly lastArrival: string | null;
    /** Chunks by what their trusted time allowed. */
    readonly trusted: {
      readonly all: number;
      readonly slow: number;
      readonly none: number;
      readonly unknown: number;
    };
    readonly worstBoundSeconds: number | null;
    readonly gaps: readonly { readonly after: string; readonly seconds: number }[];
    readonly notes: readonly (RecordingNote & { readonly at: string })[];
  } | null;
}

export async function captureInfo(capture: string): Promise<CaptureInfo> {
  const source = openCapture(capture);
  const framer = new Framer();
  let bytes = 0;
  let chunks = 0;
  let firstGst: number | null = null;
  let lastGst: number | null = null;
  let first: Arrival | null = null;
  let last: Arrival | null = null;
  let worst: number | null = null;
  const trusted = { all: 0, slow: 0, none: 0, unknown: 0 };
  const heads: RecordingHead[] = [];
  const gaps: { after: string; seconds: number }[] = [];
  const notes: (RecordingNote & { at: string })[] = [];
  await source.read(
    (chunk, stamp) => {
      bytes += chunk.length;
      framer.push(chunk, {
        ubx: (messageClass, messageId, payload) => {
          const gst = epochGstOf(messageClass, messageId, payload);
          if (gst === null) return;
          firstGst ??= gst;
          lastGst = gst;
        },
      });
      if (stamp === undefined) return;
      chunks++;
      const { arrival } = stamp;
      if (last !== null && Math.abs(arrival.unixMs - last.unixMs) > GAP_MS && gaps.length < 1000) {
        gaps.push({ after: isoOf(last.unixMs), seconds: (arrival.unixMs - last.unixMs) / 1000 });
      }
      first ??= arrival;
      last = arrival;
      if (stamp.trusted === undefined) trusted.unknown++;
      else {
        trusted[allowedBy(stamp.trusted)]++;
        if (stamp.trusted !== null) worst = Math.max(worst ?? 0, stamp.trusted.boundSeconds);
      }
    },
    {
      head: (head) => {
        if (heads.length < 10_000) heads.push(head);
      },
      note: (note, arrival) => {
        if (notes.length < 10_000) notes.push({ ...note, at: isoOf(arrival.unixMs) });
      },
    },
  );
  const arrivalText = (arrival: Arrival | null): string | null =>
    arrival === null ? null : isoOf(arrival.unixMs);
  return {
    capture,
    kind: source.kind ?? "plain",
    gzip: source.gzip,
    size: source.size,
    bytes,
    damage: damageOf(source),
    time: { firstGst, lastGst, firstUtc: utcText(firstGst), lastUtc: utcText(lastGst) },
    recording:
      source.recording === null
        ? null
        : {
            heads,
            counts: { ...source.recording },
            chunks,
            firstArrival: arrivalText(first),
            lastArrival: arrivalText(last),
            trusted,
            worstBoundSeconds: worst,
            gaps,
            notes,
          },
  };
}

async function info(capture: string, flags: { readonly json?: boolean }): Promise<void> {
  const report = await captureInfo(capture);
  if (flags.json === true) {
    const lines = new JsonLines(process.stdout);
    lines.write(report);
    await lines.end();
    return;
  }
  process.stdout.write(infoText(report));
}

function infoText(report: CaptureInfo): string {
  const lines: string[] = [];
  const row = (name: string, value: string): void => void lines.push(`  ${name.padEnd(16)}${value}`);
  const kind = report.kind === "recording" ? "recording" : "plain capture";
  lines.push(`${report.capture}  ${kind}${report.gzip ? ", gzipped" : ""}`);
  row(
    "size",
    `${report.size === null ? "a pipe" : `${report.size} bytes`}, ${report.bytes} bytes of the receiver`,
  );
  row("time", spanText(report.time.firstGst, report.time.lastGst));
  const { recording } = report;
  if (recording === null && report.damage !== null) row("damage", report.damage);
  if (recording === null) return `${lines.join("\n")}\n`;
  for (const head of recording.heads.slice(0, MAX_LISTED)) {
    row(
      `part ${head.part}`,
      [
        `from ${head.startedAt}`,
        `mode ${head.mode}`,
        head.softwareVersion,
        ...(head.source === null ? [] : [`source ${head.source}`]),
        ...(head.receiverId === null ? [] : [`receiver ${head.receiverId}`]),
        `session ${head.session.slice(0, 8)}`,
      ].join(", "),
    );
  }
  if (recording.heads.length > MAX_LISTED)
    row("", `and ${recording.heads.length - MAX_LISTED} more (--json has all)`);
  row(
    "arrival",
    `${recording.firstArrival ?? "?"} to ${recording.lastArrival ?? "?"}, ${recording.chunks} chunks`,
  );
  const { all, slow, none, unknown } = recording.trusted;
  row(
    "trusted time",
    unknown > 0
      ? "no clock was asked"
      : `all tags ${all}, ADKD 12 only ${slow}, none ${none} chunks` +
          (recording.worstBoundSeconds === null
            ? ""
            : `; worst bound ${recording.worstBoundSeconds.toFixed(3)} s`),
  );
  row("damage", report.damage ?? "none");
  for (const gap of recording.gaps.slice(0, MAX_LISTED))
    row("silence", `${gap.seconds.toFixed(1)} s after ${gap.after}`);
  if (recording.gaps.length > MAX_LISTED)
    row("", `and ${recording.gaps.length - MAX_LISTED} more (--json has all)`);
  for (const { at, note, ...detail } of recording.notes.slice(0, MAX_LISTED)) {
    const more = Object.keys(detail).length === 0 ? "" : ` ${JSON.stringify(detail)}`;
    row("note", `${at} ${note}${more}`.replace(/[^\x20-\x7e]/g, "?").slice(0, 200));
  }
  if (recording.notes.length > MAX_LISTED)
    row("", `and ${recording.notes.length - MAX_LISTED} more (--json has all)`);
  return `${lines.join("\n")}\n`;
}

function spanText(firstGst: number | null, lastGst: number | null): string {
  if (firstGst === null || lastGst === null) return "not told by the receiver";
  return (
    `${utcText(firstGst) ?? "?"} to ${utcText(lastGst) ?? "?"} (${formatGst(Math.round(firstGst))} to ` +
    `${formatGst(Math.round(lastGst))})`
  );
}

function utcText(gst: number | null): string | null {
  return gst === null ? null : utcOfGst(gst, BUILT_IN_LEAP_SECONDS.dtLS);
}

function isoOf(unixMs: number): string {
  return Math.abs(unixMs) <= 8.64e15 ? new Date(unixMs).toISOString() : "?";
}
