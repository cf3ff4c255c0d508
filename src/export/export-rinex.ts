/** A capture as RINEX 3.04 observation and navigation files. Edge: reads a capture, writes files. */
import { decodeMessage } from "gnss-ubx";
import { OsnmadError } from "../errors.js";
import { openCapture } from "../source/capture-file.js";
import { BroadcastEphemerides, type BroadcastSet } from "./broadcast-ephemerides.js";
import { CapturePages } from "./capture-pages.js";
import { assertPages } from "./export-pages.js";
import { OutputFile } from "./output-file.js";
import { navigationHeader, navigationRecord } from "./rinex-navigation.js";
import {
  observationHeader,
  ObservationRecords,
  ObservationSurvey,
  type ReceiverName,
} from "./rinex-observation.js";

const RXM = 0x02;
const RXM_RAWX = 0x15;
const MON = 0x0a;
const MON_VER = 0x04;

export interface ExportedRinex {
  /** Null where the capture has no RXM-RAWX with Galileo and a week. */
  readonly observation: {
    readonly path: string;
    readonly epochs: number;
    readonly signals: readonly string[];
  } | null;
  readonly navigation: {
    readonly path: string;
    readonly sets: number;
    readonly satellites: readonly number[];
  };
}

export interface RinexOptions {
  readonly force: boolean;
  readonly program: string;
  readonly created: Date;
}

/**
 * Writes `<prefix>.obs` and `<prefix>.nav`. The capture is read twice: a header names the signals of the whole file.
 * Throws OSN_USAGE for standard input, OSN_CAPTURE_NOT_FOUND, OSN_CAPTURE_NO_GALILEO, OSN_CAPTURE_NO_TIME,
 * OSN_OUTPUT_UNWRITABLE.
 */
export async function exportRinex(
  capture: string,
  prefix: string,
  options: RinexOptions,
): Promise<ExportedRinex> {
  if (capture === "-") {
    throw new OsnmadError("OSN_USAGE", "export rinex reads the capture twice, and takes no standard input.");
  }
  const survey = new ObservationSurvey();
  const sets: BroadcastSet[] = [];
  const ephemerides = new BroadcastEphemerides((set) => sets.push(set));
  let receiver: ReceiverName | null = null;
  let leapSeconds: number | null = null;
  const pages = new CapturePages(
    (page, gst) => {
      ephemerides.page(page, gst);
    },
    (messageClass, messageId, payload) => {
      const isRawx = messageClass === RXM && messageId === RXM_RAWX;
      if (!isRawx && !(messageClass === MON && messageId === MON_VER)) return;
      const message = decodeMessage(messageClass, messageId, payload);
      if (message.name === "MON-VER") receiver ??= receiverName(message);
      if (message.name !== "RXM-RAWX") return;
      survey.push(message);
      if (message.recStat.leapSec) leapSeconds = message.leapS;
    },
  );
  await openCapture(capture).read((chunk) => {
    pages.push(chunk);
  });
  pages.end();
  assertPages(capture, pages);

  const shared = { program: options.program, created: options.created };
  const navigation = new OutputFile(`${prefix}.nav`, options.force);
  const bothBands = pages.counts.pages.E5b > 0;
  const newest = sets.at(-1);
  const header = {
    ...shared,
    ionosphere: newest?.ephemeris ?? null,
    utc: ephemerides.utc,
    ggto: ephemerides.ggto,
    nearGst: newest?.pageGst ?? survey.first?.second ?? 0,
  };
  for (const line of navigationHeader(header)) navigation.line(line);
  for (const set of sets) for (const line of navigationRecord(set, bothBands)) navigation.line(line);
  navigation.close();

  const satellites = [...new Set(sets.map(({ ephemeris }) => ephemeris.svid))].sort((a, b) => a - b);
  const result = { navigation: { path: navigation.path, sets: sets.length, satellites } };
  const { first, last, codes } = survey;
  if (first === null || last === null) return { ...result, observation: null };

  const observation = new OutputFile(`${prefix}.obs`, options.force);
  for (const line of observationHeader({ ...shared, codes, first, last, leapSeconds, receiver })) {
    observation.line(line);
  }
  const records = new ObservationRecords(codes);
  const again = new CapturePages(
    () => undefined,
    (messageClass, messageId, payload) => {
      if (messageClass !== RXM || messageId !== RXM_RAWX) return;
      const message = decodeMessage(messageClass, messageId, payload);
      if (message.name !== "RXM-RAWX") return;
      for (const line of records.epoch(message)) observation.line(line);
    },
  );
  await openCapture(capture).read((chunk) => {
    again.push(chunk);
  });
  again.end();
  observation.close();
  return { ...result, observation: { path: observation.path, epochs: survey.epochs, signals: codes } };
}

/** Model and firmware from the lines of MON-VER (`MOD=ZED-F9T-20B`, `FWVER=TIM 2.25`). */
function receiverName(message: { readonly extension: readonly string[] }): ReceiverName {
  const of = (key: string): string =>
    message.extension.find((text) => text.startsWith(`${key}=`))?.slice(key.length + 1) ?? "";
  return { type: `U-BLOX ${of("MOD")}`.trim(), version: of("FWVER") };
}
