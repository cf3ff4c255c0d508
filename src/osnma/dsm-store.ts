/**
 * Reassembly of DSM messages from HKROOT bytes, page by page and over satellites (OSNMA SIS ICD 1.1, HKROOT
 * and DSM). What each satellite sends is kept apart, so that one that sends falsehoods displaces nothing but
 * its own; where satellites contradict each other, several messages are possible, and they are handed out, what
 * most satellites sent first, for a signature or proof to decide.
 */
import { sameBytes } from "./bits.js";
import { numberOfKrootBlocks } from "./dsm-kroot.js";
import { numberOfPkrBlocks } from "./dsm-pkr.js";

export const BLOCK_BYTES = 13;
const MAX_BLOCKS = 16;
const DSM_IDS = 16;
/** DSM ids from here on carry a DSM-PKR. */
export const FIRST_PKR_ID = 12;
/** Guidelines: a DSM-KROOT changes every hour; DSM-PKR blocks recur within 6 h windows. */
const KROOT_AGE_SECONDS = 3600;
const PKR_AGE_SECONDS = 13 * 3600;
/** All bytes of a block. */
const WHOLE_BLOCK = (1 << BLOCK_BYTES) - 1;
/** No message has fewer blocks (NB_DK 1): before that many are there, there is nothing to look for. */
const FEWEST_BLOCKS = (1 << 7) - 1;

/** Messages handed out for one page at most. */
export const MAX_CANDIDATES = 16;
/** Contents of one block that are tried. */
const MAX_VARIANTS = 4;
/** Satellites whose version of a block is kept: Galileo has SVID 1 to 36. */
const MAX_SENDERS = 36;
/** NMA headers under which one DSM-KROOT id is collected. */
const MAX_HEADERS = 4;
/** Decided messages of one collection whose return is watched for. */
const MAX_WATCHED = 4;
/** Messages remembered as handed out, and mixtures looked at for one page. */
const MAX_TRIED = 128;

export type DsmVerdict = "verified" | "rejected";

/** A whole message to be decided. */
export interface DsmCandidate {
  readonly dsmId: number;
  /** NMA header the blocks came with; null for a DSM-PKR, which does not cover it. */
  readonly nmaHeader: number | null;
  readonly message: Uint8Array;
  /** The verdict on this very message, which since then was collected in full again: it is still on air. */
  readonly before: DsmVerdict | null;
  /** What most satellites sent, while nothing verified, or came again; false for rivals, of which most are wrong. */
  readonly leading: boolean;
}

/** The sender of what is implied. */
const NO_SATELLITE = 0;
const NO_CANDIDATES: readonly DsmCandidate[] = [];

/** One satellite's HKROOT of one subframe, as far as received. */
export class HkrootReception {
  readonly bytes = new Uint8Array(15);
  /** Bit i: page i was received. */
  pages = 0;
  /** Where its bytes went. */
  collection: Collection | null = null;
  /** The verified message that all its bytes so far repeat. */
  repeated: Watched | null = null;
}

/** What one satellite sent of one block. */
interface Fragment {
  readonly svid: number;
  readonly bytes: Uint8Array;
  /** Bit i: byte i is there. */
  known: number;
  at: number;
}

/** A block's whole content, and who sent it or parts of it. */
interface Variant {
  readonly bytes: Uint8Array;
  readonly text: string;
  readonly senders: ReadonlySet<number>;
  readonly at: number;
}

class Block {
  readonly fragments = new Map<number, Fragment>();
  /** Bytes that any satellite sent. */
  known = 0;
  /** No fragment is older. */
  oldestAt = Number.POSITIVE_INFINITY;
  contradicted = false;
  /** Bytes that repeated the verified message, from whatever satellites; null without any. */
  implied: Fragment | null = null;
  /** Null while it has to be worked out anew. */
  variants: readonly Variant[] | null = [];

  imply(bytes: Uint8Array | null, known: number, at: number): void {
    if (known === (this.implied?.known ?? 0)) return;
    this.implied = bytes === null || known === 0 ? null : { svid: NO_SATELLITE, bytes, known, at };
    this.variants = null;
  }

