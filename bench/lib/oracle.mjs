/**
 * The floor of the time to first authenticated fix: an oracle that knows the whole capture says for each start
 * when the information needed has arrived, whatever a receiver does with it. It shares the format primitives
 * (word layout, MAC, chain step, Reed-Solomon code) with the project, but none of the engine's logic: no state,
 * no order of events, every tag looked at with everything known. Its assumptions are listed in docs/ttfaf.md.
 */
import { parseDsmKroot } from "../../dist/osnma/dsm-kroot.js";
import { createMac } from "../../dist/osnma/mac.js";
import { macLookup, messageIndexOf } from "../../dist/osnma/mac-lookup-table.js";
import { previousKey } from "../../dist/osnma/tesla.js";
import { buildMacseqMessage, buildTagMessage, cedNavBits, CED_BITS } from "../../dist/osnma/tag-message.js";
import { encodeParity, rebuildWords } from "../../dist/inav/reed-solomon.js";
import { e1bHealthOf, iodNavOf, sisaIndexOf } from "../../dist/inav/word.js";

const SUBFRAME_SECONDS = 30;
const FIX_SATELLITES = 4;
/** The layout of today's chains: 6 slots of 56 bits, the key in bits 336 to 463 of the MACK section. */
const SLOTS = 6;
const SLOT_BITS = 56;
const KEY_START_BIT = 336;
const KEY_BITS = 128;
const KEY_PAGES = [10, 11, 12, 13, 14];
/** A search may find this many missing bits of a key; pages 10 and 14 carry 16 each. */
const SEARCHABLE_PAGES = [10, 14];

const pageOfBit = (bit) => bit >> 5;
const subframeOf = (gst) => Math.floor((gst - 1) / SUBFRAME_SECONDS) * SUBFRAME_SECONDS;
const hex = (bytes) => Buffer.from(bytes).toString("hex");

/** What makes two words the same datum: words 1-4 as signed, word 5 up to its DVS bits. */
function contentOf(type, word) {
  const copy = Uint8Array.from(word);
  if (type === 5) {
    copy.fill(0, 10);
    copy[9] &= 0x80;
  } else if (type !== 3 && type <= 4) {
    copy[15] &= 0xfc;
  }
  return hex(copy);
}

/**
 * A tag that authenticates healthy data of a satellite, and how late a start may be to profit from it.
 * @typedef {object} Evidence
 * @property {number} svid PRN_D
 * @property {number} latestStart a start after this misses part of the tag or of its data
 * @property {number} end the end of the page that discloses the key
 * @property {string} what for reports
 */

/**
 * @param {import("./pages.mjs").TimedPage[]} pages
 * @param {{ dsm: Uint8Array, nmaHeader: number }} rootKey
 * @param {import("../../dist/osnma/ecdsa.js").KeyType} keyType
 */
