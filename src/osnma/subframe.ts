/**
 * What was received of one 30 s subframe: per satellite the HKROOT and MACK sections as far as they came,
 * kept raw until chain and key are known (OSNMA SIS ICD 1.1, HKROOT and MACK).
 */
import { HkrootReception } from "./dsm-store.js";
import { MACK_BYTES } from "./mack.js";
import type { TimeGate } from "./time-gate.js";

export const PAGES_IN_SUBFRAME = 15;
const MAX_KEY_CANDIDATES = 16;

/** One satellite's share of a subframe. */
export class SatelliteSubframe {
  readonly svid: number;
  readonly gst: number;
  readonly hkroot = new HkrootReception();
  readonly mack = new Uint8Array(MACK_BYTES);
  /** Bit i: page i was received and is not contradicted. */
  pages = 0;
  /** Pages received twice with different bits: neither copy is believed. */
  contradicted = 0;
  /** The worst that the time condition allowed any of its pages. */
  gate: TimeGate = "all";
  macseq: "pending" | "verified" | "failed" | "unusable" = "pending";
  /** ADKD 0, ADKD 4 and MACSEQ have been decided; likewise ADKD 12. */
  fastDone = false;
  slowDone = false;

  constructor(svid: number, gst: number) {
    this.svid = svid;
    this.gst = gst;
  }

  /** Takes in page `index`. Returns false where it contradicts an earlier copy or repeats it. */
  put(index: number, hkroot: number, mack: number, gate: TimeGate): boolean {
    const bit = 1 << index;
    if (this.contradicted & bit) return false;
    const at = index * 4;
    if (this.pages & bit) {
      const known =
        ((this.mack[at] << 24) | (this.mack[at + 1] << 16) | (this.mack[at + 2] << 8) | this.mack[at + 3]) >>>
        0;
      if (known !== mack || this.hkroot.bytes[index] !== hkroot) {
        this.pages &= ~bit;
        this.hkroot.pages &= ~bit;
        this.contradicted |= bit;
      }
      return false;
    }
    this.pages |= bit;
    this.hkroot.pages |= bit;
    this.hkroot.bytes[index] = hkroot;
    this.mack[at] = mack >>> 24;
    this.mack[at + 1] = mack >>> 16;
    this.mack[at + 2] = mack >>> 8;
    this.mack[at + 3] = mack;
    if (gate !== "all" && this.gate !== "none") this.gate = gate;
    return true;
  }

  /** NMA header of this satellite, null while page 0 is missing. */
  get nmaHeader(): number | null {
    return this.hkroot.pages & 1 ? this.hkroot.bytes[0] : null;
  }
}

export class Subframe {
  readonly gst: number;
  readonly satellites: SatelliteSubframe[] = [];
  readonly #bySvid: (SatelliteSubframe | undefined)[] = [];
  /** Pages that at least one satellite delivered, as a bit mask. */
  received = 0;
  /** The key disclosed in this subframe has been verified from its pages. */
  keyVerified = false;
  /** Candidates tried without success, as hexadecimal digits, so that none is tried again; bounded. */
  readonly keysTried = new Set<string>();
  keySearched = false;
  /** HKROOT bytes came while no satellite had delivered page 0. */
  headerless = false;
  /** ADKD 0, 4 and MACSEQ of every satellite have been decided. */
  fastDecided = false;
  /** Every tag of every satellite has been decided. */
  decided = false;

  constructor(gst: number) {
    this.gst = gst;
  }

  satellite(svid: number): SatelliteSubframe {
    let satellite = this.#bySvid[svid];
    if (satellite === undefined) {
      this.#bySvid[svid] = satellite = new SatelliteSubframe(svid, this.gst);
      this.satellites.push(satellite);
    }
    return satellite;
  }

  /** The header most satellites send, null while none sent one; a hint only, until a KROOT verifies with it. */
  get nmaHeader(): number | null {
    let best: number | null = null;
    let bestCount = 0;
    for (const { nmaHeader } of this.satellites) {
      if (nmaHeader === null || nmaHeader === best) continue;
      let count = 0;
      for (const other of this.satellites) if (other.nmaHeader === nmaHeader) count++;
      if (count > bestCount) {
        best = nmaHeader;
        bestCount = count;
      }
    }
    return best;
  }

  /** The header that more than half of the satellites with one send, and at least two; else null. */
  get agreedHeader(): number | null {
    const header = this.nmaHeader;
    if (header === null) return null;
    let count = 0;
    for (const satellite of this.satellites) if (satellite.nmaHeader === header) count++;
    return count >= 2 && (this.headerShare(header) ?? 0) > 0.5 ? header : null;
  }

