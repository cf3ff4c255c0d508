/**
 * Gives I/NAV pages their time. A receiver's page message (UBX RXM-SFRBX) carries none, so it is worked out
 * from three witnesses that must not contradict each other: the time of week inside words 0, 5 and 6 of any
 * satellite of the same burst, the receiver's own epoch messages around it, and the nominal order of words
 * (which the ICD calls indicative, so it never decides against the others). Conflict means drop.
 *
 * Pages of one slot end at the same Galileo System Time on all satellites; a receiver sends them as a burst.
 * Facts and measurements: docs/page-time.md. Pure: time comes in as data.
 */
import { GPS_WEEK_OFFSET, gstOf, SECONDS_IN_WEEK, SUBFRAME_SECONDS, towOf, wnOf } from "./gst.js";
import type { Band, InavPage } from "./page.js";
import { nominalSlots } from "./schedule.js";
import { towOfWord, wnOfWord } from "./word.js";

/**
 * Receives pages with the GST of the start of their even half, in order of time for each band, each with the
 * stamp it was handed in with (what a trusted clock said when it arrived).
 */
export type TimedPageSink<S> = (page: InavPage, pageGst: number, stamp: S) => void;

/** A page takes 2 s; it reaches us this long after its start at the earliest, receiver delay included. */
const EARLIEST_LAG_SECONDS = 0.7;
/** And at the latest, as far as the newest epoch message before it tells (measured up to 3.0 s). */
const LATEST_LAG_SECONDS = 3.1;
/** At a regular 1 Hz the lag of a page behind the newest epoch message is 1 or 2 s: the parity rule. */
const PARITY_EARLIEST_SECONDS = 0.99;
const PARITY_LATEST_SECONDS = 2.5;
/** At this spacing of epochs or less, every slot of 2 s has an epoch message of its own. */
const PARTING_PERIOD_SECONDS = 1.1;
/** Bounds what waits for a time: 64 slots of 2 s. */
const MAX_HELD_BURSTS = 64;
const MAX_BURST_PAGES = 128;
/** Satellites that must agree on a time of week where nothing else confirms it. */
const AGREEING_SATELLITES = 2;
const PAGE_SECONDS = 2;

export interface PageClockCounts {
  /** Pages that got a time. */
  timed: number;
  /** Pages whose own time of week contradicts the time of their burst. */
  contradicting: number;
  /** Pages of bursts whose witnesses contradict each other. */
  conflicting: number;
  /** Pages for which no witness gave a time. */
  untimed: number;
  /** Times the clock found the capture at another time than it thought, and began again. */
  jumps: number;
}

/** What the words of a burst say of its time: time of week, and places in the subframe as a bit mask. */
interface Votes {
  readonly tow: number | null;
  /** Satellites that say so; -1 where they contradict each other. */
  readonly towCount: number;
  readonly slots: number | null;
}

interface Burst<S> {
  readonly pages: InavPage[];
  readonly stamps: S[];
  /** Satellites seen, as bits of two numbers (SVID 1-36). */
  low: number;
  high: number;
  /** Receiver time of the last epoch message before the burst, seconds of week, or null. */
  readonly reference: number | null;
  readonly period: number;
}

/** One band's slots: E1-B pages start at odd seconds, E5b pages at even ones. */
class BandClock<S> {
  readonly parity: number;
  readonly band: Band;
  /** Nominal places of each word type as a mask of seconds of the subframe; 0 where it has none. */
  readonly places = new Int32Array(64);
  burst: Burst<S> | null = null;
  /** Start of the newest slot that got a time, linear GST. */
  last: number | null = null;
  held: Burst<S>[] = [];
  /** Consecutive bursts whose satellites agree on a time far from the one kept. */
  elsewhere = 0;

  constructor(band: Band) {
    this.band = band;
    this.parity = band === "E1-B" ? 1 : 0;
    for (let type = 0; type < 64; type++) {
      for (const slot of nominalSlots(band, type) ?? []) this.places[type] |= 1 << slot;
    }
  }
}

