/** A replay for people: events and authenticated data as lines, progress on a terminal, a summary at the end. */
import type { Writable } from "node:stream";
import { formatGst, towOf } from "../inav/gst.js";
import type { Pipeline, PipelineRecord } from "../pipeline/pipeline.js";
import type { TimelineUsed } from "./replay-run.js";
import type { EventRecord, SummaryRecord, TagCounts } from "../pipeline/records.js";

const PROGRESS_MS = 100;
const TIMELINES: Readonly<Record<TimelineUsed, string>> = {
  capture: "its own timeline, no independent clock",
  recorded: "the trusted time that the recording kept",
  none: "the recording kept none: its run had no trusted time",
};

/** Styles for terminals; without one, or with NO_COLOR, plain text. */
export class Style {
  readonly #on: boolean;
  constructor(stream: Writable) {
    const tty = (stream as { isTTY?: boolean }).isTTY === true;
    this.#on = tty && process.env["NO_COLOR"] === undefined;
  }
  #wrap(code: number, text: string): string {
    return this.#on ? `\u001b[${code}m${text}\u001b[0m` : text;
  }
  dim = (text: string): string => this.#wrap(2, text);
  bold = (text: string): string => this.#wrap(1, text);
  green = (text: string): string => this.#wrap(32, text);
  yellow = (text: string): string => this.#wrap(33, text);
  red = (text: string): string => this.#wrap(31, text);
}

export class ReplayText {
  readonly #out: Writable;
  readonly #err: Writable;
  readonly #style: Style;
  readonly #live: boolean;
  #shownAt = 0;
  #progressShown = false;

  constructor(out: Writable, err: Writable) {
    this.#out = out;
    this.#err = err;
    this.#style = new Style(out);
    this.#live = (err as { isTTY?: boolean }).isTTY === true;
  }