  remove(condition: (fragment: Fragment) => boolean): void {
    let removed = false;
    for (const fragment of this.fragments.values()) {
      if (condition(fragment)) removed = this.fragments.delete(fragment.svid);
    }
    if (!removed) return;
    this.variants = null;
    this.known = 0;
    this.oldestAt = Number.POSITIVE_INFINITY;
    for (const { known, at } of this.fragments.values()) {
      this.known |= known;
      if (at < this.oldestAt) this.oldestAt = at;
    }
  }
}

/** A decided message, and which of its bytes came again since. */
interface Watched {
  readonly message: Uint8Array;
  readonly verdict: DsmVerdict;
  readonly known: Uint16Array;
  readonly blockAt: Float64Array;
  completedAt: number;
}

/** All that came under one DSM id and one NMA header. */
class Collection {
  readonly dsmId: number;
  readonly nmaHeader: number | null;
  readonly blocks: readonly Block[] = Array.from({ length: MAX_BLOCKS }, () => new Block());
  /** When each satellite last sent something for it. */
  readonly senders = new Map<number, number>();
  readonly tried = new Set<string>();
  watched: Watched[] = [];
  lastAt = Number.NEGATIVE_INFINITY;
  /** There are mixtures that were not yet handed out. */
  more = false;

  constructor(dsmId: number, nmaHeader: number | null) {
    this.dsmId = dsmId;
    this.nmaHeader = nmaHeader;
  }

  get ageSeconds(): number {
    return this.dsmId >= FIRST_PKR_ID ? PKR_AGE_SECONDS : KROOT_AGE_SECONDS;
  }

  /** The message verified last. */
  get verified(): Watched | null {
    return this.watched.findLast(({ verdict }) => verdict === "verified") ?? null;
  }

  /** The same, where no other message is watched for and none is waiting to be handed out. */
  get settled(): Watched | null {
    const { watched } = this;
    return watched.length === 1 && watched[0].verdict === "verified" && !this.more ? watched[0] : null;
  }

  /** Satellites that sent something for it of late. */
  supportAt(at: number): number {
    let support = 0;
    for (const last of this.senders.values()) if (Math.abs(at - last) <= this.ageSeconds) support++;
    return support;
  }
}

export class DsmStore {
  readonly #slots: Collection[][] = Array.from({ length: DSM_IDS }, () => []);
  /** Blocks of which satellites sent different contents. */
  conflicts = 0;

  /**
   * Takes in what `reception`, of satellite `svid`, holds after its page `page` arrived at `at`, and returns the
   * messages that this page made possible, what most satellites sent first; at most `MAX_CANDIDATES`. Each is
   * to be decided and `decided` told, in this order. `nmaHeader` is the header of that subframe, or null while
   * unknown: without it nothing of a DSM-KROOT is kept, since the signature covers it.
   */
  push(
    reception: HkrootReception,
    svid: number,
    page: number,
    nmaHeader: number | null,
    at: number,
  ): readonly DsmCandidate[] {
    if (!Number.isInteger(svid) || svid < 0 || svid > 255)
      throw new RangeError(`svid must be 0 to 255, not ${svid}`);
    if ((reception.pages & 2) === 0) return NO_CANDIDATES;
    const dsmId = reception.bytes[1] >> 4;
    const index = reception.bytes[1] & 0x0f;
    const isPkr = dsmId >= FIRST_PKR_ID;
    if (!isPkr && nmaHeader === null) return NO_CANDIDATES;
    const header = isPkr ? null : nmaHeader;
    const known = reception.collection;
    const isNew = known?.nmaHeader !== header || !this.#slots[dsmId].includes(known);
    // The first use of a reception puts in everything it holds so far.
    const collection = isNew ? this.#collectionFor(dsmId, header, at) : known;
    const pages = reception.pages >> 2;
    const fresh = isNew ? pages : page >= 2 ? pages & (1 << (page - 2)) : 0;
    collection.lastAt = at;
    if (isNew) {
      reception.collection = collection;
      reception.repeated = null;
      note(collection.senders, svid, at);
    }
    if (fresh === 0 && !collection.more) return NO_CANDIDATES;
    // Nearly always a satellite repeats what has been verified: that is noted, and it is not kept as its own.
    const { settled } = collection;
    const repeated =
      settled !== null &&
      (settled === reception.repeated && page >= 2
        ? settled.message[index * BLOCK_BYTES + page - 2] === reception.bytes[page]
        : repeats(settled.message, index, reception, pages));
    if (repeated) {
      reception.repeated = settled;
      const again = noteAgain(collection, settled, index, fresh, at);
      if (again) this.#release(collection, settled.message);
      // A successor may have this block in common, and it may be the last that was missing.
      const contradicted = fresh !== 0 && collection.blocks.some(({ fragments }) => fragments.size > 0);
      if (!again && !contradicted) return NO_CANDIDATES;
      const candidates = again ? [candidateOf(collection, settled)] : [];
      if (contradicted) this.#complete(collection, at, candidates);
      return candidates;
    }
    const candidates = fresh === 0 ? [] : this.#cameAgain(collection, index, reception, pages, fresh, at);
    // What was passed over while it repeated the verified message is put in now.
    const missed = reception.repeated === null ? fresh : pages;
    reception.repeated = null;
    const changed = missed !== 0 && put(collection.blocks[index], svid, reception, pages, missed, at);
    if (changed || collection.more) this.#complete(collection, at, candidates);
    for (const { message, before } of candidates) {
      if (before === "verified") this.#release(collection, message);
    }
    return candidates;
  }

