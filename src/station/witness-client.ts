/**
 * The station's side of witnessing: hands each new checkpoint to several witnesses, keeps what they sign, and waits
 * longer after every failure. A witness that is dead or contradicts is shown, and stops nobody else. Edge: HTTP.
 */
import { OsnmadError } from "../errors.js";
import { formatAddCheckpoint, SIZE_TYPE } from "./add-checkpoint.js";
import { parseSize, type Checkpoint } from "./checkpoint.js";
import { parseCosignatureLines, verifyCosignature, type Cosignature } from "./cosignature.js";
import { formatNote, type VerifierKey } from "./note.js";
import type { StationLog } from "./station-log.js";
import { compareHistory, type Standing } from "./witness-history.js";

const TIMEOUT_MS = 10_000;
/** Before the first signature of a run; who does not answer by then is asked again with the next leaf. */
const CONFIRM_TIMEOUT_MS = 5000;
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

/** What the witnesses say before the first signature of a run. */
export interface Confirmation {
  /** How many show no other history than the station's. */
  readonly answered: number;
  /**
   * How many have to: any so many of the n share one with the w that saw a checkpoint which counts as witnessed, so a
   * restored backup can sign no second history of anything that was witnessed.
   */
  readonly needed: number;
  /** The others, and why. */
  readonly silent: readonly string[];
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
    const twice = sameWitnessTwice(peers);
    if (twice !== null) throw new OsnmadError("OSN_USAGE", twice);
    this.#log = log;
    this.#options = options;
    this.#followers = peers.map((peer) => new Follower(log, peer, options, () => this.#enough));
  }

  get #enough(): (size: number) => boolean {
    return (size) => this.#log.cosignatures(size).length >= this.#options.needed;
  }

  /** Asks every witness once what it holds of this log. */
  async confirm(): Promise<Confirmation> {
    const { needed } = this.#options;
    const n = this.#followers.length;
    const asked = await Promise.all(
      this.#followers.map(async (follower) => {
        const { name } = follower.status;
        try {
          const standing = await follower.compare(CONFIRM_TIMEOUT_MS);
          return standing === "agrees" || standing === "none" ? null : `${name}: ${WORDS[standing]}`;
        } catch (error) {
          return `${name}: ${error instanceof Error ? error.message : String(error)}`;
        }
      }),
    );
    const silent = asked.filter((why) => why !== null);
    return { answered: n - silent.length, needed: Math.max(1, Math.min(n, n - needed + 1)), silent };
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

const WORDS = {
  contradicts: "it holds another history with this station's signature",
  unproven: "what it holds of this log is not signed by this station's key",
};

/** What is wrong with a list of witnesses in which one is there twice; null where none is. */
export function sameWitnessTwice(peers: readonly WitnessPeer[]): string | null {
  const seen = new Set<string>();
  for (const { key } of peers) {
    // Cosignatures are counted by name, and one key is one witness under however many names.
    for (const mark of [`the name ${key.name}`, `the key ${Buffer.from(key.publicKey).toString("base64")}`]) {
      if (seen.has(mark)) return `Two witnesses have ${mark}.`;
      seen.add(mark);
    }
  }
  return null;
}

class Follower {
  readonly #log: StationLog;
  readonly #peer: WitnessPeer;
  readonly #options: WitnessOptions;
  readonly #enough: () => (size: number) => boolean;
  readonly #abort = new AbortController();
  #target: Checkpoint | null = null;
  #size = 0;
  /** Sizes that it may have cosigned without our knowing: the answer was lost. */
  readonly #unsure = new Set<number>();
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
    // The run before may have ended between question and answer.
    if (log.checkpoint !== null) this.#unsure.add(log.checkpoint.size);
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
        if ("size" in answer) answer = await this.#otherHistory(409);
      } catch (error) {
        this.#unsure.add(checkpoint.size);
        answer = { error: error instanceof Error ? error.message : String(error) };
      }
      if ("cosignature" in answer) {
        this.#failures = 0;
        this.#lastError = null;
        this.#contradicts = false;
        this.#size = checkpoint.size;
        this.#cosignedAt = answer.cosignature.timestamp;
        this.#options.onCosigned?.(checkpoint, answer.cosignature, this.#enough()(checkpoint.size));
        if (this.#target === checkpoint) this.#target = null;
        await this.#fetchLost();
        continue;
      }
      if (this.#abort.signal.aborted) return;
      this.#failures++;
      this.#lastError = "error" in answer ? answer.error : "it says no more than a size";
      // Nothing more is signed, so there is nothing more to ask.
      if (this.#log.refusal !== null) return;
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
    if (size > checkpoint.size) return this.#otherHistory(409);
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
    if (response.status === 409 || response.status === 422) return this.#otherHistory(response.status);
    if (response.status !== 200) return { error: `status ${response.status}` };
    for (const line of parseCosignatureLines(text) ?? []) {
      const cosignature = verifyCosignature(checkpoint.note.text, line, key);
      if (cosignature === null) continue;
      this.#log.addCosignature(checkpoint.size, line, cosignature);
      return { cosignature };
    }
    return { error: "its answer has no cosignature by its key that holds" };
  }

  /** It does not take our checkpoint as what follows: whether that is ours to answer for, its own checkpoint shows. */
  async #otherHistory(status: number): Promise<Answer> {
    this.#contradicts = true;
    const why = `it holds another history of this log (status ${status})`;
    try {
      await this.compare(TIMEOUT_MS);
    } catch (error) {
      return { error: `${why}; ${error instanceof Error ? error.message : String(error)}` };
    }
    return { error: why };
  }

  /** What the witness holds of this log, against what the log is. Throws where it does not answer. */
  async compare(timeoutMs: number): Promise<Standing> {
    const { key } = this.#peer;
    const response = await this.#fetch(this.#url("v1/checkpoint"), {}, timeoutMs);
    const text = await boundedText(response);
    const standing = compareHistory(this.#log, key.name, { status: response.status, text });
    if (standing === "contradicts" || standing === "unproven") this.#contradicts = true;
    return standing;
  }

  /** Cosignatures whose answers were lost, as the witness made them then. One that has no such service loses them. */
  async #fetchLost(): Promise<void> {
    const { key } = this.#peer;
    for (const size of [...this.#unsure]) {
      this.#unsure.delete(size);
      const checkpoint = this.#log.checkpointAt(size);
      if (checkpoint === null || this.#log.cosignatures(size).some(({ witness }) => witness === key.name))
        continue;
      try {
        const response = await this.#fetch(`${this.#url("v1/cosignature")}&size=${size}`, {}, TIMEOUT_MS);
        const text = await boundedText(response);
        if (response.status !== 200) continue;
        for (const line of parseCosignatureLines(text) ?? []) {
          const cosignature = verifyCosignature(checkpoint.note.text, line, key);
          if (cosignature === null) continue;
          this.#log.addCosignature(size, line, cosignature);
          this.#options.onCosigned?.(checkpoint, cosignature, this.#enough()(size));
        }
      } catch {
        this.#unsure.add(size);
        return;
      }
    }
  }

  #url(path: string): string {
    const { origin } = this.#log;
    return `${this.#peer.url.replace(/\/+$/, "")}/${path}?origin=${encodeURIComponent(origin)}`;
  }

  #fetch(url: string, init: RequestInit, timeoutMs = TIMEOUT_MS): Promise<Response> {
    const signal = AbortSignal.any([this.#abort.signal, AbortSignal.timeout(timeoutMs)]);
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
