/**
 * The MACK section, 480 bits of a subframe: nt slots of tag and 16 bits, then the TESLA key, then zeros (OSNMA
 * SIS ICD 1.1, MACK section; osnma.md section 6). Slot 0 here is Tag0; its CTR is 1.
 */

import { readBits } from "./bits.js";
import type { ChainParameters } from "./dsm-kroot.js";
import { macLookup } from "./mac-lookup-table.js";

export const MACK_BITS = 480;
export const MACK_BYTES = 60;
/** MACK bits of one page; 15 pages make a section. */
export const MACK_PAGE_BITS = 32;
/** Tag-Info, and in slot 0 MACSEQ with COP. */
export const TAG_INFO_BITS = 16;
export const MACSEQ_BITS = 12;

/** Where things are; follows from the parameters of the chain in force in the subframe. */
export interface MackLayout {
  /** nt */
  readonly slots: number;
  /** Bits of a slot: lt + 16. */
  readonly slotBits: number;
  readonly tagBits: number;
  readonly keyStartBit: number;
  readonly keyBits: number;
  /** The look-up table is known and has nt slots in both messages. Otherwise no tag may be used. */
  readonly usable: boolean;
  /** Per slot, the pages that tag and info need; bit i is page i. Slot 0: Tag0, MACSEQ and COP. */
  readonly slotPages: readonly number[];
  /** Per slot, the pages of its 16 bits of info alone. Slot 0: MACSEQ and COP. */
  readonly infoPages: readonly number[];
  readonly keyPages: number;
}

export function mackLayoutOf(parameters: ChainParameters): MackLayout {
  const { keyBits, tagBits, maclt } = parameters;
  if (!Number.isInteger(keyBits) || keyBits < 8 || keyBits > 256 || keyBits % 8 !== 0) {
    throw new RangeError(`keyBits must be a multiple of 8 up to 256, not ${keyBits}`);
  }
  if (!Number.isInteger(tagBits) || tagBits < 1 || tagBits > 40) {
    throw new RangeError(`tagBits must be 1 to 40, not ${tagBits}`);
  }
  const slotBits = tagBits + TAG_INFO_BITS;
  const slots = Math.floor((MACK_BITS - keyBits) / slotBits);
  const keyStartBit = slots * slotBits;
  const starts = Array.from({ length: slots }, (_, slot) => slot * slotBits);
  return {
    slots,
    slotBits,
    tagBits,
    keyStartBit,
    keyBits,
    usable: macLookup(maclt, 0)?.length === slots && macLookup(maclt, 1)?.length === slots,
    slotPages: starts.map((start) => pagesOfBits(start, slotBits)),
    infoPages: starts.map((start) => pagesOfBits(start + tagBits, TAG_INFO_BITS)),
    keyPages: pagesOfBits(keyStartBit, keyBits),
  };
}

function checkSlot(layout: MackLayout, slot: number, first: number): void {
  if (!Number.isInteger(slot) || slot < first || slot >= layout.slots) {
    throw new RangeError(`slot must be ${first} to ${layout.slots - 1}, not ${slot}`);
  }
}

function checkMack(mack: Uint8Array): void {
  if (!(mack instanceof Uint8Array)) {
    throw new TypeError("mack must be a Uint8Array");
  }
  if (mack.length !== MACK_BYTES) {
    throw new RangeError(`a MACK section is ${MACK_BYTES} bytes, not ${mack.length}`);
  }
}

/** First bit of the tag in a slot. */
export function tagStartBit(layout: MackLayout, slot: number): number {
  checkSlot(layout, slot, 0);
  return slot * layout.slotBits;
}

/** First bit of a slot's Tag-Info; in slot 0 of MACSEQ. */
export function infoStartBit(layout: MackLayout, slot: number): number {
  checkSlot(layout, slot, 0);
  return slot * layout.slotBits + layout.tagBits;
}

/** Tag-Info of a slot ≥ 1: PRN_D (8) | ADKD (4) | COP (4). */
export function tagInfoOf(mack: Uint8Array, layout: MackLayout, slot: number): number {
  checkMack(mack);
  checkSlot(layout, slot, 1);
  return readBits(mack, slot * layout.slotBits + layout.tagBits, TAG_INFO_BITS);
}

export function prnDOfInfo(info: number): number {
  return (info >>> 8) & 0xff;
}

export function adkdOfInfo(info: number): number {
  return (info >>> 4) & 0xf;
}

export function copOfInfo(info: number): number {
  return info & 0xf;
}

export function macseqOf(mack: Uint8Array, layout: MackLayout): number {
  checkMack(mack);
  return readBits(mack, layout.tagBits, MACSEQ_BITS);
}

/** COP of Tag0. */
export function cop0Of(mack: Uint8Array, layout: MackLayout): number {
  checkMack(mack);
  return readBits(mack, layout.tagBits + MACSEQ_BITS, 4);
}

/** Index of the page that carries a bit of the section. */
export function pageOfBit(bit: number): number {
  return bit >> 5;
}

/** The pages that carry a run of bits, as a mask: bit i is page i. */
export function pagesOfBits(startBit: number, count: number): number {
  if (!Number.isInteger(startBit) || !Number.isInteger(count) || startBit < 0 || count < 0) {
    throw new RangeError(`no such bits: ${startBit}..+${count}`);
  }
  if (startBit + count > MACK_BITS) {
    throw new RangeError(`bits ${startBit}..+${count} are outside of a MACK section`);
  }
  let mask = 0;
  if (count > 0) {
    for (let page = pageOfBit(startBit); page <= pageOfBit(startBit + count - 1); page++) {
      mask |= 1 << page;
    }
  }
  return mask;
}
