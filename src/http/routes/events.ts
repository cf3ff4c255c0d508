/** `/v1/events`: what happened, newest first. */
import type { FastifyPluginCallbackTypebox } from "@fastify/type-provider-typebox";
import { encodeCursor } from "../cursor.js";
import { selectPage } from "../run-selection.js";
import { EventPage, EventsQuery, PROBLEMS } from "../schemas.js";
import type { RouteContext } from "./context.js";

const LIST = "events";

export const eventRoutes: FastifyPluginCallbackTypebox<RouteContext> = (app, { store }, done) => {
  app.get(
    "/v1/events",
    {
      config: { scope: "read:status" },
      schema: {
        tags: ["Events"],
        summary: "Events, newest first",
        querystring: EventsQuery,
        response: { 200: EventPage, ...PROBLEMS },
      },
    },
    (request) => {
      const { since, limit = 100 } = request.query;
      const sinceGstMs = since === undefined ? undefined : Math.ceil(since * 1000);
      const { run, beforeId } = selectPage(store, LIST, request.query);
      const { items, nextBeforeId } = store.events.page(run.id, { sinceGstMs }, { limit, beforeId });
      const nextCursor =
        nextBeforeId === null ? null : encodeCursor(LIST, { run: run.id, beforeId: nextBeforeId });
      return { run: run.id, items, nextCursor };
    },
  );
  done();
};
