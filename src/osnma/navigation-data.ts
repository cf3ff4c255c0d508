/**
 * Navigation words as received, kept long enough to be authenticated: per satellite the batches of words 1-4
 * (one IODnav each, with the Reed-Solomon words that can rebuild them), the contents of word 5, and of words
 * 6 and 10, each with the times it was received. A tag names a window of time (COP), and this module answers
 * which complete data sets were received inside it.
 * Sources: OSNMA SIS ICD 1.1 sections on ADKD and COP; Galileo OS SIS ICD 2.1 sections 4.3.5 and 5.1.9.5.
 */
import type { Band } from "../inav/page.js";
import { rebuildWords } from "../inav/reed-solomon.js";
import { cedNavBits, timingNavBits } from "./tag-message.js";

/** COP reaches 15 subframes back, slow MAC waits 11, a cold start buffers 40: everything younger is kept. */
export const HISTORY_SECONDS = (15 + 11 + 40) * 30;
/** A word seen again after a longer gap than any COP window starts a new batch, even under the same IODnav. */
const BATCH_GAP_SECONDS = 16 * 30;
/** Reed-Solomon words are bound to a batch by two IOD bits only, hence by closeness in time as well. */
const PARITY_GAP_SECONDS = 120;
const MAX_BATCHES = 6;
const MAX_VERSIONS = 6;
/** E1-B and E5b each repeat a word every 30 s. */
const MAX_SIGHTINGS = 160;
/** How many candidates a tag may be tried against: bounds the work an ambiguous window can cause. */
const MAX_CANDIDATE_BATCHES = 3;
const MAX_CANDIDATE_VERSIONS = 3;

/**
 * The part of time that a tag speaks for, linear GST seconds: words of pages that claim to end within [from, to], and
 * that were there by `by` even if the trusted clock was wrong by all of its bound when they came.
 */
export interface Window {
  readonly from: number;
  readonly to: number;
  readonly by: number;
}

/** One content of one word, and the ends of the pages that carried it (linear GST seconds, ascending). */
export class WordVersion {
  readonly word: Uint8Array;
  readonly sightings: number[] = [];
  /** When each was there at the latest, by the trusted clock and its bound as it came. */
  readonly #there: number[] = [];

  constructor(word: Uint8Array, end: number, there: number) {
    this.word = word;
    this.sightings.push(end);
    this.#there.push(there);
  }

  get lastSeen(): number {
    return this.sightings[this.sightings.length - 1];
  }

  seen(end: number, there: number): void {
    if (end <= this.lastSeen) return;
    if (this.sightings.length >= MAX_SIGHTINGS) {
      this.sightings.splice(0, MAX_SIGHTINGS >> 1);
      this.#there.splice(0, MAX_SIGHTINGS >> 1);
    }
    this.sightings.push(end);
    this.#there.push(there);
  }

  /** The latest reception within [from, to] that was there by `by`, or -1. */
  seenWithin(from: number, to: number, by: number): number {
    for (let i = this.sightings.length - 1; i >= 0; i--) {
      const end = this.sightings[i];
      if (end < from) return -1;
      if (end <= to && this.#there[i] <= by) return end;
    }
    return -1;
  }
}

/** Words 1-5 of one satellite as one datum: what ADKD 0 and 12 authenticate. */
export class CedSet {
  readonly kind = "ced";
  readonly svid: number;
  readonly iodNav: number;
  /** Words 1-5, 16 bytes each. */
  readonly words: readonly Uint8Array[];
  /** Word types known from Reed-Solomon words only; fewer once they are received themselves. */
  rebuilt: readonly number[];
  readonly navBits: Uint8Array;
  readonly batch: Batch;
  readonly word5: WordVersion;

  constructor(
    svid: number,
    batch: Batch,
    words: readonly Uint8Array[],
    rebuilt: readonly number[],
    word5: WordVersion,
  ) {
    this.svid = svid;
    // Of the word itself: a batch known from Reed-Solomon words alone has no IODnav yet.
    this.iodNav = ((words[0][0] & 0x03) << 8) | words[0][1];
    this.batch = batch;
    this.word5 = word5;
    this.words = [...words, word5.word];
    this.rebuilt = rebuilt;
    this.navBits = cedNavBits(words[0], words[1], words[2], words[3], word5.word);
  }
}

/** Word 6 and the GGTO part of word 10 of one satellite: what ADKD 4 authenticates. */
export class TimingSet {
  readonly kind = "timing";
  readonly svid: number;
  readonly word6: WordVersion;
  readonly word10: WordVersion;
  readonly navBits: Uint8Array;

