/**
 * Gathers what a receiver heard into subframes and closes them one after the other, as time passes. Pure: bytes and
 * times come in, closed subframes go out; salting and signing are the station's.
 *
 * A leaf is made soon after its subframe ended, because a witness has to see it before the TESLA key is on the air
 * again (docs/timing-classes.md). What comes later than that is counted and not committed to.
 */
import { GPS_WEEK_OFFSET, SECONDS_IN_WEEK, SUBFRAME_SECONDS, subframeOfE1Page } from "../inav/gst.js";
import type { InavPage } from "../inav/page.js";
import type { TrustedTime } from "../osnma/time-gate.js";
import type { FixRecord, TimeAssurance } from "../pipeline/records.js";
import type { Category } from "./commitment.js";
import { fixItemOf, gstMsOf } from "./fix-item.js";
import {
  encodeFix,
  encodeMeasurements,
  encodePages,
  encodeTags,
  epochSlot,
  pageContent,
  pagesSlot,
  tagsItem,
  tagsSlot,
  type PagesItem,
} from "./items.js";
import type { GapReason } from "./leaf.js";
import { sha256 } from "./merkle.js";

/** The last E1-B page of a subframe ends a second after the next subframe began. */
const LAST_PAGE_END_SECONDS = SUBFRAME_SECONDS + 1;
/** Decoding and delivery of that page, and the epoch's fix. */
const CLOSE_AFTER_SECONDS = 2;
/** A page may be this far from where a clock independent of the signal is; beyond, it is not of this subframe. */
const MAX_CONTRADICTION_SECONDS = SUBFRAME_SECONDS;
/** More pages than one subframe of one satellite has are copies or lies; the first ones are kept. */
const MAX_PAGES = 30;
const RAWX_HEADER_BYTES = 16;

export interface CollectedTime {
  readonly assurance: TimeAssurance;
  readonly boundMs: number | null;
}

/** One subframe's items, by category and slot. */
export interface ClosedSubframe {
  readonly kind: "subframe";
  /** GST_SF. */
  readonly gst: number;
  readonly time: CollectedTime;
  readonly items: Readonly<Record<Category, ReadonlyMap<number, Uint8Array>>>;
}

/** Subframes for which nothing can be said. */
export interface ClosedGap {
  readonly kind: "gap";
  readonly fromGst: number;
  readonly toGst: number;
  readonly reason: GapReason;
  readonly time: CollectedTime;
}

export interface CollectorCounts {
  /** Of a subframe whose leaf was made already. */
  latePages: number;
  lateEpochs: number;
  lateFixes: number;
  /** Far from where the independent clock is. */
  strayPages: number;
  /** Two epochs or fixes for one slot: the first counts. */
  repeatedEpochs: number;
}

class OpenSubframe {
  readonly gst: number;
  readonly pages = new Map<
    number,
    { svid: number; band: PagesItem["band"]; pages: PagesItem["pages"][number][] }
  >();
  readonly mack = new Map<number, (number | undefined)[]>();
  readonly measurements = new Map<number, Uint8Array>();
  readonly fixes = new Map<number, Uint8Array>();

  constructor(gst: number) {
    this.gst = gst;
  }
}

export class SubframeCollector {
  readonly counts: CollectorCounts = {
    latePages: 0,
    lateEpochs: 0,
    lateFixes: 0,
    strayPages: 0,
    repeatedEpochs: 0,
  };
  readonly #emit: (closed: ClosedSubframe | ClosedGap) => void;
  /** The subframes not closed yet, by GST. */
  readonly #open = new Map<number, OpenSubframe>();
  /** Null before the first: the first subframe heard of is the first of the log. */
  #nextGst: number | null;
  #time: CollectedTime = { assurance: "none", boundMs: null };
  #gapReason: GapReason = "stopped";
  /** The last time that `advance` was told. */
  #reached = Number.NEGATIVE_INFINITY;

  /** `nextGst` is the first subframe that a log which already exists may still take. */
  constructor(emit: (closed: ClosedSubframe | ClosedGap) => void, nextGst: number | null = null) {
    this.#emit = emit;
    this.#nextGst = nextGst;
  }

  /** As the last page or `advance` said. */
  get time(): CollectedTime {
    return this.#time;
  }

  /**
   * Takes a page that began at `gst`. `trusted` is what an independent clock says of its arrival, and then the page
   * closes nothing: when a leaf is made must not depend on what was heard. Null in replay, where pages are the clock.
   */
  page(page: InavPage, gst: number, trusted: TrustedTime | null): void {
    const subframe =
      page.band === "E1-B" ? subframeOfE1Page(gst) : Math.floor(gst / SUBFRAME_SECONDS) * SUBFRAME_SECONDS;
    if (trusted !== null && Math.abs(gst - trusted.gst) > MAX_CONTRADICTION_SECONDS) {
      this.counts.strayPages++;
      return;
    }
    if (trusted === null || this.#nextGst === null) {
      this.advance(trusted === null ? gst + 2 : trusted.gst, timeOf(trusted));
    }
    const open = this.#at(subframe);
    if (open === null) {
      this.counts.latePages++;
      return;
    }
    const slot = pagesSlot(page.svid, page.band);
    let heard = open.pages.get(slot);
    if (heard === undefined) open.pages.set(slot, (heard = { svid: page.svid, band: page.band, pages: [] }));
    if (heard.pages.length < MAX_PAGES)
      heard.pages.push({ offset: gst - subframe, content: pageContent(page) });
    if (!page.hasOsnma) return;
    let mack = open.mack.get(page.svid);
    if (mack === undefined) open.mack.set(page.svid, (mack = []));
    mack[(gst - subframe - 1) >> 1] ??= page.mack;
  }

