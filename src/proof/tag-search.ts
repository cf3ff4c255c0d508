/**
 * Finds, in what a station committed to, the tags over given words, with the keys that open them: what shows that the
 * words were authentic when the station heard them. Pure. What is found is judged again by whoever is shown it.
 */
import type { TagObject } from "../evidence/objects.js";
import type { GoodRootKey } from "../evidence/verify-navigation.js";
import { GST_END, SUBFRAME_SECONDS } from "../inav/gst.js";
import { bitsEqual, copyBits, sameBytes } from "../osnma/bits.js";
import { createMac } from "../osnma/mac.js";
import { macLookup, messageIndexOf, type MacSlot } from "../osnma/mac-lookup-table.js";
import {
  adkdOfInfo,
  cop0Of,
  copOfInfo,
  macseqOf,
  prnDOfInfo,
  tagInfoOf,
  tagStartBit,
} from "../osnma/mack.js";
import { buildTagMessage, CED_BITS, MAX_TAG_MESSAGE_BYTES } from "../osnma/tag-message.js";
import { walkBack } from "../osnma/tesla.js";
import type { TagsItem } from "../station/items.js";

/** Chain steps from the newest key known down to that of a tag: a day. */
const MAX_STEPS = 2880;
/** NMA status in tags: 1 test, 2 operational. */
const NMAS = [2, 1];

export interface ChainKey {
  readonly gst: number;
  readonly key: Uint8Array;
}

export interface FoundTag {
  readonly tag: Omit<TagObject, "key" | "kind">;
  readonly key: ChainKey;
  readonly bits: number;
}

/** The TESLA key that a MACK section ends in; null where one of its pages was not heard. */
export function keyIn({ gst, pages, mack }: TagsItem, { layout }: GoodRootKey): ChainKey | null {
  const { keyPages, keyBits, keyStartBit } = layout;
  if ((pages & keyPages) !== keyPages) return null;
  const key = new Uint8Array(keyBits / 8);
  copyBits(mack, keyStartBit, key, 0, keyBits);
  return { gst, key };
}

/** Whether a key hashes back to one that is known to be of the chain. */
export function leadsTo({ parameters }: GoodRootKey, { gst, key }: ChainKey, known: ChainKey): boolean {
  const walked = walkBack(parameters, key, gst, known.gst, MAX_STEPS);
  return walked !== null && sameBytes(walked, known.key);
}

/** The keys of a chain up to the newest that is known; null for one after it. */
export function keysBefore(
  { parameters }: GoodRootKey,
  newest: ChainKey,
): (gst: number) => Uint8Array | null {
  const made = new Map<number, Uint8Array | null>();
  return (gst) => {
    let key = made.get(gst);
    if (key === undefined) {
      key = walkBack(parameters, newest.key, newest.gst, gst, MAX_STEPS);
      made.set(gst, key);
    }
    return key;
  };
}

/** The tags of a MACK section that are MACs over words of `navBits` (by SVID), under keys of the chain. */
export function tagsOver(
  item: TagsItem,
  navBits: ReadonlyMap<number, Uint8Array>,
  rootKey: GoodRootKey,
  keyAt: (gst: number) => Uint8Array | null,
): FoundTag[] {
  const { parameters, layout, nmaHeader } = rootKey;
  const { svid: prnA, gst, pages, mack } = item;
  const slots = macLookup(parameters.maclt, messageIndexOf(gst));
  if (slots === null || !layout.usable || gst >= GST_END) return [];
  const found: FoundTag[] = [];
  const statuses = [...NMAS].sort((a) => (a === nmaHeader >> 6 ? -1 : 1));
  for (const [slot, { flexible }] of slots.entries()) {
    if ((pages & layout.slotPages[slot]) !== layout.slotPages[slot]) continue;
    const info = slot === 0 ? null : tagInfoOf(mack, layout, slot);
    const prnD = info === null ? prnA : prnDOfInfo(info);
    const adkd = info === null ? 0 : adkdOfInfo(info);
    const cop = info === null ? cop0Of(mack, layout) : copOfInfo(info);
    const words = navBits.get(prnD);
    if (words === undefined || (adkd !== 0 && adkd !== 12) || cop === 0) continue;
    const macseq = flexible ? macseqFor(item, rootKey, slots) : null;
    if (flexible && macseq === null) continue;
    const keyGst = gst + (adkd === 12 ? 11 : 1) * SUBFRAME_SECONDS;
    const key = keyAt(keyGst);
    if (key === null) continue;
    const tag = new Uint8Array(Math.ceil(layout.tagBits / 8));
    copyBits(mack, tagStartBit(layout, slot), tag, 0, layout.tagBits);
    const mac = createMac(parameters, key);
    const message = new Uint8Array(MAX_TAG_MESSAGE_BYTES);
    const nmas = statuses.find((status) => {
      const named = slot === 0 ? null : prnD;
      const length = buildTagMessage(message, named, prnA, gst, slot + 1, status, words, CED_BITS);
      return bitsEqual(mac.digest(message, length), 0, tag, 0, layout.tagBits);
    });
    if (nmas === undefined) continue;
    const hex = Buffer.from(tag).toString("hex");
    found.push({
      tag: { prnA, prnD, gst, ctr: slot + 1, adkd, cop, nmas, tag: hex, macseq },
      key: { gst: keyGst, key },
      bits: layout.tagBits,
    });
  }
  return found;
}

/** MACSEQ and the Tag-Infos of all flexible slots; null where a page with one of them was not heard. */
function macseqFor(
  { pages, mack }: TagsItem,
  { layout }: GoodRootKey,
  slots: readonly MacSlot[],
): TagObject["macseq"] {
  const flexible = slots.flatMap((slot, i) => (slot.flexible ? [i] : []));
  const wanted = [0, ...flexible].reduce((mask, slot) => mask | layout.infoPages[slot], 0);
  if ((pages & wanted) !== wanted) return null;
  return { value: macseqOf(mack, layout), infos: flexible.map((slot) => tagInfoOf(mack, layout, slot)) };
}
