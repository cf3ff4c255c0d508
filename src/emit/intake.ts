/**
 * Takes what the station's log holds into the outbox, sealed. The log is the source; where the process died between log
 * and outbox, the next start takes what is missing. Edge.
 */
import { canonicalJson } from "../evidence/canonical-json.js";
import type { FixRecord } from "../pipeline/records.js";
import { commitsTo, fixSlot } from "../station/fix-item.js";
import { decodeFix } from "../station/items.js";
import { decodeLeaf } from "../station/leaf.js";
import { formatNote } from "../station/note.js";
import { decodeItems } from "../station/openings.js";
import type { StationLog } from "../station/station-log.js";
import { sealEnvelope } from "./envelope.js";
import type { NewMessage, Outbox } from "./outbox.js";
import type { Purpose, Speaker, Statement } from "./statement.js";

/** Checkpoints whose cosignatures are looked for again; a witness signs the newest it knows, never an older one. */
const COSIGNATURE_WINDOW = 64;
/** Leaves taken in one transaction. */
const LEAVES_AT_ONCE = 128;

/** The fixes that were stored with their evidence. */
export interface FixSource {
  /** Of epochs from `fromMs` up to, not including, `toMs` (linear GST, milliseconds). */
  fixes(
    fromMs: number,
    toMs: number,
  ): Iterable<{ readonly record: FixRecord; readonly evidence: Uint8Array | null }>;
}

export interface IntakeOptions {
  readonly log: StationLog;
  readonly outbox: Outbox;
  /** Without one a prover gets openings only. */
  readonly fixes?: FixSource | undefined;
  readonly stopped?: () => boolean;
}

export class Intake {
  readonly #options: IntakeOptions;

  constructor(options: IntakeOptions) {
    this.#options = options;
  }

  /** Resolves when the outbox has all that is signed and cosigned for this purpose. */
  async take(purpose: Purpose): Promise<void> {
    await this.#takeLeaves(purpose);
    await this.#takeCosignatures(purpose);
  }

  /** Leaves up to each signed size, then the checkpoint of that size. */
  async #takeLeaves(purpose: Purpose): Promise<void> {
    const name = `${purpose}/leaf`;
    const { log, outbox } = this.#options;
    for (;;) {
      const from = outbox.taken(name);
      const checkpoint = log.checkpointWith(from);
      if (checkpoint === null) return;
      const to = Math.min(checkpoint.size, from + LEAVES_AT_ONCE);
      const messages: NewMessage[] = [];
      for (const [at, leaf] of log.leaves(from, to).entries()) {
        const index = from + at;
        messages.push(await this.#seal(purpose, `leaf/${index}`, { kind: "leaf", index, leaf }));
        if (purpose === "prover") messages.push(...(await this.#private(index, leaf)));
      }
      if (to === checkpoint.size) {
        // The log's own notes carry no cosignatures; those are statements of their own.
        const note = Buffer.from(formatNote(checkpoint.note), "utf8");
        const { size } = checkpoint;
        messages.push(await this.#seal(purpose, `checkpoint/${size}`, { kind: "checkpoint", size, note }));
      }
      outbox.put(messages, { [name]: to });
      if (this.#options.stopped?.() === true) return;
    }
  }

  async #takeCosignatures(purpose: Purpose): Promise<void> {
    const name = `${purpose}/cosignature`;
    const { log, outbox } = this.#options;
    const settled = outbox.taken(name);
    const end = outbox.taken(`${purpose}/leaf`);
    const sizes: number[] = [];
    for (let size = settled; size < end;) {
      const checkpoint = log.checkpointWith(size);
      if (checkpoint === null || checkpoint.size > end) break;
      size = checkpoint.size;
      sizes.push(size);
    }
    const messages: NewMessage[] = [];
    for (const size of sizes) {
      for (const { witness, line } of log.cosignatures(size)) {
        const key = `cosignature/${size}/${witness}`;
        if (outbox.has(purpose, key)) continue;
        const bytes = Buffer.from(line.trimEnd(), "utf8");
        messages.push(await this.#seal(purpose, key, { kind: "cosignature", size, line: bytes }));
      }
    }
    outbox.put(messages, { [name]: sizes.at(-COSIGNATURE_WINDOW - 1) ?? settled });
  }

  /** What opens a leaf, and the fixes that it commits to. */
  async #private(index: number, bytes: Uint8Array): Promise<NewMessage[]> {
    const openings = this.#options.log.openings(index);
    const leaf = decodeLeaf(bytes);
    if (openings === null || leaf?.kind !== "subframe") return [];
    const { secret, items } = openings;
    const messages = [
      await this.#seal("prover", `openings/${index}`, { kind: "openings", index, secret, items }),
    ];
    const { fixes } = this.#options;
    const committed = decodeItems(items)?.fixes;
    if (fixes === undefined || committed === undefined || committed.size === 0) return messages;
    const told = new Set<number>();
    for (const { record, evidence } of fixes.fixes(leaf.gst * 1000, (leaf.gst + 30) * 1000)) {
      const slot = fixSlot(record, leaf.gst);
      const item = slot === null ? undefined : committed.get(slot);
      const fix = item === undefined ? null : decodeFix(item);
      // Another run may have had the epoch as well.
      if (slot === null || fix === null || told.has(slot) || !commitsTo(fix, record)) continue;
      told.add(slot);
      const text = Buffer.from(canonicalJson(record), "utf8");
      const statement: Statement = { kind: "fix", index, slot, record: text, evidence };
      messages.push(await this.#seal("prover", `fix/${index}/${slot}`, statement));
    }
    return messages;
  }

  async #seal(purpose: Purpose, key: string, statement: Statement): Promise<NewMessage> {
    const { mode, station, signer } = this.#options.log;
    const speaker: Speaker = { purpose, mode, station };
    return { purpose, key, envelope: await sealEnvelope(speaker, statement, signer) };
  }
}
