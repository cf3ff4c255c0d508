/** `/openapi.json`, the description of this API, and `/docs`, to browse it: Swagger UI's own files, from this server. */
import type { FastifyPluginCallback } from "fastify";
import { PAGE_PATHS, type Description } from "../description.js";
import { problemOf, sendProblem } from "../problem.js";
import { NoQuery, PROBLEMS } from "../schemas.js";

export const docsRoutes: FastifyPluginCallback<{ readonly description: Description }> = (
  app,
  { description },
  done,
) => {
  app.get(
    "/openapi.json",
    {
      schema: {
        tags: ["Process"],
        summary: "This description (OpenAPI 3.1)",
        querystring: NoQuery,
        response: { 200: { type: "object", additionalProperties: true }, ...PROBLEMS },
      },
    },
    () => description.document(),
  );
  // The address that a start prints is typed into browsers.
  app.get("/", { schema: { hide: true } }, (_request, reply) => reply.redirect("/docs"));
  for (const path of PAGE_PATHS) {
    app.get(path, { schema: { hide: true } }, async (request, reply) => {
      const { status, headers, body } = await description.page(request.url, request.headers);
      if (status === 404) return sendProblem(reply, problemOf("OSN_NOT_FOUND", "There is no such page."));
      return reply
        .code(status)
        .headers(headers)
        .send(body.length === 0 ? undefined : body);
    });
  }
  app.addHook("onClose", () => description.close());
  done();
};
