/** `/v1/satellites`: each satellite that was heard, and which of its data is authenticated. */
import type { FastifyPluginCallbackTypebox } from "@fastify/type-provider-typebox";
import { selectRun } from "../run-selection.js";
import { PROBLEMS, RunQuery, SatelliteList } from "../schemas.js";
import type { RouteContext } from "./context.js";

export const satelliteRoutes: FastifyPluginCallbackTypebox<RouteContext> = (app, { store }, done) => {
  app.get(
    "/v1/satellites",
    {
      schema: {
        summary: "Satellites heard, and which of their data is authenticated",
        querystring: RunQuery,
        response: { 200: SatelliteList, ...PROBLEMS },
      },
    },
    (request) => {
      const run = selectRun(store, request.query.run);
      return { run: run.id, items: store.state.satellites(run.id) };
    },
  );
  done();
};
