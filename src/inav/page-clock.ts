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
import { MAX_SVID, type Band, type InavPage } from "./page.js";
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
/** Satellites that must agree on a time of week, or a week, where nothing else confirms it. */
const AGREEING_SATELLITES = 2;
/** Pages of a satellite that are remembered to know a copy by: 128 s of them. A power of two. */
const REMEMBERED_PAGES = 64;
const HASHES = 256;
/** A page without OSNMA bits may come again after 15 pages; without epochs a copy is known this long. */
const PLAIN_COPY_PAGES = 5;
/** Words of one slot reach us in up to two epochs. */
const REPETITION_TOLERANCE_SECONDS = 1.5;
/** Bursts (30 s) in which a satellite must be the only one before it can move the time on its own. */
const SOLE_BURSTS = 15;
/** The kept week falls when most satellites contradict it in this many bursts, over a subframe at least. */
const DOUBTING_BURSTS = 3;
const LONGEST_DOUBT_SECONDS = 180;
const ALL_PLACES = 0x3fffffff;
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
  /** Copies of pages that came before: a merged stream, or a receiver that repeats itself. */
  repeated: number;
  /** Times the clock found the capture at another time than it thought, and began again. */
  jumps: number;
}

/** What the words of a burst say of its time: time of week, and places in the subframe as a bit mask. */
interface Votes {
  readonly tow: number | null;
  /** Satellites that say so; -1 where they contradict each other. */
  readonly towCount: number;
  readonly slots: number | null;
  /** Satellites whose words have a place. */
  readonly placed: number;
}

