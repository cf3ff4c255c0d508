/**
 * The thread of a replay (src/cli/replay-thread.ts is its other end): from the capture's bytes to records with
 * what their evidence is made of. It loads nothing of the server or the store. It reads ahead of what is asked for as far as
 * BATCHES_AHEAD, and keeps nothing before all of it was taken.
 */
import { parentPort } from "node:worker_threads";
import type { EvidenceParts } from "../evidence/bundle.js";
import type { OsnmaStatusRecord, SatelliteRecord } from "../pipeline/records.js";
import { replayInto, type ReplayRecord, type ReplaySink } from "./replay-into.js";
import { BATCHES_AHEAD, failureOf, type Entry, type FromReplay, type ToReplay } from "./replay-messages.js";

/** What its records share is sent once a batch. */
const BATCH_RECORDS = 100;
/** What is shown of a replay is not older than this, ms. */
const BATCH_MS = 200;

if (parentPort === null) throw new Error("This module is the thread of a replay.");
const port = parentPort;
const tell = (message: FromReplay): void => {
  port.postMessage(message);
};

/** Gathers what is written into it and sends it in batches. */
class Batches implements ReplaySink {
  #entries: Entry[] = [];
  #progress: number | null = null;
  #osnma: OsnmaStatusRecord | null = null;
  #satellites: readonly SatelliteRecord[] | null = null;
  #ttfafSeconds: number | null = null;
  #sentAtMs = performance.now();
  #onTheirWay = 0;
  #onTaken: () => void = () => undefined;

  push(record: ReplayRecord, parts: EvidenceParts | null): void {
    this.#entries.push({ record, parts });
  }

  satellites(satellites: readonly SatelliteRecord[]): void {
    this.#satellites = satellites;
  }

  osnma(status: OsnmaStatusRecord): void {
    this.#osnma = status;
  }

  ttfaf(seconds: number): void {
    this.#ttfafSeconds = seconds;
  }

  progress(fraction: number): void {
    this.#progress = fraction;
  }

  async room(): Promise<void> {
    if (this.#entries.length >= BATCH_RECORDS || performance.now() - this.#sentAtMs >= BATCH_MS) this.send();
    await this.#untilOnTheirWay(BATCHES_AHEAD - 1);
  }

  async settled(): Promise<void> {
    this.send();
    await this.#untilOnTheirWay(0);
  }

  send(): void {
    tell({
      kind: "batch",
      batch: {
        entries: this.#entries,
        progress: this.#progress,
        osnma: this.#osnma,
        satellites: this.#satellites,
        ttfafSeconds: this.#ttfafSeconds,
      },
    });
    this.#onTheirWay += 1;
    this.#entries = [];
    this.#progress = this.#osnma = this.#satellites = this.#ttfafSeconds = null;
    this.#sentAtMs = performance.now();
  }

  taken(): void {
    this.#onTheirWay -= 1;
    this.#onTaken();
  }

  async #untilOnTheirWay(most: number): Promise<void> {
    while (this.#onTheirWay > most) {
      await new Promise<void>((resolve) => {
        this.#onTaken = resolve;
      });
    }
  }
}

const batches = new Batches();

port.on("message", (message: ToReplay) => {
  if (message.kind === "taken") {
    batches.taken();
    return;
  }
  // Who ends the replay ends this thread.
  replayInto(message.input, batches, new AbortController().signal)
    .then((summary) => {
      batches.send();
      tell({ kind: "done", summary });
    })
    .catch((error: unknown) => {
      // What came before it stands.
      batches.send();
      tell({ kind: "failed", failure: failureOf(error) });
    })
    .finally(() => {
      port.close();
    });
});
