/** `/v1/stream`: fixes and events as they are stored, as server-sent events. */
import type { FastifyPluginCallbackTypebox } from "@fastify/type-provider-typebox";
import { negotiate } from "../accept.js";
import { EventStream } from "../event-stream.js";
import { ProblemError, problemOf } from "../problem.js";
import { PROBLEMS, sentAs, StreamQuery } from "../schemas.js";
import { decodePosition } from "../stream-position.js";
import { StreamSteps } from "../stream-steps.js";
import type { RouteContext } from "./context.js";
import { levelsOf } from "./fixes.js";

export const STREAM_TYPE = "text/event-stream";

export const streamRoutes: FastifyPluginCallbackTypebox<RouteContext> = (app, { store, stream }, done) => {
  const open = new Set<EventStream>();
  const steps = new StreamSteps(store);
  app.addHook("preClose", (closed) => {
    for (const client of open) client.end();
    closed();
  });
  app.get(
    "/v1/stream",
    {
      // Fixes are the first thing in it; a token for them may see the events as well.
      config: { scope: "read:fixes" },
      schema: {
        tags: ["Fixes"],
        summary: "Fixes and events as they are stored (server-sent events)",
        description:
          "Lines `event: fix` and `event: event` with the record as `data`. Send the last `id` as Last-Event-ID to go " +
          "on without gap or repeat, over restarts too; `event: reset` says that this was not possible.",
        querystring: StreamQuery,
        response: {
          200: sentAs({ [STREAM_TYPE]: { type: "string" } }),
          ...PROBLEMS,
        },
      },
    },
    (request, reply) => {
      if (negotiate(request.headers.accept, [STREAM_TYPE]) === null) {
        throw new ProblemError(problemOf("OSN_NOT_ACCEPTABLE", `This is given as ${STREAM_TYPE}.`));
      }
      const { types = "all", assurance } = request.query;
      // A HEAD request (RFC 9110 section 9.3.2) has no end to wait for.
      const headers = { ...(reply.getHeaders() as Record<string, string>), "content-type": STREAM_TYPE };
      if (request.method === "HEAD") return reply.headers(headers).send("");
      if (open.size >= stream.maxClients) {
        reply.header("retry-after", "10");
        throw new ProblemError(
          problemOf("OSN_RATE_LIMITED", `${stream.maxClients} streams are open already.`, { status: 503 }),
        );
      }
      const start = startOf(request.headers["last-event-id"]);
      reply.hijack();
      const { raw } = reply;
      raw.socket?.setTimeout(0);
      raw.socket?.setNoDelay(true);
      raw.writeHead(200, headers);
      const client = new EventStream(store, raw, {
        levels: types === "event" ? [] : levelsOf(assurance),
        withEvents: types !== "fix",
        ...start,
        keepAliveMs: stream.keepAliveMs,
        stalledMs: stream.stalledMs,
        steps,
        onFault: (error) => {
          request.log.error({ err: error }, "a stream ends: the store fails");
        },
      });
      open.add(client);
      raw.once("close", () => {
        open.delete(client);
      });
      return reply;
    },
  );

  function startOf(lastId: string | string[] | undefined) {
    const end = store.arrivals.end();
    if (lastId === undefined || lastId === "") return { from: end, reset: null };
    const position = decodePosition(store.arrivals.identity, String(lastId));
    if (position === null || position.fix > end.fix || position.event > end.event) {
      return { from: { fix: 0, event: 0 }, reset: "the id is none of this store; everything stored follows" };
    }
    const reset = store.arrivals.isPruned(position) ? "some of what followed the id was let go" : null;
    return { from: position, reset };
  }
  done();
};
