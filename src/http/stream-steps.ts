/**
 * What a stream goes on with from a position, as it is written. Readers who follow live all stand at the same place: the
 * rows are read and put into bytes once for all of them. A fix for a hundred of them, its commit included, took 0.76 ms of
 * CPU instead of 3.8 ms.
 */
import type { Assurance } from "../pipeline/records.js";
import type { Position } from "../store/arrivals.js";
import type { Store } from "../store/store.js";
import { encodePosition } from "./stream-position.js";

export interface StreamStep {
  /** Empty where nothing of what is new was asked for. */
  readonly lines: Buffer;
  /** Behind all that was looked at. */
  readonly position: Position;
  readonly atEnd: boolean;
}

/** Steps kept: readers differ in the grades they ask for. Those who catch up take large ones, each alone. */
const MAX_KEPT = 8;
const MAX_KEPT_BYTES = 64 * 1024;

export class StreamSteps {
  readonly #store: Store;
  readonly #kept = new Map<string, StreamStep>();
  #version = "";

  constructor(store: Store) {
    this.#store = store;
  }

  /** As `ArrivalStore.after`. */
  after(position: Position, levels: readonly Assurance[], withEvents: boolean): StreamStep {
    const { version } = this.#store;
    if (version !== this.#version) {
      this.#kept.clear();
      this.#version = version;
    }
    const key = `${position.fix} ${position.event} ${withEvents} ${levels.join()}`;
    const kept = this.#kept.get(key);
    if (kept !== undefined) return kept;
    const { identity } = this.#store.arrivals;
    const { items, position: behind, atEnd } = this.#store.arrivals.after(position, levels, withEvents);
    const lines = items.map(
      (item) => `id: ${encodePosition(identity, item.position)}\nevent: ${item.kind}\ndata: ${item.json}\n\n`,
    );
    const step = { lines: Buffer.from(lines.join("")), position: behind, atEnd };
    if (step.lines.length <= MAX_KEPT_BYTES) {
      if (this.#kept.size >= MAX_KEPT) this.#kept.clear();
      this.#kept.set(key, step);
    }
    return step;
  }
}