  /**
   * Takes the verdict on a candidate. Once a message is verified, nothing collected beside it is worth keeping,
   * and it counts as on air again when every byte of it has come again.
   */
  decided(candidate: DsmCandidate, verdict: DsmVerdict): void {
    const { dsmId, nmaHeader, message, before, leading } = candidate;
    const collection = this.#slots[dsmId].find((kept) => kept.nmaHeader === nmaHeader);
    if (collection === undefined || before === verdict) return;
    if (verdict === "rejected" && !leading) return;
    const others = collection.watched.filter((known) => !sameBytes(known.message, message));
    if (others.length >= MAX_WATCHED) {
      others.sort(
        (a, b) =>
          Number(b.verdict === "verified") - Number(a.verdict === "verified") ||
          b.completedAt - a.completedAt,
      );
      others.length = MAX_WATCHED - 1;
    }
    others.push({
      message,
      verdict,
      known: new Uint16Array(MAX_BLOCKS),
      blockAt: new Float64Array(MAX_BLOCKS),
      completedAt: collection.lastAt,
    });
    collection.watched = others;
    if (verdict === "verified") {
      for (const block of collection.blocks) {
        block.remove(() => true);
        block.imply(null, 0, 0);
      }
      collection.tried.clear();
      collection.more = false;
    }
  }

  /** Forgets what was rejected: a new public key may judge otherwise. */
  reconsider(): void {
    for (const slot of this.#slots) {
      for (const collection of slot) {
        collection.tried.clear();
        collection.watched = collection.watched.filter(({ verdict }) => verdict === "verified");
        collection.more = true;
      }
    }
  }

  /** Forgets everything: after an authenticated alert nothing collected is of use. */
  clear(): void {
    for (const slot of this.#slots) slot.length = 0;
  }

  /** Versions of blocks kept, over everything: for tests and memory figures. */
  get size(): number {
    let size = 0;
    for (const slot of this.#slots) {
      for (const { blocks } of slot) for (const { fragments } of blocks) size += fragments.size;
    }
    return size;
  }

  /**
   * The collection of an id and header. A new one takes the place of the one that fewest satellites support,
   * the longest silent of them: headers that one satellite makes up do not drive out what several send.
   */
  #collectionFor(dsmId: number, nmaHeader: number | null, at: number): Collection {
    const slot = this.#slots[dsmId];
    const known = slot.find((kept) => kept.nmaHeader === nmaHeader);
    if (known !== undefined) return known;
    if (slot.length >= MAX_HEADERS) {
      let weakest = 0;
      for (let i = 1; i < slot.length; i++) {
        const less = slot[i].supportAt(at) - slot[weakest].supportAt(at);
        if (less < 0 || (less === 0 && slot[i].lastAt < slot[weakest].lastAt)) weakest = i;
      }
      slot.splice(weakest, 1);
    }
    const collection = new Collection(dsmId, nmaHeader);
    slot.push(collection);
    return collection;
  }

