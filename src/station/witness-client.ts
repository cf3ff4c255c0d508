/**
 * The station's side of witnessing: hands each new checkpoint to several witnesses, keeps what they sign, and waits
 * longer after every failure. A witness that is dead or contradicts is shown, and stops nobody else. Edge: HTTP.
 */
import { OsnmadError } from "../errors.js";
import { formatAddCheckpoint, SIZE_TYPE } from "./add-checkpoint.js";
import { parseCheckpoint, parseSize, signerOf, type Checkpoint } from "./checkpoint.js";
import { parseCosignatureLines, verifyCosignature, type Cosignature } from "./cosignature.js";
import { formatNote, type VerifierKey } from "./note.js";
import type { StationLog } from "./station-log.js";

const TIMEOUT_MS = 10_000;
const FIRST_WAIT_MS = 1000;
const MAX_WAIT_MS = 60_000;
const MAX_ANSWER_BYTES = 65_536;

export interface WitnessPeer {
  /** Submission prefix; `/add-checkpoint` is put behind it. */
  readonly url: string;
  readonly key: VerifierKey;
}

export interface WitnessStatus {
  readonly name: string;
  readonly url: string;
  /** `contradicts`: it holds another history of this log, or says so. */
  readonly state: "idle" | "asking" | "waiting" | "contradicts";
  /** Largest size that it cosigned. */
  readonly size: number | null;
  /** Unix seconds of its own clock. */
  readonly cosignedAt: number | null;
  /** Failures since the last success. */
  readonly failures: number;
  readonly lastError: string | null;
}

export interface WitnessOptions {
  readonly peers: readonly WitnessPeer[];
  /** How many of them have to sign before a checkpoint counts as witnessed. */
  readonly needed: number;
  /** A witness signed; `enough` where by that the checkpoint counts as witnessed. */
  readonly onCosigned?: (checkpoint: Checkpoint, cosignature: Cosignature, enough: boolean) => void;
  readonly fetch?: typeof fetch;
}

/** What came of asking one witness. */
type Answer = { readonly cosignature: Cosignature } | { readonly size: number } | { readonly error: string };

export class Witnesses {
  readonly #log: StationLog;
  readonly #options: WitnessOptions;
  readonly #followers: Follower[];

  constructor(log: StationLog, options: WitnessOptions) {
    const { peers, needed } = options;
    if (!Number.isInteger(needed) || needed < 0 || needed > peers.length) {
      throw new OsnmadError("OSN_USAGE", `Of ${peers.length} witnesses ${needed} cannot be needed.`);
    }
    const keys = new Set(peers.map(({ key }) => Buffer.from(key.publicKey).toString("hex")));
    if (keys.size !== peers.length) throw new OsnmadError("OSN_USAGE", "Two witnesses have the same key.");
    this.#log = log;
    this.#options = options;
    this.#followers = peers.map((peer) => new Follower(log, peer, options, () => this.#enough));
  }

