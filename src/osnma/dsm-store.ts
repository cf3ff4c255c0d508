/**
 * Reassembly of DSM messages from HKROOT bytes, page by page and over satellites (OSNMA SIS ICD 1.1, HKROOT
 * and DSM). Blocks of one message come from all satellites; different messages are never mixed on purpose:
 * a byte that contradicts what is there starts another assembly, and a signature or proof decides.
 */
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
/** Assemblies kept for one id: the newest contents, and what stood there before. */
const MAX_ASSEMBLIES = 4;

/** A message on its way to completeness. */
export class Assembly {
  readonly dsmId: number;
  /** NMA header the blocks came with; null for a DSM-PKR, which does not cover it. */
  readonly nmaHeader: number | null;
  readonly bytes = new Uint8Array(MAX_BLOCKS * BLOCK_BYTES);
  readonly #known = new Uint8Array(MAX_BLOCKS * BLOCK_BYTES);
  readonly #blockKnown = new Uint8Array(MAX_BLOCKS);
  lastAt: number;
  /** False once a byte came from a page that failed the time condition. */
  timely = true;
  /** The message as last handed out, to tell a repetition from news. */
  completed: Uint8Array | null = null;

  constructor(dsmId: number, nmaHeader: number | null, at: number) {
    this.dsmId = dsmId;
    this.nmaHeader = nmaHeader;
    this.lastAt = at;
  }

  contradicts(index: number, value: number): boolean {
    return this.#known[index] === 1 && this.bytes[index] !== value;
  }

  put(index: number, value: number, at: number): void {
    this.lastAt = at;
    if (this.#known[index] === 1) return;
    this.#known[index] = 1;
    this.bytes[index] = value;
    this.#blockKnown[(index / BLOCK_BYTES) | 0]++;
  }

  /** The whole message once every byte of its blocks is there, else null. */
  message(): Uint8Array | null {
    if (this.#known[0] === 0) return null;
    const first = this.bytes[0];
    const blocks = this.dsmId >= FIRST_PKR_ID ? numberOfPkrBlocks(first) : numberOfKrootBlocks(first);
    if (blocks === null || blocks > MAX_BLOCKS) return null;
    for (let block = 0; block < blocks; block++) if (this.#blockKnown[block] !== BLOCK_BYTES) return null;
    return this.bytes.slice(0, blocks * BLOCK_BYTES);
  }

  /** Begins to collect the same message again, so that its repetition shows that it is still on air. */
  restart(message: Uint8Array): void {
    this.completed = message;
    this.timely = true;
    this.#known.fill(0);
    this.#blockKnown.fill(0);
  }
}

/** One satellite's HKROOT of one subframe, as far as received. */
export class HkrootReception {
  readonly bytes = new Uint8Array(15);
  /** Bit i: page i was received. */
  pages = 0;
  assembly: Assembly | null = null;
}

export class DsmStore {
  readonly #slots: Assembly[][] = Array.from({ length: DSM_IDS }, () => []);
  /** Blocks that contradicted what had been collected under their id. */
  conflicts = 0;

  /**
   * Takes in what `reception` holds after its page `page` arrived at `at`, and returns a message that this
   * page completed. `nmaHeader` is the header of that subframe, or null while unknown: without it nothing of
   * a DSM-KROOT is kept, since the signature covers it.
   */
  push(
    reception: HkrootReception,
    page: number,
    nmaHeader: number | null,
    at: number,
    timely: boolean,
  ): { assembly: Assembly; message: Uint8Array } | null {
    if ((reception.pages & 2) === 0) return null;
    const dsmId = reception.bytes[1] >> 4;
    const block = reception.bytes[1] & 0x0f;
    const isPkr = dsmId >= FIRST_PKR_ID;
    if (!isPkr && nmaHeader === null) return null;
    const header = isPkr ? null : nmaHeader;
    let assembly = reception.assembly;
    if (assembly === null || assembly.nmaHeader !== header) {
      // First use of this reception: everything it holds so far goes in.
      assembly = this.#assemblyFor(dsmId, header, block, reception, at);
      reception.assembly = assembly;
      this.#putAll(assembly, block, reception, at);
    } else if (page >= 2) {
      const index = block * BLOCK_BYTES + page - 2;
      const value = reception.bytes[page];
      if (assembly.contradicts(index, value)) {
        assembly = this.#assemblyFor(dsmId, header, block, reception, at);
        reception.assembly = assembly;
        this.#putAll(assembly, block, reception, at);
      } else {
        assembly.put(index, value, at);
      }
    }
    if (!timely) assembly.timely = false;
    const message = assembly.message();
    return message === null ? null : { assembly, message };
  }

  #putAll(assembly: Assembly, block: number, reception: HkrootReception, at: number): void {
    for (let page = 2; page < 15; page++) {
      if (reception.pages & (1 << page))
        assembly.put(block * BLOCK_BYTES + page - 2, reception.bytes[page], at);
    }
  }

  /** The newest assembly that nothing in `reception` contradicts, or a new one. */
  #assemblyFor(
    dsmId: number,
    header: number | null,
    block: number,
    reception: HkrootReception,
    at: number,
  ): Assembly {
    const slot = this.#slots[dsmId];
    const age = dsmId >= FIRST_PKR_ID ? PKR_AGE_SECONDS : KROOT_AGE_SECONDS;
    for (let i = slot.length - 1; i >= 0; i--) if (at - slot[i].lastAt > age) slot.splice(i, 1);
    let contradicted = false;
    for (let i = slot.length - 1; i >= 0; i--) {
      const assembly = slot[i];
      if (assembly.nmaHeader !== header) continue;
      let fits = true;
      for (let page = 2; page < 15 && fits; page++) {
        fits =
          (reception.pages & (1 << page)) === 0 ||
          !assembly.contradicts(block * BLOCK_BYTES + page - 2, reception.bytes[page]);
      }
      if (fits) return assembly;
      contradicted = true;
    }
    if (contradicted) this.conflicts++;
    const assembly = new Assembly(dsmId, header, at);
    slot.push(assembly);
    if (slot.length > MAX_ASSEMBLIES) slot.shift();
    return assembly;
  }

  /** Forgets everything: after an authenticated alert nothing collected is of use. */
  clear(): void {
    for (const slot of this.#slots) slot.length = 0;
  }
}