  constructor(svid: number, word6: WordVersion, word10: WordVersion) {
    this.svid = svid;
    this.word6 = word6;
    this.word10 = word10;
    this.navBits = timingNavBits(word6.word, word10.word);
  }
}

/**
 * A data set inside a tag's window. `proper`: every word was received directly, in the subframes that COP
 * speaks for, so that a failing tag over it is a failure and not a lack of data.
 */
export interface Candidate<S> {
  readonly set: S;
  readonly proper: boolean;
}

/** Words 1-4, and which of them were rebuilt. */
interface ResolvedWords {
  readonly words: readonly Uint8Array[];
  readonly rebuilt: readonly number[];
}

/** Words 1-4 (places 0-3) and 17-20 (places 4-7) of one issue of data. */
export class Batch {
  iodNav: number | null;
  readonly iodLowBits: number;
  readonly places: (WordVersion | null)[] = [null, null, null, null, null, null, null, null];
  readonly sets: CedSet[] = [];
  lastSeen: number;
  /** Rebuilt words by the mask of places they were rebuilt from; null where the parity did not hold. */
  #direct: ResolvedWords | null = null;
  readonly #rebuilt = new Map<number, readonly Uint8Array[] | null>();

  constructor(iodNav: number | null, iodLowBits: number, end: number) {
    this.iodNav = iodNav;
    this.iodLowBits = iodLowBits;
    this.lastSeen = end;
  }

  put(place: number, word: Uint8Array, end: number, there: number): void {
    const known = this.places[place];
    if (known === null) {
      this.places[place] = new WordVersion(word, end, there);
      this.#rebuilt.clear();
    } else {
      known.seen(end, there);
    }
    if (end > this.lastSeen) this.lastSeen = end;
  }

  /** Places whose word was received within [from, to] and was there by `by`, as a bit mask. */
  placesWithin(from: number, to: number, by: number): number {
    let mask = 0;
    for (let place = 0; place < 8; place++) {
      const version = this.places[place];
      if (version !== null && version.seenWithin(from, to, by) >= 0) mask |= 1 << place;
    }
    return mask;
  }

  /** When, within [from, to] and by `by`, the last of the words was heard that makes the places of `mask` complete. */
  heardWithin(mask: number, from: number, to: number, by: number): number {
    const used = (mask & 0x0f) === 0x0f ? 0x0f : mask;
    let heard = to;
    for (let place = 0; place < 8; place++) {
      if (used & (1 << place)) heard = Math.min(heard, this.places[place]!.seenWithin(from, to, by));
    }
    return heard;
  }

  /** Words 1-4 from the places of `mask` alone, or null when they do not determine them. */
  words(mask: number): ResolvedWords | null {
    if ((mask & 0x0f) === 0x0f) {
      this.#direct ??= { words: this.places.slice(0, 4).map((version) => version!.word), rebuilt: [] };
      return this.#direct;
    }
    if (bitCount(mask) < 4) return null;
    let words = this.#rebuilt.get(mask);
    if (words === undefined) {
      const known = this.places.map((version, place) => (mask & (1 << place) ? version!.word : null));
      words = rebuildWords(known, this.iodNav)?.words ?? null;
      this.#rebuilt.set(mask, words);
    }
    if (words === null) return null;
    return { words, rebuilt: [1, 2, 3, 4].filter((type) => (mask & (1 << (type - 1))) === 0) };
  }

