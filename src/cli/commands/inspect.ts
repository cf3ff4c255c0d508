/** `osnmad inspect`: what is in a capture, without authenticating anything. */
import type { Command } from "commander";
import type { Writable } from "node:stream";
import { formatGst, towOf } from "../../inav/gst.js";
import { CaptureInspection, type DsmReport, type InspectionReport } from "../../pipeline/inspection.js";
import { openCapture } from "../../source/capture-file.js";
import { NmeaLines, type NmeaCount, type NmeaFix, type NmeaText } from "../../source/nmea-lines.js";
import { JsonLines } from "../json-lines.js";
import { Style } from "../replay-text.js";

const PROGRESS_MS = 100;
/** Longer lists are cut in the text; --json has them whole. */
const MAX_LINES = 12;

export interface CaptureReport extends InspectionReport {
  readonly capture: string;
  readonly nmea: readonly NmeaCount[];
  readonly nmeaTexts: readonly NmeaText[];
  /** The last position in NMEA, where positions were asked for; unverified. */
  readonly nmeaFix: NmeaFix | null;
}

export interface InspectOptions {
  /** Keep the receiver's last position; off by default, since a capture's place is nobody's business. */
  readonly position?: boolean;
  readonly chunkBytes?: number;
  /** Called after each chunk with the fraction read (null for a pipe) and the newest page's GST. */
  readonly onProgress?: (fraction: number | null, newestGst: number | null) => void;
}

interface InspectFlags {
  readonly json?: boolean;
  readonly position?: boolean;
}

export function registerInspect(program: Command): void {
  program
    .command("inspect")
    .summary("show what is in a capture")
    .description(
      "Shows what is in a capture: frames and bad bytes, messages, satellites, time " +
        "span, gaps, and the OSNMA configuration as it claims to be. Nothing is " +
        "authenticated, and nothing is written.",
    )
    .argument("<capture>", "a receiver's recording, or - for standard input")
    .option("--json", "one JSON line")
    .option("--position", "also the receiver's last position (coordinates are left out otherwise)")
    .addHelpText(
      "after",
      `
Exit code: 0 whenever the file could be read, whatever is in it.
Examples:
  osnmad inspect capture.ubx
  osnmad inspect - --json < capture.ubx`,
    )
    .action(async (capture: string, flags: InspectFlags) => {
      const position = flags.position === true;
      if (flags.json === true) {
        const lines = new JsonLines(process.stdout);
        lines.write(await inspectCapture(capture, { position }));
        await lines.end();
        return;
      }
      const progress = progressOn(process.stderr);
      const report = await inspectCapture(capture, { position, onProgress: progress.show });
      progress.clear();
      printInspection(report, process.stdout);
    });
}

/** Reads a capture to its end. Throws OSN_CAPTURE_NOT_FOUND where it cannot be opened. */
export async function inspectCapture(capture: string, options: InspectOptions = {}): Promise<CaptureReport> {
  const source = openCapture(capture, options.chunkBytes);
  const lines = new NmeaLines();
  const inspection = new CaptureInspection({
    position: options.position === true,
    nmea: (line) => {
      lines.write(line);
    },
  });
  await source.read((chunk) => {
    inspection.push(chunk);
    options.onProgress?.(
      source.size === null ? null : source.position / Math.max(1, source.size),
      inspection.newest,
    );
    return lines.settled();
  });
  const report = inspection.end();
  await lines.settled();
  return {
    ...report,
    capture,
    nmea: lines.counts(),
    nmeaTexts: lines.texts(),
    nmeaFix: options.position === true ? lines.fix : null,
  };
}

function progressOn(err: Writable): {
  show: (fraction: number | null, newestGst: number | null) => void;
  clear: () => void;
} {
  const live = (err as { isTTY?: boolean }).isTTY === true;
  let shownAt = 0;
  let shown = false;
  return {
    show(fraction, newestGst) {
      const now = performance.now();
      if (!live || now - shownAt < PROGRESS_MS) return;
      shownAt = now;
      shown = true;
      const part = fraction === null ? "" : `${String(Math.floor(fraction * 100)).padStart(3)} %  `;
      err.write(`\r\u001b[K${part}${newestGst === null ? "no page yet" : formatGst(newestGst)}`);
    },
    clear() {
      if (shown) err.write("\r\u001b[K");
    },
  };
}

