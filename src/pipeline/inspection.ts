/**
 * What is in a capture: frames, messages, satellites, times, gaps, and what the OSNMA bits claim. Nothing here
 * is authenticated, and nothing acts on it. A plain stage like the others: bytes in, a report out.
 * Layouts: u-blox interface descriptions; OSNMA SIS ICD 1.1 (HKROOT, DSM).
 */
import { decodeMessage, Framer, MESSAGES, type FramerCounts } from "gnss-ubx";
import { SECONDS_IN_WEEK, subframeOfE1Page } from "../inav/gst.js";
import type { PageClockCounts } from "../inav/page-clock.js";
import type { InavPage } from "../inav/page.js";
import { ReceiverStream, type ReceiverStreamCounts } from "../inav/receiver-stream.js";
import { DSM_BLOCK_BYTES, numberOfKrootBlocks, parseDsmKroot } from "../osnma/dsm-kroot.js";
import { numberOfPkrBlocks, parseDsmPkr } from "../osnma/dsm-pkr.js";
import { FIRST_PKR_ID } from "../osnma/dsm-store.js";
import type { Cpks, NmaStatus } from "./records.js";

const MAX_SVID = 36;
const PAGE_SECONDS = 2;
/** An outage is more than this many slots without a page of any satellite. */
const OUTAGE_SLOTS = 2;
const MAX_BAD_RUNS = 10;
const MAX_OUTAGES = 50;
const MAX_TEXTS = 32;
const MAX_TEXT_CHARACTERS = 120;
/** Contents of DSMs told apart; more than an operational week shows. */
const MAX_DSMS = 64;
const DSM_BLOCKS = 16;
/** Epochs further apart are a jump of the receiver's time, not recorded time. */
const MAX_EPOCH_STEP_SECONDS = 60;

const NMA_STATUS: readonly (NmaStatus | null)[] = [null, "test", "operational", "dont-use"];
const CPKS: readonly (Cpks | null)[] = [null, "nominal", "eoc", "crev", "npk", "pkrev", "nmt", "am"];

/** u-blox GNSS identifiers and the signals under them (interface descriptions, "GNSS identifiers"). */
const GNSS: readonly (string | undefined)[] = [
  "GPS",
  "SBAS",
  "Galileo",
  "BeiDou",
  "IMES",
  "QZSS",
  "GLONASS",
  "NavIC",
];
const SIGNALS: readonly (Readonly<Record<number, string>> | undefined)[] = [
  { 0: "L1C/A", 3: "L2CL", 4: "L2CM", 6: "L5I", 7: "L5Q" },
  { 0: "L1C/A" },
  { 0: "E1-B", 1: "E1-B", 3: "E5a-I", 4: "E5a-Q", 5: "E5b-I", 6: "E5b-Q", 8: "E6-B", 9: "E6-C", 10: "E6-A" },
  {
    0: "B1I D1",
    1: "B1I D2",
    2: "B2I D1",
    3: "B2I D2",
    4: "B3I D1",
    5: "B1C pilot",
    6: "B1C data",
    7: "B2a pilot",
    8: "B2a data",
    10: "B3I D2",
  },
  undefined,
  { 0: "L1C/A", 1: "L1S", 4: "L2CM", 5: "L2CL", 8: "L5I", 9: "L5Q", 12: "L1C/B" },
  { 0: "L1OF", 2: "L2OF" },
  { 0: "L5A" },
];