  setOf(svid: number, words: readonly Uint8Array[], rebuilt: readonly number[], word5: WordVersion): CedSet {
    for (const set of this.sets) {
      if (set.word5 !== word5 || !words.every((word, i) => wordsEqual(word, set.words[i], i + 1))) continue;
      if (rebuilt.length < set.rebuilt.length) set.rebuilt = rebuilt;
      return set;
    }
    const set = new CedSet(svid, this, words, rebuilt, word5);
    this.sets.push(set);
    if (this.sets.length > MAX_VERSIONS * 2) this.sets.shift();
    return set;
  }
}

/** Last byte with content and the mask of its content bits, by word type (OSNMA SIS ICD 1.1, ADKD 0 and 4). */
function lastBits(type: number): readonly [number, number] {
  if (type === 5) return [9, 0x80];
  if (type === 6) return [13, 0x80];
  return [15, type === 3 || type >= 10 ? 0xff : 0xfc];
}

/** Whether two words of one type carry the same content; spare bits and time of week do not count. */
function wordsEqual(a: Uint8Array, b: Uint8Array, type: number): boolean {
  if (a === b) return true;
  const [last, mask] = lastBits(type);
  if (((a[last] ^ b[last]) & mask) !== 0) return false;
  for (let i = last - 1; i >= 0; i--) if (a[i] !== b[i]) return false;
  return true;
}

const words5Equal = (a: Uint8Array, b: Uint8Array): boolean => wordsEqual(a, b, 5);
const words6Equal = (a: Uint8Array, b: Uint8Array): boolean => wordsEqual(a, b, 6);

/** Whether the GGTO parts (bits 86-127) of two words 10 are equal. */
function ggtoEqual(a: Uint8Array, b: Uint8Array): boolean {
  if (((a[10] ^ b[10]) & 0x03) !== 0) return false;
  for (let i = 11; i < 16; i++) if (a[i] !== b[i]) return false;
  return true;
}

function bitCount(mask: number): number {
  let count = 0;
  for (let rest = mask; rest !== 0; rest &= rest - 1) count++;
  return count;
}

class Satellite {
  batches: Batch[] = [];
  words5: WordVersion[] = [];
  words6: WordVersion[] = [];
  words10: WordVersion[] = [];
  timingSets: TimingSet[] = [];
}

export class NavigationData {
  readonly #satellites: Satellite[] = [];

  /** Takes in the word of a page that claims to end at `end`, and was there by `there` (at the latest). */
  push(svid: number, band: Band, wordType: number, word: Uint8Array, end: number, there: number): void {
    let satellite = this.#satellites[svid];
    if (satellite === undefined) this.#satellites[svid] = satellite = new Satellite();
    if (wordType >= 1 && wordType <= 4) this.#pushBatchWord(satellite, svid, wordType, word, end, there);
    else if (wordType === 5) pushVersion(satellite.words5, word, end, there, words5Equal);
    else if (wordType === 6) pushVersion(satellite.words6, word, end, there, words6Equal);
    // E5b sends word 10 at other times and may already carry the next GGTO: E1-B only.
    else if (wordType === 10 && band === "E1-B") pushVersion(satellite.words10, word, end, there, ggtoEqual);
    else if (wordType >= 17 && wordType <= 20 && band === "E1-B")
      pushParityWord(satellite, wordType, word, end, there);
  }

  #pushBatchWord(
    satellite: Satellite,
    svid: number,
    type: number,
    word: Uint8Array,
    end: number,
    there: number,
  ): void {
    // Word 4 names its satellite: another one than the tracked is cross-correlation or misrouting.
    if (type === 4 && word[2] >> 2 !== svid) return;
    const iodNav = ((word[0] & 0x03) << 8) | word[1];
    const place = type - 1;
    let batch: Batch | undefined;
    for (let i = satellite.batches.length - 1; i >= 0; i--) {
      const candidate = satellite.batches[i];
      if (candidate.iodNav !== iodNav || end - candidate.lastSeen > BATCH_GAP_SECONDS) continue;
      const known = candidate.places[place];
      if (known !== null && wordsEqual(known.word, word, type)) {
        // An IODnav used again, some words of it unchanged: those are of the newer batch as well.
        if (batch !== undefined) candidate.put(place, word, end, there);
        else batch = candidate;
        break;
      }
      if (known === null) batch ??= candidate;
    }
    if (batch === undefined) {
      const newest = satellite.batches[satellite.batches.length - 1] as Batch | undefined;
      const adoptable =
        newest?.iodNav === null &&
        newest.iodLowBits === (iodNav & 3) &&
        end - newest.lastSeen <= PARITY_GAP_SECONDS;
      if (newest !== undefined && adoptable) {
        batch = newest;
        batch.iodNav = iodNav;
      } else {
        batch = addBatch(satellite, new Batch(iodNav, iodNav & 3, end));
      }
    }
    batch.put(place, word, end, there);
  }

