/**
 * What satellites really sent in a stream before anything was done to it, by satellite and word: the signed bits
 * alone. Whatever is authenticated out of a mutated copy must be made of these, all of one IODnav.
 */
import { Framer } from "gnss-ubx";
import { ReceiverStream } from "../inav/receiver-stream.js";
import type { AuthenticatedRecord } from "../pipeline/records.js";

/** First bit and number of bits under a tag, by word type (OSNMA SIS ICD 1.1 section 6.5). */
const SIGNED: Readonly<Record<number, readonly [from: number, count: number]>> = {
  1: [6, 120],
  2: [6, 120],
  3: [6, 122],
  4: [6, 120],
  5: [6, 67],
  6: [6, 99],
  10: [86, 42],
};
const WORDS_OF = { ced: [1, 2, 3, 4, 5], timing: [6, 10] } as const;

function signedBits(type: number, word: Uint8Array): string {
  const [from, count] = SIGNED[type];
  const out = new Uint8Array(Math.ceil(count / 8));
  for (let i = 0; i < count; i++) {
    const at = from + i;
    if ((word[at >> 3] >> (7 - (at & 7))) & 1) out[i >> 3] |= 0x80 >> (i & 7);
  }
  return Buffer.from(out).toString("hex");
}

export class SignedData {
  readonly #words = new Set<string>();

  /** A word that was sent. */
  add(svid: number, wordType: number, word: Uint8Array): void {
    if (wordType in SIGNED) this.#words.add(`${svid} ${wordType} ${signedBits(wordType, word)}`);
  }

  /** Learns from a stream nobody touched; several may be told. */
  learn(bytes: Uint8Array): void {
    const stream = new ReceiverStream<null>(({ svid, wordType, word }) => {
      this.add(svid, wordType, word);
    });
    const framer = new Framer();
    const sink = {
      ubx: (messageClass: number, messageId: number, payload: Uint8Array): void => {
        stream.message(messageClass, messageId, payload, null);
      },
    };
    framer.push(bytes, sink);
    framer.end(sink);
    stream.end();
  }

  /** A word that came out of parity words only, and was authenticated in the untouched stream. */
  learnAuthenticated(record: AuthenticatedRecord): void {
    for (const type of WORDS_OF[record.data]) {
      const word = Buffer.from(record.words[String(type)], "hex");
      this.add(record.svid, type, word);
    }
  }

  /** What is wrong with a record, or null. */
  forgery(record: AuthenticatedRecord): string | null {
    const iods = new Set<number>();
    for (const type of WORDS_OF[record.data]) {
      const hex = record.words[String(type)];
      if (hex?.length !== 32) return `no word ${type}`;
      const word = Buffer.from(hex, "hex");
      if (word[0] >> 2 !== type) return `word ${type} is of type ${word[0] >> 2}`;
      if (type <= 4) iods.add(((word[0] & 3) << 8) | word[1]);
      if (!this.#words.has(`${record.svid} ${type} ${signedBits(type, word)}`)) {
        return `word ${type} was never sent by E${record.svid}`;
      }
    }
    if (record.data === "ced" && (iods.size !== 1 || !iods.has(record.iodNav ?? -1))) return "mixed IODnav";
    return null;
  }
}