/** Messages that gnss-ubx does not decode and receivers often send, by class and identifier. */
const UNDECODED: readonly (readonly [number, string])[] = [
  [0x0101, "NAV-POSECEF"],
  [0x0102, "NAV-POSLLH"],
  [0x0104, "NAV-DOP"],
  [0x0106, "NAV-SOL"],
  [0x0109, "NAV-ODO"],
  [0x0111, "NAV-VELECEF"],
  [0x0112, "NAV-VELNED"],
  [0x0113, "NAV-HPPOSECEF"],
  [0x0123, "NAV-TIMEGLO"],
  [0x0124, "NAV-TIMEBDS"],
  [0x0127, "NAV-TIMEQZSS"],
  [0x0130, "NAV-SVINFO"],
  [0x0132, "NAV-SBAS"],
  [0x0134, "NAV-ORB"],
  [0x0136, "NAV-COV"],
  [0x0139, "NAV-GEOFENCE"],
  [0x013b, "NAV-SVIN"],
  [0x013c, "NAV-RELPOSNED"],
  [0x0142, "NAV-SLAS"],
  [0x0162, "NAV-PL"],
  [0x0210, "RXM-RAW"],
  [0x0211, "RXM-SFRB"],
  [0x0214, "RXM-MEASX"],
  [0x0220, "RXM-SVSI"],
  [0x0232, "RXM-RTCM"],
  [0x0259, "RXM-RLM"],
  [0x0a02, "MON-IO"],
  [0x0a06, "MON-MSGPP"],
  [0x0a07, "MON-RXBUF"],
  [0x0a08, "MON-TXBUF"],
  [0x0a09, "MON-HW"],
  [0x0a0b, "MON-HW2"],
  [0x0a21, "MON-RXR"],
  [0x0a31, "MON-SPAN"],
  [0x0a37, "MON-HW3"],
  [0x0d01, "TIM-TP"],
  [0x0d03, "TIM-TM2"],
  [0x0d04, "TIM-SVIN"],
  [0x0d06, "TIM-VRFY"],
];
const NAMES = new Map<number, string>([
  ...UNDECODED,
  ...MESSAGES.map((row) => [(row.class << 8) | row.id, row.name] as const),
]);
/** Messages whose content is looked at; of all others only number and size. */
const READ = new Set(["MON-VER", "MON-RF", "MON-COMMS", "SEC-SIG", "NAV-STATUS", "NAV-PVT"]);
const RXM_SFRBX = 0x0213;

export interface MessageCount {
  /** As u-blox names it, or its class and identifier in hexadecimal where it is not in the table. */
  readonly name: string;
  readonly count: number;
  readonly bytes: number;
  /** Per second of recorded time, null where that is not known. */
  readonly perSecond: number | null;
}

export interface SignalCount {
  readonly gnss: string;
  readonly signal: string;
  readonly satellites: readonly { readonly svid: number; readonly subframes: number }[];
}

export interface SatellitePages {
  readonly svid: number;
  /** CRC-valid E1-B pages that got a time. */
  readonly pages: number;
  readonly transmitsOsnma: boolean;
  readonly osnmaPages: number;
  readonly firstPageGst: number;
  readonly lastPageGst: number;
  /** Pages not received between the first and the last. */
  readonly missingPages: number;
  readonly gaps: number;
  readonly longestGapSeconds: number;
}

/** What a complete DSM-KROOT or DSM-PKR claims. Not verified. */
export interface DsmReport {
  readonly dsmId: number;
  readonly kind: "kroot" | "pkr";
  /** NMA header it was sent under, hexadecimal; null for a DSM-PKR, which does not depend on it. */
  readonly header: string | null;
  readonly firstGst: number;
  readonly lastGst: number;
  readonly blocksComplete: number;
  /** Null until block 0 told it. */
  readonly blocks: number | null;
  readonly kroot: {
    readonly pkid: number;
    readonly chainId: number;
    readonly hash: string | null;
    readonly mac: string | null;
    readonly hf: number;
    readonly mf: number;
    readonly ks: number;
    readonly ts: number;
    readonly keyBits: number;
    readonly tagBits: number | null;
    readonly maclt: number | null;
    readonly alpha: string | null;
    readonly wnK: number;
    readonly towhK: number;
  } | null;
  readonly pkr: { readonly type: string; readonly pkid: number; readonly merkleLeaf: number } | null;
}

export interface ReceiverFlag {
  readonly message: string;
  readonly what: string;
  /** Messages that raised it, of all that can. */
  readonly raised: number;
  readonly of: number;
  readonly worst: number;
  /** Byte offset and, where known, GST of the first that raised it. */
  readonly firstOffset: number;
  readonly firstGst: number | null;
}

