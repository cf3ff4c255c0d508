/**
 * Answers that are made once and given until the store changes: the bytes, and their entity tag (RFC 9110
 * section 8.8.3). A tag is of the content, so it holds over restarts.
 */
import { createHash } from "node:crypto";
import type { FastifyReply, FastifyRequest } from "fastify";
import type { Store } from "../store/store.js";

interface Representation {
  readonly bytes: Buffer;
  readonly etag: string;
}

/** Different answers kept at a time. */
const MAX_KEPT = 64;
const TAG_BYTES = 12;

export class Representations {
  readonly #store: Store;
  readonly #kept = new Map<string, Representation>();
  #version = "";

  constructor(store: Store) {
    this.#store = store;
  }

  /** The answer named `key`, made by `make` where the store changed since, or was asked for the first time. */
  get(key: string, make: () => string | Buffer): Representation {
    const { version } = this.#store;
    if (version !== this.#version) {
      this.#kept.clear();
      this.#version = version;
    }
    const kept = this.#kept.get(key);
    if (kept !== undefined) return kept;
    const made = make();
    const bytes = typeof made === "string" ? Buffer.from(made) : made;
    const etag = `"${createHash("sha256").update(bytes).digest().subarray(0, TAG_BYTES).toString("base64url")}"`;
    if (this.#kept.size >= MAX_KEPT) this.#kept.clear();
    const representation = { bytes, etag };
    this.#kept.set(key, representation);
    return representation;
  }
}

/** Sends it, or 304 to a client that has it. */
export function sendRepresentation(
  request: FastifyRequest,
  reply: FastifyReply,
  { bytes, etag }: Representation,
): FastifyReply {
  reply.header("etag", etag);
  const known = request.headers["if-none-match"];
  if (known !== undefined && names(known, etag)) return reply.code(304).send();
  return reply.header("content-type", "application/json").send(bytes);
}

/** Whether an If-None-Match field (RFC 9110 section 13.1.2) names the tag; weak comparison. */
function names(field: string, etag: string): boolean {
  return field.split(",").some((part) => {
    const tag = part.trim();
    return tag === "*" || tag === etag || tag === `W/${etag}`;
  });
}
