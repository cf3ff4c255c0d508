/**
 * From UBX messages to timed I/NAV pages: picks RXM-SFRBX pages and the receiver's epochs out of the frames
 * and hands them to the page clock. Reads the few fields it needs straight from the payload: this is the hot
 * path, run for every frame (docs/hot-paths.md). Layouts: u-blox F9 interface descriptions; offsets cited
 * beside each.
 */
import { GPS_WEEK_OFFSET, SECONDS_IN_WEEK } from "./gst.js";
import { PageClock, type TimedPageSink } from "./page-clock.js";
import { parsePage, type Band, type PageDefect } from "./page.js";

const RXM = 0x02;
const NAV = 0x01;
const RXM_SFRBX = 0x13;
const RXM_RAWX = 0x15;
const NAV_PVT = 0x07;
const NAV_TIMEGPS = 0x20;
const NAV_TIMEGAL = 0x25;
const GALILEO = 2;
/** Words 0-7 hold the page; some receivers append a ninth that means nothing. */
const PAGE_WORDS = 8;
const MAX_WORDS = 16;
const DAYS_TO_GPS_EPOCH = daysFromCivil(1980, 1, 6);

export interface ReceiverStreamCounts {
  /** CRC-valid I/NAV pages by band, dummy words included. */
  readonly pages: Record<Band, number>;
  /** Pages not used, by defect. */
  readonly defects: Record<PageDefect, number>;
  /** Galileo subframes of other signals (E5a F/NAV, E6 C/NAV). */
  otherGalileoSignals: number;
  /** RXM-SFRBX whose length and word count do not fit. */
  malformed: number;
}

export class ReceiverStream<S> {
  readonly clock: PageClock<S>;
  readonly counts: ReceiverStreamCounts = {
    pages: { "E1-B": 0, E5b: 0 },
    defects: { svid: 0, halves: 0, "alert-page": 0, crc: 0, "dummy-word": 0 },
    otherGalileoSignals: 0,
    malformed: 0,
  };
  readonly #words = new Uint32Array(PAGE_WORDS);

  constructor(sink: TimedPageSink<S>) {
    this.clock = new PageClock(sink);
  }

  /** Takes in one UBX frame's payload; it is not kept. */
  message(messageClass: number, messageId: number, payload: Uint8Array, stamp: S): void {
    if (messageClass === RXM && messageId === RXM_SFRBX) {
      this.#subframe(payload, stamp);
      return;
    }
    if (messageClass === NAV) {
      if (messageId === NAV_TIMEGAL && payload.length >= 20) {
        // galTow U4 at 4, galWno I2 at 12, valid X1 at 15: only with week and time of week both valid.
        if ((payload[15] & 3) === 3) this.clock.epoch(u32(payload, 4), i16(payload, 12));
        else this.clock.boundary();
        return;
      }
      if (messageId === NAV_PVT && payload.length >= 84) {
        // iTOW U4 at 0 (ms), date at 4, valid X1 at 11.
        if ((payload[11] & 3) === 3) this.clock.epoch(u32(payload, 0) / 1000, weekOfPvt(payload));
        else this.clock.boundary();
        return;
      }
      if (messageId === NAV_TIMEGPS && payload.length >= 16) {
        // iTOW U4 at 0 (ms), week I2 at 8, valid X1 at 11.
        if ((payload[11] & 3) === 3) this.clock.epoch(u32(payload, 0) / 1000, galileoWeek(i16(payload, 8)));
        else this.clock.boundary();
        return;
      }
    }
    if (messageClass === RXM && messageId === RXM_RAWX && payload.length >= 16) {
      // rcvTow R8 at 0, week U2 at 8: zero until the receiver knows its time.
      const week = u16(payload, 8);
      const tow = new DataView(payload.buffer, payload.byteOffset, 8).getFloat64(0, true);
      if (week !== 0 && tow >= 0 && tow < SECONDS_IN_WEEK) {
        this.clock.epoch(tow, galileoWeek(week));
        return;
      }
    }
    this.clock.boundary();
  }

  #subframe(payload: Uint8Array, stamp: S): void {
    if (payload.length >= 8 && payload[0] !== GALILEO) return;
    const count = payload[4];
    if (payload.length < 8 || payload.length !== 8 + 4 * count || count > MAX_WORDS) {
      this.counts.malformed++;
      return;
    }
    const band = bandOf(payload[2]);
    if (band === null || count < PAGE_WORDS) {
      this.counts.otherGalileoSignals++;
      return;
    }
    const words = this.#words;
    for (let i = 0, at = 8; i < PAGE_WORDS; i++, at += 4) {
      words[i] = payload[at] | (payload[at + 1] << 8) | (payload[at + 2] << 16) | (payload[at + 3] << 24);
    }
    const page = parsePage(words, payload[1], band);
    if (typeof page === "string") {
      this.counts.defects[page]++;
      if (page === "dummy-word") this.counts.pages[band]++;
      return;
    }
    this.counts.pages[band]++;
    this.clock.page(page, stamp);
  }

  end(): void {
    this.clock.end();
  }
}

/** I/NAV band of a u-blox Galileo signal id; 0 comes from single-band receivers, whose field is reserved. */
function bandOf(sigId: number): Band | null {
  if (sigId === 1 || sigId === 0) return "E1-B";
  return sigId === 5 ? "E5b" : null;
}

function galileoWeek(gpsWeek: number): number | null {
  return gpsWeek >= GPS_WEEK_OFFSET ? gpsWeek - GPS_WEEK_OFFSET : null;
}

/** Galileo week of the date in a NAV-PVT (UTC; seconds from the week's end the two scales disagree: null). */
function weekOfPvt(payload: Uint8Array): number | null {
  const days = daysFromCivil(u16(payload, 4), payload[6], payload[7]) - DAYS_TO_GPS_EPOCH;
  const week = Math.floor(days / 7);
  const towSeconds = u32(payload, 0) / 1000;
  // Leap seconds move the date by less than a minute against the week: near its ends the date says nothing.
  if (towSeconds < 60 || towSeconds > SECONDS_IN_WEEK - 60) return null;
  if (Math.floor(towSeconds / 86_400) !== days - week * 7 && Math.abs(towSeconds % 86_400) > 60) return null;
  return galileoWeek(week);
}

/** Days since 1970-01-01 of a proleptic Gregorian date. */
function daysFromCivil(year: number, month: number, day: number): number {
  const shifted = month <= 2 ? year - 1 : year;
  const era = Math.floor(shifted / 400);
  const yearOfEra = shifted - era * 400;
  const dayOfYear = Math.floor((153 * (month > 2 ? month - 3 : month + 9) + 2) / 5) + day - 1;
  return (
    era * 146_097 +
    yearOfEra * 365 +
    Math.floor(yearOfEra / 4) -
    Math.floor(yearOfEra / 100) +
    dayOfYear -
    719_468
  );
}

function u16(bytes: Uint8Array, at: number): number {
  return bytes[at] | (bytes[at + 1] << 8);
}

function i16(bytes: Uint8Array, at: number): number {
  return (u16(bytes, at) << 16) >> 16;
}

function u32(bytes: Uint8Array, at: number): number {
  return (bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24)) >>> 0;
}
