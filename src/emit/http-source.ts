/** What a follower asks a station for over HTTP: messages, leaves and hashes from its tiles, answers to challenges. Edge. */
import { isLoopbackHostHeader } from "../http/loopback.js";
import { parseCheckpoint, type Checkpoint } from "../station/checkpoint.js";
import { consistencyProof, HASH_BYTES, nodeHash, rootOf, type SubtreeHash } from "../station/merkle.js";
import { bytesOfBase64, MAX_NOTE_BYTES, parseSignatureLine, type NoteSignature } from "../station/note.js";
import { decodeEntries, subtreeFromTiles, tilePath, TILE_WIDTH, type TileName } from "../station/tiles.js";

const TIMEOUT_MS = 35_000;
const MAX_PAGE_BYTES = 1 << 24;
/** Fixes come with their evidence. */
const MAX_PROVER_PAGE_BYTES = 1 << 26;
const MAX_TILE_BYTES = TILE_WIDTH * HASH_BYTES;
/** Leaves are below 1 KiB; a bundle of the largest that the format allows would be 16 MiB. */
const MAX_BUNDLE_BYTES = 1 << 23;
/** Four leaves with their proofs, a note, and the proof of origin. */
const MAX_ANSWER_BYTES = 1 << 20;
/** 128 sizes with 64 lines each. */
const MAX_COSIGNATURES_BYTES = 1 << 22;
const MAX_RETRY_AFTER_SECONDS = 300;

export interface PulledMessage {
  readonly seq: number;
  readonly envelope: Uint8Array;
}

export interface Pulled {
  /** Oldest number that the station still has. */
  readonly first: number;
  readonly last: number;
  readonly messages: readonly PulledMessage[];
}

export interface HttpSourceOptions {
  /** Address of the station's server. */
  readonly url: string;
  readonly token?: string | undefined;
  /** Name of the prover whose messages are asked for; without it those for federations. */
  readonly prover?: string | undefined;
  readonly fetch?: typeof fetch;
}

/** An answer that is none. */
export class HttpFault extends Error {
  readonly status: number | null;
  /** Seconds that the server asks to be left alone. */
  readonly retryAfterSeconds: number | null;

  constructor(message: string, status: number | null = null, retryAfterSeconds: number | null = null) {
    super(message);
    this.status = status;
    this.retryAfterSeconds = retryAfterSeconds;
  }
}

/** More than is read; a page of fewer messages may be less. */
export class TooLong extends HttpFault {}

/** Whether a secret may be sent there: over TLS, or without leaving the machine. */
export function mayHaveToken(url: string): boolean {
  const { protocol, host } = new URL(url);
  return protocol === "https:" || isLoopbackHostHeader(host);
}

export class HttpSource {
  readonly url: string;
  readonly #token: string | undefined;
  readonly #fetch: typeof fetch;
  readonly #messages: string;
  readonly #mostPageBytes: number;

  /** Throws RangeError for a token that would go over a network as plain text, TypeError for what is no address. */
  constructor({ url, token, prover, fetch: given = fetch }: HttpSourceOptions) {
    this.url = url.replace(/\/+$/, "");
    if (token !== undefined && !mayHaveToken(this.url))
      throw new RangeError(`${this.url} would get its token as plain text: https, or loopback`);
    this.#token = token;
    this.#fetch = given;
    this.#messages =
      prover === undefined
        ? "/v1/federation/messages?"
        : `/v1/prover/fixes?consumer=${encodeURIComponent(prover)}&`;
    this.#mostPageBytes = prover === undefined ? MAX_PAGE_BYTES : MAX_PROVER_PAGE_BYTES;
  }

  /** Messages after a number; waits up to `wait` seconds for the first. Throws Error for any other answer. */
  async pull(after: number, limit: number, wait: number, signal?: AbortSignal): Promise<Pulled> {
    const path = `${this.#messages}after=${after}&limit=${limit}&wait=${wait}`;
    const body = await this.#json(path, this.#mostPageBytes, signal);
    const { first, last, messages } = body as { first?: unknown; last?: unknown; messages?: unknown };
    if (!isNumber(first) || !isNumber(last) || !Array.isArray(messages) || messages.length > limit)
      throw new HttpFault("no page of messages");
    let newest = after;
    const pulled = messages.map((message: unknown): PulledMessage => {
      const { seq, envelope } = (message ?? {}) as { seq?: unknown; envelope?: unknown };
      const bytes = typeof envelope === "string" ? bytesOfBase64(envelope) : null;
      if (!isNumber(seq) || seq <= newest || bytes === null) throw new HttpFault("no message");
      newest = seq;
      return { seq, envelope: bytes };
    });
    return { first, last, messages: pulled };
  }