export function createOracle(pages, rootKey, keyType) {
  const kroot = parseDsmKroot(rootKey.dsm, keyType);
  if (kroot === null || kroot.parameters === null) throw new Error("the root key gives no chain");
  const { parameters } = kroot;
  if (parameters.keyBits !== KEY_BITS || parameters.tagBits !== 40) {
    throw new Error("the oracle knows chains of 128-bit keys and 40-bit tags only");
  }
  const macks = collectMacks(pages);
  const keys = deriveKeys(macks, parameters, kroot);
  const words = collectWords(pages);
  const tags = resolveTags(macks, keys, words, parameters);
  const keyEnds = keyArrivals(pages);
  const headerStarts = latestHeaders(pages);
  const krootEnds = krootArrivals(pages, parameters);
  const firstGst = pages[0].gst;

  /**
   * @param {"guideline" | "aggressive"} rule
   * @param {{ exclusive?: boolean, headerNeeded?: boolean, boundSeconds?: number }} [options]
   *   exclusive: under `guideline`, the word of the page with the last Tag-Info bit does not count.
   *   headerNeeded: the NMA header must be received in the tag's own subframe, from any satellite. By default it
   *   is taken as known: two bits that the signed header of the root key tells, and that the MAC confirms.
   * @returns {(start: number) => { end: number, by: Evidence[] } | null}
   */
  function floor(rule, options = {}) {
    const { exclusive = false, headerNeeded = false, boundSeconds = 1 } = options;
    /** @type {Evidence[]} */
    const evidence = [];
    for (const tag of tags) {
      const disclosing = tag.gst + (tag.adkd === 12 ? 330 : 30);
      const end = keyEnds(disclosing);
      if (end === null) continue;
      // The last Tag-Info bit (335) is in the odd half of page 10, after the last bits of that page's word.
      const lastInfoPage = pageOfBit(KEY_START_BIT - 1);
      const guideline = tag.gst + 1 + 2 * lastInfoPage + (exclusive ? 1 : 2);
      const firstKeyBit = disclosing + 1 + 2 * pageOfBit(KEY_START_BIT) + 1;
      const limit = rule === "guideline" ? guideline : firstKeyBit - boundSeconds;
      const data = latestStartForData(tag, limit);
      if (data === null) continue;
      const latestStart = Math.min(
        tag.firstPage,
        data,
        headerNeeded ? (headerStarts.get(tag.gst) ?? -Infinity) : Infinity,
      );
      const what = `E${tag.svidA} ${tag.gst % 604800} slot ${tag.slot + 1} ADKD ${tag.adkd} COP ${tag.cop} -> E${tag.svid}`;
      evidence.push({ svid: tag.svid, latestStart, end, what, tag, data });
    }
    evidence.sort((a, b) => a.end - b.end);
    let skip = 0;
    return (start) => {
      // Evidence is in order of its end, and starts usually ascend: what ended before this start is done with.
      if (skip > 0 && evidence[skip - 1].end >= start) skip = 0;
      while (skip < evidence.length && evidence[skip].end < start) skip++;
      const by = [];
      const seen = new Set();
      for (let i = skip; i < evidence.length; i++) {
        const item = evidence[i];
        if (item.latestStart < start || seen.has(item.svid)) continue;
        seen.add(item.svid);
        by.push(item);
        if (by.length === FIX_SATELLITES) return { end: item.end, by };
      }
      return null;
    };
  }

  /** The latest start from which the tag's data still arrives in full within COP window and limit. */
  function latestStartForData(tag, limit) {
    const from = tag.gst - SUBFRAME_SECONDS * tag.cop;
    const last = (sightings) => {
      for (let i = sightings.length - 1; i >= 0; i--) {
        if (sightings[i] + 2 <= limit) return sightings[i] >= from ? sightings[i] : null;
      }
      return null;
    };
    const word5 = last(tag.data.word5);
    if (word5 === null) return null;
    const found = tag.data.places.map(last).filter((at) => at !== null);
    if (found.length < 4) return null;
    found.sort((a, b) => b - a);
    return Math.min(word5, found[3]);
  }

  /**
   * The warm floor: the hot one, but not before the chain's DSM-KROOT is known.
   * @param {"guideline" | "aggressive"} rule
   * @param {{ padding?: boolean, dsmHeaderNeeded?: boolean }} [options]
   */
  function warmFloor(rule, options = {}) {
    const hot = floor(rule);
    const kroot = krootEnds(options);
    return (start) => {
      const found = hot(start);
      const known = kroot(start);
      if (found === null || known === null) return null;
      return { end: Math.max(found.end, known), by: found.by, hot: found.end, kroot: known };
    };
  }

  return { floor, warmFloor, tags, firstGst, anomalies: words.anomalies };
}

/** MACK sections by satellite and subframe: page index to 32 bits. */
function collectMacks(pages) {
  const macks = new Map();
  for (const { page, gst } of pages) {
    if (!page.hasOsnma) continue;
    const subframe = subframeOf(gst);
    const name = `${page.svid}/${subframe}`;
    let mack = macks.get(name);
    if (mack === undefined) {
      macks.set(name, (mack = { svid: page.svid, gst: subframe, pages: new Map(), header: null }));
    }
    const index = (gst - 1 - subframe) / 2;
    mack.pages.set(index, page.mack);
    if (index === 0) mack.header = page.hkroot;
  }
  return [...macks.values()];
}

