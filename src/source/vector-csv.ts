/**
 * The official OSNMA test vectors of GSC: one CSV row a satellite, `SVID,NumNavBits,NavBitsHEX`, 240 bits each
 * 2 s page; the file name gives date and GST of the first page (`06_OCT_2023_GST_16_45_01.csv`). Edge: reads files.
 */
import { readFileSync } from "node:fs";
import { basename } from "node:path";
import { OsnmadError } from "../errors.js";
import { gstOf } from "../inav/gst.js";
import { parsePage, wordsOf240Bits, type InavPage, type PageDefect } from "../inav/page.js";

const PAGE_HEX_DIGITS = 60;
const PAGE_BITS = 240;
const PAGE_SECONDS = 2;
const MONTHS = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
const MS_PER_DAY = 86_400_000;
/** GST week 0 began on 1999-08-22 (minus 13 s, which GST's own time of day does not show). */
const GST_EPOCH_DAY = Date.UTC(1999, 7, 22) / MS_PER_DAY;
/** An hour of 40 satellites is 8 MB; a bound against files that are something else. */
const MAX_FILE_BYTES = 512 * 1024 * 1024;

export interface VectorCsv {
  /** Start of the first page's even half, linear GST seconds. */
  readonly firstPageGst: number;
  readonly satellites: readonly {
    readonly svid: number;
    readonly bits: Uint8Array;
    readonly pages: number;
  }[];
}

/** Start of the first page by the file's name, or null where the name does not say. */
export function gstOfVectorName(name: string): number | null {
  const match = /^(\d{1,2})_([A-Za-z]{3})_(\d{4})_GST_(\d{2})_(\d{2})_(\d{2})\.csv$/i.exec(name);
  if (match === null) return null;
  const [day, hour, minute, second] = [match[1], match[4], match[5], match[6]].map(Number);
  const month = MONTHS.indexOf(match[2].toUpperCase());
  if (month < 0 || day < 1 || day > 31 || hour > 23 || minute > 59 || second > 59) return null;
  const date = Date.UTC(Number(match[3]), month, day);
  if (new Date(date).getUTCDate() !== day) return null;
  const days = date / MS_PER_DAY - GST_EPOCH_DAY;
  if (days < 0) return null;
  return gstOf(Math.floor(days / 7), (days % 7) * 86_400 + hour * 3600 + minute * 60 + second);
}

/** Reads a vector. Throws OSN_VECTOR_INVALID where name or content are not of the published form. */
export function readVectorCsv(path: string): VectorCsv {
  const name = basename(path);
  const firstPageGst = gstOfVectorName(name);
  if (firstPageGst === null) {
    throw new OsnmadError(
      "OSN_VECTOR_INVALID",
      `${name}: the name does not give date and GST of the first page.`,
    );
  }
  const content = readFileSync(path);
  if (content.length > MAX_FILE_BYTES) throw new OsnmadError("OSN_VECTOR_INVALID", `${name} is too large.`);
  const lines = content.toString("latin1").split(/\r?\n/);
  if (!/^\s*SVID\s*,\s*NumNavBits\s*,\s*NavBitsHEX\s*$/i.test(lines[0])) {
    throw new OsnmadError("OSN_VECTOR_INVALID", `${name}: the first line is not SVID,NumNavBits,NavBitsHEX.`);
  }
  const satellites = [];
  for (let i = 1; i < lines.length; i++) {
    if (lines[i].trim() === "") continue;
    const [svidText, bitsText, hex = ""] = lines[i].split(",").map((field) => field.trim());
    const svid = Number(svidText);
    const bits = Number(bitsText);
    const pages = Math.floor(bits / PAGE_BITS);
    if (
      !Number.isInteger(svid) ||
      !(bits >= 0) ||
      hex.length < pages * PAGE_HEX_DIGITS ||
      !/^[0-9a-f]*$/i.test(hex)
    ) {
      throw new OsnmadError(
        "OSN_VECTOR_INVALID",
        `${name}, line ${i + 1}: not a row of SVID,NumNavBits,NavBitsHEX.`,
      );
    }
    satellites.push({ svid, bits: Uint8Array.from(Buffer.from(hex, "hex")), pages });
  }
  return { firstPageGst, satellites };
}

/** Calls `push` for every page in order of time, with the page or what is wrong with it. */
export function forEachPage(
  vector: VectorCsv,
  push: (page: InavPage | PageDefect, gst: number) => void,
): void {
  const words = new Uint32Array(8);
  const pages = Math.max(0, ...vector.satellites.map((satellite) => satellite.pages));
  for (let i = 0; i < pages; i++) {
    const gst = vector.firstPageGst + PAGE_SECONDS * i;
    for (const satellite of vector.satellites) {
      if (i >= satellite.pages) continue;
      wordsOf240Bits(satellite.bits, i * (PAGE_BITS / 8), words);
      push(parsePage(words, satellite.svid, "E1-B"), gst);
    }
  }
}
