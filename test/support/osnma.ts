/**
 * Runs of the OSNMA engine in tests: simulated or real pages in, everything that came out, and the words that
 * the simulated signer really signed to compare it with.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parsePage, wordsOf240Bits, type InavPage } from "../../src/inav/page.js";
import type { GivenKey, GivenRoot } from "../../src/osnma/key-ring.js";
import { OsnmaEngine, type OsnmaOptions, type TagRecord } from "../../src/osnma/engine.js";
import { cedNavBits, timingNavBits } from "../../src/osnma/tag-message.js";
import type { TrustedTime } from "../../src/osnma/time-gate.js";
import type { AuthenticatedRecord, EventRecord } from "../../src/pipeline/records.js";
import type { SimulatedPage, Simulation } from "../../src/simulate/scenario.js";
import type { TestAuthority } from "../../src/simulate/test-authority.js";
import { forEachPage, readVectorCsv } from "../../src/source/vector-csv.js";

export interface TimedPage {
  readonly page: InavPage;
  readonly gst: number;
}

export interface Run {
  readonly engine: OsnmaEngine;
  readonly events: EventRecord[];
  readonly authenticated: AuthenticatedRecord[];
  readonly tags: TagRecord[];
  /** Start of the first page pushed. */
  readonly startGst: number;
}

/** What a trusted clock says of a page that ended at `end`; null for no clock. */
export type ClockModel = (end: number) => TrustedTime | null;

/** The capture's own timeline, as replay uses it. */
export const captureClock: ClockModel = (end) => ({ gst: end, boundSeconds: 1, assurance: "capture" });

/** A clock `offsetSeconds` ahead of what the signal says. */
export const clockOff =
  (offsetSeconds: number, boundSeconds = 1): ClockModel =>
  (end) => ({ gst: end + offsetSeconds, boundSeconds, assurance: "independent" });

export function trustOf(
  authority: TestAuthority,
  pkids: readonly number[],
): { roots: GivenRoot[]; keys: GivenKey[] } {
  const root = Buffer.from(authority.root).toString("hex");
  return {
    roots: [{ root }],
    keys: pkids.map((pkid) => {
      const { curve, npk } = authority.key(pkid);
      return { root, pkid, type: curve, point: npk };
    }),
  };
}

const words = new Uint32Array(8);

/** A simulated page as the receiver stage hands it on; null where that refuses it. */
export function inavPage(page: Pick<SimulatedPage, "svid" | "band" | "even" | "odd">): InavPage | null {
  const bytes = new Uint8Array(30);
  bytes.set(page.even);
  bytes.set(page.odd, 15);
  wordsOf240Bits(bytes, 0, words);
  const parsed = parsePage(words, page.svid, page.band);
  return typeof parsed === "string" ? null : parsed;
}

export function timedPages(simulation: Simulation): TimedPage[] {
  const pages: TimedPage[] = [];
  for (const simulated of simulation.pages()) {
    const page = inavPage(simulated);
    if (page !== null) pages.push({ page, gst: simulated.gst });
  }
  return pages;
}

export function runEngine(
  pages: Iterable<TimedPage>,
  options: Partial<OsnmaOptions> & Pick<OsnmaOptions, "roots" | "keys">,
  clock: ClockModel = captureClock,
): Run {
  const events: EventRecord[] = [];
  const authenticated: AuthenticatedRecord[] = [];
  const tags: TagRecord[] = [];
  const engine = new OsnmaEngine(
    { timeAssurance: "capture", onTag: (tag) => tags.push(tag), ...options },
    {
      event: (event) => events.push(event),
      authenticated: (record) => authenticated.push(record),
    },
  );
  let startGst = Number.NaN;
  for (const { page, gst } of pages) {
    if (Number.isNaN(startGst)) startGst = gst;
    engine.push(page, gst, clock(gst + 2));
  }
  return { engine, events, authenticated, tags, startGst };
}

/** Sum over ADKD 0, 4 and 12. */
export const total = (counts: { 0: number; 4: number; 12: number }): number =>
  counts[0] + counts[4] + counts[12];

export const namesOf = (events: readonly EventRecord[]): string[] => events.map(({ name }) => name);

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
const fromHex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, "hex"));

/** The signed bits of an authenticated record. */
export function bitsOf(record: AuthenticatedRecord): string {
  const word = (type: number): Uint8Array => fromHex(record.words[String(type)]);
  return record.data === "ced"
    ? hex(cedNavBits(word(1), word(2), word(3), word(4), word(5)))
    : hex(timingNavBits(word(6), word(10)));
}