function bitsOf(mack, start, count) {
  let value = 0n;
  for (let bit = start; bit < start + count; bit++) {
    const word = mack.pages.get(pageOfBit(bit));
    if (word === undefined) return null;
    value = (value << 1n) | BigInt((word >>> (31 - (bit & 31))) & 1);
  }
  return value;
}

/** Every key of the capture, from the last one that arrived whole, checked against the root key. */
function deriveKeys(macks, parameters, kroot) {
  const keys = new Map();
  const newest = macks.reduce((latest, { gst }) => Math.max(latest, gst), 0);
  for (let gst = newest; gst > newest - 40 * SUBFRAME_SECONDS; gst -= SUBFRAME_SECONDS) {
    for (const mack of macks) {
      if (mack.gst !== gst) continue;
      const bits = bitsOf(mack, KEY_START_BIT, KEY_BITS);
      if (bits === null) continue;
      let key = Uint8Array.from(Buffer.from(bits.toString(16).padStart(32, "0"), "hex"));
      keys.clear();
      keys.set(gst, key);
      for (let at = gst - SUBFRAME_SECONDS; at >= kroot.gst0 - SUBFRAME_SECONDS; at -= SUBFRAME_SECONDS) {
        keys.set(at, (key = previousKey(parameters, key, at)));
      }
      if (hex(key) === hex(kroot.kroot)) return keys;
    }
  }
  throw new Error("no key of the capture hashes back to the root key");
}

/** Sightings of every content of words 1-5 and 17-20, by satellite, and the sets of words 1-4 they make. */
function collectWords(pages) {
  const satellites = new Map();
  let anomalies = 0;
  for (const { page, gst } of pages) {
    const type = page.wordType;
    if (!((type >= 1 && type <= 5) || (type >= 17 && type <= 20))) continue;
    let satellite = satellites.get(page.svid);
    if (satellite === undefined) satellites.set(page.svid, (satellite = new Map()));
    const content = `${type}/${contentOf(type, page.word)}`;
    let known = satellite.get(content);
    if (known === undefined) satellite.set(content, (known = { type, word: page.word, at: [] }));
    known.at.push(gst);
  }
  const result = new Map();
  for (const [svid, contents] of satellites) {
    const byIod = new Map();
    for (const item of contents.values()) {
      if (item.type > 4) continue;
      const iod = iodNavOf(item.word);
      const batch = byIod.get(iod) ?? [null, null, null, null];
      if (batch[item.type - 1] !== null) anomalies++;
      batch[item.type - 1] = item;
      byIod.set(iod, batch);
    }
    const sets = [];
    for (const [iod, batch] of byIod) {
      let four = batch.map((item) => item?.word ?? null);
      const times = batch.flatMap((item) => item?.at ?? []);
      if (four.includes(null)) {
        // A batch of which one word never came: rebuilt from parity words near it in time, if they agree.
        const parity = [17, 18, 19, 20].map((type) => {
          const near = [...contents.values()].filter(
            (item) =>
              item.type === type &&
              (item.word[1] & 3) === (iod & 3) &&
              item.at.some((at) => times.some((time) => Math.abs(time - at) <= 120)),
          );
          return near.length === 1 ? near[0].word : null;
        });
        const rebuilt = rebuildWords([...four, ...parity], iod);
        if (rebuilt === null) continue;
        four = [...rebuilt.words];
      }
      // Where a word's sightings are those of its content: the true parity words tell which received ones are of this batch.
      const all = [...four, ...encodeParity(...four)];
      const places = all.map((word, place) => {
        const type = place < 4 ? place + 1 : place + 13;
        return contents.get(`${type}/${contentOf(type, word)}`)?.at ?? [];
      });
      sets.push({ iod, words: four, places });
    }
    const words5 = [...contents.values()].filter((item) => item.type === 5);
    result.set(svid, { sets, words5 });
  }
  return Object.assign(result, { anomalies });
}