  get #enough(): (size: number) => boolean {
    return (size) => this.#log.cosignatures(size).length >= this.#options.needed;
  }

  /** The newest checkpoint: each witness gets it as soon as it is free. Returns at once. */
  announce(checkpoint: Checkpoint): void {
    for (const follower of this.#followers) follower.announce(checkpoint);
  }

  status(): WitnessStatus[] {
    return this.#followers.map((follower) => follower.status);
  }

  /** Resolves when every witness has answered, or waits for its next try. */
  async settled(): Promise<void> {
    await Promise.all(this.#followers.map((follower) => follower.settled));
  }

  async close(): Promise<void> {
    await Promise.all(this.#followers.map((follower) => follower.close()));
  }
}

class Follower {
  readonly #log: StationLog;
  readonly #peer: WitnessPeer;
  readonly #options: WitnessOptions;
  readonly #enough: () => (size: number) => boolean;
  readonly #abort = new AbortController();
  #target: Checkpoint | null = null;
  #size = 0;
  #cosignedAt: number | null = null;
  #failures = 0;
  #lastError: string | null = null;
  #contradicts = false;
  #running: Promise<void> | null = null;
  #timer: NodeJS.Timeout | null = null;

  constructor(
    log: StationLog,
    peer: WitnessPeer,
    options: WitnessOptions,
    enough: () => (size: number) => boolean,
  ) {
    this.#log = log;
    this.#peer = peer;
    this.#options = options;
    this.#enough = enough;
  }

  get status(): WitnessStatus {
    const asking = this.#running === null ? "idle" : "asking";
    return {
      name: this.#peer.key.name,
      url: this.#peer.url,
      state: this.#contradicts ? "contradicts" : this.#timer === null ? asking : "waiting",
      size: this.#size === 0 ? null : this.#size,
      cosignedAt: this.#cosignedAt,
      failures: this.#failures,
      lastError: this.#lastError,
    };
  }

  get settled(): Promise<void> {
    return this.#running ?? Promise.resolve();
  }

  announce(checkpoint: Checkpoint): void {
    this.#target = checkpoint;
    if (this.#running === null && this.#timer === null) this.#run();
  }

  async close(): Promise<void> {
    this.#abort.abort();
    this.#target = null;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    await this.#running;
  }

  #run(): void {
    this.#running = this.#work().finally(() => {
      this.#running = null;
    });
  }

  async #work(): Promise<void> {
    while (this.#target !== null) {
      const checkpoint = this.#target;
      let answer: Answer;
      try {
        answer = await this.#ask(checkpoint);
        // It knows another size than we thought: once more from there, and only once.
        if ("size" in answer) answer = await this.#askFrom(checkpoint, answer.size);
      } catch (error) {
        answer = { error: error instanceof Error ? error.message : String(error) };
      }
      if ("cosignature" in answer) {
        this.#failures = 0;
        this.#lastError = null;
        this.#contradicts = false;
        this.#size = checkpoint.size;
        this.#cosignedAt = answer.cosignature.timestamp;
        const before = this.#enough()(checkpoint.size);
        this.#options.onCosigned?.(checkpoint, answer.cosignature, before);
        if (this.#target === checkpoint) this.#target = null;
        continue;
      }
      if (this.#abort.signal.aborted) return;
      this.#failures++;
      this.#lastError = "error" in answer ? answer.error : "it changes its mind about the size";
      const wait = Math.min(MAX_WAIT_MS, FIRST_WAIT_MS * 2 ** Math.min(this.#failures - 1, 16));
      this.#timer = setTimeout(() => {
        this.#timer = null;
        if (this.#running === null) this.#run();
      }, wait);
      this.#timer.unref();
      return;
    }
  }

  async #askFrom(checkpoint: Checkpoint, size: number): Promise<Answer> {
    if (size > checkpoint.size) {
      if (size > this.#log.size) await this.#contradiction();
      return { error: `it has size ${size} of this log already` };
    }
    this.#size = size;
    return this.#ask(checkpoint);
  }

  async #ask(checkpoint: Checkpoint): Promise<Answer> {
    const { key, url } = this.#peer;
    const from = Math.min(this.#size, checkpoint.size);
    const proof = this.#log.consistencyProof(from, checkpoint.size);
    const response = await this.#fetch(`${url.replace(/\/+$/, "")}/add-checkpoint`, {
      method: "POST",
      headers: { "content-type": "text/plain; charset=utf-8" },
      body: formatAddCheckpoint(from, proof, formatNote(checkpoint.note)),
    });
    const text = await boundedText(response);
    if (response.status === 409 && response.headers.get("content-type")?.startsWith(SIZE_TYPE) === true) {
      const size = parseSize(text.trim());
      return size === null ? { error: "status 409 without a size" } : { size };
    }
    if (response.status === 409 || response.status === 422) {
      this.#contradicts = true;
      return { error: `it holds another history of this log (status ${response.status})` };
    }
    if (response.status !== 200) return { error: `status ${response.status}` };
    for (const line of parseCosignatureLines(text) ?? []) {
      const cosignature = verifyCosignature(checkpoint.note.text, line, key);
      if (cosignature === null) continue;
      this.#log.addCosignature(checkpoint.size, line, cosignature);
      return { cosignature };
    }
    return { error: "its answer has no cosignature by its key that holds" };
  }

  /**
   * A witness says that it has more of this log than there is. Its word alone stops nothing, or one witness could
   * stop every station; a checkpoint with our own signature does.
   */
  async #contradiction(): Promise<void> {
    this.#contradicts = true;
    const { origin, key } = this.#log;
    const url = `${this.#peer.url.replace(/\/+$/, "")}/v1/checkpoint?origin=${encodeURIComponent(origin)}`;
    const response = await this.#fetch(url, {});
    if (response.status !== 200) return;
    const theirs = parseCheckpoint(await boundedText(response));
    if (theirs === null || theirs.origin !== origin || theirs.size <= this.#log.size) return;
    if (signerOf(theirs, [key]) === null) return;
    this.#log.refuse(
      `${this.#peer.key.name} holds a checkpoint of ${theirs.size} leaves with this station's signature, but the log has ${this.#log.size}`,
    );
  }

  #fetch(url: string, init: RequestInit): Promise<Response> {
    const signal = AbortSignal.any([this.#abort.signal, AbortSignal.timeout(TIMEOUT_MS)]);
    return (this.#options.fetch ?? fetch)(url, { ...init, signal, redirect: "error" });
  }
}

async function boundedText(response: Response): Promise<string> {
  if (response.body === null) return "";
  const chunks: Uint8Array[] = [];
  let total = 0;
  for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
    total += chunk.length;
    if (total > MAX_ANSWER_BYTES) throw new Error("the answer is too long");
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}
