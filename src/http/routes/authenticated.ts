/** `/v1/authenticated`: navigation data that became authenticated, and by what. */
import type { FastifyPluginCallbackTypebox } from "@fastify/type-provider-typebox";
import { encodeCursor } from "../cursor.js";
import { selectPage } from "../run-selection.js";
import { AuthenticatedPage, AuthenticatedQuery, PROBLEMS } from "../schemas.js";
import type { RouteContext } from "./context.js";

const LIST = "authenticated";

export const authenticatedRoutes: FastifyPluginCallbackTypebox<RouteContext> = (app, { store }, done) => {
  app.get(
    "/v1/authenticated",
    {
      config: { scope: "read:status" },
      schema: {
        tags: ["OSNMA"],
        summary: "Navigation data that became authenticated, newest first",
        querystring: AuthenticatedQuery,
        response: { 200: AuthenticatedPage, ...PROBLEMS },
      },
    },
    (request) => {
      const { svid = null, limit = 100 } = request.query;
      const { run, beforeId } = selectPage(store, LIST, request.query);
      const { items, nextBeforeId } = store.authenticated.page(run.id, svid, { limit, beforeId });
      const nextCursor =
        nextBeforeId === null ? null : encodeCursor(LIST, { run: run.id, beforeId: nextBeforeId });
      return { run: run.id, items, nextCursor };
    },
  );
  done();
};
