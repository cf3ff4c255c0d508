/** `/healthz`: the process answers. `/readyz`: the store would take what comes. */
import type { FastifyPluginCallbackTypebox } from "@fastify/type-provider-typebox";
import { opens } from "../access.js";
import { ProblemError, problemOf } from "../problem.js";
import { Health200, NoQuery, PROBLEMS } from "../schemas.js";
import type { RouteContext } from "./context.js";

export const healthRoutes: FastifyPluginCallbackTypebox<RouteContext> = (app, context, done) => {
  app.get(
    "/healthz",
    {
      schema: {
        tags: ["Process"],
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
        tags: ["Process"],
        summary: "The store accepts data; 503 with the reason when it cannot",
        querystring: NoQuery,
        response: { 200: Health200, ...PROBLEMS },
      },
    },
    (request) => {
      const own = context.notReady();
      if (own !== null) throw new ProblemError(problemOf("OSN_NOT_READY", own, { status: 503 }));
      const readiness = context.store.readiness();
      if (readiness.ready) return { status: "ok" as const };
      // The reason names a path of this machine: for its users, and for those who may see the status.
      const { token } = request;
      const mayKnow = token === null ? !context.tokensRequired : opens(token, "read:status");
      const reason = mayKnow ? readiness.reason : "The store does not take data.";
      throw new ProblemError(problemOf("OSN_NOT_READY", reason, { status: 503 }));
    },
  );
  done();
};