/**
 * What the simulated satellites sent and the signer may have signed, by satellite and kind: from
 * `beforeSeconds` before the scenario to its end.
 */
export class Truth {
  readonly #signed = new Map<string, Set<string>>();

  constructor(simulation: Simulation, beforeSeconds = 600) {
    const { navigation, startGst, endGst } = simulation;
    for (let svid = 1; svid <= 24; svid++) {
      for (let gst = startGst - beforeSeconds; gst < endGst; gst += 30) {
        // The tags of the next subframe cover it, unless they are dummies.
        if (navigation.state(svid, gst + 30).dummyTags) continue;
        const word = (type: number, at = gst): Uint8Array => navigation.word(svid, type, at, at + 1);
        this.#add(svid, "ced", hex(cedNavBits(word(1), word(2), word(3), word(4), word(5))));
        const sent10 = gst % 60 === 30 ? gst : gst - 30;
        this.#add(svid, "timing", hex(timingNavBits(word(6), word(10, sent10))));
      }
    }
  }

  #add(svid: number, kind: string, bits: string): void {
    const name = `${svid} ${kind}`;
    let set = this.#signed.get(name);
    if (set === undefined) this.#signed.set(name, (set = new Set()));
    set.add(bits);
  }

  signed(record: AuthenticatedRecord): boolean {
    return this.#signed.get(`${record.svid} ${record.data}`)?.has(bitsOf(record)) === true;
  }

  /** Records that the signer never signed: must be empty, whatever was done to the stream. */
  forgeries(records: readonly AuthenticatedRecord[]): AuthenticatedRecord[] {
    return records.filter((record) => !this.signed(record));
  }
}

/** The root of an OSNMA_MerkleTree file; for tests only, without the checks of the trust stage. */
export function rootOfTree(path: string): string {
  const match = /<j>4<\/j>\s*<i>0<\/i>\s*<lengthInBits>256<\/lengthInBits>\s*<x_ji>([0-9A-Fa-f]+)/.exec(
    readFileSync(path, "utf8"),
  );
  if (match === null) throw new Error(`${path}: no root`);
  return match[1].toLowerCase();
}

/** PKID and point of an OSNMA_PublicKey file. */
export function keyOfFile(path: string, root: string): GivenKey {
  const text = readFileSync(path, "utf8");
  const point = /<point>([0-9A-Fa-f]+)/.exec(text);
  const pkid = /<PKID>(\d+)/.exec(text);
  if (point === null || pkid === null) throw new Error(`${path}: no key`);
  return {
    root,
    pkid: Number(pkid[1]),
    type: point[1].length === 66 ? "P-256" : "P-521",
    point: fromHex(point[1]),
  };
}

/** DSM-KROOT and NMA header of a root key file. */
export function rootKeyOfFile(path: string): { dsm: Uint8Array; nmaHeader: number } {
  const [dsm, header] = readFileSync(path, "utf8").trim().split(/\s+/);
  return { dsm: fromHex(dsm), nmaHeader: Number.parseInt(header, 16) };
}

/** Pages of an official vector in order of time, with its trust material. */
export function officialVector(folder: string): {
  pages: TimedPage[];
  roots: GivenRoot[];
  keys: GivenKey[];
  dummyPages: number;
} {
  const files = readdirSync(folder);
  const path = (match: RegExp): string | undefined => {
    const name = files.find((file) => match.test(file));
    return name === undefined ? undefined : join(folder, name);
  };
  const tree = path(/^OSNMA_MerkleTree.*\.xml$/);
  const csv = path(/\.csv$/);
  if (tree === undefined || csv === undefined) throw new Error(`${folder}: not a vector`);
  const root = rootOfTree(tree);
  const newTree = path(/^new_.*MerkleTree.*\.xml$/);
  const roots = newTree === undefined ? [root] : [root, rootOfTree(newTree)];
  const key = path(/PublicKey.*\.xml$/);
  const pages: TimedPage[] = [];
  let dummyPages = 0;
  forEachPage(readVectorCsv(csv), (page, gst) => {
    if (typeof page === "string") dummyPages++;
    else pages.push({ page, gst });
  });
  return {
    pages,
    roots: roots.map((name) => ({ root: name })),
    keys: key === undefined ? [] : [keyOfFile(key, root)],
    dummyPages,
  };
}
