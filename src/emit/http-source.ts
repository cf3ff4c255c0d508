/** What a follower asks a station for over HTTP: messages, and leaves from its tiles. Edge. */
import { parseCheckpoint, type Checkpoint } from "../station/checkpoint.js";
import { bytesOfBase64, MAX_NOTE_BYTES } from "../station/note.js";
import { decodeEntries, MAX_ENTRY_BYTES, tilePath, TILE_WIDTH } from "../station/tiles.js";

const TIMEOUT_MS = 35_000;
const MAX_PAGE_BYTES = 1 << 26;

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
  readonly fetch?: typeof fetch;
}

export class HttpSource {
  readonly url: string;
  readonly #token: string | undefined;
  readonly #fetch: typeof fetch;

  constructor({ url, token, fetch: given = fetch }: HttpSourceOptions) {
    this.url = url.replace(/\/+$/, "");
    this.#token = token;
    this.#fetch = given;
  }

  /** Messages after a number; waits up to `wait` seconds for the first. Throws Error for any other answer. */
  async pull(after: number, limit: number, wait: number, signal?: AbortSignal): Promise<Pulled> {
    const path = `/v1/federation/messages?after=${after}&limit=${limit}&wait=${wait}`;
    const body: unknown = JSON.parse(
      Buffer.from(await this.#get(path, MAX_PAGE_BYTES, signal)).toString("utf8"),
    );
    const { first, last, messages } = body as { first?: unknown; last?: unknown; messages?: unknown };
    if (!isNumber(first) || !isNumber(last) || !Array.isArray(messages))
      throw new Error("no page of messages");
    let newest = after;
    const pulled = messages.map((message: unknown): PulledMessage => {
      const { seq, envelope } = message as { seq?: unknown; envelope?: unknown };
      const bytes = typeof envelope === "string" ? bytesOfBase64(envelope) : null;
      if (!isNumber(seq) || seq <= newest || bytes === null) throw new Error("no message");
      newest = seq;
      return { seq, envelope: bytes };
    });
    return { first, last, messages: pulled };
  }

  async checkpoint(signal?: AbortSignal): Promise<Checkpoint> {
    const checkpoint = parseCheckpoint(await this.#get("/checkpoint", MAX_NOTE_BYTES, signal));
    if (checkpoint === null) throw new Error("no checkpoint");
    return checkpoint;
  }

  /** Leaves from `from` up to, not including, `size`, from the tiles of a tree of that size. */
  async leaves(from: number, size: number, signal?: AbortSignal): Promise<Uint8Array[]> {
    const leaves: Uint8Array[] = [];
    while (from + leaves.length < size) {
      const next = from + leaves.length;
      const index = Math.floor(next / TILE_WIDTH);
      const width = Math.min(TILE_WIDTH, size - index * TILE_WIDTH);
      const path = `/${tilePath({ level: "entries", index, width })}`;
      const bundle = decodeEntries(await this.#get(path, TILE_WIDTH * (MAX_ENTRY_BYTES + 2), signal));
      if (bundle?.length !== width) throw new Error(`${path} is no bundle of ${width}`);
      leaves.push(...bundle.slice(next - index * TILE_WIDTH));
    }
    return leaves;
  }

  async #get(path: string, most: number, signal?: AbortSignal): Promise<Uint8Array> {
    const timeout = AbortSignal.timeout(TIMEOUT_MS);
    const response = await this.#fetch(this.url + path, {
      signal: signal === undefined ? timeout : AbortSignal.any([signal, timeout]),
      redirect: "error",
      headers: this.#token === undefined ? {} : { authorization: `Bearer ${this.#token}` },
    });
    if (!response.ok || response.body === null) throw new Error(`HTTP status ${response.status}`);
    const chunks: Uint8Array[] = [];
    let length = 0;
    for await (const chunk of response.body as AsyncIterable<Uint8Array>) {
      length += chunk.length;
      if (length > most) throw new Error(`more than ${most} bytes`);
      chunks.push(chunk);
    }
    return Buffer.concat(chunks);
  }
}

function isNumber(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}