  async checkpoint(signal?: AbortSignal): Promise<Checkpoint> {
    const checkpoint = parseCheckpoint(await this.#get("/checkpoint", MAX_NOTE_BYTES, signal));
    if (checkpoint === null) throw new HttpFault("no checkpoint");
    return checkpoint;
  }

  /**
   * Leaves from `from` up to, not including, `to`, from the tiles of a tree of `size` leaves. Throws TooLong where they
   * are more than `most` bytes.
   */
  async leaves(
    from: number,
    to: number,
    size: number,
    most: number,
    signal?: AbortSignal,
  ): Promise<Uint8Array[]> {
    const leaves: Uint8Array[] = [];
    let bytes = 0;
    while (from + leaves.length < to) {
      const next = from + leaves.length;
      const index = Math.floor(next / TILE_WIDTH);
      const name: TileName = {
        level: "entries",
        index,
        width: Math.min(TILE_WIDTH, size - index * TILE_WIDTH),
      };
      const body = await this.#get(`/${tilePath(name)}`, MAX_BUNDLE_BYTES, signal);
      const bundle = decodeEntries(body);
      if (bundle?.length !== name.width)
        throw new HttpFault(`${tilePath(name)} is no bundle of ${name.width}`);
      bytes += body.length;
      if (bytes > most) throw new TooLong(`more than ${most} bytes of leaves`);
      leaves.push(...bundle.slice(next - index * TILE_WIDTH, to - index * TILE_WIDTH));
    }
    return leaves;
  }

  /** Root of the first `older` leaves of a tree of `size`, and the proof that it has them: as the tiles say. */
  async consistency(
    older: number,
    size: number,
    signal?: AbortSignal,
  ): Promise<{ root: Uint8Array; proof: Uint8Array[] }> {
    const tiles = new Map<string, Uint8Array>();
    const wanted = new Map<string, TileName>();
    const tile = (level: number, index: number): Uint8Array => {
      const width = Math.min(TILE_WIDTH, Math.floor(size / TILE_WIDTH ** level) - index * TILE_WIDTH);
      const path = tilePath({ level, index, width });
      const bytes = tiles.get(path);
      if (bytes === undefined) wanted.set(path, { level, index, width });
      return bytes ?? new Uint8Array(width * HASH_BYTES);
    };
    const subtree: SubtreeHash = subtreeFromTiles(tile, nodeHash);
    const answer = () => ({ root: rootOf(older, subtree), proof: consistencyProof(older, size, subtree) });
    // A first time to see which tiles it takes: two for each level at most.
    answer();
    for (const [path, { width }] of wanted) {
      const body = await this.#get(`/${path}`, MAX_TILE_BYTES, signal);
      if (body.length !== width * HASH_BYTES) throw new HttpFault(`${path} is no tile of ${width} hashes`);
      tiles.set(path, body);
    }
    return answer();
  }

  /**
   * Lines of witnesses over the checkpoints of the next sizes above `after`, in order; none where there are no more. A
   * mirror of tiles has none at all.
   */
  async cosignatures(
    after: number,
    signal?: AbortSignal,
  ): Promise<{ readonly size: number; readonly line: NoteSignature }[]> {
    const path = `/v1/station/cosignatures?after=${after}`;
    const body = await this.#jsonOrNull(path, MAX_COSIGNATURES_BYTES, signal);
    const { cosignatures } = (body ?? { cosignatures: [] }) as { cosignatures?: unknown };
    if (!Array.isArray(cosignatures)) throw new HttpFault(`${path}: no cosignatures`);
    let newest = after;
    return cosignatures.map((each: unknown, at) => {
      const { size, line } = (each ?? {}) as { size?: unknown; line?: unknown };
      const parsed = typeof line === "string" ? parseSignatureLine(line) : null;
      if (!isNumber(size) || (at === 0 ? size <= newest : size < newest) || parsed === null)
        throw new HttpFault(`${path}: no cosignature`);
      newest = size;
      return { size, line: parsed };
    });
  }

  /** What the station says of a challenge; null where it says that it never got it. */
  async challenge(challenge: Uint8Array, signal?: AbortSignal): Promise<unknown> {
    const path = `/v1/challenges/${Buffer.from(challenge).toString("hex")}`;
    return this.#jsonOrNull(path, MAX_ANSWER_BYTES, signal);
  }

  /** Null where the server says that there is no such thing. */
  async #jsonOrNull(path: string, most: number, signal?: AbortSignal): Promise<object | null> {
    try {
      return await this.#json(path, most, signal);
    } catch (error) {
      if (error instanceof HttpFault && error.status === 404) return null;
      throw error;
    }
  }

  async #json(path: string, most: number, signal?: AbortSignal): Promise<object> {
    const text = Buffer.from(await this.#get(path, most, signal)).toString("utf8");
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch {
      value = null;
    }
    if (typeof value !== "object" || value === null) throw new HttpFault(`${path}: no JSON object`);
    return value;
  }

  async #get(path: string, most: number, signal?: AbortSignal): Promise<Uint8Array> {
    const timeout = AbortSignal.timeout(TIMEOUT_MS);
    const response = await this.#fetch(this.url + path, {
      signal: signal === undefined ? timeout : AbortSignal.any([signal, timeout]),
      redirect: "error",
      headers: this.#token === undefined ? {} : { authorization: `Bearer ${this.#token}` },
    });
    if (!response.ok || response.body === null) {
      void response.body?.cancel();
      const after = Number(response.headers.get("retry-after") ?? Number.NaN);
      throw new HttpFault(
        `HTTP status ${response.status} for ${path}`,
        response.status,
        after > 0 ? Math.min(after, MAX_RETRY_AFTER_SECONDS) : null,
      );
    }
    const chunks: Uint8Array[] = [];
    let length = 0;
    for await (const chunk of response.body as AsyncIterable<Uint8Array>) {
      length += chunk.length;
      if (length > most) throw new TooLong(`more than ${most} bytes`);
      chunks.push(chunk);
    }
    return Buffer.concat(chunks);
  }
}

function isNumber(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}
