/**
 * What a station hands out to those who come and ask: long polls and server-sent events for federations, long polls for
 * provers. A plugin for the server of src/http, or one of its own. Edge.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { opens } from "../http/access.js";
import { isLoopbackPeer } from "../http/loopback.js";
import { problemOf, sendProblem, type Problem } from "../http/problem.js";
import type { Emission } from "./emission.js";
import { FairDesk } from "./fair-desk.js";
import { FederationStream } from "./federation-stream.js";
import { Pages, type Form } from "./pages.js";
import { Seats } from "./seats.js";
import type { Purpose } from "./statement.js";

const MAX_LIMIT = 1024;
const MAX_WAIT_SECONDS = 25;
const KEEP_ALIVE_MS = 15_000;
const RETRY_SECONDS = "10";

export interface EmissionRoutesOptions {
  readonly emission: Emission;
  readonly keepAliveMs?: number;
  readonly desk?: FairDesk;
}

interface PullQuery {
  readonly after?: number;
  readonly limit?: number;
  readonly wait?: number;
  readonly form?: Form;
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
  tags: ["Emission"],
  summary: "What the station sends to federations, after a number",
  querystring: { ...strict, properties: PAGE },
} as const;
const PROVER_SCHEMA = {
  tags: ["Emission"],
  summary: "What the station sends to provers, after the consumer's cursor or a number; changes nothing",
  querystring: { ...strict, required: ["consumer"], properties: { ...PAGE, consumer: CONSUMER } },
} as const;
const TAKEN_SCHEMA = {
  tags: ["Emission"],
  summary: "Says that a prover has safely stored all up to a number; it may then be let go",
  body: {
    ...strict,
    required: ["consumer", "seq"],
    properties: { consumer: CONSUMER, seq: integer(Number.MAX_SAFE_INTEGER) },
  },
} as const;

export function emissionRoutes(app: FastifyInstance, options: EmissionRoutesOptions): void {
  const { emission, keepAliveMs = KEEP_ALIVE_MS, desk = new FairDesk() } = options;
  const { outbox } = emission;
  const pages = new Pages(emission, desk);
  /** Of each kind its own, so that nobody who waits for one thing keeps out those who want another. */
  const seats = {
    federation: { page: new Seats(64, 4), wait: new Seats(128, 16) },
    prover: { page: new Seats(16, 4), wait: new Seats(32, 8) },
    stream: new Seats(100, 8),
  };
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

  const full = (reply: FastifyReply, what: string): FastifyReply => {
    reply.header("retry-after", RETRY_SECONDS);
    return sendProblem(
      reply,
      problemOf("OSN_RATE_LIMITED", `${what}, of this client or of all.`, { status: 503 }),
    );
  };

  async function pull(
    purpose: Purpose,
    { after, limit = 256, wait = 0, form = "cose" }: PullQuery & { readonly after: number },
    request: FastifyRequest,
    reply: FastifyReply,
  ) {
    const client = clientOf(request);
    const own = seats[purpose];
    // Nobody sends anything while an answer is waited for, which the server would take for a dead connection.
    setIdleLimit(request, 0);
    try {
      const last = outbox.lastSeq(purpose);
      // Beyond what there is nothing will come: the outbox is another than before.
      if (after === last && wait > 0) {
        const leave = own.wait.take(client);
        if (leave === null) return full(reply, "Too many wait already");
        await arrival(wait, request).finally(leave);
      }
      const leave = own.page.take(client);
      if (leave === null) return full(reply, "Too many pages are being made");
      const messages = await pages.make({ purpose, after, limit, form, client }).finally(leave);
      return reply.header("cache-control", "no-store").send({
        station: Buffer.from(emission.log.station).toString("hex"),
        origin: emission.log.origin,
        first: outbox.firstSeq(purpose),
        last: outbox.lastSeq(purpose),
        messages,
      });
    } finally {
      setIdleLimit(request, app.server.timeout);
    }
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
      const { seq } = outbox.register(consumer, "prover");
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
      outbox.register(consumer, "prover");
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
    {
      config: { scope: "admin" },
      schema: { tags: ["Emission"], summary: "Consumers: cursor, backlog, failures, state" },
    },
    (_request, reply) => reply.header("cache-control", "no-store").send(emission.status()),
  );

  app.get(
    "/v1/federation/stream",
    {
      config: { scope: "read:federation" },
      schema: {
        tags: ["Emission"],
        summary: "What the station sends to federations, as it comes (server-sent events)",
      },
    },
    (request, reply) => {
      const headers = { ...(reply.getHeaders() as Record<string, string>), ...STREAM_HEADERS };
      if (request.method === "HEAD") return reply.headers(headers).send("");
      const client = clientOf(request);
      const leave = seats.stream.take(client);
      if (leave === null) return full(reply, "Too many streams are open already");
      reply.hijack();
      const { raw } = reply;
      setIdleLimit(request, 0);
      raw.writeHead(200, headers);
      const last = request.headers["last-event-id"];
      const stream = new FederationStream(raw, {
        outbox,
        desk,
        client,
        lastId: typeof last === "string" ? last : null,
        keepAliveMs,
        onFault: (error) => {
          request.log.error({ err: error }, "a stream ends: the outbox fails");
        },
      });
      const end = (): void => {
        stream.end();
      };
      waiting.add(end);
      raw.once("close", () => {
        waiting.delete(end);
        leave();
      });
      return reply;
    },
  );
}

const STREAM_HEADERS = { "content-type": "text/event-stream", "cache-control": "no-store" } as const;

/** A token, or else an address: behind a proxy all have one address. */
function clientOf(request: FastifyRequest): string {
  const { token } = request as { token?: FastifyRequest["token"] };
  return token?.id ?? request.socket.remoteAddress ?? "";
}

function setIdleLimit(request: FastifyRequest, ms: number): void {
  const { socket } = request.raw;
  // A request that was made up within the process (fastify's inject) has no real socket.
  if (typeof (socket as Partial<typeof socket>).setTimeout === "function") socket.setTimeout(ms);
}

/** This machine, or a token that was taken; whatever the server around it asks for. */
function mayHavePlaces(request: FastifyRequest): boolean {
  const peer = request.socket.remoteAddress;
  // A Unix socket has no address; who may open it is the file's matter.
  if (peer === undefined || isLoopbackPeer(peer)) return true;
  const { token } = request as { token?: FastifyRequest["token"] };
  return token !== undefined && token !== null && opens(token, "read:fixes");
}
