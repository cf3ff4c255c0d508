/** `/openapi.json`: the description of this API, made from the routes' own schemas. */
import type { FastifyPluginCallback } from "fastify";
import { NoQuery, PROBLEMS } from "../schemas.js";

export const openapiRoutes: FastifyPluginCallback = (app, _options, done) => {
  app.get(
    "/openapi.json",
    {
      schema: {
        summary: "This description (OpenAPI 3.1)",
        querystring: NoQuery,
        response: { 200: { type: "object", additionalProperties: true }, ...PROBLEMS },
      },
    },
    () => app.swagger(),
  );
  done();
};