export interface InspectionReport {
  readonly type: "inspection";
  readonly bytes: number;
  readonly frames: FramerCounts;
  readonly bad: {
    readonly bytes: number;
    readonly runs: number;
    /** The first few runs. */
    readonly first: readonly { readonly offset: number; readonly bytes: number }[];
  };
  readonly recordedSeconds: number | null;
  readonly messages: readonly MessageCount[];
  readonly rtcm3: readonly { readonly type: number; readonly count: number }[];
  readonly receiver: {
    readonly software: string;
    readonly hardware: string;
    readonly extensions: readonly string[];
  } | null;
  readonly texts: readonly { readonly message: string; readonly text: string; readonly count: number }[];
  readonly signals: readonly SignalCount[];
  readonly time: {
    readonly firstPageGst: number | null;
    readonly lastPageGst: number | null;
    /** As the receiver's NAV-PVT says, once it calls date and time valid. */
    readonly firstUtc: string | null;
    readonly lastUtc: string | null;
  };
  readonly pages: ReceiverStreamCounts;
  readonly pageTimes: PageClockCounts;
  readonly satellites: readonly SatellitePages[];
  readonly outages: {
    readonly count: number;
    readonly seconds: number;
    /** From the end of the last page before to the start of the first after. */
    readonly first: readonly { readonly fromGst: number; readonly toGst: number }[];
  };
  readonly osnma: {
    readonly verified: false;
    readonly headers: readonly {
      readonly header: string;
      readonly nmaStatus: NmaStatus | null;
      readonly cpks: Cpks | null;
      readonly chainId: number;
      readonly count: number;
      readonly firstGst: number;
      readonly lastGst: number;
    }[];
    readonly dsms: readonly DsmReport[];
  };
  readonly receiverFlags: readonly ReceiverFlag[];
  /** The receiver's own last solution; only where it was asked for. */
  readonly position: {
    readonly latitudeE7: number;
    readonly longitudeE7: number;
    readonly heightMm: number;
    readonly horizontalAccuracyMm: number;
    readonly utc: string | null;
  } | null;
}

interface Dsm {
  readonly dsmId: number;
  readonly header: number | null;
  readonly firstGst: number;
  lastGst: number;
  readonly bytes: Uint8Array;
  readonly known: Uint8Array;
  readonly blockBytes: Uint8Array;
}

/** A satellite's HKROOT of the subframe it is in. */
interface Hkroot {
  subframeGst: number;
  header: number | null;
  place: number | null;
  /** Bytes that came before it was known where they belong. */
  early: { readonly page: number; readonly value: number }[];
}

type Flag = { -readonly [K in keyof ReceiverFlag]: ReceiverFlag[K] };
type Satellite = { -readonly [K in keyof SatellitePages]: SatellitePages[K] };

const hex2 = (value: number): string => value.toString(16).padStart(2, "0");

export class CaptureInspection {
  readonly #framer = new Framer();
  readonly #stream: ReceiverStream<null>;
  readonly #sink;
  readonly #position: boolean;
  readonly #messages = new Map<number, { count: number; bytes: number }>();
  readonly #rtcm3 = new Map<number, number>();
  readonly #signals = new Map<number, Map<number, number>>();
  readonly #texts = new Map<string, { message: string; text: string; count: number }>();
  readonly #bad: { offset: number; bytes: number }[] = [];
  #badRuns = 0;
  #receiver: InspectionReport["receiver"] = null;
  #lastPosition: InspectionReport["position"] = null;
  #firstUtc: string | null = null;
  #lastUtc: string | null = null;
  #epochMs: number | null = null;
  #epochSeconds = 0;
  #epochSteps = 0;
  #firstGst: number | null = null;
  #lastGst: number | null = null;
  readonly #satellites: (Satellite | undefined)[] = [];
  readonly #outages: { fromGst: number; toGst: number }[] = [];
  #outageCount = 0;
  #outageSeconds = 0;
  readonly #headers = new Map<number, { count: number; firstGst: number; lastGst: number }>();
  readonly #hkroots: (Hkroot | undefined)[] = [];
  readonly #dsms: Dsm[] = [];
  readonly #flags = new Map<string, Flag>();

