/** The leap seconds of an authenticated record, where it holds a word 6 (`TimeSource.authenticatedLeapSeconds`). */
import { decodeWordAs, WORD_BYTES } from "../inav/word.js";
import type { OutputRecord } from "../pipeline/records.js";
import type { LeapSecondWord } from "./types.js";

export function leapSecondWordOf(record: OutputRecord): LeapSecondWord | null {
  if (record.type !== "authenticated" || record.data !== "timing") return null;
  const hex = record.words["6"];
  if (hex === undefined) return null;
  const bytes = Uint8Array.from(Buffer.from(hex, "hex"));
  if (bytes.length !== WORD_BYTES) return null;
  const word = decodeWordAs(6, bytes);
  return word === null
    ? null
    : { dtLS: word.dtLsSeconds, dtLSF: word.dtLsfSeconds, wnLSF: word.wnLsfMod256, dn: word.dn };
}
