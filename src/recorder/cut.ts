/** Finds where to cut a capture: times and byte offsets become offsets at frame boundaries. Pure. */
import { Framer } from "gnss-ubx";
import { epochGstOf } from "./epoch-time.js";

/** A place in a capture: a time, seconds after its first known time, or a byte. */
export type Place =
  | { readonly kind: "gst"; readonly gst: number }
  | { readonly kind: "after"; readonly seconds: number }
  | { readonly kind: "byte"; readonly offset: number };

export interface CutRange {
  /** Offsets in the receiver's bytes; `to` is exclusive. Equal where nothing lies between. */
  readonly from: number;
  readonly to: number;
  readonly firstGst: number | null;
  readonly lastGst: number | null;
}

const UBX_OVERHEAD = 8;

/** Takes in the whole capture, and then says where the range is. Frames belong to the last epoch told before them. */
export class CutFinder {
  readonly #framer = new Framer();
  readonly #start: Place | null;
  readonly #stop: Place | null;
  #firstGst: number | null = null;
  #gst: number | null = null;
  #from: number | null;
  #to: number | null = null;
  /** End of the last whole frame that lies before the byte to stop at. */
  #lastEnd = 0;

  constructor(start: Place | null, stop: Place | null) {
    this.#start = start;
    this.#stop = stop;
    this.#from = start === null ? 0 : null;
  }

  push(chunk: Uint8Array): void {
    this.#framer.push(chunk, this.#sink);
  }

  end(): CutRange {
    this.#framer.end(this.#sink);
    const total = this.#framer.counts.totalBytes;
    const from = this.#from ?? total;
    const to = this.#stop === null ? total : this.#stop.kind === "byte" ? this.#lastEnd : (this.#to ?? total);
    return { from, to: Math.max(from, to), firstGst: this.#firstGst, lastGst: this.#gst };
  }

  readonly #sink: Parameters<Framer["push"]>[1] = {
    ubx: (messageClass, messageId, payload, offset) => {
      const gst = epochGstOf(messageClass, messageId, payload);
      if (gst !== null) {
        this.#firstGst ??= gst;
        this.#gst = gst;
      }
      this.#frame(offset, payload.length + UBX_OVERHEAD);
    },
    nmea: (line, offset) => {
      this.#frame(offset, line.length);
    },
    rtcm3: (frame, offset) => {
      this.#frame(offset, frame.length);
    },
  };

  #frame(offset: number, length: number): void {
    if (this.#from === null && this.#reached(this.#start!, offset)) this.#from = offset;
    const stop = this.#stop;
    if (stop === null) return;
    if (stop.kind === "byte") {
      if (offset + length <= stop.offset) this.#lastEnd = offset + length;
    } else if (this.#to === null && this.#reached(stop, offset)) this.#to = offset;
  }

  #reached(place: Place, offset: number): boolean {
    if (place.kind === "byte") return offset >= place.offset;
    if (this.#gst === null || this.#firstGst === null) return false;
    return this.#gst >= (place.kind === "gst" ? place.gst : this.#firstGst + place.seconds);
  }
}
