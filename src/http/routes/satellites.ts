/** `/v1/satellites`: each satellite that was heard, and which of its data is authenticated. */
import type { FastifyPluginCallbackTypebox } from "@fastify/type-provider-typebox";
import { sendRepresentation } from "../representation.js";
import { selectRun } from "../run-selection.js";
import { NOT_MODIFIED, PROBLEMS, RunQuery, SatelliteList, sentAs } from "../schemas.js";
import type { RouteContext } from "./context.js";

export const satelliteRoutes: FastifyPluginCallbackTypebox<RouteContext> = (app, context, done) => {
  const { store, representations } = context;
  app.get(
    "/v1/satellites",
    {
      config: { scope: "read:status" },
      schema: {
        tags: ["OSNMA"],
        summary: "Satellites heard, and which of their data is authenticated",
        querystring: RunQuery,
        response: {
          200: sentAs({ "application/json": SatelliteList }),
          304: NOT_MODIFIED,
          ...PROBLEMS,
        },
      },
    },
    (request, reply) => {
      const { run: asked } = request.query;
      const satellites = representations.get(`satellites ${asked ?? ""}`, () => {
        const run = selectRun(store, asked);
        return JSON.stringify({ run: run.id, items: store.state.satellites(run.id) });
      });
      return sendRepresentation(request, reply, satellites);
    },
  );
  done();
};
