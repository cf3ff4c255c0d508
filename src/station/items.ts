/**
 * What is committed to, item by item, as bytes: deterministic CBOR of integers and byte strings. The CDDL is in
 * docs/station-log.md. An item's slot follows from the item alone; a reader checks that it is the right one.
 */
import { SUBFRAME_SECONDS } from "../inav/gst.js";
import { MAX_SVID, type Band, type InavPage } from "../inav/page.js";
import { MACK_BYTES, MACK_PAGE_BITS } from "../osnma/mack.js";
import { decodeCbor, encodeCbor, isArray, isBytes, isInteger, type CborValue } from "./cbor.js";
import { DEPTH } from "./commitment.js";
import { HASH_BYTES } from "./merkle.js";

const BANDS: readonly Band[] = ["E1-B", "E5b"];
const PAGES_PER_SUBFRAME = 15;
/** Word (16 bytes), HKROOT byte, four MACK bytes: all of a page that anything here uses. */
const PAGE_BYTES = 21;
const MAX_GST = 2 ** 40;
/** Slots for the seconds of a subframe; the last two stay empty. */
const EPOCH_SECONDS = 32;
/** Parts of a second, 31.25 ms each. */
const EPOCH_PARTS = 2 ** DEPTH.fixes / EPOCH_SECONDS;

/** The pages of one satellite on one band in one subframe. */
export interface PagesItem {
  readonly svid: number;
  readonly band: Band;
  /** Seconds since the subframe's GST at which the page began, and what it carried. */
  readonly pages: readonly { readonly offset: number; readonly content: Uint8Array }[];
}

/** The MACK section of one satellite: its tags as they were on the air. */
export interface TagsItem {
  readonly svid: number;
  /** GST_SF, linear seconds. */
  readonly gst: number;
  /** Bit i is set where page i was heard; what was not is zero in `mack`. */
  readonly pages: number;
  /** 480 bits. */
  readonly mack: Uint8Array;
}

/** One epoch of raw measurements. */
export interface MeasurementsItem {
  /** GST of the epoch, milliseconds. */
  readonly gstMs: number;
  /** SHA-256 of the UBX payload of RXM-RAWX. */
  readonly digest: Uint8Array;
}

/** Grades as numbers: 0 where there is no such position. */
export const GRADES = ["none", "unverified", "corroborated", "nav-authenticated"] as const;

export interface PlaceItem {
  readonly grade: number;
  readonly latitudeE7: number;
  readonly longitudeE7: number;
  readonly heightMm: number;
}

/** One fix: both positions with their grades, and what the rest of it hangs from. */
export interface FixItem {
  readonly gstMs: number;
  readonly own: PlaceItem | null;
  readonly receiver: PlaceItem | null;
  /** Id of the fix's evidence (docs/evidence.md), which is a hash over the whole record too; null where none was made. */
  readonly evidence: Uint8Array | null;
  /** SHA-256 of the canonical JSON of the record; null where the evidence has it. Items of older logs have both. */
  readonly record: Uint8Array | null;
}

export function pagesSlot(svid: number, band: Band): number {
  return svid + 64 * BANDS.indexOf(band);
}

export function tagsSlot(svid: number): number {
  return svid;
}

/**
 * Slot of an epoch in its subframe: which 32nd of a second, then which second. Receivers measure up to 25 times a
 * second, mostly at the same moments of each: such epochs stand side by side, and their tree is a third of the
 * hashes that it would be in order of time. Null where the epoch is not in the subframe.
 */
export function epochSlot(gstMs: number, subframeGst: number): number | null {
  const offset = gstMs - subframeGst * 1000;
  if (!(offset >= 0 && offset < SUBFRAME_SECONDS * 1000)) return null;
  const part = Math.floor(((offset % 1000) * EPOCH_PARTS) / 1000);
  return part * EPOCH_SECONDS + Math.floor(offset / 1000);
}

/** What of a page is committed to. */
export function pageContent(page: InavPage): Uint8Array {
  const bytes = new Uint8Array(PAGE_BYTES);
  bytes.set(page.word);
  bytes[16] = page.hkroot;
  bytes[17] = page.mack >>> 24;
  bytes[18] = page.mack >>> 16;
  bytes[19] = page.mack >>> 8;
  bytes[20] = page.mack;
  return bytes;
}

export function encodePages({ svid, band, pages }: PagesItem): Uint8Array {
  const list = pages.map(({ offset, content }): CborValue => [offset, content]);
  return encodeCbor([svid, BANDS.indexOf(band), list]);
}