/** The report for people. */
export function printInspection(report: CaptureReport, out: Writable): void {
  const { bold, dim, yellow } = new Style(out);
  const heading = (text: string): void => {
    out.write(`\n${bold(text)}\n`);
  };
  const row = (name: string, value: string): void => {
    out.write(`  ${name.padEnd(22)}${value}\n`);
  };
  const list = <T>(items: readonly T[], show: (item: T) => void): void => {
    for (const item of items.slice(0, MAX_LINES)) show(item);
    if (items.length > MAX_LINES) out.write(dim(`  and ${items.length - MAX_LINES} more (--json has all)\n`));
  };
  const { frames, bad } = report;

  out.write(`${bold(report.capture)}  ${report.bytes} bytes\n`);
  heading("Frames");
  row("UBX", `${frames.ubxFrames}${wrong(frames.badUbxChecksums, "bad checksums")}`);
  row("NMEA", `${frames.nmeaSentences}${wrong(frames.badNmeaChecksums, "bad checksums")}`);
  row("RTCM3", `${frames.rtcm3Frames}${wrong(frames.badRtcm3Crcs, "bad CRCs")}`);
  row("neither", `${bad.bytes} bytes${bad.runs > 0 ? ` in ${bad.runs} run(s)` : ""}`);
  for (const { offset, bytes } of bad.first) row("", dim(`${bytes} bytes at offset ${offset}`));

  if (frames.ubxFrames + frames.nmeaSentences + frames.rtcm3Frames === 0) {
    out.write(`\n${yellow(whyNothing(report))}\n`);
    return;
  }

  if (report.receiver !== null) {
    heading("Receiver (MON-VER)");
    row("software", report.receiver.software);
    row("hardware", report.receiver.hardware);
    for (const line of report.receiver.extensions) row("", line);
  }

  heading(
    `Messages${report.recordedSeconds === null ? "" : `, ${round(report.recordedSeconds)} s recorded`}`,
  );
  for (const { name, count, perSecond } of report.messages) {
    row(name, `${String(count).padStart(8)}${perSecond === null ? "" : `  ${rate(perSecond)}`}`);
  }
  if (report.nmea.length > 0) {
    heading("NMEA sentences");
    list(report.nmea, ({ name, count }) => {
      row(name, String(count).padStart(8));
    });
  }
  if (report.rtcm3.length > 0) {
    heading("RTCM3 messages");
    list(report.rtcm3, ({ type, count }) => {
      row(String(type), String(count).padStart(8));
    });
  }
  const texts = [
    ...report.nmeaTexts.map(({ text, count }) => ({ message: "TXT", text, count })),
    ...report.texts,
  ];
  if (texts.length > 0) {
    heading("Texts of the receiver");
    list(texts, ({ message, text, count }) => {
      row(message, `${text}${count > 1 ? dim(`  (${count} times)`) : ""}`);
    });
  }

  if (report.signals.length > 0) {
    heading("Broadcast subframes (RXM-SFRBX)");
    for (const { gnss, signal, satellites } of report.signals) {
      row(`${gnss} ${signal}`, satellites.map(({ svid, subframes }) => `${svid}:${subframes}`).join(" "));
    }
  }

  heading("Time");
  const { time } = report;
  row("UTC (receiver)", time.firstUtc === null ? "not told" : `${time.firstUtc} to ${time.lastUtc ?? ""}`);
  row(
    "GST (pages)",
    time.firstPageGst === null || time.lastPageGst === null
      ? "no page with a time"
      : `${formatGst(time.firstPageGst)} to ${formatGst(time.lastPageGst)}, ${time.lastPageGst - time.firstPageGst + 2} s`,
  );

  if (report.pages.pages["E1-B"] + report.pages.pages.E5b === 0) {
    out.write(
      `\n${yellow("No Galileo I/NAV page: nothing in here can be authenticated.")}\n` +
        "Enable RXM-SFRBX and the Galileo E1 signal on the receiver and record again.\n",
    );
  } else printGalileo(report, { heading, row, list, dim, yellow });

  if (report.receiverFlags.length > 0) {
    heading("Warnings of the receiver itself");
    for (const flag of report.receiverFlags) {
      const since =
        flag.firstGst === null ? `from offset ${flag.firstOffset}` : `from ${formatGst(flag.firstGst)}`;
      row(
        flag.message,
        yellow(`${flag.what}: ${flag.raised} of ${flag.of} messages, worst ${flag.worst}, ${since}`),
      );
    }
  }
  if (report.position !== null) {
    const { latitudeE7, longitudeE7, heightMm, horizontalAccuracyMm, utc } = report.position;
    heading("Position (receiver's own, not authenticated)");
    row(
      utc ?? "no time",
      `${(latitudeE7 / 1e7).toFixed(7)} ${(longitudeE7 / 1e7).toFixed(7)} ${(heightMm / 1000).toFixed(1)} m, ` +
        `accuracy ${(horizontalAccuracyMm / 1000).toFixed(1)} m`,
    );
  }
  if (report.nmeaFix !== null) {
    heading("Position in NMEA (receiver's own, unverified)");
    row(report.nmeaFix.utc ?? "no time", nmeaPosition(report.nmeaFix));
  }
}

/** Where UBX told no position, or beside it. */
function nmeaPosition({ position, from, altitudeMeters }: NmeaFix): string {
  return (
    `${position.latitudeDeg.toFixed(7)} ${position.longitudeDeg.toFixed(7)}` +
    `${altitudeMeters === null ? "" : ` ${altitudeMeters.toFixed(1)} m above sea level`} (${from})`
  );
}