  /** Notes which bytes of decided messages came again; returns those that have come again in full. */
  #cameAgain(
    collection: Collection,
    index: number,
    reception: HkrootReception,
    pages: number,
    fresh: number,
    at: number,
  ): DsmCandidate[] {
    const candidates: DsmCandidate[] = [];
    for (const watched of collection.watched) {
      if (!repeats(watched.message, index, reception, pages)) continue;
      if (noteAgain(collection, watched, index, fresh, at)) candidates.push(candidateOf(collection, watched));
    }
    return candidates;
  }

  /** Drops what repeated a verified message; what contradicts it may be its successor. */
  #release(collection: Collection, message: Uint8Array): void {
    collection.blocks.forEach((block, i) => {
      const start = i * BLOCK_BYTES;
      block.remove(
        ({ bytes, known }) => start >= message.length || !differs(bytes, 0, message, start, known),
      );
    });
  }

  /** Adds the messages that the blocks make possible and that were not handed out before. */
  #complete(collection: Collection, at: number, candidates: DsmCandidate[]): void {
    const { dsmId, nmaHeader, blocks, tried, watched } = collection;
    let whole = 0;
    const { verified } = collection;
    blocks.forEach((block, i) => {
      if (stale(block.oldestAt, at, collection))
        block.remove((fragment) => stale(fragment.at, at, collection));
      // What repeated the verified message was not kept as any satellite's own; it is of the next one, too.
      const implied = verified === null ? 0 : impliedBytes(collection, verified, i, at);
      const bytes = verified?.message.subarray(i * BLOCK_BYTES, (i + 1) * BLOCK_BYTES) ?? null;
      block.imply(bytes, implied, verified?.blockAt[i] ?? at);
      if ((block.known | implied) === WHOLE_BLOCK) whole |= 1 << i;
    });
    collection.more = false;
    if ((whole & FEWEST_BLOCKS) !== FEWEST_BLOCKS) return;
    // Block 0 tells the number of blocks; where there are several block 0, each number has its share.
    const lengths = new Map<number, Variant[]>();
    for (const first of this.#variantsOf(blocks[0])) {
      const count =
        dsmId >= FIRST_PKR_ID ? numberOfPkrBlocks(first.bytes[0]) : numberOfKrootBlocks(first.bytes[0]);
      if (count === null || count > MAX_BLOCKS) continue;
      const needed = (1 << count) - 1;
      if ((whole & needed) !== needed) continue;
      const same = lengths.get(count);
      if (same === undefined) lengths.set(count, [first]);
      else same.push(first);
    }
    let isFirst = verified === null;
    for (const [count, first] of lengths) {
      const choices = [first];
      for (let i = 1; i < count; i++) choices.push(this.#variantsOf(blocks[i]) as Variant[]);
      if (choices.some((variants) => variants.length === 0)) continue;
      let share = Math.floor((MAX_CANDIDATES - MAX_WATCHED) / lengths.size);
      for (const selection of selections(choices)) {
        const leading = isFirst;
        isFirst = false;
        const key = selection.map(({ text }) => text).join("");
        if (tried.has(key)) continue;
        if (share === 0) {
          // The rest with the next pages, as long as it is known what was handed out.
          collection.more ||= tried.size < MAX_TRIED;
          break;
        }
        const message = new Uint8Array(count * BLOCK_BYTES);
        selection.forEach(({ bytes }, i) => message.set(bytes, i * BLOCK_BYTES));
        if (watched.some((known) => sameBytes(known.message, message))) continue;
        tried.add(key);
        share--;
        candidates.push({ dsmId, nmaHeader, message, before: null, leading });
      }
    }
    for (const oldest of tried) {
      if (tried.size <= MAX_TRIED) break;
      tried.delete(oldest);
    }
  }

  #variantsOf(block: Block): readonly Variant[] {
    if (block.variants === null) {
      const { variants, contradicted } = variantsOf([...block.fragments.values()], block.implied);
      if (contradicted && !block.contradicted) this.conflicts++;
      block.contradicted = contradicted;
      block.variants = variants;
    }
    return block.variants;
  }
}