export function decodePages(bytes: Uint8Array): PagesItem | null {
  const value = decodeCbor(bytes);
  if (!isArray(value, 3)) return null;
  const [svid, band, list] = value;
  if (!isInteger(svid, 1, MAX_SVID) || !isInteger(band, 0, 1) || !isArray(list)) return null;
  if (list.length > 2 * PAGES_PER_SUBFRAME) return null;
  const pages = [];
  for (const page of list) {
    if (!isArray(page, 2)) return null;
    const [offset, content] = page;
    if (!isInteger(offset, 0, SUBFRAME_SECONDS + 1) || !isBytes(content, PAGE_BYTES)) return null;
    pages.push({ offset, content });
  }
  return { svid, band: BANDS[band], pages };
}

/** Null where no page of the satellite carried OSNMA bits. `pages` holds MACK by page index, or undefined. */
export function tagsItem(
  svid: number,
  gst: number,
  mackOfPage: readonly (number | undefined)[],
): TagsItem | null {
  let pages = 0;
  const mack = Buffer.alloc(MACK_BYTES);
  mackOfPage.forEach((bits, page) => {
    if (bits === undefined) return;
    pages |= 1 << page;
    mack.writeUInt32BE(bits, (page * MACK_PAGE_BITS) / 8);
  });
  return pages === 0 ? null : { svid, gst, pages, mack: Uint8Array.from(mack) };
}

export function encodeTags({ svid, gst, pages, mack }: TagsItem): Uint8Array {
  return encodeCbor([svid, gst, pages, mack]);
}

export function decodeTags(bytes: Uint8Array): TagsItem | null {
  const value = decodeCbor(bytes);
  if (!isArray(value, 4)) return null;
  const [svid, gst, pages, mack] = value;
  if (!isInteger(svid, 1, MAX_SVID) || !isInteger(gst, 0, MAX_GST)) return null;
  if (!isInteger(pages, 1, 0x7fff) || !isBytes(mack, MACK_BYTES)) return null;
  return { svid, gst, pages, mack };
}

export function encodeMeasurements({ gstMs, digest }: MeasurementsItem): Uint8Array {
  return encodeCbor([gstMs, digest]);
}

export function decodeMeasurements(bytes: Uint8Array): MeasurementsItem | null {
  const value = decodeCbor(bytes);
  if (!isArray(value, 2)) return null;
  const [gstMs, digest] = value;
  if (!isInteger(gstMs, 0, MAX_GST * 1000) || !isBytes(digest, HASH_BYTES)) return null;
  return { gstMs, digest };
}

export function encodeFix({ gstMs, own, receiver, evidence, record }: FixItem): Uint8Array {
  return encodeCbor([gstMs, placeValue(own), placeValue(receiver), evidence, record]);
}

export function decodeFix(bytes: Uint8Array): FixItem | null {
  const value = decodeCbor(bytes);
  if (!isArray(value, 5)) return null;
  const [gstMs, ownValue, receiverValue, evidence, record] = value;
  const own = placeOf(ownValue);
  const receiver = placeOf(receiverValue);
  if (own === undefined || receiver === undefined) return null;
  if (!isInteger(gstMs, 0, MAX_GST * 1000)) return null;
  if (evidence !== null && !isBytes(evidence, HASH_BYTES)) return null;
  if (record !== null && !isBytes(record, HASH_BYTES)) return null;
  // An item that the record does not follow from would commit to a place and to nothing of how it came about.
  if (evidence === null && record === null) return null;
  return { gstMs, own, receiver, evidence, record };
}

function placeValue(place: PlaceItem | null): CborValue {
  return place === null ? null : [place.grade, place.latitudeE7, place.longitudeE7, place.heightMm];
}

/** Undefined where it is neither a place nor null. */
function placeOf(value: CborValue): PlaceItem | null | undefined {
  if (value === null) return null;
  if (!isArray(value, 4)) return undefined;
  const [grade, latitudeE7, longitudeE7, heightMm] = value;
  if (!isInteger(grade, 1, GRADES.length - 1)) return undefined;
  if (!isInteger(latitudeE7, -900_000_000, 900_000_000)) return undefined;
  if (!isInteger(longitudeE7, -1_800_000_000, 1_800_000_000)) return undefined;
  if (!isInteger(heightMm, -1e9, 1e12)) return undefined;
  return { grade, latitudeE7, longitudeE7, heightMm };
}