  /**
   * Data sets of `svid` for a tag of ADKD 0 or 12: all words in the window; newest first. `properTo` ends the
   * window that COP speaks for.
   */
  cedCandidates(svid: number, { from, to, by }: Window, properTo: number): Candidate<CedSet>[] {
    const found: Candidate<CedSet>[] = [];
    const satellite = this.#satellites[svid] as Satellite | undefined;
    if (satellite === undefined) return found;
    const complete: { batch: Batch; resolved: ResolvedWords; mask: number }[] = [];
    for (let i = satellite.batches.length - 1; i >= 0; i--) {
      const batch = satellite.batches[i];
      if (batch.lastSeen < from) continue;
      const mask = batch.placesWithin(from, to, by);
      const resolved = batch.words(mask);
      if (resolved !== null && resolved.words.length === 4) complete.push({ batch, resolved, mask });
    }
    if (complete.length > 1) {
      // Batches may share words: the one of which every word was heard last is the one on air.
      const heard = new Map(
        complete.map(({ batch, mask }) => [batch, batch.heardWithin(mask, from, to, by)]),
      );
      complete.sort((a, b) => heard.get(b.batch)! - heard.get(a.batch)!);
      complete.length = Math.min(complete.length, MAX_CANDIDATE_BATCHES);
    }
    for (const { batch, resolved } of complete) {
      const properBatch = (batch.placesWithin(from, properTo, by) & 0x0f) === 0x0f;
      let versions = 0;
      for (let j = satellite.words5.length - 1; j >= 0 && versions < MAX_CANDIDATE_VERSIONS; j--) {
        const word5 = satellite.words5[j];
        if (word5.seenWithin(from, to, by) < 0) continue;
        versions++;
        found.push({
          set: batch.setOf(svid, resolved.words, resolved.rebuilt, word5),
          proper: properBatch && word5.seenWithin(from, properTo, by) >= 0,
        });
      }
    }
    return found;
  }

  /**
   * Data sets of `svid` for a tag of ADKD 4: word 6 in the window, and the latest words 10 not older than `from10`
   * (word 10 is sent every second subframe only).
   */
  timingCandidates(
    svid: number,
    { from, to, by }: Window,
    from10: number,
    properTo: number,
  ): Candidate<TimingSet>[] {
    const found: Candidate<TimingSet>[] = [];
    const satellite = this.#satellites[svid] as Satellite | undefined;
    if (satellite === undefined) return found;
    for (const word6 of newestWithin(satellite.words6, from, to, by)) {
      for (const word10 of newestWithin(satellite.words10, from10, to, by)) {
        let set = satellite.timingSets.find((known) => known.word6 === word6 && known.word10 === word10);
        if (set === undefined) {
          set = new TimingSet(svid, word6, word10);
          satellite.timingSets.push(set);
          if (satellite.timingSets.length > MAX_VERSIONS * 2) satellite.timingSets.shift();
        }
        const proper =
          word6.seenWithin(from, properTo, by) >= 0 && word10.seenWithin(from10, properTo, by) >= 0;
        found.push({ set, proper });
      }
    }
    return found;
  }
}

function newestWithin(versions: readonly WordVersion[], from: number, to: number, by: number): WordVersion[] {
  const found: WordVersion[] = [];
  for (let i = versions.length - 1; i >= 0 && found.length < MAX_CANDIDATE_VERSIONS; i--) {
    if (versions[i].seenWithin(from, to, by) >= 0) found.push(versions[i]);
  }
  return found;
}

function pushVersion(
  versions: WordVersion[],
  word: Uint8Array,
  end: number,
  there: number,
  equal: (a: Uint8Array, b: Uint8Array) => boolean,
): void {
  for (let i = versions.length - 1; i >= 0; i--) {
    const version = versions[i];
    if (!equal(version.word, word)) continue;
    version.seen(end, there);
    // The newest content stands last, so that candidates come newest first.
    if (i !== versions.length - 1) versions.push(...versions.splice(i, 1));
    return;
  }
  versions.push(new WordVersion(word, end, there));
  if (versions.length > MAX_VERSIONS || end - versions[0].lastSeen > HISTORY_SECONDS) versions.shift();
}

function pushParityWord(
  satellite: Satellite,
  type: number,
  word: Uint8Array,
  end: number,
  there: number,
): void {
  const iodLowBits = word[1] & 3;
  const place = type - 13;
  const newest = satellite.batches[satellite.batches.length - 1] as Batch | undefined;
  const fits =
    newest?.iodLowBits === iodLowBits &&
    end - newest.lastSeen <= PARITY_GAP_SECONDS &&
    (newest.places[place] === null || wordsEqual(newest.places[place].word, word, type));
  const batch = newest !== undefined && fits ? newest : addBatch(satellite, new Batch(null, iodLowBits, end));
  batch.put(place, word, end, there);
}

function addBatch(satellite: Satellite, batch: Batch): Batch {
  satellite.batches.push(batch);
  if (
    satellite.batches.length > MAX_BATCHES ||
    batch.lastSeen - satellite.batches[0].lastSeen > HISTORY_SECONDS
  ) {
    satellite.batches.shift();
  }
  return batch;
}
