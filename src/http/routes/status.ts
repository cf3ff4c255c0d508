/** `/v1/status`: what this process is doing. */
import type { FastifyPluginCallbackTypebox } from "@fastify/type-provider-typebox";
import { NoQuery, PROBLEMS, refTo, StatusSchema } from "../schemas.js";
import type { RouteContext } from "./context.js";

export const statusRoutes: FastifyPluginCallbackTypebox<RouteContext> = (app, { status }, done) => {
  app.get(
    "/v1/status",
    {
      config: { scope: "read:status" },
      schema: {
        tags: ["Process"],
        summary: "What this process is doing",
        querystring: NoQuery,
        response: { 200: refTo(StatusSchema), ...PROBLEMS },
      },
    },
    () => status(),
  );
  done();
};