  /** Share of the satellites whose header is known that send `header`; null while none is known. */
  headerShare(header: number): number | null {
    let known = 0;
    let same = 0;
    for (const { nmaHeader } of this.satellites) {
      if (nmaHeader === null) continue;
      known++;
      if (nmaHeader === header) same++;
    }
    return known === 0 ? null : same / known;
  }

  /** The header to use with `satellite`: its own, or where page 0 is missing what the others send. */
  headerFor(satellite: SatelliteSubframe): number | null {
    return satellite.nmaHeader ?? this.nmaHeader;
  }

  /**
   * The keys that the pages received so far spell out: all satellites send the same one, so its pages may come
   * from different satellites. Where pages contradict each other there are several candidates: the whole keys
   * of single satellites first, so that no number of forged pages can hide an honest satellite's key among
   * mixtures, then mixtures, what most satellites send first; at most 16 of each. `skipPages` leaves out pages
   * (their bits stay zero). Null where a needed page is missing everywhere.
   */
  keyCandidates(keyStartBit: number, keyBits: number, keyPages: number, skipPages = 0): Uint8Array[] | null {
    let mixtures: Uint8Array[] = [new Uint8Array(MACK_BYTES)];
    const neededPages = keyPages & ~skipPages;
    let contradiction = false;
    for (let page = 0; page < PAGES_IN_SUBFRAME; page++) {
      const bit = 1 << page;
      if ((neededPages & bit) === 0) continue;
      const counts = new Map<number, number>();
      for (const satellite of this.satellites) {
        if ((satellite.pages & bit) === 0) continue;
        const value = keyBitsOfPage(satellite, page, keyStartBit, keyBits);
        counts.set(value, (counts.get(value) ?? 0) + 1);
      }
      if (counts.size === 0) return null;
      contradiction ||= counts.size > 1;
      const values = [...counts].sort((a, b) => b[1] - a[1]);
      const next: Uint8Array[] = [];
      for (const [value] of values) {
        for (const candidate of mixtures) {
          if (next.length >= MAX_KEY_CANDIDATES) break;
          const extended = values.length === 1 ? candidate : candidate.slice();
          new DataView(extended.buffer, extended.byteOffset).setUint32(page * 4, value);
          next.push(extended);
        }
      }
      mixtures = next;
    }
    const candidates = mixtures.map((mack) => extract(mack, keyStartBit, keyBits));
    if (!contradiction) return candidates;
    return distinct([...this.#wholeKeys(keyStartBit, keyBits, neededPages), ...candidates]);
  }

  /** Keys of satellites that delivered every page of `pages`. */
  #wholeKeys(keyStartBit: number, keyBits: number, pages: number): Uint8Array[] {
    const keys: Uint8Array[] = [];
    for (const satellite of this.satellites) {
      if ((satellite.pages & pages) !== pages) continue;
      const mack = new Uint8Array(MACK_BYTES);
      for (let page = 0; page < PAGES_IN_SUBFRAME; page++) {
        if ((pages & (1 << page)) === 0) continue;
        new DataView(mack.buffer).setUint32(page * 4, keyBitsOfPage(satellite, page, keyStartBit, keyBits));
      }
      keys.push(extract(mack, keyStartBit, keyBits));
    }
    return distinct(keys).slice(0, MAX_KEY_CANDIDATES);
  }
}

function distinct(keys: readonly Uint8Array[]): Uint8Array[] {
  return keys.filter((key, i) => keys.findIndex((other) => key.every((byte, j) => byte === other[j])) === i);
}

/** The key's bits among the 32 MACK bits of a satellite's page. */
function keyBitsOfPage(
  satellite: SatelliteSubframe,
  page: number,
  keyStartBit: number,
  keyBits: number,
): number {
  const at = page * 4;
  const { mack } = satellite;
  const value = (mack[at] << 24) | (mack[at + 1] << 16) | (mack[at + 2] << 8) | mack[at + 3];
  return (value & keyMaskOf(page, keyStartBit, keyBits)) >>> 0;
}

/** Bits of a page's 32 MACK bits that belong to the key. */
function keyMaskOf(page: number, keyStartBit: number, keyBits: number): number {
  const first = Math.max(0, keyStartBit - page * 32);
  const last = Math.min(32, keyStartBit + keyBits - page * 32);
  if (last <= first) return 0;
  const high = first === 0 ? 0xffffffff : 0xffffffff >>> first;
  const low = last === 32 ? 0xffffffff : ~(0xffffffff >>> last);
  return (high & low) >>> 0;
}

function extract(mack: Uint8Array, startBit: number, count: number): Uint8Array {
  const out = new Uint8Array(count >> 3);
  const shift = startBit & 7;
  const start = startBit >> 3;
  for (let i = 0; i < out.length; i++) {
    out[i] =
      shift === 0 ? mack[start + i] : (mack[start + i] << shift) | (mack[start + i + 1] >>> (8 - shift));
  }
  return out;
}