/** In either direction: a clock that was wrong must not keep blocks for ever. */
function stale(blockAt: number, at: number, collection: Collection): boolean {
  return Number.isFinite(blockAt) && Math.abs(at - blockAt) > collection.ageSeconds;
}

/** Notes when a satellite was last heard; the longest silent makes way. */
function note(senders: Map<number, number>, svid: number, at: number): void {
  senders.delete(svid);
  senders.set(svid, at);
  for (const oldest of senders.keys()) {
    if (senders.size <= MAX_SENDERS) break;
    senders.delete(oldest);
  }
}

/** Whether all of a reception so far is what the message has in this block. */
function repeats(message: Uint8Array, index: number, reception: HkrootReception, pages: number): boolean {
  const start = index * BLOCK_BYTES;
  return start < message.length && !differs(reception.bytes, 2, message, start, pages);
}

/** Notes which bytes of a decided message came again; returns whether it has come again in full. */
function noteAgain(
  collection: Collection,
  watched: Watched,
  index: number,
  fresh: number,
  at: number,
): boolean {
  const { message, known, blockAt } = watched;
  if (stale(blockAt[index], at, collection)) known[index] = 0;
  known[index] |= fresh;
  blockAt[index] = at;
  if (known[index] !== WHOLE_BLOCK) return false;
  for (let block = message.length / BLOCK_BYTES - 1; block >= 0; block--) {
    if (impliedBytes(collection, watched, block, at) !== WHOLE_BLOCK) return false;
  }
  known.fill(0);
  watched.completedAt = at;
  return true;
}

/** Bytes of a block of a decided message that came again of late. */
function impliedBytes(
  collection: Collection,
  { known, blockAt }: Watched,
  block: number,
  at: number,
): number {
  if (stale(blockAt[block], at, collection)) known[block] = 0;
  return known[block];
}

function candidateOf({ dsmId, nmaHeader }: Collection, { message, verdict }: Watched): DsmCandidate {
  return { dsmId, nmaHeader, message, before: verdict, leading: true };
}

/** Whether bytes of one block, as far as `known` tells, differ from those of another place. */
function differs(a: Uint8Array, aStart: number, b: Uint8Array, bStart: number, known: number): boolean {
  for (let i = 0; i < BLOCK_BYTES; i++) if (known & (1 << i) && a[aStart + i] !== b[bStart + i]) return true;
  return false;
}

/** Puts a satellite's bytes into a block; what contradicts its own earlier version replaces that. */
function put(
  block: Block,
  svid: number,
  reception: HkrootReception,
  pages: number,
  fresh: number,
  at: number,
): boolean {
  let fragment = block.fragments.get(svid);
  let take = fresh;
  if (fragment !== undefined && differs(reception.bytes, 2, fragment.bytes, 0, fragment.known & pages)) {
    block.remove((own) => own.svid === svid);
    fragment = undefined;
    take = pages;
  }
  if (fragment === undefined) {
    if (block.fragments.size >= MAX_SENDERS) {
      const [oldest] = [...block.fragments.values()].sort((a, b) => a.at - b.at);
      block.remove((other) => other === oldest);
    }
    fragment = { svid, bytes: new Uint8Array(BLOCK_BYTES), known: 0, at };
    block.fragments.set(svid, fragment);
  }
  fragment.at = at;
  if (at < block.oldestAt) block.oldestAt = at;
  const gained = take & ~fragment.known;
  if (gained === 0) return false;
  for (let i = 0; i < BLOCK_BYTES; i++) if (gained & (1 << i)) fragment.bytes[i] = reception.bytes[i + 2];
  fragment.known |= gained;
  block.known |= gained;
  block.variants = null;
  return true;
}

/**
 * The whole contents that a block may have, by the number of satellites that agree with each. Parts of one
 * content may come from several satellites: each version in turn is completed by those that do not contradict it.
 */