  /** Takes the payload of an RXM-RAWX; one without a week says no time and is left out. */
  rawx(payload: Uint8Array): void {
    if (payload.length < RAWX_HEADER_BYTES) return;
    const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
    const week = view.getUint16(8, true);
    const seconds = view.getFloat64(0, true);
    if (week <= GPS_WEEK_OFFSET || !(seconds >= 0 && seconds < SECONDS_IN_WEEK)) return;
    const gstMs = Math.round(((week - GPS_WEEK_OFFSET) * SECONDS_IN_WEEK + seconds) * 1000);
    this.#epoch("measurements", gstMs, () => encodeMeasurements({ gstMs, digest: sha256(payload) }));
  }

  fix(record: FixRecord): void {
    this.#epoch("fixes", gstMsOf(record), () => encodeFix(fixItemOf(record)));
  }

  /**
   * Time has come to `gst` (linear seconds): what ended long enough before is closed. Called once a second or so, a
   * subframe in which nothing was heard is closed like any other, and its leaf does not show it.
   */
  advance(gst: number, time: CollectedTime): void {
    this.#time = time;
    const current = Math.floor(gst / SUBFRAME_SECONDS) * SUBFRAME_SECONDS;
    if (this.#nextGst === null) {
      // Nobody is asked to vouch for the part of a subframe before the station heard anything.
      this.#nextGst = current;
      return;
    }
    const closable =
      Math.floor((gst - LAST_PAGE_END_SECONDS - CLOSE_AFTER_SECONDS) / SUBFRAME_SECONDS) * SUBFRAME_SECONDS;
    const before = this.#reached;
    this.#reached = gst;
    while (this.#nextGst <= closable) {
      const open = this.#open.get(this.#nextGst);
      if (open === undefined && before < this.#nextGst) {
        // Time jumped: the station did not live through these subframes and says so.
        const lived = Math.min(...this.#open.keys(), closable + SUBFRAME_SECONDS);
        this.#gap(this.#nextGst, lived, this.#gapReason);
        continue;
      }
      this.#close(open ?? new OpenSubframe(this.#nextGst));
    }
    this.#gapReason = "stopped";
  }

  /** No time is known at this moment: the gap that may come of it says why. */
  timeLost(): void {
    this.#gapReason = "no-time";
  }

  /** The stream ended: what is open is closed as far as it got. */
  end(): void {
    for (const gst of [...this.#open.keys()].sort((a, b) => a - b)) {
      if (this.#nextGst !== null && gst > this.#nextGst) this.#gap(this.#nextGst, gst, "stopped");
      this.#close(this.#open.get(gst)!);
    }
  }

  #epoch(category: "measurements" | "fixes", gstMs: number, encode: () => Uint8Array): void {
    const gst = Math.floor(gstMs / 1000 / SUBFRAME_SECONDS) * SUBFRAME_SECONDS;
    const slot = epochSlot(gstMs, gst);
    const open = slot === null ? null : this.#at(gst);
    if (slot === null || open === null) {
      this.counts[category === "fixes" ? "lateFixes" : "lateEpochs"]++;
    } else if (open[category].has(slot)) {
      this.counts.repeatedEpochs++;
    } else {
      open[category].set(slot, encode());
    }
  }

  /** The subframe, opened where it is the next or the one after; null where it was closed or is far ahead. */
  #at(gst: number): OpenSubframe | null {
    if (this.#nextGst === null || gst < this.#nextGst || gst > this.#nextGst + SUBFRAME_SECONDS) return null;
    let open = this.#open.get(gst);
    if (open === undefined) this.#open.set(gst, (open = new OpenSubframe(gst)));
    return open;
  }

  #close(open: OpenSubframe): void {
    const { gst, pages, mack, measurements, fixes } = open;
    this.#open.delete(gst);
    this.#nextGst = gst + SUBFRAME_SECONDS;
    const tags = new Map<number, Uint8Array>();
    for (const [svid, bits] of mack) {
      const item = tagsItem(svid, gst, bits);
      if (item !== null) tags.set(tagsSlot(svid), encodeTags(item));
    }
    const encoded = new Map([...pages].map(([slot, item]) => [slot, encodePages(item)]));
    const items = { pages: encoded, tags, measurements, fixes };
    this.#emit({ kind: "subframe", gst, time: this.#time, items });
  }

  #gap(fromGst: number, toGst: number, reason: GapReason): void {
    this.#nextGst = toGst;
    this.#emit({ kind: "gap", fromGst, toGst, reason, time: this.#time });
  }
}

/**
 * The bound as a power of two: its milliseconds tell how far the servers are that keep the clock, and so a little of
 * where the station is.
 */
export function timeOf(trusted: TrustedTime | null): CollectedTime {
  if (trusted === null) return { assurance: "capture", boundMs: null };
  const boundMs = 2 ** Math.max(0, Math.ceil(Math.log2(trusted.boundSeconds * 1000)));
  return { assurance: trusted.assurance, boundMs };
}