  /** `nmea` receives each NMEA sentence (a view, valid during the call); `position` keeps coordinates. */
  constructor(options: { readonly position?: boolean; readonly nmea?: (line: Uint8Array) => void } = {}) {
    this.#position = options.position === true;
    this.#stream = new ReceiverStream((page, gst) => {
      this.#page(page, gst);
    });
    const { nmea } = options;
    this.#sink = {
      ubx: (messageClass: number, messageId: number, payload: Uint8Array, offset: number) => {
        this.#ubx(messageClass, messageId, payload, offset);
      },
      nmea: (line: Uint8Array) => nmea?.(line),
      rtcm3: (frame: Uint8Array) => {
        // Message number: the first 12 bits behind the 3-byte header; an empty frame has none.
        const type = frame.length >= 8 ? (frame[3] << 4) | (frame[4] >> 4) : 0;
        this.#rtcm3.set(type, (this.#rtcm3.get(type) ?? 0) + 1);
      },
      skipped: (byteCount: number, offset: number) => {
        this.#badRuns++;
        if (this.#bad.length < MAX_BAD_RUNS) this.#bad.push({ offset, bytes: byteCount });
      },
    };
  }

  push(bytes: Uint8Array): void {
    this.#framer.push(bytes, this.#sink);
  }

  /** GST of the newest page, null before the first. */
  get newest(): number | null {
    return this.#lastGst;
  }

  #ubx(messageClass: number, messageId: number, payload: Uint8Array, offset: number): void {
    const key = (messageClass << 8) | messageId;
    const counted = this.#messages.get(key);
    if (counted === undefined) this.#messages.set(key, { count: 1, bytes: payload.length + 8 });
    else {
      counted.count++;
      counted.bytes += payload.length + 8;
    }
    this.#stream.message(messageClass, messageId, payload, null);
    if (key === RXM_SFRBX) {
      if (payload.length >= 8) this.#signal(payload[0], payload[1], payload[2]);
      return;
    }
    const name = NAMES.get(key);
    if (name === undefined || !(READ.has(name) || name.startsWith("INF-"))) return;
    const message = decodeMessage(messageClass, messageId, payload);
    switch (message.name) {
      case "MON-VER":
        this.#receiver = {
          software: printable(message.swVersion),
          hardware: printable(message.hwVersion),
          extensions: message.extension
            .slice(0, MAX_TEXTS)
            .filter((line) => line !== "")
            .map(printable),
        };
        break;
      case "NAV-PVT":
        this.#epoch(message.iTOW);
        if (message.valid.validDate && message.valid.validTime) {
          this.#lastUtc = utcText(message);
          this.#firstUtc ??= this.#lastUtc;
        }
        if (this.#position && message.flags.gnssFixOk && !message.flags3.invalidLlh) {
          this.#lastPosition = {
            latitudeE7: message.lat,
            longitudeE7: message.lon,
            heightMm: message.height,
            horizontalAccuracyMm: message.hAcc,
            utc: this.#lastUtc,
          };
        }
        break;
      case "NAV-STATUS":
        this.#epoch(message.iTOW);
        this.#flag("NAV-STATUS", "spoofing", message.flags2.spoofDetState, offset);
        break;
      case "MON-RF": {
        const worst = Math.max(0, ...message.blocks.map((block) => block.flags.jammingState));
        this.#flag("MON-RF", "jamming", worst, offset);
        break;
      }
      case "MON-COMMS":
        // Not a state but yes or no: 2 is what raises a flag.
        this.#flag(
          "MON-COMMS",
          "lost output",
          message.txErrors.mem || message.txErrors.alloc ? 2 : 0,
          offset,
        );
        break;
      case "SEC-SIG":
        if (message.version === 1) {
          this.#flag("SEC-SIG", "jamming", message.jamFlags.jammingState, offset);
          this.#flag("SEC-SIG", "spoofing", message.spfFlags.spoofingState, offset);
        } else {
          this.#flag("SEC-SIG", "jamming", message.sigSecFlags.jammingState, offset);
          this.#flag("SEC-SIG", "spoofing", message.sigSecFlags.spoofingState, offset);
        }
        break;
      default:
        if (name.startsWith("INF-")) this.#text(name, payload);
    }
  }

  #signal(gnssId: number, svid: number, sigId: number): void {
    const key = (gnssId << 8) | sigId;
    let satellites = this.#signals.get(key);
    if (satellites === undefined) this.#signals.set(key, (satellites = new Map()));
    satellites.set(svid, (satellites.get(svid) ?? 0) + 1);
  }

  /** Recorded time by the receiver's epochs; a jump (a time found at last, a cut) does not count. */
  #epoch(itowMs: number): void {
    if (this.#epochMs !== null) {
      const step =
        ((((itowMs - this.#epochMs) / 1000) % SECONDS_IN_WEEK) + SECONDS_IN_WEEK) % SECONDS_IN_WEEK;
      if (step > 0 && step <= MAX_EPOCH_STEP_SECONDS) {
        this.#epochSeconds += step;
        this.#epochSteps++;
      }
    }
    this.#epochMs = itowMs;
  }

  /** States from 2 on warn, in all of these messages; 0 is unknown or off, 1 nothing found. */
  #flag(message: string, what: string, state: number, offset: number): void {
    const key = `${message} ${what}`;
    let flag = this.#flags.get(key);
    if (flag === undefined) {
      flag = { message, what, raised: 0, of: 0, worst: 0, firstOffset: 0, firstGst: null };
      this.#flags.set(key, flag);
    }
    flag.of++;
    if (state < 2) return;
    if (flag.raised === 0) {
      flag.firstOffset = offset;
      flag.firstGst = this.#lastGst;
    }
    flag.raised++;
    flag.worst = Math.max(flag.worst, state);
  }

  #text(message: string, payload: Uint8Array): void {
    const text = printable(Buffer.from(payload.subarray(0, MAX_TEXT_CHARACTERS)).toString("latin1"));
    const key = `${message} ${text}`;
    const known = this.#texts.get(key);
    if (known !== undefined) known.count++;
    else if (this.#texts.size < MAX_TEXTS) this.#texts.set(key, { message, text, count: 1 });
  }

  #page(page: InavPage, gst: number): void {
    if (page.band !== "E1-B") return;
    this.#firstGst ??= gst;
    const last = this.#lastGst;
    if (last !== null && gst - last > PAGE_SECONDS * (OUTAGE_SLOTS + 1)) {
      this.#outageCount++;
      this.#outageSeconds += gst - last - PAGE_SECONDS;
      if (this.#outages.length < MAX_OUTAGES)
        this.#outages.push({ fromGst: last + PAGE_SECONDS, toGst: gst });
    }
    this.#lastGst = gst;
    const satellite = this.#satellites[page.svid];
    if (satellite === undefined) {
      this.#satellites[page.svid] = {
        svid: page.svid,
        pages: 1,
        transmitsOsnma: page.hasOsnma,
        osnmaPages: page.hasOsnma ? 1 : 0,
        firstPageGst: gst,
        lastPageGst: gst,
        missingPages: 0,
        gaps: 0,
        longestGapSeconds: 0,
      };
    } else {
      const gap = gst - satellite.lastPageGst - PAGE_SECONDS;
      if (gap > 0) {
        satellite.gaps++;
        satellite.missingPages += gap / PAGE_SECONDS;
        satellite.longestGapSeconds = Math.max(satellite.longestGapSeconds, gap);
      }
      satellite.pages++;
      satellite.lastPageGst = gst;
      if (page.hasOsnma) {
        satellite.osnmaPages++;
        satellite.transmitsOsnma = true;
      }
    }
    if (page.hasOsnma) this.#hkroot(page, gst);
  }

  #hkroot(page: InavPage, gst: number): void {
    const subframeGst = subframeOfE1Page(gst);
    const index = (gst - 1 - subframeGst) >> 1;
    let hkroot = this.#hkroots[page.svid];
    if (hkroot?.subframeGst !== subframeGst) {
      hkroot = { subframeGst, header: null, place: null, early: [] };
      this.#hkroots[page.svid] = hkroot;
    }
    if (index === 0) {
      hkroot.header = page.hkroot;
      const seen = this.#headers.get(page.hkroot);
      if (seen === undefined) {
        this.#headers.set(page.hkroot, { count: 1, firstGst: subframeGst, lastGst: subframeGst });
      } else {
        seen.count++;
        seen.lastGst = subframeGst;
      }
      return;
    }
    if (index === 1) hkroot.place = page.hkroot;
    else hkroot.early.push({ page: index, value: page.hkroot });
    // Without its own header byte a block of a DSM-KROOT cannot be told from that of another header.
    if (hkroot.place === null || (hkroot.place >> 4 < FIRST_PKR_ID && hkroot.header === null)) return;
    const { place, header } = hkroot;
    for (const { page: at, value } of hkroot.early) this.#dsmByte(place, header, at, value, subframeGst);
    hkroot.early = [];
  }

  #dsmByte(place: number, nmaHeader: number | null, page: number, value: number, gst: number): void {
    const dsmId = place >> 4;
    const block = place & 0x0f;
    const header = dsmId >= FIRST_PKR_ID ? null : nmaHeader;
    const index = block * DSM_BLOCK_BYTES + page - 2;
    let dsm = this.#dsms.findLast((known) => known.dsmId === dsmId && known.header === header);
    if (dsm === undefined || (dsm.known[index] === 1 && dsm.bytes[index] !== value)) {
      // Other content under the same identifier: told apart, as far as there is room.
      if (this.#dsms.length >= MAX_DSMS) return;
      dsm = {
        dsmId,
        header,
        firstGst: gst,
        lastGst: gst,
        bytes: new Uint8Array(DSM_BLOCKS * DSM_BLOCK_BYTES),
        known: new Uint8Array(DSM_BLOCKS * DSM_BLOCK_BYTES),
        blockBytes: new Uint8Array(DSM_BLOCKS),
      };
      this.#dsms.push(dsm);
    }
    dsm.lastGst = gst;
    if (dsm.known[index] === 1) return;
    dsm.known[index] = 1;
    dsm.bytes[index] = value;
    dsm.blockBytes[block]++;
  }

  /** Ends the stream and says what was in it. */
  end(): InspectionReport {
    this.#framer.end(this.#sink);
    this.#stream.end();
    const { counts } = this.#framer;
    const bySpan =
      this.#firstGst === null || this.#lastGst === null ? 0 : this.#lastGst - this.#firstGst + PAGE_SECONDS;
    // The last epoch lasts as long as the others on average.
    const byEpochs = this.#epochSteps === 0 ? 0 : this.#epochSeconds + this.#epochSeconds / this.#epochSteps;
    const seconds = byEpochs > 0 ? byEpochs : bySpan;
    return {
      type: "inspection",
      bytes: counts.totalBytes,
      frames: { ...counts },
      bad: { bytes: counts.skippedBytes, runs: this.#badRuns, first: this.#bad },
      recordedSeconds: seconds > 0 ? seconds : null,
      messages: [...this.#messages]
        .map(([key, { count, bytes }]) => ({
          name: NAMES.get(key) ?? `${hex2(key >> 8)} ${hex2(key & 0xff)}`.toUpperCase(),
          count,
          bytes,
          perSecond: seconds > 0 && count > 1 ? count / seconds : null,
        }))
        .sort((a, b) => (a.name < b.name ? -1 : 1)),
      rtcm3: [...this.#rtcm3].sort((a, b) => a[0] - b[0]).map(([type, count]) => ({ type, count })),
      receiver: this.#receiver,
      texts: [...this.#texts.values()],
      signals: [...this.#signals]
        .sort((a, b) => a[0] - b[0])
        .map(([key, satellites]) => ({
          gnss: GNSS[key >> 8] ?? `GNSS ${key >> 8}`,
          signal: SIGNALS[key >> 8]?.[key & 0xff] ?? `signal ${key & 0xff}`,
          satellites: [...satellites]
            .sort((a, b) => a[0] - b[0])
            .map(([svid, subframes]) => ({ svid, subframes })),
        })),
      time: {
        firstPageGst: this.#firstGst,
        lastPageGst: this.#lastGst,
        firstUtc: this.#firstUtc,
        lastUtc: this.#lastUtc,
      },
      pages: this.#stream.counts,
      pageTimes: { ...this.#stream.clock.counts },
      satellites: this.#satellites.filter((satellite) => satellite !== undefined).slice(0, MAX_SVID),
      outages: { count: this.#outageCount, seconds: this.#outageSeconds, first: this.#outages },
      osnma: {
        verified: false,
        headers: [...this.#headers]
          .map(([header, seen]) => ({
            header: hex2(header),
            nmaStatus: NMA_STATUS[header >> 6],
            cpks: CPKS[(header >> 1) & 7],
            chainId: (header >> 4) & 3,
            ...seen,
          }))
          .sort((a, b) => a.firstGst - b.firstGst),
        dsms: this.#dsms.map(dsmReport).sort((a, b) => a.firstGst - b.firstGst || a.dsmId - b.dsmId),
      },
      receiverFlags: [...this.#flags.values()].filter(({ raised }) => raised > 0),
      position: this.#lastPosition,
    };
  }
}

function dsmReport(dsm: Dsm): DsmReport {
  const isPkr = dsm.dsmId >= FIRST_PKR_ID;
  let blocks: number | null = null;
  if (dsm.known[0] === 1) {
    blocks = isPkr ? numberOfPkrBlocks(dsm.bytes[0]) : numberOfKrootBlocks(dsm.bytes[0]);
  }
  const whole = dsm.blockBytes.filter((count) => count === DSM_BLOCK_BYTES).length;
  const complete =
    blocks !== null && dsm.blockBytes.subarray(0, blocks).every((count) => count === DSM_BLOCK_BYTES);
  const message = complete ? dsm.bytes.slice(0, blocks! * DSM_BLOCK_BYTES) : null;
  return {
    dsmId: dsm.dsmId,
    kind: isPkr ? "pkr" : "kroot",
    header: dsm.header === null ? null : hex2(dsm.header),
    firstGst: dsm.firstGst,
    lastGst: dsm.lastGst,
    blocksComplete: whole,
    blocks,
    kroot: message === null || isPkr ? null : krootClaims(message),
    pkr: message === null || !isPkr ? null : pkrClaims(message),
  };
}

function krootClaims(message: Uint8Array): DsmReport["kroot"] {
  // The signing key's type is not in the message; only one of the two signature lengths fits.
  const kroot = parseDsmKroot(message, "P-256") ?? parseDsmKroot(message, "P-521");
  if (kroot === null) return null;
  const { parameters } = kroot;
  return {
    pkid: kroot.pkid,
    chainId: kroot.cid,
    hash: parameters?.hash ?? null,
    mac: parameters?.mac ?? null,
    hf: kroot.hf,
    mf: kroot.mf,
    ks: kroot.ks,
    ts: kroot.ts,
    keyBits: kroot.keyBits,
    tagBits: parameters?.tagBits ?? null,
    maclt: parameters?.maclt ?? null,
    alpha: parameters === null ? null : Buffer.from(parameters.alpha).toString("hex"),
    wnK: kroot.wn,
    towhK: kroot.towh,
  };
}

function pkrClaims(message: Uint8Array): DsmReport["pkr"] {
  const pkr = parseDsmPkr(message);
  return pkr === null ? null : { type: pkr.kind, pkid: pkr.npkid, merkleLeaf: pkr.mid };
}

/** A capture's text goes to terminals: nothing in it may be taken for a command. */
function printable(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, "?");
}

/** RFC 3339 to the second, as the receiver says it. */
function utcText(pvt: {
  readonly year: number;
  readonly month: number;
  readonly day: number;
  readonly hour: number;
  readonly min: number;
  readonly sec: number;
}): string {
  const two = (value: number): string => String(value).padStart(2, "0");
  return `${String(pvt.year).padStart(4, "0")}-${two(pvt.month)}-${two(pvt.day)}T${two(pvt.hour)}:${two(pvt.min)}:${two(pvt.sec)}Z`;
}
