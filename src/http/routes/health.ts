/** `/healthz`: the process answers. `/readyz`: the store would take what comes. */
import type { FastifyPluginCallbackTypebox } from "@fastify/type-provider-typebox";
import { ProblemError, problemOf } from "../problem.js";
import { Health200, NoQuery, PROBLEMS } from "../schemas.js";
import type { RouteContext } from "./context.js";

export const healthRoutes: FastifyPluginCallbackTypebox<RouteContext> = (app, { store }, done) => {
  app.get(
    "/healthz",
    {
      schema: {
        summary: "The process answers",
        querystring: NoQuery,
        response: { 200: Health200, ...PROBLEMS },
      },
    },
    () => ({ status: "ok" as const }),
  );
  app.get(
    "/readyz",
    {
      schema: {
        summary: "The store accepts data; 503 with the reason when it cannot",
        querystring: NoQuery,
        response: { 200: Health200, ...PROBLEMS },
      },
    },
    () => {
      const readiness = store.readiness();
      if (readiness.ready) return { status: "ok" as const };
      throw new ProblemError(problemOf("OSN_NOT_READY", readiness.reason, { status: 503 }));
    },
  );
  done();
};