export class PageClock<S> {
  readonly #sink: TimedPageSink<S>;
  readonly #bands: Readonly<Record<Band, BandClock<S>>> = {
    "E1-B": new BandClock<S>("E1-B"),
    E5b: new BandClock<S>("E5b"),
  };
  /** Newest receiver epoch: seconds of week, and the spacing of epochs. */
  #epoch: number | null = null;
  #period = 1;
  /** Galileo week by the receiver, and when it was heard (seconds of week). */
  #receiverWeek: { readonly wn: number; readonly tow: number } | null = null;
  /**
   * Whether the receiver's time agrees with the satellites' words: null until a word told. A receiver may call
   * a wrong time valid, and by the order of words alone it would pass with any error of whole subframes.
   */
  #receiverAgrees: boolean | null = null;
  /** A week number that one satellite's words claimed, waiting for a second one. */
  #weekClaims = new Map<number, number>();
  readonly #slotVotes = new Uint8Array(SUBFRAME_SECONDS);
  /** Newest linear GST of any page; carries the week. */
  #newest: number | null = null;
  readonly counts: PageClockCounts = { timed: 0, contradicting: 0, conflicting: 0, untimed: 0, jumps: 0 };

  constructor(sink: TimedPageSink<S>) {
    this.#sink = sink;
  }

  /** Linear GST of the newest timed page, null before the first. */
  get newest(): number | null {
    return this.#newest;
  }

  /** Takes in a CRC-valid page, in the order of the stream. */
  page(page: InavPage, stamp: S): void {
    const clock = this.#bands[page.band];
    let burst = clock.burst;
    if (burst !== null && has(burst, page.svid)) {
      // The same satellite again: the next slot has begun without an epoch message between, or a duplicate.
      const copy = burst.pages.find(({ svid }) => svid === page.svid)!;
      if (samePage(copy, page)) return;
      this.#close(clock);
      burst = null;
    }
    if (burst === null) {
      burst = { pages: [], stamps: [], low: 0, high: 0, reference: this.#epoch, period: this.#period };
      clock.burst = burst;
    }
    if (burst.pages.length >= MAX_BURST_PAGES) return;
    burst.pages.push(page);
    burst.stamps.push(stamp);
    if (page.svid < 32) burst.low |= 1 << page.svid;
    else burst.high |= 1 << (page.svid - 32);
  }

  /**
   * Takes in an epoch of the receiver whose time it calls valid: seconds of week (GPS or Galileo, equal to
   * nanoseconds) and, where valid, the Galileo week.
   */
  epoch(towSeconds: number, galileoWeek: number | null): void {
    if (!(towSeconds >= 0 && towSeconds < SECONDS_IN_WEEK + 1)) return;
    this.boundary();
    const tow = towSeconds % SECONDS_IN_WEEK;
    if (this.#epoch !== null) {
      const step = wrapWeek(tow - this.#epoch);
      // Several messages tell the same epoch, RXM-RAWX with the receiver's own clock offset in it.
      if (step > 0.04 && step <= 60) this.#period = step;
      if (step > -0.5 || step < -60) this.#epoch = tow;
    } else {
      this.#epoch = tow;
    }
    if (galileoWeek !== null && galileoWeek >= 0 && galileoWeek < 4096 * 4)
      this.#receiverWeek = { wn: galileoWeek, tow };
  }

  /** Any other message of the receiver: the burst before it is complete. */
  boundary(): void {
    const { E5b } = this.#bands;
    const e1 = this.#bands["E1-B"];
    if (E5b.burst !== null) this.#close(E5b);
    if (e1.burst !== null) this.#close(e1);
  }

  /** The end of the stream. */
  end(): void {
    this.boundary();
    for (const clock of [this.#bands.E5b, this.#bands["E1-B"]]) {
      for (const burst of clock.held) this.counts.untimed += burst.pages.length;
      clock.held = [];
    }
  }

  #close(clock: BandClock<S>): void {
    const burst = clock.burst!;
    clock.burst = null;
    const votes = this.#votes(clock, burst);
    this.#compareWithReceiver(burst, votes);
    this.#noteWeeks(burst, votes.tow);
    const start = this.#slotOf(clock, burst, votes);
    if (start === "conflict") {
      this.counts.conflicting += burst.pages.length;
      return;
    }
    const week = start === null ? null : this.#weekFor(start);
    if (start === null || week === null) {
      clock.held.push(burst);
      if (clock.held.length > MAX_HELD_BURSTS) this.counts.untimed += clock.held.shift()!.pages.length;
      return;
    }
    const gst = gstOf(week, start);
    if (clock.held.length > 0) this.#releaseHeld(clock, gst);
    this.#emit(clock, burst, gst, votes.slots);
  }

  /** One satellite's word can confirm the receiver's time; it takes two that agree to overrule it. */
  #compareWithReceiver(burst: Burst<S>, { tow, towCount }: Votes): void {
    if (tow === null || burst.reference === null) return;
    if (this.#inReach(burst, tow)) this.#receiverAgrees = true;
    else if (towCount >= AGREEING_SATELLITES) this.#receiverAgrees = false;
  }

  /** Time of week by the satellites' own words, and time modulo 30 s by the nominal order of words. */
  #votes(clock: BandClock<S>, burst: Burst<S>): Votes {
    // Runs for every burst: counted in place, since a burst has few pages and fewer distinct times.
    const { pages } = burst;
    const slotVotes = this.#slotVotes.fill(0);
    let slotVoters = 0;
    let tow: number | null = null;
    let towCount = 0;
    let tie = false;
    for (let i = 0; i < pages.length; i++) {
      const { word, wordType } = pages[i];
      if (wordType === 0 || wordType === 5 || wordType === 6) {
        const own = towOfWord(word);
        if (own !== null && own !== tow && own % 2 === clock.parity) {
          let count = 0;
          for (const other of pages) if (towOfWord(other.word) === own) count++;
          if (count > towCount) {
            tow = own;
            towCount = count;
            tie = false;
          } else if (count === towCount) {
            tie = true;
          }
        }
        if (wordType !== 6) continue;
      }
      let places = clock.places[wordType];
      if (places === 0) continue;
      slotVoters++;
      for (; places !== 0; places &= places - 1) slotVotes[31 - Math.clz32(places & -places)]++;
    }
    let slotMask = 0;
    for (let slot = 0; slot < SUBFRAME_SECONDS; slot++)
      if (slotVotes[slot] * 2 > slotVoters) slotMask |= 1 << slot;
    if (tie) {
      // Satellites contradict each other and neither side is larger: the receiver decides, or nobody.
      const inReach = new Set<number>();
      for (const { word } of pages) {
        const own = towOfWord(word);
        if (own === null || own % 2 !== clock.parity || !this.#inReach(burst, own)) continue;
        if (pages.filter((other) => towOfWord(other.word) === own).length === towCount) inReach.add(own);
      }
      tow = inReach.size === 1 ? [...inReach][0] : null;
      if (tow === null) towCount = -1;
    }
    return { tow, towCount, slots: slotMask === 0 ? null : slotMask };
  }

  /** Whether a slot starting at `tow` fits the receiver's epoch before the burst; true where there is none. */
  #inReach(burst: Burst<S>, tow: number): boolean {
    if (burst.reference === null) return true;
    const lag = wrapWeek(burst.reference - tow);
    return lag >= Math.min(EARLIEST_LAG_SECONDS, PAGE_SECONDS - burst.period) && lag <= LATEST_LAG_SECONDS;
  }

  /** Start of the burst's slot, seconds of week; null while it must wait, "conflict" when witnesses disagree. */
  #slotOf(clock: BandClock<S>, burst: Burst<S>, votes: Votes): number | null | "conflict" {
    const { tow, towCount, slots } = votes;
    if (towCount < 0) return "conflict";
    const fitsOrder = (start: number): boolean =>
      slots === null || (slots & (1 << (start % SUBFRAME_SECONDS))) !== 0;
    const last = clock.last === null ? null : towOf(clock.last);
    if (tow !== null) {
      const inReach = this.#inReach(burst, tow);
      const follows = last !== null && wrapWeek(tow - last) >= 0 && wrapWeek(tow - last) <= SUBFRAME_SECONDS;
      const referenced = burst.reference !== null;
      // The order of words alone confirms a single satellite only where no other is there to ask.
      const alone = burst.pages.length === 1 && last === null;
      const confirmations =
        Number(towCount >= AGREEING_SATELLITES) +
        Number(referenced && inReach) +
        Number(follows) +
        Number(alone && slots !== null && fitsOrder(tow));
      if (referenced && !inReach && !(towCount >= AGREEING_SATELLITES && (follows || fitsOrder(tow))))
        return "conflict";
      if (!fitsOrder(tow) && !(towCount >= AGREEING_SATELLITES || (referenced && inReach && follows)))
        return "conflict";
      if (confirmations === 0) return null;
      return tow;
    }
    if (burst.reference !== null && this.#receiverAgrees === true) {
      const regular = burst.period >= 0.9 && burst.period <= 1.1;
      const reference = regular ? Math.round(burst.reference) : burst.reference;
      const earliest = regular
        ? PARITY_EARLIEST_SECONDS
        : Math.min(EARLIEST_LAG_SECONDS, PAGE_SECONDS - burst.period);
      const latest = regular ? PARITY_LATEST_SECONDS : LATEST_LAG_SECONDS;
      const candidates: number[] = [];
      const first = Math.ceil(reference - latest);
      for (let start = first; start <= reference - earliest; start++) {
        const wrapped = ((start % SECONDS_IN_WEEK) + SECONDS_IN_WEEK) % SECONDS_IN_WEEK;
        if (wrapped % 2 === clock.parity && fitsOrder(wrapped)) candidates.push(wrapped);
      }
      if (candidates.length === 1) return candidates[0];
      if (candidates.length > 1) {
        const following = candidates.filter(
          (start) => last !== null && wrapWeek(start - last) === PAGE_SECONDS,
        );
        if (following.length === 1) return following[0];
        return null;
      }
      return "conflict";
    }
    // No receiver time, or none to rely on: it waits for words that carry a time.
    return null;
  }

  /** Bursts that waited get the slots before `gst` that the nominal order of words gives them, or nothing. */
  #releaseHeld(clock: BandClock<S>, gst: number): void {
    const timed: { burst: Burst<S>; gst: number; slots: number | null }[] = [];
    let before = gst;
    for (let i = clock.held.length - 1; i >= 0; i--) {
      const burst = clock.held[i];
      const votes = this.#votes(clock, burst);
      const { slots, tow } = votes;
      const byReceiver = burst.reference !== null && this.#receiverAgrees === true;
      const told = byReceiver ? this.#slotOf(clock, burst, votes) : tow;
      let start: number | null = null;
      if (typeof told === "number") {
        start = gst + wrapWeek(told - towOf(gst));
      } else if (slots !== null) {
        for (
          let candidate = before - PAGE_SECONDS;
          candidate > before - SUBFRAME_SECONDS;
          candidate -= PAGE_SECONDS
        ) {
          if (
            (slots & (1 << (towOf(candidate) % SUBFRAME_SECONDS))) !== 0 &&
            (!byReceiver || this.#inReach(burst, towOf(candidate)))
          )
            start ??= candidate;
        }
      }
      // Within 30 s before a known slot the order of words is unambiguous; further back it takes a time told.
      const reach = typeof told === "number" ? PAGE_SECONDS * MAX_HELD_BURSTS : SUBFRAME_SECONDS;
      // A slot's pages may have come in several bursts: then it is told twice.
      const inTurn = start !== null && (start < before || (start === before && typeof told === "number"));
      const reachable = start !== null && inTurn && start > gst - reach;
      const follows = clock.last === null || (start !== null && start > clock.last);
      if (start === null || !reachable || !follows) {
        for (const dropped of clock.held.slice(0, i + 1)) this.counts.untimed += dropped.pages.length;
        break;
      }
      timed.push({ burst, gst: start, slots });
      before = start;
    }
    clock.held = [];
    for (let i = timed.length - 1; i >= 0; i--)
      this.#emit(clock, timed[i].burst, timed[i].gst, timed[i].slots);
  }

  /** Collects week numbers that words claim. */
  #noteWeeks(burst: Burst<S>, tow: number | null): void {
    if (this.#newest !== null || tow === null) return;
    for (const page of burst.pages) {
      const wn = wnOfWord(page.word);
      if (wn === null || towOfWord(page.word) !== tow) continue;
      this.#weekClaims.set(wn, (this.#weekClaims.get(wn) ?? 0) + 1);
      if (this.#weekClaims.size > 16) this.#weekClaims.clear();
    }
  }

  /** The Galileo week of a slot that starts at `tow`, or null while unknown. */
  #weekFor(tow: number): number | null {
    if (this.#newest !== null) {
      const newestTow = towOf(this.#newest);
      return wnOf(this.#newest + wrapWeek(tow - newestTow));
    }
    let best: number | null = null;
    let bestCount = 0;
    for (const [wn, count] of this.#weekClaims) {
      if (count > bestCount) {
        best = wn;
        bestCount = count;
      } else if (count === bestCount) {
        best = null;
      }
    }
    const receiver = this.#receiverWeek;
    const byReceiver = receiver === null ? null : receiver.wn + weekShift(tow - receiver.tow);
    if (best !== null && (bestCount >= AGREEING_SATELLITES || byReceiver === best)) return best;
    return null;
  }

  #emit(clock: BandClock<S>, burst: Burst<S>, gst: number, slots: number | null): void {
    if (clock.last !== null) {
      const step = gst - clock.last;
      if (step < 0 || step > SECONDS_IN_WEEK / 2) {
        // Satellites agree on a time in the past: a restarted or concatenated recording, or a replay.
        clock.elsewhere++;
        if (clock.elsewhere < 2) {
          this.counts.conflicting += burst.pages.length;
          return;
        }
        this.counts.jumps++;
      }
    }
    clock.elsewhere = 0;
    clock.last = gst;
    if (this.#newest === null || gst > this.#newest || this.#newest - gst > SUBFRAME_SECONDS)
      this.#newest = gst;
    this.#weekClaims.clear();
    const tow = towOf(gst);
    const wn = wnOf(gst) & 0xfff;
    const second = tow % SUBFRAME_SECONDS;
    // Where no epoch messages part the slots, a burst can hold a page of the next slot, from a satellite whose
    // page of this one was lost. Then each page's own place decides; else only among satellites that keep to it.
    const parted =
      burst.reference !== null && burst.period <= PARTING_PERIOD_SECONDS && this.#receiverAgrees === true;
    const byPlace = !parted || (slots !== null && (slots & (1 << second)) !== 0);
    for (let i = 0; i < burst.pages.length; i++) {
      const page = burst.pages[i];
      const { wordType } = page;
      const own = wordType === 5 || wordType === 6 || wordType === 0 ? towOfWord(page.word) : null;
      let contradicts = false;
      if (own !== null) {
        const week = wnOfWord(page.word);
        contradicts = own !== tow || (week !== null && week !== wn);
      } else if (byPlace) {
        const places = clock.places[wordType];
        contradicts = places === 0 ? !parted : (places & (1 << second)) === 0;
      }
      if (contradicts) {
        this.counts.contradicting++;
        continue;
      }
      this.counts.timed++;
      this.#sink(page, gst, burst.stamps[i]);
    }
  }
}

function has(burst: Burst<unknown>, svid: number): boolean {
  return svid < 32 ? (burst.low & (1 << svid)) !== 0 : (burst.high & (1 << (svid - 32))) !== 0;
}

function samePage(a: InavPage, b: InavPage): boolean {
  if (a.hkroot !== b.hkroot || a.mack !== b.mack) return false;
  for (let i = 0; i < 16; i++) if (a.word[i] !== b.word[i]) return false;
  return true;
}

/** A difference of times of week as a number of seconds in [-302400, 302400). */
function wrapWeek(difference: number): number {
  return (
    ((((difference + SECONDS_IN_WEEK / 2) % SECONDS_IN_WEEK) + SECONDS_IN_WEEK) % SECONDS_IN_WEEK) -
    SECONDS_IN_WEEK / 2
  );
}

/** How many weeks a time of week moved that changed by `difference` the short way round. */
function weekShift(difference: number): number {
  return Math.round((wrapWeek(difference) - difference) / SECONDS_IN_WEEK);
}

/** Galileo week of a GPS week as receivers report it. */
export function galileoWeekOfGps(gpsWeek: number): number {
  return gpsWeek - GPS_WEEK_OFFSET;
}