interface Layout {
  readonly heading: (text: string) => void;
  readonly row: (name: string, value: string) => void;
  readonly list: <T>(items: readonly T[], show: (item: T) => void) => void;
  readonly dim: (text: string) => string;
  readonly yellow: (text: string) => string;
}

function printGalileo(report: CaptureReport, { heading, row, list, dim, yellow }: Layout): void {
  const { pages, pageTimes, satellites, outages, osnma } = report;
  heading("Galileo I/NAV pages");
  row("E1-B, E5b", `${pages.pages["E1-B"]}, ${pages.pages.E5b}`);
  const defects = Object.entries(pages.defects).filter(([, count]) => count > 0);
  row(
    "not used",
    defects.length === 0 ? "none" : defects.map(([name, count]) => `${name} ${count}`).join(", "),
  );
  if (pages.otherGalileoSignals + pages.malformed > 0) {
    row("other", `${pages.otherGalileoSignals} of other signals, ${pages.malformed} malformed`);
  }
  row(
    "page time",
    `${pageTimes.timed} timed, ${pageTimes.untimed} untimed, ${pageTimes.conflicting} conflicting, ` +
      `${pageTimes.contradicting} contradicting, ${pageTimes.jumps} jump(s)`,
  );
  for (const satellite of satellites) {
    row(
      `E${String(satellite.svid).padStart(2, "0")}`,
      `${String(satellite.pages).padStart(6)} pages  OSNMA ${satellite.transmitsOsnma ? "yes" : "no "}  ` +
        `TOW ${towOf(satellite.firstPageGst)} to ${towOf(satellite.lastPageGst)}` +
        (satellite.gaps === 0
          ? ""
          : dim(
              `  ${satellite.missingPages} missing in ${satellite.gaps} gap(s), longest ${satellite.longestGapSeconds} s`,
            )),
    );
  }
  row("outages", outages.count === 0 ? "none" : yellow(`${outages.count}, ${outages.seconds} s in all`));
  list(outages.first, ({ fromGst, toGst }) => {
    row("", `${formatGst(fromGst)} to TOW ${towOf(toGst)}, ${toGst - fromGst} s`);
  });

  heading("OSNMA as heard (not verified)");
  if (osnma.headers.length === 0) row("NMA header", "none: the satellites received send no OSNMA");
  list(osnma.headers, (seen) => {
    row(
      `NMA header ${seen.header}`,
      `${seen.nmaStatus ?? "reserved"}, ${seen.cpks ?? "reserved"}, chain ${seen.chainId}  ` +
        `${formatGst(seen.firstGst)} to TOW ${towOf(seen.lastGst)}, ${seen.count} times`,
    );
  });
  list(osnma.dsms, (dsm) => {
    row(
      `DSM ${dsm.dsmId} ${dsm.kind === "pkr" ? "PKR" : "KROOT"}`,
      `${dsm.blocksComplete} of ${dsm.blocks ?? "?"} blocks${dsm.header === null ? "" : `, header ${dsm.header}`}  ` +
        `TOW ${towOf(dsm.firstGst)} to ${towOf(dsm.lastGst)}`,
    );
    const claims = claimsOf(dsm);
    if (claims !== null) row("", claims);
  });
}

function claimsOf({ kroot, pkr }: DsmReport): string | null {
  if (kroot !== null) {
    return (
      `claims chain ${kroot.chainId}, public key ${kroot.pkid}, ${kroot.hash ?? `HF ${kroot.hf}`}, ${kroot.mac ?? `MF ${kroot.mf}`}, ` +
      `key ${kroot.keyBits} bits, tag ${kroot.tagBits ?? `TS ${kroot.ts}`} bits, MACLT ${kroot.maclt ?? "?"}, ` +
      `from WN ${kroot.wnK} hour ${kroot.towhK}`
    );
  }
  if (pkr === null) return null;
  return pkr.type === "alert"
    ? `claims an alert message (Merkle leaf ${pkr.merkleLeaf})`
    : `claims public key ${pkr.pkid} (${pkr.type}, Merkle leaf ${pkr.merkleLeaf})`;
}

function whyNothing({ bytes }: CaptureReport): string {
  return bytes === 0
    ? "The file is empty."
    : "No UBX, NMEA or RTCM3 frame: this is no recording of a receiver's output, or one at a wrong baud rate.";
}

function wrong(count: number, what: string): string {
  return count === 0 ? "" : `, ${count} ${what}`;
}

function rate(perSecond: number): string {
  return perSecond >= 0.095 ? `${perSecond.toFixed(2)} /s` : `every ${round(1 / perSecond)} s`;
}

function round(value: number): string {
  return value >= 100 ? value.toFixed(0) : String(Number(value.toFixed(1)));
}
