/** The witness over HTTP: C2SP tlog-witness, and what else somebody who relies on it needs to see. Edge. */
import { fastify, type FastifyInstance } from "fastify";
import { RateLimit } from "../http/rate-limit.js";
import { cosign } from "../station/cosignature.js";
import { COSIGNATURE_V1, formatSignature, formatVerifierKey, verifierKey } from "../station/note.js";
import { parseSize } from "../station/checkpoint.js";
import type { Signer } from "../station/signer.js";
import { MAX_BODY_BYTES, type WitnessBook } from "./book.js";
import { SteadyClock } from "./clock.js";

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
  /** Milliseconds of a clock that nobody sets. */
  readonly monotonic?: () => number;
  /** Requests a second of one address; 0 for no limit. */
  readonly perSecond?: number;
}

const PLAIN = "text/plain; charset=utf-8";
const REQUEST_TIMEOUT_MS = 10_000;

/** The service, not listening yet; closing it closes no book. */
export function witnessService(options: WitnessServiceOptions): FastifyInstance {
  const { book, name, signer, clock } = options;
  const time = new SteadyClock(options.now ?? Date.now, options.monotonic ?? (() => performance.now()));
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
    const now = time.read();
    if (now === null) {
      const why = "this witness's clock was set while it ran; its operator has to look and start it again\n";
      return reply.code(503).type(PLAIN).send(why);
    }
    const decision = book.add(request.body, Math.floor(now / 1000));
    if (decision.status !== 200)
      return reply.code(decision.status).type(decision.type).send(Buffer.from(decision.body));
    const line = await cosign(decision.text, decision.timestamp, key, (message) => signer.sign(message));
    return reply.code(200).type(PLAIN).send(formatSignature(line));
  });

  app.get("/v1/witness", () => ({
    name,
    key: formatVerifierKey(key),
    clock: { ...clock, changes: book.clockChanges() },
    logs: book.logs(),
  }));

  app.get("/v1/evidence", () => ({ evidence: book.evidence() }));

  app.get<{ Querystring: { origin?: string } }>("/v1/checkpoint", async (request, reply) => {
    const { origin } = request.query;
    const note = typeof origin === "string" ? book.newest(origin) : null;
    return note === null ? reply.code(404).type(PLAIN).send("unknown log\n") : reply.type(PLAIN).send(note);
  });

  // The same signature again, at the time of then: for a station that lost the answer.
  app.get<{ Querystring: { origin?: string; size?: string } }>("/v1/cosignature", async (request, reply) => {
    const { origin, size: text } = request.query;
    const size = typeof text === "string" ? parseSize(text) : null;
    const seen = typeof origin === "string" && size !== null ? book.cosigned(origin, size) : null;
    if (seen === null) return reply.code(404).type(PLAIN).send("not cosigned\n");
    const line = await cosign(seen.text, seen.timestamp, key, (message) => signer.sign(message));
    return reply.type(PLAIN).send(formatSignature(line));
  });
  return app;
}
