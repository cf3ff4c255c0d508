/** The witness over HTTP: C2SP tlog-witness, and what else somebody who relies on it needs to see. Edge. */
import { fastify, type FastifyInstance } from "fastify";
import { RateLimit } from "../http/rate-limit.js";
import { cosign } from "../station/cosignature.js";
import { COSIGNATURE_V1, formatSignature, formatVerifierKey, verifierKey } from "../station/note.js";
import type { Signer } from "../station/signer.js";
import { MAX_BODY_BYTES, type WitnessBook } from "./book.js";

export interface ClockStatement {
  /** The operator's bound on the error of this machine's clock against UTC, seconds. */
  readonly boundSeconds: number;
  /** What keeps it: never a receiver of the stations that are witnessed. */
  readonly source: string;
}

export interface WitnessServiceOptions {
  readonly book: WitnessBook;
  /** Names the witness in its signatures. */
  readonly name: string;
  readonly signer: Signer;
  readonly clock: ClockStatement;
  /** Unix milliseconds. */
  readonly now?: () => number;
  /** Requests a second of one address; 0 for no limit. */
  readonly perSecond?: number;
}

const PLAIN = "text/plain; charset=utf-8";
const REQUEST_TIMEOUT_MS = 10_000;

/** The service, not listening yet; closing it closes no book. */
export function witnessService(options: WitnessServiceOptions): FastifyInstance {
  const { book, name, signer, clock } = options;
  const now = options.now ?? Date.now;
  const key = verifierKey(name, COSIGNATURE_V1, signer.publicKey);
  const limit = new RateLimit({ perSecond: options.perSecond ?? 10 });
  const app = fastify({
    logger: false,
    bodyLimit: MAX_BODY_BYTES,
    requestTimeout: REQUEST_TIMEOUT_MS,
    // Stations keep their connections open, and ask again what was cut off.
    forceCloseConnections: true,
  });
  app.removeAllContentTypeParsers();
  app.addContentTypeParser("*", { parseAs: "string" }, (_request, body, done) => {
    done(null, body);
  });

  app.addHook("onRequest", async (request, reply) => {
    const wait = limit.take(request.ip);
    if (wait > 0)
      await reply.code(429).header("retry-after", String(wait)).type(PLAIN).send("too many requests\n");
  });

  app.post("/add-checkpoint", async (request, reply) => {
    if (typeof request.body !== "string")
      return reply.code(400).type(PLAIN).send("no add-checkpoint request\n");
    const decision = book.add(request.body, Math.floor(now() / 1000));
    if (decision.status !== 200)
      return reply.code(decision.status).type(decision.type).send(Buffer.from(decision.body));
    const line = await cosign(decision.text, decision.timestamp, key, (message) => signer.sign(message));
    return reply.code(200).type(PLAIN).send(formatSignature(line));
  });

  app.get("/v1/witness", () => ({ name, key: formatVerifierKey(key), clock, logs: book.logs() }));

  app.get("/v1/evidence", () => ({ evidence: book.evidence() }));

  app.get<{ Querystring: { origin?: string } }>("/v1/checkpoint", async (request, reply) => {
    const { origin } = request.query;
    const note = typeof origin === "string" ? book.newest(origin) : null;
    return note === null ? reply.code(404).type(PLAIN).send("unknown log\n") : reply.type(PLAIN).send(note);
  });
  return app;
}
