/**
 * A first DSM-KROOT from less than all of it, for a start that knows a public key but no chain. Two things need not
 * be waited for:
 *
 * - the padding P_DK, which is a hash of what comes before it (OSNMA SIS ICD 1.1, DSM-KROOT);
 * - the DSM header of a satellite whose page 1 was missed. Satellites send the blocks in turn: the block of SVID s in
 *   the subframe at t is (s + t / 30 s + c) modulo the number of blocks, c being the same for all. No document
 *   promises this, so it is only used where the DSM headers that were received agree with it.
 *
 * Nothing here is believed: what comes out is a message for the signature to decide. The work is bounded by what is
 * kept, and the signatures that it may cost by `MAX_TRIES` a subframe.
 */
import { SUBFRAME_SECONDS } from "../inav/gst.js";
import { BLOCK_BYTES, FIRST_PKR_ID, type HkrootReception } from "./dsm-store.js";

/** Blocks of a DSM-KROOT: NB_DK says 7 to 14. */
const FEWEST_BLOCKS = 7;
const MOST_BLOCKS = 14;
const MAX_BYTES = MOST_BLOCKS * BLOCK_BYTES;
/** Receptions kept: 20 minutes of 20 satellites. */
const MAX_RECEPTIONS = 800;
/** DSM headers that must agree on the order of blocks. */
const AGREEING_HEADERS = 3;
/** Messages handed out in one subframe at most. */
const MAX_TRIES = 4;
/** A block that a DSM header names counts for more than one that the order of blocks gives. */
const HEARD = 3;
const PLACED = 1;

interface Kept {
  readonly svid: number;
  readonly gst: number;
  readonly reception: HkrootReception;
}

/** Where receptions without a DSM header belong. */
interface Order {
  readonly dsmId: number;
  readonly blocks: number;
  readonly offset: number;
}

export class KrootInference {
  #kept: Kept[] = [];
  #order: Order | null = null;
  #dsmId: number | null = null;
  /** By byte of the message: what was received there, and how often. */
  #votes: Map<number, number>[] = noVotes();
  #changed = false;
  #triesGst = Number.NEGATIVE_INFINITY;
  #tries = 0;
  readonly #tried = new Set<string>();

  /** Takes in page `index` of what satellite `svid` sends in the subframe at `gst`. */
  push(svid: number, gst: number, reception: HkrootReception, index: number): void {
    const kept = this.#keptOf(svid, gst, reception);
    if (index === 1) this.#findOrder(gst);
    else if (index >= 2) this.#count(kept, 1 << index);
  }

  #keptOf(svid: number, gst: number, reception: HkrootReception): Kept {
    for (let i = this.#kept.length - 1; i >= 0 && this.#kept[i].gst >= gst; i--)
      if (this.#kept[i].reception === reception) return this.#kept[i];
    const kept = { svid, gst, reception };
    this.#kept.push(kept);
    if (this.#kept.length > MAX_RECEPTIONS) this.#kept.shift();
    return kept;
  }

  /**
   * The message as far as it is known, and which of its bytes are, where that is more than when it was last asked
   * for; else null. Of several versions of a byte the one most received.
   */
  message(): { readonly dsmId: number; readonly bytes: Uint8Array; readonly known: boolean[] } | null {
    if (!this.#changed || this.#dsmId === null) return null;
    this.#changed = false;
    const bytes = new Uint8Array(MAX_BYTES);
    const known = this.#votes.map((votes, i) => {
      let best = 0;
      for (const [value, count] of votes) {
        if (count > best) {
          best = count;
          bytes[i] = value;
        }
      }
      return best > 0;
    });
    return { dsmId: this.#dsmId, bytes, known };
  }

  /** Whether a message may be tried: not the same twice, and few in one subframe. */
  mayTry(gst: number, message: Uint8Array): boolean {
    if (gst !== this.#triesGst) {
      this.#triesGst = gst;
      this.#tries = 0;
      if (this.#tried.size > MAX_RECEPTIONS) this.#tried.clear();
    }
    const text = String.fromCharCode(...message);
    if (this.#tries >= MAX_TRIES || this.#tried.has(text)) return false;
    this.#tries++;
    this.#tried.add(text);
    return true;
  }

  /** Finds the order of blocks that most DSM headers of this and the last subframe agree with. */
  #findOrder(gst: number): void {
    const heard = this.#kept.filter(
      (kept) => kept.gst >= gst - SUBFRAME_SECONDS && headerOf(kept.reception) !== null,
    );
    const ids = new Map<number, number>();
    for (const { reception } of heard) {
      const id = reception.bytes[1] >> 4;
      if (id < FIRST_PKR_ID) ids.set(id, (ids.get(id) ?? 0) + 1);
    }
    let dsmId: number | null = null;
    for (const [id, count] of ids) if (dsmId === null || count > ids.get(dsmId)!) dsmId = id;
    let order: Order | null = null;
    let most = 0;
    for (let blocks = FEWEST_BLOCKS; dsmId !== null && blocks <= MOST_BLOCKS; blocks++) {
      const offsets = new Uint16Array(blocks);
      for (const kept of heard) {
        const header = headerOf(kept.reception)!;
        if (header >> 4 === dsmId) offsets[modulo((header & 0x0f) - placeOf(kept), blocks)]++;
      }
      const best = Math.max(...offsets);
      // Fewer satellites than blocks may agree with several numbers of blocks: then it is not known.
      if (best === most) order = null;
      else if (best > most) order = { dsmId, blocks, offset: offsets.indexOf(best) };
      most = Math.max(most, best);
    }
    if (most < AGREEING_HEADERS || most * 2 <= heard.length) order = null;
    const same =
      this.#dsmId === dsmId && this.#order?.blocks === order?.blocks && this.#order?.offset === order?.offset;
    if (same) return;
    this.#order = order;
    this.#dsmId = dsmId;
    this.#votes = noVotes();
    this.#changed = true;
    for (const kept of this.#kept) this.#count(kept, kept.reception.pages);
  }

  /** Counts the bytes of the pages of `mask` where they belong, if that is known. */
  #count(kept: Kept, mask: number): void {
    const { reception } = kept;
    const header = headerOf(reception);
    const order = this.#order;
    let block: number;
    if (header !== null) {
      if (header >> 4 !== this.#dsmId) return;
      block = header & 0x0f;
    } else {
      if (order === null) return;
      block = modulo(placeOf(kept) + order.offset, order.blocks);
    }
    if (block >= MOST_BLOCKS) return;
    const pages = reception.pages & mask;
    for (let page = 2; page < 15; page++) {
      if ((pages & (1 << page)) === 0) continue;
      const votes = this.#votes[block * BLOCK_BYTES + page - 2];
      const value = reception.bytes[page];
      if (!votes.has(value)) this.#changed = true;
      votes.set(value, (votes.get(value) ?? 0) + (header === null ? PLACED : HEARD));
    }
  }
}

const noVotes = (): Map<number, number>[] =>
  Array.from({ length: MAX_BYTES }, () => new Map<number, number>());

/** DSM id and block id of a reception, null while its page 1 is missing. */
const headerOf = ({ bytes, pages }: HkrootReception): number | null => (pages & 2 ? bytes[1] : null);

const placeOf = ({ svid, gst }: Kept): number => svid + gst / SUBFRAME_SECONDS;

const modulo = (value: number, by: number): number => ((value % by) + by) % by;
