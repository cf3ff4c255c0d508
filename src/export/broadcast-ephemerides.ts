/**
 * Gathers what satellites broadcast (WT1-6 and 10) into whole sets, authenticated or not: exports hand on what was
 * received. Each set comes out once, and again when its health changes.
 */
import { decodeEphemeris, type Ephemeris } from "../ephemeris/ephemeris.js";
import type { UtcParameters } from "../ephemeris/time.js";
import type { InavPage } from "../inav/page.js";
import { SECONDS_IN_WEEK, towOf } from "../inav/gst.js";
import { decodeWordAs, type GgtoParameters, ggtoOfWord10 } from "../inav/word.js";

const MAX_SVID = 36;
/** WT1-5 of one set are broadcast within a subframe; older words may be of another set with the same IODnav. */
const MAX_SPREAD_SECONDS = 120;

export interface BroadcastSet {
  readonly ephemeris: Ephemeris;
  /** Linear GST of the page that made it whole. */
  readonly pageGst: number;
}

interface HeardWord {
  readonly word: Uint8Array;
  readonly gst: number;
}

export class BroadcastEphemerides {
  readonly #words: (HeardWord | undefined)[][] = Array.from({ length: MAX_SVID + 1 }, () => []);
  readonly #given: (string | undefined)[] = [];
  readonly #emit: (set: BroadcastSet) => void;
  /** The newest that was heard. */
  utc: UtcParameters | null = null;
  ggto: GgtoParameters | null = null;

  constructor(emit: (set: BroadcastSet) => void) {
    this.#emit = emit;
  }

  /** Takes in a page whose time is known. */
  page(page: InavPage, pageGst: number): void {
    const { svid, wordType, word } = page;
    if (wordType === 6) this.utc = decodeWordAs(6, word) ?? this.utc;
    if (wordType === 10) this.ggto = ggtoOfWord10(word) ?? this.ggto;
    if (wordType < 1 || wordType > 5) return;
    // WT5 of another time than the page's own would put the set into another week.
    if (wordType === 5 && !carriesTimeOf(word, pageGst)) return;
    const words = this.#words[svid];
    words[wordType] = { word, gst: pageGst };
    const [, w1, w2, w3, w4, w5] = words;
    if (!w1 || !w2 || !w3 || !w4 || !w5) return;
    const heard = [w1, w2, w3, w4, w5];
    if (heard.some(({ gst }) => pageGst - gst > MAX_SPREAD_SECONDS)) return;
    const ephemeris = decodeEphemeris([w1.word, w2.word, w3.word, w4.word, w5.word], svid);
    if (ephemeris === null) return;
    const { iodNav, toeGst, e1bHs, e1bDvs, e5bHs, e5bDvs } = ephemeris;
    const name = [iodNav, toeGst, e1bHs, e1bDvs, e5bHs, e5bDvs].join(" ");
    if (this.#given[svid] === name) return;
    this.#given[svid] = name;
    this.#emit({ ephemeris, pageGst });
  }
}

/** Whether WT5 carries the time of its page, give or take the two seconds of the page. */
function carriesTimeOf(word: Uint8Array, pageGst: number): boolean {
  const w5 = decodeWordAs(5, word);
  if (w5 === null) return false;
  const apart = Math.abs(w5.towSeconds - towOf(pageGst));
  const sameWeek = w5.wn === Math.floor(pageGst / SECONDS_IN_WEEK) % 4096;
  return sameWeek ? apart <= 2 : SECONDS_IN_WEEK - apart <= 2;
}
