/**
 * What a station hands out to those who come and ask: long polls and server-sent events for federations, long polls for
 * provers. A plugin for the server of src/http, or one of its own. Edge.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { opens } from "../http/access.js";
import { isLoopbackPeer } from "../http/loopback.js";
import { problemOf, sendProblem, type Problem } from "../http/problem.js";
import { openEnvelope, sealJws } from "./envelope.js";
import type { Emission } from "./emission.js";
import type { OutboxMessage } from "./outbox.js";
import type { Purpose } from "./statement.js";

const MAX_LIMIT = 1024;
const MAX_WAIT_SECONDS = 25;
const KEEP_ALIVE_MS = 15_000;
const STALLED_MS = 30_000;
const MAX_WAITING = 256;
const AT_ONCE = 64;

export interface EmissionRoutesOptions {
  readonly emission: Emission;
  readonly keepAliveMs?: number;
}

interface PullQuery {
  readonly after?: number;
  readonly limit?: number;
  readonly wait?: number;
  readonly form?: "cose" | "jws";
}

const integer = (maximum: number) => ({ type: "integer", minimum: 0, maximum }) as const;
const CONSUMER = { type: "string", minLength: 1, maxLength: 100 } as const;
const PAGE = {
  after: integer(Number.MAX_SAFE_INTEGER),
  limit: { ...integer(MAX_LIMIT), minimum: 1 },
  wait: integer(MAX_WAIT_SECONDS),
  form: { enum: ["cose", "jws"] },
} as const;
const strict = { type: "object", additionalProperties: false } as const;
const FEDERATION_SCHEMA = {
  summary: "What the station sends to federations, after a number",
  querystring: { ...strict, properties: PAGE },
} as const;
const PROVER_SCHEMA = {
  summary: "What the station sends to provers, after the consumer's cursor or a number; changes nothing",
  querystring: { ...strict, required: ["consumer"], properties: { ...PAGE, consumer: CONSUMER } },
} as const;
const TAKEN_SCHEMA = {
  summary: "Says that a prover has safely stored all up to a number; it may then be let go",
  body: {
    ...strict,
    required: ["consumer", "seq"],
    properties: { consumer: CONSUMER, seq: integer(Number.MAX_SAFE_INTEGER) },
  },
} as const;

export function emissionRoutes(app: FastifyInstance, options: EmissionRoutesOptions): void {
  const { emission, keepAliveMs = KEEP_ALIVE_MS } = options;
  const { outbox } = emission;
  /** Everybody who waits, so that a server that stops keeps nobody. */
  const waiting = new Set<() => void>();
  app.addHook("preClose", (done) => {
    for (const end of [...waiting]) end();
    done();
  });

  const arrival = (seconds: number, request: FastifyRequest): Promise<void> =>
    new Promise((resolve) => {
      const end = (): void => {
        clearTimeout(timer);
        stop();
        waiting.delete(end);
        request.raw.socket.off("close", end);
        resolve();
      };
      const timer = setTimeout(end, seconds * 1000);
      const stop = outbox.onPut(end);
      request.raw.socket.once("close", end);
      waiting.add(end);
    });

  async function pull(
    purpose: Purpose,
    { after, limit = 256, wait = 0, form = "cose" }: PullQuery & { readonly after: number },
    request: FastifyRequest,
    reply: FastifyReply,
  ) {
    let messages = outbox.after(purpose, after, limit);
    if (messages.length === 0 && wait > 0 && waiting.size < MAX_WAITING) {
      await arrival(wait, request);
      messages = outbox.after(purpose, after, limit);
    }
    return reply.header("cache-control", "no-store").send({
      station: Buffer.from(emission.log.station).toString("hex"),
      origin: emission.log.origin,
      first: outbox.firstSeq(purpose),
      last: outbox.lastSeq(purpose),
      messages: await Promise.all(messages.map((message) => messageJson(emission, message, form))),
    });
  }

  app.get<{ Querystring: PullQuery }>(
    "/v1/federation/messages",
    { config: { scope: "read:federation" }, schema: FEDERATION_SCHEMA },
    (request, reply) => pull("federation", { after: 0, ...request.query }, request, reply),
  );

  app.get<{ Querystring: PullQuery & { readonly consumer: string } }>(
    "/v1/prover/fixes",
    { config: { scope: "read:fixes" }, schema: PROVER_SCHEMA },
    (request, reply) => {
      const { consumer } = request.query;
      const refused = refusalOf(consumer, request, reply);
      if (refused !== null) return sendProblem(reply, refused);
      const { seq } = outbox.state(consumer)!;
      return pull("prover", { after: seq, ...request.query }, request, reply);
    },
  );

  app.post<{ Body: { readonly consumer: string; readonly seq: number } }>(
    "/v1/prover/taken",
    { config: { scope: "read:fixes" }, schema: TAKEN_SCHEMA },
    (request, reply) => {
      const { consumer, seq } = request.body;
      const refused = refusalOf(consumer, request, reply);
      if (refused !== null) return sendProblem(reply, refused);
      outbox.advance(consumer, seq);
      const { seq: taken, backlog } = outbox.state(consumer)!;
      return reply.header("cache-control", "no-store").send({ consumer, seq: taken, backlog });
    },
  );

  /** Null where this request may have the places that are for this consumer. */
  function refusalOf(consumer: string, request: FastifyRequest, reply: FastifyReply): Problem | null {
    const { token } = request as { token?: FastifyRequest["token"] };
    if (!mayHavePlaces(request)) {
      reply.header("www-authenticate", 'Bearer realm="osnmad", scope="read:fixes"');
      return problemOf("OSN_UNAUTHORIZED", "Beyond this machine a prover shows a token for read:fixes.");
    }
    if (!emission.pulls(consumer)) {
      return problemOf("OSN_NOT_FOUND", "No prover of this name is configured to come and ask.");
    }
    if (token == null || token.name === consumer) return null;
    return problemOf("OSN_FORBIDDEN", `Token ${token.id} is of another name than the consumer.`);
  }

  // Backlogs count fixes, and addresses tell who the prover is: for nobody but who runs the station.
  app.get(
    "/v1/emission",
    { config: { scope: "admin" }, schema: { summary: "Consumers: cursor, backlog, failures, state" } },
    (_request, reply) => reply.header("cache-control", "no-store").send(emission.status()),
  );

  app.get("/v1/federation/stream", { config: { scope: "read:federation" } }, (request, reply) => {
    if (waiting.size >= MAX_WAITING) {
      reply.header("retry-after", "10");
      return sendProblem(reply, problemOf("OSN_RATE_LIMITED", "Too many wait already.", { status: 503 }));
    }
    const last = request.headers["last-event-id"];
    const start = typeof last === "string" && /^\d{1,15}$/.test(last) ? Number(last) : 0;
    const headers = reply.getHeaders() as Record<string, string>;
    reply.hijack();
    const { raw } = reply;
    raw.socket?.setTimeout(0);
    raw.writeHead(200, { ...headers, "content-type": "text/event-stream", "cache-control": "no-store" });
    raw.write("retry: 2000\n\n");
    let seq = start;
    let stalled: NodeJS.Timeout | null = null;
    let due = false;
    const write = (text: string): void => {
      if (raw.write(text) || stalled !== null) return;
      stalled = setTimeout(() => raw.destroy(), STALLED_MS);
      raw.once("drain", () => {
        if (stalled !== null) clearTimeout(stalled);
        stalled = null;
        step();
      });
    };
    // The outbox is the buffer: rows are read when the socket takes more.
    const step = (): void => {
      if (due || stalled !== null || raw.destroyed || raw.writableEnded) return;
      due = true;
      setImmediate(() => {
        due = false;
        if (raw.destroyed || raw.writableEnded) return;
        const messages = outbox.after("federation", seq, AT_ONCE);
        for (const { seq: at, key, envelope } of messages) {
          const data = Buffer.from(envelope).toString("base64");
          write(`id: ${at}\nevent: ${key.slice(0, key.indexOf("/"))}\ndata: ${data}\n\n`);
          seq = at;
        }
        if (messages.length > 0) step();
      });
    };
    const stop = outbox.onPut(step);
    const keepAlive = setInterval(() => {
      if (stalled === null) write(": keep-alive\n\n");
    }, keepAliveMs);
    const end = (): void => {
      raw.end();
    };
    waiting.add(end);
    raw.once("close", () => {
      stop();
      clearInterval(keepAlive);
      if (stalled !== null) clearTimeout(stalled);
      waiting.delete(end);
    });
    raw.on("error", () => raw.destroy());
    step();
    return reply;
  });
}

async function messageJson(
  { log }: Emission,
  { seq, key, envelope }: OutboxMessage,
  form: "cose" | "jws",
): Promise<Record<string, unknown>> {
  if (form === "cose") return { seq, key, envelope: Buffer.from(envelope).toString("base64") };
  const opened = openEnvelope(envelope);
  return { seq, key, jws: opened === null ? null : await sealJws(opened, opened.statement, log.signer) };
}

/** This machine, or a token that was taken; whatever the server around it asks for. */
function mayHavePlaces(request: FastifyRequest): boolean {
  const peer = request.socket.remoteAddress;
  // A Unix socket has no address; who may open it is the file's matter.
  if (peer === undefined || isLoopbackPeer(peer)) return true;
  const { token } = request as { token?: FastifyRequest["token"] };
  return token !== undefined && token !== null && opens(token, "read:fixes");
}