  #line(text: string): void {
    this.#clear();
    this.#out.write(`${text}\n`);
  }

  #clear(): void {
    if (!this.#progressShown) return;
    this.#err.write("\r\u001b[K");
    this.#progressShown = false;
  }

  progress(fraction: number | null, pipeline: Pipeline): void {
    if (!this.#live) return;
    const now = performance.now();
    if (now - this.#shownAt < PROGRESS_MS) return;
    this.#shownAt = now;
    const { engine } = pipeline;
    const part = fraction === null ? "" : `${String(Math.floor(fraction * 100)).padStart(3)} %  `;
    const time = Number.isFinite(engine.now) ? formatGst(engine.now) : "no time yet";
    this.#err.write(
      `\r\u001b[K${part}${time}  ${engine.state}  ${engine.verified[0] + engine.verified[4] + engine.verified[12]} tags verified`,
    );
    this.#progressShown = true;
  }

  record(record: PipelineRecord): void {
    const { dim, green, yellow } = this.#style;
    if (record.type === "event") {
      this.#line(`${dim(timeOf(record))}  ${this.#severity(record)(record.name)}  ${record.message}`);
    } else if (record.type === "authenticated") {
      const what =
        record.data === "ced" ? `clock and ephemeris, IODnav ${record.iodNav}` : "GST-UTC and GST-GPS";
      const [tag] = record.evidence.tags.slice(-1);
      const health =
        record.health === null || record.health === "healthy" ? "" : yellow(` (${record.health})`);
      const rebuilt = record.rebuilt.length > 0 ? `, words ${record.rebuilt.join(" ")} rebuilt` : "";
      this.#line(
        `${dim(timeOf(record))}  ${green("authenticated")}  E${two(record.svid)} ${what}${health} by ADKD ${record.byAdkd} of E${two(tag.prnA)}, ` +
          `key of TOW ${record.evidence.key.tow}${rebuilt}`,
      );
    } else if (record.type === "tag") {
      const { tag } = record;
      this.#line(
        `${dim(`${tag.wn} ${tag.tow}`)}  tag ${record.outcome}  E${two(tag.prnA)} slot ${tag.ctr} ADKD ${tag.adkd} over E${two(record.prnD)}`,
      );
    } else if (record.type === "fix") {
      const { own, receiver, reasons } = record;
      // The position that the grade speaks of; with none graded, ours first.
      const shown = own !== null && (own.assurance !== "unverified" || receiver === null) ? own : receiver;
      const place =
        shown === null
          ? "no position"
          : `${(shown.latitudeE7 / 1e7).toFixed(7)} ${(shown.longitudeE7 / 1e7).toFixed(7)} ${(shown.heightMm / 1000).toFixed(1)} m`;
      const used = own === null ? "" : `, ${own.satellites.length} satellites, RAIM ${own.raim}`;
      this.#line(
        `${dim(record.utc)}  fix ${record.assurance}  ${place}${used}${reasons.length > 0 ? `  (${reasons.join(", ")})` : ""}`,
      );
    }
  }

  #severity(event: EventRecord): (text: string) => string {
    const { bold, dim, red, yellow } = this.#style;
    return { info: dim, notice: bold, warning: yellow, alarm: red }[event.severity];
  }

  summary(summary: SummaryRecord, timeline: TimelineUsed): void {
    const { bold } = this.#style;
    const counts = (tags: TagCounts): string =>
      [tags["0"], tags["4"], tags["12"]].map((count) => String(count).padStart(7)).join("");
    const span = (summary["firstPageGst"] as number | null) ?? null;
    const last = (summary["lastPageGst"] as number | null) ?? null;
    const rows: [string, string][] = [
      ["state", this.#state(summary)],
      [
        "NMA status",
        `${summary.nmaStatus ?? "unknown"}, ${summary.cpks ?? "unknown"}, chain ${summary.chainId ?? "unknown"}`,
      ],
      [
        "first authenticated fix",
        summary.ttfafSeconds === null ? "never" : `after ${summary.ttfafSeconds} s (rule ${summary.rule})`,
      ],
      [
        "time assurance",
        summary.timeAssurance === "capture" ? `capture (${TIMELINES[timeline]})` : summary.timeAssurance,
      ],
      [
        "pages E1-B",
        `${summary.pages}${span === null || last === null ? "" : `, ${formatGst(span)} to TOW ${towOf(last)}`}`,
      ],
      [
        "keys",
        `${summary.keysVerified} TESLA keys, ${summary.rootKeysVerified} root keys, ${summary.publicKeysVerified.length} public keys proven`,
      ],
      ["MACSEQ", `${summary.macseq.verified} verified, ${summary.macseq.failed} failed`],
      ["tags, ADKD", "      0      4     12"],
      ["  verified", counts(summary.tags.verified)],
      ["  failed", counts(summary.tags.failed)],
      ["  dummy", counts(summary.tags.dummy)],
    ];
    if (summary.badBytes > 0) rows.push(["bad bytes", String(summary.badBytes)]);
    this.#line("");
    for (const [name, value] of rows) this.#line(`${bold(name.padEnd(24))}${value}`);
    if (summary.tags.verified["0"] + summary.tags.verified["12"] === 0)
      this.#line(`\n${whyNothing(summary, timeline)}`);
  }

  #state(summary: SummaryRecord): string {
    const { green, red, yellow } = this.#style;
    const colour =
      summary.state === "authenticating"
        ? green
        : summary.state === "alert" || summary.state === "suspended"
          ? red
          : yellow;
    return colour(summary.state);
  }
}

/** What most likely kept a replay from authenticating anything, and what to do. */
function whyNothing(summary: SummaryRecord, timeline: TimelineUsed): string {
  if (summary.state === "alert") return "OSNMA is under an authenticated alert: follow GSC's notices.";
  if (timeline === "none") {
    return (
      "Nothing was authenticated: the run that was recorded had no trusted time at any moment, and so authenticated nothing\n" +
      "itself. What the signal says by its own account is seen with --timeline capture."
    );
  }
  if (summary.rootKeysVerified === 0 && summary.keysVerified === 0) {
    return (
      "Nothing was authenticated: no root key (DSM-KROOT) verified. The capture may be shorter than a root key takes to\n" +
      "arrive (a few minutes with few satellites), or was signed under a key not trusted here: see `osnmad trust list`, and\n" +
      "give the right files with --merkle and --public-key."
    );
  }
  return "Nothing was authenticated: no tag met its navigation data and key. The capture may be too short (90 s at least) or too broken.";
}

function timeOf(record: { readonly wn: number | null; readonly tow: number | null }): string {
  return record.wn === null || record.tow === null
    ? "----  ------"
    : `${record.wn}  ${String(record.tow).padStart(6)}`;
}

function two(svid: number): string {
  return String(svid).padStart(2, "0");
}