/** Every received tag of ADKD 0 and 12 that authenticates healthy data: which data, and from which page on it is needed. */
function resolveTags(macks, keys, words, parameters) {
  const message = new Uint8Array(80);
  const macs = new Map();
  const macOf = (gst) => {
    const key = keys.get(gst);
    if (key === undefined) return null;
    if (!macs.has(gst)) macs.set(gst, createMac(parameters, key));
    return macs.get(gst);
  };
  const headers = new Map();
  for (const { gst, header } of macks) if (header !== null) headers.set(gst, header);
  const tags = [];
  for (const mack of macks) {
    const header = mack.header ?? headers.get(mack.gst) ?? null;
    const slots = macLookup(parameters.maclt, messageIndexOf(mack.gst));
    if (header === null || slots === null || slots.length !== SLOTS) continue;
    const infoOf = (slot) => bitsOf(mack, slot * SLOT_BITS + 40, 16);
    // MACSEQ covers the Tag-Infos of all flexible slots: all of them and MACSEQ itself must be there.
    let macseqPages = [pageOfBit(40), pageOfBit(55)];
    const flexible = [];
    for (let slot = 1; slot < SLOTS; slot++) {
      if (!slots[slot].flexible) continue;
      flexible.push(infoOf(slot));
      macseqPages.push(pageOfBit(slot * SLOT_BITS + 40), pageOfBit(slot * SLOT_BITS + 55));
    }
    let macseqGood = false;
    const macseq = bitsOf(mack, 40, 12);
    const fastMac = macOf(mack.gst + 30);
    if (macseq !== null && !flexible.includes(null) && fastMac !== null) {
      const length = buildMacseqMessage(message, mack.svid, mack.gst, flexible.map(Number));
      const digest = fastMac.digest(message, length);
      macseqGood = BigInt((digest[0] << 4) | (digest[1] >> 4)) === macseq;
    }
    for (let slot = 0; slot < SLOTS; slot++) {
      const tagBits = bitsOf(mack, slot * SLOT_BITS, 40);
      const info = infoOf(slot);
      if (tagBits === null || info === null) continue;
      const cop = Number(info & 15n);
      const adkd = slot === 0 ? 0 : Number((info >> 4n) & 15n);
      const svid = slot === 0 ? mack.svid : Number(info >> 8n);
      const expected = slots[slot];
      if ((adkd !== 0 && adkd !== 12) || cop === 0) continue;
      if (!expected.flexible && (adkd !== expected.adkd || (expected.self && svid !== mack.svid))) continue;
      if (expected.flexible && !macseqGood) continue;
      const mac = macOf(mack.gst + (adkd === 12 ? 330 : 30));
      const known = words.get(svid);
      if (mac === null || known === undefined) continue;
      const data = signedData(message, mac, mack, slot, svid, header >> 6, tagBits, known);
      if (data === null) continue;
      const pagesNeeded = [pageOfBit(slot * SLOT_BITS)];
      if (expected.flexible) pagesNeeded.push(...macseqPages);
      const firstPage = mack.gst + 1 + 2 * Math.min(...pagesNeeded);
      tags.push({ svidA: mack.svid, svid, gst: mack.gst, slot, adkd, cop, firstPage, data });
    }
  }
  return tags;
}

/** The words that a tag signs, if they are healthy and known. */
function signedData(message, mac, mack, slot, svid, nmas, tagBits, known) {
  for (const set of known.sets) {
    for (const word5 of known.words5) {
      const bits = cedNavBits(...set.words, word5.word);
      const prnD = slot === 0 ? null : svid;
      const length = buildTagMessage(message, prnD, mack.svid, mack.gst, slot + 1, nmas, bits, CED_BITS);
      if (BigInt(`0x${hex(mac.digest(message, length)).slice(0, 10)}`) !== tagBits) continue;
      const { hs, dvs } = e1bHealthOf(word5.word);
      if (hs !== 0 || dvs !== 0 || sisaIndexOf(set.words[2]) === 255) return null;
      return { iod: set.iod, places: set.places, word5: word5.at };
    }
  }
  return null;
}