function variantsOf(
  fragments: readonly Fragment[],
  implied: Fragment | null,
): { variants: Variant[]; contradicted: boolean } {
  const versions: { bytes: Uint8Array; known: number; support: number; at: number }[] = [];
  for (const { bytes, known, at } of fragments) {
    const same = versions.find((other) => other.known === known && !differs(other.bytes, 0, bytes, 0, known));
    if (same === undefined) versions.push({ bytes, known, support: 1, at });
    else {
      same.support++;
      same.at = Math.max(same.at, at);
    }
  }
  if (implied !== null) versions.push({ ...implied, support: 0 });
  versions.sort((a, b) => b.support - a.support || b.at - a.at);
  const found = new Map<string, Variant>();
  let contradicted = false;
  for (const seed of versions) {
    const bytes = seed.bytes.slice();
    let known = seed.known;
    let clash = false;
    for (const other of versions) {
      if (differs(other.bytes, 0, bytes, 0, other.known & known)) {
        clash = true;
        continue;
      }
      const gained = other.known & ~known;
      for (let i = 0; i < BLOCK_BYTES; i++) if (gained & (1 << i)) bytes[i] = other.bytes[i];
      known |= gained;
    }
    contradicted ||= clash;
    const text = String.fromCharCode(...bytes);
    if (known === WHOLE_BLOCK && !found.has(text)) {
      const senders = new Set<number>();
      let at = Number.NEGATIVE_INFINITY;
      for (const fragment of fragments) {
        if (differs(fragment.bytes, 0, bytes, 0, fragment.known)) continue;
        senders.add(fragment.svid);
        at = Math.max(at, fragment.at);
      }
      found.set(text, { bytes, text, senders, at });
    }
    // Nothing contradicts: the other versions would come to the same.
    if (!clash) break;
  }
  const variants = [...found.values()].sort((a, b) => b.senders.size - a.senders.size || b.at - a.at);
  return { variants: variants.slice(0, MAX_VARIANTS), contradicted };
}

/**
 * The ways to choose one content for every block, the likeliest first: what most satellites sent; the newest;
 * what remains without one satellite, the most contradicted first; what a satellite sent, completed by those that
 * agree with it; then mixtures, the least certain blocks varied first. Some come twice; the number is bounded.
 */
function* selections(choices: readonly (readonly Variant[])[]): Generator<Variant[]> {
  const most = choices.map((variants) => variants[0]);
  yield most;
  const open = choices.flatMap((variants, i) => (variants.length > 1 ? [i] : []));
  if (open.length === 0) return;
  const best = (score: (variant: Variant) => number): Variant[] =>
    choices.map((variants) => variants.reduce((a, b) => (score(b) > score(a) ? b : a)));
  yield best(({ at }) => at);
  const rivals = new Map<number, Set<number>>();
  const rivalsOf = (svid: number): Set<number> => {
    let set = rivals.get(svid);
    if (set === undefined) rivals.set(svid, (set = new Set()));
    return set;
  };
  for (const i of open) {
    for (const variant of choices[i]) {
      for (const other of choices[i]) {
        if (other === variant) continue;
        for (const svid of variant.senders) {
          for (const rival of other.senders) if (!variant.senders.has(rival)) rivalsOf(svid).add(rival);
        }
      }
    }
  }
  const suspects = [...rivals].sort((a, b) => b[1].size - a[1].size);
  for (const [svid] of suspects) yield best(({ senders }) => senders.size - Number(senders.has(svid)));
  for (const [svid, against] of suspects.reverse()) {
    yield best(({ senders }) => {
      let score = senders.has(svid) ? MAX_SENDERS : 0;
      for (const sender of senders) if (!against.has(sender)) score++;
      return score;
    });
  }
  const lead = (i: number): number => choices[i][0].senders.size - choices[i][1].senders.size;
  open.sort((a, b) => lead(a) - lead(b));
  for (let n = 1; n < MAX_TRIED; n++) {
    const mixture = most.slice();
    let rest = n;
    for (const i of open) {
      mixture[i] = choices[i][rest % choices[i].length];
      rest = Math.floor(rest / choices[i].length);
    }
    if (rest > 0) return;
    yield mixture;
  }
}
