/** Witnesses of a station in tests, driven by simulated time. */
import { GST_TO_UNIX } from "../../src/inav/gst.js";
import { formatAddCheckpoint } from "../../src/station/add-checkpoint.js";
import { cosign, verifyCosignature } from "../../src/station/cosignature.js";
import { formatNote } from "../../src/station/note.js";
import type { Station } from "../../src/station/station.js";
import { WitnessBook } from "../../src/witness/book.js";
import { testKey, witnessKey } from "./keys.js";

export const LEAP_SECONDS = 18;
export const unixOf = (gst: number): number => gst + GST_TO_UNIX - LEAP_SECONDS;

/** A witness whose clock is told. */
export class TestWitness {
  readonly key;
  readonly book: WitnessBook;
  readonly #signer;

  constructor(name: string, station: Station, folder: string) {
    this.#signer = testKey(name);
    this.key = witnessKey(`${name}.example/w`, this.#signer);
    this.book = new WitnessBook(folder, [station.log.key]);
  }

  /** Hands it the newest checkpoint at GST `gst`; its answer is kept in the log. */
  async see(station: Station, gst: number): Promise<number> {
    const { log } = station;
    const checkpoint = log.checkpoint!;
    const from = this.book.logs().find(({ origin }) => origin === log.origin)?.size ?? 0;
    const body = formatAddCheckpoint(
      from,
      log.consistencyProof(from, checkpoint.size),
      formatNote(checkpoint.note),
    );
    const decision = this.book.add(body, Math.floor(unixOf(gst)));
    if (decision.status !== 200) return decision.status;
    const line = await cosign(decision.text, decision.timestamp, this.key, this.#signer.sign);
    log.addCosignature(checkpoint.size, line, verifyCosignature(decision.text, line, this.key)!);
    return 200;
  }
}
