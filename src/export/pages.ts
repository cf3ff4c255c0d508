/**
 * E1-B pages as the official OSNMA test vectors have them: `SVID,NumNavBits,NavBitsHEX`, one row a satellite, 240 bits
 * each 2 s page, all rows from the same GST and of the same length (docs/export.md).
 */
import { PAGE_BYTES } from "./capture-pages.js";
import { twoDigits, vectorName } from "./calendar.js";

const PAGE_SECONDS = 2;
const PAGE_BITS = 240;
/** Nothing for this long begins a new file: filling a night with zeros would say nothing. */
const NEW_FILE_SECONDS = 3600;
/** Bounds a file, and what is held of it: a day. */
const MAX_FILE_PAGES = 43_200;
const FIRST_CAPACITY_PAGES = 1800;

export interface VectorFile {
  /** Date and GST of the first page, as published. */
  readonly name: string;
  readonly satellites: readonly number[];
  /** Pages a row, those that were not received included. */
  readonly pages: number;
  /** Of all rows: 240 zero bits stand in their place. */
  readonly missing: number;
  /** Lines of the file, without line ends. */
  lines(): Iterable<string>;
}

/** One satellite's bits from the file's first page on. */
class Row {
  #bits = new Uint8Array(FIRST_CAPACITY_PAGES * PAGE_BYTES);
  received = 0;

  set(index: number, bits: Uint8Array): void {
    const end = (index + 1) * PAGE_BYTES;
    if (end > this.#bits.length) {
      const grown = new Uint8Array(Math.min(2 * end, MAX_FILE_PAGES * PAGE_BYTES));
      grown.set(this.#bits);
      this.#bits = grown;
    }
    this.#bits.set(bits, index * PAGE_BYTES);
    this.received++;
  }

  hex(pages: number): string {
    const bytes = Math.min(this.#bits.length, pages * PAGE_BYTES);
    return Buffer.from(this.#bits.buffer, 0, bytes)
      .toString("hex")
      .toUpperCase()
      .padEnd(pages * PAGE_BYTES * 2, "0");
  }
}

/** Gathers pages and gives a file out whenever one is whole. */
export class VectorFiles {
  readonly #emit: (file: VectorFile) => void;
  #rows = new Map<number, Row>();
  #firstGst: number | null = null;
  #lastGst = 0;

  constructor(emit: (file: VectorFile) => void) {
    this.#emit = emit;
  }

  /** Takes in an E1-B page; pages come in order of time. */
  page(svid: number, pageGst: number, bits: Uint8Array): void {
    if (bits.length !== PAGE_BYTES) throw new RangeError(`a page has ${PAGE_BYTES} bytes`);
    if (this.#firstGst !== null) {
      const isElsewhere = pageGst - this.#lastGst > NEW_FILE_SECONDS || pageGst < this.#firstGst;
      const isFull = (pageGst - this.#firstGst) / PAGE_SECONDS >= MAX_FILE_PAGES;
      if (isElsewhere || isFull) this.end();
    }
    this.#firstGst ??= pageGst;
    this.#lastGst = Math.max(this.#lastGst, pageGst);
    let row = this.#rows.get(svid);
    if (row === undefined) this.#rows.set(svid, (row = new Row()));
    row.set((pageGst - this.#firstGst) / PAGE_SECONDS, bits);
  }

  /** Gives out what is gathered. */
  end(): void {
    if (this.#firstGst === null) return;
    const rows = [...this.#rows].sort(([a], [b]) => a - b);
    const pages = (this.#lastGst - this.#firstGst) / PAGE_SECONDS + 1;
    this.#emit({
      name: vectorName(this.#firstGst),
      satellites: rows.map(([svid]) => svid),
      pages,
      missing: rows.reduce((sum, [, row]) => sum + pages - row.received, 0),
      *lines() {
        yield "SVID,NumNavBits,NavBitsHEX";
        for (const [svid, row] of rows) yield `${twoDigits(svid)},${pages * PAGE_BITS},${row.hex(pages)}`;
      },
    });
    this.#rows = new Map();
    this.#firstGst = null;
    this.#lastGst = 0;
  }
}