/** When the key of a subframe, or one of a later subframe that leads to it, is known: all but 16 bits received. */
function keyArrivals(pages) {
  const received = new Map();
  for (const { page, gst } of pages) {
    if (!page.hasOsnma) continue;
    const subframe = subframeOf(gst);
    if (!received.has(subframe)) received.set(subframe, new Set());
    received.get(subframe).add((gst - 1 - subframe) / 2);
  }
  const lastGst = pages.reduce((latest, { gst }) => Math.max(latest, gst), 0);
  return (subframe) => {
    for (let gst = subframe; gst <= lastGst; gst += SUBFRAME_SECONDS) {
      const got = received.get(gst);
      if (got === undefined) continue;
      const missing = KEY_PAGES.filter((page) => !got.has(page));
      if (missing.length > 1 || (missing.length === 1 && !SEARCHABLE_PAGES.includes(missing[0]))) continue;
      return gst + 1 + 2 * (got.has(10) ? 13 : 14) + 2;
    }
    return null;
  };
}

/** By subframe the latest start that still gets its NMA header: page 0 of any satellite. */
function latestHeaders(pages) {
  const starts = new Map();
  for (const { page, gst } of pages) {
    if (page.hasOsnma && subframeOf(gst) === gst - 1) starts.set(gst - 1, gst);
  }
  return starts;
}

/**
 * When a DSM-KROOT is known that was collected from a start on, page by page over satellites and subframes.
 * padding: its P_DK is waited for; dsmHeaderNeeded: a block counts by pages whose satellite sent its DSM header
 * (page 1) after the start too, else the oracle knows which block it is.
 */
function krootArrivals(pages, parameters) {
  const sections = new Map();
  for (const { page, gst } of pages) {
    if (!page.hasOsnma) continue;
    const subframe = subframeOf(gst);
    const name = `${page.svid}/${subframe}`;
    if (!sections.has(name)) sections.set(name, Object.assign([], { svid: page.svid, subframe }));
    sections.get(name)[(gst - 1 - subframe) / 2] = { gst, byte: page.hkroot };
  }
  const blocks = 8;
  const turns = turnsOf(sections.values(), blocks);
  const signed = 13 + parameters.keyBits / 8 + 64;
  return ({ padding = false, dsmHeaderNeeded = false } = {}) => {
    /** By DSM id, by byte of the message: its arrivals, ascending. */
    const messages = new Map();
    for (const section of sections.values()) {
      const header = section[1];
      // Without a DSM header the order of blocks tells, as it does for a start after it.
      if (header === undefined && (dsmHeaderNeeded || turns.get(section.subframe) === undefined)) continue;
      const { id, turn } = turns.get(section.subframe) ?? {};
      const dsmId = header === undefined ? id : header.byte >> 4;
      const block =
        header === undefined ? (section.svid + section.subframe / 30 + turn) % blocks : header.byte & 15;
      if (dsmId >= 12 || block >= blocks) continue;
      if (!messages.has(dsmId))
        messages.set(
          dsmId,
          Array.from({ length: 13 * blocks }, () => []),
        );
      for (let page = 2; page < 15; page++) {
        const at = section[page]?.gst;
        if (at === undefined) continue;
        const from = dsmHeaderNeeded ? header.gst : at;
        messages.get(dsmId)[block * 13 + page - 2].push({ from, end: at + 2 });
      }
    }
    return (start) => {
      let best = null;
      for (const bytes of messages.values()) {
        let end = 0;
        for (let i = 0; i < (padding ? 13 * blocks : signed) && end !== Infinity; i++) {
          let first = Infinity;
          for (const item of bytes[i]) if (item.from >= start && item.end < first) first = item.end;
          end = Math.max(end, first);
        }
        if (end !== Infinity && (best === null || end < best)) best = end;
      }
      return best;
    };
  };
}

/** By subframe the DSM id on air and whose turn it is, where every DSM header of the subframe agrees. */
function turnsOf(sections, blocks) {
  const turns = new Map();
  const broken = new Set();
  for (const section of sections) {
    if (section[1] === undefined) continue;
    const { byte } = section[1];
    const turn = ((((byte & 15) - section.svid - section.subframe / 30) % blocks) + blocks) % blocks;
    const known = turns.get(section.subframe);
    if (known === undefined) turns.set(section.subframe, { id: byte >> 4, turn });
    else if (known.id !== byte >> 4 || known.turn !== turn) broken.add(section.subframe);
  }
  for (const subframe of broken) turns.delete(subframe);
  return turns;
}
