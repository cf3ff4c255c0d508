/**
 * The pages of a capture with their time and all their 240 bits: what exports are made of. Frames, page clock and
 * checks are those of the pipeline; only pages whose CRC holds and whose time is known come out.
 */
import { Framer } from "gnss-ubx";
import type { InavPage } from "../inav/page.js";
import { ReceiverStream } from "../inav/receiver-stream.js";

const RXM = 0x02;
const RXM_SFRBX = 0x13;
/** Even and odd half, 15 bytes each. */
export const PAGE_BYTES = 30;
const HALF_BYTES = 15;
const FIRST_WORD = 8;
const WORDS = 8;
const NO_BITS = new Uint8Array(0);

/** A page, the GST of the start of its even half, and its 240 bits as received. */
export type PageSink = (page: InavPage, pageGst: number, bits: Uint8Array) => void;
/** Every UBX frame, after the page in it was taken; the payload is valid during the call only. */
export type MessageSink = (messageClass: number, messageId: number, payload: Uint8Array) => void;

export class CapturePages {
  readonly framer = new Framer();
  readonly #stream: ReceiverStream<Uint8Array>;
  readonly #frames;

  constructor(page: PageSink, message?: MessageSink) {
    this.#stream = new ReceiverStream<Uint8Array>(page);
    this.#frames = {
      ubx: (messageClass: number, messageId: number, payload: Uint8Array): void => {
        const isPage = messageClass === RXM && messageId === RXM_SFRBX;
        this.#stream.message(messageClass, messageId, payload, isPage ? bitsOf(payload) : NO_BITS);
        message?.(messageClass, messageId, payload);
      },
    };
  }

  push(bytes: Uint8Array): void {
    this.framer.push(bytes, this.#frames);
  }

  end(): void {
    this.framer.end(this.#frames);
    this.#stream.end();
  }

  /** Pages whose CRC held, by band, and what kept others out. */
  get counts() {
    return this.#stream.counts;
  }

  /** Pages that got a time. */
  get timedPages(): number {
    return this.#stream.clock.counts.timed;
  }
}

/** The two halves of a page in RXM-SFRBX: four little-endian words each, left-aligned. */
function bitsOf(payload: Uint8Array): Uint8Array {
  if (payload.length < FIRST_WORD + 4 * WORDS) return NO_BITS;
  const bits = new Uint8Array(PAGE_BYTES);
  for (let half = 0; half < 2; half++) {
    for (let i = 0; i < HALF_BYTES; i++) {
      bits[half * HALF_BYTES + i] = payload[FIRST_WORD + 16 * half + (i & ~3) + (3 - (i & 3))];
    }
  }
  return bits;
}