/** Who says what of the week, since two satellites first contradicted the one kept. SVIDs as bits. */
interface WeekDoubt {
  readonly wn: number;
  readonly since: number;
  bursts: number;
  readonly against: SatelliteSet;
  readonly keeping: SatelliteSet;
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
  /** Whether epoch messages part the slots; else the words themselves must (`#partByPlace`). */
  readonly parted: boolean;
  /** Seconds of the subframe where all pages with a place may stand, outliers left out, and how many those are. */
  places: number;
  placed: number;
  /** First of the pages at the end that have their place elsewhere, -1 without any. */
  suspect: number;
  suspectPlaces: number;
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
  /** The only satellite of the newest bursts, and how many of them; 0 where there were others. */
  soleSvid = 0;
  soleBursts = 0;
  /** Pages by SVID. */
  readonly recent: (RecentPages | undefined)[] = new Array<RecentPages | undefined>(MAX_SVID + 1).fill(
    undefined,
  );

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
  /** Week numbers that words claimed, and which satellites did: pages of one satellite are one claim. */
  #weekClaims = new Map<number, SatelliteSet>();
  #weekDoubt: WeekDoubt | null = null;
  readonly #slotVotes = new Uint8Array(SUBFRAME_SECONDS);
  /** Newest linear GST of any page; carries the week. */
  #newest: number | null = null;
  readonly counts: PageClockCounts = {
    timed: 0,
    contradicting: 0,
    conflicting: 0,
    untimed: 0,
    repeated: 0,
    jumps: 0,
  };

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
    if (this.#isRepeated(clock, page)) {
      this.counts.repeated++;
      return;
    }
    // The same satellite again: the next slot has begun without an epoch message between.
    while (clock.burst !== null && has(clock.burst, page.svid)) {
      const { suspect, suspectPlaces } = clock.burst;
      const places = suspect < 0 ? 0 : placesOf(clock, page);
      // Pages out of place at the burst's end are of the new slot where this page is; else they are outliers.
      if (suspect > 0 && (places === 0 || (places & suspectPlaces) !== 0)) this.#split(clock, places);
      else this.#close(clock);
    }
    clock.burst ??= this.#newBurst();
    if (!clock.burst.parted) this.#partByPlace(clock, page);
    const burst = clock.burst;
    if (burst.pages.length >= MAX_BURST_PAGES) return;
    add(burst, page, stamp);
  }

  #newBurst(): Burst<S> {
    const reference = this.#epoch;
    const period = this.#period;
    return {
      pages: [],
      stamps: [],
      low: 0,
      high: 0,
      reference,
      period,
      parted: reference !== null && period <= PARTING_PERIOD_SECONDS,
      places: ALL_PLACES,
      placed: 0,
      suspect: -1,
      suspectPlaces: 0,
    };
  }

  /**
   * Whether this page came before. With OSNMA bits or a time of week in it no page is sent twice. Others are, from
   * one of their places to another; what comes at any other distance is a copy. Words without a place come again
   * at any time.
   */
  #isRepeated(clock: BandClock<S>, page: InavPage): boolean {
    const recent = (clock.recent[page.svid] ??= new RecentPages());
    const epoch = this.#epoch ?? -1;
    const age = recent.ageOf(page);
    if (age < 0) {
      recent.keep(page, epoch);
      return false;
    }
    if (page.hasOsnma || towOfWord(page.word) !== null) return true;
    let copied: boolean;
    const places = clock.places[page.wordType];
    const before = recent.epochOf(age);
    if (places !== 0 && epoch >= 0 && before >= 0)
      copied = !this.#comesAgain(places, wrapWeek(epoch - before));
    else if (places !== 0 && (places & (places - 1)) === 0) copied = age < PLAIN_COPY_PAGES;
    else copied = age === 0 && clock.burst !== null && has(clock.burst, page.svid);
    if (!copied) recent.keep(page, epoch);
    return copied;
  }

  /** Whether a word with these places may be sent again after so many seconds. */
  #comesAgain(places: number, elapsed: number): boolean {
    const tolerance = this.#period + REPETITION_TOLERANCE_SECONDS;
    if (elapsed < 0) return true;
    for (let from = places; from !== 0; from &= from - 1) {
      for (let to = places; to !== 0; to &= to - 1) {
        let step = Math.clz32(from & -from) - Math.clz32(to & -to);
        if (step <= 0) step += SUBFRAME_SECONDS;
        const off = elapsed - step;
        if (
          off >= -tolerance &&
          Math.abs(off - SUBFRAME_SECONDS * Math.round(off / SUBFRAME_SECONDS)) <= tolerance
        )
          return true;
      }
    }
    return false;
  }

  /**
   * Where no epoch message parts the slots and pages get lost, the next slot can begin with a satellite that the
   * burst does not have yet. Two pages in a row with a place of their own end the burst before them; one is an
   * outlier, and so is the first page of a burst when the two after it agree on another place.
   */
  #partByPlace(clock: BandClock<S>, page: InavPage): void {
    const burst = clock.burst!;
    const places = placesOf(clock, page);
    if (places === 0) return;
    if ((burst.places & places) !== 0) {
      burst.places &= places;
      burst.placed++;
      burst.suspect = -1;
    } else if (burst.suspect < 0 || (burst.suspectPlaces & places) === 0) {
      // One suspect that the next does not confirm was an outlier: it must not hide the new slot.
      burst.suspect = burst.pages.length;
      burst.suspectPlaces = places;
    } else if (burst.placed >= 2) {
      this.#split(clock, places);
    } else {
      burst.places = burst.suspectPlaces & places;
      burst.placed = 2;
      burst.suspect = -1;
    }
  }

  /** Ends the burst before its suspect pages, which begin the next one. */
  #split(clock: BandClock<S>, places: number): void {
    const burst = clock.burst!;
    const next: Burst<S> = { ...this.#newBurst(), reference: burst.reference, period: burst.period };
    const pages = burst.pages.splice(burst.suspect);
    const stamps = burst.stamps.splice(burst.suspect);
    for (let i = 0; i < pages.length; i++) add(next, pages[i], stamps[i]);
    next.places = places === 0 ? burst.suspectPlaces : burst.suspectPlaces & places;
    next.placed = 1;
    burst.low = 0;
    burst.high = 0;
    for (const { svid } of burst.pages) mark(burst, svid);
    this.#close(clock);
    clock.burst = next;
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
    const sole = burst.pages.length === 1 ? burst.pages[0].svid : 0;
    clock.soleBursts = sole !== 0 && sole === clock.soleSvid ? clock.soleBursts + 1 : 1;
    clock.soleSvid = sole;
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
    if (clock.held.length > 0) this.#releaseHeld(clock, burst, gst);
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
      // Satellites contradict each other and neither side is larger: the receiver decides. Where it does not,
      // single satellites are not heard, and of larger sides nobody is.
      const inReach = new Set<number>();
      for (const { word } of pages) {
        const own = towOfWord(word);
        if (own === null || own % 2 !== clock.parity || !this.#inReach(burst, own)) continue;
        if (pages.filter((other) => towOfWord(other.word) === own).length === towCount) inReach.add(own);
      }
      tow = inReach.size === 1 ? [...inReach][0] : null;
      if (tow === null) towCount = towCount >= AGREEING_SATELLITES ? -1 : 0;
    }
    return { tow, towCount, slots: slotMask === 0 ? null : slotMask, placed: slotVoters };
  }

  /** Whether a slot starting at `tow` fits the receiver's epoch before the burst; true where there is none. */
  #inReach(burst: Burst<S>, tow: number): boolean {
    if (burst.reference === null) return true;
    const lag = wrapWeek(burst.reference - tow);
    return lag >= Math.min(EARLIEST_LAG_SECONDS, PAGE_SECONDS - burst.period) && lag <= LATEST_LAG_SECONDS;
  }

  /** Start of the burst's slot, seconds of week; null while it must wait, "conflict" when witnesses disagree. */
  #slotOf(clock: BandClock<S>, burst: Burst<S>, votes: Votes): number | null | "conflict" {
    const { tow, towCount, slots, placed } = votes;
    if (towCount < 0) return "conflict";
    const fitsOrder = (start: number): boolean =>
      slots === null || (slots & (1 << (start % SUBFRAME_SECONDS))) !== 0;
    const last = clock.last === null ? null : towOf(clock.last);
    const referenced = burst.reference !== null;
    const regular = burst.period >= 0.9 && burst.period <= 1.1;
    if (tow !== null && towCount >= AGREEING_SATELLITES) {
      const step = last === null ? -1 : wrapWeek(tow - last);
      const follows = step >= 0 && step <= SUBFRAME_SECONDS;
      return this.#inReach(burst, tow) || follows || fitsOrder(tow) ? tow : "conflict";
    }
    if (tow !== null) {
      // One satellite. Where it is not confirmed it is not heard, and the others get their time without it.
      const fits = fitsOrder(tow);
      // A band without a time of its own yet must not lead the other away.
      const known = clock.last ?? this.#newest;
      const step = known === null ? null : wrapWeek(tow - towOf(known));
      if (referenced) {
        const expected = regular ? parityStart(burst.reference, clock.parity) === tow : step === PAGE_SECONDS;
        if (this.#inReach(burst, tow) && (fits || expected)) return tow;
      } else if (step === null) {
        // The order of words alone confirms a single satellite only where no other is there to ask.
        if (burst.pages.length === 1 && slots !== null && fits) return tow;
      } else {
        // Within 30 s of a known slot the others' order of words is unambiguous; further on, one satellite's word
        // would be the only witness.
        const within = step < SUBFRAME_SECONDS && step >= (clock.last === null ? -SUBFRAME_SECONDS : 0);
        const next = Math.abs(step) <= PAGE_SECONDS;
        if (within && fits && (next || placed >= AGREEING_SATELLITES)) return tow;
        if (burst.pages.length === 1 && clock.soleBursts >= SOLE_BURSTS && step > 0 && fits) return tow;
      }
    }
    if (burst.reference !== null && this.#receiverAgrees === true) {
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
  #releaseHeld(clock: BandClock<S>, newest: Burst<S>, gst: number): void {
    const timed: { burst: Burst<S>; gst: number; slots: number | null }[] = [];
    let before = gst;
    let later = newest;
    // All in less than a subframe: the order of words leaves no doubt.
    const bounded = clock.last !== null && gst - clock.last <= SUBFRAME_SECONDS && gst > clock.last;
    for (let i = clock.held.length - 1; i >= 0; i--) {
      const burst = clock.held[i];
      const votes = this.#votes(clock, burst);
      const { slots, tow, towCount } = votes;
      const byReceiver = burst.reference !== null && this.#receiverAgrees === true;
      // Between two known slots the order of words goes before what a single satellite among others says.
      const heard = towCount >= AGREEING_SATELLITES || burst.pages.length === 1 || slots === null || !bounded;
      const told = byReceiver ? this.#slotOf(clock, burst, votes) : heard ? tow : null;
      let start: number | null = null;
      if (typeof told === "number") {
        start = gst + wrapWeek(told - towOf(gst));
      } else if (slots !== null) {
        for (
          // A slot that fell apart into two bursts has no satellite in both.
          let candidate = disjoint(burst, later) ? before : before - PAGE_SECONDS;
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
      const inTurn = start !== null && start <= before;
      const reachable = start !== null && inTurn && start > gst - reach;
      const follows = clock.last === null || (start !== null && start > clock.last);
      if (start === null || !reachable || !follows) {
        const first = bounded ? i : 0;
        for (let k = first; k <= i; k++) this.counts.untimed += clock.held[k].pages.length;
        if (bounded) continue;
        break;
      }
      timed.push({ burst, gst: start, slots });
      before = start;
      later = burst;
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
      if (!this.#weekClaims.has(wn) && this.#weekClaims.size >= 16) this.#weekClaims.clear();
      let claim = this.#weekClaims.get(wn);
      if (claim === undefined) this.#weekClaims.set(wn, (claim = { low: 0, high: 0 }));
      mark(claim, page.svid);
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
    for (const [wn, claim] of this.#weekClaims) {
      const count = satellitesIn(claim);
      if (count > bestCount) {
        best = wn;
        bestCount = count;
      } else if (count === bestCount) {
        best = null;
      }
    }
    if (best !== null && bestCount >= AGREEING_SATELLITES) return best;
    const receiver = this.#receiverWeek;
    const byReceiver = receiver === null ? null : receiver.wn + weekShift(tow - receiver.tow);
    return byReceiver !== null && this.#weekClaims.has(byReceiver) ? byReceiver : null;
  }

  /** Takes the week's witnesses of a burst where two satellites contradicted the kept week, then or before. */
  #doubtWeek(burst: Burst<S>, gst: number, claimed: number | null): void {
    const tow = towOf(gst);
    const kept = wnOf(gst) & 0xfff;
    if (this.#weekDoubt !== null && Math.abs(gst - this.#weekDoubt.since) > LONGEST_DOUBT_SECONDS)
      this.#weekDoubt = null;
    if (this.#weekDoubt === null) {
      if (claimed === null) return;
      const [against, keeping] = [0, 1].map((): SatelliteSet => ({ low: 0, high: 0 }));
      this.#weekDoubt = { wn: claimed, since: gst, bursts: 0, against, keeping };
    }
    const doubt = this.#weekDoubt;
    if (claimed === doubt.wn) doubt.bursts++;
    for (const { word, svid } of burst.pages) {
      const wn = wnOfWord(word);
      if (wn === null || towOfWord(word) !== tow) continue;
      if (wn === doubt.wn) mark(doubt.against, svid);
      else if (wn === kept) mark(doubt.keeping, svid);
    }
    if (doubt.bursts < DOUBTING_BURSTS || gst - doubt.since < SUBFRAME_SECONDS) return;
    this.#weekDoubt = null;
    if (satellitesIn(doubt.against) <= satellitesIn(doubt.keeping)) return;
    // The short way round the 12 bits that words have for the week.
    const weeks = ((doubt.wn - kept + 2048 + 4096) & 0xfff) - 2048;
    for (const band of [this.#bands.E5b, this.#bands["E1-B"]])
      if (band.last !== null) band.last += weeks * SECONDS_IN_WEEK;
    this.#newest = this.#newest! + weeks * SECONDS_IN_WEEK;
    this.counts.jumps++;
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
    let claimedWeek = -1;
    let claims = 0;
    for (let i = 0; i < burst.pages.length; i++) {
      const page = burst.pages[i];
      const { wordType } = page;
      const own = wordType === 5 || wordType === 6 || wordType === 0 ? towOfWord(page.word) : null;
      let contradicts = false;
      if (own !== null) {
        const week = wnOfWord(page.word);
        contradicts = own !== tow || (week !== null && week !== wn);
        if (contradicts && own === tow) {
          if (week === claimedWeek) claims++;
          else if (claims < AGREEING_SATELLITES) {
            claimedWeek = week!;
            claims = 1;
          }
        }
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
    if (claims >= AGREEING_SATELLITES || this.#weekDoubt !== null)
      this.#doubtWeek(burst, gst, claims >= AGREEING_SATELLITES ? claimedWeek : null);
  }
}

/** SVIDs 1-36 as bits of two numbers. */
interface SatelliteSet {
  low: number;
  high: number;
}

/**
 * The newest pages of a satellite, found by chains from a hash, so that a page costs the same however many are
 * remembered.
 */
class RecentPages {
  readonly #words: Uint8Array[] = [];
  readonly #macks = new Uint32Array(REMEMBERED_PAGES);
  readonly #hkroots = new Uint8Array(REMEMBERED_PAGES);
  readonly #epochs = new Float64Array(REMEMBERED_PAGES);
  /** Number of the newest page of each hash, and of the one before it with the same hash; numbers begin at 1. */
  readonly #heads = new Int32Array(HASHES);
  readonly #chains = new Int32Array(REMEMBERED_PAGES);
  #hash = 0;
  #newest = 0;

  /** How many pages came after the newest that is the same, -1 where there is none. */
  ageOf(page: InavPage): number {
    const oldest = this.#newest - REMEMBERED_PAGES;
    this.#hash = hashOf(page);
    for (let n = this.#heads[this.#hash]; n > 0 && n > oldest; n = this.#chains[n & (REMEMBERED_PAGES - 1)])
      if (this.#isSame(n & (REMEMBERED_PAGES - 1), page)) return this.#newest - n;
    return -1;
  }

  /** Keeps the page that `ageOf` was just asked about. */
  keep(page: InavPage, epoch: number): void {
    const number = ++this.#newest;
    const index = number & (REMEMBERED_PAGES - 1);
    const hash = this.#hash;
    this.#words[index] = page.word;
    this.#macks[index] = page.mack;
    this.#hkroots[index] = page.hkroot;
    this.#epochs[index] = epoch;
    this.#chains[index] = this.#heads[hash];
    this.#heads[hash] = number;
  }

  /** Receiver epoch at which the page came that `age` others followed. */
  epochOf(age: number): number {
    return this.#epochs[(this.#newest - age) & (REMEMBERED_PAGES - 1)];
  }

  #isSame(index: number, { word, mack, hkroot }: InavPage): boolean {
    if (this.#macks[index] !== mack || this.#hkroots[index] !== hkroot) return false;
    const known = this.#words[index];
    for (let i = 0; i < 16; i++) if (known[i] !== word[i]) return false;
    return true;
  }
}

/** MACK bits differ from page to page; where there are none, some bytes of the word must do. */
function hashOf({ word, mack }: InavPage): number {
  return (mack ^ word[0] ^ word[1] ^ word[5] ^ word[9] ^ word[15]) & (HASHES - 1);
}

/** Seconds of the subframe where the page may stand by its own time of week or its word's place; 0 unknown. */
function placesOf(clock: BandClock<unknown>, { word, wordType }: InavPage): number {
  const own = wordType === 0 || wordType === 5 || wordType === 6 ? towOfWord(word) : null;
  if (own === null) return clock.places[wordType];
  return own % 2 === clock.parity ? 1 << (own % SUBFRAME_SECONDS) : 0;
}

/** Start of the slot by the parity rule: the one second of the band's parity 1 or 2 s before the epoch. */
function parityStart(reference: number, parity: number): number {
  const epoch = Math.round(reference);
  const start = epoch - ((epoch + parity) % 2 === 0 ? 2 : 1);
  return start < 0 ? start + SECONDS_IN_WEEK : start;
}

function add<S>(burst: Burst<S>, page: InavPage, stamp: S): void {
  burst.pages.push(page);
  burst.stamps.push(stamp);
  mark(burst, page.svid);
}

function mark(set: SatelliteSet, svid: number): void {
  if (svid < 32) set.low |= 1 << svid;
  else set.high |= 1 << (svid - 32);
}

function disjoint(a: SatelliteSet, b: SatelliteSet): boolean {
  return (a.low & b.low) === 0 && (a.high & b.high) === 0;
}

function satellitesIn({ low, high }: SatelliteSet): number {
  let count = 0;
  for (let rest = low; rest !== 0; rest &= rest - 1) count++;
  for (let rest = high; rest !== 0; rest &= rest - 1) count++;
  return count;
}

function has(burst: SatelliteSet, svid: number): boolean {
  return svid < 32 ? (burst.low & (1 << svid)) !== 0 : (burst.high & (1 << (svid - 32))) !== 0;
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
