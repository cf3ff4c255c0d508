/** `/v1/osnma`: keys, chain and state of OSNMA. */
import type { FastifyPluginCallbackTypebox } from "@fastify/type-provider-typebox";
import { OsnmadError } from "../../errors.js";
import { selectRun } from "../run-selection.js";
import { OsnmaSchema, PROBLEMS, refTo, RunQuery } from "../schemas.js";
import type { RouteContext } from "./context.js";

export const osnmaRoutes: FastifyPluginCallbackTypebox<RouteContext> = (app, { store }, done) => {
  app.get(
    "/v1/osnma",
    {
      schema: {
        summary: "Keys, chain and state of OSNMA",
        querystring: RunQuery,
        response: { 200: refTo(OsnmaSchema), ...PROBLEMS },
      },
    },
    (request) => {
      const run = selectRun(store, request.query.run);
      const status = store.state.osnma(run.id);
      if (status === null)
        throw new OsnmadError("OSN_NOT_FOUND", `Run ${run.id} has recorded no OSNMA state yet.`);
      return status;
    },
  );
  done();
};
